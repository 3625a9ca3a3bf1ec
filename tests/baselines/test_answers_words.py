"""Words, forms of words, numbers and names, by themselves: what the parser compares with."""

import numpy as np
import pytest

from sn_viz.baselines.answers import answer_key, answer_words, class_logits, parse_answer
from sn_viz.baselines.answers.fold import fold, is_unspaced, without_marks, words
from sn_viz.baselines.answers.inflect import bare_noun, languages, same_word
from sn_viz.baselines.answers.mentions import clauses, find
from sn_viz.baselines.answers.names import cores, is_residual, own_words, parts, sense
from sn_viz.baselines.answers.numbers import numbers, value_of
from sn_viz.baselines.answers.parse import polarity


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a dog, two cats!", ["a", "dog", "two", "cats"]),
        ("isn't it 'so'?", ["isn't", "it", "so"]),
        ("l'homme qu'il voit", ["l", "homme", "qu", "il", "voit"]),
        ("a l'homme et d'eau", ["a", "l", "homme", "et", "d", "eau"]),
        ("dog2 b-3", ["dog", "2", "b", "3"]),
        ("図にdogがいる", ["図に", "dog", "がいる"]),
        ("हिन्दी", ["हिन्दी"]),
        ("dogs'", ["dogs"]),
        ("", []),
    ],
)
def test_words_stand_where_they_say(text, said):
    found = words(fold(text))
    assert [word.text for word in found] == said
    assert all(fold(text)[word.start : word.end] == word.text for word in found)


def test_one_spelling():
    assert fold("ＩＳＮ’Ｔ “it” — SO\u200b?") == 'isn\'t "it" - so?'
    assert fold("x" * 3000) == "x" * 2000 and fold("a\n\tb\x07") == "a\n\tb"
    assert without_marks("räder café") == "rader cafe"
    assert is_unspaced("dog 狗") and is_unspaced("ใช่") and not is_unspaced("dog собака 개")


@pytest.mark.parametrize(
    "pair",
    [
        *("dog dogs", "box boxes", "bus buses", "knife knives", "leaf leaves", "city cities", "glove gloves", "shoe shoes"),
        *("church churches", "dish dishes", "potato potatoes", "quiz quizzes", "mouse mice", "child children", "dog dog's"),
        *("dogs dogs'", "crack cracked", "crack cracking", "rust rusty", "defect defective", "bake baked", "stop stopped"),
        *("star starred", "carry carried", "smile smiling", "box box", "cow cows", "tie ties", "bee bees", "gas gas"),
    ],
)
def test_forms_of_one_english_word(pair):
    one, other = pair.split()
    assert same_word(one, other) and same_word(other, one)


@pytest.mark.parametrize(
    "pair",
    [
        *("car care", "cat cattle", "bus busy", "star stare", "bell belly", "part party", "glass glas", "new news", "as a"),
        *("dog cat", "gas ga", "this thi", "cactus cactu", "red reded", "12 123", "1 1s", "bed b", "king k", "ha hay", "let lens"),
        *("body bod", "can candy", "for ford", "man many", "starred stare"),
    ],
)
def test_other_words_that_only_look_alike(pair):
    one, other = pair.split()
    assert not same_word(one, other) and not same_word(other, one)


@pytest.mark.parametrize(
    ("language", "pair"),
    [
        ("de", "hund hunde"),
        ("de", "räder rad"),
        ("de", "lehrerin lehrerinnen"),
        ("nl", "kat katten"),
        ("nl", "hond honden"),
        ("fr", "cheval chevaux"),
        ("fr", "bateau bateaux"),
        ("es", "perro perras"),
        ("es", "pez peces"),
        ("pt", "avião aviões"),
        ("it", "gatto gatti"),
        ("sv", "hund hundarna"),
        ("ru", "собака собаку"),
        ("pl", "kot koty"),
        ("tr", "kedi kediler"),
        ("fi", "koira koirat"),
        ("ko", "개 개가"),
        ("ar", "كلب الكلب"),
        ("he", "כלב הכלב"),
    ],
)
def test_forms_of_words_of_other_languages(language, pair):
    one, other = pair.split()
    spoken = frozenset(("en", language))
    assert same_word(one, other, spoken) and same_word(other, one, spoken)
    assert not same_word(one, other[::-1] + "x", spoken)


def test_other_languages_have_no_say_in_an_english_text():
    english = frozenset(("en",))
    assert not same_word("kat", "katten", english) and not same_word("gatto", "gatti", english)
    assert same_word("gatto", "gatti", frozenset(("en", "?")))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("is there a dog in the picture", {"en"}),
        ("das ist kein hund auf dem bild", {"en", "de"}),
        ("il y a un chien dans cette image", {"en", "fr"}),
        ("собака", {"en", "ru"}),
        ("ist das собака", {"en", "de", "ru"}),
        ("σκύλος", {"en", "el"}),
        ("xyzzy", {"en", "?"}),
        ("", {"en", "?"}),
    ],
)
def test_the_languages_of_a_text(text, found):
    assert languages(text) == found


