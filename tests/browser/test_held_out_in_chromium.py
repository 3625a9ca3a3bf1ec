"""What cannot be tested, seen in the page: crops of two photographs."""

import pytest

pytestmark = pytest.mark.browser


def test_the_photographs_are_a_demonstration_in_every_section(watched):
    watched.open("?pack=photos")
    assert "A demonstration" in watched.page.inner_text("#run-facts")
    watched.drawer()
    assert "demonstration" in watched.page.locator(".sn-card, [class*=card]").filter(has_text="Flower or temple").first.inner_text()
    for section, figures in {
        "Neurons": ("fig-heatmap", "fig-histogram", "fig-map"),
        "Early exit": ("fig-layers",),
        "Compare": ("fig-tradeoff",),
    }.items():
        watched.section(section)
        for figure in figures:
            watched.bring(figure)
        assert "NaN" not in watched.page.locator("main, .gradio-container").first.inner_text()
    watched.section("Early exit")
    watched.page.locator("#race-images .sn-tile").first.click()
    watched.page.click("#btn-race")
    watched.page.wait_for_selector("#race-lanes .sn-lane-full.sn-lane-done", timeout=120_000)
    watched.check()
