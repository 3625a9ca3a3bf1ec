"""Pictures decoded ahead come in order, few at a time, and are those decoded one by one."""

import threading

import numpy as np
import pytest
from PIL import Image

from sn_viz.errors import UserError
from sn_viz.sources import ahead
from sn_viz.sources.ahead import decoded_ahead
from sn_viz.sources.ingest import as_picture
from sn_viz.sources.later import from_file


@pytest.fixture
def paths(tmp_path):
    random = np.random.default_rng(2)
    for i in range(7):
        Image.fromarray(random.integers(0, 256, (20, 30, 3), np.uint8)).save(tmp_path / f"{i}.png")
    return sorted(tmp_path.glob("*.png"))


def digests(parts):
    return [picture.sha256 for part in parts for picture in part]


@pytest.mark.parametrize("size", [1, 3, 7, 100])
def test_every_kind_of_image_comes_in_order(paths, size):
    with Image.open(paths[3]) as opened:
        images = [paths[0], str(paths[1]), paths[2].read_bytes(), opened.convert("RGB"), np.asarray(Image.open(paths[4]))]
    images += [as_picture(paths[5]), from_file(paths[6], "6.png")]
    parts = list(decoded_ahead(images, size))
    assert digests(parts) == [as_picture(path).sha256 for path in paths]
    assert [len(part) for part in parts] == [min(size, 7 - start) for start in range(0, 7, size)]
    assert digests(decoded_ahead(images[:1], size)) == digests([parts[0][:1]]) and list(decoded_ahead([], size)) == []


def test_two_parts_are_decoded_at_most_before_somebody_looks(paths, monkeypatch):
    begun, lock = [], threading.Lock()

    def noted(image, *rest):
        with lock:
            begun.append(image)
        return as_picture(image, *rest)

    monkeypatch.setattr(ahead, "as_picture", noted)
    parts = decoded_ahead(paths, 2)
    next(parts)
    assert 2 <= len(begun) <= 4 and set(begun) <= set(paths[:4])
    parts.close()


def test_the_first_image_that_cannot_be_read_is_told_when_its_turn_comes(paths):
    paths[4].write_bytes(b"no picture")
    parts = decoded_ahead(paths, 2)
    assert len(next(parts)) == len(next(parts)) == 2
    with pytest.raises(UserError, match="4.png"):
        next(parts)
