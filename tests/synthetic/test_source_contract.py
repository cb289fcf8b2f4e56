"""Every source of files keeps the family's contract, beside real images and real vectors."""

from __future__ import annotations

from pathlib import Path

import pytest

from supcon_ext.testing import check_synthetic_source
from tests.synthetic.made_sets import OF_IMAGES, Listed, real_arrays, real_data
from tests.synthetic.test_defects import as_vectors, vectors


@pytest.mark.parametrize("kind", OF_IMAGES)
def test_sources_of_images(tmp_path: Path, kind: str) -> None:
    real = real_data(tmp_path / "real")
    made = Listed(kind, tmp_path / "made").source()
    check_synthetic_source(made, real)
    check_synthetic_source(made, real_arrays(real))


def test_the_source_of_vectors(tmp_path: Path) -> None:
    real = as_vectors(real_data(tmp_path / "real"))
    check_synthetic_source(vectors(tmp_path, real, caption=["a", "b", "a"])(), real)