def test_what_hangs_on_a_korean_word_is_left_off():
    assert [bare_noun(word) for word in ("개가", "개", "있습니까", "dog")] == ["개", "개", "", "dog"]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("two dogs and twenty-one cats, 007", ["2", "21", "7"]),
        ("nineteen, twenty, ninety-nine", ["19", "20", "99"]),
        ("one hundred and five", ["105"]),
        ("three hundred twenty", ["320"]),
        ("two thousand three hundred and forty five", ["2345"]),
        ("one million two hundred thousand and six", ["1200006"]),
        ("hundred dogs", []),
        ("one two three", ["1", "2", "3"]),
        ("twenty ten", ["20", "10"]),
        ("five and six", ["5", "6"]),
        ("one hundred and dogs", ["100"]),
        ("sixty six", ["66"]),
        ("drei Hunde, zwölf", ["3", "12"]),
        ("un chien", []),
        ("un", ["1"]),
        ("0", ["0"]),
        ("٣ كلاب", ["3"]),
        ("1,000 and 2,5 and 1/2 and 3.0 and 12:30", ["1000", "3"]),
        ("1,234,567", ["1234567"]),
        ("1,234.567", []),
        ("1234,567", []),
        ("3.10", []),
        ("两只狗", ["2"]),
        ("兩隻狗", ["2"]),
        ("〇", ["0"]),
        ("a " * 299 + "5", ["5"]),
        ("5 " * 300, ["5"] * 300),
        ("图里有十二只", ["12"]),
        ("二十三只和四只", ["23", "4"]),
        ("一百二十", ["120"]),
        ("第三个", []),
    ],
)
def test_numbers_in_a_text(text, values):
    folded = fold(text)
    found = numbers(words(folded), folded)
    assert [number.value for number in found] == values


def test_numbers_stand_where_they_say():
    folded = fold("I see twenty-one cats, 1,000 dogs and 图里有十二只猫")
    found = numbers(words(folded), folded)
    assert [folded[number.start : number.end] for number in found] == ["twenty-one", "1,000", "十二"]


@pytest.mark.parametrize(
    ("name", "value"),
    [("Two", "2"), ("3", "3"), ("3 dogs", None), ("two three", None), ("twenty-one", "21"), ("dog", None), ("", None)],
)
def test_a_name_that_is_a_number(name, value):
    assert value_of(name) == value


@pytest.mark.parametrize(
    ("classes", "said"),
    [
        (("dog", "no dog"), [("dog", False), ("dog", True)]),
        (("nodog", "hasdog"), [("dog", True), ("dog", False)]),
        (("with_mask", "without_mask"), [("mask", False), ("mask", True)]),
        (("sugar free", "sugar"), [("sugar", True), ("sugar", False)]),
        (("frei", "zucker frei"), [("frei", False), ("zucker", True)]),
        (("mask present", "mask absent"), [("mask", False), ("mask", True)]),
        (("not without mask", "mask"), [("mask", False), ("mask", False)]),
        (("import", "port"), [("import", False), ("port", False)]),
        (("unripe", "ripe"), [("ripe", True), ("ripe", False)]),
        (("unripe", "cat"), [("unripe", False), ("cat", False)]),
        (("the dog", "a cat"), [("dog", False), ("cat", False)]),
        (("没有狗", "有狗"), [("狗", True), ("狗", False)]),
    ],
)
def test_what_names_speak_of(classes, said):
    assert [(" ".join(core.words), core.negated) for core in cores(classes)] == said


def test_a_name_that_another_denies_is_no_shorter_word_with_a_prefix():
    classes = ("sugar free", "sugar", "salt")
    assert parse_answer("There is sugar in it.", classes) == 1 and parse_answer("It has no sugar.", classes) == 0


def test_names_in_parts():
    assert parts("NoDog") == ("no", "dog") and parts(" light_blue ") == ("light", "blue") and parts("") == ()
    assert own_words(("red car", "blue_car", "bus")) == (("red",), ("blue",), ())
    assert own_words(("dog", "hot dog")) == ((), ())
    assert [sense(name) for name in ("Yes", "否", "oui", "0", "dog", "No.")] == [1, -1, 1, -1, 0, -1]
    assert [is_residual(name) for name in ("others", "other things", "background", "その他", "dog", "")] == [True] * 4 + [False] * 2


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("no dog. a cat", ["no dog", "a cat"]),
        ("no dog, cat or bird", ["no dog, cat or bird"]),
        ("no dog, cat, horse, or bird, and it is red", ["no dog, cat, horse, or bird", "and it is red"]),
        ("no dog, big black cat, or bird", ["no dog, big black cat, or bird"]),
        ("no dog, a very big cat, or bird", ["no dog", "a very big cat, or bird"]),
        ("no dog, it is a cat or bird", ["no dog", "it is a cat or bird"]),
        ("a dog; no cat", ["a dog", "no cat"]),
        ("a dog but no cat", ["a dog", "no cat"]),
        ("", []),
    ],
)
def test_clauses_end_where_a_negation_ends(text, cut):
    assert [text[clause.start : clause.end].strip() for clause in clauses(text)] == cut


