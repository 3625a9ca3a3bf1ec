"""Read a saved ``Run``: every file by its digest, every field (``run_file``) and array (``run_arrays``), and all of them together.

Takes the folder; returns the run with its activations as read-only memory maps. It knows no model; reopening a run loads no torch.
"""

from __future__ import annotations

import glob
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from sn_viz.errors import UserError
from sn_viz.models.folders import folder_of
from sn_viz.storage.agreement import check_accuracies, check_facts, check_files
from sn_viz.storage.run_arrays import STUMP_FIELDS, check_values, layouts, open_regular, read_arrays
from sn_viz.storage.run_folder import DIGEST_FILE, FORM, FORMAT, RUN_FILE, digest_line, files_of, read_png
from sn_viz.types import Baseline, Config, LabelledImages, LayerAccuracy, Neurons, Picture, RunRecord, Stumps, Votes
from sn_viz.voting.committees import is_fitted

SAVED_BEFORE = (
    "This run was saved before its own digest was kept: damage to its run.json that still makes sense would go unnoticed. "
    "Find again and save it anew to be sure."
)
"""Joins the warnings of a run in the older form."""


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
        check_files(folder, facts.files, files_of(facts))
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
    said = FORM.match(text)
    form = int(said[1]) if said else None
    if form is not None and form not in FORMATS:
        raise UserError(f"{str(folder)!r} was saved by another version.", f"Its format is {form}, this is {FORMAT}.", "Find again.")
    if (folder / DIGEST_FILE).exists():
        with open_regular(folder / DIGEST_FILE) as file:
            kept = file.read(1000)
        if kept != digest_line(text):
            raise ValueError(f"{RUN_FILE} or {DIGEST_FILE} was changed")
    elif form != 1:
        raise ValueError(f"{DIGEST_FILE} is missing")
    return text


def _read(folder: Path, facts: Any) -> RunRecord:
    """Return the run of checked facts, its arrays checked against them and each other."""
    from sn_viz.storage.run_file import built

    splits, classes = facts.splits, facts.splits.train.classes
    sizes = {"train": len(splits.train.names), "test": len(splits.test.names), "class": len(classes), "layer": len(facts.by_layer)}
    arrays = read_arrays(folder, layouts(len(facts.baselines), is_fitted(facts.config.weighting)), sizes)
    check_values(arrays, len(facts.site_names), len(classes), facts.config.metric)
    neurons = Neurons(arrays["neuron_site"], arrays["neuron_layer"], arrays["neuron_unit"], facts.site_names)
    check_facts(facts, neurons)
    check_accuracies(facts, arrays)
    pictures: dict[str, Picture] = {}

    def images(name: str) -> LabelledImages:
        split = getattr(splits, name)
        for sha in split.pictures:
            if sha not in pictures:
                pictures[sha] = read_png(folder, sha)
        shown = {"pictures": lambda shas: tuple(pictures[sha] for sha in shas)}
        return built(LabelledImages, split, shown, labels=arrays[f"{name}_labels"])

    ends = np.cumsum(arrays["voter_count"])
    voters = Stumps(*(arrays[f"voter_{field}"] for field in STUMP_FIELDS), weight=arrays.get("voter_weight"))
    offsets = arrays.get("voter_offset")
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
        voters=tuple(
            replace(voters.take(slice(start, end)), offset=None if offsets is None else offsets[at])
            for at, (start, end) in enumerate(zip([0, *ends[:-1]], ends, strict=True))
        ),
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


def _damaged(folder: Path, cause: str) -> UserError:
    return UserError(f"The run in {str(folder)!r} is damaged.", f"{cause[:200]}.", "Run find again and save it anew.")
