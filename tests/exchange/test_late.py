"""Half precision that a CPU widens layer by layer, when a layer is first used."""

from __future__ import annotations

import copy
import threading
from pathlib import Path

import pytest
import torch
from torch import Tensor

from ar import GenerateOptions, load_text2semantic
from gpt_sovits.core.late import HALF, widen
from sovits import Synthesizer, load_sovits
from tests.exchange import public_files
from tests.sovits.public import case, reference


@pytest.fixture(scope="module", params=[torch.float16, torch.bfloat16], ids=["float16", "bfloat16"])
def files(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("late")
    s1 = public_files.write_s1(folder / "s1.ckpt", dtype=request.param)
    return s1, public_files.write_s2(folder / "s2.pth", "s2G_v2_small", request.param, posterior=True)


def waiting(model: torch.nn.Module) -> list[str]:
    return [name for name, value in model.state_dict().items() if value.dtype in HALF]


def speak(model: Synthesizer) -> Tensor:
    stored = case("v2", "decode")
    return model.decode(stored["codes"][0, 0], stored["text"][0], [reference()[0]], noise_scale=0.0)


def test_codes_are_those_of_full_precision(files: tuple[Path, Path]) -> None:
    """Widening late gives exactly the numbers that widening at once gives."""
    late, full = load_text2semantic(files[0]), load_text2semantic(files[0], dtype="float32")
    assert len(waiting(late)) == len(late.state_dict()) and not waiting(full)
    phones, bert = torch.arange(1, 15), torch.linspace(-1, 1, 14 * 1024).view(1024, 14)
    options = GenerateOptions(top_k=1, max_new_tokens=20)
    for prompt in (None, torch.arange(7)):
        assert torch.equal(late.generate(phones, bert, prompt, options), full.generate(phones, bert, prompt, options))
    assert not waiting(late)


@pytest.mark.parametrize("fuse", [False, True])
def test_waves_are_those_of_full_precision(files: tuple[Path, Path], fuse: bool) -> None:
    """And what speaking does not use stays as small as in the file."""
    late, full = load_sovits(files[1], fuse=fuse), load_sovits(files[1], fuse=fuse, dtype="float32")
    assert torch.equal(speak(late), speak(full))
    assert {name.split(".")[0] for name in waiting(late)} == {"posterior", "content"}
    hubert = case("v2", "latent")["hubert"]
    assert torch.equal(late.encode(hubert), full.encode(hubert))
    widen(late)
    assert late.state_dict().keys() == full.state_dict().keys()
    assert all(torch.equal(value, full.state_dict()[name]) for name, value in late.state_dict().items())


def test_casting_copying_and_training(files: tuple[Path, Path]) -> None:
    """A cast of such a model is that of the wide one; a copy speaks the same; gradients arrive."""
    path = files[1]
    full = load_sovits(path, dtype="float32")
    assert {value.dtype for value in load_sovits(path).double().parameters()} == {torch.float64}
    assert torch.equal(speak(copy.deepcopy(load_sovits(path))), speak(full))
    assert torch.equal(speak(load_sovits(path).fuse()), speak(load_sovits(path, fuse=True)))
    late = load_sovits(path)
    speak(late)  # in inference mode, which must not follow the weights
    late.prior.exit(torch.ones(1, late.config.hidden, 3)).sum().backward()
    assert late.prior.exit.weight.grad is not None and late.prior.exit.weight.dtype == torch.float32


def test_two_threads(files: tuple[Path, Path]) -> None:
    """Whoever comes second finds the layer ready, or waits for it."""
    model, start = load_sovits(files[1], fuse=True), threading.Barrier(4)
    waves: list[Tensor] = []

    def work() -> None:
        start.wait()
        waves.append(speak(model))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(waves) == 4 and all(torch.equal(wave, waves[0]) for wave in waves)
