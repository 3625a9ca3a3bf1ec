"""The benchmarks run, and their rows hold plain values."""

import pytest
import torch
from PIL import Image

from sn_viz.bench import speed
from sn_viz.bench.floor import matmul_rate


def test_speed_has_a_row_for_every_way_to_stop_and_every_part(llava, monkeypatch):
    monkeypatch.setitem(speed.FULL_OVER_EXIT, (llava.name, 1), 5.1)
    rows = speed.rows_of(llava, rounds=2, batches=(1, 2))
    plain = [f"plain transformers, {kind}, {n}" for kind in ("full answer", "first token") for n in ("1 thread", "2 threads")]
    ways = [
        speed.PUBLIC,
        "full answer",
        "first token",
        "exit at V2, last of the tower",
        *(f"exit at block {layer}" for layer in (1, 2, 3)),
    ]
    parts = ["preprocessing", "vision tower", "projector", "embedding", "block 1, last position through its MLP"]
    others = [f"{kind}{of}" for kind in ("full answer", "first token") for of in (" of plain transformers", "")]
    ratios = [*(f"{other} / {speed.PUBLIC}" for other in others), f"full answer / {ways[3]}", "exit at block 1 / sum of the parts"]
    names = [*ways, *plain, *(f"part: {part}" for part in parts), "sum of the parts", *ratios]
    assert [row.name for row in rows] == [f"batch {batch}: {name}" for batch in (1, 2) for name in names]
    by_name = {row.name: row for row in rows}
    apart = sum(by_name[f"batch 1: part: {part}"].measured for part in parts)
    assert by_name["batch 1: sum of the parts"].measured == pytest.approx(apart)
    found = by_name[f"batch 1: full answer / {speed.PUBLIC}"]
    assert (found.target, found.holds) == (">= 5.1", found.ratio >= 5.1)
    times = [by_name[f"batch 1: {name}"].measured for name in ("full answer", speed.PUBLIC)]
    assert found.ratio == pytest.approx(times[0] / times[1])
    assert not by_name[f"batch 2: full answer / {speed.PUBLIC}"].target, "what is aimed at is said by model and batch"
    found = by_name[f"batch 2: first token of plain transformers / {speed.PUBLIC}"]
    times = [by_name[f"batch 2: {name}"].measured for name in (*plain[2:], speed.PUBLIC)]
    assert found.ratio == pytest.approx(min(times[:2]) / times[2]), "its own faster number of threads"


def test_plain_transformers_and_our_full_answer_say_the_same(tiny_llava):
    images = [Image.fromarray(one.pixels) for one in speed.pictures(3)]
    ours = tiny_llava.generate(*speed._asked(images))
    before = torch.get_num_threads()
    for name, way in speed.plain_ways(tiny_llava).items():
        said = [text.strip() for text in way(images)]
        assert said == ours if "full" in name else all(a.startswith(b) for a, b in zip(ours, said, strict=True))
    assert torch.get_num_threads() == before
    (first,) = speed.public_way(tiny_llava)[speed.PUBLIC](images[:1])
    assert (first.exit_layer, first.label in speed.CLASSES) == (1, True)


def test_an_exit_computes_what_its_parts_compute_and_nothing_else(llava):
    ways, images = {**speed.whole_ways(llava), **speed.exit_ways(llava)}, [Image.fromarray(speed.pictures(1)[0].pixels)]
    runs = speed._part_ways(llava, images)
    count = {name: speed._flops(way, images) for name, way in {**ways, **runs}.items()}
    assert count["exit at block 1"] == sum(count[name] for name in runs) > 0
    assert count["exit at V2, last of the tower"] == count["vision tower"]
    assert count["exit at block 3"] < count["first token"] < count["full answer"]


def test_a_large_product_has_a_rate():
    assert matmul_rate(torch.device("cpu"), torch.float32, n_tries=1) > 1e8
