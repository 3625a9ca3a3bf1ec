"""How much of the table task x method is measured: which tasks, how many probing images, how many draws."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sn_viz.errors import UserError
from sn_viz.world.tasks import TASKS

DIGITS = "digits-three"
N_DIGITS = 366
"""As many digits as can be drawn half and half."""
MOST_TESTED_DIGITS = 200


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    tasks: tuple[str, ...]
    shots: tuple[int, ...]
    """Probing images in all, not of each class; at least two of each class are drawn."""
    n_pool: int
    n_test: int
    n_draws: int
    lora_shots: tuple[int, ...]
    lora_draws: int
    seed: int = 70
    """Of the images."""


def fixed_and_mirroring() -> tuple[str, ...]:
    """Return the twins of the paper's benchmarks, all tasks with a fixed question (never trained ones among them), the digits."""
    return (*(name for name, task in TASKS.items() if task.question or (task.mirrors and task.trained)), DIGITS)


FULL = Plan(fixed_and_mirroring(), (5, 20, 100, 500), 1000, 500, 5, (5, 20, 100, 500), 3)
QUICK = Plan(("presence-any", "new-kind", DIGITS), (5, 100), 160, 100, 3, (5,), 1)


def part_of(plan: Plan, tasks: str) -> Plan:
    """Return the plan with only some of its tasks, named behind commas; "" leaves all.

    Raises
    ------
    UserError
        When one of them is not in the plan.
    """
    names = tuple(name.strip() for name in tasks.split(",") if name.strip())
    for name in names:
        if name not in plan.tasks:
            raise UserError(f"There is no task {name!r} here.", f"There are: {', '.join(plan.tasks)}.", "Choose some of these.")
    return replace(plan, tasks=names) if names else plan
