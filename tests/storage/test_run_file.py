"""What run.json may say: any field that is wrong, or does not fit the others, is refused."""

import json
import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from saved_run import SIGNS, seal, seal_text, texts

from sn_viz.errors import UserError
from sn_viz.run import Run
from sn_viz.storage.run_folder import RUN_FILE

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
        assert json.loads(Run.load(folder).to_json())["n_test"] == len(run.test)
    except UserError as error:
        assert 0 < len(str(error)) < 600
