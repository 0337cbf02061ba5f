"""How much less a vocoder takes that `gpt-sovits train vocoder` has made thin, in turns with HiFi-GAN V1.

    python -m benchmarks.thin [ROUNDS]

Untaught weights, 160 mel frames (1.6 s), as `sovits.fast` computes them here, with as many threads as PyTorch takes.
"""

from __future__ import annotations

import sys
from functools import partial
from unittest.mock import patch

import torch

from benchmarks.machine import processor
from benchmarks.sides import Row, compare, markdown
from sovits.config import SpectralExit, VocoderHead
from sovits.fast import WINDOW, FastVocoder
from sovits.thin import thin_config
from sovits.vocoder import Vocoder

SHAPES: dict[str, VocoderHead] = {
    "HiFi-GAN V1": VocoderHead(),
    "narrow 2": thin_config(VocoderHead(), (2,)),
    "narrow 2, 4, 4, 2": thin_config(VocoderHead(), (2, 4, 4, 2)),
    "narrow 4": thin_config(VocoderHead(), (4,)),
    "narrow 4, inverse STFT after two stages": thin_config(VocoderHead(), (4,), SpectralExit()),
}


@torch.inference_mode()
def measure(rounds: int) -> list[Row]:
    """Seconds of sound per second of work, each with the million weights that it has."""
    mel = torch.randn(1, 80, WINDOW)
    plain = {name: Vocoder(head).eval() for name, head in SHAPES.items()}
    counts = {name: sum(value.numel() for value in vocoder.parameters()) / 1e6 for name, vocoder in plain.items()}
    sides = {name: partial(FastVocoder(vocoder), mel) for name, vocoder in plain.items()}
    with patch("sovits.fast.compiled", return_value=None):
        sides |= {f"{name}, by tiles": partial(FastVocoder(vocoder), mel) for name, vocoder in plain.items()}
    rows = compare(sides, WINDOW / 100, "s of sound/s", rounds)
    sizes = [f"{counts[row.what.removesuffix(', by tiles')]:.1f} million weights" for row in rows]
    return [row.with_note(f"{size}, rtf {1 / row.rate:.3f}") for row, size in zip(rows, sizes, strict=True)]


if __name__ == "__main__":
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    print(f"# Thin vocoders, {torch.get_num_threads()} threads, {processor()}\n\n{markdown(measure(rounds))}")
