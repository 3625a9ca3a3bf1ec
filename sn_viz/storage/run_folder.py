"""A ``Run`` as a folder and as a summary: ``run.json``, one .npy file per array, one PNG per picture, and ``run.sha256``.

Nothing is pickled. ``run.json`` lists the SHA-256 of every other file and ``run.sha256`` holds its own, so that a damaged folder is
refused instead of half read; beyond that every field is checked (``run_file``) and every array (``run_arrays``). No path of the
machine is kept. This module knows no model; reopening a run loads no torch.
"""

from __future__ import annotations

import glob
import hashlib
import json
import math
import os
import re
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from sn_viz.errors import UserError
from sn_viz.formatting import ratio
from sn_viz.groups import group_index, n_groups
from sn_viz.models.folders import folder_of, remember, saved_name
from sn_viz.storage.run_arrays import STUMP_FIELDS, arrays_of, check_values, digest, layouts, open_regular, read_arrays
from sn_viz.types import Baseline, Config, Interval, LabelledImages, LayerAccuracy, Neurons, Picture, RunRecord, Stumps, Votes
from sn_viz.voting.stump_scores import stump_score
from sn_viz.voting.verdict import verdict

FORMAT = 2
RUN_FILE = "run.json"
DIGEST_FILE = "run.sha256"
"""The SHA-256 of ``run.json``, in the form that ``sha256sum --check`` reads."""
MOST_PNG = 32 * 2**20
"""Bytes of one kept picture."""
SLACK = 1e-6
"""What rounding may change of a share."""
METHODS = ("full_model", "full_model_calibrated", "super_neurons", "sav", "logit_lens", "linear_probe", "lora")
"""Keys that the summary's accuracies always have, None where a method was not run; others are added as they come."""
SAVED_BEFORE = (
    "This run was saved before its own digest was kept: damage to its run.json that still makes sense would go unnoticed. "
    "Find again and save it anew to be sure."
)
"""Joins the warnings of a run in the older form."""
_OURS = re.compile(r"run\.json|run\.sha256|pictures")
ABANDONED_SECONDS = 24 * 3600
"""What a killed save left beside the folder is removed by a later save, once it is this old."""
_PICTURE = re.compile(r"[0-9a-f]{64}\.png")
_FORM = re.compile(rb'\s*\{\s*"format"\s*:\s*(\d{1,9})\s*[,}]')


