"""A forward pass without its wrapping: picture features, prompt embeddings and blocks called one after the other.

Takes a transformers model and its inputs; runs it as the model's own forward would, until a hook stops it. It knows nothing about
sites or neurons: whoever wants to read or to stop puts hooks on the modules, which fire in either kind of pass.

What a decoder block is given besides the hidden states (mask, rotary angles, positions) depends on the prompt, not on the pixels.
So the first pass over a prompt is the model's own, and what its blocks were given is kept; later passes over that prompt give it
to them again and leave out the code around the blocks, which on small models takes as long as a block. Whether a model works like
this is tried out once, over all its blocks, against its own pass; where a bit differs, its own forward is used.
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import torch
from cachetools import LRUCache
from torch import nn

Inputs = dict[str, Any]
Call = tuple[tuple[Any, ...], dict[str, Any]]
KEPT = 8
"""Prompts whose calls are remembered; the one used longest ago goes first."""


@dataclass(frozen=True, eq=False)
class Prompt:
    """What depends on the prompt alone."""

    is_picture: torch.Tensor
    """bool (example, position, 1): where the picture's features go."""
    n_features: int
    """How many positions these are."""
    calls: tuple[Call, ...]
    """What each block was given besides the hidden states, as positional and keyword arguments."""
    passes: Counter[Any] = field(default_factory=Counter)
    """How often its pass ran up to where, counted by `sn_viz.activations.recording`."""
    programs: dict[Any, Any] = field(default_factory=dict)
    """Stretches of its pass that were recorded; see `sn_viz.activations.programs`."""
    handed_on: list[tuple[torch.Tensor, ...]] = field(default_factory=list)
    """What each stretch was given, for every picture that whole passes of programs were compared on; of the deepest pass."""


