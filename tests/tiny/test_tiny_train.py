"""The embedded model's training: packed rows mean what single turns mean, and every stage learns, resumes and ships."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from sn_viz.tiny import losses, rows
from sn_viz.tiny import train as training
from sn_viz.tiny.data import Pictures, draw_pictures, reduce
from sn_viz.tiny.model import Sizes, make_model, make_processor, make_tokenizer
from sn_viz.tiny.questions import Asked

SIZES = Sizes(vision_width=32, vision_blocks=1, width=32, blocks=3, heads=2, mlp=64, vocabulary=560)


@pytest.fixture(scope="module")
def tokenizer():
    return make_tokenizer(rows.corpus(60), SIZES.vocabulary)


@pytest.fixture(scope="module")
def model(tokenizer):
    return make_model(tokenizer, SIZES).eval()


def prompt(processor, question: str) -> str:
    content = [{"type": "image"}, {"type": "text", "text": question}]
    return processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)


def test_any_text_survives_the_tokenizer(tokenizer):
    for text in ("Is there a dog?", "Ünïcode 你好 🙂", "a < b & c"):
        assert tokenizer.decode(tokenizer.encode(text, add_special_tokens=False)).strip() == text


def test_packed_questions_get_the_logits_of_single_turns(model, tokenizer):
    processor = make_processor(tokenizer, SIZES)
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    asked = [Asked("presence", q, "yes") for q in ("Is there a dog?", "Do you see a red car here?", "Is a cup here?")]
    packed_rows = rows.Packer(tokenizer, 64).pack([asked])
    pixels = torch.from_numpy(reduce(image)[None].copy()).permute(0, 3, 1, 2).float() / 127.5 - 1
    with torch.no_grad():
        hidden = losses.read(model, packed_rows, model.model.multi_modal_projector(losses.see(model, pixels)))
        packed = torch.nn.functional.linear(hidden, model.lm_head.weight)
        for (row, at, _), turn in zip(packed_rows.families, asked, strict=True):
            batch = processor(images=image, text=prompt(processor, turn.question), return_tensors="pt", add_special_tokens=False)
            single = model(**batch).logits[0, -1]
            assert torch.allclose(packed[row, at], single, atol=1e-4)


def test_at_first_half_of_the_heads_match_likeness_and_half_look_everywhere(tokenizer):
    fresh = make_model(tokenizer, Sizes(width=64, blocks=2, heads=4, mlp=64, vocabulary=560)).eval()
    pictured, rows_of_one = torch.randn(1, 64, 64), rows.Packer(tokenizer, 64).pack([[Asked("presence", "Is there a dog?", "yes")]])
    language = fresh.model.language_model
    written = language.embed_tokens(rows_of_one.tokens)
    hidden = torch.cat([written[:, :1], pictured, written[:, 65:]], 1)
    fresh.set_attn_implementation("eager")
    last = int((rows_of_one.block[0] >= 0).sum()) - 2
    attention = language(inputs_embeds=hidden[:, : last + 1], output_attentions=True).attentions[0][0, :, -1]
    itself, picture = attention[:, -1], attention[:, 1:65].sum(-1)
    assert (itself[:2] > 3 / last).all()
    assert (picture[2:] > 0.7).all() and (itself[2:] < 2 / last).all()


def test_pictures_do_not_depend_on_who_draws_them(tmp_path):
    one = draw_pictures(20, 5, seed=3)
    two = draw_pictures(20, 5, seed=3, folder=tmp_path)
    read = draw_pictures(20, 5, seed=3, folder=tmp_path)
    for name in Pictures.__dataclass_fields__:
        assert np.array_equal(getattr(one, name), getattr(two, name)), name
        assert np.array_equal(getattr(one, name), getattr(read, name)), name
    assert ((one.figure != 255) == (np.arange(25) >= 20)).all()


def test_training_learns_resumes_and_ships_a_checkpoint(tmp_path):
    recipe = training.Recipe(sizes=SIZES, scenes=120, figures=24, batch=4, vision_batch=32, steps=(60, 2), rate=1e-3)
    out = training.train(tmp_path / "out", recipe, folder=tmp_path / "work", compiled=False)
    lines = [json.loads(line) for line in (tmp_path / "work" / "log.jsonl").read_text().splitlines()]
    seen = [line for line in lines if line.get("held_out")]
    assert seen[0]["present"] < 0.9 * seen[0]["present at first"]
    assert (out / "config.json").exists() and list(out.glob("*.safetensors"))
    assert not [p for p in out.iterdir() if p.stat().st_size > 10_000_000]
    (tmp_path / "work" / "reading" / "recipe.json").unlink()
    before = len((tmp_path / "work" / "log.jsonl").read_text().splitlines())
    training.train(tmp_path / "out2", recipe, folder=tmp_path / "work", resume=True, compiled=False)
    stages = [json.loads(line)["stage"] for line in (tmp_path / "work" / "log.jsonl").read_text().splitlines()[before:]]
    assert "vision" not in stages and "reading" in stages


def test_an_interrupted_stage_goes_on_where_it_was(tmp_path, monkeypatch):
    recipe = training.Recipe(sizes=SIZES, scenes=40, figures=8, batch=4, vision_batch=8, steps=(20, 1))
    schedule, calls = training.schedule, []

    def interrupted(done):
        calls.append(done)
        if len(calls) == 13:
            raise KeyboardInterrupt
        return schedule(done)

    monkeypatch.setattr(training, "SAVE_SECONDS", 0.0)
    monkeypatch.setattr(training, "schedule", interrupted)
    with pytest.raises(KeyboardInterrupt):
        training.train(tmp_path / "out", recipe, folder=tmp_path / "work", compiled=False)
    training.train(tmp_path / "out", recipe, folder=tmp_path / "work", resume=True, compiled=False)
    assert len(calls) == 13 + (20 - 12) + 1
    assert not list((tmp_path / "work").glob("*-part"))
