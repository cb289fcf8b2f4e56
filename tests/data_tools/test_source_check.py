"""Bad pictures are found before the first step: each kind, in one report, by one policy."""

from __future__ import annotations

import csv
import dataclasses
import logging
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data_tools import facts_cache, image_check
from data_tools.bad_image import BadImageError, GoneImageError
from data_tools.datasets.base import Splits
from data_tools.datasets.image_folder import image_folder
from data_tools.datasets.list_file import list_file
from data_tools.datasets.manifest import manifest
from data_tools.facts_cache import cache_folder, read_cache, write_cache
from data_tools.image_check import check_files
from data_tools.image_facts import Facts
from data_tools.image_files import ImageFiles
from data_tools.printable import printable
from data_tools.source_check import FLIPS, CheckRules, check_source
from tests.data_tools import bad_pictures
from tests.data_tools.bad_pictures import BAD, GOOD, ODD, RAMP, encoded
from tests.data_tools.toy import balanced, write_png


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder and a current folder of the test's own."""
    (tmp_path / "here").mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path


@pytest.fixture()
def mixed(tmp_path: Path) -> Path:
    """Two classes: good files of every kind, and bad ones of every kind."""
    top = tmp_path / "pictures"
    bad_pictures.write_good(top / "good")
    bad_pictures.write_bad(top / "mixed")
    write_png(top / "mixed" / "fine.png", 3)
    return top


