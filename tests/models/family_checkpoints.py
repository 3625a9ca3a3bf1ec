"""Tiny random checkpoints of many families: the real classes, a tokenizer made here, settings laid out as on the hub.

Each maker returns a module and what its processor is made of: a tokenizer, the settings of its image processor, its own settings.
They are written file by file, because a processor with a video part is built with torchvision alone. See ``families_table.py``.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from random_models import TOWER, make_tokenizer, save_checkpoint, template, text_sizes

SQUARE = {"height": 32, "width": 32}
SHALLOW = {"num_hidden_layers": 2, "num_attention_heads": 2, "hidden_size": 16, "intermediate_size": 24}
MROPE = {"rope_type": "default", "mrope_section": [2, 1, 1], "rope_theta": 1e4}


class Made(NamedTuple):
    """A checkpoint before it is written."""

    module: Any
    tokenizer: Any
    images: dict[str, Any]
    """Settings of the image processor, with its class."""
    settings: dict[str, Any]
    """Of the processor, with its class; ``chat_template`` is written beside them."""
    more: dict[str, dict[str, Any]] = {}  # noqa: RUF012  # never changed
    """Further files, as JSON."""
    folders: dict[str, Any] = {}  # noqa: RUF012
    """Further tokenizers, each in a folder of its own."""


class WithoutWeights:
    """Stands for a module whose classes need a package that is not here: its folder holds a configuration and no weights."""

    def __init__(self, config: Any) -> None:
        self.config = config

    def save_pretrained(self, folder: Path) -> None:
        import torch
        from safetensors.torch import save_file

        self.config.save_pretrained(folder)
        save_file({"none": torch.zeros(1)}, folder / "model.safetensors")


def _built(kind: Any, config: Any) -> Any:
    try:
        module = kind(copy.deepcopy(config))  # timm puts functions into what it is given
    except ImportError:
        return WithoutWeights(config)
    module.config = config
    return module


MAKERS: dict[str, Callable[[], Made]] = {}
"""Makers by the family's name; those of ``random_models`` are families too, see ``names``."""


def family(name: str) -> Callable[[Callable[[], Made]], Callable[[], Made]]:
    def keep(make: Callable[[], Made]) -> Callable[[], Made]:
        MAKERS[name] = make
        return make

    return keep


OLD = {
    "LLaVA": "llava",
    "Idefics3": "idefics3",
    "Gemma 3": "gemma3",
    "Qwen3-VL": "qwen3_vl",
    "LLaVA-OneVision": "llava_onevision",
}


def names() -> list[str]:
    """Return the names of all families, in the order of the table."""
    return sorted([*OLD, *MAKERS], key=str.lower)


def write(name: str, folder: Path) -> Path:
    """Write the checkpoint of a family into ``folder``, float32."""
    import torch

    if name in OLD:
        return save_checkpoint(OLD[name], folder)
    torch.manual_seed(0)
    module, tokenizer, images, settings, more, folders = MAKERS[name]()
    _strengthen(module)
    module.save_pretrained(folder)
    settings = dict(settings)
    shown = settings.pop("chat_template", None)
    if shown:
        (folder / "chat_template.jinja").write_text(shown)
    tokenizer.save_pretrained(folder)
    for file, held in {"preprocessor_config.json": images, "processor_config.json": settings, **more}.items():
        (folder / file).write_text(json.dumps(held))
    for inner, part in folders.items():
        part.save_pretrained(folder / inner)
    return folder


def _strengthen(module: Any) -> None:
    """Let a picture change what comes out: weights as small as families begin with drown it in rounding."""
    import torch

    with torch.no_grad():
        for weight in module.parameters() if isinstance(module, torch.nn.Module) else ():
            spread = float(weight.std()) if weight.dim() > 1 and weight.is_floating_point() else 0.0
            if spread > 0:
                fan_in = weight.shape[-1] if weight.dim() == 3 else weight[0].numel()
                weight.mul_(fan_in**-0.5 / spread)


def _id(tokenizer: Any) -> Callable[[str], int]:
    return tokenizer.convert_tokens_to_ids


def _llava_settings(**more: Any) -> dict[str, Any]:
    return {"processor_class": "LlavaProcessor", "patch_size": 8, "vision_feature_select_strategy": "full",
            "num_additional_image_tokens": 0, "chat_template": template("<image>"), **more}  # fmt: skip


def _siglip(**more: Any) -> dict[str, Any]:
    return {"image_processor_type": "SiglipImageProcessor", "size": SQUARE, **more}


def _siglip_tower(**more: Any) -> dict[str, Any]:
    return {"model_type": "siglip_vision_model", **TOWER, "vision_use_head": False, **more}


def _clip_tower(**more: Any) -> dict[str, Any]:
    return {"model_type": "clip_vision_model", **TOWER, "projection_dim": 16, **more}


def _paligemma(text: dict[str, Any]) -> Made:
    from transformers import PaliGemmaConfig, PaliGemmaForConditionalGeneration

    tokenizer = make_tokenizer(image_token="<image>")
    config = PaliGemmaConfig(
        text_config=text_sizes(tokenizer, head_dim=8, **text),
        vision_config=_siglip_tower(),
        image_token_index=_id(tokenizer)("<image>"),
        projection_dim=32,
        hidden_size=32,
    )
    config.text_config.num_image_tokens = 16
    images = _siglip(image_seq_length=16)
    return Made(PaliGemmaForConditionalGeneration(config), tokenizer, images, {"processor_class": "PaliGemmaProcessor"})


@family("PaliGemma")
def paligemma() -> Made:
    return _paligemma({"model_type": "gemma"})


