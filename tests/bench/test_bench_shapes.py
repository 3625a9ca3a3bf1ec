"""Models of published dimensions are made without weights, in their own size, and timed."""

from types import MappingProxyType

import pytest
import torch

from sn_viz.bench import Options, shapes
from sn_viz.bench.shape_table import SHAPES, Shape

CPU = torch.device("cpu")
TEXT = {"vocab_size": 64, "hidden_size": 32, "intermediate_size": 48, "num_attention_heads": 4, "num_key_value_heads": 2}
SIGHT = {"hidden_size": 16, "intermediate_size": 24, "image_size": 32, "patch_size": 8, "num_attention_heads": 2}
SMALLER = {
    "llava": {"text_config": TEXT, "vision_config": SIGHT, "image_token_index": 60},
    "idefics3": {"text_config": {**TEXT, "head_dim": 8}, "vision_config": SIGHT, "image_token_id": 60, "scale_factor": 2},
    "qwen3_vl": {
        "text_config": {
            **TEXT,
            "head_dim": 8,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 1, 1]},
        },
        "vision_config": {
            "hidden_size": 16, "intermediate_size": 24, "num_heads": 2, "depth": 3, "patch_size": 8, "out_hidden_size": 32,
            "num_position_embeddings": 16, "deepstack_visual_indexes": [0, 1],
        },
        "image_token_id": 60,
    },
}  # fmt: skip


def small(published: Shape) -> Shape:
    """Return a published shape with all its dimensions cut down, five blocks deep."""
    config = {**published.config, **SMALLER[published.config["model_type"]]}
    for part in ("text_config", "vision_config"):
        config[part] = {**published.config[part], **config[part]}
        config[part].update({"num_hidden_layers": 5} if part == "text_config" else {})
        config[part].pop("pad_token_id", None)
    if "depth" not in config["vision_config"]:
        config["vision_config"]["num_hidden_layers"] = 2
    return Shape(published.name, MappingProxyType(config), "made up", side=32, tiles=published.tiles)


@pytest.mark.parametrize(
    ("shape", "millions"), list(zip(SHAPES, (256, 256, 2128, 7063), strict=True)), ids=lambda one: str(one)[:12]
)
def test_published_dimensions_give_the_published_size(shape, millions):
    module = shapes._empty(shape, torch.bfloat16)
    assert sum(weight.numel() for weight in module.parameters()) / 1e6 == pytest.approx(millions, rel=0.02)
    assert all(weight.is_meta for weight in module.parameters())


@pytest.mark.parametrize("published", [SHAPES[1], SHAPES[2], SHAPES[3]], ids=lambda one: one.name)
def test_a_model_made_in_place_computes_like_one_made_the_usual_way(published):
    shape = small(published)
    vlm = shapes.made(shape, CPU, torch.float32)
    usual = shapes.AutoModelForImageTextToText.from_config(type(vlm.module.config).from_dict(vlm.module.config.to_dict()))
    for name, buffer in usual.named_buffers():
        torch.testing.assert_close(dict(vlm.module.named_buffers())[name], buffer, equal_nan=True)
    usual.load_state_dict(vlm.module.state_dict())
    inputs = shapes.inputs_of(vlm, 2)
    with torch.inference_mode():
        said, expected = (one(**inputs, **vlm.forward_options()).logits for one in (vlm.module, usual.eval()))
    assert said.isfinite().all() and said.std() > 0
    torch.testing.assert_close(said, expected)


def test_every_row_names_its_device_and_the_stages_add_up():
    rows = shapes.measured(small(SHAPES[3]), CPU, rounds=2, budget=5.0)
    said = {row.name.split(": ", 1)[1]: row for row in rows}
    exits = [f"exit at block {layer}" for layer in (1, 2, 4)]
    parts = [f"part: {name}" for name in ("vision tower", "projector", "prefill", "head", "rest")]
    assert list(said) == ["first token, full depth", *exits, "one layer", *parts, "peak memory"]
    assert all(shapes._spoken(CPU) in row.note for row in rows)
    assert sum(said[name].ratio for name in parts) == pytest.approx(1)
    whole, early = said["first token, full depth"], said["exit at block 1"]
    assert early.ratio == pytest.approx(whole.measured / early.measured)
    assert said["peak memory"].measured > 0


def test_what_does_not_fit_says_how_much_it_needs(monkeypatch):
    monkeypatch.setattr(shapes, "free_gb", lambda _device: 3.0)
    (row,) = shapes.measured(SHAPES[3], CPU)
    assert row.measured == pytest.approx(7.063 * 2 + shapes.WORKING_GB, abs=0.1)
    assert "not measured" in row.name and "3.0 GB are free" in row.note


def test_bfloat16_is_taken_where_float32_does_not_fit(monkeypatch):
    shape = small(SHAPES[3])
    need = shapes.needed_gb(shape)
    monkeypatch.setattr(shapes, "free_gb", lambda _device: (need[torch.float32] + need[torch.bfloat16]) / 2)
    assert "bfloat16" in shapes.measured(shape, CPU, rounds=1, budget=1.0)[0].note


def test_half_the_depth_is_an_exit_too():
    assert shapes.exit_layers(30) == [1, 2, 4, 15]
    assert shapes.exit_layers(2) == [1]


def test_rows_come_back_from_the_process_that_measured_them(monkeypatch, capsys):
    def here(code, argument):
        monkeypatch.setattr("sys.argv", ["-c", argument])
        print("something a library says")
        exec(code, {})
        return capsys.readouterr().out

    monkeypatch.setattr(shapes, "SHAPES", (small(SHAPES[3]), small(SHAPES[1])))
    monkeypatch.setattr(shapes, "in_a_fresh_process", here)
    rows = shapes.measure(Options(device="cpu", quick=True))
    assert {row.name.split(",")[0] for row in rows} == {"LLaVA-1.5-7B"}
    assert rows[0].measured > 0 and rows[1].ratio > 0


def test_what_is_too_slow_without_a_gpu_says_so():
    (row,) = shapes.measured(SHAPES[1], CPU)
    assert "without a GPU" in row.note and row.holds is None
