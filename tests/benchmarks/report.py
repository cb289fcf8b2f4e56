"""A benchmark's outcome as a table and as a plot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.benchmarks.contenders import BASE, CONTENDERS

MARKERS = "osD^vPX*"


def print_tables(console: Console, report: dict[str, Any]) -> None:
    """One table for each number of rows."""
    sizes = list(dict.fromkeys(row["rows"] for row in report["results"]))
    for size in sizes:
        entries = [row for row in report["results"] if row["rows"] == size]
        base: dict[str, Any] = next((row for row in entries if row["contender"] == BASE), {})
        console.print(_table(size, report["arguments"]["dim"], entries, base))
    console.print(
        "/ SupConLoss: of the medians, in brackets of the fastest passes. Where the two disagree "
        "or quartiles lie far apart, the machine was busy with something else."
    )
    console.print(
        f"Largest relative difference of the losses: {report['largest_difference']:.1e}; "
        f"matrix products run at {report['matmul_flops'] / 1e12:.3g} TFLOP/s"
    )


def _table(size: int, dim: int, entries: list[dict[str, Any]], base: dict[str, Any]) -> Table:
    table = Table(title=f"N = {size:,} views, D = {dim}, forward + backward", title_justify="left")
    table.add_column("loss")
    names = ("median", "quartiles", "fastest", "/ SupConLoss", "peak", "TFLOP/s", "of matmul")
    for name in names:
        table.add_column(name, justify="right")
    for row in entries:
        title = CONTENDERS[row["contender"]].title
        if row["skipped"]:
            table.add_row(title, f"[dim]{row['skipped']}[/dim]", *[""] * (len(names) - 1))
            continue
        table.add_row(
            title,
            _time(row["seconds"]),
            f"{_time(row['lower'])} - {_time(row['upper'])}",
            _time(row["fastest"]),
            _ratios(row, base),
            "" if row["peak_bytes"] is None else f"{row['peak_bytes'] / 1e6:,.0f} MB",
            f"{row['flops'] / 1e12:.3g}",
            f"{row['of_matmul']:.0%}",
        )
    return table


def _ratios(row: dict[str, Any], base: dict[str, Any]) -> str:
    """Median over SupConLoss's median, and in brackets fastest over fastest."""
    if not base or base["skipped"]:
        return ""
    median, fastest = (row[name] / base[name] for name in ("seconds", "fastest"))
    return f"{median:.2f} ({fastest:.2f})"


def _time(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1e3:.2f} ms"


def plot(report: dict[str, Any], path: Path) -> None:
    """Time and peak memory over the number of rows, both axes logarithmic."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullLocator

    figure = Figure(figsize=(11, 5.2), layout="constrained")
    panels = figure.subplots(1, 2)
    kept = [row for row in report["results"] if not row["skipped"]]
    sizes = sorted({row["rows"] for row in kept})
    columns = (("seconds", 1.0, "seconds, forward + backward"), ("peak_bytes", 1e-6, "peak MB"))
    for axes, (column, factor, label) in zip(panels, columns, strict=True):
        for number, (key, contender) in enumerate(CONTENDERS.items()):
            points = [
                (row["rows"], row[column] * factor)
                for row in kept
                if row["contender"] == key and row[column]
            ]
            if points:
                x, y = zip(*points, strict=True)
                axes.plot(x, y, marker=MARKERS[number], label=contender.title, color=f"C{number}")
        axes.set(xscale="log", yscale="log", xlabel="N, views in the batch", ylabel=label)
        axes.set_xticks(sizes, [_short(size) for size in sizes])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.grid(True, which="both", alpha=0.25)
    panels[0].legend(fontsize=8)
    machine = report["machine"]
    where = machine["gpu"] or f"{machine['cpu']}, {machine['threads']} threads"
    dtype, dim = report["arguments"]["dtype"], report["arguments"]["dim"]
    figure.suptitle(f"Supervised contrastive loss, D = {dim}, {dtype}, on {where}")
    figure.savefig(path, dpi=120)


def _short(size: int) -> str:
    return f"{size // 1024}k" if size >= 1024 and size % 1024 == 0 else str(size)
