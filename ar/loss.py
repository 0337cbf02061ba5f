"""Teacher-forced training: next-code cross-entropy, top-3 accuracy, and direct preference optimisation."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from ar.model import Text2SemanticDecoder, filled, prefix_mask

IGNORE = -100
TOP = 3
DPO_BETA = 0.2


@dataclass(frozen=True, slots=True)
class Whole:
    """What a batch is a part of, when memory or several processes divide what one step learns from."""

    rows: int
    targets: int


@dataclass(frozen=True, slots=True)
class Batch:
    """Right-padded training examples.

    Attributes:
        phones: [b, n] ids.
        phone_lengths: [b].
        codes: [b, t].
        code_lengths: [b].
        bert: [b, c, n], or None when no example has features or the model reads none.
        given: so many of the first codes [b] are read and not learned; None: all are learned.
        rejected: the same texts with codes that are worse, where a training has such pairs.
        names: of the utterances.
        whole: None: this is all of it.
    """

    phones: Tensor
    phone_lengths: Tensor
    codes: Tensor
    code_lengths: Tensor
    bert: Tensor | None = None
    given: Tensor | None = None
    rejected: Batch | None = None
    names: tuple[str, ...] = ()
    whole: Whole | None = None

    def to(self, device: torch.device) -> Batch:
        return replace(
            self,
            phones=self.phones.to(device),
            phone_lengths=self.phone_lengths.to(device),
            codes=self.codes.to(device),
            code_lengths=self.code_lengths.to(device),
            bert=None if self.bert is None else self.bert.to(device),
            given=None if self.given is None else self.given.to(device),
            rejected=None if self.rejected is None else self.rejected.to(device),
        )

    def with_codes(self, codes: Tensor, lengths: Tensor) -> Batch:
        return replace(self, codes=codes, code_lengths=lengths)

    def part(self, rows: slice, whole: Whole) -> Batch:
        """Some of the utterances, as wide as all."""
        return Batch(
            self.phones[rows],
            self.phone_lengths[rows],
            self.codes[rows],
            self.code_lengths[rows],
            None if self.bert is None else self.bert[rows],
            None if self.given is None else self.given[rows],
            None if self.rejected is None else self.rejected.part(rows, whole),
            self.names[rows],
            whole,
        )

    @property
    def share(self) -> float:
        """Of the utterances that one step learns from."""
        return 1.0 if self.whole is None else len(self.codes) / self.whole.rows


@dataclass(frozen=True, slots=True)
class TrainingOutput:
    """Attributes: loss: summed over the targets; accuracy: share of codes among the three likeliest; logits:
    [b, t+1, v]; count: number of targets in the loss."""

    loss: Tensor
    accuracy: Tensor
    logits: Tensor
    count: Tensor


def teacher_forced(
    model: Text2SemanticDecoder, batch: Batch, heard: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Run the model over known codes.

    Args:
        heard: [b, t], what the model reads in place of the codes it is to say, see `garble`; None: the same.

    Returns:
        hidden [b, n+t, c], logits [b, t+1, v] of code 0 to the end mark, targets [b, t+1] (IGNORE where there is none).
    """
    eos, public = model.config.eos, model.config.mask == "public"
    n, t = batch.phones.shape[1], batch.codes.shape[1]
    code_valid = filled(batch.code_lengths, t)
    codes = torch.where(code_valid, batch.codes, eos)
    read = codes if heard is None else torch.where(code_valid, heard, eos)
    text_valid = filled(batch.phone_lengths, n)
    allowed = prefix_mask(text_valid.flip(1) if public else text_valid, code_valid)
    x = torch.cat((model.embed_text(batch.phones, batch.bert), model.embed_codes(read)), 1)
    hidden = model.hidden(x, allowed[:, None])
    # The first code is predicted by the last phone: by the last of the padded text in the public model.
    last = torch.full_like(batch.phone_lengths, n) if public else batch.phone_lengths
    rows = torch.arange(len(x), device=x.device)
    first = hidden[rows, last - 1]
    logits = model.head(torch.cat((first[:, None], hidden[:, n:]), 1))
    targets = F.pad(codes, (0, 1), value=eos)
    if not public:
        targets = targets.masked_fill(~filled(batch.code_lengths + 1, t + 1), IGNORE)
    if batch.given is not None:
        targets = targets.masked_fill(filled(batch.given, t + 1), IGNORE)
    return hidden, logits, targets


