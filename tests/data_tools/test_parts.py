import subprocess
import sys

import numpy as np
import pytest

import data_tools
from data_tools.datasets.base import Splits, dataset
from data_tools.imbalance.base import imbalance
from data_tools.noise.base import noise
from data_tools.samples import SampleSet

PARTS = [(family, name) for family in (dataset, noise, imbalance) for name in family.names()]


@pytest.mark.parametrize(("family", "name"), PARTS, ids=[f"{f.family}-{n}" for f, n in PARTS])
def test_every_part_says_what_it_is_and_takes(family, name: str) -> None:
    entry = family.get(name)
    assert entry.summary.endswith(".") and len(entry.summary) <= 96
    schema = entry.parameters.model_json_schema()
    described = entry.target.__doc__
    for parameter in schema.get("properties", {}):
        assert f"    {parameter}: " in described, f"{parameter} of {name} is not described"


def test_the_parts_asked_for_are_there() -> None:
    assert {
        "digits",
        "cifar10",
        "cifar100",
        "image_folder",
        "manifest",
        "arrays",
        "list_file",
    } <= set(dataset.names())
    assert {
        "symmetric",
        "asymmetric_cifar10",
        "asymmetric_cifar100_superclass",
        "asymmetric_cifar100_blocks",
        "asymmetric_cifar100_pairflip",
        "asymmetric_map",
        "pair_flip",
        "instance_dependent",
        "open_set",
        "from_file",
        "cifar_n",
        "rolt_symmetric",
        "rolt_imbalanced",
        "tabasco_uniform",
        "tabasco_flip",
        "tail_to_head",
    } <= set(noise.names())
    assert {"exponential", "step", "pareto", "from_file"} <= set(imbalance.names())


def test_importing_and_listing_loads_nothing_heavy() -> None:
    code = (
        "import sys, data_tools;"
        "assert 'numpy' not in sys.modules and 'pydantic' not in sys.modules;"
        "from data_tools.datasets.base import dataset;"
        "from data_tools.noise.base import noise;"
        "from data_tools.imbalance.base import imbalance;"
        "[entry.summary for family in (dataset, noise, imbalance) for entry in family];"
        "heavy = {'torch', 'torchvision', 'sklearn', 'scipy', 'pandas', 'PIL'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_public_names_are_found_when_asked_for() -> None:
    for name in data_tools.__all__:
        assert getattr(data_tools, name).__name__ == name
    with pytest.raises(AttributeError, match=r"nonsense"):
        data_tools.nonsense  # noqa: B018


def test_a_test_set_has_the_classes_of_the_training_set() -> None:
    train = SampleSet(np.zeros((1, 1, 1, 1), np.uint8), np.zeros(1, np.int64), ("a", "b"))
    test = SampleSet(np.zeros((1, 1, 1, 1), np.uint8), np.zeros(1, np.int64), ("b", "a"))
    with pytest.raises(ValueError, match=r"in the test set"):
        Splits(train, test, truth_known=False)
