"""The drawn world: kinds, backgrounds and formulas."""

import inspect
from itertools import combinations

import numpy as np
import pytest

from sn_viz.errors import UserError
from sn_viz.world.backgrounds import BACKGROUNDS, draw_background
from sn_viz.world.formulas import FORMULAS, N_GLYPHS, draw_formula
from sn_viz.world.kinds import COLOURS, KINDS, draw_kind


def drawn(name, size=60, colour="red", seed=0, flip=False):
    return np.asarray(draw_kind(name, size, COLOURS[colour], np.random.default_rng(seed), flip))


def mean_mask(name, size=32):
    return np.mean([drawn(name, size, seed=seed)[..., 3] / 255 for seed in range(5)], axis=0)


def test_there_are_eighteen_kinds_and_eight_colours_in_a_fixed_order():
    assert list(KINDS)[:3] == ["dog", "cat", "bird"] and list(KINDS)[-1] == "umbrella" and len(KINDS) == 18
    assert list(COLOURS) == ["red", "orange", "yellow", "green", "blue", "purple", "white", "black"]


def test_colours_are_far_apart():
    for first, second in combinations(COLOURS, 2):
        distance = np.linalg.norm(np.subtract(COLOURS[first], COLOURS[second]))
        assert distance > 75, (first, second, distance)


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("size", [18, 40, 60, 160])
def test_a_kind_fills_a_fair_part_of_its_square_in_any_variation(name, size):
    for seed in range(6):
        picture = drawn(name, size, seed=seed)
        assert picture.shape == (size, size, 4) and picture.dtype == np.uint8
        covered = (picture[..., 3] > 127).mean()
        assert 0.2 < covered < 0.9, covered


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("colour", COLOURS)
def test_the_colour_of_a_kind_dominates(name, colour):
    for size, least in ((24, 0.6), (40, 0.7), (60, 0.7), (120, 0.7)):
        picture = drawn(name, size, colour, seed=size)
        body = picture[picture[..., 3] > 200][:, :3].astype(float)
        near = (np.linalg.norm(body - COLOURS[colour], axis=1) < 90).mean()
        assert near >= least, (size, near)
        distances = [np.linalg.norm(np.median(body, axis=0) - other) for other in COLOURS.values()]
        assert list(COLOURS)[int(np.argmin(distances))] == colour


@pytest.mark.parametrize("name", KINDS)
def test_a_kind_is_drawn_alike_from_the_same_state_and_varies_with_the_seed(name):
    assert np.array_equal(drawn(name, seed=3), drawn(name, seed=3))
    assert not np.array_equal(drawn(name, seed=3), drawn(name, seed=4))


@pytest.mark.parametrize("name", KINDS)
def test_flip_mirrors_the_silhouette(name):
    plain, flipped = drawn(name)[..., 3] > 127, drawn(name, flip=True)[:, ::-1, 3] > 127
    assert (plain & flipped).sum() / (plain | flipped).sum() > 0.93


def overlap(first, second):
    return np.minimum(first, second).sum() / np.maximum(first, second).sum()


def test_silhouettes_of_different_kinds_are_distinct():
    masks = {name: mean_mask(name) for name in KINDS}
    pairs = {(a, b): overlap(masks[a], masks[b]) for a, b in combinations(KINDS, 2)}
    assert np.mean(list(pairs.values())) < 0.56, np.mean(list(pairs.values()))
    assert max(pairs.values()) < 0.82, max(pairs, key=pairs.get)


@pytest.mark.parametrize("size", [18, 32])
def test_the_silhouette_alone_tells_the_kind(size):
    masks = {name: mean_mask(name, size) for name in KINDS}
    for name in KINDS:
        for seed in range(90, 96):
            mask = drawn(name, size, seed=seed)[..., 3] / 255
            overlaps = {other: overlap(mask, masks[other]) for other in KINDS}
            assert max(overlaps, key=overlaps.get) == name


def test_five_backgrounds_are_shifted_and_the_rest_are_for_training():
    shifted = {name for name, background in BACKGROUNDS.items() if background.shifted}
    assert shifted == {"sunset", "space", "graph-paper", "autumn-forest", "underwater"}
    assert len(BACKGROUNDS) - len(shifted) == 14
    assert all(name == background.name for name, background in BACKGROUNDS.items())


