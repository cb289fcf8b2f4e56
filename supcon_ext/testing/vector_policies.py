"""The contract of policies for vectors."""

from __future__ import annotations

import pickle
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from data_tools.border import check_array
from data_tools.input_spec import InputSpec
from data_tools.samples import SampleSet
from data_tools.vector_rows import VectorRows
from supcon_ext.feed.vectors import views_of
from supcon_ext.policies.base import View
from supcon_ext.policies.keyed import padded
from supcon_ext.policies.vector_view import VectorContext
from supcon_ext.testing.contract import Contract

CONTRACT = Contract("policy")
DRAWS = "draws of `supcon_ext.policies.keyed`, or np.random.default_rng(key)"
SAMPLES = 12
KEYS: list[tuple[int, ...]] = [
    (seed, epoch, sample, 0) for seed in (0, 3) for epoch in (0, 1) for sample in range(SAMPLES)
]
KEYS += [(0, 0, 0, 1), (0, 1, 5, 2), (3, 7, 2, 1, 1)]


def check_vector_policy(policy: Callable[[VectorContext], View]) -> None:
    """Check that a policy for vectors keeps the contract that feeds and a resumed run rely on.

    Finite vectors ``(F,)`` float32 from one stored view and from several; the same key gives the
    same numbers, from any instance, in any order, alone and in any batch; samples are left as they
    are; a view pickles.

    Args:
        policy: Gives a view for a context; a recipe's parameters are filled in.

    Raises:
        AssertionError: The contract is broken; the message says where, and what to do.
    """
    for width in (3, 70):
        for views in (1, 4):
            _check(policy, width, views)


def _check(policy: Callable[[VectorContext], View], width: int, views: int) -> None:
    drawn = np.random.default_rng(0)
    stored = drawn.normal(2.0, 3.0, (SAMPLES, views, width)).astype(np.float32)
    held = stored[:, 0] if views == 1 else stored
    train = SampleSet(
        VectorRows(held),
        np.arange(SAMPLES) % 3,
        ("a", "b", "c"),
        spec=InputSpec.of_vectors(width),
    )
    context = VectorContext(width, (2.0,) * width, (3.0,) * width, train)
    kept = stored.copy()
    found: list[list[Tensor]] = []
    policy(context)
    for number in (0, 1):
        with CONTRACT.world(number, DRAWS):
            view = policy(context)
            order = range(len(KEYS))[:: 1 - 2 * number]
            made = {place: view(held[KEYS[place][2]], KEYS[place]) for place in order}
            found.append([made[place] for place in range(len(KEYS))])
        for vector in found[-1]:
            with CONTRACT.border():
                check_array("a view", "a vector", vector, (width,), ("float",))
            CONTRACT.expect(torch.is_tensor(vector), "a vector must be a tensor")
            CONTRACT.expect(bool(vector.isfinite().all()), "its numbers must be finite")
    CONTRACT.expect(
        all(map(torch.equal, *found)),
        f"the same key must give the same numbers, whatever was drawn before. Try: {DRAWS}",
    )
    keys = torch.tensor([padded(key) for key in KEYS])
    for part in (slice(None), slice(5, 12), slice(None, None, 7)):
        x = torch.from_numpy(stored[keys[part, 2].numpy()])
        CONTRACT.expect(
            torch.equal(views_of(view, x, keys[part]), torch.stack(found[0][part])),
            "a batch must hold what each key gives alone. Try: operations by element, and "
            "`supcon_ext.policies.keyed`",
        )
    CONTRACT.expect(
        np.array_equal(stored, kept), "the samples must be left as they are. Try: work on a copy"
    )
    try:
        sent = pickle.loads(pickle.dumps(policy(context)))
    except Exception as error:
        raise AssertionError(
            f"policy contract: a view must pickle, but: {error}. Try: a class at the top of a "
            "module in place of a function inside another"
        ) from error
    again = sent(held[KEYS[0][2]], KEYS[0])
    CONTRACT.expect(torch.equal(again, found[0][0]), "a view that was sent must draw the same")
