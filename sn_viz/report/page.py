"""One run as one self-contained page that opens offline.

Takes a Run and a path; writes HTML with plotly.js, every figure (light and dark), tables and thumbnails inside. It knows nothing of
models, and everything that came from outside is escaped here or by ``style.literal``.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterable
from dataclasses import asdict
from html import escape
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go

from sn_viz.errors import UserError
from sn_viz.formatting import ratio, ratio_words
from sn_viz.glossary import as_html, words_in
from sn_viz.plots import PLOTS, compare, ordered, reference, style
from sn_viz.plots.words import depth_words
from sn_viz.report.thumbnails import data_url
from sn_viz.types import Config, LabelledImages, RunRecord
from sn_viz.voting.stump_scores import stump_score
from sn_viz.voting.verdict import verdict

THUMBNAIL = 96
"""Longest side of an example in pixels."""
MOST_EXAMPLES = 8
"""Examples shown of each kind."""
LEADING = 20
"""Figures up to this order stand before the table of the methods."""
CLIPPED = 300
"""Characters of a user's text shown on the page."""


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
    figures = {section.key: [_payload(section, section.light), _payload(section, section.dark)] for section in shown}
    body = [
        "<header><h1>Super neurons</h1>",
        f'<p class="question">{_text(run.shown.question or run.config.question or "Each image has its own question")}</p>',
        _verdict(run),
        f"<p>{summary(run)}</p><p>{escape(depth_words(run))}</p></header>",
        _warnings(run),
        *(_section(section) for section in shown if section.order <= LEADING),
        "<section><h2>The methods in figures</h2>" + _methods_table(run) + "</section>",
        *(_section(section) for section in shown if section.order > LEADING),
        "<section><h2>The super neurons that vote</h2>" + _voters_table(run) + "</section>",
        _examples(run),
        _findings(run),
        "<section><h2>How it was made</h2>" + _settings_table(run) + "</section>",
    ]
    body.append(_words(body))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src 'unsafe-inline'; "
        "style-src 'unsafe-inline'; img-src data: blob:\">\n"
        f"<title>Super neurons: {_text(run.shown.question or run.config.model_name)}</title>\n<style>{_STYLE}</style>\n</head>\n"
        f"<body><main>\n{chr(10).join(body)}\n</main>\n<script>{script}</script>\n"
        f'<script type="application/json" id="figures">{_json(figures)}</script>\n'
        f"<script>{_DRAW.replace('CONFIG', json.dumps(style.CONFIG))}</script>\n</body>\n</html>\n"
    )


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
            shown.append(Section(name, plot.title, plot.sentence, plot.order, light, dark))
    return shown


def _payload(section: Section, figure: go.Figure) -> dict:
    """Return what plotly.js needs; a title that only repeats the page's heading is left out."""
    if figure["layout"]["title"]["text"] == section.heading:
        figure.update_layout(title=None, margin_t=16)
    return figure.to_plotly_json()


