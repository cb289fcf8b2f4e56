"""Filters where a recipe names them: in order, on a source's samples, on trusted real ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data_tools.prepared import PreparedData
from supcon_ext.experiment.build import build_data
from supcon_ext.recipe import RecipeError, parse_recipe
from tests.experiment.members import members, on_vectors, recipe, stage
from tests.synthetic.sets import PARAMETERS


def data(filters: list[Any], kind: str = "image", **more: Any) -> PreparedData:
    one = [stage(0, "label", "uniform")]
    made = (recipe if kind == "image" else on_vectors)(one)
    made["data"] = {**made["data"], "synthetic": [{"kind": "few_made", "filters": filters, **more}]}
    return build_data(parse_recipe(made).data)


@pytest.mark.parametrize("kind", ["image", "vector"])
@pytest.mark.parametrize("name", members("synthetic_filter"))
def test_every_filter_sifts_a_source(name: str, kind: str) -> None:
    if kind == "vector" and name not in members("synthetic_filter", kind):
        with pytest.raises(ValueError, match=f"`{name}`: expected pictures, but got vectors"):
            data([name], kind)
        return
    given = {"kind": name, **PARAMETERS.get(name, {})}
    given |= {"score_column": {"column": "quality"}, "near_duplicates": {"against": "caption"}}.get(
        name, {}
    )
    every, hard, soft = (
        data(filters, kind).synthetic for filters in ([], [given], [{**given, "mode": "quality"}])
    )
    assert every is not None and hard is not None and soft is not None
    assert 0 < len(hard) <= len(soft) <= len(every)
    assert soft.quality.min() >= 0 and soft.quality.max() <= 1
    again = data([given], kind).synthetic
    assert again is not None
    np.testing.assert_array_equal(again.parent, hard.parent)
    np.testing.assert_array_equal(again.quality, hard.quality)


def test_filters_come_in_the_order_of_the_recipe() -> None:
    score = {"kind": "score_column", "column": "quality", "at_least": 0.9}
    one, other = (data(chain).synthetic for chain in ([score, "top_k"], ["top_k", score]))
    assert one is not None and other is not None
    assert one.quality.min() == other.quality.min() == 1
    every = data([]).synthetic
    assert every is not None and len(one) == len(other) < len(every)  # the best come first


def test_a_class_of_which_no_real_sample_is_trusted_agrees_with_none(tmp_path: Path) -> None:
    label = data([]).train.label
    rows = "".join(f"{place},{int(each != 2)}\n" for place, each in enumerate(label))
    (tmp_path / "trust.csv").write_text(f"index,trust\n{rows}")
    chain = [{"kind": "knn_agreement", "k": 3, "at_least": 0.3}]
    every, trusted = data(chain).synthetic, data(chain, trust=str(tmp_path / "trust.csv")).synthetic
    assert every is not None and trusted is not None
    assert 2 in every.label and 2 not in trusted.label


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        (["no_such"], "the name of a synthetic_filter, but got `no_such`"),
        ([{"kind": "top_k", "many": 3}], "many"),
        ([{"kind": "knn_agreement", "at_least": 2}], "at most 1"),
        ([{"kind": "readable", "mode": "soft"}], "mode"),
        (["score_column"], "column"),
    ],
)
def test_a_wrong_filter_is_told_at_its_key(filters: list[Any], message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        data(filters)
    assert message in str(caught.value)
    assert all(p.path.startswith("data.synthetic.0.filters.0") for p in caught.value.problems)


def test_nothing_left_cannot_start() -> None:
    with pytest.raises(ValueError, match=r"but 0 of \d+ synthetic samples kept; dropped \d+ by"):
        data([{"kind": "readable", "side": 9}])
