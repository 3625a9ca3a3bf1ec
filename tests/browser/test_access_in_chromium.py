"""Nothing serious or critical that axe-core finds, in either look, in any part of the page; what is left is named one by one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import axe_playwright_python
import pytest

pytestmark = pytest.mark.browser
AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
FIND = """async () => (await axe.run(document, {resultTypes: ['violations']})).violations
    .filter(found => ['serious', 'critical'].includes(found.impact))
    .flatMap(found => found.nodes.map(node => [found.id, node.target.join(' '), node.html.slice(0, 120)]))"""
FILLED = "['neuron-table', 'compare-table'].every((id) => document.querySelector(`#${id} .virtual-table-viewport td`))"
EXCEPTIONS: dict[str, tuple[str, ...]] = {}
"""Rule -> parts of a selector of elements inside Gradio's own widgets that neither style nor a name of ours can mend."""


def whole(page) -> None:
    page.locator("#words button").first.click()


def drawer(page) -> None:
    page.click("#btn-data")
    page.wait_for_timeout(500)


def own_images(page) -> None:
    drawer(page)
    page.get_by_role("tab", name="My images", exact=True).click()
    page.wait_for_timeout(500)


def files(page) -> None:
    drawer(page)
    page.get_by_role("tab", name="Files", exact=True).click()
    page.locator("#advanced button").first.click()
    page.wait_for_timeout(500)


def lesson(page) -> None:
    page.locator(".sn-header nav a[data-section=learn]").click()
    page.locator(".sn-learn-option").first.click()
    page.locator(".sn-learn-table summary").click()
    page.locator(".sn-learn-teacher summary").click()


def projected(page) -> None:
    lesson(page)
    page.get_by_role("button", name="Projector").click()


def word(page) -> None:
    page.locator(".sn-panel .sn-term").first.focus()
    page.keyboard.press("Enter")


@pytest.mark.parametrize("state", [whole, drawer, own_images, files, lesson, projected, word], ids=lambda state: state.__name__)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_serious_but_what_is_named(watched, theme: str, state: Callable):
    watched.open(f"?__theme={theme}")
    for figure in ("fig-heatmap", "fig-histogram", "fig-layers"):
        watched.data(figure)
    state(watched.page)
    watched.page.evaluate(AXE)
    found = [tuple(each) for each in watched.page.evaluate(FIND)]
    assert [each for each in found if not any(part in each[1] for part in EXCEPTIONS.get(each[0], ()))] == []


@pytest.mark.parametrize("watched", [(390, 844)], indirect=True)
def test_axe_finds_nothing_serious_on_a_telephone(watched):
    watched.open("?learn=2")
    watched.page.wait_for_function(FILLED)  # a table without rows has no cell to focus yet
    watched.page.evaluate(AXE)
    found = [tuple(each) for each in watched.page.evaluate(FIND)]
    assert [each for each in found if not any(part in each[1] for part in EXCEPTIONS.get(each[0], ()))] == []
