"""Named parts: one decorator makes a class or a function known to recipes, the CLI and the tests.

A :class:`Registry` holds one *family* of parts (noise models, selectors, optimisers, ...). Its
modules are imported the first time that somebody asks for a name, never at import time. What a part
may be told in a recipe is read off its signature:

* of a class, every parameter of ``__init__``;
* of a function, its keyword-only parameters (positional ones are what the caller hands over).

Annotate a parameter with :class:`pydantic.Field` (``Annotated[float, Field(ge=0, le=1)]``) to bound
it, and with :class:`Part` to say that it is itself a part of another family. The first line of the
docstring is the summary that ``supcon components`` prints.

One file, long as it is: a registry makes entries and specs, a spec and a part look their registry
up, and apart these would import each other in a circle.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, create_model
from pydantic_core import PydanticCustomError, core_schema

from data_tools.family_fit import misfit

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

Problems = Callable[
    [Mapping[str, Any], Mapping[str, Any], Mapping[str, Any]], Iterable[tuple[tuple[str, ...], str]]
]
"""``(params, stage, recipe) -> (key path below the part, message), ...``"""

FAMILY_MARK = "x-definition"
"""Key of a JSON Schema by which a part stands for all of its family."""

IMAGES = frozenset({"image"})
"""What parts take that say nothing of it, where it matters: images, and no vectors."""

_FAMILIES: dict[str, Registry[Any]] = {}


@dataclass(frozen=True)
class Entry(Generic[T]):
    """One named part of a family."""

    family: str
    name: str
    target: Callable[..., T]
    check: Problems | None = None
    takes: frozenset[str] = IMAGES

    @property
    def problems(self) -> Problems | None:
        """Finds mistakes between the parameters and the recipe around them; None if nothing."""
        return self.check or getattr(self.target, "problems", None)

    @property
    def summary(self) -> str:
        """First line of the part's docstring."""
        return (inspect.getdoc(self.target) or "").strip().split("\n")[0]

    @cached_property
    def common(self) -> dict[str, tuple[Any, Any]]:
        """Type and default of each parameter that every member of the family takes."""
        registry = _FAMILIES.get(self.family)
        if registry is None or registry.base is None or not registry.common:
            return {}
        hints = typing.get_type_hints(registry.base, include_extras=True)
        of = self.target if inspect.isclass(self.target) else registry.base
        return {
            name: (hints[name], getattr(of, name, getattr(registry.base, name)))
            for name in registry.common
        }

    def make(self, *args: Any, **params: Any) -> T:
        """The object: the class or function called, and the family's own parameters set on it.

        What functions make is no object of the family's own: there, its base's ``finish`` is given
        what was made, what it was made of, and these parameters, and gives the object.
        """
        given = inspect.signature(self.target).parameters
        names = [name for name in self.common if name in params and name not in given]
        later = {name: params.pop(name) for name in names}
        made = self.target(*args, **params)
        finish: Callable[..., T] | None = getattr(_FAMILIES[self.family].base, "finish", None)
        if finish is not None:
            return finish(made, *args, **later)
        for name, value in later.items():
            setattr(made, name, value)
        return made

    @cached_property
    def parameters(self) -> type[BaseModel]:
        """A pydantic model of the part's parameters: names, types, bounds and defaults."""
        fields: dict[str, Any] = {}
        is_class = inspect.isclass(self.target)
        function: Any = self.target.__init__ if is_class else self.target
        if function is object.__init__:
            hints: dict[str, Any] = {}
            signature = inspect.Signature()
        else:
            hints = typing.get_type_hints(function, include_extras=True)
            signature = inspect.signature(function)
        for name, parameter in signature.parameters.items():
            keyword = parameter.kind is inspect.Parameter.KEYWORD_ONLY
            if name == "self" or not (keyword or is_class):
                continue
            if parameter.kind in (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL):
                raise TypeError(
                    f"Expected explicit parameters in {self.family} `{self.name}`, "
                    "but got *args or **kwargs"
                )
            default = ... if parameter.default is inspect.Parameter.empty else parameter.default
            fields[name] = (hints.get(name, Any), default)
        fields |= {name: self.common[name] for name in self.common if name not in fields}
        model: type[BaseModel] = create_model(
            f"{self.family}_{self.name}",
            __config__=ConfigDict(
                extra="forbid",
                arbitrary_types_allowed=True,
                protected_namespaces=(),
                validate_default=True,
            ),
            **fields,
        )
        return model


