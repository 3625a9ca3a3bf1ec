"""A run opens from a zip as from its folder, and a zip that was made to harm is refused in a sentence."""

import json
import struct
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from saved_run import seal

from sn_viz.errors import UserError
from sn_viz.sources.budget import MIB
from sn_viz.storage.archive import BUDGET, load_zip
from sn_viz.storage.run_arrays import arrays_of


@pytest.fixture
def zipped(folder, tmp_path):
    """Return ``zipped(inside, also)``: a zip of the saved run in the folder ``inside``, with other entries beside it."""

    def make(inside="run/", also=()):
        path = tmp_path / "run.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in sorted(folder.rglob("*")):
                if file.is_file():
                    archive.write(file, inside + file.relative_to(folder).as_posix())
            for name, data in also:
                archive.writestr(name, data)
        return path

    return make


def unpacked(tmp_path):
    return list(tmp_path.rglob("sn-viz-open-*"))


@pytest.mark.parametrize("inside", ["", "run/", "a folder/of mine/"])
def test_it_opens_as_from_its_folder_wherever_in_the_zip_it_lies(run, zipped, inside, tmp_path):
    back = load_zip(zipped(inside, [("report.html", "<script>"), ("neurons.csv", "x")]), folder=tmp_path)
    ours, theirs = arrays_of(run), arrays_of(back)
    assert all(np.array_equal(ours[name], theirs[name], equal_nan=True) for name in ours)
    assert (back.config, back.train.names, back.warnings) == (run.config, run.train.names, run.warnings)
    assert not isinstance(back.train_values, np.memmap) and unpacked(tmp_path) == []


def test_paths_that_lead_out_and_files_that_are_no_part_are_never_written(zipped, tmp_path):
    evil = [("../../out.npy", "x"), ("/etc/out.npy", "x"), ("run/../out.npy", "x"), ("run/evil.py", "x"), ("run/x.pkl", "x")]
    load_zip(zipped(also=evil), folder=tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"run", "run.zip"}


def test_what_inflates_to_more_than_may_be_is_stopped_while_it_inflates(zipped, tmp_path):
    path = zipped(also=[("run/zeros.npy", b"\0" * (8 * MIB))])
    with pytest.raises(UserError, match="inflates to more than"):
        load_zip(path, replace(BUDGET, inflated_bytes=4 * MIB), tmp_path)
    assert unpacked(tmp_path) == []


def test_more_files_than_may_be_are_refused_before_one_is_read(zipped):
    with pytest.raises(UserError, match="holds more than 20 files"):
        load_zip(zipped(also=[(f"run/{i}.npy", "") for i in range(30)]), replace(BUDGET, files=20))


@pytest.mark.parametrize(
    ("also", "said"),
    [
        ([("other/run.json", "{}")], "holds 2 saved runs"),
        ([("run\\run.json", "{}")], "holds 2 saved runs"),
        ([("run/./vote_tally.npy", "x")], "twice"),
    ],
)
def test_two_of_what_should_be_one_are_refused(zipped, also, said):
    with pytest.raises(UserError, match=said):
        load_zip(zipped(also=also))


def test_a_zip_without_a_run_and_a_file_that_is_no_zip_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("photos/cat.png", b"x")
    (tmp_path / "b.zip").write_bytes(b"no zip at all")
    with pytest.raises(UserError, match=r"holds no run\.json"):
        load_zip(tmp_path / "a.zip")
    with pytest.raises(UserError, match="not a zip archive"):
        load_zip(tmp_path / "b.zip")
    with pytest.raises(UserError, match="There is no such file"):
        load_zip(tmp_path / "c.zip")


def test_a_pickled_array_is_refused_though_its_digest_is_right(folder, zipped):
    np.save(folder / "train_labels.npy", np.array([print, None], dtype=object), allow_pickle=True)
    seal(folder)
    with pytest.raises(UserError, match="train_labels"):
        load_zip(zipped())


def test_a_link_in_the_zip_is_no_file(folder, zipped, tmp_path):
    path = zipped()
    with zipfile.ZipFile(path) as archive:
        held = {info.filename: archive.read(info) for info in archive.infolist()}
    link = zipfile.ZipInfo("run/vote_tally.npy")
    link.external_attr = (0o120777) << 16
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in held.items():
            archive.writestr(link if name == link.filename else name, "/etc/passwd" if name == link.filename else data)
    with pytest.raises(UserError, match="link or another special file"):
        load_zip(path)


def test_a_changed_byte_is_told(folder, zipped):
    values = folder / "train_values.npy"
    data = bytearray(values.read_bytes())
    data[-1] ^= 1
    values.write_bytes(bytes(data))
    with pytest.raises(UserError, match=r"train_values\.npy was changed"):
        load_zip(zipped())


def test_a_zip_whose_directory_lies_about_its_size_is_refused(zipped):
    path = zipped()
    data = bytearray(path.read_bytes())
    end = data.rfind(b"PK\5\6")
    data[end + 12 : end + 16] = struct.pack("<L", 2**31)
    path.write_bytes(bytes(data))
    with pytest.raises(UserError, match="directory is too large"):
        load_zip(path)


def test_a_field_that_may_not_be_is_refused_by_its_name(folder, zipped):
    facts = json.loads((folder / "run.json").read_text())
    facts["config"]["seed"] = -1
    seal(folder, facts)
    with pytest.raises(UserError, match=r"config\.seed"):
        load_zip(zipped())
