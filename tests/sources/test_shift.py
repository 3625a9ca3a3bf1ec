"""Changed pictures: nothing at strength 0, more with more, the same for a seed, always a picture of the same size."""

from __future__ import annotations

import numpy as np
import pytest

from sn_viz.errors import UserError
from sn_viz.sources.ingest import picture_from_pixels
from sn_viz.sources.shift import SHIFTS, shifted


@pytest.fixture
def picture():
    across, down = np.meshgrid(np.arange(48), np.arange(32))
    pixels = np.stack([5 * across, 7 * down, np.where((across // 6 + down // 6) % 2, 220, 40)], -1)
    return picture_from_pixels(pixels.astype(np.uint8))


def change(picture, name, strength, seed=0):
    return shifted(picture, name, strength, np.random.default_rng(seed))


@pytest.mark.parametrize("name", SHIFTS)
def test_strength_nought_changes_nothing_and_more_changes_more(picture, name):
    assert change(picture, name, 0.0) is picture
    far = [np.abs(change(picture, name, strength).pixels.astype(float) - picture.pixels).mean() for strength in (0.1, 0.5, 1.0)]
    assert 0 < far[0] < far[1] < far[2]
    assert change(picture, name, 0.5).pixels.shape == picture.pixels.shape
    assert change(picture, name, 0.5).sha256 == change(picture, name, 0.5).sha256


def test_a_full_turn_of_half_the_circle_swaps_opposite_hues():
    red = picture_from_pixels(np.full((8, 8, 3), (250, 5, 5), np.uint8))
    cyan = change(red, "hue", 1.0).pixels[4, 4].astype(int)
    assert cyan[0] < 20 and min(cyan[1:]) > 230


def test_what_is_not_offered_is_refused(picture):
    with pytest.raises(UserError, match="no change called 'fog'"):
        change(picture, "fog", 0.5)
    with pytest.raises(UserError, match="between 0 and 1"):
        change(picture, "blur", 1.5)
