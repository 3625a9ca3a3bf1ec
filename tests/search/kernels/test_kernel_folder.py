"""Where compiled kernels are kept, and when those of an earlier process count."""

import shutil
from functools import cache
from pathlib import Path

import pytest

from sn_viz.search.kernels import best_split
from sn_viz.search.kernels.best_split import kept, kernel_folder


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """The sources of the kernels at a place of their own, nothing kept anywhere yet and no folder asked for."""
    for path in Path(best_split.__file__).parent.glob("*.py"):
        shutil.copy(path, tmp_path / path.name)
    monkeypatch.setattr(best_split, "__file__", str(tmp_path / "best_split.py"))
    monkeypatch.setattr(best_split, "_compiled_once", cache(best_split._compiled_once.__wrapped__))
    monkeypatch.setattr(best_split.settings, "CACHE_DIR", "")
    for name, folder in (("HOME", "home"), ("XDG_CACHE_HOME", "users"), ("SN_VIZ_CACHE", "activations")):
        monkeypatch.setenv(name, str(tmp_path / folder))
    return tmp_path


def in_the_way(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("a file where a folder would be")


def test_the_first_place_that_can_be_written_is_taken(installed, monkeypatch):
    monkeypatch.setattr(best_split.settings, "CACHE_DIR", str(installed / "asked" / "for"))
    places = [installed / one for one in ("asked/for", "__pycache__", "users/sn_viz", "activations")]
    for place in places:
        assert kernel_folder().parent == place and kernel_folder().is_dir() and not any(kernel_folder().iterdir())
        shutil.rmtree(place)
        in_the_way(place)
    assert kernel_folder() is None and kept(), "what cannot be kept is not waited for"


def test_without_a_cache_folder_of_their_own_users_have_one_at_home(installed, monkeypatch):
    in_the_way(installed / "__pycache__")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert kernel_folder().parent == installed / "home" / ".cache" / "sn_viz"


def test_changed_sources_have_another_folder(installed):
    seen = {kernel_folder()}
    for name in ("best_split.py", "sort.py", "fixed.py"):
        assert kernel_folder() in seen
        with (installed / name).open("a") as file:
            file.write("# changed\n")
        assert kernel_folder() not in seen
        seen.add(kernel_folder())
    assert len(seen) == 4 and len({one.name for one in seen}) == 4
    assert all(one.name.startswith("kernels-") and len(one.name) == len("kernels-") + 12 for one in seen)


def test_kernels_are_kept_once_both_are(installed):
    assert not kept()
    folder = kernel_folder() / "somewhere"
    folder.mkdir()
    (folder / "best_split._search-360.py312.1.nbi").touch()
    assert not kept()
    (folder / "best_split._null-451.py312.nbi").touch()
    assert kept()


def double(x):
    return 2 * x


def numbers(narrow, wide):
    """A signature that tells the widths."""
    return narrow(wide)


def test_values_of_two_and_of_four_bytes_have_kernels_of_their_own(installed):
    compiled = [best_split._compiled(double, numbers, itemsize) for itemsize in (2, 4, 2)]
    assert [[str(one) for one in kernel.signatures[0]] for kernel in compiled] == [["uint32"], ["uint64"], ["uint32"]]
    assert [str(next(iter(kernel.overloads.values())).signature.return_type) for kernel in compiled[:2]] == ["uint16", "uint32"]
    assert compiled[0] is compiled[2] and compiled[0] is not compiled[1]
    assert best_split.settings.CACHE_DIR == ""


def test_what_is_compiled_is_kept_and_taken_from_there(installed):
    first, again = (best_split._compiled_once.__wrapped__(double, numbers, 2) for _ in range(2))
    assert sum(first.stats.cache_hits.values()) == 0 and sum(again.stats.cache_hits.values()) == 1
    assert any(kernel_folder().rglob("*double*.nbi")) and again(21) == 42
    assert first.targetoptions["nogil"] and first.targetoptions["error_model"] == "numpy"


def test_a_kernel_is_compiled_where_nothing_can_be_kept(installed, monkeypatch):
    for place in ("__pycache__", "users", "activations"):
        in_the_way(installed / place)
    kernel = best_split._compiled_once.__wrapped__(double, numbers, 4)
    assert kernel(21) == 42 and not kernel.stats.cache_path


def test_a_kernel_whose_source_lies_in_no_file_is_compiled_all_the_same(installed):
    exec("def triple(x):\n    return 3 * x", made := {})
    assert best_split._compiled_once.__wrapped__(made["triple"], numbers, 2)(14) == 42
    assert best_split.settings.CACHE_DIR == ""


def test_any_other_fault_of_the_compiler_is_told(installed):
    def fault(narrow, wide):
        raise RuntimeError("out of registers")

    with pytest.raises(RuntimeError, match="out of registers"):
        best_split._compiled_once.__wrapped__(double, fault, 2)
    assert best_split.settings.CACHE_DIR == ""
