import json
import math
import os
import signal
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supcon_ext.tracking.events import (
    Artifact,
    DatasetInput,
    Metric,
    Param,
    SavedEncoder,
    StatusChange,
    Tag,
    from_line,
    to_line,
)
from supcon_ext.tracking.journal import Journal, count_lines, read, read_lines

TEXT = st.text(max_size=20)
TIME = st.integers(0, 2**53)
EVENTS = st.one_of(
    st.builds(Param, key=TEXT, value=TEXT, time=TIME),
    st.builds(Tag, key=TEXT, value=TEXT, time=TIME),
    st.builds(Metric, key=TEXT, value=st.floats(), step=st.integers(0, 2**40), time=TIME),
    st.builds(Artifact, path=TEXT, folder=TEXT, time=TIME),
    st.builds(
        DatasetInput,
        name=TEXT,
        digest=TEXT,
        context=TEXT,
        tags=st.dictionaries(TEXT, TEXT, max_size=3),
        time=TIME,
    ),
    st.builds(
        SavedEncoder,
        path=TEXT,
        name=TEXT,
        input_shape=st.tuples(st.just(-1), st.integers(1, 9)),
        output_shape=st.tuples(st.just(-1), st.integers(1, 9)),
        torch_version=TEXT,
        step=st.integers(0, 99),
        time=TIME,
        files=st.lists(TEXT, max_size=2).map(tuple),
    ),
    st.builds(
        StatusChange,
        status=st.sampled_from(["RUNNING", "FINISHED", "FAILED", "KILLED"]),
        time=TIME,
    ),
)


def bits(event):
    """The event with its value as text, so that NaN equals itself and -0.0 differs from 0.0."""
    return (
        (event.key, event.value.hex(), event.step, event.time)
        if isinstance(event, Metric)
        else event
    )


@settings(deadline=None)
@given(st.lists(EVENTS, max_size=20))
def test_round_trip(tmp_path_factory, happened):
    path = tmp_path_factory.mktemp("journal") / "journal.jsonl"
    journal = Journal(path)
    assert journal.append(happened) == len(happened)
    journal.close()
    assert [bits(event) for event in read(path)] == [bits(event) for event in happened]
    assert count_lines(path) == len(happened)


def test_the_line_itself():
    assert to_line(Metric("train/loss", 0.1, 7, 1000)) == (
        b'{"event":"metric","key":"train/loss","value":0.1,"step":7,"time":1000}\n'
    )
    assert json.loads(to_line(Metric("a", math.inf, 0, 0)))["value"] == "inf"
    assert json.loads(to_line(Metric("a", -math.inf, 0, 0)))["value"] == "-inf"
    assert json.loads(to_line(Metric("a", math.nan, 0, 0)))["value"] == "nan"


@pytest.mark.parametrize(
    "line", [b"{}", b"[]", b"nonsense", b'{"event":"other"}', b'{"event":"tag","key":"a"}']
)
def test_a_line_that_is_no_event(line):
    with pytest.raises(ValueError, match="Expected one JSON event"):
        from_line(line)


def test_torn_last_line_is_passed_over_then_cut(tmp_path):
    path = tmp_path / "journal.jsonl"
    whole = [Tag("a", "1", 0), Tag("b", "2", 0)]
    path.write_bytes(b"".join(map(to_line, whole)) + b'{"event":"metric","key":"tr')
    assert list(read(path)) == whole
    journal = Journal(path)
    assert journal.lines == 2
    journal.append([Tag("c", "3", 0)])
    journal.close()
    assert list(read(path)) == [*whole, Tag("c", "3", 0)]


def test_a_journal_of_one_torn_line_is_empty(tmp_path):
    path = tmp_path / "journal.jsonl"
    path.write_bytes(b'{"event":"met' * 10_000)
    assert list(read(path)) == []
    assert Journal(path).lines == 0
    assert path.read_bytes() == b""


def test_truncate_drops_what_came_after_the_offset(tmp_path):
    journal = Journal(tmp_path / "journal.jsonl")
    journal.append([Tag("a", "1", 0), Tag("b", "2", 0)])
    offset = journal.offset()
    journal.append([Tag("c", "3", 0), Tag("d", "4", 0), Tag("e", "5", 0)])
    assert journal.truncate(offset) == 3
    assert journal.lines == 2
    journal.append([Tag("f", "6", 0)])
    assert [event.key for event in journal.read()] == ["a", "b", "f"]
    assert [event.key for event in journal.read(offset)] == ["f"]


def test_truncate_to_nothing(tmp_path):
    journal = Journal(tmp_path / "journal.jsonl")
    journal.append([Tag("a", "1", 0)])
    assert journal.truncate(0) == 1
    assert list(journal.read()) == []


@pytest.mark.parametrize("offset", [-1, 5, 10_000])
def test_truncate_refuses_what_is_no_line_end(tmp_path, offset):
    journal = Journal(tmp_path / "journal.jsonl")
    journal.append([Tag("a", "1", 0)])
    with pytest.raises(ValueError, match="Expected argument `offset`"):
        journal.truncate(offset)
    assert journal.lines == 1


def test_offsets_of_lines_are_where_reading_can_start(tmp_path):
    journal = Journal(tmp_path / "journal.jsonl")
    journal.append([Tag(str(i), "é" * i, 0) for i in range(5)])
    for number, (_, end) in enumerate(read_lines(journal.path), start=1):
        assert [event.key for event in journal.read(end)] == [str(i) for i in range(number, 5)]
        assert count_lines(journal.path, end) == number


def test_a_writer_killed_in_mid_run_leaves_whole_lines(tmp_path):
    path = tmp_path / "journal.jsonl"
    script = (
        "import sys, itertools, pathlib\n"
        "from supcon_ext.tracking.journal import Journal\n"
        "from supcon_ext.tracking.events import Metric\n"
        "journal = Journal(pathlib.Path(sys.argv[1]))\n"
        "for step in itertools.count():\n"
        "    journal.append([Metric('train/loss', step / 3, step, 0)])\n"
        "    if step == 200: print('ready', flush=True)\n"
    )
    writer = subprocess.Popen([sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE)
    try:
        writer.stdout.readline()
    finally:
        os.kill(writer.pid, signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
    journal = Journal(path)
    points = [(event.step, event.value) for event in journal.read()]
    assert len(points) > 200
    assert points == [(step, step / 3) for step in range(len(points))]
