"""The kernels compiled for real GPUs, which needs none: what ptxas says of the shipped sizes."""

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

pytest.importorskip("triton")
if os.environ.get("TRITON_INTERPRET") == "1":
    pytest.skip("an interpreted kernel cannot be compiled", allow_module_level=True)

import triton
from kernels_source.token_logprobs import fused
from triton.backends.compiler import GPUTarget
from triton.backends.nvidia.compiler import get_ptxas
from triton.compiler import ASTSource

# The most that one block may take, in bytes (CUDA C++ Programming Guide, technical specifications
# by compute capability): A100, H100 and B200.
SHARED_MEMORY_LIMIT = {80: 163 * 1024, 90: 227 * 1024, 100: 227 * 1024}
KERNELS = [fused.forward_kernel, fused.backward_kernel]


@dataclass(frozen=True)
class Compiled:
    ptx: str
    shared_bytes: int
    ptxas_report: str


def source(kernel, logits_type: str, with_entropy: bool, vocabulary_multiple_of_16: bool):
    """The kernel as a launch specialises it; allocations of torch are aligned to 16 bytes."""
    signature, attributes = {}, {}
    for i, name in enumerate(kernel.arg_names):
        if name.endswith("_NV"):
            signature[name] = f"*{logits_type}"
        elif name.endswith("_N"):
            signature[name] = "*i64" if name == "targets_N" else "*fp32"
        elif name in ("WITH_ENTROPY", "BLOCK"):
            signature[name] = "constexpr"
        else:
            signature[name] = "fp32" if name == "inverse_temperature" else "i32"
        follows_vocabulary = name.endswith("stride") or name == "vocabulary"
        if name.endswith(("_N", "_NV")) or (follows_vocabulary and vocabulary_multiple_of_16):
            attributes[(i,)] = [["tt.divisibility", 16]]
    constants = {"WITH_ENTROPY": with_entropy, "BLOCK": fused.BLOCK_COLUMNS}
    return ASTSource(kernel, signature, constexprs=constants, attrs=attributes)


def compile_for(chip: int, kernel_source: ASTSource, folder: Path) -> Compiled:
    target = GPUTarget("cuda", chip, 32)
    kernel = triton.compile(kernel_source, target=target, options=fused.OPTIONS)
    architecture = f"sm_{chip}a" if chip >= 90 else f"sm_{chip}"
    (folder / "kernel.ptx").write_text(kernel.asm["ptx"])
    ptxas = get_ptxas(chip).path
    run = subprocess.run(
        [ptxas, "-v", "--gpu-name", architecture, "kernel.ptx", "-o", "kernel.cubin"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    return Compiled(kernel.asm["ptx"], kernel.metadata.shared, run.stderr)


@pytest.mark.parametrize("chip", SHARED_MEMORY_LIMIT)
@pytest.mark.parametrize("with_entropy", [False, True])
@pytest.mark.parametrize("logits_type", ["bf16", "fp32"])  # fp16 has the layout of bf16
@pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: kernel.__name__)
def test_nothing_spills_and_shared_memory_fits(
    kernel, logits_type: str, with_entropy: bool, chip: int, tmp_path: Path
) -> None:
    compiled = compile_for(chip, source(kernel, logits_type, with_entropy, True), tmp_path)

    registers = int(re.search(r"Used (\d+) registers", compiled.ptxas_report)[1])
    # Shown by pytest -rA: the table in the op's README.md.
    print(f"{registers} registers, {compiled.shared_bytes} bytes of shared memory")
    assert "0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads" in compiled.ptxas_report
    assert compiled.shared_bytes <= SHARED_MEMORY_LIMIT[chip]
    # A multiprocessor has 65,536 registers: three blocks keep loads in flight while one reduces.
    assert registers * 32 * fused.NUM_WARPS * 3 <= 65_536


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: kernel.__name__)
def test_an_aligned_row_moves_16_bytes_at_a_time(kernel, tmp_path: Path) -> None:
    compiled = compile_for(80, source(kernel, "bf16", True, True), tmp_path)
    assert "ld.global.v4.b32" in compiled.ptx
    assert ("st.global.v4.b32" in compiled.ptx) == (kernel is fused.backward_kernel)


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: kernel.__name__)
def test_a_vocabulary_that_is_no_multiple_of_16_spills_nothing(kernel, tmp_path: Path) -> None:
    compiled = compile_for(80, source(kernel, "bf16", True, False), tmp_path)
    assert "0 bytes spill stores, 0 bytes spill loads" in compiled.ptxas_report
