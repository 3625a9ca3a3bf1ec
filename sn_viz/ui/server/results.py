"""What the public endpoints return, typed: the same words for Python's clients, other programs and the documentation.

Takes nothing; holds types, and the component that tells them to clients. It knows nothing about how the values come about.
"""

from __future__ import annotations

from copy import deepcopy
from functools import cache
from typing import Any

import gradio as gr
from pydantic import TypeAdapter
from typing_extensions import TypedDict

from sn_viz.ui.server.without_stub import WithoutStub


class PackFacts(TypedDict):
    """One sample pack."""

    name: str
    question: str
    """"" where the question changes with the image."""


class Measured(TypedDict):
    """A fraction of test images with its 95 % interval."""

    value: float | None
    low: float | None
    high: float | None
    n: int


class Voter(TypedDict):
    """One super neuron at the exit."""

    site: str
    layer: int
    unit: int
    threshold: float
    sign: int
    score: float
    held_out: float | None
    """Balanced accuracy on the test images."""


class LayerFacts(TypedDict):
    """Stopping after one layer."""

    layer: int
    name: str
    accuracy: float | None
    low: float | None
    high: float | None
    cv_accuracy: float | None
    latency_ms: float | None


class FindResult(TypedDict):
    """What a run found: the fields that programs ask for most; ``find --json`` documents the others, which come too."""

    run: str
    """The key that the other endpoints ask for."""
    model: str
    question: str | None
    classes: list[str]
    n_train: int
    n_test: int
    exit_layer: int
    exit_layer_name: str
    n_layers: int
    n_neurons: int
    accuracy: dict[str, Measured | None]
    by_layer: list[LayerFacts]
    neurons: list[Voter]
    warnings: list[str]


class PredictResult(TypedDict):
    """What the super neurons say about one image."""

    label: str
    class_index: int
    exit_layer: int
    milliseconds: float
    tally: dict[str, float]
    margin: float


class NeuronResult(TypedDict):
    """One neuron of a run."""

    neuron: int
    name: str
    layer: int
    site: str
    unit: int
    threshold: float
    sign: int
    score: float | None
    probing_accuracy: float | None
    test_accuracy: float | None
    held_out_balanced_accuracy: float | None
    most_active: list[str]
    least_active: list[str]


class Lane(TypedDict):
    """One side of a race."""

    answer: str
    milliseconds: float


class Block(TypedDict):
    """The vote behind one layer of a race."""

    layer: int
    name: str
    milliseconds: float
    tally: dict[str, float]


class RaceResult(TypedDict):
    """The early exit against the full model."""

    exit_layer: int
    early_exit: Lane
    full_model: Lane
    by_layer: list[Block]


class Result(gr.JSON, metaclass=WithoutStub):
    """A JSON value whose type is told to clients.

    Parameters
    ----------
    kind : type
        What it is.
    """

    is_template = True

    def __init__(self, kind: Any = None, **more: Any) -> None:
        self.kind = kind
        super().__init__(**more)

    def get_block_name(self) -> str:
        """Return the name of the component that the browser shows it with."""
        return "json"

    def api_info(self) -> dict[str, Any]:
        """Return the JSON schema of the value."""
        return {"type": {}, "description": "any valid json"} if self.kind is None else deepcopy(told(self.kind))


@cache
def told(kind: Any) -> dict[str, Any]:
    """Return the JSON schema of a type; made once, for Gradio asks for it three times a component for each new visitor."""
    return plain(TypeAdapter(kind).json_schema())


def plain(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a JSON schema without references, which not every client follows."""
    known = schema.pop("$defs", {})

    def inlined(value: Any) -> Any:
        if isinstance(value, dict):
            if "$ref" in value:
                return inlined(known[value["$ref"].rpartition("/")[2]])
            return {key: inlined(inner) for key, inner in value.items()}
        return [inlined(inner) for inner in value] if isinstance(value, list) else value

    return inlined(schema)
