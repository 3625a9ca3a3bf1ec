"""The whole product, in order: labelled images and a model in, a ``Run`` out.

`find` loads and splits; `run` reads activations, searches, votes, compares and measures; `predict` (in ``early_exit.decide``)
labels new images with a finished run. This module knows nothing about the browser, the command line or figures.
"""

from __future__ import annotations

import os
import platform
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from threading import Event
from typing import TYPE_CHECKING, Any

import numpy as np

from sn_viz.activations.extract import Writing, extract, n_unread, neurons_of, unread
from sn_viz.activations.model_cache import model_named
from sn_viz.activations.reader import reader_of
from sn_viz.activations.self_test import unavailable
from sn_viz.activations.sites import in_tower, site_names
from sn_viz.activations.store import Store
from sn_viz.baselines import BASELINES, Context, LabelOf, needs_model, sites_read_by
from sn_viz.baselines.answers import answer_key, given_answers
from sn_viz.baselines.answers.said import n_kept, observed, written_while_read
from sn_viz.config import COMMITTEE, baseline_names, check_choices, checked_layer, choose_model
from sn_viz.early_exit.decide import measure_latency, model_version, predict, site_versions
from sn_viz.early_exit.estimate import Estimate, estimate
from sn_viz.engines import ENGINES, Engine
from sn_viz.engines.local import LOCAL
from sn_viz.errors import Cancelled, UserError
from sn_viz.formatting import points
from sn_viz.groups import group_index
from sn_viz.models.hub.obtain import obtain
from sn_viz.models.options import LoadOptions, device_map_name, dtype_name
from sn_viz.progress import Stages, noted, part, shares, silent
from sn_viz.report.caveats import with_warnings
from sn_viz.run import Run
from sn_viz.search.stumps import is_warming_up, warm_up_beside
from sn_viz.sources.hub import pinned
from sn_viz.sources.text import clean_question
from sn_viz.splits.held_out import align_classes, joined, kept_apart, shared, usable
from sn_viz.types import Activations, Baseline, Config, LabelledImages, LayerAccuracy, Partial, Progress, Stumps, Votes
from sn_viz.voting.choosing import CANDIDATES, EXPECTED, MOST_VOTERS, ChosenCommittee, choice_told, choose_committee
from sn_viz.voting.committees import CrossFit, cross_fit, is_fitted, weighed
from sn_viz.voting.named import AUTO, PLAIN, Committee, committee_asked, committee_words, is_plain
from sn_viz.voting.partial import SoFar
from sn_viz.voting.statistics import LeftOut, accuracy_interval, left_out_layers, paired_difference, selection_stability
from sn_viz.voting.voters import select_voters, voters_by_layer
from sn_viz.voting.votes import vote, votes_by_layer, winners

if TYPE_CHECKING:
    from sn_viz.models import Vlm

__all__ = ["find", "model_named", "predict", "run"]

NULL_BUDGET = 4e8
"""At most this many values are searched for the null, but never fewer than 20 labellings."""
STABILITY_BUDGET = 2e8
"""At most this many values are searched for the stability of the choice, but never in fewer than 5 samples."""
_NONE = np.empty(0, np.float32)


