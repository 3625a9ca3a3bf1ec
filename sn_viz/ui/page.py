"""The page: one story from top to bottom, the strip with the current result, deep links and export.

Takes the name of the default model; returns a Gradio page. It knows no figure and no model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import gradio as gr
import numpy as np

from sn_viz.activations.legs import lent
from sn_viz.config import choose_model
from sn_viz.formatting import metric_name, percent, percent_range, points, short_model
from sn_viz.glossary import as_html
from sn_viz.plots import reference
from sn_viz.plots.heatmap import SHOWN
from sn_viz.plots.words import exit_words
from sn_viz.types import Partial, RunRecord
from sn_viz.ui import api
from sn_viz.ui.components import (
    answer_row,
    edit_panel,
    edits,
    header,
    map_panel,
    run_panel,
    save_set,
    stale,
    story,
    take_panel,
    views,
)
from sn_viz.ui.components.answer_row import Guess
from sn_viz.ui.components.cards import Cards
from sn_viz.ui.components.chosen import MOST_IN_A_LINK, Selection, n_rows, picks_of
from sn_viz.ui.components.edits import Edits
from sn_viz.ui.components.link import TABS, Link, read_link, write_link
from sn_viz.ui.components.neuron import checked_cut, checked_neuron
from sn_viz.ui.sections import compare_section, examples_section, exit_section, learn_section, neurons_section
from sn_viz.ui.server import packs
from sn_viz.ui.server.arguments import Arguments
from sn_viz.ui.server.forget import forget_idle_for_ever
from sn_viz.ui.server.guard import guarded
from sn_viz.ui.server.hosts import served
from sn_viz.ui.server.launch import TEMPORARY_FILES_SECONDS
from sn_viz.ui.server.offered import Offered, Usual, chosen, models_here, usual_model
from sn_viz.ui.server.paths import own_upload_folder
from sn_viz.ui.server.quotas import visitor
from sn_viz.ui.server.session import finished
from sn_viz.ui.server.state import Server, new_server
from sn_viz.ui.server.uploads import Page
from sn_viz.ui.server.visits import browser_of
from sn_viz.voting.named import PLAIN, Committee, gain_of, is_chosen, is_plain
from sn_viz.voting.verdict import verdict

TITLE = "Super neurons"
SECTIONS = {"story": "Story", "neurons": "Neurons", "exit": "Early exit", "compare": "Compare", "learn": "Learn"}
"""The parts of the page in their order, by the name that a link gives them."""
COPY_LINK = "(query) => { window.snViz.copy(query); return query; }"
WHERE_NOW = "(...values) => [...values.slice(0, -2), window.snViz.section(), values.at(-1)]"
"""Puts the name of the part that people look at in place of the last value but one."""


EDITED_LINK = (
    "The result that this link was copied from was edited after looking ({:,}): test pictures were relabelled or left out after a "
    "result on them had been seen. What opens here is as it comes."
)
NOTHING_CHOSEN = Selection()


class States(NamedTuple):
    """What a session remembers: keys and small choices, never arrays."""

    run: gr.State
    """Key of the run that is shown."""
    shown_pack: gr.State
    """Name of its pack; None for people's own images."""
    shown_model: gr.State
    neuron: gr.State
    cut: gr.State
    """Its threshold, exactly, where it was chosen by hand; None is the found one."""
    job: gr.State
    """Key of the running job's stop flag."""
    source: gr.State
    """"pack", "own" or "file"."""
    pack: gr.State
    touched: gr.State
    """New whenever the source, the pack or the number of classes was set: then everybody looks at the set again."""
    link: gr.State
    """What the address asked for."""
    edits: gr.State
    """What was changed by hand in the set of examples."""
    guess: gr.State
    """What the answer fields were filled in with."""
    asked_by: gr.State
    """Key of the file whose questions were taken."""
    setup: gr.State
    """Of the run that is shown: while the widgets say something else, it is marked as old."""
    later: gr.State
    """Key of the run, once its heatmap and a neuron of it are shown: what stands further down follows that."""


