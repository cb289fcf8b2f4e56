"""The loss studied in pictures: who is pulled and pushed how hard, and what the temperature does.

    python -m tests.benchmarks.analysis --out analysis

One anchor of unit norm stands among contrasts at chosen cosines. What a contrast does to the
anchor's embedding before normalisation is sqrt(1 - c^2) |P - X| / tau (Khosla et al. 2020,
supplement): P is its share in the denominator, X its share in the target. Panels:

1. A positive at cosine c beside one easy positive and K orthogonal negatives. From cosine 1
   down to 0 ``out`` pulls the harder one more, and more so with more negatives, up to 1 / |P|;
   ``in`` leaves it to the easy one, all the more at a low tau.
2. A negative at cosine c beside one positive at cosine 0.5: the harder, the stronger, until it
   nears the anchor itself; the sharper, the lower tau.
3. The loss and the length of its gradient over the temperature.
4. tau L of one positive and one negative against max(0, d) / 2, the triplet loss of margin 0, with
   d the difference of the squared distances: its limit as tau goes to 0.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import click
import torch
from torch import Tensor
from torch.nn import functional

from supcon_ext.losses import Rows, SupConLoss
from supcon_ext.losses.gradients import pair_forces, pair_strength
from supcon_ext.losses.supcon import SameLabel
from supcon_ext.losses.tiled import Form, tiled_anchor_losses

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FORMS: tuple[Form, ...] = ("out", "in")
NEGATIVES = (8, 32, 256)


def positive_strength(cosine: Tensor, negatives: int, temperature: float, form: Form) -> Tensor:
    """Strength of a positive at each cosine, beside an easy positive and orthogonal negatives.

    Args:
        cosine: ``(M,)`` cosines of the positive.
        negatives: Number K of negatives at cosine 0.
        temperature: tau.
        form: ``out`` or ``in``.
    """
    easy = torch.ones_like(cosine)[:, None]
    rows = torch.cat([easy, cosine[:, None], 0 * easy.expand(-1, negatives)], 1)
    return _strength(rows, 2, temperature, form)[:, 1]


def negative_strength(cosine: Tensor, temperature: float) -> Tensor:
    """Strength of a negative at each cosine, beside a positive at 0.5 and 8 negatives at -0.2.

    Args:
        cosine: ``(M,)`` cosines of the negative.
        temperature: tau.
    """
    positive = torch.full_like(cosine, 0.5)[:, None]
    others = torch.full_like(cosine, -0.2)[:, None].expand(-1, 8)
    return _strength(torch.cat([positive, cosine[:, None], others], 1), 1, temperature, "out")[:, 1]


def _strength(cosine: Tensor, positives: int, temperature: float, form: Form) -> Tensor:
    targets = torch.zeros_like(cosine)
    targets[:, :positives] = 1
    admitted = torch.ones_like(cosine, dtype=torch.bool)
    forces = pair_forces(cosine / temperature, targets, admitted, form)
    return pair_strength(cosine, forces)


def over_temperature(temperatures: list[float], form: Form) -> tuple[list[float], list[float]]:
    """Loss and gradient norm of a batch of 16 half-learnt classes, at each temperature."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(16).repeat(8)
    centres = torch.randn(16, 64, generator=generator, dtype=torch.float64)
    noise = torch.randn(128, 2, 64, generator=generator, dtype=torch.float64)
    losses, norms = [], []
    for temperature in temperatures:
        w = functional.normalize(centres[labels][:, None] + noise, dim=2).requires_grad_()
        loss = SupConLoss(temperature, form)(w, labels)
        (grad,) = torch.autograd.grad(loss, w)
        losses.append(loss.item())
        norms.append(grad.norm().item())
    return losses, norms