def run(
    config: Config,
    train: LabelledImages,
    test: LabelledImages,
    vlm: Vlm,
    progress: Progress = silent,
    cache: Store | None = None,
    say: Callable[[str], None] | None = None,
    offer: Callable[[Partial], None] | None = None,
    engine: Engine = LOCAL,
) -> Run:
    """Find super neurons on ``train`` and judge them, and every baseline, on ``test``.

    Parameters
    ----------
    config : Config
        Every choice.
    train, test : LabelledImages
        Probing and test split: the same classes, no picture and no group in common. Without test images nothing is measured, and
        every accuracy is NaN.
    vlm : Vlm
        The frozen model.
    progress : callable
        Told the fraction done and what is going on; may raise ``Cancelled``.
    cache : Store, optional
        Where activations are kept; by default the cache folder.
    say : callable, optional
        Told, before a run that takes longer than half a minute, how long it takes and what takes less.
    offer : callable, optional
        Told what there is before the end, as a `Partial`: super neurons of the pictures read so far, then the run without other
        methods, then with each of them. The run itself is the same with and without it.
    engine : Engine
        Where extraction and search run; whoever made it closes it.

    Returns
    -------
    Run
        Nothing in it was chosen by looking at ``test``.
    """
    assert not shared(train, test), "selection and test examples must differ"
    groups = group_index(train)
    stage, n_classes, cache = Stages(progress), len(train.classes), cache or Store()
    key = answer_key(train.classes, train.questions, dict(config.answers), train.answer_rule)
    with stage("extract", 0.30, "Reading activations") as report:
        sites, answers = config.sites or "all", "full-model" in config.compare
        reads_all = neurons_of(vlm, sites).layers[-1] == vlm.n_layers
        writing = written_while_read(vlm, key) if answers and key.known and reads_all else None
        free = unread(vlm, test, sites, cache) if writing is not None else set[str]()
        answered = n_kept(vlm, test, key, cache, free) if answers else 0
        about = (vlm, train, test, sites, config.compare, cache, answered)
        expected = estimate(*about) if engine is LOCAL else None
        if expected is not None and expected.is_long:
            (say or _unsaid)(expected.sentence)
            stage.progress, report = noted(progress, expected.short), noted(report, expected.short)
        seen, unseen = _activations(config, vlm, train, test, cache, report, offer, engine, writing)
    with stage("choose", 0.40, "Choosing who votes and the exit layer on the probing images") as report:
        config, choice = _committee_chosen(config, seen, train, groups, report, engine)
        correct, exit_layer, fit = _exit_chosen(config, seen, train, groups, report, engine, choice)
    with stage("search", 0.45, "Looking for super neurons"):
        stumps = engine.find_stumps(seen.values, train.labels, config.rule, config.metric, n_classes)
        voters = voters_by_layer(stumps, seen.neurons, config.voters, n_classes)
        voters = weighed(voters, seen.values, train.labels, n_classes, config.weighting, fit)
    with stage("vote", 0.46, "Voting on the test images"):
        votes = votes_by_layer(unseen.values, voters, n_classes, config.weighting, seen.neurons.layers.start)
    untimed = np.full(len(seen.neurons.layers), np.nan)

    def offered(baselines: Sequence[Baseline] = (), null_scores: np.ndarray = _NONE) -> None:
        """Tell what there is before the end."""
        if offer is not None:
            by_layer = layer_accuracies(votes, test, correct, untimed)
            known = (config, train, test, seen.neurons, seen.values, unseen.values, stumps, voters, exit_layer, votes, by_layer)
            far = {"n_read": len(train), "n_pictures": len(train), "is_chosen": True}
            offer(Partial(*known, tuple(baselines), null_scores, {}, {}, **far))

    def luck(until: float) -> np.ndarray:
        with stage("null", until, "Asking what luck alone would find"):
            return _best_by_luck(config, seen, train, groups, engine)

    offered()
    later = is_warming_up("null")  # on a new machine other methods need not wait for its kernel
    null_scores = _NONE if later else luck(0.54)
    with stage("stability", 0.56, "Drawing the probing images again"):
        stability = stability_of(config, seen, voters[exit_layer - seen.neurons.layers.start], train, exit_layer, engine)
    offered(null_scores=null_scores)
    with stage("baselines", 0.90, "Comparing with other methods") as report:
        if "full-model" in config.compare:
            key = observed(vlm, train, key, part(report, 0.0, 0.05), cache)
        context = Context(vlm, train, test, seen.values, unseen.values, seen.neurons, config.seed, report, cache, key)
        names = config.compare if len(test) else ()
        baselines, left_out, to_time = compare(names, context, lambda done: offered(done, null_scores))
    null_scores = luck(0.91) if later else null_scores
    with stage("search", 0.92, "Looking for the plain method's neurons, to compare with"):
        committee = committee_of(config, seen, unseen, train, test, votes, exit_layer, fit, engine, choice)
    with stage("latency", 1.0, "Timing, one image at a time") as report:
        shown, others = test if len(test) else train, tuple(to_time.values())
        exit_ms, layer_ms, other_ms = measure_latency(config, vlm, shown, seen, voters, exit_layer, report, key, others)
    found = Run(
        config=config,
        train=train,
        test=test,
        neurons=seen.neurons,
        train_values=seen.values,
        test_values=unseen.values,
        stumps=stumps,
        voters=voters,
        exit_layer=exit_layer,
        votes=votes,
        by_layer=layer_accuracies(votes, test, correct, layer_ms),
        baselines=timed(baselines, {"full-model": exit_ms["full_model"], **dict(zip(to_time, other_ms, strict=True))}),
        null_scores=null_scores,
        latency_ms=exit_ms,
        seconds=stage.seconds,
        versions=versions(vlm, seen.neurons.site_names),
        answer_key=key,
        findings={
            "stability": stability,
            "committee": committee,
            **_found_beside(vlm, train, test, expected),
            **({"engine": told} if (told := engine.told()) else {}),
        },
    )
    return with_warnings(found, *left_out, *_not_there(vlm, config), *_low_detail(vlm))


