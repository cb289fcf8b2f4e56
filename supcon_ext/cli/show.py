"""``supcon validate`` and ``supcon show``: what a recipe says, without running it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from supcon_ext.cli.completion import complete_recipe
from supcon_ext.cli.group import WRONG_INPUT, WrongInputError, user_input
from supcon_ext.cli.output import json_option, print_json, print_table

if TYPE_CHECKING:
    from supcon_ext.recipe.schema import Recipe


@click.command(
    epilog="""\b
$ supcon validate mine.yaml data.noise.rate=1.3
command line: 1 problem
  data.noise.rate=1.3  Expected a value of at most 1, but got 1.3.
$ echo $?
2
$ supcon validate supcon/folder data.dataset.root=my_images --data"""
)
@click.argument("recipe", shell_complete=complete_recipe)
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--data", "with_data", is_flag=True, help="Read the data too, and report on it.")
@click.option("--decode", is_flag=True, help="With --data: decode every image file whole.")
@click.option(
    "--bad-list",
    default="bad-images.csv",
    show_default=True,
    metavar="FILE",
    help="With --data: where bad image files are listed, if there are any.",
)
@click.option(
    "--synthetic-report",
    metavar="FILE.html",
    help="With --data: the page on synthetic samples, and FILE.json beside it. If none is said, "
    "they are written where a source is refused.",
)
@json_option
@click.pass_context
def validate(
    context: click.Context,
    recipe: str,
    overrides: tuple[str, ...],
    with_data: bool,
    decode: bool,
    bad_list: str,
    synthetic_report: str | None,
    as_json: bool,
) -> None:
    """Check a recipe or a sweep whole, and say everything that is wrong with it.

    With --data, the data is read as a run would read it, and every image file is checked: headers
    and ends, or all of it with --decode. Synthetic samples are looked at whole, and against the
    real ones. Nothing is trained.
    """
    from supcon_ext.recipe.library import find_recipe, is_sweep
    from supcon_ext.recipe.load import load_recipe
    from supcon_ext.recipe.problems import RecipeError
    from supcon_ext.recipe.short_stages import short_stages
    from supcon_ext.tracking.store_uri import resolve_uri

    if not with_data and (decode or synthetic_report is not None):
        option = "--decode" if decode else "--synthetic-report"
        raise click.UsageError(f"{option} goes with --data.")
    if synthetic_report is not None and not synthetic_report.endswith(".html"):
        raise click.UsageError("--synthetic-report wants a file that ends in .html.")
    problems = []
    warnings: list[str] = []
    report: dict[str, Any] | None = None
    try:
        with user_input():
            path = find_recipe(recipe)
            if is_sweep(path):
                if with_data:
                    raise ValueError(f"Expected a recipe for --data, but {recipe} is a sweep.")
                from supcon_ext.sweep import load_sweep

                recipes = [child.recipe for child in load_sweep(path, overrides).children]
            else:
                recipes = [load_recipe(path, overrides)]
            loaded = recipes[0]
            warnings = list(dict.fromkeys(line for each in recipes for line in short_stages(each)))
            resolve_uri(loaded.tracking.uri)
            if with_data:
                report = _read_data(loaded, decode, bad_list, synthetic_report)
    except WrongInputError as error:
        cause = error.__cause__
        if not as_json:
            raise
        if isinstance(cause, RecipeError):
            problems = [dataclasses.asdict(each) for each in cause.problems]
        elif with_data:
            problems = [{"message": str(error)}]
        else:
            raise
    if as_json:
        told = {"valid": not problems, "problems": problems, "warnings": warnings}
        print_json(told if not with_data else {**told, "data": report})
    else:
        for line in warnings:
            click.echo(f"warning: {line}", err=True)
        click.echo(f"{recipe}: no problems")
        if report is not None:
            from supcon_ext.cli.data_report import report_lines

            print_table(["", ""], report_lines(report), indent=2)
    if problems:
        context.exit(WRONG_INPUT)


def _read_data(recipe: Recipe, decode: bool, bad_list: str, page: str | None) -> dict[str, Any]:
    """Read a recipe's data and check it; progress and warnings go to standard error."""
    from supcon_ext.cli.data_report import data_report
    from supcon_ext.experiment.build import read_data
    from supcon_ext.progress.file_progress import FileProgress
    from supcon_ext.synthetic.report_page import REPORT, write_reports

    section = recipe.data
    if decode:
        section = section.model_copy(update={"decode": True})
    with FileProgress() as progress:
        read = read_data(
            section, progress=progress, bad_list=bad_list, synthetic_report=page or REPORT
        )
    report = data_report(read)
    if page is not None and read.synthetic:
        report["synthetic_report"] = str(write_reports(page, read.synthetic))
    return report


@click.command(
    epilog="""\b
$ supcon show mine.yaml seed=3 | tail -n 1
seed: 3                        # override"""
)
@click.argument("recipe", shell_complete=complete_recipe)
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@json_option
def show(recipe: str, overrides: tuple[str, ...], as_json: bool) -> None:
    """Print a recipe with all defaults, and where each value comes from.

    Of a sweep, print the recipe of each run.
    """
    from supcon_ext.recipe.library import find_recipe, is_sweep
    from supcon_ext.recipe.load import check, load_layers
    from supcon_ext.recipe.resolved import resolve
    from supcon_ext.recipe.show import annotated_yaml

    with user_input():
        path = find_recipe(recipe)
        if is_sweep(path):
            _show_sweep(path, overrides, as_json)
            return
        layers, problems = load_layers(path, overrides)
        checked = check(layers, problems)
    if as_json:
        print_json(resolve(checked))
    else:
        click.echo(annotated_yaml(checked, layers), nl=False)


def _show_sweep(path: Path, overrides: Sequence[str], as_json: bool) -> None:
    from supcon_ext.recipe.resolved import resolve, to_yaml
    from supcon_ext.sweep import load_sweep

    children = load_sweep(path, overrides).children
    if as_json:
        print_json({child.name: resolve(child.recipe) for child in children})
    else:
        documents = [f"# {child.name}\n{to_yaml(child.recipe)}" for child in children]
        click.echo("---\n".join(documents), nl=False)
