"""The site builds without a warning, has every family, command and public name, and no net."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import supcon_ext
from supcon_ext import testing
from supcon_ext.cli import main
from supcon_ext.recipe.components import list_components
from supcon_ext.recipe.families import FAMILIES
from tests.docs.blocks import DOCS, pages
from tests.fresh import start


def build(target: str) -> int:
    from sphinx.cmd.build import build_main

    return build_main(["-q", "-W", "--keep-going", "-b", "html", str(DOCS), target])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    made = start(build, str(folder), cwd=folder)
    assert made.wait(600) == 0, made.stderr
    return folder


def test_every_family_has_a_page_and_every_page_is_reached() -> None:
    assert {f"families/{name}.md" for name in FAMILIES} == set(
        page for page in pages() if page.startswith("families/") and page != "families/index.md"
    )
    trees = "\n".join((DOCS / page).read_text() for page in pages() if page.endswith("index.md"))
    for page in pages():
        assert page == "index.md" or Path(page).stem in trees, page


def test_the_guide_to_parts_checks_one_of_every_family() -> None:
    text = "\n".join((DOCS / page).read_text() for page in pages())
    for check in testing.__all__:
        assert re.search(rf"^{check}\(", text, flags=re.M), check


@pytest.mark.long
@pytest.mark.timeout(900)
def test_the_site_is_whole_and_needs_no_net(site: Path) -> None:
    for component in list_components():
        if component.family in FAMILIES:
            page = (site / "families" / f"{component.family}.html").read_text(encoding="utf-8")
            assert f'<h3>{component.name}<a class="headerlink"' in page, component
    api = (site / "api.html").read_text(encoding="utf-8")
    for name in supcon_ext.__all__:
        assert f"supcon_ext.{name}" in api, name
    commands = (site / "command_line.html").read_text(encoding="utf-8")
    assert all(f"<h2>supcon {name}<" in commands for name in main.commands)
    assert "<math" in (site / "concepts.html").read_text(encoding="utf-8")
    assert (site / "_images" / "pairs.svg").is_file() and (site / "_images" / "flow.svg").is_file()
    for page in site.rglob("*.html"):
        fetched = re.findall(
            r'<(?:script|link|img)[^>]*(?:src|href)="(https?://[^"]+)', page.read_text()
        )
        assert not fetched, f"{page.name}: {fetched}"
