"""Super neurons as a scikit-learn classifier: choose the best stumps, let them vote.

Takes values (example, neuron) and labels; returns predictions, and the vote itself for whoever draws it. It knows nothing about
models or images; of where a neuron lives it knows only that the neurons up to a layer come first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, Int64
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from sn_viz.matrix import mapped_file, read_columns
from sn_viz.search.stumps import find_stumps
from sn_viz.types import Neurons, Stumps, Votes
from sn_viz.voting.committees import cross_fit, weighed
from sn_viz.voting.voters import says_of, select_voters
from sn_viz.voting.voters import voters_by_layer as voters_by_layer
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


def vote(
    values: Float[np.ndarray, "example neuron"], voters: Stumps, n_classes: int, weighting: str = "majority"
) -> Float32[np.ndarray, "example class"]:
    """Let the voters speak on every example.

    Parameters
    ----------
    values : float16 or float32 (example, neuron)
        Must hold every column the voters name; nothing beyond the deepest of them is read.
    voters : Stumps
    n_classes : int
    weighting : str
        "majority": each voter counts one. "log-odds": log(score / (1 - score)), clipped at a score of 0.99 and never below zero;
        when that leaves no voter any weight each counts one. "logistic": voters that
        `sn_viz.voting.committees.weighed` has fitted; shares are probabilities.

    Returns
    -------
    float32 (example, class)
        Shares that sum to 1. Two classes: the weight of voters that say class 1, and of those that do not. More: each class's
        share of its own voters that say it, divided by the sum over classes; equal shares where no voter speaks. No voters:
        equal shares.

    Raises
    ------
    UserError
        For an unknown weighting.

    Notes
    -----
    A value equal to the threshold, or NaN, does not say the class.
    """
    chosen, says = WEIGHTINGS[weighting], says_of(values, voters)
    if isinstance(chosen, Fitted) and len(voters):
        return chosen.tally(says, voters, n_classes).astype(np.float32)
    weight = chosen(voters)
    tally = np.zeros((len(values), n_classes))
    if n_classes == 2:
        total = weight.sum()
        tally[:, 1] = (says * weight).sum(axis=1)
        tally[:, 0] = total - tally[:, 1]
    else:
        for c in range(n_classes):
            mine = voters.class_index == c
            if mine.any():
                tally[:, c] = (says[:, mine] * weight[mine]).sum(axis=1) / weight[mine].sum()
    total = tally.sum(axis=1, keepdims=True)
    equal = np.full(tally.shape, 1 / n_classes)
    return np.divide(tally, total, out=equal, where=total > 0).astype(np.float32)


def winners(tally: Float[np.ndarray, "*rows class"]) -> Int64[np.ndarray, "*rows"]:
    """Return the class with the largest share, int64; equal shares go to the lower class.

    Parameters
    ----------
    tally : float32 (..., class)
        Shares closer than 1e-6 count as equal.

    Returns
    -------
    int64 (...,)
    """
    return (tally >= tally.max(axis=-1, keepdims=True) - 1e-6).argmax(axis=-1)


def votes_by_layer(
    values: Float[np.ndarray, "example neuron"],
    voters_by_layer: Sequence[Stumps],
    n_classes: int,
    weighting: str = "majority",
    first_layer: int = 1,
    rows: np.ndarray | None = None,
) -> Votes:
    """Return what the voters of each exit layer say.

    Parameters
    ----------
    values : float16 or float32 (example, neuron)
    voters_by_layer : sequence of Stumps
        Index 0 is exit layer ``first_layer``.
    n_classes : int
    weighting : str
    first_layer : int
        1, or less when the vision tower was read.
    rows : int (row,), optional
        Of which examples; by default of all.

    Returns
    -------
    Votes
        Margins are between the two largest shares.
    """
    if rows is not None or mapped_file(values) is not None:  # every column is read once, however many layers ask for it
        columns = np.unique(np.concatenate([np.zeros(0, np.int64), *(voters.neuron for voters in voters_by_layer)]))
        values = read_columns(values, columns, rows)
        voters_by_layer = [replace(voters, neuron=np.searchsorted(columns, voters.neuron)) for voters in voters_by_layer]
    shape = (len(values), 0, n_classes)
    tallies = [vote(values, voters, n_classes, weighting) for voters in voters_by_layer]
    tally = np.stack(tallies, axis=1) if tallies else np.zeros(shape, np.float32)
    ranked = np.sort(tally, axis=2)
    return Votes(tally, winners(tally), ranked[:, :, -1] - ranked[:, :, -2], first_layer)
