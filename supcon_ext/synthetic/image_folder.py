"""A folder of images that are being made: where each lies, what is said of it, what is done.

Images are whole or not there. A manifest gets a line as each is made, and is made anew, of the
images that are there, when the work goes on and when it ends, so that it is the same however often
it was broken off.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data_tools.whole_file import DRAFT, DRAFT_END, remove_drafts, whole_file, write_whole
from supcon_ext.experiment.lock import lock

MANIFEST = "manifest.jsonl"
SETTINGS = "settings.json"
STATE = ".state"
IMAGES = "images"
DONE = "done.json"


@dataclass(frozen=True, slots=True)
class Shard:
    """One part of the work: images whose number leaves a remainder.

    Attributes:
        number: From 1.
        of: How many there are.
    """

    number: int = 1
    of: int = 1

    @staticmethod
    def parse(text: str) -> Shard:
        """``2/8``.

        Raises:
            ValueError: It is no such text.
        """
        match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
        if match is None or not 1 <= int(match[1]) <= int(match[2]):
            raise ValueError(f"Expected a shard as 1/4, from 1 to all of them, but got {text}.")
        return Shard(int(match[1]), int(match[2]))

    def has(self, number: int) -> bool:
        """Whether the image of this number is its."""
        return number % self.of == self.number - 1

    @property
    def name(self) -> str:
        """``2-of-8``."""
        return f"{self.number}-of-{self.of}"

    @property
    def manifest(self) -> str:
        """The file that tells of its images."""
        return MANIFEST if self.of == 1 else f"manifest-{self.name}.jsonl"


WHOLE = Shard()


@dataclass(frozen=True, slots=True)
class Wanted:
    """One image that is to be made.

    Attributes:
        path: Below the folder.
        what: A class by its place, or a caption.
        k: Which of its images.
        told: What its line in the manifest says.
    """

    path: str
    what: int | str
    k: int
    told: Mapping[str, Any]


def caption_folder(text: str) -> str:
    """A name that follows from a caption alone, and tells it to people."""
    words = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:40].strip("-")
    return f"{words or 'caption'}-{hashlib.sha256(text.encode()).hexdigest()[:10]}"


class ImageFolder:
    """Images of one shard, in a folder that shards may share.

    Args:
        folder: It.
        shard: Which part of the work this process does.
        wanted: The images of the part, in the order of the manifest.
    """

    def __init__(self, folder: Path, shard: Shard, wanted: Sequence[Wanted]) -> None:
        self.folder = folder
        self.shard = shard
        self.wanted = wanted
        self.state = folder / STATE / shard.name
        self._refused = self.state / "refused.jsonl"
        self.refused: set[str] = set()

    @contextmanager
    def opened(self, settings: Mapping[str, Any]) -> Iterator[list[Wanted]]:
        """Own the shard: gives the images that are not there yet.

        Args:
            settings: All that decides the images; those of before must be the same.

        Raises:
            CannotStart: Another process is at work on the shard.
            ValueError: The folder was begun with other settings.
        """
        self._check(settings)
        self.state.mkdir(parents=True, exist_ok=True)
        with lock(self.state):
            (self.folder / IMAGES).mkdir(exist_ok=True)
            if not (self.folder / SETTINGS).exists():
                write_whole(self.folder / SETTINGS, json.dumps(settings, indent=2) + "\n")
            for parent in {(self.folder / wanted.path).parent for wanted in self.wanted}:
                parent.mkdir(parents=True, exist_ok=True)
            self._remove_own_drafts()
            (self.state / DONE).unlink(missing_ok=True)
            self.refused = _whole_lines(self._refused, "path")
            self._write_manifest()
            yield [w for w in self.wanted if not self._there(w) and w.path not in self.refused]
            self._write_manifest()
            done = {"images": self._count(), "refused": len(self.refused)}
            told = {**done, "wanted": len(self.wanted)}
            write_whole(self.state / DONE, json.dumps(told) + "\n")

    def add(self, wanted: Wanted, image: Any) -> None:
        """Keep one image, or that it was refused, where it is None.

        Args:
            wanted: What it is.
            image: Of Pillow.
        """
        if image is None:
            self.refused.add(wanted.path)
            _append(self._refused, {"path": wanted.path})
            return
        with whole_file(self.folder / wanted.path) as draft:
            image.save(draft, format="PNG")
        _append(self.folder / self.shard.manifest, wanted.told)

    def _check(self, settings: Mapping[str, Any]) -> None:
        place = self.folder / SETTINGS
        if self.folder.exists() and not self.folder.is_dir():
            raise ValueError(f"Expected a folder, but {self.folder} is a file.")
        if not place.exists():
            if self.folder.is_dir() and any(p.name != STATE for p in self.folder.iterdir()):
                raise ValueError(
                    f"Expected a new folder or one that this command began, but {self.folder} "
                    "holds something else. Try: another folder"
                )
            return
        before = json.loads(place.read_text(encoding="utf-8"))
        now = json.loads(json.dumps(settings))
        differ = [
            f"{name} {before.get(name)!r} and now {now.get(name)!r}"
            for name in sorted({*before, *now})
            if before.get(name) != now.get(name)
        ]
        if differ:
            raise ValueError(
                f"Expected the settings that {self.folder} was begun with, but they differ: "
                f"{'; '.join(differ)[:400]}. Try: another folder"
            )

    def _remove_own_drafts(self) -> None:
        """What killed processes left of this shard's files; others may be writing theirs."""
        remove_drafts(self.state)
        files = [self.folder / SETTINGS, self.folder / self.shard.manifest]
        own = {*files, *(self.folder / wanted.path for wanted in self.wanted)}
        for parent in {file.parent for file in own}:
            for draft in parent.glob(f".*{DRAFT_END}*"):
                told = DRAFT.fullmatch(draft.name)
                if told is not None and parent / (told["stem"] + told["suffix"]) in own:
                    draft.unlink(missing_ok=True)

    def _there(self, wanted: Wanted) -> bool:
        return (self.folder / wanted.path).is_file()

    def _count(self) -> int:
        return sum(map(self._there, self.wanted))

    def _write_manifest(self) -> None:
        lines = [_line(wanted.told) for wanted in self.wanted if self._there(wanted)]
        write_whole(self.folder / self.shard.manifest, "".join(lines))


