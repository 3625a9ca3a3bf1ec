"""How much of a user's data is looked at, decided before any work is done.

Takes nothing and returns one frozen value that every source is given. It knows nothing about where the data comes from.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from sn_viz.sources.spool import Spool

MIB = 1 << 20


@dataclass(frozen=True)
class Budget:
    """Upper limits on what a user may hand in; the defaults suit one person on their own machine."""

    file_bytes: int = 128 * MIB
    """Bytes of one image file."""
    table_bytes: int = 32 * MIB
    """Bytes of one table (CSV, JSONL)."""
    files: int = 20_000
    """Images in one data set; also entries of an archive, files of a folder, rows of a table."""
    pixels: int = 200_000_000
    """Width times height of one image, read from its header before it is decoded; what is kept of it is reduced."""
    decoding_bytes: int = 1024 * MIB
    """Memory for decoding one image, estimated from its header. It admits the 200 megapixels of a PNG, GIF, BMP or JPEG (a JPEG in
    several scans: 178 to 350), 134 of a HEIC, 67 of a WebP or AVIF. Large images are decoded one at a time in a process."""
    memory_bytes: int = 4096 * MIB
    """Bytes that are kept of all distinct pictures of one data set: the pixels of those that a program hands over decoded, copies
    of files; nothing of those that are read from where they lie."""
    zip_bytes: int = 2048 * MIB
    """Bytes of an archive as it lies on the disk."""
    inflated_bytes: int = 4096 * MIB
    """Bytes of all entries of an archive once inflated; counted while inflating, never taken from its headers."""
    inflated_ratio: int = 200
    """Inflated bytes for each compressed byte of one entry, looked at beyond the first MiB."""
    labels: int = 10_000
    """Distinct classes; there cannot be more, for each has two images. Memory for the search ends it earlier: see ``search``."""
    class_characters: int = 80
    """Characters of a class name; longer names are cut, with a note."""
    question_characters: int = 500
    """Characters of a question; longer ones are refused, for cutting would change what is asked."""
    proceed: Callable[[int], None] = field(default=lambda number: None, compare=False, repr=False)
    """Called with the number of each image before it is read; whoever waits for a long reading may raise in it, to stop."""

    files_may_go: bool = False
    """Whether files may be deleted while their pictures are in use, as uploads to the page are; then their bytes are copied."""
    spool: Spool | None = field(default=None, compare=False, repr=False)
    """Where bytes go that cannot be read again from where they came; None keeps such pictures decoded."""


DEFAULT = Budget()
