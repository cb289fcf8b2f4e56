"""``supcon generate``: synthetic images, made into a folder with a manifest."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from supcon_ext.cli.group import WrongInputError, user_input
from supcon_ext.cli.options import DATA, overrides_argument, plugin_option

if TYPE_CHECKING:
    from supcon_ext.synthetic.caption_list import CaptionList
    from supcon_ext.synthetic.generator import Generator

_FILE = click.Path(dir_okay=False, path_type=Path)
_FOLDER = click.Path(file_okay=False, path_type=Path)
_AT_LEAST_ONE = click.IntRange(min=1)


@click.command(
    epilog="""\b
$ supcon generate procedural -o shapes --captions 72 --per-caption 10
$ supcon generate my_pipeline -o made --captions captions.txt --per-caption 4 --shard 1/8
$ supcon generate --merge made
$ supcon generate my_pipeline -o varied --data my_images --strength 0.5
$ supcon generate '{kind: class_vae, steps: 2000}' -o tail --data tail.yaml --trust labels.csv"""
)
@click.argument("generator", required=False)
@overrides_argument
@click.option("-o", "--out", type=_FOLDER, help="Folder for images and manifest.")
@click.option(
    "--captions",
    metavar="FILE|N",
    help="Captions, one a line, in UTF-8; or how many of the generator's own.",
)
@click.option("--concepts", type=_FILE, help="Names of things, one a line, to make captions of.")
@click.option(
    "--template",
    type=click.Choice(["concept", "background", "relation"]),
    default="concept",
    show_default=True,
    help="How captions are made of concepts: alone, before each background, or in ten relations.",
)
@click.option("--backgrounds", type=_FILE, help="Backgrounds, one a line.")
@click.option(
    "--caption-maker",
    metavar="MODULE.FUNCTION",
    help="Makes captions of a concept: a function of yours, say of a language model.",
)
@click.option(
    "--per-caption",
    type=_AT_LEAST_ONE,
    default=4,
    show_default=True,
    help="Images of each caption, or of each class where there are no captions.",
)
@click.option(
    "--data",
    help=f"What a generator is fitted on, or the parents with --strength: the training split of "
    f"{DATA}. KEY=VALUE sets any key of a recipe.",
)
@click.option("--trust", help="Audit's labels.csv or run: images that it doubts are not looked at.")
@click.option("--strength", type=float, help="How much of a parent is made anew, up to 1.")
@click.option("--revision", help="Branch, tag or commit of a pipeline's id.")
@click.option("--scheduler", help="Class name of a scheduler of diffusers.")
@click.option("--steps", type=int, help="Of denoising; default: 50.")
@click.option("--guidance", type=float, help="Guidance scale; default: 2.5.")
@click.option("--negative", help="What images should not show.")
@click.option("--size", type=int, help="Side that images are made at; default: the pipeline's.")
@click.option("--keep-size", type=click.IntRange(min=8), help="Side that images are kept at.")
@click.option("--batch", type=_AT_LEAST_ONE, help="Images at a time; default: 4.")
@click.option("--dtype", type=click.Choice(["float32", "float16", "bfloat16"]))
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda", "mps"]))
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--shard", default="1/1", show_default=True, help="Which part of the work: 2/8.")
@plugin_option
@click.option("--merge", type=_FOLDER, help="Make one manifest of those of all shards.")
def generate(
    generator: str | None,
    overrides: tuple[str, ...],
    out: Path | None,
    captions: str | None,
    concepts: Path | None,
    template: str,
    backgrounds: Path | None,
    caption_maker: str | None,
    per_caption: int,
    data: str | None,
    trust: str | None,
    keep_size: int | None,
    seed: int,
    shard: str,
    merge: Path | None,
    **options: Any,
) -> None:
    """Make synthetic images, and a manifest that a recipe's `data.synthetic` reads.

    GENERATOR is a generator by name or as {kind: NAME, parameter: value}, see `supcon components
    generator`; the file of a fitted one; or a folder or an id of a text-to-image pipeline of
    diffusers.

    An image follows from its caption, its number and the seed, whatever the order and the shard. A
    command that was stopped or killed goes on when it is given again.
    """
    from supcon_ext.experiment.cannot_start import starting
    from supcon_ext.experiment.named_data import no_overrides
    from supcon_ext.interrupt import stop_requests
    from supcon_ext.synthetic.generate import make_images, wanted_images
    from supcon_ext.synthetic.generator_choice import chosen_generator, fit_data
    from supcon_ext.synthetic.image_folder import Shard, merge_manifests

    if merge is not None:
        with user_input():
            count = merge_manifests(merge)
        click.echo(f"wrote {merge / 'manifest.jsonl'}: {count:,} images")
        return
    if generator is None or out is None:
        raise click.UsageError("Expected GENERATOR and --out FOLDER, or --merge FOLDER.")
    began = time.perf_counter()
    with stop_requests() as stop:
        stop.advice = "; the same command goes on where it was"
        with user_input(), starting():
            part = Shard.parse(shard)
            maker = chosen_generator(generator, options)
            if data is None:
                no_overrides(overrides, "--data")
            told = None if data is None else fit_data(data, trust, overrides)
            asked = _written(captions, concepts, template, backgrounds, caption_maker)
            if told is not None:
                _fit(maker, told, seed)
            maker.expect_ready()
            asked = asked or _own(maker, captions)
            found = () if asked is None else asked.found
            names = None if told is None else told.names
            wanted = wanted_images(maker, found, per_caption, seed, names)
        if asked is not None and asked.merged:
            click.echo(f"merged {asked.merged:,} captions that came before", err=True)
        try:
            made = make_images(
                maker,
                wanted,
                out,
                seed=seed,
                shard=part,
                batch=getattr(maker, "batch", 16),
                size=keep_size,
                fitted_on=None if told is None else told.fingerprint,
            )
        except ValueError as error:
            raise WrongInputError(str(error)) from error
        except OSError as error:
            error.add_note("Try: make room, then the same command, which goes on where it was")
            raise
    seconds = time.perf_counter() - began
    before = made.images - made.new
    there = f", {before:,} were there" if before else ""
    refused = f", {made.refused:,} refused by the safety checker" if made.refused else ""
    click.echo(f"{out / part.manifest}: {made.images:,} images{there}{refused}, in {seconds:.1f} s")


def _fit(maker: Generator, told: Any, seed: int) -> None:
    from supcon_ext.progress.counted_progress import CountedProgress

    with CountedProgress(f"fitting {maker.name}", "steps") as steps:
        maker.fit(told.samples, told.trust, seed, steps)


def _written(
    captions: str | None,
    concepts: Path | None,
    template: str,
    backgrounds: Path | None,
    caption_maker: str | None,
) -> CaptionList | None:
    """The captions that files tell, before a generator is fitted; None where they tell none.

    Raises:
        ValueError: It is said in two ways, or a file cannot be read.
    """
    from supcon_ext.synthetic import caption_list as lists

    if captions is not None and concepts is not None:
        raise ValueError("Expected one of --captions and --concepts, but got both.")
    if concepts is not None:
        names = [text for _, text in lists.lines_of(concepts, "concept")]
        if caption_maker is not None:
            return lists.from_function(caption_maker, names)
        grounds = [] if backgrounds is None else lists.lines_of(backgrounds, "background")
        return lists.from_template(template, names, [text for _, text in grounds])
    if caption_maker is not None or backgrounds is not None:
        raise ValueError("Expected --concepts beside --caption-maker or --backgrounds.")
    if captions is not None and not captions.isdecimal():
        return lists.read_captions(Path(captions))
    return None


def _own(maker: Generator, captions: str | None) -> CaptionList | None:
    """The generator's own captions, all or so many; None for its classes.

    Raises:
        ValueError: It has not so many, or neither captions nor classes.
    """
    from supcon_ext.synthetic import caption_list as lists

    own = [text for label in range(len(maker.classes)) for text in maker.captions_of(label)]
    if captions is not None:
        return lists.CaptionList(tuple(map(lists.Caption, _first(maker, own, int(captions)))), 0)
    if own:
        return lists.CaptionList(tuple(map(lists.Caption, own)), 0)
    if not maker.classes:
        raise ValueError(
            f"Expected captions for the {maker.name}, but got none. Try: --captions FILE, "
            "--concepts FILE, or --data with a folder for each class"
        )
    return None


def _first(maker: Generator, own: list[str], count: int) -> list[str]:
    """So many of a generator's own captions, classes in turn."""
    if not 1 <= count <= len(own):
        raise ValueError(
            f"Expected 1 to {len(own)} of the captions that the {maker.name} has, but got {count}."
            if own
            else f"Expected a file of captions, as the {maker.name} has none of its own, "
            f"but got {count}."
        )
    by_class = [list(maker.captions_of(label)) for label in range(len(maker.classes))]
    most = max(map(len, by_class))
    turns = [texts[turn] for turn in range(most) for texts in by_class if turn < len(texts)]
    return turns[:count]
