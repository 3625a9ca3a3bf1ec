"""Arrows point down: what each part of the package may import, read from its source."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FLOORS = (
    ("__main__",),
    ("cli",),
    ("bench",),
    ("ui",),
    ("lessons",),
    ("pipeline",),
    ("run", "checks"),
    ("export",),
    ("early_exit",),
    ("config", "report"),
    ("baselines", "engines", "plots", "storage"),
    ("activations", "training", "voting"),
    ("models", "splits", "search"),
    ("sources", "matrix"),
    ("groups", "memory", "progress", "registry", "world"),
    ("errors", "formatting", "latency", "glossary", "paths", "types"),
)
"""From the top down; a part imports itself and what stands below its floor, never a neighbour."""
FLOOR_OF = {part: number for number, floor in enumerate(FLOORS) for part in floor}
TORCH = ("models", "activations", "baselines", "training", "bench", "export")


def imports(path: Path) -> set[str]:
    """Return the full names of the modules that a file imports, wherever in it; not those it only names in annotations."""
    tree = without_annotations(path)
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path} imports by a relative path"
            found |= {f"sn_viz.{name.name}" for name in node.names} if node.module == "sn_viz" else {node.module}
    return found


def without_annotations(path: Path) -> ast.Module:
    """Return the tree of a file without what it imports for type checkers only."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    return tree


def part_of(path: Path) -> str:
    return path.relative_to(ROOT / "sn_viz").with_suffix("").parts[0]


FILES = {path: imports(path) for path in sorted((ROOT / "sn_viz").rglob("*.py")) if path != ROOT / "sn_viz/__init__.py"}


def test_every_part_has_a_floor():
    assert {part_of(path) for path in FILES} == set(FLOOR_OF)


@pytest.mark.parametrize("part", FLOOR_OF)
def test_arrows_point_down(part):
    used = {name.split(".")[1] for path, names in FILES.items() if part_of(path) == part for name in names if "sn_viz." in name}
    up = {other for other in used if other in FLOOR_OF and other != part and FLOOR_OF[other] <= FLOOR_OF[part]}
    assert not up, f"{part} imports {sorted(up)}, which do not stand below it"


def test_no_module_is_imported_by_what_it_imports():
    """No cycle at all, inside a folder or through several, and imports inside functions count."""
    names = {path: ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in FILES}
    arrows = {
        names[path]: {module_of(target, set(names.values())) for target in targets(path)} - {None, names[path]} for path in FILES
    }
    try:
        TopologicalSorter(arrows).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def targets(path: Path) -> set[str]:
    """Return what a file imports, down to the name: ``from a import b`` is ``a.b``."""
    tree = without_annotations(path)
    found = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    imported = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    return found | {f"{node.module}.{name.name}" for node in imported for name in node.names}


def module_of(target: str, modules: set[str]) -> str | None:
    """Return the module that holds a name; None for what is not ours."""
    return next((each for each in (target, target.rpartition(".")[0]) if each in modules), None)


def test_plots_know_types_only():
    used = {name.split(".")[1] for path, names in FILES.items() if part_of(path) == "plots" for name in names if "sn_viz." in name}
    assert used <= {"plots", "types", "errors", "registry", "formatting", "voting", "glossary"}


@pytest.mark.parametrize(
    ("library", "homes"),
    [
        ("gradio", ("ui",)),
        ("torch", TORCH),
        ("transformers", TORCH),
        ("plotly", ("plots", "report", "ui")),
        ("typer", ("cli",)),
        ("ray", ("engines",)),
    ],
)
def test_a_library_stays_where_it_belongs(library, homes):
    users = {part_of(path) for path, names in FILES.items() if library in {name.split(".")[0] for name in names}}
    assert users <= set(homes)
