"""Every kind of image file, sound and hostile, through the one door."""

from __future__ import annotations

import io
import os
import struct
import zlib

import numpy as np
import pytest
from image_files import encoded, picture, png
from PIL import Image

from sn_viz.errors import UserError
from sn_viz.sources import ingest
from sn_viz.sources.budget import Budget
from sn_viz.sources.ingest import as_picture, decode, picture_from_pixels, read_file
from sn_viz.types import Picture


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_of_size(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds next to nothing."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 50)) + chunk(b"IEND", b"")


def test_png_keeps_every_pixel_and_is_named_by_them() -> None:
    image = picture(1)
    one, two = decode(encoded(image), "a.png"), decode(encoded(image, "BMP"), "b.bmp")
    assert (one.pixels == np.asarray(image)).all() and one.pixels.dtype == np.uint8
    assert one.sha256 == two.sha256 != decode(png(2), "c.png").sha256


def test_the_name_depends_on_the_shape_and_pixels_cannot_be_changed() -> None:
    flat = np.arange(8 * 16 * 3, dtype=np.uint8)
    wide, tall = (picture_from_pixels(flat.reshape(shape)) for shape in ((8, 16, 3), (16, 8, 3)))
    assert wide.sha256 != tall.sha256
    flat[:] = 0
    assert wide.pixels.any()
    with pytest.raises(ValueError):
        wide.pixels[0, 0, 0] = 1


@pytest.mark.parametrize("kind", ingest.FORMATS)
def test_allowed_formats_are_read(kind: str) -> None:
    assert decode(encoded(picture(3), kind), "x").pixels.shape == (16, 20, 3)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation: int) -> None:
    from PIL import ImageOps

    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(picture(4), "PNG", exif=exif)
    expected = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    assert (decode(data, "x").pixels == np.asarray(expected)).all()


