"""Which device and number format to compute in, and reproducible noise."""

from __future__ import annotations

import torch
from torch import Tensor

from gpt_sovits.core.errors import ConfigError


def pick_device(name: str = "auto") -> torch.device:
    """`auto`: the first CUDA device, else the CPU. MPS is used only when asked for by name."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(f"{name!r} is not a device; use auto, cpu, cuda, cuda:N or mps") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ConfigError(f"the device {name} was asked for, but this PyTorch sees no CUDA GPU; use --device cpu")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(f"there is no device {name}: this machine has {torch.cuda.device_count()} CUDA GPUs")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise ConfigError("the device mps was asked for, but this machine has no Metal GPU; use --device cpu")
    return device


def pick_dtype(name: str | torch.dtype, device: torch.device | str) -> torch.dtype:
    """The number format of weights: `auto` is half precision on a CUDA device and float32 elsewhere.

    Raises:
        ConfigError: no format of this name.
    """
    if isinstance(name, torch.dtype):
        return name
    if name == "auto":
        return torch.float16 if torch.device(device).type == "cuda" else torch.float32
    if name not in {"float32", "float16", "bfloat16"}:
        raise ConfigError(f"{name!r} is not a number format; use auto, float32, float16 or bfloat16")
    dtype: torch.dtype = getattr(torch, name)
    return dtype


def multiplies_bfloat16() -> bool:
    """Whether this processor does, by AMX or AVX512-BF16; elsewhere it is emulated, which takes many times as long.

    Asked and not measured, so that what is computed stays the same.
    """
    names = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    return any(bool(probe()) for name in names if (probe := getattr(torch.cpu, name, None)) is not None)


def generator(seed: int, device: torch.device | str = "cpu") -> torch.Generator:
    """A random generator of its own, so that no draw depends on what ran before."""
    return torch.Generator(device=device).manual_seed(seed)


def normal(shape: tuple[int, ...], source: torch.Generator, like: Tensor) -> Tensor:
    """Standard normal noise drawn on the generator's device, given `like`'s device and dtype."""
    return torch.randn(shape, generator=source, device=source.device).to(like)
