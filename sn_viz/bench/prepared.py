"""Photographs, and a store that already holds what a model would read of them: how large data are had in minutes.

Takes a folder, writes JPEGs and rows of activations under the model's own key; ``found`` then runs the public ``find`` on them in a
process of its own. Only activations are made up; loading, the store, the search and all that follows are those of any run.
"""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from sn_viz.bench import in_a_fresh_process
from sn_viz.paths import ASSETS

WIDE = {"num_hidden_layers": 32, "hidden_size": 48, "head_dim": 12, "intermediate_size": 22_592}
"""As many blocks, and nearly as many neurons a block, as LLaVA-1.5-7B has, in a hundredth of its weights."""
TEMPLATES = 40
REALLY_READ = 16
"""Pictures of which the store holds nothing: the model looks at them."""
QUESTION = "Is it the second kind?"

FIND = """
import json, os, sys, threading, time

def memory():
    with open("/proc/self/status") as file:
        lines = dict(line.split(":", 1) for line in file)
    return {name: int(lines[name].split()[0]) / 1e6 for name in ("VmHWM", "VmRSS", "RssAnon", "RssFile")}

table, model, question, os.environ["SN_VIZ_CACHE"] = sys.argv[1:]
from sn_viz import find
from sn_viz.activations.model_cache import model_named
from sn_viz.search.stumps import warm_up
warm_up()
model_named(model)
before, done = memory(), threading.Event()
most = dict(before)

def watch():
    while not done.wait(0.02):
        for name, now in memory().items():
            most[name] = max(most[name], now)

watcher = threading.Thread(target=watch)
watcher.start()
start = time.perf_counter()
run = find(table, question, model=model, compare="none")
wall = time.perf_counter() - start
done.set()
watcher.join()
most["VmHWM"] = memory()["VmHWM"]
print(json.dumps({"wall": wall, "seconds": run.seconds, "most": most, "before": before, "examples": len(run.train) + len(run.test),
    "probing": len(run.train), "neurons": len(run.neurons)}))
"""


@dataclass(frozen=True)
class Found:
    """One ``find`` in a process of its own; gigabytes."""

    examples: int
    probing: int
    neurons: int
    seconds: float
    stages: dict[str, float]
    peak: float
    """Everything resident, mapped pages of files included."""
    own: float
    """Memory of its own (anonymous), without pages of files."""
    file: float
    idle: float
    """Everything resident with the model loaded, before the run."""


def photographs(folder: Path, n: int, size: tuple[int, int] = (640, 480)) -> Path:
    """Write ``n`` different JPEGs, half of each class, and a table that names them; returns the table."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    scenes = [
        np.asarray(Image.fromarray(rng.integers(0, 256, (6, 8, 3), np.uint8)).resize(size, Image.Resampling.BICUBIC))
        for _ in range(TEMPLATES)
    ]
    for i in range(n):
        pixels = np.roll(scenes[i % TEMPLATES], (i // TEMPLATES * 37 % size[1], i // TEMPLATES * 101 % size[0]), (0, 1)).copy()
        for colour in rng.integers(0, 256, (6, 3), np.uint8):
            y, x = (int(rng.integers(0, side - side // 4)) for side in size[::-1])
            pixels[y : y + size[1] // 5, x : x + size[0] // 5] = colour
        Image.fromarray(pixels).save(folder / f"{i}.jpg", quality=85)
    return table(folder, n)


def table(folder: Path, n: int) -> Path:
    """Write a table of the first ``n`` photographs."""
    path = folder / f"first-{n}.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "label"])
        writer.writerows([f"{i}.jpg", "two" if i % 2 else "one"] for i in range(n))
    return path


def wide_model(folder: Path) -> str:
    """Write a model with random weights of ``WIDE`` and the embedded model's processor; returns its folder."""
    import torch
    from transformers import AutoConfig, AutoModelForImageTextToText

    source = ASSETS / "tiny-llava"
    folder.mkdir(parents=True, exist_ok=True)
    for file in source.iterdir():
        if "safetensors" not in file.name and file.name != "config.json":
            shutil.copy(file, folder / file.name)
    config = AutoConfig.from_pretrained(source)
    for name, value in WIDE.items():
        setattr(config.text_config, name, value)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        AutoModelForImageTextToText.from_config(config).save_pretrained(folder)
    return str(folder)


def fill(cache: Path, model: str, path: Path, skip: int = REALLY_READ) -> None:
    """Put made-up activations of the photographs of a table into a store, but for the first ``skip`` of them."""
    from sn_viz.activations.extract import neurons_of, row_key, row_names
    from sn_viz.activations.store import Store
    from sn_viz.models import load_model
    from sn_viz.sources import load_images

    vlm = load_model(model)
    images = load_images(path, QUESTION)
    n_neurons, key, store = len(neurons_of(vlm)), row_key(vlm), Store(cache, max_bytes=10**12)
    noise = np.random.default_rng(1).standard_normal(n_neurons + 1009 * 64, dtype=np.float32).astype(np.float16)
    names = row_names(images)[skip:]
    for start in range(0, len(names), 64):
        at = {name: (start + i) * 4099 % (1009 * 64) for i, name in enumerate(names[start : start + 64])}
        store.put(key, {name: noise[first : first + n_neurons] for name, first in at.items()})


def found(path: Path, model: str, cache: Path) -> Found:
    """Run ``find`` on a table in a process of its own."""
    told = json.loads(in_a_fresh_process(FIND, path, model, QUESTION, cache))
    most, before = told["most"], told["before"]
    return Found(
        told["examples"], told["probing"], told["neurons"], told["wall"], told["seconds"], most["VmHWM"], most["RssAnon"],
        most["RssFile"], before["VmRSS"],
    )  # fmt: skip