def test_broken_exif_costs_nothing_but_the_orientation() -> None:
    data = encoded(picture(4), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff broken")
    assert decode(data, "x.jpg").pixels.shape == (16, 20, 3)


def test_transparency_is_laid_over_white() -> None:
    clear = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    half = Image.new("RGBA", (8, 8), (0, 0, 0, 128))
    palette = Image.new("P", (8, 8), 0)
    assert (decode(encoded(clear), "x").pixels == 255).all()
    assert (decode(encoded(half), "x").pixels == 127).all()
    assert (decode(encoded(palette, "GIF", transparency=0), "x").pixels == 255).all()


def test_sixteen_bits_are_scaled_not_clipped() -> None:
    ramp = np.tile(np.linspace(0, 65535, 256).astype(np.uint16), (8, 1))
    pixels = decode(encoded(Image.fromarray(ramp)), "x").pixels
    assert (pixels[0, :, 0] == np.arange(256)).all()


def test_cmyk_grey_and_palette_become_rgb() -> None:
    for mode in ("CMYK", "L", "1", "P"):
        kind = "JPEG" if mode == "CMYK" else "PNG"
        assert decode(encoded(picture(5).convert(mode), kind), "x").pixels.shape == (16, 20, 3)
    white = Image.new("CMYK", (8, 8), (0, 0, 0, 0))
    assert decode(encoded(white, "JPEG"), "x").pixels.min() > 250


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_the_first_frame_of_an_animation_is_taken(kind: str) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    options = {"lossless": True} if kind == "WEBP" else {}
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    assert decode(data, "x").pixels[0, 0].tolist() == [255, 0, 0]


def test_large_pictures_are_kept_at_1024_on_the_longer_side() -> None:
    shape = decode(encoded(Image.new("RGB", (3000, 1500)), "JPEG"), "x").pixels.shape
    assert shape == (512, 1024, 3)
    assert picture_from_pixels(np.zeros((2048, 512, 3), np.uint8)).pixels.shape == (1024, 256, 3)


def test_metadata_and_a_trailing_page_do_not_survive() -> None:
    plain = png(6)
    polyglot = plain + b"<html><script>alert(1)</script></html>"
    assert decode(polyglot, "x.html").sha256 == decode(plain, "x.png").sha256


def huge_webp() -> bytes:
    side = (16382).to_bytes(3, "little")
    return b"RIFF" + struct.pack("<I", 60) + b"WEBPVP8X" + struct.pack("<I", 10) + b"\0\0\0\0" + side + side + b"\0" * 40


SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"></svg>'
BAD = {
    "empty": (b"", "empty"),
    "text": (b"hello there, not an image", "not an image"),
    "truncated png": (png()[:-300], "damaged or cut short"),
    "truncated jpeg": (encoded(picture(1, 200, 200), "JPEG")[:4000], "damaged or cut short"),
    "only a header": (png()[:20], "damaged"),
    "20000 x 20000": (png_of_size(20000, 20000), "24 megapixels"),
    "6000 x 6000": (png_of_size(6000, 6000), "6000 x 6000 pixels; at most 24 megapixels"),
    "huge webp": (huge_webp(), "24 megapixels"),
    "1 x 1": (png_of_size(1, 1), "too small"),
    "1 x 10000": (png_of_size(1, 10000), "too small"),
    "10 x 5000": (png_of_size(10, 5000), "too thin"),
    "lying header": (png_of_size(500, 500), "damaged or cut short"),
    "heic": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 50, "HEIC image"),
    "avif": (b"\0\0\0\x18ftypavif\0\0\0\0" + b"\0" * 50, "AVIF image"),
    "svg": (SVG, "SVG drawing"),
    "svg without prologue": (b"\xef\xbb\xbf <svg onload='alert(1)'></svg>", "SVG drawing"),
    "eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n" + b" " * 50, "EPS drawing"),
    "pdf": (b"%PDF-1.7\n" + b" " * 50, "a PDF"),
    "tiff": (encoded(picture(1), "TIFF"), "TIFF image"),
    "nested zip": (b"PK\3\4" + b"\0" * 50, "archive"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_bytes_get_a_sentence_that_names_the_file(case: str) -> None:
    data, words = BAD[case]
    with pytest.raises(UserError) as caught:
        decode(data, "holiday.png")
    assert "'holiday.png' was not read" in str(caught.value) and words in str(caught.value)


@pytest.mark.parametrize("case", ["heic", "svg", "eps", "pdf", "tiff"])
def test_other_formats_say_what_to_save_as(case: str) -> None:
    with pytest.raises(UserError, match="Save it as PNG or JPEG"):
        decode(BAD[case][0], "x")


def test_only_allowed_decoders_ever_run(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    real = Image.open
    monkeypatch.setattr(Image, "open", lambda file, formats: asked.append(formats) or real(file, formats=formats))
    decode(png(), "x")
    assert asked == [("JPEG", "PNG", "WEBP", "GIF", "BMP")]


def test_pixels_are_not_decoded_when_the_header_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("decoded"))
    with pytest.raises(UserError, match="megapixels"):
        decode(png_of_size(6000, 6000), "x")


def test_bytes_and_pixels_have_a_budget() -> None:
    with pytest.raises(UserError, match="larger than"):
        decode(png(), "x", Budget(file_bytes=100))
    with pytest.raises(UserError, match="megapixels"):
        decode(png(), "x", Budget(pixels=100))


def test_hostile_names_are_shown_plainly() -> None:
    with pytest.raises(UserError) as caught:
        decode(b"", "a\u202e\x00\ngpj.exe" + "x" * 5000)
    assert "\u202e" not in str(caught.value) and "\n" not in str(caught.value) and len(str(caught.value)) < 400


def test_anything_that_is_an_image_becomes_a_picture(tmp_path) -> None:
    image = picture(7)
    (tmp_path / "a.png").write_bytes(encoded(image))
    kinds = [image, np.asarray(image), encoded(image), tmp_path / "a.png", str(tmp_path / "a.png"), decode(encoded(image), "a")]
    assert len({as_picture(kind).sha256 for kind in kinds}) == 1


@pytest.mark.parametrize(
    "thing", [None, 3, np.zeros((4, 4)), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8), Image.new("RGB", (1, 1))]
)
def test_anything_else_is_refused(thing: object) -> None:
    with pytest.raises(UserError, match="not read"):
        as_picture(thing)


def test_only_regular_files_are_read(tmp_path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    for name in ("pipe.png", "missing.png", "nul\0.png", "long" * 200):
        with pytest.raises(UserError, match="was not read"):
            read_file(tmp_path / name, name, 1000)
    with pytest.raises(UserError, match="not a regular file"):
        read_file(tmp_path, "folder", 1000)


def test_random_damage_gives_a_picture_or_a_sentence() -> None:
    rng = np.random.default_rng(0)
    exif = Image.Exif()
    exif[0x0112] = 6
    whole = [encoded(picture(8, 40, 30), kind) for kind in ingest.FORMATS]
    whole += [encoded(picture(8, 40, 30).convert("P"), "PNG", transparency=3), encoded(picture(9), "JPEG", exif=exif)]
    frames = [picture(i) for i in range(3)]
    whole += [encoded(frames[0], kind, save_all=True, append_images=frames[1:]) for kind in ("GIF", "WEBP", "PNG")]
    for case in range(400):
        data = bytearray(whole[case % len(whole)])
        if case % 3 == 0:
            data = data[: rng.integers(1, len(data))]
        if case % 3:
            for at in rng.integers(0, len(data) if case % 2 else min(len(data), 60), rng.integers(1, 8)):
                data[at] = rng.integers(256)
        try:
            assert isinstance(decode(bytes(data), f"case {case}"), Picture)
        except UserError as error:
            assert "was not read" in str(error)
