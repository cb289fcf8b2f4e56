"""Which MLflow store is meant by a tracking URI, whether it answers, and how to open it."""

from __future__ import annotations

import http.client
import os
import re
import ssl
import threading
import urllib.error
import urllib.request
from importlib.metadata import entry_points
from pathlib import Path
from urllib.parse import urlsplit

from data_tools.printable import printable

SQLITE = "sqlite:///"
KINDS = ("sqlite", "http", "https", "postgresql", "mysql", "mssql", "databricks")


def resolve_uri(uri: str | None) -> str | None:
    """The tracking URI in full, or ``None`` where only the journal is kept.

    A relative SQLite path is made absolute, so that the same database is found from every
    directory.

    Args:
        uri: As in :class:`~supcon_ext.tracking.settings.TrackingSettings`.

    Raises:
        ValueError: MLflow has no such kind of store, or the folder of an SQLite database does not
            exist.
    """
    if uri is None:
        uri = os.environ.get("MLFLOW_TRACKING_URI") or f"{SQLITE}mlflow.db"
    if uri.lower() == "none":
        return None
    _check_kind(uri)
    database = sqlite_path(uri)
    if database is None:
        return uri.rstrip("/") if is_http(uri) else uri
    if not database.parent.is_dir():
        raise ValueError(
            f"Expected an existing folder for the database in argument `uri`, but got {uri!r} and "
            f"{database.parent} does not exist. Try: mkdir -p {database.parent}"
        )
    return f"{SQLITE}{database}"


def _check_kind(uri: str) -> None:
    if uri == "databricks":
        return
    kind = re.match(r"([a-z][\w-]*)(\+\w+)?:(//)?", uri, re.IGNORECASE)
    name = kind[1] if kind else "file"
    if name == "file" or len(name) == 1:  # a drive of Windows
        if os.environ.get("MLFLOW_ALLOW_FILE_STORE", "").lower() in ("true", "1"):
            return
        raise ValueError(
            f"Expected a database or a server in argument `uri`, but got the folder "
            f"{printable(uri)}, which MLflow 3 keeps no runs in. Try: {SQLITE}mlflow.db"
        )
    if name == "sqlite" and not re.match(r"sqlite(\+\w+)?:(///|//$)", uri):
        raise ValueError(
            f"Expected a path after three slashes in argument `uri`, but got {printable(uri)}. "
            f"Try: {SQLITE}mlflow.db"
        )
    if is_http(uri) and not _has_host(uri):
        raise ValueError(
            f"Expected a host, and perhaps a port, in argument `uri`, but got "
            f"{printable(without_login(uri))}. Try: http://HOST:PORT"
        )
    if name in KINDS or name in _further_kinds():
        return
    raise ValueError(
        f"Expected a URI that begins with {', '.join(KINDS)} in argument `uri`, but got "
        f"{printable(without_login(uri))}. Try: {SQLITE}mlflow.db, or http://HOST:PORT"
    )


def _has_host(uri: str) -> bool:
    try:
        parts = urlsplit(uri)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:  # the port is no number
        return False


def _further_kinds() -> set[str]:
    """Kinds of store that installed packages add to MLflow."""
    return {found.name for found in entry_points(group="mlflow.tracking_store")}


def sqlite_path(uri: str) -> Path | None:
    """Absolute path of an SQLite database file; ``None`` for any other store."""
    if not uri.startswith(SQLITE) or uri == SQLITE or ":memory:" in uri:
        return None
    return Path.cwd() / uri.removeprefix(SQLITE)


def is_http(uri: str) -> bool:
    """Whether the store is a server."""
    return uri.startswith(("http://", "https://"))


def without_login(uri: str) -> str:
    """The URI without user name and password, fit to be shown."""
    begin, mark, rest = uri.partition("://")
    place, slash, path = rest.partition("/")
    return f"{begin}{mark}{place.rpartition('@')[2]}{slash}{path}"


def open_hint(uri: str) -> str:
    """What a person types or opens to see the runs of this store."""
    return f"mlflow ui --backend-store-uri {uri}" if not is_http(uri) else without_login(uri)


def answers(uri: str, seconds: float) -> bool:
    """Whether anything answers HTTP at a server's address in this time, whatever it says.

    The question is asked in a thread of its own, so that neither a slow name look-up nor a server
    that drips bytes takes longer.

    Args:
        uri: An ``http://`` or ``https://`` tracking URI.
        seconds: How long to wait.
    """
    heard = threading.Event()
    done = threading.Event()

    def ask() -> None:
        try:
            with urllib.request.urlopen(f"{without_login(uri)}/health", timeout=seconds):
                heard.set()
        except urllib.error.HTTPError:
            heard.set()
        except urllib.error.URLError as error:
            if isinstance(
                error.reason, ssl.SSLError
            ):  # someone is there; MLflow judges certificates
                heard.set()
        except (OSError, http.client.HTTPException):
            pass
        finally:
            done.set()

    threading.Thread(target=ask, name="supcon-preflight", daemon=True).start()
    done.wait(seconds)
    return heard.is_set()
