"""``bench start`` notes when the lines of the command arrive; ``bench labels`` compares labelling with what it consists of."""

import os
import stat
import sys
from types import SimpleNamespace

import pytest
from planted_run import make_run
from rich.console import Console

from sn_viz.bench import prepared, start
from sn_viz.bench.labels import labelling
from sn_viz.bench.speed import drawn_run
from sn_viz.early_exit.decide import Predictor
from sn_viz.report.tables import method_line, print_found, print_judged

pytestmark = pytest.mark.skipif(os.name == "nt", reason="a script stands for the command")


def says(tmp_path, monkeypatch, body):
    script = tmp_path / "command"
    script.write_text(f"#!{sys.executable}\n{body}", encoding="utf-8")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(start, "sys", SimpleNamespace(executable=str(script)))


def test_seconds_are_those_at_which_lines_arrive(tmp_path, monkeypatch):
    out = (tmp_path / "out.txt").open("w+", encoding="utf-8")
    console, run = Console(file=out, width=200), make_run()
    parts = []
    for tell in (
        lambda: print_found(run, console),
        lambda: console.print(method_line(run, run.baselines[0]), markup=False),
        lambda: print_judged(run, console),
    ):
        began = out.tell()
        tell()
        out.seek(began)
        parts.append(out.read())
    says(
        tmp_path,
        monkeypatch,
        f"import sys, time\nfor part in {parts!r}:\n    print(part, flush=True)\n    time.sleep(0.3)\n",
    )
    seen = start.shown(tmp_path, "any")
    assert 0 < seen.found < seen.methods < seen.whole < seen.ended
    assert seen.methods - seen.found > 0.2 and seen.whole - seen.methods > 0.2


def test_a_command_that_fails_or_says_something_else_is_told(tmp_path, monkeypatch):
    for body in ("print('nothing')", "import sys\nprint('broken', file=sys.stderr)\nsys.exit(2)"):
        says(tmp_path, monkeypatch, body)
        with pytest.raises(RuntimeError, match="nothing|broken"):
            start.shown(tmp_path, "any")


def test_labelling_is_measured_against_its_parts(llava, tmp_path):
    prepared.photographs(tmp_path, 6, (40, 30))
    label = Predictor.of(drawn_run(llava), 1, vlm=llava, batch_size=4)
    (row,) = labelling(label, sorted(tmp_path.glob("*.jpg")), 1)
    assert row.measured > 0 and row.ratio > 0 and row.target == ">= 0.9" and "6 JPEGs, batch 4" in row.note
