"""The config file and `--set` overrides, read into the schema of `config`."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from shlex import quote
from typing import Any

from pydantic import ValidationError

from dalign.config import CHECKPOINT_ENGINES, Config, Model
from dalign.errors import InputError, check_name, no_file
from dalign.parsing import UnreadableError, toml_table
from dalign.settings.problems import Places, problem
from dalign.settings.schema import is_optional, is_path, is_text, prefixes
from dalign.text import short

SANDBOX = "sandbox"

_MODELS = ("model", "judge_model", "second_judge_model", "synth_model")


def load_config(file: Path | str | None, overrides: Sequence[str] = ()) -> Config:
    """The config of a TOML file with the overrides `a.b=c` on top.

    Relative paths are against the file's folder, those of overrides against the current one.
    Raises InputError, which names line, key, value and way out.
    """
    path = None if file is None else Path(file)
    text = "" if path is None else _read(path)
    values = {} if path is None else _parse(path, text)
    overridden: dict[str, str] = {}
    for override in overrides:
        _override(values, override, overridden)
    places = Places(path, text, overridden)
    for dotted, value in _leaves(values):
        if isinstance(value, float) and not math.isfinite(value):
            what = f"{dotted} = {value}: must be a finite number"
            raise places.error(dotted, "not_finite", what, value=value)
    _resolve_paths(values, Path() if path is None else path.parent, overridden)
    try:
        # By way of JSON, because only there strict means: a list for a tuple, but no "3" for a 3.
        return Config.model_validate_json(json.dumps(values, default=str), strict=True)
    except ValidationError as error:
        raise problem(error, places) from error


def _read(path: Path) -> str:
    if not path.is_file():
        what = f"{no_file(path)}; give a TOML file, such as the one that `dalign init` writes"
        raise InputError.in_file(path, what, kind="missing_file")
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        what = f"not UTF-8 (at byte {error.start}); save it as UTF-8"
        raise InputError.in_file(path, what, kind="encoding") from error


def _parse(path: Path, text: str) -> dict[str, Any]:
    try:
        return toml_table(text)
    except UnreadableError as error:
        shown = short("".join(text.splitlines()[error.line - 1 : error.line]).strip())
        what = f"not TOML: {error} ({shown!r}); write key = value, texts in quotes"
        raise InputError.in_file(path, what, kind="syntax", line=error.line) from error


def _override(values: dict[str, Any], override: str, overridden: dict[str, str]) -> None:
    dotted, equals, text = override.partition("=")
    dotted, text = dotted.strip(), text.strip()
    if override != override.encode("utf-8", "replace").decode():
        said = f"--set {override}: not UTF-8; write it in UTF-8, or rename what it names"
        raise InputError(said, kind="encoding", value=override)
    parts = dotted.split(".")
    if not equals or not all(parts):
        said = f"--set {override}: not a setting; write --set section.key=value"
        raise InputError(said, kind="syntax", value=override)
    table = values
    for done, part in enumerate(parts[:-1], 1):
        table = table.setdefault(part, {})
        if not isinstance(table, dict):
            whole = ".".join(parts[:done])
            said = f"--set {override}: {whole} is no section; set {whole} as a whole"
            raise InputError(said, kind="wrong_type", key=whole, value=override)
    for key in [key for key in overridden if key.startswith(f"{dotted}.")]:
        del overridden[key]
    overridden[dotted] = override
    if text == "none" and is_optional(dotted):
        table.pop(parts[-1], None)
    else:
        table[parts[-1]] = _value(dotted, text)


def _value(dotted: str, text: str) -> Any:
    """The TOML value of that text; where it is none, or where the field is a text, the text itself."""
    try:
        parsed = toml_table(f"value = {text}")
    except UnreadableError:
        return text
    if parsed.keys() != {"value"} or (is_text(dotted) and not isinstance(parsed["value"], str)):
        return text
    return parsed["value"]


def _leaves(values: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every value that is no table, with its dotted key; items of a list of tables by their index."""
    if isinstance(values, Mapping):
        for key, value in values.items():
            yield from _leaves(value, f"{prefix}.{key}" if prefix else str(key))
    elif isinstance(values, list) and any(isinstance(item, dict) for item in values):
        for index, item in enumerate(values):
            yield from _leaves(item, f"{prefix}.{index}")
    else:
        yield prefix, values


def _resolve_paths(values: dict[str, Any], folder: Path, overridden: Mapping[str, str]) -> None:
    for dotted, value in list(_leaves(values)):
        if not value or not isinstance(value, str):
            continue
        if is_path(dotted) or _is_checkpoint(values, dotted, value):
            base = folder if overridden.keys().isdisjoint(prefixes(dotted)) else Path()
            # `~nobody` stays as it is, and is told of as a path that is not there; links stay links.
            path = os.path.abspath(base / os.path.expanduser(value))  # noqa: PTH100, PTH111
            if dotted == "spec.path" and not Path(path).exists():
                path = _shipped_policies().get(value, path)
            check_name(Path(path))
            _assign(values, dotted, path)


def _shipped_policies() -> dict[str, str]:
    """The folder of each policy that dalign ships, by its name."""
    found = (Path(__file__).parents[1] / "specs").glob("*/principles.md")
    return {path.parent.name: str(path.parent) for path in found}