@dataclass(frozen=True)
class Spec:
    """A part as a recipe names it: its kind and parameters; nested parts are specs too."""

    family: str
    kind: str
    params: Mapping[str, Any] = field(default_factory=dict)

    def build(self) -> Any:
        """Make the object: call the class with its parameters, nested parts first."""
        return self.bind()()

    def bind(self) -> Callable[..., Any]:
        """The class or function with its recipe parameters filled in, waiting for the rest."""
        entry = family(self.family).get(self.kind)
        params = {key: _built(value) for key, value in self.params.items()}

        def call(*args: Any, **kwargs: Any) -> Any:
            return entry.make(*args, **kwargs, **params)

        return call

    def as_dict(self) -> dict[str, Any]:
        """Plain YAML form, ``{"kind": ..., parameter: value, ...}``, with every default."""
        return {"kind": self.kind, **{key: _plain(value) for key, value in self.params.items()}}


def _built(value: Any) -> Any:
    if isinstance(value, Spec):
        return value.build()
    if isinstance(value, list):
        return [_built(item) for item in value]
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, Spec):
        return value.as_dict()
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


class Registry(Generic[T]):
    """The parts of one family, by name.

    Args:
        family: What the parts are, in one word (``noise``, ``selector``).
        package: Dotted name of the package whose modules define them; imported on first use.
        common: Attributes of ``base`` that are parameters of every part in a recipe, whatever its
            ``__init__`` takes; a class may give one another default.
        base: The family's base class, where such attributes are annotated and documented.
    """

    def __init__(
        self,
        family: str,
        package: str,
        *,
        common: tuple[str, ...] = (),
        base: type | None = None,
    ) -> None:
        self.family = family
        self.package = package
        self.common = common
        self.base = base
        self._entries: dict[str, Entry[T]] = {}
        self._loaded = False
        _FAMILIES[family] = self

    def __call__(
        self, name: str, problems: Problems | None = None, takes: Iterable[str] = IMAGES
    ) -> Callable[[F], F]:
        """Decorator: register a class or a function under ``name``.

        Args:
            name: What recipes call it.
            problems: Finds mistakes between its parameters and the recipe around it; a class may
                have a static method of this name instead.
            takes: Kinds of samples that it can be given, ``image``, ``vector``; heeded in families
                whose parts see samples: policies and backbones.
        """
        kinds = frozenset(takes)

        def register(target: F) -> F:
            known = self._entries.get(name)
            if known is not None and known.target.__qualname__ != target.__qualname__:
                raise ValueError(
                    f"Expected a new name for {self.family} `{target.__qualname__}`, but `{name}` "
                    f"already names {known.target.__module__}.{known.target.__qualname__}"
                )
            self._entries[name] = Entry(self.family, name, target, problems, kinds)
            return target

        return register

    def _load(self) -> None:
        if self._loaded:
            return
        self._loaded = True
        package = importlib.import_module(self.package)
        for module in pkgutil.iter_modules(getattr(package, "__path__", [])):
            importlib.import_module(f"{self.package}.{module.name}")

    def names(self) -> list[str]:
        """Every registered name, sorted."""
        self._load()
        return sorted(self._entries)

    def __iter__(self) -> Iterator[Entry[T]]:
        """Entries in the order of their names."""
        return (self._entries[name] for name in self.names())

    def get(self, name: str) -> Entry[T]:
        """The entry called ``name``; a dotted path (``my_package.module.Class``) is imported.

        Raises:
            KeyError: No part has this name. The message lists those that exist.
        """
        self._load()
        if name in self._entries:
            return self._entries[name]
        module, _, attribute = name.rpartition(".")
        if module:
            try:
                target = getattr(importlib.import_module(module), attribute)
            except Exception as error:  # whatever a module of the user's does
                raise KeyError(f"cannot import {self.family} `{name}`: {error}") from error
            for entry in self._entries.values():
                if entry.target is target:
                    return entry
            return self._unnamed(name, target)
        raise KeyError(f"no {self.family} is called `{name}`; there are: {', '.join(self.names())}")

    def that_take(self, kind: str) -> list[str]:
        """Names of the parts that can be given samples of a kind, sorted."""
        return [entry.name for entry in self if kind in entry.takes]

    def _unnamed(self, name: str, target: Any) -> Entry[T]:
        """A part that nobody registered, by its dotted path."""
        if not any(is_one(target) for is_one in (inspect.isclass, inspect.isfunction)):
            raise KeyError(f"`{name}` is neither a class nor a function, so no {self.family}")
        makes = getattr(self, "__orig_class__", None)  # Registry[T], as it was written
        like = next((known.target for known in self._entries.values()), None)
        fault = makes and misfit(target, typing.get_args(makes)[0], like)
        if fault:
            raise KeyError(f"`{name}` is no {self.family}: {fault}")
        entry: Entry[T] = Entry(self.family, name, target)
        try:
            _ = entry.parameters
        except Exception as error:  # annotations of no recipe's values, or none that can be read
            raise KeyError(
                f"`{name}` is no {self.family}: its parameters cannot be read ({error})"
            ) from error
        return entry

    def make(self, value: T | str, **params: Any) -> T:
        """The object itself, or the one that a name stands for.

        Args:
            value: The object, or a part's name.
            params: Of the part that is named; the others have their defaults.
        """
        return self.spec({"kind": value, **params}).build() if isinstance(value, str) else value

    def spec(self, value: Any) -> Spec:
        """Validate a recipe's ``name`` or ``{"kind": name, parameter: value}``.

        Raises:
            PydanticCustomError: The value has no valid ``kind``.
            pydantic.ValidationError: A parameter is unknown, missing or out of bounds.
        """
        if isinstance(value, Spec) and value.family == self.family:
            return value
        if isinstance(value, str):
            value = {"kind": value}
        if not isinstance(value, Mapping):
            raise PydanticCustomError(
                "part_type",
                "Expected the name of a {family} or a mapping with `kind`, but got {got}",
                {"family": self.family, "got": repr(value), "names": self.names()},
            )
        params = dict(value)
        kind = params.pop("kind", None)
        if not isinstance(kind, str):
            raise PydanticCustomError(
                "part_kind_missing",
                "Expected a key `kind` that names a {family}, but got {got}",
                {"family": self.family, "got": repr(dict(value)), "names": self.names()},
            )
        try:
            entry = self.get(kind)
        except KeyError as error:
            raise PydanticCustomError(
                "part_unknown",
                "Expected the name of a {family}, but {reason}",
                {
                    "family": self.family,
                    "reason": str(error.args[0]),
                    "given": kind,
                    "names": self.names(),
                },
            ) from None
        model = entry.parameters.model_validate(params)
        defaults = entry.parameters.model_fields
        return Spec(self.family, kind, {key: getattr(model, key) for key in defaults})


