"""Files and arrays of any channels and depth are read exactly, or refused in words."""

import io
from itertools import product
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps

from data_tools.bad_image import BadImageError, GoneImageError
from data_tools.datasets.arrays import arrays
from data_tools.datasets.image_folder import image_folder
from data_tools.image_files import ImageFiles
from data_tools.source_check import CheckRules, check_source
from data_tools.stored_picture import layout_of, stored_pixels
from supcon_ext.policies.statistics import channel_statistics
from tests.made_pictures import DEPTHS, KINDS, TOP, pictures, suffixes, write_picture, write_set

EVERY = (1, 2, 3, 4, 5, 12, 16)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A current folder of the test's own: bad files are listed there."""
    monkeypatch.chdir(tmp_path)


def one(channels: int, depth: str) -> np.ndarray:
    return pictures(2, channels, depth, 9)[0][1, :7]


@pytest.mark.parametrize("name", ["a", "aa", "aaa"])  # which choose the layout of a TIFF
@pytest.mark.parametrize("depth", DEPTHS)
def test_every_format_gives_back_what_was_written(tmp_path: Path, depth: str, name: str) -> None:
    for channels in EVERY:
        if channels == 1 or (channels == 2 and name == "aa"):
            continue
        image = one(channels, depth)
        for suffix in suffixes(channels, depth):
            path = tmp_path / f"{name}{suffix}"
            write_picture(path, image)
            with path.open("rb") as file:
                layout = layout_of(file)
                assert (layout.channels, layout.dtype) == (channels, depth)
                assert (layout.height, layout.width) == (7, 9)
                assert layout.end <= path.stat().st_size
                read = stored_pixels(file)
            assert read.dtype == depth and np.array_equal(read, image)


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("suffix", [".tif", ".npy", ".png"])
def test_grey_stays_one_channel(tmp_path: Path, depth: str, suffix: str) -> None:
    if suffix == ".png" and depth == "float32":
        depth = "uint16"
    write_picture(tmp_path / f"a{suffix}", one(1, depth))
    assert np.array_equal(ImageFiles([tmp_path / f"a{suffix}"], "stored")[0], one(1, depth))


@pytest.mark.parametrize(
    ("channels", "depth"),
    [(c, d) for c, d in product((1, 3, 4), DEPTHS) if (c, d) != (4, DEPTHS[2])],
)
def test_tiffs_of_another_program(channels: int, depth: str) -> None:
    """OpenCV compresses by LZW, which tifffile leaves to another package."""
    image = one(channels, depth)
    order = [2, 1, 0, 3][:channels] if channels > 1 else [0]
    written = cv2.imencode(".tiff", image[:, :, order])[1].tobytes()
    assert np.array_equal(stored_pixels(io.BytesIO(written)), image)


