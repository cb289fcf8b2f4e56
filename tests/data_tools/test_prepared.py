import dataclasses
import logging
from functools import partial

import numpy as np
import pytest

from data_tools import prepare_data, read_labels
from data_tools.datasets.base import Splits, dataset
from data_tools.imbalance.base import imbalance
from data_tools.imbalance.exponential import exponential
from data_tools.noise.base import noise
from data_tools.noise.from_file import from_file
from data_tools.noise.long_tail import rolt_symmetric
from data_tools.noise.open_set import open_set
from data_tools.noise.symmetric import symmetric
from data_tools.samples import SampleSet
from tests.data_tools.toy import balanced


def numbered(classes: int, per_class: int, truth_known: bool = True) -> Splits:
    """A source whose images hold their own place, so that no step can mix them up."""
    train = balanced(classes, per_class)
    pixels = np.arange(len(train), dtype=np.uint16).view(np.uint8).reshape(-1, 1, 2, 1)
    train = dataclasses.replace(train, samples=pixels, columns={"place": np.arange(len(train))})
    return Splits(train, balanced(classes, 3), truth_known)


def places(images: SampleSet) -> np.ndarray:
    found = [int(images.samples[i].reshape(-1).view(np.uint16)[0]) for i in range(len(images))]
    return np.array(found)


def test_nothing_added_changes_nothing() -> None:
    source = numbered(4, 20)
    made = prepare_data(source)
    assert (made.train.label == source.train.label).all() and made.validation is None
    assert (made.origin == np.arange(80)).all() and made.validation_origin is None
    assert made.counts.tolist() == made.clean_counts.tolist() == [20] * 4
    assert (made.truth.train == source.train.label).all()
    assert made.describe()["noise_rate"] == 0.0


def test_imbalance_then_noise() -> None:
    source = numbered(5, 100)
    made = prepare_data(
        source,
        imbalance=partial(exponential, factor=10),
        noise=partial(rolt_symmetric, rate=0.4),
        validation=0.2,
    )
    total = len(made.train) + len(made.validation)
    assert made.clean_counts.sum() == len(made.train) == made.counts.sum()
    for part, origin, truth in (
        (made.train, made.origin, made.truth.train),
        (made.validation, made.validation_origin, made.truth.validation),
    ):
        assert (places(part) == origin).all()
        assert (part.columns["place"] == origin).all()
        assert (source.train.label[origin] == truth).all()
        assert (np.diff(origin) > 0).all()
    assert not set(made.origin) & set(made.validation_origin)
    wrong = (made.train.label != made.truth.train).sum()
    wrong += (made.validation.label != made.truth.validation).sum()
    assert wrong == int(0.4 * total)
    assert made.test is source.test
    assert (made.counts == np.bincount(made.train.label)).all()
    assert np.diag(made.transition) == pytest.approx(np.full(5, 0.6))


def test_the_order_decides_the_counts() -> None:
    source = numbered(5, 200)
    steps = {
        "imbalance": partial(exponential, factor=20, largest=100),
        "noise": partial(symmetric, rate=0.5, redraw="exclusive"),
    }
    first = prepare_data(source, **steps)
    assert first.clean_counts.tolist() == [100, 47, 22, 10, 5]
    assert first.counts[4] > 15 and first.transition is not None
    second = prepare_data(source, **steps, order="noise_then_imbalance")
    assert second.counts.tolist() == [100, 47, 22, 10, 5]
    assert second.clean_counts[4] > 10 and second.transition is None
    assert (source.train.label[second.origin] == second.truth.train).all()
    assert (places(second.train) == second.origin).all()
    with pytest.raises(ValueError, match=r"argument `order`"):
        prepare_data(source, **steps, order="noise")


def test_truth_is_known_only_where_it_is() -> None:
    source = numbered(4, 20, truth_known=False)
    made = prepare_data(source, validation=0.1)
    assert made.truth is None and made.clean_counts is None
    assert made.describe()["noise_rate"] is None
    noisy = prepare_data(source, noise=partial(symmetric, rate=0.4), validation=0.1)
    assert (noisy.truth.train == source.train.label[noisy.origin]).all()


