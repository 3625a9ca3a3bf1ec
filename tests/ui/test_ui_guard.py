"""Exceptions become words in one place."""

from __future__ import annotations

import logging

import gradio as gr
import pytest

from sn_viz.errors import Cancelled, JustForgotten, UserError
from sn_viz.ui.server.guard import guarded, message


def test_a_user_error_is_shown_escaped():
    @guarded
    def handler():
        raise UserError("'<img src=x onerror=1>' was not read.", "It is not an image.", "Save it as PNG.")

    with pytest.raises(gr.Error) as shown:
        handler()
    assert "<img" not in shown.value.message and "&lt;img" in shown.value.message and "Save it as PNG" in shown.value.message


def test_a_fault_of_ours_tells_an_incident_and_nothing_else(caplog):
    with caplog.at_level(logging.ERROR, "sn_viz.ui"):
        text = message(RuntimeError("/secret/path"))
    assert "secret" not in text and "incident" in text
    incident = text.split("incident ")[1].split(")")[0]
    assert incident in caplog.text and "/secret/path" in caplog.text


def test_generators_are_guarded_too_and_keep_what_they_yielded():
    @guarded
    def handler():
        yield 1
        raise KeyError("inside")

    running = handler()
    assert next(running) == 1
    with pytest.raises(gr.Error, match="incident"):
        next(running)


def test_a_stop_is_not_a_fault(caplog):
    assert "Stopped" in message(Cancelled()) and not caplog.text


def test_what_was_under_way_for_a_page_that_had_its_run_forgotten_changes_nothing():
    def handler():
        raise JustForgotten("This result is no longer here.")

    def stream():
        yield from ()
        raise JustForgotten("This result is no longer here.")

    assert guarded(handler)() == gr.skip() and list(guarded(stream)()) == [gr.skip()]


def test_a_program_is_told_of_a_run_that_was_just_forgotten():
    def handler():
        raise JustForgotten("This result is no longer here.")

    with pytest.raises(gr.Error, match="no longer here"):
        guarded(handler, answers=True)()