def save_run(run: RunRecord, folder: str | Path) -> Path:
    """Write a run into a folder.

    Everything is written beside the folder first and moved into place at the end. Whenever the process is killed, the folder
    holds the earlier run, the new one, or, between two renames, nothing: never a mixture, and never less than one whole run on
    the disk.

    Parameters
    ----------
    run : Run
        What to save; pictures included.
    folder : str or Path
        Made if needed. An earlier saved run there is replaced; files that are not part of it stay.

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
    folder = folder.resolve()  # a link to a folder stays a link
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            _write(run, fresh)
            fresh.chmod(0o777 & ~_umask())
            _put_in_place(fresh, folder)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
        _sweep(folder)
    except OSError as error:
        raise UserError(
            f"The run was not saved in {str(folder)!r}.",
            f"{error.strerror or error}.",
            "Name a folder you may write, with room on its disk.",
        ) from error
    return folder


def _put_in_place(fresh: Path, folder: Path) -> None:
    """Let ``fresh`` take the place of ``folder``: the earlier run is moved aside whole, and goes only when the new one stands."""
    if not folder.exists():
        fresh.rename(folder)
        return
    aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}-earlier-", dir=folder.parent)) / folder.name
    folder.rename(aside)
    try:
        fresh.rename(folder)
    except OSError:
        aside.rename(folder)
        aside.parent.rmdir()
        raise
    _keep_others(aside, folder)
    shutil.rmtree(aside.parent, ignore_errors=True)


def _sweep(folder: Path) -> None:
    """Remove what saves to this place left beside it when they were killed: only what is old, and holds nothing but a run."""
    name = re.compile(rf"\.{re.escape(folder.name)}-(earlier-)?[a-z0-9_]{{8}}")
    for path in list(folder.parent.iterdir()):
        match = name.fullmatch(path.name)
        if not match or path.is_symlink() or not path.is_dir() or time.time() - path.stat().st_mtime < ABANDONED_SECONDS:
            continue
        inside = path / folder.name if match[1] else path
        if not any(others for others in (set(path.iterdir()) - {inside} if match[1] else (), _others(inside))):
            shutil.rmtree(path, ignore_errors=True)


def _others(folder: Path) -> list[Path]:
    """Return what lies in a folder and its pictures and is no part of a saved run."""
    arrays = layouts(1000)
    found = [
        path
        for path in (folder.iterdir() if folder.is_dir() else ())
        if not (_OURS.fullmatch(path.name) or (path.suffix == ".npy" and path.stem in arrays))
    ]
    pictures = folder / "pictures"
    return found + [path for path in (pictures.iterdir() if pictures.is_dir() else ()) if not _PICTURE.fullmatch(path.name)]


def _keep_others(earlier: Path, folder: Path) -> None:
    """Move what is not part of the earlier run, such as a report or notes, into the folder of the new one."""
    for path in _others(earlier):
        path.rename(folder / path.relative_to(earlier))


def check_folder(folder: str | Path) -> None:
    """Raise a UserError when a run cannot be saved in ``folder``; asked before a long search, not only after it."""
    folder = Path(folder)
    try:
        taken = folder.exists() and not (folder.is_dir() and (_holds_a_run(folder) or not any(folder.iterdir())))
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


def _holds_a_run(folder: Path) -> bool:
    """Return whether there is a ``run.json`` that begins as ours do; other programs write files of that name too."""
    if not (folder / RUN_FILE).is_file():
        return False
    with (folder / RUN_FILE).open("rb") as file:
        return _FORM.match(file.read(100)) is not None


def load_run(folder: str | Path) -> RunRecord:
    """Read a saved run.

    Parameters
    ----------
    folder : str or Path
        Written by `save_run`.

    Returns
    -------
    Run
        Activations are read-only memory maps. A run in the form that had no digest of its own opens with a warning.

    Raises
    ------
    UserError
        When the folder holds no run, a file is missing or changed, a field or an array is not what it may be, or the run was
        written by a later version.
    """
    folder = Path(folder)
    if not (folder / RUN_FILE).is_file():
        raise UserError(
            f"{str(folder)!r} holds no saved run.",
            f"There is no {RUN_FILE} in it.",
            _where_it_may_be(folder),
        )
    from sn_viz.storage import run_file  # pydantic takes a moment, and saving does not need it

    try:
        text = _read_checked(folder)
        facts = run_file.read(text)
        _check_files(folder, facts.files, _files_of(facts))
        run = _read(folder, facts)
    except ValueError as error:
        raise _damaged(folder, str(error)) from error
    return replace(run, warnings=(*run.warnings, SAVED_BEFORE)) if facts.format == 1 else run


def _where_it_may_be(folder: Path) -> str:
    """Say what to do where there is no run; a save that was killed between its two renames has left the earlier one beside."""
    earlier = next(folder.absolute().parent.glob(f".{glob.escape(folder.name)}-earlier-*/*/{RUN_FILE}"), None)
    if earlier is None:
        return "Name a folder written with --out or Run.save."
    return f"A save was interrupted here; the earlier run is in {str(earlier.parent)!r}."


def _read_checked(folder: Path) -> bytes:
    """Return the bytes of ``run.json``, after they were compared with ``run.sha256``."""
    from sn_viz.storage.run_file import FORMATS, MOST_BYTES

    with open_regular(folder / RUN_FILE) as file:
        text = file.read(MOST_BYTES + 1)
    said = _FORM.match(text)
    form = int(said[1]) if said else None
    if form is not None and form not in FORMATS:
        raise UserError(f"{str(folder)!r} was saved by another version.", f"Its format is {form}, this is {FORMAT}.", "Find again.")
    if (folder / DIGEST_FILE).exists():
        with open_regular(folder / DIGEST_FILE) as file:
            kept = file.read(1000)
        if kept != _digest_line(text):
            raise ValueError(f"{RUN_FILE} or {DIGEST_FILE} was changed")
    elif form != 1:
        raise ValueError(f"{DIGEST_FILE} is missing")
    return text


def _digest_line(text: bytes) -> bytes:
    return f"{hashlib.sha256(text).hexdigest()}  {RUN_FILE}\n".encode()


def summary(run: RunRecord) -> dict[str, Any]:
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
    accuracy = {name: None for name in METHODS}
    accuracy |= {name: _measured(b.accuracy) for name, b in baselines.items()}
    accuracy["super_neurons"] = _measured(at_exit.accuracy)
    ms = run.latency_ms
    facts = {
        "model": run.config.model_name,
        "question": run.config.question or run.train.question or None,
        "classes": list(run.train.classes),
        "n_train": len(run.train),
        "n_test": len(run.test),
        "n_groups": {"train": n_groups(group_index(run.train)), "test": n_groups(group_index(run.test))},
        "no_held_out": run.no_held_out or None,
        "exit_layer": run.exit_layer,
        "exit_layer_name": run.neurons.layer_name(run.exit_layer),
        "n_layers": run.neurons.n_layers,
        "n_tower_layers": run.neurons.n_tower,
        "n_neurons": len(run.neurons),
        "verdict": asdict(verdict(run)),
        "accuracy": accuracy,
        "by_layer": [
            {
                "layer": row.layer,
                "name": run.neurons.layer_name(row.layer),
                "accuracy": row.accuracy.value,
                "low": row.accuracy.low if row.accuracy.n else None,
                "high": row.accuracy.high if row.accuracy.n else None,
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
        "speedup_holds": verdict(run).holds,
        "speedup": {
            "vs_full_model": ratio(ms.get("full_model"), ms.get("early_exit")),
            "vs_first_token": ratio(ms.get("first_token"), ms.get("early_exit")),
        },
        "neurons": [_neuron(run, i) for i in range(len(run.voters[run.exit_index]))],
        "null": {"best_score_p95": float(np.percentile(run.null_scores, 95)) if len(run.null_scores) else None},
        "baselines": [
            {"name": b.name, "latency_ms": b.latency_ms, "note": b.note, "named_no_class": _unnamed(b)} for b in run.baselines
        ],
        "answers": _answers(run),
        "headline": _headline(run),
        "config": {**asdict(run.config), "model": run.config.model_name},
        "seconds": dict(run.seconds),
        "warnings": list(run.warnings),
        "versions": dict(run.versions),
        "findings": dict(run.findings),
    }
    return _plain(facts)


def _measured(interval: Interval | None) -> dict[str, Any] | None:
    """Return an interval as plain values, all of them None but ``n`` when nothing was measured."""
    if interval is None:
        return None
    return asdict(interval) if interval.n else {"value": None, "low": None, "high": None, "n": 0}


def _unnamed(baseline: Baseline) -> list[dict[str, Any]]:
    """Return the written answers that named no class, each once with its count, the commonest first."""
    texts = Counter(text for text, said in zip(baseline.answers, baseline.predicted, strict=False) if said < 0)
    return [{"text": text, "count": count} for text, count in texts.most_common()]


def _answers(run: RunRecord) -> dict[str, Any] | None:
    """Return what each class is answered with and how that is known."""
    key = run.answer_key
    if key is None:
        return None
    named = dict(zip(key.classes, key.words, strict=True)) if key.known else None
    return {"words": named, "source": key.source, "inferred": key.inferred, "reason": key.reason, "rule": key.rule or None}


def _headline(run: RunRecord) -> dict[str, Any] | None:
    """Return which full model the super neurons are set against: as it writes, or calibrated where that cannot be read."""
    full = run.opponent
    if full is None or full.accuracy is None:
        return None
    ms = {"full-model": run.latency_ms.get("full_model")}.get(full.name, full.latency_ms)
    inferred = run.answer_key is not None and run.answer_key.inferred and full.name == "full-model"
    return {
        "full_model": full.name.replace("-", "_"),
        "accuracy": asdict(full.accuracy),
        "inferred": inferred,
        "speedup": ratio(ms, run.latency_ms.get("early_exit")),
        "speedup_holds": verdict(run).holds,
    }


def _neuron(run: RunRecord, index: int) -> dict[str, Any]:
    voters = run.voters[run.exit_index]
    neuron, class_index = int(voters.neuron[index]), int(voters.class_index[index])
    threshold, sign = float(voters.threshold[index]), int(voters.sign[index])
    return {
        "site": run.neurons.site_names[run.neurons.site[neuron]],
        "layer": int(run.neurons.layer[neuron]),
        "unit": int(run.neurons.unit[neuron]),
        "class": run.train.classes[class_index],
        "threshold": threshold,
        "sign": sign,
        "score": float(voters.score[index]),
        "held_out": stump_score(run.test_values[:, neuron], run.test.labels, threshold, sign, class_index).balanced_accuracy,
    }


def _plain(value: Any) -> Any:
    """Replace what JSON cannot say (NaN, infinities, numpy scalars, tuples, lone surrogates)."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, dict):
        return {_plain(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _write(run: RunRecord, folder: Path) -> None:
    from sn_viz.storage import run_file

    as_facts = run_file.as_facts
    for name, array in arrays_of(run).items():
        np.save(folder / f"{name}.npy", np.ascontiguousarray(array), allow_pickle=False)
    (folder / "pictures").mkdir()
    for picture in {p.sha256: p for split in (run.train, run.test) for p in split.pictures}.values():
        _write_png(picture, folder / "pictures" / f"{picture.sha256}.png")
    remember(run.config.model, run.versions.get("model", ""))
    config = replace(run.config, model=saved_name(run.config.model))
    facts = {
        "format": FORMAT,
        "summary": summary(run),
        "config": as_facts(config),
        "site_names": run.neurons.site_names,
        "splits": {name: as_facts(split) for name, split in (("train", run.train), ("test", run.test))},
        "by_layer": [as_facts(row) for row in run.by_layer],
        "baselines": [as_facts(baseline) for baseline in run.baselines],
        "findings": run.findings,
        **as_facts(run),
        "files": {str(p.relative_to(folder).as_posix()): digest(p) for p in sorted(folder.rglob("*")) if p.is_file()},
    }
    text = json.dumps(_plain(facts), indent=1, ensure_ascii=False, allow_nan=False).encode("utf-8")
    try:
        run_file.read(text)  # what could not be read again is not written
    except ValueError as error:
        raise UserError("The run was not saved.", f"{error}.", "Shorten or correct that, and save it again.") from error
    (folder / RUN_FILE).write_bytes(text)
    (folder / DIGEST_FILE).write_bytes(_digest_line(text))


def _files_of(facts: Any) -> list[str]:
    """Return the files that a run of these facts consists of, beside ``run.json`` and ``run.sha256``."""
    shas = dict.fromkeys((*facts.splits.train.pictures, *facts.splits.test.pictures))
    return [*(f"{name}.npy" for name in layouts(len(facts.baselines))), *(f"pictures/{sha}.png" for sha in shas)]


def _read(folder: Path, facts: Any) -> RunRecord:
    """Return the run of checked facts, its arrays checked against them and each other."""
    from sn_viz.storage.run_file import built

    splits, classes = facts.splits, facts.splits.train.classes
    sizes = {"train": len(splits.train.names), "test": len(splits.test.names), "class": len(classes), "layer": len(facts.by_layer)}
    arrays = read_arrays(folder, layouts(len(facts.baselines)), sizes)
    check_values(arrays, len(facts.site_names), len(classes))
    neurons = Neurons(arrays["neuron_site"], arrays["neuron_layer"], arrays["neuron_unit"], facts.site_names)
    _check_facts(facts, neurons)
    _check_accuracies(facts, arrays)
    pictures: dict[str, Picture] = {}

    def images(name: str) -> LabelledImages:
        split = getattr(splits, name)
        for sha in split.pictures:
            if sha not in pictures:
                pictures[sha] = _read_png(folder, sha)
        shown = {"pictures": lambda shas: tuple(pictures[sha] for sha in shas)}
        return built(LabelledImages, split, shown, labels=arrays[f"{name}_labels"])

    ends = np.cumsum(arrays["voter_count"])
    voters = Stumps(*(arrays[f"voter_{field}"] for field in STUMP_FIELDS))
    return built(
        RunRecord,
        facts,
        config=_with_folder(built(Config, facts.config), facts.versions.get("model", "")),
        train=images("train"),
        test=images("test"),
        neurons=neurons,
        train_values=arrays["train_values"],
        test_values=arrays["test_values"],
        stumps=Stumps(*(arrays[f"stump_{field}"] for field in STUMP_FIELDS)),
        voters=tuple(voters.take(slice(start, end)) for start, end in zip([0, *ends[:-1]], ends, strict=True)),
        votes=Votes(arrays["vote_tally"], arrays["vote_predicted"], arrays["vote_margin"], neurons.layers.start),
        by_layer=tuple(built(LayerAccuracy, row) for row in facts.by_layer),
        baselines=tuple(
            built(Baseline, one, predicted=arrays[f"baseline_{number}_predicted"]) for number, one in enumerate(facts.baselines)
        ),
        null_scores=arrays["null_scores"],
        findings=facts.findings,
    )


def _with_folder(config: Config, key: str) -> Config:
    """Return ``config`` with the folder of its model, where this machine knows it."""
    known = folder_of(config.model, key)
    return config if known is None else replace(config, model=known)


def _check_facts(facts: Any, neurons: Neurons) -> None:
    """Raise ValueError unless the fields of ``run.json`` fit each other and the neurons."""
    from sn_viz.activations.sites import SITES, TOWER_SITES

    known = {*SITES.names(), *TOWER_SITES.names()}
    layers, train, test = neurons.layers, facts.splits.train, facts.splits.test
    fits = {
        "site_names holds names that are no sites here, or one twice": set(facts.site_names) <= known
        and len(set(facts.site_names)) == len(facts.site_names),
        "the layers of by_layer are not those of the neurons": [row.layer for row in facts.by_layer] == list(layers),
        f"exit_layer is {facts.exit_layer}, which is no layer of the neurons": facts.exit_layer in layers,
        "config.exit_layer is no layer of the neurons": facts.config.exit_layer in (None, *layers),
        "the splits have other classes, or one twice": train.classes == test.classes
        and len(set(train.classes)) == len(train.classes),
        **{
            f"splits.{name}: as many {field} as names are needed": len(getattr(split, field)) == len(split.names)
            for name, split in (("train", train), ("test", test))
            for field in ("pictures", "questions")
        },
        "the answers are those of other classes": facts.answer_key is None or facts.answer_key.classes == train.classes,
        "a split has neither a group for each image nor none": all(
            len(split.groups) in (0, len(split.names)) for split in (train, test)
        ),
        "a baseline is there twice": len({b.name for b in facts.baselines}) == len(facts.baselines),
        "a baseline has another number of answers than there are test images": all(
            len(b.answers) in (0, len(test.names)) for b in facts.baselines
        ),
        "a baseline has more layers than there are": all(len(b.by_layer) <= len(layers) for b in facts.baselines),
    }
    wrong = next((sentence for sentence, fit in fits.items() if not fit), None)
    if wrong:
        raise ValueError(wrong)


def _check_accuracies(facts: Any, arrays: Mapping[str, np.ndarray]) -> None:
    """Raise ValueError unless every accuracy is the share of the test images on which what was said is the label."""
    labels, votes = arrays["test_labels"], arrays["vote_predicted"]
    told = [(f"the accuracy of layer {row.layer}", row.accuracy, votes[:, i]) for i, row in enumerate(facts.by_layer)]
    told += [
        (f"the accuracy of {b.name}", b.accuracy, arrays[f"baseline_{i}_predicted"])
        for i, b in enumerate(facts.baselines)
        if b.accuracy is not None and not math.isnan(b.accuracy.value)  # else it cannot be told what its answers mean
    ]
    for what, accuracy, said in told:
        if accuracy.n != len(labels) or (len(labels) and not abs(float(np.mean(said == labels)) - accuracy.value) <= SLACK):
            raise ValueError(f"{what} is not what the answers on the {len(labels)} test images give")


def _check_files(folder: Path, files: Mapping[str, str], needed: Iterable[str]) -> None:
    """Raise ValueError unless every file that is needed is listed, and every file that is listed is as it was written."""
    unlisted = next((name for name in needed if name not in files), None)
    if unlisted is not None:
        raise ValueError(f"files has no digest of {unlisted}")
    for name, known in files.items():
        if digest(folder / name) != known:
            raise ValueError(f"{name} was changed")


def _damaged(folder: Path, cause: str) -> UserError:
    return UserError(f"The run in {str(folder)!r} is damaged.", f"{cause[:200]}.", "Run find again and save it anew.")


def _write_png(picture: Picture, path: Path) -> None:
    from PIL import Image

    Image.fromarray(picture.pixels).save(path, format="PNG", compress_level=1)


def _read_png(folder: Path, sha: str) -> Picture:
    from sn_viz.sources.ingest import decode

    with open_regular(folder / "pictures" / f"{sha}.png") as file:
        data = file.read(MOST_PNG + 1)
    if len(data) > MOST_PNG:
        raise ValueError(f"picture {sha[:12]} has more than {MOST_PNG:,} bytes")
    picture = decode(data, f"{sha[:12]}.png")
    if picture.sha256 != sha:
        raise ValueError(f"picture {sha[:12]} is another one")
    return picture


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