def _unsaid(sentence: str) -> None:
    """Say nothing."""


def _found_beside(vlm: Vlm, train: LabelledImages, test: LabelledImages, expected: Estimate | None) -> dict[str, Any]:
    """Return what was left out of the data, how closely pictures were looked at, and how long the run was expected to take."""
    found: dict[str, Any] = {}
    if lines := _left_out(train, test):
        found["left_out"] = {"lines": lines}
    if (look := vlm.look).matters:
        found["detail"] = {"level": look.level, "positions": look.positions, "published": look.published, "sentence": look.sentence}
    if expected is not None and expected.is_long:
        found["estimate"] = {"seconds": expected.seconds, "seconds_each": expected.seconds_each, "sentence": expected.sentence}
    return found


def _low_detail(vlm: Vlm) -> tuple[str, ...]:
    """Return the sentence about low detail, where a model looks at pictures so."""
    return (vlm.look.sentence,) if vlm.look.level == "low" else ()


def _activations(
    config: Config,
    vlm: Vlm,
    train: LabelledImages,
    test: LabelledImages,
    cache: Store,
    report: Progress,
    offer: Callable[[Partial], None] | None,
    engine: Engine,
    writing: Writing | None,
) -> tuple[Activations, Activations]:
    """Read both splits, without test images nothing of the second; ``offer`` what the first tells meanwhile.

    Of test pictures that are read the model's answer is kept too, where it is compared with.
    """
    sites = config.sites or "all"
    read = partial(extract, vlm, sites=sites, cache=cache, also=sites_read_by(config.compare), carrier=engine.carrier(vlm))
    share = len(train) / (len(train) + len(test))
    as_yet = replace(config, **EXPECTED._asdict()) if config.committee == AUTO else config
    so_far = None if offer is None else SoFar(offer, as_yet, train, neurons_of(vlm, sites))
    seen = read(train, progress=part(report, 0, share), arrived=None if so_far is None else so_far.arrived)
    if so_far is not None and len(test) and n_unread(vlm, test, sites, cache):
        so_far.offer(seen)
    return seen, read(test, progress=part(report, share, 1), writing=writing) if len(test) else seen.take([])


def _committee_chosen(
    config: Config, seen: Activations, train: LabelledImages, groups: np.ndarray, report: Progress, engine: Engine
) -> tuple[Config, ChosenCommittee | None]:
    """Return the choices with the committee that votes, and how it was chosen; None where it was asked for."""
    if config.committee != AUTO:
        return config, None
    search = engine.search_for_voters(seen.neurons, MOST_VOTERS)
    exit_at = None if config.exit_layer is None else config.exit_layer - seen.neurons.layers.start + 1
    how = len(train.classes), config.seed, report, groups, search, exit_at
    choice = choose_committee(seen.values, train.labels, seen.neurons, *how)
    return replace(config, **choice.committee._asdict()), choice