def triplet(positive: Tensor, negative: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """d and tau L for anchors with one positive and one negative at these angles.

    Args:
        positive: ``(M,)`` angles to the positive.
        negative: ``(M,)`` angles to the negative.
        temperature: tau.
    """
    differences, losses = [], []
    anchor = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    for pair in torch.stack([positive, negative], 1):
        others = torch.stack([pair.cos(), pair.sin()], 1)
        contrasts = Rows.of(
            others, torch.tensor([0, 1]), index=torch.tensor([1, 2]), uid=torch.tensor([1, 2])
        )
        anchors = Rows.of(anchor, torch.tensor([0]))
        loss, _ = tiled_anchor_losses(anchors, contrasts, SameLabel(), None, temperature)
        squared = (others - anchor).square().sum(1)
        differences.append(squared[0] - squared[1])
        losses.append(temperature * loss[0])
    return torch.stack(differences), torch.stack(losses)


def _draw_positives(axes: Axes) -> None:
    cosine = torch.linspace(-1, 1, 400, dtype=torch.float64)
    for number, count in enumerate(NEGATIVES):
        for form, style in zip(FORMS, ("-", "--"), strict=True):
            strength = positive_strength(cosine, count, 0.5, form)
            label = f"{form}, {count} negatives, tau = 0.5"
            axes.plot(cosine, strength, style, color=f"C{number}", label=label)
    for form, style in zip(FORMS, ("-", "--"), strict=True):
        strength = positive_strength(cosine, 32, 0.1, form)
        axes.plot(cosine, strength, style, color="black", label=f"{form}, 32 negatives, tau = 0.1")
    axes.axhline(0.5, color="grey", linewidth=0.8, linestyle=":")
    axes.text(-0.98, 0.505, "1 / |P|", color="grey", fontsize=8, va="bottom")
    axes.set(
        title="A positive beside an easy one",
        xlabel="cosine of the positive",
        ylabel="sqrt(1 - c²) |P - X|",
        xlim=(-1.05, 1.05),
        ylim=(-0.02, 0.9),
    )
    axes.legend(fontsize=8, loc="upper center", ncols=2)


def _draw_negatives(axes: Axes) -> None:
    cosine = torch.linspace(-1, 1, 400, dtype=torch.float64)
    for temperature in (1.0, 0.5, 0.2, 0.1):
        axes.plot(cosine, negative_strength(cosine, temperature), label=f"tau = {temperature}")
    axes.set(
        title="A negative beside a positive at 0.5",
        xlabel="cosine of the negative",
        ylabel="sqrt(1 - c²) P",
    )
    axes.legend(fontsize=8, loc="upper left")


def _draw_temperature(axes: Axes) -> None:
    temperatures = torch.logspace(-2, 0.3, 40).tolist()
    right = axes.twinx()
    for form, style in zip(FORMS, ("-", "--"), strict=True):
        losses, norms = over_temperature(temperatures, form)
        axes.plot(temperatures, losses, style, color="C0", label=f"L, {form}")
        right.plot(temperatures, norms, style, color="C3", label=f"|grad|, {form}")
    for height, text, at in ((math.log(15), "log |P|", 1.1), (math.log(255), "log(M - 1)", 0.0105)):
        axes.axhline(height, color="grey", linewidth=0.8, linestyle=":")
        axes.text(at, height + 0.08, text, color="grey", fontsize=8)
    axes.set(title="Over the temperature, a half-learnt batch", xlabel="tau", xscale="log")
    right.set_yscale("log")
    axes.set_ylabel("mean loss L", color="C0")
    right.set_ylabel("length of the batch's gradient", color="C3")
    lines = [
        line
        for line in (*axes.get_lines(), *right.get_lines())
        if not str(line.get_label()).startswith("_")
    ]
    axes.legend(lines, [str(line.get_label()) for line in lines], fontsize=8, loc="upper right")


def _draw_triplet(axes: Axes) -> None:
    angle = torch.linspace(0.6, 2.5, 60, dtype=torch.float64)
    fixed = torch.full_like(angle, torch.pi / 2)
    for temperature in (1.0, 0.3, 0.1, 0.03):
        difference, loss = triplet(angle, fixed, temperature)
        axes.plot(difference, loss, label=f"tau L, tau = {temperature}")
    axes.plot(difference, difference.clamp(min=0) / 2, "k--", label="max(0, d) / 2")
    axes.set(
        title="One positive, one negative: the triplet form",
        xlabel="d = |a - p|² - |a - n|²",
        ylabel="tau L",
    )
    axes.legend(fontsize=8)


def draw(path: Path) -> None:
    """Draw the four panels into one PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 9), layout="constrained")
    panels = figure.subplots(2, 2).flat
    drawings = (_draw_positives, _draw_negatives, _draw_temperature, _draw_triplet)
    for axes, drawing in zip(panels, drawings, strict=True):
        drawing(axes)
        axes.grid(True, alpha=0.25)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


@click.command(context_settings={"show_default": True})
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=Path("analysis"))
def main(out: Path) -> None:
    """Plot the loss's gradients and limits into analysis.png of the folder --out."""
    path = out / "analysis.png"
    draw(path)
    click.echo(f"Written: {path}")


if __name__ == "__main__":
    main()
