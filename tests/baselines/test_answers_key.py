"""What each class is answered with: who decides it, in which order, and what is said about it."""

import pytest

from sn_viz.baselines.answers import answer_key, given_answers, parse_answer, settled
from sn_viz.baselines.answers.key import observe
from sn_viz.errors import UserError


def test_what_occurs_decides_only_when_it_tells():
    unknown = answer_key(("alpha", "beta"), "Is it?")
    assert observe(unknown, ["yes", "no"] * 10).source == "unknown"
    named = observe(unknown, ["alpha", "beta", "a beta"] * 4)
    assert named.source == "observed" and named.words == ("alpha", "beta") and named.inferred
    told = observe(unknown, ["Yes, alpha.", "No, beta."] * 4)
    assert told.source == "observed" and told.words == ("yes", "no")
    assert observe(unknown, ["Yes, alpha.", "Yes, beta."] * 4).source == "unknown"


def test_given_answers_go_before_everything():
    key = answer_key(("dogs", "others"), "Is there a dog?", {"dogs": "no", "others": "yes"})
    assert [parse_answer(text, key.classes, "", key) for text in ("yes", "no", "There are dogs")] == [1, 0, 0]
    words_of_their_own = answer_key(("ok", "defect"), "", {"ok": "pass", "defect": "fail"})
    assert [parse_answer(text, key.classes, "", words_of_their_own) for text in ("It passes", "fail", "ok")] == [0, 1, 0]
    swapped = answer_key(("cat", "dog"), "", {"cat": "dog", "dog": "cat"})
    assert parse_answer("a dog", swapped.classes, "", swapped) == 0
    assert answer_key(("alpha", "beta"), "", {"alpha": "yes"}).words == ("yes", "no")


@pytest.mark.parametrize(
    ("answers", "what"), [({"dgo": "yes"}, "no class called 'dgo'"), ({"dog": "yes", "cat": "yes"}, "Two classes")]
)
def test_answers_that_cannot_be_are_refused(answers, what):
    with pytest.raises(UserError, match=what):
        answer_key(("dog", "cat"), "", answers)


def test_questions_that_differ_are_read_each_by_its_own():
    key = answer_key(("cat", "dog"), ("Is this a cat?", "Is this a dog?"))
    assert key.by_question and key.inferred
    assert [parse_answer("yes", key.classes, question, key) for question in ("Is this a cat?", "Is this a dog?")] == [0, 1]


def test_two_classes_and_one_given_yes_or_no_give_the_other_its_opposite_but_another_word_gives_nothing():
    assert answer_key(("alpha", "beta"), "", {"beta": "no"}).words == ("yes", "no")
    assert answer_key(("alpha", "beta"), "", {"beta": "yes"}).words == ("no", "yes")
    assert answer_key(("alpha", "beta"), "", {"alpha": "no"}).words == ("no", "yes")
    assert answer_key(("alpha", "beta"), "", {"alpha": "pass"}).words == ("pass", "beta")
    both = answer_key(("alpha", "beta"), "", {"alpha": "yes", "beta": "fail"})
    assert both.words == ("yes", "fail") and (both.yes, both.no) == (0, -1)
    three = answer_key(("alpha", "beta", "gamma"), "", {"alpha": "yes"})
    assert three.words == ("yes", "beta", "gamma") and (three.yes, three.no) == (0, -1)


def test_given_answers_are_said_by_the_user_whatever_case_and_space_and_know_their_yes_and_no():
    key = answer_key(("Dog", "Cat"), "Is it a cat?", {"dog ": " yes  sir ", "CAT": "no"})
    assert key.words == ("yes sir", "no") and key.source == "given" and not key.inferred
    assert (key.yes, key.no) == (-1, 1)
    assert answer_key(("a", "b"), "", {"a": "x" * 100}).words == ("x" * 80, "b")