def _exit_chosen(
    config: Config,
    seen: Activations,
    train: LabelledImages,
    groups: np.ndarray,
    report: Progress,
    engine: Engine,
    choice: ChosenCommittee | None,
) -> tuple[np.ndarray, int, CrossFit | None]:
    """Return what every layer is right about by cross-validation, share (example, layer), the exit (chosen by it, or given), fit.

    The last is how votes are weighed, where the weighting is fitted. Where the committee was chosen, all this is known already.
    """
    if choice is not None:
        exit_at = choice.exits[CANDIDATES.index(choice.name)]
        return choice.left_out.right, seen.neurons.layers[exit_at - 1], None
    read, fit = (seen.values, train.labels, seen.neurons, config.rule, config.metric, config.voters), None
    options: dict[str, Any] = {"n_classes": len(train.classes), "seed": config.seed, "progress": report, "groups": groups}
    options["search"] = engine.search_for_voters(seen.neurons, config.voters)
    if is_fitted(config.weighting):
        fit = cross_fit(*read, **options)
    judged = left_out_layers(*read, config.weighting, **options) if fit is None else LeftOut(fit.right, fit.pooled)
    if config.exit_layer is not None:
        return judged.right, config.exit_layer, fit
    return judged.right, seen.neurons.layers[judged.exit_layer(groups) - 1], fit


def _best_by_luck(config: Config, seen: Activations, train: LabelledImages, groups: np.ndarray, engine: Engine) -> np.ndarray:
    """Return the best score of each shuffled labelling, as many as the budget allows."""
    labellings = int(np.clip(NULL_BUDGET / max(seen.values.size, 1), 20, 100))
    return engine.best_scores_under_null(seen.values, train.labels, config.metric, config.rule, labellings, config.seed, groups)


def _not_there(vlm: Vlm, config: Config) -> tuple[str, ...]:
    """Return a sentence about the usual sites of the decoder that this model lacks; none where sites were named."""
    missing = [] if config.sites else [name for name in unavailable(vlm) if not in_tower(name)]
    if not missing:
        return ()
    return (f"{', '.join(missing)}: this model has no such place, so nothing was read there.",)


def _left_out(train: LabelledImages, test: LabelledImages) -> list[str]:
    """Return everything that was left out of the data, a line each, without repeats."""
    return list(dict.fromkeys((*train.left_out, *test.left_out)))


def stability_of(
    config: Config, seen: Activations, voters: Stumps, train: LabelledImages, exit_layer: int, engine: Engine = LOCAL
) -> dict[str, Any]:
    """Return how often each voter of the exit layer is chosen again from resampled probing images, and what blind luck gives."""
    reach, n_classes = seen.neurons.up_to(exit_layer), len(train.classes)
    n = int(np.clip(STABILITY_BUDGET / max(reach * len(train), 1), 5, 20))
    choices = config.rule, config.metric, config.voters, n_classes, n, config.seed
    search = engine.search_for_voters(seen.neurons, config.voters)
    again = selection_stability(seen.values[:, :reach], train.labels, voters.neuron, *choices, group_index(train), search)
    columns = {int(neuron): float(share) for neuron, share in zip(voters.neuron, again, strict=True)}
    return {
        "again": list(columns.values()),
        "neuron": [seen.neurons.name(column) for column in columns],
        "n_resamples": n,
        "by_luck": min(1.0, len(columns) / max(reach, 1)),
    }


