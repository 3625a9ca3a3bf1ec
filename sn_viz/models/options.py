"""How a model is loaded: in which numbers, on which devices, how its attention is computed, how closely it looks at a picture.

Takes choices by name; returns frozen ``LoadOptions`` or says what there is. It knows nothing about torch; what each choice means
for transformers stands in ``placement`` and ``detail``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from sn_viz.errors import UserError

DTYPES = ("auto", "float32", "bfloat16", "float16")
"""auto: float32 on a processor, bfloat16 on a GPU."""
DEVICE_MAPS = ("none", "auto", "balanced", "sequential")
"""none: the whole model on one device; else shared out by accelerate over GPUs, memory and disk."""
QUANTIZATIONS = ("none", "8bit", "4bit")
ATTENTIONS = ("auto", "sdpa", "eager", "flash")
"""auto: what transformers takes for the family."""
DETAILS = ("auto", "low", "published")
"""auto: low on a processor, as published on a GPU."""
MOST_PLACES, MOST_LETTERS = 10_000, 300


@dataclass(frozen=True)
class LoadOptions:
    """How a model is loaded; equal options of equal files give equal activations."""

    dtype: str = "auto"
    """An entry of ``DTYPES``."""
    device_map: str = "none"
    """An entry of ``DEVICE_MAPS``, or a JSON object that names a device for each module, as in ``{"model": 0, "lm_head": "cpu"}``.
    A mapping is turned into one. Devices are numbers of GPUs, "cpu" and "disk"."""
    quantize: str = "none"
    """An entry of ``QUANTIZATIONS``."""
    attn: str = "auto"
    """An entry of ``ATTENTIONS``."""
    detail: str = "auto"
    """An entry of ``DETAILS``."""

    def __post_init__(self) -> None:
        for name, given in (("dtype", dtype_name(self.dtype)), ("device_map", _map_text(self.device_map))):
            object.__setattr__(self, name, given)
        if not self.device_map.startswith("{"):
            _check("device map", self.device_map, DEVICE_MAPS)
        for what, value, known in (
            ("number format", self.dtype, DTYPES),
            ("quantisation", self.quantize, QUANTIZATIONS),
            ("attention", self.attn, ATTENTIONS),
            ("detail", self.detail, DETAILS),
        ):
            _check(what, value, known)

    @property
    def places(self) -> str | dict[str, str | int] | None:
        """What transformers is given as ``device_map``; None for one device."""
        if self.device_map.startswith("{"):
            return json.loads(self.device_map)
        return None if self.device_map == "none" else self.device_map

    def told(self) -> tuple[tuple[str, str], ...]:
        """Return (name, value) of what differs from how models were loaded before there was a choice; what a run keeps.

        Empty for a model in its usual numbers, on one device, that looks at pictures as published.
        """
        usual = {**{one.name: one.default for one in fields(self)}, "detail": "published"}
        unsaid = {"detail": "auto"}  # not settled: nothing is known of it
        named = {one.name: getattr(self, one.name) for one in fields(self)}
        return tuple((name, value) for name, value in named.items() if value not in (usual[name], unsaid.get(name)))

    @classmethod
    def of(cls, told: Iterable[tuple[str, str]]) -> LoadOptions:
        """Return the options that a run kept; the opposite of `told`.

        Raises
        ------
        UserError
            When it tells of an option that there is not.
        """
        kept = dict(told)
        if unknown := kept.keys() - {one.name for one in fields(cls)}:
            raise UserError(
                f"The model was loaded with {min(unknown)[:40]!r}.",
                "This version has no such option.",
                "Use the one that saved the run.",
            )
        return cls(**{"detail": "published", **kept})


def dtype_name(dtype: Any) -> str:
    """Return a number format by name; torch's own are taken too, and None for auto.

    Examples
    --------
    >>> dtype_name(None), dtype_name("bfloat16")
    ('auto', 'bfloat16')
    """
    return "auto" if dtype is None else str(dtype).removeprefix("torch.")


def device_map_name(device_map: Any) -> str:
    """Return a device map as text, None for none."""
    return "none" if device_map is None else _map_text(device_map)


def _check(what: str, value: Any, known: tuple[str, ...]) -> None:
    if value not in known:
        raise UserError(
            f"There is no {what} called {str(value)[:40]!r}.", f"There are: {', '.join(known)}.", "Choose one of these."
        )


def _map_text(given: Any) -> str:
    """Return a device map as text: a name, or a JSON object, checked."""
    if isinstance(given, str) and not given.lstrip().startswith("{"):
        return given
    try:
        places = dict(given) if isinstance(given, Mapping) else json.loads(given)
    except (ValueError, TypeError, RecursionError):
        places = None
    if not isinstance(places, dict) or not 0 < len(places) <= MOST_PLACES or not all(map(_is_place, places.items())):
        raise UserError(
            "The device map was not understood.",
            f'{str(given)[:60]!r} arrived; it names a GPU by its number, "cpu" or "disk" for each module.',
            f'Use one of {", ".join(DEVICE_MAPS)}, or such as {{"model": 0, "lm_head": "cpu"}}.',
        )
    return json.dumps(places)


def _is_place(item: tuple[Any, Any]) -> bool:
    module, place = item
    named = isinstance(module, str) and len(module) <= MOST_LETTERS
    return named and (place in ("cpu", "disk") or (isinstance(place, int) and not isinstance(place, bool) and 0 <= place < 1000))


DEFAULT = LoadOptions()
