"""The errors that the encoder is surest of, as pictures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from supcon_ext.report.page import PageSection, text
from supcon_ext.report.seen import Seen
from supcon_ext.report.table import table

SHOWN = 24


def worst(seen: Seen, count: int = SHOWN) -> list[int]:
    """Places of wrongly predicted samples, those of the most probable wrong class first."""
    wrong = np.flatnonzero(seen.wrong)
    order = np.argsort(-seen.probability[wrong], kind="stable")[:count]
    return [int(place) for place in wrong[order]]


def errors(seen: Seen, classes: Sequence[str]) -> PageSection:
    """Pictures with label, prediction and probability; a table where there are no pictures."""
    places = worst(seen)
    total = int(seen.wrong.sum())
    if not places:
        return PageSection(
            "Worst errors", f"<p>None: every {seen.split} sample is predicted as labelled.</p>"
        )
    label = "label" if seen.split == "test" else "given label"
    body = (
        f"<p>{total:,} of {len(seen.label):,} {seen.split} samples are predicted to be of another "
        f"class than their {label} says. The surest {len(places)}:</p>"
    )
    found = [
        (
            place,
            classes[int(seen.label[place])],
            classes[int(seen.predicted[place])],
            float(seen.probability[place]),
        )
        for place in places
    ]
    pictures = [seen.picture(place) for place in places]
    if any(pictures):
        shown = [
            f'<figure><img src="{picture}" alt="" loading="lazy"><figcaption>'
            f"<b>{text(predicted)}</b> {probability:.2f}<br>{label} {text(true)}<br>"
            f"{text(seen.name(place))}</figcaption></figure>"
            for picture, (place, true, predicted, probability) in zip(pictures, found, strict=True)
            if picture
        ]
        return PageSection("Worst errors", f'{body}<div class="pictures">{"".join(shown)}</div>')
    headings = ("sample", label, "predicted", "probability")
    return PageSection(
        "Worst errors", body + table(headings, [(seen.name(p), *rest) for p, *rest in found])
    )
