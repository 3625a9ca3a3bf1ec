"""Threshold rules: where a neuron is cut. One file here is one rule in the app.

A rule takes the values of some neurons and which examples belong to the class, and returns one threshold per neuron, or
None when every cut shall be tried and the best kept. It knows nothing about signs, scores or the search.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sn_viz.registry import Registry

Rule = Callable[[np.ndarray, np.ndarray], "np.ndarray | None"]
"""Called as rule(values float32 (example, neuron), is_class bool (example,)) -> float32 (neuron,) or None."""

RULES: Registry[Rule] = Registry("threshold rule", "sn_viz.search.rules")
