"""``{members} selector``: every member of a family, from its docstring and its signature."""

from __future__ import annotations

import inspect
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from markdown_part import MarkdownPart
from measured_costs import COSTS, columns_of, how_measured

from data_tools.registry import Entry, family
from supcon_ext.recipe.components import Component, Parameter, list_components

OWN = "the toolkit's own"
EXACTNESS = Path(__file__).parents[1] / "exactness.md"
SECTION = re.compile(r"^(Args|Raises|Returns|Attributes|Yields):$", re.M)
ROLE = re.compile(r":(?:py:)?(?:class|func|meth|mod|attr|data|obj):`~?([^`]+)`")
BANK = {
    "z": "projections",
    "features": "features",
    "logits": "logits",
    "loss": "losses",
    "peer_logits": "logits of a second network",
    "truth": "true labels, which only a measurement may know",
}


class Members(MarkdownPart):
    """All of a family, by name."""

    required_arguments = 1

    def text(self) -> str:
        """A table of names, then a section for each."""
        name = self.arguments[0]
        self.env.note_dependency(str(EXACTNESS))
        self.env.note_dependency(str(COSTS))
        found = list_components(name)
        names = {c.name: f"[`{c.name}`](#{c.name.replace('_', '-')})" for c in found}
        columns = columns_of(name)
        head = ["name", "in a line", *columns]
        rows = [
            [names[c.name], cell(c.summary), *(told(c.name) for told in columns.values())]
            for c in found
        ]
        table = [head, ["---"] * len(head), *rows]
        lines = ["## Members", "", *(f"| {' | '.join(row)} |" for row in table)]
        parts = ["\n".join(lines), *([how_measured(name)] if columns else [])]
        return "\n\n".join([*parts, "\n".join(section(component) for component in found)])


def section(component: Component) -> str:
    """One member: what it is, what it takes, what it costs, what it was compared with."""
    entry = family(component.family).get(component.name)
    parts = [f"### {component.name}", told(entry), parameters(component.parameters)]
    return "\n\n".join([*parts, *facts(entry), ""])


def told(entry: Entry[Any]) -> str:
    """The docstring up to its sections, as Markdown."""
    text = SECTION.split(inspect.getdoc(entry.target) or "")[0].strip()
    return ROLE.sub(lambda found: f"`{found[1].rpartition('.')[2]}`", text).replace("::\n", ":\n")


def parameters(found: tuple[Parameter, ...]) -> str:
    """A table of what a recipe may say of it."""
    if not found:
        return "It takes no parameters."
    rows = ["| parameter | may be | default | |", "| --- | --- | --- | --- |"]
    for each in found:
        default = "required" if each.required else f"`{json.dumps(each.default)}`"
        note = ROLE.sub(lambda found: f"`{found[1]}`", each.note)
        rows.append(f"| `{each.name}` | {cell(each.kind)} | {cell(default)} | {cell(note)} |")
    return "\n".join(rows)


def facts(entry: Entry[Any]) -> list[str]:
    """What it needs each epoch, what samples it takes, and how exact it is."""
    made = []
    requires = required(entry)
    if entry.family == "selector" and requires is not None:
        needs = ", ".join(BANK[each] for each in sorted(requires))
        cost = f"every training sample's {needs}" if needs else "nothing but the batch"
        made.append(f"**Needs each epoch:** {cost}.")
    if entry.family in ("policy", "backbone"):
        made.append(f"**Takes:** {' and '.join(f'{kind}s' for kind in sorted(entry.takes))}.")
    for source, difference, choice in exactness().get((entry.family, entry.name), []):
        if source == OWN:
            made.append(f"**Program:** {OWN}; {choice}.")
        else:
            made.append(f"**Compared with** {source}. Largest difference: {difference}; {choice}.")
    return made


def required(entry: Entry[Any]) -> frozenset[str] | None:
    """What a selector with its defaults needs of the bank; None where defaults make none."""
    try:
        made = family(entry.family).spec(entry.name).build()
    except Exception:  # a parameter without a default
        made = entry.target
    found = getattr(made, "requires", None)
    return found if isinstance(found, frozenset) else None


@cache
def exactness() -> dict[tuple[str, str], list[tuple[str, str, str]]]:
    """The rows of the page on exactness, by family and name."""
    rows: dict[tuple[str, str], list[tuple[str, str, str]]] = {}
    for line in EXACTNESS.read_text(encoding="utf-8").splitlines():
        cells = [each.strip() for each in line.strip("|").split("|")]
        if line.startswith("|") and len(cells) == 7:
            rows.setdefault((cells[0], cells[1].strip("`")), []).append(
                (cells[2], cells[4], cells[5])
            )
    return rows


def cell(text: str) -> str:
    """Text that does not end a table's cell."""
    return text.replace("|", "\\|").replace("\n", " ")


def setup(app: Any) -> dict[str, bool]:
    """Called by Sphinx."""
    app.add_directive("members", Members)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
