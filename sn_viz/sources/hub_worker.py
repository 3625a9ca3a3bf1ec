"""The process that streams a data set of the hub: a task as JSON on standard input, rows on standard output.

Takes the task that ``hub`` writes; sends the frames of ``arrow_worker``. The package ``datasets`` unpacks what the hub sends, which
says itself how large it becomes, so this process limits its own memory first.
"""

from __future__ import annotations

import json
import os
import sys

from sn_viz.errors import UserError
from sn_viz.sources.arrow_worker import limit_memory, send
from sn_viz.sources.gather import Note
from sn_viz.sources.hub import Reference, rows_of


def main() -> None:
    """Read the task and send its rows, ending with "done", "refused" or "failed"."""
    task = json.loads(sys.stdin.buffer.read())
    limit_memory(task["memory"])
    with os.fdopen(os.dup(sys.stdout.fileno()), "wb") as out:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what libraries print is no frame
        try:
            for each in rows_of(Reference(*task["reference"]), task["asked"], task["rows"]):
                if isinstance(each, Note):
                    send({"note": each.text}, out=out)
                    continue
                image = each.image if isinstance(each.image, bytes) else b""
                too_large = len(image) > task["file_bytes"]
                image = b"" if too_large else image
                header = {"number": each.number, "label": each.label, "question": each.question, "group": each.group}
                send({**header, "too_large": too_large, "n_bytes": len(image)}, image, out)
            send({"done": True}, out=out)
        except UserError as error:
            send({"refused": [error.what, error.cause, error.hint]}, out=out)
        except Exception as error:  # memory, or damage of any kind: the other side has one sentence for it
            sys.stderr.write(f"{type(error).__name__}: {error}\n")
            send({"failed": True}, out=out)


if __name__ == "__main__":
    main()
