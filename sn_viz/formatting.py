"""Numbers as people read them: percents, ranges of percents, milliseconds, ratios.

Takes plain floats; returns text with ordinary spaces. A share that is not quite none or all is never rounded to 0 or 100 %, and
what is not known is said to be. It knows nothing of runs.
"""

from __future__ import annotations

import math
import re

UNDEFINED = "undefined"
"""Said where a share has no value, such as an accuracy on no images."""


def metric_name(metric: str) -> str:
    """Return what people call a metric of the search; one that is no share says so.

    Examples
    --------
    >>> metric_name("balanced-accuracy"), metric_name("effect-size")
    ('balanced accuracy', "effect size (Cohen's d)")
    """
    return {"effect-size": "effect size (Cohen's d)"}.get(metric, metric.replace("-", " "))


def points(difference: float) -> str:
    """Return a difference of fractions as percentage points with its sign.

    Examples
    --------
    >>> points(0.015), points(-0.2), points(0.0)
    ('+1.5', '-20.0', '+0.0')
    """
    return f"{100 * difference:+.1f}" if math.isfinite(difference) else UNDEFINED


def percent(value: float | None, digits: int = 1, undefined: str = UNDEFINED) -> str:
    """Return a fraction as text.

    Parameters
    ----------
    value : float or None
        A fraction; None, NaN and infinities are undefined.
    digits : int
        Behind the point.
    undefined : str
        What is said without a value.

    Returns
    -------
    str
        A fraction next to 0 or 1 that rounding would make 0 or 100 % keeps its distance: ``< 0.1 %``, ``> 99.9 %``.

    Examples
    --------
    >>> percent(0.875), percent(1.0), percent(0.9999), percent(float("nan"))
    ('87.5 %', '100.0 %', '> 99.9 %', 'undefined')
    """
    return undefined if value is None or not math.isfinite(value) else f"{_number(value, digits)} %"


def percent_range(low: float | None, high: float | None, digits: int = 0) -> str:
    """Return an interval of fractions as text, such as ``92 to 98 %``; undefined when an end is.

    Examples
    --------
    >>> percent_range(0.918, 0.98), percent_range(0.5, 0.9991)
    ('92 to 98 %', '50 to > 99 %')
    """
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        return UNDEFINED
    return f"{_number(low, digits)} to {_number(high, digits)} %"


def milliseconds(value: float | None) -> str:
    """Return readable milliseconds, or that they were not measured."""
    return "not measured" if value is None or not math.isfinite(value) else f"{value:.1f} ms"


def ratio(slow: float | None, fast: float | None) -> float:
    """Return how many times ``fast`` fits into ``slow``, both in one unit; NaN where either was not measured or took no time."""
    if slow is None or fast is None or not (math.isfinite(slow) and math.isfinite(fast) and min(slow, fast) > 0):
        return math.nan
    return slow / fast


def ratio_words(slow: float, fast: float) -> str:
    """Return how ``fast`` compares with ``slow``, both in one unit: ahead is called ahead, behind is called behind.

    Examples
    --------
    >>> ratio_words(90.0, 18.0), ratio_words(18.0, 90.0), ratio_words(10.0, 10.0)
    ('5.0 times as fast', '5.0 times as slow', 'as fast')
    """
    if f"{max(slow, fast) / min(slow, fast):.1f}" == "1.0":
        return "as fast"
    return f"{slow / fast:.1f} times as fast" if slow > fast else f"{fast / slow:.1f} times as slow"


def short_model(name: str) -> str:
    """Return what to call a model where there is little room: the last part of its name or path, a commit in seven digits.

    Examples
    --------
    >>> short_model("lab/model@0123456789abcdef0123456789abcdef01234567"), short_model("/models/mine"), short_model("tiny-llava")
    ('model@0123456', 'mine', 'tiny-llava')
    """
    return re.sub(r"(@[0-9a-f]{7})[0-9a-f]{33}$", r"\1", re.split(r"[\\/]", name)[-1])


def probability(value: float) -> str:
    """Return a p-value as text: two significant digits, ``< 0.001`` below that, ``undefined`` without a value.

    Examples
    --------
    >>> probability(0.0312), probability(1e-9), probability(1.0)
    ('0.031', '< 0.001', '1')
    """
    if not math.isfinite(value):
        return UNDEFINED
    return "< 0.001" if value < 0.001 else f"{value:.2g}"


def _number(value: float, digits: int) -> str:
    smallest = 10.0**-digits
    shown = f"{100 * value:.{digits}f}"
    if value > 0 and float(shown) == 0:
        return f"< {smallest:.{digits}f}"
    if value < 1 and float(shown) >= 100:
        return f"> {100 - smallest:.{digits}f}"
    return shown
