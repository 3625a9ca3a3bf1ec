"""The benchmarks run, and their rows hold plain values."""

import pytest
import torch
from PIL import Image

from sn_viz.bench import speed
from sn_viz.bench.floor import matmul_rate


def test_speed_has_a_row_for_every_way_to_stop_and_every_part(llava):
    rows = speed.rows_of(llava, rounds=2, batches=(1, 2))
    ways = ["full answer", "first token", "exit at V2, last of the tower", *(f"exit at block {layer}" for layer in (1, 2, 3))]
    parts = ["preprocessing", "vision tower", "projector", "embedding", "block 1, last position through its MLP"]
    ratios = ["full answer / exit at block 1", "first token / exit at block 1", "exit at block 1 / sum of the parts"]
    names = [*ways, *(f"part: {part}" for part in parts), "sum of the parts", *ratios]
    assert [row.name for row in rows] == [f"batch {batch}: {name}" for batch in (1, 2) for name in names]
    by_name = {row.name: row for row in rows}
    apart = sum(by_name[f"batch 1: part: {part}"].measured for part in parts)
    assert by_name["batch 1: sum of the parts"].measured == pytest.approx(apart)
    found = by_name["batch 1: full answer / exit at block 1"]
    assert (found.target, found.holds) == (">= 5.1", found.ratio >= 5.1)
    times = [by_name[f"batch 1: {name}"].measured for name in ("full answer", "exit at block 1")]
    assert found.ratio == pytest.approx(times[0] / times[1])


def test_an_exit_computes_what_its_parts_compute_and_nothing_else(llava):
    ways, images = {**speed.whole_ways(llava), **speed.exit_ways(llava)}, [Image.fromarray(speed.pictures(1)[0].pixels)]
    runs = speed._part_ways(llava, images)
    count = {name: speed._flops(way, images) for name, way in {**ways, **runs}.items()}
    assert count["exit at block 1"] == sum(count[name] for name in runs) > 0
    assert count["exit at V2, last of the tower"] == count["vision tower"]
    assert count["exit at block 3"] < count["first token"] < count["full answer"]


def test_a_large_product_has_a_rate():
    assert matmul_rate(torch.device("cpu"), torch.float32, n_tries=1) > 1e8
