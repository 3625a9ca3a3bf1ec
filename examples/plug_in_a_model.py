"""Read any vision-language model that transformers opens: its folder goes in, activations come out.

    python examples/plug_in_a_model.py [FOLDER]

The model stays frozen. Nothing of it is changed and no code that lies in its folder is run.
"""

from __future__ import annotations

import sys

import numpy as np

from sn_viz import extract, load_images, load_model
from sn_viz.search import find_stumps


def main() -> None:
    model = load_model(sys.argv[1] if len(sys.argv) > 1 else "tiny-llava")
    print(f"{type(model.module).__name__}: {len(model.blocks)} decoder blocks")
    images = load_images("pack:night")
    images = images.take(np.arange(24))
    read = extract(model, images, images.question, sites=("residual", "mlp-neuron"))
    print(f"{read.values.shape[0]} pictures x {read.values.shape[1]:,} neurons, {read.values.dtype}")
    stumps = find_stumps(read.values, read.labels)
    for row in np.argsort(-np.nan_to_num(stumps.score, nan=-1))[:5]:
        print(f"  {read.neurons.name(int(stumps.neuron[row]))}: {stumps.score[row]:.2f} balanced accuracy on these pictures")


if __name__ == "__main__":
    main()
