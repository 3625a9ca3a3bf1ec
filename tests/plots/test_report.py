"""The self-contained page: complete, escaped, written all at once."""

from __future__ import annotations

import base64
import io
import os
import re
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image
from planted_run import HOSTILE, make_run

from sn_viz.errors import UserError
from sn_viz.glossary import GLOSSARY
from sn_viz.report import page as report
from sn_viz.voting.intervals import wilson


def small_run(**fields):
    return make_run(n_train=6, n_test=6, n_layers=3, n_units=6, **fields)


class Tags(HTMLParser):
    """Every tag with its attributes, as a browser would find them."""

    def __init__(self, page):
        super().__init__()
        self.found = []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))


@pytest.fixture(scope="module")
def hostile_page():
    run = small_run(classes=HOSTILE, names=HOSTILE)
    return report.page(replace(run, warnings=("</script><script>alert(1)</script>",), config=replace(run.config, model=HOSTILE[0])))


def test_the_page_holds_every_part_and_asks_for_nothing(tmp_path):
    path = report.write_report(small_run(), tmp_path / "report.html")
    page = path.read_text("utf-8")
    for part in ("Is there a dog?", "plotly.js v", "L2 mlp-neuron 5", "the intervals are wide", "Full model", "balanced-accuracy"):
        assert part in page
    sources = [value for _, given in Tags(page).found for name, value in given.items() if name in ("src", "href")]
    assert sources and all(source.startswith("data:image/png;base64,") for source in sources)
    assert "default-src 'none'" in page


def test_the_words_that_the_page_uses_are_explained_on_it_and_no_others():
    told = re.search(r'<section class="words">.*?</section>', report.page(small_run()), re.DOTALL)[0]
    shown = re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", told)
    assert {"super neuron", "layer", "balanced accuracy", "held-out"} <= {word for word, _ in shown}
    assert "LoRA" not in dict(shown), "nothing on this page was compared with it"
    assert all(unescape(said) == GLOSSARY[word] and not set(said) & set("<>\"'") for word, said in shown)


def test_every_figure_has_a_place_and_a_sentence():
    shown = report.sections(small_run())
    keys = [section.key for section in shown]
    assert keys == "compare layers tradeoff heatmap null units histogram map map-correct".split()
    assert all(section.sentence.endswith(".") for section in shown)


def test_hostile_names_make_no_elements(hostile_page):
    tags = Tags(hostile_page).found
    frame = "html head meta title style body main header section script".split()
    content = "figure figcaption img h1 h2 h3 p b bdi span br div table thead tbody tr th td small ul li dl dt dd".split()
    assert {tag for tag, _ in tags} <= {*frame, *content}
    assert [tag for tag, _ in tags].count("script") == 3
    assert not [given for _, given in tags if any(name.startswith("on") or name == "href" for name in given)]


def test_hostile_text_is_still_there_to_read(hostile_page):
    assert "&lt;img src=x onerror=alert(1)&gt;" in hostile_page and "&lt;/script&gt;" in hostile_page


def test_the_answer_is_said_in_words():
    text = words_of(report.summary(make_run(n_layers=3, n_units=6)))
    assert text.startswith("Stopping after layer 2 of 3, 5 super neurons answer 76.0 % of 60 held-out images correctly")
    assert text.endswith("18 ms instead of 90 ms: 5.0 times as fast.")


def words_of(html):
    return re.sub(r"<[^>]*>", "", html).replace("\u00a0", " ")


def test_no_speed_is_told_beside_an_accuracy_that_may_be_chance():
    run = small_run()
    assert "times as" not in words_of(report.summary(run))
    page = report.page(run)
    assert '<p class="verdict unclear" role="status">' in page and "Unclear: right on 76.0 % of 6" in page
    assert "touches what chance reaches" in page


def test_a_full_model_whose_words_cannot_be_told_is_not_given_a_figure():
    run = make_run(n_layers=3, n_units=6)
    run = replace(run, baselines=(replace(run.baselines[0], accuracy=wilson(0, 0)), *run.baselines[1:]))
    text = words_of(report.summary(run))
    assert "whose meaning cannot be told" in text and "Calibrated on the probing images it answers 85.0 %" in text
    assert "undefined" in words_of(report._methods_table(run))


def test_the_held_out_score_of_a_neuron_is_the_same_in_page_and_report():
    from sn_viz.ui.components import neuron

    run = make_run(n_layers=3, n_units=6, n_test=31)
    table = {row[1]: row[4] for row in neuron.table(run, len(run.neurons))}
    cells = re.findall(r"<tr>(.*?)</tr>", report._voters_table(run))[1:]
    rows = [[words_of(cell) for cell in re.findall(r"<td>(.*?)</td>", row)] for row in cells]
    assert rows and all(table[row[0]] == row[4] for row in rows)


def test_a_run_without_a_test_split_or_baselines_still_makes_a_page():
    run = make_run(n_train=4, n_test=0, n_layers=2, n_units=6)
    page = report.page(replace(run, by_layer=(), baselines=(), null_scores=np.empty(0, np.float32)))
    assert "No exit layer has been measured yet." in page


def test_thumbnails_are_small_true_pictures():
    pixels = np.zeros((200, 301, 3), dtype=np.uint8)
    pixels[:, 150:] = (250, 10, 20)
    kind, data = report.thumbnail(pixels).split(",")
    picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))
    assert kind == "data:image/png;base64" and max(picture.shape) <= 96
    assert picture[0, 0].tolist() == [0, 0, 0] and picture[-1, -1].tolist() == [250, 10, 20]


def test_a_one_pixel_picture_is_a_thumbnail_too():
    pixels = np.full((1, 1, 3), 7, dtype=np.uint8)
    data = report.thumbnail(pixels).split(",")[1]
    assert np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))).tolist() == [[[7, 7, 7]]]


def test_a_report_for_no_folder_is_refused_in_a_sentence(tmp_path):
    with pytest.raises(UserError, match="folder does not exist"):
        report.write_report(small_run(), tmp_path / "missing" / "report.html")
    with pytest.raises(UserError, match="That is a folder"):
        report.write_report(small_run(), tmp_path)


def test_a_failed_write_leaves_the_old_report(tmp_path, monkeypatch):
    path = tmp_path / "report.html"
    path.write_text("the old one")

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match="No space left on device"):
        report.write_report(small_run(), path)
    assert path.read_text() == "the old one" and [each.name for each in tmp_path.iterdir()] == ["report.html"]
