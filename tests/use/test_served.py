"""The model that MLflow has of a run takes pictures as people have them and gives their classes."""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas
import pytest
from click.testing import CliRunner
from PIL import Image

import supcon_ext
from supcon_ext.cli import main
from supcon_ext.experiment.model_files import read_model
from supcon_ext.tracking import Tracker, TrackingSettings
from supcon_ext.tracking.encoder_file import export_encoder
from supcon_ext.use.served import ServedEncoder, _load_pyfunc
from tests.embed import pictures
from tests.use import toy

KINDS = ["path", "text path", "bytes", "base64", "data URI", "array", "nested lists"]


def ways(path: Path) -> dict[str, Any]:
    """One picture in all ways."""
    content = path.read_bytes()
    text = base64.b64encode(content).decode()
    pixels = np.array(Image.open(path))
    return {
        "path": path,
        "text path": str(path),
        "bytes": content,
        "base64": text,
        "data URI": f"data:image/png;base64,{text}",
        "array": pixels,
        "nested lists": pixels.tolist(),
    }


def check(table: Any, folder: Path, paths: list[Path]) -> None:
    encoder = supcon_ext.load(folder, device="cpu")
    judged = encoder.judge(paths)
    assert list(table.columns) == ["class", "probability", "distance"]
    assert table["class"].tolist() == encoder.predict(paths).tolist()
    assert np.allclose(table["probability"], judged.probability.max(1), atol=1e-5)
    assert np.allclose(table["distance"], judged.distance, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_picture_in_every_container(kind: str, tmp_path: Path) -> None:
    folder = toy.write(tmp_path / "m", toy.context())
    served = _load_pyfunc(str(folder))
    paths = pictures.flat(tmp_path / "new", 3)
    given = [ways(path)[kind] for path in paths]
    column = pandas.Series(given, dtype=object)
    for container in (
        given,
        pandas.DataFrame({"image": column}),
        pandas.DataFrame({"whatever": column}),
        {"image": given},
        pandas.DataFrame({"image": column, "id": [1, 2, 3]}),
    ):
        check(served.predict(container), folder, paths)
    if kind not in ("array", "nested lists"):
        check(served.predict(given[0]), folder, paths[:1])


def test_an_array_of_pictures_and_one_of_texts(tmp_path: Path) -> None:
    folder = toy.write(tmp_path / "m", toy.context(1))
    served = _load_pyfunc(str(folder))
    stack = np.random.default_rng(0).integers(0, 256, (4, 20, 20, 1))
    encoder = supcon_ext.load(folder, device="cpu")
    assert served.predict(stack)["class"].tolist() == encoder.predict(stack).tolist()
    paths = pictures.flat(tmp_path / "new", 2)
    check(served.predict(np.array([str(path) for path in paths], object)), folder, paths)
    check(served.predict(np.array([str(path) for path in paths])), folder, paths)


def test_vectors(tmp_path: Path) -> None:
    folder = toy.write(tmp_path / "m", toy.vectors())
    served = _load_pyfunc(str(folder))
    rows = np.random.default_rng(0).normal(size=(4, 6))
    expected = supcon_ext.load(folder, device="cpu").predict(rows.astype(np.float32)).tolist()
    for given in (rows, rows.tolist(), pandas.DataFrame(rows)):
        assert served.predict(given)["class"].tolist() == expected


@pytest.mark.parametrize(
    "given",
    [
        ["no such file.png"],
        ["aGVsbG8="],
        [b"no picture"],
        [""],
        ["x" * 100_000],
        np.zeros((2, 8, 8, 3)),
        pandas.DataFrame({"a": ["x"], "b": ["y"]}),
        [],
    ],
    ids=lambda given: str(given)[:20],
)
def test_what_is_no_picture(given: Any, tmp_path: Path) -> None:
    served = ServedEncoder(supcon_ext.load(toy.write(tmp_path / "m", toy.context()), device="cpu"))
    with pytest.raises(ValueError, match="Expected"):
        served.predict(given)


# -- in MLflow -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A run folder whose model is in a store of its own, and the run's id there."""
    place = tmp_path_factory.mktemp("logged")
    folder, context = place / "run", toy.context()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{place}/mlflow.db")
        tracker = Tracker(folder, TrackingSettings(None), run_name="toy", tags={})
        toy.write(folder, context)
        (folder / "recipe.yaml").write_text("name: toy\n")
        (folder / "results.json").write_text("{}")
        files = [folder / "model.json", folder / "model.safetensors"]
        for path in files:
            tracker.artifact(path)
        encoder = read_model(folder).network.backbone
        exported = export_encoder(encoder, context.shape, folder / "encoder.pt2")
        tracker.model(exported, files=files)
        assert tracker.close("FINISHED") == 0
        yield folder, str(tracker.run_id)


def test_it_is_registered_by_choice_and_loaded_by_any_address(
    logged: tuple[Path, str], tmp_path: Path
) -> None:
    folder, run_id = logged
    for _ in range(2):  # the same model is one version
        told = CliRunner().invoke(main, ["sync", str(folder), "--register", "digits"])
        assert told.exit_code == 0, told.output
        assert "models:/digits/1" in told.stdout
    paths = pictures.flat(tmp_path / "new", 3)
    expected = supcon_ext.load(folder, device="cpu")
    client = mlflow.MlflowClient(os.environ["MLFLOW_TRACKING_URI"])
    (output,) = client.get_run(run_id).outputs.model_outputs
    for address in (f"runs:/{run_id}", "models:/digits/1", f"models:/{output.model_id}"):
        loaded = supcon_ext.load(address, device="cpu")
        assert np.array_equal(loaded.predict_proba(paths), expected.predict_proba(paths))
        assert loaded.classes == expected.classes
    for wrong in ("models:/digits/9", "models:/nothing/1", "runs:/nothing", "models:/m-0"):
        with pytest.raises(ValueError, match="Expected a model at"):
            supcon_ext.load(wrong)
    told = CliRunner().invoke(main, ["sync", str(folder), "--register", "a/b"])
    assert told.exit_code == 2 and "a/b" in told.stderr


def test_mlflow_loads_both_of_it(logged: tuple[Path, str], tmp_path: Path) -> None:
    folder, run_id = logged
    uri = os.environ["MLFLOW_TRACKING_URI"]
    (output,) = mlflow.MlflowClient(uri).get_run(run_id).outputs.model_outputs
    mlflow.set_tracking_uri(uri)
    paths = pictures.flat(tmp_path / "new", 3)
    served = mlflow.pyfunc.load_model(f"models:/{output.model_id}")
    for kind in KINDS:
        check(served.predict([ways(path)[kind] for path in paths]), folder, paths)
    module = mlflow.pytorch.load_model(f"models:/{output.model_id}")
    encoder = supcon_ext.load(folder, device="cpu")
    import torch

    views = torch.stack([encoder.preprocessing.view(ways(path)["array"], ()) for path in paths])
    with torch.no_grad():
        assert np.allclose(module(views), encoder.embed(paths), rtol=1e-4, atol=1e-5)


@pytest.mark.long
def test_a_server_answers(logged: tuple[Path, str], tmp_path: Path) -> None:
    folder, _ = logged
    CliRunner().invoke(main, ["sync", str(folder), "--register", "digits"])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", "models:/digits/1"]
    command += ["--env-manager", "local", "-p", str(port), "-w", "1"]
    log = (tmp_path / "log").open("w+")
    # MLflow starts its server by name: that of this environment, activated or not
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    server = subprocess.Popen(
        command,
        stdout=log,
        stderr=log,
        start_new_session=True,
        env={**os.environ, "PATH": path},
    )
    address = f"http://127.0.0.1:{port}"
    try:
        end = time.monotonic() + 240
        while True:
            try:
                urllib.request.urlopen(f"{address}/ping", timeout=5)
                break
            except (urllib.error.URLError, OSError):
                assert server.poll() is None and time.monotonic() < end, Path(log.name).read_text()
                time.sleep(0.5)
        paths = pictures.flat(tmp_path / "new", 2)
        for kind in ("text path", "base64", "data URI", "nested lists"):
            given = [ways(path)[kind] for path in paths]
            for body in (
                {"dataframe_split": {"columns": ["image"], "data": [[each] for each in given]}},
                {"dataframe_records": [{"image": each} for each in given]},
                {"inputs": {"image": given}} if kind != "nested lists" else None,
                {"instances": given} if kind != "nested lists" else None,
            ):
                if body is not None:
                    check(pandas.DataFrame(asked(address, body)), folder, paths)
        with pytest.raises(urllib.error.HTTPError) as refused:
            asked(address, {"dataframe_records": [{"image": "nothing"}]})
        assert refused.value.code == 400 or b"Expected" in refused.value.read()
    finally:
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGTERM)
            server.wait()
        log.close()


def asked(address: str, body: dict[str, Any]) -> Any:
    request = urllib.request.Request(
        f"{address}/invocations",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.loads(answer.read())["predictions"]
