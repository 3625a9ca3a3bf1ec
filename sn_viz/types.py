"""The few values that flow through sn_viz, as frozen dataclasses of numpy arrays.

Config -> LabelledImages -> Activations -> Stumps -> Votes -> RunRecord -> figures. This module knows numpy and nothing else of
sn_viz; the verbs of a run (save, load, predict, to_json) are those of `sn_viz.run.Run`.

Axes: example (an image with its question), neuron (one scalar activation), class, stump, layer. The shapes in the annotations cost
nothing when the package runs; the tests check them. Layers count from 1: layer 1 is
decoder block 0. Blocks of the vision tower, which run before, count down from 0: the last of them is layer 0, the one before it
layer -1. The neuron axis is always sorted by layer, then site, then unit: "everything up to exit layer l" is a prefix.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, SupportsIndex

import numpy as np
from jaxtyping import Float, Int, UInt8

Progress = Callable[[float, str], None]
"""Called as progress(fraction in [0, 1], what is being done). It may raise ``errors.Cancelled``; callers let that through."""


def layer_name(layer: int | np.integer, n_tower: int = 0) -> str:
    """Return what people call a layer: "3" for the third decoder block, "V4" for the fourth block of the vision tower.

    Parameters
    ----------
    layer : int
        From 1 for decoder blocks; 0 and less for the ``n_tower`` blocks of the vision tower, the last of which is 0.
    n_tower : int

    Examples
    --------
    >>> [layer_name(layer, n_tower=4) for layer in (-3, 0, 1)]
    ['V1', 'V4', '1']
    """
    return str(int(layer)) if layer >= 1 else f"V{int(layer) + n_tower}"


@dataclass(frozen=True)
class Config:
    """Every choice of one run: printed, hashed and saved beside the results."""

    question: str | None = None
    """Asked of every image; None keeps the questions that came with the data."""
    model: str = "tiny-photo"
    sites: tuple[str, ...] = ()
    """Names of sites; empty means all."""
    rule: str = "best-split"
    metric: str = "balanced-accuracy"
    voters: int = 15
    weighting: str = "majority"
    exit_layer: int | None = None
    """None chooses the layer by cross-validation on the probing split."""
    test_size: float = 0.5
    """Fraction of the data kept for testing, when no separate test set is given."""
    seed: int = 0
    compare: tuple[str, ...] = ()
    """Names of baselines to run beside the super neurons; empty means none."""
    answers: tuple[tuple[str, str], ...] = ()
    """(class, its answer) as the user gave them; empty leaves it to the names and the question, see ``AnswerKey``."""
    loading: tuple[tuple[str, str], ...] = ()
    """(option, value) of how the model was loaded, where that was not the usual way; see `sn_viz.models.options.LoadOptions`."""
    committee: str = ""
    """"auto" where rule, metric, voters and weighting are, or were, chosen on the probing images (`sn_viz.voting.choosing`)."""

    @property
    def model_name(self) -> str:
        """What to call the model: its name, OWNER/NAME@COMMIT for one of the hub, or the name of its folder."""
        return self.model if re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40}", self.model) else Path(self.model).name

    def key(self) -> str:
        """Return a stable hexadecimal digest of every field; one that is as it was before there was a choice changes nothing."""
        told = {name: value for name, value in asdict(self).items() if name not in ("loading", "committee") or value}
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class AnswerKey:
    """What each class is answered with, and how that is known. The one mapping that every reader of answers uses."""

    classes: tuple[str, ...]
    words: tuple[str, ...]
    """The answer of each class, in the order of ``classes``: yes, no, its name, or what the user said."""
    source: str
    """"given" by the user; "named" or "asked" when the names or the question tell; "observed" in the probing answers; "unknown"."""
    reason: str
    """Why, in a sentence."""
    yes: int = -1
    """Index of the class that "yes" stands for; -1 when it stands for none, or that is not known."""
    no: int = -1
    inferred: bool = False
    """Whether a figure that rests on it is to be marked: it was neither given nor are the classes called so."""
    by_question: bool = False
    """Whether it changes with the question of the example; ``words`` are then the names."""
    rule: str = ""
    """The published benchmark whose own rule reads the answers; "" for ours."""

    @property
    def known(self) -> bool:
        """Whether answers can be read; if not, the accuracy of written answers is undefined."""
        return self.source != "unknown"


@dataclass(frozen=True, eq=False)
class Picture:
    """One image, named by its content: decoded, or decoded whenever it is asked for (`sn_viz.sources.later`)."""

    pixels: UInt8[np.ndarray, "height width rgb"]
    """uint8 (height, width, 3); nobody changes them."""

    @cached_property
    def sha256(self) -> str:
        """Of the shape followed by the pixels, so that transposed shapes of one buffer differ; hexadecimal."""
        return hashlib.sha256(repr(self.pixels.shape).encode() + self.pixels.tobytes()).hexdigest()

    @property
    def shape(self) -> tuple[int, ...]:
        """Height, width and 3; known without decoding."""
        return self.pixels.shape

    @property
    def kept_bytes(self) -> int:
        """Bytes that are kept of it: its pixels in memory, or the file it is decoded from where that is a copy; else none."""
        return self.pixels.nbytes

    def decoded(self) -> Picture:
        """Return the picture with its pixels in memory, for whoever measures what comes after decoding."""
        return self


@dataclass(frozen=True, eq=False)
class LabelledImages:
    """Images with labels and the question each is asked."""

    names: tuple[str, ...]
    """Display names, one per example; literal text, never a path to open."""
    pictures: tuple[Picture, ...]
    labels: Int[np.ndarray, " example"]
    """int64 (example,): index into ``classes``; -1 where unknown."""
    classes: tuple[str, ...]
    questions: tuple[str, ...]
    """The question of each example; all equal when the question is fixed."""
    notes: tuple[str, ...] = ()
    """Plain warnings found while loading: files left out, duplicates, imbalance."""
    answer_rule: str = ""
    """The published benchmark whose own rule reads the answers to these questions; "" for ours."""
    parts: tuple[str, ...] = ()
    """"train" or "test", one per example, where the data brought its own splits; else empty."""
    groups: tuple[str, ...] = ()
    """What each example belongs to besides its picture (a person, a recording), "" where to nothing; () when nobody said so.
    Examples of one group, or of one picture, are never on both sides of a test; see `sn_viz.groups`."""
    left_out: tuple[str, ...] = ()
    """Everything that was left out, a line each with its reason; notes name the first few and count the rest."""

    def __len__(self) -> int:
        return len(self.names)

    @property
    def question(self) -> str:
        """The question shared by every example, or "" when questions differ."""
        return self.questions[0] if len(set(self.questions)) == 1 else ""

    def take(self, index: np.ndarray | Sequence[int]) -> LabelledImages:
        """Return the examples at ``index`` (int (n,)), in that order."""
        rows = [int(i) for i in index]
        return replace(
            self,
            names=tuple(self.names[i] for i in rows),
            pictures=tuple(self.pictures[i] for i in rows),
            labels=self.labels[rows],
            questions=tuple(self.questions[i] for i in rows),
            parts=tuple(self.parts[i] for i in rows) if self.parts else (),
            groups=tuple(self.groups[i] for i in rows) if self.groups else (),
        )

    def ask(self, question: str | None) -> LabelledImages:
        """Return the same images asked ``question``; None changes nothing."""
        return self if question is None else replace(self, questions=(question,) * len(self), answer_rule="")


@dataclass(frozen=True, eq=False)
class Neurons:
    """Where each scalar activation lives. Sorted by layer, then site, then unit."""

    site: Int[np.ndarray, " neuron"]
    """int8 (neuron,): index into ``site_names``."""
    layer: Int[np.ndarray, " neuron"]
    """int16 (neuron,): from 1; 0 and less in the vision tower."""
    unit: Int[np.ndarray, " neuron"]
    """int32 (neuron,): index inside the site's vector."""
    site_names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.unit)

    @property
    def n_layers(self) -> int:
        """How many decoder blocks there are to stop after; 0 when only the vision tower is read."""
        return int(self.layer.max(initial=0))

    @property
    def n_tower(self) -> int:
        """How many blocks of the vision tower there are to stop after; 0 when none of them is read."""
        return 1 - int(self.layer.min(initial=1))

    @property
    def layers(self) -> range:
        """Every layer to stop after, in the order in which they run: what a layer axis stands for."""
        return range(1 - self.n_tower, self.n_layers + 1)

    def layer_name(self, layer: int | np.integer) -> str:
        """Return what people call ``layer``: "3", or "V4" in the vision tower."""
        return layer_name(layer, self.n_tower)

    def up_to(self, layer: int | np.integer) -> int:
        """Return how many neurons lie in layers <= ``layer``: the length of that prefix."""
        return int(np.searchsorted(self.layer, layer, side="right"))

    def name(self, index: SupportsIndex) -> str:
        """Return a readable name such as ``L3 mlp-neuron 117`` or ``V4 tower-residual 12``."""
        layer = self.layer_name(self.layer[index])
        return f"{layer if layer.startswith('V') else 'L' + layer} {self.site_names[self.site[index]]} {self.unit[index]}"


