"""A run goes to a folder and comes back the same, or is refused."""

import hashlib
import json
import math
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sn_viz.cli import main
from sn_viz.errors import UserError
from sn_viz.run import Run
from sn_viz.sources.ingest import picture_from_pixels
from sn_viz.storage import run_folder as saving
from sn_viz.storage.run_folder import DIGEST_FILE, RUN_FILE, SAVED_BEFORE, summary
from sn_viz.types import Baseline, Config, Interval, LabelledImages, LayerAccuracy, Neurons, Stumps, Votes
from sn_viz.voting.stump_scores import stump_score

SIGNS = "<img onerror=1> =cmd() ../../x %{x}"


def images(n: int, seed: int) -> LabelledImages:
    pixels = np.random.default_rng(seed).integers(0, 256, (n, 9, 12, 3), dtype=np.uint8)
    names = tuple(f"../{i} 🐶.png" for i in range(n))
    return LabelledImages(
        names, tuple(map(picture_from_pixels, pixels)), np.arange(n) % 2, ("no", SIGNS), ("Is it?",) * n, ("a note",)
    )


@pytest.fixture
def run() -> Run:
    rng = np.random.default_rng(0)
    neurons = Neurons(
        np.zeros(6, np.int8), np.repeat([1, 2], 3).astype(np.int16), np.tile(np.arange(3), 2).astype(np.int32), ("residual",)
    )
    score = np.array([0.5, 0.9, np.nan, 1.0, 0.6, 0.7], np.float32)
    stumps = Stumps(np.arange(6), np.ones(6, np.int16), rng.normal(size=6).astype(np.float32), np.ones(6, np.int8), score)
    tally = np.full((4, 2, 2), 0.5, np.float32)
    interval = Interval(0.5, 0.1, 0.9, 4)
    return Run(
        config=Config(question="Is it?", sites=("residual",), compare=("sav",)),
        train=images(5, 0),
        test=images(4, 1),
        neurons=neurons,
        train_values=rng.normal(size=(5, 6)).astype(np.float16),
        test_values=rng.normal(size=(4, 6)).astype(np.float16),
        stumps=stumps,
        voters=(stumps.take(np.array([1])), stumps.take(np.array([3, 1]))),
        exit_layer=2,
        votes=Votes(tally, np.zeros((4, 2), np.int64), np.zeros((4, 2), np.float32)),
        by_layer=(LayerAccuracy(1, interval, math.nan, 3.0), LayerAccuracy(2, interval, 0.75, math.nan)),
        baselines=(
            Baseline("sav", np.array([0, 1, -1, 0]), interval, math.nan, "note", ("a", "b", "c", "d"), (interval, interval)),
        ),
        null_scores=np.array([0.6, 0.7], np.float32),
        latency_ms={"full_model": 10.0, "first_token": 6.0, "early_exit": 2.0, "early_exit_p95": math.nan},
        seconds={"extract": 1.0},
        warnings=("careful",),
        versions={"sn_viz": "0"},
    )


def test_a_run_comes_back_as_it_was(run, tmp_path):
    back = Run.load(run.save(tmp_path / "deep" / "run"))
    assert back.config == run.config
    for name in ("names", "classes", "questions", "notes"):
        assert getattr(back.train, name) == getattr(run.train, name)
    for mine, theirs in zip(run.test.pictures, back.test.pictures, strict=True):
        assert mine.sha256 == theirs.sha256
        assert np.array_equal(mine.pixels, theirs.pixels)
    for name in ("train_values", "test_values", "null_scores"):
        assert np.array_equal(getattr(run, name), getattr(back, name))
        assert getattr(run, name).dtype == getattr(back, name).dtype
    for mine, theirs in zip((run.stumps, *run.voters), (back.stumps, *back.voters), strict=True):
        for field in ("neuron", "class_index", "threshold", "sign", "score"):
            assert np.array_equal(getattr(mine, field), getattr(theirs, field), equal_nan=field == "score")
    assert back.baselines[0].answers == run.baselines[0].answers
    assert np.array_equal(back.baselines[0].predicted, run.baselines[0].predicted)
    assert back.by_layer[0].accuracy == run.by_layer[0].accuracy
    assert back.to_json() == run.to_json()


