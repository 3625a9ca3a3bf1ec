"""An image file without what is not its picture, and what decoding it will cost.

Takes the bytes of a JPEG, PNG or GIF; returns the same picture without comments, profiles, previews and later frames, so that no
decoder ever reads those: a crafted one can cost minutes and gigabytes. The orientation is read here. Nothing is decoded.
"""

from __future__ import annotations

import re
import struct
import zlib
from itertools import islice
from typing import NamedTuple

MAX_SCANS = 200
"""Programs write 1 to 20, optimisers up to about 60; each is another walk over all of a picture, whatever it holds."""
MAX_SCANNED_PIXELS = 4_000_000_000
"""Scans times pixels: 20 scans of 200 megapixels, 200 of 20."""
MAX_PARTS = 100_000
"""Segments, chunks and blocks of one file; a photograph of 200 megapixels has some ten thousand."""
WINDOW = 1 << 22
"""Bytes searched at a time: a search holds up every other thread."""
XMP_BYTES = 1 << 16
_ORIENTATION = 0x0112
_MARKER = re.compile(rb"\xff[\x02-\xcf\xd8-\xfe]")  # not a stuffed zero, a restart or a filler
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = (0xC2, 0xC6, 0xCA, 0xCE)
_START, _END, _SCAN = 0xD8, 0xD9, 0xDA
_METADATA = {*range(0xE1, 0xEE), 0xEF, 0xFE}  # APP0 (JFIF) and APP14 (Adobe) say how the colours are stored
_PNG = b"\x89PNG\r\n\x1a\n"
MAX_TIFF = 100
_TIFF = re.compile(rb"II\*\0|MM\0\*")
_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8}
_XMP_ORIENTATION = re.compile(rb'tiff:Orientation(?:="|>)([1-8])')


class Stripped(NamedTuple):
    """A file that holds one picture and nothing else."""

    data: bytes
    orientation: int = 1
    """As in EXIF: 1 to 8."""
    coefficient_bytes: int = 0
    """Memory for the coefficients of a whole JPEG that comes in several scans; 0 when it comes in one."""


class TooMuch(Exception):
    """Decoding would cost more than any picture that a program writes; the text says why."""


def strip(data: bytes) -> Stripped:
    """Return an image file without metadata; other kinds than JPEG, PNG and GIF come back as they are.

    Parameters
    ----------
    data : bytes
        A whole file, perhaps damaged: what is not understood is left for the decoder to refuse.

    Raises
    ------
    TooMuch
        For more scans, segments, chunks or blocks than any program writes.

    Examples
    --------
    >>> strip(b"neither of the three")
    Stripped(data=b'neither of the three', orientation=1, coefficient_bytes=0)
    """
    for start, how in ((b"\xff\xd8", _jpeg), (_PNG, _png), (b"GIF8", _gif)):
        if data.startswith(start):
            return how(data)
    if data[4:8] == b"ftyp":
        _check_exif(data)
    return Stripped(data)


def orientation_of(exif: bytes | None, xmp: bytes | str | None = None) -> int:
    """Return the orientation, 1 to 8, that an EXIF block (or else an XMP packet) states; 1 when it states none or is damaged."""
    tiff = (exif or b"")[:XMP_BYTES].removeprefix(b"Exif\0\0")
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    try:
        if order:
            (first,) = struct.unpack_from(f"{order}L", tiff, 4)
            (n,) = struct.unpack_from(f"{order}H", tiff, first)
            for at in range(first + 2, first + 2 + 12 * n, 12):
                tag, _, _, value = struct.unpack_from(f"{order}HHLH", tiff, at)
                if tag == _ORIENTATION:
                    return value if 1 <= value <= 8 else 1
    except struct.error:
        pass  # broken metadata must not cost the user sound pixels
    packet = xmp.encode(errors="ignore") if isinstance(xmp, str) else xmp or b""
    found = _XMP_ORIENTATION.search(packet[:XMP_BYTES])
    return int(found[1]) if found else 1


def _check_exif(data: bytes) -> None:
    """Refuse an AVIF or HEIC whose EXIF block lists more than its file holds: all that it lists is copied when it is opened."""
    for found in islice(_TIFF.finditer(data), MAX_TIFF):
        order = "<" if found[0] == b"II*\0" else ">"
        try:
            (first,) = struct.unpack_from(f"{order}L", data, found.end())
            (n,) = struct.unpack_from(f"{order}H", data, found.start() + first)
            entries = [struct.unpack_from(f"{order}HHLL", data, found.start() + first + 2 + 12 * i) for i in range(n)]
        except struct.error:
            continue
        room = len(data) - found.start()
        sizes = [count * _TYPE_BYTES.get(kind, 0) for _, kind, count, _ in entries]
        if sum(size for size, (*_, at) in zip(sizes, entries, strict=True) if at + size <= room) > 2 * len(data) + (1 << 20):
            raise TooMuch("Its EXIF block lists more than the file holds.")