def merge_manifests(folder: Path) -> int:
    """Make one manifest of those of all shards; gives how many images it tells of.

    Raises:
        ValueError: There are none, or a shard is missing or not finished.
    """
    found = {}
    for place in sorted(folder.glob("manifest-*-of-*.jsonl")):
        match = re.fullmatch(r"manifest-(\d+)-of-(\d+)", place.stem)
        if match is not None:
            found[Shard(int(match[1]), int(match[2]))] = place
    sizes = {shard.of for shard in found}
    if len(sizes) != 1:
        told = " and ".join(map(str, sorted(sizes))) or "none"
        raise ValueError(
            f"Expected the manifests of all shards of one number in {folder}, but got {told}. "
            "Try: supcon generate ... --shard 1/2, then 2/2"
        )
    shards = [Shard(number + 1, of) for of in sizes for number in range(of)]
    open_ = [
        shard.name
        for shard in shards
        if shard not in found or not (folder / STATE / shard.name / DONE).is_file()
    ]
    if open_:
        raise ValueError(
            f"Expected all shards to be finished in {folder}, but {', '.join(open_[:10])} "
            f"{'is' if len(open_) == 1 else 'are'} not. Try: the same command with --shard"
        )
    lines = [
        line
        for shard in shards
        for line in found[shard].read_text(encoding="utf-8").splitlines(keepends=True)
    ]
    lines.sort(key=lambda line: _order(json.loads(line)))
    write_whole(folder / MANIFEST, "".join(lines))
    return len(lines)


def in_order(wanted: Sequence[Wanted]) -> list[Wanted]:
    """As the manifest has them: by caption or class, then by number."""
    return sorted(wanted, key=lambda one: _order(one.told))


def _order(told: Mapping[str, Any]) -> tuple[str, str, int]:
    return told.get("caption", ""), told.get("class", ""), told["k"]


def _line(told: Mapping[str, Any]) -> str:
    return json.dumps(told, ensure_ascii=False) + "\n"


def _append(place: Path, told: Mapping[str, Any]) -> None:
    """Add one line in one write."""
    opened = os.open(place, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(opened, _line(told).encode())
    except OSError as error:
        raise OSError(error.errno, os.strerror(error.errno or 0), str(place)) from error
    finally:
        os.close(opened)


def _whole_lines(place: Path, key: str) -> set[str]:
    """A value of each line that was written whole; a line that a kill cut off is taken away."""
    if not place.is_file():
        return set()
    whole, _, cut = place.read_text(encoding="utf-8").rpartition("\n")
    if cut:
        write_whole(place, whole + "\n" if whole else "")
    return {json.loads(line)[key] for line in whole.splitlines()}
