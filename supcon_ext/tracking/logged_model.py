"""An exported encoder as an MLflow model that ``mlflow.pytorch.load_model`` gives back.

``mlflow.pytorch.log_model`` wants the module itself and traces it again, which must not happen in a
thread beside a training loop. The ``.pt2`` file that the run wrote is what MLflow would store
(``data/model.pt2``), so the model's folder is laid out around a copy of it. What MLflow serves, and
gives as ``mlflow.pyfunc.load_model``, is the run's classes of pictures, where its files are there.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from supcon_ext.tracking.events import SavedEncoder
from supcon_ext.tracking.names import model_name

if TYPE_CHECKING:
    from mlflow import MlflowClient

DIGEST_TAG = "sha256"
SERVED = "served"  # the folder of what predicts, in the model's
LOADER = "supcon_ext.use.served"
UPLOAD_SECONDS = 60.0


def log(
    client: MlflowClient,
    run_id: str,
    experiment_id: str,
    event: SavedEncoder,
    run_folder: Path,
    beat: Callable[[float | None], None],
) -> str:
    """Log the exported file as a model of the run; the same bytes and name are logged once.

    Args:
        client: The store's client.
        run_id: The MLflow run that made the model.
        experiment_id: Its experiment.
        event: Name, files, shapes and versions.
        run_folder: Where its files are.
        beat: Called before every request with the seconds that it may fairly take, where these are
            more than usual.

    Returns:
        The model's id; ``models:/<id>`` is its address.
    """
    from mlflow.entities import LoggedModelOutput, LoggedModelStatus

    files = [run_folder / path for path in event.files]
    files = files if all(path.is_file() for path in files) else []
    digest = _digest([run_folder / event.path, *files])
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
            place = str(model.artifact_location)
            _lay_out(Path(folder), event, run_folder, files, run_id, model_id, place)
            client.log_model_artifacts(model_id, folder)
        client.finalize_logged_model(model_id, LoggedModelStatus.READY)
    beat(None)
    outputs = client.get_run(run_id).outputs
    if model_id not in {output.model_id for output in (outputs.model_outputs if outputs else [])}:
        client.log_outputs(run_id, [LoggedModelOutput(model_id, step=event.step)])
    return model_id


def _digest(files: Sequence[Path]) -> str:
    """Of the content of some files; of one alone, the file's own."""
    digest = hashlib.sha256()
    for path in files:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _lay_out(
    folder: Path,
    event: SavedEncoder,
    run_folder: Path,
    files: Sequence[Path],
    run_id: str,
    model_id: str,
    location: str,
) -> None:
    import numpy as np
    from mlflow import pyfunc
    from mlflow.models import Model as ModelFile
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema, TensorSpec

    (folder / "data").mkdir()
    shutil.copyfile(run_folder / event.path, folder / "data" / "model.pt2")
    release = event.torch_version.partition("+")[0]
    needs = ["mlflow", f"torch=={release}", *(["supcon-ext"] if files else [])]
    (folder / "requirements.txt").write_text("\n".join(needs) + "\n", encoding="utf-8")
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
    if files:
        (folder / SERVED).mkdir()
        for path in files:
            shutil.copyfile(path, folder / SERVED / path.name)
        # of its input MLflow knows nothing: a picture is a text, bytes or an array of any shape
        model.signature = ModelSignature(
            outputs=Schema(
                [
                    ColSpec("string", "class"),
                    ColSpec("double", "probability"),
                    ColSpec("double", "distance"),
                ]
            )
        )
        pyfunc.add_to_model(model, loader_module=LOADER, data=SERVED)
    else:
        pyfunc.add_to_model(
            model, loader_module="mlflow.pytorch", data="data", model_config={"device": None}
        )
    model.save(str(folder / "MLmodel"))
