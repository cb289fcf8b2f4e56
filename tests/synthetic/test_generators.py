"""Every generator keeps the contract; what each makes, exactly where that can be said."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

from data_tools.input_spec import InputSpec
from data_tools.procedural_picture import COLOURS, DESCRIPTIONS, SHAPES, draw_picture
from data_tools.samples import SampleSet
from supcon_ext.interrupt import Interrupted
from supcon_ext.synthetic.generator import Asked, Generator, generator, load_generator
from supcon_ext.synthetic.generators.feature_space import FeatureSpace, slerp
from supcon_ext.synthetic.generators.parents import ParentChooser
from supcon_ext.synthetic.image_seed import image_seed
from supcon_ext.testing import check_generator
from tests.synthetic import toy

KINDS = {name: sorted(generator.get(name).takes) for name in generator.names()}


def made(name: str, **params: object) -> Generator:
    return generator.get(name).make(**{**toy.small(name), **params})


def fitted(name: str, real: SampleSet | None = None, **params: object) -> Generator:
    one = made(name, **params)
    real = (toy.pictures() if "image" in KINDS[name] else toy.vectors()) if real is None else real
    one.fit(real, seed=1)
    return one


CASES = [
    (name, kind, shape)
    for name, kinds in KINDS.items()
    for kind in kinds
    for shape in ("usual", "other")
]


@pytest.mark.parametrize(("name", "kind", "shape"), CASES)
def test_contract(name: str, kind: str, shape: str) -> None:
    """Pictures in colour and, where it is no matter of colour, grey of 16 bits; stored views."""
    counts = (12, 8, 6, 5)
    if kind == "vector":
        real = toy.vectors(counts, views=3 * (shape == "other"))
    elif shape == "usual" or name in ("procedural", "pipeline"):
        real = toy.pictures(counts)
    else:
        real = toy.pictures(counts, channels=1, dtype="uint16")
    check_generator(made(name), real)


@pytest.mark.parametrize("mode", ["slerp", "noise", "gaussian"])
def test_contract_of_every_mode_among_vectors(mode: str) -> None:
    check_generator(FeatureSpace(mode), toy.vectors((8, 6, 5, 5)))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", KINDS)
def test_a_file_gives_the_same_generator(name: str, tmp_path) -> None:
    first = fitted(name)
    first.save(tmp_path / "made.pt")
    second = load_generator(tmp_path / "made.pt")
    assert type(second) is type(first) and second.settings == first.settings
    asked = [Asked(c, k) for c in range(4) for k in range(2)]
    for one, other in zip(first.samples(asked, 7), second.samples(asked, 7), strict=True):
        np.testing.assert_array_equal(one, other)
    assert [first.parent_of(*a, 7) for a in asked] == [second.parent_of(*a, 7) for a in asked]


@pytest.mark.parametrize("name", KINDS)
def test_a_file_is_whole_or_not_there(name: str, tmp_path, monkeypatch) -> None:
    one = fitted(name)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("data_tools.whole_file.os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        one.save(tmp_path / "made.pt")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04 nothing", "cut"])
def test_a_file_that_holds_no_generator(content: bytes | str, tmp_path) -> None:
    path = tmp_path / "made.pt"
    fitted("procedural").save(path)
    path.write_bytes(path.read_bytes()[:-20] if isinstance(content, str) else content)
    with pytest.raises(ValueError, match="Expected a file that a generator was saved to"):
        load_generator(path)


def test_a_file_of_another_generator(tmp_path) -> None:
    fitted("procedural").save(tmp_path / "made.pt")
    with pytest.raises(ValueError, match="procedural"):
        made("transform").load(tmp_path / "made.pt")
    with pytest.raises(ValueError, match="settings"):
        made("procedural", size=16).load(tmp_path / "made.pt")
    with pytest.raises(FileNotFoundError, match="does not exist"):
        load_generator(tmp_path / "none.pt")


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("asked", [-1, 4, "a purple cow"])
def test_what_it_does_not_make(name: str, asked: int | str) -> None:
    if name == "pipeline" and isinstance(asked, str):
        assert fitted(name).settled("A Purple  Cow") == asked
        return
    with pytest.raises(ValueError, match="Expected a class"):
        fitted(name).sample(asked, 0, 0)


@pytest.mark.parametrize("name", sorted(set(KINDS) - {"procedural", "pipeline"}))
def test_before_it_is_fitted_and_of_a_class_without_trusted_samples(name: str) -> None:
    one = made(name)
    with pytest.raises(ValueError, match="Expected a fitted"):
        one.sample(0, 0, 0)
    real = toy.pictures() if "image" in KINDS[name] else toy.vectors()
    trust = torch.from_numpy((real.label != 3).astype(np.float32))
    one.fit(real, trust)
    assert [one.makes(c) for c in range(4)] == [True, True, True, False]
    with pytest.raises(ValueError, match="has none"):
        one.sample(3, 0, 0)
    with pytest.raises(ValueError, match=r"trust above 0\.5"):
        one.fit(real, torch.zeros(len(real)))
    with pytest.raises(ValueError, match="one trust for each"):
        one.fit(real, torch.ones(3))


@pytest.mark.parametrize("name", KINDS)
def test_samples_of_the_wrong_kind(name: str) -> None:
    wrong = toy.vectors() if "image" in KINDS[name] else toy.pictures()
    with pytest.raises(ValueError, match="Expected"):
        made(name).fit(wrong)


def test_the_seed_of_a_sample() -> None:
    """Known values: what was made once can be made again with a later version."""
    assert image_seed(0, "A  Red circle", 0) == image_seed(0, "a red CIRCLE", 0)
    assert image_seed(0, 1, 0) != image_seed(0, "1", 0) != image_seed(0, "class/1", 0)
    keys = [(s, w, k) for s in range(5) for w in (0, 1, 11, "1", "a", "b") for k in range(20)]
    assert len({image_seed(*key) for key in keys}) == len(keys)
    assert all(0 <= image_seed(*key) < 2**63 for key in keys)
    assert image_seed(0, "a red circle", 0) == KNOWN


KNOWN = 3527968293666061363


def test_procedural_captions() -> None:
    one = made("procedural")
    captions = [text for c in range(6) for text in one.captions_of(c)]
    assert sorted(captions) == sorted(what.caption for what in DESCRIPTIONS)
    assert len(set(captions)) == 72
    assert one.captions_of(0)[0] == "a red circle on a plain wall"
    assert {what.shape for what in DESCRIPTIONS[:6]} == set(SHAPES)
    assert {what.colour for what in DESCRIPTIONS[:24]} == set(COLOURS)


@pytest.mark.parametrize("what", DESCRIPTIONS[::7], ids=lambda what: what.caption)
def test_a_picture_is_of_its_colour_and_its_shape(what) -> None:
    """The share of the picture in the colour is the shape's area, within its range of sizes."""
    picture = draw_picture(what, np.random.default_rng(3), 96).astype(np.float64) / 255
    paint = np.array(COLOURS[what.colour])
    direction = (paint - paint.mean()) / np.linalg.norm(paint - paint.mean())
    grey_free = (picture - picture.mean(2, keepdims=True)) @ direction
    share = float((grey_free > 0.15).mean())
    grid = (np.arange(200) + 0.5) / 100 - 1
    x, y = np.meshgrid(grid, grid)
    area = SHAPES[what.shape](x, y).mean()
    assert 0.4**2 * area * 0.8 < share < 0.75**2 * area * 1.2


