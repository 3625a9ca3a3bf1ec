"""Which model answers: the one asked for, the environment's, the pack's own, the default; and the reason is told."""

import inspect
from dataclasses import fields

import gradio as gr
import pytest
import typer

from sn_viz import config
from sn_viz.cli import app
from sn_viz.config import CHOICES, DEFAULT_MODEL, choose_model
from sn_viz.errors import UserError
from sn_viz.pipeline import find
from sn_viz.sources.pack import pack_names
from sn_viz.types import Config
from sn_viz.ui.components import run_panel
from sn_viz.ui.server.arguments import Arguments


@pytest.fixture
def own(monkeypatch):
    monkeypatch.setattr("sn_viz.sources.pack.model_of_pack", {"presence-dog": "tiny-gemma3"}.get)
    monkeypatch.delenv("SN_VIZ_MODEL", raising=False)


def test_what_was_asked_for_answers_before_anything_else(own, monkeypatch):
    monkeypatch.setenv("SN_VIZ_MODEL", "smolvlm-256m")
    choice = choose_model("tiny-llava", "pack:presence-dog")
    assert (choice.name, choice.why) == ("tiny-llava", "asked for")


def test_the_environment_answers_before_the_pack(own, monkeypatch):
    monkeypatch.setenv("SN_VIZ_MODEL", "smolvlm-256m")
    assert choose_model(None, "pack:presence-dog").why == "named by SN_VIZ_MODEL"


def test_a_pack_answers_with_its_own_model(own):
    choice = choose_model(None, "pack:presence-dog")
    assert (choice.name, choice.why) == ("tiny-gemma3", "the pack's own")


@pytest.mark.parametrize("data", ["pack:night", "pack:no such", "photos/", None, 3])
def test_else_the_default_answers(own, data):
    choice = choose_model(None, data)
    assert (choice.name, choice.why) == (DEFAULT_MODEL, "the default")


def test_at_most_three_packs_bring_a_model_and_the_default_knows_photographs(monkeypatch):
    monkeypatch.delenv("SN_VIZ_MODEL", raising=False)
    own = {pack.name: choose_model(None, f"pack:{pack.name}").name for pack in pack_names() if pack.model}
    assert DEFAULT_MODEL == "tiny-photo" and len(own) <= 3 and set(own.values()) == {"tiny-llava"}


def test_a_folder_is_found_again_from_anywhere(own, tmp_path, monkeypatch):
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path)
    assert choose_model("mine").name == str((tmp_path / "mine").resolve())


@pytest.fixture(scope="module")
def options():
    """The options of ``find`` on the command line, by keyword."""
    command = typer.main.get_command(app).commands["find"]  # type: ignore[attr-defined]
    return {each.name: each for each in command.params}


@pytest.fixture(scope="module")
def widgets():
    """The widgets of the page's advanced choices, by label."""
    with gr.Blocks():
        panel = run_panel.layout(run_panel.ask_bar({"tiny-llava": "tiny-llava"}, ""))
    return {each.label: each for each in panel.choices}


@pytest.mark.parametrize("choice", CHOICES, ids=lambda choice: choice.name)
def test_a_choice_is_the_same_wherever_it_is_made(choice, options, widgets):
    option, parameter = options[choice.name], inspect.signature(find).parameters[choice.name]
    default = None if choice in config.PARTS else choice.default  # where none of a committee's parts is named it has its own
    assert (option.default, option.help, parameter.default) == (default, choice.help, default)
    kept = {each.name: each.default for each in (*fields(Config), *fields(Arguments))}[choice.name]
    assert kept == choice.default or choice.name in ("sites", "exit_layer", "compare", "answers")  # kept as tuples, None for auto
    if choice.name != "answers":  # fields of their own, one a class
        widget = widgets[choice.label]
        assert widget.value == choice.default or choice.default == "all"
        if isinstance(widget, gr.Slider):
            assert (widget.minimum, widget.maximum) == choice.visitors
        if choice.names is not None:
            assert [name for _, name in widget.choices] == list((choice.here or choice.names)())


@pytest.mark.parametrize("choice", [each for each in CHOICES if each.names], ids=lambda choice: choice.name)
def test_a_name_that_is_not_there_is_refused_with_those_that_are(choice):
    for name in choice.names():
        choice.check(name)
    with pytest.raises(UserError, match=f"There are: {choice.names()[0]}"):
        choice.check("nothing")


@pytest.mark.parametrize(
    ("choice", "good", "bad"),
    [
        (config.VOTERS, (1, 101), (0, -1, float("nan"))),
        (config.TEST_SIZE, (0.01, 0.99), (0, 1, -0.5, 2, float("nan"))),
        (config.SEED, (0, 2**32 - 1), (-1, 2**32)),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_a_number_out_of_bounds_is_refused_with_the_default(choice, good, bad):
    for number in good:
        choice.check(number)
    for number in bad:
        with pytest.raises(UserError, match=f"Use {choice.default}"):
            choice.check(number)


def test_every_choice_of_the_command_line_and_of_find_is_one_of_the_list(options):
    beside = {"data", "question", "model", "test", "device", "json_file", "out", "columns", "engine", "ray_address"}
    assert set(options) == {choice.name for choice in CHOICES} | beside
    assert set(inspect.signature(find).parameters) - beside - {"progress", "say", "offer"} == {choice.name for choice in CHOICES}
