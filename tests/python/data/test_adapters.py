"""A suite's form is one file, whatever its own files are called and hold."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from dalign.data import adapters
from dalign.errors import InputError
from dalign.pipeline.project import bring_in
from dalign.rows import Message, Prompt, prompt_id
from dalign.settings import load_config
from dalign.spec.types import Spec
from scripted_run import write_project


def lines(path: Path, spec: Spec) -> Iterator[Prompt]:
    for line in path.read_text().splitlines():
        asked = (Message(role="user", content=line),)
        yield Prompt(prompt_id("tea", asked), "tea", asked)


def test_a_form_may_have_files_that_only_its_reader_knows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = write_project(tmp_path / "project")
    (project / "suite.txt").write_text("How long?\nHow hot?\n")
    config = project / "dalign.toml"
    text = config.read_text().replace("suite.jsonl", "suite.txt")
    config.write_text(text)
    with pytest.raises(InputError, match=r"suite\.txt: its name must end in \.jsonl"):
        bring_in(load_config(config, []), tmp_path / "refused", None)
    config.write_text(f'{text}format = "lines"\n')
    known = SimpleNamespace(name="lines")
    monkeypatch.setattr(
        adapters, "iter_modules", lambda _: [SimpleNamespace(name="prompts"), known]
    )
    real = adapters.import_module
    own = {f"{adapters.__name__}.lines": SimpleNamespace(prompt_rows=lines)}
    monkeypatch.setattr(adapters, "import_module", lambda name: own.get(name) or real(name))
    made = bring_in(load_config(config, []), tmp_path / "inputs", None)
    assert made.suites["test"].rows == 2
