"""Who imports whom among the parts of the package, read from the source.

A part is a module or a sub-package that lies directly in ``sn_viz``. Imports inside functions count; those that only annotations
need do not.
"""

from __future__ import annotations

import ast
from pathlib import Path


def parts(package: Path) -> dict[str, list[Path]]:
    """Return the files of each part."""
    found: dict[str, list[Path]] = {}
    for path in sorted(package.rglob("*.py")):
        part = path.relative_to(package).with_suffix("").parts[0]
        if not part.startswith("__"):
            found.setdefault(part, []).append(path)
    return found


def imported(path: Path, package: str, known: set[str]) -> set[str]:
    """Return which parts a file imports, wherever in it."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            node.body = [ast.Pass()]
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    heads = {name.split(".")[1] for name in names if name.startswith(f"{package}.")}
    return heads & known


def graph(package: Path) -> dict[str, set[str]]:
    """Return part -> the other parts that it imports."""
    files = parts(package)
    known = set(files)
    return {part: set().union(*(imported(path, package.name, known) for path in paths)) - {part} for part, paths in files.items()}


def floors(edges: dict[str, set[str]]) -> list[list[str]]:
    """Return the parts from the ground up; each stands one above the highest that it imports.

    Raises
    ------
    ValueError
        When parts import each other in a circle.

    Examples
    --------
    >>> floors({"ui": {"types", "plots"}, "plots": {"types"}, "types": set()})
    [['types'], ['plots'], ['ui']]
    """
    height: dict[str, int] = {}
    while len(height) < len(edges):
        ready = [part for part, below in edges.items() if part not in height and below <= set(height)]
        if not ready:
            raise ValueError(f"These import each other in a circle: {', '.join(sorted(set(edges) - set(height)))}.")
        for part in ready:
            height[part] = 1 + max((height[other] for other in edges[part]), default=-1)
    return [sorted(part for part, at in height.items() if at == floor) for floor in range(1 + max(height.values()))]


def needed(edges: dict[str, set[str]]) -> set[tuple[str, str]]:
    """Return the arrows that no longer way replaces: if ui -> plots -> types, then ui -> types is left out."""

    def below(part: str) -> set[str]:
        return edges[part].union(*(below(other) for other in edges[part]))

    return {
        (part, other)
        for part, others in edges.items()
        for other in others
        if not any(other in below(third) for third in others - {other})
    }
