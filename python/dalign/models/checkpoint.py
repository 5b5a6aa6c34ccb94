"""Checkpoint folders: checked from their files, and loaded. torch is imported by loading alone."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from dalign import trial
from dalign.config import USUAL_ATTENTION, Attention
from dalign.errors import InputError, MissingExtraError
from dalign.panics import held_panics
from dalign.parsing import file_text, json_value
from dalign.text import one_line, short

# What a checkpoint folder needs besides config and weights, folders among it; code may be the tokenizer's.
TOKENIZER_FILES = (
    *("tokenizer*", "special_tokens_map.json", "added_tokens.json", "vocab.*", "merges.txt"),
    *("*.model", "chat_template*", "additional_chat_templates", "*.py"),
)
# One of these makes a tokenizer.
TOKENIZERS = ("tokenizer.json", "*.model", "vocab.json", "vocab.txt", "tekken.json")
# The largest that a model's sizes can be.
SIZES = {
    "num_hidden_layers": 10_000,
    "num_attention_heads": 100_000,
    "hidden_size": 10_000_000,
    "intermediate_size": 100_000_000,
    "vocab_size": 1 << 31,
    "max_position_embeddings": 1 << 40,
}
# What chat templates are tried with: a lone question, and a longer conversation.
_TURNS = ({"role": "user", "content": "a " * 99}, {"role": "assistant", "content": "b " * 99})
_CONVERSATIONS = tuple(
    {"messages": messages, "tools": None, "documents": None, "add_generation_prompt": True}
    for messages in (
        [*_TURNS[:1]],
        [{"role": "system", "content": "c"}, *(_TURNS * 4), _TURNS[0]],
        [*(_TURNS * 4), _TURNS[0]],
    )
)
# What is wrong with a folder, by the error's kind, and the way out.
PROBLEMS = {
    "missing_folder": "no such folder; a model's path is a checkpoint folder, or 'sandbox'",
    "adapter": "this is a LoRA adapter, not a whole model; merge it into its base model first",
    "missing_file": "no config.json, so this is not a checkpoint folder; give the folder that save_pretrained wrote",
    "pickle": "its weights are pickle files, which can run code when loaded; convert them to safetensors",
    "missing_weights": "no weights (*.safetensors); give the folder that save_pretrained wrote",
    "missing_tokenizer": "no tokenizer (tokenizer.json); save the model's tokenizer into the folder",
    "missing_template": "the tokenizer has no chat template; add chat_template.jinja to the folder, or use the instruct version of the model",
    "wrong_type": "not a JSON object; copy the checkpoint again",
}


def check_checkpoint(path: Path) -> None:
    """Nothing, if the folder's files make a checkpoint that dalign can load; neither weights nor torch are.

    Raises InputError naming what is missing and the way out.
    """
    check_weights(path)
    _check_tokenizer(path)


def has_tokenizer(path: Path) -> bool:
    """Whether the folder holds a tokenizer of some kind."""
    return any(any(path.glob(name)) for name in TOKENIZERS)


def _refused(path: Path, kind: str, what: str = "") -> InputError:
    return InputError.in_file(path, what or PROBLEMS[kind], kind=kind)


def check_weights(path: Path) -> None:
    """Nothing, if the folder's config and weights can be loaded as far as their files tell. Raises InputError."""
    if not path.is_dir():
        raise _refused(path, "missing_folder")
    if not (path / "config.json").is_file():
        is_adapter = (path / "adapter_config.json").is_file()
        raise _refused(path, "adapter" if is_adapter else "missing_file")
    _check_config(path / "config.json")
    if not any(path.glob("*.safetensors")):
        is_pickled = any(any(path.glob(name)) for name in ("*.bin", "*.pt", "*.pth"))
        raise _refused(path, "pickle" if is_pickled else "missing_weights")
    index = path / "model.safetensors.index.json"
    shards = _shards(index) if index.is_file() else ()
    if missing := sorted({name for name in shards if not (path / name).is_file()}):
        what = f"{len(missing)} weight files of its index are missing (first: {missing[0]}); copy them too"
        raise _refused(path, "missing_weights", what)


def _check_config(file: Path) -> None:
    """Raises InputError for a size or a kind that no model has: it would be built before its weights are looked at."""
    config = read_json(file)
    inner = config.get("text_config")
    for sizes in (config, inner if isinstance(inner, dict) else {}):
        # Its code is looked for by this name.
        kind = sizes.get("model_type")
        if kind is not None and not (
            isinstance(kind, str) and re.fullmatch(r"[\w.-]+", kind, re.ASCII)
        ):
            what = f"model_type is {short(repr(kind))}, not the name of a kind of model; copy the checkpoint again"
            raise InputError.in_file(file, what, kind="not_valid", key="model_type", value=kind)
        for key, most in SIZES.items():
            value = sizes.get(key)
            if value is not None and (type(value) is not int or not 1 <= value <= most):
                what = f"{key} is {short(repr(value))}, not a whole number from 1 to {most:,}; copy the checkpoint again"
                raise InputError.in_file(file, what, kind="out_of_range", key=key, value=value)


