"""Labels that people gave: CIFAR-10N and CIFAR-100N."""

from __future__ import annotations

from typing import Literal

import numpy as np

from data_tools.noise.base import NoisyLabels, in_order, noise
from data_tools.samples import SampleSet
from data_tools.torch_file import load_torch_file

KEYS = {
    "aggre": "aggre_label",
    "worst": "worse_label",
    "random1": "random_label1",
    "random2": "random_label2",
    "random3": "random_label3",
    "noisy100": "noisy_label",
}


@noise("cifar_n")
def cifar_n(
    train: SampleSet,
    *,
    file: str,
    labels: Literal["aggre", "worst", "random1", "random2", "random3", "noisy100"],
) -> NoisyLabels:
    """CIFAR-10N or CIFAR-100N, read from the authors' ``CIFAR-10_human.pt`` (Wei et al. 2022).

    The order is checked: the file's clean labels must equal the data set's. Works on all 50,000
    training images and on any part of them (imbalance first, then human labels). Wrong labels:
    aggre 9.01 %, random1 to random3 17.23, 18.12 and 17.64 %, worst 40.21 %, noisy100 40.20 %.

    Args:
        train: CIFAR-10 or CIFAR-100 in torchvision's order, with its true labels.
        file: ``CIFAR-10_human.pt`` or ``CIFAR-100_human.pt``.
        labels: Which of the file's label sets; ``noisy100`` is CIFAR-100N's fine labels.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file has no such labels, belongs to another order or data set, or is unsafe
            to read.
    """
    content = load_torch_file(file)
    for key in (KEYS[labels], "clean_label"):
        if not isinstance(content, dict) or key not in content:
            have = ", ".join(map(str, content)) if isinstance(content, dict) else type(content)
            raise ValueError(
                f"Expected labels `{key}` in {file}, but got {have}. "
                "Try: noisy100 for CIFAR-100N, the other names for CIFAR-10N."
            )
    clean = in_order(np.asarray(content["clean_label"]), train, f"`clean_label` of {file}")
    different = int((clean != train.label).sum())
    if different:
        raise ValueError(
            f"Expected `clean_label` of {file} to equal the data set's labels, but {different} of "
            f"{len(clean)} differ. Try: the images in torchvision's order."
        )
    given = in_order(np.asarray(content[KEYS[labels]]), train, f"`{KEYS[labels]}` of {file}")
    return NoisyLabels(given, train.label.copy())