def test_the_split_follows_given_labels() -> None:
    made = prepare_data(numbered(4, 100), noise=partial(symmetric, rate=0.8), validation=0.25)
    given = np.bincount(np.concatenate([made.train.label, made.validation.label]))
    assert np.abs(np.bincount(made.validation.label) - given / 4).max() < 1
    other = prepare_data(
        numbered(4, 100), noise=partial(symmetric, rate=0.8), validation=0.25, seed=1
    )
    assert (other.origin != made.origin).any()
    with pytest.raises(ValueError, match=r"argument `validation`"):
        prepare_data(numbered(4, 20), validation=1.0)


def test_a_validation_set_that_is_shipped_is_used(caplog) -> None:
    source = dataclasses.replace(numbered(4, 20), validation=balanced(4, 5))
    with caplog.at_level(logging.INFO, logger="data_tools.prepared"):
        made = prepare_data(source, validation=0.5)
    assert made.validation is source.validation and len(made.train) == 80
    assert made.validation_origin is None and len(made.truth.validation) == 20
    assert "the 20 images that the source ships" in caplog.text


def test_open_set_images_are_nobodys() -> None:
    other = SampleSet(np.full((50, 1, 2, 1), 255, np.uint8), np.zeros(50, np.int64), ("?",))
    made = prepare_data(
        numbered(4, 20),
        noise=partial(open_set, rate=0.5, share=1.0, foreign=Splits(other, None, True)),
        validation=0.25,
    )
    summary = made.describe()
    foreign = made.truth.train < 0
    assert (places(made.train)[foreign] == 0xFFFF).all()
    assert (places(made.train)[~foreign] == made.origin[~foreign]).all()
    assert made.clean_counts.sum() == (~foreign).sum()
    assert summary["open_set_rate"] == summary["noise_rate"] == foreign.mean()


def test_describe_by_hand() -> None:
    label = np.repeat([0, 1], [30, 10])
    source = Splits(
        SampleSet(np.zeros((40, 1, 1, 1), np.uint8), label, ("a", "b")), None, truth_known=True
    )
    summary = prepare_data(
        source, noise=partial(symmetric, rate=0.5, redraw="exclusive")
    ).describe()
    assert summary["train"] == 40 and summary["test"] == summary["validation"] == 0
    assert summary["noise_rate"] == 0.5 and summary["clean_imbalance_factor"] == 3.0
    assert sum(summary["counts"]) == 40 and summary["clean_counts"] == [30, 10]
    assert summary["shot_groups"] == {"many": 0, "medium": 1, "few": 1}


def test_groups_go_by_clean_counts() -> None:
    """Noise makes the tail of 5 look like a class of more than twenty."""
    made = prepare_data(
        numbered(5, 200),
        imbalance=partial(exponential, factor=40),
        noise=partial(rolt_symmetric, rate=0.5),
    )
    assert made.counts[4] >= 20 > made.clean_counts[4]
    assert made.describe()["shot_groups"]["few"] == 2


@pytest.mark.parametrize("suffix", ["npz", "csv"])
def test_labels_make_a_round_trip(tmp_path, suffix: str) -> None:
    source = numbered(5, 100)
    shape = partial(exponential, factor=5)
    settings = {"noise": {"kind": "symmetric", "rate": 0.4}, "dataset": {"root": "/here"}}
    made = prepare_data(
        source,
        imbalance=shape,
        noise=partial(symmetric, rate=0.4),
        validation=0.2,
        settings=settings,
    )
    path = tmp_path / f"labels.{suffix}"
    made.export_labels(path)
    table = read_labels(path)
    assert table.fingerprint == made.fingerprint
    assert table.settings["made"]["noise"] == {"kind": "symmetric", "rate": 0.4}
    assert (table.index[~table.held_out] == made.origin).all()
    assert (table.given[table.held_out] == made.validation.label).all()
    assert (table.truth == source.train.label[table.index]).all()
    again = prepare_data(
        source, imbalance=shape, noise=partial(from_file, file=str(path)), validation=0.2
    )
    assert (again.train.label == made.train.label).all()
    assert (again.origin == made.origin).all()
    assert (again.truth.train == made.truth.train).all()


