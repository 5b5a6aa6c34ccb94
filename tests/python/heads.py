"""Checkpoints of any size whose weight files have heads and no weights: enough to be measured, not to be loaded."""

from __future__ import annotations

import json
from pathlib import Path


def save_heads(folder: Path, config) -> Path:
    """A folder with the config, and a weight file that names every weight of its model; ties are not looked at."""
    import torch
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    folder.mkdir(parents=True, exist_ok=True)
    config.save_pretrained(folder)
    told = {
        name: {"dtype": "BF16", "shape": list(each.shape), "data_offsets": [0, 0]}
        for name, each in model.state_dict().items()
    }
    head = json.dumps(told).encode()
    (folder / "model.safetensors").write_bytes(len(head).to_bytes(8, "little") + head)
    return folder
