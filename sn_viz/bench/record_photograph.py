"""``bench record --photos FOLDER``: the run on photographs that people land on, and the numbers from which it is made again.

Takes a folder of photographs; returns a ``Recorded`` and its ``Evidence``: what the model read in the photographs, so that search,
exit, votes and accuracy can be repeated by whoever has none of them. No photograph is kept: the one that races lies in the
installed scikit-learn.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float16, Int

from sn_viz.activations.extract import neurons_of
from sn_viz.activations.model_cache import model_named
from sn_viz.activations.streaming import stream_layers
from sn_viz.baselines.answers import answer_key, parse_answer
from sn_viz.baselines.answers.said import written_answers
from sn_viz.bench.record import COMMAND, times_of
from sn_viz.config import DEFAULT_MODEL
from sn_viz.early_exit.decide import Decision
from sn_viz.errors import UserError
from sn_viz.groups import group_index
from sn_viz.models import Vlm
from sn_viz.paths import ASSETS
from sn_viz.pipeline import find
from sn_viz.progress import silent
from sn_viz.run import Run
from sn_viz.search.stumps import best_scores_under_null, find_stumps
from sn_viz.sources.ingest import as_picture
from sn_viz.sources.pack import FLOWER_CREDIT, flower_photograph
from sn_viz.splits.held_out import kept_apart
from sn_viz.types import Config, Interval, LabelledImages, Neurons, Picture, Progress, Stumps
from sn_viz.ui.components.racing import Race, race
from sn_viz.ui.components.recorded import FOLDER, Found, Photographs, Recorded, file_sha256
from sn_viz.voting.statistics import accuracy_interval, choose_exit_layer, cross_validated_layers
from sn_viz.voting.verdict import verdict
from sn_viz.voting.voters import says_of, voters_by_layer
from sn_viz.voting.votes import votes_by_layer, winners

QUESTION, CLASSES, FOLDERS = "Is this a photograph of a flower?", ("no", "yes"), ("other", "flower")
"""What is asked, its answers, and the folder of photographs for each."""
N_PROBING, N_TEST, SEED = 64, 200, 0
"""Photographs to search and to test on, the classes alike; and of the draw."""
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
SOURCES = "sources.txt"
RACES = 5
"""The race is run so often; kept is the one whose ratio of times is the middle one."""
EVIDENCE = "photograph.npz"
RECORD = f"{COMMAND} --photos FOLDER"


@dataclass(frozen=True, eq=False)
class Evidence:
    """What the model read in the photographs."""

    probing: Float16[np.ndarray, "example neuron"]
    probing_labels: Int[np.ndarray, " example"]
    """int8 (example,)."""
    probing_groups: Int[np.ndarray, " example"]
    """int16 (example,): near-duplicates share a number, see `sn_viz.groups.group_index`."""
    test: Float16[np.ndarray, "test voter"]
    """The columns of the voters at the exit, in the order of ``test_neurons``."""
    test_neurons: Int[np.ndarray, " voter"]
    """int32 (voter,): columns of ``probing``."""
    test_labels: Int[np.ndarray, " test"]
    test_groups: Int[np.ndarray, " test"]
    full_model: Int[np.ndarray, " test"]
    """int8 (test,): the class that the full model's answer named; -1 where it named none."""

    def write(self, folder: Path = FOLDER) -> None:
        """Write it into ``folder``, compressed; the same arrays give the same bytes."""
        folder.mkdir(parents=True, exist_ok=True)
        arrays: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        arrays["probing"] = _as_bytes(self.probing)
        np.savez_compressed(folder / EVIDENCE, **arrays)

    @classmethod
    def read(cls, folder: Path = FOLDER) -> Evidence:
        """Return what `write` wrote into ``folder``."""
        with np.load(folder / EVIDENCE, allow_pickle=False) as arrays:
            kept = {field.name: arrays[field.name] for field in fields(cls)}
            return cls(**kept | {"probing": _from_bytes(kept["probing"])})


def _as_bytes(values: np.ndarray) -> np.ndarray:
    """Return float16 (example, neuron) as uint8 (byte, neuron, example): signs and exponents beside each other compress."""
    return np.ascontiguousarray(values.view(np.uint8).reshape(*values.shape, 2).transpose(2, 1, 0))


def _from_bytes(split: np.ndarray) -> np.ndarray:
    """Return what `_as_bytes` was given."""
    return np.ascontiguousarray(split.transpose(2, 1, 0)).view(np.float16)[..., 0]


