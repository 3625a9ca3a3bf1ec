"""Tiny random models of several architectures with the real classes and processors, made on the spot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

SPECIALS = [
    "<s>", "</s>", "<pad>", "<unk>", "<image>", "<|user|>", "<|assistant|>", "<fake_token_around_image>", "<global-img>",
    "<end_of_utterance>", "<|image_pad|>", "<|video_pad|>", "<|vision_start|>", "<|vision_end|>", "<start_of_image>",
    "<end_of_image>", "<image_soft_token>", "<video>",
]  # fmt: skip
CORPUS = ["Is there a dog in this picture? Answer yes or no.", "What colour is the car?", "yes no maybe", "How many? 1 2 3 4 5"]
SIZES = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2}
TOWER = {
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 32,
    "patch_size": 8,
}


def make_tokenizer(*more: str, **named: str) -> Any:
    """Return a tokenizer with the special tokens of ``SPECIALS`` and ``more``, which knows some of them by ``named``."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    raw = Tokenizer(models.BPE(unk_token=None))
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    raw.train_from_iterator(
        CORPUS * 3,
        trainers.BpeTrainer(
            vocab_size=360 + len(more),
            special_tokens=[*SPECIALS, *more],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=raw, bos_token="<s>", eos_token="</s>", pad_token="<pad>", unk_token="<unk>", extra_special_tokens=named
    )


def template(image: str) -> str:
    return (
        "{{ bos_token }}{% for m in messages %}{% for c in m['content'] %}{% if c['type'] == 'image' %}"
        + image
        + "{% endif %}{% endfor %}"
        "<|user|>{% for c in m['content'] %}{% if c['type'] == 'text' %}{{ c['text'] }}{% endif %}{% endfor %}{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>{% endif %}"
    )


def text_sizes(tokenizer: Any, **more: Any) -> dict[str, Any]:
    ids = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    return SIZES | ids | {"vocab_size": len(tokenizer), "max_position_embeddings": 512} | more


def _llava() -> tuple[Any, Any]:
    from transformers import LlamaConfig, LlavaConfig, LlavaForConditionalGeneration, LlavaProcessor, SiglipVisionConfig
    from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

    tokenizer = make_tokenizer(image_token="<image>")
    images = SiglipImageProcessorPil(size={"height": 32, "width": 32})
    processor = LlavaProcessor(
        images,
        tokenizer,
        patch_size=8,
        vision_feature_select_strategy="full",
        num_additional_image_tokens=0,
        chat_template=template("<image>"),
    )
    config = LlavaConfig(
        text_config=LlamaConfig(**text_sizes(tokenizer)),
        vision_config=SiglipVisionConfig(**TOWER, vision_use_head=False),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        vision_feature_select_strategy="full",
        vision_feature_layer=-1,
    )
    return LlavaForConditionalGeneration(config), processor


def _idefics3() -> tuple[Any, Any]:
    from transformers import Idefics3Config, Idefics3ForConditionalGeneration, Idefics3Processor, LlamaConfig
    from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil

    tokenizer = make_tokenizer(image_token="<image>")
    images = Idefics3ImageProcessorPil(size={"longest_edge": 64}, max_image_size={"longest_edge": 32})
    processor = Idefics3Processor(images, tokenizer, image_seq_len=4, chat_template=template("<image>"))
    config = Idefics3Config(
        text_config=LlamaConfig(**text_sizes(tokenizer)).to_dict(),
        vision_config={**TOWER, "model_type": "idefics3_vision"},
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        pad_token_id=tokenizer.pad_token_id,
        scale_factor=2,
    )
    return Idefics3ForConditionalGeneration(config), processor


def _gemma3() -> tuple[Any, Any]:
    from transformers import Gemma3Config, Gemma3ForConditionalGeneration, Gemma3Processor, Gemma3TextConfig, SiglipVisionConfig
    from transformers.models.gemma3.image_processing_pil_gemma3 import Gemma3ImageProcessorPil

    tokenizer = make_tokenizer(image_token="<image_soft_token>", boi_token="<start_of_image>", eoi_token="<end_of_image>")
    images = Gemma3ImageProcessorPil(size={"height": 32, "width": 32})
    processor = Gemma3Processor(images, tokenizer, image_seq_length=4, chat_template=template("<start_of_image>"))
    config = Gemma3Config(
        text_config=Gemma3TextConfig(**text_sizes(tokenizer, head_dim=8, sliding_window=16)),
        vision_config=SiglipVisionConfig(**TOWER, vision_use_head=False),
        mm_tokens_per_image=4,
        image_token_index=tokenizer.convert_tokens_to_ids("<image_soft_token>"),
        boi_token_index=tokenizer.convert_tokens_to_ids("<start_of_image>"),
        eoi_token_index=tokenizer.convert_tokens_to_ids("<end_of_image>"),
    )
    return Gemma3ForConditionalGeneration(config), processor


def _qwen3_vl() -> tuple[Any, Any]:
    """Its processor has a video part that needs torchvision, so its other parts are saved one by one, as on the hub."""
    from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    tokenizer = make_tokenizer(
        image_token="<|image_pad|>",
        video_token="<|video_pad|>",
        vision_start_token="<|vision_start|>",
        vision_end_token="<|vision_end|>",
    )
    images = Qwen2VLImageProcessorPil(
        patch_size=8, merge_size=2, temporal_patch_size=2, size={"shortest_edge": 1024, "longest_edge": 4096}
    )
    tokenizer.chat_template = template("<|vision_start|><|image_pad|><|vision_end|>")
    token = tokenizer.convert_tokens_to_ids
    config = Qwen3VLConfig(
        text_config=text_sizes(tokenizer, head_dim=8, rope_parameters={
            "rope_type": "default", "mrope_section": [2, 1, 1], "rope_theta": 1e4}), vision_config={
            "depth": 2, "hidden_size": 16, "intermediate_size": 24, "num_heads": 2, "patch_size": 8, "spatial_merge_size": 2,
            "temporal_patch_size": 2, "out_hidden_size": 32, "num_position_embeddings": 16, "deepstack_visual_indexes": [0],
        },
        image_token_id=token("<|image_pad|>"),
        video_token_id=token("<|video_pad|>"),
        vision_start_token_id=token("<|vision_start|>"),
        vision_end_token_id=token("<|vision_end|>"),
    )  # fmt: skip
    return Qwen3VLForConditionalGeneration(config), (images, tokenizer)


def _llava_onevision() -> tuple[Any, Any]:
    """Its processor has a video part too."""
    from transformers import LlavaOnevisionConfig, LlavaOnevisionForConditionalGeneration, Qwen2Config, SiglipVisionConfig
    from transformers.models.llava_onevision.image_processing_pil_llava_onevision import LlavaOnevisionImageProcessorPil

    tokenizer = make_tokenizer(image_token="<image>", video_token="<video>")
    tokenizer.chat_template = template("<image>")
    grids = [[32, 32], [32, 64], [64, 32]]
    images = LlavaOnevisionImageProcessorPil(size={"height": 32, "width": 32}, image_grid_pinpoints=grids)
    config = LlavaOnevisionConfig(
        text_config=Qwen2Config(**text_sizes(tokenizer)),
        vision_config=SiglipVisionConfig(**TOWER, vision_use_head=False),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        video_token_index=tokenizer.convert_tokens_to_ids("<video>"),
        vision_feature_layer=-1,
        image_grid_pinpoints=grids,
    )
    settings = {"processor_class": "LlavaOnevisionProcessor", "num_image_tokens": 16, "vision_feature_select_strategy": "full"}
    return LlavaOnevisionForConditionalGeneration(config), (images, tokenizer, settings)


ARCHITECTURES = {
    "llava": _llava,
    "idefics3": _idefics3,
    "gemma3": _gemma3,
    "qwen3_vl": _qwen3_vl,
    "llava_onevision": _llava_onevision,
}


def save_checkpoint(architecture: str, folder: Path) -> Path:
    """Write a small random model with its processor, float32."""
    import torch

    torch.manual_seed(0)
    module, processor = ARCHITECTURES[architecture]()
    module.save_pretrained(folder)
    for part in processor if isinstance(processor, tuple) else (processor,):
        if isinstance(part, dict):
            (folder / "processor_config.json").write_text(json.dumps(part))
        else:
            part.save_pretrained(folder)
    return folder