def training_loss(model: Text2SemanticDecoder, batch: Batch, heard: Tensor | None = None) -> TrainingOutput:
    """Summed cross-entropy and top-3 accuracy of one batch; `heard` as in `teacher_forced`."""
    _, logits, targets = teacher_forced(model, batch, heard)
    return _output(model, logits, targets)


def garble(codes: Tensor, chance: float, size: int) -> Tensor:
    """Replace some of the codes [b, t] by random ones of `size`, drawn from torch's global generator.

    A model that has only ever read right codes learns to trust them more than the text; its own are not always right.
    """
    other = torch.randint(size, codes.shape, device=codes.device)
    return torch.where(torch.rand(codes.shape, device=codes.device) < chance, other, codes)


def dpo_loss(model: Text2SemanticDecoder, batch: Batch, rejected: Batch) -> TrainingOutput:
    """Cross-entropy plus reference-free direct preference optimisation (Rafailov et al. 2023).

    Args:
        batch: the real codes.
        given: so many of the first codes [b] are read and not learned; None: all are learned.
        rejected: the same texts with damaged codes, see `damage`.
    """
    _, logits, targets = teacher_forced(model, batch)
    _, bad_logits, bad_targets = teacher_forced(model, rejected)
    margin = _log_probability(logits, targets) - _log_probability(bad_logits, bad_targets)
    output = _output(model, logits, targets)
    loss = output.loss - batch.share * F.logsigmoid(DPO_BETA * margin).mean()
    return TrainingOutput(loss, output.accuracy, output.logits, output.count)


def damage(batch: Batch, source: torch.Generator) -> Batch:
    """Repeat or drop a random span of each example's codes, as a stammering or skipping voice would.

    Args:
        source: generator on the CPU.
    """
    rows = []
    for codes, length in zip(batch.codes, batch.code_lengths.tolist(), strict=True):
        start, end = sorted(torch.randint(0, length, (2,), generator=source).tolist())
        repeat = bool(torch.randint(0, 2, (1,), generator=source))
        spoken = codes[:length]
        parts = (spoken[:end], spoken[start:end], spoken[end:]) if repeat else (spoken[:start], spoken[end:])
        rows.append(torch.cat(parts))
    lengths = torch.tensor([len(row) for row in rows], device=batch.codes.device)
    return batch.with_codes(torch.nn.utils.rnn.pad_sequence(rows, batch_first=True), lengths)


def _output(model: Text2SemanticDecoder, logits: Tensor, targets: Tensor) -> TrainingOutput:
    loss = F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten(), ignore_index=IGNORE, reduction="sum")
    codes = (targets != IGNORE) & (targets != model.config.eos)
    # A code is among the likeliest when few others are likelier; sorting all would take longer.
    scores = logits.detach()
    wanted = scores.gather(-1, targets.clamp(min=0)[..., None])
    hits = ((scores > wanted).sum(-1) < TOP) & codes
    return TrainingOutput(loss, hits.sum() / codes.sum().clamp(min=1), logits, (targets != IGNORE).sum())


def _log_probability(logits: Tensor, targets: Tensor) -> Tensor:
    """[b] summed log-probabilities of the targets."""
    counted = targets != IGNORE
    chosen = logits.float().log_softmax(-1).gather(-1, targets.clamp(min=0)[..., None])[..., 0]
    return (chosen * counted).sum(-1)
