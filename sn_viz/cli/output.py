"""What commands print: tables, JSON and nothing else on standard output, progress on standard error."""

from __future__ import annotations

import gc
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sn_viz.errors import UserError

if TYPE_CHECKING:
    import rich.progress
    from rich.console import Console

    from sn_viz.types import RunRecord


def new_console(stderr: bool = False) -> Console:
    from rich.console import Console

    # Not a terminal: a pipe or a file has no width to keep to, and tables cut at 80 columns lose what was asked for.
    return Console(stderr=stderr, width=None if (sys.stderr if stderr else sys.stdout).isatty() else 200)


def print_list(headings: tuple[str, ...], rows: list[dict[str, Any]], json_file: str | None) -> None:
    """Print ``rows`` as a table, and as JSON where ``json_file`` says; "-" prints the JSON alone."""
    check_json_target(json_file)
    if json_file != "-":
        from sn_viz.report.tables import plain_table

        def cell(value: Any) -> str:
            if isinstance(value, list):
                return ", ".join(map(str, value))
            if value is None or isinstance(value, bool):
                return {None: "", True: "yes", False: "no"}[value]
            return f"{value:.3g}" if isinstance(value, float) else str(value)

        new_console().print(plain_table(headings, [[cell(value) for value in row.values()] for row in rows]))
    write_json(json_file, json.dumps(rows, indent=2, ensure_ascii=False))


def write_json(target: str | None, text: str) -> None:
    """Write ``text`` to the file ``target``; "-" is standard output, None nothing."""
    if target == "-":
        try:
            sys.stdout.write(text + "\n")
            sys.stdout.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - what is left in its buffer would fail again on exit
            raise UserError(
                "The results were not written to standard output.", f"{error.strerror or error}.", "Free some space."
            ) from error
    elif target is not None:
        try:
            Path(target).write_text(text + "\n", encoding="utf-8")
        except OSError as error:
            raise UserError(f"{target!r} was not written.", f"{error.strerror or error}.", "Name a file you may write.") from error


def check_json_target(target: str | None) -> None:
    """Refuse, before anything slow begins, a JSON file that cannot be or that would replace a file of another kind."""
    if target is None or target == "-":
        return
    path = Path(target)
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise UserError(
            f"{target!r} cannot be written.", "It is a folder, or its folder does not exist.", "Name a file such as result.json."
        )
    if path.exists() and path.suffix.lower() not in (".json", ".jsonl", ".txt"):
        raise UserError(f"{target!r} would be overwritten.", "It is no JSON file.", "Name a file such as result.json after --json.")


@contextmanager
def quiet(json_file: str | None) -> Iterator[Console]:
    """Silence libraries; while JSON goes to standard output, anything else that is printed goes to standard error."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("TQDM_DISABLE", "1")
    console = new_console()
    if json_file == "-":
        with redirect_stdout(sys.stderr):
            yield console
    else:
        yield console


@contextmanager
def no_collecting() -> Iterator[None]:
    """Leave garbage alone while libraries are imported and make what stays: looking through all of it takes a sixth of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@contextmanager
def progress_bar() -> Iterator[Bar]:
    """Show a progress bar on standard error when someone is looking at it."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description}"), BarColumn(), console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        yield Bar(bar)


class Bar:
    """A progress callable that moves a bar, and takes it away while something is printed."""

    def __init__(self, bar: rich.progress.Progress) -> None:
        self._bar, self._task = bar, bar.add_task("Starting", total=1.0)

    def __call__(self, fraction: float, doing: str) -> None:
        self._bar.update(self._task, completed=fraction, description=doing)

    @contextmanager
    def away(self) -> Iterator[None]:
        """Clear the bar while the context lasts: what is printed meanwhile goes where it is sent, not through the bar's console."""
        self._bar.stop()
        try:
            yield
        finally:
            self._bar.start()


class AsItComes:
    """Prints a run as it comes: super neurons as soon as they are chosen, each other method when it has ended, then the rest.

    Parameters
    ----------
    console : Console
    bar : Bar
        Taken away meanwhile.
    why : str
        Why it is this model, printed behind its name before everything else.
    """

    def __init__(self, console: Console, bar: Bar, why: str) -> None:
        self._console, self._bar, self._why = console, bar, why
        self._has_found, self._methods = False, 0

    def offer(self, run: RunRecord) -> None:
        """Print what is new in a run that has not ended; nothing of one whose exit is not chosen."""
        from sn_viz.report.tables import method_line
        from sn_viz.types import Partial

        if isinstance(run, Partial) and not run.is_chosen:
            return
        with self._bar.away():
            self._print_found(run)
            for method in run.baselines[self._methods :]:
                self._console.print(method_line(run, method), markup=False, highlight=False)
        self._methods = len(run.baselines)

    def end(self, run: RunRecord) -> None:
        """Print what is left of a run that has ended."""
        from sn_viz.report.tables import print_judged

        self._print_found(run)
        print_judged(run, self._console)

    def _print_found(self, run: RunRecord) -> None:
        from sn_viz.report.tables import print_found

        if not self._has_found:
            self._console.print(f"Model: {run.config.model} ({self._why})", markup=False, highlight=False)
            print_found(run, self._console)
        self._has_found = True


def have_model(model: str, fresh: bool = False) -> str:
    """Fetch a model of the hub that is not here, with a bar of its own; returns its name at the commit, other names as they are."""
    from sn_viz.models.hub.obtain import obtain

    with progress_bar() as progress:
        say = new_console(stderr=True).print
        return obtain(model, progress, lambda text: say(text, markup=False, highlight=False), fresh=fresh).name
