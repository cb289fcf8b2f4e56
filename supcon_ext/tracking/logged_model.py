"""An exported encoder as an MLflow model that ``mlflow.pytorch.load_model`` gives back.

``mlflow.pytorch.log_model`` wants the module itself and traces it again, which must not happen in a
thread beside a training loop. The ``.pt2`` file that the run wrote is what MLflow would store
(``data/model.pt2``), so the model's folder is laid out around a copy of it.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from supcon_ext.tracking.events import SavedEncoder
from supcon_ext.tracking.names import model_name

if TYPE_CHECKING:
    from mlflow import MlflowClient

DIGEST_TAG = "sha256"
UPLOAD_SECONDS = 60.0


def log(
    client: MlflowClient,
    run_id: str,
    experiment_id: str,
    event: SavedEncoder,
    file: Path,
    beat: Callable[[float | None], None],
) -> str:
    """Log the exported file as a model of the run; the same bytes and name are logged once.

    Args:
        client: The store's client.
        run_id: The MLflow run that made the model.
        experiment_id: Its experiment.
        event: Name, shapes and versions.
        file: The ``.pt2`` file.
        beat: Called before every request with the seconds that it may fairly take, where these are
            more than usual.

    Returns:
        The model's id; ``models:/<id>`` is its address.
    """
    from mlflow.entities import LoggedModelOutput, LoggedModelStatus

    with file.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    name = model_name(event.name)
    beat(None)
    model = next(
        (
            found
            for found in client.search_logged_models(
                [experiment_id],
                filter_string=f"source_run_id = '{run_id}' AND name = '{name}'",
            )
            if found.tags.get(DIGEST_TAG) == digest
        ),
        None,
    )
    if model is None:
        model = client.create_logged_model(
            experiment_id,
            name=name,
            source_run_id=run_id,
            tags={**event.tags, DIGEST_TAG: digest},
            model_type="encoder",
        )
    model_id = str(model.model_id)
    if model.status != LoggedModelStatus.READY:
        beat(UPLOAD_SECONDS)
        with tempfile.TemporaryDirectory(prefix="supcon-model-") as folder:
            _lay_out(Path(folder), event, file, run_id, model_id, str(model.artifact_location))
            client.log_model_artifacts(model_id, folder)
        client.finalize_logged_model(model_id, LoggedModelStatus.READY)
    beat(None)
    outputs = client.get_run(run_id).outputs
    if model_id not in {output.model_id for output in (outputs.model_outputs if outputs else [])}:
        client.log_outputs(run_id, [LoggedModelOutput(model_id, step=event.step)])
    return model_id


def _lay_out(
    folder: Path, event: SavedEncoder, file: Path, run_id: str, model_id: str, location: str
) -> None:
    import numpy as np
    from mlflow import pyfunc
    from mlflow.models import Model as ModelFile
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    (folder / "data").mkdir()
    shutil.copyfile(file, folder / "data" / "model.pt2")
    release = event.torch_version.partition("+")[0]
    (folder / "requirements.txt").write_text(f"mlflow\ntorch=={release}\n", encoding="utf-8")
    dtype = np.dtype(event.dtype)
    model = ModelFile(
        artifact_path=location,
        run_id=run_id,
        model_id=model_id,
        model_uuid=model_id,
        signature=ModelSignature(
            inputs=Schema([TensorSpec(dtype, event.input_shape)]),
            outputs=Schema([TensorSpec(dtype, event.output_shape)]),
        ),
    )
    model.add_flavor("pytorch", model_data="data", pytorch_version=event.torch_version, code=None)
    pyfunc.add_to_model(
        model, loader_module="mlflow.pytorch", data="data", model_config={"device": None}
    )
    model.save(str(folder / "MLmodel"))
