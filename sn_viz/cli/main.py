"""From arguments to a call, from an error to a sentence and an exit status: 0, 2 for a user's mistake, 1 for a fault of ours."""

from __future__ import annotations

import gc
import logging
import os
import sys
import uuid
from collections.abc import Sequence

import typer

from sn_viz.cli import bench, cache, data, lessons, runs, serve, take, training  # noqa: F401  (each adds its commands, in this order)
from sn_viz.cli.app import app
from sn_viz.errors import Cancelled, UserError

# Typer brings its own copy of click or uses the installed one, depending on its version: the root of its usage errors, either way.
UsageError: type[Exception] = next(c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status; never raises for a user's mistake."""
    # Threads that wait by spinning make a shared machine ten times slower; this must be said before torch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    arguments = bare_json(list(sys.argv[1:] if argv is None else argv))
    try:
        return int(app(arguments or ["--help"], standalone_mode=False) or 0)
    except UserError as error:
        return complain(str(error), 2)
    except UsageError as error:
        return complain(error.format_message(), 2)  # type: ignore[attr-defined]
    except (KeyboardInterrupt, typer.Abort, Cancelled):
        return complain("Stopped.", 130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # whoever read us has gone; say nothing more on exit
        return 0
    except Exception:
        incident = uuid.uuid4().hex[:8]
        logging.getLogger("sn_viz").exception("incident %s", incident)
        return complain(f"Something went wrong in sn_viz itself (incident {incident}); the log above says where.", 1)


def run() -> None:
    """Hand over to `main`: what the installed command ``sn-viz`` calls."""
    status = main()
    gc.freeze()  # a process that ends need not look for garbage among all that libraries made: that took a second
    sys.exit(status)


def bare_json(arguments: list[str]) -> list[str]:
    """Give ``-`` to every ``--json`` that comes without a value: at the end, or before another option."""
    full: list[str] = []
    for argument, following in zip(arguments, [*arguments[1:], None], strict=False):
        full.append(argument)
        if argument == "--json" and (following is None or (following.startswith("-") and following != "-")):
            full.append("-")
    return full


def complain(sentence: str, status: int) -> int:
    print(f"sn_viz: {' '.join(sentence.split())}", file=sys.stderr)
    return status
