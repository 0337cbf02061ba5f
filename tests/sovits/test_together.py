"""Several sentences in one call against one by one."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gpt_sovits.core.config import load_config
from gpt_sovits.core.device import generator
from gpt_sovits.core.resources import resource
from sovits import Synthesizer, SynthesizerConfig
from sovits.config import GeneratorConfig
from sovits.fast import FastGenerator
from sovits.together import Together

SIZES = [(9, 4), (3, 11), (14, 6)]


class Tape:
    """Stands in for a recording on a GPU: runs the function again; recording itself computes nothing."""

    made = 0

    def __init__(self, function) -> None:  # type: ignore[no-untyped-def]
        Tape.made += 1
        self.replay = function


def loud(plain: bool, follows: bool = False) -> Synthesizer:
    """Untrained weights with biases everywhere, so that padding would be heard."""
    torch.manual_seed(0)
    config = load_config(SynthesizerConfig, resource("configs", "debug", "s2.yaml"))
    if plain:
        config = config.model_copy(update={"generator": GeneratorConfig(channels=32)})
    model = Synthesizer(config.model_copy(update={"follow_text": follows}), posterior=False).eval()
    with torch.no_grad():
        model.quantizer.codebook.normal_(generator=generator(5))
        for name, value in model.named_parameters():
            if name.endswith("bias"):
                value.normal_(std=0.1)
            if name.startswith("generator") and name.endswith("original0"):
                value.mul_(5)
    return model.fuse()


@pytest.fixture(
    scope="module", params=[(True, False), (False, False), (False, True)], ids=["plain", "spectral", "told"]
)
def model(request: pytest.FixtureRequest) -> Synthesizer:
    return loud(*request.param)


def sentences(model: Synthesizer) -> list[tuple[Tensor, Tensor]]:
    source = generator(1)
    codes, phones = model.config.quantizer.codes, model.config.phonemes
    return [
        (torch.randint(codes, (t,), generator=source), torch.randint(phones, (n,), generator=source)) for t, n in SIZES
    ]


def style(model: Synthesizer, seed: int = 3) -> Tensor:
    return torch.randn(1, model.config.style.width, 1, generator=generator(seed))


def alone(model: Synthesizer, voice: Tensor, speed: float = 1.0) -> list[Tensor]:
    return [
        model.decode_batch(codes[None], phones[None], [], generator=generator(7 + i), speed=speed, style=voice)[0]
        for i, (codes, phones) in enumerate(sentences(model))
    ]


def spoken(together: Together, model: Synthesizer, voice: Tensor, speed: float = 1.0) -> list[Tensor]:
    return together(sentences(model), voice, [generator(7 + i) for i in range(len(SIZES))], speed=speed)


@pytest.mark.parametrize("speed", [1.0, 1.3])
def test_side_by_side_equals_one_by_one(model: Synthesizer, speed: float) -> None:
    """To the last sample of the shorter ones, behind which others still speak."""
    voice = style(model)
    expected = alone(model, voice, speed)
    for one, other in zip(spoken(Together(model), model, voice, speed), expected, strict=True):
        assert other.abs().max() > 1e-3
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5 * float(other.abs().max()))


def test_a_shape_is_recorded_once_and_voices_do_not_mix(model: Synthesizer) -> None:
    before = Tape.made
    together = Together(model, Tape, bucket=8)
    for seed in (3, 4, 4, 3):
        for one, other in zip(
            spoken(together, model, style(model, seed)), alone(model, style(model, seed)), strict=True
        ):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5 * float(other.abs().max()))
    assert Tape.made - before == 1
    one = sentences(model)[:1]
    for _ in range(3):
        together(one, style(model), [generator(7)])
    assert Tape.made - before == 2


@torch.inference_mode()
def test_the_flat_generator_knows_masks() -> None:
    plain = loud(plain=True).generator
    latent, voice = torch.randn(2, 16, 4), torch.randn(1, 16, 1)
    mask = torch.tensor([[[1.0, 1, 1, 1]], [[1.0, 1, 0, 0]]])
    latent = latent * mask
    expected = plain(latent, voice, mask)
    short = plain(latent[1:, :, :2], voice)
    torch.testing.assert_close(expected[1:, :, : short.shape[-1]], short, rtol=1e-4, atol=1e-5)
    actual = FastGenerator(plain, torch.float32)(latent, voice, mask)
    torch.testing.assert_close(actual[0], expected[0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(actual[1:, :, : short.shape[-1]], short, rtol=1e-4, atol=1e-5)
