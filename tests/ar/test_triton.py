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
print("steps")
"""

DRAWS = """
import random
import torch
from ar import GenerateOptions
from ar.kernels.triton_draw import draw
from ar.rows import Rows

PICKS = dict(top_k=[None, 1, 3, 15, 100], top_p=[1.0, 1.0, 0.9, 0.3], temperature=[0.0, 0.5, 1.0, 1.3],
             repetition_penalty=[1.0, 1.35, 2.0], eos_free_steps=[0, 11], repeat_window=[None, 10, 64],
             repeat_share=[0.0, 0.1])

def started(codes):
    source, rows = random.Random(codes), Rows(6, codes, codes - 1, torch.device("cpu"))
    for row in range(6):
        options = GenerateOptions(**{name: source.choice(values) for name, values in PICKS.items()})
        rows.start(row, options, source.getrandbits(63), torch.randint(codes - 1, (9,)), torch.zeros(codes))
    return rows

for codes, steps in ((65, 14), (1025, 2)):
    torch.manual_seed(codes)
    plain = started(codes)
    torch.manual_seed(codes)
    ours, again, ends = started(codes), 0, 0
    for step in range(steps):
        plain.logits.normal_(std=3)
        plain.logits[:, 7] += 8 * (step % 3)
        plain.logits[:, codes - 1] += 4 * (step > 11)
        ours.logits.copy_(plain.logits)
        for row in range(6):
            plain.need_noise(row, step)
        plain.draw()
        draw(ours)
        for name in ("tokens", "ended", "seen", "age"):
            assert torch.equal(getattr(plain, name), getattr(ours, name)), (codes, step, name)
        ends += int(plain.ended.sum())
    assert torch.equal(plain.recent[plain.options.window[:, 0] > 0], ours.recent[ours.options.window[:, 0] > 0])
    assert ends or codes > 65
print("draws")
"""

GOLDEN = """
import torch
from ar import GenerateOptions, Item
from ar.decoder import Decoder
from ar.kernels.triton_step import TritonStep
from tests import golden_data
from tests.ar.conftest import small_model

class Tape:
    def __init__(self, function):
        self.replay = function

stored, cases = golden_data.golden("s1_small_forward"), golden_data.golden_json("s1_small_infer")
model = small_model()
decoder = Decoder(model, rows=2, step=TritonStep(model), look=2, bucket=64, recorder=Tape)
tickets = []
for row, prompt in enumerate(cases["prompts"]):
    n = int(stored["phoneme_lens"][row])
    phones, bert = torch.from_numpy(stored["phoneme_ids"][row, :n]), torch.from_numpy(stored["bert"][row, :, :n])
    item = Item(phones, bert, torch.tensor(prompt))
    tickets.append(decoder.submit(item, GenerateOptions(top_k=1, max_new_tokens=4)))
for ticket, prompt, expected in zip(tickets, cases["prompts"], cases["naive_batched"]["y"]):
    assert decoder.result(ticket).tolist() == expected[len(prompt):][:4]
print("golden")
"""


def test_the_kernels_compute_what_the_plain_path_does() -> None:
    """Steps, draws, and the whole loop; in a process of its own, as Triton's interpreter is chosen at its import."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM + DRAWS + GOLDEN],
        env={**os.environ, "TRITON_INTERPRET": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == ["steps", "draws", "golden"], done.stderr