def _json(value: object) -> str:
    """Return JSON that cannot end the script element it stands in."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _text(value: object) -> str:
    """Return anything from outside as HTML text, direction isolated."""
    shown = str(value)
    shown = shown if len(shown) <= CLIPPED else shown[: CLIPPED - 1] + "…"
    return f"<bdi>{escape(shown)}</bdi>" if not shown.isascii() else escape(shown)


def summary(run: RunRecord) -> str:
    """Return the outcome in a sentence or two of HTML."""
    methods = compare.info(run)
    row = {key: index for index, key in reversed(list(enumerate(methods.key)))}
    if "super-neurons" not in row:
        return "No exit layer has been measured yet."
    ours = row["super-neurons"]
    voters = len(run.voters[run.exit_index])
    text = (
        f"Stopping after layer {run.neurons.layer_name(run.exit_layer)} of {run.neurons.n_layers}, {voters} super neurons answer "
        f"<b>{style.percent(methods.accuracy[ours])}</b> of {methods.n} held-out images correctly "
        f"({style.percent_range(methods.low[ours], methods.high[ours])})."
    )
    if "full-model" in row:
        read = reference.INFERRED if reference.is_inferred(run, "full-model") else ""
        text += f" The full model answers {_share(methods, row['full-model'])}{read}."
        if not np.isfinite(methods.accuracy[row["full-model"]]) and "full-model-calibrated" in row:
            text += f" Calibrated on the probing images it answers {_share(methods, row['full-model-calibrated'])}."
    early, whole = run.latency_ms.get("early_exit", float("nan")), run.latency_ms.get("full_model", float("nan"))
    if verdict(run).holds and np.isfinite(ratio(whole, early)):
        text += f" An answer takes {early:.0f} ms instead of {whole:.0f} ms: {ratio_words(whole, early)}."
    return text


def _share(methods: compare.Info, row: int) -> str:
    """Return one method's accuracy with its interval, as HTML."""
    if not np.isfinite(methods.accuracy[row]):
        return "something whose meaning cannot be told"
    return (
        f"<b>{style.percent(methods.accuracy[row])}</b> of them correctly "
        f"({style.percent_range(methods.low[row], methods.high[row])})"
    )


def _section(section: Section) -> str:
    drawn: Any = section.light.layout
    height = int(drawn.height)
    named = escape(section.heading)
    return (
        f"<section><h2>{named}</h2>\n<p>{escape(section.sentence)}</p>\n"
        f'<div class="figure" id="figure-{section.key}" role="img" aria-label="{named}" style="min-height:{height}px"></div>'
        "</section>"
    )


def _verdict(run: RunRecord) -> str:
    """Return the verdict in words and colour."""
    found = verdict(run)
    return f'<p class="verdict {found.kind.replace(" ", "-")}" role="status">{_text(found.sentence)}</p>'


def _warnings(run: RunRecord) -> str:
    told = list(dict.fromkeys([*verdict(run).reasons, *run.warnings, *run.train.notes, *run.test.notes]))
    if not told:
        return ""
    items = "".join(f"<li>{_text(line)}</li>" for line in told)
    return f'<section class="warnings"><h2>Before you trust this</h2><ul>{items}</ul></section>'


def _findings(run: RunRecord) -> str:
    """Say what every check found that the run was put to."""
    said = [str(found["sentence"]) for found in run.findings.values() if "sentence" in found]
    items = "".join(f"<li>{escape(each)}</li>" for each in said)
    return f"<section><h2>Put to the test</h2><ul>{items}</ul></section>" if said else ""


def _words(body: Iterable[str]) -> str:
    """Return what the words mean that the page uses."""
    told = words_in(re.sub(r"<[^>]*>", " ", " ".join(body)))
    return f'<section class="words"><h2>Words</h2>{as_html(told)}</section>'


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table; heads are ours, cells are HTML already."""
    top = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="scroll" tabindex="0"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'


def _methods_table(run: RunRecord) -> str:
    info = compare.info(run)
    rows = (
        (
            _text(name) + (f"<br><small>{_text(note)}</small>" if note else ""),
            style.percent(value),
            style.percent_range(low, high),
            f"{latency:.1f}" if np.isfinite(latency) else "not timed",
        )
        for name, value, low, high, latency, note in zip(
            info.name, info.accuracy, info.low, info.high, info.latency_ms, info.note, strict=True
        )
    )
    return _table(("Method", "Accuracy", "95 % interval", "ms an image"), rows)


def _voters_table(run: RunRecord) -> str:
    voters = run.voters[run.exit_index] if run.voters else run.stumps.take(slice(0, 0))
    rows = []
    for position in range(len(voters)):
        sign, threshold = int(voters.sign[position]), float(voters.threshold[position])
        name = run.train.classes[int(voters.class_index[position])]
        column, speaks_for = int(voters.neuron[position]), int(voters.class_index[position])
        held_out = stump_score(run.test_values[:, column], run.test.labels, threshold, sign, speaks_for).balanced_accuracy
        rows.append(
            (
                _text(run.neurons.name(int(voters.neuron[position]))),
                f'<span class="name">{_text(name)}</span>',
                f"{'above' if sign > 0 else 'below'} {threshold:.4g}",
                f"{voters.score[position]:.3f}",
                f"{held_out:.3f}" if np.isfinite(held_out) else "undefined",
            )
        )
    told = (
        "<p>Each says its class when its activation lies on that side of the threshold. Probing: its "
        f"{_text(run.config.metric.replace('-', ' '))} on the images it was chosen on; held out: its balanced accuracy on the test "
        "images.</p>"
    )
    return told + _table(("Neuron", "Says", "When", "Probing", "Held out"), rows)


def _named(config: Config) -> dict[str, Any]:
    """Return the settings by name; a model given by its folder goes by the folder's name, for a report leaves the machine."""
    return {**asdict(config), "model": config.model_name}


