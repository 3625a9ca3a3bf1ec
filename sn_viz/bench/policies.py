"""Whether the risk-controlled exit keeps its promise, and what it saves.

The promise is about the draw of the calibration images, so it is tried on thousands of draws: from synthetic images whose true risk
is known at every threshold, and from the embedded model's real votes, where a large pool of images stands for all there are. A draw
breaks the promise when the risk of the chosen threshold, over the whole pool, is above the level; with 95 % confidence at most 5 %
of the draws may. Beside it stands the naive choice, the boldest threshold whose share on the calibration images is within the
level.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from sn_viz.bench import BENCHES, Options, Row, row
from sn_viz.early_exit.certificates import certified
from sn_viz.early_exit.policies import rows_of
from sn_viz.early_exit.risk_control import GRID, FullModel, RiskControlled, losses
from sn_viz.early_exit.stream import decide_stream
from sn_viz.early_exit.trial import outcome
from sn_viz.search.stumps import find_stumps
from sn_viz.types import LabelledImages, Neurons, Stumps, Votes
from sn_viz.voting.voters import voters_by_layer
from sn_viz.voting.votes import votes_by_layer

KINDS = ("just unsafe", "gradual", "not monotone")
LEVEL, CONFIDENCE = 0.05, 0.95
LEVELS = (0.05, 0.1, 0.2)
"""Of disagreement, tried on real votes."""
PACKS = ("presence-dog", "presence-any")
N_TRAIN, N_POOL, N_SPLITS = 100, 1000, 5000
QUICK_POOL, QUICK_SPLITS = 200, 1000
N_CALIBRATION = 300
N_LIVE = 24
"""Images of the live comparison of speed."""
POOL = 20_000
"""Images of a synthetic pool."""


@dataclass(frozen=True, eq=False)
class Splits:
    """What many draws of the calibration images led to."""

    rung: np.ndarray
    """int64 (split,): position of the chosen threshold; -1 where nothing was certified."""
    risk: np.ndarray
    """float64 (split,): of the choice, over the whole pool; 0 where nothing was certified, as the full model answers."""
    naive_risk: np.ndarray
    """float64 (split,): of the naive choice, over the whole pool."""


def chosen_rungs(counts: np.ndarray, n: int, level: float, confidence: float = CONFIDENCE) -> np.ndarray:
    """Return the boldest certified rung of each split, int64 (split,), -1 for none; ``counts`` is int (split, rung) of ``n``."""
    return certified(counts, n, level, confidence).sum(axis=1) - 1


def naive_rungs(counts: np.ndarray, n: int, level: float) -> np.ndarray:
    """Return the boldest rung whose share of the ``n`` images, and that of all before it, is at most ``level``; -1 for none."""
    return np.logical_and.accumulate(counts <= level * n, axis=1).sum(axis=1) - 1


def synthetic_losses(kind: str, level: float, seed: int, n: int = POOL) -> np.ndarray:
    """Return which images of a synthetic pool go wrong at each threshold.

    Parameters
    ----------
    kind : str
        "just unsafe": every threshold has the same risk, a hair above the level, so that any certificate is wrong: the worst case.
        "gradual": bolder thresholds stop more images and err more. "not monotone": the risk is safe, unsafe, and safe again.
    level : float
    seed : int
    n : int
        Images.

    Returns
    -------
    np.ndarray
        bool (example, rung). An image lost at one threshold tends to be lost at its neighbours, as real ones are.
    """
    steps = np.linspace(0, 1, len(GRID))
    risk = {
        "just unsafe": np.full(len(GRID), 1.01 * level),
        "gradual": 3 * level * steps**2,
        "not monotone": level * (0.4 + 1.2 * np.sin(np.pi * steps) ** 2),
    }[kind]
    random = np.random.default_rng(seed)
    hardness = 0.8 * random.random(n)[:, None] + 0.2 * random.random((n, len(GRID)))
    ranks = hardness.argsort(axis=0).argsort(axis=0)
    return ranks < np.ceil(risk * n)


def repeated_splits(
    pool: np.ndarray, level: float, n_calibration: int, n_splits: int, seed: int, confidence: float = CONFIDENCE
) -> Splits:
    """Choose the threshold on many draws of calibration images.

    Parameters
    ----------
    pool : np.ndarray
        bool (example, rung): which images go wrong at each threshold. Drawn from with replacement, so that the pool is exactly
        what calibration and later images come from, as the promise assumes.
    level : float
    n_calibration, n_splits : int
    seed : int
    confidence : float

    Returns
    -------
    Splits
    """
    random, n = np.random.default_rng(seed), len(pool)
    whole = pool.mean(axis=0)
    counts = np.empty((n_splits, pool.shape[1]), dtype=np.int64)
    for split in range(n_splits):
        counts[split] = pool[random.integers(0, n, n_calibration)].sum(axis=0)
    rung, naive = chosen_rungs(counts, n_calibration, level, confidence), naive_rungs(counts, n_calibration, level)
    return Splits(rung, _picked(whole, rung), _picked(whole, naive))


def _picked(risk: np.ndarray, rung: np.ndarray) -> np.ndarray:
    """Return the risk, float (rung,), at each split's rung; 0 where there is none."""
    return np.where(rung >= 0, risk[np.maximum(rung, 0)], 0.0)