def test_background_flags_say_what_is_seen():
    flags = {name: (background.night, background.indoors, background.texture) for name, background in BACKGROUNDS.items()}
    assert flags["night"] == flags["street-night"] == (True, False, "scene")
    assert flags["room"] == flags["bedroom"] == (False, True, "scene")
    assert flags["checks"] == (False, False, "pattern") and flags["noise"] == (False, False, "noise")
    assert not any(night and indoors for night, indoors, _ in flags.values())
    brightness = {
        name: np.mean([np.asarray(draw_background(name, 64, np.random.default_rng(seed))).mean() for seed in range(5)])
        for name in flags
    }
    dark = max(brightness[name] for name, flag in flags.items() if flag[0])
    light = min(brightness[name] for name, flag in flags.items() if not flag[0])
    assert dark < 75 < 90 < light, (dark, light)


@pytest.mark.parametrize("name", BACKGROUNDS)
def test_a_background_is_muted_repeatable_and_varied(name):
    pictures = [np.asarray(draw_background(name, 96, np.random.default_rng(seed))) for seed in (0, 0, 1)]
    assert pictures[0].shape == (96, 96, 3) and pictures[0].dtype == np.uint8
    assert np.array_equal(pictures[0], pictures[1]) and not np.array_equal(pictures[0], pictures[2])
    chroma = np.ptp(pictures[2].astype(int), axis=-1)
    assert np.median(chroma) < 110 and (chroma > 150).mean() < 0.05
    for size in (64, 300):
        assert draw_background(name, size, np.random.default_rng(0)).size == (size, size)


def test_there_are_ninety_six_formulas_with_unique_names():
    assert len(FORMULAS) == len(set(FORMULAS)) == 96


@pytest.mark.parametrize("category", range(len(FORMULAS)))
def test_a_formula_is_repeatable_varied_and_neither_blank_nor_full(category):
    pictures = [np.asarray(draw_formula(category, 64, np.random.default_rng([category, seed]))) for seed in (0, 0, 1)]
    assert pictures[0].shape == (64, 64, 3) and pictures[0].dtype == np.uint8
    assert np.array_equal(pictures[0], pictures[1]) and not np.array_equal(pictures[0], pictures[2])
    for picture in pictures[1:]:
        gray = picture.mean(axis=-1)
        low, high = gray.min(), gray.max()
        assert high - low > 40
        share = (gray > (low + high) / 2).mean()
        assert 0.02 < share < 0.98, share
    assert draw_formula(category, 150, np.random.default_rng(0)).size == (150, 150)


def test_pictures_of_one_glyph_are_more_alike_than_pictures_of_two():
    first_glyph = FORMULAS.index("glyph-00")

    def ink(category, seed):
        gray = np.asarray(draw_formula(category, 64, np.random.default_rng([category, seed])).convert("L"), float)
        edge = np.median(np.concatenate([gray[0], gray[-1], gray[:, 0], gray[:, -1]]))
        small = np.abs(gray - edge).reshape(8, 8, 8, 8).mean(axis=(1, 3)).ravel()
        return small / np.linalg.norm(small)

    inks = np.array([[ink(first_glyph + glyph, seed) for seed in range(6)] for glyph in range(N_GLYPHS)])
    alike = np.einsum("asx,btx->abst", inks, inks).mean(axis=(2, 3))
    np.fill_diagonal(alike, (np.einsum("asx,atx->ast", inks, inks).sum(axis=(1, 2)) - 6) / 30)
    own, other = np.diag(alike).mean(), alike[~np.eye(N_GLYPHS, dtype=bool)].mean()
    assert own > other + 0.1, (own, other)


@pytest.mark.parametrize(("draw", "mentions"), [(draw_kind, "umbrella"), (draw_background, "meadow"), (draw_formula, "95")])
def test_an_unknown_name_lists_what_there_is(draw, mentions):
    rng = np.random.default_rng(0)
    arguments = {"name": "dragon", "category": 96, "size": 32, "rgb": (0, 0, 0), "rng": rng}
    wanted = [arguments[parameter] for parameter in inspect.signature(draw).parameters if parameter in arguments]
    with pytest.raises(UserError, match=mentions):
        draw(*wanted)