@pytest.mark.parametrize(
    ("classes", "words", "yes"),
    [
        (("no", "yes"), ("no", "yes"), 1),
        (("yes", "no"), ("yes", "no"), 0),
        (("nein", "ja"), ("no", "yes"), 1),
        (("yes", "no", "maybe"), ("yes", "no"), 0),
        (("no", "yes", "maybe"), ("no", "yes", "maybe"), 1),
        (("maybe", "yes", "no"), ("maybe", "yes", "no"), 1),
    ],
)
def test_classes_called_yes_and_no_are_answered_with_them(classes, words, yes):
    key = answer_key(classes, "Is it?")
    assert key.words[: len(words)] == words and key.source == "named" and not key.inferred
    assert key.yes == yes and key.classes[key.no] in ("no", "nein")


@pytest.mark.parametrize(
    ("classes", "yes", "reason"),
    [
        (("yes", "banana"), 0, "'yes' is a yes."),
        (("banana", "yes"), 1, "'yes' is a yes."),
        (("no", "banana"), 1, "'no' is a no."),
        (("banana", "no"), 0, "'no' is a no."),
        (("no dog", "dog"), 1, "'no dog' is the negation."),
        (("dog", "no dog"), 0, "'no dog' is the negation."),
        (("others", "dog"), 1, "'others' is what is left when it is not 'dog'."),
        (("dog", "others"), 0, "'others' is what is left when it is not 'dog'."),
    ],
)
def test_names_that_tell_which_is_the_yes_are_named_with_the_reason(classes, yes, reason):
    key = answer_key(classes, "")
    assert (key.yes, key.no, key.reason, key.source) == (yes, 1 - yes, reason, "named") and key.inferred
    assert key.words == (("yes", "no") if yes == 0 else ("no", "yes"))


@pytest.mark.parametrize(
    ("classes", "question", "yes"),
    [
        (("cat", "dog"), "Is it a dog?", 1),
        (("cat", "dog"), "Isn't it a dog?", 1),
        (("cat", "dog"), "Isn't it a cat?", 0),
        (("cat", "dog"), "Is it not a dog?", -1),
        (("ripe", "unripe"), "Is it unripe?", 1),
        (("ripe", "unripe"), "Is it ripe?", 0),
        (("intact", "scratched"), "Is it damaged?", 1),
        (("intact", "scratched"), "Is it not damaged?", 0),
        (("intact", "scratched"), "Is it okay?", 0),
        (("red car", "blue car"), "Is it blue?", 1),
        (("red car", "blue car"), "Is it red?", 0),
    ],
)
def test_the_class_that_is_asked_for_is_the_yes(classes, question, yes):
    assert answer_key(classes, question).yes == yes


def test_who_decided_is_told():
    choice = answer_key(("cat", "dog"), "Is it a cat or a dog?")
    assert (choice.source, choice.words, choice.yes) == ("asked", ("cat", "dog"), -1) and "which of the two" in choice.reason
    openly = answer_key(("cat", "dog"), "What animal is it?")
    assert (openly.source, openly.words, openly.yes) == ("asked", ("cat", "dog"), -1) and "with a name" in openly.reason
    asked = answer_key(("cat", "dog"), "Is it a dog?")
    assert (asked.source, asked.reason) == ("asked", "The question asks for 'dog'.") and asked.inferred
    unknown = answer_key(("cat", "dog"), "Is it heavy?")
    assert (unknown.source, unknown.words) == ("unknown", ("cat", "dog")) and not unknown.known
    assert answer_key(("cat", "dog", "cow"), "Is it heavy?").source == "named"


def test_questions_that_ask_for_the_same_make_one_key_and_others_are_settled_one_by_one():
    same = answer_key(("cat", "dog"), ("Is this a dog?", "Is that a dog?", "Is this a dog?"), rule="")
    assert not same.by_question and same.yes == 1 and settled(same, "Is this a cat?") is same
    mixed = answer_key(("cat", "dog"), ("Is this a dog?", "Is this heavy?"))
    assert mixed.by_question and settled(mixed, "Is this a cat?").yes == 0 and settled(mixed, "Is this a dog?").yes == 1
    assert answer_key(("cat", "dog"), "Is this a dog?", rule="pope").rule == "pope"


