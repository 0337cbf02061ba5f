"""Few-shot voice cloning: `from gpt_sovits import TTS`.

Public names are resolved on first use, so that `import ar` or `import gpt_sovits.core` stays light.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if not {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & set(os.environ):
    # How often a thread that waits for another looks before it sleeps. By default it looks for milliseconds, and where
    # another program wants the processor, keeps from it the very thread it waits for. GNU's OpenMP reads this when it
    # is loaded, with PyTorch and with what is compiled here.
    os.environ["GOMP_SPINCOUNT"] = "4000"

if TYPE_CHECKING:
    from gpt_sovits.pipeline import TTS, Request

__all__ = ["TTS", "Request"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module("gpt_sovits.pipeline"), name)
    raise AttributeError(f"module 'gpt_sovits' has no attribute {name!r}")
