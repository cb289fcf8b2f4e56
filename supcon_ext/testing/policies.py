"""The contract of view policies."""

from __future__ import annotations

import pickle
from collections.abc import Callable

import numpy as np
import torch

from data_tools.border import check_array
from data_tools.input_spec import SCALES, Depth
from supcon_ext.policies.base import View, ViewContext
from supcon_ext.testing.contract import Contract

CONTRACT = Contract("policy")
DRAWS = "a generator made of the key, np.random.default_rng(key)"
OTHERS: tuple[tuple[int, Depth], ...] = (
    (1, "uint16"),
    (3, "float32"),
    (5, "uint8"),
    (12, "float32"),
)
KEYS = ((0, 0, 0, 0), (0, 0, 0, 1), (0, 1, 5, 0), (3, 7, 2, 1, 1))


def check_policy(policy: Callable[[ViewContext], View]) -> None:
    """Check that a policy keeps the contract that loaders and a resumed run rely on.

    Pictures of the context's shape, or of the view's own ``shape``, and of the right type from
    images of any size, grey or in colour; the same key gives the same pixels, from any instance, in
    any order and any process; the image is left as it is; a view can be sent to a worker. Images of
    other channels, of 16 bits and of floats get the same, or are refused with a ValueError when the
    policy is made.

    Args:
        policy: Gives a view for a context; a recipe's parameters are filled in.

    Raises:
        AssertionError: The contract is broken; the message says where, and what to do.
    """
    for channels in (1, 3):
        for size in (12, 72):
            grey = (0.4,) * channels, (0.25,) * channels
            _check(policy, ViewContext(size, channels, channels == 3, *grey))
    for channels, dtype in OTHERS:
        grey = (0.4,) * channels, (0.25,) * channels
        context = ViewContext(12, channels, True, *grey, dtype, SCALES[dtype])
        try:
            policy(context)
        except ValueError:
            continue
        _check(policy, context)


def _check(policy: Callable[[ViewContext], View], context: ViewContext) -> None:
    shape = getattr(policy(context), "shape", context.shape)
    drawn = np.random.default_rng(0)
    sides = ((context.size, context.size), (context.size + 9, context.size + 4))
    images = [
        (drawn.random((*side, context.channels)) * context.scale).astype(context.dtype)
        for side in sides
    ]
    kept = [image.copy() for image in images]
    found = []
    policy(context)(images[0].copy(), KEYS[0])
    for number in (0, 1):
        with CONTRACT.world(number, DRAWS):
            view = policy(context)
            pairs = [(image, key) for image in range(2) for key in KEYS]
            made = {pair: view(images[pair[0]], pair[1]) for pair in pairs[:: 1 - 2 * number]}
        for picture in made.values():
            with CONTRACT.border():
                check_array("a view", "a picture", picture, shape, ("float",))
            CONTRACT.expect(torch.is_tensor(picture), "a picture must be a tensor")
            CONTRACT.expect(bool(picture.isfinite().all()), "pixels must be finite")
        found.append(made)
    CONTRACT.expect(
        all(torch.equal(found[0][pair], found[1][pair]) for pair in found[0]),
        f"the same key must give the same pixels, whatever was drawn before. Try: {DRAWS}",
    )
    CONTRACT.expect(
        all(np.array_equal(image, before) for image, before in zip(images, kept, strict=True)),
        "the image must be left as it is. Try: work on a copy",
    )
    try:
        sent = pickle.loads(pickle.dumps(policy(context)))
    except Exception as error:
        raise AssertionError(
            f"policy contract: a view must pickle, to be sent to workers, but: {error}. Try: a "
            "class at the top of a module in place of a function inside another"
        ) from error
    again = sent(images[0], KEYS[0])
    CONTRACT.expect(
        torch.equal(again, found[0][0, KEYS[0]]), "a view sent to a worker must draw the same"
    )
