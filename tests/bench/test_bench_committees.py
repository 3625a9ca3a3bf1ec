"""Committees on few drawn pictures: every method at every exit, taken up again, told in a table."""

import json

import numpy as np
import pytest

from sn_viz.bench.tasks import committees
from sn_viz.bench.tasks.committees import Split, lines, markdown, plan_of
from sn_viz.errors import UserError


def test_our_split_names_the_choosing_tasks_and_no_task_twice():
    split = Split.of()
    assert len(split.choosing) == 9 and "left-of" in split.choosing and not set(split.choosing) & set(split.judging)


@pytest.mark.parametrize("text", ["[]", "{}", "no", '{"choosing": ["night"], "judging": ["night"]}'])
def test_a_file_that_names_no_tasks_is_refused_in_a_sentence(text, tmp_path):
    (tmp_path / "mine.json").write_text(text)
    with pytest.raises(UserError):
        Split.of(tmp_path / "mine.json")


def written(folder, task, shots, draw, shares, chosen):
    right = {name: ["1" * round(10 * one) + "0" * (10 - round(10 * one)) for one in by_exit] for name, by_exit in shares.items()}
    cell = {name: {"right": by_exit, "chosen": chosen} for name, by_exit in right.items()}
    (folder / f"{task}.{shots}.{draw}.json").write_text(json.dumps(cell))


def test_the_table_pairs_tasks_and_compares_each_method_at_its_own_exit(tmp_path):
    names = [name for name in committees.TITLES if name != "full-model"]
    for at, task in enumerate(("left-of", "nearer")):
        shares = dict.fromkeys(names, (0.5, 0.6 + 0.1 * at)) | {"logistic-64": (0.5, 0.8 + 0.1 * at)}
        written(tmp_path, task, 5, 0, shares, 2)
        (tmp_path / f"{task}.full.json").write_text(json.dumps({"full-model": {"right": ["1111100000"], "chosen": 1}}))
    split = Split(("left-of", "nearer"), ("night",))
    found = {line.method: line for line in lines(tmp_path, plan_of(split, 20, 10, 2), split)}
    one = found["logistic-64"]
    assert one.part == "choosing" and one.n_tasks == 2 and one.n_draws == 1 and one.mean_exit == 2
    np.testing.assert_allclose(one.by_exit, [0.5, 0.85])
    np.testing.assert_allclose(one.minus_plain, [0.2, 0.2, 0.2], atol=1e-9)
    assert (one.better_than_full, one.worse_than_full) == (2, 0)
    np.testing.assert_allclose(one.minus_linear_there, [0.2, 0.2, 0.2], atol=1e-9)
    assert "| +20.0 (+20.0 to +20.0) |" in markdown(list(found.values())) and "| 2 / 0 |" in markdown(list(found.values()))


def test_a_method_is_also_compared_with_the_linear_probe_at_its_own_exit_and_its_shares_with_its_hits(tmp_path):
    names = [name for name in committees.TITLES if name != "full-model"]
    written(tmp_path, "left-of", 5, 0, dict.fromkeys(names, (0.5, 0.6)), 1)
    path = tmp_path / "left-of.5.0.json"
    cell = json.loads(path.read_text())
    cell["linear-probe"]["chosen"] = 2
    cell["logistic-64"] |= {"sure": [0.7, 0.9], "error": [0.25, 0.3]}
    path.write_text(json.dumps(cell))
    split = Split(("left-of",), ())
    found = {line.method: line for line in lines(tmp_path, plan_of(split, 20, 10, 1), split)}
    assert found["plain"].minus_linear[0] == pytest.approx(-0.1) and found["plain"].minus_linear_there[0] == pytest.approx(0)
    assert (found["logistic-64"].too_sure, found["logistic-64"].error) == (pytest.approx(0.2), 0.25)
    assert np.isnan(found["plain"].error) and "+20.0 points surer than right" in markdown(list(found.values()))