@family("PaliGemma 2")
def paligemma2() -> Made:
    return _paligemma({"model_type": "gemma2", "query_pre_attn_scalar": 8, "sliding_window": 16})


@family("InternVL")
def internvl() -> Made:
    from transformers import InternVLConfig, InternVLForConditionalGeneration

    marks = {"start_image_token": "<img>", "end_image_token": "</img>", "context_image_token": "<IMG_CONTEXT>"}
    tokenizer = make_tokenizer(*marks.values(), **marks, video_token="<video>")
    tower = {**TOWER, "image_size": [32, 32], "patch_size": [8, 8]}
    config = InternVLConfig(
        vision_config=tower,
        text_config={"model_type": "qwen2", **text_sizes(tokenizer)},
        image_token_id=_id(tokenizer)("<IMG_CONTEXT>"),
        image_seq_length=4,
        downsample_ratio=0.5,
    )
    images = {"image_processor_type": "GotOcr2ImageProcessor", "size": SQUARE, "crop_to_patches": True, "min_patches": 1,
              "max_patches": 4}  # fmt: skip
    settings = {"processor_class": "InternVLProcessor", "image_seq_length": 4, "chat_template": template("<IMG_CONTEXT>")}
    video = {"video_preprocessor_config.json": {"video_processor_type": "InternVLVideoProcessor", "size": SQUARE}}
    return Made(InternVLForConditionalGeneration(config), tokenizer, images, settings, video)


PIXTRAL_MARKS = ("[IMG]", "[IMG_BREAK]", "[IMG_END]")


def _pixtral_parts(merge: int) -> tuple[Any, dict[str, Any], dict[str, Any], dict[str, Any]]:
    tokenizer = make_tokenizer(*PIXTRAL_MARKS)
    images = {"image_processor_type": "PixtralImageProcessor", "patch_size": 8 * merge, "size": {"longest_edge": 48}}
    settings = {"processor_class": "PixtralProcessor", "patch_size": 8, "spatial_merge_size": merge}
    settings["chat_template"] = template("[IMG]")
    tower = {"model_type": "pixtral", **SHALLOW, "image_size": 48, "patch_size": 8, "head_dim": 8}
    return tokenizer, images, settings, tower


@family("Pixtral")
def pixtral() -> Made:
    from transformers import LlavaConfig, LlavaForConditionalGeneration

    tokenizer, images, settings, tower = _pixtral_parts(1)
    config = LlavaConfig(
        text_config={"model_type": "mistral", **text_sizes(tokenizer, head_dim=8)},
        vision_config=tower,
        image_token_index=_id(tokenizer)("[IMG]"),
        vision_feature_select_strategy="full",
        vision_feature_layer=-1,
    )
    return Made(LlavaForConditionalGeneration(config), tokenizer, images, settings)


@family("Mistral 3")
def mistral3() -> Made:
    from transformers import Mistral3Config, Mistral3ForConditionalGeneration

    tokenizer, images, settings, tower = _pixtral_parts(2)
    config = Mistral3Config(
        text_config={"model_type": "mistral", **text_sizes(tokenizer, head_dim=8)},
        vision_config=tower,
        image_token_index=_id(tokenizer)("[IMG]"),
        spatial_merge_size=2,
    )
    return Made(Mistral3ForConditionalGeneration(config), tokenizer, images, settings)


@family("SmolVLM")
def smolvlm() -> Made:
    from transformers import SmolVLMConfig, SmolVLMForConditionalGeneration

    tokenizer = make_tokenizer(image_token="<image>")
    config = SmolVLMConfig(
        text_config={"model_type": "llama", **text_sizes(tokenizer)},
        vision_config={**TOWER, "model_type": "smolvlm_vision"},
        image_token_id=_id(tokenizer)("<image>"),
        pad_token_id=tokenizer.pad_token_id,
        scale_factor=2,
    )
    images = {"image_processor_type": "SmolVLMImageProcessor", "size": {"longest_edge": 64}, "max_image_size": {"longest_edge": 32}}
    sampling = {"fps": 1, "max_frames": 2, "video_size": {"longest_edge": 32}}
    settings = {"processor_class": "SmolVLMProcessor", "image_seq_len": 4, "chat_template": template("<image>")}
    video = {"video_processor_type": "SmolVLMVideoProcessor", "size": {"longest_edge": 32}, "max_image_size": {"longest_edge": 32},
             "video_sampling": sampling}  # fmt: skip
    return Made(SmolVLMForConditionalGeneration(config), tokenizer, images, settings, {"video_preprocessor_config.json": video})


QWEN_MARKS = {
    "image_token": "<|image_pad|>",
    "video_token": "<|video_pad|>",
    "vision_start_token": "<|vision_start|>",
    "vision_end_token": "<|vision_end|>",
}
QWEN_IMAGE = "<|vision_start|><|image_pad|><|vision_end|>"
PIXELS = {"shortest_edge": 1024, "longest_edge": 4096}


def _qwen_parts(kind: str, video: str = "Qwen2VLVideoProcessor") -> tuple[Any, Any, Any, Any]:
    tokenizer = make_tokenizer(**QWEN_MARKS)
    sizes = {"patch_size": 8, "merge_size": 2, "temporal_patch_size": 2, "size": PIXELS}
    settings = {"processor_class": kind, "chat_template": template(QWEN_IMAGE)}
    more = {"video_preprocessor_config.json": {"video_processor_type": video, **sizes}}
    return tokenizer, {"image_processor_type": "Qwen2VLImageProcessor", **sizes}, settings, more


def _qwen_ids(tokenizer: Any) -> dict[str, int]:
    return {f"{name}_id": _id(tokenizer)(token) for name, token in QWEN_MARKS.items()}


