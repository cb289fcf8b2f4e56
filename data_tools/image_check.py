"""All files of a data set looked at before the first is used: in parallel, remembered, reported."""

from __future__ import annotations

import os
import threading
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TypeVar

from data_tools.facts_cache import cache_file, read_cache, write_cache
from data_tools.image_facts import ENDS, Facts, hash_whole, look
from data_tools.picture import Mode

Told = Callable[[int, int], None]
"""Called with the number of files done and the number of all, from one thread at a time."""

THREADS = 16  # most of the time goes by waiting for a disk or a network
CHUNK = 32
OUTSIDE = "it lies outside of"

T = TypeVar("T")


@dataclass(frozen=True)
class Checked:
    """What is known of some files.

    Attributes:
        facts: By path, as the path was given.
        first: Whether nothing was known of the files' folder before.
    """

    facts: Mapping[str, Facts]
    first: bool


def check_files(
    paths: Sequence[str],
    mode: Mode,
    *,
    inside: str | None = None,
    decode: bool = False,
    hashes: bool = True,
    progress: Told | None = None,
) -> Checked:
    """Look at files, each once.

    Args:
        paths: The files.
        mode: How their pixels will be read.
        inside: Folder that each must lie in, links followed; None for anywhere.
        decode: Decode all of each, not only look at header and end.
        hashes: Hash the whole of files that may be equal: their sizes and both ends are.
        progress: Told how far it is.
    """
    distinct = list(dict.fromkeys(paths))
    if not distinct:
        return Checked({}, False)
    place = cache_file(distinct, mode)
    kept = read_cache(place)
    known = kept or {}
    absolute = {path: os.path.abspath(path) for path in distinct}
    inner = None if inside is None else _Inside(inside)

    def look_at(path: str) -> Facts:
        if inner is not None and not inner.holds(path):
            return Facts(reason=f"{OUTSIDE} {inside}", lasting=False)
        return look(path, mode, decode, known.get(absolute[path]))

    facts = dict(zip(distinct, _in_parallel(look_at, distinct, progress), strict=True))
    if hashes:
        alike = Counter(one.ends for one in facts.values() if not one.reason)
        wanted = [
            path
            for path, one in facts.items()
            if alike[one.ends] > 1 and one.size > 2 * ENDS and not one.whole
        ]
        for path, whole in zip(wanted, _in_parallel(hash_whole, wanted, None), strict=True):
            facts[path] = replace(facts[path], whole=whole)
    new = {absolute[path]: one for path, one in facts.items()}
    if any(known.get(path) != one for path, one in new.items()):
        write_cache(place, {**known, **new})
    return Checked(facts, kept is None)


class _Inside:
    """Whether files lie in a folder once all links are followed."""

    def __init__(self, folder: str) -> None:
        self.top = os.path.realpath(folder)
        self._parents: dict[str, str] = {}

    def holds(self, path: str) -> bool:
        parent, name = os.path.split(path)
        real = self._parents.get(parent)
        if real is None:
            real = self._parents[parent] = os.path.realpath(parent)
        real = os.path.join(real, name)
        if name in ("", ".", "..") or os.path.islink(real):
            real = os.path.realpath(path)
        return os.path.commonpath([real, self.top]) == self.top


def _in_parallel(
    work: Callable[[str], T], paths: Sequence[str], progress: Told | None
) -> Iterator[T]:
    """What ``work`` gives for each path, in order; an interrupt ends it at once."""
    chunks = [paths[start : start + CHUNK] for start in range(0, len(paths), CHUNK)]
    stopped = threading.Event()

    def some(chunk: Sequence[str]) -> list[T]:
        return [work(path) for path in chunk if not stopped.is_set()]

    done = 0
    with warnings.catch_warnings(), ThreadPoolExecutor(THREADS) as pool:
        warnings.simplefilter("ignore")  # Pillow's on damaged files, which are reported by name
        try:
            for results in pool.map(some, chunks):
                yield from results
                done += len(results)
                if progress is not None:
                    progress(done, len(paths))
        finally:
            stopped.set()
            pool.shutdown(cancel_futures=True)
