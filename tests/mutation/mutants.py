"""Every small change that cosmic-ray would make to a module, told apart into those that can matter and those that cannot.

Takes the path of a module; returns mutants. The change is made on the source text itself (by parso), so that compiled functions and
dataclasses are mutated like any other code.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

SPEED_ONLY = ("njit", "kernel_part", "cache", "lru_cache", "cached_property", "dataclass", "intrinsic")
"""Decorators whose removal changes no result, or lets nothing be imported at all."""


@dataclass(frozen=True)
class Mutant:
    """One change."""

    module: str
    """Below ``sn_viz``."""
    operator: str
    occurrence: int
    line: int
    skipped: str = ""
    """Why it cannot matter; "" where it can."""

    @property
    def name(self) -> str:
        return f"{self.module}:{self.line} {self.operator.removeprefix('core/')} {self.occurrence}"


def mutants_of(root: Path, module: str) -> Iterator[Mutant]:
    """Yield every mutant of a module, in the order of operators and places."""
    source = (root / "sn_viz" / module).read_text(encoding="utf-8")
    tree, idle = get_ast(source), idle_ranges(source)
    for operator in sorted(operator_names()):
        kind = get_operator(operator)
        if kind.arguments():
            continue
        places = ((node, *place) for node in ast_nodes(tree) for place in kind().mutation_positions(node))
        for occurrence, (node, start, stop) in enumerate(places):
            reason = next((why for first, last, why in idle if first <= start and stop <= last), "")
            if operator.endswith("RemoveDecorator") and any(word in node.get_code() for word in SPEED_ONLY):
                reason = "decorator of speed or form"
            yield Mutant(module, operator, occurrence, start[0], reason)


def mutated(source: str, mutant: Mutant) -> str:
    """Return the source with the change made."""
    code = mutate_code(source, get_operator(mutant.operator)(), mutant.occurrence)
    assert code is not None and code != source, f"{mutant.name} is no change"
    return code


@lru_cache(maxsize=64)
def idle_ranges(source: str) -> list[tuple[tuple[int, int], tuple[int, int], str]]:
    """Return the parts of a source that decide nothing when it runs: (line, column) of begin and end, and what they are."""
    tree, found = ast.parse(source), []

    def note(node: ast.AST | None, why: str) -> None:
        if node is not None:
            found.append(((node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset), why))

    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            note(node, "docstring")
        elif isinstance(node, (ast.AnnAssign, ast.arg)):
            note(node.annotation, "annotation")
        elif isinstance(node, ast.FunctionDef):
            note(node.returns, "annotation")
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            note(node, "for type checkers")
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Subscript | ast.BinOp) and _names_types(node):
            note(node, "type alias")
    return found


def _names_types(node: ast.Assign) -> bool:
    """Return whether an assignment at the top of a module names a type, as ``Pairs = Sequence[tuple[int, int]]``."""
    target = node.targets[0]
    return isinstance(target, ast.Name) and target.id[:1].isupper() and not target.id.isupper()
