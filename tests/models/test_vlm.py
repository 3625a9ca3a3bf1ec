"""Any vision-language model is prompted, generates, and gives up its parts in the same way."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sn_viz.errors import UserError

QUESTIONS = ["Is there a dog in this picture?", "yes?", "What colour is the car? Answer yes or no."]


def test_the_last_prompt_position_is_last_in_every_row(any_vlm, noise_pictures):
    inputs = any_vlm.prepare(noise_pictures(3), QUESTIONS)
    lengths = inputs["attention_mask"].sum(dim=1)
    assert len(set(lengths.tolist())) == 3, "the prompts should have mixed lengths"
    assert bool(inputs["attention_mask"][:, -1].all()) and not bool(inputs["attention_mask"][1, 0])
    assert any_vlm.tokenizer.decode(inputs["input_ids"][:, -1]) == "<|assistant|>" * 3


def test_a_batch_of_mixed_lengths_answers_like_single_prompts(any_vlm, noise_pictures):
    pictures = noise_pictures(3)
    together = any_vlm.first_token_logits(pictures, QUESTIONS)
    for row, (picture, question) in enumerate(zip(pictures, QUESTIONS, strict=True)):
        np.testing.assert_allclose(together[row : row + 1], any_vlm.first_token_logits([picture], [question]), atol=1e-4)


def test_pictures_of_different_sizes_go_together(any_vlm, noise_pictures):
    pictures = noise_pictures(1, 40, 56) + noise_pictures(1, 90, 30) + noise_pictures(1, 20, 200)
    assert any_vlm.first_token_logits(pictures, QUESTIONS).shape == (3, len(any_vlm.tokenizer))


def test_the_first_generated_token_has_the_highest_logit(any_vlm, noise_pictures):
    picture = noise_pictures(1)
    best = int(any_vlm.first_token_logits(picture, QUESTIONS[:1]).argmax())
    assert any_vlm.generate(picture, QUESTIONS[:1], max_new_tokens=1) == [
        any_vlm.tokenizer.decode([best], skip_special_tokens=True).strip()
    ]


def test_generation_answers_every_question_in_order(any_vlm, noise_pictures):
    pictures = noise_pictures(3)
    assert any_vlm.generate(pictures, QUESTIONS, max_new_tokens=4, batch_size=2) == [
        any_vlm.generate([picture], [question], max_new_tokens=4)[0] for picture, question in zip(pictures, QUESTIONS, strict=True)
    ]


def test_unembedding_the_last_block_gives_the_first_token_logits(any_vlm, noise_pictures):
    pictures = noise_pictures(2)
    seen = []
    handle = any_vlm.blocks[-1].register_forward_hook(
        lambda *args: seen.append(args[2][0] if isinstance(args[2], tuple) else args[2])
    )
    logits = any_vlm.first_token_logits(pictures, QUESTIONS[:2])
    handle.remove()
    np.testing.assert_allclose(any_vlm.unembed(seen[0][:, -1]).numpy(), logits, atol=1e-4)


def test_the_blocks_are_the_language_models(any_vlm):
    paths = {id(module): path for path, module in any_vlm.module.named_modules()}
    assert any_vlm.n_layers == 3
    assert all(word not in paths[id(any_vlm.blocks)] for word in ("vision", "visual"))
    assert paths[id(any_vlm.norm)].rsplit(".", 1)[0] == paths[id(any_vlm.blocks)].rsplit(".", 1)[0]


def test_control_tokens_in_a_question_are_refused(llava, noise_pictures):
    for token in ("<image>", "<|assistant|>", "</s>"):
        with pytest.raises(UserError, match="steers the model"):
            llava.prepare(noise_pictures(1), [f"Is this {token} a dog?"])


def test_as_many_questions_as_pictures_are_needed(llava, noise_pictures):
    with pytest.raises(UserError, match="2 images and 1 questions"):
        llava.prepare(noise_pictures(2), ["yes?"])
    with pytest.raises(UserError, match="Nothing to ask"):
        llava.prepare([], [])


def test_answers_start_with_any_usual_spelling(llava):
    starts = [llava.tokenizer.decode([token]) for token in llava.answer_token_ids("yes")]
    assert starts[0] == "yes" and all("yes".startswith(start.strip().lower()) and start.strip() for start in starts)
    assert len(set(starts)) == len(starts)


def test_prompts_are_grouped_by_length(llava, random_vlm, noise_pictures):
    pictures = noise_pictures(1, 40, 56) + noise_pictures(1, 90, 30)
    same, other = llava.prompt_groups(pictures, ["yes?", "yes?"])
    assert same == other, "LLaVA shows every picture with the same number of tokens"
    small, large = random_vlm("idefics3").prompt_groups(pictures, ["yes?", "yes?"])
    assert small != large, "Idefics3 splits pictures by their shape"
    assert llava.prompt_groups(pictures, ["yes?", QUESTIONS[0]])[0] != llava.prompt_groups(pictures, ["yes?", QUESTIONS[0]])[1]


def test_without_a_chat_template_the_picture_comes_first(llava, monkeypatch):
    monkeypatch.setattr(llava.processor, "chat_template", None)
    assert llava.prompts(["yes?"]) == ["<image>yes?"]


def test_paligemma_is_prompted_its_own_way(llava, monkeypatch):
    monkeypatch.setattr(llava.module.config, "model_type", "paligemma", raising=False)
    assert llava.prompts(["Is there a dog?"]) == ["<image>answer en Is there a dog?"]


def test_logits_are_scaled_as_the_model_does_whatever_its_configuration_says(llava, monkeypatch):
    hidden = torch.ones(1, 32)
    plain, forward = llava.unembed(hidden), llava.module.forward
    text = llava.module.config.get_text_config()

    def unembedded(applied):
        """Return what is read of a model that applies ``applied`` to what its head says."""

        def scaled(**inputs):
            said = forward(**inputs)
            said.logits = applied(said.logits)
            return said

        monkeypatch.setattr(llava.module, "forward", scaled)
        llava.__dict__.pop("_scaling", None)
        return llava.unembed(hidden)

    def capped(logits):
        return torch.tanh(logits / 0.05) * 0.05

    monkeypatch.setattr(text, "final_logit_softcapping", 0.05, raising=False)
    monkeypatch.setattr(text, "logits_scaling", 4.0, raising=False)
    torch.testing.assert_close(unembedded(lambda logits: logits), plain)
    torch.testing.assert_close(unembedded(capped), capped(plain))
    torch.testing.assert_close(unembedded(lambda logits: logits / 4), plain / 4)
    torch.testing.assert_close(unembedded(lambda logits: capped(logits / 4)), capped(plain / 4))
    llava.__dict__.pop("_scaling", None)
