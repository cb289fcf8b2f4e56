"""The pictures of the page: within it where they are few, else in a folder beside it."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from data_tools.thumbnails import coded, data_uri
from data_tools.whole_file import whole_folder
from supcon_ext.audit.samples import AuditedSamples
from supcon_ext.progress.console import ConsoleProgress

SIDE = 256
WITHIN = 2000
"""Largest number of pictures that the page holds itself."""
IN_A_FOLDER = 1000


def write_pictures(
    page: Path, samples: AuditedSamples, numbers: Sequence[int], progress: ConsoleProgress
) -> list[str]:
    """Make the pictures, and give the address of each as the page names it.

    Args:
        page: The page; the folder of its pictures, if any, is replaced.
        samples: All of the run's.
        numbers: Of those to show.
        progress: Sees each picture.

    Returns:
        ``data:`` addresses, or paths seen from the page.
    """
    progress.start_stage("pictures", 1, len(numbers))
    folder = page.with_name(f"{page.stem}_pictures")
    if len(numbers) <= WITHIN:
        made = []
        for number in numbers:
            made.append(data_uri(samples.image(number), SIDE))
            progress.step()
        shutil.rmtree(folder, ignore_errors=True)
        return made
    names = []
    shutil.rmtree(folder, ignore_errors=True)
    with whole_folder(folder) as draft:
        for place, number in enumerate(numbers):
            content, kind = coded(samples.image(number), SIDE)
            part = f"{place // IN_A_FOLDER:04}"
            (draft / part).mkdir(exist_ok=True)
            (draft / part / f"{place}.{kind}").write_bytes(content)
            names.append(f"{folder.name}/{part}/{place}.{kind}")
            progress.step()
    return names
