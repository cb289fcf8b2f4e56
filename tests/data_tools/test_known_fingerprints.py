"""Made data sets that people have written down by their fingerprints stay what they were."""

from typing import Any

import pytest

from data_tools.datasets.base import Splits
from data_tools.imbalance.base import imbalance
from data_tools.noise.asymmetric import CIFAR10, CIFAR100
from data_tools.noise.base import noise
from data_tools.prepared import prepare_data
from supcon_ext.experiment.build import build_data
from supcon_ext.recipe.schema import DataSection
from tests.data_tools.toy import balanced

DIGITS: dict[str, tuple[dict[str, Any], str]] = {
    "plain": ({}, "062a8f7c169f0a4c8b928d6f12606784d4dd6d49735fd9f814343265b0eddc31"),
    "supcon": (
        {"noise": {"kind": "symmetric", "rate": 0.4, "redraw": "exclusive"}},
        "e9daa5377b862be605d67c7bf22ffee6e074e7e8a934424c46e20fb27f01f876",
    ),
    "bcl": (
        {"imbalance": {"kind": "exponential", "factor": 20}},
        "336d6bc8a1334cd7bd34fd3f83161e98a281985eb3b031b0a0164a859b488fbe",
    ),
    "quickstart": (
        {
            "imbalance": {"kind": "exponential", "factor": 10},
            "noise": {"kind": "symmetric", "rate": 0.4, "redraw": "exclusive"},
            "validation": 0.1,
        },
        "91ed3a7b36d773c8bb5700d69d8f84b50a439e6fd9b4fd6717e63a2189739edc",
    ),
    "joint": (
        {
            "imbalance": {"kind": "exponential", "factor": 10},
            "noise": {"kind": "rolt_symmetric", "rate": 0.4},
            "validation": 0.1,
        },
        "d5808d9fc60544fc1ecca6403f14e4c247c490c3c03302c78f2f9c0ba1f04d66",
    ),
    "asymmetric": (
        {
            "noise": {
                "kind": "asymmetric_map",
                "rate": 0.4,
                "mapping": {"7": 1, "2": 7, "5": 6, "3": 8, "9": 4},
            }
        },
        "8fb423619c647ef1e217e13e3fb29fd6e4c98eb31ea8c81235b7d30374aa99f1",
    ),
    "pair flip": (
        {"noise": {"kind": "pair_flip", "rate": 0.4}},
        "fecd117eedc0d9039a62c90335ad521a355466fa2ee4dd847e2fd24929b73dff",
    ),
    "instance": (
        {"noise": {"kind": "instance_dependent", "rate": 0.4}},
        "4e485fcbd9877bc0a3782b4c721474190b786be818901106a2d086c890dedb12",
    ),
    "rolt": (
        {
            "imbalance": {"kind": "step", "factor": 10},
            "noise": {"kind": "rolt_imbalanced", "rate": 0.3},
        },
        "66370c7e7edeb93587915928f1afa0c237f03a2905b3f7ef73762ab310bd133d",
    ),
    "tabasco": (
        {
            "imbalance": {"kind": "exponential", "factor": 10},
            "noise": {"kind": "tabasco_uniform", "rate": 0.4},
        },
        "3472ec64bf2996a696332acfb698d58450c14b827b7531718335df50489bcdb4",
    ),
    "tabasco flip": (
        {
            "imbalance": {"kind": "pareto", "smallest": 5},
            "noise": {"kind": "tabasco_flip", "rate": 0.4},
        },
        "662666757cb272a963e7babfded60198fe010a60f2dec17566e0e96a4e1d28eb",
    ),
    "tail to head": (
        {
            "imbalance": {"kind": "exponential", "factor": 20},
            "noise": {"kind": "tail_to_head", "rate": 0.4},
        },
        "edee19de95249bb134759314a2e13480c3f70e32383b1a07f316cc1b714c55b2",
    ),
    "open set": (
        {"noise": {"kind": "open_set", "rate": 0.4, "foreign": "digits"}},
        "b7c8265c7bd743dab3d8bbfecdfdfa27b43c36a7d03741db7fa14e84bc7dc511",
    ),
    "noise first": (
        {
            "imbalance": {"kind": "exponential", "factor": 10},
            "noise": {"kind": "symmetric", "rate": 0.2},
            "order": "noise_then_imbalance",
        },
        "0baf62316a140d0c514b393b22be825627b6eba9a2a968b0913b4d7c918502ce",
    ),
}

CIFAR: dict[str, tuple[str, dict[str, Any], str]] = {
    "asymmetric_cifar10": (
        "cifar10",
        {"kind": "asymmetric_cifar10", "rate": 0.4},
        "bd9532f2a0881028374c86a04e9eda8e5a8f32295f0ae718007ab77fa47c153f",
    ),
    "asymmetric_map": (
        "cifar10",
        {"kind": "asymmetric_map", "rate": 0.4, "mapping": {"9": 1, "bird": 0, "cat": "dog"}},
        "3394255fd41addebc4048d18752be5bc9c79529ffa80f3f768fc6aa7a2b5630c",
    ),
    "asymmetric_cifar100_superclass": (
        "cifar100",
        {"kind": "asymmetric_cifar100_superclass", "rate": 0.4},
        "cb4973f0118e3f0e016819f5959ccb76994577eb83ecedeeacd2ab5b0d4c5a82",
    ),
    "asymmetric_cifar100_blocks": (
        "cifar100",
        {"kind": "asymmetric_cifar100_blocks", "rate": 0.4},
        "66d62f7dcc5e6511d7a7580a482b5ed15de108fd1e4b67820384a02a3f198590",
    ),
    "asymmetric_cifar100_pairflip": (
        "cifar100",
        {"kind": "asymmetric_cifar100_pairflip", "rate": 0.4},
        "d901dbe228ee690ffe43b2264b6581be76678f22c8d8d061ba4e13202fd7bd38",
    ),
}


@pytest.mark.parametrize("name", list(DIGITS))
def test_digits(name: str) -> None:
    section, known = DIGITS[name]
    data = DataSection.model_validate({"dataset": "digits", **section})
    assert build_data(data).fingerprint == known


@pytest.mark.parametrize("name", list(CIFAR))
def test_cifars_classes(name: str) -> None:
    """Without CIFAR's pictures: its classes, twenty images each."""
    classes, settings, known = CIFAR[name]
    source = Splits(balanced(CIFAR10 if classes == "cifar10" else CIFAR100, 20), None, True)
    bound = noise.spec(settings).bind()
    made = prepare_data(source, noise=bound, validation=0.1, settings={"noise": settings})
    assert made.fingerprint == known


def test_every_noise_and_imbalance_that_needs_no_file_is_known() -> None:
    noises = {section["noise"]["kind"] for section, _ in DIGITS.values() if "noise" in section}
    noises |= {settings["kind"] for _, settings, _ in CIFAR.values()}
    assert noises == set(noise.names()) - {"from_file", "cifar_n"}
    kinds = {s["imbalance"]["kind"] for s, _ in DIGITS.values() if "imbalance" in s}
    assert kinds == set(imbalance.names()) - {"from_file", "listed"}
