"""Where a model computes, and in which numbers, where its config leaves that open. torch is imported where a GPU may be."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from dalign.config import AUTO, Model
from dalign.errors import InputError

# One of these is there wherever torch finds a GPU on Linux: NVIDIA's, AMD's, Windows' through WSL, Tegra's.
_DRIVERS = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg", "/dev/nvmap")
CPU, CUDA = "cpu", "cuda"
# What computes an attention beside torch itself.
_ATTENTION_BY = {"flash_attention_2": "flash_attn"}


def settled(model: Model) -> Model:
    """The model with a device and a dtype in place of `auto`: a GPU in bfloat16 if there is one that can, else float32."""
    device, dtype = model.device, model.dtype
    if device == AUTO:
        device = CUDA if _finds_gpu() else CPU
    if dtype == AUTO:
        dtype = "bfloat16" if device.startswith(CUDA) and _has_bfloat16() else "float32"
    return model.model_copy(update={"device": device, "dtype": dtype})


def gpus() -> tuple[str, ...]:
    """The GPUs that CUDA_VISIBLE_DEVICES leaves in sight, by what it calls them; without it all of NVIDIA's, by their numbers."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return tuple(filter(None, (name.strip() for name in named.split(","))))
    return tuple(
        sorted(
            (path.name.removeprefix("nvidia") for path in Path("/dev").glob("nvidia[0-9]*")),
            key=int,
        )
    )


def check_device(key: str, device: str) -> None:
    """Raises InputError for a device that this machine does not have, by the setting that names it.

    Without torch nothing is said: what needs it says so.
    """
    if device in (AUTO, CPU) or not find_spec("torch"):
        return
    torch = _torch()
    try:
        torch.empty(0, device=device)
    except Exception as error:
        # A backend of torch can refuse in any way.
        reason = str(error).strip().partition("\n")[0].partition(". ")[0] or type(error).__name__
        have = ", ".join([CPU, *(f"cuda:{n}" for n in range(torch.cuda.device_count()))])
        said = f"{key} = {device!r}: this machine has no such device ({reason}); it has {have}; name one of these, or 'auto'"
        raise InputError(said, kind="not_valid", key=key, value=device) from error


def check_attention(key: str, model: Model) -> None:
    """Raises InputError for an attention that this machine does not have, or not at this precision. key: the model's; model: settled."""
    attention, device, key = model.attention, model.device, f"{key}.attention"
    package = _ATTENTION_BY.get(attention)
    if package is None:
        return
    if not device.startswith(CUDA):
        said = f"{key} = {attention!r} runs on a GPU alone, and the device is {device!r}; set it to 'sdpa'"
    elif model.dtype == "float32":
        said = f"{key} = {attention!r} works in 16 bits, and the dtype is float32; set it to 'sdpa', or the model's dtype to 'bfloat16'"
    elif not find_spec(package):
        said = f"{key} = {attention!r} needs the package {package.replace('_', '-')}, which is not installed; install it, or set {key} to 'sdpa'"
    else:
        return
    raise InputError(said, kind="not_valid", key=key, value=attention)


def check_devices(count: int, key: str, device: str) -> None:
    """Raises InputError where so many processes (run.devices) cannot have a device each. device: by the setting `key`, settled.

    On the CPU there is room for any number.
    """
    if count == 1 or device == CPU:
        return
    said = f"run.devices = {count}: "
    if device != CUDA:
        said += f"{key} = {device!r} names one device, and each process takes its own; set it to 'cuda', and choose GPUs by CUDA_VISIBLE_DEVICES, or set run.devices to 1"
        raise InputError(said, kind="broken_rule", key="run.devices", value=count)
    if find_spec("torch") and (there := _torch().cuda.device_count()) < count:
        said += f"this machine has {there} GPUs in sight; set it to {max(there, 1)}, or name more in CUDA_VISIBLE_DEVICES"
        raise InputError(said, kind="out_of_range", key="run.devices", value=count, limit=there)


def memory_of_device(device: str) -> int | None:
    """Bytes of memory that a GPU has; None for what is none, and without torch."""
    if not device.startswith(CUDA) or not find_spec("torch"):
        return None
    return int(_torch().cuda.get_device_properties(device).total_memory)


def _finds_gpu() -> bool:
    if not any(Path(driver).exists() for driver in _DRIVERS) or not find_spec("torch"):
        return False
    return bool(_torch().cuda.is_available())


def _has_bfloat16() -> bool:
    return bool(find_spec("torch") and _torch().cuda.is_bf16_supported(including_emulation=False))


def _torch() -> Any:
    import torch

    return torch
