"""One neuron put into words, rows and pictures.

Takes a Run, a column and a cut, which is a threshold chosen by hand or None for the found one; returns plain values for the table,
the facts, the strips of pictures and the figure whose cut is dragged in the browser. It knows nothing of widgets.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from sn_viz.errors import UserError
from sn_viz.formatting import UNDEFINED, metric_name
from sn_viz.plots import heatmap, histogram, reference, style
from sn_viz.plots.words import neuron_words
from sn_viz.search.alike import most_alike
from sn_viz.types import Interval, LabelledImages, Partial, RunRecord
from sn_viz.ui.components import views
from sn_viz.voting.named import counts_words
from sn_viz.voting.stump_scores import StumpScore, says_class, stump_score

TABLE_ROWS = 100
TILES = 12
STRIP = 9
"""Pictures of one strip."""
COUNTS = {"hits": (True, True), "misses": (True, False), "false_alarms": (False, True), "rejections": (False, False)}
"""The counts by name: whether the pictures are of the neuron's class, and whether it says so."""
THUMBS = 400
"""Probing pictures whose small copies the page keeps, to show at once which of them flip."""
THUMB_PIXELS = 48
BEYOND_FLOAT = 3.5e38
"""Said for an infinite value: JSON has none, and as float32 this is one."""
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


stump_of = histogram.stump_of
"""The row of the neuron's best stump, or None when it has no defined one."""


def best_of(run: RunRecord, there: np.ndarray) -> int | None:
    """Return the best of the neurons ``there``, bool (neuron,), the first of equals; None when none has a score."""
    stumps = run.stumps
    score = reference.above_chance(run, stumps.score, stumps.class_index)
    rows = np.flatnonzero(there[stumps.neuron] & np.isfinite(score))
    return int(stumps.neuron[rows[np.argmax(score[rows])]]) if len(rows) else None


def chosen_cut(run: RunRecord, neuron: int, threshold: float | None) -> float | None:
    """Return ``threshold`` as the float32 it is compared as; None where it is the found one, or the neuron has none to move."""
    row = stump_of(run, neuron)
    if row is None or threshold is None or np.float32(threshold) == np.float32(run.stumps.threshold[row]):
        return None
    return float(np.float32(threshold))


def checked_cut(value: Any) -> float | None:
    """Return a threshold that the page sent: a number, or None for the found one.

    Raises
    ------
    UserError
        For anything else.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value) or abs(value) > 1e30:
        raise UserError("This threshold was not understood.", "The page sent something that is not a number.", "Reload the page.")
    return float(value)


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
    voting = list(zip(voters.neuron.tolist(), voters.class_index.tolist(), strict=True))
    counted = {pair: counts_words(voters, at) for at, pair in enumerate(voting)}
    rows, seen = [], set()
    for row in ranked(run):
        neuron = int(run.stumps.neuron[row])
        votes = counted.get((neuron, int(run.stumps.class_index[row])), "")
        if neuron in seen and not votes:
            continue
        seen.add(neuron)
        rows.append(_row(run, int(row), votes))
        if len(rows) == n_rows:
            break
    return rows


def _row(run: RunRecord, row: int, votes: str) -> list[Any]:
    neuron, says = int(run.stumps.neuron[row]), int(run.stumps.class_index[row])
    threshold, sign = float(run.stumps.threshold[row]), int(run.stumps.sign[row])
    held_out = stump_score(run.test_values[:, neuron], run.test.labels, threshold, sign, says).balanced_accuracy
    score, name = round(float(run.stumps.score[row]), 3), run.neurons.name(neuron)
    return [neuron, name, run.train.classes[says], score, score_words(held_out), _voting_words(votes)]


def _voting_words(counts: str) -> str:
    """Return "yes" for a voter, with its weight where weights were fitted."""
    return "" if not counts else "yes" if counts == "1 vote" else f"yes, {counts}"


def score_words(value: float) -> str:
    """Return a score to three digits; "undefined" where it is."""
    return f"{value:.3f}" if np.isfinite(value) else UNDEFINED


def facts(run: RunRecord, neuron: int, threshold: float | None = None) -> dict[str, Any]:
    """Return where the neuron lives, whether it may be luck, and its scores, for ``facts_view``."""
    row, title = stump_of(run, neuron), neuron_words(run.neurons, neuron)
    if row is None:
        why = "It has no threshold: on the probing pictures its values are constant or not finite."
        return {"title": title, "note": why, "facts": [views.fact("probing score", UNDEFINED), *_luck_facts(run)]}
    now, by_hand = cut(run, neuron, threshold), threshold is not None
    side, says = "above" if now.sign > 0 else "below", run.train.classes[now.class_index]
    score = float(run.stumps.score[row])
    at = ", at the found threshold" if by_hand else ""
    return {
        "title": title,
        "verdict": luck_verdict(run, score, _held_out_score(run, neuron, cut(run, neuron))),
        "facts": [
            views.fact(f"{'your' if by_hand else 'found'} threshold", f"{now.threshold:.4g}", f"says “{says}” {side} it"),
            views.fact("probing score", score_words(score), f"{metric_name(run.config.metric)}{at}"),
            *_luck_facts(run),
            held_out_fact(run, neuron, threshold),
            *_counts_fact(run, neuron),
        ],
    }


def _counts_fact(run: RunRecord, neuron: int) -> list[dict[str, str]]:
    """Return how much the neuron counts in a weighed vote at the run's exit; nothing where votes are not weighed or it has none."""
    voters = run.voters[run.exit_index]
    at = np.flatnonzero(voters.neuron == neuron)
    if voters.weight is None or not len(at):
        return []
    most = at[np.argmax(np.abs(voters.weight[at]))]
    says = run.train.classes[int(voters.class_index[most])]
    largest = float(np.abs(voters.weight).max())
    return [views.fact("counts", counts_words(voters, int(most)), f"added to the log-odds of “{says}”; at most {largest:.2f} here")]


