"""How fast the search is, beside simpler ways to the same stumps. No model: the values are random."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from sn_viz.search import find_stumps, warm_up

SIZES = ((100, 20_000), (100, 500_000), (1000, 50_000))
"""(example, neuron)."""
TREES = 200
"""How many neurons the scikit-learn loop is timed on; its rate is what counts."""


def measure() -> list[dict[str, Any]]:
    """Time the compiled search, a sort in numpy, and one scikit-learn tree a neuron.

    Returns
    -------
    list of dict
        ``method, examples, neurons, seconds, million_values_per_second``, and how many ``times_as_fast`` the compiled search is.
    """
    warm_up()
    rows = []
    for n_examples, n_neurons in SIZES:
        rng = np.random.default_rng(0)
        values = rng.standard_normal((n_examples, n_neurons), dtype=np.float32).astype(np.float16)
        labels = np.arange(n_examples) % 2
        methods: list[tuple[str, Callable[..., object], np.ndarray]] = [
            ("sn_viz.search", find_stumps, values),
            ("numpy sort", sorted_in_numpy, values[:, :20_000]),
            ("scikit-learn trees", one_tree_each, values[:, :TREES]),
        ]
        fastest = None
        for name, method, part in methods:
            start = time.perf_counter()
            method(part, labels)
            seconds = time.perf_counter() - start
            rate = part.size / seconds / 1e6
            fastest = fastest or rate
            facts = {"method": name, "examples": n_examples, "neurons": part.shape[1], "seconds": seconds}
            rows.append(facts | {"million_values_per_second": rate, "times_as_fast": fastest / rate})
    return rows


def sorted_in_numpy(values: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the best balanced accuracy of each neuron, float64 (neuron,), by sorting; ties are ignored, so it does less."""
    order = np.argsort(values, axis=0)
    positive = labels[order].astype(np.float64)
    caught = np.cumsum(positive, axis=0) / positive.sum(axis=0)
    false = np.cumsum(1 - positive, axis=0) / (1 - positive).sum(axis=0)
    return 0.5 + np.abs(caught - false).max(axis=0) / 2


def one_tree_each(values: np.ndarray, labels: np.ndarray) -> list[float]:
    """Return the accuracy of a scikit-learn tree of depth 1 on each neuron; it cuts by Gini impurity, so it may be lower."""
    from sklearn.tree import DecisionTreeClassifier

    columns = values.astype(np.float32)
    fitted = (DecisionTreeClassifier(max_depth=1).fit(columns[:, [i]], labels) for i in range(columns.shape[1]))
    return [tree.score(columns[:, [i]], labels) for i, tree in enumerate(fitted)]
