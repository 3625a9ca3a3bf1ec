"""The one place that turns an exception into words for the person in front of the screen.

Takes handlers; returns handlers that never show a traceback. It knows nothing about what they do.
"""

from __future__ import annotations

import functools
import html
import inspect
import logging
import secrets
from collections.abc import Callable
from typing import Any

import gradio as gr

from sn_viz.errors import Cancelled, JustForgotten, UserError
from sn_viz.ui.server.paths import hidden_everywhere

log = logging.getLogger("sn_viz.ui")
MAX_NOTICE = 600
"""Characters of a notice that is not ours: Gradio quotes whatever was sent."""


def message(error: BaseException) -> str:
    """Return what to tell the user about ``error``, as plain text.

    A ``UserError`` speaks for itself, but names no path of the server. Anything else is logged with an incident id, and only that
    id is told.
    """
    if isinstance(error, UserError):
        return hidden_everywhere(str(error))
    if isinstance(error, Cancelled):
        return "Stopped. What was already computed is kept."
    incident = secrets.token_hex(4)
    log.error("incident %s", incident, exc_info=error)
    return f"Something went wrong on our side (incident {incident}). Please try again; the log has the details."


class Shown(gr.Error):
    """A notice in our own words: escaped, without a trace in the log."""


def shown(error: BaseException) -> gr.Error:
    """Return ``error`` as the notice Gradio pops up; the text is escaped because Gradio renders it as HTML."""
    return _notice(message(error))


def shown_anyway(error: gr.Error) -> gr.Error:
    """Return an error of Gradio's own, about a value that a component does not take, as a notice like ours."""
    return error if isinstance(error, Shown) else _notice(hidden_everywhere(str(error.message))[:MAX_NOTICE])


def _notice(text: str) -> gr.Error:
    return Shown(html.escape(text, quote=False), title="That did not work", print_exception=False)


def guarded(handler: Callable[..., Any], answers: bool = False) -> Callable[..., Any]:
    """Return ``handler`` with every exception shown in words; plain functions and generators alike.

    What was under way for a page that had its values forgotten changes nothing, for the page is being opened afresh; with
    ``answers`` it is told, as programs are.
    """
    if inspect.isgeneratorfunction(handler):

        @functools.wraps(handler)
        def stream(*args: Any, **kwargs: Any) -> Any:
            try:
                yield from handler(*args, **kwargs)
            except JustForgotten as error:
                if answers:
                    raise shown(error) from None
                yield gr.skip()
            except gr.Error:
                raise
            except Exception as error:
                raise shown(error) from None

        return stream

    @functools.wraps(handler)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return handler(*args, **kwargs)
        except JustForgotten as error:
            if answers:
                raise shown(error) from None
            return gr.skip()
        except gr.Error:
            raise
        except Exception as error:
            raise shown(error) from None

    return call
