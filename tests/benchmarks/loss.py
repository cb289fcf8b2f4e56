"""The loss side by side with other implementations: time, peak memory, and whether they agree.

python -m tests.benchmarks.loss --sizes 512,2048,8192 --threads 2 --out benchmark
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import click
import torch
from rich.console import Console

from supcon_ext.losses.batch import rows_of
from supcon_ext.losses.reference import reference_loss
from supcon_ext.losses.rows import WeightingStep
from supcon_ext.losses.supcon import SameLabel
from tests.benchmarks.contenders import BASE, CONTENDERS, TEMPERATURE, Contender
from tests.benchmarks.machine import load_average, machine, versions
from tests.benchmarks.peak import peak_bytes
from tests.benchmarks.problem import batch, forward_backward
from tests.benchmarks.report import plot, print_tables
from tests.benchmarks.timing import Times, interleaved, matmul_rate, needed_operations

MILLION = 1 << 20
LARGEST_CHECK = 2048


class Sizes(click.ParamType):  # type: ignore[type-arg]
    """Numbers of views, separated by commas; ``8k`` is 8192."""

    name = "N,N,..."

    def convert(self, value: Any, param: Any, ctx: Any) -> list[int]:
        """Read them."""
        if isinstance(value, list):
            return value
        sizes = []
        for part in value.split(","):
            number = part.strip().removesuffix("k")
            size = int(number) if number.isdigit() else 0
            size *= 1024 if part.strip().endswith("k") else 1
            if size < 2 or size % 2:
                self.fail(f"Expected even numbers of views such as 512,8k, but got {part!r}")
            sizes.append(size)
        return sizes


def run_size(rows: int, arguments: dict[str, Any]) -> list[dict[str, Any]]:
    """Every contender at one number of rows: times, memory, and the loss itself."""
    results: dict[str, dict[str, Any]] = {}
    passes: dict[str, Callable[[], torch.Tensor]] = {}
    values: dict[str, float | None] = {}
    shape = {"rows": rows, "dim": arguments["dim"]}
    for key in arguments["contenders"]:
        contender = CONTENDERS[key]
        classes = contender.classes or arguments["classes"]
        results[key] = {"contender": key, "rows": rows, "classes": classes}
        results[key]["skipped"] = skipped(contender, rows, arguments)
        if results[key]["skipped"]:
            continue
        dtype = getattr(torch, arguments["dtype"])
        problem = batch(**shape, classes=classes, device=arguments["device"], dtype=dtype)
        passes[key] = partial(forward_backward, contender.make(), *problem)
        values[key] = expected(contender, *problem)
    times = interleaved(passes, arguments["repeats"], arguments["seconds"]) if passes else {}
    for key, run in passes.items():
        results[key] |= measured(run(), values[key], times[key])
        results[key]["peak_bytes"] = None
        if arguments["memory"]:
            settings = {name: arguments[name] for name in ("device", "dtype", "threads")}
            classes = results[key]["classes"]
            results[key]["peak_bytes"] = peak_bytes(key, **shape, classes=classes, **settings)
    return list(results.values())


def add_rate(results: list[dict[str, Any]], dim: int, rate: float) -> None:
    """What each contender reached of the device's matrix rate."""
    for row in results:
        if not row["skipped"]:
            row["flops"] = needed_operations(row["rows"], dim) / row["seconds"]
            row["of_matmul"] = row["flops"] / rate


def skipped(contender: Contender, rows: int, arguments: dict[str, Any]) -> str:
    """Why a contender is not run at this size; empty where it is."""
    need = contender.estimated_bytes(rows, arguments["dim"])
    if need > arguments["memory_limit"] * 1e9:
        return f"skipped: needs about {need / 1e9:,.0f} GB"
    if rows >= MILLION and contender.key != BASE:
        return "skipped: only SupConLoss runs at this size"
    return ""


def expected(contender: Contender, features: torch.Tensor, labels: torch.Tensor) -> float | None:
    """The loss by the materialised formula in float64; None where that would be too large."""
    if features.shape[0] * features.shape[1] > LARGEST_CHECK:
        return None
    unit = torch.nn.functional.normalize(features.detach().double(), dim=2)
    rows = rows_of(unit, labels, SameLabel())
    plan = (
        None
        if contender.weighting is None
        else contender.weighting.plan(WeightingStep(rows, 1.0), rows, rows)
    )
    return float(reference_loss(rows, rows, SameLabel(), plan, TEMPERATURE))


