"""The models of a config: what of them is looked at before they load."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from dalign.errors import InputError
from dalign.pipeline.engines import Engines
from dalign.settings import load_config
from scripted_run import write_project

# A tokenizer of bytes that only its own code knows.
CODE = """
from transformers import PreTrainedTokenizer

class Bytes(PreTrainedTokenizer):
    def __init__(self, vocab_file=None, **more):
        super().__init__(**more)
    @property
    def vocab_size(self):
        return 256
    def get_vocab(self):
        return {str(n): n for n in range(256)}
    def _tokenize(self, text):
        return [str(n) for n in text.encode()]
    def _convert_token_to_id(self, token):
        return int(token)
    def _convert_id_to_token(self, index):
        return str(index)
"""


def test_the_budget_counts_by_a_tokenizers_own_code_where_the_model_may_run_it(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "own.py").write_text(CODE)
    (folder / "vocab.txt").write_text("none")
    settings = {"auto_map": {"AutoTokenizer": ["own.Bytes", None]}, "tokenizer_class": "Bytes"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    project = write_project(tmp_path / "project") / "dalign.toml"
    model = ["spec.max_tokens=900", "model.engine=transformers", f"model.path={folder}"]
    with pytest.raises(InputError, match="trust_remote_code"):
        Engines(load_config(project, model)).budget()
    trusted = load_config(project, [*model, "model.trust_remote_code=true"])
    budget = Engines(trusted).budget()
    assert budget is not None
    assert budget.count("policy") == 6
