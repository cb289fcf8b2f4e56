"""Wrong labels found without any training: digits, every seventh of whose labels is wrong.

Run it: ``python examples/label_issues.py``. Pictures go through an encoder first:
``find_label_issues(paths, labels, encoder="timm:resnet18")``, or a finished run.
"""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_digits

from supcon_ext import find_label_issues


def main() -> None:
    """Find them, and print how many there were, and the most suspicious ones."""
    x, true = load_digits(return_X_y=True)
    wrong = np.arange(len(true)) % 7 == 0
    shift = np.random.default_rng(0).integers(1, 10, len(true))
    given = np.where(wrong, (true + shift) % 10, true)
    issues = find_label_issues(x, given)
    found = int((issues.flagged & wrong).sum())
    print(
        f"{issues.flagged.sum()} labels doubted, {found} of them wrong; {wrong.sum()} wrong in all"
    )
    right = issues.suggested[issues.flagged & wrong] == true[issues.flagged & wrong]
    print(f"{right.mean():.1%} of what is suggested for these is right")
    print(issues.frame().head(5).to_string())


if __name__ == "__main__":
    main()
