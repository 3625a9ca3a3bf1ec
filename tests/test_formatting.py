"""Numbers are read as they are: nothing is rounded to none or all."""

import math

import pytest

from sn_viz.formatting import milliseconds, percent, percent_range, probability, ratio


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0, "0.0 %"),
        (1.0, "100.0 %"),
        (0.25, "25.0 %"),
        (0.0003, "< 0.1 %"),
        (0.9997, "> 99.9 %"),
        (0.99949, "99.9 %"),
        (math.nan, "undefined"),
        (math.inf, "undefined"),
        (None, "undefined"),
    ],
)
def test_percents(value, shown):
    assert percent(value) == shown


def test_whole_percents_keep_their_distance_too():
    assert (percent(0.004, 0), percent(0.996, 0), percent(1, 0), percent(0, 0)) == ("< 1 %", "> 99 %", "100 %", "0 %")
    assert percent_range(0.996, 1.0) == "> 99 to 100 %" and percent_range(math.nan, 1.0) == "undefined"


def test_a_p_value_is_never_zero():
    assert (probability(0.0), probability(0.0005), probability(0.0099), probability(math.nan)) == (
        "< 0.001",
        "< 0.001",
        "0.0099",
        "undefined",
    )


def test_times_and_ratios_say_when_nothing_was_measured():
    assert milliseconds(4.25) == "4.2 ms" and milliseconds(math.nan) == milliseconds(None) == "not measured"
    assert ratio(9.0, 3.0) == 3 and math.isnan(ratio(9.0, 0.0)) and math.isnan(ratio(None, 1.0)) and math.isnan(ratio(math.nan, 1))
    assert math.isnan(ratio(0.0, 3.0)), "what took no time was not measured"
