"""The page on libraries names every one that is installed, and files that there are."""

from __future__ import annotations

import re
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "libraries.md").read_text("utf-8")


def test_every_library_that_is_needed_says_what_it_does():
    lines = [line.split("#")[0].strip() for line in (ROOT / "requirements.txt").read_text("utf-8").splitlines()]
    missing = [name for line in lines if line and not re.search(rf"\b{(name := Requirement(line).name)}\b", PAGE, re.IGNORECASE)]
    assert not missing


def test_what_stays_ours_is_where_the_page_says_and_has_a_reason():
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line.startswith("| ")][1:]
    ours = [row for row in rows if row[1].startswith("ours")]
    assert len(ours) > 10 and all(len(row) == 3 and row[2] for row in ours)
    named = [path for row in rows for path in re.findall(r"`([\w/]+(?:\.py|/))`", " ".join(row))]
    assert len(named) > 15 and not [path for path in named if not (ROOT / "sn_viz" / path).exists()]
