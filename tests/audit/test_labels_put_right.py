"""From a messy folder to labels that people put right: each command in a fresh process."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import yaml
from playwright.sync_api import Browser

from tests.audit.coloured import paint, recipe
from tests.fresh import supcon

pytestmark = pytest.mark.long


def done(*arguments: str, cwd: Path) -> str:
    process = supcon(*arguments, cwd=cwd)
    assert process.wait() == 0, process.stderr
    return process.stdout


def test_run_audit_decide_apply_run_again(browser: Browser, tmp_path: Path) -> None:
    misplaced = paint(tmp_path / "images", per_class=60, wrong=12)
    dataset = {"kind": "image_folder", "root": "images", "test": 0.2}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(recipe(dataset)))
    told = done("audit", "mine.yaml", cwd=tmp_path)
    assert told.startswith("24 of 180 labels look wrong (13.3%)"), told
    (run,) = (tmp_path / "runs").iterdir()

    page = browser.new_context(accept_downloads=True).new_page()
    page.goto((run / "audit" / "index.html").as_uri())
    page.keyboard.press("2")
    for _ in page.locator("#items > .card").all():
        page.keyboard.press("ArrowDown")
        page.keyboard.press("a")
    assert page.inner_text("#progress") == "24 of 24 decided"
    with page.expect_download() as download:
        page.click("#export")
    download.value.save_as(tmp_path / "decisions.json")

    decided = ("--decisions", "decisions.json")
    told = done("audit", run.name, *decided, "--apply", "corrected.csv", cwd=tmp_path)
    assert "people decided on 24: 24 relabelled, 0 kept, 0 unusable" in told
    assert "24 labels are corrected in corrected.csv" in told
    rows = (tmp_path / "corrected.csv").read_text().splitlines()
    assert rows[0] == "path,label,split,judged" and len(rows) == 181
    changed = {row.split(",")[0] for row in rows if row.endswith(",relabelled")}
    assert {str(tmp_path / path) for path in changed} == misplaced
    for row in rows[1:]:
        assert Path(row.split(",")[0]).name.split("-")[0] == row.split(",")[1]

    (command,) = re.findall(r"^next: supcon (.*)$", told, re.M)
    done(*shlex.split(command), cwd=tmp_path)
    (second,) = [path for path in (tmp_path / "runs").iterdir() if path not in (run,)]
    assert done("audit", second.name, cwd=tmp_path).startswith("0 of 180 labels look wrong")
