import numpy as np
import pytest
import torch
from pydantic import ValidationError

from supcon_ext.policies.base import ViewContext, policy
from supcon_ext.policies.cutout import Cutout
from supcon_ext.policies.none import none
from supcon_ext.policies.pipeline import Draws
from supcon_ext.policies.randaugment import randaugment
from supcon_ext.policies.simaugment import simaugment
from supcon_ext.policies.weak import weak

NAMES = ["autoaugment", "none", "randaugment", "simaugment", "stacked_randaugment", "weak"]
OF_OTHER_TESTS = ["multi_crop_global", "multi_crop_local", "stablerep"]  # test_multi_crop.py
RANDOM = [name for name in NAMES if name != "none"]

# height, width and channels of the image; side of the view
DATA = {
    "grey 8 to 16": ((8, 8, 1), 16),
    "rgb 32": ((32, 32, 3), 32),
    "rgb 100x80 to 72": ((100, 80, 3), 72),
}


def make_context(size: int, channels: int = 3, flips: bool = True) -> ViewContext:
    return ViewContext(size, channels, flips, (0.5,) * channels, (0.25,) * channels)


def make(name: str, context: ViewContext, **settings):
    return policy.spec({"kind": name, **settings}).bind()(context)


def random_image(shape: tuple[int, int, int]):
    image = np.random.default_rng(3).integers(0, 256, shape, dtype=np.uint8)
    image.flags.writeable = False  # as a memory-mapped array is
    return image


def test_registry_knows_the_policies():
    assert policy.that_take("image") == sorted([*NAMES, *OF_OTHER_TESTS])
    vectors = ["gaussian_noise", "interpolate", "mask", "none", "stored_view"]
    assert policy.that_take("vector") == vectors


@pytest.mark.parametrize("flips", [True, False], ids=["flips", "no flips"])
@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("name", NAMES)
def test_every_policy_on_every_kind_of_image(name, data, flips):
    shape, size = DATA[data]
    view = make(name, make_context(size, shape[2], flips))
    image = random_image(shape)
    for number in range(40):
        picture = view(image, (0, 0, number, 0))
        assert picture.shape == (shape[2], size, size)
        assert picture.dtype == torch.float32
        assert bool(torch.isfinite(picture).all())
        assert float(picture.abs().max()) <= 2.0 + 1e-5  # (0 or 1 - 0.5) / 0.25
        assert torch.equal(picture, view(image, (0, 0, number, 0)))


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("name", RANDOM)
def test_random_policies_differ_from_none_and_among_keys(name, data):
    shape, size = DATA[data]
    context = make_context(size, shape[2])
    image = random_image(shape)
    plain = none(context)(image, (0,))
    view = make(name, context)
    pictures = [view(image, (0, 0, number, 0)) for number in range(20)]
    assert sum(torch.equal(picture, plain) for picture in pictures) <= 1
    assert len({picture.numpy().tobytes() for picture in pictures}) >= 15


@pytest.mark.parametrize("data", DATA)
def test_none_is_the_same_for_every_key(data):
    shape, size = DATA[data]
    view = none(make_context(size, shape[2]))
    image = random_image(shape)
    assert torch.equal(view(image, (0,)), view(image, (5, 6, 7)))


def test_none_leaves_an_image_of_the_right_size_alone():
    image = random_image((32, 32, 3))
    picture = none(make_context(32))(image, (0,))
    expected = (image.transpose(2, 0, 1) / 255 - 0.5) / 0.25
    np.testing.assert_allclose(picture.numpy(), expected, atol=1e-5)


def test_none_keeps_seven_eighths_of_a_large_image():
    image = np.zeros((256, 256, 3), dtype=np.uint8)
    image[16:240, 16:240] = 255  # the centre 224 x 224
    assert bool((none(make_context(224))(image, (0,)) == 2).all())
    assert not bool((none(make_context(224), crop_fraction=1.0)(image, (0,)) == 2).all())


# -- flips: a ramp that is dark on the left. Settings that keep the order of its pixels.
KEEPS_ORDER = {
    "weak": {},
    "simaugment": {},
    "randaugment": {"magnitude": 0},
    "stacked_randaugment": {"magnitude": 0},
    "none": {},
}