def held_out_fact(run: RunRecord, neuron: int, threshold: float | None = None) -> dict[str, str]:
    """Return the balanced accuracy on the test pictures with its interval; a cut chosen by hand is called so."""
    now = cut(run, neuron, threshold)
    seen = _held_out_score(run, neuron, now)
    by_hand = ", cut chosen by hand" if threshold is not None else ""
    edited = run.held_out_mark and f", {run.held_out_mark}"
    if isinstance(run, Partial):
        return views.fact("held out", "not yet", run.said, "accent")
    if not len(run.test):
        return views.fact("held out", "none", "there are no test pictures", "accent")
    if not np.isfinite(seen.value):
        return views.fact("held out", UNDEFINED, f"the test pictures are all on one side of “{_class(run, now)}”", "accent")
    note = f"{seen.low:.3f} to {seen.high:.3f}, balanced accuracy, {seen.n:,} test pictures{by_hand}{edited}"
    return views.fact("held out", f"{seen.value:.3f}", note, "accent")


def _held_out_score(run: RunRecord, neuron: int, now: Cut) -> Interval:
    """Return the balanced accuracy of a cut on the test pictures."""
    values = run.test_values[:, neuron]
    return stump_score(values, run.test.labels, now.threshold, now.sign, now.class_index).balanced()


def _class(run: RunRecord, now: Cut) -> str:
    return run.train.classes[now.class_index]


def _luck_facts(run: RunRecord) -> list[dict[str, str]]:
    line = reference.luck(run)
    if line is None:
        why = run.said if isinstance(run, Partial) else "no labels were shuffled"
        return [views.fact("luck reaches", "not yet" if isinstance(run, Partial) else "not known", why)]
    return [views.fact("luck reaches", f"{line:.3f}", "best neuron of shuffled labels, 95 %")]


def luck_verdict(run: RunRecord, score: float, held_out: Interval | None = None) -> dict[str, str] | None:
    """Return whether a neuron with this probing score may be luck; None when nothing is known of luck.

    One that is beyond luck but, at the same cut, right about significantly fewer test pictures, no more than luck finds on probing
    pictures, is said not to hold up: only where both are scored by the same measure. The line is that of the *best* of all neurons
    under shuffled labels, so it holds for whichever neuron somebody looks at.
    """
    line = reference.luck(run)
    if line is None:
        return None
    alike = run.config.metric == "balanced-accuracy"
    if score > line and alike and held_out is not None and held_out.high < score and held_out.value <= line:
        said = f"Does not hold up: {score:.3f} on the probing pictures, {held_out.value:.3f} on the test pictures"
        return {"kind": "unclear", "text": said}
    if score > line:
        return {"kind": "beyond luck", "text": "Beyond luck on the probing pictures"}
    return {"kind": "unclear", "text": "May be luck: the best neuron of shuffled labels reaches as much"}


