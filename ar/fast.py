"""Choosing the fastest exact form of the decode step for the machine at hand."""

from __future__ import annotations

import logging

from ar.kernels.native import NativeStep, NotAvailable, Precision
from ar.model import Text2SemanticDecoder

log = logging.getLogger(__name__)


def prepare(model: Text2SemanticDecoder, precision: Precision = "float32", threads: int | None = None) -> bool:
    """Give a model on the CPU its compiled step; where that cannot be had, it keeps the plain one.

    The weights are packed as they are now. Prefilling still uses the model's own.

    Args:
        precision: float32 rounds like the plain step up to the last bits; bfloat16 halves the weights and the cache
            that each step reads; int8 reads a quarter of the weights. Codes then differ in time, see
            docs/performance.md.
        threads: None: as many as a measurement on this model finds fastest.

    Returns:
        Whether the model has a compiled step now.
    """
    if model.head.weight.device.type != "cpu":
        return False
    try:
        model.fast = NativeStep(model, precision, threads)
    except NotAvailable as reason:
        log.info("the plain decode step is used: %s", reason)
        return False
    return True
