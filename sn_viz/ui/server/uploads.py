"""The door for files: every component of the page that takes one, and the page that hands files to nothing else.

Takes what the browser (or anyone) sends in place of a file; returns the bare path of a regular file that was uploaded to this
server, or refuses in one sentence that is the same whether the path is missing, forbidden or there. Nothing is opened, decoded or
fetched here: the bytes are read by ``sources`` alone.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr
from gradio.data_classes import JsonData
from gradio.exceptions import ComponentProcessingError
from pydantic import ValidationError

from sn_viz.errors import UserError
from sn_viz.ui.server.guard import shown, shown_anyway
from sn_viz.ui.server.paths import hidden, real_path, upload_folder
from sn_viz.ui.server.without_stub import WithoutStub

if TYPE_CHECKING:
    from sn_viz.ui.server.state import Server


MAX_PATH = 4096
MAX_FILES = 20_000
MAX_ORIGINAL_NAME = 200
_FILE_KEYS = {"path", "url", "meta", "is_stream", "orig_name"}


def _refused() -> UserError:
    return UserError("This file was not read.", "It was not uploaded to this page, or is here no longer.", "Upload it again.")


def taken(path: object) -> str:
    """Return ``path`` when it names a regular file in the upload folder, links resolved.

    Parameters
    ----------
    path : object
        What was sent as a path. Outside the upload folder nothing is asked of the file system at all, so that neither a pipe, a
        device nor a network drive is touched; an address is a path like any other, and lies outside.

    Raises
    ------
    UserError
        For everything else, always in the same words.
    """
    if not isinstance(path, str) or not 0 < len(path) <= MAX_PATH or "\0" in path:
        raise _refused()
    folder = upload_folder()
    inside = Path(os.path.normpath(real_path(path)))
    if not inside.is_absolute() or not inside.is_relative_to(folder) or inside == folder:
        raise _refused()
    try:
        real = Path(os.path.realpath(inside, strict=True))
        regular = real.is_relative_to(folder) and stat.S_ISREG(os.lstat(real).st_mode)
    except (OSError, ValueError):
        raise _refused() from None
    if not regular:
        raise _refused()
    return str(real)


def _file(sent: object) -> dict[str, Any]:
    """Return the file data of an upload as this server says it; of what was sent only path and display name count."""
    if not isinstance(sent, dict):
        raise _refused()
    name = sent.get("orig_name")
    path = taken(sent.get("path"))
    named = name[:MAX_ORIGINAL_NAME] if isinstance(name, str) else Path(path).name
    return {"path": path, "orig_name": named, "meta": {"_type": "gradio.FileData"}}


class UploadedImage(gr.Image, metaclass=WithoutStub):
    """An image; handlers get its path, unopened."""

    is_template = True

    @staticmethod
    def admit(sent: Any) -> Any:
        """Return the file data of what was sent as this component's value."""
        return None if sent is None else _file(sent)

    def preprocess(self, payload: Any) -> str | None:
        """Return the path of the upload."""
        return None if payload is None else taken(payload.path)


class UploadedFile(gr.File, metaclass=WithoutStub):
    """Files; handlers get their paths, unopened: one, or a list with ``file_count="multiple"``."""

    is_template = True

    @staticmethod
    def admit(sent: Any) -> Any:
        """Return the file data of what was sent as this component's value."""
        if isinstance(sent, list):
            if len(sent) > MAX_FILES:
                raise _refused()
            return [_file(entry) for entry in sent]
        return None if sent is None else _file(sent)

    def preprocess(self, payload: Any) -> str | list[str] | None:
        """Return the path or the paths of the uploads."""
        if payload is None:
            return None
        files = payload.root if hasattr(payload, "root") else [payload]
        paths = [taken(file.path) for file in files]
        return paths if self.file_count == "multiple" else paths[0] if paths else None


DOORS = (UploadedImage, UploadedFile)
"""The only components whose values may hold files."""


def admitted(block: Any, sent: Any) -> Any:
    """Return what was sent as the value of ``block``, with files only where the block is one of ``DOORS``.

    Raises
    ------
    UserError
        When a file is named anywhere else, or one that was not uploaded here.
    """
    if isinstance(block, DOORS):
        return block.admit(sent)
    if any(_FILE_KEYS & value.keys() for value in _dicts(sent)):
        raise _refused()
    return sent


def _dicts(value: Any) -> Iterator[dict[Any, Any]]:
    """Yield every dict in ``value``, however deep."""
    waiting = [value]
    while waiting:
        now = waiting.pop()
        if isinstance(now, dict):
            yield now
            waiting.extend(now.values())
        elif isinstance(now, list | tuple):
            waiting.extend(now)


class Page(gr.Blocks):
    """Blocks whose every function, named or not, gets files through ``DOORS`` alone, and tells visitors no path of the server.

    Whatever a handler or a component raises leaves here as a sentence; what was not foreseen is logged under an incident id.
    """

    kept: Server | None = None
    """What it keeps for its visitors."""
    first_run: str = ""
    """Key of the run that whoever opens the page without a link sees first; "" for that of the first sample pack."""
    on_launch: Callable[[], object] = staticmethod(lambda: None)
    """What begins when it is served, not before."""

    async def preprocess_data(self, block_fn: Any, inputs: list[Any], state: Any, explicit_call: bool = False) -> Any:
        """Return the arguments of a handler."""
        blocks = block_fn.inputs
        inputs = [admitted(block, value) for block, value in zip(blocks, inputs, strict=False)] + list(inputs)[len(blocks) :]
        try:
            return await super().preprocess_data(block_fn, inputs, state, explicit_call)
        except (ComponentProcessingError, ValidationError) as error:  # the sender's fault, told without a trace
            if isinstance(error.__cause__, UserError):
                raise error.__cause__ from None
            raise UserError("A value was not understood.", "It is of another kind than its field.", "Reload the page.") from None

    async def postprocess_data(self, block_fn: Any, predictions: Any, state: Any) -> list[Any]:
        """Return the values for the browser."""
        return [_told(value) for value in await super().postprocess_data(block_fn, predictions, state)]

    async def process_api(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Run a function."""
        try:
            return await super().process_api(*args, **kwargs)
        except gr.Error as error:
            raise shown_anyway(error) from None
        except Exception as error:
            raise shown(error) from None


def _told(value: Any) -> Any:
    """Return ``value`` with every text in it rid of the server's paths."""
    if isinstance(value, JsonData):
        return JsonData(_rid(value.root))
    return _rid(value)


def _rid(value: Any) -> Any:
    if isinstance(value, str):
        return hidden(value)
    if isinstance(value, dict):
        return {key: _rid(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_rid(inner) for inner in value]
    return value