def test_procedural_beside_a_set() -> None:
    assert fitted("procedural", toy.pictures(size=16)).sample(0, 0, 0).shape == (16, 16, 3)
    strangers = toy.pictures(names=("circle", "cat", "dog", "square"))
    with pytest.raises(ValueError, match="cat, dog"):
        made("procedural").fit(strangers)
    with pytest.raises(ValueError, match="8-bit colour"):
        made("procedural").fit(toy.pictures(channels=1))


def test_parents_take_turns() -> None:
    """In each round every trusted sample of the class once, in another order."""
    places = np.array([3, 5, 8, 9, 12, 20])
    parents = ParentChooser(places, np.array([0, 1, 0, 0, 1, 0]))
    rounds = [[parents.chosen(0, 4 * turn + k, 7) for k in range(4)] for turn in range(6)]
    assert all(sorted(turn) == [0, 2, 3, 5] for turn in rounds)
    assert len({tuple(turn) for turn in rounds}) > 1


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 1.0])
def test_slerp_on_a_known_arc(share: float) -> None:
    """A quarter of a circle, lengths 1 to 3; also where two directions are equal or opposite."""
    first, second = np.array([1.0, 0.0]), np.array([0.0, 3.0])
    length, angle = 1 + 2 * share, share * np.pi / 2
    expected = length * np.array([np.cos(angle), np.sin(angle)])
    np.testing.assert_allclose(slerp(first, second, share), expected, atol=1e-12)
    same = slerp(first, 2 * first, share)
    np.testing.assert_allclose(same, [1 + share, 0], atol=1e-12)
    assert np.isfinite(slerp(first, -first, 0.3)).all()


def test_noise_has_the_length_that_is_said() -> None:
    real = toy.vectors((400,), width=64)
    one = fitted("feature_space", real, mode="noise", sigma=0.5)
    made_ = np.stack(one.samples([Asked(0, k) for k in range(400)], 0))
    np.testing.assert_allclose(np.linalg.norm(made_, axis=1), 1, atol=1e-6)
    parents = np.stack([real[one.parent_of(0, k, 0)] for k in range(400)])
    cosine = float((made_ * parents).sum(1).mean())
    assert cosine == pytest.approx(1 / np.sqrt(1.25), abs=0.01)


