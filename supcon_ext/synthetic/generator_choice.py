"""The generator that a command line names, and the set that it is fitted on."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from data_tools.samples import SampleSet
from supcon_ext.meanings import Meaning, as_path, one_meaning
from supcon_ext.synthetic.generator import Generator, generator, load_generator

PIPELINE = "pipeline"


def chosen_generator(text: str, options: Mapping[str, Any]) -> Generator:
    """The generator.

    Args:
        text: A member of the family by name, or ``{kind: NAME, parameter: value}``; a file that
            :meth:`~supcon_ext.synthetic.generator.Generator.save` wrote; else a folder or an id
            (``owner/name``) of a pipeline of diffusers.
        options: Parameters of a pipeline; None stands for what is not said.

    Raises:
        ValueError: It is none of these, or several, or a parameter is wrong.
    """
    import yaml

    told = {name: value for name, value in options.items() if value is not None}
    path = Path(text).expanduser()
    if text in generator.names():
        named = Meaning("generator", f"{{kind: {text}}}", False)
        there = "folder" if path.is_dir() else "file"
        placed = [Meaning(there, as_path(text), True)] if path.exists() else []
        one_meaning(text, [named, *placed])
    if path.is_file():
        return load_generator(path)
    if path.is_dir() or re.fullmatch(r"[\w.-]+/[\w.-]+", text):
        if path.is_dir() and not (path / "model_index.json").is_file():
            raise ValueError(
                f"Expected a folder of a pipeline, with model_index.json, but {path} is none. "
                "Try: the folder that save_pretrained wrote"
            )
        return _made({"kind": PIPELINE, "pipeline": text, **told})
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        value = text
    if isinstance(value, str) and value not in generator.names() and "." not in value:
        raise ValueError(
            f"Expected a generator, {', '.join(generator.names())}, or a folder or an id "
            f"(owner/name) of a pipeline, but got `{text}`."
        )
    if told:
        raise ValueError(
            f"Expected {', '.join(sorted(told))} with a folder or an id of a pipeline alone, "
            f"but got {text}. Try: '{{kind: {text}, parameter: value}}'"
        )
    return _made(value)


def _made(value: Any) -> Generator:
    try:
        made: Generator = generator.spec(value).build()
    except PydanticCustomError as error:
        raise ValueError(error.message()) from error
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        raise ValueError(
            f"Expected another value of `{name}` of a generator, but got {first['input']!r:.100}: "
            f"{first['msg']}."
        ) from error
    return made


@dataclass(frozen=True)
class FitData:
    """What a generator is fitted on.

    Attributes:
        samples: Training samples with their given labels.
        trust: Of each, or None.
        fingerprint: Of them.
        names: What each is called in a manifest: its path, or its place in the source's set.
    """

    samples: SampleSet
    trust: Any
    fingerprint: str
    names: list[str]


def fit_data(data: str, trust: str | None, overrides: Sequence[str] = ()) -> FitData:
    """The training samples of named data: of a recipe or a run with its noise and imbalance.

    Args:
        data: See :func:`~supcon_ext.experiment.named_data.named_data`.
        trust: See :func:`~supcon_ext.synthetic.trust.read_trust`; of recipes and runs alone.
        overrides: ``KEY=VALUE`` beside a recipe.

    Raises:
        ValueError: It cannot be read, or the trust is of other data.
    """
    from supcon_ext.experiment.given_samples import read_samples
    from supcon_ext.experiment.named_data import named_data
    from supcon_ext.synthetic.trust import read_trust

    named = named_data(data, overrides)
    if named.said_whole:
        made = named.training_data()
        believed = None if trust is None else read_trust(trust, made)
        paths = made.train.columns.get("path")
        names = [str(name) for name in (made.origin if paths is None else paths)]
        return FitData(made.train, believed, made.fingerprint, names)
    if trust is not None:
        raise ValueError(
            f"Expected a recipe or a run beside `--trust`, but got {data}. Try: --data recipe.yaml"
        )
    found = read_samples(named, splits=("train",))
    paths = found.samples.columns.get("path")
    names = [str(name) for name in (found.number if paths is None else paths)]
    return FitData(found.samples, None, found.fingerprint, names)
