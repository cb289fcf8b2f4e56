import io
import logging
import math

import pytest
from rich.console import Console

from supcon_ext.tracking.console import REDRAW_SECONDS, ConsoleProgress


def run(progress):
    with progress:
        progress.start_run("quickstart", {"data": "digits", "folder": "runs/x"})
        progress.start_stage("train", epochs=12, steps_per_epoch=3)
        for epoch in range(2):
            for step in range(3):
                progress.step(1.0 / (1 + epoch + step))
            progress.epoch_end({"loss": 0.25 / (epoch + 1), "val/acc": 1.0})


@pytest.fixture
def plain(monkeypatch):
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    return Console(file=io.StringIO(), force_terminal=False, width=200)


def test_plain_output_is_one_line_an_epoch(plain):
    run(ConsoleProgress(plain))
    text = plain.file.getvalue()
    assert "\x1b" not in text and "\r" not in text
    lines = text.splitlines()
    assert lines[:3] == ["quickstart", "  data    digits", "  folder  runs/x"]
    assert len(lines) == 5
    assert lines[3].startswith("train  epoch  1/12  loss 0.2500  val/acc 1.0000  ")
    assert lines[4].startswith("train  epoch  2/12  loss 0.1250  val/acc 1.0000  ")


def test_no_color_is_plain_on_a_terminal(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    console = Console(file=io.StringIO(), force_terminal=True, width=200)
    run(ConsoleProgress(console))
    assert "\x1b" not in console.file.getvalue()


def test_a_terminal_has_a_bar(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    console = Console(file=io.StringIO(), force_terminal=True, width=120)
    run(ConsoleProgress(console))
    text = console.file.getvalue()
    assert "train 1/12" in text
    assert "loss 1.0000" in text
    assert "1/36" in text
    assert "epoch  2/12" in text


def test_the_loss_is_read_only_when_the_bar_is_drawn(monkeypatch):
    """A loss on a GPU is waited for when it is turned into a number."""

    class Loss:
        read = 0

        def __float__(self):
            Loss.read += 1
            return 1.0

    monkeypatch.delenv("NO_COLOR", raising=False)
    clock = iter(range(10_000))
    monkeypatch.setattr(
        "supcon_ext.tracking.console.time.monotonic", lambda: next(clock) * REDRAW_SECONDS / 10
    )
    with ConsoleProgress(Console(file=io.StringIO(), force_terminal=True)) as progress:
        progress.start_stage("train", epochs=1, steps_per_epoch=200)
        for _ in range(200):
            progress.step(Loss())
    assert 15 <= Loss.read <= 21  # two hundred steps of a tenth of the interval


def test_resumed_stage_goes_on_counting(plain):
    with ConsoleProgress(plain) as progress:
        progress.start_stage("train", epochs=5, steps_per_epoch=10, done_epochs=3, done_steps=4)
        progress.epoch_end({})
    assert plain.file.getvalue().startswith("train  epoch 4/5")


def test_the_same_warning_is_said_once_a_stage(plain):
    with ConsoleProgress(plain) as progress:
        for stage in ("warmup", "select"):
            progress.start_stage(stage, 2, 1)
            progress.warn("classes are small")
            progress.warn("classes are small")
    assert plain.file.getvalue().count("classes are small") == 2


def test_warnings_of_the_package_are_shown_while_open(plain):
    logger = logging.getLogger("supcon_ext.tracking.mirror")
    with ConsoleProgress(plain) as progress:
        logger.warning("no server at %s", "http://[bold]")
        logger.info("a detail")
        progress.warn("directly")
    logger.warning("too late")
    assert plain.file.getvalue() == "warning: no server at http://[bold]\nwarning: directly\n"


def test_results_go_to_stdout(plain, capsys):
    with ConsoleProgress(plain) as progress:
        progress.results_table(
            [
                {"method": "SupCon", "acc": 0.91234, "n": 3},
                {"method": "CE [x]", "acc": math.nan, "few": 1e-5},
            ],
            ["method", "acc", "few", "n"],
            title="Results",
        )
    text = capsys.readouterr().out
    assert plain.file.getvalue() == ""
    rows = [line.replace("│", " ").split() for line in text.splitlines()]
    assert ["Results"] in rows
    assert ["SupCon", "0.9123", "-", "3"] in rows
    assert ["CE", "[x]", "-", "1e-05", "-"] in rows
    assert max(map(len, text.splitlines())) < 60


def test_a_wide_table_is_not_cut_in_a_file(plain, capsys):
    columns = [f"a rather long column {i}" for i in range(20)]
    with ConsoleProgress(plain) as progress:
        progress.results_table([dict.fromkeys(columns, 1)], columns)
    text = capsys.readouterr().out
    assert all(column in text for column in columns)


def test_the_bar_is_gone_after_an_interrupt(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    console = Console(file=io.StringIO(), force_terminal=True)
    with pytest.raises(KeyboardInterrupt), ConsoleProgress(console) as progress:
        progress.start_stage("train", epochs=1, steps_per_epoch=10)
        progress.step(1.0)
        raise KeyboardInterrupt
    assert (
        console.file.getvalue().count("\x1b[?25l") == console.file.getvalue().count("\x1b[?25h") > 0
    )
    assert not logging.getLogger("supcon_ext").handlers
