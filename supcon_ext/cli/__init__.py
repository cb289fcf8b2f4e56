"""The command line ``supcon``. Everything heavy is imported inside of the commands."""

from __future__ import annotations

import click

from supcon_ext.cli.audit import audit
from supcon_ext.cli.compare import compare
from supcon_ext.cli.completion import completion
from supcon_ext.cli.components import components, schema
from supcon_ext.cli.doctor import doctor
from supcon_ext.cli.embed import embed
from supcon_ext.cli.evaluate import evaluate
from supcon_ext.cli.export import export
from supcon_ext.cli.filter import filter_command
from supcon_ext.cli.generate import generate
from supcon_ext.cli.group import CommandLine
from supcon_ext.cli.predict import predict
from supcon_ext.cli.recipes import recipes
from supcon_ext.cli.report import report
from supcon_ext.cli.run import resume, run, sync
from supcon_ext.cli.runs import runs
from supcon_ext.cli.show import show, validate
from supcon_ext.cli.sweep import sweep


@click.group(
    cls=CommandLine,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="""\b
Begin with
  supcon recipes             what ships
  supcon run quickstart      a first comparison, under two minutes on a CPU
  supcon show quickstart     what it does, every default written out
  supcon runs                what has been run here
  supcon completion --help   Tab completes commands, options, recipes and runs""",
)
@click.version_option(package_name="supcon-ext", prog_name="supcon")
@click.option("--debug", is_flag=True, help="Print the traceback of an unexpected error.")
def main(debug: bool) -> None:
    """Train and compare encoders on data with wrong labels and rare classes."""


for _command in (
    run,
    resume,
    sweep,
    runs,
    compare,
    report,
    audit,
    embed,
    predict,
    evaluate,
    export,
    filter_command,
    generate,
    recipes,
    show,
    validate,
    components,
    schema,
    sync,
    doctor,
    completion,
):
    main.add_command(_command)
