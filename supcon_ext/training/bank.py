"""One pass over a split without augmentation: what is known of every sample."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional

from supcon_ext.losses.gather import gather_tensor, process_rank, world_size
from supcon_ext.models.network import Network, Outputs
from supcon_ext.objectives.base import Beliefs
from supcon_ext.selectors.base import SampleBank
from supcon_ext.training.one_network import agree

BATCH = 512

LoaderOf = Callable[[Tensor], Iterable[Any]]


def bank_passes(requires: frozenset[str]) -> int:
    """How many passes over the training set a bank costs that has this."""
    return (requires - {"truth"} != frozenset()) + ("peer_logits" in requires)


@torch.no_grad()
def embed(network: Network, count: int, loader_of: LoaderOf, device: torch.device) -> Outputs:
    """Outputs of every image of a split, in order, with the network in evaluation mode.

    Each process embeds whole batches, as one process alone would have them; all get the whole.
    So any number of processes gives the same numbers: batches of other sizes would differ by
    rounding, and each process's own statistics by more (see :mod:`.one_network`).

    Args:
        network: Left in the mode in which it came.
        count: Number of images N.
        loader_of: Gives a loader over the images at some positions, in batches of ``BATCH``.
        device: Where the network is.

    Returns:
        Features ``(N, F)``, projections ``(N, D)`` and logits ``(N, C)``, float32, on the CPU.
    """
    agree(network)
    world = world_size()
    dealt = [_share(count, rank, world) for rank in range(world)]
    mine = dealt[process_rank()]
    was_training = network.training
    network.eval()
    # a process without a batch takes an image for the shapes alone
    positions = mine if len(mine) else torch.zeros(1, dtype=torch.int64)
    parts = [network(images.to(device)) for images, _ in loader_of(positions)]
    network.train(was_training)
    outputs = Outputs.cat(parts).map(lambda rows: rows.float()[: len(mine)])
    if world > 1:
        counts = [len(share) for share in dealt]
        order = torch.cat(dealt).argsort()
        outputs = outputs.map(lambda rows: torch.cat(gather_tensor(rows, counts)).cpu()[order])
    return outputs.map(Tensor.cpu)


def _share(count: int, rank: int, world: int) -> Tensor:
    """Positions of the batches that a process embeds: every ``world``-th one."""
    return torch.cat(
        [
            torch.arange(0, dtype=torch.int64),
            *(
                torch.arange(start, min(start + BATCH, count))
                for start in range(rank * BATCH, count, world * BATCH)
            ),
        ]
    )


def make_bank(
    requires: frozenset[str],
    given: Tensor,
    classes: int,
    beliefs: Beliefs,
    outputs: Callable[[], Outputs],
    peer_logits: Callable[[], Tensor] | None = None,
    truth: Tensor | None = None,
    device: torch.device | None = None,
    search: Literal["exact", "faiss"] = "exact",
    real: int | None = None,
) -> SampleBank:
    """The bank with what is required, and nothing more.

    Args:
        requires: Any of ``features``, ``z``, ``logits``, ``loss``, ``peer_logits``, ``truth``.
        given: ``(N,)`` int64 given labels.
        classes: Number of classes.
        beliefs: Whose further columns the bank hands on.
        outputs: Makes a pass over the training set; called only if something is required.
        peer_logits: The same of the second network, where there is one.
        truth: ``(N,)`` int64 true labels, where the oracle was granted them.
        device: Where neighbours are searched; None is the CPU.
        search: How they are.
        real: How many samples are real, the first ones; None where all are.

    Raises:
        ValueError: Something is required that the bank does not know.
    """
    known = {"features", "z", "logits", "loss"}
    known |= set() if peer_logits is None else {"peer_logits"}
    known |= set() if truth is None else {"truth"}
    if not requires <= known:
        raise ValueError(
            f"Expected `requires` to be among {sorted(known)}, but got {sorted(requires - known)}"
        )
    columns = {name: column.cpu() for name, column in beliefs.columns.items()}
    index = torch.arange(len(given))
    shown = truth if "truth" in requires else None
    if not bank_passes(requires):
        return SampleBank(index, given, classes, truth=shown, real=real, columns=columns)
    made = outputs()
    peer = peer_logits() if peer_logits is not None and "peer_logits" in requires else None
    loss = functional.cross_entropy(made.logits, given, reduction="none", ignore_index=-1)
    return SampleBank(
        index=index,
        label=given,
        classes=classes,
        features=made.features if "features" in requires else None,
        z=made.z if "z" in requires else None,
        logits=made.logits if "logits" in requires else None,
        loss=loss if "loss" in requires else None,
        peer_logits=peer,
        truth=shown,
        real=real,
        columns=columns,
        device=device or torch.device("cpu"),
        search=search,
    )
