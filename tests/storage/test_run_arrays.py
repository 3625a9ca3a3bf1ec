"""Arrays that do not fit the run are refused, and nothing is unpickled."""

import numpy as np
import pytest
from saved_run import seal

from sn_viz.errors import UserError
from sn_viz.run import Run

ARRAYS = {
    "a layer that is not there": ("neuron_layer", lambda a: a + np.int16(1)),
    "a site that is not there": ("neuron_site", lambda a: a + np.int8(1)),
    "a negative unit": ("neuron_unit", lambda a: a - np.int32(1)),
    "a neuron twice": ("neuron_unit", lambda a: a * np.int32(0)),
    "a label beyond the classes": ("test_labels", lambda a: a + 1),
    "a label below none": ("train_labels", lambda a: a - 2),
    "labels as floats": ("train_labels", lambda a: a.astype(np.float64)),
    "one label more": ("train_labels", lambda a: np.append(a, 0)),
    "values turned over": ("train_values", lambda a: np.ascontiguousarray(a.T)),
    "values as text": ("test_values", lambda a: a.astype("U5")),
    "values column by column": ("test_values", np.asfortranarray),
    "values in the other byte order": ("test_values", lambda a: a.astype(">f2")),
    "a threshold that is none": ("stump_threshold", lambda a: a * np.float32(np.nan)),
    "a voter's endless threshold": ("voter_threshold", lambda a: a + np.float32(np.inf)),
    "a sign of nought": ("voter_sign", lambda a: a * np.int8(0)),
    "a score above one": ("stump_score", lambda a: a + np.float32(1)),
    "a class that is not there": ("voter_class_index", lambda a: a + np.int16(1)),
    "a voter beyond the neurons": ("voter_neuron", lambda a: a + 6),
    "a voter of a later layer": ("voter_neuron", lambda a: np.array([3, 3, 1])),
    "a stump of another neuron": ("stump_neuron", lambda a: a[::-1].copy()),
    "more voters than there are": ("voter_count", lambda a: a + 1),
    "voters counted below nought": ("voter_count", lambda a: a * -1),
    "voters counted round the clock": ("voter_count", lambda a: np.array([2**62, 2**62 + 3])),
    "an endless tally": ("vote_tally", lambda a: a * np.float32(np.inf)),
    "a tally that is none": ("vote_tally", lambda a: a * np.float32(np.nan)),
    "a layer of votes missing": ("vote_tally", lambda a: a[:, :1]),
    "a vote for no class": ("vote_predicted", lambda a: a + 2),
    "a margin above one": ("vote_margin", lambda a: a + np.float32(2)),
    "shares that are no whole": ("vote_tally", lambda a: a * np.float32(0)),
    "another class than the votes say": ("vote_predicted", lambda a: a + 1),
    "a margin that the votes do not have": ("vote_margin", lambda a: a + np.float32(0.5)),
    "a voter with a threshold of its own": ("voter_threshold", lambda a: a + np.float32(0.1)),
    "a voter turned round": ("voter_sign", lambda a: -a),
    "a voter with a better score": ("voter_score", lambda a: a * 0 + np.float32(1)),
    "a stump turned round under its voters": ("stump_sign", lambda a: -a),
    "labels that make the accuracy another": ("test_labels", lambda a: a * 0),
    "answers that make the accuracy another": ("baseline_0_predicted", lambda a: a * 0 + 2 * (np.arange(4) == 3) - 1),
    "a null above one": ("null_scores", lambda a: a * np.float32(9)),
    "an answer beyond the classes": ("baseline_0_predicted", lambda a: a + 2),
}


@pytest.mark.parametrize("what", ARRAYS)
def test_an_array_that_does_not_fit_is_refused_even_with_its_digest(what, folder):
    name, damage = ARRAYS[what]
    path = folder / f"{name}.npy"
    np.save(path, damage(np.load(path)))
    seal(folder)
    with pytest.raises(UserError, match="damaged"):
        Run.load(folder)


def header(text: str) -> bytes:
    """Return the beginning of an .npy file with this header."""
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


@pytest.mark.parametrize(
    "data",
    [
        header("{'descr': '<f2', 'fortran_order': False, 'shape': (5, 1000000000000)}"),
        header("{'descr': '<f2', 'fortran_order': False, 'shape': (5, 6)}"),
        header("{'descr': '<f2', 'fortran_order': False, 'shape': (5, -6)}") + bytes(60),
        header("{'descr': '|O', 'fortran_order': False, 'shape': (5, 6)}") + b"cos\nsystem\n(S'touch ran'\ntR.",
        header("{'descr': [('a', '<f2')], 'fortran_order': False, 'shape': (5, 6)}") + bytes(60),
        header("(" * 5000),
        header("[" * 3000 + "]" * 3000),
        header("{'descr': '<f2'}"),
        header("{'descr': '<f2', 'fortran_order': 3, 'shape': 'x'}"),
        header("__import__('os').system('touch ran')"),
        b"\x93NUMPY\x02\x00" + (2**31).to_bytes(4, "little"),
        b"\x93NUMPY\x09\x00" + bytes(100),
        b"PK\x03\x04" + bytes(100),
        b"\x80\x04\x95" + bytes(100),
    ],
    ids=lambda data: repr(data[:60]),
)
def test_an_array_file_of_any_kind_is_refused_and_nothing_is_unpickled(data, folder, monkeypatch):
    monkeypatch.chdir(folder)
    (folder / "train_values.npy").write_bytes(data)
    seal(folder)
    with pytest.raises(UserError, match="damaged"):
        Run.load(folder)
    assert not (folder / "ran").exists()
