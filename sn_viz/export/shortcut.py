"""The shortcut of a run: the model's first blocks, the neurons that vote, and a short program that needs nothing of this package.

Takes a run and a folder; writes the blocks as safetensors (``models.cut``), ``shortcut.json``, ``run.py`` and a README, and then
lets that ``run.py`` label every test picture: unless it says what `sn_viz.early_exit.decide.predict` says about each of them,
nothing is left in the folder. It knows nothing about how the run was found.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
import tempfile
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image

from sn_viz.activations.model_cache import model_of
from sn_viz.activations.reader import reader_of
from sn_viz.activations.sites import in_tower, transform_of
from sn_viz.config import checked_layer
from sn_viz.early_exit.decide import check_model, predict
from sn_viz.errors import UserError
from sn_viz.formatting import percent
from sn_viz.latency import milliseconds_in_turns
from sn_viz.models.cut import Shortened, check_can_be_cut, module_kept, write_first_blocks
from sn_viz.models.load import quiet
from sn_viz.progress import part, silent
from sn_viz.storage.lighter import check_has_pictures
from sn_viz.types import LabelledImages, Picture, Progress, RunRecord, Stumps
from sn_viz.voting.weightings import WEIGHTINGS

if TYPE_CHECKING:
    from sn_viz.models import Vlm

FACTS_FILE = "shortcut.json"
PROGRAM = "run.py"
N_TIMED = 8
"""Pictures that speed is measured on."""
MARK = "sn-viz-question"
"""Stands for the question while the prompt around it is looked up."""


def export_shortcut(
    run: RunRecord, folder: str | Path, exit_layer: int | None = None, vlm: Vlm | None = None, progress: Progress = silent
) -> Path:
    """Write the shortcut of a run.

    Parameters
    ----------
    run : Run
    folder : str or Path
        Made if needed; must be empty.
    exit_layer : int, optional
        From 1, 0 and less in the vision tower; by default the run's own.
    vlm : Vlm, optional
        The model, when it is loaded already.
    progress : callable
        Told the fraction done; may raise ``Cancelled``, after which nothing is left in the folder.

    Returns
    -------
    Path
        The folder: ``run.py``, ``shortcut.json``, ``README.md``, the weights and the files of the processor.

    Raises
    ------
    UserError
        When the folder holds something; when the voters sit at a site that plain hooks cannot read; when the model cannot be cut;
        when the shortcut would not agree with the run about every test picture.
    """
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{str(folder)!r} is not a folder for a shortcut.", "It is not empty.", "Name a new or empty folder.")
    check_has_pictures(run)
    layer = checked_layer(exit_layer, run.neurons.n_layers, run.neurons.n_tower) or 0
    layer = run.exit_layer if exit_layer is None else layer
    voters = run.voters[layer - run.neurons.layers.start]
    _check_sites(run, voters)
    progress(0.0, "Loading the model")
    vlm = vlm or model_of(run.config)
    check_model(run, vlm)
    check_can_be_cut(vlm)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as made:
            fresh = Path(made) / "shortcut"
            fresh.mkdir()
            _write(run, layer, voters, vlm, fresh, progress)
            if folder.exists():
                folder.rmdir()
            shutil.move(fresh, folder)
    except OSError as error:
        cause = f"{error.strerror or error}."
        raise UserError(
            f"The shortcut was not written in {str(folder)!r}.", cause, "Name a folder you may write, with room."
        ) from error
    return folder


def _write(run: RunRecord, layer: int, voters: Stumps, vlm: Vlm, folder: Path, progress: Progress) -> None:
    deepest = max(1, int(run.neurons.layer[voters.neuron].max()))
    facts = {**_facts(run, layer, voters, vlm), **_prompt(run, vlm)}
    progress(0.1, f"Writing the first {deepest} of {vlm.n_layers} blocks")
    size = write_first_blocks(vlm, deepest, folder)
    facts |= {"class": size.class_name, "blocks": {"kept": deepest, "of": vlm.n_layers}}
    (folder / PROGRAM).write_text(
        (resources.files("sn_viz.export") / "beside" / PROGRAM).read_text(encoding="utf-8"), encoding="utf-8"
    )
    _write_facts(folder, facts)
    label = program_in(folder)
    pictures = run.shown
    _check_agreement(run, layer, vlm, label, pictures, part(progress, 0.2, 0.9))
    progress(0.9, "Timing the shortcut against the whole model")
    facts |= _measured(run, layer, size, len(pictures), _speed(vlm, label, pictures))
    _write_facts(folder, facts)
    (folder / "README.md").write_text(readme(facts), encoding="utf-8")


def _write_facts(folder: Path, facts: dict[str, Any]) -> None:
    (folder / FACTS_FILE).write_text(json.dumps(facts, indent=1, ensure_ascii=False, allow_nan=False), encoding="utf-8")


def _check_sites(run: RunRecord, voters: Stumps) -> None:
    """Refuse voters at sites that are no plain input or output of a module, and runs in which nobody votes."""
    if not len(voters):
        raise UserError("No shortcut can be made of this exit.", "No neuron votes there.", "Choose a later exit layer.")
    names = [run.neurons.site_names[i] for i in np.unique(run.neurons.site[voters.neuron])]
    for name in names:
        if transform_of(name) is not None:
            raise UserError(
                f"No shortcut can be made of voters at the site {name!r}.",
                "What is read there is computed from what a module holds, and a shortcut reads inputs and outputs as they are.",
                "Find again without that site.",
            )


def _facts(run: RunRecord, layer: int, voters: Stumps, vlm: Vlm) -> dict[str, Any]:
    """Return what ``run.py`` needs to read the voters and count their votes."""
    kept = module_kept(vlm)
    paths = {id(module): path for path, module in kept.named_modules()}
    layout, neurons = reader_of(vlm).layout, run.neurons
    weight = WEIGHTINGS[run.config.weighting](voters) if voters.weight is None else voters.weight
    rows = []
    for i, neuron in enumerate(voters.neuron.tolist()):
        name = neurons.site_names[neurons.site[neuron]]
        module, side = layout.places(name)[int(neurons.layer[neuron]) - 1]
        rows.append(
            {
                "place": f"{side}:{paths[id(module)]}",
                "unit": int(neurons.unit[neuron]),
                "tower": in_tower(name),
                "threshold": float(voters.threshold[i]),
                "sign": int(voters.sign[i]),
                "class": int(voters.class_index[i]),
                "weight": float(weight[i]),
                "name": neurons.name(neuron),
                "score": float(voters.score[i]),
            }
        )
    whole = kept is vlm.module
    return {
        "model": run.config.model_name,
        "exit_layer": neurons.layer_name(layer),
        "classes": list(run.train.classes),
        "dtype": str(vlm.dtype).removeprefix("torch."),
        "class_token": vlm.class_token,
        "channels_first": vlm.channels_first,
        "options": vlm.forward_options() if whole else {"use_cache": False},
        "voters": rows,
        "offset": None if voters.offset is None else [float(each) for each in voters.offset],
    }


def _prompt(run: RunRecord, vlm: Vlm) -> dict[str, Any]:
    """Return the text around the question, and how the processor is called; UserError where no such text stands around it."""
    around = vlm.prompts([MARK])[0].split(MARK)
    questions = list(dict.fromkeys((*run.train.questions, *run.test.questions)))
    if len(around) != 2 or any(
        question.join(around) != said for question, said in zip(questions, vlm.prompts(questions), strict=True)
    ):
        raise UserError(
            f"No shortcut of {vlm.name!r} can be made.",
            "Its chat template changes the question itself, so a prompt cannot be put together without it.",
            "Keep the whole model.",
        )
    picture = run.shown.pictures[0]
    vlm.prepare_anew([picture], [questions[0]])  # settles whether its processor takes a list of pictures for each prompt
    options = {name: value for name, value in vlm.text_options(questions[0].join(around)).items() if name == "add_special_tokens"}
    asked = run.config.question or run.train.question
    return {"question": asked or questions[0], "prompt": around, "text_options": options, "nested": vlm.nested}


def program_in(folder: Path) -> Callable[..., tuple[str, list[float]]]:
    """Return the ``Shortcut`` of the ``run.py`` that lies in a folder, loaded: our own file, as it was written there."""
    spec = importlib.util.spec_from_file_location("sn_viz_shortcut_run", folder / PROGRAM)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with quiet():
        spec.loader.exec_module(module)
        return module.Shortcut(folder)


def as_image(picture: Picture) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(picture.pixels))


def _check_agreement(
    run: RunRecord, layer: int, vlm: Vlm, label: Callable[..., Any], pictures: LabelledImages, progress: Progress
) -> None:
    """Raise a UserError unless the shortcut labels every picture as the run does."""
    differ, n = 0, len(pictures)
    for i in range(n):
        progress(i / n, f"Comparing labels, picture {i + 1} of {n}")
        one = pictures.take([i])
        try:
            said, _ = label(as_image(one.pictures[0]), one.questions[0])
        except Exception as error:  # of the shortened model, whatever its family does with fewer blocks
            raise _disagrees(
                vlm, f"With fewer blocks its family, {type(vlm.module).__name__}, fails ({type(error).__name__})."
            ) from error
        differ += said != predict(run, one, layer, vlm=vlm)[0].label
    if differ:
        raise _disagrees(vlm, f"Its labels would differ from the run's on {differ} of {n} pictures.")


def _disagrees(vlm: Vlm, cause: str) -> UserError:
    return UserError(f"No shortcut of {vlm.name!r} was made.", cause, "Keep the whole model, or try another exit layer.")


def _speed(vlm: Vlm, label: Callable[..., Any], pictures: LabelledImages) -> dict[str, float]:
    """Return median milliseconds of one picture, in turns: the whole model by its own calls, and the shortcut by its program."""
    asked = list(zip(pictures.pictures, pictures.questions, strict=True))[:N_TIMED]

    def full(example: tuple[Picture, str]) -> None:
        inputs, options = vlm.prepare_anew([example[0]], [example[1]]), {"do_sample": False, "max_new_tokens": 8}
        vlm.module.generate(**inputs, pad_token_id=vlm.tokenizer.pad_token_id, **options)

    def first(example: tuple[Picture, str]) -> None:
        vlm.module(**vlm.prepare_anew([example[0]], [example[1]]), **vlm.forward_options())

    def short(example: tuple[Picture, str]) -> None:
        label(as_image(example[0]), example[1])

    with vlm.lock, torch.inference_mode():
        medians = np.median(milliseconds_in_turns([full, first, short], asked, budget=30.0), axis=0)
    return {name: round(float(ms), 3) for name, ms in zip(("full_answer", "first_token", "shortcut"), medians, strict=True)}


def _measured(run: RunRecord, layer: int, size: Shortened, n: int, ms: dict[str, float]) -> dict[str, Any]:
    accuracy = run.by_layer[layer - run.neurons.layers.start].accuracy
    return {
        "agreement": {"pictures": n, "agree": n, "with": "the run's own labels", "held_out": bool(len(run.test))},
        "accuracy": {"value": _known(accuracy.value), "low": _known(accuracy.low), "high": _known(accuracy.high), "n": accuracy.n},
        "weights_bytes": {"before": size.bytes_before, "after": size.bytes_after},
        "milliseconds": {**ms, "pictures": min(n, N_TIMED), "batch": 1, "note": "medians, measured in turns when this was made"},
        "versions": {name: run.versions[name] for name in ("sn_viz", "torch", "transformers") if name in run.versions},
    }


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def readme(facts: dict[str, Any]) -> str:
    """Return the README of a shortcut: what it is, how it is run, its size and speed before and after."""
    ms, weights, agreement = facts["milliseconds"], facts["weights_bytes"], facts["agreement"]
    accuracy, kind = facts["accuracy"], "test" if agreement["held_out"] else "probing"
    held_out = (
        f"On {accuracy['n']} test pictures the run was right on {percent(accuracy['value'])} "
        f"(95 % interval {percent(accuracy['low'])} to {percent(accuracy['high'])})."
        if accuracy["n"]
        else "Nothing was held out, so how often it is right is not known."
    )
    return f"""# A shortcut of {facts["model"]}

