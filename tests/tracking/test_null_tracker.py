import inspect
from pathlib import Path

from supcon_ext.tracking import NullTracker, Tracker


def test_takes_what_a_tracker_takes():
    public = {
        name
        for name, member in inspect.getmembers(Tracker)
        if not name.startswith("_") and name != "resume"
    }
    assert {name for name in dir(NullTracker) if not name.startswith("_")} >= public
    for name in public:
        member = getattr(Tracker, name)
        if callable(member):
            assert inspect.signature(member) == inspect.signature(getattr(NullTracker, name)), name


def test_keeps_nothing():
    tracker = NullTracker()
    tracker.metrics({"a": 1.0}, 0)
    tracker.artifact(Path("nowhere"))
    assert tracker.run_id is None
    assert tracker.checkpoint_offset() == 0
    assert tracker.close("FINISHED") == 0
