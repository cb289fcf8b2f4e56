"""How MLflow is loaded: when a tracker starts, quietly, and with short time-outs."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

from data_tools.optional_package import optional_package

if TYPE_CHECKING:
    from mlflow import MlflowClient

# What this process asks of MLflow unless the user asked for something else. MLflow's own defaults
# wait four minutes for a server that refuses and twenty for one that is silent; the mirror tries
# again by itself, so MLflow need not.
DEFAULTS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}
# MLflow logs these errors with a traceback and raises them too; the raised one is told in a line.
SAID_BY_US = ("mlflow.store.db.utils", "mlflow.exceptions", "urllib3.connectionpool")


def load_mlflow() -> None:
    """Import MLflow with our defaults; takes a second or two the first time.

    Call this in the thread that starts the others. MLflow brings pandas and scipy along, and two
    threads that import parts of one package at the same time may each find it half made; so may a
    worker process that is forked meanwhile.

    Raises:
        ModuleNotFoundError: MLflow is not installed.
    """
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    optional_package("mlflow", "tracking", "mlflow", "tracking.uri=none")
    for name in SAID_BY_US:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    import mlflow.data.code_dataset_source
    import mlflow.data.meta_dataset
    import mlflow.entities
    import mlflow.models
    import mlflow.pyfunc  # noqa: F401


def open_client(uri: str) -> MlflowClient:
    """A client for the store at ``uri``, with our defaults."""
    load_mlflow()
    from mlflow import MlflowClient

    return MlflowClient(uri)
