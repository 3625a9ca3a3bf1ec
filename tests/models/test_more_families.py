"""Families with ways of their own: each a tiny random checkpoint of the real classes, from the folder to an answer."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
from random_models import SIZES, TOWER, make_tokenizer, template, text_sizes

from sn_viz.activations.extract import extract
from sn_viz.errors import UserError
from sn_viz.models import load_model

QUESTIONS = ["Is there a dog in this picture?", "How many?", "What colour is the car? Answer yes or no."]


def paligemma():
    from transformers import GemmaConfig, PaliGemmaConfig, PaliGemmaForConditionalGeneration, PaliGemmaProcessor, SiglipVisionConfig
    from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

    tokenizer = make_tokenizer(image_token="<image>")
    images = SiglipImageProcessorPil(size={"height": 32, "width": 32})
    images.image_seq_length = 16
    processor = PaliGemmaProcessor(images, tokenizer)
    config = PaliGemmaConfig(
        text_config=GemmaConfig(**text_sizes(tokenizer, head_dim=8)).to_dict(),
        vision_config=SiglipVisionConfig(**TOWER, vision_use_head=False).to_dict(),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        projection_dim=32,
        hidden_size=32,
    )
    config.text_config.num_image_tokens = 16
    return PaliGemmaForConditionalGeneration(config), processor


def llava_with(text, **more):
    """A LLaVA around another language model, whose configuration names a scale that LLaVA does not apply."""
    from transformers import LlavaConfig, LlavaForConditionalGeneration, LlavaProcessor, SiglipVisionConfig
    from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

    tokenizer = make_tokenizer(image_token="<image>")
    processor = LlavaProcessor(
        SiglipImageProcessorPil(size={"height": 32, "width": 32}), tokenizer, patch_size=8,
        vision_feature_select_strategy="full", num_additional_image_tokens=0, chat_template=template("<image>"),
    )  # fmt: skip
    config = LlavaConfig(
        text_config=text(**text_sizes(tokenizer), **more),
        vision_config=SiglipVisionConfig(**TOWER, vision_use_head=False),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        vision_feature_select_strategy="full",
        vision_feature_layer=-1,
    )
    return LlavaForConditionalGeneration(config), processor


def saved(made, folder):
    torch.manual_seed(0)
    module, processor = made()
    module.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def granite():
    from transformers import GraniteConfig

    return llava_with(GraniteConfig, logits_scaling=4.0)


def cohere():
    from transformers import CohereConfig

    return llava_with(CohereConfig, logit_scale=0.0625)


FAMILIES = {"paligemma": paligemma, "llava with granite": granite, "llava with cohere": cohere}


@pytest.fixture(scope="module", params=list(FAMILIES))
def vlm(request, tmp_path_factory):
    return load_model(saved(FAMILIES[request.param], tmp_path_factory.mktemp("model")), device="cpu")


def test_it_answers_and_what_is_read_is_what_it_computes(vlm, noise_pictures):
    pictures = noise_pictures(3)
    assert len(vlm.generate(pictures, QUESTIONS, max_new_tokens=3)) == 3
    read = extract(vlm, pictures, QUESTIONS[0], sites=("residual",))
    assert read.values.shape == (3, vlm.n_layers * SIZES["hidden_size"]) and np.isfinite(read.values).all()
    for row in range(3):  # one by one: what is beside a prompt changes its last bits
        inputs = vlm.prepare(pictures[row : row + 1], QUESTIONS[:1])
        assert "labels" not in inputs
        with torch.inference_mode():
            states = vlm.module(**inputs, output_hidden_states=True, use_cache=False).hidden_states
        np.testing.assert_allclose(read.values[row, :32].astype(np.float32), states[1][0, -1].numpy(), rtol=2e-3, atol=2e-3)


def test_the_last_block_unembedded_is_the_first_token(vlm, noise_pictures):
    heard = []
    hook = vlm.blocks[-1].register_forward_hook(lambda _b, _i, said: heard.append(said[0] if isinstance(said, tuple) else said))
    try:
        real = vlm.first_token_logits(noise_pictures(1), QUESTIONS[:1])
    finally:
        hook.remove()
    ours = vlm.unembed(heard[-1][:, -1]).numpy()
    np.testing.assert_allclose(ours, real, rtol=1e-4, atol=1e-4)
    assert np.abs(real).max() > 1e-3, "else this shows nothing"


def test_a_processor_that_transformers_exchanged_is_not_used(checkpoint, tmp_path):
    """A checkpoint names its processor's class; where another would be taken quietly, it is that class or a sentence."""
    folder = tmp_path / "pixtral"
    shutil.copytree(checkpoint("llava"), folder)
    for name in ("processor_config.json", "tokenizer_config.json"):
        told = json.loads((folder / name).read_text())
        told["processor_class"] = "PixtralProcessor"
        (folder / name).write_text(json.dumps(told))
    try:
        processor = load_model(folder, device="cpu").processor
        assert type(processor).__name__ == "PixtralProcessor"
    except UserError as error:
        assert "PixtralProcessor" in str(error) or "could not be loaded" in str(error)


