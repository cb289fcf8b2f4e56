import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from supcon_ext.samplers.visit_in_rounds import visit_in_rounds


@given(
    size=st.integers(1, 7),
    visits=st.lists(st.integers(0, 9), max_size=12),
    seed=st.integers(0, 2**32 - 1),
)
def test_as_few_duplicates_as_can_be(size: int, visits: list[int], seed: int) -> None:
    members = 10 + np.arange(size)
    batch = np.repeat(np.arange(len(visits)), visits)
    dealt = visit_in_rounds(members, batch, np.random.default_rng(seed))
    assert len(dealt) == sum(visits) and np.isin(dealt, members).all()
    for number, count in enumerate(visits):
        assert len(np.unique(dealt[batch == number])) == min(count, size)
    for round_ in np.split(dealt, np.arange(size, len(dealt), size)):
        assert len(np.unique(round_)) == len(round_)


def test_rounds_differ_where_batches_allow() -> None:
    dealt = visit_in_rounds(np.arange(6), np.arange(60), np.random.default_rng(0)).reshape(10, 6)
    assert len({tuple(row) for row in dealt.tolist()}) > 5


def test_nobody_to_deal_to() -> None:
    none = np.zeros(0, dtype=np.int64)
    assert visit_in_rounds(none, none, np.random.default_rng(0)).tolist() == []
