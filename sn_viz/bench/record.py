"""``bench record``: the run that people land on, made anew: a pack searched, one of its test pictures raced, and the times kept.

Takes a pack and a model; returns a ``Recorded``, which ``sn_viz.ui.components.recorded`` writes and the page shows. All but its
times is the same each time; a test makes it again.
"""

from __future__ import annotations

from datetime import date

import numpy as np

from sn_viz.activations.model_cache import model_of
from sn_viz.baselines.answers import parse_answer
from sn_viz.bench import machine
from sn_viz.errors import UserError
from sn_viz.pipeline import find
from sn_viz.progress import silent
from sn_viz.types import Progress, RunRecord
from sn_viz.ui.components.neuron import cut
from sn_viz.ui.components.racing import Race, race
from sn_viz.ui.components.recorded import Found, Recorded, Times
from sn_viz.voting.intervals import wilson
from sn_viz.voting.verdict import verdict

PACK, MODEL = "presence-dog", "tiny-llava"
COMMAND = "python -m sn_viz bench record"


def make(pack: str = PACK, model: str = MODEL, progress: Progress = silent) -> Recorded:
    """Return a recorded run of ``pack``.

    The neuron is the best one up to the exit on the probing pictures; its figure comes from the test pictures. The picture that
    races is the first test picture of the class that the neuron speaks for, whatever comes of it.

    Raises
    ------
    UserError
        When what was found could be luck: then there is nothing to land on.
    """
    run = find(f"pack:{pack}", model=model, compare="full-model", committee="plain", progress=progress)
    if not verdict(run).holds:
        raise UserError(f"The pack {pack!r} is nothing to land on.", verdict(run).sentence, "Record another pack or model.")
    column = best_up_to_exit(run)
    example = int(np.flatnonzero(run.test.labels == cut(run, column).class_index)[0])
    raced = race(run, model_of(run.config), run.test.pictures[example], run.test.questions[example], run.exit_layer)
    command = COMMAND if (pack, model) == (PACK, MODEL) else f"{COMMAND} --pack {pack} --model {model}"
    return Recorded(command, found_in(run, pack, column, example, raced), times_of(run, raced), run.test.pictures[example])


def best_up_to_exit(run: RunRecord) -> int:
    """Return the column of the best single neuron that exists when the model stops at the run's exit; equals: the shallower one."""
    reached = np.isfinite(run.stumps.score) & (run.stumps.neuron < run.neurons.up_to(run.exit_layer))
    rows = np.flatnonzero(reached)
    return int(run.stumps.neuron[rows[np.argmax(run.stumps.score[rows])]])


def found_in(run: RunRecord, pack: str, column: int, example: int, raced: Race) -> Found:
    """Return all that another recording would find too."""
    classes, question, n_test = run.test.classes, run.test.questions[example], len(run.test)
    named = parse_answer(raced.full_answer, classes, question, run.answer_key)
    return Found(
        pack=pack,
        model=run.config.model_name,
        question=run.test.question or question,
        classes=classes,
        n_probing=len(run.train),
        n_test=n_test,
        n_neurons=len(run.neurons),
        n_layers=run.neurons.n_layers,
        n_tower=run.neurons.n_tower,
        exit_layer=run.exit_layer,
        neuron=column,
        neuron_name=run.neurons.name(column),
        neuron_layer=int(run.neurons.layer[column]),
        probing_score=float(run.stumps.score[run.stumps.neuron == column].max()),
        neuron_right=wilson(round(cut(run, column).test * n_test), n_test),
        luck=float(run.null_scores.max()),
        n_shuffled=len(run.null_scores),
        n_voters=len(run.voters[run.exit_index]),
        vote_right=run.by_layer[run.exit_index].accuracy,
        full_right=run.baselines[0].accuracy,
        example=example,
        label=classes[int(run.test.labels[example])],
        sha256=run.test.pictures[example].sha256,
        tally=tuple(tuple(float(share) for share in row) for row in raced.tally),
        exit_answer=raced.exit_answer,
        full_answer=raced.full_answer,
        full_label=classes[named] if named >= 0 else "",
    )


def times_of(run: RunRecord, raced: Race) -> Times:
    """Return what was measured, with where and when."""
    here = machine()
    cores = f"{here['cores']} processor cores" if here["cores"] != "1" else "one processor core"
    return Times(
        date=date.today().isoformat(),
        machine=f"{cores}, {here['system']}, torch {here['torch']}",
        full_model_ms=run.latency_ms["full_model"],
        early_exit_ms=run.latency_ms["early_exit"],
        stamps=tuple(map(float, raced.milliseconds)),
        race_exit_ms=raced.exit_ms,
        race_full_ms=raced.full_ms,
    )
