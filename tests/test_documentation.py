"""What README and docs/ show is true: their examples run, their commands and options exist, their links lead somewhere.

An example that needs a network, files of others, hours or no end is not run: its command line is parsed as Typer would.
"""

from __future__ import annotations

import ast
import inspect
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr
import pytest
import typer
from PIL import Image

from sn_viz.cli import app, bare_json, main

ROOT = Path(__file__).resolve().parents[1]
PAGES = {path.relative_to(ROOT).as_posix(): path for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]}
OURS = ("python -m sn_viz ", "sn-viz ")
NOT_RUN = ("serve", "open", "train", "bench")
"""They serve for ever or work for hours."""
ELSEWHERE = re.compile(r"(bench|hub):|--model (/|https://|\w[\w.-]*/\w)|--fetch |=hub\b|--ray-address ")
"""Data, models or clusters that are not here."""
OF_OTHERS = ("--strict", "--check", "--help", "--repo-type", "--exclude")
"""Options of other programs that the text names, and the one that every command has."""


class Block(NamedTuple):
    page: str
    language: str
    text: str


def blocks(page: str) -> list[Block]:
    found = re.findall(r"^```(\w+)\n(.*?)^```$", PAGES[page].read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    return [Block(page, language, text) for language, text in found]


def lines(page: str) -> Iterator[str]:
    """Give every command of a page without its comment, and what PowerShell is told in the same way."""
    for block in blocks(page):
        if block.language == "text":  # scripts and sessions of other programs, in which ours is called
            yield from re.findall(r"sn-viz [a-z].*", block.text.replace("\\\n", " "))
        if block.language in ("bash", "powershell"):
            for line in block.text.splitlines():
                if command := re.sub(r"\s+#.*", "", line).strip():
                    yield from (part.strip() for part in re.split(r"&&|;", command))


def arguments(line: str) -> list[str] | None:
    """Return the arguments of a call of ours, or None."""
    ours = next((name for name in OURS if line.startswith(name)), None)
    return None if ours is None else shlex.split(line[len(ours) :])


def parse(given: list[str]) -> None:
    """Read a command line as Typer does; raises its usage error for what does not exist."""
    command: Any = typer.main.get_command(app)
    context, rest = None, bare_json(given)
    while True:
        name = rest[0] if context else "sn_viz"
        rest = rest[1:] if context else rest
        context = command.make_context(name, list(rest), parent=context)
        if not hasattr(command, "commands"):
            return
        rest = [*context._protected_args, *context.args]
        assert rest and rest[0] in command.commands, f"There is no command {rest[:1]}."
        command = command.commands[rest[0]]


def options_of(command: Any) -> set[str]:
    """Return every option of a command and of those below it."""
    own = {name for parameter in command.params for name in parameter.opts}
    return own.union(*(options_of(below) for below in getattr(command, "commands", {}).values()))


@pytest.fixture()
def desk(tmp_path, monkeypatch, tiny_llava) -> Path:
    """A folder with all that the examples name, as the working directory."""
    from sn_viz import load_images

    drawn = load_images("pack:presence-dog").take(range(24))
    for name, classes in (("photos", ("ripe", "unripe")), ("parts", ("broken", "good"))):
        for number, (picture, label) in enumerate(zip(drawn.pictures, drawn.labels, strict=True)):
            folder = tmp_path / name / classes[label]
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture.pixels).save(folder / f"{number}.png")
    for name in ("new.jpg", "new1.jpg", "new2.jpg"):
        Image.fromarray(drawn.pictures[0].pixels).save(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SN_VIZ_CACHE", str(tmp_path / "cache"))
    return tmp_path


def test_every_page_of_the_documentation_is_looked_at():
    assert {"README.md", "docs/using.md", "docs/saved-runs.md", "docs/benchmarks.md"} <= set(PAGES)
    assert {block.language for page in PAGES for block in blocks(page)} <= {"bash", "powershell", "python", "csv", "json", "text"}


@pytest.mark.long
@pytest.mark.parametrize("page", [page for page in PAGES if any(b.language == "python" for b in blocks(page))])
def test_python_examples_run(page, desk):
    for block in blocks(page):
        if block.language == "python" and not any(word in block.text for word in ("launch(", "client")):  # tests/ui has those
            exec(compile(block.text, page, "exec"), {"__name__": "example"})


@pytest.mark.parametrize("page", PAGES)
def test_python_examples_that_serve_call_what_exists_with_keywords_that_exist(page):
    for block in blocks(page):
        if block.language != "python" or "launch(" not in block.text:
            continue
        tree, names = ast.parse(block.text), {}
        for node in tree.body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                exec(ast.unparse(node), names)
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
            known = set(inspect.signature(names[call.func.id]).parameters)
            known |= set(inspect.signature(gr.Blocks.launch).parameters) if "more" in known else set()  # handed on
            assert {keyword.arg for keyword in call.keywords} <= known


@pytest.mark.long
@pytest.mark.parametrize("page", [page for page in PAGES if any(arguments(line) for line in lines(page))])
def test_commands_run(page, desk, capsys):
    for line in lines(page):
        given = arguments(line)
        if given and given[0] not in NOT_RUN and not ELSEWHERE.search(line):
            assert main(given) == 0, (line, capsys.readouterr().err)


@pytest.mark.parametrize("page", PAGES)
def test_commands_and_their_options_exist(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "FOLDER").mkdir()
    for line in lines(page):
        if given := arguments(line):
            parse(given)


def test_an_option_or_command_that_does_not_exist_is_noticed():
    for wrong in ("find photos/ --quest on", "bench nothing", "serve --hosts x"):
        with pytest.raises((AssertionError, Exception), match=r"[Nn]o such|There is no|Missing"):
            parse(shlex.split(wrong))


@pytest.mark.parametrize("page", PAGES)
def test_what_other_programs_are_told_exists(page):
    listed = "".join(path.read_text("utf-8") for path in ROOT.glob("requirements*.txt"))
    named = re.findall(r"^([\w-]+)", listed, flags=re.MULTILINE)
    text = PAGES[page].read_text("utf-8")
    written = {*re.findall(r"--script (\S+\.py)", text), *(f"{one}run.py" for one in re.findall(r"--shortcut (\S+/)", text))}
    for line in lines(page):
        words = line.replace("\\", "/").split()
        if arguments(line):
            continue
        assert words[0] in ("python3", "py", "pip", ".venv/bin/python", ".venv/Scripts/python", "mkdocs", "python"), line
        for before, word in zip(["", *words], words, strict=False):
            if (before in ("-r", "-c") or word.endswith(".py")) and word not in written:
                assert (ROOT / word).is_file(), line
        if words[:2] == ["pip", "install"] and words[2] not in ("-r", "."):
            assert set(words[2:]) <= {*named, "datasets"}, line


@pytest.mark.parametrize("page", PAGES)
def test_options_named_in_the_text_exist(page):
    script = (ROOT / "docs/space.py").read_text("utf-8")
    known = options_of(typer.main.get_command(app)) | set(OF_OTHERS) | set(re.findall(r'add_argument\("(--[a-z-]+)"', script))
    text = re.sub(r"^```.*?^```$", "", PAGES[page].read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    spans = re.findall(r"`([^`\n]+)`", text)
    named = {word for span in spans for word in re.findall(r"(?<!\S)--[a-z][a-z-]*", span)}
    assert named <= known


def test_links_of_the_readme_lead_somewhere():
    linked = re.findall(r"\]\(([^)#]+)", PAGES["README.md"].read_text("utf-8"))
    assert linked
    assert [link for link in linked if not link.startswith("http") and not (ROOT / link).exists()] == []


def test_the_readme_is_short_enough_to_read():
    assert len(PAGES["README.md"].read_text("utf-8").splitlines()) <= 145


@pytest.mark.long
def test_the_site_builds_without_a_warning_and_fetches_nothing_from_other_hosts(tmp_path):
    building = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    settings = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(building, cwd=ROOT, env=settings, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    pages = list((tmp_path / "site").rglob("*.html"))
    assert {"index.html", "glossary.html", "api/index.html", "api/pipeline.html", "experiments.html"} <= {
        path.relative_to(tmp_path / "site").as_posix() for path in pages
    }
    for path in pages:
        text = path.read_text("utf-8")
        fetched = re.findall(r"<(?:script|img|iframe|source)[^>]*\ssrc=\"([^\"]+)\"|<link[^>]*\shref=\"([^\"]+)\"", text)
        assert not [a or b for a, b in fetched if re.match(r"(https?:)?//", a or b)], path
    assert "find" in (tmp_path / "site" / "api" / "index.html").read_text("utf-8")
