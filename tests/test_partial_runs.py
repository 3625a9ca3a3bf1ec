"""A run shows what it has found before it ends, is the same run for it, and nothing half done is kept."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from planted_run import make_run
from test_pipeline import QUESTION, draw

from sn_viz.activations.extract import extract, in_turns
from sn_viz.errors import UserError
from sn_viz.pipeline import find
from sn_viz.search.stumps import _LOADING, find_stumps
from sn_viz.sources import load_images
from sn_viz.storage.save import save_run
from sn_viz.types import Config, Partial
from sn_viz.voting.partial import FEWEST, PAUSE_SECONDS, SoFar

METHODS = ("linear-probe", "sav")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return draw(tmp_path_factory.mktemp("data"))


def found(folder, llava, cache, monkeypatch, offer=None):
    monkeypatch.setenv("SN_VIZ_CACHE", str(cache))
    return find(folder, QUESTION, llava, compare=METHODS, voters=5, offer=offer)


def test_the_run_is_the_same_with_and_without_somebody_looking(folder, llava, tmp_path, monkeypatch):
    offered = []
    quiet = found(folder, llava, tmp_path / "one", monkeypatch)
    told = found(folder, llava, tmp_path / "two", monkeypatch, offered.append)
    assert offered and not isinstance(told, Partial)
    for name in ("train_values", "test_values", "null_scores"):
        assert np.array_equal(getattr(quiet, name), getattr(told, name)), name
    for one, other in ((quiet.stumps, told.stumps), *zip(quiet.voters, told.voters, strict=True)):
        assert np.array_equal(one.neuron, other.neuron) and np.array_equal(one.threshold, other.threshold)
        assert np.array_equal(one.score, other.score, equal_nan=True)
    assert np.array_equal(quiet.votes.tally, told.votes.tally) and quiet.exit_layer == told.exit_layer
    assert [row.accuracy for row in quiet.by_layer] == [row.accuracy for row in told.by_layer]
    assert all(np.array_equal(a.predicted, b.predicted) for a, b in zip(quiet.baselines, told.baselines, strict=True))
    assert quiet.findings == told.findings and quiet.warnings == told.warnings


def test_super_neurons_come_first_then_luck_then_each_other_method(folder, llava, tmp_path, monkeypatch):
    offered = []
    run = found(folder, llava, tmp_path, monkeypatch, offered.append)
    assert [len(one.test) for one in offered] == [0, 10, 10, 10, 10]
    assert [[b.name for b in one.baselines] for one in offered] == [[], [], [], ["linear-probe"], ["linear-probe", "sav"]]
    assert [len(one.null_scores) > 0 for one in offered] == [False, False, True, True, True]
    assert all(np.array_equal(one.stumps.score, run.stumps.score, equal_nan=True) for one in offered)
    assert all(np.isnan(row.accuracy.value) for row in offered[0].by_layer)
    assert [row.accuracy for row in offered[1].by_layer] == [row.accuracy for row in run.by_layer]


def test_held_out_figures_appear_only_when_the_test_pictures_were_read(folder, llava, tmp_path, monkeypatch):
    offered = []
    found(folder, llava, tmp_path, monkeypatch, offered.append)
    first = offered[0]
    assert not len(first.test) and "have not been read yet" in first.no_held_out and len(first.votes.tally) == 0


def test_stumps_of_the_pictures_read_so_far_are_those_of_a_run_of_these_alone(folder, llava):
    images, offered, now = load_images(folder, QUESTION), [], [0.0]
    seen = extract(llava, images)
    so_far = SoFar(offered.append, Config(voters=5), images, seen.neurons, clock=lambda: now[0])
    read = np.zeros(len(images), bool)

    def arrive(rows):
        read[rows] = True
        now[0] += PAUSE_SECONDS
        so_far.arrived(np.where(read[:, None], seen.values, np.float16(np.nan)), read)

    arrive(np.flatnonzero(images.labels == 0)[:4])
    arrive(np.flatnonzero(images.labels == 1)[: FEWEST - 1])
    assert not offered, "a class has too few pictures"
    arrive(np.flatnonzero(images.labels == 1)[:3])
    assert [one.n_read for one in offered] == [7] and offered[0].said == "after 7 of 20 pictures; not final"
    brute = find_stumps(seen.values[read], images.labels[read], "best-split", "balanced-accuracy", 2)
    assert np.array_equal(offered[0].stumps.score, brute.score, equal_nan=True)
    so_far.arrived(seen.values, read)
    assert len(offered) == 1, "nothing new has come"
    arrive(slice(None))
    assert len(offered) == 1, "the whole is the run's own affair"


def test_pictures_are_read_on_while_the_search_is_compiled(folder, llava):
    images, offered = load_images(folder, QUESTION), []
    seen = extract(llava, images)
    so_far = SoFar(offered.append, Config(voters=5), images, seen.neurons, clock=lambda: 1e9 * (1 + len(offered)))
    so_far._next = 0.0
    read = np.arange(len(images)) < len(images) - 1
    with ThreadPoolExecutor(1) as pool:  # who compiles is another thread
        pool.submit(_LOADING["search"].acquire).result()
        so_far.arrived(seen.values, read)
        so_far.offer(seen)
        assert not offered
        pool.submit(_LOADING["search"].release).result()
    so_far.arrived(seen.values, read)
    so_far.offer(seen)
    assert [one.n_read for one in offered] == [len(images) - 1, len(images)]


def test_other_methods_do_not_wait_for_the_null_while_that_is_compiled(folder, llava, tmp_path, monkeypatch):
    offered, usual = [], found(folder, llava, tmp_path, monkeypatch)
    monkeypatch.setattr("sn_viz.pipeline.is_warming_up", lambda kind: kind == "null")
    run = found(folder, llava, tmp_path, monkeypatch, offered.append)
    assert np.array_equal(run.null_scores, usual.null_scores) and len(run.null_scores)
    assert len(offered[-1].baselines) == len(METHODS) and not len(offered[-1].null_scores)
    assert [list(one.seconds).index("null") > list(one.seconds).index("baselines") for one in (run, usual)] == [True, False]


def test_labels_take_turns_and_no_batch_changes():
    groups = [[0, 1], [2, 3], [4, 5], [6]]
    turns = in_turns(groups, np.array([0, 0, 0, 0, 0, 0, 1]))
    assert turns[:2] == [[0, 1], [6]] and sorted(turns) == groups
    assert in_turns([], np.empty(0, np.int64)) == []


def test_a_run_that_has_not_ended_is_not_saved(tmp_path):
    run = make_run(n_train=6, n_test=4, n_layers=3, n_units=6)
    names = [name for name in vars(run) if name not in ("warnings", "versions", "answer_key", "findings")]
    partial = Partial(**{name: getattr(run, name) for name in names}, n_read=3, n_pictures=6)
    with pytest.raises(UserError, match="not finished: after 3 of 6 pictures"):
        save_run(partial, tmp_path / "run")
    assert not (tmp_path / "run").exists()
