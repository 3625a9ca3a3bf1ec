"""Are two words forms of one word? Plurals and simple endings, by language; knows nothing of answers.

Rules, not dictionaries: they must be right for the names people give to classes (dog, knife, Hund, perro, собака), and must not
take one word for another (car is not care, cat is not cattle, bus is not busy).
"""

from __future__ import annotations

import re
from functools import lru_cache

from sn_viz.baselines.answers.fold import fold, is_unspaced, without_marks
from sn_viz.baselines.answers.words import PARTICLES

IRREGULAR = {
    **{"mice": "mouse", "geese": "goose", "teeth": "tooth", "feet": "foot", "men": "man", "women": "woman", "children": "child"},
    **{"oxen": "ox", "people": "person", "persons": "person", "lice": "louse", "dice": "die", "cacti": "cactus", "fungi": "fungus"},
    **{"leaves": "leaf", "broke": "break", "broken": "break", "breaks": "break", "torn": "tear", "bent": "bend", "burnt": "burn"},
    **{
        "worn": "wear",
        "wore": "wear",
        "ate": "eat",
        "eaten": "eat",
        "sat": "sit",
        "stood": "stand",
        "ran": "run",
        "slept": "sleep",
    },
    **{"radii": "radius", "matrices": "matrix", "indices": "index", "vertices": "vertex", "quizzes": "quiz", "zeroes": "zero"},
    **{"cães": "cão", "pães": "pão", "mãos": "mão", "peces": "pez", "luces": "luz", "räder": "rad", "ärzte": "arzt", "psy": "pies"},
    **{"psa": "pies", "psów": "pies", "koty": "kot", "собак": "собака", "кошек": "кошка", "oeufs": "oeuf", "yeux": "oeil"},
    **{"lit": "light", "shut": "shut", "hidden": "hide", "frozen": "freeze", "fallen": "fall", "fell": "fall", "written": "write"},
}
NOT_ENGLISH_FORMS = frozenset(
    ("belly", "party", "busy", "fairy", "ready", "body", "candy", "lady", "story", "pony", "policy", "penny", "news", "lens")
)
ENDINGS = {
    "de": (("", "e", "en", "n", "er", "s", "es", "em", "ern", "nen"), ("in", "innen")),
    "nl": (("", "en", "s", "e", "je", "jes"),),
    "fr": (("", "s", "e", "es", "x"), ("al", "aux"), ("eau", "eaux"), ("eux", "euse", "euses"), ("f", "ve", "fs", "ves")),
    "es": (("o", "a", "os", "as"), ("", "s", "es"), ("z", "ces"), ("e", "es")),
    "pt": (("o", "a", "os", "as"), ("", "s", "es"), ("ão", "ões", "ãos", "ães"), ("l", "is"), ("m", "ns")),
    "it": (("o", "a", "i", "e"), ("co", "chi"), ("ca", "che"), ("go", "ghi"), ("io", "i")),
    "sv": (("", "en", "et", "n", "er", "ar", "or", "erna", "arna", "orna", "na"), ("a", "or", "an", "orna")),
    "da": (("", "en", "et", "e", "er", "ene", "erne", "s"),),
    "ru": (
        ("", "а", "у", "ы", "и", "е", "ой", "ом", "ам", "ами", "ах", "ов", "ей", "ем", "я", "ю", "ь", "й", "ям", "ями", "ях", "ья"),
        ("ый", "ая", "ое", "ые", "ого", "ому", "ым", "ую", "ой", "ых", "ий", "ие", "ее", "яя"),
        ("ка", "ки", "ку", "ке", "кой", "ок", "ек"),
        ("о", "а", "у", "е", "ом"),
    ),
    "pl": (("", "a", "y", "i", "e", "u", "ę", "ą", "em", "om", "ami", "ach", "ów", "o", "ie", "ki"), ("ek", "ka", "ki", "ków")),
    "cs": (("", "a", "y", "i", "e", "u", "ů", "em", "ům", "ami", "o", "ě", "ou"),),
    "el": (
        ("ος", "ου", "ο", "οι", "ουσ", "οσ", "ων"),
        ("α", "ες", "εσ", "ας", "ασ", "ων"),
        ("η", "ης", "ησ", "ες", "εσ"),
        ("ι", "ια"),
    ),
    "tr": (("", "lar", "ler", "i", "u", "ü", "a", "e", "si", "su", "in", "un", "dir", "tir", "leri", "lari"),),
    "hu": (("", "k", "ok", "ek", "ak", "ök", "t", "ot", "et", "at"),),
    "fi": (("", "t", "a", "ä", "n", "ja", "jä", "ssa", "ia"),),
    "id": (("", "nya"),),
    "hi": (("ा", "े", "ों", "ी", ""), ("", "ें", "ियाँ", "ों")),
}
"""Sets of endings that stand for each other, by language."""
HINTS = {
    "en": "the is are there a an this that it what which do does you see picture image any",
    "de": "der die das ist ein eine einen es gibt auf dem bild zu sehen nicht kein keine sind zwei drei ich und",
    "nl": "het een is er de op staat niet geen zie ik twee foto",
    "fr": "le la les un une est il y des sur dans cette ce pas deux je vois qu",
    "es": "el la los las un una hay está es son en esta este veo dos foto imagen perro no",
    "pt": "o os as está um uma há é são na no isto este vejo dois não imagem",
    "it": "il la lo gli le una è c nella sono un vedo due questa questo",
    "sv": "det är en ett finns på bilden jag ser två",
    "da": "det er en et der på billedet jeg ser to bildet",
    "ru": "",
    "pl": "to jest na zdjęciu są czy nie widzę dwa obrazku",
    "cs": "je to na obrázku jsou dva vidím není",
    "el": "",
    "tr": "bir var bu mi mı resimde yok iki",
    "hu": "egy van ez a az képen két",
    "fi": "on onko kuvassa tämä kaksi",
    "id": "ada ini itu seekor sebuah gambar",
    "hi": "",
}
_HINTS = {language: frozenset(fold(word) for word in text.split()) for language, text in HINTS.items()}
_BY_SCRIPT = (("ru", re.compile("[\u0400-\u04ff]")), ("el", re.compile("[\u0370-\u03ff]")), ("hi", re.compile("[\u0900-\u097f]")))
_HANGUL = re.compile("[\uac00-\ud7a3]")
_ARABIC = re.compile("[\u0590-\u06ff]")
_PARTICLES = re.compile(f"(?:{'|'.join(sorted(map(re.escape, PARTICLES), key=len, reverse=True))}){{1,3}}")