@dataclass(frozen=True, eq=False)
class Activations:
    """What every neuron said at the last prompt position, for every example."""

    values: Float[np.ndarray, "example neuron"]
    """float16 or float32 (example, neuron); may be a read-only memory map."""
    neurons: Neurons
    labels: Int[np.ndarray, " example"]
    """int64 (example,); -1 where unknown."""
    key: str = ""
    """Names model, prompt, preprocessing and sites; equal keys mean comparable columns."""

    def __len__(self) -> int:
        return len(self.values)

    def take(self, index: np.ndarray | Sequence[int]) -> Activations:
        """Return the examples at ``index`` (int (n,)), in that order; ``key`` stays."""
        rows = np.asarray(index, np.int64)
        return replace(self, values=self.values[rows], labels=self.labels[rows])

    def of_sites(self, names: Sequence[str]) -> Activations:
        """Return the neurons of some of the sites only, in the same order; ``key`` stays."""
        kept = tuple(name for name in self.neurons.site_names if name in names)
        columns = np.flatnonzero(np.isin(self.neurons.site, [self.neurons.site_names.index(name) for name in kept]))
        again = np.array([kept.index(name) if name in kept else -1 for name in self.neurons.site_names], np.int8)
        neurons = Neurons(
            again[self.neurons.site[columns]], self.neurons.layer[columns], self.neurons.unit[columns], site_names=kept
        )
        return replace(self, values=self.values[:, columns], neurons=neurons)


