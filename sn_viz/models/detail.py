"""How closely a model looks at a picture: one tile or few tokens, against what its checkpoint was published with.

Takes a loaded ``Vlm``; changes settings of its image processor (and of its configuration, where the model reads the same) and says
what that saves. It goes by what the settings are, not by families, and by what is measured: a change that does not shorten the
prompt of a large picture is taken back.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from sn_viz.types import Picture

if TYPE_CHECKING:
    from sn_viz.models.vlm import Vlm

TOKENS = 256
"""Of a picture whose family has no tiles but bounds of pixels: as many as a tile of InternVL has. Some of these families allow
four, in which nothing could be seen."""
MOST_TILES = 64
"""Numbers of tiles lie below; where a setting of that name is larger it counts something else."""
PROBE = 1280, 960
"""Width and height of the blank picture that shows what a setting saves."""
Change = tuple[Any, str, Any]
"""An object, one of its settings, and what it becomes."""


@dataclass(frozen=True, eq=False)
class Look:
    """How closely a model looks at pictures."""

    level: str = "published"
    """"low" or "published"."""
    positions: int = 0
    """Of the prompt about a picture of ``PROBE`` at low detail; 0 where a model has one way to look only."""
    published: int = 0
    """As published."""
    changes: tuple[Change, ...] = ()
    """What low detail changes."""

    @property
    def matters(self) -> bool:
        """Whether there is another way to look."""
        return bool(self.changes)

    @property
    def sentence(self) -> str:
        """Say how pictures are looked at, and the other way; "" where there is none."""
        if not self.matters:
            return ""
        size = f"a picture of {PROBE[0]} x {PROBE[1]} takes"
        if self.level == "low":
            return (
                f"Pictures are looked at in low detail: {size} {self.positions:,} positions of the prompt instead of "
                f"{self.published:,}. With --detail published they are looked at as the model was published."
            )
        return (
            f"Pictures are looked at as the model was published: {size} {self.published:,} positions of the prompt. "
            f"With --detail low it takes {self.positions:,}."
        )


def settled(level: str, device: str | torch.device | None = None) -> str:
    """Return "low" or "published": what was asked for, else low on a processor; without a device the fastest there is."""
    if level != "auto":
        return level
    name = ("cuda" if torch.cuda.is_available() else "cpu") if device is None else str(device)
    return "low" if name.startswith("cpu") else "published"


def look_at(vlm: Vlm, level: str) -> Look:
    """Let a model look at pictures at that level from now on, as far as it has another than the published one.

    Call it before anything is prepared.

    Parameters
    ----------
    vlm : Vlm
    level : str
        "low" or "published".
    """
    changes = tuple(changes_of(getattr(vlm.processor, "image_processor", None), vlm.module.config))
    if not changes:
        return Look()
    published = _positions(vlm)
    with applied(changes):
        positions = _positions(vlm)
    if not 0 < positions < published:
        return Look()
    if level == "low":
        _set(changes)
    return Look(level, positions, published, changes)


@contextmanager
def applied(changes: tuple[Change, ...]) -> Iterator[None]:
    """Let changed settings hold while the body runs."""
    before = tuple((owner, name, getattr(owner, name)) for owner, name, _ in changes)
    _set(changes)
    try:
        yield
    finally:
        _set(before)


def changes_of(images: Any, config: Any) -> Iterator[Change]:
    """Yield what makes an image processor cut no more than one tile, or keep to few tokens.

    Parameters
    ----------
    images : object
        An image processor of transformers; None has no settings.
    config : PreTrainedConfig
        Of the model.
    """
    if getattr(images, "do_image_splitting", False):  # Idefics, SmolVLM, LFM2-VL
        yield images, "do_image_splitting", False
        tile = _side(getattr(images, "max_image_size", None), "longest_edge")
        if tile and _side(images.size, "longest_edge") > tile:
            yield images, "size", _resized(images.size, longest_edge=tile)
        return
    for name in ("max_patches", "max_num_tiles", "dynamic_hd"):  # InternVL, Aya, Cohere, Ovis; Perception; Phi
        if 1 < _number(getattr(images, name, 0)) <= MOST_TILES:
            yield images, name, 1
    if getattr(images, "image_grid_pinpoints", None):  # LLaVA-NeXT, LLaVA-OneVision, Granite Vision
        side = _number(getattr(getattr(config, "vision_config", None), "image_size", 0))
        if side and images.image_grid_pinpoints != [[side, side]]:
            yield images, "image_grid_pinpoints", [[side, side]]
            yield config, "image_grid_pinpoints", [[side, side]]
    yield from _fewer_pixels(images)


def _fewer_pixels(images: Any) -> Iterator[Change]:
    """Yield a closer bound on pixels (Qwen-VL, GLM-V) or on the longest side (Pixtral)."""
    size, patch = getattr(images, "size", None), getattr(images, "patch_size", 0)
    patch = _number(patch) or _side(patch, "height")
    longest, shortest = _side(size, "longest_edge"), _side(size, "shortest_edge")
    if not (patch and longest):
        return
    if merge := _number(getattr(images, "merge_size", 0)):
        few = max(shortest, TOKENS * (patch * merge) ** 2)
    elif not shortest:
        few = round(TOKENS**0.5) * patch
    else:
        return
    if few < longest:
        yield images, "size", _resized(size, longest_edge=few)


def _number(value: Any) -> int:
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0


def _side(size: Any, name: str) -> int:
    """Return one side of a size, a mapping or an object; 0 where it has none."""
    return _number(size.get(name) if isinstance(size, dict) else getattr(size, name, 0))


def _resized(size: Any, **sides: int) -> Any:
    """Return a size of the same kind with other sides."""
    names = ("height", "width", "shortest_edge", "longest_edge", "max_height", "max_width")
    known = dict(size) if isinstance(size, dict) else {name: _side(size, name) for name in names if _side(size, name)}
    return type(size)(**{**known, **sides})


def _set(changes: tuple[Change, ...]) -> None:
    for owner, name, value in changes:
        setattr(owner, name, value)


def _positions(vlm: Vlm) -> int:
    """Return how many positions a prompt about a large picture has; 0 where the processor cannot make one."""
    blank = Picture(np.full((PROBE[1], PROBE[0], 3), 127, np.uint8))
    try:
        return int(vlm.prepare_anew([blank], ["?"])["input_ids"].shape[1])
    except (ValueError, TypeError, KeyError, AttributeError, RuntimeError, IndexError, ZeroDivisionError):
        return 0
