"""Mutated files of every kind that a user hands in, each through the command that reads it.

    python tests/python/fuzz_inputs.py [INPUTS] [SEED]

Each must end with exit code 0, or with 1 and a sentence (2: the command line's own usage error), without a
traceback, a control character or ten seconds of work. Prints counts and what broke; exits with 1 where something did.
"""

from __future__ import annotations

import contextlib
import faulthandler
import io
import json
import os
import random
import re
import select
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import policies
import scripted_run
from mutations import NUMBERS, mutated, odd_values

MOST_CPU_S, MOST_WALL_S = 10.0, 300.0
# Inputs of a process: what one leaves behind must not be another's fault.
A_PROCESS = 250
_UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")  # fmt: skip


@dataclass(frozen=True)
class Kind:
    """Files of one kind: which, how they are mutated, and the command lines that read them."""

    name: str
    files: tuple[str, ...]
    form: str
    commands: tuple[tuple[str, ...], ...]
    weight: int = 4


DRY = ("run", "project/dalign.toml", "--run", "run", "--dry-run")
CHECK = ("spec", "check", "policy")
_OUT = ("--force",)
KINDS = (
    Kind("config", ("project/dalign.toml",), "toml", (DRY,), 8),
    Kind("prompts", ("project/prompts.jsonl", "project/suite.jsonl"), "jsonl", (DRY,), 6),
    Kind("capability", ("project/capability.jsonl",), "jsonl", (DRY,)),
    Kind("patterns", ("project/patterns.toml",), "toml", (DRY,)),
    Kind("script", ("project/script.json",), "json", (DRY,), 2),
    Kind("policy", ("policy/garden.md", "policy/principles.md", "policy/kitchen.md"), "text",
         (CHECK, ("spec", "show", "policy"), ("spec", "diff", "policy", "whole"), DRY[:0] or CHECK), 8),
    Kind("golden", ("policy/golden/garden.jsonl",), "jsonl", (CHECK,), 5),
    Kind("templates", ("templated/templates/spec.j2", "templated/templates/judge_user.j2", "templated/templates/generate.j2"),
         "text", (("spec", "check", "templated"),), 1),
    Kind("ruling", ("templated/templates/ruling.toml",), "toml", (("spec", "check", "templated"),), 1),
    Kind("quota", ("quota.json",), "json", (("data", "balance", "rows.jsonl", "out.jsonl", "--quota", "quota.json", *_OUT),), 3),
    Kind("rows", ("rows.jsonl",), "jsonl", (
        ("data", "filter", "rows.jsonl", "out.jsonl", "--quality", *_OUT),
        ("data", "filter", "rows.jsonl", "out.jsonl", *_OUT),
        ("data", "dedup", "rows.jsonl", "out.jsonl", "--near", "--score-field", "score", *_OUT),
        ("data", "balance", "rows.jsonl", "out.jsonl", "--max", "2", *_OUT),
        ("data", "decontaminate", "rows.jsonl", "out.jsonl", "--against", "other.jsonl", *_OUT),
        ("data", "decontaminate", "other.jsonl", "out.jsonl", "--against", "rows.jsonl", *_OUT),
        ("data", "pack", "rows.jsonl", "out.parquet", "--tokenizer", "tokenizer.json", "--capacity", "64", *_OUT),
    ), 8),
    Kind("parquet", ("rows.parquet",), "binary", (
        ("data", "filter", "rows.parquet", "out.parquet", "--quality", *_OUT),
        ("data", "dedup", "rows.parquet", "out.parquet", *_OUT),
        ("data", "balance", "rows.parquet", "out.parquet", "--max", "2", *_OUT),
        ("data", "pack", "rows.parquet", "bins.parquet", "--tokenizer", "tokenizer.json", "--capacity", "64", *_OUT),
    ), 6),
    Kind("tokenizer", ("tokenizer.json",), "json", (
        ("data", "pack", "rows.jsonl", "out.parquet", "--tokenizer", "tokenizer.json", "--capacity", "64", *_OUT),
        ("data", "filter", "rows.jsonl", "out.jsonl", "--tokenizer", "tokenizer.json", "--min-tokens", "1", *_OUT),
    ), 5),
    Kind("checkpoint", ("model/config.json", "model/tokenizer_config.json", "model/generation_config.json",
                        "model/tokenizer.json"), "json", (("OPEN",),), 3),
    Kind("weights", ("model/model.safetensors",), "binary", (("OPEN",),), 2),
    Kind("chat template", ("model/chat_template.jinja",), "text",
         (("data", "pack", "chats.jsonl", "out.parquet", "--tokenizer", "model", "--capacity", "512", *_OUT),), 1),
    Kind("labels", ("labels.jsonl",), "jsonl", (
        ("judge", "calibrate", "labels.jsonl"), ("judge", "calibrate", "labels.jsonl", "--json"),
        ("judge", "calibrate", "labels.jsonl", "--model", "project/dalign.toml"),
        ("judge", "calibrate", "labels.jsonl", "--label", "ann", "--label", "ben", "--passes-from", "0.5", "--judge", "said"),
    ), 4),
    Kind("settings", (), "set", (DRY,), 6),
    Kind("numbers", (), "numbers", (
        ("data", "filter", "rows.jsonl", "out.jsonl", *_OUT, "--quality", "--min-chars=N", "--max-chars=N", "--ngram=N", "--memory-mib=N",
         "--limit=answer_words=N:N", "--max-answer-overlap=N"),
        ("data", "dedup", "rows.jsonl", "out.jsonl", *_OUT, "--near", "--threshold=N", "--ngram=N", "--memory-mib=N"),
        ("data", "decontaminate", "rows.jsonl", "out.jsonl", *_OUT, "--against", "other.jsonl", "--ngram=N", "--memory-mib=N"),
        ("data", "balance", "rows.jsonl", "out.jsonl", *_OUT, "--max=N", "--min=N", "--total=N", "--seed=N"),
        ("data", "pack", "rows.jsonl", "out.parquet", *_OUT, "--tokenizer", "tokenizer.json", "--capacity=N", "--buffer-tokens=N",
         "--over-long=drop", "--memory-mib=N"),
    ), 4),
)  # fmt: skip
_SETTINGS = (
    "run.seed", "run.workers", "run.threads", "run.part_rows", "judge.k", "judge.temperature", "generate.n", "model.path",
    "model.batch_size", "model.base_url", "model.engine", "model.dtype", "evaluate.arms", "evaluate.suites", "select.threshold",
    "sft.learning_rate", "rl.steps", "spec.max_tokens", "filter.limits", "filter.phrases", "data.prompts", "judge", "nothing",
)  # fmt: skip


