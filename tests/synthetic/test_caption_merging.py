"""Captions are one exactly where their normalised texts are, however they are spelt or listed."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from data_tools.input_spec import InputSpec
from data_tools.synthetic_set import SyntheticSet, normalised_caption
from supcon_ext.synthetic.defect import Defect
from supcon_ext.synthetic.judging import judge_captions
from supcon_ext.synthetic.listing import ListedRow

WORDS = st.sampled_from(["a", "A", "photo", "PHOTO", "\ufb01sh", "fish", "Straße", "STRASSE"])
HARD = st.sampled_from("éÉ\u0301\u0345\u0327\u1fb7\u0390ßİ½™")
BLANKS = st.text(st.sampled_from(" \t\n\u00a0\u3000"), min_size=1, max_size=3)
TEXTS = st.one_of(
    st.text(max_size=8),
    st.lists(WORDS, max_size=4).flatmap(
        lambda words: st.lists(BLANKS, min_size=len(words), max_size=len(words)).map(
            lambda blanks: "".join(a + b for a, b in zip(blanks, words, strict=True))
        )
    ),
)
LISTS = st.lists(TEXTS, max_size=12)


def as_set(captions: list[str]) -> SyntheticSet:
    images = np.zeros((len(captions), 1, 1, 1), np.uint8)
    spec = InputSpec("image", 1, "uint8", (1, 1), 255.0)
    return SyntheticSet.of(images, spec, ("x",), captions=captions)


def judged(captions: list[str], groups: list[str], kept: list[bool]) -> dict[str, list[Defect]]:
    rows = [
        ListedRow(f"line {n}", f"{n}.png", caption=text, group=group)
        for n, (text, group) in enumerate(zip(captions, groups, strict=True))
    ]
    defects: list[Defect] = []
    judge_captions(rows, np.array(kept, dtype=bool), defects)
    return {kind: [d for d in defects if d.kind == kind] for kind in ("merged", "lone")}


@given(TEXTS | st.text(HARD, max_size=4))
def test_normalising_is_done_once(text: str) -> None:
    once = normalised_caption(text)
    assert normalised_caption(f"  {once}\n") == once


@given(LISTS)
def test_equal_exactly_where_the_normalised_texts_are(captions: list[str]) -> None:
    made = as_set(captions)
    texts = [normalised_caption(text) for text in captions]
    assert made.captions == tuple(sorted(set(texts) - {""}))
    for text, place in zip(texts, made.caption.tolist(), strict=True):
        assert (place == -1) if not text else (made.captions[place] == text)


@given(LISTS, st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_nothing(captions: list[str], draws: object) -> None:
    order = list(range(len(captions)))
    draws.shuffle(order)  # type: ignore[attr-defined]
    made, other = as_set(captions), as_set([captions[n] for n in order])
    assert made.captions == other.captions
    assert made.caption[order].tolist() == other.caption.tolist()


@given(LISTS, LISTS)
def test_parts_joined_are_as_if_listed_together(first: list[str], second: list[str]) -> None:
    joined = SyntheticSet.cat([as_set(first), as_set(second)])
    whole = as_set(first + second)
    assert joined.captions == whole.captions
    assert joined.caption.tolist() == whole.caption.tolist()


@given(LISTS)
def test_what_is_told_of_merged_captions(captions: list[str]) -> None:
    """Each row is a caption of its own, as in StableRep's lists."""
    told = judged(captions, [str(n) for n in range(len(captions))], [True] * len(captions))
    texts = [text for text in map(normalised_caption, captions) if text]
    again = {text for text in texts if texts.count(text) > 1}
    assert {d.what.rsplit(", again in", 1)[0] for d in told["merged"]} == {f"`{t}`" for t in again}
    assert sorted(d.what for d in told["lone"]) == sorted(f"`{t}`" for t in set(texts) - again)


@given(LISTS, st.data())
def test_lone_captions_are_counted_among_what_is_kept(
    captions: list[str], data: st.DataObject
) -> None:
    kept = data.draw(st.lists(st.booleans(), min_size=len(captions), max_size=len(captions)))
    told = judged(captions, [""] * len(captions), kept)
    texts = [normalised_caption(t) for t, keep in zip(captions, kept, strict=True) if keep]
    alone = {text for text in texts if text and texts.count(text) == 1}
    assert {d.what for d in told["lone"]} == {f"`{text}`" for text in alone}


def test_by_hand() -> None:
    cats = ["A  Photo\tof a cat", "a photo of a CAT ", "a photo of a cats"]
    made = as_set([*cats, "", " \n", "\ufb01sh", "FISH", "Caf\u00e9", "cafe\u0301"])
    assert made.captions == ("a photo of a cat", "a photo of a cats", "caf\u00e9", "fish")
    assert made.caption.tolist() == [0, 0, 1, -1, -1, 3, 3, 2, 2]
