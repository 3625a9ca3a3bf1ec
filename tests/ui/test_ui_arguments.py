"""Widget values become checked arguments."""

from __future__ import annotations

import pytest

from sn_viz.activations.sites import SITES
from sn_viz.baselines import BASELINES
from sn_viz.errors import UserError
from sn_viz.ui.server.arguments import checked

GOOD = {
    "models": {"tiny-llava": "/some/folder/tiny-llava"},
    "question": "  Is there\n a dog? ",
    "model": "tiny-llava",
    "sites": SITES.usual(),
    "rule": "best-split",
    "metric": "balanced-accuracy",
    "voters": 15,
    "weighting": "majority",
    "exit_layer": 0,
    "test_size": 0.5,
    "seed": 0,
    "compare": BASELINES.usual(),
}


def test_all_of_a_kind_is_said_shortly():
    arguments = checked(**GOOD)
    assert (
        arguments.model == "/some/folder/tiny-llava"
        and arguments.question == "Is there a dog?"
        and arguments.sites == ()
        and arguments.compare == ("all",)
    )
    assert arguments.keywords()["exit_layer"] == "auto" and arguments.keywords()["sites"] == "all"


@pytest.mark.parametrize(
    "forged",
    [
        {"model": "/etc"},
        {"question": "x" * 301},
        {"sites": ["residual", "../x"]},
        {"rule": "eval"},
        {"metric": "luck"},
        {"voters": 0},
        {"voters": 10**9},
        {"voters": float("nan")},
        {"voters": "15"},
        {"weighting": ""},
        {"exit_layer": -1},
        {"exit_layer": "V"},
        {"exit_layer": "3; rm"},
        {"exit_layer": ["V4"]},
        {"sites": ["tower-residual", "tower"[::-1]]},
        {"test_size": 1.5},
        {"seed": 1.5},
        {"compare": ["bribe"]},
    ],
)
def test_a_choice_that_does_not_exist_is_refused(forged):
    with pytest.raises(UserError):
        checked(**{**GOOD, **forged})


@pytest.mark.parametrize(
    ("typed", "meant"), [("auto", None), ("", None), ("0", None), (0, None), ("3", 3), (3.0, 3), (" v4 ", "V4")]
)
def test_an_exit_layer_is_a_number_or_the_name_of_a_block_of_the_tower(typed, meant):
    arguments = checked(**{**GOOD, "exit_layer": typed})
    assert arguments.exit_layer == meant and arguments.keywords()["exit_layer"] == (meant or "auto")


def test_sites_of_the_tower_are_asked_for_beside_those_of_the_language_model():
    assert checked(**{**GOOD, "sites": ["tower-residual"]}).keywords()["sites"] == ["tower-residual"]
    both = checked(**{**GOOD, "sites": ["tower-residual", *SITES.usual()]})
    assert both.keywords()["sites"] == [*SITES.usual(), "tower-residual"]
    assert checked(**{**GOOD, "sites": []}).sites == ()
