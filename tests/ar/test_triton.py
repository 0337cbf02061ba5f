"""The GPU's kernels, run by Triton's interpreter, against the plain step."""

from __future__ import annotations

import os
import subprocess
import sys

PROGRAM = """
import torch
from ar import Item, Text2SemanticConfig, Text2SemanticDecoder
from ar.cache import KeyValueCache
from ar.items import collate
from ar.kernels.triton_step import TritonStep

torch.manual_seed(0)
sizes = dict(width=32, heads=2, layers=2, feed_forward=48, phones=20, codes=65, eos=64, bert_width=None)
model = Text2SemanticDecoder(Text2SemanticConfig(**sizes)).eval()
for p in model.parameters():
    torch.nn.init.normal_(p, std=0.3)
lengths = [3, 70, 17]

def cache(poison):
    filled = KeyValueCache(model.config, 3, 96)
    filled.keys.fill_(poison), filled.values.fill_(poison)
    for row, n in enumerate(lengths):
        item = Item(torch.arange(n) % 20, None, torch.arange(5) + row)
        filled.put(row, model.prefill(collate(model, [item]), 0)[1])
        filled.keys[:, row, :, n + 5:], filled.values[:, row, :, n + 5:] = poison, poison
    filled.open(76 + 4)
    return filled

with torch.inference_mode():
    plain, ours = cache(0.0), cache(float("nan"))
    step = TritonStep(model).whole
    for t in range(4):
        tokens = torch.tensor([t, 7, 11 * t])
        expected, actual = model.step(tokens, plain), step(tokens, ours)
        torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-4)
    assert torch.equal(plain.end, ours.end) and torch.equal(plain.position, ours.position)
    # a row alone gets the same bits
    alone, together = cache(1e4), cache(1e4)
    other = KeyValueCache(model.config, 1, 96)
    other.keys.copy_(alone.keys[:, 1:2]), other.values.copy_(alone.values[:, 1:2])
    other.end.copy_(alone.end[1:2]), other.position.copy_(alone.position[1:2])
    other.open(80)
    assert torch.equal(step(torch.tensor([9]), other)[0], step(torch.tensor([1, 9, 2]), together)[1])
print("equal")
"""


def test_the_kernels_compute_the_plain_step() -> None:
    """In a process of its own: the interpreter must be chosen before Triton is imported."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "TRITON_INTERPRET": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "equal\n", done.stderr
