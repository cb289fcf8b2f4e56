from pathlib import Path

import numpy as np
import pytest

from data_tools.fingerprint import fingerprint, portable

VECTORS = {"index": np.array([0, 2, 5]), "given": np.array([1, 0, 1])}
SETTINGS = {"noise": {"kind": "symmetric", "rate": 0.4, "seed": 0}, "classes": [1, 2.5, None]}


def test_it_never_changes() -> None:
    """The value is part of what users write down: a new one breaks every record."""
    assert fingerprint(VECTORS, SETTINGS) == (
        "8ce722d2473410640b372ac7156b4156459e0672a6dec50d0d1e31600c49830a"
    )


def test_it_does_not_depend_on_types_or_order() -> None:
    wanted = fingerprint(VECTORS, SETTINGS)
    for kind in (np.int32, np.uint8, ">i8"):
        vectors = {name: VECTORS[name].astype(kind) for name in ("given", "index")}
        assert fingerprint(vectors, SETTINGS) == wanted
    settings = {
        "classes": (np.int64(1), np.float64(2.5), None),
        "noise": {"seed": 0.0, "rate": np.float64(0.4), "kind": "symmetric"},
    }
    assert fingerprint(VECTORS, settings) == wanted
    strided = {name: np.repeat(vector, 2)[::2] for name, vector in VECTORS.items()}
    assert fingerprint(strided, SETTINGS) == wanted


@pytest.mark.parametrize(
    ("vectors", "settings"),
    [
        (VECTORS | {"given": np.array([1, 0, 0])}, SETTINGS),
        (VECTORS | {"index": np.array([0, 2, 6])}, SETTINGS),
        ({"index": VECTORS["given"], "given": VECTORS["index"]}, SETTINGS),
        (VECTORS, SETTINGS | {"more": 1}),
        (VECTORS, SETTINGS | {"noise": {"kind": "symmetric", "rate": 0.4, "seed": 1}}),
    ],
)
def test_it_tells_data_apart(vectors, settings) -> None:
    assert fingerprint(vectors, settings) != fingerprint(VECTORS, SETTINGS)


def test_settings_are_freed_of_places() -> None:
    here = {"root": "/a", "file": "/a/labels.npz", "nested": [{"train_file": Path("b/list.txt")}]}
    there = {"root": "/z", "download": True, "file": "labels.npz"}
    assert portable(here) == {"file": "labels.npz", "nested": [{"train_file": "list.txt"}]}
    assert portable(there) == {"file": "labels.npz"}
    assert portable({"flag": True, "mode": "rgb", "none": None}) == {
        "flag": True,
        "mode": "rgb",
        "none": None,
    }


def test_what_cannot_be_hashed_is_refused() -> None:
    with pytest.raises(ValueError, match=r"integers for `index`"):
        fingerprint({"index": np.array([0.5])}, {})
    with pytest.raises(ValueError, match=r"plain values.*object"):
        fingerprint(VECTORS, {"thing": object()})
