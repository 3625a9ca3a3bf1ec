"""Is a loaded model as large as the arithmetic says? A model of known size is made, and loaded in processes of their own.

Takes nothing; returns rows of plain values. The arithmetic is that of ``models.memory``, whose table stands in docs/models.md.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

import torch

from sn_viz.bench import BENCHES, Options, Row, in_a_fresh_process, row
from sn_viz.models.memory import Sizes, weight_bytes
from sn_viz.paths import ASSETS

WIDTH, LAYERS = 1024, 12
QUICK_WIDTH = 768
CHILD = """
import json, sys
from pathlib import Path
import torch
from sn_viz.models import load_model
from sn_viz.models.options import LoadOptions

def resident():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))

folder, dtype = json.loads(sys.argv[1])
load_model("tiny-llava")  # libraries and their kernels are here before the clock begins
before = resident()
vlm = load_model(folder, device="cpu", options=LoadOptions(dtype=dtype))
print(json.dumps([resident() - before, vlm.n_weights]))
"""


@BENCHES.register("memory")
def measure(options: Options) -> list[Row]:
    """Load a random LLaVA of known size in float32 and bfloat16, and compare the memory that it takes with its weights' bytes."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = save_checkpoint(Path(folder) / "llava", QUICK_WIDTH if options.quick else WIDTH)
        for dtype in ("float32", "bfloat16"):
            said = in_a_fresh_process(CHILD, json.dumps([str(checkpoint), dtype]))
            taken, n_weights = json.loads(said.splitlines()[-1])
            expected = weight_bytes(Sizes("llava", n_weights, WIDTH, 4 * WIDTH, LAYERS, 600), dtype)
            note = f"{n_weights / 1e6:.1f} million weights: {expected / 1e6:.0f} MB by arithmetic"
            rows.append(row(f"memory of a model in {dtype}", taken / 1e6, "MB", at_most=1.25, ratio=taken / expected, note=note))
    return rows


def save_checkpoint(folder: Path, width: int) -> Path:
    """Write a random LLaVA whose decoder has that width, in bfloat16, with the processor of the embedded one."""
    from transformers import AutoConfig, AutoModelForImageTextToText

    shutil.copytree(ASSETS / "tiny-llava", folder, ignore=shutil.ignore_patterns("*.safetensors*"))
    config = AutoConfig.from_pretrained(folder, local_files_only=True)
    text = config.get_text_config()
    text.hidden_size, text.intermediate_size, text.num_hidden_layers, text.head_dim = width, 4 * width, LAYERS, 64
    text.num_attention_heads = text.num_key_value_heads = width // 64
    module = AutoModelForImageTextToText.from_config(config, dtype=torch.bfloat16)
    module.save_pretrained(folder)
    return folder
