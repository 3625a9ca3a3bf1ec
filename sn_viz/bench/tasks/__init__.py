"""Every method on every task: accuracy on held-out images over several draws of the probing images, and time; hours unless quick.

Each task has a pool that probing images are drawn from and test images of its own, which no choice is made by. Activations and
heads are read once a task; every draw then only searches, fits and votes (LoRA trains). What is finished is kept in one JSON file
per task, number of probing images and draw, in a folder of the cache named after the model, the images and the settings: a second
call goes on where the first stopped, and a finished one only prints. Intervals allow for other draws and other images, see
``sn_viz.bench.crossed``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sn_viz.bench import BENCHES, Options, Row
from sn_viz.bench.tasks.cells import Cell, rows_of
from sn_viz.bench.tasks.jobs import folder_of, work
from sn_viz.bench.tasks.plan import FULL, QUICK, Plan

if TYPE_CHECKING:
    from sn_viz.models import Vlm


@BENCHES.register("tasks", costly=True)
def measure(options: Options) -> list[Row]:
    """Compare every method on every task, as far as that is not on disk yet."""
    from sn_viz.models import load_model

    return list(measured(load_model(options.model, device=options.device), QUICK if options.quick else FULL))


def measured(vlm: Vlm, plan: Plan, so_far: bool = False) -> list[Cell]:
    """Return the table's cells; with ``so_far`` those of what is on disk, and nothing is computed."""
    return rows_of(folder_of(vlm, plan) if so_far else work(vlm, plan), plan)