@family("Qwen2-VL")
def qwen2_vl() -> Made:
    from transformers import Qwen2VLConfig, Qwen2VLForConditionalGeneration

    tokenizer, images, settings, more = _qwen_parts("Qwen2VLProcessor")
    config = Qwen2VLConfig(
        text_config=text_sizes(tokenizer, rope_parameters=MROPE),
        vision_config={"depth": 2, "embed_dim": 16, "hidden_size": 32, "num_heads": 2, "mlp_ratio": 2, "patch_size": 8,
                       "spatial_merge_size": 2, "temporal_patch_size": 2},
        **_qwen_ids(tokenizer),
    )  # fmt: skip
    return Made(Qwen2VLForConditionalGeneration(config), tokenizer, images, settings, more)


@family("Qwen2.5-VL")
def qwen2_5_vl() -> Made:
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    tokenizer, images, settings, more = _qwen_parts("Qwen2_5_VLProcessor")
    config = Qwen2_5_VLConfig(
        text_config=text_sizes(tokenizer, rope_parameters=MROPE),
        vision_config={"depth": 2, "hidden_size": 16, "out_hidden_size": 32, "num_heads": 2, "intermediate_size": 24,
                       "patch_size": 8, "spatial_merge_size": 2, "temporal_patch_size": 2, "window_size": 32,
                       "fullatt_block_indexes": [1]},
        **_qwen_ids(tokenizer),
    )  # fmt: skip
    return Made(Qwen2_5_VLForConditionalGeneration(config), tokenizer, images, settings, more)


def _qwen3_tower() -> dict[str, Any]:
    return {"depth": 2, "hidden_size": 16, "intermediate_size": 24, "num_heads": 2, "patch_size": 8, "spatial_merge_size": 2,
            "temporal_patch_size": 2, "out_hidden_size": 32, "num_position_embeddings": 16}  # fmt: skip


@family("Qwen3-VL-MoE")
def qwen3_vl_moe() -> Made:
    from transformers import Qwen3VLMoeConfig, Qwen3VLMoeForConditionalGeneration

    tokenizer, images, settings, more = _qwen_parts("Qwen3VLProcessor", video="Qwen3VLVideoProcessor")
    experts = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16, "decoder_sparse_step": 1}
    config = Qwen3VLMoeConfig(
        text_config=text_sizes(tokenizer, head_dim=8, rope_parameters=MROPE, **experts),
        vision_config={**_qwen3_tower(), "deepstack_visual_indexes": [0]},
        **_qwen_ids(tokenizer),
    )
    return Made(Qwen3VLMoeForConditionalGeneration(config), tokenizer, images, settings, more)


@family("Qwen3.5")
def qwen3_5() -> Made:
    from transformers import Qwen3_5Config, Qwen3_5ForConditionalGeneration

    tokenizer, images, settings, more = _qwen_parts("Qwen3VLProcessor", video="Qwen3VLVideoProcessor")
    linear = {"linear_key_head_dim": 8, "linear_value_head_dim": 8, "linear_num_key_heads": 2, "linear_num_value_heads": 4,
              "linear_conv_kernel_dim": 4, "layer_types": ["linear_attention", "linear_attention", "full_attention"]}  # fmt: skip
    config = Qwen3_5Config(
        text_config=text_sizes(tokenizer, head_dim=16, rope_parameters={**MROPE, "partial_rotary_factor": 0.5}, **linear),
        vision_config=_qwen3_tower(),
        **_qwen_ids(tokenizer),
    )
    return Made(Qwen3_5ForConditionalGeneration(config), tokenizer, images, settings, more)


@family("GLM-4V")
def glm4v() -> Made:
    from transformers import Glm4vConfig, Glm4vForConditionalGeneration

    marks = ("<|image|>", "<|video|>", "<|begin_of_image|>", "<|end_of_image|>", "<|begin_of_video|>", "<|end_of_video|>")
    tokenizer = make_tokenizer(*marks, image_token="<|image|>", video_token="<|video|>")
    token = _id(tokenizer)
    config = Glm4vConfig(
        text_config=text_sizes(tokenizer, head_dim=8, rope_parameters={**MROPE, "partial_rotary_factor": 1.0}),
        vision_config={"depth": 2, "hidden_size": 16, "intermediate_size": 24, "num_heads": 2, "patch_size": 8, "image_size": 32,
                       "spatial_merge_size": 2, "temporal_patch_size": 2, "out_hidden_size": 32},
        image_token_id=token("<|image|>"), video_token_id=token("<|video|>"),
        image_start_token_id=token("<|begin_of_image|>"), image_end_token_id=token("<|end_of_image|>"),
        video_start_token_id=token("<|begin_of_video|>"), video_end_token_id=token("<|end_of_video|>"),
    )  # fmt: skip
    sizes = {"patch_size": 8, "merge_size": 2, "temporal_patch_size": 2, "size": PIXELS}
    images = {"image_processor_type": "Glm4vImageProcessor", **sizes}
    settings = {"processor_class": "Glm4vProcessor", "chat_template": template("<|begin_of_image|><|image|><|end_of_image|>")}
    more = {"video_preprocessor_config.json": {"video_processor_type": "Glm4vVideoProcessor", **sizes}}
    return Made(Glm4vForConditionalGeneration(config), tokenizer, images, settings, more)


