"""Engines by name: what is refused before anything starts, here and without Ray."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from typer.testing import CliRunner

from sn_viz import find
from sn_viz.cli import app
from sn_viz.engines import ENGINES
from sn_viz.engines.local import LOCAL
from sn_viz.errors import UserError
from sn_viz.search.stumps import find_stumps


def test_local_comes_first_and_is_what_it_always_was():
    assert ENGINES.names() == ["local", "ray"]
    assert ENGINES["local"](None, None) is LOCAL and LOCAL.find_stumps is find_stumps and LOCAL.told() == {}


@pytest.mark.parametrize("engine", ["ray", "local", "dask"])
def test_without_ray_the_others_work_and_it_says_how_to_get_it(engine, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    if engine == "local":
        assert ENGINES[engine](None, None) is LOCAL
        return
    hint = r"Install it: pip install 'sn-viz\[ray\]'" if engine == "ray" else "There are: local, ray"
    with pytest.raises(UserError, match=hint):
        find("pack:presence-dog", compare="none", engine=engine)


def test_an_address_without_ray_is_refused():
    with pytest.raises(UserError, match="The engine local has no address"):
        find("pack:presence-dog", compare="none", ray_address="head:6379")


def test_the_command_line_lists_the_engines_before_it_loads_anything():
    done = CliRunner().invoke(app, ["find", "pack:presence-dog", "--engine", "dask"])
    assert done.exit_code != 0
    assert isinstance(done.exception, UserError) and "There are: local, ray" in str(done.exception)


def test_an_engine_of_ones_own_is_used_and_stays_open(photographs, own_cache):
    calls = []

    class Noting:
        find_stumps = staticmethod(find_stumps)
        best_scores_under_null = staticmethod(LOCAL.best_scores_under_null)

        def carrier(self, vlm):
            calls.append("carrier")

        def search_for_voters(self, neurons, k):
            calls.append(k)
            return find_stumps

        def told(self):
            return {"sentence": "Noted."}

        def close(self):
            calls.append("closed")

    run = find(photographs(12), "Is it light?", model="tiny-llava", compare="none", engine=Noting())
    assert calls == ["carrier", 64, 64, 15] and run.findings["engine"] == {"sentence": "Noted."}
    assert np.isfinite(run.null_scores).all()
