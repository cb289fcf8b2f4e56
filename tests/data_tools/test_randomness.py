import zlib

import numpy as np
import pytest

from data_tools.randomness import generator, keyed_generator, named_stream, stream


def test_numbers_stay_what_they_are() -> None:
    """Data sets that people have made hang on them."""
    assert generator("noise", 0).integers(0, 1000, 4).tolist() == [927, 658, 132, 79]
    assert keyed_generator(1, 2).integers(0, 1000, 4).tolist() == [643, 448, 938, 430]
    assert keyed_generator(7).integers(0, 1000, 4).tolist() == [944, 625, 684, 897]
    words = np.random.SeedSequence([5, zlib.crc32(b"x")]).generate_state(4)
    assert (named_stream("x", 5).generate_state(4) == words).all()
    assert (stream(5, zlib.crc32(b"x")).generate_state(4) == words).all()


def test_purposes_and_keys_are_independent() -> None:
    drawn = [generator(purpose, seed).random(2000) for purpose in "ab" for seed in (0, 1)]
    drawn += [keyed_generator(*key).random(2000) for key in ((0, 1), (1, 0), (1, 2, 3))]
    assert abs(np.corrcoef(drawn) - np.eye(len(drawn))).max() < 0.1


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(ValueError, match="argument `seed`, but got -1"):
        generator("noise", -1)
