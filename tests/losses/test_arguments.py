"""Every argument in every near-miss shape and type: taken as it is meant, or refused by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from supcon_ext.losses import PairTile, Rows, Source, SupConLoss
from supcon_ext.losses.khosla import KhoslaLoss
from supcon_ext.losses.mask import MaskRule
from supcon_ext.losses.queue import KeyQueue
from supcon_ext.losses.supcon import SameLabel
from supcon_ext.selectors.base import SampleBank, Selection
from supcon_ext.selectors.multilabel import Jaccard, Overlap

Y = [0, 0, 1, 1, 2, 2]
LABELS = torch.tensor(Y)
Z = torch.randn(6, 2, 4, generator=torch.Generator().manual_seed(0))
FLAT = Z[:, 0]
ONE_HOT = torch.eye(3)[LABELS]
SAME = LABELS[:, None] == LABELS[None, :]
EXPECTED = SupConLoss()(Z, LABELS)
SIMCLR = SupConLoss()(Z)

LABELS_TAKEN: dict[str, Any] = {
    "a list": Y,
    "a tuple": tuple(Y),
    "numpy": np.array(Y),
    "numpy int32": np.array(Y, np.int32),
    "numpy uint8": np.array(Y, np.uint8),
    "numpy, read only": np.frombuffer(np.array(Y).tobytes(), np.int64),
    "numpy, backwards": np.array(Y[::-1])[::-1],
    "a series": pd.Series(Y),
    "tensors in a list": list(LABELS),
    "a column": LABELS[:, None],
    "a numpy column": np.array(Y)[:, None],
    "lists of one": [[label] for label in Y],
    **{str(kind): LABELS.to(kind) for kind in (torch.int32, torch.int16, torch.int8, torch.uint8)},
    "other numbers": LABELS * 1_000_000_007,
    "strided": torch.stack([LABELS, LABELS], 1)[:, 0],
}


@pytest.mark.parametrize("name", list(LABELS_TAKEN))
def test_labels_that_are_taken(name: str) -> None:
    assert torch.equal(SupConLoss()(Z, LABELS_TAKEN[name]), EXPECTED)
    assert torch.equal(Rows.of(FLAT, torch.as_tensor(Y)).label, LABELS)
    assert EXPECTED != SIMCLR


def test_truth_values_are_two_classes() -> None:
    flags = LABELS > 0
    assert torch.equal(SupConLoss()(Z, flags), SupConLoss()(Z, flags.long()))
    assert torch.equal(SupConLoss()(Z, flags.tolist()), SupConLoss()(Z, flags.long()))


def test_unknown_labels_are_simclr() -> None:
    torch.testing.assert_close(SupConLoss()(Z, [-1] * 6), SIMCLR)


Z_TAKEN: dict[str, Tensor] = {
    "half": Z.half(),
    "bfloat16": Z.bfloat16(),
    "double": Z.double(),
    "strided": torch.stack([Z, Z], 3)[..., 0],
    "with gradient": Z.clone().requires_grad_(),
}


@pytest.mark.parametrize("name", list(Z_TAKEN))
def test_features_that_are_taken(name: str) -> None:
    found = SupConLoss()(Z_TAKEN[name], Y)
    torch.testing.assert_close(found.float(), EXPECTED, rtol=0.02, atol=0.02)


def loss(*args: Any, **kwargs: Any) -> Callable[[], Any]:
    return lambda: SupConLoss()(*args, **kwargs)


def details(**kwargs: Any) -> Callable[[], Any]:
    return lambda: SupConLoss().details(Z, Y, **kwargs)


def made(**kwargs: Any) -> Callable[[], Any]:
    return lambda: SupConLoss(**kwargs)


def capped(seed: Any) -> Callable[[], Any]:
    return lambda: SupConLoss(positives_cap=1)(Z, Y, cap_seed=seed)


def khosla(*args: Any, **kwargs: Any) -> Callable[[], Any]:
    return lambda: KhoslaLoss()(*args, **kwargs)


def views(*args: Any, **kwargs: Any) -> Callable[[], Any]:
    return lambda: Rows.of(*args, **kwargs)


def bank(**kwargs: Any) -> Callable[[], Any]:
    usual = {"index": torch.arange(6), "label": LABELS, "classes": 3}
    return lambda: SampleBank(**(usual | kwargs))


def selection(**kwargs: Any) -> Callable[[], Any]:
    usual = {"label": LABELS, "trust": torch.ones(6)}
    return lambda: Selection.of(**(usual | kwargs))


class Answers:
    """A rule that answers what it is told to."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def targets(self, pairs: PairTile) -> Any:
        return self.answer


