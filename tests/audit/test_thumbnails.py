import base64
import io

import numpy as np
import pytest
from PIL import Image

from data_tools.thumbnails import data_uri, visible
from tests.made_pictures import DEPTHS, pictures


def shown(image: np.ndarray) -> np.ndarray:
    _, _, coded = data_uri(image).partition(",")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(coded))))


@pytest.mark.parametrize("size", [12, 120])
@pytest.mark.parametrize("depth", DEPTHS)
def test_every_picture_can_be_shown(depth: str, size: int) -> None:
    for channels in (1, 2, 3, 4, 12, 16):
        image = pictures(2, channels, depth, size)[0][1]
        side = min(size, 96)
        assert shown(image).shape == (side, side) + ((3,) if channels >= 3 else ())


@pytest.mark.parametrize("channels", [1, 3])
def test_8_bits_are_shown_as_they_are(channels: int) -> None:
    image = pictures(2, channels, "uint8")[0][1]
    assert np.array_equal(shown(image), image[:, :, 0] if channels == 1 else image)


def test_the_first_three_channels_are_shown() -> None:
    image = pictures(2, 12, "uint8")[0][1]
    assert np.array_equal(shown(image), image[:, :, :3])


def test_more_bits_go_from_the_darkest_to_the_brightest() -> None:
    image = np.array([[0, 1000, 3000]] * 3, np.uint16)[:, :, None]
    assert visible(image)[0, :, 0].tolist() == [0, 85, 255]
    assert visible(np.full((2, 2, 5), 0.3, np.float32)).tolist() == [[[0] * 3] * 2] * 2
