"""One glossary for the page, the report and the documentation."""

from __future__ import annotations

from pathlib import Path

import pytest

from sn_viz.glossary import GLOSSARY, OTHER_FORMS, as_html, as_markdown, words_in

DOCS = Path(__file__).resolve().parents[1] / "docs"


def test_the_page_of_the_documentation_is_made_from_it():
    assert (DOCS / "glossary.md").read_text("utf-8") == as_markdown(), "run python docs/make.py glossary"


@pytest.mark.parametrize("word", GLOSSARY)
def test_a_word_is_explained_in_one_plain_sentence(word):
    said = GLOSSARY[word]
    assert said[0].isupper() and said.endswith(".") and said.count(". ") == 0
    assert len(said.split()) <= 25
    assert "|" not in said and "<" not in said


def test_words_are_found_in_singular_and_plural_but_not_inside_other_words():
    assert list(words_in("Three Voters, held out from the site")) == ["site", "voter", "held-out"]
    assert words_in("annulled players' opposite communities") == {}
    assert set(words_in(" ".join(GLOSSARY))) == set(GLOSSARY)


def test_other_forms_belong_to_words_that_there_are():
    assert set(OTHER_FORMS) <= set(GLOSSARY)
    for word, forms in OTHER_FORMS.items():
        assert all(word in words_in(form) for form in forms)


def test_html_holds_each_word_once_and_its_sentence():
    made = as_html({"SAV": "A & b."})
    assert made == "<dl><dt>SAV</dt><dd>A &amp; b.</dd></dl>"
    assert as_html().count("<dt>") == len(GLOSSARY)