KEYS = Rows.of(FLAT, Y, uid=-1 - torch.arange(6), index=torch.arange(50, 56))
NAN = FLAT.clone().index_fill_(0, torch.tensor(1), torch.nan)
FEATURES = ["features"]

REFUSED: dict[str, tuple[Callable[[], Any], list[str]]] = {
    # features
    "features numpy": (loss(Z.numpy(), Y), ["features", "tensor of shape", "numpy array, float32"]),
    "features list": (loss(Z.tolist(), Y), ["features", "tensor of shape", "list"]),
    "features None": (loss(None, Y), ["features", "NoneType"]),
    "features ints": (loss(torch.ones(6, 4, dtype=torch.int64)), ["features", "float", "int64"]),
    "features 1-D": (loss(torch.ones(6), Y), ["features", "(samples, views, dim)", "(6,)"]),
    "features 4-D": (loss(torch.ones(6, 2, 2, 2), Y), ["features", "(6, 2, 2, 2)"]),
    "features without rows": (loss(torch.ones(0, 4)), ["features", "non-empty", "(0, 4)"]),
    "features without views": (loss(torch.ones(6, 0, 4), Y), ["features", "non-empty"]),
    "features without numbers": (loss(torch.ones(6, 0), Y), ["features", "non-empty"]),
    "features complex": (loss(Z.cfloat(), Y), ["features", "float type", "complex64"]),
    "features bool": (loss(Z > 0, Y), ["features", "float type", "bool"]),
    "features sparse": (loss(FLAT.to_sparse(), Y), ["features", "dense"]),
    "features NaN": (loss(NAN, Y), ["finite `features`", "1 of 6 rows"]),
    "features zero": (loss(FLAT * 0, Y), ["features", "zero vectors", "6 of 6"]),
    # labels
    "labels short": (loss(Z, Y[:5]), ["labels", "shape (6,)", "(5,)"]),
    "labels long": (loss(Z, [*Y, 1]), ["labels", "shape (6,)", "(7,)"]),
    "labels by row": (loss(Z, [*Y, *Y]), ["labels", "shape (6,)", "(12,)"]),
    "labels empty": (loss(Z, []), ["labels", "shape (6,)", "(0,)"]),
    "labels a number": (loss(Z, 1), ["labels", "int 1"]),
    "labels a scalar": (loss(Z, torch.tensor(1)), ["labels", "shape (6,)", "()"]),
    "labels a text": (loss(Z, "cat"), ["labels", "str 'cat'"]),
    "labels texts": (loss(Z, ["cat"] * 6), ["labels", "list"]),
    "labels numpy texts": (loss(Z, np.array(["cat"] * 6)), ["labels", "numpy array"]),
    "labels mixed": (loss(Z, [0, "1", 2, 3, 4, 5]), ["labels", "list"]),
    "labels ragged": (loss(Z, [[0], [1, 2], [0], [0], [0], [0]]), ["labels", "list"]),
    "labels None inside": (loss(Z, [None] * 6), ["labels", "list"]),
    "labels too large": (loss(Z, [2**70] * 6), ["labels", "list"]),
    "labels a dict": (loss(Z, {"a": 1}), ["labels", "dict"]),
    "labels float": (loss(Z, LABELS.float()), ["integer `labels`", "float32", "labels.long()"]),
    "labels floats": (loss(Z, [0.0] * 6), ["integer `labels`", "float32"]),
    "labels numpy float": (loss(Z, np.zeros(6)), ["integer `labels`", "float64"]),
    "labels float column": (loss(Z, LABELS[:, None].float()), ["integer `labels`", "float32"]),
    "labels complex": (loss(Z, LABELS.cfloat()), ["integer `labels`", "complex64"]),
    "labels elsewhere": (
        loss(Z, LABELS.to("meta")),
        ["labels", "device cpu", "meta", ".to("],
    ),
    "labels one-hot": (loss(Z, ONE_HOT), ["labels", "(6,)", "SameLabel", "(6, 3)", "argmax"]),
    "labels one-hot ints": (loss(Z, ONE_HOT.long()), ["labels", "(6,)", "SameLabel"]),
    "labels of both views": (loss(Z, LABELS[:, None].repeat(1, 2)), ["labels", "SameLabel"]),
    "labels 3-D": (loss(Z, LABELS[:, None, None]), ["labels", "shape (6,)", "(6, 1, 1)"]),
    "labels a row": (loss(Z, LABELS[None]), ["labels", "shape (6,)", "(1, 6)"]),
    "labels below -1": (loss(Z, [-2, *Y[1:]]), ["labels of at least -1", "features", "2 of 12"]),
    "labels beside Rows": (loss(KEYS, Y), ["no `labels` beside `Rows`"]),
    "labels in Rows below -1": (loss(Rows.of(FLAT, LABELS - 5)), ["labels of at least -1"]),
    # mask
    "mask small": (loss(Z, mask=SAME[:5, :5]), ["mask", "(6, 6) or (12, 12)", "(5, 5)"]),
    "mask not square": (loss(Z, mask=SAME[:, :5]), ["mask", "(6, 5)"]),
    "mask 1-D": (loss(Z, mask=LABELS), ["mask", "(6,)"]),
    "mask complex": (loss(Z, mask=SAME.cfloat()), ["mask", "real", "complex64"]),
    "mask negative": (loss(Z, mask=-SAME.float()), ["mask", "at least 0"]),
    "mask NaN": (loss(Z, mask=SAME * torch.nan), ["mask", "at least 0"]),
    "mask infinite": (loss(Z, mask=SAME / 0), ["mask", "finite"]),
    "mask a text": (loss(Z, mask="same"), ["mask", "str 'same'"]),
    "mask elsewhere": (loss(Z, mask=SAME.to("meta")), ["mask", "device cpu", "meta"]),
    "mask and labels": (loss(Z, Y, mask=SAME), ["`mask` alone"]),
    "mask and Rows": (loss(KEYS, mask=SAME), ["`mask` alone"]),
    "mask rule 3-D": (lambda: MaskRule(torch.ones(2, 2, 2)), ["mask", "square", "(2, 2, 2)"]),
    "mask rule list": (lambda: MaskRule([[1]]), ["mask", "square", "list"]),  # type: ignore[arg-type]
    "mask rule by": (lambda: MaskRule(SAME, "rows"), ["`by`", "'index', 'uid'", "'rows'"]),
    # extra
    "extra a tensor": (loss(Z, Y, FLAT), ["`Rows`", "extra", "float32 (6, 4)", "Rows.of"]),
    "extra a list": (loss(Z, Y, [KEYS]), ["`Rows`", "extra", "list"]),
    "extra of other length": (
        loss(Z, Y, Rows.of(torch.ones(2, 3))),
        ["extra", "(K, 4)", "(2, 3)"],
    ),
    "extra elsewhere": (loss(Z, Y, Rows.of(FLAT.to("meta"))), ["extra", "on cpu", "meta"]),
    "extra with batch uid": (loss(Z, Y, Rows.of(FLAT, Y)), ["negative `uid`", "extra", "6 of 6"]),
    "extra NaN": (loss(Z, Y, KEYS.with_z(NAN)), ["finite `extra`", "1 of 6"]),
    # anchor_weight
    "anchor weight short": (
        details(anchor_weight=torch.ones(6)),
        ["anchor_weight", "(12,)"],
    ),
    "anchor weight a number": (details(anchor_weight=1.0), ["anchor_weight", "float 1.0"]),
    "anchor weight negative": (
        details(anchor_weight=torch.linspace(-1, 1, 12)),
        ["anchor_weight", "at least 0", "6 of 12"],
    ),
    "anchor weight NaN": (details(anchor_weight=[torch.nan] * 12), ["finite `anchor_weight`"]),
    "anchor weight complex": (
        details(anchor_weight=torch.ones(12).cfloat()),
        ["real `anchor_weight`", "complex64"],
    ),
    # settings of a call and of the loss
    **{
        f"cap_seed {seed!r}": (capped(seed), ["cap_seed", "whole number"])
        for seed in (1.5, "1", None, True, torch.tensor(1))
    },
    **{
        f"temperature {value!r}": (made(temperature=value), ["temperature", "above 0"])
        for value in (0, -1, torch.nan, torch.inf, "0.1", None, True, torch.tensor(0.1), [0.1])
    },
    **{
        f"{name} {value!r}": (made(**{name: value}), [f"`{name}`", "one of", "Try"])
        for name in ("form", "denominator", "anchors", "cap_sampling", "rejected", "reduction")
        for value in ("x", "", None, 1, ["out"], np.array(["out"]))
    },
    **{
        f"{name} {value!r}": (made(**{name: value}), [f"`{name}`", "one of", "Try"])
        for name in ("surplus", "empty")
        for value in ("OUT", None, True)
    },
    **{
        f"scale {value!r}": (made(scale=value), ["`scale`"])
        for value in ("tau", torch.nan, None, True, torch.tensor(1.0))
    },
    **{
        f"{name} {value!r}": (made(**{name: value}), [f"`{name}`", "whole number of at least"])
        for name in ("positives_cap", "tile")
        for value in (-1, 1.0, "3", True, torch.tensor(3))
    },
    **{
        f"normalize {value!r}": (made(normalize=value), ["`normalize`", "True or False"])
        for value in ("False", 0, None)
    },
    **{
        f"selector {value!r}": (made(selector=value), ["`selector`", "`targets`", "selector.make"])
        for value in ("label", SameLabel, 1, torch.ones(2))
    },
    **{
        f"weighting {name}": (made(weighting=value), ["`weighting`", "`columns` and `plan`"])
        for name, value in {"text": "balanced", "rule": SameLabel(), "number": 1}.items()
    },
    # Khosla's conventions
    "khosla numpy": (khosla(Z.numpy(), Y), ["features", "numpy array"]),
    "khosla 2-D": (khosla(FLAT, Y), ["features", "(samples, views, ...)", "(6, 4)"]),
    "khosla short": (khosla(Z, Y[:5]), ["labels", "(6,)", "(5,)"]),
    "khosla one-hot": (khosla(Z, ONE_HOT), ["labels", "(6,)", "(6, 3)"]),
    "khosla texts": (khosla(Z, ["a"] * 6), ["labels", "list"]),
    "khosla both": (khosla(Z, Y, SAME), ["`labels` or `mask`"]),
    "khosla mask": (khosla(Z, mask=SAME[:5]), ["mask", "(5, 6)"]),
    "khosla ints": (khosla(Z.long(), Y), ["features", "int64"]),
    "khosla tau": (lambda: KhoslaLoss("0.1"), ["temperature", "str"]),  # type: ignore[arg-type]
    "khosla base": (lambda: KhoslaLoss(0.1, torch.nan), ["base_temperature", "nan"]),
    "khosla mode": (lambda: KhoslaLoss(contrast_mode="first"), ["contrast_mode"]),  # type: ignore[arg-type]
    # Views
    "views 3-D": (views(Z), ["`z`", "(N, D)", "(6, 2, 4)"]),
    "views list": (views(FLAT.tolist()), ["`z`", "list"]),
    "views ints": (views(FLAT.long()), ["`z`", "floats", "int64"]),
    "views label short": (views(FLAT, Y[:5]), ["`label`", "(6,)", "(5,)"]),
    "views label column": (views(FLAT, LABELS[:, None]), ["`label`", "(6,)", "(6, 1)"]),
    "views label float": (views(FLAT, LABELS.float()), ["integer `label`", "float32"]),
    "views index float": (views(FLAT, index=[0.5] * 6), ["integer `index`", "float32"]),
    "views uid short": (views(FLAT, uid=[1]), ["`uid`", "(6,)", "(1,)"]),
    "views trust short": (views(FLAT, trust=torch.ones(5)), ["`trust`", "(6,)", "(5,)"]),
    "views trust text": (views(FLAT, trust="all"), ["`trust`", "str"]),
    "views source": (views(FLAT, source=9), ["Source", "int 9"]),
    "views source text": (views(FLAT, source="queue"), ["Source", "'queue'"]),
    "views column short": (
        views(FLAT, columns={"a": LABELS[:2]}),
        ["column `a`", "6 rows", "(2,)"],
    ),
    "views column list": (views(FLAT, columns={"a": Y}), ["column `a`", "list"]),
    "views column": (lambda: KEYS.column("colour"), ["column", "`colour`", "label, index"]),
    "views of nothing": (lambda: Rows.cat([]), ["parts", "no part"]),
    "views of two lengths": (lambda: Rows.cat([KEYS, Rows.of(Z[:, 0, :2])]), ["one length"]),
    "pair tile": (lambda: PairTile(KEYS, KEYS, torch.ones(6, 5)), ["similarity_AK", "(6, 6)"]),
    # the queue
    "queue size": (lambda: KeyQueue(0, 4), ["size", "at least 1"]),
    "queue dim": (lambda: KeyQueue(4, 1.5), ["dim", "1.5"]),  # type: ignore[arg-type]
    "queue keys": (lambda: KeyQueue(4, 3).push(FLAT, LABELS), ["keys", "(n, 3)", "(6, 4)"]),
    "queue index": (lambda: KeyQueue(4, 4).push(FLAT, LABELS[:2]), ["index", "(6,)", "(2,)"]),
    # what selectors see and say
    "bank label list": (bank(label=Y), ["`label` of the bank", "list"]),
    "bank label float": (bank(label=LABELS.float()), ["integer `label`"]),
    "bank index": (bank(index=torch.arange(5)), ["`index`", "(6,)", "(5,)"]),
    "bank classes": (bank(classes=0), ["classes", "at least 1"]),
    "bank features": (bank(features=torch.ones(5, 2)), ["`features` of the bank", "6 rows"]),
    "bank logits": (bank(logits=[[1]] * 6), ["`logits` of the bank", "list"]),
    "bank needs": (lambda: bank()().need("z"), ["`z` in the bank", "requires"]),
    "bank needs another": (lambda: bank()().need("colour"), ["`colour` in the bank"]),
    "selection label": (selection(label=Y), ["`label`", "list"]),
    "selection label float": (selection(label=LABELS.float()), ["integer `label`"]),
    "selection trust short": (selection(trust=torch.ones(5)), ["`trust`", "(6,)", "(5,)"]),
    "selection score": (selection(score=torch.ones(6, 2)), ["`score`", "(6,)", "(6, 2)"]),
    "selection posterior": (selection(posterior=torch.ones(6)), ["`posterior`", "(6, C)"]),
}