def write_seeds(folder: Path) -> None:
    """The good files, of which the mutated ones are made."""
    import polars as pl
    from dalign.spec.shipped import shipped

    project = scripted_run.write_project(folder / "project")
    config = (project / "dalign.toml").read_text()
    config = config.replace("prompts =", 'capability = "capability.jsonl"\nprompts =')
    (project / "dalign.toml").write_text(config + 'patterns = "patterns.toml"\n')
    turns = [{"role": "user", "content": "2 + 2?"}, {"role": "assistant", "content": "4", "reasoning": "sum"}]  # fmt: skip
    (project / "capability.jsonl").write_text(json.dumps({"id": "a", "messages": turns}) + "\n")
    patterns = "[[answer]]\nruling = 'refuse'\npattern = '^(sorry|no)\\b'\nadheres = false\n[[answer]]\nruling = 'comply'\npattern = '.'\n"
    patterns += "[retrieval]\npattern = '(?P<category>[a-z]+)\\.(?P<clause>[A-Z][0-9]+)'\n"
    (project / "patterns.toml").write_text(patterns)
    expected = {"ruling": "comply", "clause": "soup.S1", "answer": "re:(a|b)+"}
    message = {"role": "user", "content": "soup?"}
    row = {"id": "s", "category": "soup", "split": "x", "messages": [message], "expected": expected}
    with (project / "suite.jsonl").open("a") as file:
        file.write(json.dumps(row) + "\n")
    for name in ("policy", "whole", "templated"):
        policies.write_policy(folder / name)
    shutil.copytree(shipped("templates"), folder / "templated" / "templates")
    ruling = "pattern = '(?P<ruling>yes|no) (?P<clause>\\w+)'\n[rulings]\nyes = 'comply'\nno = 'refuse'\n"
    (folder / "templated" / "templates" / "ruling.toml").write_text(ruling)
    _write_rows(folder, pl)
    write_model(folder)


