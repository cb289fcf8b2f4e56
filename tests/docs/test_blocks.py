"""Every block of code on the site runs as it stands there, page by page, in an empty folder."""

from __future__ import annotations

import ast
import multiprocessing
import os
import runpy
import sys
from contextlib import suppress
from glob import glob
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext
from pathlib import Path
from types import ModuleType

import click
import pytest
import yaml

from supcon_ext.cli import main
from tests.docs.blocks import ROOT, Block, arguments_of_supcon, blocks, pages
from tests.docs.messy_folder import write_messy_folder
from tests.fresh import start

OVERRIDDEN = ("run", "sweep", "validate", "show")  # commands that take KEY=VALUE
PAGES = [page for page in pages() if any(each.kind != "not run" for each in blocks(page))]
RUN = [page for page in PAGES if any(each.language in ("python", "sh") for each in blocks(page))]
BLOCKS = [each for page in pages() for each in blocks(page)]


def where(block: Block) -> str:
    return f"{block.page}:{block.line}"


@pytest.mark.parametrize("block", BLOCKS, ids=where)
def test_a_block_is_of_a_language_and_parses(block: Block) -> None:
    if block.language == "python":
        ast.parse(block.text)
    elif block.language == "yaml":
        assert yaml.safe_load(block.text)
    elif block.language == "sh":
        assert block.commands
        for words in block.commands:
            parses(words)
    else:
        assert block.language in ("text", "json", "csv")
        assert block.kind in ("", "file")


def parses(words: list[str]) -> None:
    """A command of ``supcon`` has the options and as many arguments as it is given."""
    given = arguments_of_supcon(words)
    if given is None:
        return
    context, command = click.Context(main), main
    while given and not given[0].startswith("-") and isinstance(command, click.Group):
        if given[0] not in command.commands:
            break
        command = command.commands[given[0]]
        context, given = click.Context(command, parent=context), given[1:]
    assert command is not main or given[0] in ("--version", "--help"), words
    options, *_ = command.make_parser(context).parse_args(list(given))
    missing = [each.name for each in command.params if each.required and not options.get(each.name)]
    assert not missing, f"{words}: {missing}"


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("page", RUN)
def test_a_page_runs(page: str, tmp_path: Path) -> None:
    write_messy_folder(tmp_path)
    here, there = multiprocessing.Pipe()
    env = {"PYTHONPATH": f"{ROOT}:{tmp_path}"}
    done = start(_run_page, page, there, cwd=tmp_path, env=env)
    there.close()
    with suppress(EOFError):
        while True:  # its commands are started here, where fresh processes cost little
            here.send(_command(*here.recv(), tmp_path, env))
    assert done.wait(1200) == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"


def _run_page(page: str, commands: Connection) -> None:
    """All blocks of a page, in order; those of Python share their names."""
    sys.path.insert(0, os.getcwd())
    module = sys.modules["page"] = ModuleType("page")  # what is pickled is found by its module
    for block in blocks(page):
        print(f"-- {where(block)}", flush=True)
        if block.kind == "file":
            Path(block.said).parent.mkdir(parents=True, exist_ok=True)
            Path(block.said).write_text(block.text, encoding="utf-8")
        elif block.kind == "not run":
            continue
        elif block.language == "python":
            exec(compile(block.text, where(block), "exec"), vars(module))
        elif block.language == "sh":
            for words in block.commands:
                commands.send((words, block.said.split() if block.kind == "in tests" else []))
                status, told = commands.recv()
                print(told, flush=True)
                if status:
                    raise SystemExit(f"{' '.join(words)}: exit status {status}")


def _command(
    words: list[str], more: list[str], place: Path, env: dict[str, str]
) -> tuple[int, str]:
    """One command in a fresh process, its exit status and what it says; readers alone install."""
    if words[:2] == ["pip", "install"]:
        return 0, ""
    many = [sorted(glob(word, root_dir=place)) if word[-1] == "*" else [] for word in words]
    words = [each for word, found in zip(words, many, strict=True) for each in found or [word]]
    given = arguments_of_supcon(words)
    if given is not None:
        all_ = [*given, *(more if given[0] in OVERRIDDEN else [])]
        done = start(_supcon, *all_, cwd=place, env=env)
    elif words[0] == "python":
        done = start(_script, *words[1:], cwd=place, env=env)
    else:
        raise ValueError(f"Expected supcon, python or pip install, but got {' '.join(words)}")
    return done.wait(600), f"{done.stdout}\n{done.stderr}"


def _supcon(*arguments: str) -> None:
    """``supcon``, whose sweeps fork the processes of their jobs: their imports are here already."""
    context = multiprocessing.get_context

    def forking(method: str | None = None) -> BaseContext:
        return context("fork" if method == "spawn" else method)

    multiprocessing.get_context = forking  # type: ignore[assignment]
    main(list(arguments), prog_name="supcon")


def _script(path: str, *arguments: str) -> None:
    sys.argv = [path, *arguments]
    sys.path.insert(0, os.getcwd())
    runpy.run_path(path, run_name="__main__")