@pytest.mark.parametrize(
    ("text", "names", "found"),
    [
        ("a dog and a cat", ["dog", "cat"], [("dog", 0, False), ("cat", 1, False)]),
        ("no dog, a cat", ["dog", "cat"], [("dog", 0, True), ("cat", 1, False)]),
        ("a hot dog", ["dog", "hot dog"], [("hot dog", 1, False)]),
        ("a hot dog and a cat", ["dog", "hot dog", "cat"], [("hot dog", 1, False), ("cat", 2, False)]),
        ("the dog is not", ["dog"], [("dog", 0, True)]),
        ("a dog it is not", ["dog"], [("dog", 0, True)]),
        ("少ない", ["少ない"], [("少ない", 0, False)]),
        ("two dogs", ["dog", "2"], [("two", 1, False), ("dogs", 0, False)]),
        ("more than two", ["2"], [("two", 0, True)]),
        ("at least two", ["2"], []),
        ("a dog-shaped cloud", ["dog", "cloud"], [("cloud", 1, False)]),
        ("hot, dog", ["hot dog"], []),
        ("a dog is not visible", ["dog"], [("dog", 0, True)]),
        ("hay perros, no gatos", ["perro", "gato"], [("perros", 0, False), ("gatos", 1, True)]),
        ("图里没有狗", ["狗", "猫"], [("狗", 0, True)]),
        ("是狗不是猫", ["狗", "猫"], [("狗", 0, False), ("猫", 1, True)]),
    ],
)
def test_mentions_of_names(text, names, found):
    got = find(text, tuple(tuple(name.split()) for name in names))
    assert [(text[m.start : m.end], m.name, m.negated) for m in got] == found


@pytest.mark.parametrize(
    ("text", "way"),
    [
        ("Yes.", 1),
        ("no", -1),
        ("Yes, no.", 0),
        ("I think so", 1),
        ("Absolutely not.", -1),
        ("a dog", 0),
        ("No, it is a dog", -1),
        ("not yes", -1),
        ("是的", 1),
        ("不是。", -1),
        ("Oui, bien sûr", 1),
        ("no problem", 0),
        ("", 0),
    ],
)
def test_yes_and_no_whatever_they_stand_for(text, way):
    assert polarity(text) == way


@pytest.mark.parametrize(
    ("said", "label"),
    [
        ("It is broken.", 0),
        ("It is defective.", 0),
        ("It is not broken.", 1),
        ("It is intact.", 1),
        ("It is fine.", 1),
        ("It is a vase.", -1),
    ],
)
def test_an_answer_in_other_words_than_the_question(said, label):
    assert parse_answer(said, ("x-ray", "y-ray"), "Is it damaged?", answer_key(("x-ray", "y-ray"), "", {"x-ray": "yes"})) == label


def test_thinking_is_left_out_whatever_its_case_and_lines():
    assert parse_answer("<THINK>a cat?\na cat!</THINK> A dog.", ("cat", "dog")) == 1
    assert parse_answer("<think>a cat", ("cat", "dog")) == -1


@pytest.mark.parametrize("said", ["狗否", "图里是否有狗", "否我不是"])
def test_a_class_called_no_is_not_found_inside_other_words(said):
    assert parse_answer(said, ("是", "否")) == -1


def test_what_is_said_and_denied_at_once_names_nothing():
    assert parse_answer("It is a dog. It is not a dog.", ("cat", "dog")) == -1
    assert parse_answer("It is a cat, not a dog.", ("cat", "dog")) == 0
    assert parse_answer("It is a cat. It is not a dog. It is not a cat.", ("cat", "dog")) == -1
    assert parse_answer("It is a cow, not a dog.", ("cat", "dog", "cow")) == 2


class Vocabulary:
    """Stands in for a model: no word but yes, no and cat can be written."""

    def answer_token_ids(self, text: str) -> list[int]:
        return {"yes": [0], "no": [1], "cat": [2]}.get(text, [])


def test_words_that_the_model_cannot_write_are_never_the_likelier_ones():
    low = np.full((2, 3), -9.0, np.float32)
    assert answer_words(Vocabulary(), low, ("alpha", "beta"), "Is it a beta?") == ("no", "yes")
    assert answer_words(Vocabulary(), low, ("alpha", "beta"), "Is it heavy?") == ("alpha", "beta")
    assert answer_words(Vocabulary(), low, ("alpha", "beta"), "Is it heavy?", fitted=True) == ("no", "yes")
    assert answer_words(Vocabulary(), low, ("a", "b", "c"), "Is it heavy?", fitted=True) == ("a", "b", "c")


def test_given_words_are_compared_by_as_they_are():
    logits = np.array([[1.0, 2, 3]], np.float32)
    assert class_logits(Vocabulary(), logits, ("alpha", "beta"), words=("cat", "no")).tolist() == [[3, 2]]
