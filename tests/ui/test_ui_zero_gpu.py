"""The page as a Space on ZeroGPU serves it, with the package ``spaces`` and somebody who lends."""

from __future__ import annotations

from pathlib import Path

import lent_gpu
import pytest
from gradio_client import Client
from raw_client import started


@pytest.mark.long
def test_a_visitors_search_is_read_on_a_gpu_that_is_lent_to_that_visitor(tmp_path):
    """Who visits is told to whoever lends, so that it is the visitor's share of the GPUs that is used."""
    command = (str(Path(lent_gpu.__file__)), "app.py")
    with lent_gpu.lender() as lends, started(tmp_path, command, **lends.environment(), HOME=str(tmp_path)) as server:
        assert lends.count("/startup-report") == 1, "a Space that reports no function for the GPU is ended"
        client = Client(server.address, verbose=False, headers={"x-ip-token": "of.this.visitor"})
        found = client.predict("presence-dog", None, "Can you see a dog here?", "tiny-llava", 10, 0, "", api_name="/find")
        assert found["run"], found
    tokens = {asked.get("token") for path, asked in lends.asked if path == "/schedule"}
    assert "of.this.visitor" in tokens, lends.asked
    assert lends.count("/release") == lends.count("/schedule") > 0
