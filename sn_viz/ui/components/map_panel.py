"""The map of all images, and the pictures chosen in it as a table.

Takes the key of a run; pictures and activations stay on the server. A click shows a picture; a lasso, a box or the table chooses
some, and the chosen ones are relabelled, left out, written down or sent to the race. What is changed goes into the session's
``Edits``, which the next Find applies; what is told of a picture is in ``chosen``.
"""

from __future__ import annotations

import secrets
from typing import Any, NamedTuple

import gradio as gr

from sn_viz.errors import UserError
from sn_viz.plots import projection, style
from sn_viz.types import LabelledImages, Partial, RunRecord
from sn_viz.ui.components import chosen, edits, neuron, race_panel, views
from sn_viz.ui.components.chosen import Selection
from sn_viz.ui.components.edits import Edit, Edits
from sn_viz.ui.components.maps import COLOURS, SETTLES, map_text, sheet
from sn_viz.ui.components.plotly_view import Pick, payload, when_ready
from sn_viz.ui.sections import examples_section
from sn_viz.ui.sections.examples_section import Where
from sn_viz.ui.server import packs
from sn_viz.ui.server.guard import guarded
from sn_viz.ui.server.looked import Looked, looked_at
from sn_viz.ui.server.quotas import visitor
from sn_viz.ui.server.state import Server

EMPTY = "Click a picture to see it larger. Draw around some to choose them."
TO_THE_RACE = "() => document.getElementById('race-chosen')?.scrollIntoView({ block: 'center' })"
SAVED = {"csv": ("text/csv", chosen.as_csv), "json": ("application/json", chosen.as_text)}


class MapPanel(NamedTuple):
    """The widgets of the map."""

    view: gr.HTML
    layer: gr.Dropdown
    colour: gr.Radio
    image: gr.HTML
    sheet: gr.HTML
    """Unseen: all pictures in one."""
    table: gr.HTML
    selection: gr.State


def layout() -> MapPanel:
    """Place the widgets."""
    with gr.Row(equal_height=False):
        with gr.Column(scale=5, min_width=320, elem_classes="sn-panel"):
            gr.HTML('<h3 class="sn-h3">All images, by what the neurons say</h3>')
            with gr.Row(elem_classes="sn-tight"):
                layer = gr.Dropdown(["all"], value="all", label="Neurons of", elem_id="map-layer", min_width=140, scale=1)
                colour = gr.Radio(
                    [(text, key) for key, text in COLOURS.items()],
                    value="class",
                    label="Colour",
                    elem_id="map-colour",
                    min_width=260,
                    scale=4,
                )
            call = "snViz.map(element, props, watch, (where) => trigger('pick', where), (which) => trigger('choose', which), "
            call += "() => trigger('pictures', {}))"
            view = gr.HTML(
                None,
                elem_id="fig-map",
                elem_classes=["sn-figure"],
                html_template='<div class="sn-map"><div class="sn-map-bar"></div><div class="sn-map-box">'
                '<div class="sn-plot sn-plot-waiting"></div><canvas aria-hidden="true"></canvas></div></div>',
                js_on_load=when_ready(call),
                apply_default_css=False,
            )
            gr.HTML(f'<p class="sn-hint">{SETTLES}</p>')
        with gr.Column(scale=6, min_width=320, elem_classes="sn-panel"):
            image = _view("map-image", "sn-pictures", "snViz.mapImage(element, props, watch)", {"groups": [], "empty": EMPTY})
            unseen = views.unseen_view("map-sheet", "snViz.mapSheet(element, props, watch)")
            act = "{pick: (w) => trigger('pick', w), choose: (w) => trigger('choose', w), edit: (w) => trigger('edit', w), "
            act += "race: (w) => trigger('race', w), keep: (w) => trigger('keep', w)}"
            table = _view("map-chosen", "sn-chosen", f"snViz.chosen(element, props, watch, {act})", None)
    return MapPanel(view, layer, colour, image, unseen, table, gr.State(Selection()))