def kinds_of(top: Path) -> dict[str, Splits]:
    """The same files, read by every data set kind that reads files."""
    classes = sorted(child for child in top.iterdir() if child.is_dir())
    rows = [
        (os.path.relpath(path, top), number)
        for number, folder in enumerate(classes)
        for path in sorted(folder.iterdir())
        if "\n" not in path.name and path.name.isprintable()
    ]
    (top / "list.txt").write_text("".join(f"{path} {label}\n" for path, label in rows))
    with (top / "table.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("path", "label"), *rows])
    return {
        "image_folder": image_folder(root=str(top), test=0),
        "list_file": list_file(root=str(top), train_file=str(top / "list.txt")),
        "manifest": manifest(file=str(top / "table.csv")),
    }


@pytest.mark.parametrize("decode", [False, True])
@pytest.mark.parametrize("mode", ["rgb", "grey"])
@pytest.mark.parametrize("name", GOOD)
def test_a_good_file_is_good_to_the_check_and_to_the_reader(
    tmp_path: Path, name: str, mode: str, decode: bool
) -> None:
    (tmp_path / name).write_bytes(GOOD[name])
    path = str(tmp_path / name)
    facts = check_files([path], mode, decode=decode).facts[path]
    assert facts.reason == "" and (facts.width, facts.height) == bad_pictures.SIZE
    pixels = ImageFiles([path], mode)[0]
    upright = (24, 16) if name.startswith("turned") else (16, 24)
    assert pixels.shape == (*upright, 3 if mode == "rgb" else 1) and pixels.dtype == np.uint8
    assert facts.turned == name.startswith("turned")
    assert facts.frames == name.startswith("animated")


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_found_without_asking_for_decoding(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(BAD[name][0])
    path = str(tmp_path / name)
    found = check_files([path], "rgb").facts[path].reason
    assert found and BAD[name][1] in found
    assert found == printable(found) and str(tmp_path) not in found
    with pytest.raises(BadImageError) as caught:
        ImageFiles([path])[0]
    assert printable(path) in str(caught.value) and "\n" not in str(caught.value)


def test_damage_in_the_middle_is_found_by_decoding(tmp_path: Path) -> None:
    data = bytearray(encoded("PNG"))
    data[len(data) // 2] ^= 0xFF
    (tmp_path / "damaged.png").write_bytes(data)
    path = str(tmp_path / "damaged.png")
    assert check_files([path], "rgb").facts[path].reason == ""
    assert check_files([path], "rgb", decode=True).facts[path].reason
    assert check_files([path], "rgb").facts[path].reason, "what decoding found is remembered"


@pytest.mark.parametrize("name", ["sixteen.png", "sixteen.pgm", "sixteen.tif", "float.tiff"])
def test_deep_pixels_are_scaled_by_their_range(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(GOOD[name])
    exact = np.floor(RAMP * 65535) / 257 if name.startswith("sixteen") else RAMP * 255
    pixels = ImageFiles([tmp_path / name], "grey")[0][:, :, 0]
    assert (pixels == np.round(exact)).all()
    assert pixels.min() == 0 and pixels.max() == 255
    assert (ImageFiles([tmp_path / name])[0] == pixels[:, :, None]).all()


def test_sixteen_bit_colours_keep_their_range(tmp_path: Path) -> None:
    """Of 48 bits a pixel, Pillow itself takes the upper 24."""
    import cv2

    deep = np.random.default_rng(0).integers(0, 65536, (5, 4, 3), np.uint16)
    cv2.imwrite(str(tmp_path / "deep.png"), deep[:, :, ::-1])
    pixels = ImageFiles([tmp_path / "deep.png"])[0]
    assert np.abs(pixels - deep / 257).max() <= 1


def test_clear_palettes_are_read_without_a_warning(tmp_path: Path, recwarn) -> None:
    (tmp_path / "a.png").write_bytes(GOOD["palette_clear.png"])
    plain = Image.open(tmp_path / "a.png").convert("RGBA").convert("RGB")
    recwarn.clear()
    assert (ImageFiles([tmp_path / "a.png"])[0] == np.asarray(plain)).all()
    assert not recwarn


def test_all_bad_files_come_in_one_report(mixed: Path) -> None:
    source = image_folder(root=str(mixed), test=0)
    with pytest.raises(ValueError) as caught:
        check_source(source, CheckRules())
    lines = str(caught.value).split("\n")
    bad = len(BAD) + len(ODD)
    assert lines[0] == (
        f"Expected image files that can be read, but {bad} of {len(GOOD) + bad + 1} image files "
        "are bad."
    )
    assert len([line for line in lines if line.startswith("  ") and ": " in line]) == 10
    assert lines[11] == f"  ... and {bad - 10} more"
    listed = Path("bad-images.csv").resolve()
    assert lines[12] == f"All of them, with reasons, are in {listed}"
    assert "data.bad_images: skip" in lines[13]
    assert printable(str(caught.value).replace("\n", "")) == str(caught.value).replace("\n", "")
    with listed.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        header, *rows = csv.reader(file)
    assert header == ["path", "reason"]
    assert {Path(path).name for path, _ in rows} == {*BAD, *ODD}
    for path, reason in rows:
        assert bad_pictures.reason(Path(path).name) in reason and reason


@pytest.mark.parametrize("kind", ["image_folder", "list_file", "manifest"])
def test_skip_leaves_bad_files_out_counts_and_lists_them(mixed: Path, kind: str, caplog) -> None:
    source = kinds_of(mixed)[kind]
    names = [Path(path).name for path in source.train.columns["path"]]
    bad = [place for place, name in enumerate(names) if name in BAD or name in ODD]
    with caplog.at_level(logging.WARNING):
        kept, report = check_source(source, CheckRules(bad_images="skip"))
    assert report.left_out == {"train": bad} and len(report.bad) == len(bad) > 15
    assert len(kept.train) == len(names) - len(bad)
    assert [Path(path).name for path in kept.train.columns["path"]] == [
        name for name in names if name not in BAD and name not in ODD
    ]
    for place in range(len(kept.train)):
        assert kept.train.samples[place].shape[2] == 3
    assert f"{len(bad)} of {len(names)} image files are bad and left out" in caplog.text
    assert str(Path("bad-images.csv").resolve()) in caplog.text
    with pytest.raises(ValueError, match=r"bad-images\.csv"):
        check_source(source, CheckRules())


def test_no_bad_file_no_list(tmp_path: Path) -> None:
    bad_pictures.write_good(tmp_path / "pictures" / "good")
    _, report = check_source(image_folder(root=str(tmp_path / "pictures")), CheckRules())
    assert report.bad == [] and report.left_out == {} and report.bad_list is None
    assert list(Path.cwd().iterdir()) == []


def test_a_folder_that_cannot_be_written_to_gets_no_list(mixed: Path) -> None:
    with pytest.raises(ValueError) as caught:
        check_source(image_folder(root=str(mixed)), CheckRules(bad_list="/proc/no/such/bad.csv"))
    place = cache_folder() / "bad-images.csv"
    assert str(place) in str(caught.value) and place.is_file()


def test_a_set_of_bad_files_alone_is_refused_by_skip_too(tmp_path: Path) -> None:
    (tmp_path / "pictures" / "a").mkdir(parents=True)
    (tmp_path / "pictures" / "a" / "x.jpg").write_bytes(b"")
    with pytest.raises(ValueError, match="all are bad"):
        check_source(image_folder(root=str(tmp_path / "pictures")), CheckRules("skip"))


def test_what_was_left_out_at_the_start_stays_left_out(mixed: Path) -> None:
    """A run that goes on has the images that it began with, whatever became of the files."""
    rules = CheckRules("skip")
    first, report = check_source(image_folder(root=str(mixed), test=0), rules)
    (mixed / "mixed" / "empty.jpg").write_bytes(GOOD["jpeg.jpg"])  # mended
    (mixed / "good" / "rgb.bmp").write_bytes(b"")  # gone bad
    again, _ = check_source(image_folder(root=str(mixed), test=0), rules, left_out=report.left_out)
    assert (again.train.columns["path"] == first.train.columns["path"]).all()
    gone = [Path(path).name for path in again.train.columns["path"]].index("rgb.bmp")
    with pytest.raises(GoneImageError, match=r"rgb\.bmp"):
        again.train.samples[gone]


def test_a_reader_knows_the_policy_in_another_process(tmp_path: Path) -> None:
    file = write_png(tmp_path / "p" / "a" / "x.png", 1)
    for policy, kind in (("error", BadImageError), ("skip", GoneImageError)):
        source, _ = check_source(image_folder(root=str(tmp_path / "p"), test=0), CheckRules(policy))
        copy = pickle.loads(pickle.dumps(source.train.samples))
        file.rename(tmp_path / "y")
        with pytest.raises(BadImageError) as caught:
            copy[0]
        assert caught.type is kind
        (tmp_path / "y").rename(file)


# -- what lies outside -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["manifest", "list_file"])
@pytest.mark.parametrize(
    "path", ["../out.png", "a/../../out.png", "{top}/../out.png", "link.png", "linked/out.png"]
)
def test_paths_that_leave_the_root_are_refused(tmp_path: Path, kind: str, path: str) -> None:
    top = tmp_path / "root"
    write_png(top / "a" / "in.png", 1)
    write_png(tmp_path / "out.png", 2)
    (top / "link.png").symlink_to(tmp_path / "out.png")
    (top / "linked").symlink_to(tmp_path)
    path = path.format(top=top)
    (top / "t.csv").write_text(f"path,label\na/in.png,0\n{path},1\n")
    (top / "t.txt").write_text(f"a/in.png 0\n{path} 1\n")

    def read(outside: bool) -> Splits:
        if kind == "manifest":
            return manifest(file=str(top / "t.csv"), outside=outside)
        return list_file(root=str(top), train_file=str(top / "t.txt"), outside=outside)

    with pytest.raises(ValueError, match=r"1 of 2 image files is bad[^$]*outside of"):
        check_source(read(False), CheckRules())
    assert len(check_source(read(True), CheckRules())[0].train) == 2
    skipped, _ = check_source(read(False), CheckRules("skip", empty_classes="keep"))
    assert len(skipped.train) == 1


def test_a_root_that_is_a_link_is_no_way_out(tmp_path: Path) -> None:
    write_png(tmp_path / "real" / "a" / "in.png", 1)
    (tmp_path / "real" / "a" / "again.png").symlink_to(tmp_path / "real" / "a" / "in.png")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    source, report = check_source(image_folder(root=str(tmp_path / "link"), test=0), CheckRules())
    assert len(source.train) == 2 and report.bad == []


# -- what is remembered ----------------------------------------------------------------------------


@pytest.fixture()
def looks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that were opened by the check."""
    opened: list[str] = []
    into = image_check.look.__globals__["_look_into"]

    def noted(file, *rest) -> None:
        opened.append(Path(file.name).name)
        into(file, *rest)

    monkeypatch.setitem(image_check.look.__globals__, "_look_into", noted)
    return opened


def test_a_file_is_looked_at_again_only_when_it_has_changed(mixed: Path, looks: list[str]) -> None:
    source = image_folder(root=str(mixed), test=0)
    first, report = check_source(source, CheckRules("skip"))
    assert report.first and len(looks) == len(GOOD) + len(BAD) + 1 - 2  # two are empty
    looks.clear()
    _, again = check_source(source, CheckRules("skip"))
    assert looks == [] and not again.first and again.bad == report.bad
    fine = mixed / "mixed" / "fine.png"
    before = fine.stat()
    fine.write_bytes(b"x" * before.st_size)
    os.utime(fine, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    _, changed = check_source(source, CheckRules("skip", empty_classes="keep"))
    assert looks == ["fine.png"] and len(changed.bad) == len(report.bad) + 1
    looks.clear()
    check_source(first, CheckRules("skip", decode=True, empty_classes="keep"))
    assert "jpeg.jpg" in looks and "rgb.bmp" not in looks, "what was decoded is not decoded again"
    for child in mixed.rglob("*"):
        assert child.suffix not in (".json", ".draft"), "nothing is written among the images"


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "text", "folder", "version"])
def test_a_damaged_cache_is_as_none(tmp_path: Path, looks: list[str], damage: str) -> None:
    write_png(tmp_path / "p" / "a" / "x.png", 1)
    source = image_folder(root=str(tmp_path / "p"), test=0)
    check_source(source, CheckRules())
    (place,) = cache_folder().iterdir()
    kept = place.read_text()
    if damage == "folder":
        place.unlink()
        place.mkdir()
    elif damage == "version":
        body = kept.partition("\n")[2].replace('"version":1', '"version":0')
        place.write_text(body)
    else:
        place.write_text(
            {
                "cut": kept[: len(kept) // 2],
                "flipped": kept.replace('"PNG"', '"GIF"'),
                "empty": "",
                "text": "hello\nthere",
            }[damage]
        )
    looks.clear()
    _, report = check_source(source, CheckRules())
    assert looks == ["x.png"] and report.bad == [] and report.formats == {"PNG": 1}
    if damage != "folder":
        assert place.read_text() == kept


def test_what_may_pass_is_not_remembered(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    folder.mkdir()
    (folder / "x.png").symlink_to(tmp_path / "later.png")
    path = str(folder / "x.png")
    assert check_files([path], "rgb").facts[path].reason == "it is a link to nothing"
    write_png(tmp_path / "later.png", 1)
    assert check_files([path], "rgb").facts[path].reason == ""


def test_the_cache_keeps_any_name(tmp_path: Path) -> None:
    names = {f"/x/{name}": Facts(1, 2, "bad", whole="ab") for name in GOOD}
    write_cache(tmp_path / "c.json", names)
    assert read_cache(tmp_path / "c.json") == names


@pytest.mark.parametrize(
    ("platform", "env", "expected"),
    [
        ("linux", {}, "{home}/.cache"),
        ("linux", {"XDG_CACHE_HOME": "/c"}, "/c"),
        ("linux", {"XDG_CACHE_HOME": "relative"}, "{home}/.cache"),
        ("darwin", {}, "{home}/Library/Caches"),
        ("win32", {"LOCALAPPDATA": "/l"}, "/l"),
    ],
)
def test_where_the_cache_is(monkeypatch, platform: str, env: dict[str, str], expected: str) -> None:
    monkeypatch.setattr(facts_cache.sys, "platform", platform)
    monkeypatch.delenv("XDG_CACHE_HOME")
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    base = Path(expected.format(home=Path.home()))
    assert cache_folder() == base / "supcon_ext" / "images"


def test_progress_counts_every_file_once(tmp_path: Path) -> None:
    paths = [str(write_png(tmp_path / f"{i}.png", i % 256, (1, 1))) for i in range(100)]
    told: list[tuple[int, int]] = []
    check_files([*paths, *paths[:5]], "rgb", progress=lambda *numbers: told.append(numbers))
    assert told == [(32, 100), (64, 100), (96, 100), (100, 100)]


def test_an_interrupt_ends_the_check_at_once(tmp_path: Path, looks: list[str]) -> None:
    paths = [str(write_png(tmp_path / f"{i}.png", i % 256, (1, 1))) for i in range(2000)]

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check_files(paths, "rgb", progress=stop)
    assert len(looks) < 2000


# -- equal pictures and empty classes --------------------------------------------------------------


@pytest.fixture()
def copies(tmp_path: Path) -> Path:
    top = tmp_path / "copies"
    for split, name, file, value in (
        ("train", "cat", "a.png", 1),
        ("train", "cat", "b.png", 1),  # twice in a class
        ("train", "cat", "c.png", 2),
        ("train", "dog", "d.png", 2),  # under two labels
        ("train", "dog", "e.png", 3),
        ("test", "dog", "f.png", 3),  # in train and test
        ("test", "dog", "g.png", 4),
    ):
        write_png(top / split / name / file, value)
    return top


def test_equal_pictures_are_told_in_a_line_for_each_kind(copies: Path, caplog) -> None:
    source = image_folder(root=str(copies))
    with caplog.at_level(logging.WARNING):
        _, report = check_source(source, CheckRules())
    short = [line.replace(str(copies) + "/", "") for line in report.duplicates]
    assert short == [
        "1 picture is in more than one of train, test: train/dog/e.png = test/dog/f.png",
        "1 picture is under more than one label: train/cat/c.png (cat) = train/dog/d.png (dog)",
        "1 picture is more than once in a class (1 copies): train/cat/a.png = train/cat/b.png",
    ]
    assert [record.getMessage() for record in caplog.records] == [*report.duplicates, FLIPS]
    with pytest.raises(ValueError, match=r"(?s)different pictures.*train/dog/e.png.*duplicates"):
        check_source(source, CheckRules(duplicates="error"))
    assert check_source(source, CheckRules(duplicates="ignore"))[1].duplicates == []


@pytest.mark.parametrize("place", [0, 5000, 9999])
def test_large_files_that_differ_in_one_byte_are_different(tmp_path: Path, place: int) -> None:
    data = np.random.default_rng(0).integers(0, 256, (100, 100), np.uint8)
    other = data.copy()
    other.reshape(-1)[place] ^= 1
    for name, pixels in (("a", data), ("b", other), ("c", data)):
        Image.fromarray(pixels).save(tmp_path / f"{name}.bmp")
    names = [str(tmp_path / f"{name}.bmp") for name in "abc"]
    for _ in range(2):  # found out, then remembered
        facts = check_files(names, "grey").facts
        assert facts[names[0]].content == facts[names[2]].content != facts[names[1]].content


def test_a_link_to_a_picture_is_that_picture(tmp_path: Path) -> None:
    write_png(tmp_path / "p" / "a" / "x.png", 1)
    (tmp_path / "p" / "a" / "y.png").symlink_to("x.png")
    _, report = check_source(image_folder(root=str(tmp_path / "p"), test=0), CheckRules())
    assert len(report.duplicates) == 1 and "more than once in a class" in report.duplicates[0]


@pytest.mark.parametrize("where", ["an empty folder", "test images alone", "bad images alone"])
def test_classes_without_training_images(tmp_path: Path, where: str) -> None:
    top = tmp_path / "p"
    write_png(top / "train" / "ant" / "x.png", 1)
    write_png(top / "train" / "cow" / "y.png", 2)
    write_png(top / "test" / "cow" / "z.png", 3)
    (top / "train" / "bee").mkdir()
    if where == "test images alone":
        (top / "train" / "bee").rmdir()
        write_png(top / "test" / "bee" / "w.png", 4)
    if where == "bad images alone":
        (top / "train" / "bee" / "v.png").write_bytes(b"")
    source = image_folder(root=str(top))
    elsewhere = 1 if where == "test images alone" else 0
    found = f"1 class has no training image: bee ({elsewhere} validation and test images)"
    with pytest.raises(ValueError, match=r"a training image of every class.*bee.*empty_classes"):
        check_source(source, CheckRules("skip"))
    kept, report = check_source(source, CheckRules("skip", empty_classes="keep"))
    assert kept.train.classes == ("ant", "bee", "cow") and report.notes == [FLIPS, f"{found}; kept"]
    skipped, report = check_source(source, CheckRules("skip", empty_classes="skip"))
    assert skipped.train.classes == skipped.test.classes == ("ant", "cow")
    assert skipped.train.label.tolist() == [0, 1] and skipped.test.label.tolist() == [1]
    assert report.notes == [FLIPS, f"{found}; left out"]


def test_arrays_have_their_empty_classes_told_too() -> None:
    source = Splits(balanced(3, 4), None, truth_known=True)
    assert check_source(source, CheckRules())[0] is source
    wide = dataclasses.replace(source.train, classes=("0", "1", "2", "3"))
    with pytest.raises(ValueError, match="every class, but 1 class has no training image: 3"):
        check_source(Splits(wide, None, truth_known=True), CheckRules())


def test_what_is_done_to_pictures_is_said_when_they_are_first_read(tmp_path: Path, caplog) -> None:
    bad_pictures.write_good(tmp_path / "p" / "good")
    _, report = check_source(image_folder(root=str(tmp_path / "p"), test=0), CheckRules())
    assert [record.getMessage() for record in caplog.records] == report.notes
    assert report.notes == [
        "turned upright, as their EXIF says: 1 files",
        "several frames, of which the first is read: 2 files",
        "more than 8 bits a pixel, brought to 8 by their type's range (floats from [0, 1]): "
        "4 files; `data.dataset.mode=stored` keeps them",
        FLIPS,
    ]
    assert report.files == len(GOOD) and report.sides == ((24, 24), (16, 16))
    caplog.clear()
    check_source(image_folder(root=str(tmp_path / "p"), test=0, flips=False), CheckRules())
    assert caplog.records == []
    assert sum(report.formats.values()) == sum(report.pixels.values()) == len(GOOD)