def committee_of(
    config: Config,
    seen: Activations,
    unseen: Activations,
    train: LabelledImages,
    test: LabelledImages,
    votes: Votes,
    exit_layer: int,
    fit: CrossFit | None,
    engine: Engine = LOCAL,
    choice: ChosenCommittee | None = None,
) -> dict[str, Any]:
    """Return which committee votes and, where it is not the plain one, what it gains over that at the same exit, on test images."""
    told: dict[str, Any] = {"words": committee_words(config), "plain": is_plain(config)}
    told["sentence"] = f"Who votes: {told['words']}."
    if choice is not None:
        told["choice"] = choice_told(choice, seen.neurons.layers.start)
        told["sentence"] += f" {told['choice']['why']}"
    if fit is not None:
        at = exit_layer - seen.neurons.layers.start
        told["penalty"], told["temperature"] = fit.strength.words, float(fit.temperature[at])
    if Committee.of(config) == PLAIN or not len(test):
        return told
    reach, n_classes = seen.neurons.up_to(exit_layer), len(train.classes)
    search = engine.search_for_voters(seen.neurons, PLAIN.voters)
    stumps = search(seen.values[:, :reach], train.labels, PLAIN.rule, PLAIN.metric, n_classes)
    if np.isnan(stumps.score).all():
        return told
    voters = select_voters(stumps, PLAIN.voters, n_classes)
    plain = winners(vote(unseen.values, voters, n_classes, PLAIN.weighting)) == test.labels
    own = votes.predicted[:, exit_layer - seen.neurons.layers.start] == test.labels
    gain = paired_difference(own, plain, groups=group_index(test), seed=config.seed)
    measured = f"{points(gain.value)} points ({points(gain.low)} to {points(gain.high)}, {gain.n:,} test images)"
    return told | {
        "sentence": f"{told['sentence']} Against the plain method's {PLAIN.voters} at the same exit: {measured}.",
        "plain_voters": PLAIN.voters,
        "plain_accuracy": float(plain.mean()),
        "gain": {"value": gain.value, "low": gain.low, "high": gain.high, "p_value": gain.p_value, "n": gain.n},
    }


def timed(baselines: tuple[Baseline, ...], milliseconds: Mapping[str, float]) -> tuple[Baseline, ...]:
    """Return the baselines with the times that were measured in turns with the exits; others keep what they say."""
    return tuple(replace(b, latency_ms=float(milliseconds.get(b.name, b.latency_ms))) for b in baselines)


