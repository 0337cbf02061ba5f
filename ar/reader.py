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

from feature_extractor.phone_reader import BLANK, PhoneReader
from gpt_sovits.core.checkpoint import load_checkpoint, load_weights, save_checkpoint
from gpt_sovits.core.config import Strict, parse_config

KIND = "reader"


class CodeReaderConfig(Strict):
    """Sizes of the reader."""

    codes: int = 1024
    width: int = 256
    phones: int = 732


class CodeReader(PhoneReader):
    """The same from codes."""

    def __init__(self, config: CodeReaderConfig) -> None:
        super().__init__(config.width, config.phones)
        self.config = config
        self.book = nn.Embedding(config.codes, config.width)

    @classmethod
    def of(cls, reader: PhoneReader, codebook: Tensor) -> CodeReader:
        """A reader of code vectors, for codes of this codebook [codes, width]; both keep their numbers."""
        count, width = codebook.shape
        made = cls(CodeReaderConfig(codes=count, width=width, phones=reader.phones.out_features - 1))
        own = reader.state_dict()
        made.load_state_dict({name: own.get(name, codebook) for name in made.state_dict()})  # all but the book
        return made.eval()

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
