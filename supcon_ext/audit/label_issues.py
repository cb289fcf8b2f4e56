"""The audit in one line of work: which labels of arrays, pictures or vectors look wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from data_tools.given_data import splits_of
from data_tools.given_part import plain_labels
from data_tools.picture import Mode
from data_tools.registry import family
from data_tools.samples import IntArray, SampleSet
from data_tools.vector_rows import gather_vectors
from supcon_ext.audit.suspicion import Verdict
from supcon_ext.audit.two_witnesses import judge
from supcon_ext.embed.encoder import find_encoder
from supcon_ext.experiment.checked_parts import view_of
from supcon_ext.feed.choice import feed_of
from supcon_ext.progress.counted_progress import CountedProgress
from supcon_ext.selectors.base import SampleBank
from supcon_ext.selectors.named_rules import Rule, rules_of

if TYPE_CHECKING:
    import pandas

NEIGHBOURS = 30
BATCH = 256


@dataclass(frozen=True)
class LabelIssues:
    """What neighbours and a linear head say of N given labels, in the order of the samples.

    Attributes:
        rank: ``(N,)`` int64 place of each sample by suspicion; 0 is the most suspicious.
        order: ``(N,)`` int64 the samples, the most suspicious first.
        flagged: ``(N,)`` bool, another label is likelier, were all classes as large too
            (of a rule of wrong labels: another one is likelier).
        given: ``(N,)`` the given labels.
        suggested: ``(N,)`` the likeliest label; the given one where it is not flagged.
        confidence: ``(N,)`` float64 in (0, 1), probability of ``suggested``.
        trust: ``(N,)`` float64 in (0, 1), probability of ``given``.
        neighbours: ``(N, 5)`` int64 nearest samples of another label, -1 where there are fewer.
        rules: Which classes carry which other label as a rule, as far as one was seen.
    """

    rank: IntArray
    order: IntArray
    flagged: npt.NDArray[np.bool_]
    given: npt.NDArray[Any]
    suggested: npt.NDArray[Any]
    confidence: npt.NDArray[np.float64]
    trust: npt.NDArray[np.float64]
    neighbours: IntArray
    rules: tuple[Rule, ...] = ()

    def __len__(self) -> int:
        """How many labels look wrong."""
        return int(self.flagged.sum())

    def __repr__(self) -> str:
        return f"LabelIssues({len(self):,} of {len(self.given):,} labels look wrong)"

    def frame(self) -> pandas.DataFrame:
        """A row for each sample, the most suspicious first; the index is its place."""
        import pandas

        names = ("flagged", "given", "suggested", "confidence", "trust")
        columns = {name: getattr(self, name)[self.order] for name in names}
        return pandas.DataFrame(columns, index=pandas.Index(self.order, name="sample"))


def find_label_issues(
    X: Any,
    y: Any,
    *,
    encoder: Any = None,
    neighbours: int = NEIGHBOURS,
    mode: Mode = "rgb",
    search: Literal["exact", "faiss"] = "exact",
) -> LabelIssues:
    """Find the labels that look wrong, by what nearest neighbours and a linear head say.

    Each sample's nearest by cosine vote on its label, in two rounds, and a linear head that was
    fitted on other samples is heard beside them, as in ``supcon audit``: a sample never judges
    itself, and a rare class is not outvoted by its size alone. No label is changed. See
    :func:`~supcon_ext.audit.two_witnesses.judge`.

    Args:
        X: ``(N, F)`` vectors, best those of a good encoder; or, with ``encoder``, pictures
            ``(N, H, W)`` or ``(N, H, W, C)``, or a list of pictures or of paths.
        y: ``(N,)`` given labels, whole numbers or texts.
        encoder: Of pictures: ``timm:NAME``, a finished run, or a registered backbone; or an object
            whose ``embed(X)`` gives vectors. None: ``X`` is vectors.
        neighbours: At most this many vote on a sample, and no more than half as many as its given
            class has.
        mode: How files and Pillow's pictures are read: ``rgb``, ``grey`` or ``stored``.
        search: How neighbours are searched: ``exact`` or ``faiss``.

    Raises:
        ValueError: Samples, labels or encoder cannot be used.

    Example:
        >>> from sklearn.datasets import load_digits
        >>> x, y = load_digits(return_X_y=True)
        >>> issues = find_label_issues(x, y)
        >>> worst = issues.order[:10]        # look at these first
    """
    if neighbours < 1:
        raise ValueError(f"Expected at least 1 of argument `neighbours`, but got {neighbours}.")
    if hasattr(encoder, "embed"):
        X = np.asarray(encoder.embed(X))
    elif encoder is not None and not isinstance(encoder, str):
        raise ValueError(
            "Expected the name of an encoder, or an object with a method `embed`, of argument "
            f"`encoder`, but got {type(encoder).__name__}. Try: timm:resnet18"
        )
    names = np.asarray(plain_labels(y, "`y`")) if hasattr(y, "__len__") else y
    with CountedProgress("reading the data", "samples") as told:
        train = splits_of((X, names), mode=mode, told=told)[0].train
    if len(train) < 3 or len(train.classes) < 2:
        raise ValueError(
            f"Expected at least 3 samples of 2 classes, but got {len(train)} of "
            f"{len(train.classes)}."
        )
    vectors = _vectors(train, encoder)
    label = torch.from_numpy(train.label)
    bank = SampleBank(
        index=torch.arange(len(label)),
        label=label,
        classes=len(train.classes),
        z=functional.normalize(vectors, dim=1),
        search=search,
    )
    graph = bank.neighbours(min(neighbours, len(label) - 1))
    with CountedProgress("estimating which label each class is given", "fits") as told:
        verdict = judge(graph, vectors, label, bank.classes, progress=told)
    return _told(verdict, names, train)


def _told(verdict: Verdict, names: npt.NDArray[Any], train: SampleSet) -> LabelIssues:
    order = verdict.order().numpy()
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    called = np.asarray(train.classes).astype(names.dtype)
    return LabelIssues(
        rank=rank,
        order=order,
        flagged=verdict.flagged.numpy(),
        given=names,
        suggested=called[verdict.suggested.numpy()],
        confidence=verdict.confidence.numpy(),
        trust=1 - verdict.suspicion.numpy(),
        neighbours=verdict.disagreeing.numpy(),
        rules=tuple(rules_of(verdict.transition, train.classes)),
    )


def _vectors(train: SampleSet, encoder: Any) -> Tensor:
    """``(N, F)`` float32 of the samples: themselves, or what an encoder makes of them."""
    if train.spec.kind == "vector":
        if isinstance(encoder, str):
            raise ValueError(
                f"Expected pictures for encoder {encoder}, but got vectors. Try: encoder=None"
            )
        rows = gather_vectors(train.samples, np.arange(len(train)), 0)
        return torch.from_numpy(np.ascontiguousarray(rows[:, 0], np.float32))
    if encoder is None:
        raise ValueError(
            "Expected an encoder of pictures, or vectors, but got pictures alone. "
            "Try: encoder='timm:resnet18', or a run of your own"
        )
    made = find_encoder(encoder)(train.spec.channels)
    view = view_of(made.settled(family("policy").spec("none")), made.context(train.spec))
    feed, found, done = feed_of(train), [], 0
    with CountedProgress("embedding", "images") as told, torch.inference_mode():
        for x, _ in feed.plain(train, view, torch.arange(len(train)), BATCH, None):
            found.append(made.network(x).float())
            done += len(x)
            told(done, len(train))
    return torch.cat(found).clone()
