import numpy as np
import pytest

from data_tools.shot_groups import by_counts, by_ranges


def test_the_bounds_belong_to_the_middle() -> None:
    groups = by_counts(np.array([101, 100, 20, 19, 0]))
    assert (groups.many, groups.medium, groups.few) == ((0,), (1, 2), (3, 4))
    assert "more than 100" in groups.rule and "fewer than 20" in groups.rule


def test_an_empty_group_has_no_figure() -> None:
    groups = by_counts(np.array([500, 400]))
    assert groups.means(np.array([0.5, 0.7])) == {
        "many": pytest.approx(0.6),
        "medium": None,
        "few": None,
    }
    assert groups.sizes() == {"many": 2, "medium": 0, "few": 0}


def test_ranges_of_the_noisy_long_tail_papers() -> None:
    groups = by_ranges(many=range(2), medium=range(2, 7), few=range(7, 10), classes=10)
    assert groups.few == (7, 8, 9)
    assert groups.rule == "many: classes 0, 1; medium: classes 2-6; few: classes 7-9"
    assert groups.means(np.arange(10.0))["medium"] == 4.0


@pytest.mark.parametrize("few", [range(7, 9), range(6, 10), range(7, 11)])
def test_ranges_cover_each_class_once(few: range) -> None:
    with pytest.raises(ValueError, match=r"classes 0 to 9 in one of the groups"):
        by_ranges(many=range(2), medium=range(2, 7), few=few, classes=10)


def test_bounds_that_overlap_are_refused() -> None:
    with pytest.raises(ValueError, match=r"argument `few_below`"):
        by_counts(np.array([5]), many_above=10, few_below=12)
