"""Going only part of the way from the weights before a training to those after it."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Blend:
    """The line between both, as in Wortsman et al. 2022, "Robust fine-tuning of zero-shot models".

    A network that has learned from a few minutes of one voice has forgotten a little of what many voices taught it; a
    point before the end of the way has most of the new and more of the old.

    Args:
        network: before the training.
        share: of the way; 1 costs nothing.
    """

    def __init__(self, network: nn.Module, share: float) -> None:
        self.share = share
        self.start: dict[str, Tensor] = {}
        if share < 1:
            self.start = {name: value.detach().clone() for name, value in _learned(network).items()}

    @torch.no_grad()
    def apply(self, network: nn.Module) -> None:
        """Take the network, trained and on the CPU, back to the share of its way."""
        learned = _learned(network)
        for name, start in self.start.items():
            learned[name].copy_(torch.lerp(start.cpu(), learned[name], self.share))


def _learned(network: nn.Module) -> dict[str, Tensor]:
    """Of an adapter's two factors only the one that begins at zero: their product then goes that share of the way."""
    return {name: value for name, value in network.named_parameters() if ".lora_A." not in name}
