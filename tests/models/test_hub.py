"""Models of the hub by name, with the hub's real client and a hub on this machine."""

from __future__ import annotations

import json
import logging
import os
import shutil
import socket
from pathlib import Path

import numpy as np
import pytest
from hub_stand_in import EMBEDDED as NAME
from hub_stand_in import nothing_listens, use

from sn_viz.errors import Cancelled, UserError
from sn_viz.models import load, load_model
from sn_viz.models.folders import folder_of, saved_name
from sn_viz.models.hub import fetch, info
from sn_viz.models.hub.cache import cached, storage
from sn_viz.models.hub.name import HubName, read_name
from sn_viz.models.hub.obtain import is_here, obtain
from sn_viz.paths import ASSETS
from sn_viz.types import Config

TOKEN = "hf_thisIsTheTokenOfTheOperator"


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """The folder of something small that looks like a model: fetched in no time, never loaded."""
    folder = tmp_path / "small"
    folder.mkdir()
    for file in ("config.json", "processor_config.json", "tokenizer.json"):
        (folder / file).write_text(json.dumps({"file": file}))
    (folder / "model.safetensors").write_bytes(os.urandom(3_000_000))
    return folder


def refused(name: str, **options) -> str:
    with pytest.raises(UserError) as said:
        obtain(name, **options)
    return str(said.value)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("a/b", "a/b"),
        (" a/b@v1.0 ", "a/b@v1.0"),
        ("a/b@refs/pr/4", "a/b@refs/pr/4"),
        ("https://huggingface.co/a/b", "a/b"),
        ("huggingface.co/a/b/", "a/b"),
        ("https://HuggingFace.co/a/b/tree/v1?x=1#readme", "a/b@v1"),
        ("https://hf.co/a/b/blob/main/config.json", "a/b@main"),
        ("https://huggingface.co/a/b/tree/refs%2Fpr%2F4", "a/b@refs/pr/4"),
        ("https://huggingface.co/a/b/tree/refs/pr/4", "a/b@refs/pr/4"),
        ("https://huggingface.co/a/b/discussions/7", "a/b"),
        ("hf://a/b@v1", "a/b@v1"),
    ],
)
def test_names_and_addresses_are_read(text, name):
    assert str(read_name(text)) == name


@pytest.mark.parametrize(
    "text", ["gpt2", "/a/b", "./a/b", "a/b/c", "a//b", "../a", "a/..", "a\\b", "a/b@", "a/b@../x", "~/a", "", "a/b c"]
)
def test_what_is_no_name_is_left_to_be_a_path(text):
    assert read_name(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "https://evil.example/a/b",
        "https://huggingface.co@evil.example/a/b",
        "https://huggingface.co.evil.example/a/b",
        "https://huggingface.co/datasets/a/b",
        "https://huggingface.co/settings/tokens",
        "https://huggingface.co/models/a/b",
        "https://huggingface.co/",
        "file:///etc/passwd",
        "http://[::1/a/b",
        "https://huggingface.co/a/..",
    ],
)
def test_an_address_that_leads_to_no_model_is_refused(text):
    with pytest.raises(UserError, match="is no model of the hub"):
        read_name(text)


def test_by_name_is_what_it_is_by_folder(hub, noise_pictures):
    by_name, by_folder = load_model(NAME, device="cpu"), load_model(ASSETS / "tiny-llava", device="cpu")
    logits = [vlm.first_token_logits(noise_pictures(2), ["Is there a dog?"] * 2) for vlm in (by_name, by_folder)]
    assert np.array_equal(*logits)
    commit = hub.repositories[NAME].branches["main"]
    assert by_name.name == f"{NAME}@{commit}" and by_name.key != by_folder.key and "/" not in by_name.key
    assert by_name.template is not None, "the template of a model from outside runs in a process of its own"


def test_a_run_keeps_a_model_of_the_hub_by_its_commit_and_others_without_their_path():
    pinned = f"lab/model@{'0123456789' * 4}"
    assert saved_name(pinned) == pinned == Config(model=pinned).model_name
    assert folder_of(pinned, "key") is None
    for other, name in (
        ("/home/me/lab/model", "model"),
        (f"/home/me/{pinned}", pinned.split("/")[1]),
        ("tiny-llava", "tiny-llava"),
    ):
        assert saved_name(other) == name == Config(model=other).model_name


