"""Few-shot voice cloning: `from gpt_sovits import TTS`.

Public names are resolved on first use, so that `import ar` or `import gpt_sovits.core` stays light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gpt_sovits.pipeline import TTS, Request

__all__ = ["TTS", "Request"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module("gpt_sovits.pipeline"), name)
    raise AttributeError(f"module 'gpt_sovits' has no attribute {name!r}")
