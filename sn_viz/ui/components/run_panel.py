"""The run panel: the question, the model, the choices, and the two buttons that start and stop a run.

Takes widget values; streams progress and ends with the key of a finished run. It knows nothing about figures.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any, NamedTuple

import gradio as gr

from sn_viz import config
from sn_viz.activations.sites import SITES, TOWER_SITES
from sn_viz.baselines import BASELINES
from sn_viz.config import Choice
from sn_viz.models.hub.obtain import is_here, obtain
from sn_viz.pipeline import find
from sn_viz.plots.reference import method_name
from sn_viz.search import METRIC_WORDS
from sn_viz.types import LabelledImages, Partial, Progress, RunRecord
from sn_viz.ui.components import answer_row, committee_choice, edits, stale, views
from sn_viz.ui.components.answer_row import Guess
from sn_viz.ui.components.cards import MAX_CLASSES
from sn_viz.ui.components.edits import Edits
from sn_viz.ui.components.stale import Setup
from sn_viz.ui.sections import examples_section
from sn_viz.ui.sections.examples_section import Where
from sn_viz.ui.server import packs
from sn_viz.ui.server.arguments import MAX_QUESTION, Arguments, checked
from sn_viz.ui.server.guard import guarded, message
from sn_viz.ui.server.jobs import Done, Step, steps
from sn_viz.ui.server.looked import marked
from sn_viz.ui.server.offered import Offered, labels
from sn_viz.ui.server.quotas import visitor
from sn_viz.ui.server.session import FILLS, Shelf
from sn_viz.ui.server.state import Server

N_CHOICES = 11 + len(config.LOADING)
"""Widgets of ``Panel.choices``."""
TOWER_HINT = "Tower sites lie in the vision tower, before the language model: fastest, but they never know the question."
IDLE = views.status("Choose examples, ask, and find.", tone="idle")


class Panel(NamedTuple):
    """The widgets of the panel; ``choices`` in the order of ``arguments.checked``."""

    question: gr.Textbox
    choices: list[Any]
    find: gr.Button
    cancel: gr.Button
    status: gr.HTML


def _described(registry: Any) -> list[tuple[str, str]]:
    return [(name.replace("-", " "), name) for name in registry.names()]


def _named(choice: Choice) -> list[tuple[str, str]]:
    """Return what a choice may be, for people and as it is called."""
    return [(name.replace("-", " "), name) for name in (choice.names or tuple)()]


def _offered(choice: Choice) -> list[tuple[str, str]]:
    """Return what a choice may be on this machine, as it is called."""
    return [(name, name) for name in (choice.here or choice.names or tuple)()]


def _slider(choice: Choice, elem_id: str) -> gr.Slider:
    low, high = choice.visitors or (choice.low, choice.high)
    return gr.Slider(low, high, value=choice.default, step=choice.step, label=choice.label, elem_id=elem_id, buttons=[])


class Bar(NamedTuple):
    """The widgets of the line in which people ask."""

    question: gr.Textbox
    model: gr.Dropdown
    find: gr.Button
    cancel: gr.Button
    status: gr.HTML


def ask_bar(models: Mapping[str, str], question: str, any_name: bool = False) -> Bar:
    """Place question, model and the buttons; ``any_name`` lets people type the name of a model that is not offered."""
    with gr.Row(elem_classes="sn-tight sn-ask", equal_height=True):
        text = gr.Textbox(
            question,
            label="Question",
            placeholder="Is there a dog in the picture?",
            lines=1,
            max_lines=3,
            max_length=MAX_QUESTION,
            elem_id="question",
            scale=6,
            min_width=240,
        )
        model = gr.Dropdown(
            labels(models, any_name),
            value=next(iter(models)),
            label="Model: one of these, or OWNER/NAME" if any_name else "Model",
            allow_custom_value=any_name,
            elem_id="model",
            scale=3,
            min_width=200,
        )
        find_button = gr.Button("Find super neurons", variant="primary", elem_id="btn-find", scale=1, min_width=170)
        cancel = gr.Button("Cancel", elem_id="btn-cancel", interactive=False, scale=1, min_width=90)
    status = views.status_view("status", IDLE)
    return Bar(text, model, find_button, cancel, status)


def layout(bar: Bar, any_name: bool = False) -> Panel:
    """Place the choices that few people need, and return them with those of ``bar``."""
    with gr.Accordion("How the model is loaded", open=False, elem_id="loading", visible=any_name):
        loading = [
            gr.Dropdown(_offered(choice), value=choice.default, label=choice.label, info=choice.help, elem_id=f"load-{choice.name}")
            for choice in config.LOADING
        ]
    committee = committee_choice.layout()
    with gr.Accordion("Advanced", open=False, elem_id="advanced"):
        sites = gr.CheckboxGroup(
            [*_described(SITES), *_described(TOWER_SITES)],
            value=SITES.usual(),
            label=config.SITES.label,
            info=TOWER_HINT,
            elem_id="sites",
        )
        rule = gr.Dropdown(_named(config.RULE), value=config.RULE.default, label=config.RULE.label, elem_id="rule")
        metric = gr.Dropdown(
            _named(config.METRIC),
            value=config.METRIC.default,
            label=config.METRIC.label,
            info=f"effect size: {METRIC_WORDS['effect-size']}",
            elem_id="metric",
        )
        voters = _slider(config.VOTERS, "voters")
        weighting = gr.Radio(
            _named(config.WEIGHTING), value=config.WEIGHTING.default, label=config.WEIGHTING.label, elem_id="weighting"
        )
        exit_layer = gr.Textbox(
            config.EXIT_LAYER.default, label=config.EXIT_LAYER.label, max_length=20, max_lines=1, elem_id="exit-choice"
        )
        test_size = _slider(config.TEST_SIZE, "test-size")
        seed = gr.Number(config.SEED.default, label=config.SEED.label, precision=0, minimum=0, elem_id="seed")
        compare = gr.CheckboxGroup(
            [(method_name(name) + ("" if name in BASELINES.usual() else " (slow: trains)"), name) for name in BASELINES.names()],
            value=BASELINES.usual(),
            label=config.COMPARE.label,
            elem_id="compare-with",
        )
    committee_choice.connect(committee, [rule, metric, voters, weighting])
    choices = [bar.model, sites, rule, metric, voters, weighting, exit_layer, test_size, seed, compare, committee, *loading]
    return Panel(bar.question, choices, bar.find, bar.cancel, bar.status)


class Asked(NamedTuple):
    """The values of ``setup_widgets``: what would be run."""

    made: Edits
    question: str
    choices: tuple[Any, ...]
    guess: Guess
    """What the answer fields were filled in with."""
    written: tuple[str, ...]
    """What stands in them."""
    where: Where

    @classmethod
    def of(cls, values: Sequence[Any]) -> Asked:
        """Return what the values say."""
        made, question, *rest = values
        choices, (guess, *rest) = rest[:N_CHOICES], rest[N_CHOICES:]
        return cls(made, question, tuple(choices), guess, tuple(rest[:MAX_CLASSES]), Where.of(rest[MAX_CLASSES:]))

    @property
    def answers(self) -> tuple[tuple[str, str], ...]:
        """(class, answer) of the fields that the user has written in."""
        return answer_row.given(self.guess.classes, self.guess, self.written)

    def setup(self) -> Setup:
        """Return the set-up, to be compared with another."""
        return stale.setup_of(self.made, self.question, self.choices, self.answers, self.where)


def setup_widgets(
    panel: Panel, tab: examples_section.Examples, states: Any, cards: gr.State, answers: list[gr.Textbox]
) -> list[Any]:
    """Return the widgets whose values say what would be run, in the order of ``Asked.of``."""
    where = examples_section.inputs(tab, states.source, states.pack, cards)
    return [states.edits, panel.question, *panel.choices, states.guess, *answers, *where]


def setup_in(*values: Any) -> Setup:
    """Return the set-up that the values of ``setup_widgets`` say."""
    return Asked.of(values).setup()


def mark(shown: Setup | None, *values: Any) -> dict[str, str]:
    """Return the mark of old results: what has changed since the shown run."""
    return stale.told(shown, setup_in(*values))


def connect_marks(
    panel: Panel,
    tab: examples_section.Examples,
    states: Any,
    cards: gr.State,
    mark_view: gr.HTML,
    changed: list[Any],
    answers: list[gr.Textbox],
) -> None:
    """Mark old results whenever question, choices, answers, examples or what was changed in them differ from the shown run's."""
    asked = [states.setup, *setup_widgets(panel, tab, states, cards, answers)]
    written = [box.change for box in answers]
    kept = states.setup.change, states.edits.change, states.guess.change
    gr.on(
        [panel.question.change, *(choice.change for choice in panel.choices), *kept, *written, *changed],
        mark,
        asked,
        mark_view,
        trigger_mode="always_last",
        queue=False,
        api_visibility="private",
        show_progress="hidden",
    )


