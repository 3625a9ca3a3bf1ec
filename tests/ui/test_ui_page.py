"""The page as it is built: ids, endpoints, and no path of this machine."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import replace

import gradio as gr
import pytest
from one_server import SERVER

from sn_viz.glossary import GLOSSARY
from sn_viz.ui import page
from sn_viz.ui.components import answer_row, run_panel
from sn_viz.ui.sections import compare_section, exit_section
from sn_viz.ui.server import export, packs
from sn_viz.voting.intervals import wilson

IDS = (
    "tab-examples tab-neurons tab-exit tab-compare btn-find btn-cancel btn-race btn-copy-link btn-export fig-heatmap fig-units "
    "fig-layers fig-histogram fig-map fig-race fig-tradeoff fig-compare fig-null fig-policies risk-level risk-kind policy-facts "
    "neuron-table neuron-page status"
).split()


@pytest.fixture(scope="module")
def built():
    patch = pytest.MonkeyPatch()
    patch.setattr(packs.Prefetcher, "want", lambda _, name, arguments: packs.run_key(name, arguments))
    yield page.build("/some/where/secret/my-model")
    patch.undo()


def test_every_element_of_the_contract_is_there(built):
    ids = {block.elem_id for block in built.blocks.values() if getattr(block, "elem_id", None)}
    assert set(IDS) <= ids


def test_one_click_fills_in_a_committee_and_choices_by_hand_are_named(built):
    ids = {block.elem_id: key for key, block in built.blocks.items() if getattr(block, "elem_id", None)}
    chosen = [ids[name] for name in ("rule", "metric", "voters", "weighting")]
    wired = [
        (target, event, [block._id for block in fn.inputs], [block._id for block in fn.outputs])
        for fn in built.fns.values()
        for target, event in fn.targets
    ]
    assert (ids["committee"], "input", [ids["committee"]], chosen) in wired
    assert all((one, "change", chosen, [ids["committee"]]) in wired for one in chosen)
    assert built.blocks[ids["committee"]].value == "auto"


def test_the_page_explains_its_words(built):
    shown = [part["props"] for part in built.config["components"] if part["props"].get("elem_classes") == ["sn-words"]]
    assert len(shown) == 1
    assert all(f"<dt>{word}</dt>" in shown[0]["value"] for word in GLOSSARY)


def test_six_endpoints_are_public_and_documented(built):
    public = {fn.api_name: fn for fn in built.fns.values() if fn.api_visibility == "public"}
    assert set(public) == {"packs", "find", "predict", "neuron", "exit_race", "open"}
    assert all(len(fn.fn.__doc__) > 40 for fn in public.values())
    assert {fn.api_visibility for fn in built.fns.values()} == {"public", "private"}


def test_the_page_tells_no_path_of_this_machine(built):
    text = json.dumps(built.get_config_file(), default=str)
    assert "/some/where" not in text and "my-model" in text


def test_no_gradio_plot_and_no_template_that_shows_a_value(built):
    for block in built.blocks.values():
        assert not isinstance(block, gr.Plot)
        if isinstance(block, gr.HTML) and block.html_template != "${value}":
            assert "${" not in block.html_template and "{{" not in block.html_template


def test_a_link_to_ones_own_images_names_no_result(run_key):
    assert page.link_to(SERVER, run_key, None, "m", 3, 2, 0.5, "best", "neurons") == "?tab=neurons"
    assert (
        page.link_to(SERVER, run_key, "night", "m", 3, 2, 0.5, "voters", "neurons")
        == "?pack=night&model=m&layer=1&site=residual&neuron=3&t=0.5&exit=2&view=voters&tab=neurons"
    )
    assert (
        page.address_of(SERVER, run_key, "night", "m", 3, 2, None, "best", "exit")
        == "?pack=night&model=m&layer=1&site=residual&neuron=3&exit=2&tab=exit"
    )


def test_the_address_waits_for_the_neuron_of_a_new_run(run_key):
    assert page.address_of(SERVER, run_key, "night", "m", 10**6, 2, None, "best", "exit") == gr.skip()


def test_the_strip_shows_both_methods_and_the_speedup(planted):
    labels = [fact["label"] for fact in page.strip_facts(planted)]
    assert labels[:3] == ["super neurons", "full model", "faster"]


def judged(run, right):
    """The run with ``right`` of its test images answered right at every exit."""
    rows = tuple(replace(row, accuracy=wilson(right, len(run.test))) for row in run.by_layer)
    return replace(run, by_layer=rows)


def test_the_strip_says_its_verdict_and_its_warnings_before_any_speed(planted):
    key = SERVER.runs.put(judged(planted, 15))
    strip, _ = page.show_strip(SERVER, key, None)
    assert strip["verdict"]["kind"] == "nothing found" and "worse than chance" in strip["verdict"]["text"]
    assert any("lies below what chance reaches" in told for told in strip["warnings"])
    assert "the intervals are wide" in " ".join(strip["warnings"])
    assert [fact["label"] for fact in strip["facts"]] == ["super neurons", "full model", "searched"]
    assert not any("×" in fact["value"] for fact in exit_section.layer_facts(SERVER.runs.get(key), 2)["facts"])


def test_slower_is_called_slower(planted):
    run = replace(judged(planted, 55), latency_ms={"full_model": 10.0, "early_exit": 20.0})
    fact = next(fact for fact in page.strip_facts(run) if "×" in fact["value"])
    assert (fact["label"], fact["value"]) == ("slower", "2.0×")


def test_a_full_model_whose_words_cannot_be_told_gives_way_to_the_calibrated_one(planted):
    untold = replace(planted.baselines[0], accuracy=wilson(0, 0))
    run = replace(planted, baselines=(untold, *planted.baselines[1:]))
    assert page.strip_facts(run)[1]["label"] == "full model, calibrated" and page.strip_facts(run)[1]["value"] == "85.0 %"
    alone = page.strip_facts(replace(planted, baselines=(untold,)))[1]
    assert alone["value"] == "cannot tell"
    assert compare_section.rows(run)[1][1:3] == ["undefined", ""]


def test_an_export_names_a_model_by_its_folders_name_and_tells_no_path(planted):
    run = replace(planted, config=replace(planted.config, model="/srv/models of mine/my-model"))
    with zipfile.ZipFile(io.BytesIO(export.zipped(run))) as archive:
        texts = {name: archive.read(name) for name in archive.namelist()}
    assert not [name for name, text in texts.items() if b"/srv" in text or b"models of mine" in text]
    assert b"my-model" in texts["report.html"] and b"my-model" in texts["run/run.json"]


def test_a_late_answer_never_overwrites_a_later_one(built):
    """Whatever is worked out again at many events has one listener, which waits for its last call and then looks afresh."""
    watching = [fn for fn in built.fns.values() if fn.fn in (built.kept.bind(answer_row.show), run_panel.mark)]
    assert [fn.trigger_mode for fn in watching] == ["always_last"] * 2 and len({fn.fn for fn in watching}) == 2
    assert all(len(fn.targets) >= 3 for fn in watching)  # class cards and ways in reach them through one state


def test_no_event_puts_progress_of_its_own_on_what_it_changes(built):
    assert [fn.api_name for fn in built.fns.values() if fn.show_progress_on != []] == []
