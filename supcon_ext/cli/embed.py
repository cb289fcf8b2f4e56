"""``supcon embed``: pictures become a file of vectors."""

from __future__ import annotations

import time
from pathlib import Path

import click

from supcon_ext.cli.options import (
    batch_option,
    device_option,
    out_option,
    overrides_argument,
    plugin_option,
    skip_bad_option,
    splits_option,
    value_of,
    workers_option,
)

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command(
    epilog="""\b
$ supcon embed timm:vit_small_patch14_dinov2 my_images -o my_images.npz
$ supcon embed runs/selcl-folder-4f1c9a-s0 new_images -o new.npz --half
$ supcon embed timm:resnet50 images.csv -o views.npz --views 4 --policy simaugment"""
)
@click.argument("encoder")
@click.argument("data")
@overrides_argument
@out_option("File to write, .npz.")
@click.option("--weights", type=_FILE, help="Weights of timm's network or a plug-in's: a file.")
@plugin_option
@click.option(
    "--views",
    type=click.IntRange(1, 100),
    default=1,
    show_default=True,
    help="Vectors of each picture, of as many views.",
)
@click.option(
    "--policy",
    default="none",
    show_default=True,
    help="How views are made: a name, or {kind: NAME, parameter: value}; see `supcon components "
    "policy`.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of views.")
@click.option(
    "--size", type=click.IntRange(8, 2**13), help="Side of the pictures; default: the encoder's."
)
@click.option("--half", is_flag=True, help="Store float16 in place of float32.")
@splits_option("Embed")
@skip_bad_option
@batch_option(128)
@workers_option
@device_option
@click.option("--force", is_flag=True, help="Replace a file that exists and is another one.")
def embed(
    encoder: str,
    data: str,
    overrides: tuple[str, ...],
    out: Path,
    weights: Path | None,
    views: int,
    policy: str,
    seed: int,
    size: int | None,
    half: bool,
    splits: tuple[str, ...],
    skip_bad: bool,
    batch: int,
    workers: int,
    device: str,
    force: bool,
) -> None:
    """Write the vectors that an encoder makes of pictures to a file that recipes train on.

    ENCODER is timm:NAME, with timm's weights; a finished run, by its folder, its name under runs/,
    or the beginning of the name; or a backbone, by its name or the dotted path of a plug-in's. A
    whole name goes before the beginning of one.

    DATA is a folder of pictures, by class or without labels; a table of them; a recipe by file or
    name, whose keys KEY=VALUE sets; a data set by name or as {kind: NAME, parameter: value}; or a
    finished run. It is taken before noise and imbalance. A run's encoder reads the pictures of
    folders and tables as those that it was trained on, grey ones as grey.

    A command that was stopped or killed goes on when it is given again. The file holds vectors,
    labels, splits, paths, and what they were made from and by.
    """
    from supcon_ext.embed import embed_pictures
    from supcon_ext.experiment.given_samples import SPLITS
    from supcon_ext.interrupt import stop_requests
    from supcon_ext.progress.console import ConsoleProgress

    began = time.perf_counter()
    with stop_requests() as stop, ConsoleProgress() as progress:
        stop.advice = "; the same command goes on where it was"
        made = embed_pictures(
            encoder,
            data,
            out,
            overrides=overrides,
            weights=weights,
            views=views,
            policy=value_of(policy),
            seed=seed,
            size=size,
            half=half,
            splits=splits or SPLITS,
            skip_bad=skip_bad,
            batch=batch,
            workers=workers,
            device=device,
            force=force,
            tell=progress.note,
        )
    shape = " x ".join(f"{side:,}" for side in made.shape)
    if made.again:
        click.echo(f"{out} is there already: {shape}, of the same pictures and encoder")
        return
    left_out = f", {made.left_out:,} pictures left out" if made.left_out else ""
    megabytes = out.stat().st_size / 1e6
    seconds = time.perf_counter() - began
    click.echo(f"wrote {out}: {shape}, {megabytes:,.1f} MB, in {seconds:.1f} s{left_out}")
