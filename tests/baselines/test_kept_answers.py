"""What a model wrote about a picture is generated once, and kept apart for other models, questions and readings."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from sn_viz.activations.extract import batches, extract, row_names
from sn_viz.activations.sites import SITES
from sn_viz.activations.store import Store
from sn_viz.baselines.answers import answer_key
from sn_viz.baselines.answers.said import kept_answers, n_kept, written_answers, written_while_read
from sn_viz.models import load_model
from sn_viz.types import LabelledImages, Picture

ASKED = "Is there a dog in the picture?"


@pytest.fixture
def images():
    random = np.random.default_rng(5)
    pictures = tuple(Picture(random.integers(0, 256, (32, 32, 3)).astype(np.uint8)) for _ in range(11))
    return LabelledImages(tuple(map(str, range(11))), pictures, np.arange(11) % 2, ("no", "yes"), (ASKED,) * 11)


@pytest.fixture
def asked(llava, monkeypatch):
    """Which questions were put to the model, one a picture."""
    heard, generate = [], llava.generate

    def listen(pictures, questions, **more):
        heard.extend(questions)
        return generate(pictures, questions, **more)

    monkeypatch.setattr(llava, "generate", listen, raising=False)
    return heard


def answers(llava, images, key, cache, told=lambda done, total: None):
    return kept_answers(llava, images, key, cache, told)


def test_answers_are_generated_once_and_are_those_of_a_run_that_keeps_nothing(llava, images, asked, tmp_path):
    key = answer_key(images.classes, images.questions)
    plain = [text for rows in (slice(0, 8), slice(8, 11)) for text in written_answers(
        llava, images.pictures[rows], images.questions[rows], key
    )]  # fmt: skip
    asked.clear()
    assert answers(llava, images, key, Store(tmp_path)) == plain and len(asked) == 11
    assert (n_kept(llava, images, key, Store(tmp_path)), n_kept(llava, images, None, Store(tmp_path))) == (11, 0)
    told = []
    assert answers(llava, images, key, Store(tmp_path), lambda *done: told.append(done)) == plain
    assert len(asked) == 11 and told == [(11, 11)]
    assert answers(llava, images, key, None) == plain and len(asked) == 22


@pytest.mark.parametrize("mixed", [False, True])
def test_what_is_read_while_the_model_writes_is_what_is_read_alone_in_every_family(any_vlm, images, tmp_path, monkeypatch, mixed):
    if mixed:  # sizes and lengths of prompts
        random = np.random.default_rng(6)
        wide = tuple(Picture(random.integers(0, 256, (40, 60, 3)).astype(np.uint8)) for _ in range(4))
        questions = tuple(ASKED if i % 3 else "Dog?" for i in range(11))
        images = replace(images, pictures=images.pictures[:7] + wide, questions=questions)
    key, passes = answer_key(images.classes, images.questions, {"no": "no", "yes": "yes"}), []
    expected = extract(any_vlm, images)
    hook = any_vlm.blocks[0].register_forward_pre_hook(
        lambda _m, args, kwargs: passes.append(next(v for v in (*args, *kwargs.values()) if v.dim() > 2).shape[-2]),
        with_kwargs=True,
    )
    found = extract(any_vlm, images, cache=Store(tmp_path), writing=written_while_read(any_vlm, key))
    hook.remove()
    groups = list(batches(any_vlm, images.pictures, images.questions, range(11), None))
    assert np.array_equal(found.values, expected.values), "bit for bit"
    assert sum(length > 1 for length in passes) == len(groups), "every batch is looked at once"
    assert n_kept(any_vlm, images, key, Store(tmp_path)) == 11
    with monkeypatch.context() as patch:
        patch.setattr(any_vlm, "generate", None, raising=False)  # nothing is generated any more
        said = answers(any_vlm, images, key, Store(tmp_path))
    for rows in groups:
        some = images.take(rows)
        assert [said[row] for row in rows] == written_answers(any_vlm, some.pictures, some.questions, key)


class Step:
    """What the last position has beyond the one before it: of a single position there is none."""

    name = "step"

    def module_of(self, block):
        return block, "output"

    def transform(self, held):
        held = held if torch.is_tensor(held) else held[0]
        return held[:, -1] - held[:, -2]


class Early:
    """A place that no pass reaches in the last block."""

    name = "early"

    def module_of(self, block):
        return getattr(block, "unused", block.mlp), "output"


@pytest.mark.parametrize("site", [Step, Early])
def test_sites_of_ones_own_are_given_the_prompt_alone_and_may_end_before_the_last_block(
    checkpoint, images, tmp_path, monkeypatch, site
):
    vlm = load_model(str(checkpoint("llava")))
    monkeypatch.setattr(SITES, "_entries", dict(SITES._entries))
    SITES.register(site.name, costly=True)(site())
    vlm.blocks[-1].unused = torch.nn.Identity()
    key, expected = answer_key(images.classes, images.questions), extract(vlm, images, sites=[site.name])
    found = extract(vlm, images, sites=[site.name], cache=Store(tmp_path), writing=written_while_read(vlm, key))
    assert np.array_equal(found.values, expected.values)
    assert answers(vlm, images, key, Store(tmp_path)) == answers(vlm, images, key, None)


def test_a_model_that_writes_without_a_pass_is_read_all_the_same(llava, images, tmp_path, monkeypatch):
    expected = extract(llava, images)
    monkeypatch.setattr(llava, "generate", lambda pictures, questions, **more: ["yes"] * len(pictures), raising=False)
    key = answer_key(images.classes, images.questions)
    found = extract(llava, images, cache=Store(tmp_path), writing=written_while_read(llava, key))
    assert np.array_equal(found.values, expected.values)
    assert answers(llava, images, key, Store(tmp_path)) == ["yes"] * 11


def test_what_is_written_while_it_is_read_counts_once_beside_what_is_kept(llava, images, tmp_path):
    key, names = answer_key(images.classes, images.questions), row_names(images)
    answers(llava, images.take([0, 1, 2, 3]), key, Store(tmp_path))
    assert n_kept(llava, images, key, Store(tmp_path)) == 4
    assert n_kept(llava, images, key, Store(tmp_path), set(names[2:7])) == 7


def test_answers_that_are_kept_are_not_written_again_while_pictures_are_read(llava, images, asked, tmp_path):
    key = answer_key(images.classes, images.questions)
    first = answers(llava, images, key, Store(tmp_path))
    extract(llava, images, cache=Store(tmp_path), writing=written_while_read(llava, key))
    assert len(asked) == 11 and answers(llava, images, key, Store(tmp_path)) == first


def test_only_what_is_new_is_asked(llava, images, asked, tmp_path):
    key, some = answer_key(images.classes, images.questions), images.take([0, 4, 7])
    before = answers(llava, some, key, Store(tmp_path))
    assert [answers(llava, images, key, Store(tmp_path))[row] for row in (0, 4, 7)] == before
    assert len(asked) == 11
    answers(llava, images.ask("Is there a car in the picture?"), key, Store(tmp_path))
    assert len(asked) == 22, "another question"
    answers(llava, images, answer_key(images.classes, images.questions, {"no": "yes", "yes": "no"}), Store(tmp_path))
    assert len(asked) == 33, "read in another way, an answer may be longer"


def test_another_model_is_asked_itself(llava, images, asked, tmp_path, monkeypatch):
    key = answer_key(images.classes, images.questions)
    answers(llava, images, key, Store(tmp_path))
    monkeypatch.setattr(llava, "key", llava.key + "-other", raising=False)
    answers(llava, images, key, Store(tmp_path))
    assert len(asked) == 22


def test_a_damaged_answer_is_generated_anew_and_an_empty_or_foreign_one_comes_back(llava, images, monkeypatch, tmp_path):
    said = iter(["", "さけ ☃", "no", *"abcdefgh", "new"])
    monkeypatch.setattr(llava, "generate", lambda pictures, questions, **more: [next(said) for _ in pictures], raising=False)
    first = answers(llava, images, None, Store(tmp_path))
    assert first[:3] == ["", "さけ ☃", "no"] and answers(llava, images, None, Store(tmp_path)) == first
    damaged = sorted(tmp_path.glob("*/*.row"))[0]
    damaged.write_bytes(damaged.read_bytes()[:-1])
    again = answers(llava, images, None, Store(tmp_path))
    assert sum(one != other for one, other in zip(first, again, strict=True)) == 1 and "new" in again


def test_unknown_keys_read_alike(llava, images, asked, tmp_path):
    unknown = answer_key(("alpha", "beta"), images.questions)
    assert not unknown.known
    answers(llava, images, unknown, Store(tmp_path))
    answers(llava, images, replace(unknown, reason="another"), Store(tmp_path))
    assert len(asked) == 11
