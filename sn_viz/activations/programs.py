"""Stretches of a small model's pass as recorded programs: the same operations, without the Python between them.

Takes a function of one tensor and an example; returns that function as a recorded program. It knows nothing about sites or exits.

In a pass of a few milliseconds, a third goes to Python: modules that call modules, their hooks, the library's wrappers. What they
compute for one prompt is always the same list of operations, so the list is recorded once (``torch.jit.trace``, nothing
optimised) and run from then on. A program computes bit for bit what was recorded, or it is not taken
(`sn_viz.activations.recording` compares). It is also not taken while somebody else's hook sits on the model, or
after a weight was changed: `Watch.unchanged` says so.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from operator import attrgetter, is_, methodcaller
from typing import Any

import torch
from torch import nn
from torch.jit._fuser import optimized_execution

Stretch = Callable[[torch.Tensor], tuple[torch.Tensor, ...]]
AtBlock = Callable[[int], None]
"""Told the layer, from 1, whose block is about to begin."""
AFTER = 2
"""Passes over one prompt up to one layer before it is recorded: recording costs as much as some ten passes."""
FAULTS = (RuntimeError, TypeError, ValueError, AttributeError, NotImplementedError, IndexError, KeyError, AssertionError)
"""What recording or running a program may raise in a model that it does not suit."""


def recorded(stretch: Stretch, example: torch.Tensor) -> Stretch:
    """Return ``stretch`` as a program.

    Parameters
    ----------
    stretch : callable
        Of one tensor, returns a tuple of tensors; whatever else it reads must not change from call to call.
    example : torch.Tensor
        What it is recorded with; the program is for this shape and number format only.

    Raises
    ------
    One of ``FAULTS``
        Where it cannot be recorded.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of every shape that becomes a constant: it is one, for a prompt
        program: Any = torch.jit.trace(stretch, (example,), check_trace=False)
    return program


def run_in_order(
    programs: Sequence[Stretch], value: torch.Tensor, at_block: AtBlock | None = None
) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Run programs each of which returns the next one's argument and further tensors.

    Parameters
    ----------
    programs : sequence of callables
        The first ends where the first block begins; the others are a block each.
    value : torch.Tensor
    at_block : callable, optional
        Told of each block when it is about to begin.

    Returns
    -------
    tuple
        What each program was given, and all further tensors with all of the last.
    """
    given, found = [value], []
    with optimized_execution(False):  # operation by operation, as they were recorded
        for number, program in enumerate(programs[:-1], start=1):
            value, *more = program(value)
            given.append(value)
            found += more
            if at_block is not None:
                at_block(number)
        return given, [*found, *programs[-1](value)]


class Watch:
    """Notices what would make a recorded program wrong: hooks of others, changed or exchanged weights and functions.

    Parameters
    ----------
    module : nn.Module
    """

    def __init__(self, module: nn.Module) -> None:
        parts = list(module.modules())
        held = [(names, name) for part in parts for names in (part._parameters, part._buffers) for name in names]
        self.held, self.names = [names for names, _ in held], [name for _, name in held]
        self.weights = [names[name] for names, name in held]
        self.counted = [weight for weight in self.weights if weight is not None and not weight.is_inference()]
        self.versions = list(map(_version, self.counted))
        self.attributes = [part.__dict__ for part in parts]
        self.functions = list(map(_function, self.attributes))
        self.hooks = [hooks for part in parts for hooks in (part._forward_hooks, part._forward_pre_hooks)]

    def unchanged(self) -> bool:
        """Return whether a pass now would do what it did when this was made; costs some 50 microseconds."""
        return (
            not nn.modules.module._has_any_global_hook()
            and not any(map(_of_others, filter(None, self.hooks)))
            and all(map(is_, map(_function, self.attributes), self.functions))
            and all(map(is_, map(dict.get, self.held, self.names), self.weights))
            and list(map(_version, self.counted)) == self.versions
        )


_version = attrgetter("_version")
_function = methodcaller("get", "forward")


def _of_others(hooks: dict[int, Any]) -> bool:
    """Return whether one of these hooks is not transformers' own, which only collect outputs when asked to."""
    return not all((getattr(hook, "__module__", None) or "").startswith("transformers.") for hook in hooks.values())
