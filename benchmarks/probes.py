"""What the codes of a model tell: of the words much, of the speaker little.

    python -m benchmarks.probes FOLDER LIST

FOLDER is a prepared folder, LIST the `path|speaker|language|text` list it was made from. Prints a markdown table.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from rapidfuzz.distance import Levenshtein
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from ar.config import Text2SemanticDataConfig
from ar.data import Text2SemanticDataModule, Utterance
from ar.join import read_speakers

CODES = 1024
FEWEST = 20
"""Utterances a speaker needs to be told from others."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("listing", type=Path)
    parser.add_argument("--symbols", default="v2")
    parser.add_argument("--steps", type=int, default=800, help="for the recognisers of phones")
    given = parser.parse_args()
    torch.manual_seed(0)
    data = Text2SemanticDataModule(given.folder, Text2SemanticDataConfig(symbols=given.symbols))
    data.setup()
    assert data.train is not None
    items = data.train.utterances
    print("| what | value |\n|---|---:|")
    _use(items)
    _time(items)
    _speakers(items, {name: speaker for name, (speaker, _) in read_speakers(given.listing).items()})
    for layers in (0, 3):
        _phones(items, layers, given.steps)


def _use(items: Sequence[Utterance]) -> None:
    counts = torch.bincount(torch.tensor([code for item in items for code in item.codes]), minlength=CODES).float()
    shares = counts / counts.sum()
    perplexity = (-(shares * shares.clamp(min=1e-12).log()).sum()).exp()
    print(f"| codes used, of {CODES} | {(counts > 0).float().mean():.1%} |")
    print(f"| perplexity of the codes | {perplexity:.0f} |")


def _time(items: Sequence[Utterance], longest: int = 100) -> None:
    """How much a code tells of where it stands in its recording; silence at the ends is a part of that."""
    codes = torch.tensor([code for item in items for code in item.codes[:longest]])
    times = torch.tensor([float(t) for item in items for t in range(len(item.codes[:longest]))])
    counts = torch.bincount(codes, minlength=CODES).clamp(min=1)
    means = torch.zeros(CODES).index_add_(0, codes, times) / counts
    told = 1 - (times - means[codes]).square().mean() / times.var()
    print(f"| share of the variance of the time, in the first {longest} codes, that a code tells | {told:.1%} |")


def _speakers(items: Sequence[Utterance], speakers: dict[str, str]) -> None:
    """A linear classifier of the speaker on how often each code occurs in an utterance."""
    names = [speakers[item.name] for item in items]
    kept = sorted(name for name in set(names) if names.count(name) >= FEWEST)
    rows = [i for i, name in enumerate(names) if name in set(kept)]
    inputs = torch.stack([torch.bincount(torch.tensor(items[i].codes), minlength=CODES).float() for i in rows])
    inputs = (inputs / inputs.sum(1, keepdim=True)).sqrt()
    labels = torch.tensor([kept.index(names[i]) for i in rows])
    print(f"| speaker told from the codes of an utterance, of {len(kept)} (linear) | {_probe(inputs, labels):.1%} |")
    print(f"| the commonest speaker's share | {labels.bincount().max() / len(labels):.1%} |")


def _phones(items: Sequence[Utterance], layers: int, steps: int, held: int = 200) -> None:
    """A recogniser of phones (CTC) on windows of five codes, with so many nonlinear layers before: its errors on
    utterances it was not taught on. CTC needs no alignment of codes and phones."""
    order = torch.randperm(len(items)).tolist()
    reader = _Reader(layers, 1 + max(max(item.phones) for item in items))
    optimizer = torch.optim.AdamW(reader.parameters(), 3e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps)
    for _ in range(steps):
        batch = [items[order[held + i]] for i in torch.randint(len(items) - held, (32,)).tolist()]
        codes, phones = ([torch.tensor(getattr(item, name)) for item in batch] for name in ("codes", "phones"))
        scores = reader(pad_sequence(codes, True)).log_softmax(-1).transpose(0, 1)
        sizes = [torch.tensor([len(row) for row in rows]) for rows in (codes, phones)]
        loss = F.ctc_loss(scores, torch.cat(phones) + 1, *sizes, zero_infinity=True)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    edits = count = 0
    with torch.inference_mode():
        for item in (items[i] for i in order[:held]):
            best = torch.unique_consecutive(reader.eval()(torch.tensor(item.codes)[None])[0].argmax(-1))
            edits += Levenshtein.distance(item.phones, (best[best > 0] - 1).tolist())
            count += len(item.phones)
    kind = "linear" if not layers else f"{layers} layers"
    print(f"| phone errors of a recogniser that reads the codes ({kind}) | {edits / count:.1%} |")


class _Reader(nn.Module):
    """Codes [b, t] to scores of the blank and the phones [b, t, n + 1]."""

    def __init__(self, layers: int, phones: int, width: int = 256) -> None:
        super().__init__()
        self.embedding = nn.Embedding(CODES, width)
        self.norms = nn.ModuleList([nn.LayerNorm(width) for _ in range(layers)])
        self.layers = nn.ModuleList([nn.Conv1d(width, width, 5, padding=2) for _ in range(layers)])
        self.head = nn.Conv1d(width, phones + 1, 5, padding=2)

    def forward(self, codes: Tensor) -> Tensor:
        x = self.embedding(codes)
        for norm, layer in zip(self.norms, self.layers, strict=True):
            x = x + F.gelu(layer(norm(x).mT).mT)
        return self.head(x.mT).mT.float()


def _probe(inputs: Tensor, labels: Tensor, share: float = 0.2, steps: int = 600) -> float:
    """Share of right answers of a linear classifier on the part it was not taught on."""
    order = torch.randperm(len(inputs))
    held, taught = order[: int(share * len(order))], order[int(share * len(order)) :]
    inputs = (inputs - inputs[taught].mean(0)) / (inputs[taught].std(0) + 1e-4)
    classifier = nn.Linear(inputs.shape[1], int(labels.max()) + 1)
    optimizer = torch.optim.AdamW(classifier.parameters(), 3e-3, weight_decay=0.1)
    for _ in range(steps):
        rows = taught[torch.randint(len(taught), (512,))]
        loss = F.cross_entropy(classifier(inputs[rows]), labels[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.inference_mode():
        return float((classifier(inputs[held]).argmax(1) == labels[held]).float().mean())


if __name__ == "__main__":
    main()
