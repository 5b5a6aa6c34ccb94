"""What is known of each engine before it is opened."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
from dalign import config
from dalign.errors import InputError
from dalign.models.engines.open import checkpoint_of, kind_of, resolved
from dalign.models.protocol import Machine
from dalign.pipeline.engines import open_engine

SERVED = config.Model(path="m", engine="openai", base_url="http://127.0.0.1:1/v1")


def model_of(engine: config.EngineName, path: str = "m") -> config.Model:
    return config.Model(path=path, engine=engine, base_url="http://127.0.0.1:1/v1")


def test_every_engine_that_a_config_may_name_has_its_kind() -> None:
    for name in get_args(config.EngineName):
        assert kind_of(model_of(name)).name == name


@pytest.mark.parametrize(
    ("engine", "path_is_checkpoint", "writes_open_tag"),
    [("transformers", True, False), ("openai", False, None), ("scripted", False, True)],
)
def test_what_is_known_of_each_engine(
    engine: config.EngineName, path_is_checkpoint: bool, writes_open_tag: bool | None
) -> None:
    kind = kind_of(model_of(engine))
    assert kind.path_is_checkpoint == path_is_checkpoint
    assert kind.writes_open_tag == writes_open_tag


def test_asking_of_engines_loads_none_of_what_they_need() -> None:
    code = (
        "import sys; from dalign import config; from dalign.models.engines.open import kind_of\n"
        "kind_of(config.Model(path='m')); sys.exit('torch' in sys.modules or 'aiohttp' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_name_stands_for_the_folder_given_where_the_path_is_a_folder() -> None:
    checkpoints = {"sandbox": Path("/s"), "m": Path("/m")}
    assert resolved(config.Model(path="sandbox"), checkpoints).path == "/s"
    assert resolved(config.Model(path="other"), checkpoints).path == "other"
    # The name under which a server has its model.
    assert resolved(SERVED, checkpoints) is SERVED


def test_the_checkpoint_is_the_path_or_what_the_server_serves() -> None:
    assert checkpoint_of(config.Model(path="m")) == Path("m")
    served = SERVED.model_copy(update={"checkpoint": Path("c")})
    assert checkpoint_of(served) == Path("c")
    assert kind_of(SERVED).checkpoint(SERVED) is None
    with pytest.raises(InputError, match=r"'m' runs elsewhere.*set model\.checkpoint"):
        checkpoint_of(SERVED)


def test_a_fingerprint_is_had_without_opening_the_model(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"no weights")
    local = config.Model(path=str(tmp_path))
    tags = config.Reasoning(open="<r>")
    for model in (local, SERVED):
        known = kind_of(model).fingerprint_of
        assert known(model) == known(model.model_copy(update={"batch_size": 1}))
        assert known(model) != known(model.model_copy(update={"reasoning": tags}))
    assert (
        kind_of(SERVED).fingerprint_of(SERVED)
        == kind_of(SERVED).open(SERVED, Machine()).fingerprint
    )
    # The type of a served model's weights is the server's to know.
    half = {"dtype": "bfloat16"}
    of_half = [kind_of(m).fingerprint_of(m.model_copy(update=half)) for m in (local, SERVED)]
    assert of_half[0] != kind_of(local).fingerprint_of(local)
    assert of_half[1] == kind_of(SERVED).fingerprint_of(SERVED)
    scripted = model_of("scripted", str(tmp_path / "config.json"))
    assert kind_of(scripted).fingerprint_of(scripted) == hashlib.sha256(b"{}").hexdigest()


def test_a_missing_checkpoint_is_refused_before_anything_is_loaded(tmp_path: Path) -> None:
    model = config.Model(path=str(tmp_path / "gone"))
    with pytest.raises(InputError, match="no such folder"):
        kind_of(model).check(model)
    with pytest.raises(InputError, match="no such folder"):
        open_engine(model, threads=1)