def test_marks_of_any_type_can_be_looked_for(random_vlm):
    from tokenizers import AddedToken

    vlm = random_vlm("llava")
    kept = vlm.processor.image_token
    vlm.__dict__.pop("control_tokens", None)
    try:
        vlm.processor.image_token = AddedToken("<image>")
        assert "<image>" in vlm.control_tokens
    finally:
        vlm.processor.image_token = kept
        vlm.__dict__.pop("control_tokens", None)


def test_a_processor_that_takes_flat_lists_alone_is_given_them(random_vlm, noise_pictures):
    vlm = random_vlm("llava")
    real, calls = vlm.processor, []

    class Flat:
        """Refuses a list for each prompt, as some do."""

        def __getattr__(self, name):
            return getattr(real, name)

        def __call__(self, images, **options):
            calls.append(isinstance(images[0], list))
            if isinstance(images[0], list):
                raise ValueError("flat lists only")
            return real(images=images, **options)

    expected = vlm._processed(noise_pictures(2), QUESTIONS[:2])
    vlm.processor = Flat()
    try:
        given = [vlm._processed(noise_pictures(2), QUESTIONS[:2]) for _ in range(2)]
    finally:
        vlm.processor, vlm._nested = real, True
    assert calls == [True, False, False]
    assert all(torch.equal(one[name], expected[name]) for one in given for name in expected)


def test_pictures_that_cannot_be_stacked_run_by_size(checkpoint, noise_pictures, monkeypatch):
    vlm = load_model(checkpoint("llava"), device="cpu")
    pictures = [*noise_pictures(2), *noise_pictures(1, 30, 30), *noise_pictures(1)]
    alone = np.concatenate([vlm.first_token_logits([picture], QUESTIONS[:1]) for picture in pictures])
    processed, sizes = vlm._processed, []

    def refusing(some, asked):
        sizes.append({picture.pixels.shape for picture in some})
        if len(sizes[-1]) > 1:
            raise ValueError("Unable to convert output 'pixel_values' to tensor")
        return processed(some, asked)

    vlm.__dict__.pop("_fast_inputs", None)
    monkeypatch.setattr(vlm, "_processed", refusing)
    vlm._size_matters = True
    together = vlm.first_token_logits(pictures, QUESTIONS[:1] * 4)
    np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-6)
    assert not vlm.sizes_mix and any(len(size) > 1 for size in sizes)


def test_a_package_that_a_processor_needs_is_named(checkpoint, monkeypatch):
    def missing(*_args, **_options):
        raise ImportError("Package `num2words` is required to run SmolVLM processor. Install it with `pip install num2words`.")

    monkeypatch.setattr("sn_viz.models.processors.AutoProcessor.from_pretrained", missing)
    with pytest.raises(UserError, match=r"needs the Python package num2words.*pip install num2words"):
        load_model(checkpoint("llava"), device="cpu")


def test_a_processor_whose_pictures_need_torchvision_says_so(checkpoint, monkeypatch):
    def missing(*_args, **_options):
        raise ValueError("Could not load any image processor class: torchvision: Lfm2VlImageProcessor. None could be imported.")

    monkeypatch.setattr("sn_viz.models.processors.AutoProcessor.from_pretrained", missing)
    monkeypatch.setattr("sn_viz.models.processors.AutoImageProcessor.from_pretrained", missing)
    with pytest.raises(UserError, match="LlavaProcessor, cannot be built here without torchvision"):
        load_model(checkpoint("llava"), device="cpu")


def test_a_family_that_answers_about_no_pictures_is_named(tmp_path):
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = make_tokenizer()
    LlamaForCausalLM(LlamaConfig(**text_sizes(tokenizer))).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(UserError, match=r"family, 'llama', is none that transformers"):
        load_model(tmp_path, device="cpu")


def test_a_first_pass_that_fails_names_the_family(checkpoint, monkeypatch):
    from transformers import LlavaForConditionalGeneration

    def broken(*_args, **_inputs):
        raise AttributeError("no attribute 'image_outputs'")

    monkeypatch.setattr(LlavaForConditionalGeneration, "forward", broken)
    with pytest.raises(UserError, match=r"first forward pass of its family, 'llava', failed: AttributeError"):
        load_model(checkpoint("llava"), device="cpu")


def test_blip_and_kosmos_are_asked_without_a_place_for_the_picture():
    from sn_viz.models.families import FAMILIES

    assert FAMILIES["blip-2"](None, ["How many?"]) == FAMILIES["kosmos-2"](None, ["How many?"]) == ["Question: How many? Answer:"]
    assert FAMILIES["instructblip"](None, ["How many?"]) == ["How many?"]


def test_where_more_than_a_norm_lies_before_the_head_there_is_no_lens(checkpoint, monkeypatch):
    vlm = load_model(checkpoint("llava"), device="cpu")
    hidden = torch.zeros(1, SIZES["hidden_size"])
    assert vlm.speaks_from_residual and vlm.unembed(hidden).shape[0] == 1
    other = load_model(checkpoint("llava"), device="cpu")
    other.norm.register_forward_hook(lambda _norm, _given, said: said.flip(-1) if said.dim() == 3 else said)
    assert not other.speaks_from_residual
    with pytest.raises(UserError, match=r"cannot be read as words.*family, 'llava'"):
        other.unembed(hidden)