def test_exported_labels_of_other_data_are_refused(tmp_path) -> None:
    source = numbered(5, 100)
    read = partial(from_file, file=str(tmp_path / "labels.npz"))
    prepare_data(source, imbalance=partial(exponential, factor=5)).export_labels(
        tmp_path / "labels.npz"
    )
    with pytest.raises(ValueError, match=r"training images.*have none"):
        prepare_data(source, noise=read)
    prepare_data(source).export_labels(tmp_path / "labels.npz")
    with pytest.raises(ValueError, match=r"true labels"):
        prepare_data(
            dataclasses.replace(source, train=source.train.take(np.arange(500)[::-1].copy())),
            noise=read,
        )
    other = SampleSet(np.full((99, 1, 2, 1), 255, np.uint8), np.zeros(99, np.int64), ("?",))
    foreign = Splits(other, None, True)
    prepare_data(source, noise=partial(open_set, rate=0.1, foreign=foreign)).export_labels(
        tmp_path / "labels.npz"
    )
    with pytest.raises(ValueError, match=r"open-set images"):
        prepare_data(source, noise=read)


def test_a_changed_file_is_noticed(tmp_path) -> None:
    made = prepare_data(numbered(3, 10))
    made.export_labels(tmp_path / "labels.csv")
    text = (tmp_path / "labels.csv").read_text()
    (tmp_path / "labels.csv").write_text(text.replace("\n4,0,", "\n4,1,"))
    with pytest.raises(ValueError, match=r"the file was changed"):
        read_labels(tmp_path / "labels.csv")
    with pytest.raises(ValueError, match=r"the file was changed"):
        prepare_data(numbered(3, 10), noise=partial(from_file, file=str(tmp_path / "labels.csv")))


def test_files_that_hold_no_exported_labels(tmp_path) -> None:
    with pytest.raises(ValueError, match=r"ends in \.npz or \.csv"):
        prepare_data(numbered(3, 10)).export_labels(tmp_path / "labels.txt")
    np.savez(tmp_path / "other.npz", given=np.zeros(3))
    with pytest.raises(ValueError, match=r"exported by this package"):
        read_labels(tmp_path / "other.npz")


def test_the_fingerprint_is_that_of_the_labels_and_settings() -> None:
    source = numbered(4, 50)
    make = partial(prepare_data, source, noise=partial(symmetric, rate=0.4), validation=0.2)
    base = make(settings={"noise": {"rate": 0.4}})
    assert make(settings={"noise": {"rate": 0.4}}).fingerprint == base.fingerprint
    assert len(base.fingerprint) == 64
    assert make(settings={"noise": {"rate": 0.4}, "root": "/else"}).fingerprint == base.fingerprint
    others = [
        make(settings={"noise": {"rate": 0.5}}),
        make(settings={"noise": {"rate": 0.4}}, seed=1),
        prepare_data(source, noise=partial(symmetric, rate=0.4, seed=1), validation=0.2),
        prepare_data(source, validation=0.2),
    ]
    assert len({base.fingerprint, *(other.fingerprint for other in others)}) == 5


def test_digits_end_to_end(tmp_path) -> None:
    recipe = {
        "dataset": {"kind": "digits", "size": 12},
        "imbalance": {"kind": "exponential", "factor": 10},
        "noise": {"kind": "symmetric", "rate": 0.4, "redraw": "exclusive"},
    }
    specs = [
        dataset.spec(recipe["dataset"]),
        imbalance.spec(recipe["imbalance"]),
        noise.spec(recipe["noise"]),
    ]

    def make():
        return prepare_data(
            specs[0].build(),
            imbalance=specs[1].bind(),
            noise=specs[2].bind(),
            validation=0.1,
            settings={spec.family: spec.as_dict() for spec in specs},
        )

    made = make()
    summary = made.describe()
    assert summary["classes"] == 10 and summary["test"] == 539
    assert summary["noise_rate"] == pytest.approx(0.4, abs=0.02)
    assert summary["clean_imbalance_factor"] > 7
    assert not made.train.spec.flips and made.train.samples[0].shape == (12, 12, 1)
    assert make().fingerprint == made.fingerprint
    made.export_labels(tmp_path / "labels.npz")
    assert read_labels(tmp_path / "labels.npz").fingerprint == made.fingerprint
