"""What is done to the blocks that a network repeats: computed again to save memory, or compiled to save time."""

from __future__ import annotations

import functools
import os
import shutil

from torch import nn
from torch.utils.checkpoint import checkpoint

from gpt_sovits.core.errors import ConfigError

Blocks = tuple[type[nn.Module], ...]
COMPILERS = ("g++", "clang++", "cl")


def recompute(network: nn.Module, blocks: Blocks) -> None:
    """Compute these blocks again on the way back instead of keeping what they made."""
    for module in network.modules():
        if isinstance(module, blocks):
            module.forward = functools.partial(checkpoint, module.forward, use_reentrant=False)  # type: ignore[method-assign]


def compile_blocks(network: nn.Module, blocks: Blocks) -> None:
    """Let `torch.compile` make one program of each of these blocks, for batches of any shape.

    Equal blocks share their program, so that the compiler is done in minutes where the whole network takes many more.

    Raises:
        ConfigError: no C++ compiler is installed.
    """
    if not any(map(shutil.which, (os.environ.get("CXX", ""), *COMPILERS))):
        raise ConfigError("run.compile needs a C++ compiler: install g++, or leave run.compile out")
    for module in network.modules():
        if isinstance(module, blocks):
            module.compile(dynamic=True)