def find(
    data: Any,
    question: str | None = None,
    model: str | os.PathLike[str] | Vlm | None = None,
    compare: str | Sequence[str] = "all",
    *,
    test: Any = None,
    test_size: float = 0.5,
    sites: str | Sequence[str] = "all",
    committee: str = "auto",
    rule: str | None = None,
    metric: str | None = None,
    voters: int | None = None,
    weighting: str | None = None,
    exit_layer: int | str | None = "auto",
    seed: int = 0,
    answers: Mapping[str, str] | str | None = None,
    columns: Mapping[str, str] | None = None,
    progress: Progress | None = None,
    say: Callable[[str], None] | None = None,
    offer: Callable[[Partial], None] | None = None,
    device: str | None = None,
    dtype: Any = "auto",
    device_map: Any = "none",
    quantize: str = "none",
    attn: str = "auto",
    detail: str = "auto",
    engine: str | Engine = "local",
    ray_address: str | None = None,
) -> Run:
    """Find the super neurons that answer a question about labelled images.

    Parameters
    ----------
    data : str, Path, LabelledImages, datasets.Dataset or iterable
        A folder with one sub-folder per class, a zip of it, a CSV, ``pack:NAME``, ``hub:OWNER/NAME``, ``bench:NAME=FOLDER``, and
        all else that `sn_viz.sources.load_images` takes.
    question : str, optional
        Asked of every image; by default each image's own question.
    model : str, path or Vlm, optional
        A name from the catalogue, a model of the hub as OWNER/NAME[@REVISION], a folder, or a loaded model; by default what
        `sn_viz.config.choose_model` says. What is not on this machine is fetched; the run keeps the commit.
    compare : "all", "none", or names
        Baselines to run on the same images. "all" leaves out those that train for long: name them, as in "all,lora".
    test : optional
        Separate test images, as ``data``; by default a part of ``data`` is kept for testing (a pack brings its own).
    test_size : float
        Fraction of ``data`` kept for testing.
    sites : "all" or names
        Which tensors are read: "all" those of the language model, "tower" those of the vision tower, "all,tower" both.
    committee : str
        Which super neurons vote, and how: "plain" (the paper's: the 15 with the most accurate cuts), "64-by-accuracy",
        "64-by-effect-size", "best-scalars" (these with logistic weights), or "auto", whichever of the first three is right about
        most left-out probing images. The four below take the place of a part of it; with "auto" the rest is then plain.
    rule, metric : str, optional
        Threshold rule and score of the search; "effect-size" ranks neurons by the distance of their class means.
    voters : int, optional
        How many super neurons vote, for each class when there are more than two.
    weighting : str, optional
        "majority"; "log-odds"; or "logistic", weights on the yes and no of up to ``voters`` super neurons.
    exit_layer : "auto", int or str
        From 1, or "V4" for the fourth block of the vision tower; "auto" chooses it on the probing split.
    seed : int
        Of the split, the folds and the null.
    answers : mapping of str to str, or str, optional
        What the model says for each class: ``{"dog": "yes", "cat": "no"}`` or "dog=yes,cat=no". By default what the names and the
        question tell; see `sn_viz.baselines.answers.answer_key`.
    columns : mapping of str to str, optional
        Which column of a Parquet file or data set holds which field, as for `sn_viz.sources.load_images`.
    progress : callable, optional
        ``progress(fraction, doing)``; may raise ``Cancelled``.
    say : callable, optional
        Told, before a run that takes longer than half a minute, how long it takes and what takes less, in a sentence.
    offer : callable, optional
        Told what there is before the end, as a `sn_viz.types.Partial`; the run is the same with and without it.
    device : str, optional
        "cpu", "cuda"; by default the fastest there is.
    dtype : str or torch.dtype
        "float32", "bfloat16" or "float16"; "auto" is float32 on a processor and bfloat16 on a GPU.
    device_map : str or mapping
        "auto" shares the model out over GPUs, memory and disk (accelerate); a mapping names a device for each module.
    quantize : str
        "8bit" or "4bit" (bitsandbytes).
    attn : str
        "sdpa", "eager" or "flash"; "auto" is the family's usual.
    detail : str
        "low" gives each picture one tile or few tokens, "published" as many as the model was published with; "auto" is low on a
        processor. How a model was loaded is kept in the run where that is not the usual way.
    engine : str or Engine
        Where extraction and search run: "local", or "ray", which spreads them over processes of this machine or machines of a Ray
        cluster; the numbers are the same. An engine that was made before is used, and stays open.
    ray_address : str, optional
        HOST:PORT of the cluster, or "auto"; without it, processes of this machine.

    Returns
    -------
    Run

    Raises
    ------
    UserError
        For everything the caller can put right: unreadable data, one class only, an unknown choice.

    Examples
    --------
    >>> run = find("pack:presence-dog", compare="none")  # doctest: +SKIP
    >>> run.by_layer[run.exit_layer - 1].accuracy.value  # doctest: +SKIP
    """
    stage = Stages(progress or silent)
    names = baseline_names(compare)
    asked_sites = tuple(map(str.strip, sites.split(","))) if isinstance(sites, str) else tuple(sites)
    site_names(asked_sites)  # a name that is none is told before the model loads
    COMMITTEE.check(committee)
    who = committee_asked(committee, rule=rule, metric=metric, voters=voters, weighting=weighting)
    check_choices(who["rule"], who["metric"], who["voters"], who["weighting"], test_size, seed)
    options = LoadOptions(dtype_name(dtype), device_map_name(device_map), quantize, attn, detail)
    question = None if question is None else clean_question(question)
    if model is None or isinstance(model, str | os.PathLike):
        model = choose_model(model, data).name
    by = ENGINES[engine](ray_address, device) if isinstance(engine, str) else engine
    warm_up_beside(fixed=who["rule"] != PLAIN.rule)  # compiles on a new machine, while the model loads
    with stage("load", 0.10, "Loading images and model") as report:
        train, held_out = load_splits(data, question, test, test_size, seed, columns)
        given = given_answers(answers)
        answer_key(train.classes, train.questions, given)  # a mistake in the answers is told before the model loads
        model, note = _obtained(model, report if progress else silent)
        report(0.5, "Loading the model")
        vlm = model_named(model, device, options=options)
    chosen_sites = () if asked_sites == ("all",) else reader_of(vlm).layout.available(asked_sites)
    config = Config(
        question=question,
        model=model if isinstance(model, str) else vlm.name,
        sites=chosen_sites,
        **who,
        exit_layer=_checked_exit(exit_layer, vlm, chosen_sites),
        test_size=test_size,
        seed=seed,
        compare=names,
        answers=tuple(given.items()),
        loading=vlm.options.told(),
    )
    whole = config, train, held_out, vlm, part(progress or silent, 0.10, 1.0)
    try:
        found = run(*whole, say=say, offer=offer, engine=by)
    finally:
        if by is not engine:
            by.close()
    told = {"model": {"note": note}} if note else {}
    told["data"] = _data_told(data, test, columns, (*train.notes, *held_out.notes))
    if options.detail == "low" and not vlm.look.matters:
        said = f"Low detail changes nothing: {vlm.name} has one way to look at a picture."
        found = replace(found, warnings=(*found.warnings, said))
    return replace(found, seconds={**stage.seconds, **found.seconds}, findings={**found.findings, **told})


