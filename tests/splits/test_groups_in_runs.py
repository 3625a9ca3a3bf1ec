"""Whole runs on data whose examples share pictures or groups: luck is told as luck, and what cannot be measured is not."""

import json

import numpy as np
import pytest
from PIL import Image

from sn_viz.pipeline import find, load_splits
from sn_viz.run import Run
from sn_viz.storage.summary import summary

THINGS = ("dog", "cat", "car", "cup", "hat", "tree")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Return a folder with 40 pictures, each of them unlike all others."""
    folder, rng = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for i in range(40):
        small = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8))
        small.resize((32, 32), Image.Resampling.BICUBIC).save(folder / f"{i}.png")
    return folder


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    patch = pytest.MonkeyPatch()
    patch.setenv("SN_VIZ_CACHE", str(tmp_path_factory.mktemp("cache")))
    yield
    patch.undo()


def table(home, name, labels, wording="Is there a {}?", group=""):
    """Write a table of six questions a picture; ``labels`` per picture."""
    lines = ["image,label,question" + (",group" if group else "")]
    for i, label in enumerate(labels):
        lines += [f"{i}.png,{label},{wording.format(thing)}" + (f",{group}{i // 4}" if group else "") for thing in THINGS]
    (home / name).write_text("\n".join(lines))
    return home / name


@pytest.mark.long
def test_coin_tosses_over_pictures_are_right_half_the_time(home, llava):
    right, by_folds, probe = [], [], []
    for seed in range(8):
        tossed = np.random.default_rng(seed).permutation(np.repeat(["yes", "no"], 20))
        found = find(table(home, "coins.csv", tossed), model=llava, compare="linear-probe", seed=seed, voters=5)
        at_exit = found.by_layer[found.exit_index]
        right.append(at_exit.accuracy.value)
        by_folds.append(at_exit.cv_accuracy)
        probe.append(found.baselines[0].accuracy.value)
        assert at_exit.accuracy.low < 0.5 < at_exit.accuracy.high or abs(at_exit.accuracy.value - 0.5) < 0.35
        assert len(found.test) == 120 and len({p.sha256 for p in found.test.pictures}) == 20
    assert abs(np.mean(right) - 0.5) < 0.12, right
    assert np.mean(by_folds) < 0.65, by_folds
    assert abs(np.mean(probe) - 0.5) < 0.12, probe


def test_a_test_set_of_the_same_pictures_in_other_words_is_left_out_and_named(home):
    labels = ["yes", "no"] * 10
    train = table(home, "train.csv", labels[:12])
    test = table(home, "test.csv", labels, "Can you see a {} here?")
    probing, held_out = load_splits(str(train), None, str(test), 0.5, 0)
    assert len(probing) == 72 and len(held_out) == 48
    assert not {p.sha256 for p in probing.pictures} & {p.sha256 for p in held_out.pictures}
    assert any("72 test images are also probing images" in note and "'0.png'" in note for note in held_out.notes)


def test_popes_own_form_is_grouped_by_photograph(home):
    rows = [
        {"question_id": 6 * i + k, "image": f"{i}.png", "text": f"Is there a {thing}?", "label": ("yes", "no")[k % 2]}
        for i in range(20)
        for k, thing in enumerate(THINGS)
    ]
    (home / "pope.json").write_text("\n".join(map(json.dumps, rows)))
    train, test = load_splits(str(home / "pope.json"), None, None, 0.5, 0)
    assert len(train) == len(test) == 60 and np.bincount(test.labels).tolist() == [30, 30]
    assert not {p.sha256 for p in train.pictures} & {p.sha256 for p in test.pictures}


def test_a_column_group_keeps_people_on_one_side(home):
    train, test = load_splits(str(table(home, "people.csv", ["yes", "no"] * 20, group="person ")), None, None, 0.5, 0)
    assert set(train.groups) | set(test.groups) == {f"person {i}" for i in range(10)}
    assert not set(train.groups) & set(test.groups)


def test_without_anything_to_test_on_neurons_are_found_and_no_figure_is_given(home, llava, tmp_path):
    path = table(home, "recordings.csv", ["yes", "no"] * 6)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0] + ",group", *(f"{line},{line.split(',')[1]} recording" for line in lines[1:])]))
    found = find(path, model=llava, voters=5)
    assert len(found.train) == 72 and len(found.test) == 0 and found.baselines == ()
    assert "No accuracy was measured" in found.no_held_out and found.no_held_out in found.warnings
    assert np.isfinite(found.stumps.score).any() and len(found.voters[found.exit_index]) == 5
    told = summary(found)
    assert told["no_held_out"] == found.no_held_out and told["n_groups"] == {"train": 2, "test": 0}
    assert told["accuracy"]["super_neurons"] == {"value": None, "low": None, "high": None, "n": 0}
    assert all(row["accuracy"] is None and row["low"] is None for row in told["by_layer"])
    again = Run.load(found.save(tmp_path / "run"))
    assert again.train.groups == found.train.groups and again.no_held_out == found.no_held_out
