from dalign import errors as errors
from dalign.errors import InputError as InputError
from dalign.library import Run as Run
from dalign.library import run as run
from dalign.models.protocol import Engine as Engine
from dalign.pipeline.engines import open_engine as open_engine
from dalign.pipeline.policy_judge import Judge as Judge
from dalign.rows import Prompt as Prompt
from dalign.rows import Verdict as Verdict
from dalign.settings import load_config as load_config
from dalign.spec.check import check_spec as check_spec
from dalign.spec.parse import load_spec as load_spec

__version__: str
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
