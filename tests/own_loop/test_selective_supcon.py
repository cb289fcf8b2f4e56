"""Selectors and weightings in a loop of one's own: the numbers of a recipe's run, for every one."""

from __future__ import annotations

import copy
import io
import pickle
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from supcon_ext import SelectiveSupCon, parse_recipe, run
from supcon_ext.experiment import report
from supcon_ext.experiment.selection_watch import SelectionWatch
from supcon_ext.objectives.contrastive import Contrastive
from supcon_ext.training import loop as loops
from supcon_ext.training import refresh as refreshing
from supcon_ext.weightings import tsc
from tests.experiment.members import (
    EPOCHS,
    _written,
    given,
    members,
    recipe,
    stage,
    write_scores,
)

DIM = 8


@dataclass
class Stage:
    """What a stage of a run was told, and what it said."""

    start: dict[str, Any] = field(default_factory=dict)
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)


def queue_of(number: int) -> int:
    return 60 if number % 2 else 0


def stages(pairs: list[tuple[str, str]]) -> list[dict[str, Any]]:
    made = []
    for number, (selector, weighting) in enumerate(pairs):
        each = stage(number, selector, weighting, views={"policy": "none", "count": 2})
        each["objective"][0]["contrastive"] |= {"queue": queue_of(number), "mixup": 0.0}
        made.append({**each, "reset": [], "drop_last": True, "name": f"s{number}"})
    return made


def pairs_of(family_name: str) -> list[tuple[str, str]]:
    """Every member of a family, each with a usual one of the other."""
    if family_name == "selector":
        return [(name, "balanced") for name in members("selector")]
    return [("confident_pairs", name) for name in members("weighting")]


def recorded(pairs: list[tuple[str, str]], place: Path) -> list[Stage]:
    """One run of all pairs, a stage each; what its terms were told and said."""
    found: list[Stage] = []
    patch = pytest.MonkeyPatch()
    step, make_bank, start = Contrastive.forward, refreshing.make_bank, loops.start
    refresh = loops.refresh

    def starting(trainer: Any, saved: Any) -> Any:
        now = trainer.beliefs.now
        believed = {name: getattr(now, name) for name in ("label", "trust", "role", "posterior")}
        made = start(trainer, saved)
        term = made.objective.terms["contrastive"]
        given = trainer.beliefs.given
        found.append(
            Stage(
                copy.deepcopy(
                    {
                        **believed,
                        "term": term.state_dict(),
                        "given": given,
                        "columns": dict(now.columns),
                        "steps": made.steps,
                        "features": trainer.network.backbone.dim,
                        "truth": trainer.data.truth,
                    }
                )
            )
        )
        return made

    def banking(requires: Any, given: Any, classes: Any, now: Any, outputs: Any, *more: Any) -> Any:
        told: dict[str, Any] = {}

        def remembered() -> Any:
            made = outputs()
            told.update(features=made.features, z=made.z, logits=made.logits)
            return made

        peer = more[0]

        def peers() -> Any:
            told["peer_logits"] = peer()
            return told["peer_logits"]

        bank = make_bank(
            requires, given, classes, now, remembered, peers if peer else None, *more[1:]
        )
        found[-1].events.append(("epoch", told))
        return bank

    def refreshed(trainer: Any) -> Any:
        made = refresh(trainer)
        now = trainer.beliefs.now
        said = {name: getattr(now, name) for name in ("label", "trust", "role", "posterior")}
        found[-1].events[-1][1].update(said=copy.deepcopy(said))
        return made

    def stepping(self: Any, batch: Any) -> Any:
        weights = copy.deepcopy(dict(self.named_parameters()))
        made = step(self, batch)
        rows = batch.rows(None)
        vectors = batch.class_vectors
        keys = batch.twin_outputs().z if self.queue is not None else None
        told = {
            "weights": weights,
            "z": batch.outputs().z.detach().clone(),
            "index": rows.sample.clone(),
            "class_vectors": None if vectors is None else vectors.detach().clone(),
            "keys": keys,
            "loss": made.loss.detach().clone(),
        }
        found[-1].events.append(("step", told))
        return made

    patch.setattr(Contrastive, "forward", stepping)
    patch.setattr(refreshing, "make_bank", banking)
    patch.setattr(loops, "refresh", refreshed)
    patch.setattr(loops, "start", starting)
    patch.setattr(loops.Trainer, "save", lambda self: None)
    patch.setattr(SelectionWatch, "draw", lambda self: [])
    patch.setattr(report, "_draw", lambda *args: [])
    patch.setattr(report, "export_encoder", _written)
    patch.setattr(tsc, "STEPS", 20)
    patch.chdir(place)
    write_scores(place)
    try:
        run(parse_recipe(recipe(stages(pairs))), folder=place / "run")
    finally:
        patch.undo()
    assert len(found) == len(pairs)
    return found


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Stage]]:
    return {
        name: recorded(pairs_of(name), tmp_path_factory.mktemp(name))
        for name in ("selector", "weighting")
    }


