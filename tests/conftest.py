"""Shared fixtures: tiny random checkpoints of several architectures, made on the spot, and the embedded model where it exists."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("NUMBA_NUM_THREADS", "1")  # the first parallel loop that umap runs gives torch as many threads as this
os.environ["HF_HUB_OFFLINE"] = "1"

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jaxtyping import install_import_hook

CHECKED = ["sn_viz.types", "sn_viz.search.stumps", "sn_viz.voting.votes", "sn_viz.voting.statistics"]
"""Modules whose annotated shapes are checked at every call; said before any of them is imported."""
install_import_hook(CHECKED, "beartype.beartype")

from random_models import ARCHITECTURES, save_checkpoint  # noqa: E402


@pytest.fixture(scope="session")
def noise_pictures() -> Callable[..., list[Any]]:
    """Return ``make(n, height, width, seed)``: pictures of noise."""
    return make_pictures


def make_pictures(n: int, height: int = 40, width: int = 56, seed: int = 0) -> list[Any]:
    from sn_viz.types import Picture

    pixels = np.random.default_rng(seed).integers(0, 256, (n, height, width, 3), dtype=np.uint8)
    return [Picture(one) for one in pixels]


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return ``checkpoint(architecture)``: the folder of a tiny random model, made once a session; see ``tests/mutation``."""
    kept = Path(os.environ["SN_VIZ_TEST_MODELS"]) if "SN_VIZ_TEST_MODELS" in os.environ else None
    made: dict[str, Path] = {path.name.removeprefix("random-"): path for path in kept.iterdir()} if kept and kept.is_dir() else {}

    def make(architecture: str) -> Path:
        if architecture not in made:
            folder = kept or tmp_path_factory.mktemp("models")
            made[architecture] = save_checkpoint(architecture, folder / f"random-{architecture}")
        return made[architecture]

    return make


@pytest.fixture(scope="session")
def random_vlm(checkpoint: Callable[[str], Path]) -> Callable[[str], Any]:
    """Return ``random_vlm(architecture)``: a tiny random model, loaded once a session; do not change it."""
    loaded: dict[str, Any] = {}

    def load(architecture: str) -> Any:
        from sn_viz.models import load_model
        from sn_viz.models.options import LoadOptions

        if architecture not in loaded:
            published = LoadOptions(detail="published")  # with several tiles, where the family has them
            loaded[architecture] = load_model(checkpoint(architecture), device="cpu", options=published)
        return loaded[architecture]

    return load


@pytest.fixture(scope="session", params=list(ARCHITECTURES))
def any_vlm(request: pytest.FixtureRequest, random_vlm: Callable[[str], Any]) -> Any:
    """Each tiny random model in turn."""
    return random_vlm(request.param)


@pytest.fixture(scope="session")
def llava(random_vlm: Callable[[str], Any]) -> Any:
    """A tiny random LLaVA."""
    return random_vlm("llava")


@pytest.fixture(scope="session")
def tiny_llava() -> Any:
    """The embedded model."""
    from sn_viz.models import load_model

    return load_model("tiny-llava", device="cpu")


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """One browser for every test that drives a page; a second one in the same process would not start."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def make_labelled() -> Callable[..., Any]:
    """Return a function of labels: one different flat picture each, the first of grey ``first``; where a test needs no files."""
    from sn_viz.sources.ingest import picture_from_pixels
    from sn_viz.types import LabelledImages

    def labelled(labels: list[int], classes: tuple[str, ...] = ("no", "yes"), first: int = 0) -> LabelledImages:
        pictures = tuple(picture_from_pixels(np.full((8, 8, 3), first + i, np.uint8)) for i in range(len(labels)))
        names = tuple(f"{i}.png" for i in range(len(labels)))
        return LabelledImages(names, pictures, np.array(labels, np.int64), classes, ("Is it?",) * len(labels))

    return labelled


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A hub on this machine that has the embedded model under another name; its client asks it, with a cache of the test's own."""
    from hub_stand_in import EMBEDDED, serving, use

    from sn_viz.paths import ASSETS

    with serving() as hub:
        hub.add(EMBEDDED, ASSETS / "tiny-llava")
        use(monkeypatch, hub.address, tmp_path / "hub-cache")
        yield hub
