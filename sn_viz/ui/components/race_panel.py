"""The live race on one picture: the super neurons against the full model, of the run that is shown.

Takes the key of a run and the exit's slider; streams the race block by block, slowed down so that eyes can follow, with the real
times written on it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import gradio as gr
import numpy as np

from sn_viz.activations.model_cache import model_of
from sn_viz.errors import Cancelled, UserError
from sn_viz.formatting import milliseconds, ratio
from sn_viz.plots import race as plots
from sn_viz.sources.ingest import read_picture
from sn_viz.storage.lighter import check_has_pictures
from sn_viz.types import Picture, Progress, RunRecord
from sn_viz.ui.components import figures, neuron, views
from sn_viz.ui.components.layers import checked_layer
from sn_viz.ui.components.racing import Race, race
from sn_viz.ui.server.guard import guarded, message
from sn_viz.ui.server.jobs import Done, run_job, steps
from sn_viz.ui.server.quotas import visitor
from sn_viz.ui.server.state import Server
from sn_viz.ui.server.uploads import UploadedImage
from sn_viz.voting.verdict import Verdict, verdict

CHOICES = 14
"""Test images offered for the race."""
SHOW_SECONDS = 2.4
"""How long the race is shown for; the times written on it are the real ones."""
CLOCK_HINT = (
    "A replay, slowed down: both lanes ran alone, timed from the decoded picture. The votes after the exit come from a pass of "
    "their own, which is not timed."
)


class RacePanel(NamedTuple):
    """The widgets of the race."""

    images: gr.HTML
    upload: gr.Image
    chosen: gr.HTML
    button: gr.Button
    cancel: gr.Button
    figure: gr.HTML
    result: gr.HTML


def layout() -> RacePanel:
    """Place the widgets."""
    gr.HTML(
        '<h3 class="sn-h3">The live race</h3>'
        '<p class="sn-hint">One image. The super neurons answer at the exit, the full model at the end.</p>'
    )
    with gr.Row(equal_height=False):
        with gr.Column(scale=4, min_width=300, elem_classes="sn-panel"):
            chosen = views.pictures_view("race-chosen", "Choose an image below.")
            with gr.Row(elem_classes="sn-tight"):
                button = gr.Button("Race", variant="primary", elem_id="btn-race", scale=3, min_width=150)
                cancel = gr.Button("Cancel", elem_id="btn-race-cancel", interactive=False, scale=1, min_width=90)
            images = views.pictures_view("race-images", "Run something first.")
            upload = UploadedImage(
                label="Or your own image",
                type="filepath",
                image_mode=None,
                sources=["upload", "webcam", "clipboard"],
                height=200,
                elem_id="race-upload",
            )
        with gr.Column(scale=6, min_width=320, elem_classes="sn-panel"):
            result = views.facts_view("race-result")
            figure = figures.place("race")
    return RacePanel(images, upload, chosen, button, cancel, figure, result)


def connect(server: Server, tab: RacePanel, run_key: gr.State, layer: gr.Slider) -> None:
    """Wire the race to ``run_key``; it stops early after the block that ``layer`` says."""
    private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    example = gr.State(0)
    outputs = [tab.images, example, tab.chosen, tab.figure, tab.result, tab.upload]
    run_key.change(server.bind(show), [run_key], outputs, **private)
    tab.images.pick(server.bind(pick_image), [run_key], [example, tab.chosen, tab.upload, tab.figure, tab.result], **private)
    tab.upload.change(
        server.bind(show_upload),
        [run_key, example, tab.upload],
        [tab.chosen, tab.figure, tab.result],
        concurrency_limit=None,
        **private,
    )
    job = gr.State("")
    buttons = [tab.button, tab.cancel]
    tab.button.click(server.bind(begin_race), None, [job, tab.result, *buttons], queue=False, **private).then(
        server.bind(show_race),
        [job, run_key, example, tab.upload, layer],
        [tab.figure, tab.result, *buttons, tab.chosen],
        concurrency_limit=None,
        **private,
    )
    tab.cancel.click(server.stops.stop, job, None, queue=False, **private)


@guarded
def show(server: Server, run_key: str) -> tuple:
    """Return the pictures that can race for a new run, and no race yet."""
    if not run_key:
        return (gr.skip(),) * 6
    run = server.runs.get(run_key)
    images = {
        "groups": [
            views.group(
                "Test images" if len(run.test) else "Probing images", [neuron.test_tile(run, i) for i in race_examples(run)]
            )
        ]
    }
    first = race_examples(run)[0]
    return images, first, _chosen(run, first), no_race(run), {}, None


def no_race(run: RunRecord) -> str:
    """Return the figure before a race."""
    classes = run.train.classes
    return figures.text("race", plots.info(np.empty((0, len(classes))), np.empty(0), classes, run.exit_layer))


def race_examples(run: RunRecord) -> list[int]:
    """Return a few test examples, classes in turns."""
    by_class = [np.flatnonzero(run.shown.labels == label).tolist() for label in range(len(run.shown.classes))]
    turns = [members[i] for i in range(CHOICES) for members in by_class if i < len(members)]
    return turns[:CHOICES] or [0]


def _chosen(run: RunRecord, example: int) -> dict:
    return _shown(*_contestant(run, example, None), run.shown.names[example])


def _shown(picture: Picture, question: str, truth: str, name: str = "Your own image") -> dict:
    """Return the picture that races with what it is asked, its label if it has one, and its name."""
    tile = {**views.tile(picture, name), "src": views.thumbnail(picture, 224)}
    return {"groups": [views.group(question, [tile], truth or name)]}


@guarded
def pick_image(server: Server, run_key: str, event: gr.EventData) -> tuple:
    """Choose a test image for the race."""
    run = server.runs.get(run_key)
    example = views.tile_of(event, [race_examples(run)])
    return example, _chosen(run, example), None, no_race(run), {}


@guarded
def show_upload(server: Server, request: gr.Request, run_key: str, example: int, upload: str | None) -> tuple:
    """Show the picture that will race: one's own, as the model will see it, else the chosen test image; an older race goes."""
    if not run_key:
        return (gr.skip(),) * 3
    run, owner = server.runs.get(run_key), visitor(request)
    if upload is None and example not in range(len(run.shown)):
        return (gr.skip(),) * 3
    if upload is None:
        return _chosen(run, example), no_race(run), {}
    try:
        server.uploads.count(owner, [upload])
        contestant = run_job(
            server.reading, lambda _: _contestant(run, example, upload), owner, server.stops.flag(server.stops.new())
        )
        return _shown(*contestant), no_race(run), {}
    except UserError as error:
        return {"groups": [], "empty": message(error)}, no_race(run), {}


