"""A stage 2 that is told where in the text each code is."""

from __future__ import annotations

import pytest
import torch

from gpt_sovits.core.config import load_config
from sovits.config import SynthesizerConfig
from sovits.model import Synthesizer

CODES, PHONES = torch.tensor([[5, 9, 9, 700, 31, 2, 2, 800]]), torch.tensor([[40, 12, 300]])


def a_model(follows: bool = True) -> Synthesizer:
    torch.manual_seed(0)
    config = load_config(SynthesizerConfig, "debug/s2", [f"follow_text={str(follows).lower()}"])
    model = Synthesizer(config).eval()
    model.quantizer.codebook.normal_(generator=torch.Generator().manual_seed(1))
    return model


def test_each_frame_is_told_the_phone_of_its_code() -> None:
    """What is told reaches the features at its own frames first of all, and only by way of the places."""
    model, style = a_model(), torch.zeros(1, 16, 1)
    places = torch.tensor([[0, 0, 0, 1, 1, 1, 2, 2]])
    told = model.features(CODES, PHONES, style, places=places)[0]
    assert not torch.equal(told, model.features(CODES, PHONES, style, places=places.clamp(max=1))[0])
    assert model.prior.said is not None
    with torch.no_grad():
        model.prior.said.weight.zero_()
        model.prior.said.bias.zero_()
    deaf = model.features(CODES, PHONES, style, places=places)[0]
    plain = a_model(follows=False)
    plain.load_state_dict(model.state_dict(), strict=False)
    assert torch.equal(deaf, plain.features(CODES, PHONES, style)[0])


def test_places_are_found_where_none_are_given() -> None:
    model, style = a_model(), torch.zeros(1, 16, 1)
    places = model.places(CODES, PHONES)
    assert places is not None and places[0, 0] == 0 and places[0, -1] == 2
    assert torch.equal(model.features(CODES, PHONES, style)[0], model.features(CODES, PHONES, style, places=places)[0])
    assert a_model(follows=False).places(CODES, PHONES) is None


def test_rows_do_not_hear_their_neighbours() -> None:
    model = a_model()
    codes, phones = torch.full((2, 12), 77), torch.full((2, 5), 8)
    codes[0, :8], phones[0, :3] = CODES[0], PHONES[0]
    places = model.places(codes, phones, torch.tensor([8, 12]), torch.tensor([3, 5]))
    alone = model.places(CODES, PHONES)
    assert places is not None and alone is not None
    assert torch.equal(places[0, :8], alone[0]) and places[1, -1] == 4


def test_the_reader_is_not_taught() -> None:
    model = a_model().train()
    frames = 24
    output = model(
        hubert=torch.randn(2, 16, frames),
        spec=torch.rand(2, model.config.spectrogram.bins, frames),
        spec_lengths=torch.tensor([24, 20]),
        phones=torch.randint(1, 300, (2, 7)),
        phone_lengths=torch.tensor([7, 5]),
        code_noise=0.5,
    )
    output.prior.mean.square().mean().backward()
    assert model.reader is not None and all(value.grad is None for value in model.reader.parameters())
    assert model.prior.said.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("length", [None, 4])
def test_a_text_is_followed_while_it_is_being_said(length: int | None) -> None:
    """Of a growing row of codes the first need not reach the end of the text."""
    model = a_model()
    references = [torch.rand(1, model.config.spectrogram.bins, 30)]
    wave, features = model.decode_streaming(CODES, PHONES, references, result_length=length)
    assert wave.shape[-1] == 1280 * (length or 8) and features.isfinite().all()
    assert model.places(CODES[:, :1], PHONES, ended=False).tolist() == [[0]]
