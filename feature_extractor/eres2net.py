"""ERes2NetV2, a speaker verification network (Chen et al. 2024): filterbank in, stage-4 features out."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gpt_sovits.core.config import Strict
from gpt_sovits.core.errors import CheckpointError


class ERes2NetConfig(Strict):
    """Shape of the network; the defaults are those of the published `eres2netv2w24s4ep4` model."""

    channels: int = 64
    blocks: tuple[int, int, int, int] = (3, 4, 6, 3)
    base_width: int = 24
    scale: int = 4
    expansion: int = 4
    bands: int = 80
    """Filterbank bands of the input."""

    @property
    def embedding(self) -> int:
        """Length of the embedding: channels times remaining bands of the last stage."""
        return self.channels * 8 * self.expansion * (self.bands // 8)


class ERes2NetV2(nn.Module):
    """Four residual stages; the third and fourth are fused by attention. Parameter names are the published ones."""

    def __init__(self, config: ERes2NetConfig) -> None:
        super().__init__()
        self.config = config
        width = config.channels
        self.conv1 = nn.Conv2d(1, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.layer1 = _stage(config, 0, width)
        self.layer2 = _stage(config, 1, width * config.expansion)
        self.layer3 = _stage(config, 2, width * 2 * config.expansion)
        self.layer4 = _stage(config, 3, width * 4 * config.expansion)
        wide = width * 8 * config.expansion
        self.layer3_ds = nn.Conv2d(wide // 2, wide, 3, stride=2, padding=1, bias=False)
        self.fuse34 = AttentionalFusion(wide)

    def forward(self, bank: Tensor) -> Tensor:
        """Filterbank frames [b, f, bands] to one embedding per item [b, channels * 8 * expansion * bands / 8].

        The mean over time of the fused map, not the output of the published embedding layer, which is left out.
        """
        x = _clamp(self.bn1(self.conv1(bank.transpose(1, 2).unsqueeze(1))))
        third = self.layer3(self.layer2(self.layer1(x)))
        fused = self.fuse34(self.layer4(third), self.layer3_ds(third))
        return fused.flatten(1, 2).mean(-1)


class Block(nn.Module):
    """A bottleneck whose middle is a chain of narrow convolutions, each reading the one before it (Res2Net)."""

    def __init__(self, inputs: int, planes: int, stride: int, config: ERes2NetConfig, attention: bool) -> None:
        super().__init__()
        width = planes * config.base_width // 64
        outputs = planes * config.expansion
        self.conv1 = nn.Conv2d(inputs, width * config.scale, 1, stride=stride, bias=False)
        self.bn1 = nn.BatchNorm2d(width * config.scale)
        self.convs = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1, bias=False) for _ in range(config.scale))
        self.bns = nn.ModuleList(nn.BatchNorm2d(width) for _ in range(config.scale))
        if attention:
            self.fuse_models = nn.ModuleList(AttentionalFusion(width) for _ in range(config.scale - 1))
        self.conv3 = nn.Conv2d(width * config.scale, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.attention = attention
        self.shortcut = nn.Sequential()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        """[b, c, bands, f] to [b, c', bands', f']; a stride of 2 halves both axes."""
        parts = _clamp(self.bn1(self.conv1(x))).chunk(len(self.convs), dim=1)
        done: list[Tensor] = []
        for i, (part, conv, norm) in enumerate(zip(parts, self.convs, self.bns, strict=True)):
            if i == 0:
                mixed = part
            elif self.attention:
                mixed = self.fuse_models[i - 1](done[-1], part)
            else:
                mixed = done[-1] + part
            done.append(_clamp(norm(conv(mixed))))
        return _clamp(self.bn3(self.conv3(torch.cat(done, dim=1))) + self.shortcut(x))


class AttentionalFusion(nn.Module):
    """Weighs two maps of one shape against each other, point by point (Dai et al. 2021)."""

    def __init__(self, channels: int, reduction: int = 4) -> None:
        super().__init__()
        inner = channels // reduction
        self.local_att = nn.Sequential(
            nn.Conv2d(channels * 2, inner, 1),
            nn.BatchNorm2d(inner),
            nn.SiLU(),
            nn.Conv2d(inner, channels, 1),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Twice a weighted mean of `x` and `y`, each [b, c, bands, f]."""
        weight = self.local_att(torch.cat((x, y), dim=1)).tanh()
        return x * (1 + weight) + y * (1 - weight)


def infer_config(state: dict[str, Tensor], origin: str) -> ERes2NetConfig:
    """Read the shape off a published state dict, which comes without a configuration.

    Raises:
        CheckpointError: the names are not those of an ERes2NetV2.
    """
    try:
        channels = state["conv1.weight"].shape[0]
        width = state["layer1.0.convs.0.weight"].shape[0]
        blocks = [len({name.split(".")[1] for name in state if name.startswith(f"layer{i}.")}) for i in (1, 2, 3, 4)]
        scale = len({name.split(".")[3] for name in state if name.startswith("layer1.0.convs.")})
        expansion = state["layer1.0.conv3.weight"].shape[0] // channels
    except (KeyError, IndexError) as error:
        raise CheckpointError(f"{origin} does not hold an ERes2NetV2: {error} is missing") from error
    first, second, third, fourth = blocks
    return ERes2NetConfig(
        channels=channels,
        blocks=(first, second, third, fourth),
        base_width=-(-width * 64 // channels),
        scale=scale,
        expansion=expansion,
    )


def _stage(config: ERes2NetConfig, index: int, inputs: int) -> nn.Sequential:
    planes = config.channels * 2**index
    blocks = []
    for number in range(config.blocks[index]):
        stride = 2 if index > 0 and number == 0 else 1
        blocks.append(Block(inputs, planes, stride, config, attention=index >= 2))
        inputs = planes * config.expansion
    return nn.Sequential(*blocks)


def _clamp(x: Tensor) -> Tensor:
    return F.hardtanh(x, 0.0, 20.0)