class Replay:
    """Forward passes of one model.

    Parameters
    ----------
    module : PreTrainedModel
    blocks : sequence of nn.Module
        Its decoder blocks in order.
    options : dict
        Given to the model's own forward.
    """

    def __init__(self, module: Any, blocks: Sequence[nn.Module], options: dict[str, Any]) -> None:
        self.module, self.blocks, self.options = module, blocks, options
        self.prompts: LRUCache[tuple[Any, ...], Prompt] = LRUCache(KEPT)
        self.works: bool | None = None
        """Whether a replayed pass equals the model's own; None before `equals_the_model` was asked, and then it is not used."""
        self.image_token = getattr(module.config, "image_token_id", None)

    def __call__(self, inputs: Inputs, depth: int) -> None:
        """Run the model until a hook stops it; call under ``torch.inference_mode``.

        Parameters
        ----------
        inputs : dict
            Tensors by the names of the forward's arguments, on the model's device.
        depth : int
            How many blocks are needed; 0 when the pass stops in the vision tower. More may run.
        """
        if not self.works:
            self.module(**inputs, **self.options)
            return
        if depth < 1:
            self.prompts.setdefault(_prompt_key(inputs), self._prompt(inputs))
            self.features(inputs)
            return
        known = self.known(inputs, depth)
        if known is None:
            with self._recording(inputs, _prompt_key(inputs), depth):
                self.module(**inputs, **self.options)
            return
        self._run(inputs, known, depth)

    def known(self, inputs: Inputs, depth: int) -> Prompt | None:
        """Return what is remembered of the prompt of ``inputs``; None unless that reaches ``depth`` blocks and may be used."""
        key = _prompt_key(inputs)
        known = self.prompts.get(key) if self.works else None
        return known if known is not None and len(known.calls) >= depth else None

    def begin(self, inputs: Inputs, prompt: Prompt) -> torch.Tensor:
        """Return what the first block is given: the prompt's embeddings with the picture's features in their places."""
        hidden = self.module.get_input_embeddings()(inputs["input_ids"])
        features = self.features(inputs).to(hidden.device, hidden.dtype)
        assert len(features) == prompt.n_features, f"{len(features)} features for {prompt.n_features} places"
        return hidden.masked_scatter(prompt.is_picture.to(hidden.device), features)

    def block(self, hidden: torch.Tensor, prompt: Prompt, number: int) -> torch.Tensor:
        """Run the block of that number, from 0, on what the one before it returned."""
        args, kwargs = prompt.calls[number]
        out = self.blocks[number](hidden, *args, **kwargs)
        return out if torch.is_tensor(out) else out[0]

    def _run(self, inputs: Inputs, prompt: Prompt, depth: int) -> None:
        hidden = self.begin(inputs, prompt)
        for number in range(depth):
            hidden = self.block(hidden, prompt, number)

    def features(self, inputs: Inputs) -> torch.Tensor:
        """Return the picture's features as the decoder gets them, (position, width)."""
        wanted = {name: value for name, value in inputs.items() if name in self._feature_arguments}
        features = self.module.get_image_features(**wanted, return_dict=True).pooler_output
        features = features if torch.is_tensor(features) else torch.cat(list(features), dim=0)
        return features.reshape(-1, features.shape[-1])

    @cached_property
    def _feature_arguments(self) -> frozenset[str]:
        """Names of the inputs that the picture's features depend on.

        Those that ``get_image_features`` names; where it takes any others besides, also those about pictures that the model's own
        forward names, as the sizes of pictures for LLaVA around a tower that packs its patches.
        """
        named = inspect.signature(self.module.get_image_features).parameters
        names = [name for name in named if name not in ("input_ids", "attention_mask")]
        if any(parameter.kind is parameter.VAR_KEYWORD for parameter in named.values()):
            names += [name for name in inspect.signature(self.module.forward).parameters if name.startswith(("image_", "pixel_"))]
        return frozenset(names)

    @contextmanager
    def _recording(self, inputs: Inputs, key: tuple[Any, ...], depth: int) -> Iterator[None]:
        """Keep what the first ``depth`` blocks are given, also when a hook ends the pass behind the last of them."""
        calls: list[Call] = []

        def note(_block: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            others = {name: value for name, value in kwargs.items() if name != "hidden_states"}
            calls.append((args[1:], others))

        hooks = [block.register_forward_pre_hook(note, with_kwargs=True) for block in self.blocks[:depth]]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()
            if len(calls) == depth:
                before = self.prompts.get(key) or self._prompt(inputs)
                self.prompts[key] = replace(before, calls=tuple(calls))

    def _prompt(self, inputs: Inputs) -> Prompt:
        where = (inputs["input_ids"] == self.image_token).unsqueeze(-1)
        return Prompt(where, int(where.sum()), ())

    def equals_the_model(self, one: Inputs, other: Inputs) -> bool:
        """Return whether a pass recorded with ``one`` and replayed with ``other`` gives every block's output bit for bit.

        Parameters
        ----------
        one, other : dict
            Inputs of two different pictures with the same prompt.
        """
        if self.image_token is None or "input_ids" not in one or _prompt_key(one) != _prompt_key(other):
            return False
        key, depth = _prompt_key(one), len(self.blocks)
        with self._recording(one, key, depth):
            self.module(**one, **self.options)
        try:
            expected = self._outputs(lambda: self.module(**other, **self.options))
            found = self._outputs(lambda: self._run(other, self.prompts[key], depth))
        except (AttributeError, TypeError, ValueError, RuntimeError, AssertionError, KeyError, NotImplementedError):
            return False  # its features or blocks are called in another way
        finally:
            self.prompts.clear()
        return len(found) == len(expected) == depth and all(_equal(a, b) for a, b in zip(found, expected, strict=True))

    def _outputs(self, run: Any) -> list[torch.Tensor]:
        seen: list[torch.Tensor] = []

        def keep(_block: nn.Module, _args: Any, output: Any) -> None:
            seen.append((output if torch.is_tensor(output) else output[0]).clone())

        hooks = [block.register_forward_hook(keep) for block in self.blocks]
        try:
            run()
        finally:
            for hook in hooks:
                hook.remove()
        return seen


def _prompt_key(inputs: Inputs) -> tuple[Any, ...]:
    """Return what a pass depends on besides pixels: every whole number in the inputs, and the shape of everything else."""
    return tuple(
        (name, tuple(value.shape), None if value.is_floating_point() else value.cpu().numpy().tobytes())
        for name, value in sorted(inputs.items())
        if torch.is_tensor(value)
    )


def _equal(one: torch.Tensor, other: torch.Tensor) -> bool:
    return one.shape == other.shape and torch.equal(one.nan_to_num(), other.nan_to_num())
