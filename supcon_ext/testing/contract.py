"""What the checks of all families share: how a fault is told, what stands for another process."""

from __future__ import annotations

import copy
import inspect
import io
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from supcon_ext.training.random_state import random_state, restore_random_state

T = TypeVar("T")
WORLDS = (11, 2025)
"""Seeds of the global generators in a first process and in one that goes on."""


@dataclass(frozen=True)
class Contract:
    """The contract of one family.

    Attributes:
        family: In its messages.
    """

    family: str

    def expect(self, kept: bool, message: str) -> None:
        """Raise AssertionError with the message unless ``kept``."""
        if not kept:
            raise AssertionError(f"{self.family} contract: {message}")

    @contextmanager
    def border(self) -> Iterator[None]:
        """A value of the wrong shape, which the run would refuse, breaks the contract."""
        try:
            yield
        except ValueError as error:
            raise AssertionError(f"{self.family} contract: {error}") from error

    def through_file(self, state: Any) -> Any:
        """A state as a checkpoint gives it back: saved, and read with ``weights_only``."""
        file = io.BytesIO()
        try:
            torch.save(state, file)
            file.seek(0)
            return torch.load(file, weights_only=True)
        except Exception as error:
            raise AssertionError(
                f"{self.family} contract: its state must be tensors, numbers, texts, lists and "
                "dictionaries, which a checkpoint can carry, but it cannot be read back "
                f"({type(error).__name__}). Try: torch.from_numpy(...) for arrays, and plain types "
                "for objects"
            ) from error

    @contextmanager
    def world(self, number: int, draws: str) -> Iterator[None]:
        """The global generators of one process; a draw from any of them breaks the contract.

        Libraries that are imported at first use may draw, so a check uses a part once before.

        Args:
            number: Which of :data:`WORLDS`.
            draws: Where to draw from instead, in words.
        """
        before = random_state()
        seed = WORLDS[number]
        torch.manual_seed(seed)
        np.random.seed(seed)
        random.seed(seed)
        start = random_state()
        try:
            yield
            self.expect(
                same(start, random_state()),
                "random numbers were drawn from a global generator, so that results change with "
                f"whatever else is drawn. Try: {draws}",
            )
        finally:
            restore_random_state(before)

    @contextmanager
    def class_unchanged(self, part: Any) -> Iterator[None]:
        """State kept on the class is shared by all instances, and in no checkpoint."""
        before = _class_state(type(part))
        yield
        for name, value in _class_state(type(part)).items():
            self.expect(
                name in before and same(before[name], value),
                f"`{name}` changed on the class, which no checkpoint carries and all instances "
                "share. Try: make it in `__init__`",
            )

    def same_keys(self, module: nn.Module, declared: frozenset[str]) -> None:
        """State must be what ``__init__`` and ``setup`` made."""
        other = sorted(declared ^ set(module.state_dict()))
        self.expect(
            not other,
            f"{', '.join(f'`{key}`' for key in other)} came into its state, or went, after "
            "`setup`: a fresh process cannot load that. Try: make it in `__init__` or `setup` "
            "(register_buffer, nn.Parameter), and keep nothing that a step hands over",
        )

    def says_the_same(
        self, first: nn.Module, fresh: nn.Module, rows: Tensor, what: str, of_one: str
    ) -> None:
        """A module and a fresh instance with its state say the same, of each row by itself.

        Args:
            first: Left in evaluation mode, as the other.
            fresh: Has its state.
            rows: ``(n, ...)`` inputs.
            what: The outputs, in words.
            of_one: Those of one row, in words.
        """
        with torch.no_grad():
            told, found = first.eval()(rows), fresh.eval()(rows)
            one = first(rows[:1])
        self.expect(
            torch.equal(told, found),
            f"{what} must be the same after a state round trip into a fresh instance. Try: "
            "register what decides them as parameters or buffers",
        )
        self.expect(
            bool(torch.allclose(told[:1], one, rtol=1e-3, atol=1e-4)),
            f"in evaluation mode, {of_one} must not depend on the batch",
        )


def _class_state(kind: type) -> dict[str, Any]:
    state: dict[str, Any] = {}
    for base in kind.__mro__:
        if base.__module__.startswith(("torch", "builtins", "typing", "abc")):
            continue
        for name, value in vars(base).items():
            plain = isinstance(value, (int, float, str, list, dict, set, tuple, Tensor, np.ndarray))
            if plain and not name.startswith("__") and name != "_abc_impl":
                state[name] = copy.deepcopy(value)
    return state


def same(first: Any, second: Any) -> bool:
    """Whether two values are the same to the last bit, through tensors, containers and parts."""
    if torch.is_tensor(first) and torch.is_tensor(second):
        return _same_tensors(first.detach(), second.detach())
    if isinstance(first, np.ndarray) and isinstance(second, np.ndarray):
        return first.dtype == second.dtype and np.array_equal(first, second)
    if is_dataclass(first) and not isinstance(first, type):
        names = [part.name for part in fields(first) if part.compare]
        return type(first) is type(second) and all(
            same(getattr(first, name), getattr(second, name)) for name in names
        )
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        return first.keys() == second.keys() and all(same(first[k], second[k]) for k in first)
    if isinstance(first, (list, tuple)) and isinstance(second, (list, tuple)):
        pairs = zip(first, second, strict=False)
        return len(first) == len(second) and all(same(a, b) for a, b in pairs)
    return type(first) is type(second) and bool(first == second or (first != first))


def _same_tensors(first: Tensor, second: Tensor) -> bool:
    if first.shape != second.shape or first.dtype != second.dtype:
        return False
    equal = first == second
    if first.is_floating_point():
        equal = equal | (first.isnan() & second.isnan())
    return bool(equal.all())


def pristine(part: T) -> Callable[[], T]:
    """Gives copies of a part as it is now, before anything is asked of it."""
    kept = part if inspect.isroutine(part) else copy.deepcopy(part)
    return lambda: copy.deepcopy(kept)
