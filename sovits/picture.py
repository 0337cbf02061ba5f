"""Pictures of a training."""

from __future__ import annotations

import torch
from torch import Tensor


def mel_picture(real: Tensor, fake: Tensor) -> Tensor:
    """Grey picture [1, h, f] of two log-mel spectrograms [m, f]: real above generated, low bands at the bottom."""
    frames = min(real.shape[-1], fake.shape[-1])
    low, high = real.min(), real.max()
    panels = [((m[:, :frames] - low) / (high - low + 1e-6)).clamp(0, 1).flip(0) for m in (real, fake)]
    rule = torch.ones(2, frames, device=real.device)
    return torch.cat([panels[0], rule, panels[1]])[None].float().cpu()
