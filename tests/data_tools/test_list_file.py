from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data_tools.datasets.list_file import FACTS, list_file, read_list, verify_lists
from tests.data_tools.toy import write_png


@pytest.fixture()
def top(tmp_path):
    for i in range(4):
        write_png(tmp_path / "images" / "train" / "a b" / f"{i}.png", i)
    write_png(tmp_path / "images" / "val" / "x.png", 9)
    return tmp_path


def test_lists(top) -> None:
    (top / "train.txt").write_text("".join(f"train/a b/{i}.png {i % 2}\n" for i in range(4)))
    (top / "test.txt").write_text("val/x.png 2")
    source = list_file(
        root=str(top / "images"),
        train_file=str(top / "train.txt"),
        test_file=str(top / "test.txt"),
    )
    assert source.train.label.tolist() == [0, 1, 0, 1]
    assert source.train.classes == source.test.classes == ("0", "1", "2")
    assert source.test.samples[0][0, 0, 0] == 9 and source.validation is None
    assert source.train.columns["path"][3].endswith("a b/3.png")


def test_folders_called_otherwise(top) -> None:
    """The two dialects of Places-LT name their folders differently."""
    (top / "train.txt").write_text("data_256/c/a b/0.png 0\ndata_256x/1.png 1\n")
    write_png(top / "images" / "data_256x" / "1.png", 1)
    source = list_file(
        root=str(top / "images"),
        train_file=str(top / "train.txt"),
        validation_file=str(top / "train.txt"),
        prefix={"data_256": "nowhere", "data_256/c": "train"},
    )
    assert source.train.samples[0][0, 0, 0] == 0 and source.train.samples[1][0, 0, 0] == 1
    assert len(source.validation) == 2


def test_a_prefix_can_be_dropped_or_added(top) -> None:
    for line, prefix in (("data/train/a b/0.png 0", {"data": ""}), ("a b/0.png 0", {"": "train"})):
        (top / "list.txt").write_text(line)
        source = list_file(
            root=str(top / "images"), train_file=str(top / "list.txt"), prefix=prefix
        )
        assert source.train.samples[0].shape == (4, 6, 3)


@pytest.mark.parametrize(
    "text",
    ["a b.png 0\nc.png 11\n", "a b.png\t0\r\nc.png  11", "\ufeffa b.png 0\nc.png 11\n\n\n"],
)
def test_reader_rules(tmp_path, text: str) -> None:
    (tmp_path / "list.txt").write_bytes(text.encode())
    names, label = read_list(tmp_path / "list.txt")
    assert names == ["a b.png", "c.png"] and label.tolist() == [0, 11]


@pytest.mark.parametrize(
    ("text", "number"),
    [("a.png 0\nb.png\n", 2), ("a.png -1", 1), ("a.png 0\n\nb.png 1", 2), ("a.png x", 1), ("", 1)],
)
def test_bad_lines_are_named(tmp_path, text: str, number: int) -> None:
    (tmp_path / "list.txt").write_text(text)
    with pytest.raises(ValueError, match=rf"in line {number} of"):
        read_list(tmp_path / "list.txt")


def test_missing_files(top) -> None:
    with pytest.raises(FileNotFoundError, match=r"list of images"):
        list_file(root=str(top), train_file=str(top / "none.txt"))
    (top / "train.txt").write_text("train/a b/0.png 0\ntrain/a b/7.png 0\n")
    with pytest.raises(FileNotFoundError, match=r"2 image files.*1 do not exist.*7.png"):
        list_file(root=str(top / "images"), train_file=str(top / "train.txt"))


def published(benchmark: str) -> dict[str, np.ndarray]:
    """Labels with a benchmark's published counts."""
    facts = FACTS[benchmark]
    counts = np.full(facts.classes, facts.smallest)
    counts[0] = facts.largest
    left = facts.counts["train"] - counts.sum()
    for class_ in range(1, facts.classes - 1):
        more = min(left, facts.largest - facts.smallest)
        counts[class_] += more
        left -= more
    labels = {split: np.zeros(count, np.int64) for split, count in facts.counts.items()}
    return labels | {"train": np.repeat(np.arange(facts.classes), counts)}


