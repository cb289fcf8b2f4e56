import subprocess
import sys

import torch

from supcon_ext.tracking.run_info import GitState, git_state, package_versions, run_info


def git(folder, *arguments):
    subprocess.run(
        ["git", "-c", "user.name=n", "-c", "user.email=e@example.org", *arguments],
        cwd=folder,
        check=True,
        capture_output=True,
    )


def test_git_state(tmp_path):
    assert git_state(tmp_path) is None
    git(tmp_path, "init")
    assert git_state(tmp_path) is None
    (tmp_path / "a").write_text("a")
    git(tmp_path, "add", "a")
    git(tmp_path, "commit", "-m", "a")
    state = git_state(tmp_path)
    assert state is not None and not state.dirty and len(state.commit) == 40
    (tmp_path / "a").write_text("b")
    assert git_state(tmp_path) == GitState(state.commit, True)


def test_git_is_not_installed(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git_state(tmp_path) is None


def test_facts(tmp_path):
    facts = run_info(tmp_path)
    assert facts["python"] == ".".join(map(str, sys.version_info[:3]))
    assert torch.__version__.startswith(facts["version.torch"])
    assert facts["gpu"] == "none" or torch.cuda.is_available()
    assert int(facts["cpu_count"]) >= 1
    assert "git_commit" not in facts
    assert set(package_versions()) >= {"torch", "numpy", "mlflow", "albumentations", "supcon-ext"}