def begin_race(server: Server) -> tuple:
    """Return a new job key, and the buttons of a running race."""
    return server.stops.new(), {"note": "Queued."}, gr.Button(interactive=False), gr.Button(interactive=True)


def show_race(
    server: Server, request: gr.Request, job: str, run_key: str, example: int, upload: str | None, layer: float
) -> Iterator[tuple[Any, ...]]:
    """Run the race and show it block by block; yields (figure, result, race button, cancel button, the picture)."""
    idle = (gr.Button(interactive=True), gr.Button(interactive=False))
    keep = (gr.skip(),) * 3
    stop, owner = server.stops.flag(job), visitor(request)
    try:
        if not run_key:
            raise UserError("There is nothing to race yet.", "No result is open.", "Run a pack or your own images first.")
        run = server.runs.get(run_key)
        server.uploads.count(owner, [upload] if upload else [])
        picture, question, truth = run_job(server.reading, lambda _: _contestant(run, example, upload), owner, stop)
        layer = checked_layer(run, int(layer))
        name = "Your own image" if upload else run.shown.names[example]
        yield gr.skip(), {"note": "Waiting for a turn."}, *keep[:2], _shown(picture, question, truth, name)
        finished = None
        for step in steps(server.turns, lambda progress: _raced(run, picture, question, layer, progress), stop, owner):
            if isinstance(step, Done):
                finished = step.value
            else:
                yield gr.skip(), {"note": f"{step.text}."}, *keep
        assert finished is not None, "a job ends with its result or an exception"
        for frame in _frames(run, finished, truth):
            yield *frame, *keep
            if stop.wait(SHOW_SECONDS / len(moments(finished))):
                raise Cancelled
        yield gr.skip(), gr.skip(), *idle, gr.skip()
    except Cancelled:
        yield gr.skip(), {"note": "Stopped. Press Race to start again."}, *idle, gr.skip()
    except Exception as error:  # put into words on the page; faults of ours are logged by ``message``
        yield gr.skip(), {"warnings": [message(error)]}, *idle, gr.skip()


