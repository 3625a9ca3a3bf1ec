"""Small pictures for the page: made once, kept in a bounded number."""

from __future__ import annotations

import numpy as np

from sn_viz.types import Picture
from sn_viz.ui.components import views


def picture(shade: int) -> Picture:
    return Picture(np.full((20, 30, 3), shade, dtype=np.uint8))


def test_a_picture_is_encoded_once_for_each_size(monkeypatch):
    encoded = []
    real = views.data_url
    monkeypatch.setattr(
        views, "data_url", lambda pixels, size, *more, **named: encoded.append(size) or real(pixels, size, *more, **named)
    )
    views.thumbnail.cache.clear()
    first = views.thumbnail(picture(3))
    assert views.thumbnail(picture(3)) == views.thumbnail(picture(3), views.THUMBNAIL_PIXELS) == first
    assert views.thumbnail(picture(200)) != first and views.thumbnail(picture(3), pixels=224) != first
    assert encoded == [112, 112, 224]


def test_the_small_picture_shown_longest_ago_leaves_first(monkeypatch):
    views.thumbnail.cache.clear()
    monkeypatch.setattr(views, "data_url", lambda *_given, **_named: "data:")
    first, second = picture(1), picture(2)
    views.thumbnail(first), views.thumbnail(second)
    for size in range(1000, 1000 + views.THUMBNAILS_KEPT - 2):
        views.thumbnail(second, size)
    views.thumbnail(first)
    views.thumbnail(second, 999)
    kept = views.thumbnail.cache
    assert len(kept) == views.THUMBNAILS_KEPT and (first.sha256, 112) in kept and (second.sha256, 112) not in kept
    kept.clear()