@family("Mllama")
def mllama() -> Made:
    from transformers import MllamaConfig, MllamaForConditionalGeneration

    tokenizer = make_tokenizer("<|image|>", "<|python_tag|>", image_token="<|image|>")
    config = MllamaConfig(
        text_config=text_sizes(tokenizer, num_hidden_layers=4, cross_attention_layers=[1], rope_parameters={
            "rope_type": "default", "rope_theta": 1e4}),
        vision_config={**SHALLOW, "attention_heads": 2, "num_global_layers": 1, "image_size": 32, "patch_size": 8,
                       "max_num_tiles": 4, "vision_output_dim": 32, "intermediate_layers_indices": [0],
                       "supported_aspect_ratios": [[1, 1], [1, 2], [1, 3], [1, 4], [2, 1], [2, 2], [3, 1], [4, 1]]},
        image_token_index=_id(tokenizer)("<|image|>"),
    )  # fmt: skip
    images = {"image_processor_type": "MllamaImageProcessor", "size": SQUARE, "max_image_tiles": 4}
    settings = {"processor_class": "MllamaProcessor", "chat_template": template("<|image|>")}
    return Made(MllamaForConditionalGeneration(config), tokenizer, images, settings)


@family("Aya Vision")
def aya_vision() -> Made:
    from transformers import AyaVisionConfig, AyaVisionForConditionalGeneration

    marks = ("<|START_OF_IMG|>", "<|END_OF_IMG|>", "<|IMG_PATCH|>", "<|IMG_LINE_BREAK|>")
    tokenizer = make_tokenizer(*marks)
    config = AyaVisionConfig(
        vision_config=_siglip_tower(),
        text_config={"model_type": "cohere2", **text_sizes(tokenizer, logit_scale=0.0625, sliding_window=16)},
        image_token_index=_id(tokenizer)("<|IMG_PATCH|>"),
        downsample_factor=2,
    )
    images = {"image_processor_type": "GotOcr2ImageProcessor", "size": SQUARE, "crop_to_patches": True, "max_patches": 4}
    settings = {"processor_class": "AyaVisionProcessor", "patch_size": 8, "img_size": 32, "downsample_factor": 2,
                "chat_template": template("<image>")}  # fmt: skip
    return Made(AyaVisionForConditionalGeneration(config), tokenizer, images, settings)


@family("Command A Vision")
def cohere2_vision() -> Made:
    from transformers import Cohere2VisionConfig, Cohere2VisionForConditionalGeneration

    marks = {"image_token": "<|IMG_PATCH|>", "boi_token": "<|START_OF_IMG|>", "eoi_token": "<|END_OF_IMG|>",
             "img_line_break_token": "<|IMG_LINE_BREAK|>"}  # fmt: skip
    tokenizer = make_tokenizer(*marks.values(), **marks)
    config = Cohere2VisionConfig(
        vision_config=_siglip_tower(),
        text_config={"model_type": "cohere2", **text_sizes(tokenizer, logit_scale=0.0625, sliding_window=16)},
        image_token_id=_id(tokenizer)("<|IMG_PATCH|>"),
        downsample_factor=2,
        alignment_intermediate_size=32,
    )
    images = {"image_processor_type": "Cohere2VisionImageProcessor", "size": SQUARE, "max_patches": 4, "patch_size": 2,
              "downsample_factor": 2}  # fmt: skip
    settings = {"processor_class": "Cohere2VisionProcessor", "chat_template": template("<|IMG_PATCH|>")}
    return Made(Cohere2VisionForConditionalGeneration(config), tokenizer, images, settings)


QFORMER = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24, "encoder_hidden_size": 16,
           "vocab_size": 400}  # fmt: skip


def _opt(tokenizer: Any) -> dict[str, Any]:
    sizes = {"model_type": "opt", "hidden_size": 32, "ffn_dim": 48, "num_hidden_layers": 3, "num_attention_heads": 4,
             "word_embed_proj_dim": 32}  # fmt: skip
    return text_sizes(tokenizer) | sizes


@family("BLIP-2")
def blip_2() -> Made:
    from transformers import Blip2Config, Blip2ForConditionalGeneration

    tokenizer = make_tokenizer()
    config = Blip2Config(
        vision_config=TOWER, qformer_config=QFORMER, text_config=_opt(tokenizer), num_query_tokens=4,
        image_token_index=_id(tokenizer)("<image>"),
    )  # fmt: skip
    images = {"image_processor_type": "BlipImageProcessor", "size": SQUARE}
    settings = {"processor_class": "Blip2Processor", "num_query_tokens": 4}
    return Made(Blip2ForConditionalGeneration(config), tokenizer, images, settings)


@family("Kosmos-2")
def kosmos2() -> Made:
    from transformers import Kosmos2Config, Kosmos2ForConditionalGeneration

    tokenizer = make_tokenizer(*(f"<image_{i}>" for i in range(64)))
    sizes = {"embed_dim": 32, "layers": 3, "ffn_dim": 48, "attention_heads": 4, "vocab_size": len(tokenizer) + 40,
             "max_position_embeddings": 512, "pad_token_id": tokenizer.pad_token_id, "bos_token_id": tokenizer.bos_token_id,
             "eos_token_id": tokenizer.eos_token_id}  # fmt: skip
    config = Kosmos2Config(text_config=sizes, vision_config=TOWER, latent_query_num=64)
    images = {"image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": 32}, "crop_size": SQUARE}
    settings = {"processor_class": "Kosmos2Processor", "num_patch_index_tokens": 4}
    return Made(Kosmos2ForConditionalGeneration(config), tokenizer, images, settings)


@family("DeepSeek-VL")
def deepseek_vl() -> Made:
    from transformers import DeepseekVLConfig, DeepseekVLForConditionalGeneration

    tokenizer = make_tokenizer(image_token="<image>")
    config = DeepseekVLConfig(
        text_config={"model_type": "llama", **text_sizes(tokenizer)},
        vision_config=_siglip_tower(),
        image_token_id=_id(tokenizer)("<image>"),
    )
    images = {"image_processor_type": "DeepseekVLImageProcessor", "size": SQUARE}
    settings = {"processor_class": "DeepseekVLProcessor", "num_image_tokens": 16, "chat_template": template("<image>")}
    return Made(DeepseekVLForConditionalGeneration(config), tokenizer, images, settings)


