"""MLflow's database is made whole or not at all, whoever is killed meanwhile."""

import shutil
import signal
import sqlite3
from contextlib import closing

import pytest

from supcon_ext.tracking import Tracker, TrackingSettings, sync
from supcon_ext.tracking.sqlite_store import check, make_ready
from tests import fresh
from tests.tracking.killed import MOMENTS, make_as_mlflow_does, run

STATEMENTS = 1683  # that MLflow 3.17 needs; a moment after the last one is in the run's own making
FEW = (700, "renaming")
MANY = (*range(2, STATEMENTS, 168), *range(STATEMENTS - 4, STATEMENTS + 8), *MOMENTS)


def killed(work, *arguments):
    assert fresh.start(work, *arguments).wait() == -signal.SIGKILL


def check_kills(tmp_path, client, moments):
    """Every run after a kill, and the killed runs themselves, reach the one store."""
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    folders = []
    for moment in moments:
        folders.append(tmp_path / f"killed-{moment}")
        killed(run, str(folders[-1]), uri, moment)
    assert fresh.start(run, str(tmp_path / "next"), uri).wait() == 0
    made = [sync(folder).run_id for folder in folders]
    mlflow = client(uri)
    experiment = mlflow.get_experiment_by_name("supcon_ext").experiment_id
    runs = mlflow.search_runs([experiment])
    assert {one.info.run_name for one in runs} == {"next", *(f.name for f in folders)}
    assert len(runs) == len(made) + 1
    assert not list(tmp_path.glob(".mlflow.*"))


def test_a_kill_at_any_moment_of_the_making(tmp_path, client):
    check_kills(tmp_path, client, FEW)


@pytest.mark.long
@pytest.mark.parametrize("moment", MANY)
def test_a_kill_at_every_moment_of_the_making(tmp_path, client, moment):
    check_kills(tmp_path, client, [moment])


@pytest.mark.parametrize("moment", [900])
def test_a_database_that_mlflow_left_half_made_is_made_anew(tmp_path, client, moment, caplog):
    database = tmp_path / "mlflow.db"
    uri = f"sqlite:///{database}"
    killed(make_as_mlflow_does, uri, moment)
    assert database.stat().st_size and not check(database)
    tracker = Tracker(tmp_path / "run", TrackingSettings(uri), run_name="run", tags={})
    tracker.metrics({"train/loss": 0.5}, 1)
    assert tracker.close("FINISHED") == 0
    assert client(uri).get_run(tracker.run_id).data.metrics == {"train/loss": 0.5}
    assert "left half made by a kill and holds no run: it is made anew" in caplog.text


def test_two_processes_make_one_database(tmp_path, client):
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    both = [fresh.start(run, str(tmp_path / name), uri) for name in ("a", "b")]
    assert [process.wait() for process in both] == [0, 0]
    mlflow = client(uri)
    experiment = mlflow.get_experiment_by_name("supcon_ext").experiment_id
    assert {one.info.run_name for one in mlflow.search_runs([experiment])} == {"a", "b"}


def execute(database, *statements):
    with closing(sqlite3.connect(database)) as opened, opened:
        for statement in statements:
            opened.execute(statement)


A_RUN = "INSERT INTO runs (run_uuid, name, lifecycle_stage) VALUES ('a', 'a', 'active')"
UNUSABLE = {
    "older": (
        [A_RUN, "UPDATE alembic_version SET version_num = '451aebb31d03'"],
        "mlflow db upgrade",
    ),
    "newer": ([A_RUN, "UPDATE alembic_version SET version_num = 'f00'"], "pip install --upgrade"),
    "cut off": ([A_RUN, "CREATE TABLE _alembic_tmp_experiments (name TEXT)"], "was cut off"),
    "no version": ([A_RUN, "DELETE FROM alembic_version"], "was cut off"),
}


@pytest.mark.parametrize("kind", [*UNUSABLE, "text", "another program's"])
def test_a_store_that_cannot_be_used_is_refused_before_anything(tmp_path, migrated, kind):
    database = tmp_path / "mlflow.db"
    if kind == "text":
        database.write_text("no database " * 100)
        words = "file is not a database"
    elif kind == "another program's":
        execute(database, "CREATE TABLE trials (number INTEGER)")
        words = "another program"
    else:
        shutil.copy(migrated, database)
        statements, words = UNUSABLE[kind]
        execute(database, *statements)
    before = database.read_bytes()
    with pytest.raises(ValueError, match=rf"^Expected an? .*{words}") as caught:
        Tracker(tmp_path / "run", TrackingSettings(f"sqlite:///{database}"), run_name="r", tags={})
    assert "\n" not in str(caught.value) and "Try: " in str(caught.value)
    assert database.read_bytes() == before
    assert not (tmp_path / "run").exists()


def test_what_is_whole_stays(tmp_path, migrated):
    database = tmp_path / "mlflow.db"
    shutil.copy(migrated, database)
    before = database.read_bytes()
    make_ready(database)
    assert database.read_bytes() == before
    assert not check(tmp_path / "new.db")