def _raced(run: RunRecord, picture: Picture, question: str, layer: int, progress: Progress) -> Race:
    progress(0.0, "Loading the model")
    return race(run, model_of(run.config), picture, question, layer, progress)


def moments(finished: Race) -> list[float]:
    """Return when something happened, in order: milliseconds on the clock of both lanes."""
    return sorted({*finished.milliseconds[np.isfinite(finished.milliseconds)].tolist(), finished.exit_ms, finished.full_ms})


def _frames(run: RunRecord, finished: Race, truth: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (figure, facts) at every moment of the race, whichever lane it was in."""
    for now in moments(finished):
        yield _frame(run, finished, now, truth), race_facts(run, finished, now, truth)


def _contestant(run: RunRecord, example: int, upload: str | None) -> tuple[Picture, str, str]:
    if upload is None:
        if example not in range(len(run.shown)):
            raise UserError("This image is not in the list.", "The page is older than the result.", "Choose an image again.")
        check_has_pictures(run)
        return run.shown.pictures[example], run.shown.questions[example], neuron.class_of(run.shown, example)
    question = run.config.question or run.shown.question or run.shown.questions[0]
    return read_picture(upload, "your image"), question, ""


def _frame(run: RunRecord, finished: Race, now: float, truth: str) -> str:
    """Draw what has happened until ``now``: blocks of the full model's lane, and either answer once it is there."""
    start, done = finished.layers.start, finished.milliseconds <= now
    early = now >= finished.exit_ms
    shown = max(int(done.sum()), finished.exit_layer - start + 1 if early else 0)
    clock = np.where(done, finished.milliseconds, np.nan)[:shown]
    more: dict[str, Any] = {"exit_ms": finished.exit_ms, "truth": truth, "first_layer": start}
    if now >= finished.full_ms:
        more |= {"full_ms": finished.full_ms, "full_answer": finished.full_answer}
    exit_layer = finished.exit_layer if early else start - 1  # no layer of the race: there is no exit yet
    return figures.text("race", plots.info(finished.tally[:shown], clock, run.train.classes, exit_layer, **more), "Votes and time")


def race_facts(run: RunRecord, finished: Race, now: float, truth: str) -> dict[str, Any]:
    """Return who has said what ``now``, milliseconds after both started."""
    early, done = now >= finished.exit_ms, now >= finished.full_ms
    ran = int((finished.milliseconds <= now).sum())
    where = f"layer {run.neurons.layer_name(finished.exit_layer)}"
    ours, theirs = milliseconds(finished.exit_ms), milliseconds(finished.full_ms)
    facts = [
        views.fact("super neurons", finished.exit_answer if early else "…", f"{ours}, {where}" if early else "running", "accent"),
        views.fact(
            "full model",
            (finished.full_answer or "no answer") if done else "…",
            theirs if done else f"{ran} of {len(finished.layers)} blocks",
            "rival",
        ),
    ]
    if truth:
        right = "exit right" if finished.exit_answer == truth else "exit wrong"
        facts.append(views.fact("label", truth, right if early else ""))
    if early and done:
        facts += lead(verdict(run, finished.exit_layer), finished.exit_ms, finished.full_ms)
    return {"facts": facts, "note": CLOCK_HINT}


def lead(seen: Verdict, exit_ms: float, full_ms: float) -> list[dict[str, str]]:
    """Return which lane was first, as a fact; how much faster only beside an accuracy that holds."""
    ahead = ratio(full_ms, exit_ms)
    if not np.isfinite(ahead):
        return []
    if f"{ahead:.1f}" == "1.0":
        return [views.fact("the exit is", "level", "on this image")]
    if ahead < 1:
        return [views.fact("the exit is behind", f"{1 / ahead:.1f}×", "as slow on this image")]
    if not seen.holds:
        return [views.fact("the exit is", "first", "but its accuracy may be chance")]
    return [views.fact("the exit is ahead", f"{ahead:.1f}×", "as fast on this image")]
