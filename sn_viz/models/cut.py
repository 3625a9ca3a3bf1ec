"""The first blocks of a model as a checkpoint of their own, which plain transformers loads.

Takes a loaded ``Vlm`` and how many decoder blocks are kept; writes a folder. It knows nothing about neurons or votes.

The configuration says how many blocks there are, so the same classes build the shorter model; the weights of the blocks behind it
are never read. Where a family has a class for the model without its head, that one is taken, so that no head is kept.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from sn_viz.errors import UserError
from sn_viz.models.hub.obtain import obtain
from sn_viz.models.load import load_weights, quiet
from sn_viz.models.vlm import Vlm


@dataclass(frozen=True)
class Shortened:
    """A checkpoint of a model's first blocks."""

    class_name: str
    """The class of transformers that loads it."""
    bytes_before: int
    """Of the whole model's safetensors files."""
    bytes_after: int


def check_can_be_cut(vlm: Vlm) -> None:
    """Raise a UserError for a model of which no first blocks can be written."""
    if vlm.quantised or vlm.shared_out:
        raise _refused(
            vlm, "It was loaded quantised or shared out over devices.", "Find again without --quantize and --device-map."
        )
    if not vlm.source:
        raise _refused(vlm, "It was made in memory, so there are no files to cut.", "Save it in a folder and find again with that.")
    if getattr(vlm.module.config.get_text_config(), "num_hidden_layers", None) != vlm.n_layers:
        raise _refused(vlm, f"The configuration of {_family(vlm)} does not say how many blocks there are.", "Keep the whole model.")


def module_kept(vlm: Vlm) -> nn.Module:
    """Return the part of a model that a shortcut needs: the model without its head where there is a class for that, else all."""
    import transformers

    inner = vlm.module.base_model
    parts = [inner.modules(), vlm.module.modules()]
    own = {id(module) for module in parts[0]}
    holds_all = id(vlm.blocks) in own and all(id(block) in own for block in vlm.tower_blocks)
    return inner if holds_all and hasattr(transformers, type(inner).__name__) else vlm.module


def write_first_blocks(vlm: Vlm, n_blocks: int, folder: Path) -> Shortened:
    """Write the model without the decoder blocks behind ``n_blocks`` and what turns pictures and text into its inputs.

    Parameters
    ----------
    vlm : Vlm
    n_blocks : int
        From 1.
    folder : Path
        An empty one.

    Raises
    ------
    UserError
        When this model cannot be cut; see `check_can_be_cut`.
    """
    check_can_be_cut(vlm)
    source, kind = Path(obtain(vlm.source).folder), type(module_kept(vlm))
    try:
        module = load_weights(source, kind, _shorter(vlm.module.config, n_blocks), vlm.name)
        with quiet():
            module.save_pretrained(folder, state_dict={name: _small(weight) for name, weight in module.state_dict().items()})
            vlm.processor.save_pretrained(folder)
    except UserError:
        raise
    except Exception as error:  # transformers raises whatever its classes raise
        cause = f"{_family(vlm)} with {n_blocks} blocks could not be built or written ({type(error).__name__})."
        raise _refused(vlm, cause, "Keep the whole model.") from error
    return Shortened(kind.__name__, _bytes(source), _bytes(folder))


def _shorter(config: Any, n_blocks: int) -> Any:
    """Return a copy of a model's configuration with so many decoder blocks, and what it says of each block cut likewise."""
    config = copy.deepcopy(config)
    text = config.get_text_config()
    n_layers = text.num_hidden_layers
    for name, value in list(vars(text).items()):
        if isinstance(value, list) and len(value) == n_layers:
            setattr(text, name, value[:n_blocks])
    text.num_hidden_layers = n_blocks
    return config


def _small(weight: torch.Tensor) -> torch.Tensor:
    """Return a weight in float16 where every one of its numbers is the same there, as a checkpoint may have held it."""
    half = weight.half()
    return half if weight.is_floating_point() and torch.equal(half.to(weight.dtype), weight) else weight


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("*.safetensors"))


def _family(vlm: Vlm) -> str:
    return type(vlm.module).__name__


def _refused(vlm: Vlm, cause: str, hint: str) -> UserError:
    return UserError(f"No shortcut of {vlm.name!r} can be made.", cause, hint)
