"""Texts that people and models write: answers, questions, class names, links, and what comes from the widgets of the page."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qsl

import numpy as np

from sn_viz.baselines.answers import parse_answer
from sn_viz.bench.fuzzed import TARGETS, Try, anything, text
from sn_viz.config import checked_layer
from sn_viz.errors import UserError
from sn_viz.sources.text import clean_question, display_name

WORDS = (
    "yes",
    "no",
    "not",
    "a",
    "the",
    "dog",
    "cat",
    "ripe",
    "unripe",
    "是",
    "否",
    "ja",
    "nein",
    "two",
    "2",
    "A",
    "(B)",
    "it’s",
    "n't",
    ".",
)


@TARGETS.register("answers")
def answers(folder: Path) -> Try:
    """Answers of models about classes of any names."""

    def attempt(rng: np.random.Generator) -> None:
        def phrase() -> str:
            return " ".join(rng.choice(WORDS, rng.integers(0, 12))) if rng.random() < 0.6 else text(rng, 400)

        classes = list(dict.fromkeys(phrase()[:80] or "x" for _ in range(rng.integers(2, 6))))
        said = parse_answer(phrase() * int(rng.integers(1, 40)), classes, phrase()) if len(classes) > 1 else -1
        assert -1 <= said < len(classes)

    return attempt


@TARGETS.register("questions")
def questions(folder: Path) -> Try:
    """Questions, names of files and layers, as they are typed."""

    def attempt(rng: np.random.Generator) -> None:
        long = text(rng) * int(rng.integers(1, 3000))
        assert len(display_name(long)) <= 200
        for read in (lambda: checked_layer(text(rng), 12, 4), lambda: clean_question(long)):
            try:
                read()
            except UserError as error:
                assert len(str(error)) < 2000

    return attempt


@TARGETS.register("links")
def links(folder: Path) -> Try:
    """Addresses of the page with parameters of any kind."""
    from sn_viz.ui.components.link import Link, read_link, write_link

    names = ("pack", "model", "layer", "neuron", "t", "tab", "site", "exit", "view", "__theme")

    def attempt(rng: np.random.Generator) -> None:
        query = {
            names[rng.integers(len(names))]: anything(rng) if rng.random() < 0.4 else text(rng) for _ in range(rng.integers(0, 8))
        }
        if rng.random() < 0.5:
            query = dict(parse_qsl("&".join(f"{name}={value}" for name, value in query.items())))
        link = read_link(query, ("night",), ("tiny-llava",))
        assert isinstance(link, Link) and write_link(link).startswith("?")

    return attempt


@TARGETS.register("widgets")
def widgets(folder: Path) -> Try:
    """What the browser says the widgets hold, and what endpoints are sent."""
    from sn_viz.bench.fuzzed.runs import small_run
    from sn_viz.ui import api
    from sn_viz.ui.components import layers, neuron
    from sn_viz.ui.server import arguments, packs
    from sn_viz.ui.server.state import new_server

    run = small_run()
    server = new_server()
    key = server.runs.put(run)
    describe = getattr(api.describe_neuron, "__wrapped__", api.describe_neuron)

    def attempt(rng: np.random.Generator) -> None:
        """Send one forged value to one of the checks."""
        ways = (
            lambda: arguments.checked({"m": "tiny-llava"}, *_forged(rng)),  # type: ignore[arg-type]
            lambda: describe(server, key if rng.random() < 0.7 else anything(rng), anything(rng)),
            lambda: layers.layer_asked(run, anything(rng)),
            lambda: neuron.checked_neuron(run, anything(rng)),
            lambda: packs.checked(anything(rng)),
            lambda: server.runs.get(anything(rng)),
        )
        ways[rng.integers(len(ways))]()

    return attempt


def _forged(rng: np.random.Generator) -> list:
    sound = ["Is it?", "m", [], "best-split", "balanced-accuracy", 15, "majority", 0, 0.5, 0, ["all"]]
    return [anything(rng) if rng.random() < 0.25 else value for value in sound]
