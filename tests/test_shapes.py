"""The shapes in the annotations are checked while testing, and nowhere else."""

import subprocess
import sys

import numpy as np
import pytest
from jaxtyping import TypeCheckError

from sn_viz.types import Activations, Neurons, Stumps
from sn_viz.voting.statistics import cross_validated_layers
from sn_viz.voting.votes import vote


def neurons(n):
    return Neurons(np.zeros(n, np.int8), np.ones(n, np.int16), np.arange(n, dtype=np.int32), ("residual",))


def stumps(n, **changed):
    fields = {"neuron": np.arange(n), "class_index": np.ones(n, np.int16), "threshold": np.zeros(n, np.float32)}
    return Stumps(**{**fields, "sign": np.ones(n, np.int8), "score": np.ones(n, np.float32), **changed})


def test_a_value_whose_arrays_do_not_fit_each_other_is_refused():
    assert len(stumps(3)) == 3
    with pytest.raises(TypeCheckError):
        stumps(3, score=np.ones(2, np.float32))
    with pytest.raises(TypeCheckError):
        Activations(np.zeros((4, 3), np.float16), neurons(3), np.zeros(5, np.int64))


def test_a_function_refuses_a_wrong_shape():
    with pytest.raises(TypeCheckError):
        vote(np.zeros(3, np.float32), stumps(3), 2)
    with pytest.raises(TypeCheckError):
        cross_validated_layers(np.zeros((4, 3), np.float16), np.zeros(5, np.int64), neurons(3))


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_memory_maps_and_empty_arrays_are_arrays_too(dtype, tmp_path):
    np.save(tmp_path / "values.npy", np.zeros((4, 3), dtype))
    mapped = np.load(tmp_path / "values.npy", mmap_mode="r")
    assert len(Activations(mapped, neurons(3), np.zeros(4, np.int64))) == 4
    assert vote(mapped, stumps(0), 2).tolist() == [[0.5, 0.5]] * 4
    assert vote(mapped[:0], stumps(3), 2).shape == (0, 2)


def test_nothing_is_checked_outside_the_tests():
    code = "import sn_viz.types, sys; import numpy as np; sn_viz.types.Picture(np.zeros(3)); print('beartype' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "False", done.stderr
