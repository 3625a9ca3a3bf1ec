"""Fetches the files of one listing into the hub's cache, goes on where an earlier try stopped, and can be stopped at any piece.

Takes a ``Listing``; returns nothing: the files are then in the cache, each compared with its digest. The requests are made by
huggingface_hub's session with its headers; the loop is here because that client (2.4) throws away what it has of a file when it is
broken off, and reports in pieces of 10 MB.
"""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from sn_viz.models.hub import refused
from sn_viz.models.hub.cache import INDEX, WHOLE, cache_root, link, shards_of, storage
from sn_viz.models.hub.info import File, Listing
from sn_viz.types import Progress

PIECE = 2**18
"""Bytes between two reports, each of which is a look at whether to stop."""
TRIES = 3
"""Connections in a row that bring nothing, after which it is said that the connection is lost."""
CONNECT_SECONDS, READ_SECONDS = 4.0, 20.0
SPARE_BYTES = 2 * 10**8
"""What a download leaves free on the disk."""


def missing(listing: Listing) -> list[File]:
    """Return the files that are not here yet, or not with all their bytes."""
    folder = storage(listing.hub) / "snapshots" / listing.hub.revision
    return [file for file in listing.files if not _is_whole(folder / file.name, file)]


def begun_bytes(listing: Listing) -> int:
    """Return how many bytes of the missing files are here: whole under another commit, or from an earlier try."""
    return sum(_bytes_here(_blob(listing, file), file) for file in missing(listing))


def free_bytes() -> int:
    """Return the room on the disk of the cache."""
    root = cache_root().absolute()
    return shutil.disk_usage(next(path for path in (root, *root.parents) if path.is_dir())).free


def fetch(listing: Listing, progress: Progress, doing: str) -> None:
    """Fetch what is missing.

    Parameters
    ----------
    listing : Listing
    progress : callable
        Told the fraction, and ``doing`` with the bytes so far; may raise ``Cancelled``, which keeps what has arrived.
    doing : str

    Raises
    ------
    UserError
        When the hub refuses a file, the connection is lost, the disk is full, or a file is not what was announced.
    """
    files = missing(listing)
    total = max(sum(file.size for file in files), 1)
    done = 0
    try:
        for file in files:
            blob = _blob(listing, file)

            def told(n: int, before: int = done) -> None:
                progress((before + n) / total, f"{doing}: {sizes(before + n, total)}")

            told(_bytes_here(blob, file))
            if file.name.endswith(".safetensors"):
                _check_index(listing)  # the texts have arrived before
            with _alone(blob, told):
                if not _is_whole(blob, file):
                    _arrive(listing, file, blob, told)
                link(blob, storage(listing.hub) / "snapshots" / listing.hub.revision / file.name)
            done += file.size
    except refused.failures() as error:
        raise refused.as_user_error(error, listing.hub) from None


def _check_index(listing: Listing) -> None:
    """Raise a UserError where the index of shards names other files than the repository has, before any shard is fetched."""
    names = {file.name for file in listing.files}
    if WHOLE in names:
        return
    shards = shards_of(storage(listing.hub) / "snapshots" / listing.hub.revision / INDEX)
    if not shards:
        raise refused.no_index(listing.hub)
    if lacking := sorted(shards - names):
        raise refused.lacking(listing.hub, lacking[0])


def _is_whole(path: Path, file: File) -> bool:
    try:
        return path.stat().st_size == file.size
    except OSError:
        return False


def _blob(listing: Listing, file: File) -> Path:
    return storage(listing.hub) / "blobs" / file.digest


def _partial(blob: Path) -> Path:
    return blob.with_name(f"{blob.name}.incomplete")


def _bytes_here(blob: Path, file: File) -> int:
    if _is_whole(blob, file):
        return file.size
    partial = _partial(blob)
    return min(partial.stat().st_size, file.size) if partial.is_file() else 0


