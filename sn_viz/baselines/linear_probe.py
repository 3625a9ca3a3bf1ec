"""A linear probe: logistic regression on the residual stream of one layer.

scikit-learn is imported when a probe is fitted: half a second, which whoever lists methods, or waits for super neurons, is spared.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock
from typing import Any

import numpy as np

from sn_viz.baselines import BASELINES, Context, reads, without_model
from sn_viz.baselines.logit_lens import residual_after
from sn_viz.groups import grouped_folds, is_single, most_folds
from sn_viz.types import Baseline

STRENGTHS = (0.001, 0.01, 0.1, 1.0)
"""Inverse regularisation strengths tried."""
MAX_FOLDS = 4
MAX_STEPS = 300
FEW = 5e5
"""Values of a probe that is fitted with one thread of BLAS: so few, shared out among threads that wait for one another by spinning,
take three to nine times as long, for the same bits."""
_ALONE = RLock()
"""How many threads BLAS has is said for the whole process: one says it at a time, and takes it back."""


@BASELINES.register("linear-probe")
@reads("residual")
@without_model
def run(context: Context) -> Baseline:
    """Fit a logistic regression (scikit-learn, standardised units, classes counting alike) on the residual stream of one layer.
    Layer and regularisation are chosen by cross-validation on the probing images."""
    labels, n_layers = context.train.labels, len(context.residual)
    fitted, scores, on_test = [], [], []
    for layer, (seen, unseen) in enumerate(context.residual, start=1):
        context.progress(layer / (n_layers + 1), f"Linear probe: layer {layer} of {n_layers}")
        probe, score = fit_probe(seen, labels, context.seed, context.groups)
        fitted.append(probe)
        scores.append(score)
        on_test.append(probe.predict(np.nan_to_num(unseen)))
    chosen = int(np.argmax(scores)) + 1
    probe = fitted[chosen - 1]
    predicted = on_test[chosen - 1].astype(np.int64)
    return Baseline(
        name="linear-probe",
        predicted=predicted,
        accuracy=context.accuracy(predicted),
        latency_ms=context.latency_ms(lambda asked: probe.predict(residual_after(context.vlm, asked, chosen))),
        note=f"Layer {chosen}, C = {probe[-1].C:g}, {_how_chosen(labels, context.groups)}.",
        by_layer=tuple(context.accuracy(said) for said in on_test),
    )


def _how_chosen(labels: np.ndarray, groups: np.ndarray | None) -> str:
    if most_folds(labels, groups, MAX_FOLDS) < 2:
        return "the first that fits and the strongest regularisation: the probing images are too few for cross-validation"
    return "both chosen by cross-validation on the probing images"


def fit_probe(values: np.ndarray, labels: np.ndarray, seed: int = 0, groups: np.ndarray | None = None) -> tuple:
    """Fit a standardised logistic regression whose strength is chosen by cross-validation.

    Parameters
    ----------
    values : numpy.ndarray
        float32 (example, unit); non-finite entries count as 0.
    labels : numpy.ndarray
        int64 (example,), at least two classes.
    seed : int
        Of the folds.
    groups : numpy.ndarray, optional
        int64 (example,), from `sn_viz.groups.group_index`: examples of one group are left out together.

    Returns
    -------
    tuple
        The fitted scikit-learn pipeline and its cross-validated balanced accuracy. With a class of one group nothing can be
        cross-validated: the strongest regularisation is taken and the score is that on the probing examples.
        On ties the stronger regularisation wins.
    """
    folds = most_folds(labels, groups, MAX_FOLDS)
    if folds < 2:
        probe = fit_strength(values, labels, STRENGTHS[0])
        return probe, probe.score(np.nan_to_num(values), labels)
    scores = np.mean([path_scores(values, labels, *rows) for rows in folds_of(labels, groups, folds, seed)], axis=0)
    best = int(np.argmax(scores))
    return fit_strength(values, labels, STRENGTHS[best]), float(scores[best])


def fit_strength(values: np.ndarray, labels: np.ndarray, strength: float) -> Any:
    """Return a standardised logistic regression (scikit-learn's pipeline) fitted with one inverse regularisation strength.

    Classes count alike, however many examples each has: of three against two a strong penalty would else leave little but the
    larger class's lead, and nothing but that class would be said.

    Parameters
    ----------
    values : numpy.ndarray
        float32 (example, unit); non-finite entries count as 0.
    labels : numpy.ndarray
        int64 (example,), at least two classes.
    strength : float
        scikit-learn's C.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    with lenient(values.size):
        probe = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=MAX_STEPS, class_weight="balanced"))
        return probe.fit(np.nan_to_num(values), labels)


@contextmanager
def lenient(n_values: int) -> Iterator[None]:
    """Let fits end early without a warning, and check no input twice: it is finite, and checks take longer than small fits."""
    from sklearn import config_context
    from sklearn.exceptions import ConvergenceWarning

    with _one_thread(n_values), warnings.catch_warnings(), config_context(assume_finite=True, skip_parameter_validation=True):
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


@contextmanager
def _one_thread(n_values: int) -> Iterator[None]:
    """Let BLAS use one thread while the context lasts, where values are few."""
    if n_values > FEW:
        yield
        return
    from threadpoolctl import threadpool_limits

    with _ALONE, threadpool_limits(1, user_api="blas"):
        yield


def folds_of(labels: np.ndarray, groups: np.ndarray | None, folds: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return (fitted, held out) of each fold, int64 (row,) each: scikit-learn's, or whole groups where examples share any."""
    if is_single(groups):
        from sklearn.model_selection import StratifiedKFold

        return list(StratifiedKFold(folds, shuffle=True, random_state=seed).split(labels, labels))
    fold = grouped_folds(labels, groups, folds, seed)
    rows = [(np.flatnonzero(fold != number), np.flatnonzero(fold == number)) for number in range(folds)]
    return [(fitted, held_out) for fitted, held_out in rows if len(held_out) and len(np.unique(labels[fitted])) > 1]


def path_scores(values: np.ndarray, labels: np.ndarray, fitted: np.ndarray, held_out: np.ndarray) -> list[float]:
    """Return the balanced accuracy of every strength in one fold; each fit starts where the stronger held one ended.

    Parameters
    ----------
    values : numpy.ndarray
        float32 (example, unit); non-finite entries count as 0.
    labels : numpy.ndarray
        int64 (example,).
    fitted, held_out : numpy.ndarray
        int64 (row,) each: examples to fit on, and to judge on.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    with lenient(values.size):
        values = np.nan_to_num(values)
        scaler = StandardScaler().fit(values[fitted])
        seen, unseen = scaler.transform(values[fitted]), scaler.transform(values[held_out])
        probe, scores = LogisticRegression(max_iter=MAX_STEPS, warm_start=True, class_weight="balanced"), []
        for strength in STRENGTHS:
            probe.set_params(C=strength).fit(seen, labels[fitted])
            scores.append(balanced_accuracy(np.asarray(probe.predict(unseen)), labels[held_out]))
        return scores


def balanced_accuracy(said: np.ndarray, truth: np.ndarray) -> float:
    """Return the mean over the classes that occur in ``truth`` of the share named right; both int (example,)."""
    return float(np.mean([np.mean(said[truth == c] == c) for c in np.unique(truth)]))
