"""This process, on all its cores or its GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sn_viz.engines import ENGINES, Engine
from sn_viz.errors import UserError
from sn_viz.search.stumps import Search, best_scores_under_null, find_stumps
from sn_viz.types import Neurons

if TYPE_CHECKING:
    from sn_viz.models.vlm import Vlm


class Local:
    """Extraction and search in this process."""

    find_stumps = staticmethod(find_stumps)
    best_scores_under_null = staticmethod(best_scores_under_null)

    def carrier(self, vlm: Vlm) -> None:
        """Return None: `extract` itself carries out its passes."""

    def search_for_voters(self, neurons: Neurons, k: int) -> Search:
        return find_stumps

    def told(self) -> dict[str, Any]:
        return {}

    def close(self) -> None:
        """End nothing."""


LOCAL = Local()


@ENGINES.register("local")
def local(address: str | None = None, device: str | None = None) -> Engine:
    """Extraction and search in this process."""
    if address:
        raise UserError("The engine local has no address.", f"{address!r} was given.", "Add --engine ray, or leave it out.")
    return LOCAL
