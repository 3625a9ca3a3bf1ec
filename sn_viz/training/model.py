"""What the embedded models of all families share: sizes, tokenizer, prompt, the SigLIP tower and how attention begins.

Takes sizes and texts; returns tokenizers and configurations, and changes fresh models in place. It knows nothing of training; what
makes a family is in ``families``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from sn_viz.models.torchvision_guard import hide_broken_torchvision

hide_broken_torchvision()

from transformers import (  # noqa: E402
    LlamaConfig,
    LlavaProcessor,
    PreTrainedTokenizerFast,
    SiglipImageProcessor,
    SiglipVisionConfig,
)

CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user' %}"
    "{% for part in message['content'] if part['type'] == 'image' %}<image>{% endfor %}<|user|>"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] if part['type'] == 'text' %}{{ part['text'] }}{% endfor %}{% endif %}"
    "{% else %}<|assistant|>{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}{{ part['text'] }}{% endfor %}{% endif %}{{ eos_token }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
"""The image, then the question, then a mark after which the answer begins: the mark is the last prompt position."""

IMAGE_TOKENS = {"image_token": "<image>"}
"""Names and texts of the tokens that stand for a picture, unless the family has its own."""


@dataclass(frozen=True)
class Sizes:
    """The dimensions of the embedded model."""

    image: int = 64
    patch: int = 8
    vision_width: int = 128
    vision_blocks: int = 4
    width: int = 128
    blocks: int = 12
    heads: int = 4
    mlp: int = 384
    vocabulary: int = 720


def make_tokenizer(
    corpus: Iterable[str], vocabulary: int, image_tokens: Mapping[str, str] = IMAGE_TOKENS
) -> PreTrainedTokenizerFast:
    """Return a byte-level BPE tokenizer trained on ``corpus``; any text can be encoded."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=["<pad>", "<s>", "</s>", *image_tokens.values(), "<|user|>", "<|assistant|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        extra_special_tokens={**image_tokens, "user_token": "<|user|>", "assistant_token": "<|assistant|>"},
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )


def ends_of(tokenizer: PreTrainedTokenizerFast) -> dict[str, Any]:
    """Return the numbers of the tokens for padding, begin and end, as configurations take them."""
    return {name: getattr(tokenizer, name) for name in ("pad_token_id", "bos_token_id", "eos_token_id")}


def vision_config(sizes: Sizes) -> SiglipVisionConfig:
    """Return the configuration of the tower, the same in every family, so that its first stage can be shared."""
    return SiglipVisionConfig(
        hidden_size=sizes.vision_width,
        intermediate_size=3 * sizes.vision_width,
        num_hidden_layers=sizes.vision_blocks,
        num_attention_heads=sizes.heads,
        image_size=sizes.image,
        patch_size=sizes.patch,
        vision_use_head=False,
    )


def llama_config(tokenizer: PreTrainedTokenizerFast, sizes: Sizes) -> LlamaConfig:
    """Return the configuration of a Llama decoder with tied embeddings."""
    return LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=sizes.width,
        intermediate_size=sizes.mlp,
        num_hidden_layers=sizes.blocks,
        num_attention_heads=sizes.heads,
        num_key_value_heads=sizes.heads,
        max_position_embeddings=512,
        rms_norm_eps=1e-5,
        tie_word_embeddings=True,
        **ends_of(tokenizer),
    )


def llava_processor(tokenizer: PreTrainedTokenizerFast, sizes: Sizes, mean: float, deviation: float) -> LlavaProcessor:
    """Return a processor: bicubic resize to the tower's square, normalised by ``mean`` and ``deviation``, one <image> a patch."""
    return LlavaProcessor(
        image_processor=SiglipImageProcessor(
            size={"height": sizes.image, "width": sizes.image}, image_mean=[mean] * 3, image_std=[deviation] * 3
        ),
        tokenizer=tokenizer,
        patch_size=sizes.patch,
        vision_feature_select_strategy="full",
        num_additional_image_tokens=0,
        chat_template=CHAT_TEMPLATE,
    )


def end_answers(model: Any, tokenizer: PreTrainedTokenizerFast) -> None:
    """Let generation of a fresh model end where the tokenizer's texts end."""
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id


def begin(model: Any, tokenizer: PreTrainedTokenizerFast, sizes: Sizes) -> Any:
    """Let tower and decoder of a fresh model start out looking at what is near and alike, and end answers; return the model."""
    end_answers(model, tokenizer)
    look_nearby(model.model.vision_tower, sizes.image // sizes.patch)
    match_likeness(model.model.language_model)
    return model


def see(model: Any, pixels: torch.Tensor) -> torch.Tensor:
    """Return the tower's patch features (picture, patch, width) behind its last block."""
    tower = model.model.vision_tower
    hidden = tower.embeddings(pixels)
    for layer in tower.encoder.layers:
        hidden = layer(hidden, attention_mask=None)
        hidden = hidden[0] if isinstance(hidden, tuple) else hidden
    return hidden


@torch.no_grad()
def match_likeness(language: Any, share: float = 1.0) -> None:
    """Let heads start out attending to what resembles the attending token: queries as keys, as in ``look_nearby``.

    Patches are drawn towards the embeddings of the words for what they show, so a word then finds its patches from the first step.
    In each block the first ``share`` of the heads begin so; others keep small random weights, and so look everywhere alike.
    """
    for layer in language.layers:
        attention = layer.self_attn
        part = slice(int(share * attention.q_proj.weight.shape[0]))
        torch.nn.init.orthogonal_(attention.q_proj.weight[part], gain=0.8)
        attention.k_proj.weight[part] = attention.q_proj.weight[part]


@torch.no_grad()
def look_nearby(tower: Any, side: int) -> None:
    """Let the tower start out attending to neighbouring patches, which saves it from learning that pictures are local.

    Positions begin as two-dimensional sines and cosines, and queries as keys, so that near patches match (mimetic initialisation:
    Trockman and Kolter, arXiv 2305.09828).
    """
    width = tower.embeddings.position_embedding.weight.shape[1]
    speeds = torch.pi / 2 / 1.6 ** torch.arange(width // 4)
    steps = torch.arange(side)[:, None] * speeds
    line = torch.cat([steps.sin(), steps.cos()], 1)
    grid = torch.cat([line.repeat_interleave(side, 0), line.repeat(side, 1)], 1)
    tower.embeddings.position_embedding.weight.copy_(grid)
    for layer in tower.encoder.layers:
        attention = layer.self_attn
        torch.nn.init.orthogonal_(attention.q_proj.weight, gain=0.7)
        attention.k_proj.weight.copy_(attention.q_proj.weight)


def on(device: torch.device, model: Any) -> Any:
    """Return ``model`` moved to ``device``; transformers' own ``to`` hides its parameters from a type checker."""
    return model.to(device)


def save_model(model: Any, processor: Any, folder: str | Path) -> None:
    """Write the model as fp16 safetensors in shards below 9 MB, with its processor, so that ``Auto`` classes read it back."""
    weights = {name: tensor.to(torch.float16) for name, tensor in model.state_dict().items()}
    model.save_pretrained(folder, state_dict=weights, max_shard_size="9MB")
    processor.save_pretrained(folder)
