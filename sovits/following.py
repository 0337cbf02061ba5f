"""Where in the text each code is: told to the prior, so that it need not find out by attention."""

from __future__ import annotations

import torch
from torch import Tensor

from feature_extractor.phone_reader import PhoneReader, follow_text


class TextFollower(PhoneReader):
    """A reader of the codebook's vectors that follows known texts; taught with the codebook, it learns no more."""

    @torch.no_grad()
    def places(
        self,
        vectors: Tensor,
        phones: Tensor,
        code_lengths: Tensor | None = None,
        phone_lengths: Tensor | None = None,
        ended: bool = True,
    ) -> Tensor:
        """Which of the phones [b, n] is said at each code: places [b, t], see `follow_text`.

        Each row is read by itself, so that none depends on its neighbours.

        Args:
            vectors: of the codes [b, c, t].
            code_lengths: real codes of each row [b]; None: all are.
            phone_lengths: real phones of each row [b]; None: all are.
            ended: False for codes that may not reach the end of the text.
        """
        rows, _, longest = vectors.shape
        places = torch.zeros(rows, longest, dtype=torch.long, device=vectors.device)
        for row in range(rows):
            t = longest if code_lengths is None else int(code_lengths[row])
            n = phones.shape[1] if phone_lengths is None else int(phone_lengths[row])
            if t and n:
                logits = self.read(vectors[row : row + 1, :, :t].mT.to(self.phones.weight.dtype))[0]
                places[row, :t] = follow_text(logits, phones[row, :n], ended)
        return places
