"""The page sees what the search saw: one file gives the same pixels by every way in."""

from __future__ import annotations

import csv
import shutil
import zipfile
from pathlib import Path

import gradio as gr
import numpy as np
import pytest
from gradio_client import Client, handle_file
from PIL import Image

from sn_viz.early_exit.decide import pictures_and_questions
from sn_viz.sources import load_images
from sn_viz.sources.ingest import read_picture
from sn_viz.types import LabelledImages, Prediction
from sn_viz.ui import api, page
from sn_viz.ui.components import class_cards, race_panel
from sn_viz.ui.components.cards import Cards
from sn_viz.ui.components.edits import Edits
from sn_viz.ui.components.racing import Race
from sn_viz.ui.sections import examples_section
from sn_viz.ui.sections.examples_section import Where
from sn_viz.ui.server import launch, packs
from sn_viz.ui.server.paths import upload_folder

RANDOM = np.random.default_rng(3)
PIXELS = RANDOM.integers(0, 256, (12, 16, 3), dtype=np.uint8)


def transparent(path: Path) -> None:
    alpha = np.where(np.arange(16) < 8, 0, 200).astype(np.uint8)[None].repeat(12, axis=0)
    Image.fromarray(np.dstack([PIXELS, alpha])).save(path)


def transparent_palette(path: Path) -> None:
    Image.fromarray(PIXELS).quantize(16).save(path, transparency=3)


def sixteen_bit(path: Path) -> None:
    Image.fromarray((np.arange(192, dtype=np.uint16) * 300).reshape(12, 16)).save(path)


