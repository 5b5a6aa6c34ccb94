"""Jinja templates that others wrote, filled in first by a process of little time and memory.

A template can ask for any time and any memory, within one operation too; only a process can be stopped there.
"""

from __future__ import annotations

import json
import math
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

# What a template may take in all of its trials: some milliseconds, and some kilobytes, are usual.
MOST_CPU_S, MOST_WALL_S = 2, 120
MOST_BYTES = 1 << 30
MOST_CHARACTERS = 1 << 26
_TOO_LARGE = f"fills in to more than {MOST_CHARACTERS:,} characters, or needs more than {MOST_BYTES >> 20:,} MiB"
_GREW = 3
_problems: dict[str, str | None] = {}
_WAY_OUT = "mend its loops and its repetitions"


def problem(source: str, values: Sequence[Mapping[str, Any]]) -> str | None:
    """What is wrong with a template that takes too long or grows too large with some of these values; None: nothing is.

    Its other faults show where it is filled in. A process tries each template once, with the values that it has first.
    """
    if source not in _problems:
        _problems[source] = _tried(json.dumps([source, values], default=_plain))
    return _problems[source]


def _plain(value: Any) -> Any:
    """A row or a unit of the policy as its fields."""
    return getattr(value, "__dict__", None) or str(value)


def _tried(asked: str) -> str | None:
    # -P: what lies in the current folder is no module of this program.
    command = [sys.executable, "-P", "-m", "dalign.trial"]
    try:
        done = subprocess.run(
            command, input=asked, capture_output=True, text=True, timeout=MOST_WALL_S, check=False
        )
    except subprocess.TimeoutExpired:
        return f"takes longer than {MOST_WALL_S} s; {_WAY_OUT}"
    if done.returncode < 0:
        return f"takes longer than {MOST_CPU_S} s; {_WAY_OUT}"
    if done.returncode == _GREW:
        return f"{_TOO_LARGE}; {_WAY_OUT}"
    if done.returncode:
        reason = done.stderr.strip().rpartition("\n")[2] or f"exit code {done.returncode}"
        return f"could not be tried ({reason}); see to the Python that runs dalign"
    return None


def _try() -> None:
    """In the process: fills the template in with each of the values."""
    source, values = json.load(sys.stdin)
    environment = _environment()
    # What loading took, a second or two on a busy machine, is none of the template's.
    end = math.ceil(time.process_time()) + MOST_CPU_S
    resource.setrlimit(resource.RLIMIT_CPU, (end, end))
    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    template = _unless_faulty(partial(environment.from_string, source))
    for each in values if template else ():
        text = _unless_faulty(partial(template.render, each))
        if text and len(text) > MOST_CHARACTERS:
            raise MemoryError


def _unless_faulty(make: Callable[[], Any]) -> Any:
    """What is made; None for a fault other than size: it shows where the template is filled in."""
    try:
        return make()
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - as above
        return None


def _environment() -> Any:
    """Templates as transformers and the policy's own have them, their names included."""
    import jinja2
    import jinja2.ext
    import jinja2.nodes
    import jinja2.parser
    import jinja2.sandbox

    class Generation(jinja2.ext.Extension):
        """The mark around what an assistant writes: what stands inside is filled in as it is."""

        tags = {"generation"}  # noqa: RUF012 - so it is declared above

        def parse(self, parser: jinja2.parser.Parser) -> list[jinja2.nodes.Node]:
            next(parser.stream)
            return parser.parse_statements(("name:endgeneration",), drop_needle=True)

    def raise_exception(message: str) -> None:
        raise jinja2.TemplateError(message)

    environment = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, "jinja2.ext.loopcontrols"]
    )
    environment.filters["tojson"] = lambda value, **_: json.dumps(value, ensure_ascii=False)
    environment.globals["raise_exception"] = raise_exception
    environment.globals["strftime_now"] = datetime.now().strftime
    return environment


if __name__ == "__main__":
    try:
        _try()
    except MemoryError:
        os._exit(_GREW)
