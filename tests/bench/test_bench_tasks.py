"""The table task x method: nothing is measured twice, no test image is learned from, and the intervals hold what they promise."""

import json
from dataclasses import replace

import numpy as np
import pytest

from sn_viz.bench import BENCHES, Options, as_json
from sn_viz.bench.crossed import accuracy_interval, difference_interval, spread
from sn_viz.bench.tasks import jobs, material, measured
from sn_viz.bench.tasks.cells import TITLES, rows_of
from sn_viz.bench.tasks.jobs import jobs_of, work
from sn_viz.bench.tasks.markdown import markdown
from sn_viz.bench.tasks.material import Material, drawn
from sn_viz.bench.tasks.plan import FULL, QUICK, Plan, part_of
from sn_viz.cli import main
from sn_viz.errors import UserError
from sn_viz.sources.pack import pack_names
from sn_viz.splits.held_out import shared
from sn_viz.world.tasks import TASKS

SMALL = Plan(("night", "colour-of-car"), (5, 8), 40, 12, 2, (5,), 1)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    patch = pytest.MonkeyPatch()
    patch.setenv("SN_VIZ_CACHE", str(tmp_path_factory.mktemp("cache")))
    yield patch
    patch.undo()


def still(material, shots, draw):
    """Stand in for LoRA, which has tests of its own."""
    n = len(material.test)
    return {"lora": material.result(np.full(n, draw % 2), 3.0, 10.0)}


@pytest.fixture(scope="module")
def finished(cache, llava):
    cache.setattr(jobs, "lora_method", still)
    told = []
    folder = work(llava, SMALL, told.append)
    return folder, told


def test_the_plans_hold_what_the_table_is_about():
    known = {pack.name for pack in pack_names()}
    assert set(FULL.tasks) <= known and set(QUICK.tasks) <= set(FULL.tasks)
    assert {"presence-any", "answerable", "new-kind", "occlusion-any", "choice-subject", "colour-of-car", "digits-three"} <= set(
        FULL.tasks
    )
    mirrored = {TASKS[name].mirrors for name in FULL.tasks if name in TASKS} - {""}
    assert mirrored == {"POPE", "VizWiz", "CLEVR", "InstaOrder (depth)", "InstaOrder (occlusion)", "A-OKVQA", "ScienceQA"}
    assert FULL.shots == (5, 20, 100, 500) and FULL.n_test >= 500 and FULL.n_draws >= 3


def test_a_draw_is_even_differs_from_the_next_and_never_holds_a_test_image(llava):
    material = Material.of(llava, "night", SMALL)
    draws = [material.rows(8, draw) for draw in range(3)]
    for rows in draws:
        assert len(set(rows)) == 8 and np.bincount(material.pool.labels[rows]).tolist() == [4, 4]
        assert not shared(material.pool.take(rows), material.test)
    assert len({tuple(sorted(rows)) for rows in draws}) == 3
    assert sorted(np.bincount(material.pool.labels[material.rows(5, 0)])) == [2, 3]
    labels = np.arange(60) % 6
    assert np.bincount(labels[drawn(labels, 5, 6, (0,))]).tolist() == [2] * 6, "two of each class at least"


@pytest.mark.long
def test_every_method_has_a_cell_and_files_are_whole(finished):
    folder, told = finished
    cells = rows_of(folder, SMALL)
    assert len(told) == len(list(folder.iterdir())) == sum(len(list(jobs_of(SMALL, task))) for task in SMALL.tasks)
    methods = {cell.method for cell in cells if cell.task == "night" and cell.unit == "accuracy"}
    assert methods == set(TITLES) - {"exit-4"}, "the random model has three layers"
    for cell in cells:
        assert cell.low <= cell.measured <= cell.high and cell.n == 12 and cell.draws in (1, 2)
        assert cell.latency_ms > 0 or cell.unit != "accuracy"
    assert {cell.n_train for cell in cells if cell.task == "colour-of-car"} == {None, 2 * len(TASKS["colour-of-car"].classes)}


@pytest.mark.long
def test_a_second_call_computes_nothing_and_says_the_same(finished, llava, monkeypatch):
    folder, _ = finished
    before = rows_of(folder, SMALL)
    monkeypatch.setattr(material, "extract", lambda *_: pytest.fail("images were read again"))
    assert work(llava, SMALL, lambda line: pytest.fail(line)) == folder
    assert rows_of(folder, SMALL) == before


@pytest.mark.long
def test_what_is_missing_is_computed_alone_and_comes_out_the_same(finished, llava):
    folder, _ = finished
    gone = folder / "night.8.1.json"
    before, told = json.loads(gone.read_text()), []
    gone.unlink()
    work(llava, SMALL, told.append)
    after = json.loads(gone.read_text())
    assert len(told) == 1 and {name: one["right"] for name, one in after.items()} == {n: one["right"] for n, one in before.items()}


@pytest.mark.long
def test_the_quick_jobs_of_every_task_come_before_the_first_that_trains(finished):
    _, told = finished
    trains = [".lora" in line for line in told]
    assert any(trains) and trains == sorted(trains)


