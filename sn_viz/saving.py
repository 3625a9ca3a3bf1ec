"""A ``Run`` as a folder and as a summary: ``run.json``, one .npy file per array, one PNG per picture.

Nothing is pickled. ``run.json`` lists the SHA-256 of every other file, so that a damaged folder is refused instead of half read.
This module knows no model; reopening a run loads no torch.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import shutil
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from sn_viz.errors import UserError
from sn_viz.types import Baseline, Config, Interval, LabelledImages, LayerAccuracy, Neurons, Picture, Run, Stumps, Votes

FORMAT = 1
RUN_FILE = "run.json"
METHODS = ("full_model", "full_model_calibrated", "super_neurons", "sav", "logit_lens", "linear_probe", "lora")
"""Keys that the summary's accuracies always have, None where a method was not run; others are added as they come."""
_STUMP_FIELDS = ("neuron", "class_index", "threshold", "sign", "score", "margin")
_SHA = re.compile(r"[0-9a-f]{64}")


def save_run(run: Run, folder: str | Path) -> Path:
    """Write a run into a folder.

    Everything is written beside the folder first and moved into place at the end, so that a crash leaves no half-written run.

    Parameters
    ----------
    run : Run
        What to save; pictures included.
    folder : str or Path
        Made if needed. An earlier saved run there is replaced.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    UserError
        When the folder holds something that is not a saved run, or cannot be written.
    """
    folder = Path(folder)
    check_folder(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            _write(run, fresh)
            fresh.chmod(0o777 & ~_umask())
            if folder.exists():
                shutil.rmtree(folder)
            fresh.rename(folder)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    except OSError as error:
        raise UserError(
            f"The run was not saved in {str(folder)!r}.",
            f"{error.strerror or error}.",
            "Name a folder you may write, with room on its disk.",
        ) from error
    return folder


def check_folder(folder: str | Path) -> None:
    """Raise a UserError when a run cannot be saved in ``folder``; asked before a long search, not only after it."""
    folder = Path(folder)
    try:
        taken = folder.exists() and not (folder.is_dir() and ((folder / RUN_FILE).is_file() or not any(folder.iterdir())))
    except OSError as error:
        cause = f"{error.strerror or error}."
        raise UserError(f"The run cannot be saved in {str(folder)!r}.", cause, "Name a folder you may write.") from error
    if taken:
        raise UserError(f"{str(folder)!r} is not a folder for a run.", "It holds other files.", "Name a new or empty folder.")
    above = next(path for path in folder.absolute().parents if path.exists())
    if not (above.is_dir() and os.access(above, os.W_OK)):
        raise UserError(
            f"The run cannot be saved in {str(folder)!r}.", "Nothing can be written there.", "Name a folder you may write."
        )


def load_run(folder: str | Path) -> Run:
    """Read a saved run.

    Parameters
    ----------
    folder : str or Path
        Written by `save_run`.

    Returns
    -------
    Run
        Activations are read-only memory maps.

    Raises
    ------
    UserError
        When the folder holds no run, a file is missing or changed, or the run was written by a later version.
    """
    folder = Path(folder)
    if not (folder / RUN_FILE).is_file():
        raise UserError(
            f"{str(folder)!r} holds no saved run.",
            f"There is no {RUN_FILE} in it.",
            "Name a folder written with --out or Run.save.",
        )
    try:
        facts = json.loads((folder / RUN_FILE).read_text(encoding="utf-8"))
        if facts["format"] != FORMAT:
            raise UserError(
                f"{str(folder)!r} was saved by another version.",
                f"Its format is {facts['format']!r}, this is {FORMAT}.",
                "Find again.",
            )
        _check_files(folder, facts)
        return _read(folder, facts)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, OSError, RecursionError) as error:
        raise _damaged(folder, f"{type(error).__name__}: {error}") from error