@lru_cache(maxsize=1024)
def languages(text: str) -> frozenset[str]:
    """Return the languages that folded ``text`` may be in, by its commonest words and its script; English is always among them."""
    here = set(re.findall(r"\w+", text))
    votes = {language: len(here & hints) for language, hints in _HINTS.items()}
    most = max(votes.values())
    found = {language for language, n in votes.items() if n == most and n} | {
        name for name, script in _BY_SCRIPT if script.search(text)
    }
    return frozenset(found | {"en"}) if found else frozenset(("en", "?"))


@lru_cache(maxsize=1 << 16)
def same_word(one: str, other: str, spoken: frozenset[str] = frozenset(("en",))) -> bool:
    """Return whether two folded words are forms of one word in one of the languages ``spoken``.

    Examples
    --------
    >>> [same_word(*pair) for pair in (("dog", "dogs"), ("knife", "knives"), ("defect", "defective"), ("car", "care"))]
    [True, True, True, False]
    """
    if one == other:
        return True
    if not one or not other or is_unspaced(one) or is_unspaced(other) or one.isdigit() or other.isdigit():
        return False
    if _HANGUL.match(one) and _HANGUL.match(other):
        short, long = sorted((one, other), key=len)
        return long.startswith(short) and bool(_PARTICLES.fullmatch(long[len(short) :]))
    if english_forms(one) & english_forms(other):
        return True
    if _ARABIC.match(one) and _ARABIC.match(other):
        return bool(_semitic(one) & _semitic(other))
    unknown = "?" in spoken
    short, long = sorted((one, other), key=len)
    if (unknown or "nl" in spoken) and re.search("[aeiou][bcdfgklmnprst]$", short) and long == f"{short}{short[-1]}en":
        return True  # kat, katten
    plain_one, plain_other = without_marks(one), without_marks(other)
    for language in ENDINGS if unknown else spoken & ENDINGS.keys():
        for endings in ENDINGS[language]:
            least = 4 if unknown else 3
            if _share_stem(one, other, endings, least):
                return True
            if (one, other) != (plain_one, plain_other) and _share_stem(plain_one, plain_other, endings, least):
                return True
    return False


