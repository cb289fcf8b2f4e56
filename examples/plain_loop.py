"""Selectors and weightings in a plain PyTorch loop: digits, of whose labels 30 % are wrong."""

from __future__ import annotations

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

from supcon_ext import SelectiveSupCon

EPOCHS, BATCH, CLASSES = 20, 128, 10


def noisy_digits(rate: float = 0.3) -> tuple[Tensor, Tensor, Tensor]:
    """All digits in [0, 1], their labels, and the same with some of the first 1,400 wrong."""
    x, true = (torch.tensor(each) for each in load_digits(return_X_y=True))
    drawn = torch.Generator().manual_seed(0)
    shift = torch.randint(1, CLASSES, true.shape, generator=drawn)
    wrong = (torch.rand(len(true), generator=drawn) < rate) & (torch.arange(len(true)) < 1400)
    return x.float() / 16, true, torch.where(wrong, (true + shift) % CLASSES, true)


def view(x: Tensor) -> Tensor:
    """A view of digits: a little noise, and some pixels left out."""
    return (x + 0.1 * torch.randn_like(x)) * (torch.rand_like(x) > 0.1)


class Network(nn.Module):
    """Encoder, projector and classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU())
        self.projector = nn.Linear(64, 32)
        self.classifier = nn.Linear(64, CLASSES)

    def loss(self, x: Tensor, index: Tensor, believed: SelectiveSupCon) -> Tensor:
        """Contrastive loss of two views and cross-entropy on trusted labels, of some samples."""
        index = index.repeat(2)  # rows of one sample are its views
        h = self.encoder(torch.cat([view(x), view(x)]))
        contrast = believed(self.projector(h), index, class_vectors=self.classifier.weight)
        label, trust = believed.label[index], believed.trust[index]
        each = nn.functional.cross_entropy(self.classifier(h), label, reduction="none")
        return contrast + (each * trust).sum() / trust.sum().clamp(min=1)


def belief(given: Tensor) -> SelectiveSupCon:
    """Trust by small loss, from the sixth epoch on, and a loss that balances the classes."""
    sizes = {"dim": 32, "features": 64, "epochs": EPOCHS}
    return SelectiveSupCon(given, selector="gmm", weighting="balanced", refresh_from=5, **sizes)


def report(network: Network, believed: SelectiveSupCon) -> None:
    """Print how it went."""
    x, true, given = noisy_digits()
    right = (network.classifier(network.encoder(x[1400:])).argmax(1) == true[1400:]).float().mean()
    doubted, wrong = believed.trust <= 0.5, given[:1400] != true[:1400]
    told = f"{doubted.sum()} labels doubted, {(doubted & wrong).sum()} of them wrong"
    print(f"test accuracy {right:.3f}; {told}; {wrong.sum()} wrong in all")


def main() -> None:
    """Train, and tell how it went."""
    torch.manual_seed(0)
    x, _, given = noisy_digits()
    network, believed = Network(), belief(given[:1400])
    optimizer = torch.optim.Adam([*network.parameters(), *believed.parameters()], lr=2e-3)
    for _ in range(EPOCHS):
        with torch.no_grad():  # of every training sample, as it is
            believed.new_epoch(logits=network.classifier(network.encoder(x[:1400])))
        for index in torch.randperm(1400).split(BATCH):
            optimizer.zero_grad()
            network.loss(x[index], index, believed).backward()
            optimizer.step()
    report(network, believed)


if __name__ == "__main__":
    main()
