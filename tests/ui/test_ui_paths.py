"""No path of the server in what a visitor reads."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import pytest

from sn_viz.errors import UserError
from sn_viz.ui.server.guard import message
from sn_viz.ui.server.paths import ALIAS, hidden, hidden_everywhere, real_path, upload_folder

OWN = [Path.cwd() / "cache", Path(tempfile.gettempdir()) / "x", Path(sys.prefix) / "lib", Path(__file__).resolve().parent]


@pytest.mark.parametrize("folder", OWN, ids=str)
def test_the_servers_own_folders_are_cut_down_to_the_last_part(folder):
    said = hidden(f"The disk that holds the cache ({folder}/a) is full: '{folder}/b.npy'; {folder}.")
    assert str(folder.parent) not in said and "(a)" in said and "'b.npy'" in said


def test_uploads_go_under_a_name_of_their_own_and_come_back():
    inside = f"{upload_folder()}/0a/x y.png"
    assert hidden(f"/gradio_api/file={inside}") == f"/gradio_api/file={ALIAS}/0a/x y.png"
    assert real_path(hidden(inside)) == inside and real_path("/etc/passwd") == "/etc/passwd"


@pytest.mark.parametrize(
    "text", ["Is it a yes/no question?", "3 of 4 / 5", "http://example.org/a/b", "images/a.png", "and/or", "/", "a\\b"]
)
def test_what_people_write_stays(text):
    assert hidden(text) == text and hidden_everywhere(text) == text


def test_a_message_names_no_absolute_path_at_all():
    error = UserError("'/srv/data/photo.png' was not read.", "The folder /mnt/disk 1/cache (C:\\Users\\me\\cache) is full.")
    said = message(error)
    assert "/srv" not in said and "/mnt" not in said and "Users" not in said and "'photo.png' was not read." in said
