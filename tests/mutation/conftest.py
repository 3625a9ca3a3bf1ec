"""Tests of the search that mutants run through share their slow references with those of the search."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "search"))