GRIDS = [[32, 32], [32, 64], [64, 32]]


def _llava_next(text: dict[str, Any]) -> Made:
    from transformers import LlavaNextConfig, LlavaNextForConditionalGeneration

    tokenizer = make_tokenizer(image_token="<image>")
    config = LlavaNextConfig(
        text_config={**text_sizes(tokenizer), **text},
        vision_config=_clip_tower(),
        image_token_index=_id(tokenizer)("<image>"),
        image_grid_pinpoints=GRIDS,
        vision_feature_layer=-1,
        vision_feature_select_strategy="default",
    )
    images = {"image_processor_type": "LlavaNextImageProcessor", "size": {"shortest_edge": 32}, "crop_size": SQUARE,
              "image_grid_pinpoints": GRIDS}  # fmt: skip
    settings = _llava_settings(
        processor_class="LlavaNextProcessor", vision_feature_select_strategy="default", num_additional_image_tokens=1
    )
    return Made(LlavaNextForConditionalGeneration(config), tokenizer, images, settings)


@family("LLaVA-NeXT")
def llava_next() -> Made:
    return _llava_next({"model_type": "mistral"})


@family("Granite Vision")
def granite_vision() -> Made:
    return _llava_next({"model_type": "granite", "logits_scaling": 4.0, "residual_multiplier": 0.5, "embedding_multiplier": 3.0})


@family("ViP-LLaVA")
def vipllava() -> Made:
    from transformers import VipLlavaConfig, VipLlavaForConditionalGeneration

    tokenizer = make_tokenizer(image_token="<image>")
    config = VipLlavaConfig(
        text_config={"model_type": "llama", **text_sizes(tokenizer)},
        vision_config=_clip_tower(),
        image_token_index=_id(tokenizer)("<image>"),
        vision_feature_layers=[-2, -1],
    )
    images = {"image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": 32}, "crop_size": SQUARE}
    settings = _llava_settings(vision_feature_select_strategy="default", num_additional_image_tokens=1)
    return Made(VipLlavaForConditionalGeneration(config), tokenizer, images, settings)


@family("LFM2-VL")
def lfm2_vl() -> Made:
    from transformers import Lfm2VlConfig, Lfm2VlForConditionalGeneration

    marks = {"image_token": "<image>", "image_start_token": "<|image_start|>", "image_end_token": "<|image_end|>",
             "image_thumbnail_token": "<|img_thumbnail|>"}  # fmt: skip
    tokenizer = make_tokenizer("<|image_start|>", "<|image_end|>", "<|img_thumbnail|>", **marks)
    layers = {"layer_types": ["conv", "full_attention", "conv"], "block_ff_dim": 48, "block_auto_adjust_ff_dim": False,
              "block_multiple_of": 8}  # fmt: skip
    config = Lfm2VlConfig(
        text_config={"model_type": "lfm2", **text_sizes(tokenizer, **layers)},
        vision_config={"model_type": "siglip2_vision_model", **SHALLOW, "patch_size": 8, "num_patches": 16,
                       "vision_use_head": False},
        image_token_id=_id(tokenizer)("<image>"),
        projector_hidden_size=16,
    )  # fmt: skip
    images = {"image_processor_type": "Lfm2VlImageProcessor", "encoder_patch_size": 8, "tile_size": 32, "min_image_tokens": 2,
              "max_image_tokens": 4, "max_tiles": 4, "size": SQUARE}  # fmt: skip
    settings = {"processor_class": "Lfm2VlProcessor", "chat_template": template("<image>")}
    return Made(Lfm2VlForConditionalGeneration(config), tokenizer, images, settings)


@family("Gemma 4")
def gemma4() -> Made:
    from transformers import Gemma4Config, Gemma4ForConditionalGeneration

    marks = {"image_token": "<|image|>", "boi_token": "<|image>", "eoi_token": "<image|>", "audio_token": "<|audio|>",
             "boa_token": "<|audio>", "eoa_token": "<audio|>"}  # fmt: skip
    tokenizer = make_tokenizer(*marks.values(), "<|video|>", **marks)
    token = _id(tokenizer)
    layers = {"layer_types": ["sliding_attention", "sliding_attention", "full_attention"], "sliding_window": 16, "head_dim": 8,
              "global_head_dim": 8, "num_global_key_value_heads": 2, "hidden_size_per_layer_input": 4,
              "vocab_size_per_layer_input": len(tokenizer)}  # fmt: skip
    config = Gemma4Config(
        text_config=text_sizes(tokenizer, **layers),
        vision_config={**SHALLOW, "num_key_value_heads": 2, "head_dim": 8, "patch_size": 8, "pooling_kernel_size": 2,
                       "position_embedding_size": 64},
        audio_config=None,
        image_token_id=token("<|image|>"), boi_token_id=token("<|image>"), eoi_token_id=token("<image|>"),
        video_token_id=token("<|video|>"), audio_token_id=token("<|audio|>"), boa_token_id=token("<|audio>"),
        eoa_token_index=token("<audio|>"),
    )  # fmt: skip
    images = {"image_processor_type": "Gemma4ImageProcessor", "patch_size": 8, "max_soft_tokens": 70, "pooling_kernel_size": 2}
    settings = {"processor_class": "Gemma4Processor", "image_seq_length": 70, "chat_template": template("<|image|>"),
                "feature_extractor": {"feature_extractor_type": "Gemma4AudioFeatureExtractor"}}  # fmt: skip
    more = {"video_preprocessor_config.json": {"video_processor_type": "Gemma4VideoProcessor", "patch_size": 8}}
    return Made(Gemma4ForConditionalGeneration(config), tokenizer, images, settings, more)