def weight_files(path: Path) -> list[Path]:
    """The files that the folder's model is loaded from. Raises InputError for an index that is none."""
    index, whole = path / "model.safetensors.index.json", path / "model.safetensors"
    if whole.is_file():
        return [whole]
    if index.is_file():
        return [path / name for name in sorted(set(_shards(index)))]
    return sorted(path.glob("*.safetensors"))


def _shards(index: Path) -> Collection[str]:
    shards = read_json(index).get("weight_map", {})
    if not isinstance(shards, dict) or not all(isinstance(name, str) for name in shards.values()):
        what = "weight_map is no object with the file of each weight; copy the checkpoint again"
        raise InputError.in_file(index, what, kind="wrong_type", key="weight_map")
    return shards.values()


def _check_tokenizer(path: Path) -> None:
    if not path.is_dir():
        raise _refused(path, "missing_folder")
    if not has_tokenizer(path):
        raise _refused(path, "missing_tokenizer")
    settings = path / "tokenizer_config.json"
    if not (
        (path / "chat_template.jinja").is_file()
        or (path / "chat_template.json").is_file()
        or (settings.is_file() and read_json(settings).get("chat_template"))
    ):
        raise _refused(path, "missing_template")


def writes_date(path: Path) -> bool:
    """Whether a chat template of the folder asks for the time."""
    names = ("chat_template*", "additional_chat_templates/*", "tokenizer_config.json")
    files = (file for name in names for file in path.glob(name) if file.is_file())
    return any(b"strftime_now" in file.read_bytes() for file in files)


def read_json(file: Path) -> dict[str, Any]:
    """A JSON object that a checkpoint has. Raises InputError."""
    try:
        loaded = json_value(file_text(file))
    except ValueError as error:
        what = f"not valid JSON ({error}); copy the checkpoint again"
        raise _refused(file, "syntax", what) from error
    if not isinstance(loaded, dict):
        raise _refused(file, "wrong_type")
    return loaded


def load_tokenizer(path: Path, trust_remote_code: bool) -> Any:
    """The folder's tokenizer, which has a chat template. Raises InputError where it has none or cannot be read.

    Where it names no end token, it has the one of the folder's model.
    """
    _check_tokenizer(path)
    tokenizer = own_tokenizer(path, trust_remote_code)
    if tokenizer.eos_token is None and (end := _models_end(path)) is not None:
        tokenizer.eos_token = tokenizer.convert_ids_to_tokens(end)
    if not tokenizer.chat_template:
        raise _refused(path, "missing_template")
    try:
        template, named = tokenizer.get_chat_template(), dict(tokenizer.special_tokens_map)
    except Exception as error:
        raise _not_loaded(path, "chat template", error) from error
    if not isinstance(template, str):
        raise _refused(
            path, "template", f"its chat template is no text ({short(repr(template))}); write one"
        )
    if problem := trial.problem(template, [named | values for values in _CONVERSATIONS]):
        raise _refused(path, "template", f"its chat template {problem}")
    return tokenizer


def _models_end(path: Path) -> int | None:
    """The first token that ends a completion by the model's own settings."""
    for name in ("generation_config.json", "config.json"):
        named = read_json(path / name).get("eos_token_id") if (path / name).is_file() else None
        ends = named if isinstance(named, list) else [named]
        if ends and type(ends[0]) is int and ends[0] >= 0:
            return ends[0]
    return None


def own_tokenizer(path: Path, trust_remote_code: bool) -> Any:
    """The tokenizer that transformers makes of the folder, with or without a chat template.

    Raises InputError where it cannot be read. For ids and counts, see `models.tokenizer.open_tokenizer`.
    """
    transformers = import_transformers()
    if (path / "config.json").is_file():
        _check_config(path / "config.json")
    try:
        with held_panics():
            tokenizer = transformers.AutoTokenizer.from_pretrained(
                str(path), trust_remote_code=trust_remote_code, local_files_only=True
            )
            # Some odd settings are met where it is used for the first time.
            tokenizer("", add_special_tokens=False)
        return tokenizer
    except Exception as error:
        # Whatever stands in the files of others can fail in any way.
        raise _not_loaded(path, "tokenizer", error) from error


