"""The table of docs/families.md: what each family's tiny checkpoint does, from the folder to a saved run.

    python tests/models/families_table.py

tries every family of ``family_checkpoints`` in the environment it runs in, keeps what it saw in families.json beside it and writes
docs/families.md. Run it once where requirements-families.txt is installed and once where it is not; ``pytest -m families`` tries
them again and fails where the table says anything else.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
if __name__ == "__main__":
    sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]
    os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np  # noqa: E402
from family_checkpoints import names, write  # noqa: E402
from PIL import Image  # noqa: E402

from sn_viz.activations.reader import reader_of, truncated_forward  # noqa: E402
from sn_viz.activations.self_test import self_test  # noqa: E402
from sn_viz.early_exit.decide import predict  # noqa: E402
from sn_viz.errors import UserError  # noqa: E402
from sn_viz.models import load_model  # noqa: E402
from sn_viz.models.options import LoadOptions  # noqa: E402
from sn_viz.models.vlm import Vlm  # noqa: E402
from sn_viz.pipeline import find  # noqa: E402
from sn_viz.run import Run  # noqa: E402
from sn_viz.types import Picture  # noqa: E402

KEPT = Path(__file__).with_name("families.json")
PAGE = ROOT / "docs" / "families.md"
EXTRA = ("torchvision", "timm", "num2words")
QUESTION = "What colour is it?"
SHAPES = ((40, 56), (24, 64), (70, 40), (90, 130))
"""Heights and widths of the pictures of noise: one tile and several."""
CLOSE = 1e-4
"""How far values may be apart, as a share of the largest."""

Row = dict[str, Any]


def environment() -> str:
    """Return "with" where all packages of the extra can be imported, else "without"."""
    from sn_viz.models.torchvision_guard import hide_broken_torchvision

    hide_broken_torchvision()
    try:
        for name in EXTRA:
            importlib.import_module(name)
    except ImportError:
        return "without"
    return "with"


def examine(name: str, folder: Path) -> Row:
    """Return what a family's checkpoint, written into ``folder``, is and does; "refused" alone where it cannot be used.

    Raises
    ------
    AssertionError
        Where something is not equal that must be.
    """
    folder = folder / name.lower().replace(" ", "-")
    folder.mkdir(parents=True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of libraries that make the checkpoint
            write(name, folder)
        vlm = load_model(folder, device="cpu", options=LoadOptions(detail="published"))  # several tiles, where a family cuts them
        chosen = {"sites": "all,tower" if vlm.tower_blocks else "all", "detail": "published", "device": "cpu"}
        found = find(draw(folder.parent / "pictures"), QUESTION, str(folder), compare="none", voters=3, **chosen)
        self_test(load_model(folder, device="cpu", options=LoadOptions(detail="low")))
    except UserError as error:
        return {"refused": f"{error.cause} {error.hint}"}
    self_test(vlm)  # passed already: what it remembers of padding
    sites = found.neurons.site_names
    pictures = [Picture(np.random.default_rng(7).integers(0, 256, (*shape, 3), dtype=np.uint8)) for shape in SHAPES]
    return {
        "class": type(vlm.module).__name__,
        "processor": next(kind.__name__ for kind in type(vlm.processor).__mro__ if kind.__module__.startswith("transformers")),
        "sites": [site for site in sites if not site.startswith("tower")],
        "tower": [site.removeprefix("tower-") for site in sites if site.startswith("tower")],
        "exits": exits_are_equal(vlm, sites, pictures),
        "together": rows_are_equal(vlm, sites, pictures),
        "unembed": vlm.speaks_from_residual,
        "generate": len(vlm.generate(pictures, [QUESTION] * len(pictures), max_new_tokens=3)) == len(pictures),
        "reload": reloaded_run_says_the_same(found, vlm, folder.parent / "run"),
        "padding": vlm.padding_is_neutral,
        "mix": vlm.sizes_mix,
    }


def draw(folder: Path) -> Path:
    """Write blue and red pictures of two shapes."""
    rng = np.random.default_rng(0)
    for name, colour in {"blue": (20, 20, 180), "red": (180, 20, 20)}.items():
        (folder / name).mkdir(parents=True)
        for i in range(6):
            shape = SHAPES[i % 2]
            pixels = (np.array(colour) + rng.integers(-20, 60, (*shape, 3))).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{i}.png")
    return folder


def exits_are_equal(vlm: Vlm, sites: Sequence[str], pictures: Sequence[Picture]) -> bool:
    """Return whether every exit reads what the whole pass reads, the first time a prompt is seen and the second."""
    layers = reader_of(vlm).layout.layers(sites)
    for picture in pictures:
        inputs = vlm.prepare([picture], [QUESTION])
        whole = truncated_forward(vlm, inputs, layers[-1], sites, np.float32)
        for layer in layers:
            for _ in range(2):
                early = truncated_forward(vlm, inputs, layer, sites, np.float32)
                if not close(early, whole[:, : early.shape[1]]):
                    return False
    return True


def rows_are_equal(vlm: Vlm, sites: Sequence[str], pictures: Sequence[Picture]) -> bool:
    """Return whether a picture reads the same beside others of other sizes, where the family lets them run together."""
    last = reader_of(vlm).layout.layers(sites)[-1]
    if not (vlm.padding_is_neutral and vlm.sizes_mix):
        pictures = pictures[:1] * 2
    together = truncated_forward(vlm, vlm.prepare(pictures, [QUESTION] * len(pictures)), last, sites, np.float32)
    alone = [truncated_forward(vlm, vlm.prepare([picture], [QUESTION]), last, sites, np.float32) for picture in pictures]
    return close(together, np.concatenate(alone))


def reloaded_run_says_the_same(found: Run, vlm: Vlm, folder: Path) -> bool:
    """Return whether a run that was saved and loaded labels its test images as before, with the model loaded anew."""
    loaded = Run.load(found.save(folder))
    said = [prediction.class_index for prediction in predict(loaded, found.test, vlm=vlm)]
    return said == found.votes.predicted[:, found.exit_layer - found.neurons.layers.start].tolist()


def close(one: np.ndarray, other: np.ndarray) -> bool:
    """Return whether two arrays are equal up to ``CLOSE`` of the largest value."""
    return one.shape == other.shape and float(np.abs(one - other).max()) <= CLOSE * max(float(np.abs(other).max()), 1e-6)


FULL = ("class", "processor", "sites", "tower", "exits", "together", "unembed", "generate", "reload", "padding", "mix")
"""What a family that is not refused has."""
MUST = ("exits", "together", "generate", "reload")
MARKS = ("exits", "together", "unembed", "generate", "reload")


def kept() -> dict[str, dict[str, Row]]:
    """Return what was seen: family -> "with" and "without" -> row."""
    return json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.is_file() else {}


COLUMNS = (
    "Family", "Class", "Processor", "Decoder sites", "Tower sites", "Exits equal", "Pictures together", "Logit lens", "Generate",
    "Save, reload", "Without", "With", "Notes",
)  # fmt: skip
HEAD = """\
# Model families