def _is_checkpoint(values: Mapping[str, Any], dotted: str, value: str) -> bool:
    """Whether it is the path of a model that is a checkpoint folder."""
    section = dotted.removesuffix(".path")
    if section not in _MODELS or section == dotted or value == SANDBOX:
        return False
    default = Model.model_fields["engine"].default
    return values[section].get("engine", default) in CHECKPOINT_ENGINES


def _assign(values: Any, dotted: str, value: str) -> None:
    *parents, last = dotted.split(".")
    for part in parents:
        values = values[int(part)] if isinstance(values, list) else values[part]
    values[last] = value


def check_paths(config: Config) -> None:
    """Raises InputError for the first path of the config that is not there: key, value and way out."""
    for key, path, kind, way_out in _paths(config):
        if kind == "rows":
            # In a folder of files too, or in those that a pattern matches: which ones, their reader tells.
            if (path.is_dir() and any(path.iterdir())) or any(sign in str(path) for sign in "*?["):
                continue
            kind = "file"
        what = f"is not a {kind}" if path.exists() else f"no such {kind}"
        missing = path
        if kind == "checkpoint":
            kind, missing = "file", path / "config.json"
            what = "holds no checkpoint (no config.json)"
        if not (missing.is_dir() if kind == "folder" else missing.is_file()):
            said = f"{key} = {str(path)!r}: {what}; {way_out}"
            raise InputError(said, kind=f"missing_{kind}", path=missing, key=key, value=str(path))


def hub_hint(path: Path) -> str:
    """What to do about a model's folder that is not there: one that is called like a model of the Hugging Face hub can be fetched."""
    way_out = f"give a checkpoint folder, or {SANDBOX!r} for the model that dalign ships"
    name = "/".join(path.parts[-2:])
    if not path.parent.is_dir() and re.fullmatch(r"[\w.-]+/[\w.-]+", name, re.ASCII):
        return f"{way_out}; if {name} is a model of the Hugging Face hub, fetch it first: hf download {name} --local-dir {quote(str(path))}"
    return way_out


def _paths(config: Config) -> Iterator[tuple[str, Path, str, str]]:
    """Each path: its key, itself, whether it is a file, rows, a folder or a checkpoint, and what to do where it is not."""
    data = config.data
    found: list[tuple[str, Path | None, str, str]] = [
        ("spec.path", config.spec.path, "folder",
         f"give a policy folder, principles.md and one Markdown file a category, or the name of one that dalign ships, such as {min(_shipped_policies())!r}"),
        ("data.prompts", data.prompts, "rows", "give a JSONL file of prompts"),
        ("data.capability", data.capability, "rows",
         "give a JSONL file, or leave the key out to train without capability rows"),
        ("data.held_out", data.held_out, "rows",
         "give a JSONL file, or leave the key out to measure nothing on it"),
        ("data.rl_prompts", data.rl_prompts, "rows",
         "give a JSONL file, or leave the key out to use data.prompts"),
        *((f"data.{key}", getattr(data, key), "file",
           "give a JSONL file, or leave the key out to have completions generated")
          for key in ("completions", "examples")),
    ]  # fmt: skip
    for suite in config.evaluate.suites:
        where = f"evaluate.suites.{suite.name}"
        way_out = "give a JSONL file of prompts, or remove the suite"
        found.append((f"{where}.path", suite.path, "rows", way_out))
        way_out = "give a TOML file, or leave the key out"
        found.append((f"{where}.patterns", suite.patterns, "file", way_out))
    way_out = "make one: dalign judge calibrate FILE --out CARD, or leave the key out"
    found.append(("evaluate.judge_card", config.evaluate.judge_card, "file", way_out))
    for key in _MODELS:
        model: Model | None = getattr(config, key)
        if model is None:
            continue
        way_out = "give the checkpoint folder of the model that the server serves"
        found.append((f"{key}.checkpoint", model.checkpoint, "folder", way_out))
        way_out = "give the folder of a LoRA adapter, or leave the key out"
        found.append((f"{key}.vllm.adapter", model.vllm.adapter, "folder", way_out))
        if model.engine in CHECKPOINT_ENGINES and model.path != SANDBOX:
            way_out = hub_hint(Path(model.path))
            kinds = ("folder", "checkpoint")
            found += [(f"{key}.path", Path(model.path), kind, way_out) for kind in kinds]
    yield from ((key, path, kind, way) for key, path, kind, way in found if path is not None)


def changed_keys(old: Config, new: Config) -> list[str]:
    """The settings that differ, each as `section.key: old → new`; suites by their name."""
    before, after = _by_key(old), _by_key(new)
    return [
        f"{key}: {before.get(key, 'unset')} → {after.get(key, 'unset')}"
        for key in dict.fromkeys([*before, *after])
        if before.get(key) != after.get(key)
    ]


def _by_key(config: Config) -> dict[str, str]:
    """Every setting that is not None, as text."""
    values = config.model_dump(mode="json", exclude_none=True)
    suites = values["evaluate"].pop("suites")
    # By name, so that a suite that is added before another changes no key of the other.
    values["evaluate"]["suites"] = {suite["name"]: suite for suite in suites}
    return {key: json.dumps(value, ensure_ascii=False) for key, value in _leaves(values)}