def _write_rows(folder: Path, pl: object) -> None:
    words = [
        "the",
        "quick",
        "brown",
        "fox",
        "jumps",
        "over",
        "a",
        "lazy",
        "dog",
        "and",
        "sings",
        "of",
        "rain",
    ]
    rng = random.Random(0)
    rows = [
        {
            "completion": f"<think>{' '.join(rng.choices(words, k=9))}</think> {' '.join(rng.choices(words, k=20))}.",
            "prompt": " ".join(rng.choices(words, k=15)),
            "category": rng.choice("ab"),
            "clause": rng.choice([None, "a.1", ["a.1", "b.2"]]),
            "score": rng.random(),
        }
        for _ in range(12)
    ]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    for name in ("rows.jsonl", "other.jsonl"):
        (folder / name).write_text(lines)
    frame = pl.DataFrame([{**row, "clause": str(row["clause"])} for row in rows])  # type: ignore[attr-defined]
    frame.write_parquet(folder / "rows.parquet")
    chat = {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}
    (folder / "chats.jsonl").write_text(json.dumps(chat) + "\n")
    told = [
        {"id": n, "category": "soup", "prompt": "soup?", "answer": f"answer {n}", "label": ("pass", "fail")[n % 2], "scores": [n, 9 - n],
         "ann": n % 2, "ben": 0.5 * (n % 3), "said": ("yes", "no")[n % 2]}
        for n in range(8)
    ]  # fmt: skip
    (folder / "labels.jsonl").write_text("".join(json.dumps(row) + "\n" for row in told))
    quota = {"total": 5, "categories": {"*": {"max": 3}, "a": {"min": 1, "weight": 2}}, "clauses": {}}  # fmt: skip
    (folder / "quota.json").write_text(json.dumps(quota))


def write_model(folder: Path) -> None:
    """A checkpoint of a few kilobytes; the same tokenizer beside it."""
    import torch
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers

    vocabulary = {word: i for i, word in enumerate(["<unk>", "<s>", "</s>", "a", "b", "the", "fox"])}  # fmt: skip
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    whole = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="<unk>", bos_token="<s>", eos_token="</s>"
    )
    whole.chat_template = "{% for m in messages %}{{ m.role }}: {{ m.content }}{{ eos_token }}{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}"
    torch.manual_seed(0)
    sizes = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}  # fmt: skip
    config = transformers.LlamaConfig(vocab_size=len(vocabulary), num_key_value_heads=2, max_position_embeddings=64, **sizes)  # fmt: skip
    model = transformers.LlamaForCausalLM(config)
    model.generation_config.eos_token_id = [2]
    model.save_pretrained(folder / "model")
    whole.save_pretrained(folder / "model")
    shutil.copyfile(folder / "model" / "tokenizer.json", folder / "tokenizer.json")


@dataclass(frozen=True)
class Broken:
    """An input that broke its promise: its number under the seed, its kind, and what was seen."""

    number: int
    kind: str
    what: str


def run_input(number: int, seed: int) -> Broken | str:
    """Runs one input in the current folder, which holds the seeds. Returns its exit code as a text where all is well."""
    rng = random.Random(f"{seed} {number}")
    kind = rng.choices(KINDS, [kind.weight for kind in KINDS])[0]
    line = list(rng.choice(kind.commands))
    kept: dict[Path, bytes] = {}
    if kind.form == "set":
        for _ in range(rng.choice((1, 1, 2))):
            line += ["--set", _setting(rng)]
    elif kind.form == "numbers":
        line = [_numbered(rng, part) for part in line if not part.startswith("--") or "=N" not in part or rng.random() < 0.4]  # fmt: skip
    else:
        path = Path(rng.choice(kind.files))
        kept[path] = path.read_bytes()
        path.write_bytes(mutated(rng, kept[path], kind.form))
    try:
        code, told, cpu_s = _called(line)
    finally:
        for path, data in kept.items():
            path.write_bytes(data)
        shutil.rmtree("run", ignore_errors=True)
    problem = ""
    if "Traceback" in told or "panicked at" in told:
        problem = "traceback"
    elif code not in (0, 1) and not (code == 2 and "Usage:" in told):
        problem = f"exit code {code}"
    elif code == 1 and not told.strip():
        problem = "no word"
    elif cpu_s > MOST_CPU_S:
        problem = f"{cpu_s:.0f} s"
    elif match := _UNSEEN.search(told):
        problem = f"control character {match[0]!r}"
    if problem:
        return Broken(number, kind.name, f"{problem}: {' '.join(line)}: {told[-1500:]}")
    return f"{kind.name}: {code}"


def _setting(rng: random.Random) -> str:
    value = rng.choice(odd_values())
    text = value if isinstance(value, str) else json.dumps(value)
    if rng.random() < 0.3:
        text = rng.choice(NUMBERS).decode()
    # A command line holds no NUL and no half of a surrogate pair.
    text = text.replace("\0", "").encode("utf-8", "replace").decode()
    return f"{rng.choice(_SETTINGS)}{rng.choice(('=', '=', '=', '', '.x='))}{text}"


def _numbered(rng: random.Random, part: str) -> str:
    numbers = ["-5", "1", "7", "1e3", "", "x", *(number.decode() for number in NUMBERS)]
    return re.sub("(?<==)N|(?<=:)N", lambda _: rng.choice(numbers), part)