def _view(elem_id: str, css_class: str, call: str, value: Any) -> gr.HTML:
    return gr.HTML(
        value,
        elem_id=elem_id,
        html_template=f'<div class="{css_class}"></div>',
        js_on_load=when_ready(call),
        apply_default_css=False,
    )


def connect(server: Server, panel: MapPanel, states: Any, where: list[Any], race: race_panel.RacePanel) -> None:
    """Wire the map to the run of ``states``; ``where`` are the widgets of the set that is set up (``examples_section.inputs``)."""
    run_key, made, selection = states.run, states.edits, panel.selection
    drawn_of, told = [run_key, panel.layer, panel.colour], [selection, panel.table]
    private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    at_once = {**private, "queue": False}
    run_key.change(server.bind(remember), [run_key], None, **at_once)
    run_key.change(server.bind(show_map_choices), [run_key], [panel.layer, panel.image], **private).then(
        server.bind(show_map), drawn_of, panel.view, **private
    )
    run_key.change(server.bind(show_chosen), [run_key, selection, made, states.link], told, **private)
    for choice in (panel.layer, panel.colour):
        choice.input(server.bind(show_map), drawn_of, panel.view, trigger_mode="always_last", **private)
    panel.view.pick(server.bind(pick_point), [run_key], panel.image, **at_once)
    panel.view.pictures(server.bind(show_sheet), [run_key], panel.sheet, **private)
    for view in (panel.view, panel.table):
        view.choose(server.bind(choose), [run_key, selection, made], told, trigger_mode="multiple", **at_once)
    panel.table.pick(server.bind(pick_row), [run_key], panel.image, **at_once)
    panel.table.edit(server.bind(edit), [run_key, selection, made, *where], [made, panel.table], **private)
    panel.table.race(server.bind(to_the_race), [run_key], race_panel.opened(race), **private).success(
        None, None, None, js=TO_THE_RACE, **private
    )
    panel.table.keep(server.bind(keep), [run_key, selection, made], panel.table, **at_once)
    made.change(server.bind(redraw), [run_key, selection, made], panel.table, **at_once)


@guarded
def remember(server: Server, request: gr.Request, run_key: str) -> None:
    """Remember that a result was shown: what is done to its test images from now on is done after looking."""
    run = server.runs.find(run_key)
    if run is not None:
        owner = visitor(request)
        server.looked.put(looked_at(server.looked.find(owner) or Looked(), run), owner)


@guarded
def show_map_choices(server: Server, run_key: str) -> tuple:
    """Return the layers a map can be drawn of."""
    if not run_key:
        return gr.skip(), gr.skip()
    neurons = server.runs.get(run_key).neurons
    layers = [(f"layer {neurons.layer_name(layer)}", str(layer)) for layer in neurons.layers]
    choices = [("all layers", "all"), ("the super neurons", "super"), *layers]
    return gr.Dropdown(choices=choices, value="all"), {"groups": [], "empty": EMPTY}


@guarded
def show_map(server: Server, run_key: str, layer: str, colour: str) -> str | dict:
    """Return the map of all images; of a run that fills only that it comes at the end."""
    if not run_key:
        return gr.skip()
    run = server.runs.get(run_key)
    if isinstance(run, Partial):
        return payload(
            lambda dark: style.empty(projection.TITLE, "The map is drawn at the end of the run.", dark), projection.TITLE
        )
    return map_text(server.maps, run_key, run, layer, colour)


@guarded
def show_sheet(server: Server, run_key: str) -> dict[str, Any]:
    """Return all pictures of the run in one sheet."""
    return sheet(run_key, server.runs.get(run_key))


