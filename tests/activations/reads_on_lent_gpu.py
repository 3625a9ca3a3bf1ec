"""Read a few pictures of noise and say, as JSON, what came of it and how often progress was told.

python reads_on_lent_gpu.py MODEL [PICTURES [STOP_AFTER]]
"""

import json
import os
import sys
import threading

import numpy as np

from sn_viz.activations import legs
from sn_viz.activations.extract import extract
from sn_viz.activations.model_cache import model_named
from sn_viz.errors import Cancelled, UserError
from sn_viz.types import Picture


def count_processes(vlm, number):
    """Return the number and the process that it was counted in."""
    return number, os.getpid()


def refuse(vlm, number):
    raise UserError("It was not read.", f"Number {number} is bad.", "Take another.")


def work(model: str, n: int, stop_after: int) -> dict:
    pixels = np.random.default_rng(0).integers(0, 256, (n, 40, 56, 3), dtype=np.uint8)
    pictures = [Picture(one) for one in pixels]
    told = []

    def progress(fraction, text):
        told.append(text)
        if len(told) == stop_after:
            raise Cancelled

    vlm = model_named(model)
    said = {"device": vlm.device.type, "own": os.getpid()}
    try:
        said["values"] = extract(vlm, pictures, "yes?", batch_size=2, progress=progress).values.astype(float).tolist()
    except Cancelled:
        said["stopped"] = True
    except UserError as error:
        said["refused"] = str(error)
    else:
        said["counted"] = list(legs.each(vlm, count_processes, [(number,) for number in range(3)]))
        try:
            list(legs.each(vlm, refuse, [(7,)]))
        except UserError as error:
            said["parts"] = [error.what, error.cause, error.hint]
    return {**said, "told": told}


def main() -> None:
    model, n, stop_after, *_ = [*sys.argv[1:], "6", "0"] if len(sys.argv) == 2 else [*sys.argv[1:], "0"]
    legs.lent()
    found: list[dict] = []
    thread = threading.Thread(target=lambda: found.append(work(model, int(n), int(stop_after))))  # as a job of the page
    thread.start()
    thread.join()
    print("FOUND", json.dumps(found[0]))


if __name__ == "__main__":
    sys.modules["reads_on_lent_gpu"] = sys.modules["__main__"]
    for each in (count_processes, refuse):
        each.__module__ = "reads_on_lent_gpu"
    main()
