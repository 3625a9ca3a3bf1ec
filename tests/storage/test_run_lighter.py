"""A run saved with thumbnails, or without pictures, says what it said; what needs the pictures is refused in a sentence."""

import json
from dataclasses import replace

import numpy as np
import pytest

from sn_viz.errors import UserError
from sn_viz.export.repeat import facts_text
from sn_viz.export.shortcut import export_shortcut
from sn_viz.run import Run
from sn_viz.sources.ingest import picture_from_pixels
from sn_viz.storage.lighter import SIDE, check_has_pictures, kept_of, lighter, original_shas, usual_kind
from sn_viz.storage.run_arrays import arrays_of
from sn_viz.storage.summary import summary


@pytest.fixture
def large(run):
    """The run with pictures of 300 x 200 pixels, one of them twice."""
    rng = np.random.default_rng(0)
    pictures = [picture_from_pixels(rng.integers(0, 256, (200, 300, 3), dtype=np.uint8)) for _ in range(9)]
    pictures[1] = pictures[0]
    train = replace(run.train, pictures=tuple(pictures[:5]))
    return replace(run, train=train, test=replace(run.test, pictures=tuple(pictures[5:])))


@pytest.mark.parametrize("kind", ["thumbnails", "figures"])
def test_everything_but_the_pictures_reopens_as_it_was(large, kind, tmp_path):
    back = Run.load(large.save(tmp_path / "run", pictures=kind))
    ours, theirs = arrays_of(large), arrays_of(back)
    assert all(np.array_equal(ours[name], theirs[name], equal_nan=True) for name in ours)
    left = {"findings", "warnings"}
    assert {k: v for k, v in summary(back).items() if k not in left} == {k: v for k, v in summary(large).items() if k not in left}
    assert kept_of(back) == kind and any("saved" in text for text in back.warnings)


def test_thumbnails_are_small_and_show_what_was_there(large):
    small = lighter(large, "thumbnails").train.pictures[0]
    assert max(small.pixels.shape[:2]) == SIDE
    assert abs(float(small.pixels.mean()) - float(large.train.pictures[0].pixels.mean())) < 3


def test_figures_only_hold_nothing_of_a_picture_and_still_tell_pictures_apart(large, tmp_path):
    bare = lighter(large, "figures")
    shas = [picture.sha256 for picture in (*bare.train.pictures, *bare.test.pictures)]
    assert len(set(shas)) == 8 and shas[0] == shas[1]
    pixels = np.concatenate([picture.pixels.ravel() for picture in bare.train.pictures])
    assert pixels.min() >= 190 and pixels.max() <= 215
    assert sum(file.stat().st_size for file in (bare.save(tmp_path / "run") / "pictures").iterdir()) < 2000


def test_what_was_left_out_does_not_come_back(large):
    assert lighter(lighter(large, "figures"), "thumbnails") is not None
    assert kept_of(lighter(lighter(large, "figures"), "pictures")) == "figures"
    assert kept_of(lighter(lighter(large, "thumbnails"), "figures")) == "figures"
    assert len([text for text in lighter(lighter(large, "thumbnails"), "figures").warnings if "saved" in text]) == 1


def test_the_pictures_are_still_known_by_their_content(large, tmp_path):
    back = Run.load(large.save(tmp_path / "run", pictures="figures"))
    assert original_shas(back, "train") == [picture.sha256 for picture in large.train.pictures]
    assert large.train.pictures[0].sha256 in facts_text(back)


def test_a_list_of_contents_that_was_tampered_with_is_not_believed(large):
    bare = lighter(large, "figures")
    bare.findings["kept"]["train"] = json.loads('["../../x", 3]')
    assert original_shas(bare, "train") == [picture.sha256 for picture in bare.train.pictures]


@pytest.mark.parametrize("kind", ["thumbnails", "figures"])
def test_what_asks_the_model_about_the_pictures_again_is_refused(large, kind, tmp_path):
    light = lighter(large, kind)
    with pytest.raises(UserError, match="The pictures of this run are not here"):
        check_has_pictures(light)
    with pytest.raises(UserError, match="The pictures of this run are not here"):
        export_shortcut(light, tmp_path / "shortcut")
    check_has_pictures(large)


def test_beyond_a_thousand_pictures_thumbnails_are_usual(large):
    assert usual_kind(large) == "pictures"
    many = large.train.take(np.zeros(1000, int))
    assert usual_kind(replace(large, train=many)) == "thumbnails"


def test_another_way_to_save_is_refused_by_name(large):
    with pytest.raises(UserError, match="no way to save called 'all'"):
        lighter(large, "all")
