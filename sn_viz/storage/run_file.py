"""What ``run.json`` may hold: every field of a saved run with its type and range, declared once.

Takes the bytes of the file; returns a ``RunFile`` whose every field is of its type and in its range, or raises ValueError with a
sentence that names the field. It knows nothing about folders or arrays.

The schema is made from the dataclasses of ``types``: a plain field added there, with a default so that older runs stay readable,
is saved and checked without a line here. A range is added to ``RANGES``; what holds arrays is read by ``run_arrays``.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import MISSING, asdict, fields, is_dataclass
from functools import cache
from typing import Annotated, Any, Literal, NotRequired, get_args, get_type_hints

import numpy as np
from annotated_types import Ge, Le, Len, MinLen
from jaxtyping import AbstractArray
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, StringConstraints, ValidationError, create_model
from typing_extensions import TypedDict

from sn_viz.types import AnswerKey, Baseline, Config, Interval, LabelledImages, LayerAccuracy, Picture, RunRecord

SOURCES_OF_ANSWERS = ("given", "named", "asked", "observed", "unknown")
FORMATS = (1, 2)
"""1: saved before ``run.json`` had a digest of its own. 2: the digest lies in ``run.sha256``."""
MOST_BYTES = 128 * 2**20
"""A larger ``run.json`` is not read."""
MOST_CHARACTERS = 200_000
"""Of one text."""
MOST_LAYER = 10_000
SLACK = 1e-6
"""What rounding may add to a fraction."""

STRICT = ConfigDict(
    strict=True, extra="forbid", frozen=True, allow_inf_nan=False, str_max_length=MOST_CHARACTERS, arbitrary_types_allowed=True
)
"""Numbers are never read from texts, an unknown field is refused, NaN and infinities are no JSON."""
OPEN = ConfigDict(strict=True, extra="allow", allow_inf_nan=False, str_max_length=MOST_CHARACTERS)


def _nan_for_null(value: float | None) -> float:
    return math.nan if value is None else value


Measured = Annotated[float | None, AfterValidator(_nan_for_null)]
"""A number, or null for one that was not measured: NaN."""
Milliseconds = Annotated[Annotated[float, Ge(0), Le(1e9)] | None, AfterValidator(_nan_for_null)]
Fraction = Annotated[Annotated[float, Ge(-SLACK), Le(1 + SLACK)] | None, AfterValidator(_nan_for_null)]
Count = Annotated[int, Ge(0), Le(10**9)]
Layer = Annotated[int, Ge(-MOST_LAYER), Le(MOST_LAYER)]
Name = Annotated[str, StringConstraints(pattern=r"^[\w][\w.-]{0,79}$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
FileName = Annotated[str, StringConstraints(pattern=r"^([a-z0-9_]{1,80}\.npy|pictures/[0-9a-f]{64}\.png)$")]


def in_order(low: float, value: float, high: float) -> bool:
    """Return whether an interval holds its value, as far as they are known."""
    known = [x for x in (low, value, high) if not math.isnan(x)]
    return all(a <= b + SLACK for a, b in itertools.pairwise(known))


def _is_interval(interval: Any) -> Any:
    if not in_order(interval.low, interval.value, interval.high):
        raise ValueError(f"{interval.value} does not lie between {interval.low} and {interval.high}")
    return interval


class _IntervalFacts(BaseModel):
    model_config = STRICT
    value: Fraction
    low: Fraction
    high: Fraction
    n: Count


IntervalFacts = Annotated[_IntervalFacts, AfterValidator(_is_interval)]


def _is_key(key: AnswerKey | None) -> AnswerKey | None:
    if key is not None:
        n = len(key.classes)
        if len(key.words) != n or not (-1 <= key.yes < n and -1 <= key.no < n) or key.source not in SOURCES_OF_ANSWERS:
            raise ValueError("the answers do not fit the classes")
    return key


RANGES: dict[type, dict[str, Any]] = {
    Config: {
        "model": Annotated[str, MinLen(1)],
        "sites": tuple[Name, ...],
        "rule": Name,
        "metric": Name,
        "weighting": Name,
        "voters": Annotated[int, Ge(1), Le(10**9)],
        "exit_layer": Annotated[int | None, Ge(-MOST_LAYER), Le(MOST_LAYER)],
        "test_size": Annotated[float, Ge(0), Le(1)],
        "seed": Annotated[int, Ge(0), Le(2**32 - 1)],
        "compare": tuple[Name, ...],
        "committee": Literal["", "auto"],
        "loading": Annotated[tuple[tuple[Name, Annotated[str, Len(1, 100_000)]], ...], Len(0, 20)],
    },
    LabelledImages: {"pictures": tuple[Sha256, ...], "classes": Annotated[tuple[str, ...], MinLen(1)]},
    LayerAccuracy: {"layer": Layer, "cv_accuracy": Fraction, "latency_ms": Milliseconds},
    Baseline: {"name": Name, "latency_ms": Milliseconds},
    RunRecord: {
        "answer_key": Annotated[AnswerKey | None, AfterValidator(_is_key)],
        "exit_layer": Layer,
        "latency_ms": dict[Name, Milliseconds],
        "seconds": dict[Name, Milliseconds],
        "edited_after_looking": Count,
    },
}
"""What a field may be where its annotation alone says too little. A field that is not here may be whatever it is annotated as."""
LEFT_OUT: dict[type, tuple[str, ...]] = {Config: ("loading", "committee"), RunRecord: ("edited_after_looking",)}
"""Fields that are not written while they say nothing, so that a run is saved as it was before there were any."""
READ_APART = {RunRecord: {"findings", "config", "train", "test", "neurons", "stumps", "voters", "votes", "by_layer", "baselines"}}
"""Fields that hold dataclasses, which have a schema of their own, or arrays."""


def is_array(annotation: Any) -> bool:
    """Return whether a field holds an array, or may."""
    kinds = get_args(annotation) or (annotation,)
    return any(isinstance(kind, type) and issubclass(kind, (np.ndarray, AbstractArray)) for kind in kinds)


def plain_fields(kind: type) -> dict[str, Any]:
    """Return the fields of a dataclass of ``types`` that are kept in ``run.json`` as they are, with their annotations."""
    hints = get_type_hints(kind, include_extras=True)
    apart = READ_APART.get(kind, set())
    return {one.name: hints[one.name] for one in fields(kind) if one.name not in apart and not is_array(hints[one.name])}


@cache
def _schema(kind: type) -> type[BaseModel]:
    return create_model(f"{kind.__name__}Facts", __config__=STRICT, **_parts(kind))


def _parts(kind: type) -> dict[str, Any]:
    """Return annotation and default of every plain field, narrowed by ``RANGES``; NaN is null where a float was measured."""
    defaults = {one.name: _default(one) for one in fields(kind)}
    stands_for: dict[Any, Any] = {Interval: IntervalFacts, tuple[Interval, ...]: tuple[IntervalFacts, ...]}
    stands_for |= {} if kind is Config else {float: Measured}
    narrowed = RANGES.get(kind, {})
    return {name: (narrowed.get(name, stands_for.get(hint, hint)), defaults[name]) for name, hint in plain_fields(kind).items()}


def _default(one: Any) -> Any:
    if one.default is not MISSING:
        return one.default
    return ... if one.default_factory is MISSING else Field(default_factory=one.default_factory)


class FoundInterval(TypedDict):
    """A number with its interval, found by a check."""

    __pydantic_config__ = OPEN  # type: ignore[misc]
    value: float | None
    low: float | None
    high: float | None
    n: NotRequired[Count]
    p_value: NotRequired[float | None]


class Overwriting(TypedDict):
    """One kind of overwriting neurons, of the check ``causal``."""

    __pydantic_config__ = OPEN  # type: ignore[misc]
    kind: Literal["mean", "zero", "other-class"]
    n_neurons: Count
    sentence: str
    moved: FoundInterval
    random_moved: FoundInterval
    difference: FoundInterval
    push_difference: FoundInterval
    fall: FoundInterval
    random_fall: FoundInterval


class Causal(TypedDict):
    """What ``check --what causal`` found."""

    __pydantic_config__ = OPEN  # type: ignore[misc]
    kinds: Annotated[list[Overwriting], Len(1, 100)]
    sentence: str


class Right(TypedDict):
    """How often one method was right under one condition."""

    __pydantic_config__ = OPEN  # type: ignore[misc]
    accuracy: FoundInterval
    lost: FoundInterval


class Condition(TypedDict):
    """One wording, or one change of the pictures."""

    __pydantic_config__ = OPEN  # type: ignore[misc]
    name: str
    full_model: Right
    super_neurons: Right


class Compared(TypedDict):
    """What ``check --what wordings`` or ``pictures`` found."""

    __pydantic_config__ = OPEN  # type: ignore[misc]
    n: Count
    before: dict[Literal["full_model", "super_neurons"], FoundInterval]
    conditions: Annotated[list[Condition], Len(0, 1000)]
    sentence: str


class Stability(TypedDict):
    """How often each voter was chosen again."""

    __pydantic_config__ = OPEN  # type: ignore[misc]
    again: list[Annotated[float, Ge(-SLACK), Le(1 + SLACK)] | None]
    neuron: list[str]
    n_resamples: Count
    by_luck: Annotated[float, Ge(0), Le(1)]


def _as_many(found: Stability) -> Stability:
    if len(found["again"]) != len(found["neuron"]):
        raise ValueError(f"{len(found['again'])} shares of {len(found['neuron'])} neurons")
    return found


def _both_methods(found: Compared) -> Compared:
    if set(found["before"]) != {"full_model", "super_neurons"}:
        raise ValueError("'before' does not tell of both methods")
    return found


class Findings(TypedDict, total=False):
    """What was asked of a run beyond its own search; a check that is not known here may keep any JSON."""

    __pydantic_config__ = OPEN  # type: ignore[misc]
    stability: Annotated[Stability, AfterValidator(_as_many)]
    causal: Causal
    wordings: Annotated[Compared, AfterValidator(_both_methods)]
    pictures: Annotated[Compared, AfterValidator(_both_methods)]


def _each_a_dict(findings: Any) -> Any:
    wrong = next((name for name, found in findings.items() if not isinstance(found, dict)), None)
    if wrong is not None:
        raise ValueError(f"{wrong!r} holds no fields")
    return findings


@cache
def schema() -> type[BaseModel]:
    """Return the schema of ``run.json``, a pydantic model."""
    split = _schema(LabelledImages)
    splits = create_model("SplitsFacts", __config__=STRICT, train=(split, ...), test=(split, ...))
    baseline = _schema(Baseline)
    parts: dict[str, Any] = {
        "format": (Literal[1, 2], ...),
        "summary": (dict[str, JsonValue], {}),
        "config": (_schema(Config), ...),
        "site_names": (Annotated[tuple[Name, ...], Len(1, 100)], ...),
        "splits": (splits, ...),
        "by_layer": (Annotated[tuple[_schema(LayerAccuracy), ...], Len(1, 2 * MOST_LAYER)], ...),
        "baselines": (Annotated[tuple[baseline, ...], Len(0, 1000)], ...),
        "findings": (Annotated[Findings, AfterValidator(_each_a_dict)], {}),
        "files": (dict[FileName, Sha256], ...),
    }
    return create_model("RunFile", __config__=STRICT, **(_parts(RunRecord) | parts))


def read(text: bytes) -> Any:
    """Return the checked fields of a ``run.json``.

    Parameters
    ----------
    text : bytes
        The whole file.

    Returns
    -------
    pydantic model
        Fields as in the file; null is NaN where a number was not measured.

    Raises
    ------
    ValueError
        With one sentence that names the field, what arrived and what is allowed.
    """
    if len(text) > MOST_BYTES:
        raise ValueError(f"run.json has {len(text):,} bytes, at most {MOST_BYTES:,} are read")
    try:
        return schema().model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(str(step)[:60] for step in first["loc"]) or "run.json"
        raise ValueError(f"{where}: {first['msg'][:120]}") from None


def as_facts(value: Any) -> dict[str, Any]:
    """Return the plain fields of a dataclass of ``types``, ready for JSON: what `read` reads back."""
    kind = RunRecord if isinstance(value, RunRecord) else type(value)
    told = {name: _plain(getattr(value, name)) for name in plain_fields(kind)}
    return {name: plain for name, plain in told.items() if name not in LEFT_OUT.get(kind, ()) or plain}


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return value.sha256 if isinstance(value, Picture) else asdict(value)
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def built(kind: type, facts: Any, make: Mapping[str, Callable[[Any], Any]] | None = None, **arrays: Any) -> Any:
    """Return a dataclass of ``types`` from its checked facts, and from what is not kept in ``run.json``.

    Parameters
    ----------
    kind : type
        Such as ``Config``.
    facts : pydantic model
        Made by `read`.
    make : mapping of str to callable, optional
        What a field becomes.
    **arrays
        The fields that are not in ``facts``.
    """
    names = plain_fields(kind).keys() - arrays.keys()
    values = {name: _value(getattr(facts, name)) for name in names}
    values |= {name: turn(values[name]) for name, turn in (make or {}).items()}
    return kind(**values, **arrays)


def _value(value: Any) -> Any:
    if isinstance(value, _IntervalFacts):
        return Interval(**dict(value))
    return tuple(map(_value, value)) if isinstance(value, tuple) else value
