"""A model whose matrix products are done in bfloat16, for prefilling on processors that multiply faster in it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ar.model import Text2SemanticDecoder


class HalfLinear(nn.Module):
    """A linear layer of float32 that multiplies in bfloat16."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.weight = nn.Parameter(linear.weight.detach().to(torch.bfloat16), requires_grad=False)
        bias = linear.bias
        self.bias = None if bias is None else nn.Parameter(bias.detach().to(torch.bfloat16), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x.to(torch.bfloat16), self.weight, self.bias).to(x.dtype)


def halved(model: Text2SemanticDecoder) -> Text2SemanticDecoder:
    """A model that shares all but the weights of its linear layers, and the head, which stays exact."""
    with torch.device("meta"):
        twin = Text2SemanticDecoder(model.config)
    twin.load_state_dict(model.state_dict(), assign=True)
    for module in list(twin.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.Linear) and child is not twin.head:
                setattr(module, name, HalfLinear(child))
    return twin.eval()