@family("FastVLM")
def fast_vlm() -> Made:
    from transformers import FastVlmConfig, FastVlmForConditionalGeneration

    tokenizer = make_tokenizer(image_token="<image>")
    tower = {"model_type": "timm_wrapper", "architecture": "fastvit_mci3", "do_pooling": True, "global_pool": "avg",
             "hidden_size": 64, "model_args": {"inference_mode": True, "layers": [1] * 5, "embed_dims": [32] * 5}}  # fmt: skip
    config = FastVlmConfig(
        text_config={"model_type": "qwen2", **text_sizes(tokenizer)},
        vision_config=tower,
        image_token_index=_id(tokenizer)("<image>"),
        image_seq_length=1,
    )
    images = {"image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": 64}, "crop_size": {"height": 64, "width": 64}}
    return Made(_built(FastVlmForConditionalGeneration, config), tokenizer, images, _llava_settings(patch_size=64))


@family("Idefics2")
def idefics2() -> Made:
    from transformers import Idefics2Config, Idefics2ForConditionalGeneration

    tokenizer = make_tokenizer(image_token="<image>", image_boundary_token="<fake_token_around_image>")
    perceiver = {"hidden_size": 32, "resampler_n_latents": 4, "resampler_depth": 1, "resampler_n_heads": 2, "resampler_head_dim": 8,
                 "num_key_value_heads": 2}  # fmt: skip
    config = Idefics2Config(
        text_config={"model_type": "mistral", **text_sizes(tokenizer, head_dim=8)},
        vision_config={**TOWER, "model_type": "idefics2_vision"},
        perceiver_config=perceiver,
        image_token_id=_id(tokenizer)("<image>"),
    )
    images = {"image_processor_type": "Idefics2ImageProcessor", "size": {"shortest_edge": 24, "longest_edge": 32}}
    settings = {"processor_class": "Idefics2Processor", "image_seq_len": 4, "chat_template": template("<image>")}
    return Made(Idefics2ForConditionalGeneration(config), tokenizer, images, settings)


@family("InstructBLIP")
def instructblip() -> Made:
    from transformers import InstructBlipConfig, InstructBlipForConditionalGeneration

    tokenizer = make_tokenizer()
    config = InstructBlipConfig(
        vision_config=TOWER, qformer_config=QFORMER, text_config=_opt(tokenizer), num_query_tokens=4,
        image_token_index=_id(tokenizer)("<image>"),
    )  # fmt: skip
    images = {"image_processor_type": "BlipImageProcessor", "size": SQUARE}
    settings = {"processor_class": "InstructBlipProcessor", "num_query_tokens": 4}
    folders = {"qformer_tokenizer": make_tokenizer()}
    return Made(InstructBlipForConditionalGeneration(config), tokenizer, images, settings, folders=folders)


@family("GOT-OCR 2")
def got_ocr2() -> Made:
    from transformers import GotOcr2Config, GotOcr2ForConditionalGeneration

    marks = ("<|im_start|>", "<|im_end|>", "<img>", "</img>", "<imgpad>")
    tokenizer = make_tokenizer(*marks)
    tower = {"hidden_size": 16, "output_channels": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 256,
             "patch_size": 4, "window_size": 4, "global_attn_indexes": [], "mlp_dim": 24}  # fmt: skip
    config = GotOcr2Config(
        text_config={"model_type": "qwen2", **text_sizes(tokenizer)},
        vision_config=tower,
        image_token_index=_id(tokenizer)("<imgpad>"),
        image_seq_length=256,
    )
    images = {"image_processor_type": "GotOcr2ImageProcessor", "size": {"height": 256, "width": 256}}
    return Made(GotOcr2ForConditionalGeneration(config), tokenizer, images, {"processor_class": "GotOcr2Processor"})


@family("GIT")
def git() -> Made:
    from transformers import GitConfig, GitForCausalLM

    tokenizer = make_tokenizer()
    config = GitConfig(vision_config=TOWER, **text_sizes(tokenizer))
    images = {"image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": 32}, "crop_size": SQUARE}
    return Made(GitForCausalLM(config), tokenizer, images, {"processor_class": "GitProcessor"})


@family("Janus")
def janus() -> Made:
    from transformers import JanusConfig, JanusForConditionalGeneration

    marks = {"image_token": "<image_placeholder>", "boi_token": "<begin_of_image>", "eoi_token": "<end_of_image>"}
    tokenizer = make_tokenizer(*marks.values(), **marks)
    config = JanusConfig(
        text_config={"model_type": "llama", **text_sizes(tokenizer)},
        vision_config={"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 32, "patch_size": 8,
                       "mlp_ratio": 2, "projection_dim": 32, "depth": 1, "num_image_tokens": 16},
        vq_config={"embed_dim": 8, "num_embeddings": 16, "latent_channels": 8, "base_channels": 32, "channel_multiplier": [1, 1],
                   "num_res_blocks": 1, "num_patches": 4, "projection_dim": 32, "image_token_embed_dim": 32},
        image_token_id=_id(tokenizer)("<image_placeholder>"),
    )  # fmt: skip
    images = {"image_processor_type": "JanusImageProcessor", "size": SQUARE}
    settings = {"processor_class": "JanusProcessor", "num_image_tokens": 16, "chat_template": template("<image_placeholder>")}
    return Made(JanusForConditionalGeneration(config), tokenizer, images, settings)