def selection(run: RunRecord, neuron: int, threshold: float | None = None) -> dict[str, Any]:
    """Return the one selection, which every view of the page shows: the neuron, its cell, its cut and the counts held out."""
    now = cut(run, neuron, threshold)
    counts = stump_score(run.test_values[:, neuron], run.test.labels, now.threshold, now.sign, now.class_index)
    defined = stump_of(run, neuron) is not None
    return {
        "neuron": neuron,
        "layer": int(run.neurons.layer[neuron]),
        "site": run.neurons.site_names[run.neurons.site[neuron]],
        "cut": now.threshold if defined else None,
        "by_hand": threshold is not None,
        "test": _counts(counts) if defined and len(run.test) else None,
    }


def _counts(counts: StumpScore) -> dict[str, int]:
    return {name: getattr(counts, name) for name in COUNTS}


def for_dragging(run: RunRecord, neuron: int) -> dict[str, Any] | None:
    """Return what the browser needs to count while the cut is dragged; None when the neuron has no threshold.

    Values and labels are those of the probing pictures only. Every value is the exact one, so that the counts of the browser and of
    ``stump_score`` are the same.
    """
    row = stump_of(run, neuron)
    if row is None:
        return None
    low, high = span(run, neuron)
    says = int(run.stumps.class_index[row])
    values = np.asarray(run.train_values[:, neuron], np.float64)
    return {
        "neuron": neuron,
        "values": [_told(value) for value in values.tolist()],
        "labels": run.train.labels.tolist(),
        "names": [name[:120] for name in run.train.names],
        "threshold": float(run.stumps.threshold[row]),
        "sign": int(run.stumps.sign[row]),
        "says": says,
        "classes": list(run.train.classes),
        "rows": histogram.rows_of(run.train.classes, says),
        "colour": style.colour_pairs(run.train.classes)[says],
        "low": low,
        "high": high,
    }


def _told(value: float) -> float | None:
    if np.isnan(value):
        return None
    return value if np.isfinite(value) else float(np.copysign(BEYOND_FLOAT, value))


def probing_thumbs(run: RunRecord) -> list[str]:
    """Return small copies of the first ``THUMBS`` probing pictures, in order."""
    return [views.thumbnail(picture, THUMB_PIXELS) for picture in run.train.pictures[:THUMBS]]


def strips(run: RunRecord, neuron: int, threshold: float | None = None, n: int = STRIP) -> dict[str, Any]:
    """Return the pictures that the neuron is surest of and those on the edge, as ``strips_view`` shows them.

    They are test pictures, or probing ones where nothing was held out. "Yes" is the neuron's class, on whichever side of the cut it
    says so.
    """
    row = stump_of(run, neuron)
    split = "test" if len(run.test) else "train"
    if row is None:
        return {"rows": [], "empty": "This neuron says nothing: it has no threshold."}
    says = run.train.classes[int(run.stumps.class_index[row])]
    yes, edge, no = strip_examples(run, neuron, threshold, n)
    parts = (
        ("most yes", f"surest of “{says}”", yes),
        ("on the edge", "nearest to the cut", edge),
        ("most no", "surest of not", no),
    )
    rows = [strip(title, note, [decided_tile(run, split, i, neuron, threshold) for i in order]) for title, note, order in parts]
    why = run.said if isinstance(run, Partial) else "nothing was held out"
    return {"rows": rows, "note": "Test pictures" if split == "test" else f"Probing pictures: {why}"}


