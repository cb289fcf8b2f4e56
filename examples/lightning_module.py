"""Selectors and weightings in a Lightning module: digits, of whose labels 30 % are wrong.

Run it: ``python examples/lightning_module.py``, with ``pip install "supcon-ext[lightning]"``. Data,
network and what is printed are those of ``plain_loop.py`` beside it.
"""

from __future__ import annotations

import warnings

import lightning
import torch
from plain_loop import BATCH, EPOCHS, Network, belief, noisy_digits, report
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset


class Selective(lightning.LightningModule):
    """A network, and what is believed of its training set: both are in every checkpoint."""

    def __init__(self, x: Tensor, given: Tensor) -> None:
        super().__init__()
        self.x = x
        self.network = Network()
        self.believed = belief(given)

    def on_train_epoch_start(self) -> None:
        """Look at every training sample, and believe what the selector says."""
        with torch.no_grad():
            logits = self.network.classifier(self.network.encoder(self.x.to(self.device)))
        self.believed.new_epoch(logits=logits)

    def training_step(self, batch: list[Tensor], number: int) -> Tensor:
        """The loss of one batch of samples and their places."""
        x, index = batch
        loss = self.network.loss(x, index, self.believed)
        self.log("trusted", (self.believed.trust > 0.5).float().mean(), on_epoch=True)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam over the network and over what the weighting learns."""
        return torch.optim.Adam(self.parameters(), lr=2e-3)


def main() -> None:
    """Train, and tell how it went."""
    warnings.filterwarnings("ignore", module="lightning")
    lightning.seed_everything(0, verbose=False)
    x, _, given = noisy_digits()
    module = Selective(x[:1400], given[:1400])
    loader = DataLoader(TensorDataset(x[:1400], torch.arange(1400)), BATCH, shuffle=True)
    trainer = lightning.Trainer(
        max_epochs=EPOCHS,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(module, loader)
    report(module.network, module.believed)


if __name__ == "__main__":
    main()
