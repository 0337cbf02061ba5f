"""What codes say, as a network hears it that was taught with them: the judge of several draws of one sentence.

It learns beside the codebook, by recognising phones from the codes alone (`gpt_sovits.train.content`). Stage 1 draws
quickly and errs now and then; of a few draws the one in which the text is heard best has far fewer errors.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gpt_sovits.core.checkpoint import load_checkpoint, load_weights, save_checkpoint
from gpt_sovits.core.config import Strict, parse_config

KIND = "reader"
BLANK = 0
"""No phone; phone p has the logit p + 1."""


class CodeReaderConfig(Strict):
    """Sizes of the reader."""

    codes: int = 1024
    width: int = 256
    phones: int = 732


class PhoneReader(nn.Module):
    """Code vectors to phones, from a few neighbours on each side."""

    def __init__(self, width: int, phones: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv1d(width, width, 5, padding=2) for _ in range(2))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.phones = nn.Linear(width, phones + 1)

    def read(self, x: Tensor) -> Tensor:
        """Logits [b, t, phones + 1] of code vectors [b, t, width]."""
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = x + F.gelu(conv(norm(x).mT).mT)
        logits: Tensor = self.phones(x)
        return logits


class CodeReader(PhoneReader):
    """The same from codes."""

    def __init__(self, config: CodeReaderConfig) -> None:
        super().__init__(config.width, config.phones)
        self.config = config
        self.book = nn.Embedding(config.codes, config.width)

    @torch.inference_mode()
    def costs(self, codes: Sequence[Tensor], phones: Tensor) -> list[float]:
        """Negative log-likelihood (CTC) of a text in each of some draws, in nats per phone.

        Args:
            codes: draws [t] of the text.
            phones: ids of the text [n].

        Returns:
            Infinite where a draw has fewer codes than the text needs.
        """
        wanted, count = (phones.cpu() + 1)[None], torch.tensor([len(phones)])
        found = []
        for draw in codes:  # one by one: none then depends on the length of others
            scores = self.read(self.book(draw.to(self.book.weight.device))[None]).log_softmax(-1)[0].float().cpu()
            cost = F.ctc_loss(scores[:, None], wanted, torch.tensor([len(draw)]), count, BLANK, reduction="sum")
            found.append(float(cost) / max(1, len(phones)))
        return found


def save_reader(path: Path, reader: CodeReader, info: dict[str, Any], dtype: torch.dtype | None = None) -> None:
    save_checkpoint(path, KIND, reader.config, reader.state_dict(), info, dtype)


def load_reader(path: Path) -> CodeReader:
    """A reader in evaluation mode.

    Raises:
        CheckpointError: the file is missing, damaged or of another kind.
    """
    checkpoint = load_checkpoint(path, KIND)
    reader = CodeReader(parse_config(CodeReaderConfig, checkpoint.config, str(path)))
    load_weights(reader, checkpoint.tensors, str(path))
    return reader.eval()