@pytest.mark.parametrize("name", list(REFUSED))
def test_arguments_that_are_refused(name: str) -> None:
    """In one sentence: what was expected of which argument, what came, what to try."""
    call, parts = REFUSED[name]
    with pytest.raises(ValueError) as raised:
        call()
    message = str(raised.value)
    assert message.startswith("Expected ") and "but " in message and "\n" not in message
    for part in parts:
        assert part in message


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (None, "of shape (12, 12), but got None"),
        ([[True]], "of shape (12, 12), but got"),
        (np.ones((12, 12)), "to be a Tensor, but got ndarray"),
        (torch.ones(12), "of shape (12, 12), but got (12,)"),
        (torch.ones(12, 12).cfloat(), "but got torch.complex64"),
    ],
)
@pytest.mark.parametrize("settings", [{}, {"form": "in"}, {"denominator": "one_positive"}])
def test_answers_of_a_selector(answer: Any, said: str, settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"^selector `Answers`: expected targets ") as raised:
        SupConLoss(selector=Answers(answer), **settings)(Z, Y)
    assert said in str(raised.value)


NO_HINT = {"views column"}


def test_every_refusal_says_what_to_try() -> None:
    for name, (call, _) in REFUSED.items():
        with pytest.raises(ValueError) as raised:
            call()
        assert name in NO_HINT or "Try: " in str(raised.value), name