def summary(run: Run) -> dict[str, Any]:
    """Return what a run found as plain values, ready for JSON: the fields of ``find --json``.

    Parameters
    ----------
    run : Run

    Returns
    -------
    dict
        Accuracies are fractions on the test images; what was not measured is None.
    """
    at_exit = run.by_layer[run.exit_index]
    baselines = {baseline.name.replace("-", "_"): baseline for baseline in run.baselines}
    accuracy = {name: asdict(baselines[name].accuracy) if name in baselines else None for name in METHODS}
    accuracy |= {name: asdict(b.accuracy) for name, b in baselines.items()}
    accuracy["super_neurons"] = asdict(at_exit.accuracy)
    ms = run.latency_ms
    facts = {
        "model": run.config.model_name,
        "question": run.config.question or run.train.question or None,
        "classes": list(run.train.classes),
        "n_train": len(run.train),
        "n_test": len(run.test),
        "exit_layer": run.exit_layer,
        "exit_layer_name": run.neurons.layer_name(run.exit_layer),
        "n_layers": run.neurons.n_layers,
        "n_tower_layers": run.neurons.n_tower,
        "n_neurons": len(run.neurons),
        "accuracy": accuracy,
        "by_layer": [
            {
                "layer": row.layer,
                "name": run.neurons.layer_name(row.layer),
                "accuracy": row.accuracy.value,
                "low": row.accuracy.low,
                "high": row.accuracy.high,
                "cv_accuracy": row.cv_accuracy,
                "latency_ms": row.latency_ms,
            }
            for row in run.by_layer
        ],
        "latency_ms": {
            "full_model": ms.get("full_model"),
            "first_token": ms.get("first_token"),
            "early_exit": {"median": ms.get("early_exit"), "p95": ms.get("early_exit_p95")},
        },
        "speedup": {
            "vs_full_model": _ratio(ms.get("full_model"), ms.get("early_exit")),
            "vs_first_token": _ratio(ms.get("first_token"), ms.get("early_exit")),
        },
        "neurons": [_neuron(run, i) for i in range(len(run.voters[run.exit_index]))],
        "null": {"best_score_p95": float(np.percentile(run.null_scores, 95)) if len(run.null_scores) else None},
        "baselines": [{"name": b.name, "latency_ms": b.latency_ms, "note": b.note} for b in run.baselines],
        "config": {**asdict(run.config), "model": run.config.model_name},
        "seconds": dict(run.seconds),
        "warnings": list(run.warnings),
        "versions": dict(run.versions),
        "findings": dict(run.findings),
    }
    return _plain(facts)


def _neuron(run: Run, index: int) -> dict[str, Any]:
    voters = run.voters[run.exit_index]
    neuron = int(voters.neuron[index])
    return {
        "site": run.neurons.site_names[run.neurons.site[neuron]],
        "layer": int(run.neurons.layer[neuron]),
        "unit": int(run.neurons.unit[neuron]),
        "class": run.train.classes[voters.class_index[index]],
        "threshold": float(voters.threshold[index]),
        "sign": int(voters.sign[index]),
        "score": float(voters.score[index]),
    }


def _ratio(slow: float | None, fast: float | None) -> float | None:
    return slow / fast if slow and fast else None


