"""One thread for each test process, a cache of its own, and registries without strangers."""

import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp(prefix="cache-")  # not the user's own
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in a shell's background job
    signal.signal(signal.SIGINT, signal.default_int_handler)
for number in (signal.SIGHUP, signal.SIGTERM):  # as below nohup
    signal.signal(number, signal.SIG_DFL)

import pytest  # noqa: E402 - the variables above come first
from hypothesis import settings  # noqa: E402

from data_tools.registry import Registry  # noqa: E402
from tests import pictures  # noqa: E402

# The same examples in every run of CI, whose answer is about a change; new ones elsewhere.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True, scope="module")
def figures_where_they_are_looked_at(request: pytest.FixtureRequest) -> Iterator[None]:
    """See :mod:`tests.pictures`."""
    if request.node.nodeid.startswith(pictures.DRAWN):
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(pictures.VARIABLE, "1")
        patch.setattr("matplotlib.figure.Figure.savefig", pictures.write_a_point)
        yield


def _in_the_root() -> set[str]:
    """What is in the repository's top folder, but for what tools keep there."""
    return {name for name in os.listdir(ROOT) if not name.startswith((".", "__"))}


@pytest.fixture(autouse=True)
def nothing_left_in_the_repository() -> Iterator[None]:
    """Files that a test leaves where it was started from are soon committed by somebody."""
    before = _in_the_root()
    yield
    left = _in_the_root() - before
    assert not left, f"{sorted(left)} left in the repository. Try: monkeypatch.chdir(tmp_path)"


_names = Registry.names


def names(self: Registry[object]) -> list[str]:
    """Names of the toolkit's own members: what tests register is no member of a family.

    Otherwise a test over a family would meet the wrong parts of whatever module was imported
    before it. They are found by their names all the same.
    """
    strangers = ("tests.", "a_strangers_", "efficientnet_lite")  # the last is an example
    return [
        name for name in _names(self) if not self.get(name).target.__module__.startswith(strangers)
    ]


Registry.names = names  # type: ignore[method-assign]
