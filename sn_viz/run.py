"""A run, and what people do with it: save it, load it, predict with it, print it.

Adds verbs to the values of ``types.RunRecord``; whatever does the work takes such a record and knows nothing of this module.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from sn_viz.types import Prediction, RunRecord

if TYPE_CHECKING:
    from sn_viz.early_exit.decide import Predictor


@dataclass(frozen=True, eq=False)
class Run(RunRecord):
    """Everything one run found, with its verbs.

    Examples
    --------
    >>> from sn_viz import find
    >>> run = find("pack:presence-dog")  # doctest: +SKIP
    >>> run.predict(["dog.png"])[0].label  # doctest: +SKIP
    'yes'
    """

    def save(self, folder: str | Path, pictures: str = "pictures") -> Path:
        """Write the run into ``folder`` (made if needed) and return it; see `sn_viz.storage.save.save_run`.

        With ``pictures`` "thumbnails" or "figures" its pictures are kept small, or not at all; see `sn_viz.storage.lighter`.
        """
        from sn_viz.storage.lighter import lighter
        from sn_viz.storage.save import save_run

        return save_run(lighter(self, pictures), folder)

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read a saved run from its folder or a zip of it; see `sn_viz.storage.load.load_run`. Needs no model."""
        from sn_viz.storage.archive import load_any

        return cls.of(load_any(folder))

    @classmethod
    def of(cls, record: RunRecord) -> Self:
        """Return a run of these values."""
        return cls(**{each.name: getattr(record, each.name) for each in fields(record)})

    def predict(
        self, images: Any, exit_layer: int | None = None, question: str | None = None, batch_size: int = 1
    ) -> list[Prediction]:
        """Let the super neurons label ``images``, each seen once, stopping the model early; see ``early_exit.decide``."""
        from sn_viz.early_exit.decide import predict

        return predict(self, images, exit_layer, question, batch_size=batch_size)

    def predictor(self, exit_layer: int | None = None, question: str | None = None, batch_size: int = 1) -> Predictor:
        """Return a callable that labels one picture or a sequence of them, with everything looked up and checked once.

        Examples
        --------
        >>> label = find("pack:presence-dog").predictor()  # doctest: +SKIP
        >>> label("photo.jpg").label  # doctest: +SKIP
        'yes'
        """
        from sn_viz.early_exit.decide import Predictor

        return Predictor.of(self, exit_layer, question, batch_size=batch_size)

    def export_shortcut(self, folder: str | Path, exit_layer: int | None = None) -> Path:
        """Write the model's blocks up to the exit, the voters and a short program that runs them; see `sn_viz.export.shortcut`."""
        from sn_viz.export.shortcut import export_shortcut

        return export_shortcut(self, folder, exit_layer)

    def export_script(self, file: str | Path) -> Path:
        """Write a Python script that repeats exactly this run; see `sn_viz.export.repeat`."""
        from sn_viz.export import repeat

        return repeat.write_text(repeat.script(self), file)

    def export_notebook(self, file: str | Path) -> Path:
        """Write the same as a notebook."""
        from sn_viz.export import repeat

        return repeat.write_text(repeat.notebook(self), file)

    def to_json(self) -> str:
        """Return the summary that ``find --json`` prints, as JSON text; see `sn_viz.storage.summary.summary`."""
        from sn_viz.storage.summary import summary

        return json.dumps(summary(self), indent=2, allow_nan=False, ensure_ascii=False)
