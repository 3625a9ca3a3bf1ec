"""A plot is one file: what is dropped into the folder appears in the report and on its tab."""

from __future__ import annotations

import importlib
import json
import sys
from dataclasses import replace

import pytest
from planted_run import make_run

from sn_viz import plots
from sn_viz.plots import PLOTS, Plot, ordered
from sn_viz.report import page as report
from sn_viz.types import AnswerKey
from sn_viz.ui import page
from sn_viz.ui.components import figures
from sn_viz.ui.sections import compare_section
from sn_viz.ui.server import packs

NEW = '''
"""How many images there are."""
from sn_viz.plots import PLOTS, Plot, style

def figure(info, dark=False):
    return style.canvas("Images", dark).add_bar(x=["probing", "test"], y=list(info))

PLOTS.register("throwaway")(
    Plot("How many images", "One bar a split.", 35, figure, lambda run: (len(run.train), len(run.test)), "TAB", hint="A & B.")
)
'''


@pytest.fixture(params=["compare", "neurons", "exit"])
def dropped(request, tmp_path, monkeypatch):
    """The tab of a plot that lies in the folder for one test."""
    PLOTS.names()
    (tmp_path / "throwaway.py").write_text(NEW.replace("TAB", request.param))
    monkeypatch.setattr(plots, "__path__", [*plots.__path__, str(tmp_path)])
    monkeypatch.setattr(PLOTS, "_entries", dict(PLOTS._entries))
    monkeypatch.setattr(PLOTS, "_loaded", False)
    monkeypatch.setattr(packs.Prefetcher, "want", lambda _, name, arguments: packs.run_key(name, arguments))
    yield request.param
    sys.modules.pop("sn_viz.plots.throwaway", None)
    importlib.invalidate_caches()


def test_a_new_file_is_in_the_report_and_on_its_tab(dropped):
    run = make_run(n_train=6, n_test=4, n_layers=2, n_units=6)
    shown = [section.key for section in report.sections(run)]
    assert shown.index("tradeoff") + 1 == shown.index("throwaway") == shown.index("heatmap") - 1
    assert "How many images" in report.page(run) and 'id="figure-throwaway"' in report.page(run)

    built = page.build()
    view = next(block for block in built.blocks.values() if getattr(block, "elem_id", None) == "fig-throwaway")
    redraw = next(fn for fn in built.fns.values() if view in fn.outputs)
    drawn = redraw.fn(built.kept.runs.put(run))
    text = drawn if isinstance(drawn, str) else drawn[redraw.outputs.index(view)]
    assert json.loads(text)["light"]["data"][0]["y"] == [6, 4] and json.loads(text)["label"] == "How many images"
    assert any("A &amp; B." in str(getattr(block, "value", "")) for block in built.blocks.values())
    tab = view
    while getattr(tab, "elem_id", None) != f"tab-{dropped}":
        tab = tab.parent
        assert tab is not None


def test_every_figure_of_the_app_says_where_it_stands():
    assert ordered("compare") == ["compare", "tradeoff", "stability", "null"]
    assert ordered("neurons") == ["heatmap", "units", "histogram", "map"]
    assert ordered("exit") == ["layers", "race"]
    assert all(PLOTS[name].sentence.endswith(".") for name in PLOTS)


def test_a_plot_for_a_tab_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="no tab 'attic'"):
        Plot("T", "S.", 1, lambda info, dark: None, tab="attic")


def test_what_has_nothing_to_show_says_so_and_is_left_out_of_the_report():
    run = make_run(n_train=6, n_test=4, n_layers=2, n_units=6)
    run.stumps.score[:] = float("nan")
    assert "nothing to show" in figures.draw("units", run)
    assert not {"units", "histogram"} & {section.key for section in report.sections(run)}


def test_the_compare_table_says_cannot_tell(planted):
    key = AnswerKey(planted.train.classes, planted.train.classes, "unknown", "Nobody knows.")
    rows = {row[0]: row[1] for row in compare_section.rows(replace(planted, answer_key=key))}
    assert (rows["Full model"], rows["Logit lens"]) == ("cannot tell", "cannot tell") and rows["Linear probe"] != "cannot tell"
