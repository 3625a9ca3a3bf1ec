"""One run as one self-contained page that opens offline.

Takes a Run and a path; writes HTML with plotly.js, every figure (light and dark), tables and thumbnails inside. It knows nothing of
models. What the page says is put together here, its HTML stands in ``templates/``, where everything is escaped; what goes into
figures is by ``style.literal``.
"""

from __future__ import annotations

import os
import re
import tempfile
from dataclasses import asdict
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go
from markupsafe import Markup

from sn_viz.errors import UserError
from sn_viz.formatting import metric_name, ratio, ratio_words
from sn_viz.glossary import as_html, words_in
from sn_viz.plots import PLOTS, compare, ordered, reference, style
from sn_viz.plots.words import depth_words, exit_words
from sn_viz.report.templating import CLIPPED, fill, outside, part
from sn_viz.report.thumbnails import data_url
from sn_viz.types import Config, LabelledImages, RunRecord
from sn_viz.voting.named import counts_words
from sn_viz.voting.stump_scores import stump_score
from sn_viz.voting.verdict import verdict

THUMBNAIL = 96
"""Longest side of an example in pixels."""
MOST_EXAMPLES = 8
"""Examples shown of each kind."""
LEADING = 20
"""Figures up to this order stand before the table of the methods."""


class Section(NamedTuple):
    """One figure of the page."""

    key: str
    heading: str
    sentence: str
    """What it shows and how to read it."""
    order: int
    light: go.Figure
    dark: go.Figure


def write_report(run: RunRecord, path: str | Path) -> Path:
    """Write ``run`` as one HTML page and return its path.

    The page needs no network. It appears at ``path`` all at once: on failure what was there before stays.

    Parameters
    ----------
    run : Run
    path : str or Path
        Where to write; an existing file is replaced.

    Raises
    ------
    UserError
        When the folder does not exist or cannot be written to.
    """
    target = Path(path)
    if not target.parent.is_dir():
        raise UserError(f"The report {str(path)!r} was not written.", "Its folder does not exist.", "Make the folder first.")
    if target.is_dir():
        raise UserError(f"The report {str(path)!r} was not written.", "That is a folder.", "Give a file name such as report.html.")
    if target.exists() and target.suffix.lower() not in (".html", ".htm"):
        cause = "That is a file of another kind, which would be lost."
        raise UserError(f"The report {str(path)!r} was not written.", cause, "Give a file name such as report.html.")
    try:
        _write_at_once(target, page(run).encode("utf-8"))
    except OSError as error:
        hint = "Choose a folder you may write to, with room on its disk."
        raise UserError(f"The report {str(path)!r} was not written.", f"{error.strerror or error}.", hint) from error
    return target


