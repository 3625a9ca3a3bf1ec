"""The live race on one picture: the super neurons against the full model, of the run that is shown.

Takes the key of a run, the exit's slider and a picture, of the run or one's own; sends the finished race once, which the browser
replays in two lanes. Whoever shows pictures elsewhere opens one here with `choose`, whose results go to `opened`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import gradio as gr
import numpy as np

from sn_viz.activations.model_cache import model_of
from sn_viz.baselines.answers import parse_answer
from sn_viz.errors import Cancelled, UserError
from sn_viz.formatting import milliseconds, ratio
from sn_viz.plots import race as plots
from sn_viz.sources.ingest import read_picture
from sn_viz.storage.lighter import check_has_pictures
from sn_viz.types import Picture, Progress, RunRecord
from sn_viz.ui.components import figures, lanes, neuron, views
from sn_viz.ui.components.lanes import lanes_view
from sn_viz.ui.components.layers import checked_layer
from sn_viz.ui.components.racing import Race, race
from sn_viz.ui.server.guard import guarded, message
from sn_viz.ui.server.jobs import Done, run_job, steps
from sn_viz.ui.server.quotas import visitor
from sn_viz.ui.server.session import finished as only_finished
from sn_viz.ui.server.state import Server
from sn_viz.ui.server.uploads import UploadedImage
from sn_viz.voting.verdict import Verdict, verdict

CHOICES = 14
"""Test images offered for the race."""
CLOCK_HINT = "Each lane ran alone and once, timed from the decoded picture; nothing was warmed up beyond loading the model."
EMPTY = {"empty": "Choose a picture and press Race: both lanes run here, once, and are replayed on one clock."}


class RacePanel(NamedTuple):
    """The widgets of the race."""

    images: gr.HTML
    upload: gr.Image
    chosen: gr.HTML
    button: gr.Button
    cancel: gr.Button
    lanes: gr.HTML
    figure: gr.HTML
    result: gr.HTML
    example: gr.State
    """Which picture of the run was chosen."""


def layout() -> RacePanel:
    """Place the widgets: the result beside the button, on a telephone right below it, and what else could race beneath."""
    gr.HTML(
        '<h3 class="sn-h3">The live race</h3>'
        '<p class="sn-hint">One picture, two passes: the super neurons stop at the exit, the full model goes on to its answer.</p>'
    )
    with gr.Row(equal_height=False):
        with gr.Column(scale=2, min_width=230, elem_classes="sn-panel"):
            chosen = views.pictures_view("race-chosen", "Choose an image below.")
            with gr.Row(elem_classes="sn-tight"):
                button = gr.Button("Race", variant="primary", elem_id="btn-race", scale=3, min_width=110)
                cancel = gr.Button("Cancel", elem_id="btn-race-cancel", interactive=False, scale=1, min_width=90)
        with gr.Column(scale=8, min_width=320, elem_classes=["sn-panel", "sn-race-show"]):
            result = views.facts_view("race-result")
            two_lanes = lanes_view("race-lanes", EMPTY)
            with gr.Accordion("Votes and times as a figure", open=False, elem_id="race-figure"):
                figure = figures.place("race")
    with gr.Row(equal_height=False):
        with gr.Column(scale=6, min_width=300, elem_classes="sn-panel"):
            images = views.pictures_view("race-images", "Run something first.")
        with gr.Column(scale=4, min_width=280, elem_classes="sn-panel"):
            upload = UploadedImage(
                label="Or your own image",
                type="filepath",
                image_mode=None,
                sources=["upload", "webcam", "clipboard"],
                height=200,
                elem_id="race-upload",
            )
    return RacePanel(images, upload, chosen, button, cancel, two_lanes, figure, result, gr.State(0))


def connect(server: Server, tab: RacePanel, run_key: gr.State, layer: gr.Slider) -> Any:
    """Wire the race to ``run_key``; it stops early after the block that ``layer`` says.

    Returns the event after which a race of a new run may be started: before it, its lanes would be cleared.
    """
    private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    ready = run_key.change(server.bind(show), [run_key], [tab.images, *opened(tab)], **private)
    tab.images.pick(server.bind(pick_image), [run_key], opened(tab), queue=False, **private)  # a late answer would clear a race
    tab.upload.change(
        server.bind(show_upload),
        [run_key, tab.example, tab.upload],
        [tab.chosen, tab.lanes, tab.figure, tab.result],
        concurrency_limit=None,
        **private,
    )
    job = gr.State("")
    buttons = [tab.button, tab.cancel]
    shown = [tab.lanes, tab.figure, tab.result]
    tab.button.click(server.bind(begin_race), None, [job, *shown, *buttons], queue=False, **private).then(
        server.bind(run_race),
        [job, run_key, tab.example, tab.upload, layer],
        [*shown, *buttons, tab.chosen],
        concurrency_limit=None,
        **private,
    )
    tab.lanes.done(_idle, None, buttons, queue=False, **private)
    tab.cancel.click(server.bind(cancel_race), job, [*shown, *buttons], queue=False, **private)
    return ready


def opened(tab: RacePanel) -> list[Any]:
    """Return the widgets that the results of `choose` go to."""
    return [tab.example, tab.chosen, tab.upload, tab.lanes, tab.figure, tab.result]


def choose(run: RunRecord, example: int) -> tuple:
    """Open the race with the picture at ``example`` of ``run.shown``; returns what `opened` shows, with no race yet.

    Raises
    ------
    UserError
        When the run has no such picture.
    """
    return example, _chosen(run, example), None, *nothing(run)


def nothing(run: RunRecord) -> tuple[dict[str, Any], str, dict[str, Any]]:
    """Return lanes, figure and result before a race."""
    return EMPTY, no_race(run), {}


def _idle() -> tuple[gr.Button, gr.Button]:
    return gr.Button(interactive=True), gr.Button(interactive=False)


@guarded
def show(server: Server, run_key: str) -> tuple:
    """Return the pictures that can race for a new run, and no race yet."""
    if not run_key:
        return (gr.skip(),) * 7
    run = server.runs.get(run_key)
    images = {
        "groups": [
            views.group(
                "Test images" if len(run.test) else "Probing images", [neuron.test_tile(run, i) for i in race_examples(run)]
            )
        ]
    }
    first = race_examples(run)[0]
    return images, *choose(run, first)


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
    return choose(run, views.tile_of(event, [race_examples(run)]))


@guarded
def show_upload(server: Server, request: gr.Request, run_key: str, example: int, upload: str | None) -> tuple:
    """Show the picture that will race: one's own, as the model will see it, else the chosen test image; an older race goes."""
    if not run_key:
        return (gr.skip(),) * 4
    run, owner = server.runs.get(run_key), visitor(request)
    if upload is None and example not in range(len(run.shown)):
        return (gr.skip(),) * 4
    if upload is None:
        return _chosen(run, example), *nothing(run)
    try:
        server.uploads.count(owner, [upload])
        contestant = run_job(
            server.reading, lambda _: _contestant(run, example, upload), owner, server.stops.flag(server.stops.new())
        )
        return _shown(*contestant), *nothing(run)
    except UserError as error:
        return {"groups": [], "empty": message(error)}, *nothing(run)


