"""The view of the class cards, and what people do on them.

Takes what the page's script sends, one action at a time; returns the cards as they are now, whatever happened: a refusal is a
sentence on them. The uploading itself is done by the script, in batches below what one request may hold.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import gradio as gr

from sn_viz.errors import UserError
from sn_viz.sources.ingest import KEEP_SIDE
from sn_viz.ui.components import edits
from sn_viz.ui.components.cards import MAX_CLASSES, Card, Cards, Shot
from sn_viz.ui.components.edits import Edits
from sn_viz.ui.components.plotly_view import when_ready
from sn_viz.ui.server.guard import message
from sn_viz.ui.server.launch import MAX_FILE_BYTES
from sn_viz.ui.server.paths import ALIAS, upload_folder
from sn_viz.ui.server.quotas import MIB, Arrivals, limits
from sn_viz.ui.server.uploads import taken

RECORDING, RECORDED_AGAIN = "webcam recording of ", "second webcam recording of "
"""Begin the names of the groups that the webcam's pictures of a class are: one a recording."""
PAGE_TILES = 24
"""Pictures of each card that are shown at first; more at a click."""
MAX_TILES = 4096
"""Pictures of each card that the page shows at most."""
MAX_AT_ONCE = 500
"""Pictures that one action may name."""
BATCH_BYTES, BATCH_FILES = 24 * MIB, 60
"""What the script sends in one request, unless a single file is larger."""
OFFER_BYTES = 100 * MIB
"""From here on the script asks whether to reduce pictures before they are sent."""
_GROUP = re.compile(r"[A-Za-z0-9]{1,16}", re.ASCII)


class Result(NamedTuple):
    """What an action came to."""

    cards: Cards
    edits: Edits
    said: str
    wrong: bool
    is_new: bool
    """Whether the set is another, and complete as far as the script knows: not between the batches of one upload."""


def view(elem_id: str = "class-cards") -> gr.HTML:
    """Return the cards; ``.act`` tells what is done on them, ``.say`` what the model says for a class."""
    return gr.HTML(
        None,
        elem_id=elem_id,
        html_template='<div class="sn-classes"></div>',
        js_on_load=when_ready(
            "snViz.classCards(element, props, watch, (what) => trigger('act', what), (what) => trigger('say', what))"
        ),
        apply_default_css=False,
    )


def shown(cards: Cards, arrivals: Arrivals, ack: int = 0, said: str = "", wrong: bool = False, tiles: int = PAGE_TILES) -> dict:
    """Return the value of the view; Gradio takes what is called "path" for a file of its own, so it is called "at".

    Parameters
    ----------
    cards : Cards
    arrivals : Arrivals
        What says how much may still be sent.
    ack : int
        Number of the action that this answers.
    said : str
        What to tell.
    wrong : bool
        Whether that is a refusal.
    tiles : int
        Pictures shown of each card.
    """
    notes = cards.notes()
    return {
        "ack": ack,
        "said": said,
        "wrong": wrong,
        "cards": [_card(one, one.id in cards.asks_again or bool(one.again), notes[one.id], tiles) for one in cards.cards],
        "undo": bool(cards.past),
        "redo": bool(cards.future),
        "most": MAX_CLASSES,
        "tiles": tiles,
        "limits": told_limits(arrivals),
    }


def told_limits(arrivals: Arrivals) -> dict[str, int]:
    """Return what this server takes, in bytes, for the script to say before the first byte is sent."""
    allowed = limits()
    return {
        "file": MAX_FILE_BYTES,
        "visitor": allowed.upload_mib * MIB,
        "room": arrivals.room(),
        "batch": BATCH_BYTES,
        "files": BATCH_FILES,
        "offer": OFFER_BYTES,
        "side": KEEP_SIDE,
    }


def _card(card: Card, asks_again: bool, notes: Sequence[str], tiles: int) -> dict[str, Any]:
    recordings = len({shot.group for shot in card.shots if shot.group})
    return {
        "id": card.id,
        "name": card.name,
        "count": len(card.shots),
        "recordings": recordings,
        "tiles": [_tile(shot) for shot in card.shots[:tiles]],
        "more": max(0, len(card.shots) - tiles),
        "again": [_tile(shot) for shot in card.again[:tiles]] if asks_again else None,
        "notes": list(notes),
    }


