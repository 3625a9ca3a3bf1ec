"""A planted run, on the server's shelf, without a model or a browser."""

from __future__ import annotations

import gradio as gr
import pytest
from one_server import SERVER
from planted_run import make_run


@pytest.fixture(scope="session")
def planted():
    """The run."""
    return make_run()


@pytest.fixture()
def run_key(planted) -> str:
    """Its key."""
    return SERVER.runs.put(planted)


@pytest.fixture()
def event():
    """Return ``make(**data)``: what the browser says about a click."""
    return lambda **data: gr.EventData(None, data)
