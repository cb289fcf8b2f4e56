"""Wrong labels that have a rule, such as one class filed under another, judged by the rule."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor

from data_tools.registry import Part
from supcon_ext.losses.factors import Factors, factors_of
from supcon_ext.losses.rows import PairTile, Rows
from supcon_ext.selectors.asking import ask
from supcon_ext.selectors.base import PositiveSelector, SampleBank, Selection, selector
from supcon_ext.selectors.named_rules import Rule, rules_of, told_rules
from supcon_ext.selectors.rule import rule_in
from supcon_ext.selectors.transition import estimate_transition, heads_through
from supcon_ext.selectors.two_witnesses import TwoWitnesses, hear, hear_rule, voting

logger = logging.getLogger(__name__)


@selector("transition_rule")
class TransitionRule(PositiveSelector):
    """Where wrong labels have a rule trusts those that two witnesses bear out by it.

    The toolkit's own. Labels that are wrong by a rule agree with each other: votes believe them,
    and who knows the rule can tell (:func:`~supcon_ext.selectors.two_witnesses.hear_rule`). There
    is one where an estimated transition matrix holds it
    (:func:`~supcon_ext.selectors.rule.rule_in`), or where flips are found
    (:func:`~supcon_ext.selectors.flips.flipped`). Where there is none another selector is asked.

    The rule is one of the labels. These stay while the encoder learns, which in the end learns
    wrong ones too: so the rule is looked for at the first refresh, the second, the fourth and so
    on, and that one is kept which made the labels likeliest; a warning tells it. Where fewer than
    two classes have samples the other selector is asked.

    Args:
        otherwise: Who is asked where wrong labels have no rule.
        neighbours: At most this many vote on a sample, and no more than half as many as its given
            class has.
        seed: Of the folds.
    """

    def __init__(
        self,
        otherwise: Annotated[PositiveSelector | str, Part("selector")] = "two_witnesses",
        neighbours: Annotated[int, Field(ge=1)] = 250,
        seed: Annotated[int, Field(ge=0)] = 0,
    ) -> None:
        self.otherwise = selector.make(otherwise)
        self.neighbours = neighbours
        self.seed = seed
        self.requires = frozenset({"features", "z"}) | self.otherwise.requires
        self.provides = self.otherwise.provides
        self._witnesses = TwoWitnesses(neighbours, soft=False, seed=seed)
        self._by_rule = False
        self._refreshes = 0
        self._l2: dict[str, float] = {}
        self._rule: Tensor | None = None
        self._gain = 0.0

    def refresh(self, bank: SampleBank, epoch: int) -> Selection:
        """Look for a rule, and ask by it about every label; or ask the other selector."""
        label = bank.label.cpu()
        self._by_rule = False
        heard, stats = None, {}
        if int((label.bincount() > 0).sum()) >= 2:
            features = bank.need("features").cpu()
            self._look(features, label, bank.classes)
            graph = voting(bank, self.neighbours)
            heard = hear(
                graph, features, label, bank.classes, seed=self.seed, l2=self._l2.get("without")
            )
            self._l2["without"] = heard.l2
            if self._rule is not None:
                head = heads_through(
                    features, label, self._rule, self._l2["through"], seed=self.seed
                )
                heard = hear_rule(heard, head, self._rule, label)
            self._by_rule = self._rule is not None or bool(heard.flipped.any())
            stats = {
                "by_rule": float(self._by_rule),
                "cells": float(len(_rules(self._rule, bank.classes))),
                "gain": self._gain,
                "flipped": float(heard.flipped.sum()),
            }
        if heard is None or not self._by_rule:
            made = ask(self.otherwise, bank, epoch)
            if made is None:
                made = Selection.of(bank.label, torch.ones(len(bank)))
            return replace(made, stats={**stats, **made.stats})
        device = bank.label.device
        return Selection.of(
            bank.label,
            (~heard.flagged).to(device),
            stats,
            heard.balanced.float().to(device),
            heard.p.float().to(device),
        )

    def targets(self, pairs: PairTile) -> Tensor:
        """``(A, K)``: by the rule the same label and both trusted; else the other one's."""
        return self._asked.targets(pairs)

    def factors(self, views: Rows) -> Factors | None:
        """Of whichever is asked."""
        return factors_of(self._asked, views)

    @property
    def _asked(self) -> PositiveSelector:
        return self._witnesses if self._by_rule else self.otherwise

    def _look(self, features: Tensor, label: Tensor, classes: int) -> None:
        self._refreshes += 1
        if self._refreshes & (self._refreshes - 1):
            return
        made = estimate_transition(
            features, label, classes, seed=self.seed, l2=self._l2.get("through")
        )
        self._l2["through"] = made.l2
        rule, gain = rule_in(made, label)
        if rule is not None and gain > self._gain:
            self._rule, self._gain = rule, gain
            logger.warning("%s", told_rules(_rules(rule, classes)))

    def state_dict(self) -> dict[str, Any]:
        """The rule, the penalties that were chosen, and how often it was asked."""
        return {
            "otherwise": self.otherwise.state_dict(),
            "by_rule": self._by_rule,
            "refreshes": self._refreshes,
            "l2": dict(self._l2),
            "rule": self._rule,
            "gain": self._gain,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up a saved state."""
        self.otherwise.load_state_dict(state["otherwise"])
        self._by_rule = state["by_rule"]
        self._refreshes = state["refreshes"]
        self._l2 = dict(state["l2"])
        self._rule = state["rule"]
        self._gain = state["gain"]


def _rules(rule: Tensor | None, classes: int) -> list[Rule]:
    """By the numbers of classes: a bank has no names."""
    return rules_of(rule, [f"class {each}" for each in range(classes)])