@guarded
def show_chosen(server: Server, run_key: str, selection: Selection, made: Edits, link: Any) -> tuple:
    """Return the selection and its table for a new run: the same pictures as before, or those that a link names."""
    if not run_key:
        return gr.skip(), gr.skip()
    run, said = server.runs.get(run_key), ""
    if selection.of == "" and getattr(link, "pick", None):
        rows, missing = chosen.picked(run, link.pick)
        selection = Selection(run_key, rows)
        said = f"{len(rows)} pictures of the link are chosen."
        said += f" {missing} of its pictures {'is' if missing == 1 else 'are'} not in this result." if missing else ""
    elif selection.of != run_key:
        selection = chosen.carried_over(selection, server.runs.find(selection.of), run, run_key)
    return selection, chosen.table(run, selection, made, said)


@guarded
def redraw(server: Server, run_key: str, selection: Selection, made: Edits) -> Any:
    """Return the table after an edit anywhere on the page."""
    run = server.runs.find(run_key)
    return gr.skip() if run is None else chosen.table(run, _of(selection, run_key), made, None)


@guarded
def choose(server: Server, run_key: str, selection: Selection, made: Edits, event: gr.EventData) -> tuple:
    """Change what is chosen, turn the page of the table, or sort it."""
    run, asked = server.runs.get(run_key), _asked(event)
    selection = _of(selection, run_key)
    what, rows = asked.get("do"), set(selection.rows)
    if what == "rows":
        selection = selection._replace(rows=chosen.checked_rows(run, asked.get("rows")), page=0, all_shown=False)
    elif what == "toggle":
        selection = selection._replace(rows=tuple(sorted(rows ^ set(chosen.checked_rows(run, [asked.get("row")])))))
        selection = selection._replace(all_shown=selection.all_shown or not rows)
    elif what == "page":
        page = asked.get("page")
        selection = selection._replace(page=page if type(page) is int and 0 <= page < 10**6 else 0)
    elif what == "show":
        selection = selection._replace(page=0, all_shown=bool(asked.get("all")))
    elif what == "sort":
        selection = chosen.sorted_by(selection, asked.get("by"))
    else:
        selection = selection._replace(rows=chosen.rows_where(run, what, asked.get("name")), page=0, all_shown=False)
    return selection, chosen.table(run, selection, made)


def _asked(event: gr.EventData) -> dict[str, Any]:
    return event._data if isinstance(event._data, dict) else {}


def _of(selection: Selection, run_key: str) -> Selection:
    return selection if selection.of == run_key else Selection(run_key)


@guarded
def edit(
    server: Server, event: gr.EventData, request: gr.Request, run_key: str, selection: Selection, made: Edits, *where: Any
) -> tuple[Edits, dict[str, Any]]:
    """Relabel or leave out the chosen pictures or one row, or take the last change back."""
    run, asked, place = server.runs.get(run_key), _asked(event), Where.of(where)
    selection, made = _of(selection, run_key), made.belonging_to(place.name)
    if asked.get("do") == "undo":
        made, last = edits.undo(made)
        if last is None:
            raise UserError("There is nothing to undo.", "This set was not changed.", "Relabel or leave out a picture first.")
        return made, chosen.table(run, selection, made, "Undone.")
    sets = _sets(server, place, visitor(request))
    rows = chosen.checked_rows(run, asked.get("rows")) if "rows" in asked else selection.rows
    to = asked.get("to") if asked.get("do") == "move" else None
    if not rows or asked.get("do") not in ("move", "leave"):
        raise UserError("No picture is chosen.", "Nothing was changed.", "Choose pictures in the map or in the table first.")
    if asked.get("do") == "move" and to not in sets[0].classes:
        raise UserError(f"There is no class {str(to)[:80]!r}.", f"There are: {', '.join(sets[0].classes)}.", "Choose one of these.")
    wanted = [Edit(example, to) for row in rows for example in chosen.examples_in(run, row, sets)]
    now = edits.several(made, wanted)
    few = [sentence for images in sets for sentence in edits.too_few(edits.apply(images, now))]
    return now, chosen.table(run, selection, now, " ".join([_done(run, rows, to), *few]))


