import io
import logging
import math

import pytest
from rich.console import Console

from supcon_ext.progress.console import (
    LONG_SECONDS,
    QUIET_SECONDS,
    REDRAW_SECONDS,
    STEP_SECONDS,
    ConsoleProgress,
)
from supcon_ext.progress.outlook import Work


class Clock:
    """Stands still until it is told."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now

    def pass_(self, seconds):
        self.now += seconds


@pytest.fixture
def clock():
    return Clock()


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


def test_plain_output_is_one_line_an_epoch(plain, clock):
    run(ConsoleProgress(plain, clock))
    text = plain.file.getvalue()
    assert "\x1b" not in text and "\r" not in text
    lines = text.splitlines()
    assert lines[:3] == ["quickstart", "  data    digits", "  folder  runs/x"]
    assert lines[3:] == [
        "train  12 epochs of 3 steps",
        "train  epoch  1/12  loss 0.2500  val/acc 1.0000  0.0 s",
        "train  epoch  2/12  loss 0.1250  val/acc 1.0000  0.0 s",
    ]


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


def test_the_loss_is_read_only_when_the_bar_is_drawn(monkeypatch, clock):
    """A loss on a GPU is waited for when it is turned into a number."""

    class Loss:
        read = 0

        def __float__(self):
            Loss.read += 1
            return 1.0

    monkeypatch.delenv("NO_COLOR", raising=False)
    terminal = Console(file=io.StringIO(), force_terminal=True)
    with ConsoleProgress(terminal, clock) as progress:
        progress.start_stage("train", epochs=1, steps_per_epoch=200)
        for _ in range(200):
            clock.pass_(REDRAW_SECONDS / 8)
            progress.step(Loss())
    assert Loss.read == 25  # two hundred steps of an eighth of the interval


def test_resumed_stage_goes_on_counting(plain):
    with ConsoleProgress(plain) as progress:
        progress.start_stage("train", epochs=5, steps_per_epoch=10, done_epochs=3, done_steps=4)
        progress.epoch_end({})
    lines = plain.file.getvalue().splitlines()
    assert lines[0] == "train  5 epochs of 10 steps, going on after 34 steps"
    assert lines[1].startswith("train  epoch 4/5")


def test_the_same_warning_is_said_once_a_stage(plain):
    with ConsoleProgress(plain) as progress:
        for stage in ("warmup", "select"):
            progress.start_stage(stage, 2, 1)
            progress.warn("classes are small")
            progress.warn("classes are small")
    assert plain.file.getvalue().count("classes are small") == 2


def test_warnings_of_the_package_are_shown_while_open(plain):
    logger = logging.getLogger("supcon_ext.tracking.mirror_thread")
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
    assert max(map(len, text.splitlines())) <= 100


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


STAGES = [Work("warmup", 100.0), Work("select", 400.0), Work("evaluation", 50.0)]
SHORTER = ["stages.warmup.epochs=...", "data.image_size=..."]


def test_a_long_run_says_so_after_a_few_steps_with_what_makes_it_shorter(plain, clock):
    with ConsoleProgress(plain, clock) as progress:
        progress.plan(STAGES, SHORTER)
        progress.start_stage("warmup", epochs=10, steps_per_epoch=10)
        for _ in range(3):
            clock.pass_(5)
            progress.step(1.0)
    assert plain.file.getvalue().splitlines() == [
        "warmup  10 epochs of 10 steps",
        "about 46 min left at this rate; to make it shorter: "
        "stages.warmup.epochs=..., data.image_size=...",  # (97 + 400 + 50) * 5 s
    ]


def test_slow_steps_are_told_one_by_one(plain, clock):
    with ConsoleProgress(plain, clock) as progress:
        progress.plan(STAGES)
        progress.start_stage("warmup", epochs=10, steps_per_epoch=10)
        for _ in range(2):
            clock.pass_(60)
            progress.step(1.0)
    assert plain.file.getvalue().splitlines() == [
        "warmup  10 epochs of 10 steps",
        "about 9 h 9 min left at this rate",
        "warmup  epoch 1/10  step 1/10  loss 1.0000  about 9 h 9 min left",
        "warmup  epoch 1/10  step 2/10  loss 1.0000  about 9 h 8 min left",
    ]


def test_within_a_long_epoch_there_is_a_line_every_half_a_minute(plain, clock):
    with ConsoleProgress(plain, clock) as progress:
        progress.start_stage("train", epochs=1, steps_per_epoch=1_000)
        for _ in range(1_000):
            clock.pass_(STEP_SECONDS / 10)
            progress.step(1.0)
    steps = [line for line in plain.file.getvalue().splitlines() if "  step " in line]
    assert len(steps) == 100
    assert steps[0].startswith("train  epoch 1/1  step 10/1,000  loss 1.0000  about 50 min left")


def test_a_quick_run_has_no_line_within_an_epoch(plain, clock):
    with ConsoleProgress(plain, clock) as progress:
        progress.start_stage("train", epochs=40, steps_per_epoch=10)
        for _ in range(40):
            for _ in range(10):
                clock.pass_(0.1)
                progress.step(1.0)
            progress.epoch_end({"loss": 1.0})
    lines = plain.file.getvalue().splitlines()
    assert not [line for line in lines if "  step " in line]
    assert lines[:3] == [
        "train  40 epochs of 10 steps",
        "train  epoch  1/40  loss 1.0000  1.0 s",
        "about 38 s left at this rate",
    ]
    assert len(lines) == 3 + 40 / QUIET_SECONDS


def test_a_later_stage_goes_at_its_own_pace_and_the_rest_at_the_runs(plain, clock):
    with ConsoleProgress(plain, clock) as progress:
        progress.plan(STAGES)
        progress.start_stage("warmup", epochs=1, steps_per_epoch=100)
        for _ in range(100):
            clock.pass_(1)
            progress.step(1.0)
        progress.epoch_end({"loss": 1.0})
        progress.start_stage("select", epochs=4, steps_per_epoch=100)
        for _ in range(100):
            clock.pass_(4)
            progress.step(1.0)
        progress.epoch_end({"loss": 1.0})
    last = plain.file.getvalue().splitlines()[-1]
    assert last.endswith("400.0 s  about 22 min left")  # 300 * 4 s + 50 * (500 / 200) s


def test_a_resumed_run_counts_only_what_it_saw_itself(plain, clock):
    with ConsoleProgress(plain, clock) as progress:
        progress.plan(STAGES)
        progress.start_stage("select", 4, 100, done_epochs=3)
        for _ in range(3):
            clock.pass_(10)
            progress.step(1.0)
    assert "about 24 min left" in plain.file.getvalue()  # (97 + 50) * 10 s


@pytest.mark.parametrize("left", [LONG_SECONDS / 2, LONG_SECONDS * 2])
def test_a_terminal_has_the_time_left_in_its_bar_and_a_line_where_it_is_long(
    left, monkeypatch, clock
):
    monkeypatch.delenv("NO_COLOR", raising=False)
    console = Console(file=io.StringIO(), force_terminal=True, width=140)
    with ConsoleProgress(console, clock) as progress:
        progress.plan([Work("train", 10.0)], ["stages.train.epochs=..."])
        progress.start_stage("train", epochs=1, steps_per_epoch=100)
        for _ in range(3):
            clock.pass_(left / 97)
            progress.step(1.0)
    text = console.file.getvalue()
    assert f"about {round(left / 60)} min left" in text
    assert ("stages.train.epochs=..." in text) == (left > LONG_SECONDS)


def test_control_characters_reach_no_terminal(plain, capsys):
    with ConsoleProgress(plain) as progress:
        progress.start_run("a\x1b[2J", {"data": "\x1b]0;title\x07"})
        progress.warn("\x9b2J")
        progress.results_table([{"method": "\x1b[31mred"}], ["method"])
    assert "\x1b" not in plain.file.getvalue() and "\x9b" not in plain.file.getvalue()
    assert "\x1b" not in capsys.readouterr().out