def test_nothing_is_pickled_and_names_of_people_are_no_paths(run, tmp_path):
    folder = run.save(tmp_path / "run")
    assert {p.suffix for p in folder.rglob("*") if p.is_file()} == {".json", ".npy", ".png", ".sha256"}
    for path in folder.glob("*.npy"):
        np.load(path, allow_pickle=False)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["run"]


def test_saving_again_replaces_a_run_but_never_other_files(run, tmp_path):
    run.save(tmp_path / "run")
    run.save(tmp_path / "run")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("years of work")
    with pytest.raises(UserError, match="other files"):
        run.save(tmp_path / "other")
    assert (tmp_path / "other" / "thesis.txt").read_text() == "years of work"


@pytest.fixture
def folder(run, tmp_path) -> Path:
    """A saved run that a test may damage."""
    return run.save(tmp_path / "run")


def files_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def seal(folder: Path, facts: dict | None = None) -> None:
    """Write ``facts`` and every digest anew, as whoever wants to harm would."""
    facts = json.loads((folder / RUN_FILE).read_text()) if facts is None else facts
    if isinstance(facts.get("files"), dict):
        for name in facts["files"]:
            if (folder / name).is_file():
                facts["files"][name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    seal_text(folder, json.dumps(facts).encode())


def seal_text(folder: Path, text: bytes) -> None:
    (folder / RUN_FILE).write_bytes(text)
    (folder / DIGEST_FILE).write_text(f"{hashlib.sha256(text).hexdigest()}  {RUN_FILE}\n")


def as_before(folder: Path) -> None:
    """Turn a saved run into the form that had no digest of its own."""
    facts = json.loads((folder / RUN_FILE).read_text())
    (folder / RUN_FILE).write_text(json.dumps(facts | {"format": 1}, indent=1))
    (folder / DIGEST_FILE).unlink()


def test_four_hundred_flipped_bits_over_every_file_are_all_refused(folder):
    rng = np.random.default_rng(0)
    files = files_of(folder)
    for turn in range(400):
        path = files[turn % len(files)]
        sound = path.read_bytes()
        flipped = bytearray(sound)
        flipped[rng.integers(len(sound))] ^= 1 << rng.integers(8)
        path.write_bytes(flipped)
        with pytest.raises(UserError, match=r"damaged|saved by another version|holds no saved run"):
            Run.load(folder)
        path.write_bytes(sound)
    Run.load(folder)


def test_every_bit_of_the_beginning_of_the_run_file_counts(folder):
    sound = (folder / RUN_FILE).read_bytes()
    for bit in range(8 * 60):
        flipped = bytearray(sound)
        flipped[bit // 8] ^= 1 << bit % 8
        (folder / RUN_FILE).write_bytes(flipped)
        with pytest.raises(UserError):
            Run.load(folder)


def test_any_missing_or_cut_file_is_refused(folder):
    for path in files_of(folder):
        sound = path.read_bytes()
        for end in (0, 1, len(sound) // 2, len(sound) - 1):
            path.write_bytes(sound[:end])
            with pytest.raises(UserError, match="damaged"):
                Run.load(folder)
        path.unlink()
        with pytest.raises(UserError, match=r"damaged|holds no saved run"):
            Run.load(folder)
        path.write_bytes(sound)
    Run.load(folder)


def test_files_that_are_not_part_of_a_run_change_nothing_and_outlive_saving_again(run, folder):
    (folder / "report.html").write_text("mine")
    (folder / "notes").mkdir()
    (folder / "notes" / "a.txt").write_text("mine too")
    (folder / "pictures" / "a.txt").write_text("and mine")
    (folder / "own.npy").write_bytes(b"whatever")
    assert Run.load(folder).to_json() == run.to_json()
    run.save(folder)
    assert {p.name for p in files_of(folder)} >= {"report.html", "a.txt", "own.npy"}
    assert (folder / "pictures" / "a.txt").read_text() == "and mine"
    assert sorted(p.name for p in folder.parent.iterdir()) == ["run"]


def test_a_run_file_of_another_program_is_no_run_to_replace(run, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / RUN_FILE).write_text('{"wandb": 1}')
    with pytest.raises(UserError, match="other files"):
        run.save(tmp_path / "other")


def test_a_run_saved_before_opens_with_a_note_and_keeps_it(run, folder):
    as_before(folder)
    back = Run.load(folder)
    assert back.warnings == (*run.warnings, SAVED_BEFORE)
    assert replace(back, warnings=run.warnings).to_json() == run.to_json()
    back.save(folder)
    assert json.loads((folder / RUN_FILE).read_text())["format"] == 2
    assert Run.load(folder).warnings == back.warnings


def test_a_run_from_before_newer_fields_opens_with_their_defaults(run, folder):
    facts = json.loads((folder / RUN_FILE).read_text())
    del facts["findings"], facts["config"]["compare"], facts["splits"]["test"]["notes"]
    seal(folder, facts)
    back = Run.load(folder)
    assert (back.findings, back.config.compare, back.test.notes) == ({}, (), ())


def test_the_digest_is_in_the_form_of_sha256sum(folder):
    done = subprocess.run(["sha256sum", "--check", DIGEST_FILE], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0 and "run.json: OK" in done.stdout


WRONG = (None, True, -1, 10**400, 0.5, "", "x" * 300_000, [], [[[]]], {"a": 1}, "../../x")
"""What any field may be damaged to; many are wrong everywhere, some are right somewhere."""


def places(value, path=()):
    """Yield the path of every value in nested lists and dictionaries; of a list only its ends."""
    yield path
    if isinstance(value, dict):
        items = list(value.items())
    else:
        items = [(i, value[i]) for i in sorted({0, len(value) - 1})] if isinstance(value, list) and value else []
    for key, item in items:
        yield from places(item, (*path, key))


def put(facts, path, value):
    *way, last = path
    for step in way:
        facts = facts[step]
    facts[last] = value


def test_any_value_in_any_place_is_refused_or_is_a_sound_run(folder):
    facts = json.loads((folder / RUN_FILE).read_text())
    kept = json.dumps(facts)
    opened = []
    for path in [p for p in places(facts) if p and p[0] not in ("summary", "files")]:
        for value in WRONG:
            changed = json.loads(kept)
            put(changed, path, value)
            seal(folder, changed)
            try:
                opened.append((path, json.loads(Run.load(folder).to_json())))
            except UserError as error:
                assert len(str(error)) < 600
    assert opened  # such as a note that is empty


@pytest.mark.parametrize(
    "damage",
    [
        lambda facts: facts.pop("config"),
        lambda facts: facts.update(exit_layer=7),
        lambda facts: facts.update(exit_layer="2"),
        lambda facts: facts.update(by_layer=[]),
        lambda facts: facts.update(by_layer=facts["by_layer"][::-1]),
        lambda facts: facts["by_layer"][0].update(layer=2),
        lambda facts: facts["by_layer"][0]["accuracy"].update(value=1.5),
        lambda facts: facts["by_layer"][0]["accuracy"].update(low=0.9, high=0.1),
        lambda facts: facts["by_layer"][0]["accuracy"].update(value=0.75),
        lambda facts: facts["by_layer"][1]["accuracy"].update(value=None),
        lambda facts: facts["by_layer"][1]["accuracy"].update(n=400),
        lambda facts: facts["baselines"][0]["accuracy"].update(value=0.25),
        lambda facts: facts["latency_ms"].update(full_model=1e300),
        lambda facts: facts["by_layer"][0]["accuracy"].update(n=-1),
        lambda facts: facts["by_layer"][0]["accuracy"].update(n=10**400),
        lambda facts: facts["by_layer"][1].update(latency_ms=-3.0),
        lambda facts: facts["config"].update(surprise=1),
        lambda facts: facts["config"].update(voters=0),
        lambda facts: facts["config"].update(seed=-1),
        lambda facts: facts["config"].update(test_size=7.0),
        lambda facts: facts["config"].update(exit_layer=9),
        lambda facts: facts["config"].update(rule="<b>"),
        lambda facts: facts.update(surprise=1),
        lambda facts: facts.update(site_names=[]),
        lambda facts: facts.update(site_names=["nowhere"]),
        lambda facts: facts.update(site_names=["residual", "residual"]),
        lambda facts: facts["splits"]["test"]["pictures"].append("../../../etc/passwd"),
        lambda facts: facts["splits"]["test"]["pictures"].pop(),
        lambda facts: facts["splits"]["test"]["names"].pop(),
        lambda facts: facts["splits"]["test"]["questions"].pop(),
        lambda facts: facts["splits"]["train"].update(classes=["a", "b", "c"]),
        lambda facts: facts["splits"]["train"].update(classes=["no", "no"]),
        lambda facts: [split.update(classes=["a"]) for split in facts["splits"].values()],
        lambda facts: facts["files"].update({"../outside.npy": "0" * 64}),
        lambda facts: facts["files"].update({"/etc/passwd": "0" * 64}),
        lambda facts: facts["files"].update({"con.npy\n": "0" * 64}),
        lambda facts: facts["files"].pop("train_values.npy"),
        lambda facts: facts.update(baselines={"a": 1}),
        lambda facts: facts["baselines"].append(facts["baselines"][0]),
        lambda facts: facts["baselines"][0].update(name="../x"),
        lambda facts: facts["baselines"][0]["answers"].pop(),
        lambda facts: facts.update(format=[]),
        lambda facts: facts.update(format=3),
        lambda facts: facts.update(versions={"sn_viz": 1}),
        lambda facts: facts.update(findings={"stability": {"again": [1.0], "neuron": [], "n_resamples": 1, "by_luck": 0.1}}),
        lambda facts: facts.update(findings={"causal": {"kinds": [], "sentence": ""}}),
        lambda facts: facts.update(findings={"wordings": {"n": 1, "before": {}, "conditions": [], "sentence": ""}}),
        lambda facts: facts.update(findings={"stability": 3}),
        lambda facts: facts.update(findings={"own": "text"}),
        lambda facts: facts.update(answer_key={"classes": ["a", "b"], "words": ["a", "b"], "source": "named", "reason": ""}),
        lambda facts: facts.update(answer_key={"classes": ["no", SIGNS], "words": ["a"], "source": "named", "reason": ""}),
    ],
)
def test_a_run_file_that_does_not_fit_is_refused(damage, folder):
    facts = json.loads((folder / RUN_FILE).read_text())
    damage(facts)
    seal(folder, facts)
    with pytest.raises(UserError, match=r"damaged|another version"):
        Run.load(folder)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"null",
        b"[]",
        b"3",
        b"[" * 10**6,
        b'{"a":' * 10**6,
        b'{"format": 2, "x": NaN}',
        b"\xff\xfe{",
        b'{"format": 2}',
        b"9" * 10**6,
    ],
    ids=["empty", "null", "list", "number", "deep lists", "deep objects", "NaN", "UTF-16", "nothing else", "long number"],
)
def test_a_run_file_that_is_no_run_at_all_is_refused(text, folder):
    seal_text(folder, text)
    with pytest.raises(UserError, match="damaged"):
        Run.load(folder)


def test_numbers_that_json_does_not_know_are_refused(folder):
    text = (folder / RUN_FILE).read_bytes()
    for number in (b"NaN", b"Infinity", b"-Infinity", b"1e999", b"1" + b"0" * 400):
        seal_text(folder, text.replace(b'"cv_accuracy": 0.75', b'"cv_accuracy": ' + number))
        with pytest.raises(UserError, match="damaged"):
            Run.load(folder)


ARRAYS = {
    "a layer that is not there": ("neuron_layer", lambda a: a + np.int16(1)),
    "a site that is not there": ("neuron_site", lambda a: a + np.int8(1)),
    "a negative unit": ("neuron_unit", lambda a: a - np.int32(1)),
    "a neuron twice": ("neuron_unit", lambda a: a * np.int32(0)),
    "a label beyond the classes": ("test_labels", lambda a: a + 1),
    "a label below none": ("train_labels", lambda a: a - 2),
    "labels as floats": ("train_labels", lambda a: a.astype(np.float64)),
    "one label more": ("train_labels", lambda a: np.append(a, 0)),
    "values turned over": ("train_values", lambda a: np.ascontiguousarray(a.T)),
    "values as text": ("test_values", lambda a: a.astype("U5")),
    "values column by column": ("test_values", np.asfortranarray),
    "values in the other byte order": ("test_values", lambda a: a.astype(">f2")),
    "a threshold that is none": ("stump_threshold", lambda a: a * np.float32(np.nan)),
    "a voter's endless threshold": ("voter_threshold", lambda a: a + np.float32(np.inf)),
    "a sign of nought": ("voter_sign", lambda a: a * np.int8(0)),
    "a score above one": ("stump_score", lambda a: a + np.float32(1)),
    "a class that is not there": ("voter_class_index", lambda a: a + np.int16(1)),
    "a voter beyond the neurons": ("voter_neuron", lambda a: a + 6),
    "a voter of a later layer": ("voter_neuron", lambda a: np.array([3, 3, 1])),
    "a stump of another neuron": ("stump_neuron", lambda a: a[::-1].copy()),
    "more voters than there are": ("voter_count", lambda a: a + 1),
    "voters counted below nought": ("voter_count", lambda a: a * -1),
    "voters counted round the clock": ("voter_count", lambda a: np.array([2**62, 2**62 + 3])),
    "an endless tally": ("vote_tally", lambda a: a * np.float32(np.inf)),
    "a tally that is none": ("vote_tally", lambda a: a * np.float32(np.nan)),
    "a layer of votes missing": ("vote_tally", lambda a: a[:, :1]),
    "a vote for no class": ("vote_predicted", lambda a: a + 2),
    "a margin above one": ("vote_margin", lambda a: a + np.float32(2)),
    "shares that are no whole": ("vote_tally", lambda a: a * np.float32(0)),
    "another class than the votes say": ("vote_predicted", lambda a: a + 1),
    "a margin that the votes do not have": ("vote_margin", lambda a: a + np.float32(0.5)),
    "a voter with a threshold of its own": ("voter_threshold", lambda a: a + np.float32(0.1)),
    "a voter turned round": ("voter_sign", lambda a: -a),
    "a voter with a better score": ("voter_score", lambda a: a * 0 + np.float32(1)),
    "a stump turned round under its voters": ("stump_sign", lambda a: -a),
    "labels that make the accuracy another": ("test_labels", lambda a: a * 0),
    "answers that make the accuracy another": ("baseline_0_predicted", lambda a: a * 0 + 2 * (np.arange(4) == 3) - 1),
    "a null above one": ("null_scores", lambda a: a * np.float32(9)),
    "an answer beyond the classes": ("baseline_0_predicted", lambda a: a + 2),
}


@pytest.mark.parametrize("what", ARRAYS)
def test_an_array_that_does_not_fit_is_refused_even_with_its_digest(what, folder):
    name, damage = ARRAYS[what]
    path = folder / f"{name}.npy"
    np.save(path, damage(np.load(path)))
    seal(folder)
    with pytest.raises(UserError, match="damaged"):
        Run.load(folder)


def header(text: str) -> bytes:
    """Return the beginning of an .npy file with this header."""
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


@pytest.mark.parametrize(
    "data",
    [
        header("{'descr': '<f2', 'fortran_order': False, 'shape': (5, 1000000000000)}"),
        header("{'descr': '<f2', 'fortran_order': False, 'shape': (5, 6)}"),
        header("{'descr': '<f2', 'fortran_order': False, 'shape': (5, -6)}") + bytes(60),
        header("{'descr': '|O', 'fortran_order': False, 'shape': (5, 6)}") + b"cos\nsystem\n(S'touch ran'\ntR.",
        header("{'descr': [('a', '<f2')], 'fortran_order': False, 'shape': (5, 6)}") + bytes(60),
        header("(" * 5000),
        header("[" * 3000 + "]" * 3000),
        header("{'descr': '<f2'}"),
        header("{'descr': '<f2', 'fortran_order': 3, 'shape': 'x'}"),
        header("__import__('os').system('touch ran')"),
        b"\x93NUMPY\x02\x00" + (2**31).to_bytes(4, "little"),
        b"\x93NUMPY\x09\x00" + bytes(100),
        b"PK\x03\x04" + bytes(100),
        b"\x80\x04\x95" + bytes(100),
    ],
    ids=lambda data: repr(data[:60]),
)
def test_an_array_file_of_any_kind_is_refused_and_nothing_is_unpickled(data, folder, monkeypatch):
    monkeypatch.chdir(folder)
    (folder / "train_values.npy").write_bytes(data)
    seal(folder)
    with pytest.raises(UserError, match="damaged"):
        Run.load(folder)
    assert not (folder / "ran").exists()


def test_another_picture_under_a_pictures_name_is_refused(folder):
    one, other, *_ = sorted((folder / "pictures").iterdir())
    one.write_bytes(other.read_bytes())
    seal(folder)
    with pytest.raises(UserError, match=r"damaged.*another one"):
        Run.load(folder)


def test_pipes_and_devices_are_refused_unopened_and_a_link_to_the_same_bytes_changes_nothing(run, folder, tmp_path):
    for name in (RUN_FILE, DIGEST_FILE, "train_values.npy"):
        path = folder / name
        sound = path.read_bytes()
        path.unlink()
        os.mkfifo(path)
        with pytest.raises(UserError):
            Run.load(folder)
        path.unlink()
        path.symlink_to("/dev/zero")
        with pytest.raises(UserError):
            Run.load(folder)
        path.unlink()
        (tmp_path / name).write_bytes(sound)
        path.symlink_to(tmp_path / name)
        assert Run.load(folder).to_json() == run.to_json()


def test_a_link_to_a_folder_is_saved_through(run, tmp_path):
    run.save(tmp_path / "real")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    run.save(tmp_path / "link")
    assert (tmp_path / "link").is_symlink() and Run.load(tmp_path / "real").to_json() == run.to_json()


@pytest.mark.parametrize("command", [["predict", "RUN", "IMAGE"], ["report", "RUN", "-o", "OUT"], ["check", "RUN"]])
@pytest.mark.parametrize("damage", ["bit", "number", "type", "site names", "depth", "array", "pipe"])
def test_the_command_line_refuses_a_damaged_run_in_one_line(command, damage, folder, tmp_path, capsys):
    facts = json.loads((folder / RUN_FILE).read_text())
    if damage == "bit":
        text = bytearray((folder / RUN_FILE).read_bytes())
        text[len(text) // 2] ^= 1
        (folder / RUN_FILE).write_bytes(text)
    elif damage == "array":
        (folder / "vote_tally.npy").write_bytes(b"")
    elif damage == "pipe":
        (folder / DIGEST_FILE).unlink()
        os.mkfifo(folder / DIGEST_FILE)
    elif damage == "depth":
        seal_text(folder, b'{"format": 2, "summary": ' + b"[" * 10**5)
    else:
        changes = {"number": {"exit_layer": 10**400}, "type": {"warnings": {"a": 1}}, "site names": {"site_names": []}}
        seal(folder, facts | changes[damage])
    stand_ins = {"RUN": str(folder), "IMAGE": str(next((folder / "pictures").iterdir())), "OUT": str(tmp_path / "report.html")}
    assert main([stand_ins.get(word, word) for word in command]) == 2
    said = capsys.readouterr()
    assert said.err.startswith("sn_viz: The run in ") and said.err.count("\n") == 1 and "damaged" in said.err
    assert not said.out and not (tmp_path / "report.html").exists()


def test_a_saved_run_holds_no_path_of_the_machine(run, tmp_path, monkeypatch):
    monkeypatch.setenv("SN_VIZ_CACHE", str(tmp_path / "cache"))
    model = tmp_path / "deep" / "my-llava"
    model.mkdir(parents=True)
    found = replace(run, config=replace(run.config, model=str(model)), versions={"sn_viz": "0", "model": "my-llava-0123"})
    folder = found.save(tmp_path / "run")
    assert all(os.fsencode(tmp_path) not in path.read_bytes() for path in files_of(folder))
    assert json.loads((folder / RUN_FILE).read_text())["config"]["model"] == "my-llava"
    assert Run.load(folder).config.model == str(model), "this machine remembers where it lies"
    monkeypatch.setenv("SN_VIZ_CACHE", str(tmp_path / "elsewhere"))
    assert Run.load(folder).config.model == "my-llava", "another one does not know"


STEPS = ("mkdir", "mkdtemp", "save", "write_bytes", "rename", "rmtree", "rmdir", "chmod", "replace")


class Killed(BaseException):
    """The process ends here: nothing after this line runs, not even what cleans up."""


def crash_at(step: int, monkeypatch) -> list[str]:
    """Let the process end at the ``step``-th change of the disk; returns the changes made, which grow as they are made."""
    made: list[str] = []

    def counted(name, change):
        def call(*args, **options):
            if len(made) >= step:
                raise Killed
            made.append(name)
            return change(*args, **options)

        return call

    for owner, names in (
        (Path, ("mkdir", "rename", "write_bytes", "chmod", "unlink", "rmdir", "replace")),
        (saving.shutil, ("rmtree",)),
        (saving.tempfile, ("mkdtemp",)),
        (saving.np, ("save",)),
    ):
        for name in names:
            monkeypatch.setattr(owner, name, counted(name, getattr(owner, name)))
    return made


def test_a_crash_at_any_step_of_saving_leaves_the_old_run_or_the_new_one_and_never_a_mixture(run, tmp_path, monkeypatch):
    other = replace(run, exit_layer=1, warnings=("the new one",))
    whole = {run.to_json(): "old", other.to_json(): "new"}
    seen, step = [], 0
    while True:
        base = tmp_path / str(step)
        folder = run.save(base / "run")
        (folder / "report.html").write_text("mine")
        with monkeypatch.context() as patched:
            made = crash_at(step, patched)
            try:
                other.save(folder)
                done = True
            except Killed:
                done = False
        if folder.exists():
            seen.append(whole[Run.load(folder).to_json()])
        else:
            seen.append("aside")
            with pytest.raises(UserError, match=r"interrupted here; the earlier run is in '(.*)'") as told:
                Run.load(folder)
            earlier = str(told.value).split("'")[-2]
            assert whole[Run.load(earlier).to_json()] == "old"
        assert next(base.rglob("report.html")).read_text() == "mine"
        if done:
            break
        assert len(made) == step
        step += 1
    order = list(dict.fromkeys(seen))
    assert order == ["old", "aside", "new"] and seen.count("aside") == 1 and step > 20
    assert sorted(p.name for p in base.iterdir()) == ["run"]


def texts(most: int = 40):
    return st.text(max_size=most)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    names=st.lists(texts(), min_size=5, max_size=5),
    classes=st.lists(texts(), min_size=2, max_size=2, unique_by=lambda t: t.encode("utf-8", "replace")),
    question=texts(200),
    warnings=st.lists(texts(), max_size=3),
    note=texts(),
    number=st.floats(0, 1) | st.just(math.nan),
)
def test_any_texts_and_numbers_of_a_run_come_back(run, tmp_path, names, classes, question, warnings, note, number):
    train = replace(run.train, names=tuple(names), classes=tuple(classes), questions=(question,) * 5, notes=(note,))
    test = replace(run.test, classes=tuple(classes), questions=(question,) * 4)
    rows = tuple(replace(row, cv_accuracy=number) for row in run.by_layer)
    some = replace(run, train=train, test=test, warnings=tuple(warnings), by_layer=rows)
    back = Run.load(some.save(tmp_path / "any"))
    assert back.to_json() == some.to_json()
    assert back.train.names == tuple(name.encode("utf-8", "replace").decode() for name in names)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts(10), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), value=json_values)