@pytest.mark.parametrize("benchmark", list(FACTS))
def test_benchmarks_are_verified(benchmark) -> None:
    labels = published(benchmark)
    verify_lists(benchmark, labels)
    del labels["test"]
    verify_lists(benchmark, labels)
    facts = FACTS[benchmark]
    last = labels["train"] == facts.classes - 1
    wrong = [
        (labels["train"][~last], "classes|smallest class 0"),
        (np.append(labels["train"], facts.classes), "classes"),
        (np.append(labels["train"], 0), f"largest class {facts.largest + 1} instead"),
        (labels["train"][np.cumsum(last) != 1], f"smallest class {facts.smallest - 1} instead"),
    ]
    for label, match in wrong:
        with pytest.raises(ValueError, match=match) as error:
            verify_lists(benchmark, {"train": label})
        assert f"train images {len(label)} instead" in str(error.value)


# What each benchmark's lists call an image, given a number.
DIALECTS = {
    "imagenet_lt": ["train/n01440764/n01440764_{}.JPEG"],
    "places_lt": ["data_256/a/airfield/{:08}.jpg", "train/airfield/{:08}.jpg"],
    "inaturalist2018": ["train_val2018/Plantae/7291/{:032x}.jpg"],
}


@pytest.mark.parametrize(
    ("benchmark", "line"), [(name, line) for name, lines in DIALECTS.items() for line in lines]
)
def test_whole_lists_are_read_and_verified(tmp_path, benchmark: str, line: str) -> None:
    """Of full size, without the final newline that some copies lack."""
    labels = published(benchmark)
    read = {}
    for split, label in labels.items():
        lines = [f"{line.format(place)} {class_}" for place, class_ in enumerate(label.tolist())]
        (tmp_path / f"{split}.txt").write_text("\n".join(lines))
        names, read[split] = read_list(tmp_path / f"{split}.txt")
        assert names[-1] == line.format(len(label) - 1)
    verify_lists(benchmark, read)
    with pytest.raises(ValueError, match=f"train images {len(labels['train']) - 1} instead of"):
        verify_lists(benchmark, {"train": read["train"][:-1]})


@pytest.mark.parametrize(
    ("train", "test", "prefix"),
    [
        ("train/n014/n014_762.JPEG", "val/n014/ILSVRC2012_val_00029930.JPEG", None),
        ("data_256/a/airfield/04851.jpg", "val_256/Places365_val_03597.jpg", {"data_256": "here"}),
        ("train/airfield/04851.jpg", "val/airfield/Places365_val_03597.jpg", {"train": "x/y"}),
        ("train_val2018/Plantae/7291/9f8e.jpg", "train_val2018/Aves/2/1a.jpg", None),
    ],
)
def test_every_dialect_finds_its_images(tmp_path, monkeypatch, train, test, prefix) -> None:
    """With a benchmark of two training images of one class and one test image."""
    facts = {
        "places_lt": FACTS["places_lt"]._replace(
            classes=1, largest=2, smallest=2, counts={"train": 2, "test": 1}
        )
    }
    monkeypatch.setattr("data_tools.datasets.list_file.FACTS", facts)
    for place, name in enumerate((train, f"{train}.png", test)):
        for old, new in (prefix or {}).items():
            name = name.replace(f"{old}/", f"{new}/", 1)
        Image.new("RGB", (2, 2), (place, 0, 0)).save(made(tmp_path / "images" / name), "PNG")
    (tmp_path / "train.txt").write_text(f"{train} 0\n{train}.png 0")
    (tmp_path / "test.txt").write_text(f"{test} 0\n")
    source = list_file(
        root=str(tmp_path / "images"),
        train_file=str(tmp_path / "train.txt"),
        test_file=str(tmp_path / "test.txt"),
        prefix=prefix,
        verify="places_lt",
    )
    assert [source.train.samples[i][0, 0, 0] for i in (0, 1)] == [0, 1]
    assert source.test.samples[0][0, 0, 0] == 2


def made(path: Path) -> Path:
    """The path, with its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def test_verification_is_part_of_reading(top) -> None:
    (top / "train.txt").write_text("train/a b/0.png 0\n")
    with pytest.raises(ValueError, match=r"lists of places_lt.*train images 1 instead of 62500"):
        list_file(root=str(top / "images"), train_file=str(top / "train.txt"), verify="places_lt")
