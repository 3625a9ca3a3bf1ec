"""The parts that an exit cannot do without, each run alone on what it was given in a real pass.

Takes a ``Vlm`` and prepared inputs; returns callables. It goes by module names, as ``models.blocks`` does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from sn_viz.activations.reader import last_position_only
from sn_viz.bench.floor import wait
from sn_viz.models.blocks import TOWER_WORDS
from sn_viz.models.vlm import Inputs, Vlm

JOINT_WORDS = ("projector", "connector", "merger")


def parts_of(vlm: Vlm) -> dict[str, nn.Module]:
    """Return the modules that run before and in the first block, by name; a projector inside the tower counts to the tower."""
    tower = joint = None
    for path, module in vlm.module.named_modules():
        last = path.rpartition(".")[2].lower()
        in_tower = tower is not None and path.startswith(f"{tower[0]}.")
        if tower is None and any(word in last for word in TOWER_WORDS):
            tower = (path, module)
        elif joint is None and not in_tower and any(word in last for word in JOINT_WORDS):
            joint = (path, module)
    found = {
        "vision tower": tower and tower[1],
        "projector": joint and joint[1],
        "embedding": vlm.module.get_input_embeddings(),
        "block 1, last position through its MLP": vlm.blocks[0],
    }
    return {name: module for name, module in found.items() if module is not None}


def runs_of(vlm: Vlm, inputs: Inputs) -> dict[str, Callable[[], None]]:
    """Return how to run each part alone, with the arguments it had in one pass over ``inputs``."""
    parts, given = parts_of(vlm), {}

    def keep(name: str) -> Callable[..., None]:
        def note(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            given.setdefault(name, (args, kwargs))

        return note

    hooks = [part.register_forward_pre_hook(keep(name), with_kwargs=True) for name, part in parts.items()]
    try:
        with vlm.lock, torch.inference_mode():
            vlm.module(**inputs, **vlm.forward_options())
    finally:
        for hook in hooks:
            hook.remove()

    def runner(name: str) -> Callable[[], None]:
        """Return what runs one part of the model alone, on what it was given in a whole pass."""
        args, kwargs = given[name]

        def run() -> None:
            with vlm.threads(len(inputs["input_ids"])), torch.inference_mode():
                if parts[name] is vlm.blocks[0]:
                    with last_position_only(vlm, 1):
                        parts[name](*args, **kwargs)
                else:
                    parts[name](*args, **kwargs)
            wait(vlm.device)

        return run

    return {name: runner(name) for name in parts if name in given}
