"""Twenty thousand requests to a server that limits, fails, hangs, cuts and talks nonsense, and is killed in the middle."""

from __future__ import annotations

import heapq
import subprocess
import sys
import threading
import time
from collections import Counter, deque
from pathlib import Path

import pytest
from dalign.config import Model
from dalign.models.engines.server import ServerEngine
from dalign.models.protocol import Request, Sampling
from dalign.models.servers import free_port
from peers.side import cpu_seconds

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(900)]

REQUESTS, IN_FLIGHT, TIMEOUT_S = 20_000, 256, 3.0
# What a request takes of the server when it is well, and how long it is away while it is started again.
DELAY_S, AWAY_S, LIMITED_S = 0.05, 2.0, 0.2
SERVER = Path(__file__).parent / "faulty_server.py"


def started(port: int, log: Path, seed: int) -> subprocess.Popen[str]:
    line = [sys.executable, str(SERVER), str(port), str(log), str(seed)]
    server = subprocess.Popen(line, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None and server.stdout.readline() == "ready\n"
    return server


def resident_mib() -> float:
    """What this process has in memory."""
    [line] = [
        each for each in Path("/proc/self/status").read_text().splitlines() if "VmRSS" in each
    ]
    return int(line.split()[1]) / 1024


def ideal_s(log: list[str]) -> float:
    """Seconds that the server's faults leave to a client that costs nothing, keeps IN_FLIGHT in flight, and sends what failed at once, as its tries fell out.

    A hang lasts until it is given up, a limit is waited out without a slot; what failed goes before what is new.
    """
    tries: dict[str, list[str]] = {}
    for line in log:
        fate, row = line.split()
        tries.setdefault(row, []).append(fate)
    fresh, again = deque(tries.values()), list[tuple[float, int, list[str]]]()
    slots, end, number = [0.0] * IN_FLIGHT, 0.0, 0
    while fresh or again:
        now = heapq.heappop(slots)
        if again and (again[0][0] <= now or not fresh):
            ready, _, left = heapq.heappop(again)
        else:
            ready, left = 0.0, fresh.popleft()
        fate, *left = left
        freed = max(now, ready) + (TIMEOUT_S if fate == "hang" else DELAY_S)
        heapq.heappush(slots, freed)
        end, number = max(end, freed), number + 1
        if left:
            wait_s = LIMITED_S if fate == "limited" else 0.0
            heapq.heappush(again, (freed + wait_s, number, left))
    return end


def test_every_row_is_answered_once_whatever_the_server_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log, port = tmp_path / "log", free_port()
    server, away_s = started(port, log, 1), 0.0

    def restart() -> None:
        nonlocal server, away_s
        time.sleep(10)
        server.kill()
        server.wait()
        killed = time.monotonic()
        time.sleep(AWAY_S)
        assert server.stdout is not None
        server.stdout.close()
        server = started(port, log, 2)
        away_s = time.monotonic() - killed

    model = Model(
        path="m", engine="openai", base_url=f"http://127.0.0.1:{port}/v1", batch_size=IN_FLIGHT, timeout_s=TIMEOUT_S, token_s=0.0, retry_s=60.0
    )  # fmt: skip
    engine = ServerEngine(model, backoff_s=0.1)
    requests = [Request(f"row-{i}", ({"role": "user", "content": f"row-{i}"},), i) for i in range(REQUESTS)]  # fmt: skip
    restarting = threading.Thread(target=restart)
    restarting.start()
    began, cpu, texts, memory = time.monotonic(), cpu_seconds(), dict[str, str](), list[float]()
    finishes = Counter[str]()
    try:
        for replies in engine.stream(requests, Sampling(0.7, 64)):
            for reply in replies:
                assert reply.id not in texts
                texts[reply.id] = reply.text
                finishes[reply.finish] += 1
            memory.append(resident_mib())
        took, cpu = time.monotonic() - began, cpu_seconds() - cpu
    finally:
        restarting.join()
        server.kill()
        server.communicate()
    assert len(texts) == REQUESTS
    right = sum(texts[f"row-{i}"] == f"to row-{i}" for i in range(REQUESTS))
    # A row that met five failures, or two hangs, has no reply: one in some ten thousand.
    reasons = Counter(text[:60] for row, text in texts.items() if text != f"to {row}")
    assert finishes["stop"] == right and REQUESTS - right <= 40, (finishes, reasons)
    fates = Counter(line.split()[0] for line in log.read_text().splitlines())
    # It may have been killed between an answer and its way.
    assert right <= fates["well"] <= right + IN_FLIGHT
    allowed_s = ideal_s(log.read_text().splitlines()) + away_s
    with capsys.disabled():
        print(f"\n{REQUESTS:,} requests, {dict(finishes)}, server: {dict(fates)}; {took:.1f} s, {took / allowed_s:.2f} of what it allows; "
              f"{cpu / sum(fates.values()) * 1e3:.2f} ms of CPU a request sent; memory {memory[len(memory) // 10]:.0f} to {max(memory):.0f} MiB")  # fmt: skip
    assert max(memory) - memory[len(memory) // 10] < 50
