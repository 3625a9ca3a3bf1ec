"""Model folders made to hang, to fill the memory or to run code, or merely damaged: the command refuses each in one line."""

from __future__ import annotations

import gc
import json
import os
import shutil
import signal
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from safetensors.torch import load_file, save_file

from sn_viz.cli import main
from sn_viz.errors import UserError
from sn_viz.models import load_model
from sn_viz.models.apart import Apart, Template

pytestmark = pytest.mark.long

Damage = Callable[[Path], None]


@pytest.fixture
def folder(checkpoint, tmp_path) -> Path:
    """A sound model that a test may damage."""
    return shutil.copytree(checkpoint("llava"), tmp_path / "hostile")


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("photos")
    for label, colour in (("red", (200, 30, 30)), ("blue", (30, 30, 200))):
        (root / label).mkdir()
        for i in range(4):
            Image.new("RGB", (40, 40 + i), colour).save(root / label / f"{i}.png")
    return root


def setting(file: str, *path: str, value: Any) -> Damage:
    """Return a damage that sets one setting of a JSON file."""

    def damage(folder: Path) -> None:
        facts = json.loads((folder / file).read_text())
        inner = facts
        for step in path[:-1]:
            inner = inner[step]
        inner[path[-1]] = value
        (folder / file).write_text(json.dumps(facts))

    return damage


def text(file: str, content: str | bytes) -> Damage:
    def damage(folder: Path) -> None:
        (folder / file).write_bytes(content.encode() if isinstance(content, str) else content)

    return damage


def long(file: str, n_bytes: int) -> Damage:
    def damage(folder: Path) -> None:
        with (folder / file).open("ab") as opened:
            opened.truncate(n_bytes)

    return damage


def pattern(regex: str) -> Damage:
    """Return a damage that splits words by a pattern before anything else."""
    split = {"type": "Split", "pattern": {"Regex": regex}, "behavior": "Isolated", "invert": False}
    return setting("tokenizer.json", "pre_tokenizer", value=split)


def pipe(file: str) -> Damage:
    def damage(folder: Path) -> None:
        (folder / file).unlink()
        os.mkfifo(folder / file)

    return damage


def other_shapes(folder: Path) -> None:
    state = load_file(folder / "model.safetensors")
    name = next(name for name in state if name.endswith("q_proj.weight"))
    state[name] = state[name][:3].contiguous()
    save_file(state, folder / "model.safetensors", {"format": "pt"})


def header(facts: Any, body: bytes = b"") -> bytes:
    told = json.dumps(facts).encode()
    return struct.pack("<Q", len(told)) + told + body