def test_only_what_is_needed_is_fetched_and_once(hub, small):
    for other in ("pytorch_model.bin", "modeling.py", "README.md", "consolidated.safetensors", "evil.pkl"):
        (small / other).write_bytes(b"x")
    hub.add("lab/small", small)
    first = obtain("lab/small")
    fetched = {path.rsplit("/", 1)[1] for path in hub.paths() if "/resolve/" in path}
    assert fetched == {"config.json", "processor_config.json", "tokenizer.json", "model.safetensors"}
    asked = len(hub.requests)
    assert obtain("lab/small").name == first.name and obtain(first.name).name == first.name and len(hub.requests) == asked
    assert sorted(path.name for path in Path(first.folder).iterdir()) == sorted(fetched)


def test_the_clients_own_functions_find_what_was_fetched(hub, small):
    from huggingface_hub import hf_hub_download, snapshot_download, try_to_load_from_cache

    hub.add("lab/small", small)
    folder = obtain("lab/small").folder
    assert snapshot_download("lab/small", local_files_only=True, cache_dir=storage(HubName("lab/small")).parent) == folder
    path = hf_hub_download("lab/small", "model.safetensors", cache_dir=storage(HubName("lab/small")).parent)
    assert Path(path).read_bytes() == (small / "model.safetensors").read_bytes()
    assert try_to_load_from_cache("lab/small", "config.json", Path(folder).parents[2]) == f"{folder}/config.json"


def test_a_branch_that_moved_is_another_commit_once_the_hub_is_asked(hub, small, tmp_path):
    repository = hub.add("lab/small", small)
    first = obtain("lab/small")
    assert first.note == "" and first.commit == repository.branches["main"]
    changed = shutil.copytree(small, tmp_path / "changed")
    (changed / "tokenizer.json").write_text("{}")
    commit = repository.commit(changed)
    here, sent = obtain("lab/small"), hub.bytes_sent
    assert here.name == first.name and "the hub was not asked" in here.note and "main" in here.note
    assert obtain("lab/small", fresh=True).name == f"lab/small@{commit}" == obtain("lab/small").name
    assert hub.bytes_sent == sent + 2, "what did not change is not fetched again"
    assert obtain(first.name).name == first.name


@pytest.mark.long
def test_a_commit_has_a_key_of_its_own(hub, tmp_path):
    first = load_model(NAME, device="cpu")
    changed = shutil.copytree(ASSETS / "tiny-llava", tmp_path / "changed")
    (changed / "README.md").write_text("New.")
    hub.repositories[NAME].commit(changed)
    obtain(NAME, fresh=True)
    second = load_model(NAME, device="cpu")
    assert second.name != first.name and second.key != first.key
    assert load_model(first.name, device="cpu").key == first.key


def test_a_tag_a_branch_with_slashes_and_a_short_commit_are_found(hub, small, tmp_path):
    repository = hub.add("lab/small", small)
    other = shutil.copytree(small, tmp_path / "other")
    (other / "config.json").write_text("{}")
    commit = repository.commit(other, "refs/pr/1")
    for revision in ("refs/pr/1", commit[:9], commit):
        assert obtain(f"lab/small@{revision}").commit == commit
        assert is_here(f"lab/small@{revision}")
    assert obtain("lab/small").commit != commit


def test_with_everything_here_and_no_hub_it_loads_at_once(hub, monkeypatch, tmp_path):
    name = obtain(NAME).name
    use(monkeypatch, nothing_listens(), tmp_path / "hub-cache")
    for asked in (NAME, name, f"{NAME}@main"):
        assert obtain(asked).name == name
    assert load_model(NAME, device="cpu").name == name


@pytest.mark.parametrize("kind", ["nobody listens", "silent"])
def test_without_an_answer_it_is_said_within_five_seconds(monkeypatch, tmp_path, kind):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = nothing_listens() if kind == "nobody listens" else f"http://127.0.0.1:{silent.getsockname()[1]}"
        use(monkeypatch, address, tmp_path)
        assert info.ANSWER_SECONDS < 5
        monkeypatch.setattr(info, "ANSWER_SECONDS", 0.5)
        said = refused("lab/small")
    assert "The hub did not answer. The model is not here." in said and "Check the network" in said


