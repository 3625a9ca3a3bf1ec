"""How fast the search is, beside simpler ways to the same stumps. No model: the values are random."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from sn_viz.bench import BENCHES, Options, Row, in_a_fresh_process, row, seconds_in_turns
from sn_viz.search.stumps import best_scores_under_null, find_stumps, warm_up

SIZES = ((100, 745_000), (1000, 400_000), (3000, 150_000))
"""(example, neuron): LLaVA-1.5-7B has 745,000 neurons at all sites; the time is proportional to them."""
QUICK_SIZES = ((100, 50_000), (1000, 10_000), (3000, 4_000))
SORTED, TREES = 20_000, 200
"""Neurons that the slower ways are timed on; the time per neuron is what counts."""
N_CLASSES = 5

FRESH = """
import time
import numpy as np
from sn_viz.search.stumps import find_stumps, warm_up
values = np.random.default_rng(0).standard_normal((100, 20_000)).astype(np.float16)
labels, start = np.arange(100) % 2, time.perf_counter()
warm_up((np.float16,))
ready = time.perf_counter()
find_stumps(values, labels)
print(ready - start, time.perf_counter() - ready)
"""


@BENCHES.register("search")
def measure(options: Options) -> list[Row]:
    """Time the search at several sizes, the null, several classes at once, and the first search of a fresh process."""
    warm_up()
    rows: list[Row] = []
    for n_examples, n_neurons in QUICK_SIZES if options.quick else SIZES:
        rows += at_size(n_examples, n_neurons, rounds=3 if options.quick else 7)
    rows.append(null_row(*(QUICK_SIZES if options.quick else SIZES)[0]))
    return rows + list(fresh_process())


def random_values(n_examples: int, n_neurons: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return values float16 (example, neuron) and labels of two equal classes."""
    rng = np.random.default_rng(seed)
    values = np.empty((n_examples, n_neurons), np.float16)
    for one in values:
        one[:] = rng.standard_normal(n_neurons, dtype=np.float32)
    return values, np.arange(n_examples) % 2


def at_size(n_examples: int, n_neurons: int, rounds: int) -> list[Row]:
    """Return the rows of one size: all ways in turns, medians."""
    values, labels = random_values(n_examples, n_neurons)
    several, touched = np.arange(n_examples) % N_CLASSES, np.zeros_like(values)
    few = np.ascontiguousarray(values[:, : max(1, n_neurons // 8)])
    part, trees = values[:, :SORTED], values[:, :TREES]
    check = find_stumps(part, labels).score
    np.testing.assert_allclose(sorted_in_torch(part, labels), check, atol=1e-6)
    wide = seconds_in_turns(
        {
            "search": lambda: find_stumps(values, labels),
            "copy": lambda: values.copy(),
            "refill": lambda: np.copyto(touched, values),
            "sort": lambda: sorted_in_torch(part, labels),
        },
        rounds,
    )
    narrow = seconds_in_turns(
        {
            "search": lambda: find_stumps(few, labels),
            "accuracy": lambda: find_stumps(few, labels, metric="accuracy"),
            "roc-auc": lambda: find_stumps(few, labels, metric="roc-auc"),
            "f1": lambda: find_stumps(few, labels, metric="f1"),
            "midpoint": lambda: find_stumps(few, labels, rule="midpoint"),
            "zero": lambda: find_stumps(few, labels, rule="zero"),
            "classes": lambda: find_stumps(few, several, classes=N_CLASSES),
            "one by one": lambda: [find_stumps(few, (several == c).astype(int)) for c in range(N_CLASSES)],
            "copy": lambda: few.copy(),
        },
        rounds,
    )
    size, time = f"{n_examples:,} x {n_neurons:,}", wide["search"]
    sorting = wide["sort"] * n_neurons / part.shape[1]
    rows = [
        row(f"search, {size}", 1e3 * time, "ms", note=f"{values.size / time / 1e6:,.0f} million values/s"),
        row(f"{size}: against torch.sort", 1e3 * sorting, "ms", at_least=15, ratio=sorting / time, note="times as fast"),
        row(f"{size}: against a copy", 1e3 * wide["copy"], "ms", at_most=6, ratio=time / wide["copy"], note="values.copy()"),
        row(f"{size}: against refilling", 1e3 * wide["refill"], "ms", ratio=time / wide["refill"], note="np.copyto, same memory"),
    ]
    if n_examples <= 100:
        tree = seconds_in_turns({"trees": lambda: one_tree_each(trees, labels)}, max(1, rounds // 3))["trees"]
        tree *= n_neurons / trees.shape[1]
        note = "scikit-learn, depth 1, neuron by neuron"
        rows.append(row(f"{size}: against trees", tree, "s", at_least=800, ratio=tree / time, note=note))
    for name in ("accuracy", "roc-auc", "f1", "midpoint", "zero"):
        ratio, note = narrow[name] / narrow["copy"], f"against a copy, {few.shape[1]:,} neurons"
        rows.append(row(f"{n_examples:,}: {name}", 1e3 * narrow[name], "ms", ratio=ratio, note=note))
    share = narrow["classes"] / narrow["one by one"]
    note = "one pass, against one search each"
    rows.append(row(f"{n_examples:,}: {N_CLASSES} classes", 1e3 * narrow["classes"], "ms", at_most=1, ratio=share, note=note))
    return rows


def null_row(n_examples: int, n_neurons: int) -> Row:
    """Return the time of 100 shuffled labellings."""
    values, labels = random_values(n_examples, n_neurons)
    taken = seconds_in_turns({"null": lambda: best_scores_under_null(values, labels, n_labellings=100)}, 1, warm_up=False)
    return row(f"permutation null, 100 labellings, {n_examples:,} x {n_neurons:,}", taken["null"], "s", at_most=60)


def fresh_process() -> Iterator[Row]:
    """Yield how soon a process that never searched can: its kernels were compiled and kept before."""
    ready, first = map(float, in_a_fresh_process(FRESH).split())
    yield row("kernels ready in a fresh process", ready, "s", at_most=3, note="read from disk, behind the start of the server")
    yield row("first search after that", 1e3 * first, "ms", at_most=100, note="100 x 20,000")


def sorted_in_torch(values: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the best balanced accuracy of each neuron, float32 (neuron,), by one vectorised sort; ties are never cut.

    What one would write with torch: a stable sort of float32 rows, labels gathered, cumulative sums, a maximum.
    """
    rows = torch.from_numpy(np.ascontiguousarray(values.T, dtype=np.float32))
    weight = np.where(labels == 1, 1 / (labels == 1).sum(), -1 / (labels != 1).sum()).astype(np.float32)
    ordered, order = rows.sort(dim=1)
    total = torch.from_numpy(weight)[order].cumsum(dim=1)[:, :-1].abs()
    total[ordered[:, 1:] == ordered[:, :-1]] = -1
    return (0.5 + total.amax(dim=1) / 2).numpy()


def one_tree_each(values: np.ndarray, labels: np.ndarray) -> list[float]:
    """Return the accuracy of a scikit-learn tree of depth 1 on each neuron; it cuts by Gini impurity, so it may be lower."""
    from sklearn.tree import DecisionTreeClassifier

    columns = values.astype(np.float32)
    fitted = (DecisionTreeClassifier(max_depth=1).fit(columns[:, [i]], labels) for i in range(columns.shape[1]))
    return [tree.score(columns[:, [i]], labels) for i, tree in enumerate(fitted)]
