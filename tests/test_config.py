"""Which model answers: the one asked for, the environment's, the pack's own, the default; and the reason is told."""

import pytest

from sn_viz import config
from sn_viz.config import DEFAULT_MODEL, choose_model


@pytest.fixture
def own(monkeypatch):
    monkeypatch.setattr(config, "model_of_pack", {"presence-dog": "tiny-gemma3"}.get)
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
    assert choose_model(None, data).name == DEFAULT_MODEL


def test_a_folder_is_found_again_from_anywhere(own, tmp_path, monkeypatch):
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path)
    assert choose_model("mine").name == str((tmp_path / "mine").resolve())