def strip_examples(run: RunRecord, neuron: int, threshold: float | None, n: int) -> tuple[list[int], list[int], list[int]]:
    """Return the examples that say yes most, those nearest to the cut from yes to no, and those that say no most, surest first."""
    values = (run.test_values if len(run.test) else run.train_values)[:, neuron].astype(np.float32)
    now = cut(run, neuron, threshold)
    for_yes = now.sign * (values - np.float32(now.threshold))
    order = [int(i) for i in np.argsort(-for_yes, kind="stable") if np.isfinite(values[i])]
    ends = min(n, len(order) // 2)
    near = set(sorted(order, key=lambda i: abs(for_yes[i]))[:n])
    return order[:ends], [i for i in order if i in near], order[::-1][:ends]


def strip(title: str, note: str, items: list[dict[str, Any]], more: int = 0) -> dict[str, Any]:
    """Return one row of pictures for ``strips_view``."""
    return {"title": title, "note": note, "items": items, "more": more}


def decided_tile(run: RunRecord, split: str, example: int, neuron: int, threshold: float | None = None) -> dict[str, Any]:
    """Return a picture of a split with its class, its value, and whether the neuron is right about it."""
    images, values = (run.test, run.test_values) if split == "test" else (run.train, run.train_values)
    now, value, label = cut(run, neuron, threshold), float(values[example, neuron]), int(images.labels[example])
    says = bool(says_class(values[example : example + 1, neuron], now.threshold, now.sign)[0])
    mark = "none" if label < 0 else "right" if says == (label == now.class_index) else "wrong"
    kind = "test picture" if split == "test" else "probing picture"
    told = f"The neuron {'says' if says else 'does not say'} “{_class(run, now)}” ({value:.4g}, cut at {now.threshold:.4g})"
    return {
        **views.tile(images.pictures[example], f"{class_of(images, example)} · {images.names[example]}", mark, f"{value:.3g}"),
        "split": split,
        "example": example,
        "facts": [f"{kind.capitalize()} of class “{class_of(images, example)}”", told],
    }


def counted_examples(run: RunRecord, neuron: int, threshold: float | None, which: str, split: str) -> np.ndarray:
    """Return the examples of a split that one of ``COUNTS`` counts, those nearest to the cut first: int64 (example,)."""
    images, values = (run.test, run.test_values) if split == "test" else (run.train, run.train_values)
    now, (is_class, says) = cut(run, neuron, threshold), COUNTS[which]
    column = values[:, neuron]
    there = (images.labels >= 0) & ((images.labels == now.class_index) == is_class)
    rows = np.flatnonzero(there & (says_class(column, now.threshold, now.sign) == says))
    return rows[np.argsort(np.abs(column[rows].astype(np.float32) - np.float32(now.threshold)), kind="stable")]


def counted(run: RunRecord, neuron: int, threshold: float | None, which: Any) -> dict[str, Any]:
    """Return the pictures that one count stands for, probing and test pictures apart, as ``strips_view`` shows them.

    Raises
    ------
    UserError
        When there is no such count.
    """
    if which not in COUNTS or stump_of(run, neuron) is None:
        raise UserError("This count is not on the page.", "The page is older than the result.", "Reload the page.")
    says, (is_class, said) = _class(run, cut(run, neuron, threshold)), COUNTS[which]
    rows = []
    for split, title in (("train", "probing"), ("test", "test")):
        found = counted_examples(run, neuron, threshold, which, split).tolist()
        shown = [decided_tile(run, split, i, neuron, threshold) for i in found[: views.MAX_TILES]]
        rows.append(strip(title, f"{len(found):,} {'picture' if len(found) == 1 else 'pictures'}", shown, len(found) - len(shown)))
    title = f"{'Is' if is_class else 'Is not'} “{says}”, and the neuron {'says so' if said == is_class else _wrongly(said)}"
    return {"rows": rows, "title": title, "back": True, "note": "nearest to the cut first"}


def _wrongly(said: bool) -> str:
    return "says it is" if said else "does not say so"


def neighbours(run: RunRecord, neuron: int) -> dict[str, Any]:
    """Return the neurons most alike in what they say on the probing pictures, for ``neighbours_view``."""
    columns, correlations = most_alike(run.train_values, neuron)
    rows = []
    for column, correlation in zip(columns.tolist(), correlations.tolist(), strict=True):
        row = stump_of(run, column)
        score = UNDEFINED if row is None else score_words(float(run.stumps.score[row]))
        against = ", the other way round" if correlation < 0 else ""
        note = f"correlation {correlation:.2f}{against}; probing score {score}"
        rows.append({"neuron": column, "name": neuron_words(run.neurons, column), "value": f"{correlation:.2f}", "note": note})
    return {"rows": rows, "empty": "None: its values are constant or not finite, or there are too few probing pictures."}


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