def slopes(name: str, size: int, channels: int, flips: bool, **settings):
    ramp = np.linspace(20, 235, size).astype(np.uint8)
    image = np.broadcast_to(ramp[None, :, None], (size, size, channels))
    view = make(name, make_context(size, channels, flips), **settings)
    pictures = [view(image, (0, 0, number, 0)).mean(dim=(0, 1)) for number in range(60)]
    half = size // 2
    return [float(picture[-half:].mean() - picture[:half].mean()) for picture in pictures]


@pytest.mark.parametrize(("size", "channels"), [(16, 1), (32, 3), (72, 3)])
@pytest.mark.parametrize("name", KEEPS_ORDER)
def test_no_view_is_mirrored_where_flips_are_forbidden(name, size, channels):
    assert min(slopes(name, size, channels, False, **KEEPS_ORDER[name])) > 0


@pytest.mark.parametrize(("size", "channels"), [(16, 1), (32, 3), (72, 3)])
@pytest.mark.parametrize("name", [name for name in KEEPS_ORDER if name != "none"])
def test_half_of_the_views_are_mirrored_where_flips_are_allowed(name, size, channels):
    mirrored = np.mean(np.array(slopes(name, size, channels, True, **KEEPS_ORDER[name])) < 0)
    assert 0.25 < mirrored < 0.75


@pytest.mark.parametrize(("size", "channels"), [(16, 1), (32, 3), (72, 3)])
def test_autoaugment_flips_on_average_only_where_allowed(size, channels):
    """Solarize and Invert turn the ramp in some views, a flip in every other one."""
    forbidden = np.array(slopes("autoaugment", size, channels, False))
    allowed = np.array(slopes("autoaugment", size, channels, True))
    assert np.mean(forbidden > 0) > 0.8
    assert 0.25 < np.mean(allowed > 0) < 0.75


# -- single policies