def turned(path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(PIXELS).save(path, exif=exif)


KINDS = {
    "alpha.png": transparent,
    "grey-alpha.png": lambda path: Image.fromarray(PIXELS[..., 0]).convert("LA").save(path),
    "palette.png": lambda path: Image.fromarray(PIXELS).quantize(16).save(path),
    "palette-transparent.png": transparent_palette,
    "sixteen-bit.png": sixteen_bit,
    "one-bit.png": lambda path: Image.fromarray(PIXELS[..., 0] > 127).save(path),
    "cmyk.jpg": lambda path: Image.fromarray(PIXELS).convert("CMYK").save(path, quality=95),
    "exif.jpg": turned,
    "alpha.webp": lambda path: Image.fromarray(np.dstack([PIXELS, PIXELS[..., :1]])).save(path, lossless=True),
    "palette.gif": lambda path: Image.fromarray(PIXELS).quantize(8).save(path),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, Path]:
    """One file of every kind."""
    folder = tmp_path_factory.mktemp("kinds")
    for name, write in KINDS.items():
        write(folder / name)
    return {name: folder / name for name in KINDS}


@pytest.fixture(scope="module")
def served():
    """A really launched page whose model is never asked: its address, and what it keeps."""
    patch = pytest.MonkeyPatch()
    patch.setattr(packs.Prefetcher, "want", lambda _, name, arguments: packs.run_key(name, arguments))
    built = page.build()
    _, where, _ = launch.launch(built, prevent_thread_lock=True, quiet=True)
    yield where, built.kept
    built.close()
    patch.undo()


@pytest.fixture()
def raced(planted, monkeypatch) -> list[str]:
    """The digests of what reaches the model, in order."""
    seen: list[str] = []

    def predict(run, images, layer, vlm):
        seen.append(images.pictures[0].sha256)
        return [Prediction("dog", 1, 2, 1.0, (0.0, 1.0), 1.0)]

    def race(run, vlm, picture, question, layer, progress=None):
        seen.append(picture.sha256)
        return Race(np.full((6, 2), 0.5, np.float32), 3.0 * np.arange(1, 7), run.neurons.layers, 2, "dog", 2.0, "yes", 20.0)

    monkeypatch.setattr(api, "predict_with", predict)
    for module in (api, race_panel):
        monkeypatch.setattr(module, "race", race)
        monkeypatch.setattr(module, "model_of", lambda config: None)
    return seen


def as_uploaded(path: Path) -> str:
    """Put a copy where uploads lie."""
    target = upload_folder() / path.stem / path.name
    target.parent.mkdir(parents=True, exist_ok=True)
    return str(shutil.copy(path, target))


@pytest.mark.parametrize("name", KINDS)
def test_equal_pixels_by_every_way_in(name, files, served, raced, planted, tmp_path):
    (address, server), path = served, files[name]
    run_key = server.runs.put(planted)
    expected = read_picture(path, name).sha256
    others = [tmp_path / f"other-{i}.png" for i in range(3)]
    for other in others:
        Image.fromarray(RANDOM.integers(0, 256, (9, 9, 3), dtype=np.uint8)).save(other)
    classes = {"a": [path, others[0]], "b": others[1:]}

    seen = {
        "Python": pictures_and_questions(planted, [path], None)[0][0].sha256,
        "class cards": named(of_class_cards(classes), path),
        "folder": named(of_folder(classes, tmp_path / "folder"), path),
        "zip": named(of_zip(classes, tmp_path / "set.zip"), path),
        "table with zip": named(of_table(classes, tmp_path), path),
    }
    client = Client(address, verbose=False)
    client.predict(run_key, handle_file(str(path)), "", "0", api_name="/predict")
    client.predict(run_key, handle_file(str(path)), "", "0", api_name="/exit_race")
    uploaded = exit_tab_upload().preprocess(exit_tab_upload().data_model(path=as_uploaded(path), orig_name=path.name))
    list(race_panel.run_race(server, gr.Request(session_hash="one"), server.stops.new(), run_key, 0, uploaded, 2))
    seen |= dict(zip(("/predict", "/exit_race", "race"), raced, strict=True))
    assert seen == dict.fromkeys(seen, expected)


def exit_tab_upload():
    """The race's own image component, as the page is built with it."""
    with gr.Blocks():
        return race_panel.layout().upload


def named(images: LabelledImages, path: Path) -> str:
    """Return the digest of the picture called like ``path``."""
    return next(picture.sha256 for picture, name in zip(images.pictures, images.names, strict=True) if Path(name).name == path.name)


def of_class_cards(classes: dict[str, list[Path]]) -> LabelledImages:
    cards, made = Cards(), Edits()
    for number, (label, paths) in enumerate(classes.items(), start=1):
        sent = [{"at": as_uploaded(one), "name": one.name} for one in paths]
        cards = class_cards.done(cards, made, {"do": "add", "card": number, "shots": sent}).cards.rename(number, label)
    where = Where.of(["own", "", cards, None, ""])
    return examples_section.from_galleries(where.count, where.names, where.galleries, "What?")


def of_folder(classes: dict[str, list[Path]], folder: Path) -> LabelledImages:
    for label, paths in classes.items():
        (folder / label).mkdir(parents=True)
        for one in paths:
            shutil.copy(one, folder / label / one.name)
    return load_images(folder, "What?")


def of_zip(classes: dict[str, list[Path]], target: Path) -> LabelledImages:
    with zipfile.ZipFile(target, "w") as archive:
        for label, paths in classes.items():
            for one in paths:
                archive.write(one, f"{label}/{one.name}")
    return examples_section.from_files([str(target)], "What?")


def of_table(classes: dict[str, list[Path]], folder: Path) -> LabelledImages:
    rows = [("image", "label"), *((one.name, label) for label, paths in classes.items() for one in paths)]
    with open(folder / "rows.csv", "w", newline="") as file:
        csv.writer(file).writerows(rows)
    with zipfile.ZipFile(folder / "pictures.zip", "w") as archive:
        for paths in classes.values():
            for one in paths:
                archive.write(one, one.name)
    return examples_section.from_files([str(folder / "rows.csv"), str(folder / "pictures.zip")], "What?")


def test_a_transparent_picture_stands_on_white(tmp_path):
    transparent(tmp_path / "alpha.png")
    assert (read_picture(tmp_path / "alpha.png", "alpha").pixels[:, :8] == 255).all()
