"""Sample packs keep probing and test images apart."""

import numpy as np
import pytest

from sn_viz.errors import UserError
from sn_viz.sources.pack import load_pack, pack_names


@pytest.mark.parametrize("name", [pack.name for pack in pack_names()])
def test_probing_and_test_images_of_a_pack_never_overlap(name):
    train, test = load_pack(name, 16, 16, seed=1)
    assert len(train) == len(test) == 16
    assert not {p.sha256 for p in train.pictures} & {p.sha256 for p in test.pictures}
    assert train.pictures[0].pixels.shape == (224, 224, 3)


def test_another_seed_gives_other_digits():
    one, two = (load_pack("digits-three", 20, 20, seed)[0] for seed in (0, 1))
    assert one.names != two.names
    assert np.array_equal(np.bincount(one.labels), [10, 10])


def test_more_digits_than_there_are_is_refused_with_the_number_there_is():
    with pytest.raises(UserError, match="366"):
        load_pack("digits-three", 300, 300)


def test_an_unknown_pack_lists_what_there_is():
    with pytest.raises(UserError, match="anything-red"):
        load_pack("unicorns")
