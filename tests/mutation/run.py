"""Changes the code in small ways and looks whether the tests notice.

    python tests/mutation/run.py --sample 60 --seed 1

Draws a seeded sample of mutants from each group of modules (`groups.py`), makes each in a copy of the tree (never in this
checkout), and runs the group's fast tests. Every result is a line of the session file at once; the same command goes on where it
stopped. At the end, and with ``--report`` at any time, it prints how many were made, skipped, drawn, caught, survived and timed out
(a time-out is not caught), and every mutant that was not caught.

Two worker processes hold the libraries in memory and fork a child for each mutant, so that a run costs what the tests cost; a
child that takes several times the processor time of the unchanged code has timed out. Linux and macOS. Needs cosmic-ray
(requirements-dev.txt).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE))

from groups import GROUPS, Group  # noqa: E402

LIBRARIES = (
    *("numpy", "scipy.stats", "sklearn.metrics", "sklearn.tree", "sklearn.model_selection", "sklearn.utils.estimator_checks"),
    *("numba", "pytest", "PIL.Image", "hypothesis", "beartype", "jaxtyping"),
)
TORCH = ("torch", "transformers", "transformers.models.llava.modeling_llava", "transformers.models.siglip.modeling_siglip")
ENDS = {0: "survived", 1: "caught", 2: "caught"}
"""By pytest's exit status: all passed, some failed, could not even be collected. Everything else is a fault of ours or a crash."""
TIMES, LEAST = 6, 20
"""A mutant may take so many times the processor seconds of the unchanged code, and so many in any case."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sample", type=int, default=60, help="mutants drawn from each group")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--groups", default=",".join(GROUPS), help="names, separated by commas")
    parser.add_argument("--session", type=Path, default=ROOT / "cache" / "mutation.jsonl", help="results, a line each")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--report", action="store_true", help="print the numbers of the session and run nothing")
    parser.add_argument("--again", action="store_true", help="run survivors and time-outs of the session once more")
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--kernels", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        return work(options.work, options.kernels)
    names = options.groups.split(",")
    drawn, counts = draw(names, options.sample, options.seed)
    known = read_session(options.session)
    if not options.report:
        due = [m for m in drawn if m["key"] not in known or (options.again and known[m["key"]]["end"] in ("survived", "timed out"))]
        print(f"{len(drawn)} mutants drawn, {len(drawn) - len(due)} known, {len(due)} to run", flush=True)
        run_all(due, options.session, options.workers)
        known = read_session(options.session)
    report(names, drawn, counts, known)
    return 0


def draw(names: list[str], n: int, seed: int) -> tuple[list[dict[str, Any]], dict[str, Counter[str]]]:
    """Return the sample as plain values, and how many mutants each group has, made and skipped."""
    from mutants import mutants_of

    drawn, counts = [], {}
    for name in names:
        every = [
            (i, mutant) for i, part in enumerate(GROUPS[name]) for module in part.modules for mutant in mutants_of(ROOT, module)
        ]
        live = [pair for pair in every if not pair[1].skipped]
        counts[name] = Counter(made=len(every), skipped=len(every) - len(live))
        for part, mutant in random.Random(f"{name} {seed}").sample(live, min(n, len(live))):
            source = hashlib.sha256((ROOT / "sn_viz" / mutant.module).read_bytes()).hexdigest()[:12]
            key = f"{source} {mutant.operator} {mutant.occurrence}"
            drawn.append({**asdict(mutant), "group": name, "part": part, "key": key, "name": mutant.name})
    return drawn, counts


def read_session(path: Path) -> dict[str, dict[str, Any]]:
    """Return the results so far by key; later lines count, and a line cut short by a crash is no line."""
    known = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            result = json.loads(line)
        except ValueError:
            continue
        known[result["key"]] = result
    return known


def run_all(due: list[dict[str, Any]], session: Path, n_workers: int) -> None:
    """Run the mutants with several workers, each in a copy of the tree, and append every result to the session."""
    session.parent.mkdir(parents=True, exist_ok=True)
    queue: SimpleQueue[dict[str, Any]] = SimpleQueue()
    for mutant in sorted(due, key=lambda m: (list(GROUPS).index(m["group"]), m["part"])):
        queue.put(mutant)
    lock, done = threading.Lock(), [0]

    def serve(copy: Path) -> None:
        command = [sys.executable, __file__, "--work", str(copy), "--kernels", str(session.resolve().with_suffix(".kernels"))]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=copy) as worker:
            assert worker.stdin and worker.stdout
            while True:
                try:
                    mutant = queue.get_nowait()
                except Empty:
                    break
                worker.stdin.write(json.dumps(mutant) + "\n")
                worker.stdin.flush()
                answer = worker.stdout.readline()
                if not answer:
                    raise RuntimeError("a worker died")
                with lock, session.open("a", encoding="utf-8") as file:
                    file.write(answer)
                    done[0] += 1
                    result = json.loads(answer)
                    print(f"[{done[0]}/{len(due)}] {result['end']:9} {result['seconds']:5.1f} s  {result['name']}", flush=True)
            worker.stdin.close()

    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        threads = []
        for number in range(n_workers):
            copy = Path(folder, str(number))
            for part in ("sn_viz", "tests"):
                shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
            for path in ROOT.iterdir():
                if path.name in ("app.py", "pyproject.toml", "README.md", "assets"):
                    (copy / path.name).symlink_to(path)
            threads.append(threading.Thread(target=serve, args=(copy,)))
            threads[-1].start()
        for thread in threads:
            thread.join()


def work(copy: Path, kernels: Path) -> int:
    """Serve mutants from standard input until it ends: a result line each on standard output.

    What is compiled from unchanged kernels is kept in ``kernels``, by the digest of their source.
    """
    os.environ["NUMBA_CACHE_DIR"] = str(kernels)
    os.environ.update(OMP_NUM_THREADS="1", HF_HUB_OFFLINE="1", PYTHONDONTWRITEBYTECODE="1", SN_VIZ_TEST_MODELS=str(copy / "models"))
    sys.path.insert(0, str(copy))
    from mutants import Mutant, mutated

    limits: dict[tuple[str, int], float] = {}
    for line in sys.stdin:
        mutant = json.loads(line)
        part = GROUPS[mutant["group"]][mutant["part"]]
        for library in LIBRARIES + (TORCH if mutant["group"] in ("exits", "answers") else ()):
            __import__(library)
        place = mutant["group"], mutant["part"]
        if place not in limits:
            status, seconds, said = run_tests(copy, part, 3600)
            if status != 0:
                raise SystemExit(f"the tests of {place} fail on the unchanged code:\n{said}")
            limits[place] = max(LEAST, TIMES * seconds)
        path = copy / "sn_viz" / mutant["module"]
        source = path.read_text(encoding="utf-8")
        fields = {name: mutant[name] for name in ("module", "operator", "occurrence", "line")}
        path.write_text(mutated(source, Mutant(**fields)), encoding="utf-8")
        try:
            status, seconds, said = run_tests(copy, part, limits[place])
        finally:
            path.write_text(source, encoding="utf-8")
        end = "timed out" if status is None else "caught" if status < 0 else ENDS.get(status, f"status {status}")
        print(json.dumps({**mutant, "end": end, "seconds": seconds, "said": said[-300:] if end == "caught" else ""}), flush=True)
    return 0


def run_tests(copy: Path, part: Group, limit: float) -> tuple[int | None, float, str]:
    """Run a part's tests in a child; return pytest's status (negative: killed by a signal; None: out of time), seconds, last words.

    ``limit`` and the seconds returned are of the processor, not of the clock on the wall: other work must not decide what times
    out.
    """
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryDirectory() as folder:
        child = os.fork()
        if child == 0:
            os.setsid()
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
            os.environ.update(SN_VIZ_CACHE=folder, TMPDIR=folder)
            os._exit(_pytest(copy, part, limit, folder))
        status = _wait(child, 10 * limit)
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds = used.ru_utime + used.ru_stime - _used[0]
        _used[0] += seconds
        output.seek(0)
        said = output.read()
    return (None if status in (-signal.SIGXCPU, None) else status), seconds, said[-3000:]


_used = [0.0]
"""Processor seconds of all children so far."""


def _wait(child: int, limit: float) -> int | None:
    """Return a child's exit status, negative for a signal; None when it was still running after ``limit`` seconds by the wall."""
    end = time.monotonic() + limit
    while time.monotonic() < end:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.05)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


