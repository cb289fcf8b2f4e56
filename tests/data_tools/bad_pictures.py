"""Image files as one finds them: good ones of every kind, and bad ones with what is said."""

from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

SIZE = (24, 16)  # width, height


def noise(seed: int = 0, channels: int = 3) -> np.ndarray:
    shape = (SIZE[1], SIZE[0], channels) if channels > 1 else (SIZE[1], SIZE[0])
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def encoded(format_: str, picture: Image.Image | None = None, **settings: object) -> bytes:
    file = io.BytesIO()
    (picture or Image.fromarray(noise())).save(file, format_, **settings)
    return file.getvalue()


def png_header(width: int, height: int, filler: int = 0) -> bytes:
    """A PNG that promises so many pixels, and holds a few bytes."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(100)) + bytes(filler)
    start = b"\x89PNG\r\n\x1a\n"
    return start + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def animated(format_: str) -> bytes:
    frames = [Image.fromarray(noise(seed)) for seed in range(3)]
    return encoded(format_, frames[0], save_all=True, append_images=frames[1:])


def turned_jpeg(orientation: int = 6) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded("JPEG", exif=exif)


def tiff_floats(pixels: np.ndarray) -> bytes:
    return encoded("TIFF", Image.fromarray(pixels.astype(np.float32)))


def with_thumbnail(data: bytes) -> bytes:
    """A JPEG whose EXIF holds another whole one, end mark included, as cameras write it."""
    thumbnail = encoded("JPEG", Image.new("RGB", (8, 8)))
    body = b"Exif\0\0" + thumbnail
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + data[2:]


def cut(data: bytes, share: float = 0.7) -> bytes:
    return data[: int(len(data) * share)]


RAMP = np.linspace(0, 1, SIZE[0] * SIZE[1]).reshape(SIZE[1], SIZE[0])
LONG = encoded(
    "JPEG", Image.fromarray(np.random.default_rng(1).integers(0, 256, (99, 99, 3), np.uint8))
)

GOOD: dict[str, bytes] = {
    "jpeg.jpg": encoded("JPEG"),
    "UPPER.JPG": encoded("JPEG", quality=60),
    "progressive.jpeg": encoded("JPEG", progressive=True),
    "cmyk.jpg": encoded("JPEG", Image.fromarray(noise()).convert("CMYK")),
    "grey.jpg": encoded("JPEG", Image.fromarray(noise(0, 1))),
    "turned.jpg": turned_jpeg(),
    "padded.jpg": encoded("JPEG", quality=70) + bytes(64),
    "thumbnail.jpg": with_thumbnail(encoded("JPEG")),
    "rgb.png": encoded("PNG"),
    "rgba.png": encoded("PNG", Image.fromarray(noise(0, 4))),
    "grey_alpha.png": encoded("PNG", Image.fromarray(noise()).convert("LA")),
    "palette.png": encoded("PNG", Image.fromarray(noise()).convert("P")),
    "palette_clear.png": encoded(
        "PNG", Image.fromarray(noise()).convert("P"), transparency=bytes(range(256))
    ),
    "bits.png": encoded("PNG", Image.fromarray(noise()).convert("1")),
    "sixteen.png": encoded("PNG", Image.fromarray(np.uint16(RAMP * 65535))),
    "sixteen.pgm": encoded("PPM", Image.fromarray(np.uint16(RAMP * 65535))),
    "sixteen.tif": encoded("TIFF", Image.fromarray(np.uint16(RAMP * 65535))),
    "float.tiff": tiff_floats(RAMP),
    "rgb.tif": encoded("TIFF"),
    "packed.tif": encoded("TIFF", compression="tiff_lzw"),
    "one.gif": encoded("GIF"),
    "animated.gif": animated("GIF"),
    "one.webp": encoded("WEBP"),
    "animated.webp": animated("WEBP"),
    "rgb.bmp": encoded("BMP"),
    "rgb.ppm": encoded("PPM"),
    "png_named.jpg": encoded("PNG", Image.fromarray(noise(5))),
    "new\nline.png": encoded("PNG", Image.fromarray(noise(6))),
    "\x1b[31mred.png": encoded("PNG", Image.fromarray(noise(7))),
    os.fsdecode(b"caf\xe9.png"): encoded("PNG", Image.fromarray(noise(8))),
}

BAD: dict[str, tuple[bytes, str]] = {
    "empty.jpg": (b"", "it is empty"),
    "text.jpg": (b"this is no picture\n", "it is no image of a known format"),
    "cut.jpg": (cut(LONG), "truncated"),
    "cut_after_thumbnail.jpg": (
        with_thumbnail(LONG)[: len(with_thumbnail(LONG)) - len(LONG) + 900],
        "truncated",
    ),
    "cut_progressive.jpg": (
        cut(encoded("JPEG", Image.open(io.BytesIO(LONG)), progressive=True)),
        "",
    ),
    "cut.png": (cut(encoded("PNG")), ""),
    "cut.gif": (cut(encoded("GIF"), 0.5), ""),
    "cut.webp": (cut(encoded("WEBP")), ""),
    "cut.tif": (cut(encoded("TIFF")), ""),
    "cut.bmp": (cut(encoded("BMP")), ""),
    "cut.ppm": (cut(encoded("PPM")), ""),
    "half_header.png": (encoded("PNG")[:20], ""),
    "bomb.png": (png_header(40_000, 40_000), "too large to be opened safely"),
    "lie.png": (png_header(12_000, 12_000), "promises 12000 x 12000 pixels"),
    "range.tif": (tiff_floats(RAMP * 300 - 5), "float pixels go from -5 to 295, not from 0 to 1"),
    "nan.tif": (tiff_floats(np.where(RAMP > 0.5, np.nan, RAMP)), "float pixels go from nan"),
    "integers.tif": (
        encoded("TIFF", Image.fromarray(np.int32(RAMP * 100_000))),
        "32-bit integers",
    ),
    "\x1b]0;title\x07\n.jpg": (b"", "it is empty"),
    os.fsdecode(b"\xff\xfe.png"): (b"x", "it is no image of a known format"),
}

ODD = {
    "broken_link.png": "it is a link to nothing",
    "loop.png": "Too many levels of symbolic links",
    "outside.png": "it lies outside of",
    "folder.jpg": "it is a folder",
    "pipe.jpg": "it is no regular file",
}


def write_good(folder: Path) -> list[Path]:
    return _write(folder, GOOD)


def write_bad(folder: Path) -> list[Path]:
    """The bad files, and what is no file at all; a link leads to a picture beside the folder."""
    made = _write(folder, {name: data for name, (data, _) in BAD.items()})
    for name in ODD:
        (folder / name).unlink(missing_ok=True)
    (folder / "broken_link.png").symlink_to(folder / "nothing.png")
    (folder / "loop.png").symlink_to(folder / "loop.png")
    elsewhere = folder.parents[1].with_name(f"{folder.parents[1].name}-elsewhere.png")
    elsewhere.write_bytes(encoded("PNG", Image.fromarray(noise(99))))
    (folder / "outside.png").symlink_to(elsewhere)
    (folder / "folder.jpg").mkdir()
    os.mkfifo(folder / "pipe.jpg")
    return [*made, *(folder / name for name in ODD)]


def reason(name: str) -> str:
    """Part of what is to be said of a bad file."""
    return ODD[name] if name in ODD else BAD[name][1]


def _write(folder: Path, files: dict[str, bytes]) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return [folder / name for name in files]
