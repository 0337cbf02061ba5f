"""What the codes of a model tell: of the words much, of the speaker little.

    python -m benchmarks.probes FOLDER LIST --model MODEL

FOLDER is a prepared folder, LIST the `path|speaker|language|text` list it was made from, MODEL the model whose stage 1
aligns phones to codes by its reading heads. Prints a markdown table.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ar import Batch, load_text2semantic
from ar.alignment import text_attention, watch_attention
from ar.config import Text2SemanticDataConfig
from ar.data import Text2SemanticDataModule, Utterance
from ar.join import read_speakers
from ar.loss import training_loss
from ar.model import Text2SemanticDecoder
from gpt_sovits.core.bundle import find_model
from sovits import load_sovits

CODES = 1024
FEWEST = 20
"""Utterances a speaker needs to be told from others."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("listing", type=Path)
    parser.add_argument("--model", required=True)
    parser.add_argument("--utterances", type=int, default=1500, help="for the phone probe")
    given = parser.parse_args()
    torch.manual_seed(0)
    bundle = find_model(given.model)
    data = Text2SemanticDataModule(given.folder, Text2SemanticDataConfig(symbols=bundle.manifest.symbols))
    data.setup()
    assert data.train is not None
    items = data.train.utterances
    print("| what | value |\n|---|---:|")
    _use(items)
    _time(items)
    _speakers(items, read_speakers(given.listing))
    centres = load_sovits(bundle.need("s2")).quantizer.codebook
    _phones(items, load_text2semantic(bundle.need("s1")).eval(), centres, given.utterances)


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


def _phones(items: Sequence[Utterance], model: Text2SemanticDecoder, centres: Tensor, most: int) -> None:
    """A linear classifier of the phone on the vectors of three neighbouring codes."""
    chosen = [items[i] for i in torch.randperm(len(items))[:most].tolist()]
    inputs, labels = [], []
    for item in chosen:
        vectors = F.pad(centres[torch.tensor(item.codes)], (0, 0, 1, 1))
        inputs.append(torch.cat((vectors[:-2], vectors[1:-1], vectors[2:]), 1))
        labels.append(torch.tensor(item.phones)[_path(model, item)])
    found = torch.cat(labels)
    print(
        f"| phone told from three codes, of {len(found.unique())} (linear) | {_probe(torch.cat(inputs), found):.1%} |"
    )
    print(f"| the commonest phone's share | {found.bincount().max() / len(found):.1%} |")


@torch.inference_mode()
def _path(model: Text2SemanticDecoder, item: Utterance) -> Tensor:
    """The likeliest monotonic way [t] of the reading heads through the phones."""
    batch = Batch(
        torch.tensor([item.phones]),
        torch.tensor([len(item.phones)]),
        torch.tensor([item.codes]),
        torch.tensor([len(item.codes)]),
    )
    with watch_attention(model, model.config.reading_layers) as seen:
        training_loss(model, batch)
    scores = torch.stack([text_attention(a, x, batch, model.config.reading_head)[0] for a, x in seen]).mean(0)
    best, came = scores.new_full((scores.shape[1],), -torch.inf), []
    best[0] = scores[0, 0]
    for row in scores[1:]:
        moved = F.pad(best[:-1], (1, 0), value=-torch.inf)
        came.append(moved > best)
        best = torch.maximum(best, moved) + row
    place, path = scores.shape[1] - 1, [scores.shape[1] - 1]
    for steps in reversed(came):
        place -= int(steps[place])
        path.append(place)
    return torch.tensor(path[::-1])


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