def _sets(server: Server, place: Where, owner: str) -> list[LabelledImages]:
    """Return the images of the set that is set up, as loaded; a pack's test images are a second one."""
    loaded = examples_section.loaded(server, place, owner)
    return [loaded, packs.held_out(place.pack)] if place.source == "pack" else [loaded]


def _done(run: RunRecord, rows: tuple[int, ...], to: str | None) -> str:
    """Return what was changed, and what it means where test images were among it."""
    n, n_test = len(rows), sum(row >= len(run.train) for row in rows)
    told = f"{n:,} picture{'' if n == 1 else 's'} {'left out' if to is None else f'moved to “{to}”'} with the next Find."
    if n_test:
        told += f" Test pictures among them: {n_test:,}. You have seen how they were answered, so held-out figures will be marked "
        told += "“edited after looking”. Undo takes it back."
    return told


@guarded
def to_the_race(server: Server, run_key: str, event: gr.EventData) -> tuple:
    """Open the race with the test picture of a row."""
    run = server.runs.get(run_key)
    row = chosen.checked_rows(run, [_asked(event).get("row")])[0]
    _, images, example = chosen.place_of(run, row)
    if images is not run.shown:
        raise UserError(
            "This is a probing picture.", "The neurons were chosen on it: a race would show nothing.", "Race a test picture."
        )
    return race_panel.choose(run, example)


@guarded
def keep(server: Server, run_key: str, selection: Selection, made: Edits, event: gr.EventData) -> dict[str, Any]:
    """Return the table with the chosen pictures as a file that the browser keeps: names and hashes, no picture."""
    run, kind = server.runs.get(run_key), _asked(event).get("kind")
    if kind not in SAVED:
        raise UserError("This export was not understood.", f"There are: {', '.join(SAVED)}.", "Choose one of these.")
    selection = _of(selection, run_key)
    rows = selection.rows or tuple(range(chosen.n_rows(run)))
    media, write = SAVED[kind]
    file = {"name": f"chosen-pictures.{kind}", "type": media, "text": write(run, rows), "at": secrets.token_hex(4)}
    return chosen.table(run, selection, made, f"{len(rows):,} pictures written down.") | {"file": file}


@guarded
def pick_point(server: Server, run_key: str, event: gr.EventData) -> dict:
    """Return the image of the clicked point."""
    run, custom = server.runs.get(run_key), Pick.read(event).custom
    if len(custom) != 2:
        raise UserError("This point is not in the map.", "The page is older than the result.", "Reload the page.")
    return _picture(run, chosen.row_of(run, custom[1], custom[0]))


@guarded
def pick_row(server: Server, run_key: str, event: gr.EventData) -> dict:
    """Return the image of a row of the table."""
    run = server.runs.get(run_key)
    return _picture(run, chosen.checked_rows(run, [_asked(event).get("row")])[0])


def _picture(run: RunRecord, row: int) -> dict:
    part, images, example = chosen.place_of(run, row)
    each = chosen.about(run, [row])[0]
    mark = "none" if each.right is None else "right" if each.right else "wrong"
    picture, name = images.pictures[example], images.names[example]
    tile = {**views.tile(picture, name, mark), "src": views.thumbnail(picture, 224)}
    large = {**tile, "caption": each.name[:80], "facts": _facts(each), "split": part, "example": example}
    return {
        "groups": [views.group(neuron.class_of(images, example), [tile], f"{chosen.PARTS[part]} image · {name[:60]}")],
        "large": large,
        "at": secrets.token_hex(4),
    }


def _facts(each: chosen.About) -> list[str]:
    """Return what is told of an enlarged picture."""
    told = [f"Label {each.label} · {chosen.PARTS[each.part]} image"]
    if each.vote:
        told.append(f"Vote {each.vote}, the same from layer {each.settles_at} on")
    if each.full_model:
        told.append(f"Full model: {each.full_model}")
    return told
