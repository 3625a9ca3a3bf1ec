"""The command line: exit status, tables, pure JSON."""

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from sn_viz.cli import bare_json, main
from sn_viz.early_exit import estimate
from sn_viz.report.tables import doubt_line
from sn_viz.run import Run
from sn_viz.voting.verdict import Verdict, verdict


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("SN_VIZ_CACHE", str(tmp_path_factory.getbasetemp() / "cli-cache"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("cli"), np.random.default_rng(0)
    for name, colour in (("red", (180, 20, 20)), ("blue", (20, 20, 180))):
        (folder / name).mkdir()
        for i in range(8):
            pixels = np.array(colour) + rng.integers(-20, 70, (32, 32, 3))
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / name / f"{i}.png")
    return folder


@pytest.fixture
def arguments(folder, checkpoint):
    return ["find", str(folder), "--question", "What colour?", "--model", str(checkpoint("llava")), "--voters", "3"]


def test_find_prints_a_table_and_saves_a_run_that_predicts_and_reports(arguments, folder, tmp_path, capsys):
    assert main([*arguments, "--compare", "full-model,linear-probe", "--out", str(tmp_path / "run")]) == 0
    out = capsys.readouterr().out
    for words in ("What colour?", "super neurons, exit at layer", "linear probe", "times as", "held-out images"):
        assert words.lower() in out.lower()
    assert main(["predict", str(tmp_path / "run"), str(folder / "red" / "1.png"), "--exit-layer", "1", "--compare", "--json"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert (row["label"], row["exit_layer"]) == ("red", 1)
    assert row["milliseconds"] > 0
    assert isinstance(row["full_model"]["answer"], str)
    assert main(["report", str(tmp_path / "run"), "-o", str(tmp_path / "report.html")]) == 0
    assert "What colour?" in (tmp_path / "report.html").read_text()


def test_predict_says_what_its_run_is_worth_unless_that_is_beyond_luck(checkpoint, tmp_path, capsys):
    rng = np.random.default_rng(0)
    for i in range(16):
        place = tmp_path / "tosses" / ("heads", "tails")[i % 2]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (24, 24, 3), dtype=np.uint8)).save(place / f"{i}.png")
    run, image = str(tmp_path / "run"), str(tmp_path / "tosses" / "heads" / "0.png")
    asked = ["find", str(tmp_path / "tosses"), "--question", "Heads?", "--model", str(checkpoint("llava")), "--compare", "none"]
    assert main([*asked, "--out", run]) == 0
    capsys.readouterr()
    found = Run.load(run)
    assert main(["predict", run, image]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert verdict(found).kind != "beyond luck" and verdict(found).sentence in told
    assert main(["predict", run, image, "--json"]) == 0
    json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("kind", ["beyond luck", "unclear", "nothing found"])
def test_only_a_doubtful_run_is_doubted(kind, monkeypatch):
    monkeypatch.setattr("sn_viz.report.tables.verdict", lambda run, layer: Verdict(kind, f"Said of {layer}.", (), True))
    assert ("Said of 2." in doubt_line(None, 2)) == (kind != "beyond luck")  # type: ignore[arg-type]


def test_json_to_standard_output_is_nothing_but_json(arguments):
    done = subprocess.run(
        [sys.executable, "-m", "sn_viz", *arguments, "--compare", "none", "--json", "-"],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert facts["classes"] == ["blue", "red"]
    assert facts["verdict"]["kind"] in ("beyond luck", "unclear", "nothing found") and facts["verdict"]["sentence"]
    assert facts["accuracy"]["super_neurons"]["n"] == facts["n_test"] == 8
    assert "Traceback" not in done.stderr


def test_json_to_a_file_keeps_the_table(arguments, tmp_path, capsys):
    assert main([*arguments, "--compare", "none", "--json", str(tmp_path / "a.json")]) == 0
    assert json.loads((tmp_path / "a.json").read_text())["n_layers"] == 3
    assert "super neurons" in capsys.readouterr().out


@pytest.mark.parametrize(
    "wrong",
    [
        ["find", "nowhere-at-all", "--question", "Is it?"],
        ["find"],
        ["find", ".", "--voters", "many"],
        ["fnd"],
        ["predict", "nowhere", "a.png"],
        ["report", "nowhere"],
        ["models", "--jsn"],
        ["world", "no-such-task", "-n", "0"],
        ["serve", "--port", "99999999"],
        ["serve", "--host", "http://example.org"],
        ["serve", "--host-name", "*"],
        ["models", "--json", "/no/such/folder/a.json"],
    ],
)
def test_a_users_mistake_gets_status_two_and_one_sentence(wrong, capsys):
    assert main(wrong) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith("sn_viz: ") and printed.err.count("\n") == 1
    assert "Traceback" not in printed.err
    assert printed.out == ""


def test_json_never_overwrites_a_picture(folder, capsys):
    picture = folder / "red" / "0.png"
    before = picture.read_bytes()
    assert main(["models", "--json", str(picture)]) == 2
    assert picture.read_bytes() == before


def test_a_fault_of_ours_gets_status_one_and_an_incident(monkeypatch, capsys, caplog):
    monkeypatch.setattr("sn_viz.models.catalog.CATALOG", 3)
    assert main(["models"]) == 1
    incident = caplog.records[-1].args[0]
    assert incident in capsys.readouterr().err


def test_no_arguments_shows_help(capsys):
    assert main([]) == 0
    assert "find" in capsys.readouterr().out


def test_models_are_listed(capsys):
    assert main(["models", "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["name"] == "tiny-llava"


def test_the_cache_is_shown_verified_and_cleared(capsys):
    assert main(["cache", "show"]) == main(["cache", "verify"]) == main(["cache", "clear"]) == 0
    assert "The cache is empty." in capsys.readouterr().out


def test_a_bare_json_option_means_standard_output():
    assert bare_json(["predict", "run", "a.png", "--json"])[-2:] == ["--json", "-"]
    assert bare_json(["--json", "--compare"]) == ["--json", "-", "--compare"]
    assert bare_json(["--json", "a.json"]) == ["--json", "a.json"]
    assert bare_json(["--json", "-"]) == ["--json", "-"]


def test_packs_are_listed_with_their_names_whole(capsys):
    assert main(["packs"]) == 0
    out = capsys.readouterr().out
    for name in ("presence-dog", "presence-any", "answerable", "anything-red", "three-or-more", "night", "new-kind", "left-of"):
        assert f" {name} " in out
    assert main(["packs", "--json"]) == 0
    assert {"presence-dog", "colour-of-car", "digits-three", "photos"} <= {
        row["name"] for row in json.loads(capsys.readouterr().out)
    }


def test_a_world_is_drawn_the_same_for_the_same_seed(tmp_path, capsys):
    for name in ("a", "b"):
        assert main(["world", "presence-dog", "-n", "4", "--seed", "3", "--out", str(tmp_path / name)]) == 0
    assert "Question: Is there a dog" in capsys.readouterr().out
    first, second = (sorted(p.relative_to(tmp_path / n) for p in (tmp_path / n).rglob("*.png")) for n in ("a", "b"))
    assert first == second and len(first) == 4
    assert all((tmp_path / "a" / p).read_bytes() == (tmp_path / "b" / p).read_bytes() for p in first)


def test_an_unknown_world_or_pack_lists_what_there_is(tmp_path, capsys):
    assert main(["world", "mars", "--out", str(tmp_path / "c")]) == 2
    assert "presence-dog" in capsys.readouterr().err


def test_json_of_a_benchmark(capsys, monkeypatch):
    from sn_viz.bench import search

    monkeypatch.setattr(search, "SIZES", ((20, 100),))
    assert main(["bench", "search", "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"][0]["name"] == "search, 20 x 100"


@pytest.mark.parametrize(
    "wrong",
    [
        ["--seed", "-1"],
        ["--seed", str(2**32)],
        ["--device", "no-such-device"],
        ["--device", "cuda:99"],
        ["--sites", "residual, elsewhere"],
    ],
)
def test_a_choice_that_cannot_be_is_the_users_mistake(arguments, wrong, capsys):
    assert main([*arguments, "--compare", "none", *wrong]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_folder_that_is_taken_is_refused_before_anything_slow(folder, capsys):
    assert main(["find", "nowhere-at-all", "--out", str(folder)]) == 2
    assert "not a folder for a run" in capsys.readouterr().err


def test_a_run_is_not_used_with_another_model_nor_from_another_folder_lost(
    arguments, folder, checkpoint, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(checkpoint("llava").parent)
    arguments[arguments.index("--model") + 1] = checkpoint("llava").name
    assert main([*arguments, "--compare", "none", "--sites", "residual, mlp-neuron", "--out", str(tmp_path / "run")]) == 0
    monkeypatch.chdir(tmp_path)
    asked = ["predict", "run", str(folder / "red" / "1.png")]
    assert main(asked) == 0
    assert main([*asked, "--model", str(checkpoint("idefics3"))]) == 2
    assert "not the model of this run" in capsys.readouterr().err


def test_a_report_never_overwrites_a_picture(arguments, folder, tmp_path, capsys):
    picture = tmp_path / "a.png"
    picture.write_bytes((folder / "red" / "0.png").read_bytes())
    assert main([*arguments, "--compare", "none", "--out", str(tmp_path / "run")]) == 0
    before = picture.read_bytes()
    assert main(["report", str(tmp_path / "run"), "-o", str(picture)]) == 2
    assert picture.read_bytes() == before


def test_a_run_of_endless_brackets_is_damaged(tmp_path, capsys):
    (tmp_path / "run.json").write_text("[" * 100_000)
    assert main(["report", str(tmp_path)]) == 2
    assert "is damaged" in capsys.readouterr().err


def test_shifted_worlds_differ(tmp_path):
    for name, more in (("a", []), ("b", ["--shifted"])):
        assert main(["world", "presence-dog", "-n", "2", "--out", str(tmp_path / name), *more]) == 0
    first, second = (sorted(p.read_bytes() for p in (tmp_path / n).rglob("*.png")) for n in ("a", "b"))
    assert first != second


def test_a_model_is_loaded_as_it_was_asked_for_and_again_so_by_its_run(folder, checkpoint, tmp_path, capsys):
    run, asked = str(tmp_path / "run"), ["find", str(folder), "--question", "Red?", "--model", str(checkpoint("idefics3"))]
    ways = ["--dtype", "bfloat16", "--attn", "eager", "--sites", "residual", "--compare", "none"]
    assert main([*asked, *ways, "--out", run]) == 0
    assert "low detail" in " ".join(capsys.readouterr().out.split()), "on a processor that is the default, and is said"
    saved = Run.load(run)
    assert saved.config.loading == (("dtype", "bfloat16"), ("attn", "eager"), ("detail", "low"))
    assert saved.versions["numbers"] == "bfloat16"
    assert main(["predict", run, str(folder / "red" / "1.png"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["label"] in ("red", "blue")


def test_a_long_run_says_beforehand_what_it_takes_and_what_takes_less(folder, checkpoint, capsys, monkeypatch):
    monkeypatch.setattr(estimate, "SHORT", 0)
    monkeypatch.setattr(estimate, "LONG", 0)
    asked = ["find", str(folder), "--question", "Blue?", "--model", str(checkpoint("idefics3")), "--compare", "none"]
    assert main([*asked, "--detail", "published", "--sites", "residual", "--json"]) == 0
    printed = capsys.readouterr()
    said = " ".join(printed.err.split())
    assert "This run takes about" in said and "pictures read" in said
    json.loads(printed.out)


@pytest.mark.parametrize(
    "wrong",
    [["--dtype", "int3"], ["--device-map", "{"], ["--quantize", "2bit"], ["--attn", "none"], ["--detail", "high"]],
    ids=" ".join,
)
def test_a_way_to_load_that_there_is_not_is_told_before_the_model_loads(arguments, wrong, capsys):
    assert main([*arguments, *wrong]) == 2
    assert capsys.readouterr().err.count("\n") == 1