def _plain(value: Any) -> Any:
    """Replace what JSON cannot say (NaN, infinities, numpy scalars, tuples)."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _write(run: Run, folder: Path) -> None:
    for name, array in _arrays(run).items():
        np.save(folder / f"{name}.npy", np.ascontiguousarray(array), allow_pickle=False)
    (folder / "pictures").mkdir()
    for picture in {p.sha256: p for split in (run.train, run.test) for p in split.pictures}.values():
        _write_png(picture, folder / "pictures" / f"{picture.sha256}.png")
    facts = {
        "format": FORMAT,
        "summary": summary(run),
        "config": asdict(run.config),
        "exit_layer": run.exit_layer,
        "site_names": run.neurons.site_names,
        "splits": {name: _images_facts(split) for name, split in (("train", run.train), ("test", run.test))},
        "by_layer": [asdict(row) for row in run.by_layer],
        "baselines": [
            {
                "name": b.name,
                "accuracy": asdict(b.accuracy),
                "latency_ms": b.latency_ms,
                "note": b.note,
                "answers": b.answers,
                "by_layer": [asdict(interval) for interval in b.by_layer],
            }
            for b in run.baselines
        ],
        "latency_ms": run.latency_ms,
        "seconds": run.seconds,
        "warnings": run.warnings,
        "versions": run.versions,
        "findings": run.findings,
        "files": {str(p.relative_to(folder).as_posix()): _digest(p) for p in sorted(folder.rglob("*")) if p.is_file()},
    }
    (folder / RUN_FILE).write_text(json.dumps(_plain(facts), indent=1, ensure_ascii=False, allow_nan=False), encoding="utf-8")


def _arrays(run: Run) -> dict[str, np.ndarray]:
    voters = run.voters
    arrays = {
        "train_labels": run.train.labels,
        "test_labels": run.test.labels,
        "neuron_site": run.neurons.site,
        "neuron_layer": run.neurons.layer,
        "neuron_unit": run.neurons.unit,
        "train_values": run.train_values,
        "test_values": run.test_values,
        "voter_count": np.array([len(s) for s in voters], np.int64),
        "vote_tally": run.votes.tally,
        "vote_predicted": run.votes.predicted,
        "vote_margin": run.votes.margin,
        "null_scores": run.null_scores,
    }
    for field in _STUMP_FIELDS:
        arrays[f"stump_{field}"] = _stump_array(run.stumps, field)
        arrays[f"voter_{field}"] = np.concatenate([_stump_array(s, field) for s in voters])
    for number, baseline in enumerate(run.baselines):
        arrays[f"baseline_{number}_predicted"] = baseline.predicted
    return arrays


def _stump_array(stumps: Stumps, field: str) -> np.ndarray:
    values = getattr(stumps, field)
    return np.zeros(len(stumps), np.float32) if values is None else values


def _images_facts(images: LabelledImages) -> dict[str, Any]:
    return {
        "names": images.names,
        "pictures": [picture.sha256 for picture in images.pictures],
        "classes": images.classes,
        "questions": images.questions,
        "notes": images.notes,
    }


def _read(folder: Path, facts: dict[str, Any]) -> Run:
    pictures: dict[str, Picture] = {}

    def array(name: str, dtype: Any = None) -> np.ndarray:
        values = np.load(folder / f"{name}.npy", mmap_mode="r" if name.endswith("_values") else None, allow_pickle=False)
        if dtype is not None and values.dtype != dtype:
            raise ValueError(f"{name} holds {values.dtype}")
        return values

    def images(name: str) -> LabelledImages:
        split = facts["splits"][name]
        for sha in split["pictures"]:
            if sha not in pictures:
                pictures[sha] = _read_png(folder, sha)
        return LabelledImages(
            names=tuple(split["names"]),
            pictures=tuple(pictures[sha] for sha in split["pictures"]),
            labels=array(f"{name}_labels", np.int64),
            classes=tuple(split["classes"]),
            questions=tuple(split["questions"]),
            notes=tuple(split["notes"]),
        )

    neurons = Neurons(array("neuron_site"), array("neuron_layer"), array("neuron_unit"), tuple(facts["site_names"]))
    ends = np.cumsum(array("voter_count", np.int64))
    voters = Stumps(*(array(f"voter_{field}") for field in _STUMP_FIELDS))
    run = Run(
        config=_config(facts["config"]),
        train=images("train"),
        test=images("test"),
        neurons=neurons,
        train_values=array("train_values"),
        test_values=array("test_values"),
        stumps=Stumps(*(array(f"stump_{field}") for field in _STUMP_FIELDS)),
        voters=tuple(voters.take(slice(start, end)) for start, end in zip([0, *ends[:-1]], ends, strict=True)),
        exit_layer=int(facts["exit_layer"]),
        votes=Votes(array("vote_tally"), array("vote_predicted"), array("vote_margin"), neurons.layers.start),
        by_layer=tuple(
            LayerAccuracy(row["layer"], Interval(**row["accuracy"]), _number(row["cv_accuracy"]), _number(row["latency_ms"]))
            for row in facts["by_layer"]
        ),
        baselines=tuple(
            Baseline(
                name=b["name"],
                predicted=array(f"baseline_{number}_predicted", np.int64),
                accuracy=Interval(**b["accuracy"]),
                latency_ms=_number(b["latency_ms"]),
                note=b["note"],
                answers=tuple(b["answers"]),
                by_layer=tuple(Interval(**interval) for interval in b["by_layer"]),
            )
            for number, b in enumerate(facts["baselines"])
        ),
        null_scores=array("null_scores"),
        latency_ms={name: _number(ms) for name, ms in facts["latency_ms"].items()},
        seconds={name: _number(s) for name, s in facts["seconds"].items()},
        warnings=tuple(facts["warnings"]),
        versions=dict(facts["versions"]),
        findings=dict(facts.get("findings", {})),
    )
    _check_shapes(run)
    return run


def _config(facts: dict[str, Any]) -> Config:
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in facts.items()}
    return Config(**values)


def _check_shapes(run: Run) -> None:
    """Raise ValueError unless the parts of a reopened run fit each other."""
    layers, n_neurons = run.neurons.layers, len(run.neurons)
    per_neuron = 1 if len(run.train.classes) == 2 else len(run.train.classes)
    facts = {
        "probing values": run.train_values.shape == (len(run.train), n_neurons),
        "test values": run.test_values.shape == (len(run.test), n_neurons),
        "labels": len(run.train.labels) == len(run.train) and len(run.test.labels) == len(run.test),
        "stumps": len(run.stumps) == n_neurons * per_neuron,
        "votes": run.votes.tally.shape == (len(run.test), len(layers), len(run.train.classes)),
        "layers": len(run.voters) == len(run.by_layer) == len(layers) and run.exit_layer in layers,
        "voters": all(len(s) == 0 or (0 <= s.neuron.min() and s.neuron.max() < n_neurons) for s in run.voters),
        "baselines": all(len(b.predicted) == len(run.test) for b in run.baselines),
    }
    wrong = [name for name, fits in facts.items() if not fits]
    if wrong:
        raise ValueError(f"{', '.join(wrong)} do not fit the rest")


def _check_files(folder: Path, facts: dict[str, Any]) -> None:
    for name, digest in facts["files"].items():
        if not re.fullmatch(r"[a-z0-9_]+\.npy|pictures/[0-9a-f]{64}\.png", name):
            raise ValueError(f"unexpected file name {name!r}")
        path = folder / name
        if not path.is_file():
            raise _damaged(folder, f"{name} is missing")
        if _digest(path) != digest:
            raise _damaged(folder, f"{name} was changed")


def _damaged(folder: Path, cause: str) -> UserError:
    return UserError(f"The run in {str(folder)!r} is damaged.", f"{cause[:200]}.", "Run find again and save it anew.")


def _write_png(picture: Picture, path: Path) -> None:
    from PIL import Image

    Image.fromarray(picture.pixels).save(path, format="PNG", compress_level=1)


def _read_png(folder: Path, sha: str) -> Picture:
    from sn_viz.sources.ingest import decode

    if not _SHA.fullmatch(sha):
        raise ValueError(f"{sha!r} names no picture")
    picture = decode((folder / "pictures" / f"{sha}.png").read_bytes(), f"{sha[:12]}.png")
    if picture.sha256 != sha:
        raise ValueError(f"picture {sha[:12]} is another one")
    return picture


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
