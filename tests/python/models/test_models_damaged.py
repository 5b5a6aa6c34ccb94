"""Checkpoints whose files hold something else than they should: a sentence that names the folder or the file."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from dalign import config
from dalign.errors import InputError

pytest.importorskip("torch")
from dalign.models.engines.local import KIND
from dalign.models.protocol import Machine, Request, Sampling
from dalign.models.tokenizer import open_tokenizer
from fuzz_inputs import write_model


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    write_model(folder)
    return folder / "model"


@pytest.fixture
def model(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "model"))


def change(path: Path, **values: Any) -> None:
    found = json.loads(path.read_text()) if path.is_file() else {}
    path.write_text(json.dumps(found | values))


def say(folder: Path) -> str:
    engine = KIND.open(config.Model(path=str(folder)), Machine())
    asked = Request("a", ({"role": "user", "content": "the fox"},), 0)
    return next(iter(engine.stream([asked], Sampling(1.0, 4))))[0].text


def test_the_whole_checkpoint_speaks(model: Path) -> None:
    assert isinstance(say(model), str)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"model_type": "a b\n"}, r"config\.json: model_type is 'a b\\n', not the name"),
        ({"model_type": "../../x"}, r"config\.json: model_type is"),
        ({"model_type": 3}, r"config\.json: model_type is 3"),
        ({"num_hidden_layers": -1}, r"config\.json: num_hidden_layers is -1"),
        ({"num_hidden_layers": 10**9}, r"config\.json: num_hidden_layers is 1000000000"),
        ({"vocab_size": "x"}, r"config\.json: vocab_size is 'x'"),
        ({"hidden_size": 10**9}, r"config\.json: hidden_size is"),
        ({"hidden_size": True}, r"config\.json: hidden_size is True"),
        ({"num_attention_heads": 0}, r"config\.json: num_attention_heads is 0"),
        ({"model_type": ["llama"]}, "model_type is"),
        ({"hidden_act": "nothing"}, "cannot be loaded"),
        ({"eos_token_id": ["a"]}, "eos|cannot be loaded"),
        ({"rope_parameters": {"rope_type": "no"}}, "cannot be loaded"),
    ],
)
def test_an_odd_value_in_the_config_is_refused(
    model: Path, values: dict[str, Any], says: str
) -> None:
    change(model / "config.json", **values)
    if "eos_token_id" in values:
        (model / "generation_config.json").unlink()
    with pytest.raises(InputError, match=says):
        say(model)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("config.json", "[" * 3000),
        ("config.json", "[]"),
        ("config.json", ""),
        ("config.json", '{"a": ' + "9" * 5000 + "}"),
        ("tokenizer.json", "{}"),
        ("tokenizer.json", "[" * 3000),
        ("tokenizer.json", "null"),
        ("tokenizer_config.json", "[" * 3000),
        ("tokenizer_config.json", '{"eos_token": ["a", "b"]}'),
        ("tokenizer_config.json", '{"added_tokens_decoder": {"x": 1}}'),
        ("tokenizer_config.json", '{"model_max_length": {}}'),
        ("generation_config.json", '{"eos_token_id": ["a"]}'),
        ("generation_config.json", '{"eos_token_id": [["a"]]}'),
        ("generation_config.json", '{"eos_token_id": -1}'),
        ("model.safetensors", ""),
        ("model.safetensors", "\xff" * 16),
        ("model.safetensors.index.json", '{"weight_map": ["a"]}'),
        ("model.safetensors.index.json", '{"weight_map": {"a": 1}}'),
        ("model.safetensors.index.json", '{"weight_map": null}'),
        ("chat_template.jinja", "{{ messages | join(1) + 1 }}"),
        ("chat_template.jinja", "{% for i in range(10**9) %}{% endfor %}"),
        ("chat_template.jinja", "{% for i in range(90000) %}{% for j in range(90000) %}{% endfor %}{% endfor %}"),
        ("chat_template.jinja", "{{ 'x' * 3000000000 }}"),
        ("chat_template.jinja", "{{ messages[0].content.__class__.__mro__[1].__subclasses__() }}"),
        ("chat_template.jinja", "{{ " + "(" * 3000),
    ],
)  # fmt: skip
def test_a_file_of_something_else_is_refused(model: Path, name: str, content: str) -> None:
    (model / name).write_text(content, "latin-1")
    with pytest.raises(InputError) as raised:
        say(model)
    assert "\n" not in str(raised.value)


def test_a_tokenizer_that_lacks_a_word_is_named(model: Path) -> None:
    path = model / "tokenizer.json"
    found = json.loads(path.read_text())
    del found["model"]["vocab"]["<unk>"]
    found["added_tokens"] = [each for each in found["added_tokens"] if each["content"] != "<unk>"]
    path.write_text(json.dumps(found))
    with pytest.raises(InputError, match=r"tokenizer\.json: cannot tokenise every text"):
        open_tokenizer(path).count(["an unknown word"])


def test_a_tokenizer_that_lacks_a_word_and_its_unknown_token_is_named(model: Path) -> None:
    file = model / "tokenizer.json"
    whole = json.loads(file.read_text())
    vocabulary = whole["model"]["vocab"]
    whole["model"] |= {
        "unk_token": "gone",
        "vocab": {k: v for k, v in vocabulary.items() if k != "fox"},
    }
    file.write_text(json.dumps(whole))
    with pytest.raises(InputError, match=r"tokenizer cannot tokenise every text \(.*UNK.*\); copy"):
        say(model)
