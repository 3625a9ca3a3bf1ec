"""Ray on this machine: two and three workers, one of them killed, give what one process gives, bit for bit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest
from ray_runs import Dies, listening, same_run, shared_files

from sn_viz import find
from sn_viz.activations.extract import extract, row_key, row_names
from sn_viz.activations.store import Store
from sn_viz.engines.ray import AT_A_WORKER, RayEngine
from sn_viz.errors import Cancelled, UserError
from sn_viz.sources import load_images
from sn_viz.types import Neurons

pytest.importorskip("ray", reason="Ray is not installed")
pytestmark = [pytest.mark.kill, pytest.mark.timeout(600)]
QUESTION = "Is it light?"


@pytest.fixture(scope="module")
def model():
    from sn_viz.activations.model_cache import model_named

    return model_named("tiny-llava", "cpu")


@pytest.fixture
def alone(photographs, tmp_path_factory, monkeypatch):
    """Return ``alone(n, ...)``: the run of one process on so many photographs, with a cache of its own."""

    def run(n, **options):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SN_VIZ_CACHE", str(tmp_path_factory.mktemp("alone")))
            return find(photographs(n), QUESTION, model="tiny-llava", device="cpu", **options)

    return run


@pytest.fixture
def engine(request):
    """Return ``engine(workers)``: a cluster of this machine, ended after the test."""
    made = []

    def start(workers):
        made.append(RayEngine(device="cpu", workers=workers, threads=1))
        return made[-1]

    yield start
    for one in made:
        one.close()


def kill_one(engine, when):
    """Return a progress callable that kills a worker once so much is done."""
    killed = []

    def progress(fraction, doing):
        if when(fraction, doing) and not killed:
            killed.append(next(hand.process for hand in engine._pool._hands if len(hand.doing) == AT_A_WORKER))
            os.kill(killed[0], 9)

    progress.killed = killed
    return progress


def test_two_workers_find_what_one_process_finds_and_listen_to_this_machine_alone(engine, alone, photographs, own_cache):
    two, told, ports = engine(2), [], []

    def progress(fraction, doing):
        told.append(fraction)
        if doing.startswith("Reading image") and not ports:
            ports.extend(listening(psutil.Process()))

    compare = "linear-probe,sav"
    spread = find(photographs(60), QUESTION, model="tiny-llava", device="cpu", compare=compare, engine=two, progress=progress)
    same_run(spread, alone(60, compare=compare))
    assert told == sorted(told) and told[-1] == 1.0
    assert ports and all(address in ("127.0.0.1", "::1") for address, _ in ports), ports
    assert spread.findings["engine"]["workers"] == 2 and spread.findings["engine"]["lost"] == 0
    two.close()
    assert shared_files(own_cache) == [] and not any(child.name().startswith(("raylet", "gcs")) for child in children())
    assert np.isfinite(spread.train_values.astype(np.float32)).all(), "the run outlives its engine"


def children():
    return psutil.Process().children(recursive=True)


@pytest.mark.parametrize("workers", [2, 3])
def test_a_worker_is_killed_while_it_reads_and_only_its_batches_are_read_again(engine, photographs, own_cache, model, workers):
    several, images = engine(workers), load_images(photographs(120), QUESTION)
    progress = kill_one(several, lambda fraction, doing: fraction > 0.15)
    found = extract(model, images, carrier=several.carrier(model), cache=Store(), progress=progress)
    assert progress.killed and several.lost == 1
    assert 1 <= several.traffic.jobs - 120 // 8 <= AT_A_WORKER, "it had batches in hand, and no others are read again"
    assert found.values.tobytes() == extract(model, images).values.tobytes()
    kept = Store().get(row_key(model), row_names(images))
    assert len(kept) == 120 and Store().verify() == ()


def test_a_run_in_which_two_of_three_workers_are_killed_is_the_same_run(engine, alone, photographs, own_cache):
    three, dead = engine(3), []

    def progress(fraction, doing):
        stage = len(dead)
        if stage < 2 and doing.startswith(("Reading image 1", "Looking for super neurons")[stage]):
            begun = [hand.process for hand in three._pool._hands if hand.process not in (0, *dead)]
            dead.append(begun[0])
            os.kill(begun[0], 9)

    spread = find(photographs(60), QUESTION, model="tiny-llava", device="cpu", compare="none", engine=three, progress=progress)
    assert len(dead) == 2 == three.lost and spread.findings["engine"]["lost"] == 2
    same_run(spread, alone(60, compare="none"))


def test_a_run_that_is_cancelled_keeps_what_was_read_and_leaves_nothing_else(engine, photographs, own_cache, model):
    two, images = engine(2), load_images(photographs(60), QUESTION)

    def stop(fraction, doing):
        if fraction > 0.3:
            raise Cancelled

    with pytest.raises(Cancelled):
        extract(model, images, carrier=two.carrier(model), cache=Store(), progress=stop)
    kept = sum(Store().has(row_key(model), name) for name in row_names(images))
    assert 0.3 * 60 < kept < 60
    sent = two.traffic.jobs
    found = extract(model, images, carrier=two.carrier(model), cache=Store())
    assert two.traffic.jobs - sent < 8 + 1 + AT_A_WORKER * 2, "what was read is not read again"
    assert found.values.tobytes() == extract(model, images).values.tobytes()
    two.close()
    assert shared_files(own_cache) == []


def test_a_row_that_the_disk_damaged_is_read_again_and_twins_share_theirs(engine, photographs, own_cache, model):
    two, images = engine(2), load_images(photographs(24), QUESTION)
    images = images.take([*range(24), 3, 3])
    carrier, calm = two.carrier(model), extract(model, images)
    for _ in range(2):
        found = extract(model, images, carrier=carrier, cache=Store())
        assert found.values.tobytes() == calm.values.tobytes()
        path = Store()._path(row_key(model), row_names(images)[5])
        path.write_bytes(path.read_bytes()[:-1] + b"\0")
    assert list((own_cache / "quarantine").iterdir())


def test_pictures_in_memory_reach_the_workers_and_leave_no_file(engine, own_cache, model, noise_pictures):
    two, pictures = engine(2), noise_pictures(20)
    found = extract(model, pictures, QUESTION, carrier=two.carrier(model), dtype=np.float32)
    assert found.values.tobytes() == extract(model, pictures, QUESTION, dtype=np.float32).values.tobytes()
    assert two.traffic.pictures == sum(picture.pixels.nbytes for picture in pictures)
    assert all(path.name.startswith("values-") for path in shared_files(own_cache))


def test_work_that_ends_every_worker_is_given_up_with_a_sentence(engine, own_cache, model, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))  # where workers find that work
    two = engine(2)
    two.carrier(model)
    with pytest.raises(UserError, match="ended every worker that tried it"):
        list(two.work([Dies()]))
    assert two.lost == 3


@pytest.mark.parametrize(
    ("address", "why"),
    [("127.0.0.1:1", "Nobody answers there"), ("head", "not HOST:PORT"), ("ray://head:10001", "Ray Client"), ("auto", "ray start")],
)
def test_no_cluster_at_an_address_is_a_sentence(address, why, model):
    with pytest.raises(UserError, match=why):
        find("pack:presence-dog", model=model, compare="none", engine="ray", ray_address=address)


def test_at_most_a_hundredth_of_what_is_stored_goes_through_the_driver(engine, photographs, own_cache, model):
    two, images, labels = engine(2), load_images(photographs(120), QUESTION), np.arange(2000) % 2
    carrier, seen = two.carrier(model), [0]

    def share(what, stored):
        seen.append(two.traffic.total)
        print(f"{what}: {seen[-1] - seen[-2]:,} bytes of {stored:,} stored")
        return (seen[-1] - seen[-2]) / stored

    for what in ("read", "copied out of the store"):
        found = extract(model, images, carrier=carrier, cache=Store())
        assert 0 < share(what, found.values.nbytes) <= 0.01
    filling, noise = two.shared_filling((2000, 20_000), np.float16), np.random.default_rng(0)
    for start in range(0, 2000, 100):
        filling.put(list(range(start, start + 100)), noise.normal(size=(100, 20_000)).astype(np.float16))
    two.find_stumps(filling.values, labels)
    assert 0 < share("searched", filling.values.nbytes) <= 0.01
    two.best_scores_under_null(filling.values, labels, n_labellings=20)
    assert 0 < share("null", filling.values.nbytes) <= 0.0005
    search = two.search_for_voters(Neurons(*np.zeros((3, 20_000), np.int32), site_names=("residual",)), 15)
    for fold in range(5):
        search(filling.values, labels, rows=np.flatnonzero(np.arange(2000) % 5 != fold))
    assert 0 < share("five folds", filling.values.nbytes) <= 0.002


def test_the_command_line_prints_json_alone_and_the_same(photographs, own_cache, alone, tmp_path):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = ["find", photographs(60), "--question", QUESTION, "--model", "tiny-llava", "--device", "cpu", "--compare", "none"]
    done = subprocess.run(
        [sys.executable, "-m", "sn_viz", *map(str, command), "--engine", "ray", "--json", "-", "--out", str(tmp_path / "run")],
        capture_output=True, text=True, env=environment, cwd=Path(__file__).parents[2], timeout=550,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["neurons"] == json.loads(alone(60, compare="none").to_json())["neurons"]
    assert (tmp_path / "run").is_dir()
