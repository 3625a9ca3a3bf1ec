"""How quickly the app answers: a real server in a process of its own, and where Playwright is installed a real browser."""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from sn_viz.bench import BENCHES, Options, Row, row, visitors
from sn_viz.bench.running import server
from sn_viz.types import Config, Interval, LabelledImages, LayerAccuracy, Neurons, RunRecord, Stumps, Votes

CLICKS, QUICK_CLICKS, AGAIN = 40, 8, 4
ANSWER_MS, MOVE_MS = 200, 50
"""95 of 100 clicks, and of 100 moves of the cut, are meant to be answered within this."""
AGAIN_SECONDS = 1.0
"""Likewise the heatmap of a run whose activations are kept, from pressing Find."""
QUESTIONS = ("Is there a cat in the picture?", "Is there a horse in the picture?")
HEATMAP_KB = 300
SITES = {"residual": 4096, "attention-output": 4096, "mlp-output": 4096, "mlp-neuron": 11008}
"""Units of each block of LLaVA-1.5-7B, which has 32."""
N_BLOCKS = 32
NO_BROWSER = "not measured: Playwright or its Chromium is missing; pip install playwright, then playwright install chromium"

LISTEN = """([release, ids]) => {
  window.snBench = {released: 0, drawn: {}};
  window.addEventListener(release, () => { window.snBench.released = performance.now(); }, true);
  for (const id of ids) document.querySelector(`#${id} .js-plotly-plot`)
    .on("plotly_afterplot", () => { window.snBench.drawn[id] = performance.now(); });
}"""
ARRIVED = "ids => { const b = window.snBench; return b.released > 0 && ids.every((id) => (b.drawn[id] || 0) > b.released); }"
DRAWN = "id => document.querySelector(`#${id} .js-plotly-plot`)?.data?.length > 0"
PLACE = """([r, c]) => {
  const g = document.querySelector("#fig-heatmap .js-plotly-plot"), b = g.getBoundingClientRect(), l = g._fullLayout, d = g.data[0];
  const at = (axis, list, i) => axis._offset + axis.c2p(axis.d2c(list ? list[i] : i));
  return [b.left + at(l.xaxis, d.x, c), b.top + at(l.yaxis, d.y, r)];
}"""
MOVES = """() => {
  const bench = window.snBench = {moved: 0, times: []};
  window.addEventListener("pointermove", (event) => { if (event.buttons) bench.moved = event.timeStamp; }, true);
  new MutationObserver(() => {
    const moved = bench.moved;
    bench.moved = 0;
    if (moved) requestAnimationFrame(() => setTimeout(() => bench.times.push(performance.now() - moved)));
  }).observe(document.querySelector("#neuron-page .sn-cut-tag"), {childList: true, characterData: true, subtree: true});
}"""
"""Notes how long it takes from each move with a button held until the frame that shows the cut there has been drawn."""
TAKEN = "ids => Math.max(...ids.map((id) => window.snBench.drawn[id])) - window.snBench.released"


@BENCHES.register("app")
def measure(options: Options) -> list[Row]:
    """Time the start of the server, clicks, the slider and thirty visitors; weigh the page and the heatmap of a large model."""
    rows = [heatmap_row()]
    with tempfile.TemporaryDirectory(prefix="sn-viz-bench-") as folder, server(options.model, Path(folder)) as running:
        rows.append(row("start of the server to the first page", running.seconds, "s", note="nothing cached, the embedded model"))
        try:
            rows += in_a_browser(running.address, QUICK_CLICKS if options.quick else CLICKS)
        except ImportError:
            rows.append(row("in the browser", float("nan"), "", note=NO_BROWSER))
        rows += visitors.thirty(running.address, options.quick)
    return rows


