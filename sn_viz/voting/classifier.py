"""Super neurons as a scikit-learn classifier: choose the best stumps, let them vote.

Takes values (example, neuron) and labels; returns predictions. It knows nothing about models or images. The vote itself is in
``votes``, without scikit-learn, which takes longer to import than a search.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from sn_viz.search.stumps import find_stumps
from sn_viz.types import Neurons
from sn_viz.voting.committees import cross_fit, weighed
from sn_viz.voting.voters import select_voters
from sn_viz.voting.votes import vote, winners
from sn_viz.voting.weightings import WEIGHTINGS, Fitted, check_weighting


class SuperNeuronClassifier(ClassifierMixin, BaseEstimator):
    """A vote among the neurons that each, alone and with one threshold, separate the classes best.

    Parameters
    ----------
    rule : str
        Threshold rule: "best-split", "midpoint" or "zero".
    metric : str
        What a stump is scored by: "balanced-accuracy", "accuracy", "roc-auc", "f1" or "effect-size".
    voters : int
        Super neurons (two classes), or super neurons of each class (more).
    weighting : str
        "majority", "log-odds" or "logistic".

    Attributes
    ----------
    stumps_ : Stumps
        The voters, best first.
    classes_ : array (class,)
    n_features_in_ : int

    Notes
    -----
    Values are compared as float32. Neurons that are constant or not finite never vote. Equal shares, as an even number of voters
    can give, go to the first class in ``classes_``. Inputs that scikit-learn itself would refuse raise ValueError as it does,
    a single class among them.

    Examples
    --------
    >>> import numpy as np
    >>> values = np.array([[0.0, 5.0], [1.0, 4.0], [2.0, 5.0], [3.0, 4.0]])
    >>> SuperNeuronClassifier(voters=1).fit(values, ["no", "no", "yes", "yes"]).predict([[2.5, 4.0]]).tolist()
    ['yes']
    """

    def __init__(
        self, rule: str = "best-split", metric: str = "balanced-accuracy", voters: int = 15, weighting: str = "majority"
    ) -> None:
        self.rule = rule
        self.metric = metric
        self.voters = voters
        self.weighting = weighting

    def fit(self, X: Any, y: Any) -> SuperNeuronClassifier:
        """Search every column of X and keep the best stumps.

        Parameters
        ----------
        X : array-like, float (example, neuron)
            float16 and float32 are searched as they are.
        y : array-like (example,)
            Class labels of any kind.

        Returns
        -------
        SuperNeuronClassifier
            This object.

        Raises
        ------
        UserError
            For unknown choices, or when no neuron separates anything (all are constant).
        """
        checked: Any = validate_data(self, X, y, dtype=[np.float32, np.float16])
        X, y = checked
        check_classification_targets(y)
        self.classes_, labels = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"SuperNeuronClassifier needs at least two classes; the data holds 1 class, {self.classes_[0]!r}.")
        check_weighting(self.metric, self.weighting)
        stumps = find_stumps(X, labels, self.rule, self.metric, len(self.classes_))
        self.stumps_ = select_voters(stumps, self.voters, len(self.classes_))
        if isinstance(WEIGHTINGS[self.weighting], Fitted):
            n, n_classes = X.shape[1], len(self.classes_)
            alike = Neurons(np.zeros(n, np.int8), np.ones(n, np.int16), np.arange(n, dtype=np.int32), ("column",))
            judged = cross_fit(X, labels, alike, self.rule, self.metric, self.voters, n_classes)
            (self.stumps_,) = weighed([self.stumps_], X, labels, n_classes, self.weighting, judged)
        return self

    def tally(self, X: Any) -> np.ndarray:
        """Return the share of the vote of each class, float32 (example, class), rows sum to 1."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=[np.float32, np.float16])
        return vote(X, self.stumps_, len(self.classes_), self.weighting)

    def predict(self, X: Any) -> np.ndarray:
        """Return the class with the largest share of the vote, (example,)."""
        winner = winners(self.tally(X))
        return self.classes_[winner]

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the share of the vote of each class, float64 (example, class): a degree of agreement, not a calibrated chance."""
        share = self.tally(X).astype(np.float64)
        return share / share.sum(axis=1, keepdims=True)

    def decision_function(self, X: Any) -> np.ndarray:
        """Return float64 (example,), positive for the second class, with two classes; (example, class) shares with more."""
        share = self.tally(X).astype(np.float64)
        return share[:, 1] - share[:, 0] if len(self.classes_) == 2 else share