@dataclass(frozen=True, eq=False)
class Stumps:
    """Threshold classifiers on single neurons: says ``class_index`` when ``sign * (value - threshold) > 0``."""

    neuron: Int[np.ndarray, " stump"]
    """int64 (stump,): column of the activations it was found in."""
    class_index: Int[np.ndarray, " stump"]
    """int16 (stump,): the class it speaks for; with two classes always 1 (the second)."""
    threshold: Float[np.ndarray, " stump"]
    """float32 (stump,)."""
    sign: Int[np.ndarray, " stump"]
    """int8 (stump,): +1 or -1."""
    score: Float[np.ndarray, " stump"]
    """float32 (stump,): the metric on the selection examples; NaN when undefined (constant or non-finite neuron)."""
    margin: Float[np.ndarray, " stump"] | None = None
    """float32 (stump,): gap between the values next to the threshold, as a fraction of the neuron's range; None when not known."""
    weight: Float[np.ndarray, " stump"] | None = None
    """float32 (stump,): what saying its class adds to the log-odds of that class; None unless a weighting was fitted."""
    offset: Float[np.ndarray, " class"] | None = None
    """float32 (class,): log-odds where nobody says anything; None likewise."""

    def __len__(self) -> int:
        return len(self.neuron)

    def take(self, index: np.ndarray | Sequence[int] | slice) -> Stumps:
        """Return the stumps at ``index``."""
        margin = None if self.margin is None else self.margin[index]
        weight = None if self.weight is None else self.weight[index]
        named = self.neuron[index], self.class_index[index], self.threshold[index], self.sign[index], self.score[index]
        return Stumps(*named, margin, weight, self.offset)


@dataclass(frozen=True, eq=False)
class Votes:
    """What the voters up to each exit layer say."""

    tally: Float[np.ndarray, "example layer class"]
    """float32 (example, layer, class): share of the vote, sums to 1 over classes; layer index 0 is ``first_layer``."""
    predicted: Int[np.ndarray, "example layer"]
    """int64 (example, layer)."""
    margin: Float[np.ndarray, "example layer"]
    """float32 (example, layer): the winner's share minus the runner-up's."""
    first_layer: int = 1
    """The exit layer that layer index 0 stands for: 1, or less when the vision tower was read."""


@dataclass(frozen=True)
class Interval:
    """A measured fraction with its 95 % interval (Wilson, unless a note says otherwise); NaN, from 0 to 1, when not measured."""

    value: float
    low: float
    high: float
    n: int
    """How many examples it was measured on; 0 when it was not measured."""


@dataclass(frozen=True, eq=False)
class Baseline:
    """How one other method did on the very same test images."""

    name: str
    predicted: Int[np.ndarray, " example"]
    """int64 (example,): -1 where the answer did not parse."""
    accuracy: Interval
    latency_ms: float
    """Median milliseconds an image, batch 1, from decoded image to label; NaN when not measured."""
    note: str = ""
    answers: tuple[str, ...] = ()
    """The generated text of each example, when the method generates text."""
    by_layer: tuple[Interval, ...] = ()
    """For methods that have an answer at every layer: accuracy by layer, layer 1 first."""


