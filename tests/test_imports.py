"""Heavy libraries stay where they belong: each rule is tried in a fresh process."""

import subprocess
import sys

import pytest


def loaded_by(statement: str, *suspects: str) -> set[str]:
    code = f"import sys; {statement}; print(','.join(m for m in {suspects!r} if m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return set(filter(None, done.stdout.strip().split(",")))


@pytest.mark.parametrize(
    ("statement", "forbidden"),
    [
        ("import sn_viz", ("torch", "gradio", "plotly", "transformers", "sklearn", "numpy")),
        ("import sn_viz.pipeline", ("gradio", "plotly", "ray")),
        ("from sn_viz.engines import ENGINES; ENGINES.names()", ("ray", "torch", "transformers", "gradio")),
        ("import sn_viz.search.stumps", ("torch", "gradio", "plotly", "transformers")),
        ("import sn_viz.plots", ("torch", "gradio")),
        ("import sn_viz.storage.load, sn_viz.storage.save, sn_viz.storage.summary", ("torch", "gradio", "plotly", "transformers")),
        ("import sn_viz.cli", ("torch", "gradio", "plotly", "transformers", "sklearn", "numpy")),
        ("from sn_viz import SuperNeuronClassifier", ("torch", "gradio", "plotly")),
    ],
)
def test_an_import_stays_light(statement, forbidden):
    assert loaded_by(statement, *forbidden) == set()


def test_the_public_names_are_there_even_after_their_modules_were_imported():
    statement = (
        "import sn_viz.activations.extract, sn_viz.pipeline; "
        "from sn_viz import load_model, load_images, extract, SuperNeuronClassifier, find; "
        "assert callable(extract) and callable(find) and callable(load_model) and callable(load_images)"
    )
    assert loaded_by(statement, "gradio") == set()
