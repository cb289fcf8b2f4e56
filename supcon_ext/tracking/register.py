"""A run's logged model under a name of the model registry."""

from __future__ import annotations

from pathlib import Path

from supcon_ext.tracking.mirror_state import MirrorState
from supcon_ext.tracking.mlflow_client import open_client
from supcon_ext.tracking.store_error import StoreError, explain, first_line
from supcon_ext.tracking.store_uri import resolve_uri

_REFUSED = frozenset({"INVALID_PARAMETER_VALUE", "BAD_REQUEST"})


def register(folder: Path, name: str, uri: str | None = None) -> int:
    """Make a run's model a version of a registered model; the same model is registered once.

    Args:
        folder: The run folder; its run was sent already.
        name: Of the registered model, made if it is not there.
        uri: Another store than the run's own.

    Returns:
        The version; ``models:/<name>/<version>`` is its address.

    Raises:
        ValueError: The store has no model of the run, or does not take the name.
        StoreError: Nothing answers, or the store broke off.
    """
    state = MirrorState.load(folder)
    store = state.uri if uri is None else resolve_uri(uri)
    if store is None:
        raise ValueError(
            "Expected a store to register in of a run that was tracked by its journal only, but "
            "got none. Try: --uri sqlite:///mlflow.db"
        )
    client = open_client(store)
    from mlflow.exceptions import MlflowException

    try:
        run_id = str(state.store(store).run_id)
        outputs = client.get_run(run_id).outputs
        models = [output.model_id for output in (outputs.model_outputs if outputs else [])]
        if not models:
            raise ValueError(
                f"Expected a model of {folder} in MLflow, but it has none. "
                f"Try: supcon resume {folder}"
            )
        model_id = models[-1]
        if not client.search_registered_models(filter_string=f"name = '{_quoted(name)}'"):
            client.create_registered_model(name)
        found = client.search_model_versions(f"name = '{_quoted(name)}'")
        for version in found:
            if version.model_id == model_id or version.source == f"models:/{model_id}":
                return int(version.version)
        made = client.create_model_version(
            name, source=f"models:/{model_id}", run_id=run_id, model_id=model_id
        )
    except MlflowException as error:
        if error.error_code in _REFUSED:
            raise ValueError(
                f"Expected a name that MLflow registers, but got {name!r}: {first_line(error)}"
            ) from error
        raise StoreError(explain(error, store)) from error
    return int(made.version)


def _quoted(name: str) -> str:
    return name.replace("'", "")
