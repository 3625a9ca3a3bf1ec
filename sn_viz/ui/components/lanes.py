"""The race in two lanes: what the browser needs to replay it, sent once, and the same in words.

Takes a finished ``Race``; returns the value of ``lanes_view``, whose script (``assets/page/race.js``) fills the boxes on one clock.
It runs no model and knows nothing of how the race was run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import gradio as gr
import numpy as np

from sn_viz.early_exit.policies import FixedLayer, MarginPolicy, Policy, first_exits
from sn_viz.early_exit.risk_control import FullModel
from sn_viz.early_exit.trial import trial_of_run
from sn_viz.errors import UserError
from sn_viz.formatting import milliseconds, percent
from sn_viz.plots import style
from sn_viz.types import RunRecord, layer_name
from sn_viz.ui.components.plotly_view import when_ready
from sn_viz.ui.components.racing import Race

SHOW_SECONDS = 3.2
"""How long a replay lasts; the times written on it are the real ones."""
LEVEL = 0.1
"""The risk of the certified exits that are marked."""
CERTIFIED = {"disagreement": "contradicts the full model on at most 10 %", "error": "is wrong on at most 10 %"}
STAMPS = (
    "Each box of the full model fills at the stamp of that very pass. The early exit is a pass of its own that really stops: only "
    "its end was measured, and its boxes are spread like those of the full pass."
)
VOTES_ARE_READ = "The votes come from a further pass, which is not timed."


class Mark(NamedTuple):
    """Where an exit policy would stop on this picture."""

    name: str
    row: int | None
    """On the layer axis; None where it stops nowhere and the full model answers."""


def lanes_view(elem_id: str, value: dict[str, Any] | None = None, **more: Any) -> gr.HTML:
    """Return a view of a race; ``.done`` is heard once when its replay has ended."""
    return gr.HTML(
        value,
        elem_id=elem_id,
        html_template='<div class="sn-lanes"></div>',
        js_on_load=when_ready("snViz.lanes(element, props, watch, () => trigger('done', {}))"),
        apply_default_css=False,
        **more,
    )


def marks(run: RunRecord, finished: Race) -> list[Mark]:
    """Return where each exit policy would have stopped on the raced picture.

    The run's own exit, the first unanimous vote, and for either risk the exit that half of the test images certify; those where the
    run can say. What was certified holds for pictures like the test images.
    """
    votes = finished.votes
    found = [
        Mark("chosen on the probing pictures", _stop(FixedLayer(run.exit_layer), votes)),
        Mark("every voter agrees", _stop(MarginPolicy(1.0), votes)),
    ]
    for risk, name in CERTIFIED.items():
        try:
            policy = trial_of_run(run, LEVEL, risk).policy  # type: ignore[arg-type]
        except UserError:  # no full model was asked, or its words cannot be read: there is nothing to certify against
            continue
        told = f"no exit could be certified that {name}" if isinstance(policy, FullModel) else f"certified: {name}"
        found.append(Mark(told, _stop(policy, votes)))
    return found


def _stop(policy: Policy, votes: Any) -> int | None:
    row, stopped = first_exits(policy.exit_mask(votes))
    return int(row[0]) if stopped[0] else None


def shown(
    finished: Race,
    classes: Sequence[str],
    *,
    n_tower: int = 0,
    truth: str = "",
    full_label: str = "",
    stops: Sequence[Mark] = (),
    recorded: str = "",
) -> dict[str, Any]:
    """Return a race for ``lanes_view``.

    Parameters
    ----------
    finished : Race
    classes : sequence of str
    n_tower : int
        Blocks of the vision tower among its layers.
    truth : str
        The picture's label; "" when unknown.
    full_label : str
        The class that the full model's answer names; "" when it names none.
    stops : sequence of Mark
    recorded : str
        Where and when it ran, when it did not run just now.
    """
    exit_row = finished.exit_layer - finished.layers.start
    total = max(finished.full_ms, finished.exit_ms)
    names = [layer_name(layer, n_tower) for layer in finished.layers]
    votes = finished.votes
    blocks = [
        {
            "name": name,
            "tower": layer < 1,
            "votes": [float(share) for share in tally],
            "margin": float(margin),
            "lens": None if lens is None or not np.isfinite(lens).all() else [float(share) for share in lens],
        }
        for name, layer, tally, margin, lens in zip(
            names,
            finished.layers,
            finished.tally,
            votes.margin[0],
            [None] * len(names) if finished.lens is None else finished.lens,
            strict=True,
        )
    ]
    until, early = _until(finished.milliseconds, finished.full_ms), np.array([])
    if len(until):
        early = until[: exit_row + 1] * (finished.exit_ms / until[exit_row])
    return {
        "blocks": blocks,
        "classes": list(classes),
        "colours": style.colour_pairs(classes),
        "total": total,
        "early": {
            "until": early.tolist(),
            "ms": finished.exit_ms,
            "answer": finished.exit_answer,
            "mark": _right(finished.exit_answer, truth),
        },
        "full": {
            "until": until.tolist(),
            "ms": finished.full_ms,
            "answer": finished.full_answer or "no answer",
            "mark": _right(full_label, truth),
        },
        "marks": [{"name": stop.name, "row": stop.row} for stop in stops],
        "seconds": SHOW_SECONDS,
        "note": note(total, recorded),
        "small": f"{STAMPS} {VOTES_ARE_READ}",
        "text": words(finished, names, truth),
    }


def _right(answer: str, truth: str) -> str:
    return ("right" if answer == truth else "wrong") if truth and answer else "none"


def _until(stamps: np.ndarray, full_ms: float) -> np.ndarray:
    """Return when each box of the full lane is full, float64 (layer,), never falling; where there is no stamp, evenly."""
    rows = np.arange(len(stamps))
    known = np.isfinite(stamps)
    if not known.any():
        return full_ms * (rows + 1) / (len(rows) + 1)
    filled = np.interp(rows, rows[known], stamps[known])
    return np.maximum.accumulate(np.minimum(filled, full_ms))


def note(total_ms: float, recorded: str = "") -> str:
    """Return that this is a replay, of what, and how its clock runs against the real one."""
    slower = 1000 * SHOW_SECONDS / total_ms if total_ms > 0 else float("nan")
    pace = "as fast as it ran" if f"{slower:.1f}" == "1.0" else _pace(slower)
    return f"{f'A replay of a recorded run ({recorded})' if recorded else 'A replay of the race just run'}, {pace}."


def _pace(slower: float) -> str:
    times, word = (slower, "slower") if slower > 1 else (1 / slower, "faster")
    return f"{times:.0f} times {word} than it ran" if times >= 10 else f"{times:.1f} times {word} than it ran"


def words(finished: Race, names: Sequence[str], truth: str = "") -> str:
    """Return the whole race in sentences, for people who do not see the lanes."""
    stop = names[finished.exit_layer - finished.layers.start]
    clear = percent(float(finished.votes.margin[0, finished.exit_layer - finished.layers.start]), 0)
    said = [
        f"The super neurons stopped after block {stop} of {len(names)} and answered “{finished.exit_answer}” after "
        f"{milliseconds(finished.exit_ms)}, by a margin of {clear} of the vote.",
        f"The full model ran all {len(names)} blocks and answered “{finished.full_answer or 'nothing'}” after "
        f"{milliseconds(finished.full_ms)}.",
    ]
    return " ".join([*said, f"The label is “{truth}”."] if truth else said)
