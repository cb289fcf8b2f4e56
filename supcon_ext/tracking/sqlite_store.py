"""MLflow's SQLite database: made whole or not at all, and never migrated behind a user's back.

MLflow makes a new database by some hundred migrations, one after the other, in the file itself. A
kill in their midst leaves a file that no MLflow can finish or read. So a new one is made here,
beside its place, and renamed; what an older version of this package or another program has left is
recognised before MLflow touches it.
"""

from __future__ import annotations

import logging
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import quote

from filelock import FileLock

from data_tools.whole_file import DRAFT_END, whole_file
from supcon_ext.tracking.mlflow_client import load_mlflow

logger = logging.getLogger(__name__)

MAKING_SECONDS = 120.0
_SINCE_BIRTH = {"experiments": {"Default"}, "workspaces": {"default"}}
_UNFINISHED = "_alembic_tmp_"


def alone(database: Path) -> FileLock:
    """The lock that whoever makes a database, or its first experiment, holds meanwhile."""
    return FileLock(f"{database}.lock", timeout=MAKING_SECONDS)


def make_ready(database: Path) -> None:
    """Make the database if it is not there; refuse one that MLflow could not use. Hold its lock.

    A database that a kill left half made and that holds no run is made anew.

    Raises:
        ValueError: See :func:`check`.
    """
    if check(database):
        return
    if database.exists() and database.stat().st_size:
        logger.warning(
            "%s was left half made by a kill and holds no run: it is made anew", database
        )
    _make(database)


def check(database: Path) -> bool:
    """Whether the database is there and whole; false where it is still to be made.

    Raises:
        ValueError: It is no database of MLflow's, of another version of it, or one whose upgrade
            was cut off; the message says how to mend it.
    """
    if not database.exists() or not database.stat().st_size:
        return False
    head, known = _revisions()
    try:
        with closing(sqlite3.connect(f"file:{quote(str(database))}?mode=rw", uri=True)) as opened:
            tables = {
                str(name)
                for (name,) in opened.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            }
            cut_off = {name for name in tables if name.startswith(_UNFINISHED)}
            version = _version(opened, tables)
            if version == head and not cut_off:
                return True
            if _holds_nothing(opened, tables):
                return False
    except sqlite3.Error as error:
        if "locked" in str(error):
            return True  # whoever works with it has made it
        raise ValueError(
            f"Expected an SQLite database in {database}, but got: {error}. "
            "Try: its permissions, restore the file, or another tracking.uri"
        ) from error
    raise ValueError(_refusal(database, bool(cut_off) or version is None, tables, version in known))


def _refusal(database: Path, cut_off: bool, tables: set[str], older: bool) -> str:
    expected = f"Expected an MLflow database of this version in {database}, but got"
    if not any("experiments" in name for name in tables):
        return f"{expected} one of another program. Try: another tracking.uri"
    if cut_off:
        return (
            f"{expected} one whose upgrade was cut off. Try: put back its backup; or give another "
            "tracking.uri, and send old runs there with supcon sync RUN --uri sqlite:///FILE"
        )
    if older:
        return (
            f"{expected} one of an older MLflow. Try: stop everything that uses it, copy the file, "
            f"then mlflow db upgrade sqlite:///{database}"
        )
    return f"{expected} one of a newer MLflow. Try: pip install --upgrade mlflow"


def _make(database: Path) -> None:
    for left in database.parent.glob(f".{database.stem}.*{DRAFT_END}{database.suffix}*"):
        with suppress(OSError):
            left.unlink()
    load_mlflow()
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    with whole_file(database) as draft:
        made = SqlAlchemyStore(f"sqlite:///{draft}", "./mlruns")
        made.engine.dispose()


def _version(opened: sqlite3.Connection, tables: set[str]) -> str | None:
    if "alembic_version" not in tables:
        return None
    row = opened.execute("SELECT version_num FROM alembic_version").fetchone()
    return None if row is None else str(row[0])


def _holds_nothing(opened: sqlite3.Connection, tables: set[str]) -> bool:
    """Whether every table is as MLflow makes it, and MLflow did make them."""
    if tables and not any("experiments" in name for name in tables):
        return False
    for table in tables - {"alembic_version", "sqlite_sequence"}:
        usual = _SINCE_BIRTH.get(table.removeprefix(_UNFINISHED), set())
        column = "name" if usual else "1"
        rows = opened.execute(f'SELECT {column} FROM "{table}" LIMIT 3').fetchall()
        if not {str(value) for (value,) in rows} <= usual:
            return False
    return True


def _revisions() -> tuple[str | None, set[str]]:
    """MLflow's newest version of the tables, and all that it knows."""
    load_mlflow()
    from alembic.script import ScriptDirectory
    from mlflow.store import db_migrations

    script = ScriptDirectory(str(Path(str(db_migrations.__file__)).parent))
    return script.get_current_head(), {found.revision for found in script.walk_revisions()}
