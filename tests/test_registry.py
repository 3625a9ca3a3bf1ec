"""One file in a folder is one choice: the contract of every registry, and a file dropped into each folder."""

import importlib
import sys

import numpy as np
import pytest

from sn_viz.activations.sites import SITES, site_names
from sn_viz.baselines import BASELINES
from sn_viz.engines import ENGINES
from sn_viz.errors import UserError
from sn_viz.models.families import FAMILIES
from sn_viz.plots.reference import method_name
from sn_viz.registry import Registry
from sn_viz.search.rules import RULES
from sn_viz.search.stumps import find_stumps
from sn_viz.sources import SOURCES, load_images
from sn_viz.voting.weightings import WEIGHTINGS

REGISTRIES = (BASELINES, ENGINES, FAMILIES, RULES, SITES, SOURCES, WEIGHTINGS)


@pytest.fixture
def drop(tmp_path, monkeypatch):
    """Return ``drop(registry, code)``: puts a file with that code into the registry's folder, for one test."""

    def put(registry, code):
        (tmp_path / "throwaway.py").write_text(code)
        package = importlib.import_module(registry.package)
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
        monkeypatch.setattr(registry, "_entries", dict(registry._entries) if registry.names() else {})
        monkeypatch.setattr(registry, "_loaded", False)
        monkeypatch.delitem(sys.modules, f"{registry.package}.throwaway", raising=False)
        assert "throwaway" in registry.names()

    return put


@pytest.mark.parametrize("registry", REGISTRIES, ids=lambda registry: registry.kind)
def test_every_choice_has_a_name_to_type_and_a_sentence_to_read(registry):
    assert registry.names() and len(set(registry.names())) == len(registry.names())
    for name in registry:
        assert name == name.strip().lower() and " " not in name
        assert (registry[name].__doc__ or "").strip()


@pytest.mark.parametrize("registry", REGISTRIES, ids=lambda registry: registry.kind)
def test_an_unknown_name_lists_the_others(registry):
    with pytest.raises(UserError, match=registry.names()[0]):
        registry["nonsense"]


def test_two_files_may_not_share_a_name():
    registry = Registry("thing", "sn_viz.search.rules")
    registry.register("one")(1)
    with pytest.raises(ValueError, match="two things are called 'one'"):
        registry.register("one")(2)


def test_a_dropped_rule_is_searched_with(drop):
    drop(
        RULES,
        "from sn_viz.search.rules import RULES\n"
        "@RULES.register('throwaway')\ndef cut(v, c):\n    'Cut at 1.'\n    return v[0] * 0 + 1\n",
    )
    assert find_stumps(np.array([[0.0], [2.0]], np.float32), np.array([0, 1]), "throwaway").threshold.tolist() == [1]


def test_a_dropped_site_can_be_chosen(drop):
    code = (
        "from sn_viz.activations.sites import SITES\n"
        "class New:\n    'New.'\n    name = 'throwaway'\nSITES.register('throwaway')(New())\n"
    )
    drop(SITES, code)
    assert site_names("all")[-1] == "throwaway" and site_names("throwaway") == ("throwaway",)


def test_a_dropped_baseline_can_be_compared_and_has_a_readable_name(drop):
    drop(BASELINES, "from sn_viz.baselines import BASELINES\n@BASELINES.register('throwaway')\ndef run(context):\n    'New.'\n")
    from sn_viz.config import baseline_names

    assert "throwaway" in baseline_names("all")
    assert method_name("throwaway") == "Throwaway"


def test_a_dropped_source_is_asked_with_a_scheme_of_its_own(drop):
    code = (
        "from sn_viz.sources import SOURCES\n@SOURCES.register('throwaway')\nclass New:\n    'New.'\n"
        "    @staticmethod\n    def accepts(data):\n        return isinstance(data, str) and data.startswith('new:')\n"
        "    @staticmethod\n    def read(data, budget):\n        raise RuntimeError('asked for ' + data)\n"
    )
    drop(SOURCES, code)
    with pytest.raises(RuntimeError, match="asked for new:one"):
        load_images("new:one")


def test_a_dropped_family_is_found(drop):
    drop(FAMILIES, "from sn_viz.models.families import FAMILIES\n@FAMILIES.register('throwaway')\ndef new(p, q):\n    'New.'\n")
    assert FAMILIES["throwaway"](None, []) is None
