"""Data sets of the hub in the page: any on one's own machine, the operator's on a server."""

from __future__ import annotations

import re

import pytest
from image_files import png

from sn_viz.errors import UserError
from sn_viz.paths import ASSETS
from sn_viz.sources.gather import Found
from sn_viz.sources.hub import Hub
from sn_viz.sources.ingest import decode
from sn_viz.sources.tar_file import ENDS
from sn_viz.ui import page
from sn_viz.ui.components.cards import Cards
from sn_viz.ui.sections import examples_section
from sn_viz.ui.sections.examples_section import Where
from sn_viz.ui.server import datasets


def values(hub: str = "", files=None) -> list:
    return ["file", "night", Cards(), files, hub]


def test_a_name_is_taken_where_a_file_would_be_and_read_as_the_set(monkeypatch):
    def read(data, budget):
        yield from (Found(f"row {i}", "ab"[i % 2], lambda i=i: decode(png(i), "x")) for i in range(8))

    monkeypatch.setattr(Hub, "read", staticmethod(read))
    hub = datasets.chosen(" someone/pets:train ", public=False)
    place = Where.of(values(hub))
    assert hub == "hub:someone/pets:train" and place.files == [hub] and examples_section.uploaded(place) == []
    assert examples_section.from_files(place.files, "Which?").classes == ("a", "b")
    assert place.key != Where.of(values("hub:someone/else")).key


def test_an_uploaded_file_takes_its_place_again():
    assert examples_section._file_instead()[1] == ""
    assert Where.of(values("", ["/x.zip"])).files == ["/x.zip"]


@pytest.mark.parametrize("text", ["", "   ", "no-owner", "https://example.org/x", "../../etc/passwd", "a/b/c", "x" * 5000])
def test_what_is_no_name_is_refused(text):
    with pytest.raises(UserError, match=r"No data set was named|not a data set of the hub"):
        datasets.chosen(text, public=False)


def test_on_a_server_only_what_its_operator_names(monkeypatch):
    monkeypatch.delenv("SN_VIZ_DATASETS", raising=False)
    assert datasets.offered(public=True) == []
    with pytest.raises(UserError, match="not offered here"):
        datasets.chosen("microsoft/cats_vs_dogs", public=True)
    monkeypatch.setenv("SN_VIZ_DATASETS", "lab/pets:small/train, lab/leaves")
    assert datasets.offered(public=True) == [("lab/pets:small/train",) * 2, ("lab/leaves",) * 2]
    assert datasets.chosen("lab/leaves", public=True) == "hub:lab/leaves"


@pytest.mark.parametrize("public", [False, True])
def test_the_field_is_there_where_something_may_be_chosen(public, monkeypatch):
    monkeypatch.delenv("SN_VIZ_DATASETS", raising=False)
    built = page.build(public=public)
    (field,) = [block for block in built.blocks.values() if getattr(block, "elem_id", None) == "hub-data"]
    (button,) = [block for block in built.blocks.values() if getattr(block, "elem_id", None) == "btn-hub-data"]
    assert button.parent.visible is not public and field.allow_custom_value is not public


def test_what_is_offered_shows_its_terms(monkeypatch):
    monkeypatch.setenv("SN_VIZ_DATASETS", "AI-Lab-Makerere/beans@main:train, lab/pets")
    assert datasets.offered(public=True)[0] == (
        "AI-Lab-Makerere/beans@main:train: leaves of beans, healthy or ill (MIT)",
        "AI-Lab-Makerere/beans@main:train",
    )
    assert all(shown.endswith(")") and "(" in shown for shown, _ in datasets.offered(public=False)[2:])


def test_every_tar_that_is_read_can_be_chosen_and_dropped_in_the_page():
    script = (ASSETS / "page" / "data.js").read_text("utf-8")
    dropped = re.search(r"FILE = /(.+?)/i;", script)[1]
    chosen = re.search(r'input.accept = "(.+?)"', script)[1].split(",")
    for end in ENDS:
        assert re.search(dropped, f"pets{end}") and end in chosen
