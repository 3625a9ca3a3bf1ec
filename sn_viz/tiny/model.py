"""The embedded model: a LLaVA of the real transformers classes, small enough to ship with the code.

Takes sizes and a text corpus; returns a ``LlavaForConditionalGeneration`` and its ``LlavaProcessor``. It knows nothing of training.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from sn_viz.models.torchvision_guard import hide_broken_torchvision

hide_broken_torchvision()

from transformers import (  # noqa: E402
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
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

SPECIALS = ("<pad>", "<s>", "</s>", "<image>", "<|user|>", "<|assistant|>")


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


def make_tokenizer(corpus: Iterable[str], vocabulary: int) -> PreTrainedTokenizerFast:
    """Return a byte-level BPE tokenizer trained on ``corpus``; any text can be encoded."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(SPECIALS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        extra_special_tokens={"image_token": "<image>", "user_token": "<|user|>", "assistant_token": "<|assistant|>"},
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )


def make_processor(tokenizer: PreTrainedTokenizerFast, sizes: Sizes) -> LlavaProcessor:
    """Return the processor: bicubic resize to the tower's square, scaled to [-1, 1], and one <image> token a patch."""
    return LlavaProcessor(
        image_processor=SiglipImageProcessor(
            size={"height": sizes.image, "width": sizes.image}, image_mean=[0.5] * 3, image_std=[0.5] * 3
        ),
        tokenizer=tokenizer,
        patch_size=sizes.patch,
        vision_feature_select_strategy="full",
        num_additional_image_tokens=0,
        chat_template=CHAT_TEMPLATE,
    )