def test_what_is_there_so_far_makes_a_table(llava, tmp_path, monkeypatch):
    monkeypatch.setenv("SN_VIZ_CACHE", str(tmp_path))
    assert measured(llava, SMALL, so_far=True) == []
    folder = work(llava, replace(SMALL, tasks=("night",), lora_shots=()), lambda _: None)
    (folder / "night.5.1.json").unlink()
    cells = measured(llava, SMALL, so_far=True)
    assert {cell.task for cell in cells} == {"night"} and not any(cell.method == "lora" for cell in cells)
    assert {cell.draws for cell in cells if cell.shots == 5} == {1}
    assert "| night |" in markdown(json.loads(json.dumps(as_json({"tasks": cells}, {}))))


def test_a_task_that_is_not_in_the_plan_is_told():
    assert part_of(FULL, "") is FULL and part_of(FULL, "night,left-of").tasks == ("night", "left-of")
    with pytest.raises(UserError, match="no task 'nights'.*left-of"):
        part_of(FULL, "nights")


@pytest.mark.long
def test_the_table_has_a_line_a_task_and_says_who_wins(finished):
    folder, _ = finished
    facts = json.loads(json.dumps(as_json({"tasks": rows_of(folder, SMALL)}, {}), allow_nan=False))
    text = markdown(facts, [5])
    lines = text.splitlines()
    assert lines[0].startswith("**5 probing images**, 2 draws") and "8 probing" in markdown(facts)
    table = [line for line in lines if line.startswith("|")]
    assert len({line.count("|") for line in table}) == 1
    assert any(line.startswith("| night |") for line in table) and any("mean of 2 tasks" in line for line in table)
    assert "super neurons, exit 1" in table[0] and "LoRA" in table[0]


@pytest.mark.long
def test_the_command_prints_the_table_and_all_runs_it_quickly(finished, monkeypatch, capsys):
    folder, _ = finished
    rows, asked_for = rows_of(folder, SMALL), []

    def measure(options: Options):
        asked_for.append(options.quick)
        return rows

    monkeypatch.setattr(BENCHES, "_entries", {**{name: lambda _: [] for name in BENCHES.names()}, "tasks": measure})
    monkeypatch.setattr("sn_viz.bench.tasks.measured", lambda vlm, plan, so_far: asked_for.append((plan.tasks, so_far)) or rows)
    assert main(["bench", "tasks", "--tasks", "night, left-of", "--so-far"]) == 0
    assert "probing images" in capsys.readouterr().out
    assert main(["bench", "all", "--json", "-"]) == 0
    found = json.loads(capsys.readouterr().out)["rows"]
    assert asked_for == [(("night", "left-of"), True), True]
    assert {"name", "measured", "unit", "target", "ratio", "holds", "note", "low", "high", "latency_ms"} <= found[0].keys()


def test_intervals_over_draws_and_images_cover_the_truth():
    random, covered, narrow = np.random.default_rng(0), 0, 0
    n_worlds, draws, n = 400, 5, 300
    for _ in range(n_worlds):
        hard, luck = random.normal(0, 1.0, n), random.normal(0, 0.25, draws)
        truth = _sigmoid(1.2 + np.add.outer(random.normal(0, 0.25, 300), random.normal(0, 1.0, 300))).mean()
        right = random.random((draws, n)) < _sigmoid(1.2 + np.add.outer(luck, hard))
        interval = accuracy_interval(right)
        covered += interval.low <= truth <= interval.high
        p = right.mean()
        naive = 1.96 * np.sqrt(p * (1 - p) / right.size)
        narrow += abs(p - truth) <= naive
    assert 0.92 <= covered / n_worlds <= 0.99
    assert narrow / n_worlds < 0.85, "counting every answer as its own image would promise too much"


def test_answers_that_turn_round_from_draw_to_draw_get_an_interval_that_says_something():
    random, covered, widths = np.random.default_rng(2), 0, []
    n_worlds, draws, n = 400, 5, 300
    for _ in range(n_worlds):
        labels, share = np.arange(n) % 2, random.uniform(0.1, 0.9, (draws, 1))
        says = random.random((draws, n)) < share  # nothing learned: only how often yes is said differs
        interval = accuracy_interval(says == labels)
        covered += interval.low <= 0.5 <= interval.high
        widths.append(interval.high - interval.low)
    assert covered / n_worlds >= 0.93
    assert max(widths) < 0.3, "a mean of five draws of 300 images is not unknown"


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_an_interval_is_total():
    assert np.isnan(accuracy_interval(np.zeros((0, 5), bool)).value)
    perfect = accuracy_interval(np.ones((3, 100), bool))
    assert perfect.high == 1 and 0.9 < perfect.low < 0.99
    one_draw = accuracy_interval(np.arange(100)[None] < 80)
    assert (one_draw.low, one_draw.high) == pytest.approx((0.711, 0.867), abs=0.01), "with one draw it is Wilson's"
    same = np.tile(np.arange(50) < 30, (4, 1))
    assert spread(same).variance == pytest.approx(spread(same[:1]).variance), "the same answers again say nothing new"
    assert difference_interval(same, same).value == 0 and difference_interval(same, same).low < 0


def test_a_difference_that_every_draw_shows_is_told():
    random = np.random.default_rng(1)
    good, poor = random.random((4, 300)) < 0.9, random.random((1, 300)) < 0.7
    gap = difference_interval(good, poor)
    assert gap.low > 0.1 and gap.low < 0.2 < gap.high
