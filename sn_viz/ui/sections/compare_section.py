"""The Compare tab: every method on the same images, with intervals, time and what luck alone would find.

Takes the key of a run; returns figures and a table.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import gradio as gr
import numpy as np

from sn_viz.formatting import milliseconds, percent, percent_range
from sn_viz.plots import compare, reference
from sn_viz.types import RunRecord
from sn_viz.ui.components import check_panel, figures
from sn_viz.ui.server.guard import guarded
from sn_viz.ui.server.state import Server

HEADERS = ["method", "accuracy", "95 % interval", "time per image", "note"]


class Compare(NamedTuple):
    """The widgets of the tab."""

    figures: dict[str, gr.HTML]
    """Every plot registered for this tab, by name."""
    table: gr.Dataframe
    checks: check_panel.Checks


def layout() -> Compare:
    """Place the widgets."""
    drawn = figures.place_all(figures.others("compare"))
    with gr.Column(elem_classes="sn-panel"):
        table = gr.Dataframe(
            headers=HEADERS,
            datatype="str",
            interactive=False,
            label="The same in numbers",
            elem_id="compare-table",
            wrap=True,
            column_widths=["230px", "100px", "140px", "140px", "700px"],
        )
    return Compare(drawn, table, check_panel.layout())


def connect(server: Server, tab: Compare, run_key: gr.State) -> None:
    """Wire the tab to ``run_key``."""
    figures.connect(server, tab.figures, run_key)
    check_panel.connect(server, tab.checks, run_key)
    run_key.change(server.bind(show), [run_key], tab.table, api_visibility="private", show_progress="hidden")


@guarded
def show(server: Server, run_key: str) -> Any:
    """Return the table of a new run; what to know before believing it stands in the strip."""
    return rows(server.runs.get(run_key)) if run_key else gr.skip()


def rows(run: RunRecord) -> list[list[Any]]:
    """Return one row of text per method."""
    info = compare.info(run)
    unread = reference.READ_BY_KEY if run.answer_key is not None and not run.answer_key.known else ()
    return [
        [
            name,
            ", ".join(filter(None, ("cannot tell" if key in unread else percent(value), run.held_out_mark))),
            percent_range(low, high, 1) if np.isfinite(value) else "",
            milliseconds(ms),
            note,
        ]
        for key, name, value, low, high, ms, note in zip(
            info.key, info.name, info.accuracy, info.low, info.high, info.latency_ms, info.note, strict=True
        )
    ]
