"""A finished run's encoder by whatever names it: a folder, a run's name, an address in MLflow."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import torch

from supcon_ext.experiment.folder import find_run, is_run, run_meanings
from supcon_ext.experiment.model_files import MODEL, TENSORS, SavedModel, has_model, read_model
from supcon_ext.meanings import Meaning, as_path, holds, one_meaning
from supcon_ext.tracking.mlflow_client import load_mlflow
from supcon_ext.tracking.results import read_results
from supcon_ext.tracking.store_error import explain
from supcon_ext.tracking.store_uri import resolve_uri
from supcon_ext.training.bank import BATCH
from supcon_ext.use.loaded import LoadedEncoder

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+:/")


def load(
    run: str | Path,
    *,
    device: str | torch.device = "auto",
    batch: int = BATCH,
    workers: int = 0,
    tracking_uri: str | None = None,
) -> LoadedEncoder:
    """Load the encoder of a finished run, with its classes and the way it wants its samples.

    Nothing that was saved is run: its files are JSON and safetensors. The network is made by this
    package, and by the plug-ins that the run's recipe names, which are imported.

    Args:
        run: A run's folder or name; a folder with its ``model.json`` and ``model.safetensors``; or
            an address in MLflow: ``runs:/ID``, ``models:/NAME/VERSION``, or any of an artifact
            folder with these files.
        device: ``auto``, ``cpu``, ``cuda``, ``mps``, or one of torch's (``cuda:1``).
        batch: Samples at a time; the run's own evaluation had 512.
        workers: Processes that read pictures.
        tracking_uri: Where MLflow is; None takes ``MLFLOW_TRACKING_URI`` or ``mlflow.db`` here.

    Returns:
        The encoder: ``embed``, ``predict``, ``predict_proba``, ``classes``, ``preprocessing``.

    Raises:
        ValueError: There is no such run, it is not finished, was made by an older version, or its
            files are damaged.
    """
    model = read_model_of(run, tracking_uri=tracking_uri)
    return LoadedEncoder(model, device=device, batch=batch, workers=workers)


def read_model_of(run: str | Path, *, tracking_uri: str | None = None) -> SavedModel:
    """The model of a run, see :func:`load`.

    Raises:
        ValueError: As there.
    """
    if _ADDRESS.match(str(run)):
        return _from_mlflow(str(run), tracking_uri)
    return read_model(model_folder(run))


def model_folder(run: str | Path) -> Path:
    """The folder of a finished run, or another one that has its model.

    Raises:
        ValueError: There is none, or the run is not finished.
    """
    folder = Path(run)
    if holds(has_model, folder) and not is_run(folder):
        bare = Meaning("folder", as_path(run), folder)
        if isinstance(run, Path) or one_meaning(run, [bare, *run_meanings(run)]) is bare:
            return folder
    folder = find_run(run)
    read_results(folder)
    return folder


def _from_mlflow(address: str, tracking_uri: str | None) -> SavedModel:
    load_mlflow()
    from mlflow.exceptions import MlflowException

    store = resolve_uri(tracking_uri)
    with tempfile.TemporaryDirectory(prefix="supcon-load-") as place:
        try:
            folder = _fetched(address.rstrip("/"), store, place)
        except (MlflowException, OSError) as error:
            reason = explain(error, store or "") if store else str(error)
            raise ValueError(f"Expected a model at {address}, but MLflow says: {reason}") from error
        found = sorted(folder.rglob(MODEL))
        if not found:
            raise ValueError(
                f"Expected {MODEL} below {address}, but there is none: it is another model, or was "
                "made by an older version. Try: runs:/ID of a run of this version"
            )
        return read_model(found[0].parent)


def _fetched(address: str, store: str | None, place: str) -> Path:
    """What lies at an address, in a folder of this machine."""
    from mlflow.artifacts import download_artifacts

    whole_run = re.fullmatch(r"runs:/[^/]+", address)
    wanted = [f"{address}/{name}" for name in (MODEL, TENSORS)] if whole_run else [address]
    for each in wanted:
        download_artifacts(artifact_uri=each, dst_path=place, tracking_uri=store)
    return Path(place)
