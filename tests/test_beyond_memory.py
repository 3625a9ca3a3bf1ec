"""A run whose pictures and activations do not fit into memory is the same run."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from sn_viz import find
from sn_viz.errors import UserError
from sn_viz.matrix import mapped_file
from sn_viz.run import Run
from sn_viz.sources import load_images, save_folders

pytestmark = pytest.mark.long
COMPARED = "logit-lens,linear-probe,sparse-probe"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    home = tmp_path_factory.mktemp("data") / "reds"
    images = load_images("pack:anything-red")
    save_folders(images.take(np.flatnonzero(np.arange(len(images)) % 7 == 0)), home)
    return home


@pytest.fixture(scope="module")
def runs(folder, tmp_path_factory) -> tuple[Run, Run]:
    found = []
    for memory in ("64", "0"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SN_VIZ_CACHE", str(tmp_path_factory.mktemp("cache")))
            patch.setenv("SN_VIZ_MEMORY", memory)
            found.append(find(folder, "Is anything red?", model="tiny-llava", compare=COMPARED))
    return found[0], found[1]


def same(one, other) -> None:
    """Assert that two values of any of the package's types are equal, times apart."""
    if dataclasses.is_dataclass(one):
        for field in dataclasses.fields(one):
            if "latency" not in field.name:
                same(getattr(one, field.name), getattr(other, field.name))
    elif isinstance(one, np.ndarray):
        np.testing.assert_array_equal(one, other)
    elif isinstance(one, tuple):
        assert len(one) == len(other)
        for a, b in zip(one, other, strict=True):
            same(a, b)
    else:
        assert one == other or (one != one and other != other)


def test_one_lies_in_memory_and_the_other_does_not(runs):
    inside, beyond = runs
    assert mapped_file(inside.train_values) is None and mapped_file(inside.test_values) is None
    assert mapped_file(beyond.train_values) is not None and mapped_file(beyond.test_values) is not None
    assert not any("pixels" in vars(picture) for picture in (*beyond.train.pictures, *beyond.test.pictures))


@pytest.mark.parametrize(
    "part",
    "train test neurons train_values test_values stumps voters exit_layer votes by_layer baselines null_scores warnings".split(),
)
def test_every_part_of_both_is_equal_bit_for_bit(runs, part):
    inside, beyond = (getattr(run, part) for run in runs)
    same(inside, beyond)


def test_so_is_the_stability_of_the_choice(runs):
    assert runs[0].findings["stability"] == runs[1].findings["stability"]


def test_it_is_saved_and_opened_like_any_other(runs, tmp_path, monkeypatch):
    monkeypatch.setenv("SN_VIZ_MEMORY", "0")
    again = Run.load(runs[1].save(tmp_path / "run"))
    same(again.train_values, runs[0].train_values)
    assert [p.sha256 for p in again.test.pictures] == [p.sha256 for p in runs[0].test.pictures]


def test_a_picture_that_changes_while_the_run_goes_on_ends_it_with_its_name(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("SN_VIZ_MEMORY", "0")
    monkeypatch.setenv("SN_VIZ_CACHE", str(tmp_path / "cache"))
    images = load_images(folder, "Is anything red?")
    [*_, last] = sorted(folder.rglob("*.png"))
    before = last.read_bytes()
    last.write_bytes(sorted(folder.rglob("*.png"))[0].read_bytes())
    try:
        with pytest.raises(UserError, match="has changed") as told:
            find(images, model="tiny-llava", compare="none")
    finally:
        last.write_bytes(before)
    assert last.name in str(told.value)