@pytest.mark.parametrize("format_", ["TIFF", "PNG", "JPEG"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_turned_upright(format_: str, orientation: int) -> None:
    picture = Image.fromarray(one(3, "uint8"))
    exif = Image.Exif()
    exif[0x0112] = orientation
    written = io.BytesIO()
    picture.save(written, format_, exif=exif)
    with Image.open(io.BytesIO(written.getvalue())) as opened:
        expected = np.asarray(opened if format_ == "TIFF" else ImageOps.exif_transpose(opened))
    if format_ == "TIFF":
        png = io.BytesIO()
        picture.save(png, "PNG", exif=exif)
        expected = np.asarray(ImageOps.exif_transpose(Image.open(png)))
    assert np.array_equal(stored_pixels(written), expected)


@pytest.mark.parametrize(
    ("mode", "channels"),
    [("1", 1), ("L", 1), ("LA", 2), ("P", 3), ("RGB", 3), ("RGBA", 4), ("CMYK", 3)],
)
def test_modes_of_pillow(mode: str, channels: int) -> None:
    """Alpha is a channel of what is stored; palette and CMYK are ways to say a colour."""
    picture = Image.new("RGB", (5, 4), (10, 200, 30)).convert(mode)
    written = io.BytesIO()
    picture.save(written, "TIFF" if mode == "CMYK" else "PNG")
    if mode == "CMYK":  # a TIFF of four channels: what they mean, the user says
        channels = 4
    assert layout_of(written).channels == channels
    read = stored_pixels(written)
    assert read.shape == (4, 5, channels) and read.dtype == np.uint8
    if mode in ("P", "RGB"):
        assert np.array_equal(read, np.asarray(picture.convert("RGB")))


def test_rgb_reads_as_it_always_did(tmp_path: Path) -> None:
    """The default drops alpha, repeats grey, and brings 16 bits to 8."""
    for name, image in (("a", one(4, "uint8")), ("b", one(1, "uint8")), ("c", one(1, "uint16"))):
        write_picture(tmp_path / f"{name}.png", image)
    files = ImageFiles([tmp_path / f"{name}.png" for name in "abc"])
    assert np.array_equal(files[0], one(4, "uint8")[:, :, :3])
    assert np.array_equal(files[1], one(1, "uint8").repeat(3, axis=2))
    expected = np.round(one(1, "uint16") / 257).astype(np.uint8)
    assert np.array_equal(files[2], expected.repeat(3, axis=2))


def npy(path: Path, array: np.ndarray) -> None:
    np.save(path, array, allow_pickle=True)


def cut(path: Path, channels: int) -> None:
    write_picture(path, one(channels, "uint16"))
    path.write_bytes(path.read_bytes()[:-9])


GOOD = (4, "uint8")
BAD = {
    "fewer.png": (lambda p: write_picture(p, one(3, "uint8")), "3 channels of uint8.*4 of uint8"),
    "more.tif": (lambda p: write_picture(p, one(5, "uint8")), "5 channels of uint8.*4 of uint8"),
    "deeper.npy": (lambda p: write_picture(p, one(4, "uint16")), "4 channels of uint16"),
    "grey.png": (lambda p: write_picture(p, one(1, "uint8")), "1 channels of uint8"),
    "none.npy": (lambda p: npy(p, np.zeros((7, 9, 0), np.uint8)), r"shape \(7, 9, 0\)"),
    "many.npy": (lambda p: npy(p, np.zeros((7, 9, 17), np.uint8)), "17 channels, not 1 to 16"),
    "pages.tif": (
        lambda p: tifffile.imwrite(p, np.zeros((17, 7, 9), np.uint8), photometric="minisblack"),
        "17 channels, not 1 to 16",
    ),
    "flat.npy": (lambda p: npy(p, np.zeros(7, np.uint8)), r"shape \(7,\)"),
    "objects.npy": (lambda p: npy(p, np.array([[{}]])), "object, not uint8"),
    "bools.npy": (lambda p: npy(p, np.zeros((7, 9, 4), bool)), "bool, not uint8"),
    "whole.npy": (lambda p: npy(p, np.zeros((7, 9, 4), np.int64)), "int64, not uint8"),
    "signed.tif": (
        lambda p: tifffile.imwrite(p, np.zeros((7, 9), np.int16)),
        "int16, not uint8",
    ),
    "complex.npy": (lambda p: npy(p, np.zeros((7, 9, 4), complex)), "complex128, not uint8"),
    "cut.npy": (lambda p: cut(p, 4), "ends before its pixels do"),
    "cut.tif": (lambda p: cut(p, 12), "ends before its pixels do"),
    "text.npy": (lambda p: p.write_text("hello"), "known format"),
    "empty.tif": (lambda p: p.write_bytes(b"II*\0\0\0\0\0"), "."),
}


@pytest.mark.parametrize("name", BAD)
def test_what_does_not_go_with_the_rest_is_named(tmp_path: Path, name: str) -> None:
    for number in range(4):
        write_picture(tmp_path / "p" / "class" / f"{number}.png", one(*GOOD))
    write, reason = BAD[name]
    write(tmp_path / "p" / "class" / name)

    def check(rules: CheckRules):
        source = image_folder(root=str(tmp_path / "p"), test=0, mode="stored")
        return check_source(source, rules)

    with pytest.raises(ValueError, match=rf"1 of 5 image files is bad(.|\n)*{name}.*{reason}"):
        check(CheckRules())
    kept, report = check(CheckRules("skip"))
    assert len(kept.train) == 4 and (kept.train.spec.channels, kept.train.spec.dtype) == GOOD
    assert len(report.bad) == 1
    with pytest.raises(BadImageError):
        spoilt = ImageFiles([tmp_path / "p" / "class" / name], "stored")
        spoilt.expected = GOOD
        spoilt[0]


FLOATS = {
    "nan": (np.nan, None, "not all finite"),
    "inf": (np.inf, None, "not all finite"),
    "inf with a scale": (np.inf, 10.0, "not all finite"),
    "negative": (-0.5, None, "from -0.5 to .*scale"),
    "above": (200.0, None, "to 200, not from 0 to 1.*scale"),
}


@pytest.mark.parametrize("case", FLOATS)
@pytest.mark.parametrize("kind", KINDS)
def test_floats_that_mean_nothing_are_refused(tmp_path: Path, case: str, kind: str) -> None:
    value, scale, reason = FLOATS[case]
    data = write_set(tmp_path, kind, 5, "float32")
    if kind == "arrays":
        with np.load(data["file"]) as archive:
            kept = dict(archive)
        kept["x_train"][3, 2, 2, 1] = value
        np.savez(data["file"], **kept)
        match = "finite" if "finite" in reason else r"Expected floats in \[0, 1\].*`scale`"
        with pytest.raises(ValueError, match=match):
            arrays(file=data["file"], scale=scale)
        return
    path = next(path for path in tmp_path.rglob("*.npy"))
    image = np.load(path)
    image[2, 2, 1] = value
    np.save(path, image)
    source = image_folder(root=str(tmp_path / "pictures"), mode="stored", scale=scale)
    with pytest.raises(ValueError, match=rf"{path.name}.*{reason}"):
        check_source(source, CheckRules())


def test_a_declared_scale_cuts_what_is_outside_and_says_so(tmp_path: Path, caplog) -> None:
    image = np.array([[-1.0, 5, 10, 40]] * 4, np.float32)[:, :, None]
    write_picture(tmp_path / "p" / "a" / "x.npy", image)
    source, report = check_source(
        image_folder(root=str(tmp_path / "p"), test=0, mode="stored", scale=10.0), CheckRules()
    )
    assert any("outside of 0 to 10 are cut off: 1 files" in note for note in report.notes)
    mean, std = channel_statistics(source.train, seed=0)
    assert mean == (0.625,) and std[0] == pytest.approx(np.std([0, 0.5, 1, 1]))
    np.savez(tmp_path / "a.npz", x_train=image[None], y_train=[0])
    found = arrays(file=str(tmp_path / "a.npz"), scale=10.0)
    assert channel_statistics(found.train, seed=0) == (mean, std)
    assert "8 floats outside of 0 to 10 are cut off" in caplog.text


@pytest.mark.parametrize("mode", ["rgb", "grey"])
def test_other_modes_name_the_one_that_helps(tmp_path: Path, mode: str) -> None:
    write_picture(tmp_path / "p" / "a" / "x.tif", one(12, "uint8"))
    with pytest.raises(ValueError, match="read by `mode: stored`"):
        check_source(image_folder(root=str(tmp_path / "p"), test=0, mode=mode), CheckRules())
    with pytest.raises(ValueError, match="`mode: stored`"):
        image_folder(root=str(tmp_path / "p"), test=0, mode=mode, scale=10.0)
    write_picture(tmp_path / "q" / "a" / "x.npy", one(12, "uint8"))
    with pytest.raises(FileNotFoundError, match=r"`mode: stored` for \.npy"):
        image_folder(root=str(tmp_path / "q"), test=0, mode=mode)


def test_a_picture_that_changes_later_is_told_apart(tmp_path: Path) -> None:
    for number in range(3):
        write_picture(tmp_path / "p" / "a" / f"{number}.npy", one(5, "uint16"))
    for rules, kind in ((CheckRules(), BadImageError), (CheckRules("skip"), GoneImageError)):
        source, _ = check_source(
            image_folder(root=str(tmp_path / "p"), test=0, mode="stored"), rules
        )
        write_picture(tmp_path / "p" / "a" / "1.npy", one(4, "uint16"))
        with pytest.raises(kind, match="4 channels of uint16, and the others 5") as caught:
            source.train[1]
        if isinstance(caught.value, GoneImageError):
            assert caught.value.blank.shape[2] == 5 and caught.value.blank.dtype == np.uint16
        write_picture(tmp_path / "p" / "a" / "1.npy", one(5, "uint16"))


@pytest.mark.parametrize("place", ["npz", "folder"])
@pytest.mark.parametrize("above", [0, 256])
@pytest.mark.parametrize("depth", [*DEPTHS, "float64", "float16", ">u2"])
def test_arrays_of_every_depth(tmp_path: Path, depth: str, above: int, place: str) -> None:
    kept = {"float64": "float32", "float16": "float32", ">u2": "uint16"}.get(depth, depth)
    pixels, label = pictures(6, 5, kept)
    named = {"x_train": pixels.astype(depth), "y_train": label}
    if place == "npz":
        np.savez(tmp_path / "data.npz", **named)
    else:
        (tmp_path / "data").mkdir()
        for name, array in named.items():
            np.save(tmp_path / "data" / f"{name}.npy", array)
    file = tmp_path / ("data.npz" if place == "npz" else "data")
    train = arrays(file=str(file), map_above_mb=above).train
    assert (train.spec.channels, train.spec.dtype) == (5, kept)
    assert train.spec.size == (12, 12) and train.spec.scale == TOP[kept]
    for number in range(6):
        assert train[number].dtype == kept
        np.testing.assert_array_equal(train[number], pixels.astype(depth).astype(kept)[number])


BAD_ARRAYS = {
    "bool": (np.zeros((4, 6, 6, 2), bool), "uint8, uint16 or floats.*bool"),
    "object": (np.array([[[{}]]] * 4), "uint8, uint16 or floats.*object"),
    "complex": (np.zeros((4, 6, 6), complex), "uint8, uint16 or floats.*complex"),
    "no channel": (np.zeros((4, 6, 6, 0), np.uint8), r"\(4, 6, 6, 0\)"),
    "17 channels": (np.zeros((4, 6, 6, 17), np.uint8), "1 to 16 channels"),
    "channels first": (np.zeros((4, 3, 12, 12), np.uint8), "transpose"),
    "flat": (np.zeros((4, 36), np.uint8), r"\(N, H, W\)"),
    "test deeper": (np.zeros((4, 6, 6, 2), np.uint16), "`x_test`.*2 of uint8"),
    "test wider": (np.zeros((4, 6, 6, 5), np.uint8), "`x_test`.*2 of uint8"),
}


@pytest.mark.parametrize("case", BAD_ARRAYS)
def test_bad_arrays(tmp_path: Path, case: str) -> None:
    array, reason = BAD_ARRAYS[case]
    test = np.zeros((4, 6, 6, 2), np.uint8)
    label = np.arange(4) % 2
    np.savez(tmp_path / "a.npz", x_train=array, y_train=label, x_test=test, y_test=label)
    with pytest.raises(ValueError, match=reason):
        arrays(file=str(tmp_path / "a.npz"))


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("channels", EVERY)
def test_statistics_equal_numpy(tmp_path: Path, channels: int, depth: str, monkeypatch) -> None:
    pixels, label = pictures(20, channels, depth)
    np.savez(tmp_path / "a.npz", x_train=pixels, y_train=label)
    units = pixels.astype(np.float64) / TOP[depth]
    train = arrays(file=str(tmp_path / "a.npz")).train
    for kept in (2**29, 0):  # held in memory, or read again
        monkeypatch.setattr("supcon_ext.policies.statistics.KEPT_BYTES", kept)
        mean, std = channel_statistics(train, seed=0)
        np.testing.assert_allclose(mean, units.mean(axis=(0, 1, 2)), rtol=1e-12)
        np.testing.assert_allclose(std, units.std(axis=(0, 1, 2)), rtol=1e-12)