IMAGES = ("processor_config.json", "image_processor")
HOSTILE: dict[str, Damage] = {
    "a template without end": text(
        "chat_template.jinja", "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
    ),
    "a template that fills the memory": text("chat_template.jinja", "{{ 'a' * 10**11 }}"),
    "a template that fills the memory bit by bit": text(
        "chat_template.jinja", "{% set x = namespace(s='a') %}{% for i in range(60) %}{% set x.s = x.s + x.s %}{% endfor %}"
    ),
    "a template with a power without end": text("chat_template.jinja", "{{ 9**9**9 }}"),
    "a template that writes a book": text("chat_template.jinja", "{% for i in range(90000) %}" + "x" * 100 + "{% endfor %}"),
    "a template that calls itself": text("chat_template.jinja", "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}"),
    "a template with an error": text("chat_template.jinja", "{% for %}"),
    "a template that complains": text("chat_template.jinja", "{{ raise_exception('no') }}"),
    "a template that reaches out": text("chat_template.jinja", "{{ ''.__class__.__mro__[1].__subclasses__() }}"),
    "a template of many megabytes": long("chat_template.jinja", 40 * 2**20),
    "a template that forgets the picture": text("chat_template.jinja", "hello"),
    "a pattern of years": pattern(r"(?:a|a|ab?)*(?:a|a|ab?)*(?:a|a|ab?)*\d\d$"),
    "a pattern that is none": pattern("("),
    "a tokenizer of gigabytes": long("tokenizer.json", 3 * 2**30),
    "a tokenizer of nothing": text("tokenizer.json", ""),
    "a tokenizer of another kind": text("tokenizer.json", '{"version": "1.0", "model": {"type": "Own"}}'),
    "a tokenizer without bottom": text("tokenizer.json", "[" * 10**6),
    "a pipe for a tokenizer": pipe("tokenizer.json"),
    "a thousand million layers": setting("config.json", "text_config", "num_hidden_layers", value=10**9),
    "a layer less than none": setting("config.json", "text_config", "num_hidden_layers", value=-1),
    "a number of layers of 400 digits": setting("config.json", "text_config", "num_hidden_layers", value=10**400),
    "layers in words": setting("config.json", "text_config", "num_hidden_layers", value="many"),
    "a thousand million layers of the tower": setting("config.json", "vision_config", "num_hidden_layers", value=10**9),
    "a vocabulary of a billion": setting("config.json", "text_config", "vocab_size", value=10**9),
    "a vocabulary below nought": setting("config.json", "text_config", "vocab_size", value=-5),
    "a width of a billion": setting("config.json", "text_config", "hidden_size", value=10**9),
    "a width that its weights lack": setting("config.json", "text_config", "intermediate_size", value=2**20),
    "no heads": setting("config.json", "text_config", "num_attention_heads", value=0),
    "a picture of a million": setting("config.json", "vision_config", "image_size", value=10**6),
    "patches of nothing": setting("config.json", "vision_config", "patch_size", value=0),
    "no number": setting("config.json", "text_config", "rms_norm_eps", value=float("nan")),
    "no language model": setting("config.json", "text_config", value=None),
    "a list for a name": setting("config.json", "model_type", value=["llava"]),
    "a model of another kind": setting("config.json", "model_type", value="bert"),
    "settings without bottom": text("config.json", '{"a":' * 10**5),
    "settings that are a list": text("config.json", "[]"),
    "settings of megabytes": long("config.json", 50 * 2**20),
    "settings in no script": text("config.json", b"\xff\xfe\x00"),
    "pictures enlarged to a million": setting(*IMAGES, "size", value={"height": 10**6, "width": 10**6}),
    "pictures enlarged along one edge": setting(*IMAGES, "size", value={"shortest_edge": 10**6}),
    "pictures of no size": setting(*IMAGES, "size", value={"height": 0, "width": 0}),
    "means of other colours": setting(*IMAGES, "image_mean", value=[0.5] * 7),
    "a million tokens a picture": setting("processor_config.json", "num_additional_image_tokens", value=10**9),
    "a tokenizer's settings that are damaged": text("tokenizer_config.json", '{"a"'),
    "weights of other shapes": other_shapes,
    "weights whose header is longer than they are": text("model.safetensors", struct.pack("<Q", 2**60)),
    "weights of nothing": text("model.safetensors", b""),
    "weights beyond their file": text(
        "model.safetensors", header({"a": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}})
    ),
    "weights of no shape": text(
        "model.safetensors", header({"a": {"dtype": "F32", "shape": "x", "data_offsets": [0, 4]}}, bytes(4))
    ),
    "a header without bottom": text("model.safetensors", struct.pack("<Q", 200_000) + b"[" * 200_000),
    "a pipe for weights": pipe("model.safetensors"),
    "shards elsewhere": text(
        "model.safetensors.index.json", '{"weight_map": {"lm_head.weight": "../../x.safetensors"}, "metadata": 3}'
    ),
}
FREE = {"shards elsewhere"}
"""What may as well be left aside: the weights are there under their usual name."""


@pytest.mark.timeout(240)
@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_folder_is_refused_in_one_line(what, folder, photos, capsys):
    HOSTILE[what](folder)
    status = main(["find", str(photos), "--question", "Is it red?", "--model", str(folder), "--compare", "none"])
    said = capsys.readouterr()
    if what in FREE and status == 0:
        return
    assert status == 2, said.err
    started = said.err.startswith(
        ("sn_viz: The model 'hostile' could not be loaded.", "sn_viz: The model 'hostile' cannot be used.")
    )
    assert started and said.err.count("\n") == 1
    assert len(said.err) < 900 and not said.out


