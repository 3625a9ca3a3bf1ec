"""Find super neurons in a folder of your own pictures, one sub-folder a class.

    python examples/find_on_your_folder.py PHOTOS --question "Is it ripe?"

Without a folder it draws one first, so that there is something to look at.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

from sn_viz import find, load_images
from sn_viz.sources import save_folders


def drawn_pictures(folder: Path) -> Path:
    """Return ``folder``, filled with drawn scenes with and without a dog."""
    return save_folders(load_images("pack:presence-dog"), folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--question", default="Is there a dog in the picture?")
    parser.add_argument("--out", type=Path, help="keep the run in this folder")
    chosen = parser.parse_args()
    with TemporaryDirectory() as temporary:
        folder = chosen.folder or drawn_pictures(Path(temporary) / "drawn")
        run = find(folder, chosen.question, compare="full-model")
        best = run.voters[run.exit_index]
        print(f"The model may stop after {run.neurons.layer_name(run.exit_layer)} of {run.neurons.n_layers} blocks.")
        for row in range(3):
            neuron = int(best.neuron[row])
            side = "above" if best.sign[row] > 0 else "below"
            said = run.train.classes[best.class_index[row]]
            print(f"  {run.neurons.name(neuron)} says {said!r} {side} {best.threshold[row]:.3f}")
        new = [picture.pixels for picture in run.test.pictures[:3]]
        for name, prediction in zip(run.test.names, run.predict(new), strict=False):
            print(f"  {name}: {prediction.label} (margin {prediction.margin:.2f}, {prediction.milliseconds:.1f} ms)")
        if chosen.out:
            print(f"Kept in {run.save(chosen.out)}; open it again with Run.load, or sn-viz report.")


if __name__ == "__main__":
    main()
