"""A planted run, on the server's shelf, without a model or a browser."""

from __future__ import annotations

import sys
from pathlib import Path

import gradio as gr
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "plots"))

from planted_run import make_run  # noqa: E402

from sn_viz.ui.server.session import RUNS  # noqa: E402


@pytest.fixture(scope="session")
def planted():
    """The run."""
    return make_run()


@pytest.fixture()
def run_key(planted) -> str:
    """Its key."""
    return RUNS.put(planted)


@pytest.fixture()
def event():
    """Return ``make(**data)``: what the browser says about a click."""
    return lambda **data: gr.EventData(None, data)
