"""A stop that comes while a picture is read stops the work, and is not the picture's fault."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from data_tools.image_facts import look
from data_tools.image_files import ImageFiles
from data_tools.input_spec import InputSpec
from data_tools.samples import SampleSet
from supcon_ext.feed.workers import WorkerFeed
from supcon_ext.interrupt import Interrupted, stop_requests
from supcon_ext.policies.base import ViewContext
from supcon_ext.policies.none import none

CONTEXT = ViewContext(12, 3, True, (0.5,) * 3, (0.25,) * 3)


def test_it_is_no_exception_that_code_takes_for_another() -> None:
    assert not issubclass(Interrupted, Exception)


def checked(files: ImageFiles) -> None:
    look(files.paths[0], files.mode, decode=True)


def fed(files: ImageFiles) -> None:
    images = SampleSet(files, np.zeros(1, np.int64), ("a",), spec=InputSpec.of(files))
    list(WorkerFeed(images).plain(images, none(CONTEXT), torch.arange(1), 1))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("skip_bad", [False, True])
@pytest.mark.parametrize(
    "read", [lambda files: files[0], checked, fed], ids=["file", "check", "feed"]
)
def test_a_stop_amid_a_picture(
    read: Callable[[ImageFiles], Any],
    skip_bad: bool,
    number: signal.Signals,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(np.full((12, 12, 3), 7, np.uint8)).save(path)
    files = ImageFiles([path], "rgb")
    files.skip_bad = skip_bad
    assert files[0].shape == (12, 12, 3)
    opened = Image.open

    def stopping(*args: Any, **kwargs: Any) -> Any:
        os.kill(os.getpid(), number)
        return opened(*args, **kwargs)

    with stop_requests(), pytest.raises(Interrupted) as stopped:
        monkeypatch.setattr(Image, "open", stopping)
        read(files)
    assert stopped.value.number == number
