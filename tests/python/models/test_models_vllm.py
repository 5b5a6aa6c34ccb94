"""Engine `vllm`: a server that dalign starts, asks in the checkpoint's own words, starts again, and ends, however it ends itself."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from dalign.config import Model, Vllm
from dalign.errors import InputError, MissingExtraError, ServerError
from dalign.models.ends import ends_in
from dalign.models.engines.open import kind_of
from dalign.models.engines.vllm import VllmEngine, command_of
from dalign.models.protocol import Machine, Request, Sampling
from dalign.models.servers import Program, Seat, Servers
from dalign.sandbox.checkpoint import MODEL

pytest.importorskip("transformers")

FAKE = Path(__file__).parent / "fake_vllm"
SAMPLING = Sampling(1.0, 8)


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """An interpreter whose vLLM is the one of these tests."""
    path = tmp_path / "python"
    path.write_text(f'#!/bin/sh\nPYTHONPATH={FAKE} exec {sys.executable} "$@"\n')
    path.chmod(0o755)
    return path


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    made = Machine(1, Servers(()), tmp_path / "logs")
    yield made
    made.servers.close()


def model_of(python: Path, **behaviour: object) -> Model:
    env = {"FAKE_VLLM": json.dumps(behaviour)}
    return Model(path=str(MODEL), engine="vllm", device="cpu", vllm=Vllm(python=python, env=env))


def opened(model: Model, machine: Machine) -> VllmEngine:
    engine = kind_of(model).open(model, machine)
    assert isinstance(engine, VllmEngine)
    return engine


def requests(count: int) -> list[Request]:
    return [Request(f"r{i}", ({"role": "user", "content": f"hi {i} {'x' * i}"},), i) for i in range(count)]  # fmt: skip


def is_alive(pid: int) -> bool:
    """Whether it runs; what has ended and waits to be looked at does not."""
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


def gone(pids: list[int], within_s: float = 20.0) -> bool:
    """Whether all have ended in time."""
    until = time.monotonic() + within_s
    while any(map(is_alive, pids)) and time.monotonic() < until:
        time.sleep(0.05)
    return not any(map(is_alive, pids))


def test_it_is_sent_what_the_template_writes_and_the_end_tokens(
    python: Path, machine: Machine, tmp_path: Path
) -> None:
    engine = opened(model_of(python, seen=str(tmp_path / "seen")), machine)
    asked = requests(5)
    told: list[str] = []
    engine.going = lambda rows, tokens, awaited: told.append(awaited)
    replies = {r.id: r for batch in engine.stream(asked, SAMPLING, {"r0"}) for r in batch}
    assert set(replies) == {"r1", "r2", "r3", "r4"}
    seen = [json.loads(line) for line in (tmp_path / "seen").read_text().splitlines()]
    prompts = engine._renderer.prompts([request.messages for request in asked[1:]])
    assert sorted(body["prompt"] for body in seen) == sorted(prompts)
    assert all(body["model"] == str(MODEL) and not body["add_special_tokens"] for body in seen)
    [ends] = {tuple(body["stop_token_ids"]) for body in seen}
    assert ends_in(MODEL) in ends
    assert replies["r1"].text == f"{len(prompts[0])} characters" and replies["r1"].tokens == 2
    assert any(re.fullmatch("vLLM starts, [0-9]+ s", words) for words in told)


def test_nothing_is_started_before_something_is_asked(python: Path, machine: Machine) -> None:
    engine = opened(model_of(python), machine)
    assert engine.reasoning.reasons and engine.control_tokens and engine.opens_reasoning is not None
    assert list(engine.stream(requests(2), SAMPLING, {"r0", "r1"})) == []
    assert engine._seat.program is None and not engine.log.exists()


def test_no_folder_is_made_before_something_is_asked(
    python: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    engine = opened(model_of(python), Machine(1, Servers(())))
    engine.close()
    assert not list(tmp_path.glob("dalign-vllm-*"))
    assert engine.log.parent.parent == tmp_path


def test_its_key_stands_in_no_command_line_and_no_log(
    python: Path, machine: Machine, tmp_path: Path
) -> None:
    engine = opened(model_of(python, pids=str(tmp_path / "pids")), machine)
    list(engine.stream(requests(1), SAMPLING))
    assert engine._seat.program is not None
    pids = [engine._seat.program.pid, *map(int, (tmp_path / "pids").read_text().split())]
    for pid in pids:
        assert engine._key not in Path(f"/proc/{pid}/cmdline").read_text()
    assert engine._key not in engine.log.read_text()
    engine.close()
    assert gone(pids)


def test_one_that_does_not_start_is_told_by_its_last_words(python: Path, machine: Machine) -> None:
    engine = opened(model_of(python, dies_at_start=3), machine)
    with pytest.raises(ServerError, match=r"ended before it was ready.*the arguments are") as told:
        list(engine.stream(requests(1), SAMPLING))
    assert str(engine.log) in str(told.value) and "\n" not in str(told.value)


def test_one_that_is_not_ready_in_time_is_ended(
    python: Path, machine: Machine, tmp_path: Path
) -> None:
    model = model_of(python, wait_s=60, pids=str(tmp_path / "pids"))
    model = model.model_copy(update={"vllm": model.vllm.model_copy(update={"start_s": 1.5})})
    with pytest.raises(ServerError, match=r"not ready within 1.5 s \(vllm.start_s\)"):
        list(opened(model, machine).stream(requests(1), SAMPLING))
    assert gone(list(map(int, (tmp_path / "pids").read_text().split())))


def test_one_that_dies_is_started_again_and_every_row_is_answered(
    python: Path, machine: Machine, tmp_path: Path
) -> None:
    engine = opened(model_of(python, dies_after=20, died=str(tmp_path / "died")), machine)
    said: list[str] = []
    engine.say = said.append
    replies = [r for batch in engine.stream(requests(60), SAMPLING) for r in batch]
    assert sorted(r.id for r in replies) == sorted(f"r{i}" for i in range(60))
    assert {r.finish for r in replies} == {"stop"} and (tmp_path / "died").exists()
    assert sum("started again" in words for words in said) == 1


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_it_ends_with_dalign_however_that_ends(
    python: Path, tmp_path: Path, how: signal.Signals
) -> None:
    model = model_of(python, pids=str(tmp_path / "pids"))
    code = (
        "import sys, time\nfrom dalign.config import Model\nfrom dalign.models.protocol import Request, Sampling\n"
        "from dalign.pipeline.engines import open_engine\n"
        "engine = open_engine(Model.model_validate_json(sys.argv[1]))\n"
        "list(engine.stream([Request('a', ({'role': 'user', 'content': 'hi'},), 0)], Sampling(1.0, 4)))\n"
        "print('answered', flush=True)\ntime.sleep(600)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, model.model_dump_json()],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as running:
        assert running.stdout is not None and running.stdout.readline() == "answered\n"
        pids = list(map(int, (tmp_path / "pids").read_text().split()))
        assert all(map(is_alive, pids))
        running.send_signal(how)
        try:
            running.wait(60)
        finally:
            running.kill()
    assert gone(pids)


def test_what_heeds_no_request_to_end_is_made_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
    program = Program([sys.executable, "-c", code], dict(os.environ), tmp_path / "log")
    while not (tmp_path / "log").read_text():
        time.sleep(0.05)
    [child] = Path(f"/proc/{program.pid}/task/{program.pid}/children").read_text().split()
    program.end()
    assert program.code() is not None and gone([int(child)])


def seat(share: float = 0.9, needed: int = 1, wanted: tuple[str, ...] = ()) -> Seat:
    return Seat(needed, share, wanted)


def test_models_share_gpus_where_they_fit_and_take_turns_where_not(tmp_path: Path) -> None:
    def run(each: Seat) -> None:
        servers.make_room(each)
        each.program = Program(["sleep", "600"], dict(os.environ), tmp_path / "log")

    servers = Servers(("0", "1"))
    base, judge, third = seat(), seat(), seat()
    run(base)
    run(judge)
    assert (base.gpus, judge.gpus) == (("0",), ("1",)) and base.program and judge.program
    run(third)
    assert third.gpus == ("0",) and base.program is None and judge.program
    halves = [seat(0.4, wanted=("1",)), seat(0.6, wanted=("1",))]
    for half in halves:
        run(half)
    assert judge.program is None and all(half.program for half in halves) and third.program
    both = seat(0.5, needed=2)
    run(both)
    assert (
        both.gpus == ("0", "1")
        and third.program is None
        and not all(half.program for half in halves)
    )
    with pytest.raises(InputError, match="tensor_parallel = 3: the GPUs here are 0, 1"):
        servers.make_room(seat(needed=3))
    servers.close()
    assert not any(each.program for each in (base, judge, third, *halves, both))


def test_the_cpu_has_room_for_all(tmp_path: Path) -> None:
    servers = Servers(())
    for each in (Seat(0, 0.0), Seat(0, 0.0)):
        servers.make_room(each)
        assert each.gpus == ()
    with pytest.raises(InputError, match="the GPUs here are none"):
        servers.make_room(seat())


def test_a_gpus_command_line_has_all_settings(tmp_path: Path) -> None:
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text('{"r": 20}')
    own = Vllm(tensor_parallel=2, memory=0.45, max_length=8192, prefix_caching=False, adapter=adapter, args=("--kv-cache-dtype", "fp8"))  # fmt: skip
    model = Model(path="m", engine="vllm", device="cuda", dtype="bfloat16", vllm=own)
    line = " ".join(command_of(model, 81))
    for part in (
        "--model m --served-model-name m --host 127.0.0.1 --port 81 --dtype bfloat16 --tensor-parallel-size 2",
        "--gpu-memory-utilization 0.45", "--max-model-len 8192", "--no-enable-prefix-caching", f"--lora-modules adapter={adapter} --max-lora-rank 32", "--kv-cache-dtype fp8",
    ):  # fmt: skip
        assert part in line
    plain = " ".join(command_of(Model(path="m", engine="vllm", device="cuda", dtype="float16"), 81))
    assert "--max-model-len auto" in plain and "lora" not in plain and " --enable-prefix-caching" in plain  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"args": ["--port", "5"]}, "args has --port, which dalign gives by itself"),
        ({"args": ["--max_model_len=9"]}, "set vllm.max_length"),
        ({"env": {"OPENAI_API_KEY": "x"}}, "env.OPENAI_API_KEY would be stored"),
        ({"env": {"CUDA_VISIBLE_DEVICES": "1"}}, "set devices"),
        ({"memory": 1.5}, "less than or equal to 1"),
    ],
)
def test_settings_that_are_daligns_own_are_refused(settings: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        Model.model_validate({"path": "m", "engine": "vllm", "vllm": settings})


def test_its_settings_are_for_it_alone_and_for_one_process() -> None:
    with pytest.raises(ValueError, match="vllm is for engine 'vllm'"):
        Model.model_validate({"path": "m", "vllm": {"memory": 0.5}})


@pytest.mark.parametrize(
    ("python", "error", "words"),
    [
        (None, MissingExtraError, "set vllm.python to the interpreter"),
        ("/nonexistent/python", InputError, "no program that can be run"),
    ],
)
def test_a_checkpoint_or_an_interpreter_that_is_not_there_is_told_before_anything_is_loaded(
    python: str | None, error: type[Exception], words: str
) -> None:
    model = Model(path=str(MODEL), engine="vllm", vllm=Vllm(python=python and Path(python)))
    with pytest.raises(error, match=words):
        kind_of(model).check(model)
    with pytest.raises(InputError, match="no such folder"):
        kind_of(model).check(model.model_copy(update={"path": "/nonexistent"}))