def measured(loss: torch.Tensor, exact: float | None, times: Times) -> dict[str, Any]:
    """The numbers of one contender at one size."""
    return {
        "loss": float(loss),
        "exact_loss": exact,
        "seconds": times.median,
        "lower": times.lower,
        "upper": times.upper,
        "fastest": times.fastest,
        "runs": times.runs,
    }


def largest_difference(results: list[dict[str, Any]]) -> float:
    """The largest relative difference from the exact loss, or else from SupConLoss's."""
    run = [row for row in results if not row["skipped"]]
    base = {row["rows"]: row["loss"] for row in run if row["contender"] == BASE}
    largest = 0.0
    for row in run:
        weighted = CONTENDERS[row["contender"]].weighting is not None
        right = row["exact_loss"]
        if right is None and not weighted:
            right = base.get(row["rows"])
        if right is not None:
            largest = max(largest, abs(row["loss"] - right) / abs(right))
    return largest


@click.command(context_settings={"show_default": True})
@click.option("--sizes", type=Sizes(), default="512,1k,2k,4k,8k,16k,32k,64k", help="Views N.")
@click.option("--dim", type=click.IntRange(1), default=128, help="Embedding size D.")
@click.option("--classes", type=click.IntRange(1), default=100, help="Classes among the labels.")
@click.option(
    "--contenders",
    type=click.Choice(list(CONTENDERS)),
    multiple=True,
    default=list(CONTENDERS),
    help="What to time; may be given several times.",
)
@click.option("--repeats", type=click.IntRange(1), default=7, help="Timed rounds.")
@click.option("--seconds", type=float, default=60.0, help="Time for a contender at a size.")
@click.option("--memory/--no-memory", default=True, help="Measure peak memory as well.")
@click.option("--memory-limit", type=float, default=8.0, help="Skip what needs more GB.")
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu")
@click.option("--dtype", type=click.Choice(["float32", "bfloat16"]), default="float32")
@click.option("--threads", type=click.IntRange(1), default=None, help="Default: torch's own.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=Path("benchmark"))
def main(**arguments: Any) -> None:
    """Time the loss side by side with other implementations.

    Writes loss.json and loss.png into the folder --out. On CUDA, SupConLoss runs at 1,048,576 views
    as well.
    """
    arguments["contenders"] = list(arguments["contenders"])
    if arguments["device"] == "cuda" and not torch.cuda.is_available():
        raise click.UsageError("Expected a CUDA device, but got none. Try: --device cpu")
    if arguments["threads"] is not None:
        torch.set_num_threads(arguments["threads"])
    arguments["threads"] = torch.get_num_threads()
    if arguments["device"] == "cuda" and MILLION not in arguments["sizes"]:
        arguments["sizes"] = [*arguments["sizes"], MILLION]
    console = Console()
    device = arguments["device"]
    load_before = load_average()
    dtype = getattr(torch, arguments["dtype"])
    rate = matmul_rate(device, dtype)
    results: list[dict[str, Any]] = []
    for rows in arguments["sizes"]:
        console.print(f"N = {rows:,} ...", style="dim")
        results += run_size(rows, arguments)
    # the faster of the two, for other work on the machine can only slow it down
    rate = max(rate, matmul_rate(device, dtype))
    add_rate(results, arguments["dim"], rate)
    out: Path = arguments.pop("out")
    load = (load_before, load_average())
    report = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(device) | {"load_before_and_after": load},
        "versions": versions(),
        "arguments": arguments,
        "matmul_flops": rate,
        "needed_operations": "4 N^2 D",
        "largest_difference": largest_difference(results),
        "results": results,
    }
    out.mkdir(parents=True, exist_ok=True)
    (out / "loss.json").write_text(json.dumps(report, indent=2) + "\n")
    plot(report, out / "loss.png")
    print_tables(console, report)
    console.print(f"Written: {out / 'loss.json'}, {out / 'loss.png'}")


if __name__ == "__main__":
    main()
