"""A run is printed as it comes: super neurons first, each method once, then what only a finished run knows."""

import io
from contextlib import contextmanager
from dataclasses import fields, replace

import pytest
from planted_run import make_run
from rich.console import Console

from sn_viz.cli.output import AsItComes
from sn_viz.types import Partial, RunRecord


class Bar:
    """Stands for a progress bar and counts how often it was taken away."""

    def __init__(self):
        self.n_away = 0

    @contextmanager
    def away(self):
        self.n_away += 1
        yield


@pytest.fixture(scope="module")
def run():
    return make_run()


def so_far(run, n_methods, **more):
    known = {each.name: getattr(run, each.name) for each in fields(RunRecord)}
    return Partial(**{**known, "baselines": run.baselines[:n_methods]}, n_read=1, n_pictures=1, **more)


@pytest.fixture
def printed():
    out = io.StringIO()
    return AsItComes(Console(file=out, width=200), Bar(), "the usual"), lambda: out.getvalue()


def test_nothing_is_printed_before_the_exit_is_chosen(run, printed):
    shown, text = printed
    shown.offer(so_far(run, 0))
    assert text() == ""


def test_super_neurons_come_first_and_once_and_each_method_when_it_is_there(run, printed):
    shown, text = printed
    assert len(run.baselines) >= 2
    shown.offer(so_far(run, 0, is_chosen=True))
    first = text()
    assert (
        first.startswith(f"Model: {run.config.model} (the usual)\n")
        and "Super neurons, exit at layer" in first
        and "held out" in first
    )
    assert "%" in first and "On the test images" not in first
    shown.offer(so_far(run, 0, is_chosen=True))
    assert text() == first, "nothing is new"
    shown.offer(so_far(run, 1, is_chosen=True))
    shown.offer(so_far(run, 2, is_chosen=True))
    lines = text().removeprefix(first).splitlines()
    assert len(lines) == 2 and all(f" of {len(run.test)} test images (" in line for line in lines)
    shown.end(run)
    whole = text()
    assert whole.count("The super neurons") == 1 and whole.count("(the usual)") == 1
    assert "On the test images" in whole.removeprefix(first)


def test_a_run_that_offered_nothing_is_printed_whole(run, printed):
    shown, text = printed
    shown.end(run)
    assert all(words in text() for words in ("(the usual)", "The super neurons", "On the test images", "by exit layer"))


def test_a_method_without_an_accuracy_says_so(run, printed):
    shown, text = printed
    unknown = replace(run.baselines[0], accuracy=replace(run.baselines[0].accuracy, value=float("nan")))
    shown.offer(replace(so_far(run, 0, is_chosen=True), baselines=(unknown,)))
    assert "undefined" in text().splitlines()[-1]