def test_without_an_answer_what_is_here_is_named(hub, small, monkeypatch, tmp_path):
    hub.add("lab/small", small)
    name = obtain("lab/small").name
    use(monkeypatch, nothing_listens(), tmp_path / "hub-cache")
    assert f"or name what is here: {name}." in refused("lab/small@v2")


def test_asking_anew_without_an_answer_does_not_say_that_what_is_here_is_not(hub, small, monkeypatch, tmp_path):
    commit = hub.add("lab/small", small).branches["main"]
    obtain("lab/small")
    use(monkeypatch, nothing_listens(), tmp_path / "hub-cache")
    with pytest.raises(UserError, match=f"could not be asked.*did not answer. The model is here, at commit {commit[:7]}"):
        obtain("lab/small", fresh=True)
    assert obtain("lab/small").commit == commit


def test_a_copy_that_lacks_a_file_is_completed(hub, small):
    hub.add("lab/small", small)
    found = obtain("lab/small")
    (Path(found.folder) / "model.safetensors").resolve().unlink()
    assert not is_here(found.name) and cached(HubName("lab/small")) is None
    assert obtain("lab/small").name == found.name and is_here(found.name)


def test_what_is_broken_off_goes_on_where_it_stopped(hub, small, monkeypatch):
    hub.add("lab/small", small)
    size = sum(path.stat().st_size for path in small.iterdir())
    hub.break_after = 1_000_000
    folder = Path(obtain("lab/small").folder)
    assert (folder / "model.safetensors").read_bytes() == (small / "model.safetensors").read_bytes()
    assert hub.bytes_sent == size
    ranges = [headers["range"] for _, path, headers in hub.requests if "range" in headers]
    assert ranges == ["bytes=1000000-", "bytes=2000000-"]


def test_a_cancelled_download_keeps_what_it_has(hub, small):
    hub.add("lab/small", small)
    texts = []

    def progress(fraction: float, doing: str) -> None:
        texts.append(doing)
        assert 0 <= fraction <= 1
        if fraction > 0.5:
            raise Cancelled

    with pytest.raises(Cancelled):
        obtain("lab/small", progress)
    assert not is_here("lab/small")
    assert "3.0 MB with safetensors weights; not gated;" in texts[-1] and "of 3.0 MB" in texts[-1]
    said = []
    obtain("lab/small", say=said.append)
    (begun,) = (int(headers["range"][6:-1]) for _, _, headers in hub.requests if "range" in headers)
    assert 1_500_000 <= begun < 3_000_000
    assert f"{begun / 1e6:.1f} MB of it already here" in said[0] and "of the disk are free" in said[0]


def test_a_connection_that_brings_nothing_ends_in_a_sentence(hub, small, monkeypatch, tmp_path):
    hub.add("lab/small", small)
    listing = info.ask(HubName("lab/small"), lambda *_: None)
    use(monkeypatch, nothing_listens(), tmp_path / "hub-cache")
    with pytest.raises(UserError, match="connection to the hub was lost.*goes on where it stopped"):
        fetch.fetch(listing, lambda *_: None, "Fetching")


def test_where_there_are_no_links_the_files_themselves_are_moved(hub, small, monkeypatch):
    def no_links(*_args: object) -> None:
        raise OSError("links need a privilege")

    hub.add("lab/small", small)
    monkeypatch.setattr(Path, "symlink_to", no_links)
    folder = Path(obtain("lab/small").folder)
    assert is_here("lab/small") and not any(path.is_symlink() for path in folder.iterdir())
    assert (folder / "model.safetensors").read_bytes() == (small / "model.safetensors").read_bytes()


def test_a_file_that_is_not_what_was_announced_is_not_kept(hub, small):
    hub.add("lab/small", small).told_sizes["model.safetensors"] = 100
    assert "not what the hub announced" in refused("lab/small")
    assert not is_here("lab/small")