@dataclass(frozen=True)
class Part:
    """Annotation of a parameter or field that is itself a part of another family.

    ``selector: Annotated[PositiveSelector | str, Part("selector")] = "label"`` takes, in a recipe,
    a name or a mapping with ``kind``; in Python, the object or a name (see :meth:`Registry.make`).
    """

    family: str

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> core_schema.CoreSchema:
        """Validate through the family's registry, so that errors carry the whole key path."""
        part = core_schema.no_info_plain_validator_function(
            lambda value: family(self.family).spec(value),
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda value: None if value is None else value.as_dict()
            ),
        )
        optional = type(None) in typing.get_args(source)
        return core_schema.nullable_schema(part) if optional else part

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        """A mark that names the family, in place of all its parts."""
        mark = {FAMILY_MARK: self.family}
        return {"anyOf": [mark, {"type": "null"}]} if schema["type"] == "nullable" else mark


def family(name: str) -> Registry[Any]:
    """The registry of a family.

    Raises:
        KeyError: No such family.
    """
    if name not in _FAMILIES:
        raise KeyError(
            f"no family of parts is called `{name}`; there are: {', '.join(sorted(_FAMILIES))}"
        )
    return _FAMILIES[name]


def part_name(family_name: str, part: Any) -> str:
    """A part in a message: ``weighting `balanced```; its class's name where it has no other.

    Args:
        family_name: Its family.
        part: The object, or the function; a text is the name itself.
    """
    if isinstance(part, str):
        return f"{family_name} `{part}`"
    known = _FAMILIES.get(family_name)
    name = None if known is None else _registered(known, part)
    if name is None:
        name = (part if inspect.isroutine(part) else type(part)).__name__
    return f"{family_name} `{name}`"


def any_part_name(part: Any) -> str | None:
    """The same, of whatever family it is; None where it is registered in none."""
    for known in _FAMILIES.values():
        name = _registered(known, part)
        if name is not None:
            return f"{known.family} `{name}`"
    return None


def _registered(known: Registry[Any], part: Any) -> str | None:
    target = part if inspect.isroutine(part) else type(part)
    return next((entry.name for entry in known._entries.values() if entry.target is target), None)