def build(model: str | None = None, public: bool | None = None) -> Page:
    """Build the page.

    Parameters
    ----------
    model : str, optional
        Name or folder of the default model; by default the embedded one.
    public : bool, optional
        Whether it is served beyond this machine: then only what is offered may be chosen. By default as the environment says;
        ``launch`` sees to it either way.
    """
    own_upload_folder()
    lent()
    server = new_server()
    default = choose_model(model).name
    public = served().is_public if public is None else public
    models = models_here(default)
    usual = usual_model(models, model)
    first = Arguments(models[usual(packs.FIRST_PACK)])
    with Page(title=TITLE, analytics_enabled=False, delete_cache=(600, TEMPORARY_FILES_SECONDS), fill_width=True) as page:
        page.offered = models
        states = _states()
        top = header.layout(SECTIONS)
        with gr.Column(elem_id="tab-story"):
            story.layout()
        with gr.Column(elem_id="workbench"):
            bar = run_panel.ask_bar(models, packs.question_of(packs.packs()[packs.FIRST_PACK]), not public)
            with gr.Column(elem_id="tab-examples", elem_classes="sn-drawer"):
                header.drawer_head()
                examples = examples_section.layout(public)
                answers = answer_row.layout()
                editing = edit_panel.layout()
                saving = save_set.layout()
                panel = run_panel.layout(bar, not public)
                gr.HTML(f'<p class="sn-private">{examples_section.PRIVACY}</p>')
            take = take_panel.layout(top.export, public)
            strip, mark, again = _strip()
            with gr.Column(elem_id="tab-neurons", elem_classes="sn-section"):
                neurons = neurons_section.layout()
            with gr.Column(elem_id="tab-exit", elem_classes="sn-section"):
                leave = exit_section.layout()
            with gr.Column(elem_id="tab-compare", elem_classes="sn-section"):
                methods = compare_section.layout()
            with gr.Column(elem_id="tab-learn"):
                learn = learn_section.layout()
            with gr.Accordion("Words", open=False, elem_id="words"):
                gr.HTML(str(as_html()), elem_classes="sn-words")
        cards = gr.State(Cards())
        changed = examples_section.connect(
            examples,
            states.source,
            states.pack,
            states.touched,
            panel.question,
            panel.choices[0],
            usual,
            public,
        )
        examples_section.connect_cards(server, examples, cards, states.edits, states.touched)
        run_panel.connect(server, panel, examples, states, cards, models, answers.boxes)
        run_panel.connect_marks(panel, examples, states, cards, mark, changed, answers.boxes)
        moves = neurons_section.connect(server, neurons, states.run, states.neuron, states.cut, states.link)
        moves[0].then(_same, states.run, states.later, api_visibility="private", show_progress="hidden")
        set_up = examples_section.inputs(examples, states.source, states.pack, cards)
        map_panel.connect(server, neurons.map, states._replace(run=states.later), set_up, leave.race)
        ready = exit_section.connect(server, leave, states.later, states.link)
        compare_section.connect(server, methods, states.later)
        learn_section.connect(server, learn, states.run, states.shown_pack, ready)
        states.run.change(
            server.bind(show_strip),
            [states.run, states.shown_pack],
            [strip, again],
            api_visibility="private",
            show_progress="hidden",
        )
        again.click(
            server.bind(record_again),
            [states.run, cards],
            [states.touched, top.go, states.source, examples.tabs, panel.status, cards, examples.board],
            api_visibility="private",
            show_progress="hidden",
        )
        opened, from_lesson = _connect_opening(server, page, states, top.go, examples, panel, models, usual, learn)

        def set_up(event: Any) -> None:
            """Once the event is over, take what the widgets say for what the shown run was made with."""
            widgets = run_panel.setup_widgets(panel, examples, states, cards, answers.boxes)
            event.then(run_panel.setup_in, widgets, states.setup, api_visibility="private", show_progress="hidden")

        set_up(opened)
        set_up(from_lesson)
        answer_row.connect(server, answers, examples, states, cards, panel.question, changed)
        read = edit_panel.connect(server, editing, examples, states, cards, changed)
        save_set.connect(server, saving, examples, states, cards, panel.question)
        _connect_questions(server, read, states, examples, panel, cards)
        _connect_sharing(server, states, top, neurons, moves, leave)
        take_panel.connect(
            server, take, states.run, [states.run, states.shown_pack, states.shown_model, panel.question], states.job, set_up
        )
        api.publish(server, models, usual)
    _without_trackers(page)
    page.kept, page.on_launch = server, lambda: _begin(server, page, first)
    return page