def test_a_sound_folder_is_searched_and_its_prompts_are_what_transformers_makes_of_them(any_vlm):
    questions = ["Is there a dog?", "Ist da ein „Hund“?\tOder nicht?"]
    turns = [[{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": question}]}] for question in questions]
    here = any_vlm.processor.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)
    assert isinstance(any_vlm.template, Template) and any_vlm.prompts(questions) == here


def test_a_template_that_hangs_on_one_question_only_is_stopped_and_the_model_goes_on(folder, photos):
    template = folder / "chat_template.jinja"
    endless = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
    trap = "{% if 'trap' in messages | string %}" + endless + "{% endif %}"
    template.write_text(trap + template.read_text())
    vlm = load_model(folder, device="cpu")
    with pytest.raises(UserError, match="chat template cannot be used.*within 10 seconds"):
        vlm.prompts(["Is it a trap?"])
    assert vlm.prompts(["Is it red?"]) == vlm.prompts(["Is it red?"])


def test_the_process_ends_with_its_model(folder):
    vlm = load_model(folder, device="cpu")
    vlm.prompts(["Is it?"])
    assert isinstance(vlm.template, Template)
    process = vlm.template.apart._process
    assert process is not None and process.poll() is None
    del vlm
    import gc

    gc.collect()
    assert process.poll() is not None


@pytest.mark.parametrize("key", ["_attn_implementation", "attn_implementation", "_experts_implementation"])
@pytest.mark.parametrize("part", [(), ("text_config",), ("vision_config",)])
def test_a_checkpoint_cannot_name_code_on_the_hub(key, part, folder, monkeypatch):
    from transformers.integrations import hub_kernels

    asked: list[Any] = []
    for name in ("load_and_register_attn_kernel", "get_kernel", "lazy_load_kernel"):
        if hasattr(hub_kernels, name):
            monkeypatch.setattr(hub_kernels, name, lambda *args, **options: asked.append(args))
    setting("config.json", *part, key, value="kernels-community/evil")(folder)
    module = load_model(folder, device="cpu").module
    config = module.config
    assert {one._attn_implementation for one in (config, config.text_config, config.vision_config)} <= {"sdpa", "eager"}
    assert not asked


def test_settings_for_generating_cannot_blow_it_up(folder):
    wild = {"num_beams": 10**6, "min_new_tokens": 10**6, "max_length": 10**9, "num_return_sequences": 10**4, "eos_token_id": 2}
    (folder / "generation_config.json").write_text(json.dumps(wild | {"custom_generate": "evil/repo", "repetition_penalty": 1.5}))
    vlm = load_model(folder, device="cpu")
    own = vlm.module.generation_config
    assert (own.num_beams or 1, own.num_return_sequences or 1, own.min_new_tokens) == (1, 1, None)
    assert own.repetition_penalty == 1.5 and own.eos_token_id == 2


def test_code_named_in_any_file_never_runs(folder, photos, tmp_path, capsys):
    names = {
        "AutoConfig": "evil.Config",
        "AutoProcessor": "evil.P",
        "AutoTokenizer": ["evil.T", None],
        "AutoImageProcessor": "evil.I",
    }
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    for file in ("config.json", "processor_config.json", "tokenizer_config.json"):
        facts = json.loads((folder / file).read_text())
        (folder / file).write_text(json.dumps(facts | {"auto_map": names}))
    assert main(["find", str(photos), "--question", "Is it red?", "--model", str(folder), "--compare", "none"]) in (0, 2)
    assert not (tmp_path / "ran").exists() and "Traceback" not in capsys.readouterr().err


def test_a_process_that_was_ended_is_started_again():
    apart = Apart()
    with pytest.raises(UserError, match="cannot be used"):
        apart.ask("It", task="render", template="{{ 1", turns=[[{"role": "user", "content": []}]], tokens={})
    apart.stop()
    assert apart.ask("It", task="render", template="x", turns=[[{"role": "user", "content": []}]], tokens={}) == ["x"]
    apart.stop()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing is forked here")
def test_a_fork_that_drops_what_it_inherited_neither_hangs_nor_ends_the_process():
    apart = Apart()
    apart.start()
    assert apart._process is not None
    child = os.fork()
    if child == 0:
        del apart  # its listener, which holds the lock of a pipe, is not here
        gc.collect()
        os._exit(7)
    until = time.monotonic() + 20
    while (ended := os.waitpid(child, os.WNOHANG))[0] == 0 and time.monotonic() < until:
        time.sleep(0.02)
    if ended[0] == 0:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert ended[0] == child and os.waitstatus_to_exitcode(ended[1]) == 7
    assert apart._process.poll() is None