def _called(line: list[str]) -> tuple[int, str, float]:
    """Exit code, all that was printed, and seconds of work."""
    from dalign.cli import _run

    told = io.StringIO()
    began, code = time.process_time(), 0
    with (
        tempfile.TemporaryFile() as errors,
        contextlib.redirect_stdout(told),
        contextlib.redirect_stderr(told),
    ):
        kept = os.dup(2)
        os.dup2(errors.fileno(), 2)
        try:
            sys.argv = ["dalign", *line]
            _open_model() if line == ["OPEN"] else _run()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
        except BaseException:  # noqa: BLE001 - what a command lets through is what is looked for
            code = 1
            told.write(traceback.format_exc())
        finally:
            os.dup2(kept, 2)
            os.close(kept)
        errors.seek(0)
        native = errors.read().decode("utf-8", "replace")
    panics = native if "panicked at" in native else ""
    return code, told.getvalue() + panics, time.process_time() - began


def _open_model() -> None:
    """Opens the checkpoint as `dalign generate` does, behind the command's boundary."""
    from dalign.cli.terminal import warn
    from dalign.config import Model
    from dalign.errors import outside
    from dalign.models.protocol import Request, Sampling
    from dalign.pipeline.engines import open_engine

    try:
        engine = open_engine(Model(path="model"))
        asked = Request("a", ({"role": "user", "content": "the fox"},), 0)
        list(engine.stream([asked], Sampling(1.0, 4)))
    except BaseException as error:
        refused = outside(error)
        if refused is None:
            raise
        warn(f"error: {refused}")
        sys.exit(1)


def fuzz(inputs: int, seed: int, workers: int) -> Iterator[Broken | str]:
    """What became of each of that many inputs, as it becomes known: its kind and exit code, or what it broke."""
    # Here, once, all that a model is opened by: on a slow machine it takes longer than an input may.
    import torch
    from dalign.models import decoding
    from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaForCausalLM

    del torch, decoding, AutoModelForCausalLM, AutoTokenizer, LlamaForCausalLM
    with tempfile.TemporaryDirectory() as place:
        seeds = Path(place) / "seeds"
        seeds.mkdir()
        _in_a_process(lambda: write_seeds(seeds))
        shares = [list(range(inputs))[at::workers] for at in range(workers)]
        streams = [_outcomes(share, seed, seeds, Path(place) / str(at)) for at, share in enumerate(shares)]  # fmt: skip
        while streams:
            for stream in list(streams):
                if (found := next(stream, None)) is None:
                    streams.remove(stream)
                else:
                    yield found


def _in_a_process(work: Callable[[], None]) -> None:
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        except BaseException:  # noqa: BLE001 - nothing of the parent may run in the child
            traceback.print_exc()
            os._exit(1)
    if os.waitpid(child, 0)[1]:
        raise RuntimeError("the seeds could not be written")


def _outcomes(numbers: list[int], seed: int, seeds: Path, place: Path) -> Iterator[Broken | str]:
    """What became of each input, in processes that are started anew after a batch, an abort or a hang."""
    left = list(numbers)
    while left:
        batch = left[:A_PROCESS]
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(seeds, place)
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            os.chdir(place)
            faulthandler.disable()
            for number in batch:
                outcome = run_input(number, seed)
                told = [outcome.number, outcome.kind, outcome.what] if isinstance(outcome, Broken) else outcome  # fmt: skip
                os.write(writing, (json.dumps(told) + "\n").encode())
            os._exit(0)
        os.close(writing)
        done, rest = 0, b""
        while done < len(batch):
            ready = select.select([reading], [], [], MOST_WALL_S)[0]
            data = os.read(reading, 1 << 20) if ready else b""
            if not data:
                break
            rest += data
            *lines, rest = rest.split(b"\n")
            for line in lines:
                told = json.loads(line)
                yield Broken(*told) if isinstance(told, list) else told
            done += len(lines)
        os.close(reading)
        hangs = done < len(batch) and not os.waitpid(child, os.WNOHANG)[0]
        if hangs:
            os.kill(child, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(child, 0)
        if done < len(batch):
            yield Broken(batch[done], "?", "hangs" if hangs else "ends the process")
            done += 1
        left = left[done:]


def main() -> None:
    inputs, seed = (int(sys.argv[at]) if len(sys.argv) > at else default for at, default in ((1, 20_000), (2, 0)))  # fmt: skip
    began, counts, broken = time.monotonic(), Counter[str](), 0
    for found in fuzz(inputs, seed, workers=os.cpu_count() or 1):
        if isinstance(found, Broken):
            broken += 1
            print(f"--- input {found.number}, {found.kind}: {found.what}", flush=True)
        else:
            counts[found] += 1
    for name, count in sorted(counts.items()):
        print(f"{count:6} {name}")
    took_s = time.monotonic() - began
    print(f"{inputs} inputs of seed {seed} in {took_s:.0f} s: {broken} broke")
    sys.exit(broken > 0)


if __name__ == "__main__":
    main()