def _without_trackers(page: Page) -> None:
    """Let no event put Gradio's own progress on its outputs.

    The status line shows progress here. With every event Gradio would copy the values of all components that any event ever had as
    an output, to tell them a status that nobody sees.
    """
    for function in page.fns.values():
        function.show_progress_on = []


def _begin(server: Server, page: Page, first: Arguments) -> None:
    """Begin what goes on while the page is served: the first pack's run, unless another is shown first, and forgetting."""
    forget_idle_for_ever(server)
    if not page.first_run:
        server.prefetch.want(packs.FIRST_PACK, first)


def _states() -> States:
    return States(
        gr.State(""),
        gr.State(None),
        gr.State(None),
        gr.State(0),
        gr.State(None),
        gr.State(""),
        gr.State("pack"),
        gr.State(packs.FIRST_PACK),
        gr.State(""),
        gr.State(None),
        gr.State(Edits()),
        gr.State(Guess()),
        gr.State(""),
        gr.State(None),
        gr.State(""),
    )


def _same(key: str) -> str:
    return key


def _connect_questions(server: Server, read: Any, states: States, examples: Any, panel: run_panel.Panel, cards: gr.State) -> None:
    """Whenever a set was read, let the questions of a new file win over one left in the box."""
    asked = [panel.question, states.asked_by, *examples_section.inputs(examples, states.source, states.pack, cards)]
    read(
        server.bind(run_panel.own_questions),
        asked,
        [panel.question, states.asked_by, panel.status],
        queue=False,
        api_visibility="private",
        show_progress="hidden",
    )


def _strip() -> tuple[gr.HTML, gr.HTML, gr.Button]:
    with gr.Column(elem_classes="sn-strip-row"):
        mark = stale.view("stale-mark")
        strip = views.facts_view("run-facts", {"title": "Opening the first sample pack", "note": "The first result appears here."})
        again = gr.Button("Record again for a test", size="sm", variant="primary", elem_id="btn-record-again", visible=False)
    return strip, mark, again


