"""Where extraction and search run: in this process, or on many machines; one file each, registered under the name users type.

An `Engine` reads activations and searches them, with the same result wherever that is done. It knows nothing about what a run does
with what is found: the pipeline asks it, and votes and compares itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from sn_viz.registry import Registry
from sn_viz.search.stumps import Search
from sn_viz.types import Neurons, Stumps

if TYPE_CHECKING:
    from sn_viz.activations.extract import Carrier
    from sn_viz.models.vlm import Vlm


class Engine(Protocol):
    """Carries out what takes long in a run. Close it in the end."""

    def carrier(self, vlm: Vlm) -> Carrier | None:
        """Return who carries out the passes of `extract` on this model; None for this process."""
        ...

    def find_stumps(
        self,
        values: np.ndarray,
        labels: np.ndarray,
        rule: str = "best-split",
        metric: str = "balanced-accuracy",
        classes: Any = None,
        rows: np.ndarray | None = None,
    ) -> Stumps:
        """As `sn_viz.search.stumps.find_stumps`."""
        ...

    def search_for_voters(self, neurons: Neurons, k: int) -> Search:
        """Return a search whose result may leave out (score NaN) what is never among the ``k`` best up to any layer."""
        ...

    def best_scores_under_null(
        self,
        values: np.ndarray,
        labels: np.ndarray,
        metric: str = "balanced-accuracy",
        rule: str = "best-split",
        n_labellings: int = 100,
        seed: int = 0,
        groups: np.ndarray | None = None,
    ) -> np.ndarray:
        """As `sn_viz.search.stumps.best_scores_under_null`."""
        ...

    def told(self) -> dict[str, Any]:
        """Return what is worth keeping with a run, as plain JSON values; nothing for this process."""
        ...

    def close(self) -> None:
        """End whatever was started; may be called twice."""
        ...


Make = Callable[[str | None, str | None], Engine]
"""Makes an engine from the address of a cluster and the device asked for, None where none was named; nothing is started yet."""

ENGINES: Registry[Make] = Registry("engine", "sn_viz.engines", first=("local",))
