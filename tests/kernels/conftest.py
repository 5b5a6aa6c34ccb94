"""Makes `kernels/` importable as `kernels_source` and poisons memory that nobody has written."""

import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

SOURCE = Path(__file__).parents[2] / "kernels"

# Not `dalign.kernels`: its copy in an editable install is stale after an edit. Not the repository
# root on sys.path: transformers looks for the unrelated package `kernels` and would find this one.
_spec = importlib.util.spec_from_file_location("kernels_source", SOURCE / "__init__.py")
assert _spec is not None and _spec.loader is not None
sys.modules["kernels_source"] = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(sys.modules["kernels_source"])

# Triton decides at its own import whether kernels are interpreted, and other tests import it too:
# test_token_logprobs_interpreted.py runs this file in a process of its own.
collect_ignore = (
    [] if os.environ.get("TRITON_INTERPRET") == "1" else ["test_token_logprobs_fused.py"]
)


@pytest.fixture(autouse=True)
def unwritten_memory_is_nan() -> Iterator[None]:
    # In this mode torch.empty fills floating-point memory with NaN.
    assert torch.utils.deterministic.fill_uninitialized_memory
    # Not use_deterministic_algorithms, which imports the compiler: 4 s in each process.
    torch.set_deterministic_debug_mode("error")
    assert torch.empty(3).isnan().all()
    yield
    torch.set_deterministic_debug_mode("default")
