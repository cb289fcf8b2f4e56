"""Completion in shells: of commands and options by click, of recipes and runs by their names."""

from __future__ import annotations

from pathlib import Path

import click
from click.shell_completion import CompletionItem

PROGRAM = "supcon"
VARIABLE = "_SUPCON_COMPLETE"


def complete_recipe(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Names of recipes and sweeps that ship, beside files. No file is read."""
    from supcon_ext.recipe.library import recipes_root

    root = recipes_root()
    names = sorted(
        path.relative_to(root).with_suffix("").as_posix() for path in root.rglob("*.yaml")
    )
    return _items(names, incomplete)


def complete_run(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Names of runs and sweeps below ``runs``, beside files."""
    from supcon_ext.experiment.folder import is_run, is_sweep

    root = Path("runs")
    places = sorted(root.iterdir()) if root.is_dir() else []
    return _items([each.name for each in places if is_run(each) or is_sweep(each)], incomplete)


def _items(names: list[str], incomplete: str) -> list[CompletionItem]:
    items = [CompletionItem(name) for name in names if name.startswith(incomplete)]
    return [*items, CompletionItem(incomplete, type="file")]


@click.command(
    epilog="""\b
$ echo 'eval "$(supcon completion bash)"' >> ~/.bashrc
$ echo 'eval "$(supcon completion zsh)"' >> ~/.zshrc
$ supcon completion fish > ~/.config/fish/completions/supcon.fish"""
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print what makes a shell complete commands, options, recipes and runs with Tab.

    Put the line below that is for your shell into its start-up file, and open a new shell.
    """
    from click.shell_completion import get_completion_class

    made = get_completion_class(shell)
    if made is None:  # click has all three
        raise click.UsageError(f"There is no completion for {shell}.")
    command = context.find_root().command
    click.echo(made(command, {}, PROGRAM, VARIABLE).source(), nl=False)
