import json
import math
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from filelock import FileLock
from torch import nn

from supcon_ext.tracking import Pace, Tracker, TrackingSettings, sync
from supcon_ext.tracking.encoder_file import export_encoder
from supcon_ext.tracking.journal import count_lines
from supcon_ext.tracking.names import file_of, mlflow_key
from tests.tracking.conftest import QUICK


class Encoder(nn.Module):
    """A small network with batch statistics."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.norm = nn.BatchNorm2d(8)

    def forward(self, images):
        return nn.functional.normalize(self.norm(self.conv(images)).mean((2, 3)), dim=1)


def start(folder, uri, *, name="run", **settings):
    return Tracker(
        folder,
        TrackingSettings(uri=uri, experiment="tests/one", **settings),
        run_name=name,
        tags={"recipe": "quick"},
        pace=QUICK,
    )


def lines(folder):
    return count_lines(folder / "journal.jsonl")


def test_everything_reaches_mlflow(tmp_path, store, client):
    folder = tmp_path / "run"
    tracker = start(folder, store)
    tracker.params({"model.backbone": "small", "seed": 0, "stages.0.optimizer.lr": 0.1})
    tracker.dataset("digits", "f" * 64, "train", {"noise": "symmetric 0.4"})
    for step in range(1, 4):
        tracker.metrics({"train/loss": 1 / step, "time/epoch": 0.1 * step}, step)
    (folder / "figures").mkdir()
    (folder / "figures" / "loss.txt").write_text("a figure")
    tracker.artifact(folder / "figures" / "loss.txt", "figures")
    tracker.artifact(Path("figures/loss.txt"))
    assert tracker.close("FINISHED") == 0

    mlflow = client(store)
    run = mlflow.get_run(tracker.run_id)
    assert run.info.run_name == "run"
    assert run.info.status == "FINISHED"
    assert run.info.end_time > run.info.start_time
    assert mlflow.get_experiment(run.info.experiment_id).name == "tests/one"
    assert run.data.params == {
        "model.backbone": "small",
        "seed": "0",
        "stages.0.optimizer.lr": "0.1",
    }
    assert run.data.tags["recipe"] == "quick"
    history = mlflow.get_metric_history(tracker.run_id, "train/loss")
    assert [(point.step, point.value) for point in history] == [(1, 1.0), (2, 0.5), (3, 1 / 3)]
    (given,) = run.inputs.dataset_inputs
    assert (given.dataset.name, given.dataset.digest) == (
        "digits",
        "train-" + "f" * 30,
    )
    assert {tag.key: tag.value for tag in given.tags} == {
        "mlflow.data.context": "train",
        "digest": "f" * 64,
        "noise": "symmetric 0.4",
    }
    assert [file.path for file in mlflow.list_artifacts(tracker.run_id)] == ["figures", "loss.txt"]
    copy = mlflow.download_artifacts(tracker.run_id, "figures/loss.txt", str(tmp_path))
    assert Path(copy).read_text() == "a figure"
    # Files lie beside the database, wherever the process was started.
    assert Path(run.info.artifact_uri).is_relative_to(tmp_path / "mlruns")
    assert sync(folder).sent == 0


def test_the_encoder_is_a_model_that_mlflow_loads(tmp_path, store, client, monkeypatch):
    torch.manual_seed(0)
    encoder = Encoder().train()
    encoder(torch.randn(16, 3, 8, 8))
    folder = tmp_path / "run"
    tracker = start(folder, store)
    exported = export_encoder(encoder, (3, 8, 8), folder / "encoder.pt2")
    assert encoder.training
    assert (exported.input_shape, exported.output_shape) == ((-1, 3, 8, 8), (-1, 8))
    tracker.model(exported, step=7, tags={"selected": "last"})
    tracker.model(exported, step=7, tags={"selected": "last"})  # the same again is no second model
    assert tracker.close("FINISHED") == 0

    import mlflow

    (output,) = client(store).get_run(tracker.run_id).outputs.model_outputs
    assert output.step == 7
    logged = client(store).get_logged_model(output.model_id)
    assert (logged.name, logged.model_type, str(logged.status)) == ("encoder", "encoder", "READY")
    assert logged.tags["selected"] == "last"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    images = torch.randn(5, 3, 8, 8)
    expected = encoder.eval()(images)
    loaded = mlflow.pytorch.load_model(f"models:/{output.model_id}")
    torch.testing.assert_close(loaded(images), expected, rtol=0, atol=0)
    served = mlflow.pyfunc.load_model(f"models:/{output.model_id}")
    torch.testing.assert_close(torch.from_numpy(served.predict(images.numpy())), expected)
    signature = served.metadata.signature
    assert signature.inputs.inputs[0].shape == (-1, 3, 8, 8)
    assert signature.outputs.inputs[0].shape == (-1, 8)
    with pytest.raises(mlflow.exceptions.MlflowException):
        served.predict(images[:, :2].numpy())


def test_export_refuses_what_is_no_encoder(tmp_path):
    with pytest.raises(ValueError, match="argument `encoder`"):
        export_encoder(nn.Flatten(0), (3, 8, 8), tmp_path / "encoder.pt2")


def test_parent_and_children(tmp_path, store, client):
    parent = start(tmp_path / "parent", store, name="sweep")
    parent_id = parent.wait_run_id(60)
    children = [
        start(tmp_path / f"child{seed}", store, name=f"s{seed}", parent_run_id=parent_id)
        for seed in range(2)
    ]
    assert [child.close("FINISHED") for child in children] == [0, 0]
    assert parent.close("FINISHED") == 0
    mlflow = client(store)
    found = mlflow.search_runs(
        [mlflow.get_experiment_by_name("tests/one").experiment_id],
        f"tags.mlflow.parentRunId = '{parent_id}'",
    )
    assert {run.info.run_id for run in found} == {child.run_id for child in children}


@pytest.mark.parametrize("status", ["KILLED", "FAILED"])
def test_status(tmp_path, store, client, status):
    tracker = start(tmp_path / "run", store)
    tracker.close(status)
    assert client(store).get_run(tracker.run_id).info.status == status


@pytest.mark.parametrize("how", ["killed", "still there", "unknown", "ended"])
def test_a_run_without_an_end_is_killed_once_its_process_is_gone(tmp_path, store, client, how):
    folder = tmp_path / "run"
    tracker = start(folder, "none")
    tracker.metrics({"train/loss": 0.5}, 1)
    if how == "ended":
        tracker.close("FAILED")
    lock = FileLock(folder / "run.lock")
    if how != "unknown":
        lock.acquire()
        if how != "still there":
            lock.release()
            (folder / "run.lock").touch()
    expected = {"killed": "KILLED", "ended": "FAILED"}.get(how, "RUNNING")
    for _ in range(2):
        result = sync(folder, store)
        run = client(store).get_run(result.run_id)
        assert run.info.status == expected
        assert (run.info.end_time is None) == (expected == "RUNNING")
        assert run.data.metrics == {"train/loss": 0.5}
    lock.release(force=True)


def test_a_killed_run_that_is_resumed_is_running_again(tmp_path, store, client):
    folder = tmp_path / "run"
    tracker = start(folder, "none")
    offset = tracker.checkpoint_offset()
    (folder / "run.lock").touch()
    run_id = sync(folder, store).run_id
    assert client(store).get_run(run_id).info.status == "KILLED"
    again = Tracker.resume(folder, offset)
    assert sync(folder, store).run_id == run_id
    again.close("FINISHED")
    sync(folder, store)
    assert client(store).get_run(run_id).info.status == "FINISHED"


def test_unknown_status(tmp_path):
    tracker = start(tmp_path / "run", "none")
    with pytest.raises(ValueError, match="argument `status`"):
        tracker.close("RUNNING")


def test_values_that_are_not_finite_become_tags(tmp_path, store, client, caplog):
    tracker = start(tmp_path / "run", store)
    tracker.metrics({"train/loss": 1.0}, 1)
    tracker.metrics({"train/loss": math.inf, "val/acc": math.nan}, 2)
    tracker.close("FAILED")
    run = client(store).get_run(tracker.run_id)
    assert run.data.metrics == {"train/loss": 1.0}
    assert run.data.tags["not_finite/train/loss"] == "inf at step 2"
    assert run.data.tags["not_finite/val/acc"] == "nan at step 2"
    assert "`train/loss` is inf at step 2" in caplog.text


def test_more_than_a_call_takes(tmp_path, store, client):
    tracker = start(tmp_path / "run", store)
    tracker.params({f"key.{i}": i for i in range(250)})
    tracker.tags({f"tag.{i}": str(i) for i in range(250)})
    for step in range(30):
        tracker.metrics({f"m/{i}": float(step) for i in range(50)}, step)
    assert tracker.close("FINISHED") == 0
    run = client(store).get_run(tracker.run_id)
    assert len(run.data.params) == 250
    assert run.data.tags["tag.249"] == "249"
    assert len(run.data.metrics) == 50
    assert len(client(store).get_metric_history(tracker.run_id, "m/49")) == 30


def test_what_mlflow_refuses_does_not_hold_up_the_rest(tmp_path, store, client, caplog):
    tracker = start(tmp_path / "run", store)
    client(store).log_param(tracker.wait_run_id(60), "b", "somebody else's")
    tracker.params({"a": 1, "b": 2, "c": 3})
    tracker.metrics({"train/loss": 1.0}, 1)
    assert tracker.close("FINISHED") == 0
    run = client(store).get_run(tracker.run_id)
    assert run.data.params == {"a": "1", "b": "somebody else's", "c": "3"}
    assert run.data.metrics == {"train/loss": 1.0}
    assert "MLflow refused params `b`" in caplog.text
    assert "did not take 1 values" in caplog.text


HARD = {
    "<script>alert(1)</script>": "</script>\"'&",
    "cat\x1b[31m": "a\nb\x00c\x1b]0;owned\x07",
    "class/../..": "\udcff \u202eevil",
    "k" * 300: "x" * 9000,
    "": "",
}


def test_odd_keys_and_long_values_are_made_to_fit(tmp_path, store, client):
    """Class names and overrides reach params and tags; MLflow takes them, the whole is kept."""
    tracker = start(tmp_path / "run", store)
    tracker.params(HARD)
    tracker.tags(HARD)
    tracker.metrics(dict.fromkeys(HARD, 1.0), 1)
    tracker.dataset("d" * 600, "f" * 64, "train", {**HARD, "c" * 300: "v" * 600})
    assert tracker.close("FINISHED") == 0
    mlflow = client(store)
    run = mlflow.get_run(tracker.run_id)
    for found in (run.data.params, run.data.tags, run.data.metrics):
        assert {mlflow_key(key) for key in HARD} <= found.keys()
    assert len(run.data.metrics) == len(HARD)
    long = mlflow_key("k" * 300)
    assert run.data.params[long] == "x" * 5999 + "…"
    assert run.data.tags[long] == "x" * 7999 + "…"
    assert run.data.params[mlflow_key("cat\x1b[31m")] == "a\nb\\x00c\\x1b]0;owned\\x07"
    kept = {file.path for file in mlflow.list_artifacts(tracker.run_id, "full_values")}
    assert f"full_values/{file_of('k' * 300)}" in kept
    copy = mlflow.download_artifacts(tracker.run_id, f"full_values/{file_of('k' * 300)}")
    assert Path(copy).read_text() == "x" * 9000
    assert len(run.inputs.dataset_inputs) == 1


def test_the_splits_of_a_data_set_stay_apart(tmp_path, store, client):
    """Their names and fingerprints are equal, and MLflow takes such inputs for one."""
    tracker = start(tmp_path / "run", store)
    for split, count in (("train", 80), ("validation", 10), ("test", 10)):
        tracker.dataset("digits", "f" * 64, split, {"samples": str(count)})
    assert tracker.close("FINISHED") == 0
    sync(tmp_path / "run")
    inputs = client(store).get_run(tracker.run_id).inputs.dataset_inputs
    told = [({tag.key: tag.value for tag in one.tags}, one.dataset) for one in inputs]
    by_context = {tags["mlflow.data.context"]: (tags, dataset) for tags, dataset in told}
    assert by_context.keys() == {"train", "validation", "test"} and len(inputs) == 3
    assert {dataset.name for _, dataset in told} == {"digits"}
    assert len({dataset.digest for _, dataset in told}) == 3
    assert by_context["train"][0]["samples"] == "80"
    assert by_context["test"][0]["digest"] == "f" * 64
    assert by_context["test"][1].digest.startswith("test-ffff")


def test_a_file_that_is_gone_is_counted(tmp_path, store, caplog):
    tracker = start(tmp_path / "run", "none")
    (tmp_path / "run" / "a.txt").write_text("a")
    tracker.artifact(Path("a.txt"))
    tracker.close("FINISHED")
    (tmp_path / "run" / "a.txt").unlink()
    result = sync(tmp_path / "run", store)
    assert (result.sent, result.refused) == (lines(tmp_path / "run"), 1)
    assert "a.txt is gone" in caplog.text


def test_journal_only_then_sync_to_two_stores(tmp_path, store, client, migrated):
    other = f"sqlite:///{tmp_path / 'other.db'}"
    shutil.copy(migrated, tmp_path / "other.db")
    folder = tmp_path / "run"
    tracker = start(folder, "none")
    tracker.metrics({"train/loss": 0.5}, 1)
    assert (tracker.close("FINISHED"), tracker.uri, tracker.run_id) == (0, None, None)
    with pytest.raises(ValueError, match="Expected a store of argument `uri`"):
        sync(folder)
    first = sync(folder, store)
    assert (first.sent, first.uri) == (lines(folder), store)
    second = sync(folder, other)
    assert second.sent == first.sent
    assert sync(folder, store).sent == sync(folder, other).sent == 0
    for uri, result in ((store, first), (other, second)):
        run = client(uri).get_run(result.run_id)
        assert (run.data.metrics, run.info.status) == ({"train/loss": 0.5}, "FINISHED")


def test_sync_makes_a_new_run_where_the_old_one_is_gone(tmp_path, store, migrated, client):
    folder = tmp_path / "run"
    tracker = start(folder, store)
    tracker.metrics({"train/loss": 0.5}, 1)
    tracker.close("FINISHED")
    fresh = tmp_path / "elsewhere"
    fresh.mkdir()
    shutil.copy(migrated, fresh / "mlflow.db")
    state = (folder / "mirror.json").read_text()
    (folder / "mirror.json").write_text(state.replace(store, f"sqlite:///{fresh}/mlflow.db"))
    result = sync(folder)
    assert result.run_id != tracker.run_id
    assert result.sent == lines(folder)
    assert client(result.uri).get_run(result.run_id).data.metrics == {"train/loss": 0.5}


def test_sync_wants_a_run_folder(tmp_path):
    with pytest.raises(ValueError, match="argument `folder`"):
        sync(tmp_path)
    (tmp_path / "mirror.json").write_text("{}")
    with pytest.raises(ValueError, match=r"mirror\.json"):
        sync(tmp_path)


def test_a_run_that_was_made_but_not_written_down_is_found_again(tmp_path, store, client):
    folder = tmp_path / "run"
    tracker = start(folder, store)
    tracker.metrics({"train/loss": 0.5}, 1)
    tracker.close("FINISHED")
    state = json.loads((folder / "mirror.json").read_text())
    state["stores"] = {}  # as if killed between the making of the run and the writing of its id
    (folder / "mirror.json").write_text(json.dumps(state))
    assert sync(folder).run_id == tracker.run_id
    assert len(client(store).get_metric_history(tracker.run_id, "train/loss")) == 1


def test_a_new_database_is_made(tmp_path, client):
    uri = f"sqlite:///{tmp_path / 'new.db'}"
    tracker = start(tmp_path / "run", uri)
    tracker.metrics({"train/loss": 0.5}, 1)
    assert tracker.close("FINISHED") == 0
    assert client(uri).get_run(tracker.run_id).data.metrics == {"train/loss": 0.5}


def test_the_door_is_checked(tmp_path):
    folder = tmp_path / "run"
    tracker = start(folder, "none")
    before = lines(folder)
    for call in (
        lambda: tracker.artifact(Path("missing.png")),
        lambda: tracker.artifact(Path(__file__)),
    ):
        with pytest.raises(ValueError, match=r"^Expected .*, but got .*Try: "):
            call()
    assert lines(folder) == before
    tracker.params({"a": 1})
    tracker.params({"a": 1})
    assert lines(folder) == before + 1
    with pytest.raises(ValueError, match="param `a` to stay '1'"):
        tracker.params({"a": 2})
    tracker.close("FINISHED")
    with pytest.raises(ValueError, match="Try: supcon resume"):
        start(folder, "none")


def test_nothing_waits_longer_than_five_seconds_for_an_answer():
    assert Pace().quiet == 5.0 and Pace().preflight <= 5.0


def test_settings_are_checked():
    with pytest.raises(ValueError, match="on_unreachable"):
        TrackingSettings(on_unreachable="stop")
    for name in (" ", "x" * 501):
        with pytest.raises(ValueError, match="experiment"):
            TrackingSettings(experiment=name)


@pytest.mark.long
def test_several_processes_share_a_new_database(tmp_path, client):
    """MLflow alone lets them all migrate it, and none of them survives that."""
    uri = f"sqlite:///{tmp_path / 'new.db'}"
    script = (
        "import pathlib, sys\n"
        "from supcon_ext.tracking import Tracker, TrackingSettings\n"
        "tracker = Tracker(pathlib.Path(sys.argv[1]), TrackingSettings(sys.argv[2]),\n"
        "    run_name='run', tags={})\n"
        "tracker.metrics({'train/loss': 0.5}, 1)\n"
        "sys.exit(tracker.close('FINISHED'))\n"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", script, str(tmp_path / str(i)), uri])
        for i in range(3)
    ]
    assert [process.wait() for process in processes] == [0, 0, 0]
    mlflow = client(uri)
    runs = mlflow.search_runs([mlflow.get_experiment_by_name("supcon_ext").experiment_id])
    assert [run.data.metrics for run in runs] == [{"train/loss": 0.5}] * 3