def begin_race(server: Server) -> tuple:
    """Return a new job key, empty lanes, and the buttons of a running race."""
    waiting = {"empty": "The race is running."}
    return (
        server.stops.new(),
        waiting,
        gr.skip(),
        {"note": "Queued."},
        gr.Button(interactive=False),
        gr.Button(interactive=True),
    )


def cancel_race(server: Server, job: str) -> tuple:
    """Stop a race that runs, which then says so itself; the replay of one that has ended ends at once."""
    return (gr.skip(),) * 5 if server.stops.stop(job) else (*STOPPED, *_idle())


STOPPED = (EMPTY, gr.skip(), {"note": "Stopped. Press Race to start again."})
"""Lanes, figure and result of a race that was stopped."""


def run_race(
    server: Server, request: gr.Request, job: str, run_key: str, example: int, upload: str | None, layer: float
) -> Iterator[tuple[Any, ...]]:
    """Run the race and hand it over whole; yields (lanes, figure, result, race button, cancel button, the picture)."""
    skip = gr.skip()
    stop, owner = server.stops.flag(job), visitor(request)
    try:
        if not run_key:
            raise UserError("There is nothing to race yet.", "No result is open.", "Run a pack or your own images first.")
        run = only_finished(server.runs.get(run_key))
        server.uploads.count(owner, [upload] if upload else [])
        picture, question, truth = run_job(server.reading, lambda _: _contestant(run, example, upload), owner, stop)
        layer = checked_layer(run, int(layer))
        name = "Your own image" if upload else run.shown.names[example]
        yield skip, skip, {"note": "Waiting for a turn."}, skip, skip, _shown(picture, question, truth, name)
        finished = None
        for step in steps(server.turns, lambda progress: _raced(run, picture, question, layer, progress), stop, owner):
            if isinstance(step, Done):
                finished = step.value
            else:
                yield skip, skip, {"note": f"{step.text}."}, skip, skip, skip
        assert finished is not None, "a job ends with its result or an exception"
        drawn = in_lanes(run, finished, question, truth), _figure(run, finished, truth), race_facts(run, finished, truth)
        if server.stops.end(job):
            yield *drawn, *(skip,) * 3
        if stop.is_set():  # also while the result was on its way: what was sent last stays on the page
            raise Cancelled
    except Cancelled:
        yield *STOPPED, *_idle(), skip
    except Exception as error:  # put into words on the page; faults of ours are logged by ``message``
        yield EMPTY, skip, {"warnings": [message(error)]}, *_idle(), skip


