"""Fields of a recipe that name parts: with a default kind, and as terms of an objective."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError, core_schema

from data_tools.registry import FAMILY_MARK, Part, Spec


@dataclass(frozen=True)
class PartOr(Part):
    """A part that is of kind ``default`` where a recipe names none."""

    default: str

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> core_schema.CoreSchema:
        """As a part, after the default kind is filled in."""

        def with_kind(value: Any) -> Any:
            if isinstance(value, Mapping) and "kind" not in value:
                return {"kind": self.default, **value}
            return value

        inner = super().__get_pydantic_core_schema__(source, handler)
        return core_schema.no_info_before_validator_function(with_kind, inner)

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        """Of the default kind, a mapping may leave out ``kind``; null where the field takes it."""
        with_default = {FAMILY_MARK: f"{self.family}.{self.default}"}
        kinds = [{FAMILY_MARK: self.family}, with_default]
        inner = schema.get("schema", {})
        nothing = [{"type": "null"}] if "nullable" in (schema["type"], inner.get("type")) else []
        return {"anyOf": [*kinds, *nothing]}


class OneOrMany:
    """Annotation of a list whose only item may stand without the list."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> core_schema.CoreSchema:
        """The list, after its only item is put into one."""
        return core_schema.no_info_before_validator_function(
            lambda value: value if isinstance(value, list) else [value], handler(source)
        )

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        """The list or an item of it."""
        whole = handler(schema)
        return {"anyOf": [whole, whole["items"]]}


@dataclass(frozen=True)
class TermItem(Part):
    """An item of an objective: a term's name, or a mapping from it to its parameters."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> core_schema.CoreSchema:
        """Validate ``name`` or ``{name: {parameter: value}}``; errors are placed below the name."""
        parameters = core_schema.no_info_before_validator_function(
            _parameters, super().__get_pydantic_core_schema__(source, handler)
        )
        by_name = core_schema.dict_schema(core_schema.str_schema(), parameters)
        return core_schema.no_info_after_validator_function(
            lambda specs: next(iter(specs.values())),
            core_schema.no_info_before_validator_function(_by_name, by_name),
            serialization=core_schema.plain_serializer_function_ser_schema(_term_as_dict),
        )


def split_term(value: Any) -> tuple[str, Any]:
    """Name and parameters of an objective's item.

    Raises:
        PydanticCustomError: It is neither a name nor a mapping with one key.
    """
    if isinstance(value, str):
        return value, {}
    if not isinstance(value, Mapping) or len(value) == 0:
        raise PydanticCustomError(
            "term_type", "a term's name or a mapping from it to its parameters"
        )
    name, *others = value
    if others:
        raise PydanticCustomError(
            "term_keys",
            "Expected one term in each item, but got the keys {keys}. Try: indent the parameters "
            "below `{name}:`, and begin each further term with `- `.",
            {"keys": ", ".join(f"`{key}`" for key in value), "name": str(name)},
        )
    params = dict(value)[name]
    return name, {} if params is None else params


def _by_name(value: Any) -> dict[str, Any]:
    if isinstance(value, Spec):
        return {value.kind: value}
    name, params = split_term(value)
    return {name: {**params, "kind": name} if isinstance(params, Mapping) else params}


def _parameters(value: Any) -> Any:
    if not isinstance(value, (Mapping, Spec)):
        raise PydanticCustomError("term_parameters", "a mapping with the term's parameters")
    return value


def _term_as_dict(spec: Spec) -> dict[str, Any]:
    params = spec.as_dict()
    return {params.pop("kind"): params}


def distinct(field: str) -> Callable[[list[Any]], list[Any]]:
    """A check that no two items have the same ``field``; None may be there several times."""

    def check(items: list[Any]) -> list[Any]:
        names = [getattr(item, field) for item in items]
        first = {name: place for place, name in reversed(list(enumerate(names)))}
        errors = [
            InitErrorDetails(
                type=PydanticCustomError(
                    "distinct",
                    "Expected another `{field}` for each, but `{name}` is there before.",
                    {"field": field, "name": name},
                ),
                loc=(place, field),
                input=name,
            )
            for place, name in enumerate(names)
            if name is not None and first[name] < place
        ]
        if errors:
            raise ValidationError.from_exception_data("recipe", errors)
        return items

    return check
