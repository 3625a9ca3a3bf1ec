"""Every kind of image file, sound and hostile, through the one door."""

from __future__ import annotations

import io
import os
import re
import struct
import zlib

import numpy as np
import pytest
from image_files import encoded, picture, png, zipped
from PIL import Image

from sn_viz.errors import UserError
from sn_viz.sources import ingest, load_images
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
    "20000 x 20000": (png_of_size(20000, 20000), "200 megapixels"),
    "15000 x 15000": (png_of_size(15000, 15000), "15000 x 15000 pixels; at most 200 megapixels"),
    "huge webp": (huge_webp(), "200 megapixels"),
    "1 x 1": (png_of_size(1, 1), "too small"),
    "1 x 10000": (png_of_size(1, 10000), "too small"),
    "10 x 5000": (png_of_size(10, 5000), "too thin"),
    "lying header": (png_of_size(500, 500), "damaged or cut short"),
    "heic": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 50, "HEIC image|damaged"),
    "avif": (b"\0\0\0\x18ftypavif\0\0\0\0" + b"\0" * 50, "damaged"),
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
    assert "'holiday.png' was not read" in str(caught.value) and any(w in str(caught.value) for w in words.split("|"))


@pytest.mark.parametrize("case", ["svg", "eps", "pdf", "tiff"])
def test_other_formats_say_what_to_save_as(case: str) -> None:
    with pytest.raises(UserError, match="Save it as PNG or JPEG"):
        decode(BAD[case][0], "x")


def test_only_allowed_decoders_ever_run(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    real = Image.open
    monkeypatch.setattr(Image, "open", lambda file, formats: asked.append(formats) or real(file, formats=formats))
    decode(png(), "x")
    assert asked == [("JPEG", "PNG", "WEBP", "GIF", "BMP", "AVIF")]


def test_pixels_are_not_decoded_when_the_header_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("decoded"))
    with pytest.raises(UserError, match="megapixels"):
        decode(png_of_size(15000, 15000), "x")


def many_scans(n: int, side: int = 64) -> bytes:
    """A progressive JPEG with one of its scans repeated ``n`` times."""
    data = encoded(Image.new("L", (side, side), 90), "JPEG", progressive=True)
    start = [found.start() for found in re.finditer(b"\xff\xda", data)][1]
    length = re.search(rb"\xff[\xc4\xda\xd9]", data[start + 2 :]).start() + 2
    return data[:-2] + data[start : start + length] * n + b"\xff\xd9"


def test_scans_of_a_jpeg_are_counted_before_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    for n in (0, 50):
        assert decode(many_scans(n), "x").pixels.shape == (64, 64, 3)
    for options in ({"progressive": True}, {"progressive": True, "subsampling": 0}, {}):
        assert decode(encoded(picture(1, 300, 200), "JPEG", **options), "x").pixels.shape == (200, 300, 3)
    monkeypatch.setattr(Image, "open", lambda *_, **__: pytest.fail("opened"))
    with pytest.raises(UserError, match="scans, more than any program writes"):
        decode(many_scans(1000), "x")


def exif_bomb(entries: int, block: int) -> bytes:
    """An EXIF block that lists the same bytes again and again."""
    head = b"MM\0*" + struct.pack(">LH", 8, entries)
    listed = b"".join(struct.pack(">HHLL", tag, 7, block, 8) for tag in range(entries))
    return head + listed + bytes(4 + block)


def gif_with_comments(n: int) -> bytes:
    data = encoded(picture(3).convert("P"), "GIF")
    at = 13 + (3 << ((data[10] & 7) + 1))
    return data[:at] + b"!\xfe" + (b"\xff" + b"c" * 255) * n + b"\0" + data[at:]


def test_metadata_never_reaches_a_decoder() -> None:
    plain = png(6)
    at = 8 + 25
    crafted = plain[:at] + chunk(b"eXIf", exif_bomb(60_000, 2 << 20)) + plain[at:]
    assert decode(crafted, "x").sha256 == decode(plain, "x").sha256
    assert decode(gif_with_comments(60_000), "x").sha256 == decode(encoded(picture(3).convert("P"), "GIF"), "x").sha256
    with pytest.raises(UserError, match="GIF of more than"):
        decode(gif_with_comments(120_000), "x")
    with pytest.raises(UserError, match="PNG of more than"):
        decode(plain[:at] + chunk(b"teXt", b"") * 200_000 + plain[at:], "x")
    with pytest.raises(UserError, match="lists more than the file holds"):
        decode(encoded(picture(3), "AVIF") + exif_bomb(30_000, 1 << 20), "x")


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "AVIF", "HEIF"])
@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_exif_orientation_is_applied_in_every_format(kind: str, orientation: int) -> None:
    if kind == "HEIF":
        pytest.importorskip("pillow_heif").register_heif_opener()
    from PIL import ImageOps

    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(picture(4, 64, 32), kind, exif=exif)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB"))
    assert (decode(data, "x").pixels == expected).all()


