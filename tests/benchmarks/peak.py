"""Peak memory of one contender at one size, measured in a process of its own.

Run by the benchmark as ``python -m tests.benchmarks.peak``; prints one line of JSON.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

import click
import torch

from tests.benchmarks.contenders import CONTENDERS
from tests.benchmarks.problem import batch, forward_backward

ROOT = Path(__file__).parents[2]
STATUS = Path("/proc/self/status")
WARM_UP_ROWS = 64


def peak_bytes(
    contender: str, rows: int, dim: int, classes: int, device: str, dtype: str, threads: int
) -> int:
    """Bytes that one forward and backward needs beside its input, in a fresh process.

    Raises:
        RuntimeError: That process failed; the message ends with what it wrote.
    """
    settings = {
        "contender": contender,
        "rows": rows,
        "dim": dim,
        "classes": classes,
        "device": device,
        "dtype": dtype,
        "threads": threads,
    }
    command = [sys.executable, "-m", "tests.benchmarks.peak"]
    command += [f"--{name}={value}" for name, value in settings.items()]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["(nothing was written)"]
        raise RuntimeError(
            f"Expected the memory of `{contender}` at {rows} rows, but its process ended with "
            f"status {done.returncode}: {last[0]}"
        )
    return int(json.loads(done.stdout)["bytes"])


def _reset_high_water() -> None:
    """Forget the peak reached so far (while importing, say), where the system can."""
    reset = Path("/proc/self/clear_refs")
    if reset.exists():
        reset.write_text("5")


def _resident(name: str) -> int:
    """Bytes of ``VmRSS`` (now) or ``VmHWM`` (peak); elsewhere than on Linux, the peak for both."""
    if STATUS.exists():
        lines = STATUS.read_text().splitlines()
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith(name))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


@click.command()
@click.option("--contender", type=click.Choice(list(CONTENDERS)), required=True)
@click.option("--rows", type=int, required=True)
@click.option("--dim", type=int, required=True)
@click.option("--classes", type=int, required=True)
@click.option("--device", required=True)
@click.option("--dtype", required=True)
@click.option("--threads", type=int, required=True)
def main(
    contender: str, rows: int, dim: int, classes: int, device: str, dtype: str, threads: int
) -> None:
    """Measure in this process."""
    torch.set_num_threads(threads)
    loss = CONTENDERS[contender].make()
    kind = getattr(torch, dtype)
    # libraries load and thread pools start at a size that leaves no trace in the peak
    forward_backward(loss, *batch(WARM_UP_ROWS, dim, classes, device, kind))
    features, labels = batch(rows, dim, classes, device, kind)
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        forward_backward(loss, features, labels)
        used = torch.cuda.max_memory_allocated() - before
    else:
        _reset_high_water()
        before = _resident("VmRSS")
        forward_backward(loss, features, labels)
        used = _resident("VmHWM") - before
    click.echo(json.dumps({"bytes": max(0, used)}))


if __name__ == "__main__":
    main()
