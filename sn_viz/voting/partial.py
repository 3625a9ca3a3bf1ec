"""What a run has found before it has ended: super neurons of the pictures read so far, at a pace that holds up nothing.

Takes activations as they arrive; returns ``Partial`` runs. Nothing here goes into the run itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from sn_viz.matrix import mapped_file
from sn_viz.search.stumps import find_stumps, is_warming_up
from sn_viz.types import Activations, Config, Interval, LabelledImages, LayerAccuracy, Neurons, Partial
from sn_viz.voting.committees import weighed
from sn_viz.voting.voters import voters_by_layer
from sn_viz.voting.votes import votes_by_layer

FEWEST = 2
"""Pictures of every class that must have been read."""
PAUSE_SECONDS = 3.0
"""At least so long between two results of the pictures read so far."""
SHARE = 0.1
"""At most this share of the time goes into them."""
UNMEASURED = Interval(float("nan"), 0.0, 1.0, 0)
NOT_READ = "The test pictures have not been read yet, so nothing is known of new pictures."


def partial_of(config: Config, train: LabelledImages, seen: Activations, n_pictures: int) -> Partial:
    """Return the super neurons of the probing pictures read so far, as a run in which nothing was tested or timed.

    Parameters
    ----------
    config : Config
    train : LabelledImages
        The probing pictures that were read; every class has some.
    seen : Activations
        Of these.
    n_pictures : int
        Probing pictures of the whole run.

    Returns
    -------
    Partial
        The exit layer is the one that was asked for, else the layer of the best neuron: none was chosen yet.
    """
    n_classes, layers = len(train.classes), seen.neurons.layers
    stumps = find_stumps(seen.values, train.labels, config.rule, config.metric, n_classes)
    voters = voters_by_layer(stumps, seen.neurons, config.voters, n_classes)
    voters = weighed(voters, seen.values, train.labels, n_classes, config.weighting)
    unseen = seen.values[:0]
    return Partial(
        config=config,
        train=train,
        test=replace(train.take([]), notes=(NOT_READ,)),
        neurons=seen.neurons,
        train_values=seen.values,
        test_values=unseen,
        stumps=stumps,
        voters=voters,
        exit_layer=config.exit_layer if config.exit_layer is not None else _layer_of_the_best(stumps.score, stumps.neuron, seen),
        votes=votes_by_layer(unseen, voters, n_classes, config.weighting, layers.start),
        by_layer=tuple(LayerAccuracy(layer, UNMEASURED, float("nan"), float("nan")) for layer in layers),
        baselines=(),
        null_scores=np.empty(0, np.float32),
        latency_ms={},
        seconds={},
        n_read=len(train),
        n_pictures=n_pictures,
    )


def _layer_of_the_best(scores: np.ndarray, columns: np.ndarray, seen: Activations) -> int:
    if not np.isfinite(scores).any():
        return seen.neurons.layers[-1]
    return int(seen.neurons.layer[columns[int(np.nanargmax(scores))]])


class SoFar:
    """Offers partial results while pictures are read, when enough is new and little time goes into them.

    While the search is still being compiled, on a new machine, there is none: reading pictures must not wait for it.

    Parameters
    ----------
    offer : callable
        Told each ``Partial``.
    config, train, neurons
        Of the run; ``train`` all its probing pictures.
    clock : callable
        Returns seconds.
    """

    def __init__(
        self,
        offer: Callable[[Partial], None],
        config: Config,
        train: LabelledImages,
        neurons: Neurons,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._offer, self._config, self._train, self._neurons, self._clock = offer, config, train, neurons, clock
        self._next, self._n = clock() + PAUSE_SECONDS, 0

    def arrived(self, values: np.ndarray, read: np.ndarray) -> None:
        """Take values (example, neuron) and which rows of them were read, bool (example,); offer a result when it is time.

        Of values in a file nothing is offered before all are there.
        """
        rows, began = np.flatnonzero(read), self._clock()
        counts = np.bincount(self._train.labels[rows], minlength=len(self._train.classes))
        if mapped_file(values) is not None:  # a copy of the rows read so far would not fit into memory
            return
        if began < self._next or counts.min() < FEWEST or len(rows) == self._n or len(rows) == len(read) or is_warming_up():
            return
        self._n = len(rows)
        train = self._train.take(rows)
        self._offer(partial_of(self._config, train, Activations(values[rows], self._neurons, train.labels, ""), len(self._train)))
        took = self._clock() - began
        self._next = self._clock() + max(PAUSE_SECONDS, took / SHARE)

    def offer(self, seen: Activations) -> None:
        """Offer the result of all probing pictures."""
        if not is_warming_up():
            self._offer(partial_of(self._config, self._train, seen, len(self._train)))
