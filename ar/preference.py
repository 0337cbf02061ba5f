"""Preference pairs of what a model says itself: the better and the worse, judged by length and alignment.

The public recipe damages recorded codes (`ar.loss.damage`); here a model learns from faults that are its own.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from pydantic import Field

from ar.alignment import text_attention
from ar.data import CODE_RATE, Collate, Utterance
from ar.decode import Item, generate_batch
from ar.loss import Batch
from ar.model import Text2SemanticDecoder
from ar.reading import attention_inputs, path_cost
from ar.sampling import GenerateOptions
from gpt_sovits.core.config import Strict
from gpt_sovits.core.errors import DatasetError
from gpt_sovits.core.files import write_text

Head = tuple[int, int]
"""Layer, and head within it."""


class PreferenceConfig(Strict):
    """How pairs are made."""

    samples: int = Field(default=6, ge=2)
    """Times each text is said."""
    margin: float = Field(default=0.2, gt=0)
    """Least difference of the costs of the best and the worst; closer ones teach nothing, and the text is left out."""
    length_weight: float = Field(default=1.0, ge=0)
    """Cost of being e times too long or too short."""
    alignment_weight: float = Field(default=1.0, ge=0)
    """Cost of a nat per code by which the model's reading of the text departs from left to right."""
    heads: int = Field(default=2, gt=0)
    """Attention heads that judge: those that follow recordings best."""
    listened: int = Field(default=8, gt=0)
    """Recordings by which those heads are found."""
    longest: float = Field(default=2.0, gt=1)
    """A sample is stopped when it is so many times as long as the recording."""
    top_k: int = 15
    temperature: float = 1.0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Pair:
    """Two ways the model said one text, and what each costs."""

    name: str
    chosen: tuple[int, ...]
    rejected: tuple[int, ...]
    costs: tuple[float, float]


@dataclass(frozen=True, slots=True)
class PairCollate:
    """Utterances to batches of the preferred codes, with those that are not beside them."""

    collate: Collate
    pairs: Mapping[str, Pair]

    def __call__(self, items: Sequence[Utterance]) -> Batch:
        chosen, rejected = (
            self.collate([said(item, getattr(self.pairs[item.name], side)) for item in items])
            for side in ("chosen", "rejected")
        )
        return replace(chosen, rejected=rejected)


def said(item: Utterance, codes: Sequence[int]) -> Utterance:
    """The text of an utterance with other codes."""
    return Utterance(item.name, item.phones, list(codes), item.bert)


@torch.no_grad()
def misalignment(model: Text2SemanticDecoder, batch: Batch, heads: Sequence[Head]) -> list[list[float]]:
    """How far each head is from reading the text once from left to right, in nats per code, for each row.

    Infinite where a row has fewer codes than phones: no such path exists.
    """
    layers = sorted({layer for layer, _ in heads})
    watched = dict(zip(layers, attention_inputs(model, batch, layers), strict=True))
    maps = torch.stack([text_attention(*watched[layer], batch, head) for layer, head in heads], 1)
    lengths = zip(batch.phone_lengths.tolist(), batch.code_lengths.tolist(), strict=True)
    return [
        [path_cost(one[None, :codes, :phones]) * phones / codes for one in row]
        for row, (phones, codes) in zip(maps, lengths, strict=True)
    ]


def reading_heads(
    model: Text2SemanticDecoder, collate: Collate, recorded: Sequence[Utterance], count: int
) -> list[Head]:
    """The heads whose attention follows the text of recordings best."""
    everyone = [(layer, head) for layer in range(model.config.layers) for head in range(model.config.heads)]
    fitting = [item for item in recorded if len(item.codes) >= len(item.phones)]
    if not fitting:
        raise DatasetError("no recording has as many codes as phones, so alignment cannot be judged")
    costs = torch.tensor([misalignment(model, collate([item]), everyone)[0] for item in fitting]).mean(0)
    return [everyone[i] for i in costs.argsort()[:count].tolist()]


def make_pair(
    model: Text2SemanticDecoder, collate: Collate, item: Utterance, heads: Sequence[Head], config: PreferenceConfig
) -> Pair | None:
    """Say a text several times; the best and the worst, or None where they differ too little."""
    limit = math.ceil(config.longest * len(item.codes)) + 1
    options = GenerateOptions(
        top_k=config.top_k, temperature=config.temperature, repetition_penalty=1.0, max_new_tokens=limit
    )
    text = collate([item])
    bert = None if text.bert is None else text.bert[0]
    asked = [Item(text.phones[0], bert, None, config.seed + number) for number in range(config.samples)]
    spoken = [codes.tolist() for codes in generate_batch(model, asked, options)]
    spoken = [codes for codes in spoken if codes]
    if len(spoken) < 2:
        return None
    aligned = misalignment(model, collate([said(item, codes) for codes in spoken]), heads)
    costs = [
        config.length_weight * abs(math.log(len(codes) / len(item.codes)))
        + config.alignment_weight * min(sum(nats) / len(nats), 100.0)
        for codes, nats in zip(spoken, aligned, strict=True)
    ]
    best, worst = min(range(len(costs)), key=costs.__getitem__), max(range(len(costs)), key=costs.__getitem__)
    if costs[worst] - costs[best] < config.margin:
        return None
    return Pair(item.name, tuple(spoken[best]), tuple(spoken[worst]), (costs[best], costs[worst]))


def write_pairs(path: Path, pairs: Sequence[Pair]) -> None:
    """One JSON object a line."""
    lines = [
        json.dumps(
            {"name": p.name, "chosen": p.chosen, "rejected": p.rejected, "costs": [round(c, 4) for c in p.costs]}
        )
        for p in pairs
    ]
    write_text(path, "\n".join(lines) + "\n")


def read_pairs(path: Path) -> dict[str, Pair]:
    """Pairs by the name of their utterance.

    Raises:
        DatasetError: the file is missing, or a line is damaged.
    """
    try:
        lines = path.read_text(encoding="utf8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"the preference pairs {path} cannot be read: {error}") from error
    pairs = [_pair(line, f"line {number} of the preference pairs {path}") for number, line in enumerate(lines, 1)]
    return {pair.name: pair for pair in pairs}


def _pair(line: str, place: str) -> Pair:
    try:
        row = json.loads(line)
        chosen, rejected = (tuple(int(code) for code in row[side]) for side in ("chosen", "rejected"))
        if not chosen or not rejected:
            raise ValueError("a side without codes")
        return Pair(str(row["name"]), chosen, rejected, (float(row["costs"][0]), float(row["costs"][1])))
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise DatasetError(f"{place} is damaged ({error}): make them again") from error


def told(pairs: Sequence[Pair], texts: int) -> str:
    """What came of it, in words."""
    if not pairs:
        return f"none of {texts} texts was said in ways that differ enough to choose between"
    better, worse = (sum(pair.costs[side] for pair in pairs) / len(pairs) for side in (0, 1))
    seconds = [sum(len(getattr(p, side)) for p in pairs) / len(pairs) / CODE_RATE for side in ("chosen", "rejected")]
    return (
        f"{len(pairs)} pairs of {texts} texts; mean cost {better:.2f} against {worse:.2f}, "
        f"{seconds[0]:.1f} s against {seconds[1]:.1f} s"
    )