@pytest.fixture
def _files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_scores(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tsc, "STEPS", 20)


def like(told: Stage, selector: str, weighting: str, queue: int) -> SelectiveSupCon:
    """The object of a loop that begins as a stage of a run did."""
    start = told.start
    made = SelectiveSupCon(
        start["given"],
        dim=DIM,
        features=start["features"],
        selector=given("selector", selector),
        weighting=given("weighting", weighting),
        epochs=EPOCHS,
        steps=start["steps"],
        columns=start["columns"],
        truth=start["truth"],
        queue=queue,
    )
    made.term.load_state_dict(start["term"])
    for name in ("label", "trust", "role"):
        getattr(made, name).copy_(start[name])
    made.posterior = start["posterior"]
    return made


def follow(own: SelectiveSupCon, events: list[tuple[str, dict[str, Any]]]) -> None:
    """Tell it what the run was told; it must say what the run said."""
    for what, told in events:
        if what == "epoch":
            assert own.wants <= told.keys()
            own.new_epoch(**{name: told[name] for name in own.wants})
            for name, expected in told["said"].items():
                found = getattr(own, name)
                assert (found is None) == (expected is None)
                if found is not None:
                    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
            continue
        with torch.no_grad():
            for name, weight in own.term.named_parameters():
                weight.copy_(told["weights"][name])
        loss = own(told["z"], told["index"], class_vectors=told["class_vectors"], keys=told["keys"])
        torch.testing.assert_close(loss.detach(), told["loss"], rtol=1e-4, atol=1e-5)


CASES = [
    (of, number, *pair)
    for of in ("selector", "weighting")
    for number, pair in enumerate(pairs_of(of))
]


@pytest.mark.usefixtures("_files")
@pytest.mark.parametrize(("of", "number", "selector", "weighting"), CASES)
def test_the_loss_and_the_selection_of_a_recipe_also_after_a_stop(
    of: str, number: int, selector: str, weighting: str, runs: dict[str, list[Stage]]
) -> None:
    told = runs[of][number]
    losses = [each["loss"] for what, each in told.events if what == "step"]
    assert len(losses) == EPOCHS * told.start["steps"] and all(map(torch.isfinite, losses))
    own = like(told, selector, weighting, queue_of(number))
    half = next(k for k, (what, _) in enumerate(told.events) if what == "epoch" and k) - 1
    follow(own, told.events[:half])
    file = io.BytesIO()
    torch.save(own.state_dict(), file)
    file.seek(0)
    other = like(told, selector, weighting, queue_of(number))
    other.load_state_dict(torch.load(file, weights_only=True))
    follow(other, told.events[half:])


def own(**changes: Any) -> SelectiveSupCon:
    settings: dict[str, Any] = {"dim": 4, "epochs": 2, **changes}
    return SelectiveSupCon(settings.pop("labels", [0, 0, 1, 1, 2, 2]), **settings)


def z(rows: int = 6) -> Tensor:
    return torch.randn(rows, 4, generator=torch.Generator().manual_seed(0))


def test_views_by_sample_and_rows_one_by_one_are_the_same() -> None:
    made, x = own(), z(12)
    made.new_epoch()
    by_sample = made(x.view(6, 2, 4), range(6))
    rows = made(x, torch.arange(6).repeat_interleave(2))
    torch.testing.assert_close(by_sample, rows)


def test_the_loss_trains_what_it_is_given() -> None:
    made = own(selector="gmm", weighting={"kind": "balanced", "hidden": 8}, features=5)
    logits = torch.randn(6, 3, generator=torch.Generator().manual_seed(1))
    said = made.new_epoch(logits=logits)
    assert said is not None and (made.trust == said.trust).all()
    x = z(12).view(6, 2, 4).requires_grad_()
    vectors = torch.randn(3, 5, requires_grad=True)
    made(x, torch.arange(6), class_vectors=vectors).backward()
    parts = [x, vectors, *made.parameters()]
    assert len(parts) > 2 and all(bool(part.grad.abs().sum() > 0) for part in parts)  # type: ignore[union-attr]


def test_rows_in_another_order_are_put_in_order() -> None:
    logits = torch.randn(6, 3, generator=torch.Generator().manual_seed(1))
    order = torch.tensor([3, 1, 5, 0, 2, 4])
    straight, mixed = own(selector="gmm"), own(selector="gmm")
    straight.new_epoch(logits=logits)
    mixed.new_epoch(logits=logits[order], index=order)
    assert (straight.trust == mixed.trust).all()


def test_nothing_is_wanted_where_no_selection_is_due() -> None:
    made = own(selector="gmm", refresh_every=2)
    assert made.wants == {"logits"}
    made.new_epoch(logits=torch.randn(6, 3))
    trust = made.trust.clone()
    assert made.wants == frozenset() and made.new_epoch() is None
    assert (made.trust == trust).all() and made.wants == {"logits"}


