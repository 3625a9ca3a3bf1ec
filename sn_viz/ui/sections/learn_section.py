"""The Learn section: a rail of steps that ask for a guess, show what was recorded, and open their places in the workbench.

Takes the key of the run that is shown, for the line that says the same of it; a click tells the query of a link, which the page
opens. The words and the recorded numbers come from ``sn_viz.lessons``; the rail itself is drawn by ``assets/page/learn.js``.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

import gradio as gr

from sn_viz.errors import UserError
from sn_viz.lessons import told
from sn_viz.types import Partial
from sn_viz.ui.components import terms, views
from sn_viz.ui.server.guard import guarded
from sn_viz.ui.server.state import Server

LOADING = '<div class="sn-learn"><p class="sn-empty sn-learn-body">The lesson is being loaded.</p></div>'
MAX_QUERY = 300
"""Characters of a query that a click may tell."""


class Learn(NamedTuple):
    """The widgets of the section."""

    rail: gr.HTML
    """``.pick`` tells the query of a link; see ``query_of``."""
    live: gr.HTML
    """What the run in the workbench says, a line by step."""
    asked: gr.State
    """What the last click in the rail calls itself."""


def layout() -> Learn:
    """Place the rail and its unseen helpers."""
    value = {"recorded": told.recorded()["recorded"], "steps": told.lesson()}
    call = "snViz.learn(element, props, watch, (query) => trigger('pick', {query}))"
    rail = gr.HTML(value, elem_id="learn", html_template=LOADING, js_on_load=_when_there("learn", call), apply_default_css=False)
    live = views.unseen_view("learn-live", "snViz.learnLive(element, props, watch)")
    terms.view()
    return Learn(rail, live, gr.State(""))


def _when_there(name: str, call: str) -> str:
    return f"const go = () => window.snViz?.{name} ? {call} : setTimeout(go, 40); go();"


def connect(server: Server, section: Learn, run_key: gr.State, shown_pack: gr.State, ready: Any) -> None:
    """Wire the line about the run in the workbench to the run under ``run_key``.

    It comes after ``ready``, the event at which that run can be raced: a step that presses Race does so when the line has come.
    """
    ready.then(
        server.bind(show),
        [run_key, shown_pack, section.asked],
        section.live,
        queue=False,
        api_visibility="private",
        show_progress="hidden",
    )


@guarded
def show(server: Server, run_key: str, pack: str | None, asked: str) -> Any:
    """Return what each step measures on the run in the workbench, once it has ended; new each time, as the rail waits for it."""
    run = server.runs.get(run_key) if run_key else None
    if run is None or isinstance(run, Partial):
        return gr.skip()
    return {"at": secrets.token_hex(8), "asked": asked, "lines": told.live(run, f"“{pack}”" if pack else "")}


def query_of(event: gr.EventData) -> Mapping[str, str]:
    """Return the parameters of the link that a click in the rail tells; ``link.read_link`` checks each of them.

    Raises
    ------
    UserError
        When the browser sent no short text.
    """
    data = event._data if isinstance(event._data, dict) else {}
    query = data.get("query")
    if not isinstance(query, str) or len(query) > MAX_QUERY:
        raise UserError("This place of the lesson was not understood.", "The page sent no query of a link.", "Reload the page.")
    return dict(parse_qsl(query.lstrip("?")))
