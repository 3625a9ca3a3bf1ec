"""A ``Run`` as tables for a terminal. Takes finished values, prints them with rich; knows nothing about models or files."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from sn_viz.formatting import UNDEFINED, percent, percent_range, ratio, ratio_words
from sn_viz.plots.reference import shown_name
from sn_viz.plots.words import depth_words
from sn_viz.types import Baseline, Interval, Prediction, RunRecord, layer_name
from sn_viz.voting.named import counts_words
from sn_viz.voting.stump_scores import stump_score
from sn_viz.voting.verdict import verdict


def print_run(run: RunRecord, console: Console) -> None:
    """Print what a run found: the super neurons, methods side by side, every exit layer, warnings."""
    print_found(run, console)
    print_judged(run, console)


def print_found(run: RunRecord, console: Console) -> None:
    """Print what is known once the exit is chosen: the question, the super neurons and their share of test images that is right."""
    question = run.config.question or run.train.question or "(each image has its own question)"
    console.print(f"[bold]{escape(question)}[/]  {escape(' / '.join(run.train.classes))}", highlight=False)
    console.print(
        f"{escape(run.config.model_name)}: {_layers(run)}, {len(run.neurons):,} neurons. "
        f"{len(run.train)} images to find neurons, {len(run.test) or 'none'} {'others ' if len(run.test) else ''}to test them.",
        highlight=False,
    )
    console.print(neurons_table(run))
    if len(run.test):
        stop = f"Super neurons, exit at layer {run.neurons.layer_name(run.exit_layer)}"
        console.print(accuracy_line(stop, run.by_layer[run.exit_index].accuracy), markup=False, highlight=False)


def print_judged(run: RunRecord, console: Console) -> None:
    """Print what a finished run adds to that: the verdict, methods side by side with their times, every exit layer, warnings."""
    console.print(verdict_line(run), highlight=False)
    console.print(methods_table(run))
    console.print(layers_table(run))
    console.print(depth_words(run), markup=False, highlight=False)
    if told := run.findings.get("committee", {}).get("sentence"):
        console.print(str(told), markup=False, highlight=False)
    null = [score for score in run.null_scores.tolist() if math.isfinite(score)]
    if null:
        low, high = min(null), max(null)
        console.print(f"With shuffled labels the best neuron scores {low:.2f} to {high:.2f}.", highlight=False)
    console.print("Seconds: " + ", ".join(f"{stage} {seconds:.1f}" for stage, seconds in run.seconds.items()), highlight=False)
    for warning in dict.fromkeys([*verdict(run).reasons, *run.warnings]):
        console.print(f"[yellow]Note:[/] {escape(warning)}", highlight=False)


def method_line(run: RunRecord, method: Baseline) -> str:
    """Return what share of test images another method gets right, in a line."""
    return accuracy_line(shown_name(run, method.name), method.accuracy)


def accuracy_line(name: str, seen: Interval | None) -> str:
    """Return a name and the share of test images that is right, with its interval."""
    value, between = _interval(seen)
    return f"{name}: {value} of {seen.n:,} test images ({between})" if seen is not None and between else f"{name}: {value}"


def methods_table(run: RunRecord) -> Table:
    """Return accuracy and latency of every method."""
    table = Table(title="On the test images", title_justify="left")
    for heading, justify in (("method", "left"), ("accuracy", "right"), ("95 % interval", "right"), ("ms an image", "right")):
        table.add_column(heading, justify=justify)  # type: ignore[arg-type]
    at_exit = run.by_layer[run.exit_index]
    rows = [(shown_name(run, b.name), b.accuracy, b.latency_ms) for b in run.baselines]
    stop = run.neurons.layer_name(run.exit_layer)
    rows.append((f"super neurons, exit at layer {stop}", at_exit.accuracy, run.latency_ms.get("early_exit", math.nan)))
    for name, accuracy, latency in rows:
        style = "bold" if name.startswith("super neurons") else ""
        table.add_row(escape(name), *_interval(accuracy), _ms(latency), style=style)
    slow, first, fast = (run.latency_ms.get(name, math.nan) for name in ("full_model", "first_token", "early_exit"))
    if verdict(run).holds and math.isfinite(ratio(slow, fast)):
        table.caption = f"Early exit: {ratio_words(slow, fast)} as the full answer"
        table.caption += f", {ratio_words(first, fast)} as its first token." if math.isfinite(ratio(first, fast)) else "."
        table.caption_justify = "left"
    return table


VERDICT_STYLES = {"beyond luck": "bold green", "unclear": "bold yellow", "nothing found": "bold red"}


def doubt_line(run: RunRecord, layer: int | None = None) -> str:
    """Return the verdict on stopping after ``layer`` as marked-up text, "" when it is beyond luck."""
    return "" if verdict(run, layer).kind == "beyond luck" else verdict_line(run, layer)


def verdict_line(run: RunRecord, layer: int | None = None) -> str:
    """Return the verdict on stopping after ``layer``, by default the run's own, as marked-up text in its colour."""
    found = verdict(run, layer)
    return f"[{VERDICT_STYLES[found.kind]}]{escape(found.sentence)}[/]"


