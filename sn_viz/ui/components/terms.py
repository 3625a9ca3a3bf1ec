"""The glossary for the page's script, which explains its words where they stand (``assets/page/terms.js``).

Takes nothing; returns a view that nobody sees.
"""

from __future__ import annotations

import gradio as gr

from sn_viz.glossary import GLOSSARY, OTHER_FORMS


def view() -> gr.HTML:
    """Return the unseen view that hands the words to the page's script."""
    return gr.HTML(
        words(),
        elem_id="terms",
        html_template='<div class="sn-go"></div>',
        js_on_load="const go = () => window.snViz?.terms ? snViz.terms(element, props, watch) : setTimeout(go, 40); go();",
        apply_default_css=False,
    )


def words() -> dict[str, dict]:
    """Return every word with its sentence and the other forms in which a text may use it."""
    return {word: {"said": said, "forms": list(OTHER_FORMS.get(word, ()))} for word, said in GLOSSARY.items()}
