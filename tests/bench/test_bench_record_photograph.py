"""The photograph that people land on: its voters, cuts, exit, accuracy, votes and answers are what code and model give."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from PIL import Image

from sn_viz.activations.model_cache import model_named
from sn_viz.bench import record_photograph
from sn_viz.bench.record_photograph import RECORD, Evidence, middle, sources_in, split, tell, weights_digest
from sn_viz.config import DEFAULT_MODEL
from sn_viz.errors import UserError
from sn_viz.paths import ASSETS
from sn_viz.sources.pack import flower_photograph
from sn_viz.ui.components import recorded

AGAIN = f"record it again: {RECORD}"


@cache
def kept():
    found = recorded.read_photograph()
    assert found is not None, "the installed scikit-learn holds another photograph, or none"
    return found


@cache
def evidence():
    return Evidence.read()


@pytest.fixture(scope="module")
def vlm():
    return model_named(DEFAULT_MODEL, "cpu")


def told(vlm, of=None):
    return tell(of or evidence(), vlm, flower_photograph(), kept().found.photographs.sets)


def test_it_was_recorded_with_the_model_that_is_shipped():
    assert weights_digest(ASSETS / DEFAULT_MODEL) == kept().found.photographs.weights, f"the model is another one: {AGAIN}"


def test_the_recorded_run_is_what_the_evidence_tells_today(vlm):
    assert told(vlm) == kept().found, f"stale: {AGAIN}"
    assert kept().command == RECORD and len(kept().times.stamps) == len(kept().found.tally)


def test_other_numbers_tell_another_run(vlm):
    changed = evidence().test.copy()
    changed[:] = -changed
    assert told(vlm, replace(evidence(), test=changed)).vote_right != kept().found.vote_right
    silent = evidence().probing.copy()
    silent[:, evidence().test_neurons] = 0
    with pytest.raises(UserError, match="stale"):
        told(vlm, replace(evidence(), probing=silent))
    with pytest.raises(UserError, match="stale"):
        told(vlm, replace(evidence(), probing=evidence().probing[:, :-1]))


def test_classes_are_alike_and_the_evidence_is_small():
    labels = evidence().probing_labels, evidence().test_labels
    assert [np.bincount(each).tolist() for each in labels] == [[32, 32], [100, 100]]
    assert evidence().probing.dtype == np.float16 and (recorded.FOLDER / record_photograph.EVIDENCE).stat().st_size < 1_500_000


def test_the_evidence_is_the_same_file_each_time(tmp_path):
    for name in "ab":
        evidence().write(tmp_path / name)
    first, second = ((tmp_path / name / record_photograph.EVIDENCE).read_bytes() for name in "ab")
    assert first == second


def photographs(folder, each):
    """Write ``each`` different pictures a class, and where they come from."""
    for label, name in enumerate(("other", "flower")):
        (folder / name).mkdir(parents=True)
        for i in range(each):
            noise = np.random.default_rng((label, i)).integers(0, 255, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(noise).resize((64, 64), 0).save(folder / name / f"{i}.png")
    (folder / "sources.txt").write_text("flower: A, CC0\nother: B, CC0\n")
    return folder


def test_the_split_is_by_picture_and_the_same_each_time(tmp_path, monkeypatch):
    monkeypatch.setattr(record_photograph, "N_PROBING", 8)
    monkeypatch.setattr(record_photograph, "N_TEST", 12)
    folder = photographs(tmp_path, 12)
    first, again = split(folder), split(folder)
    assert [images.names for images in first] == [images.names for images in again]
    probing, test = first
    assert np.bincount(probing.labels).tolist() == [4, 4] and np.bincount(test.labels).tolist() == [6, 6]
    assert not {picture.sha256 for picture in probing.pictures} & {picture.sha256 for picture in test.pictures}
    assert all(name.startswith("flower") == (label == 1) for name, label in zip(test.names, test.labels, strict=True))


def test_what_is_missing_is_said(tmp_path):
    folder = photographs(tmp_path, 3)
    assert sources_in(folder) == ("flower: A, CC0", "other: B, CC0")
    with pytest.raises(UserError, match="too few"):
        split(folder)
    (folder / "sources.txt").write_text("flower: A, CC0\n")
    with pytest.raises(UserError, match="where the photographs come from"):
        sources_in(folder)


def test_a_model_folder_is_known_by_weights_and_settings_whatever_the_line_ends(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    (tmp_path / "config.json").write_bytes(b"{\n}")
    first = weights_digest(tmp_path)
    (tmp_path / "config.json").write_bytes(b"{\r\n}")
    (tmp_path / "README.md").write_text("other words")
    assert weights_digest(tmp_path) == first
    (tmp_path / "model.safetensors").write_bytes(b"weighed")
    assert weights_digest(tmp_path) != first


def test_the_race_that_is_kept_is_the_middle_one():
    class Timed:
        def __init__(self, exit_ms, full_ms):
            self.exit_ms, self.full_ms = exit_ms, full_ms

    slow, usual, quick = Timed(10, 15), Timed(10, 20), Timed(10, 90)
    assert middle([quick, slow, usual]) is usual
