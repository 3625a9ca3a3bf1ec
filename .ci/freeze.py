"""Write constraints.txt: the exact versions of this environment, of what the requirements files need and what that needs in turn.

    python .ci/freeze.py

Run it in the environment in which `.ci/run` was green. Local labels of a version (``+cpu``) are left out, so that any build of it
will do; what only other systems need (the GPU libraries of torch, for one) is pinned by the packages that need it.
"""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
HEAD = """\
# The exact versions that the tests last passed with (Python {python}). To install as then, whatever has come out since:
#     pip install -r requirements.txt -c constraints.txt
# Written by python .ci/freeze.py.
"""


def named() -> list[Requirement]:
    """Return every requirement of the requirements files."""
    lines = [line for path in sorted(ROOT.glob("requirements*.txt")) for line in path.read_text("utf-8").splitlines()]
    texts = [line.split("#")[0].strip() for line in lines]
    return [Requirement(text) for text in texts if text and not text.startswith("-")]


def versions() -> dict[str, str]:
    """Return name -> version of all that is named and all that it needs here; an extra that is not here keeps its version."""
    found: dict[str, str] = {}
    pins = [line.split("==") for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines() if "==" in line]
    before = {name: exact.strip() for name, exact in pins}
    seen: set[tuple[str, str]] = set()
    waiting = [(requirement, extra) for requirement in named() for extra in ("", *requirement.extras)]
    while waiting:
        requirement, extra = waiting.pop()
        name = canonicalize_name(requirement.name)
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        try:
            here = distribution(name)
        except PackageNotFoundError:
            if name in before:
                found[name] = before[name]
            print(f"{name} is not installed; {'it stays as it was' if name in before else 'it is left out'}.", file=sys.stderr)
            continue
        found[name] = here.version.split("+")[0]
        for text in here.requires or ():
            needed = Requirement(text)
            if needed.marker is None or needed.marker.evaluate({"extra": extra}):
                waiting += [(needed, each) for each in ("", *needed.extras)]
    return found


def main() -> None:
    python = ".".join(map(str, sys.version_info[:2]))
    lines = [f"{name}=={version}\n" for name, version in sorted(versions().items())]
    (ROOT / "constraints.txt").write_text(HEAD.format(python=python) + "".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
