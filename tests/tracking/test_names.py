import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supcon_ext.tracking.names import file_of, mlflow_key, model_name, shortened

GOOD = ["train/loss", "val/knn_top1", "time/epoch", "a b", "a:b", "loss-1.5", "é", "a/b/c"]
BAD = ["acc@1", "f1%", "", "/loss", "loss/", "a//b", "./a", "..", ".", "a\n", "x" * 251, "\udcff"]


@pytest.mark.parametrize("key", GOOD)
def test_good_keys_stay(key):
    assert mlflow_key(key) == key


def test_bad_keys_are_told_apart():
    made = [mlflow_key(key) for key in [*BAD, "acc%1", "acc#1", "x" * 252]]
    assert len(set(made)) == len(made)
    assert made[0].startswith("acc_1_")


TEXT = st.text(alphabet="ab1/._-: @%é\n\0\x1b\udcff<", max_size=8)


@settings(deadline=None)
@given(st.one_of(TEXT, st.text(max_size=300)))
def test_mlflow_takes_every_key(key):
    from mlflow.utils.validation import _validate_metric, _validate_param, _validate_tag

    made = mlflow_key(key)
    _validate_metric(made, 0.0, 0, 0)
    _validate_param(made, "1")
    _validate_tag(made, "1")
    made.encode()
    assert mlflow_key(made) == made


@settings(deadline=None)
@given(st.one_of(TEXT, st.text(max_size=300)))
def test_names_of_files_and_models(key):
    from mlflow.utils.validation import _validate_logged_model_name

    _validate_logged_model_name(model_name(key))
    assert len(file_of(key)) < 100 and "/" not in file_of(key) and file_of(key).isascii()


@given(st.text(), st.integers(1, 20))
def test_values_are_cut_visibly(value, limit):
    made = shortened(value, limit)
    assert len(made) <= limit
    made.encode()
    if len(value) <= limit and value.isprintable():
        assert made == value
    if len(value) > limit:
        assert made.endswith("…")
