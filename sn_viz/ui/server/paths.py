"""Paths of this server, which are nobody's business: what leaves for a visitor is rid of them here.

Takes texts; returns them with each path cut down to its last part, and files of the upload folder under a name of their own,
``/uploads``, which ``real_path`` turns back. It knows nothing about who asks.
"""

from __future__ import annotations

import atexit
import functools
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

from gradio.utils import get_upload_folder

from sn_viz.paths import cache_folder

ALIAS = "/uploads"
"""How visitors see the upload folder."""
_NAMED = ("SN_VIZ_CACHE", "SN_VIZ_MODEL", "HF_HOME", "GRADIO_TEMP_DIR", "TMPDIR", "VIRTUAL_ENV")
_REST = r"(?:/[^\s/'\"<>|:;,(){}\[\]\\]+)*/?"
_ANY_PATH = re.compile(r"(?<![\w/.:~=-])(?:[A-Za-z]:)?(?:[/\\][^\s/\\'\"<>|:;,(){}\[\]]+){2,}[/\\]?")


def own_upload_folder() -> None:
    """Give this process a folder for uploads of its own, unless GRADIO_TEMP_DIR names one; it goes when the process ends.

    Gradio's own is shared by every Gradio app of the machine. Said before any component is made.
    """
    if not os.environ.get("GRADIO_TEMP_DIR"):
        folder = tempfile.mkdtemp(prefix="sn-viz-uploads-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        os.environ["GRADIO_TEMP_DIR"] = folder


def upload_folder() -> Path:
    """Return the folder where Gradio keeps what is uploaded to this server, links resolved."""
    return Path(os.path.realpath(get_upload_folder()))


def real_path(path: str) -> str:
    """Return where ``path``, as a visitor sees it, lies on this server; other paths as they are."""
    return f"{upload_folder()}{path.removeprefix(ALIAS)}" if path.startswith(f"{ALIAS}/") else path


def hidden(text: str) -> str:
    """Return ``text`` without paths of this server's own folders.

    Examples
    --------
    >>> hidden(f"The cache ({Path.cwd() / 'kept' / 'rows'}) is full.")
    'The cache (rows) is full.'
    """
    if "/" not in text and "\\" not in text:
        return text
    for folder in {get_upload_folder(), str(upload_folder())}:
        text = text.replace(folder, ALIAS)
    folders = _own_folders(Path.cwd(), tuple(os.environ.get(name) for name in _NAMED))
    if any(folder in text for folder, _ in folders):
        for folder, pattern in folders:
            if folder in text:
                text = pattern.sub(lambda found: _last(found.group()), text)
    return text


def hidden_everywhere(text: str) -> str:
    """Return ``text``, a message, without any absolute path at all."""
    return _ANY_PATH.sub(lambda found: found.group() if found.group().startswith(ALIAS) else _last(found.group()), hidden(text))


def _last(path: str) -> str:
    return re.split(r"[/\\]", path.rstrip("/\\"))[-1]


@functools.lru_cache(maxsize=8)
def _own_folders(here: Path, named: tuple[str | None, ...]) -> tuple[tuple[str, re.Pattern[str]], ...]:
    """Return the folders of this server with patterns of paths in them, longest first."""
    package = Path(__file__).resolve().parents[3]
    places = [here, package, cache_folder(), Path.home(), Path(tempfile.gettempdir()), Path(sys.prefix), Path(sys.base_prefix)]
    places += [Path(os.path.expanduser(name)) for name in named if name]
    every = {str(form) for place in places if place.is_absolute() for form in (place, Path(os.path.realpath(place)))}
    kept = sorted((folder for folder in every if len(Path(folder).parts) > 1 and folder != "/usr"), key=len, reverse=True)
    return tuple((folder, re.compile(rf"(?<![\w.]){re.escape(folder)}(?![\w.-]){_REST}")) for folder in kept)
