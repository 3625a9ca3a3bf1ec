"""The command line: ``python -m sn_viz find pack:presence-dog``.

Turns arguments into calls of the package and results into tables or JSON; a file for each group of commands. Exit status 0 on
success, 2 with one sentence on stderr for a user's mistake, 1 for a fault of ours. Everything heavy is imported by the command
that needs it, so that the light ones answer at once.
"""

from sn_viz.cli.app import app
from sn_viz.cli.main import bare_json, main, run

__all__ = ["app", "bare_json", "main", "run"]
