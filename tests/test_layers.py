"""Arrows point down: what each part of the package may import, read from its source."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FLOORS = (
    ("ui", "cli", "bench", "__main__"),
    ("pipeline", "report", "checks", "plots", "storage", "config", "early_exit"),
    ("activations", "search", "voting", "baselines", "splits"),
    ("models", "sources", "training", "world"),
    ("types", "errors", "registry", "progress", "paths", "formatting", "groups"),
)
"""From the top down; a part may import its own floor and lower ones."""
FLOOR_OF = {part: number for number, floor in enumerate(FLOORS) for part in floor}
VERBS_OF_RUN = {("types", "storage"), ("types", "early_exit")}
"""``Run.save`` and its like import what does the work when they are called."""
TORCH = ("models", "activations", "baselines", "training", "bench")


def imports(path: Path) -> set[str]:
    """Return the full names of the modules that a file imports, wherever in it; not those it only names in annotations."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path} imports by a relative path"
            found |= {f"sn_viz.{name.name}" for name in node.names} if node.module == "sn_viz" else {node.module}
    return found


def part_of(path: Path) -> str:
    return path.relative_to(ROOT / "sn_viz").with_suffix("").parts[0]


FILES = {path: imports(path) for path in sorted((ROOT / "sn_viz").rglob("*.py")) if path != ROOT / "sn_viz/__init__.py"}


def test_every_part_has_a_floor():
    assert {part_of(path) for path in FILES} == set(FLOOR_OF)


@pytest.mark.parametrize("part", FLOOR_OF)
def test_arrows_point_down(part):
    used = {name.split(".")[1] for path, names in FILES.items() if part_of(path) == part for name in names if "sn_viz." in name}
    up = {other for other in used if other in FLOOR_OF and FLOOR_OF[other] < FLOOR_OF[part] and (part, other) not in VERBS_OF_RUN}
    assert not up, f"{part} imports {sorted(up)}, which stand above it"


def test_plots_know_types_only():
    used = {name.split(".")[1] for path, names in FILES.items() if part_of(path) == "plots" for name in names if "sn_viz." in name}
    assert used <= {"plots", "types", "errors", "registry", "formatting", "voting"}


@pytest.mark.parametrize(
    ("library", "homes"),
    [("gradio", ("ui",)), ("torch", TORCH), ("transformers", TORCH), ("plotly", ("plots", "ui")), ("typer", ("cli",))],
)
def test_a_library_stays_where_it_belongs(library, homes):
    users = {part_of(path) for path, names in FILES.items() if library in {name.split(".")[0] for name in names}}
    assert users <= set(homes)
