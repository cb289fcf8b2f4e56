"""Whatever can be wrong with synthetic samples, in every source that can have it."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from data_tools.input_spec import InputSpec
from data_tools.prepared import PreparedData
from data_tools.synthetic_set import SyntheticSet
from data_tools.vector_file import write_vectors
from data_tools.vector_rows import VectorRows
from supcon_ext.synthetic.checked_source import CheckedSource
from supcon_ext.synthetic.defect import KINDS
from supcon_ext.synthetic.inspection import inspect_sources
from supcon_ext.synthetic.report import RefusedSourceError, SyntheticReport
from supcon_ext.synthetic.source import Inspected, SyntheticSource, synthetic_source
from tests.data_tools import bad_pictures
from tests.synthetic.made_sets import (
    CLASSES,
    OF_IMAGES,
    Listed,
    picture,
    real_arrays,
    real_data,
    source,
    write_picture,
)

TABLES = ("manifest", "captions_csv")
FOLDERS = ("class_folders", "caption_folders")
CAPTIONED = ("manifest", "captions_csv", "caption_folders")


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> PreparedData:
    return real_data(tmp_path_factory.mktemp("data") / "real")


@pytest.fixture(params=OF_IMAGES)
def listed(request: pytest.FixtureRequest, tmp_path: Path) -> Listed:
    return Listed(request.param, tmp_path / "made")


def inspected(given: SyntheticSource, real: PreparedData) -> tuple[Inspected, SyntheticReport]:
    found = given.inspect(real, 0)
    return found, found.report


def encoded(pixels: np.ndarray, format_: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format_)
    return file.getvalue()


def seen(seed: int) -> list[Any]:
    made: list[Any] = picture(seed).tolist()
    return made


def pictures(samples: SyntheticSet) -> list[Any]:
    """All of them, in an order of their own."""
    return sorted(samples[place].tolist() for place in range(len(samples)))


BLACK = np.zeros((12, 12, 3), np.uint8)
FILES: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "link to nothing": ("missing", lambda path: path.symlink_to(path.with_name("nothing.png"))),
    "a bomb": ("bomb", lambda path: path.write_bytes(bad_pictures.png_header(40_000, 40_000))),
    "what Pillow only warns of": (
        "bomb",
        lambda path: path.write_bytes(bad_pictures.png_header(10_000, 10_000, 20_000)),
    ),
    "too small": ("small", lambda path: path.write_bytes(encoded(picture(99)[:7]))),
    "black": ("black", lambda path: path.write_bytes(encoded(BLACK))),
    "black JPEG": ("black", lambda path: path.write_bytes(encoded(BLACK, "JPEG"))),
    "one colour": ("constant", lambda path: path.write_bytes(encoded(BLACK + np.uint8(7)))),
    "a folder": ("unreadable", lambda path: path.mkdir()),
    "a pipe": ("unreadable", os.mkfifo),
    **{
        f"bad picture {name!a}": ("unreadable", lambda path, data=data: path.write_bytes(data))
        for name, (data, _) in bad_pictures.BAD.items()
        if name not in ("bomb.png", "lie.png")
    },
}


def test_bad_files(listed: Listed, real: PreparedData) -> None:
    expected = {}
    for number, (what, (kind, plant)) in enumerate(FILES.items()):
        suffix = what.rpartition(".")[2].rstrip("'") if what.startswith("bad picture") else "png"
        plant(path := listed.place(f"planted{number}.{suffix}"))
        expected[str(path)] = kind
    found, report = inspected(listed.source(), real)
    assert found.samples is None
    planted = [defect for defect in report.defects if defect.kind != "merged"]
    assert {defect.file: defect.kind for defect in planted} == expected
    assert all("planted" in defect.text for defect in planted)
    with pytest.raises(RefusedSourceError, match=r"`bad: skip` to go on without"):
        listed.source().make(real, 0)
    found, report = inspected(listed.source(bad="skip"), real)
    assert found.samples is not None and pictures(found.samples) == sorted(map(seen, range(6)))
    assert {report.fates[kind] for kind in expected.values()} == {"left out"}


def test_the_limit_of_too_small_is_said(listed: Listed, real: PreparedData) -> None:
    assert len(listed.source(smallest=12).make(real, 0)) == 6
    assert inspected(listed.source(smallest=13), real)[1].counts("refused") == {
        "small": 6,
        "nothing": 1,
    }


@pytest.mark.parametrize("kind", TABLES)
@pytest.mark.parametrize(
    ("name", "defect"),
    [
        ("nowhere.png", "missing"),
        ("deep/nowhere.png", "missing"),
        ("good0.png/nowhere.png", "missing"),
        ("notes.txt", "extension"),
        ("array.npy", "extension"),
        ("../beside.png", "outside"),
        ("/etc/hosts.png", "outside"),
    ],
)
def test_a_bad_row(tmp_path: Path, real: PreparedData, kind: str, name: str, defect: str) -> None:
    listed = Listed(kind, tmp_path / "made")
    write_picture(tmp_path / "beside.png", 77)
    listed.rows.append({"path": name, "caption": "caption 0", "class": "cat"})
    _, report = inspected(listed.source(), real)
    assert report.counts("refused") == {defect: 1}
    (found,) = report.of(defect)
    line = len(listed.rows) + (kind == "manifest")
    table = "m.csv" if kind == "manifest" else "c.csv"
    assert found.text.startswith(f"line {line} of {listed.folder / table}: ") and name in found.text
    assert len(listed.source(bad="skip").make(real, 0)) == 6


def test_a_link_out_of_the_root(listed: Listed, tmp_path: Path, real: PreparedData) -> None:
    write_picture(tmp_path / "beside.png", 77)
    listed.place("link.png").symlink_to(tmp_path / "beside.png")
    assert inspected(listed.source(), real)[1].counts("refused") == {"outside": 1}
    assert len(listed.source(bad="skip").make(real, 0)) == 6
    assert len(listed.source(outside=True).make(real, 0)) == 7


@pytest.mark.parametrize("kind", FOLDERS)
def test_files_that_belong_to_no_folder_are_told_of(
    tmp_path: Path, real: PreparedData, kind: str
) -> None:
    listed = Listed(kind, tmp_path / "made")
    listed.place("notes.txt").write_text("x")
    write_picture(listed.folder / "loose.png", 50)
    write_picture(listed.folder / ".hidden" / "a.png", 51)
    found, report = inspected(listed.source(), real)
    assert found.samples is not None and len(found.samples) == 6
    assert {Path(d.where).name for d in report.of("stray")} == {"notes.txt", "loose.png", ".hidden"}


@pytest.mark.parametrize("held", ["files", "arrays"])
def test_copies_of_real_pictures(listed: Listed, real: PreparedData, held: str) -> None:
    stands_by = real if held == "files" else real_arrays(real)
    expected = {}
    for split in ("test", "validation", "train"):
        part = getattr(stands_by, split)
        for place, format_ in enumerate(("PNG", "BMP")):
            path = listed.place(f"{split}.{format_.lower()}", label=CLASSES[place])
            path.write_bytes(encoded(part[place], format_))
            name = part.columns["path"][place] if held == "files" else str(place)
            expected[str(path)] = f"equals {split} sample {name}"
    found, report = inspected(listed.source(), stands_by)
    assert found.samples is None and len(report.of("leak")) == 4 and len(report.of("copy")) == 2
    copies = [*report.of("leak"), *report.of("copy")]
    assert all(expected[defect.file] in defect.text for defect in copies)
    _, report = inspected(listed.source(duplicates="ignore"), stands_by)
    assert len(report.of("leak")) == 4 and not report.of("copy")
    assert len(listed.source(leaks="skip").make(stands_by, 0)) == 8
    strict = listed.source(leaks="skip", duplicates="error")
    assert inspected(strict, stands_by)[1].counts("refused") == {"copy": 2}


def test_equal_pictures_of_one_caption_or_class(listed: Listed, real: PreparedData) -> None:
    listed.place("again.bmp", "caption 0", "cat").write_bytes(encoded(picture(1), "BMP"))
    found, report = inspected(listed.source(), real)
    assert found.samples is not None and len(found.samples) == 7
    assert report.counts()["duplicate"] == 1 and report.fates["duplicate"] == "told"
    assert inspected(listed.source(duplicates="error"), real)[0].samples is None
    assert not inspected(listed.source(duplicates="ignore"), real)[1].of("duplicate")
    listed.place("other.png", "caption 1", "dog").write_bytes(encoded(picture(0)))
    assert inspected(listed.source(), real)[1].counts()["duplicate"] == 1  # of another caption


@pytest.mark.parametrize("kind", CAPTIONED)
def test_captions_with_one_picture_and_captions_that_are_merged(
    tmp_path: Path, real: PreparedData, kind: str
) -> None:
    listed = Listed(kind, tmp_path / "made")
    write_picture(listed.place("alone.png", "Alone"), 60)
    write_picture(listed.place("a.png", "A  photo"), 61)
    write_picture(listed.place("b.png", "a PHOTO"), 62)
    found, report = inspected(listed.source(), real)
    assert found.samples is not None
    assert [defect.what for defect in report.of("lone")] == ["`alone`"]
    assert "`a photo`" in {defect.what.split(",")[0] for defect in report.of("merged")}
    samples = found.samples
    names = [Path(path).name for path in samples.columns["path"]]
    assert samples.caption[names.index("a.png")] == samples.caption[names.index("b.png")]
    assert len(samples.captions) == report.captions == 5


@pytest.mark.parametrize("kind", ["manifest", "class_folders"])
def test_unknown_classes(tmp_path: Path, real: PreparedData, kind: str) -> None:
    listed = Listed(kind, tmp_path / "made")
    write_picture(listed.place("a.png", label="dogs"), 60)
    _, report = inspected(listed.source(), real)
    assert report.counts("refused") == {"unknown_class": 1}
    assert "class `dogs`; the real data set has `dog`" in report.of("unknown_class")[0].text
    left = listed.source(unknown_classes="skip").make(real, 0)
    assert len(left) == 6 and left.label.tolist() == (
        [0, 0, 1, 1, 0, 0] if kind == "manifest" else [0, 0, 0, 0, 1, 1]
    )


PARENTS = [
    ("absolute path", "train", "train"),
    ("path below the root", "train", "train"),
    ("place in the source", "train", "train"),
    ("absolute path", "validation", "held_out_parent"),
    ("path below the root", "validation", "held_out_parent"),
    ("place in the source", "validation", "held_out_parent"),
    ("absolute path", "test", "held_out_parent"),
    ("path below the root", "test", "held_out_parent"),
    ("nothing", "", "unknown_parent"),
    ("no place", "", "unknown_parent"),
    ("dropped", "", "unknown_parent"),
]


def named_parent(real: PreparedData, how: str, split: str) -> str:
    if how == "nothing":
        return "train/cat/none.png"
    if how == "no place":
        return "4000"
    if how == "dropped":
        kept = {*real.origin.tolist(), *(real.validation_origin or np.array([])).tolist()}
        return str(next(number for number in range(16) if number not in kept))
    if how == "place in the source":
        origin = real.origin if split == "train" else real.validation_origin
        assert origin is not None
        return str(int(origin[2]))
    path = Path(getattr(real, split).columns["path"][2])
    return str(path if how == "absolute path" else path.relative_to(path.parents[2]))


@pytest.mark.parametrize(("how", "split", "defect"), PARENTS)
@pytest.mark.parametrize("kind", ["manifest", "vectors"])
def test_parents(
    tmp_path: Path, real: PreparedData, kind: str, how: str, split: str, defect: str
) -> None:
    if how == "dropped":
        real = real_data(
            tmp_path / "real",
            validation=0.0,
            imbalance=lambda label, classes: np.flatnonzero(np.arange(len(label)) % 3 > 0),
        )
    if kind == "vectors":
        real = as_vectors(real)
        made = vectors(tmp_path, real, parent=["-1", named_parent(real, how, split), ""])
    else:
        listed = Listed(kind, tmp_path / "made")
        write_picture(listed.place("a.png", parent_id=named_parent(real, how, split)), 60)
        made = listed.source
    found, report = inspected(made(), real)
    if defect == "train":
        assert found.samples is not None
        assert (found.samples.parent == 2).sum() == 1 and report.parents == 1
        return
    assert found.samples is None and report.counts("refused") == {defect: 1}
    if defect == "held_out_parent":
        assert f"a {split} sample" in report.of(defect)[0].text
        assert inspected(made(unknown_parents="skip"), real)[0].samples is None
    else:
        whole = report.listed
        left = made(unknown_parents="skip").make(real, 0)
        assert len(left) == whole - 1 and (left.parent == -1).all()


@pytest.mark.parametrize("value", ["-0.1", "1.5", "nan", "inf", "high", True])
@pytest.mark.parametrize("kind", ["manifest", "vectors"])
def test_quality_that_is_none(tmp_path: Path, real: PreparedData, kind: str, value: Any) -> None:
    if kind == "vectors":
        real = as_vectors(real)
        if value is True:
            value = "True"
        given = vectors(tmp_path, real, quality=["0.5", "", value])()
        where = f"row 2 of {tmp_path / 'v.npz'}"
    else:
        listed = Listed(kind, tmp_path / "made")
        write_picture(listed.place("a.png", quality=value), 60)
        given, where = listed.source(), f"line 8 of {listed.folder / 'm.csv'}"
    _, report = inspected(given, real)
    assert report.counts("refused") == {"quality": 1}
    assert report.of("quality")[0].text.startswith(f"{where}: quality is ")


def as_vectors(real: PreparedData) -> PreparedData:
    """The same data set as vectors of four coordinates, with the paths of its pictures."""

    def part(split: str, seed: int) -> Any:
        given = getattr(real, split)
        if given is None:
            return None
        x = np.random.default_rng(seed).normal(size=(len(given), 4)).astype(np.float32)
        return replace(
            given, samples=VectorRows(x), spec=InputSpec.of_vectors(4), origin=given.origin
        )

    parts = {split: part(split, n) for n, split in enumerate(("train", "validation", "test"))}
    return replace(real, **parts)


def vectors(
    folder: Path, real: PreparedData, x: np.ndarray | None = None, **columns: Any
) -> Callable[..., SyntheticSource]:
    """Makes a source of a few vectors with these columns."""
    count = len(next(iter(columns.values())))
    if x is None:
        x = np.random.default_rng(9).normal(size=(count, 4)).astype(np.float32)
    split = columns.pop("split", None)
    write_vectors(folder / "v.npz", x, columns=columns, split=split)
    return lambda **given: source("vectors", file=str(folder / "v.npz"), **given)


def test_vectors_with_every_column(tmp_path: Path, real: PreparedData) -> None:
    real = as_vectors(real)
    columns = {
        "caption": ["A", "a", "b", ""],
        "class": ["dog", "", "cat", "cat"],
        "quality": [0.25, 1.0, 0.5, 0.0],
        "seed": [1, 2, 3, 4],
    }
    made = vectors(tmp_path, real, split=["train"] * 3 + ["test"], **columns)().make(real, 0)
    assert made.captions == ("a", "b") and made.caption.tolist() == [0, 0, 1]
    assert made.label.tolist() == [1, -1, 0] and made.quality.tolist() == [0.25, 1.0, 0.5]
    assert made.columns["seed"].tolist() == [1, 2, 3] and set(made.columns) == {"seed"}
    assert made[2].shape == (4,) and made[2].dtype == np.float32 and made.spec == real.train.spec


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_vectors_that_are_copies(tmp_path: Path, real: PreparedData, split: str) -> None:
    real = as_vectors(real)
    x = np.random.default_rng(9).normal(size=(4, 4)).astype(np.float32)
    x[1] = getattr(real, split)[0]
    x[3] = x[2]
    made = vectors(tmp_path, real, x, caption=["a", "a", "b", "b"])
    found, report = inspected(made(), real)
    assert report.counts()["duplicate"] == 1 and (found.samples is None) == (split != "train")
    assert report.counts()["copy" if split == "train" else "leak"] == 1
    if split != "train":
        assert len(made(leaks="skip").make(real, 0)) == 3


def test_vectors_that_do_not_fit(tmp_path: Path, real: PreparedData) -> None:
    given = vectors(tmp_path, real, caption=["a", "b"])()
    with pytest.raises(ValueError, match="a real data set of vectors"):
        given.make(real, 0)
    wide = np.ones((2, 5), np.float32)
    with pytest.raises(ValueError, match=r"of 4 coordinates, as the real ones, in .* but got 5"):
        vectors(tmp_path, real, wide, caption=["a", "b"])().make(as_vectors(real), 0)
    with pytest.raises(ValueError, match="1 stored views, as of the real vectors, or one"):
        views = np.ones((2, 3, 4), np.float32)
        vectors(tmp_path, real, views, caption=["a", "b"])().make(as_vectors(real), 0)
    with pytest.raises(ValueError, match="class `dogs`; the real data set has `dog`"):
        vectors(tmp_path, real, **{"class": ["dogs", "cat"]})().make(as_vectors(real), 0)


def test_pictures_beside_vectors_are_refused(listed: Listed, real: PreparedData) -> None:
    with pytest.raises(ValueError, match="a real data set of images beside synthetic images"):
        listed.source().make(as_vectors(real), 0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it is empty"),
        (b"\n \n", "it is empty"),
        (b"a.png,caf\xe9\n", "got the byte 0xe9 in line 1"),
        (b'a.png,"a\n', "Expected quotes that open and close"),
    ],
)
def test_a_caption_list_that_is_none(
    tmp_path: Path, real: PreparedData, content: bytes, message: str
) -> None:
    (tmp_path / "c.csv").write_bytes(content)
    given = source("captions_csv", file=str(tmp_path / "c.csv"), roots=[str(tmp_path)])
    with pytest.raises(ValueError, match=message):
        given.make(real, 0)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        source("captions_csv", file="none.csv", roots=["."]).make(real, 0)


def test_lines_of_a_caption_list(tmp_path: Path, real: PreparedData) -> None:
    listed = Listed("captions_csv", tmp_path / "made")
    given = listed.source()
    with (tmp_path / "made" / "c.csv").open("a") as file:
        file.write("a.png\na.png,one, two\n,no path\na.png,  \n")
    _, report = inspected(given, real)
    assert report.counts("refused") == {"fields": 3, "caption": 1}
    assert [defect.where.split(" of ")[0] for defect in report.defects][:4] == [
        "line 7",
        "line 8",
        "line 9",
        "line 10",
    ]
    assert "a caption with a comma needs quotes" in report.of("fields")[1].what


def test_a_caption_list_of_one_caption(tmp_path: Path, real: PreparedData) -> None:
    listed = Listed("captions_csv", tmp_path / "made")
    for row in listed.rows:
        row["caption"] = "The  Same" if row["path"] < "good3" else "the same"
    _, report = inspected(listed.source(), real)
    assert report.counts("refused") == {"one_caption": 1}
    assert "all 6 lines have the caption `the same`" in report.of("one_caption")[0].text


def test_image_j_is_of_root_j(tmp_path: Path, real: PreparedData) -> None:
    for root, seed in (("s0", 0), ("s1", 10)):
        for number in range(3):
            write_picture(tmp_path / root / "000" / f"{number}.png", seed + number)
    lines = "000/0.png,zero\n000/1.png,one\n000/2.png,two\n"
    (tmp_path / "c.csv").write_text(lines)
    roots = [str(tmp_path / "s0"), str(tmp_path / "s1")]
    given = source("captions_csv", file=str(tmp_path / "c.csv"), roots=roots)
    made = given.make(real, 0)
    assert [made.captions[c] for c in made.caption] == ["zero", "zero", "one", "one", "two", "two"]
    seeds = [0, 10, 1, 11, 2, 12]
    assert [made[i].tolist() for i in range(6)] == [picture(seed).tolist() for seed in seeds]
    (tmp_path / "s1" / "000" / "2.png").unlink()
    _, report = inspected(given, real)
    assert (
        "line 3 of" in report.of("missing")[0].text
        and "s1/000/2.png" in report.of("missing")[0].text
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "it is empty"), (b" \n", "it is empty"), (b"caf\xe9", "0xe9 in line 1")],
)
def test_a_caption_of_a_folder_that_is_none(
    tmp_path: Path, real: PreparedData, content: bytes, message: str
) -> None:
    listed = Listed("caption_folders", tmp_path / "made")
    (listed.folder / "caption 1" / "caption.txt").write_bytes(content)
    _, report = inspected(listed.source(), real)
    assert report.counts("refused") == {"caption": 1}
    assert report.of("caption")[0].where.endswith("caption 1/caption.txt")
    assert message in report.of("caption")[0].text


def test_a_caption_of_a_folder_in_its_file(tmp_path: Path, real: PreparedData) -> None:
    listed = Listed("caption_folders", tmp_path / "made")
    (listed.folder / "caption 1" / "caption.txt").write_text("A long\n caption, of é\n")
    found, report = inspected(listed.source(), real)
    assert found.samples is not None
    assert found.samples.captions == ("a long caption, of é", "caption 0", "caption 2")
    assert not report.defects


@pytest.mark.parametrize("kind", FOLDERS)
def test_a_root_that_is_none(tmp_path: Path, real: PreparedData, kind: str) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere does not exist"):
        source(kind, root=str(tmp_path / "nowhere")).make(real, 0)
    (tmp_path / "empty" / "cat").mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match="found no image in any folder"):
        source(kind, root=str(tmp_path / "empty")).make(real, 0)


def test_good_ones_have_no_defect(listed: Listed, real: PreparedData) -> None:
    found, report = inspected(listed.source(), real)
    assert found.samples is not None and report.used == report.listed == 6
    assert set(report.counts()) == ({"merged"} if listed.kind == "captions_csv" else set())


def test_every_kind_of_defect_is_planted_somewhere() -> None:
    text = Path(__file__).read_text() + Path(__file__).with_name("test_manifest.py").read_text()
    assert [kind for kind in KINDS if f'"{kind}"' not in text] == []


def test_every_source_of_files_stands_in_these_tests() -> None:
    kinds = {
        entry.name
        for entry in synthetic_source
        if isinstance(entry.target, type) and issubclass(entry.target, CheckedSource)
    }
    assert kinds == {*OF_IMAGES, "vectors"}


@pytest.mark.parametrize("kind", OF_IMAGES)
def test_every_defect_at_once_in_one_report(
    tmp_path: Path, real: PreparedData, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that a source can have, told together; a second source that cannot be read as well."""
    monkeypatch.chdir(tmp_path)
    listed = Listed(kind, tmp_path / "made")
    expected = plant_all(listed, tmp_path, real)
    with pytest.raises(RefusedSourceError) as caught:
        inspect_sources([listed.source(), source("class_folders", root="nowhere")], real, 0)
    told = json.loads(Path("synthetic-report.json").read_text())
    counts, fates = told["sources"][0]["counts"], told["sources"][0]["fates"]
    assert set(counts) == expected
    for each in expected:
        assert (f"{KINDS[each].words} (" in str(caught.value)) == (fates[each] == "refused")
    assert told["sources"][1]["counts"] == {"source": 1}
    assert "nowhere does not exist" in told["sources"][1]["defects"][0]["what"]
    assert "nowhere does not exist" in str(caught.value)
    page = Path("synthetic-report.html").read_text()
    assert all(KINDS[each].words in page for each in expected)
    assert "http" not in page.replace("http-equiv", "") and "data:image/" in page
    assert str(tmp_path / "synthetic-report.html") in str(caught.value)


