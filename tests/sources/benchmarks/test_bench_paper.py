"""The paper's table: what it would take, what it finds, going on after a stop, and what it says where files are missing."""

import json
from dataclasses import replace

import pytest
from benchmark_files import clevr, pope, vizwiz, write_json

from sn_viz.bench import BENCHES, paper
from sn_viz.cli import main
from sn_viz.errors import Cancelled, UserError
from sn_viz.sources.benchmarks import BENCHMARKS, published


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("benchmarks")
    pope(folder / "pope")
    clevr(folder / "clevr", 14)
    return folder


@pytest.fixture(scope="module")
def settings(tiny_llava):
    return paper.settings_of(tiny_llava, 20, 20, 0, "full-model")


@pytest.fixture(scope="module")
def table_of_two(root, settings, tiny_llava, tmp_path_factory):
    """POPE and CLEVR on the embedded model: the results, and the folder they are in."""
    out = tmp_path_factory.mktemp("results")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SN_VIZ_CACHE", str(tmp_path_factory.mktemp("cache")))
        return paper.carry_out(paper.jobs(root, out, settings, ["pope", "clevr"]), tiny_llava, settings), out


def test_it_is_no_part_of_bench_all() -> None:
    assert "paper" not in BENCHES.names()


def test_the_command_is_explained(capsys) -> None:
    assert main(["bench", "paper", "--help"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "the published figures beside ours" in said
    assert all(option in said for option in ("--model", "--only", "--train", "--test", "--out", "--estimate", "--json"))


def test_the_published_figures_are_kept_with_their_source() -> None:
    figures = {row.benchmark: row.percent for row in reversed(published.PUBLISHED)}
    expected = {"vizwiz": 81.2, "clevr": 88.3, "aokvqa": 85.2, "scienceqa": 82.9, "instaorder-occlusion": 78.2}
    assert figures == expected | {"instaorder-depth": 66.1, "pope": 96.1}
    assert [row.percent for row in published.of("pope")] == [96.1, 93.7] and "2603.10781" in published.SOURCE
    assert all(name in BENCHMARKS.names() for name in published.names()) and published.of("pope-random") == ()


@pytest.mark.long
def test_the_embedded_model_reproduces_the_table(table_of_two, settings) -> None:
    done, _ = table_of_two
    for job in done:
        run = job.done["run"]
        assert not job.missing and run["n_train"] == 20 and run["n_test"] == 20
        assert 0 <= run["accuracy"]["full_model"]["value"] <= 1 and job.done["settings"]["compare"] == ["full-model"]
    plain = json.loads(json.dumps(paper.as_json(done, settings), allow_nan=False))
    assert [row["benchmark"] for row in plain["rows"]] == ["pope", "clevr"]
    assert all(note.startswith(("pope: ", "clevr: ")) for note in paper.notes(done))
    assert not any(note.startswith("pope: ") and "named no class" in note for note in paper.notes(done)), "its rule reads any text"
    made = paper.table(done)
    assert list(made.columns[1].cells) == ["96.1 / 93.7", "88.3"] and "2603.10781" in made.caption
    assert [cell.split(" of ")[1] for cell in made.columns[4].cells] == [str(job.done["run"]["n_layers"]) for job in done]


@pytest.mark.long
def test_what_is_done_is_not_done_again(table_of_two, root, settings, tiny_llava, monkeypatch) -> None:
    done, out = table_of_two
    monkeypatch.setattr(paper, "find", lambda *a, **k: pytest.fail("it searched again"))
    planned = paper.jobs(root, out, settings, ["pope", "clevr"])
    assert [job.done for job in planned] == [job.done for job in done]
    assert paper.carry_out(planned, tiny_llava, settings) == planned
    assert paper.estimate(planned, tiny_llava, settings).sentence() == "Everything is done already."


@pytest.mark.long
def test_other_settings_are_other_results_and_a_damaged_file_is_done_again(table_of_two, root, settings, tmp_path) -> None:
    done, out = table_of_two
    for other in (replace(settings, seed=1), replace(settings, n_test=21), replace(settings, compare=())):
        assert all(job.done is None for job in paper.jobs(root, out, other, ["pope", "clevr"]))
    for text in ("", "{", "[]", json.dumps(done[0].done | {"format": 0})):
        copy = paper.jobs(root, tmp_path, settings, ["pope"])[0].result
        copy.parent.mkdir(exist_ok=True)
        copy.write_text(text)
        assert paper.jobs(root, tmp_path, settings, ["pope"])[0].done is None


@pytest.mark.long
def test_a_stopped_call_keeps_the_benchmarks_it_finished(root, settings, tiny_llava, table_of_two, tmp_path, monkeypatch) -> None:
    finished = table_of_two[0][0].done
    calls = []

    def find(*_, **__):
        calls.append(1)
        if len(calls) == 2:
            raise Cancelled
        return "run"

    monkeypatch.setattr(paper, "find", find)
    monkeypatch.setattr(paper, "summary", lambda run: finished["run"])
    planned = paper.jobs(root, tmp_path, settings, ["pope", "clevr"])
    with pytest.raises(Cancelled):
        paper.carry_out(planned, tiny_llava, settings)
    planned = paper.jobs(root, tmp_path, settings, ["pope", "clevr"])
    assert [job.done is not None for job in planned] == [True, False]
    assert all(job.done for job in paper.carry_out(planned, tiny_llava, settings)) and len(calls) == 3
    assert not list(tmp_path.rglob(".*"))  # nothing half-written is left


def test_the_estimate_is_measured_and_grows_with_the_work(root, settings, tiny_llava, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("SN_VIZ_CACHE", str(tmp_path / "cache"))
    planned = paper.jobs(root, tmp_path, settings, ["pope", "clevr"])
    small, large = (paper.estimate(planned, tiny_llava, replace(settings, n_test=n)) for n in (20, 2000))
    assert small.benchmarks == 2 and 0 < small.seconds < large.seconds and 0 < small.disk_bytes < large.disk_bytes
    assert small.answer_ms > 0 and small.free_bytes > 0 and not (tmp_path / "cache").exists()
    words = large.sentence()
    assert "Measured on 4 pictures" in words and "2 benchmarks to do: about" in words and "free" in words
    assert "more than is free" in replace(large, free_bytes=1).sentence() and "more than is free" not in words
    without = paper.estimate(planned, tiny_llava, replace(settings, compare=()))
    assert without.answer_ms == 0 and "answer" not in without.sentence()


def test_missing_folders_and_wrong_files_are_said_in_the_table(root, settings, tiny_llava, tmp_path, monkeypatch) -> None:
    vizwiz(tmp_path / "vizwiz")
    write_json(tmp_path / "vizwiz" / "Annotations" / "val.json", [{"image": "a.jpg"}])
    monkeypatch.setattr(paper, "find", lambda *a, **k: pytest.fail("there is nothing to search"))
    planned = paper.jobs(tmp_path, tmp_path / "out", settings)
    assert [job.name for job in planned] == list(published.names())
    done = paper.carry_out(planned, tiny_llava, settings)
    said = {job.name: job.missing for job in done}
    assert said["pope"] == "There is no folder 'pope'." and "no 'answerable'" not in said["vizwiz"]
    assert "Entry 1 of 'val.json'" in said["vizwiz"] and paper.table(done).row_count == 7
    with pytest.raises(UserError, match="Entry 1 of 'val.json'"):
        paper.estimate(planned, tiny_llava, settings)


def test_an_empty_root_lists_what_is_expected(settings, tmp_path) -> None:
    with pytest.raises(UserError, match="No benchmark was found.*'pope' holds coco_pope_random.json.*'instaorder' holds"):
        paper.jobs(tmp_path, tmp_path, settings)
    with pytest.raises(UserError, match="no published benchmark called 'popes'"):
        paper.jobs(tmp_path, tmp_path, settings, ["popes"])
    hub = {job.name: job.missing for job in paper.jobs("hub", tmp_path, settings)}
    assert hub["pope"] == "" and "No data set of the hub" in hub["clevr"]


def test_the_command_line(root, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("SN_VIZ_CACHE", str(tmp_path / "cache"))
    asked = ["bench", "paper", str(root), "--only", "pope", "--train", "20", "--test", "20", "--out", str(tmp_path / "out")]
    assert main([*asked, "--estimate", "--json", "-"]) == 0
    said = capsys.readouterr()
    assert "1 benchmarks to do: about" in said.err and json.loads(said.out)["rows"][0]["result"] is None
    assert not (tmp_path / "out").exists()
    assert main(["bench", "paper", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    assert "No benchmark was found" in capsys.readouterr().err


def test_find_takes_a_benchmark(root, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("SN_VIZ_CACHE", str(tmp_path / "cache"))
    assert main(["find", f"bench:pope={root / 'pope'}", "--compare", "none", "--json", "-"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["classes"] == ["no", "yes"] and found["question"] is None and found["n_train"] < found["n_test"]
    assert main(["find", "bench:pope", "--compare", "none"]) == 2
    assert "does not say where the files are" in capsys.readouterr().err
