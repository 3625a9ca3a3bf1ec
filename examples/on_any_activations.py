"""The method without a vision-language model: a scikit-learn classifier on any (example, neuron) array.

    python examples/on_any_activations.py

Here the activations are made up: 2,000 neurons, three of which know the class.
"""

from __future__ import annotations

import numpy as np
from sklearn.model_selection import cross_val_score

from sn_viz import SuperNeuronClassifier
from sn_viz.search.stumps import best_scores_under_null


def main() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 120)
    values = rng.normal(size=(120, 2_000)).astype(np.float32)
    values[:, [7, 70, 700]] += 2 * labels[:, None]
    classifier = SuperNeuronClassifier(voters=3)
    scores = cross_val_score(classifier, values, labels, cv=5)
    fitted = classifier.fit(values, labels)
    chosen = np.argsort(-np.nan_to_num(fitted.stumps_.score, nan=-1))[:3]
    lucky = np.percentile(best_scores_under_null(values, labels, n_labellings=50), 95)
    print(f"held-out accuracy {scores.mean():.2f}; best neurons {sorted(fitted.stumps_.neuron[chosen].tolist())}")
    print(f"best score {fitted.stumps_.score[chosen[0]]:.2f}; shuffled labels reach {lucky:.2f} in 1 of 20 cases")


if __name__ == "__main__":
    main()