@family("Chameleon")
def chameleon() -> Made:
    from transformers import ChameleonConfig, ChameleonForConditionalGeneration

    codes = ["IMGIMG" + "".join("ABCDEFGHIJ"[int(digit)] for digit in str(code)) + "Z" for code in range(16)]
    marks = {"boi_token": "<racm3:break>", "eoi_token": "<eoss>"}
    tokenizer = make_tokenizer(*codes, *marks.values(), image_token="<image>", **marks)
    tokenizer.sep_token = "<fake_token_around_image>"
    vocabulary = {**tokenizer.get_vocab()}
    config = ChameleonConfig(
        **text_sizes(tokenizer),
        vq_config={"embed_dim": 8, "num_embeddings": 16, "latent_channels": 8, "resolution": 32, "base_channels": 32,
                   "channel_multiplier": [1, 1, 2], "num_res_blocks": 1},
        vocabulary_map=vocabulary,
    )  # fmt: skip
    images = {"image_processor_type": "ChameleonImageProcessor", "size": {"shortest_edge": 32}, "crop_size": SQUARE}
    settings = {"processor_class": "ChameleonProcessor", "image_seq_length": 64}
    return Made(ChameleonForConditionalGeneration(config), tokenizer, images, settings)


@family("Aria")
def aria() -> Made:
    from transformers import AriaConfig, AriaForConditionalGeneration

    tokenizer = make_tokenizer(image_token="<image>")
    config = AriaConfig(
        text_config=text_sizes(tokenizer, moe_num_experts=4, moe_topk=2, moe_num_shared_experts=1),
        vision_config={"model_type": "idefics3_vision", **TOWER, "image_size": 980, "patch_size": 140},
        projector_patch_to_query_dict={49: 256},
        image_token_index=_id(tokenizer)("<image>"),
    )
    images = {"image_processor_type": "AriaImageProcessor", "split_image": True,
              "split_resolutions": [[980, 1960], [1960, 980]]}  # fmt: skip
    settings = {"processor_class": "AriaProcessor", "chat_template": template("<image>")}
    return Made(AriaForConditionalGeneration(config), tokenizer, images, settings)


@family("Ovis2")
def ovis2() -> Made:
    from transformers import Ovis2Config, Ovis2ForConditionalGeneration

    marks = ("<IMG_START>", "<IMG_GRID>", "<IMG_COL>", "<IMG_ROW>", "<IMG_END>")
    tokenizer = make_tokenizer("<IMG_ATOM>", *marks, image_token="<image>")
    config = Ovis2Config(
        text_config={"model_type": "qwen2", **text_sizes(tokenizer)},
        vision_config={**TOWER, "vocab_size": 40, "hidden_stride": 2},
        image_token_id=_id(tokenizer)("<IMG_ATOM>"),
        visual_indicator_token_ids=[_id(tokenizer)(mark) for mark in marks],
        hidden_size=32,
        vocab_size=len(tokenizer),
    )
    images = {"image_processor_type": "Ovis2ImageProcessor", "size": SQUARE, "crop_to_patches": True, "max_patches": 4}
    settings = {"processor_class": "Ovis2Processor", "image_seq_length": 4, "chat_template": template("<image>")}
    return Made(Ovis2ForConditionalGeneration(config), tokenizer, images, settings)


@family("Llama 4")
def llama4() -> Made:
    from transformers import Llama4Config, Llama4ForConditionalGeneration

    marks = ("<|image|>", "<|image_start|>", "<|image_end|>", "<|patch|>", "<|tile_x_separator|>", "<|tile_y_separator|>")
    tokenizer = make_tokenizer(*marks)
    token = _id(tokenizer)
    config = Llama4Config(
        text_config=text_sizes(tokenizer, head_dim=8, intermediate_size_mlp=48, num_local_experts=2, interleave_moe_layer_step=2,
                               attention_chunk_size=64),
        vision_config={**SHALLOW, "image_size": 32, "patch_size": 8, "vision_output_dim": 16, "projector_input_dim": 16,
                       "projector_output_dim": 16, "pixel_shuffle_ratio": 0.5, "intermediate_size": 64},
        image_token_index=token("<|patch|>"), boi_token_index=token("<|image_start|>"), eoi_token_index=token("<|image_end|>"),
    )  # fmt: skip
    images = {"image_processor_type": "Llama4ImageProcessor", "size": SQUARE, "max_patches": 4}
    settings = {"processor_class": "Llama4Processor", "patch_size": 8, "pixel_shuffle_ratio": 0.5}
    settings["chat_template"] = template("<|image|>")
    return Made(Llama4ForConditionalGeneration(config), tokenizer, images, settings)


@family("Florence-2")
def florence2() -> Made:
    """Has an encoder: it ends in a sentence."""
    from transformers import Florence2Config, Florence2ForConditionalGeneration

    tokenizer = make_tokenizer(image_token="<image>")
    config = Florence2Config(
        text_config={"model_type": "bart", "d_model": 32, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2,
                     "decoder_attention_heads": 2, "encoder_ffn_dim": 48, "decoder_ffn_dim": 48, "vocab_size": len(tokenizer)},
        vision_config={"depths": [1, 1], "patch_size": [7, 3], "patch_stride": [4, 2], "patch_padding": [3, 1],
                       "embed_dim": [8, 16], "patch_prenorm": [False, True], "num_heads": [2, 2], "num_groups": [2, 2],
                       "projection_dim": 32},
        image_token_id=_id(tokenizer)("<image>"),
    )  # fmt: skip
    images = {"image_processor_type": "CLIPImageProcessor", "size": SQUARE, "crop_size": SQUARE}
    return Made(Florence2ForConditionalGeneration(config), tokenizer, images, {"processor_class": "Florence2Processor"})


