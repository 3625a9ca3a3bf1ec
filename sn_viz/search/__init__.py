"""The exact search for the best threshold of every neuron: rules, kernels, the null."""

from sn_viz.search.stumps import METRIC_WORDS, METRICS, best_scores_under_null, find_stumps, warm_up, warm_up_beside

__all__ = ["METRICS", "METRIC_WORDS", "best_scores_under_null", "find_stumps", "warm_up", "warm_up_beside"]
