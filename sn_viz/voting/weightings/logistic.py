"""The votes weighed by a logistic regression: how much each yes or no says about the class.

Takes what the voters say of labelled examples, 0 or 1 each; returns the voters with a weight each, and probabilities. It never sees
a value, only on which side of its threshold it lies, so those it weighs are super neurons like any others. Which penalty suits, and
how sure the weights are of themselves, is found in `sn_viz.voting.committees`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from sn_viz.types import Stumps
from sn_viz.voting.weightings import WEIGHTINGS, Fitted

MAX_STEPS = 200
FREE_OFFSET = 10.0
"""liblinear penalises the offset too; a constant feature of this size makes that negligible."""


@dataclass(frozen=True)
class Strength:
    """How weights are held down."""

    penalty: str
    """"l1" leaves most voters without a weight; "l2" gives voters that say the same about the same one."""
    c: float
    """Inverse strength, as scikit-learn's C."""

    @property
    def words(self) -> str:
        return f"{self.penalty.upper()}, C = {self.c:g}"


STRENGTHS = (Strength("l2", 0.1), Strength("l2", 0.01), Strength("l2", 1.0))
"""Tried by cross-validation; the first is taken where little or nothing can be left out. Dropped: C = 0.001, whose offset outweighs
all votes with five pictures, and L1, worse with 5, 20 and 100 (`EXPERIMENTS.md`)."""


class Logistic(Fitted):
    """Weigh the voters' yes and no by a penalised logistic regression, so that shares are probabilities (as `fit` finds them)."""

    def __call__(self, voters: Stumps) -> np.ndarray:
        """Return how much each voter counts, its weight without the sign, float64 (stump,); each one where none has a weight."""
        weight = np.zeros(len(voters)) if voters.weight is None else np.abs(voters.weight.astype(np.float64))
        return weight if weight.sum() > 0 else np.ones(len(voters))

    def fit(
        self,
        voters: Stumps,
        says: Bool[np.ndarray, "example stump"],
        labels: Int[np.ndarray, " example"],
        n_classes: int,
        strength: Strength = STRENGTHS[0],
    ) -> Stumps:
        """Return the voters with their weights and the offsets of the classes.

        Parameters
        ----------
        voters : Stumps
        says : bool (example, stump)
            Whether each says its class.
        labels : int (example,)
        n_classes : int
        strength : Strength

        Returns
        -------
        Stumps
            ``weight`` float32 (stump,): what a yes adds to the log-odds of its class; ``offset`` float32 (class,): what they are
            without any yes. With more than two classes each class is told from the rest by its own voters, and the log-odds of
            all go through a softmax. Where a class has no example, or all, its voters have no weight.
        """
        weight, offset = np.zeros(len(voters), np.float32), np.zeros(n_classes, np.float32)
        for c in [1] if n_classes == 2 else range(n_classes):
            mine, is_class = np.flatnonzero(voters.class_index == c), labels == c
            share = (np.count_nonzero(is_class) + 0.5) / (len(labels) + 1)
            if 0 < np.count_nonzero(is_class) < len(labels) and len(mine):
                weight[mine], offset[c] = _fit_one(says[:, mine], is_class, strength)
            else:
                offset[c] = np.log(share / (1 - share))
        return replace(voters, weight=weight, offset=offset)

    def tally(self, says: Bool[np.ndarray, "example stump"], voters: Stumps, n_classes: int) -> Float[np.ndarray, "example class"]:
        """Return the probability of each class, float64 (example, class); voters that were never fitted count alike."""
        return softmax(self.log_odds(says, voters, n_classes))

    def log_odds(
        self, says: Bool[np.ndarray, "example stump"], voters: Stumps, n_classes: int
    ) -> Float[np.ndarray, "example class"]:
        """Return what a softmax makes probabilities of, float64 (example, class)."""
        if voters.weight is None or voters.offset is None:
            raise ValueError("these voters have no weights yet: see sn_viz.voting.committees.weighed")
        found = np.tile(voters.offset.astype(np.float64), (len(says), 1))
        weight = voters.weight.astype(np.float64)
        for c in [1] if n_classes == 2 else range(n_classes):
            mine = voters.class_index == c
            found[:, c] += (says[:, mine] * weight[mine]).sum(axis=1)
        return found


def softmax(log_odds: Float[np.ndarray, "*rows class"]) -> Float[np.ndarray, "*rows class"]:
    """Return probabilities, float64, of the same shape."""
    raised = np.exp(log_odds - log_odds.max(axis=-1, keepdims=True))
    return raised / raised.sum(axis=-1, keepdims=True)


def _fit_one(says: np.ndarray, is_class: np.ndarray, strength: Strength) -> tuple[np.ndarray, float]:
    """Return weights (stump,) and the offset of one class against the rest.

    Yes and no are 1 and -1 while weights are fitted, so that the penalty prefers neither.
    """
    import warnings

    from sklearn import config_context
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(
        C=strength.c,
        l1_ratio=1.0 if strength.penalty == "l1" else 0.0,
        solver="liblinear",
        intercept_scaling=FREE_OFFSET,  # type: ignore[arg-type]
        max_iter=MAX_STEPS,
        random_state=0,
    )
    with warnings.catch_warnings(), config_context(assume_finite=True, skip_parameter_validation=True):
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(2.0 * says - 1.0, is_class)
    half, offset = model.coef_[0], float(np.ravel(model.intercept_)[0])
    return 2 * half, offset - float(half.sum())


LOGISTIC = Logistic()
"""Fitted voters vote by probability."""
WEIGHTINGS.register("logistic")(LOGISTIC)
