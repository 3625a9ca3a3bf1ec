"""Write the pages and pictures of docs/ that are made from the code.

    python docs/make.py glossary architecture     # seconds
    python docs/make.py screenshot                # starts the app and a Chromium; a minute or two

Tests hold the first two to what this would write.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS.parent))

from sn_viz import glossary  # noqa: E402


def write_glossary() -> Path:
    """Write the page of words."""
    target = DOCS / "glossary.md"
    target.write_text(glossary.as_markdown(), encoding="utf-8")
    return target


MADE: dict[str, Callable[[], Path]] = {"glossary": write_glossary}


def main(names: list[str]) -> None:
    if unknown := [name for name in names or ["?"] if name not in MADE]:
        sys.exit(f"Nothing is called {unknown[0]!r}. There are: {', '.join(MADE)}.")
    for name in names:
        print(MADE[name]())


if __name__ == "__main__":
    main(sys.argv[1:])
