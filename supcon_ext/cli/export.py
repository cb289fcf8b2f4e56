"""``supcon export``: an encoder for other programs."""

from __future__ import annotations

import time
from pathlib import Path

import click

from supcon_ext.cli.completion import complete_run
from supcon_ext.cli.options import DATA, out_option, overrides_argument


@click.command(
    epilog="""\b
$ supcon export runs/selcl-folder-4f1c9a-s0 --format onnx -o digits-onnx
$ supcon export models:/digits/3 --format safetensors -o digits --data my_images"""
)
@click.argument("run", shell_complete=complete_run)
@overrides_argument
@click.option(
    "--format",
    "kind",
    type=click.Choice(["safetensors", "torch_export", "onnx", "timm"]),
    required=True,
    help="What to write.",
)
@out_option("Folder to write to; a new one.", folder=True)
@click.option(
    "--data",
    help=f"Samples to check it on: {DATA}. KEY=VALUE sets any key of a recipe. Default: the "
    "data that the run was trained on.",
)
def export(run: str, overrides: tuple[str, ...], kind: str, out: Path, data: str | None) -> None:
    """Write an encoder in a format that other programs load, and check it on real samples.

    RUN is a finished run, by its folder, its name under runs/, or the beginning of the name; or an
    address in MLflow. The folder gets the encoder, and encoder.json with its classes, the way it
    wants its pictures, and the largest difference from the original. An encoder that differs is not
    written.

    torch_export and onnx take resized pictures as they are, 0 to 255, and give features and
    probabilities. safetensors holds weights; timm is for networks of timm, and gives features.
    """
    from supcon_ext.progress.console import ConsoleProgress
    from supcon_ext.use.export import export_encoder_of

    began = time.perf_counter()
    with ConsoleProgress() as progress:
        made = export_encoder_of(run, kind, out, data=data, overrides=overrides, tell=progress.note)
    seconds = time.perf_counter() - began
    click.echo(f"wrote {out}: {', '.join(made.files)}, in {seconds:.1f} s")
    differs = f"features {made.features:.2g}"
    if made.probability is not None:
        differs += f", probabilities {made.probability:.2g}"
    click.echo(f"checked on {made.samples} real samples, largest difference: {differs}")