UNKNOWN = answer_key(("alpha", "beta"), "Is it?")


@pytest.mark.parametrize(
    ("answers", "source", "words", "reason"),
    [
        (["Yes, alpha."] * 3, "observed", ("yes", "no"), "In 3 of 3 probing answers"),
        (["Yes, beta."] * 3, "observed", ("no", "yes"), "In 3 of 3 probing answers"),
        (["No, alpha."] * 4, "observed", ("no", "yes"), "In 4 of 4 probing answers"),
        (["No, beta."] * 3 + ["yes"] * 20, "observed", ("yes", "no"), "In 3 of 23 probing answers"),
        (["Yes, alpha."] * 9 + ["Yes, beta."], "observed", ("yes", "no"), "In 9 of 10 probing answers"),
        (["Yes, beta."] * 9 + ["Yes, alpha."], "observed", ("no", "yes"), "In 9 of 10 probing answers"),
        (["Yes, alpha."] * 8 + ["Yes, beta."], "unknown", ("alpha", "beta"), "and 9 of 9 probing answers say yes or no"),
        (["Yes, alpha."] * 2, "unknown", ("alpha", "beta"), "and 2 of 2 probing answers say yes or no without telling."),
        (["yes"] * 5 + ["no"], "unknown", ("alpha", "beta"), "and 6 of 6 probing answers say yes or no without telling."),
        (["alpha", "hm"], "observed", ("alpha", "beta"), "1 of 2 probing answers name a class, 0 say only yes or no."),
        (
            ["alpha"] * 18 + ["yes"] * 2,
            "observed",
            ("alpha", "beta"),
            "18 of 20 probing answers name a class, 2 say only yes or no.",
        ),
        (["alpha"] * 17 + ["yes"] * 3, "unknown", ("alpha", "beta"), "and 3 of 20 probing answers say yes or no"),
        (["alpha"] * 2 + ["yes"], "unknown", ("alpha", "beta"), "and 1 of 3 probing answers say yes or no"),
        (["beta"] * 2 + ["hm"] * 17 + ["yes"], "unknown", ("alpha", "beta"), "and 1 of 20 probing answers say yes or no"),
        (["beta"] * 3 + ["hm"] * 16 + ["yes"], "observed", ("alpha", "beta"), "3 of 20 probing answers name a class, 1 say only"),
    ],
)
def test_the_words_that_occur_decide_from_three_answers_on_and_when_nine_of_ten_agree(answers, source, words, reason):
    key = observe(UNKNOWN, answers)
    assert (key.source, key.words) == (source, words) and reason in key.reason, key.reason


def test_nothing_said_or_more_than_two_classes_change_nothing():
    assert observe(UNKNOWN, []) is UNKNOWN
    three = answer_key(("alpha", "beta", "gamma"), "Is it?")
    assert observe(three, ["Yes, alpha."] * 9) is three


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("dog=yes,cat=no", {"dog": "yes", "cat": "no"}),
        ('"a, b" = "x=y" , c = d e ', {"a, b": "x=y", "c": "d e"}),
        ("dog=a=b", {"dog": "a=b"}),
        ("", {}),
        (None, {}),
        ({"dog": "yes", "cat": " "}, {"dog": "yes"}),
    ],
)
def test_answers_written_as_text(text, found):
    assert given_answers(text) == found


@pytest.mark.parametrize("text", ["dog", "dog=", "=yes", "dog=yes,dog=no", "dog=yes,,cat=no"])
def test_answers_that_cannot_be_understood_are_shown_back(text):
    with pytest.raises(UserError, match="were not understood"):
        given_answers(text)


def test_very_long_answers_written_as_text_are_cut():
    assert given_answers("a=" + "x" * 30_000) == {"a": "x" * 19_998}
