"""A folder of one's own whose classes are rare and common by nature."""

import numpy as np

from data_tools.datasets.image_folder import image_folder
from data_tools.prepared import prepare_data
from data_tools.shot_groups import by_counts
from tests.data_tools.toy import write_png

SIZES = {"oak": 40, "elm": 10, "yew": 2, "ash": 1}


def test_its_counts_and_groups_are_those_of_the_files(tmp_path) -> None:
    for name, count in SIZES.items():
        for i in range(count):
            write_png(tmp_path / "train" / name / f"{i}.png", i)
        for i in range(3):  # a balanced test set
            write_png(tmp_path / "test" / name / f"{i}.png", i)
    data = prepare_data(image_folder(root=str(tmp_path), clean=True))
    assert data.train.classes == ("ash", "elm", "oak", "yew")
    assert data.counts.tolist() == data.clean_counts.tolist() == [1, 10, 40, 2]
    assert data.describe()["imbalance_factor"] == 40
    groups = by_counts(data.counts, many_above=20, few_below=5)
    assert (groups.many, groups.medium, groups.few) == ((2,), (1,), (0, 3))
    assert np.bincount(data.test.label).tolist() == [3] * 4


def test_a_split_of_a_flat_folder_leaves_every_class_its_training_images(tmp_path) -> None:
    for name, count in SIZES.items():
        for i in range(count):
            write_png(tmp_path / name / f"{i}.png", i)
    source = image_folder(root=str(tmp_path), test=0.2)
    data = prepare_data(source, validation=0.1)
    assert len(data.train.classes) == 4 and (data.counts > 0).all()
    parts = [part.label for part in (data.train, data.validation, data.test)]
    assert np.bincount(np.concatenate(parts)).tolist() == [1, 10, 40, 2]
    assert np.bincount(data.test.label, minlength=4)[[1, 2]].tolist() == [2, 8]