def plant_all(listed: Listed, beside: Path, real: PreparedData) -> set[str]:
    """Plant all that a source of images can have; gives the kinds."""
    expected = {"missing", "bomb", "small", "black", "constant", "unreadable"}
    for number, (kind, plant) in enumerate(list(FILES.values())[:8]):
        assert kind in expected
        plant(listed.place(f"{number}.png"))
    write_picture(beside / "beside.png", 77)
    listed.place("link.png").symlink_to(beside / "beside.png")
    assert real.test is not None
    listed.place("leak.png").write_bytes(encoded(real.test[0]))
    listed.place("copy.png").write_bytes(encoded(real.train[0]))
    listed.place("again.png").write_bytes(encoded(picture(0)))
    expected |= {"outside", "leak", "copy", "duplicate"}
    if listed.kind in CAPTIONED:
        write_picture(listed.place("a.png", "Twice"), 61)
        write_picture(listed.place("b.png", "twice "), 62)
        write_picture(listed.place("alone.png", "alone"), 63)
        expected |= {"merged", "lone"}
    if listed.kind in ("manifest", "class_folders"):
        write_picture(listed.place("class.png", label="bird"), 64)
        expected |= {"unknown_class"}
    if listed.kind in TABLES:
        listed.place("notes.txt").write_text("x")
        expected |= {"extension"}
    else:
        listed.place("notes.txt").write_text("x")
        expected |= {"stray"}
    if listed.kind == "manifest":
        for seed, cells in enumerate(
            [
                {"quality": "2"},
                {"parent_id": "test/cat/0.png"},
                {"parent_id": "nobody.png"},
                {"split": "test"},
                {"domain": "fake"},
                {"caption": "one", "caption_id": "9"},
                {"caption": "two", "caption_id": "9"},
            ],
            start=70,
        ):
            write_picture(listed.place(f"{seed}.png", **cells), seed)
        expected |= {"quality", "held_out_parent", "unknown_parent", "other_row", "word"}
        expected |= {"two_captions"}
    if listed.kind == "captions_csv":
        write_picture(listed.place("empty.png", " "), 65)
        expected |= {"caption"}
    if listed.kind == "caption_folders":
        (listed.folder / "caption 1" / "caption.txt").write_bytes(b"\xff")
        expected |= {"caption"}
    return expected