def _connect_opening(
    server: Server,
    page: gr.Blocks,
    states: States,
    go: gr.HTML,
    examples: examples_section.Examples,
    panel: run_panel.Panel,
    models: Offered,
    usual: Usual,
    learn: learn_section.Learn,
) -> tuple[Any, Any]:
    """Wire what happens when the page opens, and when a step of the lesson opens its place; returns both events."""
    private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    waiting_for = gr.State("")
    timer = gr.Timer(1.0, active=False)

    @guarded
    def open_page(request: gr.Request) -> tuple:
        """Open what the address asks for."""
        server.visits.opened(browser_of(request.cookies), visitor(request))
        return open_link(dict(request.query_params))

    @guarded
    def open_step(event: gr.EventData) -> Iterator[tuple]:
        """Open what a step of the lesson asks for, in place of what people chose: no run first, then the one it asks for."""
        query = learn_section.query_of(event)
        opened = open_link(query)
        yield *(gr.skip(),) * len(outputs), "", *(gr.skip(),) * 5
        yield *opened, "pack", gr.Tabs(selected="pack"), query.get("asked", "")

    def open_link(parameters: Mapping[str, str]) -> tuple:
        """Return what a link asks for: a sample pack, at its layer, neuron, threshold and tab."""
        link = read_link(parameters, tuple(packs.packs()), models.opened_by_a_link(parameters.get("model")))
        if link.edited:
            gr.Warning(EDITED_LINK.format(link.edited), duration=None)
        name = link.pack or packs.FIRST_PACK
        model = link.model or usual(name)
        first = None if link.pack else server.runs.find(page.first_run)
        key = server.prefetch.want(name, Arguments(chosen(models, model))) if first is None else page.first_run
        question = packs.question_of(packs.packs()[name])
        shown = (question, model, name, model) if first is None else (_asked_by(first), model, None, first.config.model_name)
        opened = (examples_section.touch(), link, name, packs.cards(name), *shown)
        return *opened, going(link.tab or (None if first is None else "neurons")), key, *_arrived(server, key)

    def poll(key: str) -> tuple:
        """Look whether the awaited run is there."""
        return _arrived(server, key)

    outputs = [
        states.touched,
        states.link,
        states.pack,
        examples.cards,
        panel.question,
        panel.choices[0],
        states.shown_pack,
        states.shown_model,
        go,
        waiting_for,
    ]
    arriving = [states.run, panel.status, timer]
    timer.tick(poll, waiting_for, arriving, **private)
    at_once = page.load(open_page, None, [*outputs, *arriving], **private)
    from_lesson = [*outputs, *arriving, states.source, examples.tabs, learn.asked]
    return at_once, learn.rail.pick(open_step, None, from_lesson, **private)


def _asked_by(run: RunRecord) -> str:
    """Return the question that a run asks of every image, "" where it asks each its own."""
    return run.config.question or run.train.question


def _arrived(server: Server, key: str) -> tuple:
    """Return (run key, status, timer): the run when it is there, else how far it is."""
    if server.runs.find(key) is not None:
        return key, run_panel.IDLE, gr.Timer(active=False)
    said = server.prefetch.said(key)
    return gr.skip(), said, gr.Timer(active=said["tone"] == "busy")


def _connect_sharing(server: Server, states: States, top: header.Header, neurons: Any, moves: list[Any], leave: Any) -> None:
    private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    link_text, here = gr.Textbox(visible=False), gr.State("")
    shown = [states.neuron, leave.layer, states.cut, neurons.shown]
    asked = [states.run, states.shown_pack, states.shown_model, *shown, here, neurons.map.selection]
    top.copy.click(server.bind(link_to), asked, link_text, js=WHERE_NOW, **private).success(
        None, link_text, link_text, js=COPY_LINK, **private
    )
    gr.on(
        [states.run.change, leave.layer.change, neurons.shown.change, neurons.map.table.change],
        server.bind(address_of),
        asked,
        top.address,
        js=WHERE_NOW,
        queue=False,
        trigger_mode="always_last",
        **private,
    )
    for move in moves:  # changes of a state are not heard where they come without a turn in the queue
        move.then(
            server.bind(address_of), asked, top.address, js=WHERE_NOW, queue=False, trigger_mode="always_last", **private
        )  # the last of several at once counts, as of a drag that ends in a double click


def going(section: str | None) -> dict[str, str] | Any:
    """Return what brings people to ``section``; nothing where a link names none."""
    return {"section": section, "at": examples_section.touch()} if section else gr.skip()


class Linked(NamedTuple):
    """What a link tells of what is shown, in the order of the widgets that hold it."""

    pack: str | None
    model: str | None
    neuron: int
    layer: float
    """The exit's."""
    cut: float | None
    view: str
    tab: str
    selection: Selection = NOTHING_CHOSEN


