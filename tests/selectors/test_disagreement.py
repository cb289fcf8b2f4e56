"""Wrong events by hand, the mixture, the guards, and resuming."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from supcon_ext.selectors.base import SampleBank
from supcon_ext.selectors.betas import beta_mixture
from supcon_ext.selectors.disagreement import Disagreement
from tests.selectors.scenes import SCENES, refreshes, scene


def bank(right: list[int] | torch.Tensor, label: list[int] | None = None) -> SampleBank:
    """Samples of class 0 (or of 0 and 1) whose label is predicted or not."""
    told = torch.as_tensor(right).float()
    given = torch.zeros(len(told), dtype=torch.int64) if label is None else torch.tensor(label)
    logits = torch.stack([told, 1 - told], 1)
    logits = torch.where(given[:, None] == 1, logits.flip(1), logits)
    return SampleBank(torch.arange(len(told)), given, 2, logits=logits)


HISTORY = [[0, 1, 1, 0, 1, 1], [0, 1, 1, 0, 1, 1], [0, 1, 0, 1, 1, 1], [0, 1, 1, 0, 1, 0]]
EVENTS = [4, 0, 1, 3, 0, 1]


def test_by_hand() -> None:
    rule, counted = Disagreement(), Disagreement("count")
    for epoch, right in enumerate(HISTORY):
        made, plain = rule.select(bank(right), epoch), counted.select(bank(right), epoch)
    for one in (made, plain):
        assert one.ranking.tolist() == [1 - n / 4 for n in EVENTS]
        assert one.stats["wrong_events"] == 3
        assert one.trust.tolist() == [0, 1, 1, 0, 1, 1]
    soft = Disagreement(soft=True)
    for right in HISTORY:
        found = soft.select(bank(right), 0)
    expected = beta_mixture(torch.tensor(EVENTS) / 4, "range")
    assert expected is not None and torch.equal(found.trust, expected)


def test_the_threshold_of_a_count_is_the_share_that_agrees() -> None:
    for threshold, kept in ((0.0, 5), (0.25, 4), (0.5, 4), (0.75, 2)):
        rule = Disagreement("count", threshold)
        for right in HISTORY:
            made = rule.select(bank(right), 0)
        assert made.trust.sum() == kept


def test_per_class_a_class_that_is_learned_late_is_not_taken_for_wrong() -> None:
    """The second class is right half as often; its wrong labels are never predicted."""
    label = [0] * 10 + [1] * 10
    right = torch.ones(8, 20)
    right[:, [0, 1, 10, 11]] = 0
    right[:5, 12:] = 0
    whole, apart = Disagreement(), Disagreement(per_class=True)
    for row in right:
        both = [rule.select(bank(row, label), 0).trust for rule in (whole, apart)]
    assert both[0][12:].sum() == 0 and both[0][:10].tolist() == [0] * 2 + [1] * 8
    assert both[1].tolist() == [0] * 2 + [1] * 8 + [0] * 2 + [1] * 8


@pytest.mark.parametrize("right", [0, 1])
def test_counts_that_are_all_the_same_keep_all(
    right: int, caplog: pytest.LogCaptureFixture
) -> None:
    made = Disagreement().select(bank([right] * 5), 0)
    assert made.trust.tolist() == [1] * 5 and "trusting every sample" in caplog.text


def test_a_history_is_of_the_same_samples() -> None:
    rule = Disagreement()
    rule.select(bank([1, 0, 1]), 0)
    with pytest.raises(ValueError, match="Expected values of shape"):
        rule.select(bank([1, 0]), 1)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"rule": "count", "per_class": True}, "only with rule 'mixture'"),
        ({"rule": "count", "soft": True}, "only with rule 'mixture'"),
        ({"soft": True, "threshold": 0.7}, "beside soft trust"),
    ],
)
def test_options_that_do_not_fit(parameters: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Disagreement(**parameters)  # type: ignore[arg-type]


# iTheresaApocalypse/IDO 20feb7c, stage_1.py: wrong events of each sample in five refreshes.
AUTHORS = {
    "balanced 0": "142511322102142511515410111111114101011101201251541415151151",
    "balanced 1": "015101101511111151451511011451041011351510151110511131541111",
    "balanced 2": "551520555103111110151001021150211112121111103115550101111121",
    "long tail": "55114105112111012115415011005214003252141001011110",
    "class of one": "1105221400500111214211040111131111520115110",
    "one class": "00010001111100211010",
}


@pytest.mark.parametrize("name", SCENES)
def test_the_authors_events(name: str) -> None:
    known, rule = scene(name), Disagreement()
    for logits in refreshes(known):
        made = rule.select(replace(known, logits=logits), 0)
    found = (5 * (1 - made.ranking)).round().long().tolist()
    assert "".join(map(str, found)) == AUTHORS[name]