@BENCHES.register("policies")
def measure(options: Options) -> list[Row]:
    """Try the promise on synthetic and on real votes, and time what it saves."""
    from sn_viz.models import load_model

    n_splits, n_pool = (QUICK_SPLITS, QUICK_POOL) if options.quick else (N_SPLITS, N_POOL)
    rows = []
    for kind in KINDS:
        splits = repeated_splits(synthetic_losses(kind, LEVEL, seed=0), LEVEL, N_CALIBRATION, n_splits, seed=1)
        rows.append(broken_row(f"synthetic, {kind}", splits, LEVEL))
    vlm = load_model(options.model, device=options.device)
    for pack in PACKS:
        rows += pack_rows(vlm, pack, n_pool, n_splits)
    return rows


def broken_row(name: str, splits: Splits, level: float) -> Row:
    """Return how often the promise was broken, and in the note how often the naive choice was above the level.

    The target is the promised share plus what so many draws may be off by chance, 99 %, one-sided.
    """
    n, allowed = len(splits.risk), 1 - CONFIDENCE
    target = float(np.round(allowed + 2.33 * np.sqrt(allowed * CONFIDENCE / n), 4))
    naive, some = (splits.naive_risk > level).mean(), (splits.rung >= 0).mean()
    note = f"{n} draws of {N_CALIBRATION} images, {some:.1%} certified an exit; the naive choice is above on {naive:.1%}"
    broken = float((splits.risk > level).mean())
    return row(f"{name}: draws with a risk above {level:.1%}", broken, "of draws", at_most=target, note=note)


@dataclass(frozen=True, eq=False)
class Case:
    """One pack: voters found on its probing images, votes and full answers of its pool."""

    images: LabelledImages
    neurons: Neurons
    voters: tuple[Stumps, ...]
    votes: Votes
    full: np.ndarray
    """int64 (example,): the class the full model named; -1 for none."""


def case_of(vlm: Any, pack: str, n_pool: int, seed: int) -> Case:
    """Return the votes and the full model's generated answers on ``n_pool`` images of a pack."""
    from sn_viz.activations.extract import extract
    from sn_viz.activations.store import Store
    from sn_viz.bench.model import answers
    from sn_viz.sources.pack import load_pack

    train, pool = load_pack(pack, N_TRAIN, n_pool, seed)
    seen, unseen = (extract(vlm, images, cache=Store()) for images in (train, pool))
    n_classes = len(train.classes)
    voters = voters_by_layer(find_stumps(seen.values, train.labels, classes=n_classes), seen.neurons, 15, n_classes)
    votes = votes_by_layer(unseen.values, voters, n_classes, first_layer=seen.neurons.layers.start)
    return Case(pool, seen.neurons, voters, votes, answers(vlm, pool))


