"""Full-size networks in public containers: do they load to exactly their weights, and what does half precision change?

Run by hand, `python -m tests.exchange.full_size [FOLDER]`; it takes some minutes and a few GB of disk.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import torch
from torch import Tensor

from ar import GenerateOptions, load_text2semantic
from ar.convert import from_public as s1_from_public
from sovits import Synthesizer, load_sovits
from sovits.convert import from_public as s2_from_public
from tests.exchange import public_files
from tests.golden_data import float32, ints, unit

CODES, PHONES, PROMPT = 24, 20, 12


def equal(loaded: dict[str, Tensor], direct: dict[str, Tensor]) -> bool:
    """Whether the file gave exactly the weights that were put in."""
    return loaded.keys() == direct.keys() and all(torch.equal(loaded[name], direct[name]) for name in direct)


def relative(actual: Tensor, expected: Tensor) -> float:
    return ((actual - expected).abs().max() / expected.abs().max()).item()


def stage_1(folder: Path, name: str) -> str:
    """Weights, greedy codes from the file and in half precision."""
    path = public_files.write_s1(folder / "s1.ckpt", name, torch.float32)
    model = load_text2semantic(path)
    same = equal(dict(model.state_dict()), s1_from_public(public_files.filled(name)))
    phones = torch.from_numpy(ints("full/phones", (PHONES,), 0, 322))
    bert, prompt = float32(unit("full/bert", (1024, PHONES))), torch.from_numpy(ints("full/prompt", (PROMPT,), 0, 1024))
    options = GenerateOptions(top_k=1, max_new_tokens=60)
    codes = model.generate(phones, bert, prompt, options)
    cells = [f"{name}: {len(model.state_dict())} tensors, as put in: {same}, {len(codes)} greedy codes"]
    for dtype in (torch.float16, torch.bfloat16):
        other = load_text2semantic(path, dtype=dtype).generate(phones, bert, prompt, options)
        alike = next((i for i, (a, b) in enumerate(zip(codes.tolist(), other.tolist(), strict=False)) if a != b), None)
        cells.append(
            f"{dtype}: {'all alike' if alike is None and len(other) == len(codes) else f'first {alike} alike'}"
        )
    return "; ".join(cells)


def stage_2(folder: Path, name: str) -> str:
    """Weights, waveform from the file, fused and in half precision."""
    path = public_files.write_s2(folder / "s2.pth", name, torch.float32, posterior=True)
    model = load_sovits(path)
    same = equal(dict(model.state_dict()), s2_from_public(public_files.filled(name)))
    wave = speak(model)
    hubert = float32(unit("full/hubert", (1, 768, 60)))
    codes = model.encode(hubert)
    cells = [f"{name}: {len(model.state_dict())} tensors, as put in: {same}"]
    cells.append(f"fused: {relative(speak(load_sovits(path, fuse=True)), wave):.1e}")
    for dtype in (torch.float16, torch.bfloat16):
        other = load_sovits(path, fuse=True, dtype=dtype)
        share = (other.encode(hubert) == codes).float().mean().item()
        cells.append(f"{dtype}: wave {relative(speak(other), wave):.1e}, {share:.0%} of codes alike")
    return "; ".join(cells)


def speak(model: Synthesizer) -> Tensor:
    """One sentence without noise."""
    codes = torch.from_numpy(ints("full/codes", (CODES,), 0, 1024))
    phones = torch.from_numpy(ints("full/phones", (PHONES,), 0, 322))
    reference = float32(unit("full/reference", (1025, 150))).abs()
    voices = [float32(unit("full/voice", (20480,)))] if model.speaker is not None else None
    return model.decode(codes, phones, [reference], voices, noise_scale=0.0, seed=1)


def main() -> None:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as folder:
        for name in ("s1_v1", "s1_v2"):
            print(stage_1(Path(folder), name), flush=True)
        for name in ("s2G_v1", "s2G_v2", "s2G_v2Pro", "s2G_v2ProPlus"):
            print(stage_2(Path(folder), name), flush=True)
            public_files.filled.cache_clear()


if __name__ == "__main__":
    main()