def _semitic(word: str) -> set[str]:
    """Return what an Arabic or Hebrew word may be with its article, conjunction, preposition and case ending."""
    bare = re.sub("[\u064b-\u0652\u0591-\u05c7]", "", word)
    found = {word, bare} | {bare[len(p) :] for p in _CLITICS if bare.startswith(p) and len(bare) - len(p) >= 3}
    return found | {
        w[: -len(s)] for w in found for s in ("ا", "ات", "ين", "ان", "ים", "ות") if w.endswith(s) and len(w) - len(s) >= 3
    }


_CLITICS = ("ال", "وال", "بال", "لل", "كال", "ה", "וה", "ב", "ש", "כש")


def bare_noun(word: str) -> str:
    """Return a Korean word without what hangs on it, "" for a verb of being; words of other scripts as they are."""
    if not _HANGUL.match(word):
        return word
    if word.startswith(("있", "보이", "보입", "인가", "입니까", "이미지", "사진", "그림", "이것")):
        return ""
    return re.sub(rf"(?<=.)(?:{_PARTICLES.pattern})$", "", word)


def _share_stem(one: str, other: str, endings: tuple[str, ...], least: int) -> bool:
    for ending in endings:
        stem = one[: len(one) - len(ending)]
        if one.endswith(ending) and len(stem) >= least and other.startswith(stem) and other[len(stem) :] in endings:
            return True
    return False


@lru_cache(maxsize=1 << 14)
def english_forms(word: str) -> frozenset[str]:
    """Return what an English word may be a form of, itself included."""
    word = word.removesuffix("'s").removesuffix("s'") if word.endswith(("'s", "s'")) else word
    found = {word}
    if word in IRREGULAR:
        found.add(IRREGULAR[word])
    if word in NOT_ENGLISH_FORMS:
        return frozenset(found)
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        found |= _plural(word)
    for ending in ("ed", "ing", "y", "ive"):
        stem = word.removesuffix(ending)
        if stem != word and len(stem) >= 3 and re.search("[aeiouy]", stem):
            found |= _bases(stem, ending)
    return frozenset(found)


def _plural(word: str) -> set[str]:
    if word.endswith("ies"):
        return {word[:-3] + "y", word[:-1]}
    if word.endswith("ves"):
        return {word[:-3] + "f", word[:-3] + "fe", word[:-1]}
    if word.endswith(("ses", "xes", "zes", "ches", "shes", "oes")):
        return {word[:-2], word[:-1]}
    return {word[:-1]}


def _bases(stem: str, ending: str) -> set[str]:
    """Return the words that ``stem`` with ``ending`` comes from; a short word doubles its consonant: starred is no stare."""
    short = re.fullmatch(r"[^aeiou]*[aeiouy][^aeiouywx]", stem)
    doubled = re.fullmatch(r"([^aeiou]*[aeiouy]([^aeiouywx]))\2", stem)
    if doubled:
        return {doubled[1], stem}
    if short:
        return set() if ending in ("y", "ive") else {stem + "e"}
    bases = {stem} if ending == "y" else {stem, stem + "e"}
    if ending == "ed" and stem.endswith("i"):
        bases.add(stem[:-1] + "y")
    return bases