Answers one question about a picture with {len(facts["voters"])} neurons of a vision-language model: {facts["question"]}
It says one of: {", ".join(facts["classes"])}.

    pip install torch transformers numpy pillow
    python run.py PICTURE...

What is here: the vision tower, the projector, the embeddings and the first {facts["blocks"]["kept"]} of {facts["blocks"]["of"]}
decoder blocks, as safetensors; the files of the processor; `shortcut.json` with the neurons, their thresholds and everything
measured; `run.py`, which hooks the modules that these neurons sit in and counts their votes. Nothing of sn_viz is needed.

|  | whole model | shortcut |
|---|---|---|
| weights, bytes | {weights["before"]:,} | {weights["after"]:,} |
| milliseconds a picture, answer written out | {ms["full_answer"]:.1f} | {ms["shortcut"]:.1f} |
| milliseconds a picture, up to the first token | {ms["first_token"]:.1f} | {ms["shortcut"]:.1f} |

Medians over {ms["pictures"]} pictures, one at a time, from decoded picture to answer, measured in turns where this was made,
both with the processor's own calls; a written answer has at most eight tokens.
The label was the run's own on all {agreement["pictures"]} {kind} pictures.
{held_out}

The weights keep the licence of the model that they come from.
"""


def shortcut_facts(folder: str | Path) -> dict[str, Any]:
    """Return what ``shortcut.json`` says."""
    return json.loads((Path(folder) / FACTS_FILE).read_text(encoding="utf-8"))


def summary_line(facts: dict[str, Any]) -> str:
    """Say in a line what a shortcut saves."""
    ms, weights = facts["milliseconds"], facts["weights_bytes"]
    kept, n = facts["blocks"], facts["agreement"]["pictures"]
    return (
        f"{kept['kept']} of {kept['of']} blocks, {weights['after']:,} of {weights['before']:,} bytes of weights, "
        f"{ms['shortcut']:.1f} ms instead of {ms['full_answer']:.1f} ms a picture; the same labels on all {n} pictures."
    )