def test_another_process_at_the_same_file_is_waited_for_and_can_be_cancelled(hub, small):
    from filelock import FileLock

    hub.add("lab/small", small)
    obtain("lab/small")
    (blob,) = (path for path in (storage(HubName("lab/small")) / "blobs").iterdir() if len(path.name) == 64)
    blob.unlink()
    told = []

    def progress(fraction: float, doing: str) -> None:
        told.append(doing)
        if len(told) > 4:
            raise Cancelled

    with (
        FileLock(storage(HubName("lab/small")).parent / ".locks/models--lab--small" / f"{blob.name}.lock"),
        pytest.raises(Cancelled),
    ):
        obtain("lab/small", progress)


def test_each_refusal_has_a_sentence_of_its_own(hub, small, tmp_path, monkeypatch):
    repository = hub.add("lab/small", small)
    assert "no such model, or it is private; and there is no folder" in refused("lab/none")
    assert "has no branch, tag or commit 'v9'" in refused("lab/small@v9")
    repository.gated = "manual"
    said = refused("lab/small")
    assert "gated" in said and "HF_TOKEN" in said and "Accept" in said
    repository.gated = False
    pickled = tmp_path / "pickled"
    pickled.mkdir()
    (pickled / "config.json").write_text("{}")
    (pickled / "pytorch_model.bin").write_bytes(b"x")
    hub.add("lab/pickled", pickled)
    assert "pytorch_model.bin, which are not read: they may hold programs" in refused("lab/pickled")
    (pickled / "config.json").unlink()
    assert "no config.json" in refused("lab/pickled")
    repository.told_sizes["model.safetensors"] = 10**16
    said = refused("lab/small")
    assert "10,000,000.0 GB" in said and "HF_HOME" in said
    assert "up to 1.0 MB are fetched" in refused("lab/small", most_bytes=1e6)
    repository.told_sizes["tokenizer.json"] = 10**9
    assert "tokenizer.json has 1,000 MB" in refused("lab/small")
    for status, words in ((401, "token"), (429, "too many requests"), (503, "status 503"), (204, "is not the hub")):
        hub.status = status
        assert words in refused("lab/small")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert "Unset HF_HUB_OFFLINE" in refused("lab/small")


def test_a_gated_model_is_fetched_with_the_operators_token_which_is_never_told(hub, small, monkeypatch, caplog, capfd):
    repository = hub.add("lab/small", small)
    repository.gated, hub.token = "auto", TOKEN
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    caplog.set_level(logging.DEBUG)
    said = []
    found = obtain("lab/small", say=said.append)
    assert {headers.get("authorization") for _, _, headers in hub.requests} == {f"Bearer {TOKEN}"}
    assert "gated, with your token" in said[0]
    monkeypatch.setenv("HF_TOKEN", "hf_another")
    said.append(refused("lab/small@main2") + refused("lab/other"))
    shutil.rmtree(found.folder)
    said.append(refused("lab/small"))
    assert "HF_TOKEN" in said[-1]
    out = capfd.readouterr()
    for text in (*said, caplog.text, out.out, out.err):
        assert TOKEN not in text and "hf_another" not in text
    for path in storage(HubName("lab/small")).rglob("*"):
        assert not path.is_file() or TOKEN.encode() not in path.read_bytes()