def test_any_json_in_any_place_is_refused_or_is_a_sound_run(run, tmp_path, data, value):
    folder = tmp_path / "run"
    if not folder.exists():
        run.save(folder)
        shutil.copy(folder / RUN_FILE, tmp_path / "sound.json")
    facts = json.loads((tmp_path / "sound.json").read_text())
    put(facts, data.draw(st.sampled_from([path for path in places(facts) if path])), value)
    seal(folder, facts)
    try:
        json.loads(Run.load(folder).to_json())
    except UserError:
        pass


def test_a_folder_without_a_run_is_named(tmp_path):
    with pytest.raises(UserError, match="holds no saved run"):
        Run.load(tmp_path)


def test_json_has_every_field_and_null_for_what_is_not_known(run):
    facts = summary(run)
    wanted = "model question classes n_train n_test exit_layer n_layers n_neurons accuracy by_layer latency_ms speedup neurons null"
    assert {*wanted.split(), "seconds", "warnings", "versions"} <= set(facts)
    assert facts["accuracy"]["sav"] == {"value": 0.5, "low": 0.1, "high": 0.9, "n": 4}
    assert facts["accuracy"]["lora"] is None
    assert {"full_model", "super_neurons", "sav", "logit_lens", "linear_probe", "lora"} <= set(facts["accuracy"])
    assert facts["latency_ms"] == {"full_model": 10.0, "first_token": 6.0, "early_exit": {"median": 2.0, "p95": None}}
    assert facts["speedup"] == {"vs_full_model": 5.0, "vs_first_token": 3.0}
    held_out = stump_score(run.test_values[:, 3], run.test.labels, float(run.stumps.threshold[3]), 1, 1)
    assert facts["neurons"][0] == {
        "site": "residual",
        "layer": 2,
        "unit": 0,
        "class": SIGNS,
        "threshold": float(run.stumps.threshold[3]),
        "sign": 1,
        "score": 1.0,
        "held_out": held_out.balanced_accuracy,
    }
    assert facts["null"]["best_score_p95"] == pytest.approx(0.695)
    assert "NaN" not in run.to_json()


def test_what_a_killed_save_left_beside_the_run_goes_with_a_later_save_once_it_is_old(run, tmp_path):
    folder = run.save(tmp_path / "run")
    old, fresh, mine, aside, kept = (
        tmp_path / name
        for name in (".run-abcd1234", ".run-abcd1235", ".run-mine5678", ".run-earlier-abcd1236", ".run-earlier-abcd1237")
    )
    for path in (old, fresh, mine, aside / "run", kept / "run"):
        run.save(path)
    (mine / "notes.txt").write_text("mine")
    (kept / "run" / "report.html").write_text("mine")
    another = tmp_path / ".run-two-abcd1238"
    another.mkdir()
    for path in (old, mine, aside, kept, another):
        os.utime(path, (0, 0))
    run.save(folder)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(path.name for path in (folder, fresh, mine, kept, another))
