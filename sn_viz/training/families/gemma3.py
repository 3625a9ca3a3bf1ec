"""Gemma 3: the same tower behind a normalised linear projector, and a decoder that differs from Llama's in most parts.

Norms around attention and MLP on both sides, normalised queries and keys, scaled embeddings, a gelu gate, local and global layers
with rotary angles of their own, and image tokens that see each other in both directions. The depth is trained as it is: what one
block adds is normalised, so it cannot be dealt out to several.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers import Gemma3Config, Gemma3ForConditionalGeneration, Gemma3Processor, Gemma3TextConfig, PreTrainedTokenizerFast
from transformers.models.gemma3.image_processing_pil_gemma3 import Gemma3ImageProcessorPil

from sn_viz.training.families import EMBEDDED_FAMILIES, Family
from sn_viz.training.model import CHAT_TEMPLATE, Sizes, begin, ends_of, see, vision_config
from sn_viz.training.rows import Rows

IMAGE_TOKENS = {"image_token": "<image_soft_token>", "boi_token": "<start_of_image>", "eoi_token": "<end_of_image>"}
POSITIONS = 512
LOUDNESS = 0.7
"""Root mean square of embeddings and projected patches at the start."""
ADDED = 0.5
"""Root mean square of what each half of a block adds at the start; at 1 the first block would drown the words."""


def make_processor(tokenizer: PreTrainedTokenizerFast, sizes: Sizes) -> Gemma3Processor:
    """Return the processor: resize to the tower's square, scaled to [-1, 1], one soft token a patch between two marks."""
    return Gemma3Processor(
        Gemma3ImageProcessorPil(
            size={"height": sizes.image, "width": sizes.image}, resample=3, image_mean=[0.5] * 3, image_std=[0.5] * 3
        ),
        tokenizer,
        image_seq_length=(sizes.image // sizes.patch) ** 2,
        chat_template=CHAT_TEMPLATE.replace("<image>", IMAGE_TOKENS["boi_token"]),
    )


def make_model(tokenizer: PreTrainedTokenizerFast, sizes: Sizes, seed: int = 0) -> Gemma3ForConditionalGeneration:
    """Return a freshly initialised model, float32."""
    torch.manual_seed(seed)
    ends, ids = ends_of(tokenizer), tokenizer.get_vocab()
    text = Gemma3TextConfig(
        vocab_size=len(tokenizer),
        hidden_size=sizes.width,
        intermediate_size=sizes.mlp,
        num_hidden_layers=sizes.blocks,
        num_attention_heads=sizes.heads,
        num_key_value_heads=sizes.heads,
        head_dim=sizes.width // sizes.heads,
        query_pre_attn_scalar=sizes.width // sizes.heads,
        max_position_embeddings=POSITIONS,
        sliding_window=POSITIONS,
        layer_types=[("sliding_attention", "full_attention")[number % 2] for number in range(sizes.blocks)],
        tie_word_embeddings=True,
        **ends,
    )
    config = Gemma3Config(
        text_config=text,
        vision_config=vision_config(sizes),
        mm_tokens_per_image=(sizes.image // sizes.patch) ** 2,
        image_token_index=ids[IMAGE_TOKENS["image_token"]],
        boi_token_index=ids[IMAGE_TOKENS["boi_token"]],
        eoi_token_index=ids[IMAGE_TOKENS["eoi_token"]],
        tie_word_embeddings=True,
        **ends,
    )
    model: Any = begin(Gemma3ForConditionalGeneration(config), tokenizer, sizes)
    with torch.no_grad():
        torch.nn.init.normal_(model.model.language_model.embed_tokens.weight, std=LOUDNESS / sizes.width**0.5)
        projector = model.model.multi_modal_projector
        torch.nn.init.normal_(projector.mm_input_projection_weight, std=LOUDNESS / sizes.vision_width**0.5)
        for layer in model.model.language_model.layers:
            layer.post_attention_layernorm.weight.fill_(ADDED - 1)  # these norms multiply by one plus their weight
            layer.post_feedforward_layernorm.weight.fill_(ADDED - 1)
    return model


def prefix(tokenizer: PreTrainedTokenizerFast, sizes: Sizes) -> list[int]:
    """Return the tokens before the question: begin, and between line breaks and two marks one soft token a patch."""
    begins, soft, ends = (IMAGE_TOKENS[name] for name in ("boi_token", "image_token", "eoi_token"))
    patches = (sizes.image // sizes.patch) ** 2
    return tokenizer.encode(f"{tokenizer.bos_token}\n\n{begins}{soft * patches}{ends}\n\n", add_special_tokens=False)


def project(model: Any, features: torch.Tensor) -> torch.Tensor:
    """Return what the decoder is given of a picture, (picture, patch, width): behind the tower's last norm."""
    return model.model.multi_modal_projector(model.model.vision_tower.post_layernorm(features))


def read(model: Any, rows: Rows, pictured: torch.Tensor) -> torch.Tensor:
    """Return the decoder's normalised hidden states (row, token, width) for packed rows and projected pictures."""
    language = model.model.language_model
    assert rows.tokens.shape[1] <= language.config.sliding_window, "local layers would need a mask of their own"
    hidden = rows.with_pictures(language.embed_tokens(rows.tokens), pictured)
    mask = rows.mask(rows.seen() | (rows.pictured[:, :, None] & rows.pictured[:, None, :]))
    rotary = {kind: language.rotary_emb(hidden, rows.positions, kind) for kind in set(language.config.layer_types)}
    for layer, kind in zip(language.layers, language.config.layer_types, strict=True):
        hidden = layer(hidden, attention_mask=mask, position_ids=rows.positions, position_embeddings=rotary[kind])
    return language.norm(hidden)


def deepen(model: Any, blocks: int, seed: int = 0) -> Any:
    """Return ``model`` as it is; ValueError when other blocks are asked for than it has."""
    if blocks != len(model.model.language_model.layers):
        raise ValueError(f"This family is trained with all of its blocks from the shallow stage on, not with {blocks}.")
    return model


EMBEDDED_FAMILIES.register("gemma3")(
    Family(
        sizes=Sizes(width=192, mlp=576, blocks=4),
        shallow_blocks=4,
        minutes=(18.0, 38.0, 22.0),
        image_tokens=IMAGE_TOKENS,
        make_processor=make_processor,
        make_model=make_model,
        prefix=prefix,
        project=project,
        read=read,
        deepen=deepen,
        see=see,
    )
)