def load_model(
    path: Path,
    dtype: str,
    device: str,
    trust_remote_code: bool,
    attention: Attention = USUAL_ATTENTION,
) -> Any:
    """The folder's model in eval mode.

    dtype: float32, bfloat16 or float16. Weights come from safetensors only: a pickle can run code.
    Raises InputError where it cannot be loaded, or where the files lack some of its weights.
    """
    transformers = import_transformers()
    import torch

    check_weights(path)
    try:
        model, loading = transformers.AutoModelForCausalLM.from_pretrained(
            str(path),
            dtype=getattr(torch, dtype),
            attn_implementation=attention,
            trust_remote_code=trust_remote_code,
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
        )
        model = model.to(device).eval()
    except Exception as error:
        raise _not_loaded(path, f"model on {device}", error) from error
    # transformers fills them with random numbers and goes on.
    if missing := sorted(loading["missing_keys"]):
        what = f"its files lack {len(missing)} of the model's weights (first: {missing[0]}); copy the checkpoint again"
        raise _refused(path, "missing_weights", what)
    return model


def positions_of(path: Path, trust_remote_code: bool) -> int | None:
    """How many tokens the folder's model can hold, prompt and completion; None where it does not say.

    Raises InputError where its config cannot be read.
    """
    return positions_in(config_of(path, trust_remote_code))


def config_of(path: Path, trust_remote_code: bool) -> Any:
    """The folder's config as transformers has it, with what it leaves out. Raises InputError where it cannot be read."""
    transformers = import_transformers()
    check_weights(path)
    try:
        return transformers.AutoConfig.from_pretrained(
            str(path), trust_remote_code=trust_remote_code, local_files_only=True
        )
    except Exception as error:
        raise _not_loaded(path, "config", error) from error


def positions_in(config: Any) -> int | None:
    """The same by a model's config, whatever its family calls it."""
    found = getattr(config.get_text_config(), "max_position_embeddings", None)
    return found if type(found) is int else None


def ids_of(tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:
    """The ids of each text by a tokenizer of transformers, nothing added. Raises InputError where it cannot."""
    try:
        # Verbose, it says of long texts what is checked by dalign.
        with held_panics():
            told = tokenizer(list(texts), add_special_tokens=False, verbose=False)
        rows: list[list[int]] = told["input_ids"]
    except Exception as error:
        # Some faults of a tokenizer's files are met by a word.
        said = f"the checkpoint's tokenizer cannot tokenise every text ({one_line(short(str(error), 200))}); copy its tokenizer's files again"
        raise InputError(said, kind="unfit_model") from error
    return rows


def texts_of(tokenizer: Any, rows: Sequence[Sequence[int]], head: int) -> list[str]:
    """The text of each row of ids, special tokens too. head: any token's id."""
    # Some tokenizers take the space off a text's first word: these stand behind another token.
    lead, *texts = tokenizer.batch_decode(
        [[head], *([head, *ids] for ids in rows)],
        skip_special_tokens=False,
        clean_up_tokenization_spaces=False,
        spaces_between_special_tokens=False,
    )
    return [text.removeprefix(lead) for text in texts]


def check_ids(model: Any, largest: int, where: str) -> None:
    """Raises InputError for a token id that the model has no embedding of. where: what has it, up to its verb."""
    rows = model.get_input_embeddings().weight.shape[0]
    if largest >= rows:
        said = f"{where} a token of the id {largest}, and the model has embeddings for {rows}; its tokenizer is another model's, or the embeddings were not resized when tokens were added"
        raise InputError(said, kind="unfit_model", value=largest, limit=rows - 1)


def require(package: str, user: object) -> Any:
    """A package of the extra `train`, loaded. Raises MissingExtraError, for what needs it, where it is not installed."""
    check_installed(package, user)
    return import_module(package)


def is_installed(package: str) -> bool:
    """Whether the package is there; it is not loaded."""
    return find_spec(package) is not None


def check_installed(package: str, user: object) -> None:
    """Nothing, if the package is there. Raises as `require` does."""
    if not is_installed(package):
        said = f"{user} needs the package {package}; install it with: pip install 'dalign[train]'"
        raise MissingExtraError(said)


def import_transformers() -> Any:
    """The transformers module. Raises MissingExtraError where it or torch is not installed."""
    require("torch", "a local model")
    transformers = require("transformers", "a local model")
    transformers.utils.logging.disable_progress_bar()
    return transformers


def _not_loaded(path: Path, what: str, error: Exception) -> InputError:
    reason = short(str(error).strip().split("\n")[0].rstrip(".") or type(error).__name__, 200)
    if "trust_remote_code" in str(error):
        said = f"its {what} runs code that comes with the checkpoint; read that code, then set trust_remote_code = true if you trust it"
        return InputError.in_file(path, said, kind="remote_code", key="trust_remote_code")
    said = f"its {what} cannot be loaded ({reason}); check the folder, the device and the installed transformers"
    return _refused(path, "not_loaded", said)
