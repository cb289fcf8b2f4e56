"""CaptionList to make images of: from a file, from templates, or from a function."""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from data_tools.plain_text import read_text
from data_tools.synthetic_set import normalised_caption

RELATIONS = (
    "in",
    "on",
    "next to",
    "behind",
    "in front of",
    "over",
    "under",
    "above",
    "below",
    "besides",
)
"""The relation words of SynCLR."""

TEMPLATES = ("concept", "background", "relation")
MOST = 1000
"""Characters of a caption."""


class Caption(NamedTuple):
    """What images are to be made of.

    Attributes:
        text: In words, normalised.
        concept: The class that it is of; empty where it is not known.
    """

    text: str
    concept: str = ""


class CaptionList(NamedTuple):
    """Distinct captions.

    Attributes:
        found: They, in the order in which they came.
        merged: How many more there were, equal to one of these.
    """

    found: tuple[Caption, ...]
    merged: int


def read_captions(path: Path) -> CaptionList:
    """CaptionList of a UTF-8 text file, one a line; blank lines are none.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is not UTF-8, has no caption, an overlong one, or one alone many times.
    """
    lines = lines_of(path, "caption")
    long = [number for number, text in lines if len(text) > MOST]
    if long:
        raise ValueError(
            f"Expected captions of at most {MOST} characters in {path}, but got a longer one in "
            f"line {long[0]}."
        )
    return merged((Caption(text) for _, text in lines), str(path))


def lines_of(path: Path, what: str) -> list[tuple[int, str]]:
    """The lines of a UTF-8 file that are not blank, with their numbers.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is not UTF-8, or has none.
    """
    numbered = enumerate(read_text(path).splitlines(), start=1)
    lines = [(number, line.strip()) for number, line in numbered if line.strip()]
    if not lines:
        raise ValueError(f"Expected a {what} in each line of {path}, but it is empty.")
    return lines


def from_template(
    template: str, concepts: Sequence[str], backgrounds: Sequence[str] = ()
) -> CaptionList:
    """CaptionList of concepts alone, before backgrounds, or in a relation to each other.

    Args:
        template: ``concept``: a photo of each. ``background``: each concept with each background.
            ``relation``: each concept with another one by each of the ten relation words of SynCLR.
        concepts: Names of things; they are the classes of the images.
        backgrounds: Of the second template.

    Raises:
        ValueError: A template that is not known, or lacks what it needs.
    """
    if template not in TEMPLATES:
        raise ValueError(f"Expected a template of {', '.join(TEMPLATES)}, but got {template}.")
    if template == "background" and not backgrounds:
        raise ValueError(
            "Expected backgrounds for the template background, but got none. Try: --backgrounds"
        )
    if template == "relation" and len(set(concepts)) < 2:
        raise ValueError("Expected two concepts at least for the template relation.")
    made: Iterable[Caption]
    if template == "concept":
        made = (Caption(f"a photo of {_a(one)}", one) for one in concepts)
    elif template == "background":
        made = (
            Caption(f"a photo of {_a(one)}, {ground} in the background", one)
            for one, ground in itertools.product(concepts, backgrounds)
        )
    else:
        made = _related(list(dict.fromkeys(concepts)))
    return merged(made, f"the template {template}")


def _related(concepts: Sequence[str]) -> Iterator[Caption]:
    """Each concept once by each relation word, to the others in turn."""
    for place, one in enumerate(concepts):
        others = [*concepts[place + 1 :], *concepts[:place]]
        for turn, word in enumerate(RELATIONS):
            yield Caption(f"a photo of {_a(one)} {word} {_a(others[turn % len(others)])}", one)


def from_function(path: str, concepts: Sequence[str]) -> CaptionList:
    """CaptionList that a function of the user's makes, a language model's say.

    Args:
        path: Dotted path of ``function(concept) -> list of texts``.
        concepts: Names of things; they are the classes of the images.

    Raises:
        ValueError: There is no such function, or it gives something else than texts.
    """
    module, _, name = path.rpartition(".")
    try:
        function: Callable[[str], Iterable[str]] = getattr(importlib.import_module(module), name)
    except Exception as error:  # whatever a module of the user's does
        raise ValueError(
            f"Expected the dotted path of a function, but `{path}` gives "
            f"{type(error).__name__}: {error}. Try: my_module.my_function"
        ) from error
    return merged(_told(function, path, concepts), f"`{path}`")


def _told(
    function: Callable[[str], Iterable[str]], path: str, concepts: Sequence[str]
) -> Iterator[Caption]:
    for one in concepts:
        texts = function(one)
        texts = [texts] if isinstance(texts, str) else list(texts)
        if not texts or not all(isinstance(text, str) and text.strip() for text in texts):
            raise ValueError(
                f"Expected texts of `{path}` for the concept {one}, but got {texts!r:.100}."
            )
        yield from (Caption(text, one) for text in texts)


def merged(captions: Iterable[Caption], where: str) -> CaptionList:
    """Distinct captions, compared by their normalised texts.

    Raises:
        ValueError: There are several, and all are the same.
    """
    found: dict[str, Caption] = {}
    count = 0
    for text, concept in captions:
        count += 1
        text = normalised_caption(text)
        found.setdefault(text, Caption(text, concept))
    if count > 1 and len(found) == 1:
        raise ValueError(
            f"Expected distinct captions in {where}, but all {count} are `{next(iter(found))}`."
        )
    return CaptionList(tuple(found.values()), count - len(found))


def _a(noun: str) -> str:
    return f"{'an' if noun[:1].lower() in 'aeiou' else 'a'} {noun}"
