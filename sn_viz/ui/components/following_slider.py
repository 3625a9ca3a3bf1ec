"""A slider whose bounds are those of the run that is shown.

Gradio refuses, with an error of the server, a value outside the bounds that it last set; a page that asks while a new run moves
them sends such a value through nobody's fault. Handlers check what they get against the run.
"""

from __future__ import annotations

import math
from typing import Any

import gradio as gr

from sn_viz.ui.server.without_stub import WithoutStub


class FollowingSlider(gr.Slider, metaclass=WithoutStub):
    """A slider; handlers get any finite number that was sent, and the first value in place of anything else."""

    is_template = True

    def preprocess(self, payload: Any) -> float:
        """Return the number that was sent."""
        known = isinstance(payload, int | float) and math.isfinite(payload)
        return float(payload if known else self.value or 0.0)
