"""Dimensions of public models, as their ``config.json`` gives them: all of these models that is needed to know how fast they are.

A new row is a new shape of ``bench shapes``. It knows nothing about torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True, eq=False)
class Shape:
    """One public model, or one way to prompt it."""

    name: str
    config: Mapping[str, Any]
    """What ``config.json`` says, as far as it decides what is computed; ``model_type`` names the transformers class."""
    source: str
    """Where the dimensions are from."""
    unverified: str = ""
    """Those that no copy of the file was read for; "" when there are none."""
    side: int = 0
    """Pixels along a side of the picture, where the configuration does not say."""
    tiles: int = 1
    """How many pieces the processor cuts the picture into."""
    gpu_only: bool = False
    """Whether a processor without a GPU would take minutes for one pass."""


SMOL = {
    "model_type": "idefics3",
    "image_token_id": 49190,
    "scale_factor": 4,
    "tie_word_embeddings": False,
    "text_config": {
        "model_type": "llama", "vocab_size": 49280, "hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30,
        "num_attention_heads": 9, "num_key_value_heads": 3, "head_dim": 64, "max_position_embeddings": 8192, "rms_norm_eps": 1e-5,
        "pad_token_id": 2,
    },
    "vision_config": {
        "model_type": "idefics3_vision", "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12,
        "num_attention_heads": 12, "image_size": 512, "patch_size": 16,
    },
}  # fmt: skip

QWEN = {
    "model_type": "qwen3_vl",
    "image_token_id": 151655,
    "tie_word_embeddings": True,
    "text_config": {
        "model_type": "qwen3_vl_text", "vocab_size": 151936, "hidden_size": 2048, "intermediate_size": 6144,
        "num_hidden_layers": 28, "num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 128, "rms_norm_eps": 1e-6,
        "max_position_embeddings": 262144, "tie_word_embeddings": True,
        "rope_parameters": {"rope_type": "default", "rope_theta": 5e6, "mrope_section": [24, 20, 20], "mrope_interleaved": True},
    },
    "vision_config": {
        "model_type": "qwen3_vl_vision", "depth": 24, "hidden_size": 1024, "intermediate_size": 4096, "num_heads": 16,
        "patch_size": 16, "temporal_patch_size": 2, "spatial_merge_size": 2, "out_hidden_size": 2048,
        "num_position_embeddings": 2304, "deepstack_visual_indexes": [5, 11, 17],
    },
}  # fmt: skip

LLAVA = {
    "model_type": "llava",
    "image_token_index": 32000,
    "tie_word_embeddings": False,
    "vision_feature_layer": -2,
    "vision_feature_select_strategy": "default",
    "text_config": {
        "model_type": "llama", "vocab_size": 32064, "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32,
        "num_attention_heads": 32, "num_key_value_heads": 32, "max_position_embeddings": 4096, "rms_norm_eps": 1e-5,
    },
    "vision_config": {
        "model_type": "clip_vision_model", "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24,
        "num_attention_heads": 16, "image_size": 336, "patch_size": 14, "projection_dim": 768,
    },
}  # fmt: skip

SMOL_SOURCE = (
    "HuggingFaceTB/SmolVLM-256M-Instruct: its model card (SmolLM2-135M, SigLIP base patch16-512, 64 tokens for 512 x 512 pixels), "
    "copies of the published configuration of SmolLM2-135M, and 256 million weights in all, which needs a head that is not tied"
)
SMOL_UNVERIFIED = "the file itself; its vocabulary of 49,280 is from a description of the 500M sibling"

SHAPES: tuple[Shape, ...] = (
    Shape("SmolVLM-256M-Instruct", MappingProxyType(SMOL), SMOL_SOURCE, SMOL_UNVERIFIED),
    Shape(
        "SmolVLM-256M-Instruct, 17 tiles",
        MappingProxyType(SMOL),
        f"{SMOL_SOURCE}; a square picture as its processor cuts it by default: 4 x 4 tiles and the whole",
        SMOL_UNVERIFIED,
        tiles=17,
        gpu_only=True,
    ),
    Shape(
        "Qwen3-VL-2B-Instruct",
        MappingProxyType(QWEN),
        "Qwen/Qwen3-VL-2B-Instruct, as tabulated in pytorch/torchtitan (experiments/qwen3_vl, the 2B entry)",
        "the file itself; a picture of 512 x 512 pixels (256 tokens) is our choice",
        side=512,
    ),
    Shape(
        "LLaVA-1.5-7B",
        MappingProxyType(LLAVA),
        "llava-hf/llava-1.5-7b-hf, a copy of its config.json; what it leaves out are LlamaConfig's defaults",
    ),
)
"""From the smallest to the largest."""
