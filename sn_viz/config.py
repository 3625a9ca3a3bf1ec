"""What people chose, checked before anything slow begins.

Takes names and numbers as they were typed; returns names and layers that exist, or says what there is. It knows nothing about data.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sn_viz.baselines import BASELINES
from sn_viz.errors import UserError
from sn_viz.models.catalog import lasting_name
from sn_viz.search.rules import RULES
from sn_viz.search.stumps import METRICS
from sn_viz.sources.pack import model_of_pack
from sn_viz.types import layer_name
from sn_viz.voting.classifier import WEIGHTINGS

DEFAULT_MODEL = "tiny-llava"
"""Answers where nobody names a model."""


@dataclass(frozen=True)
class ModelChoice:
    """Which model answers, and why it."""

    name: str
    """Finds the model from any working directory."""
    why: str
    """A few words for people."""


def choose_model(asked: str | os.PathLike[str] | None = None, data: Any = None) -> ModelChoice:
    """Return which model answers: the one asked for, else SN_VIZ_MODEL, else the pack's own, else the default.

    Parameters
    ----------
    asked : str or path, optional
        What the person named.
    data : optional
        What the images are read from; ``pack:NAME`` may have a model of its own.

    Examples
    --------
    >>> choose_model("tiny-gemma3")
    ModelChoice(name='tiny-gemma3', why='asked for')
    """
    own = model_of_pack(data.removeprefix("pack:")) if isinstance(data, str) and data.startswith("pack:") else None
    named = ((asked, "asked for"), (os.environ.get("SN_VIZ_MODEL"), "named by SN_VIZ_MODEL"), (own, "the pack's own"))
    name, why = next(((name, why) for name, why in named if name), (DEFAULT_MODEL, "the default"))
    return ModelChoice(lasting_name(name), why)


def baseline_names(compare: str | Sequence[str]) -> tuple[str, ...]:
    """Return the baselines behind "all", "none", "a,b" or a sequence; an unknown name raises a UserError that lists them.

    "all" leaves out the costly ones, which have to be asked for by name: "lora", or "all,lora".
    """
    if isinstance(compare, str):
        compare = [] if compare == "none" else [name.strip() for name in compare.split(",") if name.strip()]
    named = [each for name in compare for each in (BASELINES.usual() if name == "all" else [name])]
    for name in named:
        BASELINES[name]
    return tuple(dict.fromkeys(named))


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


def checked_layer(exit_layer: int | str | None, n_layers: int, n_tower: int = 0) -> int | None:
    """Return a valid exit layer, or None for "auto".

    Parameters
    ----------
    exit_layer : int, str or None
        A number, or a name such as "3" or "V4".
    n_layers : int
        Decoder blocks that can be stopped after.
    n_tower : int
        Blocks of the vision tower that can be stopped after: layers from ``1 - n_tower`` to 0, called V1, V2 and so on.

    Raises
    ------
    UserError
        When there is no such layer; the message lists them.
    """
    if exit_layer is None or exit_layer == "auto":
        return None
    layers = {str(layer): layer for layer in range(1 - n_tower, n_layers + 1)}
    layers |= {layer_name(layer, n_tower): layer for layer in range(1 - n_tower, n_layers + 1)}
    typed = str(exit_layer).strip().upper()
    if typed not in layers:
        there = f"V1 to V{n_tower} in its vision tower" if n_tower else ""
        there = " and ".join(filter(None, (there, f"1 to {n_layers}" if n_layers else "")))
        raise UserError(f"There is no exit layer {exit_layer!r}.", f"This model has layers {there}.", "Use one of them, or auto.")
    return layers[typed]