def layers_table(run: RunRecord) -> Table:
    """Return accuracy and latency by exit layer."""
    table = Table(title="Super neurons by exit layer", title_justify="left")
    for heading in ("layer", "accuracy", "95 % interval", "on probing images", "ms an image"):
        table.add_column(heading, justify="right")
    for row in run.by_layer:
        chosen = row.layer == run.exit_layer
        cv = percent(row.cv_accuracy, undefined="")
        name = run.neurons.layer_name(row.layer)
        label = f"-> {name}" if chosen else name
        table.add_row(label, *_interval(row.accuracy), cv, _ms(row.latency_ms), style="bold" if chosen else "")
    return table


def neurons_table(run: RunRecord) -> Table:
    """Return the super neurons of the exit layer."""
    voters = run.voters[run.exit_index]
    table = Table(title="The super neurons", title_justify="left")
    headings = [("neuron", "left"), ("says", "left"), ("when", "right"), ("score", "right"), ("held out", "right")]
    headings += [] if voters.weight is None else [("counts", "right")]
    for heading, justify in headings:
        table.add_column(heading, justify=justify)  # type: ignore[arg-type]
    for i in range(len(voters)):
        neuron, class_index = int(voters.neuron[i]), int(voters.class_index[i])
        threshold, sign = float(voters.threshold[i]), int(voters.sign[i])
        held_out = stump_score(run.test_values[:, neuron], run.test.labels, threshold, sign, class_index).balanced_accuracy
        table.add_row(
            run.neurons.name(neuron),
            escape(run.train.classes[class_index]),
            f"{'>' if sign > 0 else '<'} {threshold:.4g}",
            *(f"{score:.3f}" if math.isfinite(score) else UNDEFINED for score in (float(voters.score[i]), held_out)),
            *([] if voters.weight is None else [counts_words(voters, i)]),
        )
    return table


def predictions_table(
    names: Sequence[str], predictions: Iterable[Prediction], answers: Sequence[str] = (), n_tower: int = 0
) -> Table:
    """Return one row per image; ``answers`` adds what the full model said, ``n_tower`` names exits in the vision tower."""
    table = Table()
    for heading, justify in (("image", "left"), ("label", "left"), ("margin", "right"), ("exit layer", "right"), ("ms", "right")):
        table.add_column(heading, justify=justify)  # type: ignore[arg-type]
    if answers:
        table.add_column("full model")
    for i, (name, said) in enumerate(zip(names, predictions, strict=True)):
        row = [escape(name), escape(said.label), f"{said.margin:.2f}", layer_name(said.exit_layer, n_tower)]
        row.append(f"{said.milliseconds:.1f}")
        table.add_row(*row, *([escape(answers[i])] if answers else []))
    return table


def plain_table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """Return a table of literal text."""
    table = Table(Column(headings[0], no_wrap=True), *headings[1:])
    for row in rows:
        table.add_row(*(escape(str(cell)) for cell in row))
    return table


def _layers(run: RunRecord) -> str:
    """Return how many layers a run can stop after, in words."""
    tower, decoder = run.neurons.n_tower, run.neurons.n_layers
    in_tower = f"{tower} blocks of the vision tower" if tower else ""
    return " and ".join(filter(None, (in_tower, f"{decoder} layers" if decoder or not tower else "")))


def _interval(interval: Interval | None) -> tuple[str, str]:
    if interval is None or not math.isfinite(interval.value):
        return "cannot tell" if interval is None else UNDEFINED, ""
    return percent(interval.value), percent_range(interval.low, interval.high, 1)


def _ms(milliseconds: float) -> str:
    return "" if math.isnan(milliseconds) else f"{milliseconds:.1f}"