def test_randaugment_of_magnitude_zero_is_nearly_weak():
    """AutoContrast and Equalize have no magnitude; on flat histograms they do next to nothing."""
    values = np.random.default_rng(0).permutation(np.arange(1024) // 4).astype(np.uint8)
    image = values.reshape(32, 32, 1).repeat(3, axis=2)
    context = make_context(32)
    plain, view = weak(context), randaugment(context, magnitude=0.0)
    strong = randaugment(context, magnitude=9.0)
    pairs = [(plain(image, (n,)), view(image, (n,)), strong(image, (n,))) for n in range(40)]
    assert max(float((a - b).abs().mean()) for a, b, _ in pairs) < 0.1  # of a range of 4
    assert np.mean([float((a - c).abs().mean()) for a, _, c in pairs]) > 0.4


def test_randaugment_of_no_operations_is_weak():
    image = random_image((32, 32, 3))
    context = make_context(32)
    plain, view = weak(context), randaugment(context, count=0)
    assert all(torch.equal(plain(image, (n,)), view(image, (n,))) for n in range(10))


def test_magnitude_std_spreads_the_magnitude():
    image = random_image((32, 32, 3))
    fixed = randaugment(make_context(32), magnitude=5.0)
    spread = randaugment(make_context(32), magnitude=5.0, magnitude_std=2.0)
    assert any(not torch.equal(fixed(image, (n,)), spread(image, (n,))) for n in range(10))


@pytest.mark.parametrize(("size", "magnitude"), [(32, 5.0), (64, 5.0), (65, 9.0)])
def test_randaugment_chooses_its_magnitude_by_size(size, magnitude):
    image = random_image((size, size, 3))
    default = randaugment(make_context(size))
    given = randaugment(make_context(size), magnitude=magnitude)
    assert all(torch.equal(default(image, (n,)), given(image, (n,))) for n in range(10))


def test_grey_randaugment_does_without_colour():
    grey, rgb = randaugment(make_context(16, 1)), randaugment(make_context(16, 3))
    names = [next(s for s in view.steps if hasattr(s, "names")).names for view in (grey, rgb)]
    assert len(names[1]) == 14  # Cubuk et al. 2020, section 3
    assert set(names[1]) - set(names[0]) == {"Color"}


def test_simaugment_without_crop_and_colour_is_the_image():
    image = random_image((32, 32, 3))
    context = make_context(32, flips=False)
    view = simaugment(context, min_scale=1.0, jitter=0.0, grey=0.0)
    # A crop of the whole area has the aspect 1 that the image has, or is not possible.
    assert torch.equal(view(image, (0,)), none(context)(image, (0,)))


@pytest.mark.parametrize(("size", "blurred"), [(32, False), (64, False), (96, True)])
def test_simaugment_blurs_large_images_by_itself(size, blurred):
    image = random_image((size, size, 3))
    settings = {"min_scale": 1.0, "jitter": 0.0, "grey": 0.0}
    context = make_context(size, flips=False)
    default = simaugment(context, **settings)
    sharp = simaugment(context, **settings, blur=0.0)
    changed = np.mean(
        [not torch.equal(default(image, (n,)), sharp(image, (n,))) for n in range(60)]
    )
    assert (0.3 < changed < 0.7) if blurred else changed == 0


def test_strength_and_probabilities_of_simaugment_act():
    image = random_image((32, 32, 3))
    whole = {"min_scale": 1.0, "jitter": 1.0, "grey": 0.0}
    context = make_context(32, flips=False)
    plain = none(context)(image, (0,))
    calm, mild, wild = (simaugment(context, **whole, strength=s) for s in (0.0, 0.5, 2.0))
    assert torch.equal(calm(image, (0,)), plain)
    change = [
        np.mean([float((view(image, (n,)) - plain).abs().mean()) for n in range(50)])
        for view in (mild, wild)
    ]
    assert 0 < 2 * change[0] < change[1]
    red, green, blue = simaugment(context, grey=1.0)(image, (0,))
    assert torch.equal(red, green)
    assert torch.equal(red, blue)


def test_cutout_covers_a_square_cut_by_the_border():
    image = np.full((32, 32, 3), 255, dtype=np.uint8)
    step = Cutout(16, (51, 102, 153))
    sides = set()
    for number in range(1000):
        covered = (step(image, Draws((number,))) == (51, 102, 153)).all(axis=2)
        height, width = int(covered.any(axis=1).sum()), int(covered.any(axis=0).sum())
        assert covered.sum() == height * width
        sides |= {height, width}
    assert sides == set(range(8, 17))  # a centre on the border leaves half of the square
    assert image.min() == 255


@pytest.mark.parametrize("name", ["weak", "randaugment", "autoaugment"])
def test_cutout_is_the_last_step_of_a_policy(name):
    image = random_image((32, 32, 3))
    context = ViewContext(32, 3, True, (0.2, 0.4, 0.6), (0.5, 0.5, 0.5))
    plain, view = make(name, context), make(name, context, cutout=0.5)
    largest = 0
    for number in range(60):
        picture = view(image, (number,))
        changed = (picture != plain(image, (number,))).any(dim=0)
        assert bool((picture[:, changed].abs() < 0.01).all())  # the mean colour, normalised
        largest = max(largest, int(changed.sum()))
    assert 150 < largest <= 256


def test_autoaugment_chooses_its_policy_by_size():
    from supcon_ext.policies.autoaugment import CIFAR10, IMAGENET, autoaugment

    def choices(size: int, **settings):
        steps = autoaugment(make_context(size), **settings).steps
        return next(step.choices for step in steps if hasattr(step, "choices"))

    assert choices(32) == CIFAR10
    assert choices(224) == IMAGENET
    assert choices(32, policy="imagenet") == IMAGENET


def test_weak_shifts_a_small_image_by_up_to_an_eighth():
    image = np.zeros((32, 32, 1), dtype=np.uint8)
    image[16, 16] = 255
    view = weak(make_context(32, 1, flips=False))
    spots = {tuple((view(image, (n,))[0] > 0).nonzero()[0].tolist()) for n in range(1000)}
    assert spots == {(row, column) for row in range(12, 21) for column in range(12, 21)}


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("simaugment", {"grey": 1.5}),
        ("simaugment", {"blur": -0.1}),
        ("randaugment", {"magnitude": 11}),
        ("randaugment", {"count": -1}),
        ("stacked_randaugment", {"strength": 3}),
        ("autoaugment", {"policy": "svhn"}),
        ("weak", {"cutout": 2.0}),
        ("none", {"crop_fraction": 0.0}),
    ],
)
def test_nonsense_is_refused_in_a_recipe_and_in_python(name, settings):
    with pytest.raises(ValidationError):
        policy.spec({"kind": name, **settings})
    with pytest.raises(ValueError, match=f"`{next(iter(settings))}`"):
        policy.get(name).target(make_context(32), **settings)
