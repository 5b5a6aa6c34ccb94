"""What `python -m vllm.entrypoints.openai.api_server` is asked for in tests: the same flags, addresses and words.

FAKE_VLLM (JSON) says how it behaves: dies_at_start, dies_after (replies, once for all starts), child (starts a process of its own).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

BEHAVIOUR = json.loads(os.environ.get("FAKE_VLLM", "{}"))
REPLIES = [0]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        card = {"data": [{"id": ARGS.served_model_name, "root": ARGS.model}]}
        self.answer(200, b"" if self.path == "/health" else json.dumps(card).encode())

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.headers.get("Authorization") != f"Bearer {os.environ['VLLM_API_KEY']}":
            self.answer(401, b'{"error": {"message": "Unauthorized"}}')
            return
        if "seen" in BEHAVIOUR:
            with Path(BEHAVIOUR["seen"]).open("a") as file:
                file.write(json.dumps(body) + "\n")
        REPLIES[0] += 1
        died = Path(BEHAVIOUR.get("died", "/nonexistent"))
        if REPLIES[0] > BEHAVIOUR.get("dies_after", 10**9) and not died.exists():
            died.touch()
            os._exit(9)
        choice = {"text": f"{len(body['prompt'])} characters", "finish_reason": "stop"}
        self.answer(
            200, json.dumps({"choices": [choice], "usage": {"completion_tokens": 2}}).encode()
        )

    def answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


parser = argparse.ArgumentParser()
for flag in ("--model", "--served-model-name", "--host", "--port", "--dtype", "--tensor-parallel-size", "--generation-config", "--gpu-memory-utilization", "--max-model-len", "--lora-modules", "--max-lora-rank"):  # fmt: skip
    parser.add_argument(flag)
for flag in ("--enable-prefix-caching", "--no-enable-prefix-caching", "--disable-uvicorn-access-log", "--no-enable-chunked-prefill", "--enforce-eager", "--enable-lora", "--trust-remote-code"):  # fmt: skip
    parser.add_argument(flag, action="store_true")
ARGS = parser.parse_args()
assert ARGS.host == "127.0.0.1"
print("INFO the arguments are", sys.argv[1:])
if "dies_at_start" in BEHAVIOUR:
    sys.exit(BEHAVIOUR["dies_at_start"])
if "pids" in BEHAVIOUR:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    with Path(BEHAVIOUR["pids"]).open("a") as file:
        file.write(f"{os.getpid()} {child.pid}\n")
time.sleep(BEHAVIOUR.get("wait_s", 0))
ThreadingHTTPServer(("127.0.0.1", int(ARGS.port)), Handler).serve_forever()