def in_lanes(run: RunRecord, finished: Race, question: str, truth: str) -> dict[str, Any]:
    """Return a race of ``run`` for the lanes."""
    classes = run.train.classes
    named = parse_answer(finished.full_answer, classes, question, run.answer_key)
    return lanes.shown(
        finished,
        classes,
        n_tower=run.neurons.n_tower,
        truth=truth if truth in classes else "",
        full_label=classes[named] if named >= 0 else "",
        stops=lanes.marks(run, finished),
    )


def _raced(run: RunRecord, picture: Picture, question: str, layer: int, progress: Progress) -> Race:
    progress(0.0, "Loading the model")
    return race(run, model_of(run.config), picture, question, layer, progress)


def _contestant(run: RunRecord, example: int, upload: str | None) -> tuple[Picture, str, str]:
    if upload is None:
        if example not in range(len(run.shown)):
            raise UserError("This image is not in the list.", "The page is older than the result.", "Choose an image again.")
        check_has_pictures(run)
        return run.shown.pictures[example].decoded(), run.shown.questions[example], neuron.class_of(run.shown, example)
    question = run.config.question or run.shown.question or run.shown.questions[0]
    return read_picture(upload, "your image"), question, ""


def _figure(run: RunRecord, finished: Race, truth: str) -> str:
    """Draw the whole race: votes and stamps of every block, and both answers."""
    more: dict[str, Any] = {"exit_ms": finished.exit_ms, "truth": truth, "first_layer": finished.layers.start}
    more |= {"full_ms": finished.full_ms, "full_answer": finished.full_answer}
    drawn = plots.info(finished.tally, finished.milliseconds, run.train.classes, finished.exit_layer, **more)
    return figures.text("race", drawn, "Votes and time")


def race_facts(run: RunRecord, finished: Race, truth: str) -> dict[str, Any]:
    """Return who said what, and when."""
    where = f"layer {run.neurons.layer_name(finished.exit_layer)}"
    ours, theirs = milliseconds(finished.exit_ms), milliseconds(finished.full_ms)
    facts = [
        views.fact("super neurons", finished.exit_answer, f"{ours}, {where}", "accent"),
        views.fact("full model", finished.full_answer or "no answer", theirs, "rival"),
    ]
    if truth:
        facts.append(views.fact("label", truth, "exit right" if finished.exit_answer == truth else "exit wrong"))
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