def _write_at_once(target: Path, content: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:40]}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(name, 0o666 & ~umask)
        os.replace(name, target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def page(run: RunRecord) -> str:
    """Return the whole page as HTML."""
    shown = sections(run)
    script = (
        resources.files("plotly").joinpath("package_data", "plotly.min.js").read_text("utf-8").replace("</script", "<\\/script")
    )
    body = fill(
        "body.html",
        question=run.shown.question or run.config.question or "Each image has its own question",
        verdict=_verdict(run),
        summary=summary(run),
        depth=depth_words(run),
        warnings=_warnings(run),
        leading=[section for section in shown if section.order <= LEADING],
        methods=_methods_table(run),
        others=[section for section in shown if section.order > LEADING],
        voters=_voters_table(run),
        examples=_examples(run),
        findings=part("findings", [str(found["sentence"]) for found in run.findings.values() if "sentence" in found]),
        settings=_settings_table(run),
    )
    whole = fill(
        "page.html",
        title=run.shown.question or run.config.model_name,
        body=body,
        words=as_html(words_in(re.sub(r"<[^>]*>", " ", body))),
        plotly=Markup(script),
        figures={section.key: [_payload(section, section.light), _payload(section, section.dark)] for section in shown},
        config=style.CONFIG,
    )
    return str(whole)


def sections(run: RunRecord) -> list[Section]:
    """Return every registered figure that has something to show of ``run``, in order."""
    made: dict[str, Any] = {}
    shown = []
    for name in ordered():
        plot = PLOTS[name]
        if not plot.in_report or plot.info is None or (plot.again is not None and made.get(plot.again) is None):
            continue
        made[name] = plot.info(run) if plot.again is None else plot.info(run, made[plot.again])
        if made[name] is not None:
            light, dark = plot.figure(made[name], False), plot.figure(made[name], True)
            if plot.held_out:
                light, dark = style.marked(light, run.held_out_mark), style.marked(dark, run.held_out_mark, True)
            shown.append(Section(name, plot.title, plot.sentence, plot.order, light, dark))
    return shown


def _payload(section: Section, figure: go.Figure) -> dict:
    """Return what plotly.js needs; a title that only repeats the page's heading is left out."""
    if figure["layout"]["title"]["text"] == section.heading:
        figure.update_layout(title=None, margin_t=16)
    return figure.to_plotly_json()


def summary(run: RunRecord) -> Markup:
    """Return the outcome in a sentence or two of HTML."""
    methods = compare.info(run)
    row = {key: index for index, key in reversed(list(enumerate(methods.key)))}
    if "super-neurons" not in row:
        return Markup("No exit layer has been measured yet.")
    ours = row["super-neurons"]
    voters = len(run.voters[run.exit_index])
    text = Markup("Stopping after {}, {} super neurons answer <b>{}</b> of {} held-out images correctly ({}).").format(
        exit_words(run, run.exit_layer),
        voters,
        style.percent(methods.accuracy[ours]),
        methods.n,
        style.percent_range(methods.low[ours], methods.high[ours]),
    )
    if run.edited_after_looking:
        text += f" Every held-out figure of this page is {run.held_out_mark}."
    if "full-model" in row:
        read = reference.INFERRED if reference.is_inferred(run, "full-model") else ""
        text += Markup(" The full model answers {}{}.").format(_share(methods, row["full-model"]), read)
        if not np.isfinite(methods.accuracy[row["full-model"]]) and "full-model-calibrated" in row:
            calibrated = _share(methods, row["full-model-calibrated"])
            text += Markup(" Calibrated on the probing images it answers {}.").format(calibrated)
    early, whole = run.latency_ms.get("early_exit", float("nan")), run.latency_ms.get("full_model", float("nan"))
    if verdict(run).holds and np.isfinite(ratio(whole, early)):
        text += f" An answer takes {early:.0f} ms instead of {whole:.0f} ms: {ratio_words(whole, early)}."
    return text


def _share(methods: compare.Info, row: int) -> Markup:
    """Return one method's accuracy with its interval, as HTML."""
    if not np.isfinite(methods.accuracy[row]):
        return Markup("something whose meaning cannot be told")
    share, interval = style.percent(methods.accuracy[row]), style.percent_range(methods.low[row], methods.high[row])
    return Markup("<b>{}</b> of them correctly ({})").format(share, interval)


def _verdict(run: RunRecord) -> Markup:
    """Return the verdict in words and colour."""
    return part("verdict", verdict(run))


def _warnings(run: RunRecord) -> Markup:
    return part("warnings", list(dict.fromkeys([*verdict(run).reasons, *run.warnings, *run.train.notes, *run.test.notes])))


def _methods_table(run: RunRecord) -> Markup:
    info = compare.info(run)
    rows = (
        (
            part("method", name, note),
            style.percent(value),
            style.percent_range(low, high),
            f"{latency:.1f}" if np.isfinite(latency) else "not timed",
        )
        for name, value, low, high, latency, note in zip(
            info.name, info.accuracy, info.low, info.high, info.latency_ms, info.note, strict=True
        )
    )
    return part("table", ("Method", _marked("Accuracy", run), "95 % interval", "ms an image"), rows)


def _marked(heading: str, run: RunRecord) -> str:
    """Return the heading of a column of held-out figures."""
    return ", ".join(filter(None, (heading, run.held_out_mark)))


def _voters_table(run: RunRecord) -> Markup:
    voters = run.voters[run.exit_index] if run.voters else run.stumps.take(slice(0, 0))
    rows = []
    for position in range(len(voters)):
        sign, threshold = int(voters.sign[position]), float(voters.threshold[position])
        name = run.train.classes[int(voters.class_index[position])]
        column, speaks_for = int(voters.neuron[position]), int(voters.class_index[position])
        held_out = stump_score(run.test_values[:, column], run.test.labels, threshold, sign, speaks_for).balanced_accuracy
        rows.append(
            (
                outside(run.neurons.name(int(voters.neuron[position]))),
                part("class_name", name),
                f"{'above' if sign > 0 else 'below'} {threshold:.4g}",
                f"{voters.score[position]:.3f}",
                f"{held_out:.3f}" if np.isfinite(held_out) else "undefined",
                counts_words(voters, position),
            )
        )
    return part("voters", metric_name(run.config.metric), rows, _marked("Held out", run))


def _named(config: Config) -> dict[str, Any]:
    """Return the settings by name; a model given by its folder goes by the folder's name, for a report leaves the machine."""
    return {**asdict(config), "model": config.model_name}


def _settings_table(run: RunRecord) -> Markup:
    named = _named(run.config)
    layer = dict(enumerate(run.by_layer)).get(run.exit_index)
    if named["exit_layer"] is None and layer is not None and not np.isfinite(layer.cv_accuracy):
        named["exit_layer"] = "the last: too few probing images to choose by cross-validation"
    rows = [(outside(name.replace("_", " ")), _setting(name, value)) for name, value in named.items()]
    rows += [("model at", outside(note))] if (note := run.findings.get("model", {}).get("note")) else []
    rows += [("probing images", str(len(run.train))), ("test images", str(len(run.test))), ("neurons", f"{len(run.neurons):,}")]
    rows += [("seconds: " + outside(stage), f"{seconds:.2f}") for stage, seconds in run.seconds.items()]
    rows += [("milliseconds: " + outside(name.replace("_", " ")), f"{value:.1f}") for name, value in run.latency_ms.items()]
    rows += [("version: " + outside(name), outside(version)) for name, version in run.versions.items()]
    return part("table", ("Setting", "Value"), rows)


_UNSET = {"question": "as it came with each image", "exit_layer": "chosen by cross-validation", "sites": "all", "compare": "none"}


def _setting(name: str, value: object) -> str:
    if value is None or value == ():
        return _UNSET.get(name, "not set")
    return Markup(", ").join(outside(each) for each in value) if isinstance(value, tuple) else outside(value)


class Card(NamedTuple):
    """One example."""

    name: str
    picture: str
    """A data URL."""
    truth: str
    said: str


class Examples(NamedTuple):
    """Examples of one kind."""

    heading: str
    cards: list[Card]


def _examples(run: RunRecord) -> Markup:
    probing = [_card(run.train, index, "") for index in _spread(run.train.labels, MOST_EXAMPLES)]
    parts = [Examples("Probing images, from which the neurons were chosen", probing)]
    if len(run.test) and 0 <= run.exit_index < run.votes.predicted.shape[1]:
        said = run.votes.predicted[:, run.exit_index]
        wrong = np.flatnonzero((said != run.test.labels) & (run.test.labels >= 0))[:MOST_EXAMPLES]
        right = np.flatnonzero(said == run.test.labels)
        right = right[_spread(run.test.labels[right], MOST_EXAMPLES)]
        for heading, index in (("Test images answered right", right), ("Test images answered wrong", wrong)):
            parts.append(Examples(heading, [_card(run.test, int(i), run.test.classes[int(said[i])]) for i in index]))
    return part("examples", [each for each in parts if each.cards])


def _spread(labels: np.ndarray, most: int) -> np.ndarray:
    """Return up to ``most`` indices that take turns over the classes, in order of class."""
    turns = np.zeros(len(labels), dtype=np.int64)
    for label in np.unique(labels):
        mine = labels == label
        turns[mine] = np.arange(mine.sum())
    chosen = np.lexsort((labels, turns))[:most]
    return chosen[np.lexsort((chosen, labels[chosen]))]


def _card(images: LabelledImages, index: int, said: str) -> Card:
    label = int(images.labels[index])
    truth = images.classes[label] if label >= 0 else "unlabelled"
    return Card(images.names[index][:CLIPPED], thumbnail(images.pictures[index].pixels), truth, said)


def thumbnail(pixels: np.ndarray, longest: int = THUMBNAIL) -> str:
    """Return uint8 (height, width, 3) as a PNG data URI whose longest side is at most ``longest`` pixels (block means)."""
    return data_url(pixels, longest, "PNG")
