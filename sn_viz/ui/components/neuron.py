"""One neuron put into words, rows and pictures.

Takes a Run and a column; returns plain values for the table, the facts and the picture grids. It knows nothing of widgets.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from sn_viz.errors import UserError
from sn_viz.formatting import UNDEFINED, percent
from sn_viz.plots import heatmap
from sn_viz.types import LabelledImages, RunRecord
from sn_viz.ui.components import views
from sn_viz.voting.stump_scores import stump_score

TABLE_ROWS = 100
TILES = 12
HEADERS = ["neuron", "where", "says", "score", "held out", "votes"]
TYPES = ["number", "str", "str", "number", "str", "str"]


class Cut(NamedTuple):
    """A threshold on one neuron, and how often it is right about its class."""

    threshold: float
    sign: int
    class_index: int
    train: float
    test: float
    """Fraction of images on the right side; NaN without images."""
    held_out: float
    """Balanced accuracy on the test images, as the report shows it; NaN when a side has none."""


def checked_neuron(run: RunRecord, neuron: Any) -> int:
    """Return ``neuron`` when ``run`` has such a column.

    Raises
    ------
    UserError
        When it has not.
    """
    if isinstance(neuron, bool) or not isinstance(neuron, int | float | np.integer) or not 0 <= neuron < len(run.neurons):
        raise UserError(
            f"There is no neuron {str(neuron)[:20]!r}.",
            f"This result has neurons 0 to {len(run.neurons) - 1}.",
            "Choose one of these.",
        )
    return int(neuron)


def ranked(run: RunRecord) -> np.ndarray:
    """Return the rows of ``run.stumps``, best first, equals in order; undefined scores are left out. int64 (stump,)."""
    order = np.argsort(-run.stumps.score, kind="stable")
    return order[np.isfinite(run.stumps.score[order])]


def best_neuron(run: RunRecord) -> int:
    """Return the neuron of the heatmap's outlined cell; 0 when no neuron has a score."""
    best = heatmap.best(heatmap.info(run))
    return best[2] if best else 0


def stump_of(run: RunRecord, neuron: int) -> int | None:
    """Return the row of the neuron's best stump, or None when it has no defined one."""
    rows = np.flatnonzero((run.stumps.neuron == neuron) & np.isfinite(run.stumps.score))
    return int(rows[np.argmax(run.stumps.score[rows])]) if len(rows) else None


def cut(run: RunRecord, neuron: int, threshold: float | None = None) -> Cut:
    """Return how often the neuron is right; ``threshold`` replaces the found one."""
    row = stump_of(run, neuron)
    found = 0.0 if row is None else float(run.stumps.threshold[row])
    sign, class_index = (1, 1) if row is None else (int(run.stumps.sign[row]), int(run.stumps.class_index[row]))
    at = found if threshold is None else float(threshold)
    seen, held_out = (
        stump_score(values[:, neuron], images.labels, at, sign, class_index)
        for values, images in ((run.train_values, run.train), (run.test_values, run.test))
    )
    return Cut(at, sign, class_index, seen.accuracy, held_out.accuracy, held_out.balanced_accuracy)


def span(run: RunRecord, neuron: int) -> tuple[float, float]:
    """Return the smallest and largest finite activation, never equal."""
    values = np.concatenate([run.train_values[:, neuron], run.test_values[:, neuron]]).astype(np.float64)
    values = values[np.isfinite(values)]
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def table(run: RunRecord, n_rows: int = TABLE_ROWS) -> list[list[Any]]:
    """Return the rows of the neuron table, best first; ``HEADERS`` names its columns.

    A neuron stands there once, for the class it fits best, and once more for each other class it votes for.
    """
    voters = run.voters[run.exit_index]
    voting = set(zip(voters.neuron.tolist(), voters.class_index.tolist(), strict=True))
    rows, seen = [], set()
    for row in ranked(run):
        neuron = int(run.stumps.neuron[row])
        votes = (neuron, int(run.stumps.class_index[row])) in voting
        if neuron in seen and not votes:
            continue
        seen.add(neuron)
        rows.append(_row(run, int(row), votes))
        if len(rows) == n_rows:
            break
    return rows


def _row(run: RunRecord, row: int, votes: bool) -> list[Any]:
    neuron, says = int(run.stumps.neuron[row]), int(run.stumps.class_index[row])
    threshold, sign = float(run.stumps.threshold[row]), int(run.stumps.sign[row])
    held_out = stump_score(run.test_values[:, neuron], run.test.labels, threshold, sign, says).balanced_accuracy
    score, name = round(float(run.stumps.score[row]), 3), run.neurons.name(neuron)
    return [neuron, name, run.train.classes[says], score, score_words(held_out), "yes" if votes else ""]


def score_words(value: float) -> str:
    """Return a score to three digits; "undefined" where it is."""
    return f"{value:.3f}" if np.isfinite(value) else UNDEFINED


def facts(run: RunRecord, neuron: int, threshold: float | None = None) -> dict[str, Any]:
    """Return the neuron's name, threshold and accuracy for ``facts_view``."""
    now, moved = cut(run, neuron, threshold), threshold is not None
    side, mark = "above" if now.sign > 0 else "below", run.held_out_mark and f", {run.held_out_mark}"
    says = run.train.classes[now.class_index]
    row = stump_of(run, neuron)
    score = UNDEFINED if row is None else score_words(float(run.stumps.score[row]))
    return {
        "facts": [
            views.fact(f"{'your' if moved else 'found'} threshold", f"{now.threshold:.4g}", f"says “{says}” {side} it"),
            views.fact("probing images", percent(now.train), f"right, of {len(run.train)}"),
            views.fact("test images", percent(now.test), f"right, of {len(run.test)}{mark}", "accent"),
            views.fact("probing score", score, run.config.metric.replace("-", " ")),
            views.fact("held out", score_words(now.held_out), f"balanced accuracy, test images{mark}"),
        ],
    }


def extremes(run: RunRecord, neuron: int, n: int = TILES) -> dict[str, Any]:
    """Return the test images that activate the neuron most and least, as ``pictures_view`` groups."""
    order = extreme_examples(run, neuron, n)
    return {
        "groups": [
            views.group("Activate it most", [test_tile(run, i, neuron) for i in order[0]]),
            views.group("Activate it least", [test_tile(run, i, neuron) for i in order[1]]),
        ],
        "empty": "",
    }


def extreme_examples(run: RunRecord, neuron: int, n: int = TILES) -> tuple[list[int], list[int]]:
    """Return the test examples with the largest and the smallest finite activation, most extreme first."""
    values = run.test_values[:, neuron].astype(np.float32)
    order = [int(i) for i in np.argsort(values, kind="stable") if np.isfinite(values[i])]
    n = min(n, len(order) // 2)
    return order[::-1][:n], order[:n]


def test_tile(run: RunRecord, example: int, neuron: int | None = None) -> dict[str, str]:
    """Return one test image with its class, and its activation when a neuron is given."""
    values = run.test_values if len(run.test) else run.train_values
    value = "" if neuron is None else f"{float(values[example, neuron]):.3g}"
    return views.tile(run.shown.pictures[example], f"{class_of(run.shown, example)} · {run.shown.names[example]}", badge=value)


def class_of(images: LabelledImages, example: int) -> str:
    """Return the class name of one example, or a dash where unknown."""
    label = int(images.labels[example])
    return images.classes[label] if label >= 0 else "unlabelled"
