"""The parser on any text: it always answers, quickly, and the same for the same text in another spelling or order of classes."""

import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sn_viz.baselines.answers import answer_key, given_answers, parse_answer
from sn_viz.baselines.answers.fold import LONGEST, fold, words
from sn_viz.baselines.answers.key import observe
from sn_viz.errors import UserError

WORDS = (
    *(
        "yes",
        "no",
        "not",
        "dog",
        "dogs",
        "cat",
        "a",
        "the",
        "is",
        "there",
        "isn't",
        "but",
        "two",
        "three",
        "B",
        "answer",
        "café",
        "or",
    ),
    *("狗", "不是", "没有", "犬", "はい", "สุนัข", "собака", "нет", "kein", "Hund", "sí", "perro", "köpek", "değil", "개입니다"),
    *(".", ",", "!", "?", ";", "\n", "(", ")", "**", "’", "“", "-", "'"),
)
TEXTS = st.one_of(st.text(max_size=200), st.lists(st.sampled_from(WORDS), max_size=25).map(" ".join))
NAMES = st.one_of(
    st.sampled_from(("dog", "no dog", "cat", "yes", "no", "others", "1", "2", "A", "B", "狗", "猫", "not ripe", "café")),
    st.text(max_size=12),
)
CLASSES = st.lists(NAMES, min_size=1, max_size=5, unique=True).map(tuple)
QUESTIONS = st.one_of(st.sampled_from(("", "Is there a dog?", "What is it?", "图里有狗吗？", "Is it red?")), st.text(max_size=60))


@settings(max_examples=300, deadline=None)
@given(TEXTS, CLASSES, QUESTIONS)
@example("İ" * 50, ("i", "ı"), "")
@example("\ud800 dog", ("dog", "cat"), "")
@example("\u0301\u0301", ("\u0301", "a"), "")
def test_any_text_is_read_as_a_class_or_as_none(text, classes, question):
    said = parse_answer(text, classes, question)
    assert isinstance(said, int) and -1 <= said < len(classes)


@settings(max_examples=300, deadline=None)
@given(TEXTS, CLASSES, QUESTIONS, st.randoms())
def test_the_order_of_the_classes_does_not_matter(text, classes, question, random):
    shuffled = list(classes)
    random.shuffle(shuffled)
    one, other = parse_answer(text, classes, question), parse_answer(text, tuple(shuffled), question)
    assert (classes[one] if one >= 0 else None) == (shuffled[other] if other >= 0 else None)


@settings(max_examples=200, deadline=None)
@given(TEXTS, CLASSES, QUESTIONS, st.sampled_from(("NFC", "NFD")))
def test_normal_form_and_quotes_do_not_matter(text, classes, question, form):
    other = unicodedata.normalize(form, text).replace("'", "’")
    assert parse_answer(other, classes, question) == parse_answer(text, classes, question)


@given(st.text(max_size=300))
def test_folding_twice_is_folding_once(text):
    assert fold(fold(text)) == fold(text)
    assert all(fold(text)[word.start : word.end] == word.text for word in words(fold(text)))


@pytest.mark.parametrize(
    "piece", ["no ", "not a dog, ", "狗不是", "((((", "\ufdfa", "a\u0301\u0302", "n't ", "twenty one hundred ", "*_*_"]
)
def test_long_text_is_cut_before_it_is_read(piece, monkeypatch):
    seen = []
    monkeypatch.setattr("sn_viz.baselines.answers.parse.fold", lambda text: seen.append(len(text)) or fold(text))
    parse_answer(piece * 200_000, ("no", "dog"), "Is there a dog?")
    assert max(seen) <= LONGEST


@given(TEXTS)
def test_answers_as_text_are_understood_or_refused_in_a_sentence(text):
    try:
        assert all(name and answer for name, answer in given_answers(text).items())
    except UserError as error:
        assert "dog=yes" in str(error)


@given(st.lists(TEXTS, max_size=12))
def test_what_was_said_never_overturns_what_words_decide(texts):
    key = answer_key(("dogs", "others"), "Is there a dog?")
    assert observe(key, texts) is key
