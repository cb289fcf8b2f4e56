"""Whether a machine is ready to run recipes: a check for each thing that goes wrong in practice."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Literal

_LEAST_GIB = 2
_SECONDS = 3.0


@dataclass(frozen=True)
class Condition:
    """What a check found.

    Attributes:
        status: ``ok``; ``note`` for what works but may surprise; ``wrong`` for what will not work.
        detail: What was found.
        advice: What to do; empty where nothing need be done.
    """

    status: Literal["ok", "note", "wrong"]
    detail: str
    advice: str = ""


@dataclass(frozen=True)
class Check:
    """One check: what it is about, and how it is made, given a tracking URI or None."""

    title: str
    make: Callable[[str | None], Condition]


def examine(check: Check, uri: str | None = None) -> Condition:
    """Make a check; one that breaks has found something wrong.

    Args:
        check: Which.
        uri: MLflow tracking URI to try; that of a recipe which names none if None.
    """
    try:
        return check.make(uri)
    except Exception as error:
        return Condition("wrong", f"{type(error).__name__}: {error}")


def check_python(uri: str | None) -> Condition:
    """Python is one that the package supports."""
    detail = f"{platform.python_version()} in {sys.prefix}"
    if (3, 11) <= sys.version_info[:2] <= (3, 13):
        return Condition("ok", detail)
    return Condition("wrong", detail, "Python 3.11, 3.12 or 3.13")


def check_torch(uri: str | None) -> Condition:
    """Torch and torchvision are of one build: torchvision's compiled operators load and work."""
    versions = f"torch {version('torch')}, torchvision {version('torchvision')}"
    try:
        import torch
        from torchvision.ops import nms

        boxes = torch.tensor([[0.0, 0.0, 2.0, 2.0], [0.0, 0.0, 2.0, 2.1], [5.0, 5.0, 6.0, 6.0]])
        kept = nms(boxes, torch.tensor([0.9, 0.8, 0.7]), 0.5).tolist()
    except (ImportError, OSError, RuntimeError, AttributeError) as error:
        advice = "install torch and torchvision together, from one index"
        return Condition("wrong", f"{versions} do not go together: {error}", advice)
    if kept != [0, 2]:
        return Condition("wrong", f"{versions}: `nms` gives {kept}, not [0, 2]")
    return Condition("ok", f"{versions}, operators work, {torch.get_num_threads()} CPU threads")


def check_cuda(uri: str | None) -> Condition:
    """A GPU is there, and computes."""
    import torch

    if not torch.cuda.is_available():
        return Condition("note", "none; recipes run on the CPU")
    free, total = torch.cuda.mem_get_info()
    value = (torch.ones(8, 8, device="cuda") @ torch.ones(8, 8, device="cuda")).sum().item()
    if value != 512:
        return Condition("wrong", f"a product of matrices of ones gives {value}, not 512")
    detail = f"{torch.cuda.device_count()} x {torch.cuda.get_device_name()}"
    return Condition("ok", f"{detail}, {free / 2**30:.0f} of {total / 2**30:.0f} GiB free")


def check_albumentations(uri: str | None) -> Condition:
    """Albumentations works, and draws the same pixels for the same seed."""
    import albumentations
    import numpy as np

    image = np.arange(12 * 12 * 3, dtype=np.uint8).reshape(12, 12, 3)

    def draw(seed: int) -> bytes:
        crop = albumentations.RandomCrop(4, 4)
        pipeline = albumentations.Compose([crop], seed=seed)
        return bytes(pipeline(image=image)["image"].tobytes())

    detail = f"albumentations {version('albumentations')}"
    if draw(1) != draw(1):
        return Condition("wrong", f"{detail} draws other pixels for the same seed")
    return Condition("ok", f"{detail}, OpenCV {version('opencv-python-headless')}")


def check_tracking(uri: str | None) -> Condition:
    """The MLflow store answers, or its file can be written."""
    import mlflow

    from supcon_ext.tracking.store_uri import answers, is_http, resolve_uri, sqlite_path

    target = resolve_uri(uri)
    if target is None:
        return Condition("ok", f"mlflow {mlflow.__version__}; runs keep their journal only")
    detail = f"mlflow {mlflow.__version__}, {target}"
    if is_http(target):
        if answers(target, _SECONDS):
            return Condition("ok", f"{detail} answers")
        advice = "start the server, or send runs later with `supcon sync RUN`"
        return Condition("wrong", f"{detail} does not answer within {_SECONDS:g} s", advice)
    database = sqlite_path(target)
    if database is None:
        return Condition("note", f"{detail}: not tried")
    place = database if database.exists() else database.parent
    if not os.access(place, os.W_OK):
        return Condition("wrong", f"{place} cannot be written", "another folder or tracking.uri")
    return Condition("ok", f"{detail} can be written")


def check_disk(uri: str | None) -> Condition:
    """There is room for runs in the working directory."""
    free = shutil.disk_usage(Path.cwd()).free / 2**30
    detail = f"{free:.1f} GiB free in {Path.cwd()}"
    if not os.access(Path.cwd(), os.W_OK):
        return Condition("wrong", f"{Path.cwd()} cannot be written", "tracking.folder=FOLDER")
    if free < _LEAST_GIB:
        return Condition(
            "note", detail, f"at least {_LEAST_GIB} GiB for checkpoints and logged models"
        )
    return Condition("ok", detail)


CHECKS = (
    Check("python", check_python),
    Check("torch", check_torch),
    Check("cuda", check_cuda),
    Check("albumentations", check_albumentations),
    Check("tracking", check_tracking),
    Check("disk", check_disk),
)
