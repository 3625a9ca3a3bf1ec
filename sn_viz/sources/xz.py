"""A stream packed by xz, unpacked with bounded memory.

Takes an open file; gives its bytes piece by piece. The module lzma is imported on use, for some Pythons are built without it.
"""

from __future__ import annotations

from typing import IO, Any

from sn_viz.sources.budget import MIB

MAGIC = b"\xfd7"
MEMORY_BYTES = 256 * MIB
"""What unpacking may take; ``xz -9`` needs 65 MiB, and a file says itself how much it needs."""
PIECE = 1 << 16


class Xz:
    """The bytes of one or several xz streams in a row.

    Parameters
    ----------
    raw : binary file

    Raises
    ------
    EOFError
        In ``read``, for what is damaged, cut short or needs too much memory.
    ImportError
        Where this Python cannot read xz.
    """

    def __init__(self, raw: IO[bytes]) -> None:
        import lzma

        self._raw, self._lzma = raw, lzma
        self._stream = self._begun()

    def _begun(self) -> Any:
        return self._lzma.LZMADecompressor(memlimit=MEMORY_BYTES)

    def read(self, n: int) -> bytes:
        """Return at most ``n`` bytes; none at the end."""
        data = b""
        try:
            while not data and n > 0:
                if self._stream.eof:
                    rest = (self._stream.unused_data or self._raw.read(PIECE)).lstrip(b"\0")
                    if not rest and not (rest := self._raw.read(PIECE).lstrip(b"\0")):
                        return b""
                    self._stream = self._begun()
                    data = self._stream.decompress(rest, n)
                elif not self._stream.needs_input:
                    data = self._stream.decompress(b"", n)
                elif piece := self._raw.read(PIECE):
                    data = self._stream.decompress(piece, n)
                else:
                    raise EOFError
        except self._lzma.LZMAError as error:
            raise EOFError from error
        return data
