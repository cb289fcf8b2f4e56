"""The example that plots the loss's analysis runs, and its curves say what its captions claim."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from tests.benchmarks.analysis import (
    main,
    negative_strength,
    over_temperature,
    positive_strength,
    triplet,
)


def test_it_draws_one_picture(tmp_path: Path) -> None:
    out = tmp_path / "new" / "folder"
    result = CliRunner().invoke(main, ["--out", str(out)], catch_exceptions=False)
    assert result.exit_code == 0 and "analysis.png" in result.output
    assert (out / "analysis.png").stat().st_size > 50_000


def test_curves_pass_through_the_known_points() -> None:
    cosine = torch.tensor([0.9, 0.5, 0.0], dtype=torch.float64)
    strength = positive_strength(cosine, 32, 0.1, "out")
    assert strength.tolist() == pytest.approx([0.10084, 0.42722, 0.49995], abs=5e-6)
    assert positive_strength(cosine, 32, 0.1, "in").max() < 2e-4
    cosine = torch.tensor([-0.999, -0.5, 0.0], dtype=torch.float64)
    expected = pytest.approx([0.00074, 0.03771, 0.11012], abs=5e-6)
    assert negative_strength(cosine, 0.5).tolist() == expected


def test_lower_temperatures_strengthen_the_gradient_of_a_half_learnt_batch() -> None:
    _, norms = over_temperature([1.0, 0.3, 0.1], "out")
    assert norms == sorted(norms)


def test_the_triplet_curve_meets_its_limit() -> None:
    angles = torch.tensor([0.8, 2.0], dtype=torch.float64)
    difference, loss = triplet(angles, torch.full_like(angles, 1.5), 0.001)
    torch.testing.assert_close(loss, difference.clamp(min=0) / 2, atol=1e-9, rtol=0)
