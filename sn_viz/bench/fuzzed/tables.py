"""Tables of pictures and labels: CSV and JSON lines with cells, separators, encodings and rows of every kind."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from sn_viz.bench.fuzzed import TARGETS, Try, anything, mutated, text
from sn_viz.bench.fuzzed.images import sample
from sn_viz.sources import load_images

COLUMNS = ("image", "label", "question", "group", "text", "answer", "file_name", "Image", "")


@TARGETS.register("tables")
def tables(folder: Path) -> Try:
    """CSV and JSON lines, damaged."""
    rng = np.random.default_rng(0)
    for number in range(8):
        (folder / f"{number}.png").write_bytes(sample(rng))
    (folder / "sub").mkdir()

    def attempt(rng: np.random.Generator) -> None:
        """Write a table with damaged rows, and read it."""
        rows = [
            {"image": f"{rng.integers(0, 9)}.png", "label": f"{rng.integers(0, 3)}", "question": "Is it?"}
            for _ in range(int(rng.integers(0, 12)))
        ]
        for row in rows:
            while rng.random() < 0.3:
                row[COLUMNS[rng.integers(len(COLUMNS))]] = anything(rng) if rng.random() < 0.5 else text(rng)
        if rng.random() < 0.5:
            path, data = folder / "table.jsonl", "\n".join(json.dumps(row) for row in rows)
        else:
            path, data = folder / "table.csv", _csv(rows, rng)
        encoding = str(rng.choice(["utf-8", "utf-8-sig", "utf-16", "latin-1", "cp1252"]))
        content = data.encode(encoding, "replace")
        path.write_bytes(mutated(content, rng) if rng.random() < 0.5 else content)
        load_images(path, None)

    return attempt


def _csv(rows: list[dict], rng: np.random.Generator) -> str:
    apart, quote = str(rng.choice([",", ";", "\t", "|"])), str(rng.choice(['"', ""]))
    names = list(dict.fromkeys(["image", "label", *(name for row in rows for name in row)]))
    cells = [[f"{quote}{row.get(name, '')}{quote}" for name in names] for row in rows]
    return str(rng.choice(["\n", "\r\n", "\r"])).join(apart.join(line) for line in [names, *cells])
