"""Small passes get one thread, large ones all, and the number of threads is as before afterwards."""

from __future__ import annotations

import pytest
import torch

from sn_viz.models.threads import SMALL, threads_for


@pytest.fixture(autouse=True)
def three_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("n_weights", "batch", "device", "threads"),
    [(SMALL, 1, "cpu", 1), (SMALL / 8, 16, "cpu", 3), (7e9, 1, "cpu", 3), (1e6, 1, "meta", 3)],
)
def test_a_pass_gets_what_it_can_use(n_weights, batch, device, threads):
    with threads_for(int(n_weights), batch, torch.device(device)):
        assert torch.get_num_threads() == threads
    assert torch.get_num_threads() == 3


def test_a_failure_gives_the_threads_back():
    with pytest.raises(RuntimeError), threads_for(10, 1, torch.device("cpu")):
        raise RuntimeError
    assert torch.get_num_threads() == 3