def in_a_browser(address: str, clicks: int) -> list[Row]:
    """Return what a person in Chromium waits for; ImportError where there is none."""
    from playwright.sync_api import Error, sync_playwright

    with sync_playwright() as driver:
        try:
            browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"])
        except Error as error:
            raise ImportError("no Chromium") from error
        page = browser.new_page(viewport={"width": 1440, "height": 1000})
        rows = opening(page, address)
        for figure in ("fig-heatmap", "fig-units", "fig-histogram", "fig-map"):  # the map last: it compiles on its first time
            page.locator(f"#{figure}").scroll_into_view_if_needed()  # only what is near is drawn
            page.wait_for_function(DRAWN, arg=figure, timeout=120_000)
        page.evaluate("document.getElementById('tab-neurons').scrollIntoView({behavior: 'instant'})")
        page.wait_for_timeout(1000)
        rows += answers("click on a heatmap cell to new figures", cell_clicks(page, clicks))
        rows += answers("slider release to the held-out figures", slider_moves(page, clicks))
        page.evaluate(MOVES)
        for name, place in (("cut dragged", "#neuron-page .sn-cut-handle"), ("slider moved", "#threshold input[type=range]")):
            rows += answers(f"{name} to the line and its counts", drags(page, place, clicks), MOVE_MS)
        found_again(page, QUESTIONS[0])  # the other's activations are kept already
        again = [found_again(page, QUESTIONS[(i + 1) % 2]) for i in range(AGAIN)]
        rows += answers("Find pressed to a new heatmap, activations kept", again[1:], 1e3 * AGAIN_SECONDS)
        browser.close()
    return rows


def opening(page: Any, address: str) -> list[Row]:
    """Open the page for the first time: return its weight and how long the page and the first result take."""
    weight, requests = [], []
    network = page.context.new_cdp_session(page)
    network.send("Network.enable")
    network.on("Network.loadingFinished", lambda event: weight.append(event["encodedDataLength"]))
    network.on("Network.requestWillBeSent", lambda event: requests.append(event["request"]["url"]))
    start = time.perf_counter()
    page.goto(address)
    page.wait_for_selector("#workbench", timeout=60_000)
    shown = time.perf_counter() - start
    kilobytes, asked = sum(weight) / 1e3, len(requests)
    page.wait_for_function("document.querySelectorAll('#run-facts .sn-fact').length >= 3", timeout=240_000)
    return [
        row("page opened to its workbench", 1e3 * shown, "ms"),
        row("page weight until then", kilobytes, "kB", note=f"as transferred, {asked} requests"),
        row("page opened to the first result", time.perf_counter() - start, "s", note="the first sample pack, found at start"),
        row("page weight with the first result", sum(weight) / 1e3, "kB", note=f"as transferred, {len(requests)} requests"),
    ]