@guarded
def link_to(server: Server, run_key: str, *shown: Any) -> str:
    """Return the query of a link to what is shown; people's own images are never linked, only where to look."""
    run, linked = finished(server.runs.get(run_key)), Linked(*shown)
    said = "Link copied." if linked.pack else "Link copied. It opens the app, not your images: those stay with you."
    gr.Info(" ".join(filter(None, (said, _not_linked(linked.pack, linked.selection)))), duration=6)
    return _query(run, linked)


def _not_linked(pack: str | None, selection: Selection) -> str:
    """Say where a link leaves the chosen pictures behind."""
    n = len(selection.rows)
    if n and not pack:
        return "The chosen pictures stay too: press Save, and send the run."
    return f"It goes without the {n:,} chosen pictures: a link carries {MOST_IN_A_LINK}." if n > MOST_IN_A_LINK else ""


@guarded
def address_of(server: Server, run_key: str, *shown: Any) -> str:
    """Return the query of a link to what is shown, for the browser's address."""
    run, linked = server.runs.find(run_key), Linked(*shown)
    has_come = run is not None and not isinstance(run, Partial) and linked.neuron < len(run.neurons)
    return _query(run, linked) if has_come else gr.skip()  # until then the neuron is an earlier run's


def _query(run: RunRecord, linked: Linked) -> str:
    pack, model, neuron, layer, cut, view, tab, selection = linked
    section, edited = tab if tab in TABS else None, run.edited_after_looking or None
    if not pack:
        return write_link(Link(tab=section, edited=edited))
    rows = selection.rows if selection.rows and selection.rows[-1] < n_rows(run) else ()
    column = checked_neuron(run, neuron)
    home, site = int(run.neurons.layer[column]), run.neurons.site_names[run.neurons.site[column]]
    return write_link(
        Link(
            pack,
            model,
            home if home >= 1 else None,  # a link opens the pack as it comes, which reads no vision tower
            site,
            column,
            checked_cut(cut),
            int(layer) if layer >= 1 else None,
            view if view in SHOWN and view != "best" else None,
            section,
            picks_of(run, rows) or None,
            edited,
        )
    )


@guarded
def record_again(server: Server, run_key: str, cards: Cards) -> tuple:
    """Open the drawer and show a second recording for each class that was recorded once."""
    return (
        examples_section.touch(),
        going("examples"),
        "own",
        *examples_section.open_again(server, examples_section.recorded_once(server.runs.get(run_key).train), cards),
    )


@guarded
def show_strip(server: Server, run_key: str, pack: str | None) -> tuple:
    """Return the current result in one line of figures, and the button for another recording where one is needed."""
    if not run_key:
        return gr.skip(), gr.skip()
    run = server.runs.get(run_key)
    if isinstance(run, Partial):
        return strip_so_far(run, pack), gr.Button(visible=False)
    seen = verdict(run)
    by_hand = edits.is_edited(run.train) or edits.is_edited(run.test)
    yours = "Your images, changed by hand" if by_hand else "Your images"
    where = f"Sample pack “{pack}”" if pack else yours
    question = run.config.question or run.shown.question or "a question per image"
    once = run.no_held_out and pack is None and examples_section.recorded_once(run.train)
    shown = {
        "title": question,
        "note": f"{where} · {len(run.train)} probing and {len(run.test)} test images · {short_model(run.config.model)}",
        "verdict": views.verdict_mark(seen),
        "facts": strip_facts(run),
        "warnings": list(dict.fromkeys([*seen.reasons, *run.warnings])),
    }
    return shown, gr.Button(visible=bool(once))


