"""Finds the parts of any decoder by looking at it: blocks, attention, MLP, final norm.

Takes torch modules; returns torch modules. It knows nothing about images, prompts or neurons, and has no table of families: it goes
by what the modules are and by the few names that transformers uses throughout.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sn_viz.errors import UserError

if TYPE_CHECKING:
    from torch import nn

NOT_TEXT = ("vision", "visual", "image", "audio", "speech", "video", "qformer", "perceiver", "resampler", "projector", "expert")
ATTENTION_NAMES = ("self_attn", "self_attention", "attention", "attn", "linear_attn", "mixer", "cross_attn", "mamba", "conv")
TOWER_WORDS = ("vision", "visual", "image")
NOT_TOWER = ("text", "audio", "speech", "qformer", "perceiver", "resampler", "projector", "connector", "merger", "expert")
CLASS_TOKENS = ("class_embedding", "cls_token", "class_token")
MLP_NAMES = ("mlp", "feed_forward", "ffn", "block_sparse_moe", "moe")
DOWN_NAMES = ("down_proj", "fc2", "c_proj", "w2", "dense_4h_to_h", "fc_out", "wo", "output")
ATTENTION_OUTPUT_NAMES = ("o_proj", "out_proj", "c_proj", "dense", "wo", "output")
NORM_NAMES = ("norm", "final_layernorm", "final_layer_norm", "ln_f", "final_norm")


def decoder_blocks(module: Any) -> nn.ModuleList:
    """Return the decoder blocks of the language model, in order.

    Parameters
    ----------
    module : PreTrainedModel
        A transformers model that turns images and text into text.

    Returns
    -------
    nn.ModuleList
        The list of blocks with the most parameters inside the language model, never the vision tower's. A list as long as the text
        configuration says wins over any other.

    Raises
    ------
    UserError
        When there is none: the model has no decoder-only language model.
    """
    n_layers = getattr(module.config.get_text_config(), "num_hidden_layers", None)
    found = [
        (len(child) == n_layers, sum(p.numel() for p in child.parameters()), child)
        for path, child in module.named_modules()
        if _is_block_list(child) and not any(word in path.lower() for word in NOT_TEXT)
    ]
    if not found:
        raise UserError(
            f"{type(module).__name__} cannot be used.",
            "No list of decoder blocks was found in its language model.",
            "Choose a model whose answers come from a decoder-only language model.",
        )
    return max(found, key=lambda entry: entry[:2])[2]


def tower_blocks(module: Any) -> list[nn.Module]:
    """Return the blocks of the vision tower, in order; an empty list when no plain stack of blocks is found.

    The list of blocks with the most parameters under a part whose path names sight ("vision_tower", "visual", ...) and no other
    sense or stage: attention blocks, or where there are none, convolutional ones. What follows these inside the tower (a last
    convolution, its norm and activation) counts as one more block, known by its last module.
    """
    seen = [
        (path, child)
        for path, child in module.named_modules()
        if any(word in path.lower() for word in TOWER_WORDS) and not any(word in path.lower() for word in NOT_TOWER)
    ]
    stacks = [child for _, child in seen if _is_block_list(child)]
    if stacks:
        return list(max(stacks, key=_size))
    convolutional = [child for _, child in seen if _is_convolutional_list(child)]
    if not convolutional:
        return []
    blocks = max(convolutional, key=_size)
    parent = next(part for _, part in seen if any(child is blocks for child in part.children()))
    after = list(parent.children())
    after = after[next(i for i, child in enumerate(after) if child is blocks) + 1 :]
    return [*blocks, *after[-1:]]


def is_convolutional(blocks: list[nn.Module]) -> bool:
    """Return whether blocks of a tower hand on maps (picture, unit, row, column) rather than patches with their units last."""
    return bool(blocks) and type(blocks[0]).__name__ != "Identity" and _holds_convolutions(blocks[0])


def _size(blocks: nn.Module) -> int:
    return sum(p.numel() for p in blocks.parameters())


def _holds_convolutions(block: nn.Module) -> bool:
    kinds = [type(part).__name__.lower() for part in block.modules()]
    return any("conv2d" in kind for kind in kinds) and not any("attention" in kind for kind in kinds)


def _is_convolutional_list(module: Any) -> bool:
    children = list(module.children())
    return type(module).__name__ == "ModuleList" and len(children) > 1 and all(_holds_convolutions(block) for block in children)


def has_class_token(module: Any) -> bool:
    """Return whether the vision tower puts a token of its own before the patches."""
    names = (name.lower() for name, _ in module.named_parameters())
    return any(name.endswith(CLASS_TOKENS) and any(word in name for word in TOWER_WORDS) for name in names)


def _is_block_list(module: Any) -> bool:
    if type(module).__name__ != "ModuleList" or len(list(module.children())) == 0:
        return False
    found = [_child(block, ATTENTION_NAMES, "attention") for block in module.children()]
    return all(attention is not None and type(attention).__name__ != "ModuleList" for attention in found)


def attention_of(block: nn.Module) -> nn.Module | None:
    """Return the block's attention (or what it has in its place), or None."""
    return _child(block, ATTENTION_NAMES, "attention")


def mlp_of(block: nn.Module) -> nn.Module | None:
    """Return the block's MLP, or None when the block holds its parts without a module of their own."""
    return _child(block, MLP_NAMES, "mlp")


def down_projection_of(block: nn.Module) -> nn.Module | None:
    """Return the linear layer that closes the block's MLP, whose input are the MLP's neurons, or None.

    It is known by its name, in the MLP or in the block itself; else it is the last of two or three linear layers of the MLP, if it
    leads back to the width that the first one starts from. In a mixture of experts that is the shared expert's, where there is one.
    """
    mlp = mlp_of(block)
    children = dict((block if mlp is None else mlp).named_children())
    named = next((children[name] for name in DOWN_NAMES if getattr(children.get(name), "weight", None) is not None), None)
    if named is not None or mlp is None:
        return named
    linear: list[Any] = [child for child in mlp.modules() if type(child).__name__ == "Linear"]
    closes = len(linear) in (2, 3) and linear[-1].out_features == linear[0].in_features
    return linear[-1] if closes else None


def attention_output_of(block: nn.Module) -> nn.Module | None:
    """Return the linear layer that closes the block's attention, or None."""
    attention = attention_of(block)
    return None if attention is None else _child(attention, ATTENTION_OUTPUT_NAMES, None)


def final_norm(module: nn.Module, blocks: nn.ModuleList) -> nn.Module | None:
    """Return the norm that follows the last block, or None when the model has none."""
    parent = next(parent for parent in module.modules() if any(child is blocks for child in parent.children()))
    return _child(parent, NORM_NAMES, "norm")


def _child(module: nn.Module, names: tuple[str, ...], class_word: str | None) -> nn.Module | None:
    """Return the child with one of ``names``, in that order, else the first whose class name contains ``class_word``."""
    children = dict(module.named_children())
    for name in names:
        if name in children:
            return children[name]
    if class_word is None:
        return None
    return next((child for child in children.values() if class_word in type(child).__name__.lower()), None)
