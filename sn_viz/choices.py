"""What people chose, checked before anything slow begins.

Takes names and numbers as they were typed; returns names and layers that exist, or says what there is. It knows nothing about data.
"""

from __future__ import annotations

from collections.abc import Sequence

from sn_viz.baselines import BASELINES
from sn_viz.classifier import WEIGHTINGS
from sn_viz.errors import UserError
from sn_viz.rules import RULES
from sn_viz.search import METRICS


def baseline_names(compare: str | Sequence[str]) -> tuple[str, ...]:
    """Return the baselines behind "all", "none", "a,b" or a sequence; an unknown name raises a UserError that lists them."""
    if isinstance(compare, str):
        compare = {"all": BASELINES.names(), "none": []}.get(compare, [name.strip() for name in compare.split(",") if name.strip()])
    for name in compare:
        BASELINES[name]
    return tuple(dict.fromkeys(compare))


def check_choices(rule: str, metric: str, voters: int, weighting: str, test_size: float, seed: int = 0) -> None:
    """Raise a UserError for a choice that does not exist, before anything slow begins."""
    RULES[rule]
    for kind, name, known in (("metric", metric, METRICS), ("weighting", weighting, WEIGHTINGS)):
        if name not in known:
            raise UserError(f"There is no {kind} called {name!r}.", f"There are: {', '.join(known)}.", "Choose one of these.")
    if voters < 1:
        raise UserError(f"{voters} voters cannot decide.", "At least one super neuron must vote.", "Use 15.")
    if not 0 < test_size < 1:
        raise UserError(
            f"The test size {test_size:g} is not possible.", "It is the fraction of images kept for testing.", "Use 0.5."
        )
    if not 0 <= seed < 2**32:
        raise UserError(f"The seed {seed} is not possible.", f"It is a whole number from 0 to {2**32 - 1}.", "Use 0.")


def checked_layer(exit_layer: int | str | None, n_layers: int) -> int | None:
    """Return a valid exit layer, or None for "auto"."""
    if exit_layer is None or exit_layer == "auto":
        return None
    try:
        layer = int(exit_layer)
    except ValueError:
        layer = 0
    if not 1 <= layer <= n_layers:
        raise UserError(
            f"There is no exit layer {exit_layer!r}.", f"This model has layers 1 to {n_layers}.", "Use one of them, or auto."
        )
    return layer