def _pytest(copy: Path, part: Group, limit: float, folder: str) -> int:
    import numba
    import pytest

    resource.setrlimit(resource.RLIMIT_CPU, (int(limit) + 1, int(limit) + 5))
    sys.dont_write_bytecode = True
    tempfile.tempdir = folder
    numba.config.DISABLE_JIT = int(not part.jit)
    if not part.optimise:
        numba.config.OPT = type(numba.config.OPT)(0)
    os.chdir(copy)
    without = ["-k", f"not ({part.without})"] if part.without else []
    return int(
        pytest.main(["-x", "-q", "--assert=plain", "-p", "no:cacheprovider", "--basetemp", f"{folder}/t", *without, *part.tests])
    )


def report(names: list[str], drawn: list[dict[str, Any]], counts: dict[str, Counter[str]], known: dict[str, Any]) -> None:
    """Print a row for each group, then every mutant that was not caught."""
    ends = ("caught", "survived", "timed out")
    print(f"{'group':10}{'made':>7}{'skipped':>9}{'drawn':>7}{'run':>6}" + "".join(f"{end:>11}" for end in ends) + f"{'caught':>9}")
    for name in names:
        mine = [known[m["key"]] for m in drawn if m["group"] == name and m["key"] in known]
        tally = Counter(result["end"] for result in mine)
        n_drawn = sum(m["group"] == name for m in drawn)
        share = f"{tally['caught'] / len(mine):9.0%}" if mine else f"{'':9}"
        cells = "".join(f"{tally[end]:11}" for end in ends)
        print(f"{name:10}{counts[name]['made']:7}{counts[name]['skipped']:9}{n_drawn:7}{len(mine):6}{cells}{share}")
        if other := {end: n for end, n in tally.items() if end not in ends}:
            print(f"  besides: {other}")
    for m in drawn:
        if m["key"] in known and known[m["key"]]["end"] != "caught":
            print(f"{known[m['key']]['end']:10} {m['name']}")


if __name__ == "__main__":
    sys.exit(main())
