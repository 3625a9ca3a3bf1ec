"""The public endpoints, for Python and other clients: packs, find, predict, neuron, exit_race, open.

Takes plain values and files; returns JSON. A run is named by the key that ``find`` returns; keys of one's own images cannot be
guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from sn_viz.activations.model_cache import model_of
from sn_viz.baselines.answers import given_answers
from sn_viz.config import SEED
from sn_viz.errors import UserError
from sn_viz.models.hub.obtain import is_here, obtain
from sn_viz.pipeline import find as find_neurons
from sn_viz.pipeline import predict as predict_with
from sn_viz.sources.ingest import read_picture
from sn_viz.sources.tar_file import ENDS as TAR_ENDS
from sn_viz.storage.summary import summary
from sn_viz.types import LabelledImages, Progress, RunRecord
from sn_viz.ui.components import neuron as neurons
from sn_viz.ui.components.layers import layer_asked
from sn_viz.ui.components.racing import race
from sn_viz.ui.components.take_panel import open_zip
from sn_viz.ui.sections import examples_section
from sn_viz.ui.server import packs
from sn_viz.ui.server.arguments import Arguments, checked
from sn_viz.ui.server.guard import guarded
from sn_viz.ui.server.jobs import run_job
from sn_viz.ui.server.offered import Offered, Usual
from sn_viz.ui.server.quotas import visitor
from sn_viz.ui.server.results import FindResult, NeuronResult, PackFacts, PredictResult, RaceResult, Result
from sn_viz.ui.server.state import Server
from sn_viz.ui.server.uploads import UploadedFile, UploadedImage
from sn_viz.voting.named import AUTO

RESULTS: dict[str, Any] = {
    "packs": list[PackFacts],
    "find": FindResult,
    "predict": PredictResult,
    "neuron": NeuronResult,
    "exit_race": RaceResult,
    "open": FindResult,
}
"""What each endpoint returns, by its name."""


def publish(server: Server, models: Mapping[str, str], usual: Usual) -> None:
    """Add the endpoints to the page being built; their widgets are never shown."""
    with gr.Row(visible=False):
        pack, data = (
            gr.Textbox("", label="pack"),
            UploadedFile(label="data", file_types=[".zip", *TAR_ENDS, ".parquet"]),
        )
        question, model = gr.Textbox("", label="question"), gr.Textbox("", label="model")
        voters, seed = (gr.Number(default, precision=0, label=name) for name, default in (("voters", None), ("seed", SEED.default)))
        run, image, layer = (
            gr.Textbox(label="run"),
            UploadedImage(type="filepath", image_mode=None, label="image"),
            gr.Textbox("0", label="exit_layer"),
        )
        answers = gr.Textbox("", label="answers", max_length=2000)
        index, archive = gr.Number(0, precision=0, label="neuron"), UploadedFile(label="zip", file_types=[".zip"])
        results = {name: Result(kind, label="result") for name, kind in RESULTS.items()}
        buttons = [gr.Button(name) for name in RESULTS]
    alone: dict[str, Any] = {"concurrency_limit": None}  # turns at the model are given by the server
    buttons[0].click(list_packs, None, results["packs"], api_name="packs")
    buttons[1].click(
        _find(server, models, usual),
        [pack, data, question, model, voters, seed, answers],
        results["find"],
        api_name="find",
        **alone,
    )
    buttons[2].click(server.bind(predict), [run, image, question, layer], results["predict"], api_name="predict", **alone)
    buttons[3].click(server.bind(describe_neuron), [run, index], results["neuron"], api_name="neuron")
    buttons[4].click(server.bind(exit_race), [run, image, question, layer], results["exit_race"], api_name="exit_race", **alone)
    buttons[5].click(server.bind(open_run), [archive], results["open"], api_name="open", **alone)


@partial(guarded, answers=True)
def list_packs() -> list[PackFacts]:
    """List the sample packs: name and question."""
    return [{"name": pack.name, "question": packs.question_of(pack)} for pack in packs.packs().values()]


def _find(server: Server, models: Mapping[str, str], usual: Usual) -> Callable[..., dict[str, Any]]:
    """``usual``: the model for a pack, and for one's own images (None), where none is named."""

    @partial(guarded, answers=True)
    def find(
        request: gr.Request,
        pack: str = "",
        data: str | None = None,
        question: str = "",
        model: str = "",
        voters: float | None = None,
        seed: float = SEED.default,
        answers: str = "",
    ) -> dict[str, Any]:
        """Find super neurons in a sample pack, or in a zip with one folder of images per class.

        Give `pack` (a name from /packs) or `data` (a zip). Returns the figures of the run, and `run`: the key that
        the other endpoints ask for. `voters` is how many of the paper's plain committee vote; left out, the committee is chosen on
        the probing images. `answers` says what the model says for each class, such as "dog=yes,cat=no"; by default names
        and question tell.
        """
        model = model or usual(None if data else pack)
        blank = Arguments(model)
        arguments = checked(
            models,
            question,
            model,
            [],
            blank.rule,
            blank.metric,
            blank.voters if voters is None else voters,
            blank.weighting,
            0,
            blank.test_size,
            seed,
            ["all"],
            AUTO if voters is None else None,
        )
        arguments = Arguments(**{**asdict(arguments), "compare": ("all",), "answers": tuple(given_answers(answers).items())})
        owner = visitor(request)
        if not is_here(arguments.model):
            most = models.most_bytes if isinstance(models, Offered) else None
            run_job(server.fetching, lambda progress: obtain(arguments.model, progress, most_bytes=most), owner)
        images = (
            run_job(server.reading, lambda progress: _images(server, owner, data, arguments, progress), owner) if data else None
        )
        key = run_job(server.turns, lambda progress: _key_of(server, owner, pack, images, arguments, progress), owner)
        return {"run": key, **summary(server.runs.get(key)), "model": model}

    return find


