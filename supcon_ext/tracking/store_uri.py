"""Which MLflow store is meant by a tracking URI, whether it answers, and how to open it."""

from __future__ import annotations

import http.client
import os
import ssl
import threading
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

SQLITE = "sqlite:///"


def resolve_uri(uri: str | None) -> str | None:
    """The tracking URI in full, or ``None`` where only the journal is kept.

    A relative SQLite path is made absolute, so that the same database is found from every
    directory.

    Args:
        uri: As in :class:`~supcon_ext.tracking.settings.TrackingSettings`.

    Raises:
        ValueError: The folder of an SQLite database does not exist.
    """
    if uri is None:
        uri = os.environ.get("MLFLOW_TRACKING_URI") or f"{SQLITE}mlflow.db"
    if uri.lower() == "none":
        return None
    database = sqlite_path(uri)
    if database is None:
        return uri.rstrip("/") if is_http(uri) else uri
    if not database.parent.is_dir():
        raise ValueError(
            f"Expected an existing folder for the database in argument `uri`, but got {uri!r} and "
            f"{database.parent} does not exist. Try: mkdir -p {database.parent}"
        )
    return f"{SQLITE}{database}"


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
    parts = urlsplit(uri)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


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