@pytest.mark.parametrize("chosen", [Jaccard(), Overlap()])
@pytest.mark.parametrize("kind", [torch.float32, torch.int64, torch.bool, list, np.array])
def test_several_labels_for_a_selector_that_reads_them(chosen: Any, kind: Any) -> None:
    given = ONE_HOT.to(kind) if isinstance(kind, torch.dtype) else kind(ONE_HOT.tolist())
    found = SupConLoss(selector=chosen)(Z, given)
    torch.testing.assert_close(found, EXPECTED)
    one = SupConLoss(selector=chosen)(Z, torch.ones(6, 1))
    assert torch.allclose(one, SupConLoss()(Z, [0] * 6))  # (B, 1): one label that all have


@pytest.mark.parametrize("kind", [torch.bool, torch.int64, torch.float32, torch.float64, "list"])
def test_masks_that_are_taken(kind: Any) -> None:
    mask = SAME.tolist() if kind == "list" else SAME.to(kind)
    torch.testing.assert_close(SupConLoss()(Z, mask=mask), EXPECTED)
    torch.testing.assert_close(SupConLoss()(Z, mask=SAME.numpy()), EXPECTED)


def test_khoslas_labels_are_any_numbers() -> None:
    wanted = KhoslaLoss()(Z, LABELS)
    for given in (Y, np.array(Y), LABELS.float() / 3, LABELS[:, None], LABELS - 1, LABELS - 7):
        assert torch.equal(KhoslaLoss()(Z, given), wanted)


def test_views_take_lists_and_arrays() -> None:
    found = Rows.of(FLAT, Y, index=np.arange(6), uid=tuple(range(6)), trust=[1] * 6, source=2)
    assert torch.equal(found.label, LABELS) and found.trust.dtype == torch.float32
    assert found.source.tolist() == [Source.QUEUE] * 6
    weight = SupConLoss().details(Z, Y, anchor_weight=[1] * 12).loss
    assert torch.equal(weight, EXPECTED)
