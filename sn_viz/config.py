"""Every choice of a run, once: what it is called, its default, what it may be, and how it is explained.

The command line, the page, the endpoints, ``find`` and ``types.Config`` take their defaults, bounds and words from here, or are
compared with it by a test. To add a choice: add it here, and use it where it is meant. Takes names and numbers as they were typed;
returns names and layers that exist, or says what there is. It knows nothing about data.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sn_viz.errors import UserError
from sn_viz.models.options import ATTENTIONS, DETAILS, DEVICE_MAPS, DTYPES, QUANTIZATIONS

DEFAULT_MODEL = "tiny-photo"
"""Answers where nobody names a model and the sample pack brings none: its tower has seen photographs, and it knows the
drawn world too."""
DRAWN_MODEL = "tiny-llava"
"""Has seen drawings only: what the benches of the drawn world measure unless told otherwise."""


@dataclass(frozen=True)
class Choice:
    """One choice of a run.

    Parameters
    ----------
    name : str
        The keyword of ``find``; with dashes the option of the command line.
    default : object
    label : str
        Above its widget in the page.
    help : str
        One line, for the command line and the documentation.
    names : callable, optional
        Returns what it may be, where it is one of several names.
    here : callable, optional
        Returns those of them that this machine allows, where that is not all: what the page offers.
    low, high : number, optional
        What it must not be below or above, where it is a number.
    refused : str
        What is said of a number that may not be, with ``{value}``.
    because : str
        Why not.
    visitors : tuple of number, optional
        Bounds in the page and at the endpoints, where they are closer.
    step : number, optional
        Of its slider.
    kind : str
        What its names are names of, where that is not ``name``.
    between : bool
        Whether it must lie between ``low`` and ``high`` and may be neither.
    """

    name: str
    default: Any
    label: str
    help: str
    names: Callable[[], Sequence[str]] | None = None
    here: Callable[[], Sequence[str]] | None = None
    low: float | None = None
    high: float | None = None
    refused: str = ""
    because: str = ""
    visitors: tuple[float, float] | None = None
    step: float | None = None
    kind: str = ""
    between: bool = False

    def check(self, value: Any) -> None:
        """Raise a UserError unless this may be ``value``."""
        if self.names is not None:
            if value not in (known := list(self.names())):
                raise UserError(
                    f"There is no {self.kind or self.name} called {str(value)[:40]!r}.",
                    f"There are: {', '.join(known)}.",
                    "Choose one of these.",
                )
        elif not self._may_be(value):
            raise UserError(self.refused.format(value=value), self.because, f"Use {self.default}.")

    def _may_be(self, number: float) -> bool:
        low, high = -math.inf if self.low is None else self.low, math.inf if self.high is None else self.high
        return low < number < high if self.between else low <= number <= high


def _rules() -> list[str]:
    from sn_viz.search.rules import RULES

    return RULES.names()


def _metrics() -> Sequence[str]:
    from sn_viz.search import METRICS

    return METRICS


def _weightings() -> Sequence[str]:
    from sn_viz.voting.weightings import WEIGHTINGS

    return WEIGHTINGS.names()


def _committees() -> list[str]:
    from sn_viz.voting.named import AUTO, COMMITTEES

    return [AUTO, *COMMITTEES]


def _engines() -> list[str]:
    from sn_viz.engines import ENGINES

    return ENGINES.names()


def _here(option: str) -> Sequence[str]:
    from sn_viz.models.placement import allowed_here

    return allowed_here(option)


SITES = Choice(
    "sites",
    "all",
    "Sites: which activations are searched",
    "all (the language model's), tower (the vision tower's), or names; commas between.",
)
COMMITTEE = Choice(
    "committee",
    "auto",
    "Who votes",
    "auto (chosen on the probing images), plain (the paper's), 64-by-accuracy, 64-by-effect-size, best-scalars.",
    names=_committees,
)
RULE = Choice(
    "rule", "best-split", "Threshold rule", "Threshold rule; an unknown name lists them.", names=_rules, kind="threshold rule"
)
METRIC = Choice("metric", "balanced-accuracy", "Score", "balanced-accuracy, accuracy, roc-auc, f1, effect-size.", names=_metrics)
VOTERS = Choice(
    "voters",
    15,
    "Super neurons that vote",
    "How many super neurons vote.",
    low=1,
    visitors=(1, 101),
    step=1,
    refused="{value} voters cannot decide.",
    because="At least one super neuron must vote.",
)
WEIGHTING = Choice(
    "weighting", "majority", "Vote", "majority, log-odds or logistic (weights fitted to the votes).", names=_weightings
)
EXIT_LAYER = Choice(
    "exit_layer", "auto", "Exit layer: auto, 3, or V4 in the tower", "auto, a layer from 1, or V1 and on in the vision tower."
)
TEST_SIZE = Choice(
    "test_size",
    0.5,
    "Share of your images kept for testing",
    "Fraction of DATA kept for testing.",
    low=0,
    high=1,
    between=True,
    visitors=(0.1, 0.9),
    step=0.1,
    refused="The test size {value:g} is not possible.",
    because="It is the fraction of images kept for testing.",
)
SEED = Choice(
    "seed",
    0,
    "Seed",
    "Of the split, the folds and the null.",
    low=0,
    high=2**32 - 1,
    visitors=(0, 2**31 - 1),
    refused="The seed {value} is not possible.",
    because=f"It is a whole number from 0 to {2**32 - 1}.",
)
COMPARE = Choice("compare", "all", "Compare with", "all (but slow ones), none, or names with commas: all,lora.")
ANSWERS = Choice(
    "answers",
    None,
    "What the model says for each class",
    'What the model says for each class: "dog=yes,cat=no"; by default told by names and question.',
)
DTYPE = Choice(
    "dtype",
    "auto",
    "Numbers",
    "auto (float32 on a processor, bfloat16 on a GPU), float32, bfloat16 or float16.",
    names=lambda: DTYPES,
    kind="number format",
)
DEVICE_MAP = Choice(
    "device_map",
    "none",
    "Devices",
    "none (one device), auto, balanced, sequential, or JSON: a device for each module.",
    names=lambda: DEVICE_MAPS,
    here=lambda: _here("device_map"),
    kind="device map",
)
QUANTIZE = Choice(
    "quantize",
    "none",
    "Quantised to",
    "none, 8bit or 4bit (bitsandbytes).",
    names=lambda: QUANTIZATIONS,
    here=lambda: _here("quantize"),
    kind="quantisation",
)
ATTN = Choice(
    "attn",
    "auto",
    "Attention",
    "auto (the family's usual), sdpa, eager or flash.",
    names=lambda: ATTENTIONS,
    here=lambda: _here("attn"),
    kind="attention",
)
DETAIL = Choice(
    "detail",
    "auto",
    "Detail of pictures",
    "auto (low on a processor), low (one tile or few tokens a picture), or published.",
    names=lambda: DETAILS,
)
ENGINE = Choice(
    "engine",
    "local",
    "Where it runs",
    "local, or ray (processes here, or the machines of a cluster): the same numbers.",
    names=_engines,
)
"""Where a run is carried out, which is no part of what it finds."""
LOADING = (DTYPE, DEVICE_MAP, QUANTIZE, ATTN, DETAIL)
"""How the model is loaded."""
PARTS = (RULE, METRIC, VOTERS, WEIGHTING)
"""Of a committee. Their defaults are the plain one's; where none of them is named, the committee has its own."""
CHOICES = (SITES, COMMITTEE, RULE, METRIC, VOTERS, WEIGHTING, EXIT_LAYER, TEST_SIZE, SEED, COMPARE, ANSWERS, *LOADING)


