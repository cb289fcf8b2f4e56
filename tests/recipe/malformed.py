"""Recipes that are wrong, and what must be said of each; ``python -m tests.recipe.malformed``."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from supcon_ext.recipe import RecipeError, load_recipe

FILE = "mine.yaml"
COMMAND_LINE = "command line"


@dataclass(frozen=True)
class Expected:
    """One problem: where, and the whole message or its beginning with what must follow in it."""

    line: int | None
    path: str
    message: str
    suggestion: str = ""
    file: str = FILE


@dataclass(frozen=True)
class Malformed:
    """A wrong recipe, with the overrides it is loaded with."""

    name: str
    text: str
    problems: tuple[Expected, ...]
    overrides: tuple[str, ...] = ()


STAGE = """\
stages:
  - name: main
    epochs: 2
    objective: [contrastive]
    optimizer: {kind: sgd, lr: 0.1}
"""
GOOD = "name: good\n" + STAGE

CASES = (
    Malformed(
        "a misspelt section",
        GOOD + "evalution: [knn]\n",
        (Expected(7, "evalution", "Unknown key.", "Did you mean `evaluation`?"),),
    ),
    Malformed(
        "a misspelt parameter",
        GOOD + "data:\n  noise: {kind: symmetric, rte: 0.4}\n",
        (
            Expected(
                8,
                "data.noise.rte",
                "Unknown key.",
                "Did you mean `rate`? (symmetric takes: kind, rate, redraw, count, seed)",
            ),
        ),
    ),
    Malformed(
        "a misspelt parameter of a term",
        "name: a\n"
        "stages:\n"
        "  - name: main\n"
        "    epochs: 2\n"
        "    objective:\n"
        "      - contrastive:\n"
        "          selector: label\n"
        "          temprature: 0.1\n"
        "    optimizer: {kind: sgd, lr: 0.1}\n",
        (
            Expected(
                8,
                "stages.0.objective.0.contrastive.temprature",
                "Unknown key.",
                "Did you mean `temperature`?",
            ),
        ),
    ),
    Malformed(
        "a right key in the wrong place",
        GOOD + "    lr: 0.1\n",
        (Expected(7, "stages.0.lr", "Unknown key.", "It belongs in"),),
    ),
    Malformed(
        "a section in the wrong section",
        GOOD + "model:\n  noise: {kind: symmetric, rate: 0.4}\n",
        (Expected(8, "model.noise", "Unknown key.", "It belongs in `data`."),),
    ),
    Malformed(
        "text for a number",
        GOOD + "    batch_size: fast\n",
        (Expected(7, "stages.0.batch_size", "Expected a whole number, but got 'fast'."),),
    ),
    Malformed(
        "a number in quotes",
        GOOD.replace("lr: 0.1", 'lr: "0.1"'),
        (Expected(6, "stages.0.optimizer.lr", "Expected a number, but got '0.1'."),),
    ),
    Malformed(
        "a truth value for a number",
        GOOD + "seed: true\n",
        (Expected(7, "seed", "Expected a whole number, but got true."),),
    ),
    Malformed(
        "a number for a truth value",
        GOOD + "    drop_last: 2\n",
        (Expected(7, "stages.0.drop_last", "Expected true or false, but got 2."),),
    ),
    Malformed(
        "a fraction of an epoch",
        GOOD.replace("epochs: 2", "epochs: 2.5"),
        (Expected(4, "stages.0.epochs", "Expected a whole number, but got 2.5."),),
    ),
    Malformed(
        "a noise rate of 130 %",
        GOOD + "data:\n  noise:\n    kind: symmetric\n    rate: 1.3\n",
        (Expected(10, "data.noise.rate", "Expected a value of at most 1, but got 1.3."),),
    ),
    Malformed(
        "a noise rate in per cent",
        GOOD + "data:\n  noise: {kind: symmetric, rate: 130 %}\n",
        (Expected(8, "data.noise.rate", "Expected a number, but got '130 %'."),),
    ),
    Malformed(
        "a queue smaller than a batch",
        "name: a\n"
        "model: {ema: 0.99}\n"
        "stages:\n"
        "  - name: main\n"
        "    epochs: 2\n"
        "    batch_size: 64\n"
        "    objective:\n"
        "      - contrastive: {queue: 100}\n"
        "    optimizer: {kind: sgd, lr: 0.1}\n",
        (
            Expected(
                8,
                "stages.0.objective.0.contrastive.queue",
                "Expected a queue of at least one batch (128 rows: batch size times views), "
                "but got 100",
            ),
        ),
    ),
    Malformed(
        "a view group that nobody makes",
        "name: a\n"
        "stages:\n"
        "  - name: main\n"
        "    epochs: 2\n"
        "    views: [{name: weak, policy: weak}, {name: strong}]\n"
        "    objective:\n"
        "      - contrastive: {views: stong}\n"
        "    optimizer: {kind: sgd, lr: 0.1}\n",
        (
            Expected(
                7,
                "stages.0.objective.0.contrastive.views",
                "Expected a view group of this stage (weak, strong), but got 'stong'",
            ),
        ),
    ),
    Malformed(
        "two noise models",
        GOOD
        + "data:\n"
        + "  noise:\n"
        + "    - {kind: symmetric, rate: 0.2}\n"
        + "    - {kind: pair_flip, rate: 0.2}\n",
        (Expected(8, "data.noise", "Expected one noise, but got a list of 2."),),
    ),
    Malformed(
        "a noise model twice",
        GOOD
        + "data:\n  noise: {kind: symmetric, rate: 0.2}\n  noise: {kind: pair_flip, rate: 0.2}\n",
        (Expected(9, "data.noise", "Expected each key once, but `noise` is in line 8 too."),),
    ),
    Malformed(
        "a name that no part has",
        GOOD + "data: {noise: {kind: symetric, rate: 0.4}}\n",
        (
            Expected(
                7,
                "data.noise.kind",
                "Expected the name of a noise, but got `symetric`.",
                "Did you mean `symmetric`?",
            ),
        ),
    ),
    Malformed(
        "a bare name that no part has",
        GOOD + "evaluation: [linear_prob, knn]\n",
        (
            Expected(
                7,
                "evaluation.0",
                "Expected the name of an evaluator, but got `linear_prob`.",
                "Did you mean `linear_probe`?",
            ),
        ),
    ),
    Malformed(
        "a part without its kind",
        GOOD + "data:\n  noise:\n    symmetric: {rate: 0.4}\n",
        (
            Expected(
                8,
                "data.noise",
                "Expected the name of a noise, or a mapping with `kind`, but got a mapping with "
                "`symmetric`.",
                "Try: {kind: symmetric, ...}",
            ),
        ),
    ),
    Malformed(
        "nothing but a stage without its number of epochs",
        STAGE.replace("    epochs: 2\n", ""),
        (
            Expected(1, "name", "Expected this key, but it is missing."),
            Expected(2, "stages.0.epochs", "Expected this key, but it is missing."),
        ),
    ),
    Malformed(
        "no stages",
        "name: a\nstages: []\n",
        (Expected(2, "stages", "Expected a list of at least 1, but got an empty list."),),
    ),
    Malformed(
        "two stages of one name",
        GOOD
        + "  - name: main\n"
        + "    epochs: 1\n"
        + "    objective: [contrastive]\n"
        + "    optimizer: {kind: sgd, lr: 0.1}\n",
        (
            Expected(
                7, "stages.1.name", "Expected another `name` for each, but `main` is there before."
            ),
        ),
    ),
    Malformed(
        "parameters beside their term",
        "name: a\n"
        "stages:\n"
        "  - name: main\n"
        "    epochs: 2\n"
        "    objective:\n"
        "      - contrastive:\n"
        "        selector: label\n"
        "    optimizer: {kind: sgd, lr: 0.1}\n",
        (
            Expected(
                6,
                "stages.0.objective.0",
                "Expected one term in each item, but got the keys `contrastive`, `selector`. "
                "Try: indent the parameters below `contrastive:`",
            ),
        ),
    ),
    Malformed(
        "a tab",
        "name: a\nstages:\n\t- name: main\n",
        (Expected(3, "", "Expected YAML, but found an error while scanning"),),
    ),
    Malformed(
        "an empty file",
        "# nothing yet\n",
        (
            Expected(
                None, "", "Expected a mapping with the keys of a recipe, but the file is empty."
            ),
        ),
    ),
    Malformed(
        "a list of recipes",
        "- name: a\n- name: b\n",
        (Expected(None, "", "Expected a mapping with the keys of a recipe"),),
    ),
    Malformed(
        "a bare yes",
        GOOD + "compute:\n  deterministic: yes\n",
        (
            Expected(
                8,
                "compute.deterministic",
                'Expected true or false, or text in quotes ("yes"), but got a bare `yes`',
            ),
        ),
    ),
    Malformed(
        "a number for text",
        GOOD + "tracking:\n  experiment: 2024\n",
        (
            Expected(
                8, "tracking.experiment", "Expected text, but got 2024.", 'Try: quotes, "2024".'
            ),
        ),
    ),
    Malformed(
        "a choice that there is not",
        GOOD + "data: {order: noise_then_imbalanced}\n",
        (
            Expected(
                7,
                "data.order",
                "Expected one of `imbalance_then_noise`, `noise_then_imbalance`, "
                "but got 'noise_then_imbalanced'.",
                "Did you mean `noise_then_imbalance`?",
            ),
        ),
    ),
    Malformed(
        "neither number nor auto",
        GOOD + "compute: {devices: all}\n",
        (Expected(7, "compute.devices", "Expected a whole number or `auto`, but got 'all'."),),
    ),
    Malformed(
        "groups by counts and by classes",
        GOOD + "data:\n  groups: {many_above: 50, many: [0], medium: [1], few: [2]}\n",
        (
            Expected(
                8,
                "data.groups",
                "Expected `many_above` and `few_below`, or all of `many`, `medium` and `few`.",
            ),
        ),
    ),
    Malformed(
        "a number that is none",
        GOOD + "    clip_norm: .nan\n",
        (Expected(7, "stages.0.clip_norm", "Expected a finite number, but got .nan."),),
    ),
    Malformed(
        "code in YAML",
        GOOD + "description: !!python/object/apply:os.getcwd []\n",
        (Expected(7, "description", "Expected plain YAML, but got a tag `"),),
    ),
    Malformed(
        "a plugin that is not there",
        GOOD + "plugins: [no_such_plugin]\n",
        (
            Expected(
                7,
                "plugins.0",
                "Expected a module that can be imported, but `no_such_plugin` gives "
                "ModuleNotFoundError: No module named 'no_such_plugin'.",
            ),
        ),
    ),
    Malformed(
        "an extended recipe that is not there",
        GOOD + "extends: ../bases/none.yaml\n",
        (
            Expected(
                7,
                "extends",
                "Expected a recipe file or the name of a shipped recipe, but there is none of "
                "this name: `../bases/none.yaml`.",
            ),
        ),
    ),
    Malformed(
        "a recipe that extends itself",
        GOOD + "extends: mine.yaml\n",
        (
            Expected(
                7,
                "extends",
                "Expected a chain that ends, but it comes back: mine.yaml -> mine.yaml.",
            ),
        ),
    ),
    Malformed(
        "wrong overrides",
        GOOD,
        (
            Expected(
                None,
                "stages.mian.epochs=3",
                "Expected an index below 1 or a name (main) after `stages`, but got `mian`. "
                "Did you mean `main`?",
                file=COMMAND_LINE,
            ),
            Expected(
                None,
                "seed",
                "Expected `key=value` with a dotted key, as in `stages.0.epochs=3`.",
                file=COMMAND_LINE,
            ),
            Expected(
                None,
                "data.validation=0.9",
                "Expected a value of at most 0.5, but got 0.9.",
                file=COMMAND_LINE,
            ),
            Expected(
                None,
                "data.nois.rate=0.4",
                "`data.nois`: Unknown key.",
                "Did you mean `noise`?",
                file=COMMAND_LINE,
            ),
        ),
        ("stages.mian.epochs=3", "seed", "data.validation=0.9", "data.nois.rate=0.4"),
    ),
    Malformed(
        "everything at once",
        "name: Every Thing\n"
        "data:\n"
        "  noise: {kind: symmetric, rate: 1.3}\n"
        "  imbalanced: {kind: step, factor: 10}\n"
        "stages:\n"
        "  - name: main\n"
        "    epochs: 0\n"
        "    objective:\n"
        "      - contrastive: {queue: 8, selector: labels}\n"
        "    optimizer: {kind: sgd, lr: off}\n"
        "model: {ema: 0.99, projector: {dim: 0}}\n",
        (
            Expected(
                1, "name", "Expected small letters, digits, `.`, `_` or `-`, but got 'Every Thing'."
            ),
            Expected(3, "data.noise.rate", "Expected a value of at most 1, but got 1.3."),
            Expected(4, "data.imbalanced", "Unknown key.", "Did you mean `imbalance`?"),
            Expected(7, "stages.0.epochs", "Expected a value of at least 1, but got 0."),
            Expected(
                9,
                "stages.0.objective.0.contrastive.selector",
                "Expected the name of a selector, but got `labels`.",
                "Did you mean `label`?",
            ),
            Expected(
                9,
                "stages.0.objective.0.contrastive.queue",
                "Expected a queue of at least one batch (512 rows",
            ),
            Expected(10, "stages.0.optimizer.lr", "Expected true or false, or text in quotes"),
            Expected(11, "model.projector.dim", "Expected a value of at least 1, but got 0."),
        ),
    ),
)


def report(case: Malformed, folder: Path) -> str:
    """What loading a case prints."""
    path = folder / FILE
    path.write_text(case.text)
    try:
        load_recipe(path, case.overrides)
    except RecipeError as error:
        return str(error)
    return "nothing wrong"


def main() -> None:
    """Print every case and what it gives."""
    with tempfile.TemporaryDirectory() as folder:
        for number, case in enumerate(CASES, 1):
            print(f"=== {number}. {case.name}")
            print(
                "\n".join(f"  {n:2} | {line}" for n, line in enumerate(case.text.splitlines(), 1))
            )
            for override in case.overrides:
                print(f"     + {override}")
            print(report(case, Path(folder)).replace(f"{folder}/", ""), end="\n\n")


if __name__ == "__main__":
    main()
