"""Options of ``serve`` from the command line and from the environment: one meaning, one sentence when they have none."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from sn_viz.cli.app import app
from sn_viz.cli.main import main
from sn_viz.ui import page
from sn_viz.ui.server import launch as launching
from sn_viz.ui.server.hosts import served

VARIABLES = ("SN_VIZ_PORT", "SN_VIZ_HOST", "SN_VIZ_HOST_NAMES", "GRADIO_ROOT_PATH", "SPACE_ID", "SPACE_HOST")


@pytest.fixture(autouse=True)
def launched(monkeypatch):
    """What was launched, instead of launching it."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    calls = []
    monkeypatch.setattr(page, "build", lambda public=None: SimpleNamespace(public=public))

    def launch(built, port, root_path, host, names, behind_proxy, mcp):
        own = served(host, names, behind_proxy)
        calls.append(SimpleNamespace(public=built.public, mcp=mcp, port=port, root=launching.checked_root(root_path), own=own))

    monkeypatch.setattr(launching, "launch", launch)
    return calls


def test_without_a_word_only_this_machine_is_answered(launched):
    assert main(["serve"]) == 0
    (call,) = launched
    assert (call.port, call.root, call.public, call.mcp, call.own.listen) == (None, "", False, False, "127.0.0.1")


def test_the_environment_means_what_the_options_mean_and_what_python_callers_get(launched, monkeypatch):
    names = ("--host-name", "one.example.org", "--host-name", "two.example.org", "--host-name", "three.example.org")
    assert main(["serve", "--port", "7861", "--host", "0.0.0.0", *names, "--root-path", "/neurons"]) == 0
    monkeypatch.setenv("SN_VIZ_PORT", " 7861 ")
    monkeypatch.setenv("SN_VIZ_HOST", " 0.0.0.0")
    monkeypatch.setenv("SN_VIZ_HOST_NAMES", "one.example.org, two.example.org three.example.org,")
    monkeypatch.setenv("GRADIO_ROOT_PATH", "/neurons")
    assert main(["serve"]) == 0
    options, environment = launched
    assert options == environment and options.port == 7861 and options.public and options.root == "/neurons"
    assert served() == environment.own and {"one.example.org", "two.example.org", "three.example.org"} < environment.own.names
    assert launching.checked_root(None) == "/neurons"


def test_an_option_goes_before_the_environment(launched, monkeypatch):
    monkeypatch.setenv("SN_VIZ_PORT", "7861")
    monkeypatch.setenv("SN_VIZ_HOST", "0.0.0.0")
    assert main(["serve", "--port", "7862", "--host", "127.0.0.1"]) == 0
    assert (launched[0].port, launched[0].own.listen, launched[0].public) == (7862, "127.0.0.1", False)


@pytest.mark.parametrize("wrong", ["abc", "-1", "70000", "7860.0", "１２", "99999999"])
def test_a_port_that_is_none_is_told_in_a_sentence(launched, monkeypatch, capsys, wrong):
    assert main(["serve", f"--port={wrong}"]) == 2
    said = capsys.readouterr().err
    monkeypatch.setenv("SN_VIZ_PORT", wrong)
    assert main(["serve"]) == 2
    assert capsys.readouterr().err == said and "A port is a number from 1 to 65535" in said and not launched


@pytest.mark.parametrize("nothing", ["", " ", "0"])
def test_a_variable_that_says_nothing_is_none(launched, monkeypatch, nothing):
    monkeypatch.setenv("SN_VIZ_PORT", nothing)
    monkeypatch.setenv("SN_VIZ_HOST", nothing.strip("0"))
    monkeypatch.setenv("SN_VIZ_HOST_NAMES", nothing.strip("0"))
    assert main(["serve"]) == 0
    assert (launched[0].port, launched[0].own) == (None, served())


def test_the_help_tells_the_variables():
    shown = CliRunner().invoke(app, ["serve", "--help"], env={"COLUMNS": "200", "TERM": "dumb"}).output
    assert not [name for name in VARIABLES[:4] if name not in shown]


def test_the_file_that_a_space_starts_serves_as_the_environment_says(launched, monkeypatch):
    monkeypatch.setenv("SN_VIZ_PORT", "7863")
    monkeypatch.setattr(sys, "argv", ["app.py"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(Path(__file__).resolve().parents[2] / "app.py"), run_name="__main__")
    assert ended.value.code == 0 and launched[0].port == 7863
