"""What went wrong with an MLflow store, in one line: which store, what is wrong, what to do."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator

from data_tools.printable import printable
from supcon_ext.tracking.store_uri import is_http, without_login

LATER = "supcon sync RUN once it is mended"
# By HTTP status: what is wrong, and what to do.
_STATUS = {
    401: (
        "the server wants a login (401)",
        "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN",
    ),
    403: ("the server does not let this user do it (403)", "another login, or ask who runs it"),
    404: (
        "the server has no MLflow at this address (404)",
        "the address that a browser shows MLflow under",
    ),
    429: ("the server takes no more requests now (429)", LATER),
}
_LOCAL = {
    "locked": ("another process holds it", LATER),
    "readonly": ("it cannot be written", "its permissions, or another tracking.uri"),
    "unable to open": ("it cannot be opened", "its permissions, or another tracking.uri"),
    "full": ("the disk is full", "free space, then supcon sync RUN"),
    "malformed": ("the file is damaged", "restore the file, or another tracking.uri"),
    "not a database": ("the file is no database", "restore the file, or another tracking.uri"),
    "no such": (
        "its tables are not this MLflow's",
        "mlflow db upgrade, or another tracking.uri",
    ),
}
LONGEST = 200


class StoreError(ConnectionError):
    """A store did not take what was sent; the message is one line, the cause has the details."""


def explain(error: BaseException, uri: str) -> str:
    """One line on why a store did not take what was sent.

    Args:
        error: Whatever MLflow raised.
        uri: The resolved tracking URI.
    """
    if isinstance(error, StoreError) or (
        isinstance(error, ValueError) and str(error).startswith("Expected")
    ):
        return printable(error)  # ours: a sentence already
    what, advice = _reason(error, uri)
    return f"Expected MLflow at {without_login(uri)} to answer, but {what}. Try: {advice}"


def _reason(error: BaseException, uri: str) -> tuple[str, str]:
    chain = list(_chain(error))
    found = _of_network(chain) or _of_database(chain)
    if found is None and is_http(uri):
        found = _of_server(chain)
    if found is not None:
        return found
    return f"got {type(error).__name__}: {first_line(error)}", LATER


def first_line(error: BaseException) -> str:
    """What an error says first, safe to print and not too long."""
    return printable(next((line for line in str(error).splitlines() if line.strip()), "nothing"))[
        :LONGEST
    ]


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error, what it came from, and what requests wraps in its arguments."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        one = waiting.pop(0)
        if not isinstance(one, BaseException) or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        inside = [getattr(one, name, None) for name in ("reason", "orig")]
        waiting += [one.__cause__, one.__context__, *inside, *one.args]


def _of_network(chain: list[BaseException]) -> tuple[str, str] | None:
    import requests
    import urllib3

    def has(*kinds: type[BaseException]) -> bool:
        return any(isinstance(one, kinds) for one in chain)

    if has(urllib3.exceptions.NameResolutionError, socket.gaierror):
        return "there is no such host", "the spelling of the address, or the network"
    if has(requests.exceptions.SSLError, urllib3.exceptions.SSLError):
        return (
            "the server's certificate or protocol is not accepted",
            "https:// or http:// as the server has it, or MLFLOW_TRACKING_SERVER_CERT_PATH",
        )
    for one in chain:
        if isinstance(one, requests.exceptions.RetryError | urllib3.exceptions.ResponseError):
            code = re.search(r"\b([45]\d\d)\b", str(one))
            if code:
                return _of_status(int(code[1]))
    if has(requests.exceptions.Timeout, TimeoutError):
        return "it took too long", f"see whether the server is well; then {LATER}"
    if has(ConnectionRefusedError):
        return "nothing listens there", f"start the server; then {LATER}"
    if has(requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema):
        return "that is no address of a server", "http://HOST:PORT"
    if has(requests.exceptions.RequestException, urllib3.exceptions.HTTPError):
        return (
            "the connection broke off, or what answers is no web server",
            f"the address; then {LATER}",
        )
    return None


def _of_database(chain: list[BaseException]) -> tuple[str, str] | None:
    import sqlalchemy.exc

    for one in chain:
        if isinstance(one, sqlalchemy.exc.SQLAlchemyError):
            said = first_line(getattr(one, "orig", None) or one)
            for sign, reason in _LOCAL.items():
                if sign in said:
                    return reason
            return f"its database says: {said}", LATER
    return None


def _of_server(chain: list[BaseException]) -> tuple[str, str] | None:
    from mlflow.exceptions import MlflowException

    for one in chain:
        if not isinstance(one, MlflowException):
            continue
        if "JSON" in str(one):
            return (
                "what answers is no MLflow server",
                "the address that a browser shows MLflow under",
            )
        told = re.search(r"failed with error code (\d+)", str(one))
        return _of_status(int(told[1]) if told else one.get_http_status_code())
    return None


def _of_status(code: int) -> tuple[str, str]:
    if code in _STATUS:
        return _STATUS[code]
    if code >= 500:
        return f"the server itself failed ({code})", f"its log; then {LATER}"
    return f"the server refused ({code})", "its log; or an MLflow of the server's version"