def test_heic_is_read_or_says_which_package_reads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pillow_heif").register_heif_opener()
    data = encoded(picture(4, 64, 48), "HEIF")
    assert decode(data, "x.heic").pixels.shape == (48, 64, 3)
    monkeypatch.setattr(ingest, "_has_heif", lambda: False)
    with pytest.raises(UserError, match="HEIC image.*pip install pillow-heif"):
        decode(data, "x.heic")


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "L", "LA", "I;16", "CMYK"])
def test_a_large_photograph_is_reduced_as_a_small_one_is(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    noise = picture(2, 4000, 3000)
    if mode == "I;16":
        image = Image.fromarray(np.asarray(noise.convert("L")).astype(np.uint16) * 257)
    else:
        image = noise.convert(mode)
    if mode in ("RGBA", "LA"):
        image.putalpha(picture(3, 4000, 3000).convert("L"))
    whole = as_picture(image)
    monkeypatch.setattr(ingest, "LARGE_PIXELS", 1_000_000)
    monkeypatch.setattr(ingest, "STRIP_PIXELS", 300_000)
    assert whole.pixels.shape == (768, 1024, 3) and (as_picture(image).pixels == whole.pixels).all()


def test_photographs_of_two_hundred_megapixels_are_read() -> None:
    for kind, options in (("JPEG", {}), ("JPEG", {"progressive": True}), ("PNG", {"compress_level": 1})):
        data = encoded(Image.new("L", (16320, 12240), 90), kind, **options)
        assert decode(data, "phone").pixels.shape == (768, 1024, 3)


def test_memory_for_decoding_has_a_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    data = {
        "JPEG in several scans": encoded(picture(1, 800, 600), "JPEG", progressive=True),
        "WEBP": encoded(picture(1, 400, 300), "WEBP"),
    }
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("decoded"))
    for kind, encoded_picture in data.items():
        with pytest.raises(UserError, match=f"Decoding this {kind}.*MiB of memory; 1 are allowed"):
            decode(encoded_picture, "x", Budget(decoding_bytes=1 << 20))


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
    opened = Image.open(tmp_path / "a.png")
    kinds = [
        opened,
        opened,
        image,
        np.asarray(image),
        encoded(image),
        tmp_path / "a.png",
        str(tmp_path / "a.png"),
        decode(encoded(image), "a"),
    ]
    assert len({as_picture(kind).sha256 for kind in kinds}) == 1


def every_mode() -> dict[str, bytes]:
    """One file for each way in which programs store pixels."""
    photo, alpha = picture(7, 40, 30), picture(8, 40, 30).convert("L")
    deep = np.random.default_rng(9).integers(0, 65536, (30, 40), np.uint16)
    exif = Image.Exif()
    exif[0x0112] = 6
    rgb16 = struct.pack(">IIBBBBB", 40, 30, 16, 2, 0, 0, 0)
    rows = b"".join(b"\0" + np.repeat(row, 3).astype(">u2").tobytes() for row in deep)
    with_alpha = {mode: photo.convert(mode) for mode in ("RGBA", "LA")}
    for image in with_alpha.values():
        image.putalpha(alpha)
    return {
        "grey": encoded(photo.convert("L")),
        "two colours": encoded(photo.convert("1")),
        "palette": encoded(photo.quantize(16)),
        "palette, one clear": encoded(photo.quantize(16), transparency=3),
        "palette with alpha": encoded(photo.quantize(16), transparency=bytes(range(0, 256, 16))),
        "colour, one clear": encoded(photo, transparency=photo.getpixel((1, 1))),
        "16-bit grey": encoded(Image.fromarray(deep)),
        "16-bit colour": b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", rgb16) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""),
        "alpha": encoded(with_alpha["RGBA"]),
        "grey with alpha": encoded(with_alpha["LA"]),
        "CMYK": encoded(photo.convert("CMYK"), "JPEG"),
        "turned": encoded(photo, "JPEG", exif=exif),
        "large": encoded(picture(7, 3000, 2100), "JPEG"),
        "clear WebP": encoded(with_alpha["RGBA"], "WEBP"),
        "clear GIF": encoded(photo.quantize(16), "GIF", transparency=3),
        "clear AVIF": encoded(with_alpha["RGBA"], "AVIF"),
    }


@pytest.mark.parametrize("mode", every_mode())
def test_pixels_are_equal_by_every_way_in(tmp_path, mode: str) -> None:
    data = every_mode()[mode]
    files = {f"{name}/{i}.png": data if not i and name == "a" else png(2 * i + (name == "b")) for name in "ab" for i in range(2)}
    for name, content in files.items():
        (tmp_path / "set" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "set" / name).write_bytes(content)
    zipped(tmp_path / "set.zip", files)
    (tmp_path / "set" / "t.csv").write_text("image,label\n" + "".join(f"{name},{name[0]}\n" for name in files))
    upload = [(name, [(file, files[file]) for file in files if file[0] == name]) for name in "ab"]
    path = tmp_path / "set" / "a" / "0.png"
    pair = (tmp_path / "set" / "t.csv", tmp_path / "set.zip")
    ways = [load_images(way).pictures[0] for way in (tmp_path / "set", tmp_path / "set.zip", pair[0], pair, upload)]
    ways += [decode(data, "x"), as_picture(path), as_picture(Image.open(path)), as_picture(Image.open(io.BytesIO(data)))]
    assert len({picture.sha256 for picture in ways}) == 1


@pytest.mark.parametrize(
    "thing", [None, 3, np.full((4, 4), -0.5), np.full((4, 4, 3), 1.5), np.zeros((0, 4, 3), np.uint8), Image.new("RGB", (1, 1))]
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