def own_questions(server: Server, request: gr.Request, question: str, asked_by: str, *where: Any) -> tuple:
    """Let the questions of a newly read file win over one left in the box, once, and say so.

    Returns the question, the key of the file whose questions were taken, and the status.
    """
    place = Where.of(where)
    images = server.sets.find(f"{visitor(request)}|{place.key}") if place.source == "file" else None
    if images is None or place.key == asked_by:
        return (gr.skip(),) * 3
    if not _asks(images):
        return gr.skip(), place.key, gr.skip()
    return images.question, place.key, views.status(*_put_aside(images, question), tone="idle")


def _asks(images: LabelledImages) -> bool:
    return any(text.strip() for text in images.questions)


def _put_aside(images: LabelledImages, question: str) -> tuple[str, str]:
    """Return what a file asks, and that the question in the box was put aside for it."""
    left, now = " ".join((question or "").split()), images.question
    said = f"The file asks: {now}" if now else f"The file brings {len(set(images.questions) - {''}):,} questions of its own."
    return said, f"The question left in the box, “{left}”, was put aside." if left and left != now else ""


def connect(
    server: Server,
    panel: Panel,
    tab: examples_section.Examples,
    states: Any,
    cards: gr.State,
    models: Mapping[str, str],
    answers: list[gr.Textbox],
) -> None:
    """Wire Find and Cancel; a finished run's key goes into ``states.run``."""
    private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    buttons = [panel.find, panel.cancel]
    started = panel.find.click(server.bind(begin), None, [states.job, panel.status, *buttons], queue=False, **private)
    widgets = setup_widgets(panel, tab, states, cards, answers)
    started.then(
        _bound(server, models),
        [states.job, states.asked_by, *widgets],
        [panel.status, states.run, states.shown_pack, states.shown_model, *buttons, states.setup, panel.question, states.asked_by],
        concurrency_limit=None,
        **private,
    )
    panel.cancel.click(server.bind(cancel), states.job, None, queue=False, **private)