def _jpeg(data: bytes) -> Stripped:
    scans = pixels = held = at = copied = 0
    progressive = False
    kept: list[bytes] = []
    exif = xmp = b""
    for _ in range(MAX_PARTS):
        found = _find(data, at)
        if found < 0 or data[found + 1] == _END:
            kept.append(data[copied:])
            coefficients = held if progressive or scans > 1 else 0
            return Stripped(b"".join(kept) if copied else data, orientation_of(exif, xmp), coefficients)
        kind, at = data[found + 1], found + 2
        if kind == _START:
            continue
        end = at + max(2, int.from_bytes(data[at : at + 2], "big"))
        if kind in _FRAMES and not pixels:
            pixels, held = _frame(data, at)
            progressive = kind in _PROGRESSIVE
        elif kind in _METADATA and not scans:
            body = data[at + 2 : end]
            exif = exif or (body if body.startswith(b"Exif\0\0") else b"")
            xmp = xmp or (body if body.startswith(b"http://ns.adobe.com/xap") else b"")
            kept.append(data[copied:found])
            copied = end
        scans += kind == _SCAN
        if scans > MAX_SCANS or scans * pixels > MAX_SCANNED_PIXELS:
            raise TooMuch(f"It is a JPEG in {scans} or more scans, more than any program writes.")
        at = end
    raise TooMuch(f"It is a JPEG of more than {MAX_PARTS} segments.")


def _find(data: bytes, at: int) -> int:
    """Return where the next marker of a JPEG starts, or -1."""
    while at < len(data):
        if found := _MARKER.search(data, at, at + WINDOW):
            return found.start()
        at += WINDOW - 1
    return -1


def _frame(data: bytes, at: int) -> tuple[int, int]:
    """Return (pixels, bytes of all coefficients) from the header of a frame."""
    head = data[at : at + 8]
    if len(head) < 8:
        return 0, 0
    _, _, height, width, n = struct.unpack(">HBHHB", head)
    sampling = [data[at + 8 + 3 * i + 1 : at + 8 + 3 * i + 2] for i in range(min(n, 4))]
    factors = [(byte[0] >> 4 or 1, byte[0] & 15 or 1) for byte in sampling if byte]
    across, down = (max((factor[axis] for factor in factors), default=1) for axis in (0, 1))
    return width * height, round(2 * width * height * sum(x * y for x, y in factors) / (across * down))


def _png(data: bytes) -> Stripped:
    kept, exif, xmp, at = [_PNG], b"", b"", len(_PNG)
    for _ in range(MAX_PARTS):
        head = data[at : at + 8]
        if len(head) < 8 or head[4:] == b"IEND":
            return Stripped(b"".join([*kept, data[at : at + 12]]), orientation_of(exif, xmp))
        size, kind = int.from_bytes(head[:4], "big"), head[4:]
        if kind[:1].isupper() or kind == b"tRNS":
            kept.append(data[at : at + 12 + size])
        elif kind in (b"eXIf", b"zTXt") and not exif:
            exif = _exif_of(kind, data[at + 8 : at + 8 + min(size, XMP_BYTES)])
        elif kind == b"iTXt" and not xmp:
            xmp = data[at + 8 : at + 8 + min(size, XMP_BYTES)]
        at += 12 + size
    raise TooMuch(f"It is a PNG of more than {MAX_PARTS} chunks.")


def _exif_of(kind: bytes, body: bytes) -> bytes:
    """Return the EXIF block in a chunk: as it is, or as some programs write it, compressed and in hexadecimal digits."""
    if kind == b"eXIf":
        return body
    keyword, _, rest = body.partition(b"\0")
    if keyword != b"Raw profile type exif":
        return b""
    try:
        digits = zlib.decompressobj().decompress(rest[1:], 2 * XMP_BYTES).split(b"\n", 3)[-1]
        return bytes.fromhex(b"".join(digits.split()).decode("ascii"))
    except (zlib.error, ValueError):
        return b""


def _gif(data: bytes) -> Stripped:
    """Return the screen's header, the last control block before the first frame, and all from that frame on."""
    colours = 3 << ((data[10] & 7) + 1) if len(data) > 10 and data[10] & 0x80 else 0
    start = at = 13 + colours
    control = b""
    for _ in range(MAX_PARTS):
        if data[at : at + 1] != b"!":
            return Stripped(data[:start] + control + data[at:])
        block, at = at, at + 2
        while size := data[at] if at < len(data) else 0:
            at += size + 1
            if at - block > MAX_PARTS * 256:
                raise TooMuch(f"It is a GIF of more than {MAX_PARTS} blocks.")
        at += 1
        control = data[block:at] if data[block + 1] == 0xF9 else control
    raise TooMuch(f"It is a GIF of more than {MAX_PARTS} blocks.")