def make(photographs: str | Path, progress: Progress = silent) -> tuple[Recorded, Evidence]:
    """Return a recorded run on photographs, with its evidence.

    Parameters
    ----------
    photographs : path
        Folder with a folder ``flower``, a folder ``other`` and ``sources.txt``: a line for each set that they come from, the folder
        in front ("flower: NAME, TERMS").
    progress : callable

    Raises
    ------
    UserError
        When photographs or their sources are missing, when scikit-learn has no photograph to race, or when what was found could be
        luck.
    """
    flower = flower_photograph()
    if flower is None:
        raise UserError(
            "There is no photograph to race.", "The installed scikit-learn has no flower.jpg.", "Install scikit-learn anew."
        )
    sets = sources_in(Path(photographs))
    probing, test = split(Path(photographs))
    vlm = model_named(DEFAULT_MODEL, "cpu")
    run = find(probing, model=vlm, test=test, compare="full-model", committee="plain", seed=SEED, progress=progress)
    if not verdict(run).holds:
        raise UserError("These photographs are nothing to land on.", verdict(run).sentence, "Record others.")
    picture, evidence = as_picture(flower), evidence_of(run)
    raced = middle([race(run, vlm, picture, QUESTION, run.exit_layer) for _ in range(RACES)])
    found = tell(evidence, vlm, flower, sets)
    agrees = (found.exit_layer, found.vote_right, found.exit_answer, found.full_answer)
    of_run = (run.exit_layer, run.by_layer[run.exit_index].accuracy, raced.exit_answer, raced.full_answer)
    assert agrees == of_run, f"the evidence tells {agrees}, the run {of_run}"
    return Recorded(RECORD, found, times_of(run, raced), picture), evidence


def sources_in(folder: Path) -> tuple[str, ...]:
    """Return the lines of ``sources.txt``: where the photographs come from and on which terms. Raises UserError without any."""
    path = folder / SOURCES
    lines = tuple(filter(None, map(str.strip, path.read_text(encoding="utf-8").splitlines()))) if path.is_file() else ()
    if {line.split(":")[0] for line in lines if ":" in line} != set(FOLDERS):
        raise UserError(
            "It is not said where the photographs come from.",
            f"{path} needs at least one line for each of {' and '.join(FOLDERS)}.",
            'Write a line for each set, such as "flower: NAME OF THE SET, ITS TERMS".',
        )
    return lines


def split(folder: Path) -> tuple[LabelledImages, LabelledImages]:
    """Return probing and test photographs, drawn by ``SEED``, as many of each class; no picture or near-duplicate is in both."""
    rng, drawn = np.random.default_rng(SEED), []
    first, second = N_PROBING // len(CLASSES), N_TEST // len(CLASSES)
    for name in FOLDERS:
        place = folder / name
        paths = sorted(path for path in place.iterdir() if path.suffix.lower() in SUFFIXES) if place.is_dir() else []
        if len(paths) < first + second:
            raise UserError(
                "There are too few photographs.",
                f"{place} holds {len(paths)} of the {first + second} that are needed.",
                f"Put at least so many into each of {' and '.join(FOLDERS)}.",
            )
        drawn.append([paths[i] for i in rng.permutation(len(paths))])
    probing, rest = kept_apart(_labelled(drawn, slice(first)), _labelled(drawn, slice(first, None)))
    rows = [np.flatnonzero(rest.labels == label)[:second] for label in range(len(CLASSES))]
    if min(map(len, rows)) < second:
        raise UserError(
            "There are too few different photographs.",
            f"Without near-duplicates of the probing ones, {min(map(len, rows))} of {second} are left to test a class on.",
            "Add others.",
        )
    return probing, rest.take(np.concatenate(rows))


def _labelled(drawn: list[list[Path]], part: slice) -> LabelledImages:
    paths = [(path, label) for label, each in enumerate(drawn) for path in each[part]]
    pictures = tuple(as_picture(path) for path, _ in paths)
    labels, names = np.array([label for _, label in paths], np.int64), tuple(f"{path.parent.name} {path.name}" for path, _ in paths)
    return LabelledImages(names, pictures, labels, CLASSES, (QUESTION,) * len(paths))


def evidence_of(run: Run) -> Evidence:
    """Return what of ``run`` is kept."""
    voters = run.voters[run.exit_index].neuron.astype(np.int32)
    said = run.baselines[0].predicted
    return Evidence(
        np.asarray(run.train_values, np.float16),
        run.train.labels.astype(np.int8),
        group_index(run.train).astype(np.int16),
        np.asarray(run.test_values[:, voters], np.float16),
        voters,
        run.test.labels.astype(np.int8),
        group_index(run.test).astype(np.int16),
        said.astype(np.int8),
    )