def _settings_table(run: RunRecord) -> str:
    named = _named(run.config)
    layer = dict(enumerate(run.by_layer)).get(run.exit_index)
    if named["exit_layer"] is None and layer is not None and not np.isfinite(layer.cv_accuracy):
        named["exit_layer"] = "the last: too few probing images to choose by cross-validation"
    rows = [(_text(name.replace("_", " ")), _setting(name, value)) for name, value in named.items()]
    rows += [("model at", _text(note))] if (note := run.findings.get("model", {}).get("note")) else []
    rows += [("probing images", str(len(run.train))), ("test images", str(len(run.test))), ("neurons", f"{len(run.neurons):,}")]
    rows += [(f"seconds: {_text(stage)}", f"{seconds:.2f}") for stage, seconds in run.seconds.items()]
    rows += [(f"milliseconds: {_text(name.replace('_', ' '))}", f"{value:.1f}") for name, value in run.latency_ms.items()]
    rows += [(f"version: {_text(name)}", _text(version)) for name, version in run.versions.items()]
    return _table(("Setting", "Value"), rows)


_UNSET = {"question": "as it came with each image", "exit_layer": "chosen by cross-validation", "sites": "all", "compare": "none"}


def _setting(name: str, value: object) -> str:
    if value is None or value == ():
        return _UNSET.get(name, "not set")
    return ", ".join(_text(part) for part in value) if isinstance(value, tuple) else _text(value)


def _examples(run: RunRecord) -> str:
    probing = [_card(run.train, index, "") for index in _spread(run.train.labels, MOST_EXAMPLES)]
    parts = [("Probing images, from which the neurons were chosen", probing)]
    if len(run.test) and 0 <= run.exit_index < run.votes.predicted.shape[1]:
        said = run.votes.predicted[:, run.exit_index]
        wrong = np.flatnonzero((said != run.test.labels) & (run.test.labels >= 0))[:MOST_EXAMPLES]
        right = np.flatnonzero(said == run.test.labels)
        right = right[_spread(run.test.labels[right], MOST_EXAMPLES)]
        for heading, index in (("Test images answered right", right), ("Test images answered wrong", wrong)):
            parts.append((heading, [_card(run.test, int(i), run.test.classes[int(said[i])]) for i in index]))
    shown = "".join(f'<h3>{heading}</h3><div class="cards">{"".join(cards)}</div>' for heading, cards in parts if cards)
    return f"<section><h2>Examples</h2>{shown}</section>" if shown else ""


def _spread(labels: np.ndarray, most: int) -> np.ndarray:
    """Return up to ``most`` indices that take turns over the classes, in order of class."""
    turns = np.zeros(len(labels), dtype=np.int64)
    for label in np.unique(labels):
        mine = labels == label
        turns[mine] = np.arange(mine.sum())
    chosen = np.lexsort((labels, turns))[:most]
    return chosen[np.lexsort((chosen, labels[chosen]))]


