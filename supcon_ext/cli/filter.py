"""``supcon filter``: synthetic images sifted by the real ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from supcon_ext.cli.group import user_input
from supcon_ext.cli.options import DATA, plugin_option
from supcon_ext.cli.output import json_option, print_json, print_table

if TYPE_CHECKING:
    from supcon_ext.synthetic.filter_manifest import FilterResult

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command(
    "filter",
    epilog="""\b
$ supcon filter made.csv --by near_duplicates --by knn_agreement:k=10 --real my_images -o good.csv
$ supcon filter made.csv --by classifier_agreement:mode=quality --by top_k:k=4,by=class
    --real bcl/cifar10 data.imbalance.factor=100 -o good.csv --page good.html""",
)
@click.argument("manifest", type=_FILE)
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option(
    "--by",
    "by",
    multiple=True,
    required=True,
    metavar="FILTER[:PARAMETER=VALUE,...]",
    help="A filter; each sees what the ones before have left. See `supcon components "
    "synthetic_filter`.",
)
@click.option(
    "--real",
    required=True,
    metavar="DATA",
    help=f"Real samples that the images are for, with labels: {DATA}. Filters see its training "
    "split alone.",
)
@click.option("-o", "--out", type=_FILE, required=True, help="Manifest of the images kept.")
@click.option("--page", type=_FILE, help="HTML page with pictures to write.")
@click.option(
    "--root",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder that the manifest's paths start from; default: its own.",
)
@click.option(
    "--encoder",
    metavar="RUN|timm:NAME",
    help="Makes features for filters that name no other, and for the page; default: pixels.",
)
@click.option(
    "--bound",
    type=click.FloatRange(0, 1),
    default=0.3,
    show_default=True,
    help="F1 by a classifier of real images, below which more images will not help a class.",
)
@plugin_option
@click.option("--force", is_flag=True, help="Replace files that exist.")
@json_option
def filter_command(
    manifest: Path,
    overrides: tuple[str, ...],
    by: tuple[str, ...],
    real: str,
    out: Path,
    page: Path | None,
    root: Path | None,
    encoder: str | None,
    bound: float,
    force: bool,
    as_json: bool,
) -> None:
    """Keep the synthetic images of a manifest that pass filters, and say why others do not.

    MANIFEST is a table of synthetic images (.csv, .tsv, .jsonl, .parquet). KEY=VALUE sets any key
    of a recipe after --real. What is dropped goes into a second table, with the reason; counts
    and measures of the classes into a report, and pictures onto the page.
    """
    from supcon_ext.experiment.cannot_start import starting
    from supcon_ext.experiment.named_data import named_data
    from supcon_ext.progress.counted_progress import CountedProgress
    from supcon_ext.progress.file_progress import FileProgress
    from supcon_ext.synthetic.filter_manifest import filter_manifest
    from supcon_ext.synthetic.filter_words import filter_of

    with user_input(), starting():
        filters = [filter_of(words) for words in by]
        named = named_data(real, overrides, labels=True)
        with FileProgress() as progress:
            data = named.training_data(progress)
        result = filter_manifest(
            manifest,
            filters,
            data,
            out,
            root=root,
            encoder=encoder,
            bound=bound,
            page=page,
            force=force,
            watched=lambda what: CountedProgress(what, "images"),
        )
    _tell(result, as_json)


def _tell(result: FilterResult, as_json: bool) -> None:
    for line in result.report.warnings():
        click.echo(f"warning: {line}", err=True)
    if as_json:
        places = {name: getattr(result, name) for name in ("kept", "dropped", "json", "page")}
        print_json({"files": places, **json.loads(result.report.text(result.check))})
        return
    rows = []
    for step in (result.check, *result.report.steps):
        reasons = "; ".join(f"{count:,} {reason}" for reason, count in step.reasons.items())
        rows.append((step.filter, f"{step.given:,}", f"{step.kept:,}", reasons or "-"))
    print_table(("filter", "given", "kept", "dropped"), rows)
    kept, count = int(result.report.kept.sum()), result.check.given
    beside = [str(path) for path in (result.dropped, result.json, result.page) if path]
    click.echo(
        f"wrote {result.kept}: {kept:,} of {count:,} images ({kept / count:.1%}); "
        f"beside it {', '.join(beside)}"
    )