def _data_told(data: Any, test: Any, columns: Mapping[str, str] | None, notes: Sequence[str]) -> dict[str, Any]:
    """Return what finds the pictures again on any machine: the names of packs, and data sets of the hub at their commits.

    Of files nothing is kept: a run holds no path.
    """
    sources = [*filter(_is_pack, (data, test)), *pinned(notes)]
    return {"sources": sources, **({"columns": dict(columns)} if columns else {})}


def _obtained(model: str | Vlm, progress: Progress) -> tuple[str | Vlm, str]:
    """Return the model's name, for one of the hub at a commit whose files are then here, and how the commit was come by."""
    if not isinstance(model, str):
        return model, ""
    found = obtain(model, progress)
    return found.name, found.note


def _checked_exit(exit_layer: int | str | None, vlm: Vlm, sites: tuple[str, ...]) -> int | None:
    layout = reader_of(vlm).layout
    layers = layout.layers(layout.available(sites))
    return checked_layer(exit_layer, layers[-1], 1 - layers.start)


def layer_accuracies(votes: Votes, test: LabelledImages, correct: np.ndarray, layer_ms: np.ndarray) -> tuple[LayerAccuracy, ...]:
    """Combine held-out accuracy, cross-validated accuracy (``correct``, share (example, layer)) and latency of every exit layer."""
    right, groups = votes.predicted == test.labels[:, None], group_index(test)
    cv = correct.mean(axis=0) if len(correct) else np.full(right.shape[1], np.nan)
    return tuple(
        LayerAccuracy(l + votes.first_layer, accuracy_interval(right[:, l], groups), float(cv[l]), float(layer_ms[l]))
        for l in range(right.shape[1])
    )