def pack_rows(vlm: Any, pack: str, n_pool: int, n_splits: int, seed: int = 0) -> list[Row]:
    """Return how often the promise was broken on one pack, for both risks, and what policies at several levels save."""
    case = case_of(vlm, pack, n_pool, seed)
    disagreement, error = (losses(case.votes, case.full, np.array(GRID), labels) for labels in (None, case.images.labels))
    just_unsafe = 0.99 * disagreement[:, 0].mean()
    rows = [
        broken_row(f"{pack}, {name}", repeated_splits(pool, level, N_CALIBRATION, n_splits, seed + 1), level)
        for name, pool, level in (
            *(("disagreement", disagreement, level) for level in LEVELS),
            ("disagreement, every exit unsafe", disagreement, just_unsafe),
            ("error", error, 2 * LEVEL),
        )
        if level > 0
    ]
    layer_ms, full_ms = latencies(vlm, case)
    for level in LEVELS:
        rows += saving_rows(vlm, f"{pack}, {level:.0%} allowed", case, seed, level, layer_ms, full_ms)
    return rows


def saving_rows(vlm: Any, name: str, case: Case, seed: int, level: float, layer_ms: np.ndarray, full_ms: float) -> list[Row]:
    """Return risk, exit layer and speed of the policy calibrated on part of the pool, on the rest of it."""
    order = np.random.default_rng(seed).permutation(len(case.images))
    first, second = np.split(order, [min(N_CALIBRATION, len(order) // 2)])
    policy = RiskControlled.calibrated(rows_of(case.votes, first), case.full[first], level)
    found = outcome(policy, rows_of(case.votes, second), case.full[second], layer_ms=layer_ms, full_ms=full_ms)
    chosen = "nothing certified" if isinstance(policy, FullModel) else f"margin {policy.threshold:g}"
    bounds = f"{found.risk.low:.3f} to {found.risk.high:.3f} on {found.risk.n} test images; {chosen}"
    stopping = f"of {case.neurons.layers[-1]}; {found.stopped.mean():.0%} of the images stop"
    expected, live = f"{found.milliseconds:.1f} ms; full model {full_ms:.1f} ms", f"{N_LIVE} images, one pass each"
    return [
        row(f"{name}: disagreement", found.risk.value, "of images", at_most=level, note=bounds),
        row(f"{name}: average exit layer", found.mean_layer, "layer", note=stopping),
        row(f"{name}: expected speed-up", found.speedup, "x", note=expected),
        row(f"{name}: live speed-up", live_speedup(vlm, case, policy, second[:N_LIVE]), "x", note=live),
    ]


def latencies(vlm: Any, case: Case) -> tuple[np.ndarray, float]:
    """Return the median milliseconds of every exit, float64 (layer,), and of the full model's generated answer, in turns."""
    from sn_viz.early_exit.decide import Decision
    from sn_viz.latency import milliseconds_in_turns

    exits = [
        Decision(vlm, case.neurons, voters, layer, len(case.images.classes), "majority", np.dtype(np.float16))
        for layer, voters in zip(case.neurons.layers, case.voters, strict=True)
    ]
    examples = list(zip(case.images.pictures, case.images.questions, strict=True))[:N_LIVE]
    methods = [*exits, lambda example: vlm.generate([example[0]], [example[1]])]
    medians = np.median(milliseconds_in_turns(methods, examples, budget=20), axis=0)
    return medians[:-1], float(medians[-1])


def live_speedup(vlm: Any, case: Case, policy: RiskControlled | FullModel, index: np.ndarray) -> float:
    """Return the time of the full model's generated answers over that of the policy's own passes, in turns, with preprocessing."""
    seconds = np.array([_pair_seconds(vlm, case, policy, int(i)) for i in [index[0], *index]])[1:]  # the first pair warms up
    return float(seconds[:, 1].sum() / seconds[:, 0].sum())


def _pair_seconds(vlm: Any, case: Case, policy: RiskControlled | FullModel, i: int) -> tuple[float, float]:
    """Return the seconds of the policy's pass and of the full model's generated answer on example ``i``."""
    picture, question = [case.images.pictures[i]], [case.images.questions[i]]
    start = time.perf_counter()
    inputs = vlm.prepare(picture, question)
    decide_stream(vlm, inputs, policy, case.voters, case.neurons, case.images.classes, question[0])
    middle = time.perf_counter()
    vlm.generate(picture, question)
    return middle - start, time.perf_counter() - middle
