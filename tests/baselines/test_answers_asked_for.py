"""What only sounds like a class: nouns inside other nouns, numbers of other things, and nobody."""

import pytest

from sn_viz.baselines.answers import parse_answer
from sn_viz.baselines.answers.asked_for import counted, spoken_of, without_nobody

SAID = [
    ("A hot dog", ("cat", "dog"), "", -1),
    ("It is a hot dog.", ("dog", "cat"), "What is it?", -1),
    ("There is a hot dog", ("no", "yes"), "Is there a dog?", -1),
    ("There is a hot dog", ("no", "yes"), "Is there a hot dog?", 1),
    ("It is a hot dog", ("no", "yes"), "Is this a hot dog?", 1),
    ("hot dogs and a cat", ("cat", "dog"), "", 0),
    ("a hot dog", ("dog", "hot dog"), "", 1),
    ("a dog", ("dog", "hot dog"), "", 0),
    ("a dog house", ("dog", "cat"), "", -1),
    ("dog houses", ("dog", "house"), "", 1),
    ("a cat in a dog bed", ("cat", "dog"), "", 0),
    ("a teddy bear", ("bear", "dog"), "", -1),
    ("a car park", ("car", "bus"), "", -1),
    ("It is a dog house", ("dog", "bird"), "Whose house is it?", 0),
    ("under 2 trees", ("1", "2", "3"), "How many dogs are there?", -1),
    ("3 dogs under 2 trees", ("1", "2", "3"), "How many dogs are there?", 2),
    ("There are 2 trees and 3 dogs", ("1", "2", "3"), "How many dogs?", 2),
    ("2 trees", ("1", "2", "3"), "How many trees?", 1),
    ("carrot cake", ("cake", "carrot"), "", 0),
    ("I saw horses", ("horse", "cow"), "", 0),
    ("a teddy", ("teddy", "bear"), "", 0),
    ("a spider monkey", ("spider", "monkey"), "", 1),
    ("2 brown dogs", ("1", "2", "3"), "How many dogs?", 1),
    ("The dogs are under 2 trees", ("1", "2"), "How many dogs?", -1),
    ("2 puppies", ("1", "2", "3"), "How many dogs?", 1),
    ("2", ("1", "2", "3"), "How many dogs?", 1),
    ("over 2", ("1", "2", "3"), "How many dogs?", -1),
    ("2 of them on 3 chairs", ("1", "2", "3"), "How many cats?", 1),
    ("two", ("1", "2", "3"), "How many dogs on the 3 chairs?", 1),
    ("Nobody", ("person", "no person"), "", 1),
    ("There is nobody.", ("no", "yes"), "Is there a person?", 0),
    ("There is no one in the picture.", ("no", "yes"), "Are there people?", 0),
    ("No one.", ("no", "yes"), "Is there a person?", 0),
    ("Nobody is there.", ("no", "yes"), "Is there a man?", 0),
    ("Niemand.", ("no", "yes"), "Ist da eine Person?", 0),
    ("Nobody", ("man", "woman"), "", -1),
    ("nobody", ("0", "1", "2"), "How many people are there?", 0),
    ("No one", ("0", "1", "2"), "How many people are there?", 0),
    ("There is someone.", ("no", "yes"), "Is there a person?", 1),
    ("No hay nadie", ("persona", "nadie"), "", 1),
    ("Nobody is there, only a dog", ("person", "dog"), "", 1),
    ("Nobody", ("no", "yes"), "Is there a dog?", -1),
]


@pytest.mark.parametrize(("said", "classes", "question", "right"), SAID)
def test_what_was_asked_for_is_told_from_what_is_only_named(said, classes, question, right):
    assert parse_answer(said, classes, question) == right


def test_a_question_says_what_it_counts():
    assert counted("how many dogs are there?") == ("dogs",) and counted("is there a dog?") == ()
    assert counted("wie viele hunde sind da?")[0] == "hunde"
    assert {"dog", "dogs", "hot"} <= spoken_of("Are these hot dogs?")


def test_nobody_is_left_alone_where_it_is_a_class_or_no_one_word_for_people_is_asked_for():
    for classes, question in ((("person", "nobody"), ""), (("man", "woman"), ""), (("no", "yes"), "Is there a dog?")):
        assert without_nobody("nobody is there", classes, question) == "nobody is there"
    assert without_nobody("nobody is there", ("no", "yes"), "is there a man?") == "no man is there"