def test_a_full_disk_and_a_cache_that_cannot_be_written_are_told(hub, small, monkeypatch, tmp_path):
    hub.add("lab/small", small)
    (tmp_path / "hub-cache").write_text("a file")
    assert "cache cannot be written" in refused("lab/small")
    (tmp_path / "hub-cache").unlink()

    def full(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(fetch, "link", full)
    assert "The disk is full." in refused("lab/small")


@pytest.mark.parametrize(
    ("error", "package"),
    [
        (ImportError("Package `num2words` is required to run SmolVLM processor."), "num2words"),
        (ImportError("\nAutoVideoProcessor requires the Torchvision library but it was not found"), "torchvision"),
        (ModuleNotFoundError("No module named 'timm.models'", name="timm.models"), "timm"),
    ],
)
def test_a_python_package_that_is_missing_is_named(checkpoint, monkeypatch, error, package):
    def missing(*_args: object, **_options: object) -> None:
        raise error

    monkeypatch.setattr(load, "_apart", lambda *_: None)
    monkeypatch.setattr(load.AutoConfig, "from_pretrained", missing)
    with pytest.raises(UserError, match=f"needs the Python package {package}, .* Run: pip install {package}"):
        load_model(checkpoint("llava"))


@pytest.mark.timeout(60)
def test_a_file_that_ends_before_it_was_announced_to_is_no_file(hub, small):
    hub.add("lab/small", small).told_sizes["model.safetensors"] = 4_000_000
    assert "not what the hub announced" in refused("lab/small")
    assert not is_here("lab/small")


def answered(monkeypatch, only: str, status: int, facts: dict[str, str], body: bytes = b"") -> None:
    """Let the hub answer so whatever is asked below ``only``."""
    import hub_stand_in

    usual = hub_stand_in.answer
    monkeypatch.setattr(hub_stand_in, "answer", lambda *told: (status, facts, body) if only in told[1] else usual(*told))


@pytest.mark.parametrize("only", ["/api/", "/resolve/"])
@pytest.mark.parametrize(
    ("status", "facts"),
    [
        (200, {"Content-Encoding": "gzip", "Content-Type": "application/json"}),
        (302, {"Location": "itself"}),
    ],
)
def test_an_answer_that_no_hub_gives_is_a_sentence(hub, small, monkeypatch, only, status, facts):
    hub.add("lab/small", small)
    facts = {**facts, "Location": f"/api/models/lab/small{only}x"} if "Location" in facts else facts  # itself, for ever
    answered(monkeypatch, only, status, facts, b"no gzip")
    assert "is not the hub" in refused("lab/small")


def test_what_is_here_of_a_file_and_no_part_of_it_is_given_up(hub, small, monkeypatch):
    hub.add("lab/small", small)
    listing = info.ask(HubName("lab/small"), lambda *_: None)
    (weights,) = (file for file in listing.files if file.name == "model.safetensors")
    begun = storage(listing.hub) / "blobs" / f"{weights.digest}.incomplete"
    begun.parent.mkdir(parents=True)
    begun.write_bytes(b"x" * 10)
    with monkeypatch.context() as patch:
        answered(patch, "/model.safetensors", 416, {})
        assert "not what the hub announced" in refused("lab/small")
    assert obtain("lab/small").commit and is_here("lab/small")


def test_a_file_that_was_cut_short_here_is_fetched_again_once_it_is_asked_for(hub, small):
    hub.add("lab/small", small)
    found = obtain("lab/small")
    weights = Path(found.folder, "model.safetensors")
    os.truncate(weights.resolve(), 1000)
    assert obtain(found.name, fresh=True).folder == found.folder
    assert weights.read_bytes() == (small / "model.safetensors").read_bytes()


@pytest.mark.parametrize(
    ("index", "said"),
    [
        ('{"weight_map": {"a": "../../x.safetensors"}}', "names '../../x.safetensors', which is none of its files"),
        ('{"weight_map": {"a": "model-00002-of-00002.safetensors"}}', "which is none of its files"),
        ("{", "index of shards is damaged"),
    ],
)
def test_an_index_is_looked_at_before_the_shards_are_fetched(hub, small, index, said):
    (small / "model.safetensors").rename(small / "model-00001-of-00002.safetensors")
    (small / "model.safetensors.index.json").write_text(index)
    hub.add("lab/small", small)
    assert said in refused("lab/small")
    assert not any("00001" in path for path in hub.paths() if "/resolve/" in path)


@pytest.mark.parametrize("token", ["hf_s\u00e9cret", "hf_s\u200bcret", "hf_a b"])
def test_a_token_with_letters_that_none_has_is_told_and_not_shown(hub, small, monkeypatch, token):
    hub.add("lab/small", small)
    monkeypatch.setenv("HF_TOKEN", token)
    said = refused("lab/small")
    assert "letters that no token has" in said and token not in said and not hub.requests


def test_a_file_that_holds_no_program_is_not_said_to(hub, small):
    (small / "model.safetensors").rename(small / "model.gguf")
    hub.add("lab/small", small)
    said = refused("lab/small")
    assert "only files such as model.gguf, which are not read." in said and "programs" not in said


@pytest.mark.parametrize("text", [f"https://me:{TOKEN}@huggingface.co/datasets/a/b", f"https://evil.example/a/b?token={TOKEN}"])
def test_an_address_is_told_without_what_is_secret_in_it(text):
    with pytest.raises(UserError) as said:
        read_name(text)
    assert TOKEN not in str(said.value) and "is no model of the hub" in str(said.value)