@family("Phi-4-multimodal")
def phi4_multimodal() -> Made:
    from transformers import Phi4MultimodalConfig, Phi4MultimodalForCausalLM

    tokenizer = make_tokenizer("<|audio|>", image_token="<image>", audio_token="<|audio|>")
    config = Phi4MultimodalConfig(
        **text_sizes(tokenizer),
        vision_config={**TOWER, "image_size": 64, "patch_size": 2, "crop_size": 64, "image_token_id": _id(tokenizer)("<image>")},
        audio_config={"hidden_size": 16, "intermediate_size": 24, "num_blocks": 1, "num_attention_heads": 2,
                      "ext_pw_out_channel": 16, "depthwise_separable_out_channel": 16, "nemo_conv_channels": 16,
                      "audio_token_id": _id(tokenizer)("<|audio|>")},
    )  # fmt: skip
    size = {"height": 64, "width": 64}
    images = {"image_processor_type": "Phi4MultimodalImageProcessor", "size": size, "patch_size": 2, "dynamic_hd": 2}
    settings = {"processor_class": "Phi4MultimodalProcessor", "chat_template": template("<image>")}
    return Made(Phi4MultimodalForCausalLM(config), tokenizer, images, settings)


@family("Perception LM")
def perception_lm() -> Made:
    from transformers import PerceptionLMConfig, PerceptionLMForConditionalGeneration

    tokenizer = make_tokenizer(image_token="<image>", video_token="<video>")
    tower = {"model_type": "timm_wrapper", "architecture": "vit_pe_core_tiny_patch16_384", "num_labels": 2, "hidden_size": 16,
             "model_args": {"embed_dim": 16, "img_size": [32, 32], "patch_size": 8, "depth": 2, "num_heads": 2, "global_pool": "",
                            "use_post_transformer_norm": False, "ref_feat_shape": [4, 4]}}  # fmt: skip
    config = PerceptionLMConfig(
        text_config={"model_type": "llama", **text_sizes(tokenizer)},
        vision_config=tower,
        image_token_id=_id(tokenizer)("<image>"),
        video_token_id=_id(tokenizer)("<video>"),
        projector_pooling_ratio=2,
    )
    images = {"image_processor_type": "PerceptionLMImageProcessor", "tile_size": 32, "max_num_tiles": 4, "size": SQUARE}
    settings = {"processor_class": "PerceptionLMProcessor", "patch_size": 8, "pooling_ratio": 2}
    settings["chat_template"] = template("<image>")
    video = {"video_preprocessor_config.json": {"video_processor_type": "PerceptionLMVideoProcessor", "size": SQUARE}}
    return Made(_built(PerceptionLMForConditionalGeneration, config), tokenizer, images, settings, video)


def _timm_blocks(short: list[list[str]]) -> list[Any]:
    """Return what timm makes of its short words for blocks; without timm nobody asks."""
    try:
        from timm.models._efficientnet_builder import decode_arch_def
    except ImportError:
        return short
    return decode_arch_def(short)


@family("Gemma 3n")
def gemma3n() -> Made:
    from transformers import Gemma3nConfig, Gemma3nForConditionalGeneration

    marks = {"image_token": "<image_soft_token>", "boi_token": "<start_of_image>", "eoi_token": "<end_of_image>",
             "audio_token": "<audio_soft_token>", "boa_token": "<start_of_audio>", "eoa_token": "<end_of_audio>"}  # fmt: skip
    tokenizer = make_tokenizer("<audio_soft_token>", "<start_of_audio>", "<end_of_audio>", **marks)
    token, words = _id(tokenizer), len(tokenizer)
    layers = {"layer_types": ["sliding_attention", "sliding_attention", "full_attention"], "sliding_window": 16, "head_dim": 8,
              "hidden_size_per_layer_input": 4, "vocab_size_per_layer_input": words, "num_kv_shared_layers": 0, "laurel_rank": 4,
              "activation_sparsity_pattern": [0.0, 0.0, 0.0]}  # fmt: skip
    blocks = {"block_args": _timm_blocks([["er_r1_k3_s2_e4_c16"], ["uir_r1_a3_k5_s2_e4_c24"], ["uir_r1_a3_k5_s2_e4_c32"]]),
              "msfa_indices": [-2, -1]}  # fmt: skip
    config = Gemma3nConfig(
        text_config=text_sizes(tokenizer, **layers),
        vision_config={"architecture": "mobilenetv5_300m_enc", "hidden_size": 2048, "vocab_size": 4, "vocab_offset": words,
                       "model_args": blocks},
        audio_config={"hidden_size": 16, "conf_num_attention_heads": 2, "conf_num_hidden_layers": 1, "vocab_size": 4,
                      "vocab_offset": words + 4, "sscp_conv_channel_size": [8, 4]},
        vision_soft_tokens_per_image=256,
        image_token_id=token("<image_soft_token>"), boi_token_id=token("<start_of_image>"), eoi_token_id=token("<end_of_image>"),
        audio_token_id=token("<audio_soft_token>"), boa_token_id=token("<start_of_audio>"), eoa_token_id=token("<end_of_audio>"),
    )  # fmt: skip
    images = {"image_processor_type": "SiglipImageProcessor", "size": {"height": 64, "width": 64}}
    settings = {"processor_class": "Gemma3nProcessor", "image_seq_length": 256, "chat_template": template("<image_soft_token>"),
                "feature_extractor": {"feature_extractor_type": "Gemma3nAudioFeatureExtractor"}}  # fmt: skip
    return Made(_built(Gemma3nForConditionalGeneration, config), tokenizer, images, settings)
