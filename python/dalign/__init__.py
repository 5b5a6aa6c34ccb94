"""Deliberative alignment: train a reasoning model to follow a written policy from memory.

The names below are what a program starts from; each is loaded when it is first asked for.
"""

from __future__ import annotations

# Where each name stands. `__init__.pyi` tells the same to a type checker.
_PLACES = {
    "run": "dalign.library",
    "Run": "dalign.library",
    "load_config": "dalign.settings",
    "load_spec": "dalign.spec.parse",
    "check_spec": "dalign.spec.check",
    "Prompt": "dalign.rows",
    "Verdict": "dalign.rows",
    "Engine": "dalign.models.protocol",
    "open_engine": "dalign.pipeline.engines",
    "Judge": "dalign.pipeline.policy_judge",
    "InputError": "dalign.errors",
    "__version__": "dalign._core",
}
__all__ = [
    "Engine",
    "InputError",
    "Judge",
    "Prompt",
    "Run",
    "Verdict",
    "__version__",
    "check_spec",
    "load_config",
    "load_spec",
    "open_engine",
    "run",
]


def __getattr__(name: str) -> object:
    from importlib import import_module

    if name == "errors":
        return import_module(f"{__name__}.{name}")
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(_PLACES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(globals().keys() | _PLACES.keys())