def _images(server: Server, owner: str, data: str, arguments: Arguments, progress: Progress) -> LabelledImages:
    server.uploads.count(owner, [data])
    images = examples_section.from_files([data], arguments.question, examples_section.heard(progress))
    examples_section.check_asked(images)
    return images


def _key_of(server: Server, owner: str, pack: str, images: LabelledImages | None, arguments: Arguments, progress: Progress) -> str:
    if images is not None:
        return server.runs.put(find_neurons(images, progress=progress, **arguments.keywords()), owner=owner)
    return packs.run_pack(server.runs, packs.checked(pack), packs.with_own_question(pack, arguments), progress)


@partial(guarded, answers=True)
def predict(
    server: Server, request: gr.Request, run: str, image: str | None, question: str = "", exit_layer: str = "0"
) -> dict[str, Any]:
    """Let the super neurons of a finished run label one image; the model stops at the exit layer.

    `run` is a key from /find; `exit_layer` counts from 1, "V4" is the fourth block of the vision tower (where the run read it) and
    0 takes the run's own; an empty `question` asks the run's.
    """
    found, images, layer = _asked(server, visitor(request), run, image, question, exit_layer)
    with server.turns.turn(visitor(request)):
        answer = predict_with(found, images, layer, vlm=model_of(found.config))[0]
    return {**asdict(answer), "tally": dict(zip(found.train.classes, answer.tally, strict=True))}


@partial(guarded, answers=True)
def describe_neuron(server: Server, run: str, neuron_index: float = 0) -> dict[str, Any]:
    """Describe one neuron of a finished run: where it lives, its threshold, and the test images it fires for most and least."""
    found = server.runs.get(run)
    column = neurons.checked_neuron(found, neuron_index)
    cut, (most, least) = neurons.cut(found, column), neurons.extreme_examples(found, column)
    row = neurons.stump_of(found, column)
    return {
        "neuron": column,
        "name": found.neurons.name(column),
        "layer": int(found.neurons.layer[column]),
        "site": found.neurons.site_names[found.neurons.site[column]],
        "unit": int(found.neurons.unit[column]),
        "class": found.train.classes[cut.class_index],
        "threshold": cut.threshold,
        "sign": cut.sign,
        "score": None if row is None else float(found.stumps.score[row]),
        "probing_accuracy": known(cut.train),
        "test_accuracy": known(cut.test),
        "held_out_balanced_accuracy": known(cut.held_out),
        "most_active": [found.test.names[i] for i in most],
        "least_active": [found.test.names[i] for i in least],
    }


@partial(guarded, answers=True)
def open_run(server: Server, request: gr.Request, zip: str | None) -> dict[str, Any]:  # the name that clients use
    """Open a saved run from a zip, such as Save or ``zip -r run.zip run/`` makes.

    Returns the figures of the run, and `run`: the key that the other endpoints ask for. It is kept as long as runs made here.
    """
    key, opened = open_zip(server, visitor(request), zip)
    return {"run": key, **summary(opened)}


def known(value: float) -> float | None:
    """Return a number as JSON can say it: None where it is undefined."""
    return value if np.isfinite(value) else None


@partial(guarded, answers=True)
def exit_race(
    server: Server, request: gr.Request, run: str, image: str | None, question: str = "", exit_layer: str = "0"
) -> dict[str, Any]:
    """Race the early exit against the full model on one image: the vote after every block, and milliseconds.

    Parameters as for /predict.
    """
    found, images, layer = _asked(server, visitor(request), run, image, question, exit_layer)
    with server.turns.turn(visitor(request)):
        result = race(found, model_of(found.config), images.pictures[0], images.questions[0], layer)
    by_layer = [
        {
            "layer": layer_there,
            "name": found.neurons.layer_name(layer_there),
            "milliseconds": float(ms),
            "tally": dict(zip(found.train.classes, map(float, share), strict=True)),
        }
        for layer_there, ms, share in zip(result.layers, result.milliseconds, result.tally, strict=True)
    ]
    return {
        "exit_layer": layer,
        "early_exit": {"answer": result.exit_answer, "milliseconds": result.exit_ms},
        "full_model": {"answer": result.full_answer, "milliseconds": result.full_ms},
        "by_layer": by_layer,
    }


def _asked(
    server: Server, owner: str, run: str, image: str | None, question: str, exit_layer: str
) -> tuple[RunRecord, LabelledImages, int]:
    found = server.runs.get(run)
    if image is None:
        raise UserError("There is no image.", "The image is empty.", "Send a PNG or JPEG.")
    asked = " ".join((question or "").split())[:300] or found.config.question or found.shown.question or found.shown.questions[0]
    layer = layer_asked(found, exit_layer)
    server.uploads.count(owner, [image])
    picture = run_job(server.reading, lambda _: read_picture(Path(image), "your image"), owner)
    return found, LabelledImages(("image",), (picture,), np.array([-1]), found.train.classes, (asked,)), layer
