"""``answers`` of the endpoint /find, over HTTP: what the model says for each class is the caller's word."""

from __future__ import annotations

import zipfile

import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from sn_viz.ui import page
from sn_viz.ui.server import launch, packs


@pytest.fixture(scope="module")
def find(tmp_path_factory, checkpoint):
    """Return ``find(answers)``: asks a really launched page, on a zip of two classes whose names tell nothing."""
    folder = tmp_path_factory.mktemp("letters")
    random = np.random.default_rng(1)
    with zipfile.ZipFile(folder / "set.zip", "w") as archive:
        for i in range(12):
            Image.fromarray(random.integers(0, 256, (24, 24, 3), dtype=np.uint8)).save(folder / "one.png")
            archive.write(folder / "one.png", f"{('alpha', 'beta')[i % 2]}/{i}.png")
    patch = pytest.MonkeyPatch()
    patch.setattr(packs.Prefetcher, "want", lambda _, name, arguments: packs.run_key(name, arguments))
    built = page.build(str(checkpoint("llava")))
    _, address, _ = launch.launch(built, prevent_thread_lock=True, quiet=True)
    client = Client(address, verbose=False)
    yield lambda **named: client.predict(
        data=handle_file(str(folder / "set.zip")), question="Is it heavy?", api_name="/find", **named
    )
    built.close()
    patch.undo()


def test_given_answers_are_used_and_told(find):
    key = find(answers="alpha=no,beta=yes")["answers"]
    assert (key["source"], key["inferred"]) == ("given", False)
    assert key["words"] == {"alpha": "no", "beta": "yes"}


def test_without_answers_nothing_is_given(find):
    assert find()["answers"]["source"] != "given"


@pytest.mark.parametrize(
    ("answers", "told"), [("alpha:yes", "not understood"), ("gamma=yes", "no class called"), ("alpha=yes,beta=yes", "yes")]
)
def test_answers_that_fit_no_classes_get_a_sentence(find, answers, told):
    with pytest.raises(AppError, match=told):
        find(answers=answers)
