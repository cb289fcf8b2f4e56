"""Selectors and weightings in a Hugging Face Trainer: digits, of whose labels 30 % are wrong.

Run it: ``python examples/huggingface_trainer.py``, with ``pip install "transformers[torch]"``.
Data, network and what is printed are those of ``plain_loop.py`` beside it. What is believed is in
every checkpoint.
"""

from __future__ import annotations

import tempfile
from typing import Any

import torch
from plain_loop import BATCH, EPOCHS, Network, belief, noisy_digits, report
from torch import Tensor, nn
from transformers import Trainer, TrainerCallback, TrainingArguments


class Selective(nn.Module):
    """A network, and what is believed of its training set."""

    def __init__(self, given: Tensor) -> None:
        super().__init__()
        self.network = Network()
        self.believed = belief(given)

    def forward(self, x: Tensor, index: Tensor) -> dict[str, Tensor]:
        """The loss of one batch of samples and their places."""
        return {"loss": self.network.loss(x, index, self.believed)}


class Believe(TrainerCallback):
    """Looks at every training sample as an epoch begins, and believes what the selector says."""

    def __init__(self, x: Tensor) -> None:
        self.x = x

    @torch.no_grad()
    def on_epoch_begin(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        """Called by the Trainer."""
        model: Selective = more["model"]
        network, believed = model.network, model.believed
        logits = network.classifier(network.encoder(self.x.to(believed.trust.device)))
        believed.new_epoch(logits=logits)


def main() -> None:
    """Train, and tell how it went."""
    torch.manual_seed(0)
    x, _, given = noisy_digits()
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder,
            num_train_epochs=EPOCHS,
            per_device_train_batch_size=BATCH,
            learning_rate=2e-3,
            use_cpu=True,
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
        )
        model = Selective(given[:1400])
        samples = [{"x": x[place], "index": place} for place in range(1400)]
        trainer = Trainer(model, arguments, train_dataset=samples, callbacks=[Believe(x[:1400])])
        trainer.train()
    report(model.network, model.believed)


if __name__ == "__main__":
    main()
