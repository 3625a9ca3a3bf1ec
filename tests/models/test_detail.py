"""How closely a picture is looked at: low detail is measured, said, part of the key, and taken back where it saves nothing."""

from __future__ import annotations

import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from family_checkpoints import write
from PIL import Image
from random_models import ARCHITECTURES

from sn_viz.activations.extract import extract
from sn_viz.models import load_model
from sn_viz.models.detail import applied, changes_of, settled
from sn_viz.models.options import LoadOptions
from sn_viz.types import Picture

LOW, PUBLISHED = LoadOptions(detail="low"), LoadOptions(detail="published")
LARGE = Picture(np.random.default_rng(0).integers(0, 256, (90, 150, 3), dtype=np.uint8))


def smolvlm():
    from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil

    return Idefics3ImageProcessorPil(size={"longest_edge": 2048}, max_image_size={"longest_edge": 512}), None


def internvl():
    from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import GotOcr2ImageProcessorPil

    return GotOcr2ImageProcessorPil(size={"height": 448, "width": 448}, crop_to_patches=True), None


def llava_next():
    from transformers.models.llava_next.image_processing_pil_llava_next import LlavaNextImageProcessorPil

    return LlavaNextImageProcessorPil(size={"shortest_edge": 336}, crop_size={"height": 336, "width": 336}), 336


def llava_onevision():
    from transformers.models.llava_onevision.image_processing_pil_llava_onevision import LlavaOnevisionImageProcessorPil

    return LlavaOnevisionImageProcessorPil(), 384


def qwen2_vl():
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    return Qwen2VLImageProcessorPil(), None


def pixtral():
    from transformers.models.pixtral.image_processing_pil_pixtral import PixtralImageProcessorPil

    return PixtralImageProcessorPil(), None


@pytest.mark.parametrize(
    ("family", "published", "low"),
    [
        (smolvlm, 13 * 512 * 512, 512 * 512),
        (internvl, 13 * 448 * 448, 448 * 448),
        (llava_next, 5 * 336 * 336, 2 * 336 * 336),
        (llava_onevision, 13 * 384 * 384, 2 * 384 * 384),
        (qwen2_vl, 1_003_520, 200_704),
        (pixtral, 1024 * 768, 256 * 192),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_familys_own_settings_are_brought_down_to_one_tile_or_few_pixels(family, published, low):
    """Pixels of a picture of 1280 x 960 as its processor's defaults hand them to the tower, at most."""
    images, side = family()
    config = SimpleNamespace(vision_config=SimpleNamespace(image_size=side), image_grid_pinpoints=None)
    changes = tuple(changes_of(images, config))
    assert pixels(images) <= published and pixels(images) > 0.8 * published
    with applied(changes):
        assert 0.7 * low < pixels(images) <= low
        assert side is None or config.image_grid_pinpoints == [[side, side]]
    assert pixels(images) > 0.8 * published, "the settings are put back"


def pixels(images):
    given = images(images=[[Image.new("RGB", (1280, 960), "grey")]], return_tensors="pt")["pixel_values"]
    return given.numel() / 3 / (2 if given.dim() == 2 else 1)  # Qwen's patches stand for two moments


@pytest.mark.parametrize("family", ["llava", "gemma3"])
def test_a_family_with_one_way_to_look_keeps_its_key_and_says_nothing(checkpoint, family):
    low, published = (load_model(checkpoint(family), options=options) for options in (LOW, PUBLISHED))
    assert low.key == published.key and not low.look.matters and low.look.sentence == ""
    assert low.options.detail == "published" and low.options.told() == ()


def test_the_embedded_models_have_one_way_to_look(tiny_llava):
    assert not tiny_llava.look.matters and load_model("tiny-llava", options=LOW).key == tiny_llava.key


@pytest.fixture(scope="module")
def looks(checkpoint, tmp_path_factory):
    """Return ``looks(family)``: a model at low detail, and as published."""
    made = {}

    def both(family):
        if family not in made:
            folder = checkpoint(family) if family in ARCHITECTURES else write(family, tmp_path_factory.mktemp("made") / "model")
            if family == "qwen3_vl":  # bounds as wide as its published ones, in its small patches
                folder = shutil.copytree(folder, tmp_path_factory.mktemp("wide") / "qwen3_vl")
                settings = json.loads((folder / "preprocessor_config.json").read_text())
                settings["size"] = {"shortest_edge": 256 * 4, "longest_edge": 256 * 1024}
                (folder / "preprocessor_config.json").write_text(json.dumps(settings))
            made[family] = tuple(load_model(folder, device="cpu", options=options) for options in (LOW, PUBLISHED))
        return made[family]

    return both


FAMILIES = ["idefics3", "llava_onevision", "qwen3_vl", "LLaVA-NeXT", "InternVL"]


@pytest.mark.parametrize("family", FAMILIES)
def test_low_detail_takes_fewer_positions_and_says_how_many(looks, family):
    low, published = looks(family)
    assert low.look.level == "low" and published.look.level == "published"
    assert (low.look.positions, low.look.published) == (published.look.positions, published.look.published)
    assert 0 < low.look.positions < low.look.published
    assert f"{low.look.positions:,}" in low.look.sentence and "--detail published" in low.look.sentence
    assert f"{low.look.published:,}" in published.look.sentence and "--detail low" in published.look.sentence


@pytest.mark.parametrize("family", FAMILIES)
def test_each_level_has_a_key_of_its_own_and_reads_every_site(looks, family):
    low, published = looks(family)
    assert low.key != published.key and low.options.told() == (("detail", "low"),) and published.options.told() == ()
    values = [extract(vlm, [LARGE], "Is it?", sites=["all", "tower"], dtype=np.float32).values for vlm in (low, published)]
    assert all(np.isfinite(value).all() for value in values) and values[0].shape == values[1].shape
    assert not np.array_equal(*values) or family == "qwen3_vl", "the picture is within the bounds of Qwen"


def test_on_a_processor_low_is_the_default_and_on_a_gpu_the_published_detail():
    assert settled("auto", "cpu") == "low" and settled("auto", "cuda:1") == "published"
    assert settled("published", "cpu") == "published" and settled("low", "cuda") == "low"


def test_what_saves_nothing_is_taken_back(checkpoint, tmp_path):
    folder = shutil.copytree(checkpoint("llava_onevision"), tmp_path / "one grid")
    for file in ("preprocessor_config.json", "config.json"):
        settings = json.loads((folder / file).read_text())
        settings["image_grid_pinpoints"] = [[32, 32]]
        (folder / file).write_text(json.dumps(settings))
    assert not load_model(folder, options=LOW).look.matters