@pytest.mark.usefixtures("_files")
def test_it_can_be_copied_and_pickled() -> None:
    made = own(selector="aum", weighting="tsc")
    made.new_epoch(logits=torch.randn(6, 3))
    x = z(12).view(6, 2, 4)
    for other in (copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
        torch.testing.assert_close(
            other.eval()(x, range(6)), copy.deepcopy(made).eval()(x, range(6))
        )


PARTS = [("selector", name) for name in members("selector")]
PARTS += [("weighting", name) for name in members("weighting")]


@pytest.mark.usefixtures("_files")
@pytest.mark.parametrize(("of", "name"), PARTS)
def test_every_member_works_or_says_in_a_line_what_it_misses(of: str, name: str) -> None:
    labels = torch.arange(80) % 4
    logits = torch.randn(80, 4, generator=torch.Generator().manual_seed(0))
    try:
        made = own(labels=labels, **{of: given(of, name)})
        made.new_epoch(**{each: logits for each in made.wants})
        loss = made(z(160).view(80, 2, 4), range(80))
        assert bool(loss.isfinite())
        missing = None
    except ValueError as error:
        missing = str(error)
    expected = {
        "oracle": "Expected argument `truth`",
        "jaccard": "Expected a column of the rows, but got `labels`",
        "overlap": "Expected a column of the rows, but got `labels`",
        "balanced": "Expected `features`, the length of a class vector",
        "prototype_softmax": "Expected `features`, the length of a class vector",
    }
    assert (missing or "").startswith(expected.get(name, "")) and (name in expected) == bool(
        missing
    )
    assert "\n" not in (missing or "")


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown selector": ({"selector": "gnm"}, "Expected the name of a selector"),
    "an unknown weighting": ({"weighting": "balancd"}, "Expected the name of a weighting"),
    "an unknown setting": ({"temprature": 1}, "`temprature` is wrong"),
    "a wrong setting": ({"temperature": -1}, "`temperature` is wrong"),
    "a setting of a part": ({"selector": {"kind": "gmm", "histroy": 1}}, "histroy` is wrong"),
    "mixup": ({"mixup": 1.0}, "no setting `mixup`"),
    "a weight": ({"weight": 2.0}, "a loop multiplies the loss itself"),
    "views": ({"views": "a"}, "no setting `views`"),
    "labels of floats": ({"labels": [0.5, 1.0]}, "whole numbers"),
    "texts": ({"labels": ["a", "b"]}, "whole numbers"),
    "no labels": ({"labels": []}, "whole numbers"),
    "a negative label": ({"labels": [-1, 0]}, r"labels in \[0, 1\)"),
    "a label too large": ({"classes": 2}, r"labels in \[0, 2\)"),
    "another truth": ({"selector": "oracle", "truth": [0, 1]}, "of length 6"),
    "no truth": ({"selector": "oracle"}, "Expected argument `truth`"),
    "a short column": ({"columns": {"scanner": torch.zeros(5)}}, "column `scanner`"),
    "parts that do not go together": (
        {"selector": "label", "weighting": {"kind": "balanced", "soft": True}},
        "posterior",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_arguments_are_told_in_one_line(case: str) -> None:
    changes, line = WRONG[case]
    with pytest.raises(ValueError, match=line) as told:
        own(**changes)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda made: made(z(), range(6)), "Expected `new_epoch` before"),
        (lambda made: made.new_epoch(), r"Try: new_epoch\(logits=...\)"),
        (lambda made: made.new_epoch(logits=torch.zeros(5, 3)), r"shape \(6, ...\)"),
        (
            lambda made: made.new_epoch(logits=torch.zeros(6, 3), index=[0, 0, 1, 2, 3, 4]),
            "each of the 6 places",
        ),
    ],
)
def test_a_wrong_epoch_is_told(call: Any, line: str) -> None:
    with pytest.raises(ValueError, match=line):
        call(own(selector="gmm"))


@pytest.mark.parametrize(
    ("x", "index", "line"),
    [
        (z(), range(5), r"\(6, 4\) and \(5,\)"),
        (z()[0], range(4), "Expected embeddings"),
        (z(), [0, 1, 2, 3, 4, 6], r"\[0, 6\), the training set, but got 0 to 6"),
        (z(), [0.5] * 6, "whole numbers"),
        (z() * float("nan"), range(6), "finite"),
    ],
)
def test_a_wrong_step_is_told(x: Tensor, index: Any, line: str) -> None:
    made = own()
    made.new_epoch()
    with pytest.raises(ValueError, match=line):
        made(x, index)


def test_what_is_missing_is_named_and_a_state_asks_for_its_own_training_set() -> None:
    made = own(queue=20)
    made.new_epoch()
    with pytest.raises(ValueError, match="Try: queue=0"):
        made(z(), range(6))
    prototypes = own(weighting="balanced", features=5)
    prototypes.new_epoch()
    with pytest.raises(ValueError, match="Expected `class_vectors`"):
        prototypes(z(), range(6))
    with pytest.raises(ValueError, match="over 6 training samples, but got that of 3"):
        own().load_state_dict(own(labels=[0, 1, 2]).state_dict())