@pytest.mark.parametrize("shrinkage", [0.0, 5.0, 1e9])
def test_gaussian_has_the_mean_and_the_shrunken_covariance(shrinkage: float) -> None:
    """Against numpy's covariances of 1,500 draws, and of the class of one sample the pooled one."""
    real = toy.vectors((30, 15, 1), width=3, unit=False)
    rows = real.samples.vectors.astype(np.float64)  # type: ignore[attr-defined]
    centred = rows - np.stack([rows[real.label == c].mean(0) for c in range(3)])[real.label]
    pooled = centred.T @ centred / (len(rows) - 3)
    one = fitted("feature_space", real, mode="gaussian", shrinkage=shrinkage)
    for label, count in enumerate((30, 15, 1)):
        drawn = np.stack(one.samples([Asked(label, k) for k in range(1500)], 0))
        members = rows[real.label == label]
        share = (count - 1) / (count - 1 + shrinkage) if count > 1 else 0.0
        own = np.cov(members.T) if count > 1 else np.zeros((3, 3))
        expected = share * own + (1 - share) * pooled
        np.testing.assert_allclose(drawn.mean(0), members.mean(0), atol=0.05)
        np.testing.assert_allclose(np.cov(drawn.T), expected, atol=0.03)


def test_a_class_of_one_vector_is_repeated_by_slerp() -> None:
    real = toy.vectors((5, 1))
    one = fitted("feature_space", real)
    np.testing.assert_allclose(one.sample(1, 3, 0), real[5], atol=1e-6)


def test_transform_keeps_the_sizes_of_its_parents() -> None:
    images = [np.full((9 + i, 12, 3), 10 * i, np.uint8) for i in range(6)]
    holder = np.empty(6, dtype=object)
    holder[:] = images
    spec = InputSpec("image", 3, "uint8", None, 255.0)
    real = SampleSet(holder, np.zeros(6, np.int64), ("a",), spec=spec)
    one = fitted("transform", real)
    for k in range(6):
        assert one.sample(0, k, 0).shape == images[one.parent_of(0, k, 0)].shape


def test_transform_flips_only_where_that_keeps_the_label() -> None:
    """One bright column on the left: without flips it is never on the right."""
    images = np.zeros((4, 16, 16, 1), np.uint8)
    images[:, :, 1:4] = 255
    for flips in (False, True):
        spec = InputSpec("image", 1, "uint8", (16, 16), 255.0, flips)
        real = SampleSet(images, np.zeros(4, np.int64), ("a",), spec=spec)
        one = fitted("transform", real, count=0, warp=0.0, min_scale=0.9)
        right = [one.sample(0, k, 0)[:, 8:].sum() > 0 for k in range(40)]
        assert any(right) == flips


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("class_vae", {"steps": 150, "batch": 16, "width": 8, "code": 2}),
        ("class_diffusion", {"steps": 120, "batch": 16, "width": 16, "sampling_steps": 6}),
    ],
)
def test_networks_learn_what_a_class_looks_like(name: str, params: dict[str, object]) -> None:
    """The bright half is where the class has it, also of the class of four pictures."""
    one = fitted(name, toy.pictures((12, 4), channels=1), **params)
    for c in range(2):
        rows = np.mean(one.samples([Asked(c, k) for k in range(4)], 0), axis=(0, 2, 3))
        assert rows[4 * c : 4 * c + 4].mean() > rows[4 - 4 * c : 8 - 4 * c].mean() + 30


@pytest.mark.parametrize("name", ["class_vae", "class_diffusion"])
def test_networks_take_pictures_of_any_size(name: str) -> None:
    """Sides that no network halves evenly; files of several sizes once a size is said."""
    odd = np.random.default_rng(0).integers(0, 256, (8, 19, 23, 3), np.uint8)
    label = np.arange(8) % 2
    one = fitted(name, SampleSet(odd, label, ("a", "b"), spec=InputSpec.of(odd)))
    assert one.sample(1, 0, 0).shape == (19, 23, 3)
    several = np.empty(8, dtype=object)
    several[:] = [odd[i, : 10 + i] for i in range(8)]
    spec = InputSpec("image", 3, "uint8", None, 255.0)
    files = SampleSet(several, label, ("a", "b"), spec=spec)
    with pytest.raises(ValueError, match="size: 32"):
        made(name).fit(files)
    assert fitted(name, files, size=12).sample(0, 0, 0).shape == (12, 12, 3)


@pytest.mark.parametrize("name", ["class_vae", "class_diffusion"])
def test_a_stop_while_fitting(name: str) -> None:
    """It comes through at once; nothing is left of what was begun."""
    one = made(name, steps=50)

    def stop(done: int, total: int) -> None:
        assert total == 50
        if done == 2:
            raise Interrupted("SIGINT")

    with pytest.raises(Interrupted):
        one.fit(toy.pictures(), progress=stop)
    assert not hasattr(one, "network")


def test_diffusion_without_its_package(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "diffusers", None)
    expected = r'Expected package `diffusers`.*pip install "supcon-ext\[generate\]"'
    with pytest.raises(ModuleNotFoundError, match=expected):
        made("class_diffusion").fit(toy.pictures())