def middle(races: list[Race]) -> Race:
    """Return the race whose full lane took the middle number of times as long as its early exit."""
    return sorted(races, key=lambda each: each.full_ms / each.exit_ms)[len(races) // 2]


def tell(evidence: Evidence, vlm: Vlm, photograph: Path, sets: tuple[str, ...]) -> Found:
    """Return all that people land on but the times, from the evidence, the model and the photograph that races.

    Parameters
    ----------
    evidence : Evidence
    vlm : Vlm
    photograph : path
    sets : tuple of str
        Where the photographs behind the evidence come from.

    Raises
    ------
    UserError
        When today's search chooses voters whose test values were not kept.
    """
    choices, neurons, n_classes = Config(), neurons_of(vlm, "all"), len(CLASSES)
    values, labels, groups = evidence.probing, evidence.probing_labels.astype(np.int64), evidence.probing_groups.astype(np.int64)
    if values.shape[1] != len(neurons):
        raise _stale(f"It is of a model with {values.shape[1]:,} numbers, {vlm.name} has {len(neurons):,}.")
    stumps = find_stumps(values, labels, choices.rule, choices.metric, n_classes)
    voters = voters_by_layer(stumps, neurons, choices.voters, n_classes)
    read = values, labels, neurons, choices.rule, choices.metric, choices.voters, choices.weighting
    correct = cross_validated_layers(*read, n_classes=n_classes, seed=SEED, groups=groups)
    exit_layer = neurons.layers[choose_exit_layer(correct, groups=groups) - 1]
    chosen = voters[exit_layer - neurons.layers.start]
    if set(chosen.neuron.tolist()) != set(evidence.test_neurons.tolist()):
        raise _stale(f"Today's search chooses other super neurons, and stops after block {exit_layer}.")
    vote_right, neuron_right, full_right = _held_out(evidence, chosen)
    luck = best_scores_under_null(values, labels, choices.metric, choices.rule, seed=SEED, groups=groups)
    answers = _answers(vlm, as_picture(photograph), neurons, voters, exit_layer)
    best = int(chosen.neuron[0])
    return Found(
        pack="",
        model=vlm.name,
        question=QUESTION,
        classes=CLASSES,
        n_probing=len(labels),
        n_test=len(evidence.test),
        n_neurons=len(neurons),
        n_layers=neurons.n_layers,
        n_tower=neurons.n_tower,
        exit_layer=exit_layer,
        neuron=best,
        neuron_name=neurons.name(best),
        neuron_layer=int(neurons.layer[best]),
        probing_score=float(chosen.score[0]),
        neuron_right=neuron_right,
        luck=float(luck.max()),
        n_shuffled=len(luck),
        n_voters=len(chosen),
        vote_right=vote_right,
        full_right=full_right,
        example=-1,
        label=CLASSES[FOLDERS.index("flower")],
        sha256=file_sha256(photograph),
        **answers,
        photographs=Photographs(FLOWER_CREDIT, sets, weights_digest(ASSETS / vlm.name)),
    )


def _answers(vlm: Vlm, picture: Picture, neurons: Neurons, voters: Sequence[Stumps], exit_layer: int) -> dict[str, Any]:
    """Return the fields of `Found` that tell what is said about the photograph: the vote after each block, and both answers."""
    weighting, n_classes, first = Config().weighting, len(CLASSES), neurons.layers.start
    stream = stream_layers(vlm, vlm.prepare([picture], [QUESTION]), neurons.site_names)
    values = np.concatenate([block.values for block in stream.blocks], axis=1).astype(np.float16)
    tally = votes_by_layer(values, voters, n_classes, weighting, first).tally[0]
    decide = Decision(vlm, neurons, voters[exit_layer - first], exit_layer, n_classes, weighting, values.dtype)
    key = answer_key(CLASSES, (QUESTION,))
    answer = written_answers(vlm, [picture], [QUESTION], key)[0]
    named = parse_answer(answer, CLASSES, QUESTION, key)
    return {
        "tally": tuple(tuple(float(share) for share in row) for row in tally),
        "exit_answer": CLASSES[int(winners(decide.together([picture], [QUESTION]))[0])],
        "full_answer": answer,
        "full_label": CLASSES[named] if named >= 0 else "",
    }


def _held_out(evidence: Evidence, chosen: Stumps) -> tuple[Interval, Interval, Interval]:
    """Return how often the vote, its best number alone and the full model are right on the test photographs."""
    place = {column: at for at, column in enumerate(evidence.test_neurons.tolist())}
    here = replace(chosen, neuron=np.array([place[column] for column in chosen.neuron.tolist()], np.int64))
    labels, groups = evidence.test_labels.astype(np.int64), evidence.test_groups.astype(np.int64)
    voted = votes_by_layer(evidence.test, [here], len(CLASSES), Config().weighting).predicted[:, 0]
    alone = np.where(says_of(evidence.test, here.take([0]))[:, 0], here.class_index[0], 1 - here.class_index[0])
    vote, one, full = (accuracy_interval(said == labels, groups) for said in (voted, alone, evidence.full_model))
    return vote, one, full


def _stale(cause: str) -> UserError:
    return UserError("The recorded run on photographs is stale.", cause, f"Record it again: {RECORD}.")


def weights_digest(folder: Path) -> str:
    """Return 16 hexadecimal digits that stand for a model folder: its weights and settings, in whatever way lines end in these."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.iterdir() if path.suffix in (".safetensors", ".json", ".jinja")):
        data = path.read_bytes()
        data = data if path.suffix == ".safetensors" else data.replace(b"\r\n", b"\n")
        digest.update(f"{path.name} {len(data)}\n".encode() + data)
    return digest.hexdigest()[:16]