def _card(images: LabelledImages, index: int, said: str) -> str:
    label = int(images.labels[index])
    truth = images.classes[label] if label >= 0 else "unlabelled"
    told = f"<br>said {_text(said)}" if said else ""
    name = escape(images.names[index][:CLIPPED], quote=True)
    return (
        f'<figure><img alt="{name}" title="{name}" src="{thumbnail(images.pictures[index].pixels)}">'
        f"<figcaption>{_text(truth)}{told}</figcaption></figure>"
    )


def thumbnail(pixels: np.ndarray, longest: int = THUMBNAIL) -> str:
    """Return uint8 (height, width, 3) as a PNG data URI whose longest side is at most ``longest`` pixels (block means)."""
    return data_url(pixels, longest, "PNG")


_STYLE = """
:root { color-scheme: light dark; --page: #ffffff; --ink: #1d2733; --faint: #5d6875; --line: #dfe4ea; --card: #f5f7fa;
  --warn: #fff6e5; --warn-line: #8a6d1d; --good: #137e78; --doubt: #8a6d1d; --bad: #b42318; }
@media (prefers-color-scheme: dark) { :root { --page: #0f1420; --ink: #e9eef5; --faint: #a6b1bf; --line: #2e3746; --card: #182030;
  --warn: #2e2410; --warn-line: #f3d08b; --good: #3fbab0; --doubt: #f3d08b; --bad: #ff8a80; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif; }
main { max-width: 900px; margin: 0 auto; padding: 24px 16px 64px; overflow-wrap: anywhere; }
h1 { font-size: 1.8rem; line-height: 1.2; margin: 0 0 8px; } h2 { font-size: 1.25rem; margin: 0 0 4px; } h3 { font-size: 1rem; }
p { margin: 0 0 12px; } section > p { color: var(--faint); }
.question { font-size: 1.2rem; } section { margin-top: 40px; }
.verdict { border-left: 4px solid; padding: 10px 14px; border-radius: 4px; font-weight: 600; background: var(--card); }
.verdict::before { margin-right: .5em; } .beyond-luck { border-color: var(--good); } .beyond-luck::before { content: "\\2713"; }
.unclear { border-color: var(--doubt); } .unclear::before { content: "?"; }
.nothing-found { border-color: var(--bad); } .nothing-found::before { content: "\\2715"; }
.warnings { background: var(--warn); border-left: 4px solid var(--warn-line); padding: 12px 16px; border-radius: 4px; }
.warnings ul { margin: 0; padding-left: 20px; }
.words dl { margin: 0; font-size: .92rem; } .words dt { font-weight: 600; } .words dd { margin: 0 0 8px; color: var(--faint); }
.figure { width: 100%; } .scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .92rem; width: 100%; }
th, td { text-align: left; padding: 6px 12px 6px 0; border-bottom: 1px solid var(--line); vertical-align: top;
  overflow-wrap: normal; }
.name { display: inline-block; min-width: 3em; overflow-wrap: anywhere; }
th { color: var(--faint); font-weight: 600; } small { color: var(--faint); }
td { font-variant-numeric: tabular-nums; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(96px, 1fr)); gap: 12px; }
.cards figure { margin: 0; background: var(--card); border-radius: 6px; padding: 6px; font-size: .85rem; line-height: 1.35; }
.cards img { width: 100%; border-radius: 4px; display: block; margin-bottom: 4px; }
@media (max-width: 480px) { table { font-size: .8rem; } th, td { padding-right: 7px; } }
@media print { section { break-inside: avoid; } }
"""

_DRAW = """
const figures = JSON.parse(document.getElementById('figures').textContent);
const dark = window.matchMedia('(prefers-color-scheme: dark)');
const draw = () => { for (const key in figures) {
  const figure = figures[key][dark.matches ? 1 : 0];
  Plotly.react('figure-' + key, figure.data, figure.layout, CONFIG);
} };
draw();
dark.addEventListener('change', draw);
"""
