"""What ``--help`` shows is what was written: rich reads square brackets as markup and would leave them out."""

from __future__ import annotations

import pytest
import typer.main
from rich.text import Text

from sn_viz.cli.app import app
from sn_viz.cli.main import main


def every_option(command, path=()):
    for name, inner in getattr(command, "commands", {}).items():
        yield from every_option(inner, (*path, name))
    yield from ((path, option) for option in command.params)


OPTIONS = list(every_option(typer.main.get_command(app)))


def test_no_words_in_brackets_are_lost_from_the_help():
    helps = {(path, option.name): option.help or "" for path, option in OPTIONS}
    assert len(helps) > 40
    assert not {where: help for where, help in helps.items() if Text.from_markup(help).plain != help.replace("\\[", "[")}


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (
            "find",
            ("OWNER/NAME[@REVISION]", "SN_VIZ_MODEL, else an embedded one", "the fastest there is", "told by names and question"),
        ),
        ("serve", ("a free one, as for 0", "127.0.0.1: this machine only", "env var: SN_VIZ_HOST_NAMES")),
    ],
)
def test_defaults_are_told(command, told, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "250")
    main([command, "--help"])
    shown = capsys.readouterr().out
    assert not [words for words in told if words not in shown]
