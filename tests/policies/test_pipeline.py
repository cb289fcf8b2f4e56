import pickle
import subprocess
import sys

import albumentations as A
import numpy as np
import pytest
import torch

from supcon_ext.policies.base import ViewContext
from supcon_ext.policies.pipeline import Draws, Pipeline, transform

RGB = ViewContext(8, 3, True, (0.5, 0.4, 0.3), (0.2, 0.3, 0.25))
IMAGE = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)

JITTER = {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.1, "p": 0.8}


def sim_steps():
    return [
        transform("RandomResizedCrop", size=(8, 8), scale=(0.2, 1.0)),
        transform("HorizontalFlip", p=0.5),
        transform("ColorJitter", **JITTER),
        transform("ToGray", p=0.2),
    ]


def test_pixels_equal_compose_fed_with_the_same_generators():
    pipeline = Pipeline(sim_steps(), RGB)
    compose = A.Compose(
        [
            A.RandomResizedCrop(size=(8, 8), scale=(0.2, 1.0)),
            A.HorizontalFlip(p=0.5),
            A.ColorJitter(**JITTER),
            A.ToGray(p=0.2),
        ]
    )
    for number in range(50):
        key = (1, number, 2, 3)
        draws = Draws(key)
        compose.set_random_state(draws.numpy, draws.python)
        expected = IMAGE
        for step in compose.transforms:  # Compose itself would take one more draw, whether to run
            expected = step(image=expected)["image"]
        np.testing.assert_array_equal(pipeline.pixels(IMAGE, key), expected)


def test_a_key_decides_every_pixel_whatever_was_drawn_before():
    pipeline = Pipeline(sim_steps(), RGB)
    keys = [(seed, 0, index, 0) for seed in range(3) for index in range(20)]
    first = [pipeline(IMAGE, key) for key in keys]
    again = [pipeline(IMAGE, key) for key in reversed(keys)][::-1]
    fresh = [Pipeline(sim_steps(), RGB)(IMAGE, key) for key in keys]
    assert all(map(torch.equal, first, again))
    assert all(map(torch.equal, first, fresh))
    assert len({view.numpy().tobytes() for view in first}) == len(keys)


def test_steps_draw_independently_of_each_other():
    """Seeding every transform alike would flip each grey view (P(flip | grey) = 1)."""
    pipeline = Pipeline([transform("HorizontalFlip", p=0.5), transform("ToGray", p=0.2)], RGB)
    grey_of = A.ToGray(p=1.0)(image=IMAGE)["image"]
    outcomes = np.zeros((2, 2), dtype=int)
    for number in range(2000):
        pixels = pipeline.pixels(IMAGE, (0, number))
        grey = bool((pixels[..., 0] == pixels[..., 1]).all())
        flipped = bool((pixels == (grey_of if grey else IMAGE)[:, ::-1]).all())
        outcomes[int(grey), int(flipped)] += 1
    share = outcomes / outcomes.sum()
    np.testing.assert_allclose(share, [[0.4, 0.4], [0.1, 0.1]], atol=0.03)


def test_neighbouring_keys_draw_independently():
    draws = np.array([Draws((0, 0, index, 0)).python.random() for index in range(2000)])
    assert abs(np.corrcoef(draws[:-1], draws[1:])[0, 1]) < 0.06
    np.testing.assert_allclose(np.histogram(draws, bins=4, range=(0, 1))[0], 500, atol=75)


@pytest.mark.parametrize("channels", [1, 3])
def test_normalisation_is_exact(channels):
    context = ViewContext(
        4, channels, True, (0.5, 0.4, 0.3)[:channels], (0.2, 0.3, 0.25)[:channels]
    )
    image = np.random.default_rng(1).integers(0, 256, (4, 4, channels), dtype=np.uint8)
    view = Pipeline([], context)(image, (0,))
    expected = (image / 255 - context.mean) / context.std
    assert view.shape == (channels, 4, 4)
    assert view.dtype == torch.float32
    assert view.is_contiguous()
    np.testing.assert_allclose(view.numpy(), expected.transpose(2, 0, 1), atol=1e-5)


def test_survives_pickling_as_spawned_workers_need():
    pipeline = Pipeline(sim_steps(), RGB)
    copy = pickle.loads(pickle.dumps(pipeline))
    assert all(torch.equal(copy(IMAGE, (n,)), pipeline(IMAGE, (n,))) for n in range(10))


@pytest.mark.parametrize(
    "image",
    [IMAGE[..., 0], IMAGE[..., :1], IMAGE.astype(np.float32)],
    ids=["two dimensions", "one channel", "float"],
)
def test_refuses_an_image_of_another_kind(image):
    with pytest.raises(ValueError, match="Expected a uint8 array"):
        Pipeline([], RGB)(image, (0,))


def test_refuses_an_unknown_setting():
    with pytest.raises(ValueError, match="blurr"):
        transform("GaussianBlur", blurr=3)


@pytest.mark.parametrize(
    ("settings", "argument"),
    [
        ({"size": 0}, "size"),
        ({"channels": 17, "mean": (0.5,) * 17, "std": (0.5,) * 17}, "channels"),
        ({"mean": (0.5,)}, "mean"),
        ({"mean": (125.0, 120.0, 110.0)}, "mean"),
        ({"std": (0.1, 0.0, 0.1)}, "std"),
    ],
)
def test_context_refuses_nonsense(settings, argument):
    given = {"size": 8, "channels": 3, "flips": True, "mean": (0.5,) * 3, "std": (0.5,) * 3}
    with pytest.raises(ValueError, match=f"`{argument}`"):
        ViewContext(**{**given, **settings})


def test_policies_import_nothing_heavy_and_albumentations_stays_offline():
    code = (
        "import sys, os\n"
        "import supcon_ext.policies.simaugment, supcon_ext.policies.autoaugment\n"
        "heavy = {'torch', 'albumentations', 'cv2'} & set(sys.modules)\n"
        "if heavy: sys.exit(f'imported {heavy}')\n"
        "from supcon_ext.policies.pipeline import albumentations\n"
        "os.environ.pop('NO_ALBUMENTATIONS_UPDATE', None)\n"
        "import socket\n"
        "def refuse(*a, **k): os._exit(3)\n"
        "socket.socket.connect = socket.create_connection = refuse\n"
        "albumentations()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
