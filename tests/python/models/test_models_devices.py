"""What a config leaves open of a model's device and dtype, and devices that a machine does not have."""

from __future__ import annotations

import pytest
from dalign.config import Model
from dalign.errors import InputError
from dalign.models import devices

torch = pytest.importorskip("torch")


@pytest.mark.parametrize(
    ("gpu", "bfloat16", "given", "found"),
    [
        (False, False, {}, ("cpu", "float32")),
        (True, True, {}, ("cuda", "bfloat16")),
        # An older GPU.
        (True, False, {}, ("cuda", "float32")),
        (True, True, {"device": "cpu"}, ("cpu", "float32")),
        (True, True, {"device": "cuda:1"}, ("cuda:1", "bfloat16")),
        (True, True, {"dtype": "float16"}, ("cuda", "float16")),
        (False, False, {"dtype": "bfloat16"}, ("cpu", "bfloat16")),
    ],
)
def test_what_is_not_set_is_what_the_machine_has(monkeypatch, gpu, bfloat16, given, found) -> None:
    # The machine is what cannot be had in both states.
    monkeypatch.setattr(devices, "_finds_gpu", lambda: gpu)
    monkeypatch.setattr(devices, "_has_bfloat16", lambda: bfloat16)
    model = devices.settled(Model(path="m", **given))
    assert (model.device, model.dtype) == found


def test_this_machine_is_told_by_torch() -> None:
    model = devices.settled(Model(path="m"))
    assert model.device == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize("device", ["0", "gpu", "cuda:99", "mps:7", "cuda,1", "CPU"])
def test_a_device_that_is_not_there_is_refused(device: str) -> None:
    with pytest.raises(InputError) as caught:
        devices.check_device("judge_model.device", device)
    said = str(caught.value)
    assert said.startswith(f"judge_model.device = {device!r}: this machine has no such device")
    assert "it has cpu" in said and "\n" not in said


@pytest.mark.parametrize(
    ("count", "device", "said"),
    [
        (2, "cuda:1", r"^run.devices = 2: model.device = 'cuda:1' names one device"),
        (3, "cuda", r"^run.devices = 3: this machine has 2 GPUs in sight; set it to 2, or name more"),
    ],
)  # fmt: skip
def test_processes_that_cannot_have_a_device_each_are_refused(monkeypatch, count, device, said) -> None:  # fmt: skip
    # The machine is what cannot be had with two GPUs.
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(InputError, match=said) as caught:
        devices.check_devices(count, "model.device", device)
    assert (caught.value.key, caught.value.value) == ("run.devices", count)
    for enough in (1, 2):
        devices.check_devices(enough, "model.device", "cuda")
    devices.check_devices(64, "model.device", "cpu")
    devices.check_devices(1, "model.device", "cuda:1")


@pytest.mark.parametrize(
    ("device", "said"),
    [
        ("cpu", r"^model.attention = 'flash_attention_2' runs on a GPU alone, .*set it to 'sdpa'$"),
        ("cuda:1", "^model.attention = 'flash_attention_2' needs the package flash-attn"),
    ],
)
def test_an_attention_that_is_not_there_is_refused(device: str, said: str) -> None:
    def of(device: str, attention: str, dtype: str = "bfloat16") -> Model:
        given = {"path": "m", "device": device, "dtype": dtype, "attention": attention}
        return Model.model_validate(given)

    with pytest.raises(InputError, match="works in 16 bits, and the dtype is float32"):
        devices.check_attention("model", of("cuda", "flash_attention_2", "float32"))
    with pytest.raises(InputError, match=said) as caught:
        devices.check_attention("model", of(device, "flash_attention_2"))
    assert (caught.value.key, caught.value.value) == ("model.attention", "flash_attention_2")
    for usual in ("sdpa", "eager"):
        devices.check_attention("model", of(device, usual))


def test_devices_that_are_there_pass() -> None:
    for device in ("auto", "cpu"):
        devices.check_device("model.device", device)
