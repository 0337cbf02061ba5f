"""Content features to semantic codes and back.

Training (k-means start, moving-average codebook, revival of dead codes) is vector-quantize-pytorch's ResidualVQ; codes
are found by an exact nearest search in float32 of our own, so that they do not depend on a library's rounding of ties.
The library takes seconds to import and is loaded by the first training step only.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from sovits.config import QuantizerConfig


class SemanticQuantizer(nn.Module):
    """One codebook of `codes` vectors of `width` channels."""

    codebook: Tensor
    """[codes, width]"""
    sums: Tensor
    """Moving sum of the vectors that chose each code [codes, width]."""
    counts: Tensor
    """Moving count of them [codes]."""
    ready: Tensor
    """Whether the codebook has been initialised (bool)."""

    def __init__(self, config: QuantizerConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("codebook", torch.zeros(config.codes, config.width))
        self.register_buffer("sums", torch.zeros(config.codes, config.width))
        self.register_buffer("counts", torch.zeros(config.codes))
        self.register_buffer("ready", torch.tensor(False))
        self._library: list[Any] = []  # kept out of the module tree: the buffers above are the only state

    def encode(self, x: Tensor) -> Tensor:
        """Nearest code [b, t] of every column of `x` [b, c, t]; the lowest index wins a tie."""
        flat, book = x.mT.float(), self.codebook.float()
        distance = flat.square().sum(-1, keepdim=True) - 2 * flat @ book.T + book.square().sum(-1)
        return (-distance).argmax(-1)

    def decode(self, codes: Tensor) -> Tensor:
        """Code vectors [b, c, t] of `codes` [b, t]."""
        return self.codebook[codes].mT

    def garble(self, quantized: Tensor, chance: float, span: int) -> Tensor:
        """Replace vectors [b, c, t] by that of a random code, so many in a row; drawn from torch's global generator."""
        b, _, t = quantized.shape
        shape, device = (b, -(-t // span)), quantized.device
        chosen = (torch.rand(shape, device=device) < chance).repeat_interleave(span, 1)[:, None, :t]
        codes = torch.randint(self.config.codes, shape, device=device).repeat_interleave(span, 1)[:, :t]
        return torch.where(chosen, self.decode(codes).to(quantized), quantized)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Quantized vectors [b, c, t], codes [b, t] and commitment loss of `x` [b, c, t].

        In training mode the codebook takes one step and gradients pass straight through to `x`.
        """
        if not self.training:
            codes = self.encode(x)
            return self.decode(codes), codes, x.new_zeros(())
        library = self._library[0] if self._library else self._load()
        state = library.layers[0]._codebook.to(x.device)
        with torch.no_grad():
            state.embed.copy_(self.codebook[None])
            state.embed_avg.copy_(self.sums[None])
            state.cluster_size.copy_(self.counts[None])
            state.initted.copy_(self.ready)
        quantized, codes, loss = library(x.mT)
        with torch.no_grad():
            self.codebook.copy_(state.embed[0])
            self.sums.copy_(state.embed_avg[0])
            self.counts.copy_(state.cluster_size[0])
            self.ready.copy_(state.initted)
        return quantized.mT, codes[..., 0], loss.sum()

    def _load(self) -> Any:
        from vector_quantize_pytorch import ResidualVQ

        library = ResidualVQ(
            dim=self.config.width,
            num_quantizers=1,
            codebook_size=self.config.codes,
            decay=self.config.decay,
            eps=self.config.epsilon,
            kmeans_init=True,
            kmeans_iters=self.config.kmeans_iterations,
            threshold_ema_dead_code=self.config.dead_code_threshold,
            commitment_weight=self.config.commitment,
            rotation_trick=False,
        ).train()
        self._library.append(library)
        return library
