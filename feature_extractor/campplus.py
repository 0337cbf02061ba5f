"""CAM++, a speaker verification network (Wang et al. 2023): filterbank in, one embedding of the voice out.

A densely connected time-delay network whose layers mask their output by the context of the whole utterance and of
segments of one second ("context-aware masking"). Parameter names are the published ones.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gpt_sovits.core.config import Strict
from gpt_sovits.core.errors import CheckpointError

SEGMENT = 100
"""Frames of one segment of the context, after the first layer has halved their rate."""


class CamPlusConfig(Strict):
    """Shape of the network; the defaults are those of the published models."""

    bands: int = 80
    maps: int = 32
    """Channels of the convolutional front."""
    first: int = 128
    growth: int = 32
    blocks: tuple[int, ...] = (12, 24, 16)
    dilations: tuple[int, ...] = (1, 2, 2)
    embedding: int = 192


class CamPlus(nn.Module):
    """Filterbank frames less their mean over time, [b, f, bands], to embeddings [b, embedding]."""

    def __init__(self, config: CamPlusConfig) -> None:
        super().__init__()
        self.config = config
        self.head = Front(config.maps)
        width = config.first
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        layers["tdnn"] = _Normed(config.maps * (config.bands // 8), width, 5, stride=2)
        for number, (depth, dilation) in enumerate(zip(config.blocks, config.dilations, strict=True), 1):
            layers[f"block{number}"] = DenseBlock(depth, width, config.growth, config.first, dilation)
            width += depth * config.growth
            layers[f"transit{number}"] = Transit(width, width // 2)
            width //= 2
        layers["out_nonlinear"] = _norm(width)
        layers["dense"] = Dense(width * 2, config.embedding)
        self.xvector = nn.ModuleDict(layers)

    def forward(self, bank: Tensor) -> Tensor:
        x = self.head(bank.transpose(1, 2).unsqueeze(1))
        for name, layer in self.xvector.items():
            if name == "dense":
                x = torch.cat((x.mean(-1), x.std(-1)), dim=1).unsqueeze(-1)
            x = layer(x)
        return x.squeeze(-1)


class Front(nn.Module):
    """Two-dimensional convolutions that shrink the bands to an eighth and keep the frames."""

    def __init__(self, maps: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, maps, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(maps)
        self.layer1 = nn.Sequential(Residual(maps, 2), Residual(maps, 1))
        self.layer2 = nn.Sequential(Residual(maps, 2), Residual(maps, 1))
        self.conv2 = nn.Conv2d(maps, maps, 3, stride=(2, 1), padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(maps)

    def forward(self, x: Tensor) -> Tensor:
        """[b, 1, bands, f] to [b, maps * bands / 8, f]."""
        x = self.layer2(self.layer1(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(self.bn2(self.conv2(x))).flatten(1, 2)


class Residual(nn.Module):
    """Two 3x3 convolutions beside a shortcut; `stride` shrinks the bands only."""

    def __init__(self, maps: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(maps, maps, 3, stride=(stride, 1), padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(maps)
        self.conv2 = nn.Conv2d(maps, maps, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(maps)
        self.shortcut = nn.Sequential()
        if stride != 1:
            self.shortcut = nn.Sequential(
                nn.Conv2d(maps, maps, 1, stride=(stride, 1), bias=False), nn.BatchNorm2d(maps)
            )

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + self.shortcut(x))


class DenseBlock(nn.ModuleDict):
    """Layers that each read everything before them and add `growth` channels."""

    def __init__(self, depth: int, width: int, growth: int, inner: int, dilation: int) -> None:
        super().__init__(
            {f"tdnnd{i + 1}": DenseLayer(width + i * growth, growth, inner, dilation) for i in range(depth)}
        )

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.values():
            x = torch.cat((x, layer(x)), dim=1)
        return x


class DenseLayer(nn.Module):
    """A bottleneck, then a masked convolution."""

    def __init__(self, width: int, growth: int, inner: int, dilation: int) -> None:
        super().__init__()
        self.nonlinear1 = _norm(width)
        self.linear1 = nn.Conv1d(width, inner, 1, bias=False)
        self.nonlinear2 = _norm(inner)
        self.cam_layer = Masked(inner, growth, dilation)

    def forward(self, x: Tensor) -> Tensor:
        return self.cam_layer(self.nonlinear2(self.linear1(self.nonlinear1(x))))


class Masked(nn.Module):
    """A convolution whose channels are weighed by the context: mean of the utterance plus mean of the segment."""

    def __init__(self, width: int, growth: int, dilation: int, reduction: int = 2) -> None:
        super().__init__()
        self.linear_local = nn.Conv1d(width, growth, 3, padding=dilation, dilation=dilation, bias=False)
        self.linear1 = nn.Conv1d(width, width // reduction, 1)
        self.linear2 = nn.Conv1d(width // reduction, growth, 1)

    def forward(self, x: Tensor) -> Tensor:
        segments = F.avg_pool1d(x, SEGMENT, SEGMENT, ceil_mode=True)
        spread = segments.repeat_interleave(SEGMENT, dim=-1)[..., : x.shape[-1]]
        context = x.mean(-1, keepdim=True) + spread
        return self.linear_local(x) * self.linear2(F.relu(self.linear1(context))).sigmoid()


class Transit(nn.Module):
    """Between two blocks: fewer channels."""

    def __init__(self, width: int, out: int) -> None:
        super().__init__()
        self.nonlinear = _norm(width)
        self.linear = nn.Conv1d(width, out, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.nonlinear(x))


class _Normed(nn.Module):
    """The first time-delay layer, which halves the frame rate."""

    def __init__(self, width: int, out: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.linear = nn.Conv1d(width, out, kernel, stride=stride, padding=kernel // 2, bias=False)
        self.nonlinear = _norm(out)

    def forward(self, x: Tensor) -> Tensor:
        return self.nonlinear(self.linear(x))


class Dense(nn.Module):
    """Statistics to the embedding, normalised without a scale of its own."""

    def __init__(self, width: int, out: int) -> None:
        super().__init__()
        self.linear = nn.Conv1d(width, out, 1, bias=False)
        self.nonlinear = nn.Sequential(OrderedDict(batchnorm=nn.BatchNorm1d(out, affine=False)))

    def forward(self, x: Tensor) -> Tensor:
        return self.nonlinear(self.linear(x))


def infer_config(state: dict[str, Tensor], origin: str) -> CamPlusConfig:
    """Read the shape off a published state dict, which comes without a configuration.

    Raises:
        CheckpointError: the names are not those of a CAM++.
    """
    try:
        blocks: list[int] = []
        while any(name.startswith(f"xvector.block{len(blocks) + 1}.") for name in state):
            start = f"xvector.block{len(blocks) + 1}."
            blocks.append(len({name.split(".")[2] for name in state if name.startswith(start)}))
        first = state["xvector.tdnn.linear.weight"]
        maps = state["head.conv1.weight"].shape[0]
        return CamPlusConfig(
            bands=first.shape[1] // maps * 8,
            maps=maps,
            first=first.shape[0],
            growth=state["xvector.block1.tdnnd1.cam_layer.linear_local.weight"].shape[0],
            blocks=tuple(blocks),
            dilations=(1, *[2] * (len(blocks) - 1)),
            embedding=state["xvector.dense.linear.weight"].shape[0],
        )
    except (KeyError, IndexError) as error:
        raise CheckpointError(f"{origin} does not hold a CAM++ network: {error} is missing") from error


def _norm(width: int) -> nn.Sequential:
    return nn.Sequential(OrderedDict(batchnorm=nn.BatchNorm1d(width), relu=nn.ReLU()))
