"""``supcon generate``: the same files however often it was broken off, also in shards."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from supcon_ext.interrupt import Interrupted
from supcon_ext.synthetic.caption_list import (
    RELATIONS,
    Caption,
    from_function,
    from_template,
    read_captions,
)
from supcon_ext.synthetic.generate import make_images, wanted_images
from supcon_ext.synthetic.generator import generator
from supcon_ext.synthetic.image_folder import Shard, merge_manifests
from supcon_ext.synthetic.image_seed import image_seed
from tests.fresh import start, supcon
from tests.synthetic import toy
from tests.synthetic.tiny_pipeline import tiny_pipeline

COMMAND = ("generate", "procedural", "-o", "made", "--captions", "6", "--per-caption", "4")


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    done = supcon(*COMMAND, cwd=folder)
    assert done.wait() == 0, done.stderr
    assert done.stdout.startswith("made/manifest.jsonl: 24 images, in ")
    return folder / "made"


def test_what_is_written(whole: Path) -> None:
    rows = lines(whole / "manifest.jsonl")
    assert len(rows) == 24 and len({row["path"] for row in rows}) == 24
    maker = generator.get("procedural").make()
    for row in rows:
        caption, k = row["caption"], row["k"]
        picture = np.asarray(Image.open(whole / row["path"]))
        np.testing.assert_array_equal(picture, maker.sample(caption, k, 0))
        assert row["class"] in caption and row["seed"] == image_seed(0, caption, k)
        assert row["generator"] == "procedural" and row["size"] == 32
    assert len({row["class"] for row in rows}) == 6


def _killed_at(number: int) -> None:
    """Ends itself without a word at its n-th rename, or just before it."""
    from supcon_ext.cli import main

    renamed, count = os.replace, 0

    def replace(source: Any, target: Any) -> None:
        nonlocal count
        count += 1
        if count == number and number % 2:
            os.kill(os.getpid(), signal.SIGKILL)
        renamed(source, target)
        if count == number:
            os.kill(os.getpid(), signal.SIGKILL)

    os.replace = replace  # type: ignore[assignment]
    main(list(COMMAND), prog_name="supcon")


def test_killed_ten_times_it_makes_the_same_files(whole: Path, tmp_path: Path) -> None:
    """At another rename each time, before and after it; also amid a line of the manifest."""
    for kill in range(10):
        killed = start(_killed_at, 3 + kill % 5, cwd=tmp_path)
        assert killed.wait() == -signal.SIGKILL, killed.stderr
        with (tmp_path / "made" / "manifest.jsonl").open("ab") as manifest:
            manifest.write(b'{"path": "images/cut')
    done = supcon(*COMMAND, cwd=tmp_path)
    assert done.wait() == 0, done.stderr
    assert " were there, in " in done.stdout
    assert files(tmp_path / "made") == files(whole)
    again = supcon(*COMMAND, cwd=tmp_path)
    assert again.wait() == 0 and "24 images, 24 were there" in again.stdout
    assert files(tmp_path / "made") == files(whole)


def test_shards_and_their_merge(whole: Path, tmp_path: Path) -> None:
    for number in (2, 3):
        assert supcon(*COMMAND, "--shard", f"{number}/3", cwd=tmp_path).wait() == 0
    early = supcon("generate", "--merge", "made", cwd=tmp_path)
    assert early.wait() == 2 and "1-of-3 is not" in early.stderr
    assert supcon(*COMMAND, "--shard", "1/3", cwd=tmp_path).wait() == 0
    merged = supcon("generate", "--merge", "made", cwd=tmp_path)
    assert merged.wait() == 0 and "24 images" in merged.stdout
    made, expected = files(tmp_path / "made"), files(whole)
    parts = [made.pop(f"manifest-{number}-of-3.jsonl") for number in (1, 2, 3)]
    assert [part.count(b"\n") for part in parts] == [8, 8, 8]
    own = (".state/",)
    assert {n: c for n, c in made.items() if not n.startswith(own)} == {
        n: c for n, c in expected.items() if not n.startswith(own)
    }


def _filling(limit: int) -> None:
    from supcon_ext.cli import main
    from supcon_ext.synthetic.image_folder import ImageFolder

    add, count = ImageFolder.add, 0

    def adding(self: ImageFolder, *given: Any) -> None:
        nonlocal count
        count += 1
        if count == 9:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        add(self, *given)

    ImageFolder.add = adding  # type: ignore[method-assign]
    main(list(COMMAND), prog_name="supcon")


@pytest.mark.parametrize(("limit", "name"), [(1600, ".png"), (2600, "manifest.jsonl")])
def test_a_full_disk(limit: int, name: str, whole: Path, tmp_path: Path) -> None:
    full = start(_filling, limit, cwd=tmp_path)
    assert full.wait() == 1, full.stderr
    (line,) = [line for line in full.stderr.splitlines() if line.startswith("Failed")]
    assert "File too large" in line and name in line
    assert "goes on where it was" in full.stderr and "Traceback" not in full.stderr
    assert not list(tmp_path.rglob(".*draft*"))
    assert supcon(*COMMAND, cwd=tmp_path).wait() == 0
    assert files(tmp_path / "made") == files(whole)


WRONG = [
    (("procedural", "-o", "made", "--captions", "73"), "Expected 1 to 72 of the captions"),
    (("procedural", "-o", "made", "--captions", "0"), "Expected 1 to 72 of the captions"),
    (("procedural", "-o", "made", "--captions", "empty.txt"), "empty.txt, but it is empty"),
    (("procedural", "-o", "made", "--captions", "latin.txt"), "latin.txt, .* in line 2"),
    (("procedural", "-o", "made", "--captions", "same.txt"), "all 3 are `a cat`"),
    (("procedural", "-o", "made", "--captions", "none.txt"), "none.txt does not exist"),
    (("procedural", "-o", "made", "--captions", "cats.txt"), "caption that the .* but got `a cat`"),
    (("procedural", "-o", "made", "--captions", "cats.txt", "--concepts", "cats.txt"), "got both"),
    (("procedural", "-o", "made", "--concepts", "cats.txt", "--template", "background"), "--backg"),
    (("procedural", "-o", "made", "--concepts", "cats.txt", "--caption-maker", "no.such"), "`no.s"),
    (("procedural", "-o", "made", "--backgrounds", "cats.txt"), "Expected --concepts"),
    (("procedural", "-o", "made", "--steps", "3"), "Expected steps with a folder"),
    (("procedural", "-o", "made", "--shard", "3/2"), "a shard as 1/4"),
    (("procedural", "-o", "other"), "other holds something else"),
    (("procedural", "-o", "cats.txt"), "cats.txt"),
    (("procedurall", "-o", "made"), "Expected a generator, class_diffusion"),
    (("{kind: procedural, size: 2}", "-o", "made"), "`size` of a generator, but got 2"),
    (("class_vae", "-o", "made"), "Expected a fitted .*--data"),
    (("class_vae", "-o", "made", "--data", "nothing"), "nothing"),
    (("other", "-o", "made"), "model_index.json, but other is none"),
    (("broken", "-o", "made", "--captions", "cats.txt"), "pipeline in broken, but got"),
    (("cats.txt", "-o", "made"), "a generator was saved to, but cats.txt is none"),
    (("--merge", "other"), "manifests of all shards"),
    (("procedural",), "--out FOLDER"),
    ((), "--out FOLDER"),
]


@pytest.mark.parametrize("asked", ["--captions", "--concepts"])
def test_files_of_captions_are_read_before_anything_is_fitted(asked: str, tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("\n")
    arguments = ("class_vae", "-o", "made", "--data", "digits", asked, "empty.txt")
    done = supcon("generate", *arguments, cwd=tmp_path)
    assert done.wait() == 2, done.stderr
    assert "empty.txt, but it is empty" in " ".join(done.stderr.split())
    assert "fitting" not in done.stderr and not (tmp_path / "made").exists()


@pytest.mark.parametrize(("arguments", "message"), WRONG, ids=[" ".join(a) for a, _ in WRONG])
def test_wrong_input(arguments: tuple[str, ...], message: str, tmp_path: Path) -> None:
    """One line, exit 2, and no folder begun."""
    (tmp_path / "empty.txt").write_text("\n \n")
    (tmp_path / "latin.txt").write_bytes("a cat\nein Käse\n".encode("latin1"))
    (tmp_path / "same.txt").write_text("a cat\nA  Cat\na CAT\n")
    (tmp_path / "cats.txt").write_text("a cat\na dog\n")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine.txt").write_text("")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "model_index.json").write_text("{")
    before = files(tmp_path)
    done = supcon("generate", *arguments, cwd=tmp_path)
    assert done.wait() == 2, done.stderr
    told = done.stderr[: done.stderr.rfind("\n")].splitlines()
    assert "Traceback" not in done.stderr
    assert re.search(message, " ".join(told) or done.stderr), done.stderr
    assert files(tmp_path) == before


def test_other_settings_are_refused_and_more_images_are_added(whole: Path, tmp_path: Path) -> None:
    smaller = ("--captions", "3", "--per-caption", "2")
    assert supcon(*COMMAND[:4], *smaller, cwd=tmp_path).wait() == 0
    other = supcon(*COMMAND, "--seed", "5", cwd=tmp_path)
    assert other.wait() == 2 and "base_seed 0 and now 5" in other.stderr
    assert supcon(*COMMAND, cwd=tmp_path).wait() == 0
    assert files(tmp_path / "made") == files(whole)


def test_a_generator_that_learns_is_fitted_on_trusted_samples_of_a_recipe(tmp_path: Path) -> None:
    recipe = "name: a\ndata: {dataset: {kind: digits, size: 8}}\n"
    recipe += "stages: [{name: one, epochs: 1, objective: [contrastive]}]\n"
    (tmp_path / "a.yaml").write_text(recipe)
    maker = "{kind: class_vae, steps: 3, batch: 8, width: 4}"
    done = supcon(
        "generate", maker, "-o", "made", "--data", "a.yaml", "--per-caption", "2", cwd=tmp_path
    )
    assert done.wait() == 0, done.stderr
    rows = lines(tmp_path / "made" / "manifest.jsonl")
    assert [row["class"] for row in rows] == [str(digit) for digit in range(10) for _ in range(2)]
    assert Image.open(tmp_path / "made" / rows[0]["path"]).size == (8, 8)


def pipeline(**params: Any):
    given = {"pipeline": tiny_pipeline(), "steps": 2, "batch": 3, "device": "cpu", **params}
    return generator.get("pipeline").make(**given)


CAPTIONS = [Caption(f"a thing number {number}") for number in range(3)]


def test_a_pipeline_by_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "captions.txt").write_text("a cat on a mat\nA Cat  on a mat\na dog\n")
    arguments = ("--captions", "captions.txt", "--per-caption", "2", "--steps", "2")
    chosen = ("--scheduler", "DPMSolverMultistepScheduler", "--size", "24", "--keep-size", "8")
    made = ("generate", tiny_pipeline(), "-o", "made", "--device", "cpu")
    done = supcon(*made, *arguments, *chosen, cwd=tmp_path)
    assert done.wait() == 0, done.stderr
    assert "merged 1 captions" in done.stderr and "4 images" in done.stdout
    rows = lines(tmp_path / "made" / "manifest.jsonl")
    assert {row["caption"] for row in rows} == {"a cat on a mat", "a dog"}
    keys = ("pipeline", "revision", "scheduler", "steps", "guidance", "size", "dtype", "seed")
    assert set(keys) <= set(rows[0]) and rows[0]["guidance"] == 2.5 and rows[0]["steps"] == 2
    assert Image.open(tmp_path / "made" / rows[0]["path"]).size == (8, 8)


def test_a_pipeline_broken_off_makes_the_same_files_in_any_order(tmp_path: Path) -> None:
    """Batches are of other images each time, and the pixels are the same to the last bit."""
    wanted = wanted_images(pipeline(), CAPTIONS, 3, 0)
    make_images(pipeline(), wanted, tmp_path / "whole", seed=0, batch=3, shown=False)
    maker, calls = pipeline(), 0
    made_by = maker._make

    def stopping(*given: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls in (2, 4):
            raise Interrupted("SIGINT")
        return made_by(*given)

    maker._make = stopping
    order = [wanted[i] for i in (4, 0, 8, 2, 6, 1, 5, 3, 7)]
    for begun, part in ((order, 2), (wanted, 2)):
        with pytest.raises(Interrupted):
            make_images(maker, begun, tmp_path / "cut", seed=0, batch=part, shown=False)
    assert make_images(maker, wanted, tmp_path / "cut", seed=0, batch=3, shown=False).images == 9
    assert files(tmp_path / "cut") == files(tmp_path / "whole")


def test_the_batch_of_a_pipeline_changes_no_pixel_by_more_than_one(tmp_path: Path) -> None:
    """Here none at all; other processors and number types may round in another way."""
    asked = [(caption.text, k) for caption in CAPTIONS for k in range(2)]
    first = np.stack(pipeline(batch=1).samples(asked, 0)).astype(int)
    for batch in (4, 6):
        other = np.stack(pipeline(batch=batch).samples(asked, 0)).astype(int)
        assert np.abs(first - other).max() <= 1
    assert len({picture.tobytes() for picture in first}) == len(asked)


def test_images_from_parents(tmp_path: Path) -> None:
    """Of the class that the caption names, of any class where it names none; all take turns."""
    real = toy.pictures((3, 3), size=16, names=("cat", "dog"))
    maker = pipeline(strength=0.5)
    with pytest.raises(ValueError, match="Expected a fitted"):
        maker.samples([("a cat", 0)], 0)
    maker.fit(real)
    wanted = wanted_images(maker, [Caption("a cat at home"), Caption("a house")], 6, 0)
    parents = {row.told["caption"]: set() for row in wanted}
    for row in wanted:
        parents[row.told["caption"]].add(int(row.told["parent_id"]))
    assert parents == {"a cat at home": {0, 1, 2}, "a house": {0, 1, 2, 3, 4, 5}}
    make_images(maker, wanted[:2], tmp_path / "made", seed=0, shown=False)
    with pytest.raises(ValueError, match="Try: steps: 10"):
        pipeline(strength=0.1)
    by_class = wanted_images(maker, [], 1, 0)
    assert [row.told["caption"] for row in by_class] == ["a photo of a cat", "a photo of a dog"]


def test_refused_images_are_left_out_counted_and_not_made_again(tmp_path: Path) -> None:
    maker, calls = pipeline(), []
    wanted = wanted_images(maker, CAPTIONS, 2, 0)
    maker.expect_ready()
    inner = maker._loaded

    class Checked:
        def __call__(self, **told: Any) -> Any:
            answer = inner(**told)
            calls.append(told["prompt"])
            answer.nsfw_content_detected = [text.endswith("1") for text in told["prompt"]]
            return answer

    maker._loaded = Checked()
    made = make_images(maker, wanted, tmp_path / "made", seed=0, batch=3, shown=False)
    assert (made.images, made.new, made.refused) == (4, 4, 2)
    assert len(lines(tmp_path / "made" / "manifest.jsonl")) == 4
    assert len(list((tmp_path / "made").rglob("*.png"))) == 4
    count = len(calls)
    made = make_images(maker, wanted, tmp_path / "made", seed=0, batch=3, shown=False)
    assert (made.images, made.new, made.refused, len(calls)) == (4, 0, 2, count)


@pytest.mark.parametrize("missing", ["diffusers", "transformers"])
def test_a_pipeline_without_its_packages(missing: str, monkeypatch) -> None:
    folder = tiny_pipeline()
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ModuleNotFoundError, match=rf"`{missing}`.*supcon-ext\[generate\]"):
        pipeline(pipeline=folder).expect_ready()


def test_a_scheduler_that_is_none() -> None:
    with pytest.raises(ValueError, match="Try: DDIMScheduler"):
        pipeline(scheduler="NoScheduler").expect_ready()


def test_templates() -> None:
    concepts = ("cat", "owl")
    found = from_template("concept", concepts).found
    assert found == (Caption("a photo of a cat", "cat"), Caption("a photo of an owl", "owl"))
    grounds = from_template("background", concepts, ("snow", "a wood")).found
    assert len(grounds) == 4
    assert grounds[1] == Caption("a photo of a cat, a wood in the background", "cat")
    related = from_template("relation", concepts).found
    assert len(related) == 2 * len(RELATIONS) == 20
    assert Caption("a photo of a cat in front of an owl", "cat") in related
    with pytest.raises(ValueError, match="two concepts"):
        from_template("relation", ("cat",))


def written_by_a_model(concept: str) -> list[str]:
    """Stands for a language model."""
    return [f"one {concept}", f"two {concept}s"]


def nothing(concept: str) -> list[str]:
    """A model that has nothing to say."""
    return []


def test_captions_of_a_function() -> None:
    found = from_function(f"{__name__}.written_by_a_model", ["cat", "dog"]).found
    assert [c.text for c in found] == ["one cat", "two cats", "one dog", "two dogs"]
    with pytest.raises(ValueError, match="Expected texts of"):
        from_function(f"{__name__}.nothing", ["cat"])


def test_a_file_of_captions(tmp_path: Path) -> None:
    path = tmp_path / "captions.txt"
    path.write_bytes(b"\xef\xbb\xbfA cat\r\n\r\n a  CAT \na dog\n")
    assert read_captions(path) == ((Caption("a cat"), Caption("a dog")), 1)
    path.write_text("a" * 1001)
    with pytest.raises(ValueError, match="line 1"):
        read_captions(path)


@pytest.mark.parametrize("text", ["", "1", "0/2", "3/2", "a/b", "1/2/3", "-1/2"])
def test_shards_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match="Expected a shard"):
        Shard.parse(text)


@pytest.mark.parametrize("of", [1, 2, 5])
def test_every_image_is_in_one_shard(of: int) -> None:
    shards = [Shard.parse(f"{number}/{of}") for number in range(1, of + 1)]
    assert [sum(shard.has(i) for shard in shards) for i in range(23)] == [1] * 23


def test_no_manifests_to_merge(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="but got none"):
        merge_manifests(tmp_path)