@dataclass(frozen=True)
class ModelChoice:
    """Which model answers, and why it."""

    name: str
    """Finds the model from any working directory."""
    why: str
    """A few words for people."""


def choose_model(asked: str | os.PathLike[str] | None = None, data: Any = None, default: str = DEFAULT_MODEL) -> ModelChoice:
    """Return which model answers: the one asked for, else SN_VIZ_MODEL, else the pack's own, else the default.

    Parameters
    ----------
    asked : str or path, optional
        What the person named.
    data : optional
        What the images are read from; ``pack:NAME`` may have a model of its own. None: nothing is known of them.
    default : str
        Name of the model where nothing else says one.

    Examples
    --------
    >>> choose_model("tiny-gemma3")
    ModelChoice(name='tiny-gemma3', why='asked for')
    """
    from sn_viz.models.catalog import resolve_name
    from sn_viz.sources.pack import model_of_pack

    pack = isinstance(data, str) and data.startswith("pack:")
    own = model_of_pack(str(data).removeprefix("pack:")) if pack else None
    named = ((asked, "asked for"), (os.environ.get("SN_VIZ_MODEL"), "named by SN_VIZ_MODEL"), (own, "the pack's own"))
    name, why = next(((name, why) for name, why in named if name), (default, "the default"))
    return ModelChoice(resolve_name(name), why)


def baseline_names(compare: str | Sequence[str]) -> tuple[str, ...]:
    """Return the baselines behind "all", "none", "a,b" or a sequence; an unknown name raises a UserError that lists them.

    "all" leaves out the costly ones, which have to be asked for by name: "lora", or "all,lora".
    """
    from sn_viz.baselines import BASELINES

    if isinstance(compare, str):
        compare = [] if compare == "none" else [name.strip() for name in compare.split(",") if name.strip()]
    named = [each for name in compare for each in (BASELINES.usual() if name == "all" else [name])]
    for name in named:
        BASELINES[name]
    return tuple(dict.fromkeys(named))


def check_choices(rule: str, metric: str, voters: int, weighting: str, test_size: float, seed: int = 0) -> None:
    """Raise a UserError for a choice that does not exist, before anything slow begins."""
    for choice, value in ((RULE, rule), (METRIC, metric), (VOTERS, voters), (WEIGHTING, weighting), (TEST_SIZE, test_size)):
        choice.check(value)
    SEED.check(seed)
    from sn_viz.voting.weightings import check_weighting

    check_weighting(metric, weighting)


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
    from sn_viz.types import layer_name

    layers = {str(layer): layer for layer in range(1 - n_tower, n_layers + 1)}
    layers |= {layer_name(layer, n_tower): layer for layer in range(1 - n_tower, n_layers + 1)}
    typed = str(exit_layer).strip().upper()
    if typed not in layers:
        there = f"V1 to V{n_tower} in its vision tower" if n_tower else ""
        there = " and ".join(filter(None, (there, f"1 to {n_layers}" if n_layers else "")))
        raise UserError(f"There is no exit layer {exit_layer!r}.", f"This model has layers {there}.", "Use one of them, or auto.")
    return layers[typed]
