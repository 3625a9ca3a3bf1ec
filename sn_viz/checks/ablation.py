"""Is it causal? Overwrites chosen neurons in the full pass and watches whether the full model's answer moves.

Takes a model, images and columns of neurons with their activations on the probing images; returns what the model answered before
and after, and after the same was done to equally many random neurons of the same layers and sites. It knows nothing about how the
neurons were chosen. Only the last prompt position is overwritten, where the neurons were read, in the one pass that yields the
first token; the answer is the class whose first token is likeliest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Int

from sn_viz.activations.sites import SITES, transform_versions
from sn_viz.errors import UserError
from sn_viz.formatting import percent
from sn_viz.groups import group_index
from sn_viz.types import AnswerKey, Interval, LabelledImages, Neurons, Progress
from sn_viz.voting.statistics import Difference, accuracy_interval

if TYPE_CHECKING:
    from sn_viz.models.vlm import Vlm

KINDS = ("mean", "zero", "other-class")
"""What a neuron is set to: its mean over the probing images, nothing, or its mean over those of the classes not answered."""
N_DRAWS = 10
"""Sets of random neurons."""
N_RESAMPLES = 2000
BATCH = 16


@dataclass(frozen=True, eq=False)
class Ablation:
    """The full model's answers with and without the chosen neurons, on the same images."""

    kind: str
    """One of ``KINDS``."""
    n_neurons: int
    before: Int[np.ndarray, " example"]
    """int64 (example,): the class answered by the untouched model."""
    after: Int[np.ndarray, " example"]
    """int64 (example,): with the chosen neurons overwritten."""
    random_after: Int[np.ndarray, "draw example"]
    """int64 (draw, example): with random neurons overwritten instead."""
    push: Float[np.ndarray, " example"]
    """float64 (example,): how far the lead of the class answered before, in logits, fell."""
    random_push: Float[np.ndarray, "draw example"]
    """float64 (draw, example): the same for random neurons."""
    moved: Interval
    """Fraction of images whose answer changed."""
    random_moved: Interval
    """The same for random neurons, averaged over the draws; its interval is a bootstrap over draws and images, or whole groups."""
    difference: Difference
    """Chosen minus random, paired by image, bootstrapped over draws and images (or whole groups); the p-value is the chosen set's
    rank among the random ones, (1 + draws that move at least as many) / (1 + draws)."""
    push_difference: Difference
    """The same for the fall of the lead, in logits: it shows effects too small to turn an answer."""

    @property
    def sentence(self) -> str:
        """What happened, for people."""
        gap = self.difference
        if not gap.n:
            return "No image was tried."
        if not len(self.random_after):
            return f"The full model's answer moved on {percent(self.moved.value)} of {gap.n} images; random neurons were not tried."
        verdict = "no difference in how often can be told"
        if gap.low > 0:
            verdict = "they turn the answer more often than others do"
        elif gap.high < 0:
            verdict = "they turn the answer less often than others do"
        done = {"mean": "set to their mean", "zero": "set to zero", "other-class": "set to the mean of the other answer"}[self.kind]
        return (
            f"With {self.n_neurons} neurons {done}, the full model's answer moved on {percent(self.moved.value)} of {gap.n} "
            f"images, against {percent(self.random_moved.value)} with random neurons of the same layers and sites (difference "
            f"{percent(gap.low)} to {percent(gap.high)}); {verdict}. The lead of the answer fell by {self.push.mean():.2f} "
            f"logits, against {self.random_push.mean():.2f} (difference {self.push_difference.low:.2f} to "
            f"{self.push_difference.high:.2f})."
        )


def ablate(
    vlm: Vlm,
    images: LabelledImages,
    neurons: Neurons,
    chosen: Sequence[int] | np.ndarray,
    values: np.ndarray,
    labels: np.ndarray,
    kind: str = "mean",
    n_draws: int = N_DRAWS,
    seed: int = 0,
    progress: Progress | None = None,
    key: AnswerKey | None = None,
) -> Ablation:
    """Overwrite the chosen neurons, and then random ones, in the full pass.

    Parameters
    ----------
    vlm : Vlm
    images : LabelledImages
        To ask about; not the probing images.
    neurons : Neurons
        Those that ``chosen`` and ``values`` count in.
    chosen : int (neuron,)
        Columns to overwrite, such as the voters' ``neuron``; repeated ones count once.
    values : float16 or float32 (probing example, neuron)
        Activations on the probing images, where the means come from; values that are not finite are left out.
    labels : int (probing example,)
    kind : str
        One of ``KINDS``.
    n_draws : int
        How many sets of random neurons, each matched to the chosen ones by layer and site.
    seed : int
        Of the random neurons and of the bootstrap.
    progress : callable, optional
    key : AnswerKey, optional
        What each class is answered with; by default what names and question tell.

    Returns
    -------
    Ablation

    Raises
    ------
    UserError
        For an unknown kind, no neurons, neurons of the vision tower or of a site with a transform, a layer with too few other
        neurons, or a class without a probing image when it is needed.
    """
    chosen = _checked(neurons, chosen, kind)
    random = np.random.default_rng(seed)
    draws = [matched_random(neurons, chosen, random) for _ in range(n_draws)]
    before_logits = _logits(vlm, images)
    leads = _Leads(vlm, before_logits, images, key)
    before = leads.answers(before_logits)
    after, push = [], []
    for done, columns in enumerate((chosen, *draws)):
        if progress is not None:
            progress(done / (1 + n_draws), "Overwriting neurons in the full pass")
        targets = _targets(kind, values[:, columns], labels, before, len(images.classes))
        logits = _logits(vlm, images, neurons, columns, targets)
        after.append(leads.answers(logits))
        push.append(leads.of(before_logits, before) - leads.of(logits, before))
    return _told_apart(kind, len(chosen), before, after, push, random, group_index(images))