def make_model(tokenizer: PreTrainedTokenizerFast, sizes: Sizes, seed: int = 0) -> LlavaForConditionalGeneration:
    """Return a freshly initialised model, float32."""
    torch.manual_seed(seed)
    ends: dict[str, Any] = {name: getattr(tokenizer, name) for name in ("pad_token_id", "bos_token_id", "eos_token_id")}
    vision = SiglipVisionConfig(
        hidden_size=sizes.vision_width,
        intermediate_size=3 * sizes.vision_width,
        num_hidden_layers=sizes.vision_blocks,
        num_attention_heads=sizes.heads,
        image_size=sizes.image,
        patch_size=sizes.patch,
        vision_use_head=False,
    )
    text = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=sizes.width,
        intermediate_size=sizes.mlp,
        num_hidden_layers=sizes.blocks,
        num_attention_heads=sizes.heads,
        num_key_value_heads=sizes.heads,
        max_position_embeddings=512,
        rms_norm_eps=1e-5,
        tie_word_embeddings=True,
        **ends,
    )
    config = LlavaConfig(
        vision_config=vision,
        text_config=text,
        image_token_index=tokenizer.get_vocab()["<image>"],
        vision_feature_layer=-1,
        vision_feature_select_strategy="full",
        image_seq_length=(sizes.image // sizes.patch) ** 2,
        tie_word_embeddings=True,
        **ends,
    )
    model = LlavaForConditionalGeneration(config)
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    _look_nearby(model.model.vision_tower, sizes.image // sizes.patch)
    _match_likeness(model.model.language_model)
    return model


@torch.no_grad()
def _match_likeness(language: Any, share: float = 1.0) -> None:
    """Let heads start out attending to what resembles the attending token: queries as keys, as in ``_look_nearby``.

    Patches are drawn towards the embeddings of the words for what they show, so a word then finds its patches from the first step.
    In each block the first ``share`` of the heads begin so; others keep small random weights, and so look everywhere alike.
    """
    for layer in language.layers:
        attention = layer.self_attn
        part = slice(int(share * attention.q_proj.weight.shape[0]))
        torch.nn.init.orthogonal_(attention.q_proj.weight[part], gain=0.8)
        attention.k_proj.weight[part] = attention.q_proj.weight[part]


@torch.no_grad()
def _look_nearby(tower: Any, side: int) -> None:
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


@torch.no_grad()
def divide(model: LlavaForConditionalGeneration, blocks: int, seed: int = 0) -> LlavaForConditionalGeneration:
    """Return a deeper copy of ``model``: what each block does is dealt out to several new blocks, so that none begins as padding.

    The heads of an old block go to its first, second, third new block in order, its MLP neurons in turn to all but the first; what
    this leaves free in a block (heads and neurons) starts from small random weights. Of the first block's heads half go to the
    second, and those that start anew in their place look everywhere alike: heads that match likeness show the last token only
    itself there. What the model answers changes little by this.

    Parameters
    ----------
    model : LlavaForConditionalGeneration
    blocks : int
        A multiple of the decoder blocks that ``model`` has.
    seed : int
        Of the new weights.

    Raises
    ------
    ValueError
        When ``blocks`` is no multiple.
    """
    config = type(model.config).from_dict(model.config.to_dict())
    text: Any = config.text_config
    old: Any = model.model.language_model.layers
    each, rest = divmod(blocks, len(old))
    if rest or not each:
        raise ValueError(f"{blocks} blocks are no multiple of {len(old)}.")
    text.num_hidden_layers = blocks
    if getattr(text, "layer_types", None):
        text.layer_types = ["full_attention"] * blocks
    torch.manual_seed(seed)
    deeper = LlavaForConditionalGeneration(config)
    _match_likeness(deeper.model.language_model, 0.5)
    kept = model.state_dict()
    deeper.load_state_dict({name: value for name, value in kept.items() if "language_model.layers." not in name}, strict=False)
    layers: Any = deeper.model.language_model.layers
    heads, size = text.num_attention_heads, text.hidden_size // text.num_attention_heads
    fresh = heads // 2 if each > 1 else 0
    homes = [int(head < fresh) for head in range(heads)], [(head + 1) * each // (heads + 1) for head in range(heads)]
    for number, source in enumerate(old):
        news = layers[number * each : (number + 1) * each]
        for place, new in enumerate(news):
            for norm in ("input_layernorm", "post_attention_layernorm"):
                getattr(new, norm).load_state_dict(getattr(source, norm).state_dict())
            _copy_heads(source.self_attn, new.self_attn, [h for h in range(heads) if homes[number > 0][h] == place], size)
            if place or each == 1:
                _copy_neurons(source.mlp, new.mlp, range(max(0, place - 1), text.intermediate_size, max(1, each - 1)))
    _look_everywhere(layers[0].self_attn, fresh * size)
    deeper.tie_weights()
    deeper.generation_config = model.generation_config
    return deeper


def _copy_heads(source: Any, new: Any, heads: Iterable[int], size: int) -> None:
    for head in heads:
        part = slice(head * size, (head + 1) * size)
        for name in ("q_proj", "k_proj", "v_proj"):
            getattr(new, name).weight[part] = getattr(source, name).weight[part]
        new.o_proj.weight[:, part] = source.o_proj.weight[:, part]


def _copy_neurons(source: Any, new: Any, neurons: Iterable[int]) -> None:
    chosen = torch.tensor(list(neurons))
    for name in ("gate_proj", "up_proj"):
        getattr(new, name).weight[: len(chosen)] = getattr(source, name).weight[chosen]
    new.down_proj.weight[:, : len(chosen)] = source.down_proj.weight[:, chosen]


def _look_everywhere(attention: Any, size: int) -> None:
    """Let the heads of the first ``size`` rows start out attending to every position alike, and pass on what they see."""
    for name in ("q_proj", "k_proj"):
        torch.nn.init.normal_(getattr(attention, name).weight[:size], std=0.02)
    value, out = (torch.empty(size, attention.v_proj.weight.shape[1]) for _ in range(2))
    torch.nn.init.orthogonal_(value, gain=0.35)
    torch.nn.init.orthogonal_(out, gain=0.3)
    attention.v_proj.weight[:size] = value
    attention.o_proj.weight[:, :size] = out.T


def on(device: torch.device, model: Any) -> LlavaForConditionalGeneration:
    """Return ``model`` moved to ``device``; transformers' own ``to`` hides its parameters from a type checker."""
    return model.to(device)


def save_model(model: LlavaForConditionalGeneration, processor: LlavaProcessor, folder: str | Path) -> None:
    """Write the model as fp16 safetensors in shards below 9 MB, with its processor, so that ``Auto`` classes read it back."""
    weights = {name: tensor.to(torch.float16) for name, tensor in model.state_dict().items()}
    model.save_pretrained(folder, state_dict=weights, max_shard_size="9MB")
    processor.save_pretrained(folder)
