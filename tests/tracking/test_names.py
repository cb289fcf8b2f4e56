import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supcon_ext.tracking.names import check_key


@pytest.mark.parametrize(
    "key", ["train/loss", "val/knn_top1", "time/epoch", "a b", "a:b", "loss-1.5", "é", "a/b/c"]
)
def test_good_keys_pass(key):
    assert check_key(key, "metric") == key


@pytest.mark.parametrize(
    "key", ["acc@1", "f1%", "", "/loss", "loss/", "a//b", "./a", "..", ".", "a\n", "x" * 251]
)
def test_bad_keys_raise(key):
    with pytest.raises(ValueError, match=r"Expected .* metric `key`"):
        check_key(key, "metric")


def test_message_names_the_right_spelling():
    with pytest.raises(ValueError, match="Try: 'acc_1'"):
        check_key("acc@1", "metric")


@settings(deadline=None)
@given(st.text(alphabet="ab1/._-: @%é\n", max_size=8))
def test_agrees_with_mlflow(key):
    from mlflow.exceptions import MlflowException
    from mlflow.utils.validation import _validate_metric

    def ours():
        try:
            check_key(key, "metric")
        except ValueError:
            return False
        return True

    def theirs():
        try:
            _validate_metric(key, 0.0, 0, 0)
        except MlflowException:
            return False
        return True

    # MLflow takes a line break at the end, and some of its checks an empty key: we do not.
    if not key or key.endswith("\n"):
        assert not ours()
    else:
        assert ours() == theirs()
