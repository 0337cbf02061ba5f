"""Choosing the fastest exact form of the decode step for the machine at hand."""

from __future__ import annotations

import logging
from importlib.util import find_spec

from ar.kernels.native import NativeStep, NotAvailable, Precision
from ar.model import Text2SemanticDecoder
from gpt_sovits.core.late import widen

log = logging.getLogger(__name__)


def prepare(
    model: Text2SemanticDecoder, precision: Precision = "float32", threads: int | None = None, kernels: bool = False
) -> bool:
    """Give a model its compiled step; where that cannot be had, it keeps the plain one.

    On a CPU the weights are packed as they are now, and prefilling still uses the model's own; a model whose weights
    change afterwards goes back to the plain step by itself.

    Args:
        precision: on a CPU; float32 rounds like the plain step up to the last bits; bfloat16 halves the weights and the
            cache that each step reads; int8 reads a quarter of the weights. Codes then differ in time, see
            docs/performance.md.
        threads: on a CPU; None: as many as a measurement on this model finds fastest.
        kernels: on a GPU, use the Triton kernels in place of PyTorch's operations.

    Returns:
        Whether the model has a compiled step now.
    """
    device = model.head.weight.device.type
    if device == "cuda" and kernels and find_spec("triton") is not None:
        from ar.kernels.triton_step import TritonStep

        model.fast = TritonStep(model)
        return True
    if device != "cpu":
        return False
    widen(model)
    try:
        model.fast = NativeStep(model, precision, threads)
    except NotAvailable as reason:
        log.info("the plain decode step is used: %s", reason)
        return False
    return True