def _told_apart(
    kind: str,
    n_neurons: int,
    before: np.ndarray,
    after: Sequence[np.ndarray],
    push: Sequence[np.ndarray],
    random: np.random.Generator,
    groups: np.ndarray,
) -> Ablation:
    """Return the chosen neurons' effects, the first of ``after`` and ``push``, against those of random ones, which follow."""
    n_draws = len(after) - 1
    moved = np.array(after) != before
    random_push = np.array(push[1:]).reshape(n_draws, len(before))
    share, difference = _compared(moved[0], moved[1:], random, groups)
    _, push_difference = _compared(push[0], random_push, random, groups)
    return Ablation(
        kind,
        n_neurons,
        before,
        after[0],
        np.array(after[1:], dtype=np.int64).reshape(n_draws, len(before)),
        push[0],
        random_push,
        accuracy_interval(moved[0], groups),
        share,
        difference,
        push_difference,
    )


def matched_random(neurons: Neurons, chosen: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return as many other neurons as ``chosen`` has in each layer and site, int64 (neuron,)."""
    picked = []
    for layer, site, where in _cells(neurons, chosen):
        others = np.setdiff1d(np.flatnonzero((neurons.layer == layer) & (neurons.site == site)), chosen)
        if len(others) < len(where):
            raise UserError(
                f"There are too few other neurons in {neurons.site_names[site]} of layer {layer}.",
                f"{len(where)} are chosen and {len(others)} are left to compare with.",
                "Choose fewer neurons.",
            )
        picked.append(random.choice(others, len(where), replace=False))
    return np.concatenate(picked)


@contextmanager
def overwritten(vlm: Vlm, neurons: Neurons, columns: np.ndarray, targets: np.ndarray) -> Iterator[None]:
    """Set neurons at the last prompt position while the context lasts.

    Parameters
    ----------
    vlm : Vlm
        Its lock is held meanwhile, as hooks sit on shared modules.
    neurons : Neurons
    columns : int (neuron,)
    targets : float (example, neuron)
        What each is set to, for every example of the batch that will run.
    """
    handles: list[Any] = []
    with vlm.lock:
        try:
            for layer, site, where in _cells(neurons, columns):
                module, side = _place(vlm, neurons, layer, site)
                handles.append(_hook(module, side, neurons.unit[columns[where]].tolist(), targets[:, where]))
            yield
        finally:
            for handle in handles:
                handle.remove()


def _place(vlm: Vlm, neurons: Neurons, layer: int, site: int) -> tuple[Any, str]:
    return SITES[neurons.site_names[site]].module_of(vlm.blocks[layer - 1])


def _hook(module: Any, side: str, units: list[int], wanted: np.ndarray) -> Any:
    def change(states: Any) -> Any:
        changed = states.contiguous().clone()  # an MLP may see its positions flattened to (example * position, unit)
        changed.view(len(wanted), -1, states.shape[-1])[:, -1, units] = states.new_tensor(wanted)
        return changed

    def behind(_module: Any, _args: Any, output: Any) -> Any:
        return (change(output[0]), *output[1:]) if isinstance(output, tuple) else change(output)

    def ahead(_module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if args:
            return (change(args[0]), *args[1:]), kwargs
        name = next(iter(kwargs))
        return args, kwargs | {name: change(kwargs[name])}

    if side == "output":
        return module.register_forward_hook(behind)
    return module.register_forward_pre_hook(ahead, with_kwargs=True)


def _cells(neurons: Neurons, columns: np.ndarray) -> Iterator[tuple[int, int, np.ndarray]]:
    """Yield layer, site and the positions in ``columns`` of those that lie there."""
    for layer, site in sorted({(int(neurons.layer[c]), int(neurons.site[c])) for c in columns}):
        yield layer, site, np.flatnonzero((neurons.layer[columns] == layer) & (neurons.site[columns] == site))


def _checked(neurons: Neurons, chosen: Sequence[int] | np.ndarray, kind: str) -> np.ndarray:
    if kind not in KINDS:
        raise UserError(f"There is no ablation called {kind!r}.", f"There are: {', '.join(KINDS)}.", "Choose one of these.")
    columns = np.unique(np.asarray(chosen, dtype=np.int64))
    if not len(columns):
        raise UserError("There is nothing to ablate.", "No neuron was chosen.", "Choose at least one.")
    if (neurons.layer[columns] < 1).any():
        raise UserError(
            "Neurons of the vision tower cannot be ablated here.",
            "They are averages over the picture, and no single value of the pass.",
            "Choose neurons of the language model.",
        )
    worked_out = transform_versions({neurons.site_names[site] for site in np.unique(neurons.site[columns])})
    if worked_out:
        raise UserError(
            f"Neurons of the site {min(worked_out)!r} cannot be ablated.",
            "They are worked out from the pass, and no value of it.",
            "Choose neurons of other sites.",
        )
    return columns


def _targets(kind: str, values: np.ndarray, labels: np.ndarray, answered: np.ndarray, n_classes: int) -> np.ndarray:
    """Return what each neuron is set to, float32 (example, neuron)."""
    if kind == "zero":
        return np.zeros((len(answered), values.shape[1]), np.float32)
    if kind == "mean":
        return np.tile(_means(values), (len(answered), 1))
    result = np.empty((len(answered), values.shape[1]), np.float32)
    for c in range(n_classes):
        others = (labels != c) & (labels >= 0)
        if (answered == c).any():
            result[answered == c] = _means(values[others])
    return result


def _means(values: np.ndarray) -> np.ndarray:
    """Return the mean of every neuron over its finite values, float32 (neuron,)."""
    values = np.asarray(values, dtype=np.float32)
    finite = np.isfinite(values)
    if not finite.any(axis=0).all():
        raise UserError(
            "A mean cannot be taken.", "Some neuron has no finite value on the probing images in question.", "Add probing images."
        )
    return (np.where(finite, values, 0).sum(axis=0) / finite.sum(axis=0)).astype(np.float32)


def _logits(
    vlm: Vlm,
    images: LabelledImages,
    neurons: Neurons | None = None,
    columns: np.ndarray | None = None,
    targets: np.ndarray | None = None,
) -> np.ndarray:
    """Return the first token's logits, float32 (example, vocabulary), in the same batches every time."""
    parts = []
    for start in range(0, len(images), BATCH):
        rows = slice(start, start + BATCH)
        batch = images.pictures[rows], images.questions[rows], BATCH
        if neurons is None or columns is None or targets is None:
            parts.append(vlm.first_token_logits(*batch))
        else:
            with overwritten(vlm, neurons, columns, targets[rows]):
                parts.append(vlm.first_token_logits(*batch))
    return np.concatenate(parts)


class _Leads:
    """Reads classes off the first token's logits, always by the same words."""

    def __init__(self, vlm: Vlm, logits: np.ndarray, images: LabelledImages, key: AnswerKey | None) -> None:
        from sn_viz.baselines.answers import answer_words

        self.vlm, self.classes, self.question = vlm, images.classes, images.question
        self.words = answer_words(vlm, logits, images.classes, images.question, key)

    def scores(self, logits: np.ndarray) -> np.ndarray:
        """Return one logit per class, (example, class)."""
        from sn_viz.baselines.answers import class_logits

        return class_logits(self.vlm, logits, self.classes, self.question, self.words).astype(np.float64)

    def answers(self, logits: np.ndarray) -> np.ndarray:
        """Return the likeliest class, int64 (example,)."""
        return self.scores(logits).argmax(axis=1)

    def of(self, logits: np.ndarray, answered: np.ndarray) -> np.ndarray:
        """Return by how much the class ``answered`` leads the best other one, float64 (example,)."""
        scores = self.scores(logits)
        rows = np.arange(len(answered))
        own = scores[rows, answered]
        scores[rows, answered] = -np.inf
        return own - scores.max(axis=1)


def _compared(
    chosen: np.ndarray, drawn: np.ndarray, random: np.random.Generator, groups: np.ndarray
) -> tuple[Interval, Difference]:
    """Return the mean effect of random neurons, and how much larger that of the chosen is.

    ``chosen`` is bool or float (example,), ``drawn`` bool or float (draw, example), ``groups`` int (example,): drawn as wholes.
    """
    draws, n = drawn.shape
    if not draws or not n:
        return Interval(np.nan, 0.0, 1.0, n), Difference(np.nan, -1.0, 1.0, 1.0, n)
    # a resample weighs draws and images by how often it holds each
    of_group = np.unique(groups, return_inverse=True)[1]
    n_groups = int(of_group.max()) + 1
    of_draw = random.multinomial(draws, np.full(draws, 1 / draws), N_RESAMPLES) / draws
    held = random.multinomial(n_groups, np.full(n_groups, 1 / n_groups), N_RESAMPLES)[:, of_group]
    of_image = held / held.sum(axis=1, keepdims=True)
    shares = np.einsum("rd,de,re->r", of_draw, drawn.astype(np.float64), of_image, optimize=True)
    gaps = of_image @ chosen - shares
    low, high = np.quantile(shares, [0.025, 0.975])
    gap_low, gap_high = np.quantile(gaps, [0.025, 0.975])
    rank = (1 + int((drawn.sum(axis=1) >= chosen.sum()).sum())) / (1 + draws)
    value = float(drawn.mean())
    return (
        Interval(value, float(low), float(high), n),
        Difference(float(chosen.mean()) - value, float(gap_low), float(gap_high), rank, n),
    )