def _bound(server: Server, models: Mapping[str, str]) -> Any:
    @guarded
    def run(request: gr.Request, *values: Any) -> Iterator[tuple]:
        """Run and report; a finished run comes with the set-up it was made of."""
        yield from stream(server, models, visitor(request), *values)

    return run


def begin(server: Server) -> tuple:
    """Return a new job key, and the buttons of a running job."""
    return (
        server.stops.new(),
        views.status("Queued", tone="busy", fraction=0.0),
        gr.Button(interactive=False),
        gr.Button(interactive=True),
    )


def cancel(server: Server, job: str) -> None:
    """Ask the job to stop; it does within a batch, and says so itself."""
    server.stops.stop(job)


def stream(server: Server, models: Mapping[str, str], owner: str, job: str, asked_by: str, *values: Any) -> Iterator[tuple]:
    """Run what the widgets say.

    Yields (status, run key, pack, model, find button, cancel button, set-up, question, key of the file whose questions were taken).
    """
    keep, leave = (gr.skip(),) * 8, (gr.skip(),) * 2
    try:
        asked = Asked.of(values)
        arguments = checked(models, asked.question, *asked.choices)
        stop = server.stops.flag(job)
        for step in chain(_fetch(server, models, arguments.model, owner, stop), _read(server, asked.where, owner, stop)):
            yield views.status(step.text, f"{step.seconds:.0f} s", step.fraction, "busy"), *keep
        images = examples_section.loaded(server, asked.where, owner)
        if (
            asked.where.source == "file" and asked.where.key != asked_by and _asks(images)
        ):  # Find came before its questions were seen
            yield (
                views.status(*_put_aside(images, asked.question), tone="busy"),
                *keep[:6],
                images.question,
                asked.where.key,
            )
            asked = asked._replace(question=images.question)
            arguments = checked(models, asked.question, *asked.choices)
        if asked.guess.classes != images.classes:  # the fields still speak of another set
            asked = asked._replace(guess=Guess())
        filling = Filling(server.runs, owner)
        for step in steps(server.turns, _work(server, asked, arguments, owner, filling), stop, owner):
            if isinstance(step, Done):
                shown = asked.where.pack if step.value.startswith(packs.KEY) else None
                done = views.status("Done", f"in {step.seconds:.1f} s", tone="done")
                yield done, step.value, shown, asked.choices[0], *_idle_buttons(), asked.setup(), *leave
                continue
            said = views.status(step.text, f"{step.seconds:.0f} s", step.fraction, "busy")
            more = filling.news()
            if more:
                shown = asked.where.pack if asked.where.source == "pack" else None
                yield said, more, shown, asked.choices[0], gr.skip(), gr.skip(), asked.setup(), *leave
            else:
                yield said, *keep
    except Exception as error:  # put into words on the page; faults of ours are logged by ``message``
        yield views.status(message(error), tone="error"), *keep[:3], *_idle_buttons(), gr.skip(), *leave


