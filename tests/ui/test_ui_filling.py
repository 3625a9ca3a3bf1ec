"""A run that fills is drawn again for every part that comes, says that it is not final, and cannot be taken away."""

from __future__ import annotations

from dataclasses import fields, replace

import gradio as gr
import numpy as np
import pytest
from one_server import SERVER
from planted_run import make_run

from sn_viz.plots import PLOTS
from sn_viz.types import Interval, Partial, RunRecord
from sn_viz.ui import page
from sn_viz.ui.components import figures, race_panel
from sn_viz.ui.components.run_panel import Filling
from sn_viz.ui.sections import compare_section, exit_section, neurons_section
from sn_viz.ui.server import export
from sn_viz.ui.server.session import FILLS, finished

UNKNOWN = Interval(float("nan"), 0.0, 1.0, 0)


def partial(n_read=30, tested=False, baselines=()):
    """Return the planted run as it stands before its end."""
    run = make_run()
    known = {one.name: getattr(run, one.name) for one in fields(RunRecord)}
    known |= {"null_scores": np.empty(0, np.float32), "latency_ms": {}, "seconds": {}, "warnings": (), "baselines": baselines}
    layers = tuple(replace(row, latency_ms=float("nan"), accuracy=row.accuracy if tested else UNKNOWN) for row in run.by_layer)
    if not tested:
        votes = replace(run.votes, **{name: getattr(run.votes, name)[:0] for name in ("tally", "predicted", "margin")})
        known |= {"test": replace(run.test.take([]), notes=("Not read.",)), "test_values": run.test_values[:0], "votes": votes}
    return Partial(**{**known, "by_layer": layers}, n_read=n_read, n_pictures=40)


STAGES = {"reading": partial(), "tested": partial(40, True), "compared": partial(40, True, make_run().baselines[:1])}


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("name", sorted(PLOTS.names()))
def test_every_figure_takes_a_run_that_fills(name, stage):
    if PLOTS[name].info is not None:
        assert "light" in figures.draw(name, STAGES[stage])


@pytest.mark.parametrize("stage", STAGES)
def test_every_section_takes_a_run_that_fills(stage):
    key = SERVER.runs.put(STAGES[stage])
    assert len(neurons_section.show(SERVER, key, None, None, "best", False)) > 3
    assert "light" in exit_section.show(SERVER, key, None)[0]
    assert compare_section.show(SERVER, key)
    assert len(race_panel.show(SERVER, key)) > 3


def test_the_strip_says_how_far_it_is_and_gives_no_verdict():
    strip, _ = page.show_strip(SERVER, SERVER.runs.put(partial()), None)
    assert "after 30 of 40 pictures; not final" in strip["note"] and "verdict" not in strip
    labels = [fact["label"] for fact in strip["facts"]]
    assert labels[0] == "best neuron so far" and "super neurons so far" not in labels
    strip, _ = page.show_strip(SERVER, SERVER.runs.put(partial(40, True)), "night")
    assert strip["facts"][0]["label"] == "super neurons so far" and "not final" in strip["note"]


def test_the_page_sees_each_part_once_under_a_key_of_its_own_and_the_end_in_the_same_place():
    filling = Filling(SERVER.runs, "someone")
    assert filling.news() == ""
    filling.offer(partial(10))
    first = filling.news()
    assert first.endswith(f"{FILLS}1") and filling.news() == ""
    filling.offer(partial(20))
    filling.offer(partial(30))
    second = filling.news()
    assert second != first and SERVER.runs.get(first).n_read == SERVER.runs.get(second).n_read == 30
    key = filling.ended(make_run())
    assert key == second.partition(FILLS)[0] and not isinstance(SERVER.runs.get(second), Partial)


def test_a_packs_run_leaves_nothing_half_done_on_the_shelf():
    filling = Filling(SERVER.runs, "someone")
    filling.offer(partial())
    assert filling.ended_elsewhere("pack.night.1") == "pack.night.1"
    assert SERVER.runs.find(filling.key) is None


def test_nothing_half_done_is_exported_linked_or_tried():
    key = SERVER.runs.put(partial()) + FILLS + "4"
    for handler in (
        lambda: export.bundle(SERVER, key),
        lambda: page.link_to(SERVER, key, "night", None, 0, 1, None, "best", "neurons"),
    ):
        with pytest.raises(gr.Error, match="not finished"):
            handler()
    assert page.address_of(SERVER, key, "night", None, 0, 1, None, "best", "neurons") == gr.skip()
    run = make_run()
    assert finished(run) is run
