import numpy as np
import pytest
from PIL import Image

from supcon_ext.policies.base import ViewContext
from supcon_ext.policies.none import none
from supcon_ext.policies.preview import preview_grid
from supcon_ext.policies.simaugment import simaugment

CONTEXT = ViewContext(12, 3, True, (0.5, 0.4, 0.3), (0.2, 0.25, 0.3))


def test_draws_samples_down_and_views_across(images, tmp_path):
    views = [none(CONTEXT), simaugment(CONTEXT), simaugment(CONTEXT)]
    path = preview_grid(images, views, 4, tmp_path / "new" / "grid.png", context=CONTEXT)
    sheet = np.asarray(Image.open(path))
    pitch = 12 * 6 + 2  # 12 pixels enlarged to at least 64, and a gap
    assert sheet.shape == (4 * pitch + 2, 3 * pitch + 2, 3)
    last = sheet[
        3 * pitch + 2 : 4 * pitch : 6, 2 : 2 + 72 : 6
    ]  # the first column is the image itself
    np.testing.assert_array_equal(last, images.samples[23])
    assert (
        sheet[2:pitch, pitch + 2 : 2 * pitch] != sheet[2:pitch, 2 * pitch + 2 : 3 * pitch]
    ).any()


def test_shows_no_more_rows_than_images(images, tmp_path):
    path = preview_grid(images, [none(CONTEXT)], 99, tmp_path / "grid.png", context=CONTEXT)
    assert Image.open(path).height == 24 * 74 + 2


def test_refuses_an_empty_sheet(images, tmp_path):
    with pytest.raises(ValueError, match="at least one"):
        preview_grid(images, [], 4, tmp_path / "grid.png", context=CONTEXT)