def _tile(shot: Shot) -> dict[str, str]:
    path = shot.path.replace(str(upload_folder()), ALIAS, 1)
    return {"at": path, "name": shot.name[:80], "recorded": "recorded" if shot.group else ""}


def done(cards: Cards, made: Edits, what: Any) -> Result:
    """Return what the action ``what``, as the script sent it, makes of the cards; a refusal is said, and changes nothing."""
    over = isinstance(what, dict) and what.get("more") is not True
    try:
        if not isinstance(what, dict) or what.get("do") not in _ACTIONS:
            raise UserError("This was not understood.", "The page is older than the server.", "Reload the page.")
        now, said = _ACTIONS[what["do"]](cards, what)
        is_new = over and (now.cards != cards.cards or what["do"] == "add" or what.get("finish") is True)
        return Result(now, _named_alike(cards, now, made), said, False, is_new)
    except Exception as error:  # put into words on the cards; faults of ours are logged by ``message``
        return Result(cards, made, message(error), True, False)


def _named_alike(before: Cards, after: Cards, made: Edits) -> Edits:
    """Return the changes by hand with classes called as they are now, where a card was renamed."""
    was = {one.id: one.name for one in before.cards}
    for one in after.cards:
        if was.get(one.id, one.name) != one.name:
            made = edits.renamed(made, was[one.id], one.name)
    return made


def _add(cards: Cards, what: dict) -> tuple[Cards, str]:
    step = _short(what.get("step"))
    card = what.get("card")
    if isinstance(what.get("to"), str):
        cards, card = cards.card_called(what["to"], step)
    name = next((one.name for one in cards.cards if one.id == card), "")
    again = what.get("again") is True
    sent = what.get("shots")
    if not isinstance(sent, list) or len(sent) > MAX_AT_ONCE:
        raise UserError("These pictures were not taken.", f"At most {MAX_AT_ONCE} are added at once.", "Reload the page.")
    return cards.add(card, [_shot(one, name, again) for one in sent], again, step), ""


def _shot(sent: Any, class_name: str, again: bool) -> Shot:
    sent = sent if isinstance(sent, dict) else {}
    path, name, group = taken(sent.get("at")), sent.get("name"), sent.get("group")
    recorded = isinstance(group, str) and _GROUP.fullmatch(group)
    begins = RECORDED_AGAIN if again else RECORDING
    return Shot(
        path, " ".join(name.split())[:120] if isinstance(name, str) else "", f"{begins}{class_name} {group}" if recorded else ""
    )


def _paths(what: dict) -> list[str]:
    sent = what.get("paths")
    if not isinstance(sent, list) or len(sent) > MAX_AT_ONCE:
        raise UserError("These pictures were not found.", "The page named too many, or none.", "Choose fewer.")
    return [taken(path) for path in sent]


_ACTIONS: dict[str, Callable[[Cards, dict], tuple[Cards, str]]] = {
    "add": _add,
    "rename": lambda cards, what: (cards.rename(what.get("card"), what.get("name")), ""),
    "move": lambda cards, what: (cards.move(_paths(what), what.get("to")), ""),
    "remove": lambda cards, what: (cards.remove(_paths(what), what.get("card")), ""),
    "append": lambda cards, what: (cards.append(), ""),
    "drop": lambda cards, what: (cards.without(what.get("card")), ""),
    "undo": lambda cards, what: (cards.undo(), "Undone."),
    "redo": lambda cards, what: (cards.redo(), "Made again."),
    "look": lambda cards, what: (cards, ""),
}
"""By the name that the script gives them."""


def _short(text: Any) -> str:
    return text[:40] if isinstance(text, str) else ""


def number_in(what: Any, name: str, low: int, high: int) -> int:
    """Return a whole number of what the script sent, within bounds; ``low`` where there is none."""
    value = what.get(name) if isinstance(what, dict) else None
    return min(high, max(low, value)) if isinstance(value, int) and not isinstance(value, bool) else low
