"""Families of embedded models, one file each: the real transformers classes in small, and how packed rows go through them.

Each file registers a ``Family``. All share the tower's configuration and the prompt's marks (``sn_viz.training.model``), so the
same drawn world, questions and losses train every one. A family knows nothing of optimisers, stages or files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sn_viz.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor

    from sn_viz.training.model import Sizes


@dataclass(frozen=True)
class Family:
    """What the training needs to know of one kind of model."""

    sizes: Sizes
    shallow_blocks: int
    """Decoder blocks of the shallow stage."""
    minutes: tuple[float, ...]
    """Wall-clock limits of the three stages."""
    image_tokens: Mapping[str, str]
    """Tokens that stand for a picture: names of the tokenizer's attributes, and their texts."""
    make_processor: Callable[..., Any]
    """``make_processor(tokenizer, sizes)``."""
    make_model: Callable[..., Any]
    """``make_model(tokenizer, sizes, seed)``: freshly initialised, float32."""
    prefix: Callable[..., list[int]]
    """``prefix(tokenizer, sizes)``: the tokens before the question, as the processor writes them."""
    project: Callable[[Any, Tensor], Tensor]
    """``project(model, features)``: what the decoder is given of pictures, float (picture, patch, width)."""
    read: Callable[..., Tensor]
    """``read(model, rows, pictured)``: the decoder's normalised hidden states, float (row, token, width)."""
    deepen: Callable[..., Any]
    """``deepen(model, blocks, seed)``: the trained model with more blocks, for the deep stage."""
    see: Callable[[Any, Tensor], Tensor]
    """``see(model, pixels)``: the tower's patches, float (picture, patch, width)."""
    photographs: bool = False
    """Whether it is trained on photographs, by ``train_photo``."""


EMBEDDED_FAMILIES: Registry[Family] = Registry("family of embedded models", "sn_viz.training.families")
