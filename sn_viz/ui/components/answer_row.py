"""What the model says for each class: a small field per class, filled in with a guess and its reason, for the user to change.

Takes the set of examples and the question; what differs from the guess when Find is pressed is the user's word (``given``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import gradio as gr

from sn_viz.baselines.answers import answer_key
from sn_viz.types import AnswerKey, LabelledImages
from sn_viz.ui.components import edits, views
from sn_viz.ui.components.cards import MAX_CLASSES
from sn_viz.ui.components.edits import Edits
from sn_viz.ui.sections import examples_section
from sn_viz.ui.sections.examples_section import Where
from sn_viz.ui.server.guard import message
from sn_viz.ui.server.quotas import visitor
from sn_viz.ui.server.state import Server

HINT = "What the model says for each class"


class AnswerRow(NamedTuple):
    """The widgets."""

    row: gr.Row
    told: gr.HTML
    boxes: list[gr.Textbox]
    """One for each of the first ``MAX_CLASSES`` classes."""
    on_cards: gr.HTML
    """Says the same on the class cards."""


class Guess(NamedTuple):
    """What the fields were last filled in with; lives in the session."""

    classes: tuple[str, ...] = ()
    words: tuple[str, ...] = ()


def layout() -> AnswerRow:
    """Place the widgets."""
    with gr.Column(visible=False, elem_id="answers", elem_classes="sn-panel sn-answers") as row:
        told = views.facts_view("answers-told")
        with gr.Row(elem_classes="sn-tight"):
            boxes = [
                gr.Textbox(
                    label=f"Answer {i + 1}",
                    placeholder="yes, no or a word",
                    max_length=80,
                    max_lines=1,
                    visible=False,
                    min_width=110,
                    elem_id=f"class-answer-{i + 1}",
                )
                for i in range(MAX_CLASSES)
            ]
    on_cards = views.unseen_view("class-words", "snViz.classWords(element, props, watch)")
    return AnswerRow(row, told, boxes, on_cards)


def connect(
    server: Server,
    row: AnswerRow,
    tab: examples_section.Examples,
    states: Any,
    cards: gr.State,
    question: gr.Textbox,
    changed: list,
) -> None:
    """Fill the fields in anew at every event of ``changed`` and when the question has been written.

    One listener for all of them: a call waits for the one before it, so no late answer about an earlier set comes last.
    """
    where = examples_section.inputs(tab, states.source, states.pack, cards)
    looked_at = [states.guess, states.edits, question, *row.boxes, *where]
    gr.on(
        [*changed, question.blur, question.submit],
        server.bind(show),
        looked_at,
        [states.guess, row.row, row.told, *row.boxes],
        trigger_mode="always_last",
        api_visibility="private",
        show_progress="hidden",
    )
    at_once: dict[str, Any] = {"queue": False, "api_visibility": "private", "show_progress": "hidden"}
    tab.board.say(say, states.guess, row.boxes, **at_once)
    gr.on(
        [states.guess.change, *(box.change for box in row.boxes)],
        on_cards,
        [states.guess, *row.boxes],
        row.on_cards,
        trigger_mode="always_last",
        **at_once,
    )


def say(event: gr.EventData, guess: Guess) -> list[Any]:
    """Take what was written on a class card as what the model says for that class."""
    sent = event._data if isinstance(event._data, dict) else {}
    name, text = sent.get("name"), sent.get("text")
    fits = isinstance(text, str) and name in guess.classes
    word = " ".join(text.split())[:80] if isinstance(text, str) else ""
    return [gr.Textbox(value=word) if fits and guess.classes.index(name) == i else gr.skip() for i in range(MAX_CLASSES)]


def on_cards(guess: Guess, *written: str) -> dict[str, Any]:
    """Return what stands in the fields, by class, for the class cards."""
    return {"words": dict(zip(guess.classes, written, strict=False)), "reason": HINT}


def show(server: Server, request: gr.Request, guess: Guess, made: Edits, question: str, *values: Any) -> tuple:
    """Return the guess, and the fields: the guess where the user has written nothing else for these classes."""
    written, place = values[:MAX_CLASSES], Where.of(values[MAX_CLASSES:])
    try:
        images = edits.apply(examples_section.loaded(server, place, visitor(request)), made.belonging_to(place.name))
    except Exception as error:  # the panel below says what is wrong with the set; faults of ours are logged by ``message``
        message(error)
        return Guess(), gr.Column(visible=False), *(gr.skip(),) * (1 + MAX_CLASSES)
    key = guessed(images, question)
    words = shown_words(key)
    own = guess.classes == images.classes and len(guess.words) == len(images.classes)
    fields = []
    for i in range(MAX_CLASSES):
        if i >= len(images.classes):
            fields.append(gr.Textbox(visible=False, value=""))
            continue
        field: dict[str, Any] = {"visible": True, "label": images.classes[i][:60]}
        kept = own and written[i] and written[i] != guess.words[i]
        if not kept and words[i] != (written[i] or ""):  # else left alone: what is typed while this is on its way stays
            field["value"] = words[i]
        fields.append(gr.Textbox(**field))
    return Guess(images.classes, words), gr.Column(visible=place.source != "own"), {"title": HINT, "note": key.reason}, *fields


def guessed(images: LabelledImages, question: str | None) -> AnswerKey:
    """Return what names and question tell of these images, asked ``question`` where there is one."""
    question = " ".join((question or "").split())[:300]
    return answer_key(images.classes, question or images.questions)


def shown_words(key: AnswerKey) -> tuple[str, ...]:
    """Return what the fields are filled in with; nothing where it cannot be told."""
    return key.words if key.known and not key.by_question else ("",) * len(key.classes)


def given(classes: Sequence[str], guess: Guess, written: Sequence[Any]) -> tuple[tuple[str, str], ...]:
    """Return (class, answer) of the fields that say something else than the guess; none while they speak of other classes."""
    if not classes or guess.classes != tuple(classes):
        return ()
    said = [(name, " ".join(str(text or "").split())[:80]) for name, text in zip(classes, written, strict=False)]
    changed = tuple((name, text) for (name, text), word in zip(said, guess.words, strict=False) if text and text != word)
    if len(classes) == 2 and changed and all(text for _, text in said):
        return tuple(said) if said[0][1].casefold() != said[1][1].casefold() else changed
    return changed
