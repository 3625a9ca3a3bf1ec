"""The one door for bytes: whatever a user hands in becomes a ``Picture`` here, or a ``UserError`` that says why not.

Takes bytes, a path, a PIL image or an array; returns RGB pixels named by their content. Nothing else of a file survives: no
metadata, no later frames, no name. It knows nothing about labels, questions or where the bytes came from.
"""

from __future__ import annotations

import contextlib
import functools
import io
import os
import re
import stat
import struct
import threading
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageFile, UnidentifiedImageError, features

from sn_viz.errors import UserError
from sn_viz.sources.budget import DEFAULT, MIB, Budget
from sn_viz.sources.pixels import bytes_of, is_array
from sn_viz.sources.stripped import TooMuch, orientation_of, strip
from sn_viz.sources.text import is_base64, quoted
from sn_viz.types import Picture

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "AVIF")
"""The decoders that are ever tried, and HEIF where pillow-heif is installed; Pillow's others never see a user's bytes."""
ALLOWED = "JPEG, PNG, WebP, GIF, BMP and AVIF images are read, and HEIC where the package pillow-heif is installed."
KEEP_SIDE = 1024
"""Pixels kept on the longer side: no model here looks at more, and a data set's memory stays bounded (3 MiB an image)."""
MIN_SIDE = 4
"""A shorter side than this shows nothing, and image processors mistake a side of 1 or 3 for the colour channels."""
MAX_ASPECT = 100
"""Longer side over shorter side; several image processors refuse 200 and more."""

_BASE64 = ("It is a picture written as text (base64).", "Give its bytes, as base64.b64decode returns them.")
LARGE_PIXELS = 24_000_000
"""Beyond this, images are decoded one at a time in a process, and turned into RGB strip by strip."""
STRIP_PIXELS = 4_000_000
DECODING_BYTES = {"WEBP": 16, "AVIF": 16, "HEIF": 8}
"""Peak memory of a decoder for each pixel, measured; the others hold 4 bytes."""

_large = threading.Lock()
# Pillow warns of images beyond this and refuses twice as many pixels; the sizes that are read are checked here.
Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS and max(Image.MAX_IMAGE_PIXELS, DEFAULT.pixels)
_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# What Pillow's decoders are known to raise on damaged bytes. Named one by one, so that a fault of ours is not mistaken for one.
_DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    struct.error,
    zlib.error,
    LookupError,
    TypeError,
    ArithmeticError,
    RuntimeError,
)
_HEIC = re.compile(rb"....ftyp(hei|hev|mif1|msf1)", re.DOTALL)
_OTHER_FORMATS = (
    (0, b"%PDF", "a PDF"),
    (0, b"%!PS", "an EPS drawing"),
    (0, b"\xc5\xd0\xd3\xc6", "an EPS drawing"),
    (0, b"II*\0", "a TIFF image"),
    (0, b"MM\0*", "a TIFF image"),
    (0, b"II+\0", "a TIFF image"),
    (0, b"8BPS", "a Photoshop file"),
    (0, b"\0\0\1\0", "an icon"),
    (0, b"\xff\x0a", "a JPEG XL image"),
    (4, b"JXL ", "a JPEG XL image"),
    (4, b"jP  ", "a JPEG 2000 image"),
    (4, b"ftypavi", "an AVIF image that this Pillow cannot read, or its beginning is damaged"),
    (4, b"ftyphe", "a HEIC image that is damaged at its beginning"),
    (4, b"ftypmif1", "a HEIC image that is damaged at its beginning"),
    (4, b"ftypmsf1", "a HEIC image that is damaged at its beginning"),
    (4, b"ftyp", "a video"),
    (0, b"\x1aE\xdf\xa3", "a video"),
    (0, b"PK\3\4", "an archive inside the data"),
    (0, b"Rar!", "an archive inside the data"),
    (0, b"7z\xbc\xaf", "an archive inside the data"),
)