@dataclass(frozen=True)
class LayerAccuracy:
    """Held-out accuracy when the model stops after ``layer``."""

    layer: int
    """From 1; 0 and less in the vision tower."""
    accuracy: Interval
    cv_accuracy: float
    """Cross-validated on the probing split; what the automatic choice of the exit layer looks at."""
    latency_ms: float
    """Median milliseconds an image, batch 1, from decoded image to label."""


@dataclass(frozen=True, eq=False)
class RunRecord:
    """Everything one run found; saved as a folder of ``run.json`` and arrays. `sn_viz.run.Run` adds what people do with it."""

    config: Config
    train: LabelledImages
    test: LabelledImages
    neurons: Neurons
    train_values: Float[np.ndarray, "probing neuron"]
    """float16 or float32 (example, neuron) of the probing split."""
    test_values: Float[np.ndarray, "test neuron"]
    """float16 or float32 (example, neuron) of the test split."""
    stumps: Stumps
    """The best stump of every neuron (two classes: one each; more: one per neuron and class, neuron-major)."""
    voters: tuple[Stumps, ...]
    """The super neurons of each exit layer, in the order of ``neurons.layers``."""
    exit_layer: int
    votes: Votes
    """On the test split."""
    by_layer: tuple[LayerAccuracy, ...]
    baselines: tuple[Baseline, ...]
    null_scores: Float[np.ndarray, " labelling"]
    """float32 (labelling,): the best score of any neuron for each shuffled labelling."""
    latency_ms: dict[str, float]
    """"full_model", "first_token", "early_exit", "early_exit_p95": milliseconds, batch 1."""
    seconds: dict[str, float]
    """Wall-clock seconds of each stage."""
    warnings: tuple[str, ...] = ()
    versions: dict[str, str] = field(default_factory=dict)
    answer_key: AnswerKey | None = None
    """What each class is answered with; None in runs that were saved before it was kept."""
    findings: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What was asked of the run beyond its own search, by name, as plain JSON values: see `sn_viz.checks`."""
    edited_after_looking: int = 0
    """Test images that were relabelled or left out after a result on them had been seen; above 0 no held-out figure of the run is
    one of new pictures any more. 0 where nothing was edited so, or the test images are new."""

    @property
    def held_out_mark(self) -> str:
        """What stands beside every held-out figure of the run: "edited after looking (3)"; "" where there is nothing to say."""
        return f"edited after looking ({self.edited_after_looking:,})" if self.edited_after_looking else ""

    @property
    def shown(self) -> LabelledImages:
        """The images that people are shown answers on: those of the test, or the probing ones where nothing could be held out."""
        return self.test if len(self.test) else self.train

    @property
    def no_held_out(self) -> str:
        """Why nothing could be tested, for people; "" when something was. Then every accuracy is NaN, of 0 examples."""
        return "" if len(self.test) else next(iter(self.test.notes), "There are no test images.")

    @property
    def exit_index(self) -> int:
        """Where the exit layer lies on the layer axis of ``voters``, ``votes`` and ``by_layer``."""
        return self.exit_layer - self.neurons.layers.start

    @property
    def opponent(self) -> Baseline | None:
        """The full model of the headline: as it writes, or calibrated where what it writes cannot be read as a class."""
        named = {baseline.name: baseline for baseline in self.baselines}
        full = named.get("full-model")
        seen = None if full is None else full.accuracy
        return full if seen is not None and seen.value == seen.value else named.get("full-model-calibrated", full)


@dataclass(frozen=True, eq=False)
class Partial(RunRecord):
    """A run that has not ended, as far as it has come: to be looked at, never saved, exported or linked.

    What is not known yet is empty or NaN: the test images until all of them were read, null scores, baselines, times.
    """

    n_read: int = 0
    """Probing pictures that ``stumps`` were found on."""
    n_pictures: int = 0
    """Probing pictures of the whole run."""
    is_chosen: bool = False
    """Whether voters, exit layer and votes are the run's own: everything was read, and the exit chosen."""

    @property
    def said(self) -> str:
        """How far it is, for people."""
        if self.n_read < self.n_pictures:
            return f"after {self.n_read:,} of {self.n_pictures:,} pictures; not final"
        return f"all {self.n_pictures:,} probing pictures read; not final"


@dataclass(frozen=True)
class Prediction:
    """What the super neurons say about one image."""

    label: str
    class_index: int
    exit_layer: int
    milliseconds: float
    """From decoded image to label; of several images in one pass, each one's share."""
    tally: tuple[float, ...]
    """Share of the vote of each class; sums to 1."""
    margin: float
    """The winner's share minus the runner-up's."""
