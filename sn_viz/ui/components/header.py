"""What stands above everything: the name, the way to each section, and the buttons that open, save and share.

Takes the sections by name; returns widgets. Where a click leads is done in the browser (``assets/page/page.js``).
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any, NamedTuple

import gradio as gr

from sn_viz.ui.components import views

TURN_DRAWER = "() => window.snViz.drawer(!document.body.classList.contains('sn-drawer-open'))"
CLOSE_DRAWER = "() => window.snViz.drawer(false)"


class Header(NamedTuple):
    """The widgets of the header."""

    copy: gr.Button
    export: gr.Button
    """Opens the panel in which a run is saved and opened, and closes it."""
    pictures: gr.Button
    """Opens the drawer of pictures, and closes it."""
    go: gr.HTML
    """Given {section, at}, brings people to a section; ``at`` only makes it new."""
    address: gr.HTML
    """Given the query of a link, the browser's address says it."""


def layout(sections: Mapping[str, str]) -> Header:
    """Place the widgets; ``sections`` are what the ways are called, by the names that a link gives them."""
    with gr.Row(elem_classes="sn-top sn-tight", equal_height=True, elem_id="top"):
        with gr.Column(scale=6, min_width=240):
            gr.HTML(_ways(sections), elem_id="ways")
        with gr.Column(scale=4, min_width=280), gr.Row(elem_classes="sn-tight sn-top-buttons"):
            copy = gr.Button("Copy link", size="sm", elem_id="btn-copy-link", min_width=80)
            export = gr.Button("Save", size="sm", elem_id="btn-export", min_width=60)
            pictures = gr.Button("Pictures", size="sm", variant="primary", elem_id="btn-data", min_width=110)
    go, address = views.go_view("go"), views.address_view("address")
    pictures.click(None, None, None, js=TURN_DRAWER, api_visibility="private")
    return Header(copy, export, pictures, go, address)


def _ways(sections: Mapping[str, str]) -> str:
    links = "".join(f'<a href="#tab-{name}" data-section="{name}">{escape(title)}</a>' for name, title in sections.items())
    return f'<header class="sn-header"><h1>Super neurons</h1><nav aria-label="Sections">{links}</nav></header>'


def drawer_head() -> gr.Button:
    """Place the head of the drawer of pictures; returns the button that closes it."""
    with gr.Row(elem_classes="sn-tight sn-drawer-head"):
        gr.HTML('<h2 class="sn-h2" id="drawer-title" tabindex="-1">Pictures</h2>')
        close: Any = gr.Button("Close", size="sm", elem_id="btn-data-close", scale=0, min_width=80)
    close.click(None, None, None, js=CLOSE_DRAWER, api_visibility="private")
    return close
