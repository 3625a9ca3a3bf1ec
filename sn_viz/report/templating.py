"""HTML from the templates beside this file.

Takes values; returns ``Markup``, in which everything was escaped that is not ``Markup`` itself: no caller can forget to. Text from
outside goes through the filter ``outside``, which also clips it and isolates its direction.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

CLIPPED = 300
"""Characters of a user's text shown on the page."""


def fill(template: str, **values: Any) -> Markup:
    """Return a template filled with ``values``; a value that it needs and that is missing is an error."""
    return Markup(_environment().get_template(template).render(values))


def part(name: str, *values: Any) -> Markup:
    """Return one piece of ``parts.html``, a macro, filled with ``values``."""
    return getattr(_environment().get_template("parts.html").module, name)(*values)


def outside(value: object) -> Markup:
    """Return anything from outside as HTML text, direction isolated.

    Examples
    --------
    >>> print(outside("<b>"), outside("Ünder"))
    &lt;b&gt; <bdi>Ünder</bdi>
    """
    shown = clipped(value)
    return escape(shown) if shown.isascii() else Markup("<bdi>{}</bdi>").format(shown)


def clipped(value: object) -> str:
    """Return the beginning of a text from outside, not yet escaped, for where no element may stand."""
    shown = str(value)
    return shown if len(shown) <= CLIPPED else shown[: CLIPPED - 1] + "…"


@cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("sn_viz.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    made.filters.update(outside=outside, clipped=clipped)
    made.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "allow_nan": False}
    return made
