"""Facts about the machine, the packages and the source code that a run was made with."""

from __future__ import annotations

import os
import platform
import subprocess
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

PACKAGES = (
    "supcon-ext",
    "torch",
    "torchvision",
    "numpy",
    "albumentations",
    "mlflow",
    "lightning-fabric",
    "timm",
    "scikit-learn",
)
ABSENT = "not installed"
GIT_SECONDS = 10


@dataclass(frozen=True)
class GitState:
    """The commit that a directory is at.

    Attributes:
        commit: Its full hash.
        dirty: Whether files differ from it, untracked ones included.
    """

    commit: str
    dirty: bool


def package_versions() -> dict[str, str]:
    """Installed version of every package that decides a result, by its name on PyPI."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = ABSENT
    return versions


def git_state(folder: Path | None = None) -> GitState | None:
    """Commit and state of the git work tree around a folder (default: the current directory).

    Returns:
        ``None`` where there is no work tree, no commit yet or no ``git``.
    """
    commit = _git(folder, "rev-parse", "--verify", "HEAD")
    changes = _git(folder, "status", "--porcelain")
    if not commit or changes is None:
        return None
    return GitState(commit, bool(changes))


def gpu_names() -> list[str]:
    """Names of the CUDA devices that torch sees."""
    import torch

    if not torch.cuda.is_available():
        return []
    return [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]


def run_info(folder: Path | None = None) -> dict[str, str]:
    """All facts as flat text, fit for tags or an ``environment.json``.

    Keys: ``python``, ``platform``, ``cpu_count``, ``gpu``, ``version.<package>``, and in a git work
        tree
    ``git_commit`` and ``git_dirty``.

    Args:
        folder: Where to look for a git work tree (default: the current directory).
    """
    facts = {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu_count": str(os.cpu_count() or 0),
        "gpu": ", ".join(gpu_names()) or "none",
        **{f"version.{name}": version for name, version in package_versions().items()},
    }
    git = git_state(folder)
    if git is not None:
        facts |= {"git_commit": git.commit, "git_dirty": str(git.dirty).lower()}
    return facts


def _git(folder: Path | None, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=GIT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
