"""What has to be installed: one list each, exact versions for the day when a newer library breaks something."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]


def requirements(name: str) -> list[Requirement]:
    lines = [line.split("#")[0].strip() for line in (ROOT / name).read_text("utf-8").splitlines()]
    return [Requirement(line) for line in lines if line and not line.startswith("-")]


NAMED = [each for path in sorted(ROOT.glob("requirements*.txt")) for each in requirements(path.name)]
EXACT = {canonicalize_name(each.name): each for each in requirements("constraints.txt")}


@pytest.mark.parametrize("needed", NAMED, ids=lambda each: each.name)
def test_every_requirement_has_an_exact_version_that_it_allows(needed):
    exact = EXACT.get(canonicalize_name(needed.name))
    assert exact is not None, f"{needed.name} has none: run python .ci/freeze.py"
    (only,) = exact.specifier
    assert only.operator == "==" and needed.specifier.contains(only.version, prereleases=True)


def test_constraints_can_be_installed_anywhere():
    text = (ROOT / "constraints.txt").read_text("utf-8")
    for each in EXACT.values():
        assert each.url is None and not each.extras and re.fullmatch(r"==[\w.]+", str(each.specifier)), each
    assert "file:" not in text and "://" not in text and "+" not in text


def test_the_exact_version_of_torch_is_met_by_a_build_with_a_label():
    assert EXACT["torch"].specifier.contains(f"{version('torch').split('+')[0]}+cpu")


def test_every_requirement_says_why_it_is_needed():
    for path in ROOT.glob("requirements*.txt"):
        for line in path.read_text("utf-8").splitlines():
            assert not line or line.startswith(("-r", "#")) or re.search(r"\s#\s\w", line), f"{path.name}: {line}"


@pytest.mark.parametrize("extra", ["docs", "heic", "data", "families", "large", "ray"])
def test_an_extra_needs_what_its_file_lists(extra):
    name = f"requirements-{extra}.txt"
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"][extra]
    assert {str(Requirement(each)) for each in declared} == {str(each) for each in requirements(name)}
