"""The glossary for the page's script, which explains its words where they stand (``assets/page/terms.js``).

Takes nothing; returns a view that nobody sees.
"""

from __future__ import annotations

import gradio as gr

from sn_viz.glossary import GLOSSARY, OTHER_FORMS
from sn_viz.ui.components import views


def view() -> gr.HTML:
    """Return the unseen view that hands the words to the page's script."""
    return views.unseen_view("terms", "snViz.terms(element, props, watch)", words())


def words() -> dict[str, dict]:
    """Return every word with its sentence and the other forms in which a text may use it."""
    return {word: {"said": said, "forms": list(OTHER_FORMS.get(word, ()))} for word, said in GLOSSARY.items()}
