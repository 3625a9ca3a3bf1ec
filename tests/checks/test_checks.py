"""What a finished run is asked with its model once more: causal, other words, changed pictures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from sn_viz import find
from sn_viz.checks import CHECKS, WORDINGS, Options, examine, sample
from sn_viz.errors import Cancelled, UserError
from sn_viz.plots import causal, robustness
from sn_viz.run import Run

FEW = Options(("{question} Please.", "Red or blue, {x}?"), 0.5, 6)


@pytest.fixture(scope="module")
def run(tmp_path_factory, llava):
    folder = tmp_path_factory.mktemp("checks")
    random = np.random.default_rng(0)
    for name, channel in (("blue", 2), ("red", 0)):
        (folder / name).mkdir()
        for i in range(8):
            pixels = random.integers(0, 90, (32, 32, 3), dtype=np.uint8)
            pixels[..., channel] += 150
            Image.fromarray(pixels).save(folder / name / f"{i}.png")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SN_VIZ_CACHE", str(tmp_path_factory.mktemp("cache")))
        return find(folder, "Is it red?", llava, "full-model")


@pytest.fixture(scope="module")
def examined(run, llava):
    return examine(run, CHECKS.names(), llava, FEW)


def test_every_check_is_told_in_numbers_and_in_a_sentence(examined):
    assert set(examined.findings) == {"data", "stability", "committee", "causal", "wordings", "pictures"}
    for name in CHECKS:
        assert "images" in examined.findings[name]["sentence"]
    assert [one["kind"] for one in examined.findings["causal"]["kinds"]] == ["mean", "zero", "other-class"]
    assert [one["name"] for one in examined.findings["wordings"]["conditions"]] == list(FEW.wordings)
    assert len(examined.findings["pictures"]["conditions"]) == 7


def test_what_was_lost_is_before_less_after_on_the_same_images(examined):
    for name in ("wordings", "pictures"):
        found = examined.findings[name]
        for one in found["conditions"]:
            for method in ("full_model", "super_neurons"):
                before, after = found["before"][method]["value"], one[method]["accuracy"]["value"]
                assert one[method]["lost"]["value"] == pytest.approx(before - after) and one[method]["lost"]["n"] == 6


def test_super_neurons_say_in_a_check_what_they_said_in_the_run(run, examined):
    asked = sample(run.test, 6, 0)
    index = [run.test.names.index(name) for name in asked.names]
    right = (run.votes.predicted[index, run.exit_index] == asked.labels).mean()
    assert examined.findings["wordings"]["before"]["super_neurons"]["value"] == pytest.approx(right)


def test_findings_are_saved_with_the_run(examined, tmp_path):
    assert Run.load(examined.save(tmp_path / "run")).findings == examined.findings


@pytest.mark.parametrize("dark", [False, True])
def test_figures_show_what_was_found_and_nothing_before(run, examined, dark):
    assert causal.info(run) is None and robustness.info(run) is None
    chosen, random, fell, _ = causal.figure(causal.info(examined), dark).data
    assert len(chosen.x) == 3 and "random" in random.name and fell.yaxis == "y2"
    assert fell.y[0] == pytest.approx(examined.findings["causal"]["kinds"][0]["fall"]["value"], rel=1e-3)
    full, early = robustness.figure(robustness.info(examined), dark).data
    assert len(full.x) == len(early.x) == 1 + 2 + 7
    before = examined.findings["wordings"]["before"]
    assert full.x[0] == pytest.approx(before["full_model"]["value"], abs=1e-4)
    assert early.x[0] == pytest.approx(before["super_neurons"]["value"], abs=1e-4)


def test_a_sample_balances_the_classes_and_leaves_unknown_labels_out(run):
    for n in (2, 4, 6):
        some = sample(run.test, n, 0)
        assert np.bincount(some.labels).tolist() == [n // 2, n // 2]
        assert some.names == sample(run.test, n, 0).names


def test_cancelling_leaves_the_run_as_it_was(run, llava):
    def stop(fraction, doing):
        if fraction > 0.4:
            raise Cancelled

    before = dict(run.findings)
    with pytest.raises(Cancelled):
        examine(run, CHECKS.names(), llava, FEW, stop)
    assert run.findings == before


def test_what_is_not_offered_is_refused(run, llava):
    for wrong, said in ((("strength", 2), "between 0 and 1"), (("n_images", 0), "1 to 500"), (("wordings", ()), "1 to 8")):
        with pytest.raises(UserError, match=said):
            Options(**dict([wrong]))
    with pytest.raises(UserError, match="no check called 'magic'"):
        examine(run, ["magic"], llava)
    assert all("{question}" in wording for wording in WORDINGS)


def test_the_full_model_is_marked_in_the_figure_where_its_answers_are_read_by_an_inferred_key(examined):
    for inferred, name in ((True, "full model (answers inferred)"), (False, "full model")):
        run = replace(examined, answer_key=replace(examined.answer_key, inferred=inferred))
        assert [trace.name for trace in robustness.figure(robustness.info(run)).data][:2] == [name, "super neurons"]