def strip_so_far(run: Partial, pack: str | None) -> dict:
    """Return the strip of a run that fills: no verdict, and every number said to be of what there is so far."""
    early, best = run.by_layer[run.exit_index].accuracy, np.nanmax(run.stumps.score, initial=-np.inf)
    facts = [views.fact("best neuron so far", percent(float(best)) if np.isfinite(best) else "none", "on probing images", "accent")]
    if len(run.test):
        facts.insert(
            0,
            views.fact(
                "super neurons so far",
                percent(early.value),
                f"{percent_range(early.low, early.high)}, stop at {exit_words(run, run.exit_layer)}{_mark(run)}",
                "accent",
            ),
        )
        if run.opponent is not None:
            facts.append(_full_model_fact(run))
    facts.append(views.fact("read so far", f"{run.n_read:,}", f"of {run.n_pictures:,} probing images"))
    facts.append(views.fact("searched", f"{len(run.neurons):,}", "neurons"))
    where = f"Sample pack “{pack}”" if pack else "Your images"
    return {
        "title": run.config.question or run.shown.question or "a question per image",
        "note": f"{where} · {run.said} · {short_model(run.config.model)}",
        "facts": facts,
    }


def strip_facts(run: RunRecord) -> list[dict]:
    """Return the headline figures; a speed-up only beside an accuracy that holds."""
    early = run.by_layer[run.exit_index].accuracy
    stop, mark = f"stop at {exit_words(run, run.exit_layer)}", _mark(run)
    if run.no_held_out:
        facts = [views.fact("held-out accuracy", "none", f"nothing was left to test on, {stop}", "accent")]
        facts.append(views.fact("looked at", f"{len(run.train):,}", "probing images"))
    else:
        facts = [
            views.fact("super neurons", percent(early.value), f"{percent_range(early.low, early.high)}, {stop}{mark}", "accent")
        ]
        facts.append(_full_model_fact(run))
    full, exit_ms = run.opponent, run.latency_ms.get("early_exit", np.nan)
    full_ms = run.latency_ms.get("full_model", np.nan) if full is None or full.name == "full-model" else full.latency_ms
    for fact in exit_section.speed_facts(verdict(run), exit_ms, full_ms):
        facts.append({**fact, "label": fact["label"].split()[0]})
    facts.append(views.fact("searched", f"{len(run.neurons):,}", f"neurons; {_who_votes(run)}"))
    if (gain := gain_of(run)) is not None:
        note = f"{points(gain.low)} to {points(gain.high)}, {PLAIN.voters} plain votes at this exit{mark}"
        facts.append(views.fact("gains by its vote", f"{points(gain.value)} points", note))
    return facts


def _who_votes(run: RunRecord) -> str:
    """Return how many neurons vote and how."""
    voters = len(run.voters[run.exit_index])
    how = (
        "the paper's plain vote"
        if Committee.of(run.config) == PLAIN
        else "by accuracy of their cuts"
        if is_plain(run.config)
        else f"{run.config.weighting.replace('-', ' ')} by {metric_name(run.config.metric)}"
    )
    return f"{voters} vote, {how}" + (", chosen on your pictures" if is_chosen(run) else "")


def _full_model_fact(run: RunRecord) -> dict:
    """Return the full model's accuracy; the calibrated one where it cannot be told what its words mean."""
    full = run.opponent
    label = "full model, calibrated" if full is not None and full.name == "full-model-calibrated" else "full model"
    if full is None:
        return views.fact(label, "not run", "", "rival")
    seen = reference.measured(full)
    if not np.isfinite(seen.value):
        return views.fact(label, "cannot tell", "what its words mean", "rival")
    return views.fact(
        label, percent(seen.value), f"{percent_range(seen.low, seen.high)}, {_how(run, full.name)}{_mark(run)}", "rival"
    )


def _mark(run: RunRecord) -> str:
    """Return what stands behind a held-out figure whose test images were edited after looking."""
    return f", {run.held_out_mark}" if run.held_out_mark else ""


def _how(run: RunRecord, name: str) -> str:
    """Say that all layers ran, or that the reading of the answers is inferred or given: the Compare tab says from what, or how."""
    if name in reference.READ_BY_KEY and run.answer_key is not None and run.answer_key.source == "given":
        return "answers given"
    return "answers inferred" if reference.is_inferred(run, name) else "all layers"