@contextmanager
def _alone(blob: Path, told: Any) -> Iterator[None]:
    """Hold the lock of a file, where the hub's client has it too; wait for another process, still hearing of a stop."""
    place = cache_root() / ".locks" / blob.parent.parent.name
    place.mkdir(parents=True, exist_ok=True)
    blob.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(place / f"{blob.name}.lock")
    while True:
        try:
            lock.acquire(timeout=0.5)
            break
        except Timeout:
            told(0)
    try:
        yield
    finally:
        lock.release()


def _arrive(listing: Listing, file: File, blob: Path, told: Any) -> None:
    """Stream a file to its place, over as many connections as it takes while each brings something."""
    partial, fruitless = _partial(blob), 0
    while (have := _bytes_here(blob, file)) < file.size or not partial.exists():
        try:
            _stream(listing, file, partial, have, told)
            lost = False
        except refused.transport_error():
            lost = True
        fruitless = 0 if _bytes_here(blob, file) > have else fruitless + 1
        told(_bytes_here(blob, file))
        if fruitless == TRIES:
            if not lost and file.size:  # the answers were whole, and shorter than announced
                partial.unlink(missing_ok=True)
                raise refused.damaged(listing.hub, file.name)
            raise refused.broken_off(listing.hub)
        if lost:
            time.sleep(0.2 * (fruitless + 1))
    if _digest(partial, file, told) != file.digest:
        partial.unlink()
        raise refused.damaged(listing.hub, file.name)
    partial.replace(blob)


def _stream(listing: Listing, file: File, partial: Path, have: int, told: Any) -> None:
    """Append to ``partial`` what one connection brings, from byte ``have`` on; never more than was announced."""
    from huggingface_hub import constants, get_session, hf_hub_url
    from huggingface_hub.utils import build_hf_headers, hf_raise_for_status

    name = listing.hub
    url = hf_hub_url(name.repository, file.name, revision=name.revision, endpoint=constants.ENDPOINT)
    headers = {**build_hf_headers(), "Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    with get_session().stream("GET", url, headers=headers, timeout=_timeout()) as response:
        if have and response.status_code == 416:  # what is here of it is no part of the hub's file
            partial.unlink()
            raise refused.damaged(name, file.name)
        hf_raise_for_status(response)
        if have and response.status_code != 206:  # the whole file comes again
            have = 0
        with partial.open("ab" if have else "wb") as kept:
            reported = have
            for piece in response.iter_bytes():  # as they arrive: what is gathered into larger ones is lost when it breaks off
                if have + len(piece) > file.size:
                    raise refused.damaged(name, file.name)
                kept.write(piece)
                have += len(piece)
                if have - reported >= PIECE:
                    told(reported := have)


def _timeout() -> Any:
    """Return the timeouts in the form that httpx takes them: connect, read, write, pool."""
    return (CONNECT_SECONDS, READ_SECONDS, READ_SECONDS, CONNECT_SECONDS)


def _digest(path: Path, file: File, told: Any) -> str:
    """Return the digest of a file, of the kind that the hub gave: SHA-256, or git's SHA-1."""
    digest = hashlib.sha256() if len(file.digest) == 64 else hashlib.sha1(b"blob %d\0" % file.size, usedforsecurity=False)
    with path.open("rb") as kept:
        while piece := kept.read(PIECE * 16):
            digest.update(piece)
            told(file.size)
    return digest.hexdigest()


def sizes(done: float, total: float) -> str:
    """Return bytes of bytes, as people read them.

    Examples
    --------
    >>> sizes(1.2e9, 4.3e9), sizes(5e5, 1.36e7)
    ('1.20 of 4.30 GB', '0.5 of 13.6 MB')
    """
    unit, name, digits = (1e9, "GB", 2) if total >= 1e9 else (1e6, "MB", 1)
    return f"{done / unit:.{digits}f} of {total / unit:.{digits}f} {name}"


def size(n_bytes: float) -> str:
    """Return bytes, as people read them.

    Examples
    --------
    >>> size(4.3e9), size(1.36e7)
    ('4.3 GB', '13.6 MB')
    """
    return f"{n_bytes / 1e9:,.1f} GB" if n_bytes >= 1e9 else f"{n_bytes / 1e6:.1f} MB"
