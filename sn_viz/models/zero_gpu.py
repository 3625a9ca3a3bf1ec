"""A GPU that a Hugging Face Space on ZeroGPU lends, for seconds at a time.

Takes a function of a module; returns it as it is, or, on ZeroGPU, so that each call of it runs where a GPU is lent. It knows
nothing about models.

There the process that serves the page never has a GPU, though torch, patched by the package ``spaces``, says that it has one. What
``spaces.GPU`` wraps runs in a process of its own, forked from this one, and is ended when it takes longer than it said. A Space
without any such function does not start, so the wrapping is done before the page is served.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Iterator
from typing import ParamSpec, TypeVar

from sn_viz.errors import UserError

SECONDS = "SN_VIZ_GPU_SECONDS"
USUAL_SECONDS, FEWEST_SECONDS, MOST_SECONDS = 60, 10, 1800

Given = ParamSpec("Given")
Result = TypeVar("Result")


def is_on() -> bool:
    """Return whether this is a Space on ZeroGPU, with the package ``spaces`` in place."""
    said = os.environ.get("SPACES_ZERO_GPU", "").strip().lower() in ("1", "t", "true")
    return said and importlib.util.find_spec("spaces") is not None


def on_lent_gpu(work: Callable[Given, Iterator[Result]]) -> Callable[Given, Iterator[Result]]:
    """Return a generator function so that it runs where a GPU is lent for ``loan_seconds``; as it is where none is lent.

    Parameters
    ----------
    work : generator function
        Of a module. What it takes and yields goes from process to process, so it must be picklable.

    Raises
    ------
    UserError
        When SN_VIZ_GPU_SECONDS is no number of seconds.
    """
    if not is_on():
        return work
    import spaces  # pyright: ignore[reportMissingImports]  # patches torch, so it is loaded on ZeroGPU only

    spaces.disable_gradio_auto_wrap()  # it would ask for a GPU at every event of the page
    return spaces.GPU(duration=loan_seconds())(work)


def loan_seconds() -> int:
    """Return for how many seconds a GPU is asked for at a time, as SN_VIZ_GPU_SECONDS says.

    Raises
    ------
    UserError
        When it is no whole number of seconds from 10 to 1800.
    """
    text = os.environ.get(SECONDS, "").strip() or str(USUAL_SECONDS)
    if not (text.isascii() and text.isdigit() and len(text) < 6 and FEWEST_SECONDS <= int(text) <= MOST_SECONDS):
        cause = f"It is {text[:20]!r}; a GPU is asked for {FEWEST_SECONDS} to {MOST_SECONDS} seconds at a time."
        raise UserError(f"{SECONDS} was not understood.", cause, f"Set it to a whole number, such as {USUAL_SECONDS}.")
    return int(text)


def told(error: Exception) -> UserError | None:
    """Return what the package ``spaces`` says to visitors as an error of ours; None for any other exception.

    Its errors are Gradio's, with a title and a message: no GPU is free, the visitor's share is used up, a loan was too short.
    """
    title, message = getattr(error, "title", None), getattr(error, "message", None)
    if not isinstance(title, str) or message is None:
        return None
    return UserError(
        "The Space's GPU was not to be had.",
        f"{title}: {str(message).rstrip('.')}.",
        "Try again later, use fewer images, or choose an embedded model, which needs no GPU.",
    )