def cell_clicks(page: Any, clicks: int) -> list[float]:
    """Click on changing cells of the heatmap; return the milliseconds until both other figures are new."""
    figures = ["fig-units", "fig-histogram"]
    page.evaluate(LISTEN, ["pointerdown", figures])
    heat = page.evaluate("document.querySelector('#fig-heatmap .js-plotly-plot').data[0].z.map((row) => Array.from(row))")
    cells = [(r, c) for c in range(len(heat[0])) for r in range(len(heat)) if heat[r][c] is not None]
    cells = [cells[i * (len(cells) // 2 + 1) % len(cells)] for i in range(clicks)] if len(cells) > 2 else cells * clicks
    times = []
    for cell in cells[:clicks]:
        page.evaluate("window.snBench.released = 0")
        x, y = page.evaluate(PLACE, list(cell))
        page.mouse.move(x, y)
        page.wait_for_timeout(80)
        page.mouse.click(x, y)
        page.wait_for_function(ARRIVED, arg=figures, timeout=20_000)
        times.append(page.evaluate(TAKEN, figures))
        page.wait_for_timeout(150)
    return times


def slider_moves(page: Any, moves: int) -> list[float]:
    """Move the threshold to changing places; return the milliseconds from each release until the held-out figures are there."""
    page.evaluate(LISTEN, ["pointerup", []])
    page.evaluate("document.addEventListener('snviz:selected', () => { window.snBench.drawn.cut = performance.now(); })")
    slider = page.locator("#threshold input[type=range]")
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    times = []
    for move in range(moves):
        page.evaluate("window.snBench.released = 0")
        page.mouse.click(box["x"] + box["width"] * (0.2 + 0.6 * (move * 0.381966 % 1)), box["y"] + box["height"] / 2)
        page.wait_for_function(ARRIVED, arg=["cut"], timeout=20_000)
        times.append(page.evaluate(TAKEN, ["cut"]))
        page.wait_for_timeout(150)
    return times


def drags(page: Any, place: str, moves: int) -> list[float]:
    """Drag what ``place`` names to and fro; return the milliseconds from each move until the cut is drawn there."""
    held = page.locator(place)
    held.scroll_into_view_if_needed()
    page.evaluate("window.snBench.times.length = 0")
    box = held.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    for move in range(moves):
        page.mouse.move(x + (5 + 2 * move if move % 2 else -5 - 2 * move), y)
        page.wait_for_timeout(60)
    page.mouse.up()
    page.wait_for_timeout(500)
    return page.evaluate("window.snBench.times")


def found_again(page: Any, question: str) -> float:
    """Ask another question and press Find; return the milliseconds until the heatmap of the new run is drawn."""
    page.locator("#question textarea, #question input").first.fill(question)
    page.wait_for_timeout(1000)
    page.evaluate(LISTEN, ["pointerdown", ["fig-heatmap"]])
    page.locator("#btn-find").click()
    page.evaluate(
        "document.getElementById('fig-heatmap').scrollIntoView({behavior: 'instant', block: 'center'})"
    )  # only what is near is drawn
    page.wait_for_function(ARRIVED, arg=["fig-heatmap"], timeout=120_000)
    taken = page.evaluate(TAKEN, ["fig-heatmap"])
    page.wait_for_function("document.querySelector('#btn-cancel').disabled", timeout=120_000)
    page.wait_for_timeout(1000)
    return taken


def answers(name: str, times: list[float], at_most: float = ANSWER_MS) -> list[Row]:
    """Return median and 95th percentile of milliseconds."""
    middle, slow = np.percentile(times, [50, 95])
    note = f"{len(times)} times, until drawn in Chromium"
    return [row(f"{name}, p50", middle, "ms", note=note), row(f"{name}, p95", slow, "ms", at_most=at_most, note=note)]


def heatmap_row() -> Row:
    """Return the bytes of the heatmap of LLaVA-1.5-7B, light and dark together, as sent before compression."""
    from sn_viz.plots import heatmap
    from sn_viz.ui.components.plotly_view import payload

    run = large_run()
    info = heatmap.info(run)
    sent = payload(lambda dark: heatmap.figure(info, dark), heatmap.TITLE)
    note = f"{len(run.neurons):,} neurons in {N_BLOCKS} blocks, light and dark"
    return row("figure bytes of a heatmap", len(sent.encode()) / 1e3, "kB", at_most=HEATMAP_KB, note=note)


def large_run() -> RunRecord:
    """Return a run with as many neurons as LLaVA-1.5-7B has, random scores and no images."""
    rng, widths, n_sites = np.random.default_rng(0), list(SITES.values()), len(SITES)
    neurons = Neurons(
        np.tile(np.repeat(np.arange(n_sites), widths), N_BLOCKS).astype(np.int8),
        np.repeat(np.arange(1, N_BLOCKS + 1), sum(widths)).astype(np.int16),
        np.tile(np.concatenate([np.arange(width) for width in widths]), N_BLOCKS).astype(np.int32),
        tuple(SITES),
    )
    n = len(neurons)
    scores = rng.beta(60, 50, n).astype(np.float32)
    stumps = Stumps(
        np.arange(n), np.ones(n, np.int16), np.zeros(n, np.float32), np.ones(n, np.int8), scores, np.zeros(n, np.float32)
    )
    none = LabelledImages((), (), np.zeros(0, np.int64), ("no", "yes"), ())
    best, nothing = stumps.take(np.argsort(scores)[-15:]), np.zeros((0, n), np.float16)
    half = Interval(0.5, 0.0, 1.0, 1)
    empty = (0, N_BLOCKS)
    return RunRecord(
        config=Config(),
        train=none,
        test=none,
        neurons=neurons,
        train_values=nothing,
        test_values=nothing,
        stumps=stumps,
        voters=(best,) * N_BLOCKS,
        exit_layer=1,
        votes=Votes(np.zeros((*empty, 2), np.float32), np.zeros(empty, np.int64), np.zeros(empty, np.float32)),
        by_layer=tuple(LayerAccuracy(layer, half, 0.5, 1.0) for layer in range(1, N_BLOCKS + 1)),
        baselines=(),
        null_scores=rng.beta(60, 50, 100).astype(np.float32),
        latency_ms={"full_model": 1.0, "first_token": 1.0, "early_exit": 1.0, "early_exit_p95": 1.0},
        seconds={},
    )
