"""Pictures and vectors in every way that people have them fit what the encoder was trained on."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import supcon_ext
from data_tools.samples import SampleSet
from data_tools.vector_file import write_vectors
from supcon_ext.use.loaded import LoadedEncoder
from tests.use import toy

DRAW = np.random.default_rng(0)
COLOUR = DRAW.integers(0, 256, (20, 24, 3), dtype=np.uint8)
GREY = np.asarray(Image.fromarray(COLOUR).convert("L"))
FIVE = DRAW.integers(0, 65536, (20, 24, 5), dtype=np.uint16)
FLOATS = DRAW.random((20, 24, 2), dtype=np.float32)


def encoder(place: Path, **settings: Any) -> LoadedEncoder:
    toy.write(place / "m", toy.context(**settings))
    return supcon_ext.load(place / "m", device="cpu")


def encoded(pixels: np.ndarray, suffix: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, suffix)
    return buffer.getvalue()


def ways_of_one(pixels: np.ndarray, place: Path) -> dict[str, Any]:
    """One 8-bit picture in all ways."""
    path = place / "pictures" / "a.png"
    path.parent.mkdir()
    path.write_bytes(encoded(pixels))
    image = Image.fromarray(pixels)
    last = pixels if pixels.ndim == 3 else pixels[:, :, None]
    return {
        "path": path,
        "text": str(path),
        "list of paths": [path],
        "list of texts": [str(path)],
        "folder": path.parent,
        "bytes": path.read_bytes(),
        "list of bytes": [path.read_bytes()],
        "Pillow": image,
        "list of Pillow": [image],
        "array": pixels,
        "array with channels": last,
        "stack": last[None],
        "list of arrays": [pixels],
        "int64": pixels.astype(np.int64),
        "16 bits": pixels.astype(np.uint16) * 257,
        "tensor": torch.from_numpy(last.transpose(2, 0, 1).copy()),
        "tensors": torch.from_numpy(last.transpose(2, 0, 1).copy())[None],
        "read-only": np.frombuffer(pixels.tobytes(), np.uint8).reshape(pixels.shape),
        "reversed": np.flip(np.flip(pixels, 1).copy(), 1),
    }


@pytest.mark.parametrize("channels", [1, 3])
def test_every_way_gives_the_same(channels: int, tmp_path: Path) -> None:
    made = encoder(tmp_path, channels=channels)
    pixels = GREY if channels == 1 else COLOUR
    with torch.no_grad():
        view = made.preprocessing.view(pixels.reshape(20, 24, channels), ())
        expected = made.network.backbone(view[None]).numpy()
    for name, given in ways_of_one(pixels, tmp_path).items():
        assert np.array_equal(made.embed(given), expected), name


def test_other_kinds_of_picture_become_those_of_training(tmp_path: Path) -> None:
    colour, grey = encoder(tmp_path / "c", channels=3), encoder(tmp_path / "g", channels=1)
    opaque = np.dstack([COLOUR, np.full((20, 24), 90, np.uint8)])
    of_colour, of_grey = colour.embed(COLOUR), grey.embed(GREY)
    assert np.array_equal(colour.embed(opaque), of_colour)
    assert np.array_equal(colour.embed(Image.fromarray(opaque)), of_colour)
    assert np.array_equal(colour.embed(encoded(opaque)), of_colour)
    assert np.array_equal(grey.embed(COLOUR), of_grey)
    assert np.array_equal(grey.embed(opaque), of_grey)
    threefold = np.repeat(GREY[:, :, None], 3, 2)
    assert np.array_equal(colour.embed(GREY), colour.embed(threefold))
    palette = Image.fromarray(COLOUR).quantize(16)
    assert np.array_equal(colour.embed(palette), colour.embed(palette.convert("RGB")))


def test_several_of_different_kinds_and_sizes(tmp_path: Path) -> None:
    made = encoder(tmp_path)
    (tmp_path / "a.png").write_bytes(encoded(COLOUR))
    given = [tmp_path / "a.png", COLOUR[:9, :13], Image.fromarray(GREY), encoded(COLOUR, "BMP")]
    alone = np.concatenate([made.embed(each) for each in given])
    assert np.allclose(made.embed(given), alone, rtol=1e-4, atol=1e-6)
    assert made.predict(given).shape == (4,)


def test_a_stack_of_grey_pictures_is_several(tmp_path: Path) -> None:
    made = encoder(tmp_path, channels=1)
    stack = DRAW.integers(0, 256, (7, 9, 8), dtype=np.uint8)
    assert made.embed(stack).shape == made.embed(torch.from_numpy(stack)).shape == (7, 16)
    assert np.array_equal(made.embed(stack), made.embed(torch.from_numpy(stack)))
    assert np.array_equal(made.embed(list(stack)), made.embed(stack[..., None]))


@pytest.mark.parametrize(
    ("pixels", "scale"), [(FIVE, 4095.0), (FIVE, 65535.0), (FLOATS, 1.0)], ids=str
)
def test_pictures_as_they_are_stored(pixels: np.ndarray, scale: float, tmp_path: Path) -> None:
    channels, dtype = pixels.shape[2], str(pixels.dtype)
    made = encoder(tmp_path, channels=channels, dtype=dtype, scale=scale)
    np.save(tmp_path / "a.npy", pixels)
    expected = made.embed(SampleSet(pixels[None], np.zeros(1, np.int64), ("a",),
                                    spec=made.preprocessing.spec))  # fmt: skip
    ways = [tmp_path / "a.npy", pixels, pixels[None], [pixels], (tmp_path / "a.npy").read_bytes()]
    ways.append(torch.from_numpy(pixels.transpose(2, 0, 1).copy()))
    if dtype == "float32":
        ways.append(pixels.astype(np.float64))
    for given in ways:
        assert np.array_equal(made.embed(given), expected)


WRONG: dict[str, Any] = {
    "floats": COLOUR / np.float32(255),
    "floats of 0 to 255": COLOUR.astype(np.float64),
    "truth values": COLOUR > 3,
    "five channels": [FIVE.astype(np.uint8)],
    "below zero": COLOUR.astype(np.int16) - 200,
    "above": COLOUR.astype(np.int32) + 1,
    "no pixels": COLOUR[:0],
    "one number": np.uint8(3),
    "five dimensions": COLOUR[None, None],
    "none": [],
    "objects": [object()],
    "None": None,
    "a list of None": [None],
    "a dictionary": {"a": 1},
    "no picture": b"no picture",
    "nothing": b"",
    "no file": "no such.png",
    "no file among others": [COLOUR, "no such.png"],
    "an empty text": "",
    "vectors": np.zeros(7),
}


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_picture_of_8_bits(name: str, channels: int, tmp_path: Path) -> None:
    made = encoder(tmp_path, channels=channels)
    with pytest.raises((ValueError, FileNotFoundError), match="Expected"):
        made.embed(WRONG[name])


@pytest.mark.parametrize("name", ["cut", "text", "empty folder"])
def test_files_that_are_no_pictures(name: str, tmp_path: Path) -> None:
    made, place = encoder(tmp_path), tmp_path / "a.png"
    if name == "empty folder":
        place.mkdir()
    else:
        place.write_bytes(b"words" if name == "text" else encoded(COLOUR)[:200])
    with pytest.raises((ValueError, FileNotFoundError), match=r"a\.png"):
        made.embed(place)


@pytest.mark.parametrize(
    "given",
    [COLOUR, FIVE[:, :, :4], FIVE.astype(np.float32), FIVE / 65535, GREY, encoded(COLOUR)],
    ids=["8 bits", "four channels", "floats", "scaled floats", "grey", "a PNG"],
)
def test_what_is_unlike_pictures_as_they_are_stored(given: Any, tmp_path: Path) -> None:
    made = encoder(tmp_path, channels=5, dtype="uint16", scale=4095.0)
    with pytest.raises(ValueError, match=r"Expected pictures of 5 channels of uint16"):
        made.embed(given)


@pytest.mark.parametrize("given", [FLOATS * 255, FLOATS - 1, FLOATS * np.nan], ids=str)
def test_floats_of_another_range(given: Any, tmp_path: Path) -> None:
    made = encoder(tmp_path, channels=2, dtype="float32", scale=1.0)
    with pytest.raises(ValueError, match=r"Expected pictures of 2 channels of float32"):
        made.embed(given)


def test_vectors(tmp_path: Path) -> None:
    toy.write(tmp_path / "m", toy.vectors())
    made = supcon_ext.load(tmp_path / "m", device="cpu")
    rows = DRAW.normal(size=(5, 6)).astype(np.float32)
    write_vectors(tmp_path / "v.npz", rows)
    context = toy.vectors()
    standard = (torch.from_numpy(rows) - torch.tensor(context.mean)) / torch.tensor(context.std)
    with torch.no_grad():
        expected = made.network.backbone(standard).numpy()
    for given in (rows, rows.astype(np.float64), torch.from_numpy(rows), rows.tolist(),
                  tmp_path / "v.npz", str(tmp_path / "v.npz")):  # fmt: skip
        assert np.allclose(made.embed(given), expected, rtol=1e-4, atol=1e-5)
    assert np.allclose(made.embed(rows[0]), expected[:1], rtol=1e-4, atol=1e-5)
    for wrong in (
        rows[:, :5],
        rows.astype(int),
        rows[:0],
        rows * np.nan,
        COLOUR,
        [],
        "no.npz",
        None,
    ):
        with pytest.raises((ValueError, FileNotFoundError), match="Expected"):
            made.embed(wrong)


@pytest.mark.parametrize("other", [1, 3])
def test_a_set_of_other_samples(other: int, tmp_path: Path) -> None:
    made = encoder(tmp_path, channels=4 - other)
    pixels = np.zeros((2, 8, 8, other), np.uint8)
    with pytest.raises(ValueError, match="mode:"):
        made.embed(SampleSet(pixels, np.zeros(2, np.int64), ("a",)))