<!-- Written by tests/models/families_table.py; do not edit. -->

Each row is a tiny checkpoint with random weights: the family's own classes of transformers, its own processor, a tokenizer made for
it. It was loaded from its folder, passed the self-test at low and at published detail, found super neurons among pictures of two
colours and two sizes, left early at every layer, was read with several pictures at once, answered, was saved and loaded again.
*Without* and *with* tell whether the packages of `requirements-families.txt` were installed ({extra}). What random weights do says
nothing about how well a trained model answers.

"""
TAIL = """
All four decoder sites: {every}. A tower has its sites where it is a plain stack of blocks. A logit lens is refused where more than
a norm lies between the last block and the head.

To see it again: `python -m pytest -m families`. To write this page anew, run `python tests/models/families_table.py` twice: where
these packages are installed and where they are not. A family that is not here is tried when it is loaded, by the self-test, and
refused in a sentence if it fails.
"""
EVERY = ("residual", "attention-output", "mlp-output", "mlp-neuron")


def page(seen: dict[str, dict[str, Row]]) -> str:
    """Return docs/families.md."""
    head = [f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|"]
    lines = [_line(name, seen[name]) for name in sorted(seen, key=str.lower)]
    return HEAD.format(extra=", ".join(EXTRA)) + "\n".join([*head, *lines]) + "\n" + TAIL.format(every=_words(EVERY))


def _line(name: str, rows: dict[str, Row]) -> str:
    full = next((row for row in (rows.get("with"), rows.get("without")) if row and "refused" not in row), None)
    outcomes = [_outcome(rows.get(where)) for where in ("without", "with")]
    notes = list(dict.fromkeys(row["refused"] for row in rows.values() if "refused" in row))
    if full is None:
        return f"| {name} |  |  |  |  |  |  |  |  |  | {' | '.join(outcomes)} | {' '.join(notes)} |"
    if not full["padding"]:
        notes.append("Padding changes its answers, so prompts of one length run together.")
    if not full["mix"]:
        notes.append("Its processor cannot stack pictures of different sizes, so those of one size run together.")
    missing = [site for site in EVERY if site not in full["sites"]]
    sites = "all four" if not missing else "not " + _words(missing)
    marks = " | ".join("yes" if full[each] else "no" for each in MARKS)
    kinds = [f"`{full['class']}`", f"`{full['processor']}`"]
    cells = [name, *kinds, sites, _words(full["tower"]) or "none", marks, *outcomes, " ".join(notes)]
    return f"| {' | '.join(cells)} |"


def _outcome(row: Row | None) -> str:
    return "not tried" if row is None else "refused" if "refused" in row else "works"


def _words(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def main(chosen: Sequence[str]) -> None:
    """Try families, all unless some are named, and write what was seen."""
    here = environment()
    for name in chosen or names():
        with tempfile.TemporaryDirectory() as folder:
            os.environ["SN_VIZ_CACHE"] = f"{folder}/cache"
            try:
                row = examine(name, Path(folder))
            except Exception as error:
                if "-x" in sys.argv:
                    raise
                row = {"refused": f"{type(error).__name__}: {error}"}
        print(f"{name}: {row}", flush=True)
        seen = kept()  # anew each time: another environment may be at it as well
        seen.setdefault(name, {})[here] = row
        seen = {each: seen[each] for each in names() if each in seen}
        KEPT.write_text(json.dumps(seen, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    PAGE.write_text(page(kept()), encoding="utf-8")


if __name__ == "__main__":
    main([name for name in sys.argv[1:] if name != "-x"])
