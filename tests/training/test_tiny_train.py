"""The embedded model's training: packed rows mean what single turns mean, and every stage learns, resumes and ships."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from sn_viz.errors import UserError
from sn_viz.training import losses, rows
from sn_viz.training import train as training
from sn_viz.training.families import EMBEDDED_FAMILIES
from sn_viz.training.families.llava import divide, make_model, prefix
from sn_viz.training.model import Sizes, make_tokenizer
from sn_viz.world.pictures import Pictures, draw_pictures
from sn_viz.world.questions import Asked
from sn_viz.world.scene import COLOUR_NAMES, TRAINED_KINDS

SIZES = Sizes(vision_width=32, vision_blocks=1, width=32, blocks=3, heads=2, mlp=64, vocabulary=560)
DRAWN_ONLY = [name for name in EMBEDDED_FAMILIES.names() if not EMBEDDED_FAMILIES[name].photographs]


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


@pytest.mark.parametrize("name", EMBEDDED_FAMILIES.names())
def test_packed_questions_get_the_logits_of_single_turns(name):
    family = EMBEDDED_FAMILIES[name]
    given = replace(SIZES, **{part: getattr(family.sizes, part) for part in ("image", "patch") if family.photographs})
    tokenizer = make_tokenizer(rows.corpus(60), SIZES.vocabulary, family.image_tokens)
    model, processor = family.make_model(tokenizer, given).eval(), family.make_processor(tokenizer, given)
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    asked = [Asked("presence", q, "yes") for q in ("Is there a dog?", "Do you see a red car here?", "Is a cup here?")]
    packed_rows = rows.Packer(tokenizer, family.prefix(tokenizer, given)).pack([asked])
    pixels = processor(images=image, text=prompt(processor, "?"), return_tensors="pt", add_special_tokens=False)["pixel_values"]
    with torch.no_grad():
        hidden = family.read(model, packed_rows, family.project(model, family.see(model, pixels)))
        packed = torch.nn.functional.linear(hidden, model.lm_head.weight)
        for (row, at, _), turn in zip(packed_rows.families, asked, strict=True):
            batch = processor(images=image, text=prompt(processor, turn.question), return_tensors="pt", add_special_tokens=False)
            single = model(**batch).logits[0, -1]
            assert torch.allclose(packed[row, at], single, atol=1e-4)


def first_attention(model, asked: Asked, tokenizer) -> torch.Tensor:
    """What the last token sees in the first block, by head: (head, position)."""
    packed = rows.Packer(tokenizer, prefix(tokenizer, Sizes())).pack([[asked]])
    last = int((packed.block[0] >= 0).sum()) - 2
    written = model.model.language_model.embed_tokens(packed.tokens[:, : last + 1])
    hidden = torch.cat([written[:, :1], torch.randn(1, 64, written.shape[-1]), written[:, 65:]], 1)
    model.set_attn_implementation("eager")
    return model.model.language_model(inputs_embeds=hidden, output_attentions=True).attentions[0][0, :, -1]


def rows_found(source: torch.Tensor, others: list[torch.Tensor]) -> np.ndarray:
    """How often each row of ``source`` is found in each of ``others``: (other, row)."""
    return np.array([(source[:, None] == other[None]).all(-1).sum(-1).numpy() for other in others])


def test_dividing_deals_every_head_and_neuron_to_one_block_and_something_to_every_block(tokenizer):
    small = make_model(tokenizer, Sizes(width=64, blocks=2, heads=4, mlp=64, vocabulary=560)).eval()
    deeper = divide(small, 6).eval()
    assert torch.equal(small.lm_head.weight, deeper.lm_head.weight)
    for number, old in enumerate(small.model.language_model.layers):
        news = deeper.model.language_model.layers[3 * number : 3 * number + 3]
        values = rows_found(old.self_attn.v_proj.weight, [new.self_attn.v_proj.weight for new in news])
        neurons = rows_found(old.mlp.gate_proj.weight, [new.mlp.gate_proj.weight for new in news])
        assert (values.sum(0) == 1).all() and (neurons.sum(0) == 1).all()
        assert ((values.sum(1) > 0) | (neurons.sum(1) > 0)).all()
    with pytest.raises(ValueError, match="no multiple"):
        divide(small, 5)


@torch.no_grad()
def test_half_of_the_first_blocks_heads_begin_by_looking_everywhere(tokenizer):
    small = make_model(tokenizer, Sizes(width=64, blocks=2, heads=4, mlp=64, vocabulary=560)).eval()
    asked = Asked("presence", "Is there a dog?", "yes")
    before, after = (first_attention(model, asked, tokenizer) for model in (small, divide(small, 4).eval()))
    assert before[0, -1] > 3 / before.shape[1]
    assert (after[:2, 1:65].sum(-1) > 0.7).all() and after[:2].max() < 2 / after.shape[1]


def test_pictures_do_not_depend_on_who_draws_them(tmp_path):
    one = draw_pictures(20, 5, seed=3)
    two = draw_pictures(20, 5, seed=3, folder=tmp_path)
    read = draw_pictures(20, 5, seed=3, folder=tmp_path)
    for name in Pictures.__dataclass_fields__:
        assert np.array_equal(getattr(one, name), getattr(two, name)), name
        assert np.array_equal(getattr(one, name), getattr(read, name)), name
    assert ((one.figure != 255) == (np.arange(25) >= 20)).all()


@pytest.mark.long
@pytest.mark.parametrize("family", DRAWN_ONLY)
def test_training_learns_resumes_and_ships_a_checkpoint(tmp_path, family):
    sizes = replace(SIZES, blocks=3 if family == "llava" else 1)
    recipe = training.Recipe(
        family=family, sizes=sizes, scenes=120, figures=24, shallow_blocks=1, batch=4, vision_batch=32, steps=(60, 2, 2), rate=1e-3
    )
    out = training.train(tmp_path / "out", recipe, folder=tmp_path / "work", compiled=False)
    lines = [json.loads(line) for line in (tmp_path / "work" / "log.jsonl").read_text().splitlines()]
    seen = [line for line in lines if line.get("held_out")]
    assert seen[0]["present"] < 0.9 * seen[0]["present at first"]
    assert (out / "config.json").exists() and list(out.glob("*.safetensors"))
    assert not [p for p in out.iterdir() if p.stat().st_size > 10_000_000]
    (tmp_path / "work" / "deep" / "recipe.json").unlink()
    before = len((tmp_path / "work" / "log.jsonl").read_text().splitlines())
    training.train(tmp_path / "out2", recipe, folder=tmp_path / "work", resume=True, compiled=False)
    stages = [json.loads(line)["stage"] for line in (tmp_path / "work" / "log.jsonl").read_text().splitlines()[before:]]
    assert "vision" not in stages and "shallow" not in stages and "deep" in stages
    other = replace(recipe, family=next(name for name in DRAWN_ONLY if name != family))
    with pytest.raises(UserError, match=f"holds a training of the family '{family}'"):
        training.train(tmp_path / "out3", other, folder=tmp_path / "work", resume=True, compiled=False)


def test_every_read_out_learns_in_every_stage_that_uses_it(tokenizer):
    heads = losses.VisionHeads(SIZES.vision_width)
    for rate, tower_rate in ((0.0, 1e-3), (1e-3, 2e-4)):
        best = training.optimisers(make_model(tokenizer, SIZES), heads, rate, tower_rate)
        learning = {id(weight) for one in best.each for group in one.param_groups for weight in group["params"]}
        assert all(id(weight) in learning for weight in heads.parameters())


@pytest.mark.long
def test_an_interrupted_stage_goes_on_where_it_was(tmp_path, monkeypatch):
    recipe = training.Recipe(sizes=SIZES, scenes=40, figures=8, shallow_blocks=1, batch=4, vision_batch=8, steps=(20, 1, 1))
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
    assert len(calls) == 13 + (20 - 12) + 1 + 1
    assert not list((tmp_path / "work").glob("*-part"))


def test_sides_draw_a_patch_towards_the_word_for_where_its_thing_is(tokenizer):
    model = make_model(tokenizer, SIZES)
    words = torch.arange(10, 10 + len(TRAINED_KINDS) + len(COLOUR_NAMES) + len(losses.SIDES))
    table = model.model.language_model.embed_tokens.weight.detach()
    left, right = table[words[-4]], table[words[-3]]
    truth = {"kind": torch.ones(1, 1, dtype=torch.long), "colour": torch.ones(1, 1, dtype=torch.long)}

    def loss(patch, across):
        where = torch.tensor([[[across, 0.5, 0.5]]])
        return losses.naming_loss(model, patch[None, None], truth | {"place": where}, words).item()

    assert loss(left, 0.1) < loss(right, 0.1) and loss(right, 0.9) < loss(left, 0.9)
    plain = [
        losses.naming_loss(model, left[None, None], truth | {"place": torch.tensor([[[a, 0.5, 0.5]]])}, words, False).item()
        for a in (0.1, 0.9)
    ]
    assert plain[0] == plain[1]
