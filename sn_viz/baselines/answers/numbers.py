"""Numbers in words: "two", "twenty-one", "drei", "两". Takes the words of a text; returns where a number stands, and which."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

from sn_viz.baselines.answers.fold import Word, fold

_UNITS = {
    "en": "zero one two three four five six seven eight nine "
    "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen "
    "nineteen twenty",
    "de": "null eins zwei drei vier fünf sechs sieben acht neun "
    "zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn siebzehn achtzehn "
    "neunzehn zwanzig",
    "fr": "zéro un deux trois quatre cinq six sept huit neuf "
    "dix onze douze treize quatorze quinze seize dix-sept dix-huit dix-neuf vingt",
    "es": "cero uno dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince dieciséis diecisiete dieciocho "
    "diecinueve veinte",
    "it": "zero uno due tre quattro cinque sei sette otto nove "
    "dieci undici dodici tredici quattordici quindici sedici diciassette diciotto "
    "diciannove venti",
    "pt": "zero um dois três quatro cinco seis sete oito nove "
    "dez onze doze treze catorze quinze dezesseis dezessete dezoito dezenove vinte",
    "nl": "nul een twee drie vier vijf zes zeven acht negen "
    "tien elf twaalf dertien veertien vijftien zestien zeventien achttien negentien "
    "twintig",
    "ru": "ноль один два три четыре пять шесть семь восемь девять десять одиннадцать двенадцать тринадцать четырнадцать пятнадцать "
    "шестнадцать семнадцать восемнадцать девятнадцать двадцать",
    "pl": "zero jeden dwa trzy cztery pięć sześć siedem osiem dziewięć dziesięć",
    "tr": "sıfır bir iki üç dört beş altı yedi sekiz dokuz on",
    "ko": "영 하나 둘 셋 넷 다섯 여섯 일곱 여덟 아홉 열",
    "ar": "صفر واحد اثنان ثلاثة أربعة خمسة ستة سبعة ثمانية تسعة عشرة",
    "hi": "शून्य एक दो तीन चार पांच छह सात आठ नौ दस",
    "id": "nol satu dua tiga empat lima enam tujuh delapan sembilan sepuluh",
    "sv": "noll ett två tre fyra fem sex sju åtta nio tio",
}
_MORE = {
    "duas": 2,
    "dos": 2,
    "deux": 2,
    "une": 1,
    "una": 1,
    "uma": 1,
    "ein": 1,
    "eine": 1,
    "einen": 1,
    "одна": 1,
    "одно": 1,
    "две": 2,
    "dwie": 2,
    "두": 2,
    "세": 3,
    "पाँच": 5,
    "pair": 2,
    "couple": 2,
    "single": 1,
}
_ARTICLES = {
    fold(word) for word in ("un", "une", "una", "uma", "um", "ein", "eine", "einen", "een", "bir", "on", "ett", "six", "sei", "sex")
}
"""Also articles, or words of another language; they count as numbers alone only."""
SMALL = {fold(word): number for text in _UNITS.values() for number, word in enumerate(text.split())} | {
    fold(w): n for w, n in _MORE.items()
}
SMALL |= {word: number for number, word in enumerate(_UNITS["en"].split())}
TENS = {word: 10 * i for i, word in enumerate("twenty thirty forty fifty sixty seventy eighty ninety".split(), start=2)}
SCALES = {"hundred": 100, "thousand": 1000, "million": 1_000_000}
HAN = {**{c: i for i, c in enumerate("零一二三四五六七八九十")}, "〇": 0, "两": 2, "兩": 2, "百": 100}
_HAN_STARTERS = "第"


class Number(NamedTuple):
    """A number between two places of the text."""

    start: int
    end: int
    value: str


def numbers(found: Sequence[Word], text: str = "") -> list[Number]:
    """Return the numbers among the words of a text, digits and words, with leading zeros away.

    Parameters
    ----------
    found : sequence of Word
        The words, in order.
    text : str
        What they are words of: then "2,5" and "1/2" are no numbers that could count things, and "1,000" is one.

    Examples
    --------
    >>> from sn_viz.baselines.answers.fold import words
    >>> [number.value for number in numbers(words("two dogs and twenty-one cats, 007"))]
    ['2', '21', '7']
    >>> [number.value for number in numbers(words("1,000 and 2.5"), "1,000 and 2.5")]
    ['1000']
    """
    result, i = [], 0
    while i < len(found):
        joined = _joined(found, i, text)
        if joined > 1:
            digits = [word.text for word in found[i : i + joined]]
            between = {text[a.end : b.start] for a, b in zip(found[i:], found[i + 1 : i + joined], strict=False)}
            if between <= {",", "."} and len(between) == 1 and all(len(part) == 3 for part in digits[1:]) and len(digits[0]) <= 3:
                result.append(Number(found[i].start, found[i + joined - 1].end, _value("".join(digits))))
            elif between == {"."} and joined == 2 and not digits[1].strip("0"):
                result.append(Number(found[i].start, found[i + 1].end, _value(digits[0])))
            i += joined
            continue
        taken, value = _english(found, i)
        if taken:
            result.append(Number(found[i].start, found[i + taken - 1].end, str(value)))
            i += taken
            continue
        word = found[i]
        if word.text.isdecimal():
            result.append(Number(word.start, word.end, _value(word.text)))
        elif word.text in SMALL and (word.text not in _ARTICLES or len(found) == 1 or word.text == "six"):
            result.append(Number(word.start, word.end, str(SMALL[word.text])))
        else:
            result += _han(word)
        i += 1
    return result


def _joined(found: Sequence[Word], start: int, text: str) -> int:
    """Return how many words of digits from ``start`` on are written as one: 2,5 or 1/2 or 12:30."""
    n = 1 if found[start].text.isdecimal() else 0
    while n and start + n < len(found) and found[start + n].text.isdecimal():
        if text[found[start + n - 1].end : found[start + n].start] not in (",", ".", "/", ":"):
            break
        n += 1
    return n


def _value(digits: str) -> str:
    return "".join(str(unicodedata.decimal(digit)) for digit in digits[:50]).lstrip("0") or "0"


def value_of(name: str) -> str | None:
    """Return the number that a whole name is, or None.

    Examples
    --------
    >>> value_of("Two"), value_of("3"), value_of("3 dogs")
    ('2', '3', None)
    """
    from sn_viz.baselines.answers.fold import words

    found = words(fold(name))
    said = numbers(found)
    return said[0].value if len(said) == 1 and found and (said[0].start, said[0].end) == (found[0].start, found[-1].end) else None


def _english(found: Sequence[Word], start: int) -> tuple[int, int]:
    """Return how many words from ``start`` on make an English number, and which; (0, 0) when none does."""
    total, group, i, last = 0, 0, start, 10_000_000
    while i < len(found) and i - start < 12:
        word = found[i].text
        if word in TENS and last > 99:
            group, last = group + TENS[word], 99
        elif word in _EN and last > 9 and not (last == 99 and _EN[word] > 9):
            group, last = group + _EN[word], 9
        elif word in SCALES and group:
            if SCALES[word] == 100:
                group, last = group * 100, 100
            else:
                total, group, last = total + group * SCALES[word], 0, 1000
        elif not (word == "and" and last in (100, 1000) and i + 1 < len(found) and found[i + 1].text in {**_EN, **TENS}):
            break
        i += 1
    return (i - start, total + group) if i > start else (0, 0)


_EN = {word: number for number, word in enumerate(_UNITS["en"].split()[:20])}


def _han(word: Word) -> list[Number]:
    result, i, text = [], 0, word.text
    while i < len(text):
        j = i
        while j < len(text) and text[j] in HAN:
            j += 1
        if j > i and (i == 0 or text[i - 1] not in _HAN_STARTERS):
            result.append(Number(word.start + i, word.start + j, str(_han_value(text[i:j]))))
        i = max(j, i + 1)
    return result


def _han_value(digits: str) -> int:
    total, unit = 0, 0
    for digit in digits[:12]:
        if digit in "十百":
            total, unit = total + max(unit, 1) * HAN[digit], 0
        else:
            unit = HAN[digit]
    return total + unit