def compare(
    names: Sequence[str], context: Context, finished: Callable[[Sequence[Baseline]], None] | None = None
) -> tuple[tuple[Baseline, ...], tuple[str, ...], dict[str, LabelOf]]:
    """Run the named baselines; a sentence tells of each that this model or these images rule out.

    Those that leave the model alone run one after the other, beside those that run it. ``finished`` is told of each, in the order
    of the names, when it and all before it have ended. The last part is what of each, by name, is still to be timed, but for the
    full model, which is timed with the exits in any case.
    """
    found: dict[str, Baseline | UserError] = {}
    done, left_out = [], []
    to_time: dict[str, list[LabelOf]] = {name: [] for name in names}
    report, over = dict(zip(names, shares(context.progress, len(names)), strict=True)), Event()

    def run(name: str) -> Baseline | UserError:
        def progress(fraction: float, doing: str) -> None:
            if over.is_set():
                raise Cancelled
            report[name](fraction, doing)

        try:
            ended = BASELINES[name](replace(context, progress=progress, to_time=to_time[name]))
        except UserError as error:
            ended = error
        progress(1.0, "Comparing with other methods")
        return ended

    beside, others = ThreadPoolExecutor(1, "beside"), deque(filter(needs_model, names))
    try:
        alone = {name: beside.submit(copy_context().run, run, name) for name in names if not needs_model(name)}
        for name in names:
            while others and name not in found and not (name in alone and alone[name].done()):
                following = others.popleft()
                found[following] = run(following)
                for one in filter(Future.done, alone.values()):
                    one.result()  # what went wrong there is not told only when its turn comes
            ended = found[name] if name not in alone else alone[name].result()
            if isinstance(ended, UserError):
                left_out.append(f"{name} was left out of the comparison. {ended}")
                continue
            done.append(ended)
            if finished is not None:
                finished(done)
    finally:
        over.set()
        beside.shutdown(cancel_futures=True)
    kept = {one.name for one in done} - {"full-model"}
    return tuple(done), tuple(left_out), {name: own[0] for name, own in to_time.items() if own and name in kept}


def versions(vlm: Vlm, sites: Sequence[str]) -> dict[str, str]:
    """Return the versions of what the numbers depend on; the model's is its key and its number format, a site's is a
    digest of its transform, where it has one.
    """
    import sn_viz

    libraries = {name: version(name) for name in ("numpy", "torch", "transformers", "scikit-learn")}
    ours = {"sn_viz": sn_viz.__version__, "python": platform.python_version()}
    return ours | libraries | model_version(vlm) | site_versions(sites)


def load_splits(
    data: Any, question: str | None, test: Any, test_size: float, seed: int, columns: Mapping[str, str] | None = None
) -> tuple[LabelledImages, LabelledImages]:
    """Load ``data`` (and ``test``) and return the probing and test split, checked, without a picture or a group in common.

    The test split is empty where groups leave nothing to test on; its first note says so.
    """
    from sn_viz.sources import load_images
    from sn_viz.splits.split import nothing_held_out, own_split, split

    packed = _load_pack(data, seed)
    loaded = packed[0] if packed else load_images(data, question, columns=columns)
    packed = packed or own_split(loaded, test_size, seed)
    if packed is not None and test is None:
        train, held_out = (split.ask(question) for split in packed)
        train = usable(train)
        if (why := _demonstration(data)) or not len(held_out):
            return train, nothing_held_out(train, why)
        return kept_apart(train, align_classes(held_out, train), drawn=_is_pack(data))
    images = usable((packed[0] if packed else loaded).ask(question))
    if test is None:
        return split(joined(images), test_size, seed)
    packed_test = _load_pack(test, seed)
    tested = packed_test[1] if packed_test else load_images(test, question, columns=columns)
    own = own_split(tested)
    held_out = usable((own[1] if own else tested).ask(question), "test set")
    return kept_apart(images, align_classes(held_out, images))


def _is_pack(data: Any) -> bool:
    return isinstance(data, str) and data.startswith("pack:")


def _demonstration(data: Any) -> str:
    """Return why nothing can be measured on a sample pack, for people; "" for other data."""
    from sn_viz.sources.pack import pack_names

    return next((pack.demonstration for pack in pack_names() if _is_pack(data) and data == f"pack:{pack.name}"), "")


def _load_pack(data: Any, seed: int) -> tuple[LabelledImages, LabelledImages] | None:
    """Return both splits of data that bring their own: a sample pack, or a published benchmark."""
    if isinstance(data, str) and data.startswith("pack:"):
        from sn_viz.sources.pack import load_pack

        return load_pack(data.removeprefix("pack:"), seed=seed)
    if isinstance(data, str) and data.startswith("bench:"):
        from sn_viz.sources.benchmarks.sample import load_benchmark

        return load_benchmark(data, seed=seed)
    return None
