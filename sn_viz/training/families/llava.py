"""LLaVA: a SigLIP tower, a two-layer projector and a Llama decoder.

The deep stage deals the work of each trained block out to several, so that depth is used from its first step.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from transformers import (
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)

from sn_viz.training.families import EMBEDDED_FAMILIES, Family
from sn_viz.training.model import (
    IMAGE_TOKENS,
    Sizes,
    begin,
    ends_of,
    llama_config,
    llava_processor,
    match_likeness,
    see,
    vision_config,
)
from sn_viz.training.rows import Rows


def make_processor(tokenizer: PreTrainedTokenizerFast, sizes: Sizes) -> LlavaProcessor:
    """Return the processor: bicubic resize to the tower's square, scaled to [-1, 1], and one <image> token a patch."""
    return llava_processor(tokenizer, sizes, mean=0.5, deviation=0.5)


def make_model(tokenizer: PreTrainedTokenizerFast, sizes: Sizes, seed: int = 0) -> LlavaForConditionalGeneration:
    """Return a freshly initialised model, float32."""
    torch.manual_seed(seed)
    config = LlavaConfig(
        vision_config=vision_config(sizes),
        text_config=llama_config(tokenizer, sizes),
        image_token_index=tokenizer.get_vocab()["<image>"],
        vision_feature_layer=-1,
        vision_feature_select_strategy="full",
        image_seq_length=(sizes.image // sizes.patch) ** 2,
        tie_word_embeddings=True,
        **ends_of(tokenizer),
    )
    return begin(LlavaForConditionalGeneration(config), tokenizer, sizes)


def prefix(tokenizer: PreTrainedTokenizerFast, sizes: Sizes) -> list[int]:
    """Return the tokens before the question: begin, one <image> a patch."""
    begins = tokenizer.encode(str(tokenizer.bos_token), add_special_tokens=False)
    return begins + [tokenizer.get_vocab()[IMAGE_TOKENS["image_token"]]] * (sizes.image // sizes.patch) ** 2


def project(model: Any, features: torch.Tensor) -> torch.Tensor:
    """Return what the decoder is given of a picture, (picture, patch, width)."""
    return model.model.multi_modal_projector(features)


def read(model: Any, rows: Rows, pictured: torch.Tensor) -> torch.Tensor:
    """Return the decoder's normalised hidden states (row, token, width) for packed rows and projected pictures."""
    return model.model.language_model.norm(read_through(model, rows, pictured)[-1])


def read_through(model: Any, rows: Rows, pictured: torch.Tensor) -> list[torch.Tensor]:
    """Return the decoder's hidden states (row, token, width) behind each block, not normalised."""
    language = model.model.language_model
    hidden = rows.with_pictures(language.embed_tokens(rows.tokens), pictured)
    mask, rotary = rows.mask(rows.seen()), language.rotary_emb(hidden, rows.positions)
    behind = []
    for layer in language.layers:
        hidden = layer(hidden, attention_mask=mask, position_ids=rows.positions, position_embeddings=rotary)
        hidden = hidden[0] if isinstance(hidden, tuple) else hidden
        behind.append(hidden)
    return behind


@torch.no_grad()
def divide(model: Any, blocks: int, seed: int = 0) -> Any:
    """Return a deeper copy of ``model``: what each block does is dealt out to several new blocks, so that none begins as padding.

    The heads of an old block go to its first, second, third new block in order, its MLP neurons in turn to all but the first; what
    this leaves free in a block (heads and neurons) starts from small random weights. Of the first block's heads half go to the
    second, and those that start anew in their place look everywhere alike: heads that match likeness show the last token only
    itself there. What the model answers changes little by this.

    Parameters
    ----------
    model : LlavaForConditionalGeneration or FastVlmForConditionalGeneration
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
    deeper: Any = type(model)(config)
    match_likeness(deeper.model.language_model, 0.5)
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
    look_everywhere(layers[0].self_attn, fresh * size)
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


@torch.no_grad()
def look_everywhere(attention: Any, size: int) -> None:
    """Let the heads of the first ``size`` rows start out attending to every position alike, and pass on what they see."""
    for name in ("q_proj", "k_proj"):
        torch.nn.init.normal_(getattr(attention, name).weight[:size], std=0.02)
    value, out = (torch.empty(size, attention.v_proj.weight.shape[1]) for _ in range(2))
    torch.nn.init.orthogonal_(value, gain=0.35)
    torch.nn.init.orthogonal_(out, gain=0.3)
    attention.v_proj.weight[:size] = value
    attention.o_proj.weight[:, :size] = out.T


EMBEDDED_FAMILIES.register("llava")(
    Family(
        sizes=Sizes(width=192, mlp=576, blocks=12),
        shallow_blocks=4,
        minutes=(18.0, 38.0, 52.0),
        image_tokens=IMAGE_TOKENS,
        make_processor=make_processor,
        make_model=make_model,
        prefix=prefix,
        project=project,
        read=read,
        deepen=divide,
        see=see,
    )
)