def decode(data: bytes, name: str, budget: Budget = DEFAULT) -> Picture:
    """Decode an image file: the only place where a user's bytes meet a decoder.

    Size and cost are checked before pixels are decoded, and metadata never reaches a decoder. The EXIF orientation is applied,
    transparency is laid over white, 16 bits are scaled to 8, CMYK is converted, the first frame of an animation is taken, and at
    most ``KEEP_SIDE`` pixels are kept on the longer side. Colour profiles are not applied: models were trained on pixels read so.

    Parameters
    ----------
    data : bytes
        The whole file; its name and extension are not trusted.
    name : str
        What messages call it.
    budget : Budget
        Limits on bytes and pixels.

    Returns
    -------
    Picture

    Raises
    ------
    UserError
        When the file is empty, too large, too thin, damaged, cut short or of another format.

    Examples
    --------
    >>> buffer = io.BytesIO()
    >>> Image.new("RGB", (40, 30), "red").save(buffer, "PNG")
    >>> decode(buffer.getvalue(), "red.png").pixels.shape
    (30, 40, 3)
    """
    if not data:
        raise _not_read(name, "It is empty (0 bytes).", "Export it again.")
    _check_bytes(len(data), name, budget)
    _check_size(_webp_size(data), name, budget)
    try:
        plain = strip(data)
        with Image.open(io.BytesIO(plain.data), formats=_formats(data, name)) as image:
            _check_size(image.size, name, budget)
            orientation = max(plain.orientation, orientation_of(image.info.get("exif"), image.info.get("xmp")))
            image.draft(None, (KEEP_SIDE, KEEP_SIDE))  # a large JPEG is decoded at a half, quarter or eighth of its size
            _check_cost(image, plain.coefficient_bytes, name, budget)
            with _one_at_a_time(image.width * image.height + plain.coefficient_bytes // 4):
                image.load()
                return picture_from_pixels(_rgb(image, orientation))
    except TooMuch as error:
        raise _not_read(name, str(error), "Save it again.") from None
    except Image.DecompressionBombError:
        raise _too_many_pixels("", name, budget) from None
    except UnidentifiedImageError:
        raise _unknown(data, name) from None
    except (*_DAMAGE, MemoryError) as error:
        raise _not_read(name, "The file is damaged or cut short.", "Export it again as PNG or JPEG.") from error


def picture_from_pixels(array: np.ndarray) -> Picture:
    """Keep pixels as a picture, which is named by its content.

    Parameters
    ----------
    array : np.ndarray
        uint8 (height, width, 3), RGB. Copied; the picture's own pixels are read-only.
        Beyond ``KEEP_SIDE`` on the longer side it is scaled down.

    Returns
    -------
    Picture

    Raises
    ------
    UserError
        When the array has another shape or dtype.
    """
    if not (isinstance(array, np.ndarray) and array.dtype == np.uint8 and array.ndim == 3 and array.shape[2] == 3 and array.size):
        arrived = f"{array.dtype} {array.shape}" if isinstance(array, np.ndarray) else type(array).__name__
        raise UserError("An array was not read as an image.", f"It is {arrived}.", "Give uint8 (height, width, 3) in RGB.")
    if max(array.shape[:2]) > KEEP_SIDE:
        array = np.asarray(_shrunk(Image.fromarray(array)))
    pixels = np.array(array, order="C", copy=True)
    pixels.flags.writeable = False
    return Picture(pixels)


def as_picture(image: object, name: str = "an image", budget: Budget = DEFAULT) -> Picture:
    """Return any kind of image this project accepts as a ``Picture``.

    Parameters
    ----------
    image : Picture, bytes, str, Path, PIL.Image.Image, np.ndarray or tensor
        Bytes and paths are decoded; of arrays and tensors see ``pixels.bytes_of``; a ``Picture`` comes back as it is. A PIL image
        that was opened and not yet loaded is read from its file, so that it equals the file; a loaded one is scaled from its
        pixels, which differs in the last bits for a JPEG of more than ``2 * KEEP_SIDE``.
    name : str
        What messages call it.
    budget : Budget
        Limits on bytes and pixels.

    Raises
    ------
    UserError
        When it is none of these, or cannot be read.
    """
    if isinstance(image, Picture):
        return image
    check_no_text(image, name)
    if isinstance(image, (bytes, bytearray, memoryview)):
        return decode(bytes(image), name, budget)
    if isinstance(image, (str, Path)):
        return read_picture(image, Path(image).name, budget)
    if is_array(image):
        return _from_array(image, name)
    if isinstance(image, (list, tuple)):
        raise _not_read(name, "It is a list, where one picture was expected.", "Give each picture its own label.")
    if isinstance(image, Image.Image):
        if (data := _unread_file(image, budget)) is not None:
            return decode(data, name, budget)
        _check_size(image.size, name, budget)
        try:
            return picture_from_pixels(_rgb(image, _orientation(image)))
        except _DAMAGE as error:
            raise _not_read(name, f"Its mode {image.mode!r} cannot be turned into RGB, or it is damaged.") from error
    raise _not_read(name, f"It is a {type(image).__name__}.", "Give a path, bytes, a PIL image or a uint8 array.")


def check_no_text(image: object, name: str) -> None:
    """Raise a UserError where what should be a picture is one written as text, or an address."""
    if isinstance(image, (bytes, bytearray, memoryview)) and is_base64(bytes(image[:100])):
        raise _not_read(name, *_BASE64)
    if isinstance(image, (str, Path)) and is_base64(str(image)):
        raise _not_read(name, *_BASE64)
    if isinstance(image, (str, Path)) and re.match(r"\w+://", str(image)):
        raise _not_read(name, "It is an address.", "Addresses are not fetched; give the file.")


def _from_array(image: object, name: str) -> Picture:
    try:
        pixels = bytes_of(image)
    except ValueError as error:
        hint = "Give uint8 (height, width, 3) in RGB, or numbers from 0 to 1."
        raise _not_read(name, str(error), hint) from None
    if pixels.shape[2] == 3:
        return picture_from_pixels(pixels)
    grey_or_rgba = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    return picture_from_pixels(_rgb(grey_or_rgba, _orientation(grey_or_rgba)))


def read_picture(path: str | Path, name: str, budget: Budget = DEFAULT) -> Picture:
    """Read and decode the image file at ``path``; messages call it ``name``. Raises UserError when that fails."""
    return decode(read_file(path, name, budget.file_bytes), name, budget)


def read_file(path: str | Path, name: str, limit: int) -> bytes:
    """Return the bytes of a regular file of at most ``limit`` bytes.

    Parameters
    ----------
    path : str or Path
        Pipes and devices are refused, because reading one may never end.
    name : str
        What messages call it.
    limit : int
        Bytes.

    Raises
    ------
    UserError
        When it is missing, not a regular file, not readable or too large.
    """
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise _not_read(name, "It is not a regular file.", "Give an image file.")
        with open(path, "rb") as file:
            data = file.read(limit + 1)
    except FileNotFoundError:
        raise _not_read(name, "There is no such file.", "Check its name and folder.") from None
    except (OSError, ValueError) as error:
        raise _not_read(name, f"The file system says: {getattr(error, 'strerror', None) or 'not a file name'}.") from None
    _check_bytes(len(data), name, Budget(file_bytes=limit))
    return data


def _unread_file(image: Image.Image, budget: Budget) -> bytes | None:
    """Return the bytes of the file that a PIL image was opened from, as long as nothing of it was decoded; else None."""
    file = getattr(image, "fp", None)
    untouched = isinstance(image, ImageFile.ImageFile) and image.tile and image.format in (*FORMATS, "MPO") and image.tell() == 0
    if not untouched or file is None or not all(hasattr(file, method) for method in ("seek", "tell", "read")):
        return None
    try:
        at = file.tell()
        file.seek(0)
        data = file.read(budget.file_bytes + 1)
        file.seek(at)
    except (OSError, ValueError):
        return None
    same = data.startswith((b"\xff\xd8", b"\x89PNG", b"GIF8", b"RIFF", b"BM")) or data[4:8] == b"ftyp"
    return data if same else None


def _formats(data: bytes, name: str) -> tuple[str, ...]:
    """Return the decoders to try; HEIF only for a file that says it is one, for its plugin is slow to load."""
    if not _HEIC.match(data):
        return FORMATS if features.check("avif") else tuple(kind for kind in FORMATS if kind != "AVIF")
    if not _has_heif():
        raise _not_read(
            name,
            f"It is a HEIC image. {ALLOWED}",
            "Run: pip install pillow-heif, or save it as JPEG (in the phone's camera settings).",
        )
    return (*FORMATS, "HEIF")


@functools.cache
def _has_heif() -> bool:
    """Make Pillow read HEIF with the optional package pillow-heif; return whether it is there."""
    try:
        from pillow_heif import register_heif_opener  # pyright: ignore[reportMissingImports]  # optional
    except ImportError:
        return False
    register_heif_opener(thumbnails=False)
    return True


def _check_cost(image: Image.Image, coefficient_bytes: int, name: str, budget: Budget) -> None:
    """Refuse an image whose decoder needs too much memory; after ``draft``, for a JPEG."""
    needed = image.width * image.height * DECODING_BYTES.get(image.format or "", 4) + coefficient_bytes
    if needed > budget.decoding_bytes:
        kind = "JPEG in several scans" if coefficient_bytes else f"{image.format} image"
        cause = f"Decoding this {kind} takes about {needed // MIB} MiB of memory; {budget.decoding_bytes // MIB} are allowed."
        raise _not_read(name, cause, "Save it as JPEG in one scan (baseline), or make it smaller.")


def _one_at_a_time(pixels: int) -> contextlib.AbstractContextManager:
    """Return a lock on decoding for a large image: the memory of several together is not bounded by what one may take."""
    return _large if pixels > LARGE_PIXELS else contextlib.nullcontext()


def _rgb(image: Image.Image, orientation: int) -> np.ndarray:
    """Return uint8 (height, width, 3): flattened over white, scaled down, the right way up."""
    turn = _TURNS.get(orientation)
    small = _shrunk_in_strips(image) if image.width * image.height > LARGE_PIXELS else _shrunk(_flattened(image))
    return np.asarray(small if turn is None else small.transpose(turn))


def _orientation(image: Image.Image) -> int:
    try:
        return image.getexif().get(_ORIENTATION, 1)
    except _DAMAGE:
        return 1  # broken metadata must not cost the user sound pixels


def _shrunk_in_strips(image: Image.Image) -> Image.Image:
    """Return what ``_shrunk(_flattened(image))`` does, without a second copy of the whole image."""
    scale = KEEP_SIDE / max(image.size)
    width, height = (max(1, round(side * scale)) for side in image.size)
    factors = int(image.width / width / 3) or 1, int(image.height / height / 3) or 1
    rows = max(1, STRIP_PIXELS // image.width // factors[1]) * factors[1]
    reduced = Image.new("RGB", (-(-image.width // factors[0]), -(-image.height // factors[1])))
    for top in range(0, image.height, rows):
        strip_of = image.crop((0, top, image.width, min(top + rows, image.height)))
        reduced.paste(_flattened(strip_of).reduce(factors), (0, top // factors[1]))
    box = (0, 0, image.width / factors[0], image.height / factors[1])
    return reduced.resize((width, height), Image.Resampling.LANCZOS, box=box)


def _flattened(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        grey = np.asarray(image).astype(np.int64)
        if isinstance(clear := image.info.get("transparency"), int):
            grey[grey == clear] = 65535
        return Image.fromarray(((grey.clip(0, 65535) + 128) // 257).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        colours = image.convert("RGBA")
        white = Image.new("RGB", image.size, "white")
        white.paste(colours, mask=colours.getchannel("A"))
        return white
    return image.convert("RGB")


def _shrunk(image: Image.Image) -> Image.Image:
    scale = KEEP_SIDE / max(image.size)
    if scale >= 1:
        return image
    width, height = (max(1, round(side * scale)) for side in image.size)
    return image.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3.0)


def _webp_size(data: bytes) -> tuple[int, int] | None:
    """Return (width, height) from a WebP header, or None: Pillow would set up its decoder before it tells the size."""
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP" or len(data) < 30:
        return None
    kind = data[12:16]
    if kind == b"VP8X":
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    width, height = struct.unpack("<HH", data[26:30])
    return width & 0x3FFF, height & 0x3FFF


def _check_bytes(n_bytes: int, name: str, budget: Budget) -> None:
    if n_bytes > budget.file_bytes:
        raise _not_read(name, f"It is larger than {budget.file_bytes / MIB:.0f} MiB.", "Make it smaller.")


def _check_size(size: tuple[int, int] | None, name: str, budget: Budget) -> None:
    if size is None:
        return
    width, height = size
    if width * height > budget.pixels:
        raise _too_many_pixels(f"It is {width} x {height} pixels; ", name, budget)
    if min(size) < MIN_SIDE:
        raise _not_read(
            name, f"It is {width} x {height} pixels, which is too small.", f"Each side needs at least {MIN_SIDE} pixels."
        )
    if max(size) > MAX_ASPECT * min(size):
        raise _not_read(name, f"It is {width} x {height} pixels, which is too thin.", "Crop it.")


def _too_many_pixels(arrived: str, name: str, budget: Budget) -> UserError:
    return _not_read(name, f"{arrived}at most {budget.pixels // 1_000_000} megapixels are read.".capitalize(), "Make it smaller.")


def _unknown(data: bytes, name: str) -> UserError:
    for offset, magic, kind in _OTHER_FORMATS:
        if data[offset : offset + len(magic)] == magic:
            return _not_read(name, f"It is {kind}. {ALLOWED}", "Save it as PNG or JPEG.")
    head = data[:2000].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if head.startswith((b"<svg", b"<?xml", b"<!doctype svg")) and b"<svg" in head:
        return _not_read(name, f"It is an SVG drawing. {ALLOWED}", "Save it as PNG or JPEG.")
    return _not_read(name, f"It is not an image, or its beginning is damaged. {ALLOWED}", "Save it as PNG or JPEG.")


def _not_read(name: str, cause: str, hint: str = "") -> UserError:
    return UserError(f"{quoted(name)} was not read.", cause, hint)
