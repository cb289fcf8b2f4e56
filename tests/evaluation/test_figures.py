import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from supcon_ext.evaluation import figures
from supcon_ext.evaluation.metrics import reliability
from tests.evaluation.test_metrics import confident


def rows(classes, groups=("many", "medium", "few")):
    return [
        {
            "class": c,
            "name": f"a class with a long name {c}",
            "group": groups[c % len(groups)],
            "train_count": 1000 // (c + 1),
            "count": 3,
            "accuracy": None if c == 1 else 1 / (c + 1),
        }
        for c in range(classes)
    ]


def colours(path):
    image = np.asarray(Image.open(path).convert("RGB"))
    return {f"#{r:02x}{g:02x}{b:02x}" for r, g, b in image.reshape(-1, 3)}


def test_bars_are_coloured_by_group(tmp_path):
    figures.class_bars(tmp_path / "all.png", rows(6))
    figures.class_bars(tmp_path / "few.png", rows(6, groups=("few",)))
    palette = {name: figures.GROUP_COLOURS[name] for name in ("many", "medium", "few")}
    assert set(palette.values()) <= colours(tmp_path / "all.png")
    assert colours(tmp_path / "few.png") & set(palette.values()) == {palette["few"]}


def test_points_over_class_size_are_coloured_by_group(tmp_path):
    """Six classes, one without samples to score; a class without training samples has a place."""
    some = [{**row, "train_count": 0 if row["class"] == 5 else 9} for row in rows(6)]
    for name, given in (("all", rows(6)), ("few", rows(6, groups=("few",))), ("none", some)):
        figures.class_sizes(tmp_path / f"{name}.svg", given)
        drawn = (tmp_path / f"{name}.svg").read_text()
        for group in ("many", "medium", "few"):
            points = drawn.count(f"fill: {figures.GROUP_COLOURS[group]}")
            assert (points > 0) == (name != "few" or group == "few")


def test_trend_is_the_mean_over_classes_of_like_size():
    size = np.array([7.0, 0, 1, 2, 3, 4, 1000, 1023])
    height = np.array([0.5, 0.1, 0.2, 0.4, 0.6, 0.7, 0.8, 1.0])
    of_size, mean = figures.trend(size, height)
    np.testing.assert_allclose(of_size, [0, 1, 2.5, 5.5, 1011.5])
    np.testing.assert_allclose(mean, [0.1, 0.2, 0.5, 0.6, 0.9])


@pytest.mark.parametrize("classes", [2, 12, 30, 120])
def test_any_number_of_classes_can_be_drawn(classes, tmp_path):
    names = [f"a class with a long name {c}" for c in range(classes)]
    matrix = np.eye(classes, dtype=np.int64) * 3
    matrix[0, 0] = 0  # a class without samples
    figures.confusion(tmp_path / "confusion.png", matrix, names)
    figures.class_bars(tmp_path / "bars.png", rows(classes))
    figures.class_sizes(tmp_path / "sizes.png", rows(classes))
    label = np.arange(classes).repeat(2)
    point = np.random.default_rng(0).normal(size=(len(label), 2))
    figures.scatter(tmp_path / "scatter.png", point, label, names, "points")
    for path in tmp_path.iterdir():
        image = Image.open(path)
        assert min(image.size) >= 400 and max(image.size) <= 2000, path


def test_file_ending_says_the_format(tmp_path):
    figures.lines(tmp_path / "loss.svg", {"loss": ([0, 1], [2.0, 1.0])})
    assert "<svg" in (tmp_path / "loss.svg").read_text()
    found = reliability(confident([0.9, 0.8], [1, 0]), 10)
    figures.reliability_diagram(tmp_path / "reliability.pdf", found, 0.35)
    assert (tmp_path / "reliability.pdf").read_bytes().startswith(b"%PDF")


def test_curves_of_unequal_length_are_refused(tmp_path):
    with pytest.raises(ValueError, match="curve `ce`"):
        figures.lines(tmp_path / "loss.png", {"ce": ([0, 1], [2.0])})


def test_pyplot_is_never_loaded(tmp_path):
    code = (
        "import sys; from pathlib import Path; from supcon_ext.evaluation import figures\n"
        "assert not [m for m in sys.modules if m.split('.')[0] in ('matplotlib', 'sklearn')]\n"
        f"figures.lines(Path({str(tmp_path / 'x.png')!r}), {{'a': ([0], [1.0])}})\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