def _idle_buttons() -> tuple[gr.Button, gr.Button]:
    return gr.Button(interactive=True), gr.Button(interactive=False)


def _read(server: Server, where: Where, owner: str, stop: threading.Event) -> Iterator[Step]:
    """Read the images before the model's turn, which then finds them at hand: large files hold up nobody's run."""
    if where.source != "pack" and examples_section.at_hand(server, where, owner) is None:
        for step in steps(server.reading, examples_section.reading(server, where, owner), stop, owner):
            if isinstance(step, Step):
                yield step


def _fetch(server: Server, models: Mapping[str, str], model: str, owner: str, stop: threading.Event) -> Iterator[Step]:
    """Fetch a model of the hub before the model's turn, as visitors may; nothing where it is here."""
    most = models.most_bytes if isinstance(models, Offered) else None
    if not is_here(model):
        for step in steps(server.fetching, lambda progress: obtain(model, progress, most_bytes=most), stop, owner):
            if isinstance(step, Step):
                yield step


def told_of_question(images: LabelledImages, question: str | None) -> LabelledImages:
    """Return the images with a note when ``question`` is asked instead of what they came with."""
    own = {text for text in images.questions if text.strip()} - {question}
    if question is None or not own:
        return images
    what = "the question" if len(own) == 1 else f"the {len(own):,} questions"
    return replace(images, notes=(*images.notes, f"“{question}” was asked of every image instead of {what} that came with them."))


class Filling:
    """The place of a run that fills, from the thread of its job to the page.

    Parameters
    ----------
    runs : Shelf
        Where what there is so far is kept, each in the place of the one before it.
    owner : str
        Whose run it is.
    """

    def __init__(self, runs: Shelf[RunRecord], owner: str) -> None:
        self._runs, self._owner = runs, owner
        self.key, self._came, self._told = "", 0, 0

    def offer(self, run: Partial) -> None:
        """Keep what there is so far."""
        self.key = self._runs.put(run, self.key or None, self._owner)
        self._came += 1

    def news(self) -> str:
        """Return the key under which the page sees more than it did before; "" when nothing has come since."""
        came = self._came
        if came == self._told:
            return ""
        self._told = came
        return f"{self.key}{FILLS}{came}"

    def ended(self, run: RunRecord) -> str:
        """Keep the finished run in the place of the partial ones; returns its key."""
        return self._runs.put(run, self.key or None, self._owner)

    def ended_elsewhere(self, key: str) -> str:
        """Forget the partial ones, as the finished run has the key ``key``, which is returned."""
        self._runs.drop(self.key)
        return key


def _work(server: Server, asked: Asked, arguments: Arguments, owner: str, filling: Filling) -> Any:
    where, chosen = asked.where, replace(arguments, answers=asked.answers)

    def work(progress: Progress) -> str:
        """Return the key of the finished run."""
        made_here = asked.made.belonging_to(where.name)
        if where.source == "pack" and not made_here.made:
            name = packs.checked(where.pack)
            return filling.ended_elsewhere(
                packs.run_pack(server.runs, name, packs.with_own_question(name, chosen), progress, filling.offer)
            )
        progress(0.0, "Reading your images")
        found = examples_section.loaded(server, where, owner)
        images = edits.apply(told_of_question(found, arguments.question), made_here).ask(arguments.question)
        examples_section.check_asked(images)
        test = edits.apply(packs.held_out(where.pack), made_here).ask(arguments.question) if where.source == "pack" else None
        looked, by_hand = server.looked.find(owner), {example.sha256 for example, _ in made_here.made}

        def offer(so_far: Partial) -> None:
            """Show what there is so far, with the mark of a test that was edited after looking."""
            filling.offer(marked(so_far, looked, by_hand))

        run = find(images, test=test, progress=progress, offer=offer, **chosen.keywords())
        return filling.ended(marked(run, looked, by_hand))

    return work
