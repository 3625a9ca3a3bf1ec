"""The page on the architecture says what is so: its files exist, and its picture shows every part above all that it imports."""

from __future__ import annotations

import itertools
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
sys.path.insert(0, str(DOCS))

from draw_architecture import TOP, WAY, draw  # noqa: E402
from import_graph import floors, graph, needed  # noqa: E402

BOX = re.compile(r'<rect x="\d+" y="(\d+)"[^>]*/><text[^>]*>(\w+)</text>')


def heights(picture: str) -> dict[str, int]:
    """Return how far below the top each part stands."""
    return {part: int(top) for top, part in BOX.findall(picture) if int(top) >= TOP}


def test_the_picture_shows_every_part_above_all_that_it_imports():
    edges, at = graph(ROOT / "sn_viz"), heights((DOCS / "architecture.svg").read_text("utf-8"))
    assert set(at) == set(edges), "run python docs/make.py architecture"
    assert not [(part, other) for part in edges for other in edges[part] if at[part] >= at[other]], "run docs/make.py architecture"


def test_a_new_picture_has_no_box_on_another():
    boxes = re.findall(r'<rect x="(\d+)" y="(\d+)" width="(\d+)"', draw(ROOT / "sn_viz"))
    spans = sorted((int(y), int(x), int(x) + int(width)) for x, y, width in boxes)
    for (y, _, right), (next_y, left, _) in itertools.pairwise(spans):
        assert y != next_y or right < left


def test_the_data_flows_through_parts_that_there_are():
    assert {part for _, part in WAY} <= set(graph(ROOT / "sn_viz"))


def test_what_the_page_names_exists():
    text = (DOCS / "architecture.md").read_text("utf-8")
    named = set(re.findall(r"`((?:tests/)?[\w/]+(?:/|\.py))`", text))
    assert "search/rules/" in named and "tests/search/" in named
    assert [name for name in named if not ((ROOT / name).exists() or (ROOT / "sn_viz" / name).exists())] == []


def test_every_part_is_named_in_the_tree_of_the_readme():
    tree = re.search(r"^```\napp\.py.*?^```$", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE | re.DOTALL)[0]
    small = {"errors", "formatting", "groups", "latency", "paths", "progress", "registry"}
    assert {part for part in graph(ROOT / "sn_viz") if not re.search(rf"\b{part}\b", tree)} <= small


def test_imports_count_wherever_they_stand_but_not_for_annotations(tmp_path):
    package = tmp_path / "sn_viz"
    for name, text in {
        "a/__init__.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from sn_viz.c import x\n",
        "a/deep.py": "def f():\n    import sn_viz.b.one\n    from sn_viz import c as d\n",
        "b/one.py": "import numpy\n",
        "c.py": "from sn_viz.b import one\n",
        "__init__.py": "from sn_viz.a import f\n",
    }.items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(text)
    edges = graph(package)
    assert edges == {"a": {"b", "c"}, "b": set(), "c": {"b"}}
    assert floors(edges) == [["b"], ["c"], ["a"]]
    assert needed(edges) == {("a", "c"), ("c", "b")}


def test_a_circle_is_named():
    with pytest.raises(ValueError, match=r"in a circle: a, b\."):
        floors({"a": {"b"}, "b": {"a"}, "c": set()})
