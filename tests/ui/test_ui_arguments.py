"""Widget values become checked arguments."""

from __future__ import annotations

import gradio as gr
import pytest

from sn_viz.activations.sites import SITES
from sn_viz.baselines import BASELINES
from sn_viz.config import LOADING
from sn_viz.errors import UserError
from sn_viz.models.options import LoadOptions
from sn_viz.ui.components import committee_choice
from sn_viz.ui.server.arguments import checked
from sn_viz.ui.server.offered import models_here
from sn_viz.voting.named import COMMITTEES, named_committee

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


USUAL_LOADING = [choice.default for choice in LOADING]


def test_how_the_model_is_loaded_is_asked_for_by_name():
    loading = checked(*GOOD.values(), None, "bfloat16", "none", "none", "eager", "low").loading
    assert loading == LoadOptions(dtype="bfloat16", attn="eager", detail="low")
    with pytest.raises(UserError, match="no number format called 'int3'"):
        checked(*GOOD.values(), None, "int3", *USUAL_LOADING[1:])


def test_the_usual_way_leaves_the_keys_of_runs_as_they_were():
    plain, said = checked(**GOOD), checked(*GOOD.values(), None, *USUAL_LOADING)
    assert repr(plain) == repr(said) and "dtype" not in repr(plain) and plain == said
    assert "dtype='bfloat16'" in repr(checked(*GOOD.values(), None, "bfloat16", *USUAL_LOADING[1:]))


def test_visitors_of_a_server_for_others_have_the_model_as_its_operator_loads_it():
    offered = models_here("tiny-llava")
    good = [offered, *list(GOOD.values())[1:]]
    assert checked(*good, None, *USUAL_LOADING).loading == LoadOptions()
    with pytest.raises(UserError, match="loaded in its usual way here.*own machine"):
        checked(*good, None, "bfloat16", *USUAL_LOADING[1:])
    offered.any_name = True
    assert checked(*good, None, "bfloat16", *USUAL_LOADING[1:]).dtype == "bfloat16"


@pytest.mark.parametrize("name", list(COMMITTEES))
def test_a_committee_with_a_name_fills_in_choices_that_are_accepted_and_named_so_again(name):
    rule, metric, voters, weighting = filled = committee_choice.chosen(name)
    arguments = checked(**GOOD | {"rule": rule, "metric": metric, "voters": voters, "weighting": weighting, "committee": name})
    assert (arguments.rule, arguments.metric, arguments.voters, arguments.weighting, arguments.committee) == (*filled, "")
    assert COMMITTEES[name]._asdict().items() <= arguments.keywords().items()
    assert named_committee(*filled) == name
    assert all(one == gr.skip() for one in committee_choice.chosen(None)), "what has no name changes nothing"


def test_a_committee_that_is_to_be_chosen_leaves_its_parts_to_the_run_and_has_a_key_of_its_own():
    chosen, fixed = checked(*GOOD.values(), "auto"), checked(*GOOD.values())
    assert chosen.committee == "auto" and not {"rule", "metric", "voters", "weighting"} & chosen.keywords().keys()
    assert repr(chosen) != repr(fixed) and "committee" not in repr(fixed), "keys of runs that were kept stay"
    with pytest.raises(UserError, match="no committee called 'all of them'"):
        checked(*GOOD.values(), "all of them")
