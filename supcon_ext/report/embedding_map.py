"""Samples as points, near each other where the encoder's features are; pictures by the pointer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.colors import to_hex

from supcon_ext.evaluation.embedding import two_dimensions
from supcon_ext.evaluation.figures import IN_LEGEND, class_colours
from supcon_ext.report.page import PageSection, text
from supcon_ext.report.seen import Seen

SHOWN = 800
SEED = 0
WIDTH, HEIGHT, EDGE = 760, 560, 16


def embedding_map(seen: Seen, classes: Sequence[str]) -> PageSection:
    """The map, drawn by t-SNE (by PCA where there are fewer than ten samples)."""
    count = len(seen.label)
    chosen = np.sort(np.random.default_rng(SEED).permutation(count)[:SHOWN])
    method = "pca" if len(chosen) < 10 else "tsne"
    place = two_dimensions(seen.features[torch.from_numpy(chosen)], method, SEED)
    low, high = place.min(axis=0), place.max(axis=0)
    inside = np.array([WIDTH - 2 * EDGE, HEIGHT - 2 * EDGE])
    at = EDGE + (place - low) / np.maximum(high - low, 1e-12) * inside
    colours = [to_hex(each) for each in class_colours(len(classes))]
    points, circles = [], []
    for number, sample in enumerate(chosen.tolist()):
        label, predicted = int(seen.label[sample]), int(seen.predicted[sample])
        wrong = label != predicted
        words = f"{classes[label]}"
        if wrong:
            words += f", predicted {classes[predicted]} ({seen.probability[sample]:.2f})"
        words += f"; {seen.name(sample)}"
        points.append([words, seen.picture(sample)])
        circles.append(
            f'<circle data-i="{number}" tabindex="-1" cx="{at[number, 0]:.1f}" '
            f'cy="{at[number, 1]:.1f}" r="5" fill="{colours[label]}" '
            f'class="{"wrong" if wrong else "right"}"/>'
        )
    name = {"pca": "PCA", "tsne": "t-SNE"}[method]
    some = f"{len(chosen):,} of {count:,}" if len(chosen) < count else f"{count:,}"
    caveat = " Distances between far groups mean little." if method == "tsne" else ""
    told = (
        f"<p>{some} {seen.split} samples by {name} of the encoder's features, coloured by label; "
        f"with a rim: predicted to be of another class.{caveat} "
        "Point at one, or tap it, to see it.</p>"
    )
    legend = ""
    if len(classes) <= IN_LEGEND:
        items = "".join(
            f'<li><i style="background:{colour}"></i>{text(each)}</li>'
            for each, colour in zip(classes, colours, strict=True)
        )
        legend = f'<ul class="legend">{items}</ul>'
    drawn = (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="map">{"".join(circles)}</svg>'
    )
    return PageSection("Map", f'{told}<div class="map">{drawn}{legend}</div>', {"points": points})
