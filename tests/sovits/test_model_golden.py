"""The network computes what the public implementation computes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from feature_extractor.spectral import MelConfig, mel_spectrogram, spectrogram_to_mel
from sovits.convert import to_public
from sovits.loss import kl_loss, mel_loss
from sovits.model import Synthesizer
from sovits.outputs import TrainingOutput
from sovits.segments import slice_segments
from tests.golden_data import assert_close, golden_json
from tests.sovits.public import case, reference, second_reference, speakers, training_inputs, unit

MEL = MelConfig(bands=128, high=16000.0)


@pytest.fixture
def decode_case(version: str) -> dict[str, Tensor]:
    return case(version, "decode")


def speak(model: Synthesizer, stored: dict[str, Tensor], **options: Any) -> Tensor:
    """The stored sentence, as [1, 1, w]."""
    options = {"noise_scale": 0.0, **options}
    wave = model.decode_batch(stored["codes"][0], stored["text"], [reference()], speakers(model), **options)
    return wave[:, None]


def test_codes_and_vectors(public_model: Synthesizer, version: str) -> None:
    stored = case(version, "latent")
    assert torch.equal(public_model.encode_batch(stored["hubert"]), stored["codes"][:, 0])
    quantized, codes, commitment = public_model.quantizer(public_model.content(stored["hubert"]))
    assert torch.equal(codes, stored["codes"][:, 0])
    assert commitment == stored["commit"]
    assert_close(public_model.content(stored["hubert"])[:, :8], stored["ssl_proj"])
    assert_close(quantized[:, :8], stored["quantized"])
    assert_close(public_model.quantizer.decode(codes)[:, :8], stored["decoded"])


def test_style(public_model: Synthesizer, version: str) -> None:
    stored = case(version, "refenc")
    assert_close(public_model.style(reference()), stored["ge"])
    mask = torch.ones(2, 1, 37)
    mask[1, :, 25:] = 0
    batch = torch.cat((reference(), reference("s2/refer2")))
    assert_close(public_model.style(batch, mask), stored["ge_batch"])


def test_flow_and_generator(public_model: Synthesizer, version: str) -> None:
    stored = case(version, "flow")
    z, style = unit("s2/z", 2, 192, 11), unit("s2/g", 2, public_model.config.style.width, 1)
    mask = torch.ones(2, 1, 11)
    mask[1, :, 7:] = 0
    assert_close(public_model.flow(z, mask, style), stored["fwd"])
    assert_close(public_model.flow.reverse(z, mask, style), stored["rev"])
    assert_close(public_model.generator(z[:1, :, :4], style[:1]), stored["dec"])


def test_decode(public_model: Synthesizer, decode_case: dict[str, Tensor]) -> None:
    assert_close(speak(public_model, decode_case), decode_case["wav_ns0"])


def test_several_references(public_model: Synthesizer, decode_case: dict[str, Tensor]) -> None:
    wave = public_model.decode_batch(
        decode_case["codes"][0],
        decode_case["text"],
        [reference(), second_reference()],
        speakers(public_model, 2),
        noise=decode_case["noise0"],
    )
    assert_close(wave[:, None, :6000], decode_case["wav_ns05"])


@pytest.mark.parametrize(("speed", "name"), [(1.3, "speed13"), (0.8, "speed08")])
def test_speed(public_model: Synthesizer, decode_case: dict[str, Tensor], speed: float, name: str) -> None:
    wave = speak(public_model, decode_case, speed=speed)
    assert wave.shape[-1] == decode_case[f"len_{name}"]
    assert_close(wave[..., :4000], decode_case[f"wav_{name}"])


def test_streaming(public_model: Synthesizer, decode_case: dict[str, Tensor]) -> None:
    wave, features = public_model.decode_streaming(
        decode_case["codes"][0],
        decode_case["text"],
        [reference()],
        speakers(public_model),
        noise_scale=0.0,
        result_length=12,
        overlap=unit("s2/ovl", 1, 192, 4),
    )
    assert wave.shape[-1] == decode_case["stream_len"]
    assert_close(wave[:, None, :6000], decode_case["stream_wav"])
    assert_close(features[:, :16], decode_case["stream_y"])


def test_activations(
    public_model: Synthesizer, decode_case: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every stage on the way, so that a difference names its place."""
    prior, generator = public_model.prior, public_model.generator
    places = {
        "ssl_proj": prior.content,
        "encoder_ssl": prior.content_encoder,
        "encoder_text": prior.text_encoder,
        "mrte": prior.fusion,
        "encoder2": prior.joint_encoder,
        "enc_p_proj": prior.exit,
        "conv_pre": generator.entry,
        "dec_up0": generator.upsamplers[0],
        "dec_res0": generator.stages[0].blocks[0],
    }
    seen: dict[str, Tensor] = {}

    def keep(name: str) -> Callable[..., None]:
        def hook(module: torch.nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            seen[name] = output

        return hook

    def reverse(*inputs: Tensor) -> Tensor:
        seen["flow_rev"] = type(public_model.flow).reverse(public_model.flow, *inputs)
        return seen["flow_rev"]

    monkeypatch.setattr(public_model.flow, "reverse", reverse)
    handles = [module.register_forward_hook(keep(name)) for name, module in places.items()]
    speak(public_model, decode_case)
    for handle in handles:
        handle.remove()
    assert {f"cap_{name}" for name in seen} == {name for name in decode_case if name.startswith("cap_")}
    for name, value in seen.items():
        expected = decode_case[f"cap_{name}"]
        assert_close(value[:, : expected.shape[1]], expected)


@pytest.fixture
def training(public_model: Synthesizer, version: str) -> tuple[TrainingOutput, dict[str, Tensor], Tensor]:
    """Output of the stored training pass, its stored values, and the log-mel of the recorded segment."""
    inputs = training_inputs(public_model, version)
    output = public_model(**inputs)
    spec = inputs["spec"]
    assert spec is not None
    target = spectrogram_to_mel(slice_segments(spec, output.start, 32), MEL)
    return output, case(version, "train"), target


def losses(output: TrainingOutput, target: Tensor) -> tuple[Tensor, Tensor]:
    prior = output.prior
    assert prior is not None
    kl = kl_loss(prior.z, output.posterior_log, prior.mean, prior.log_deviation, output.mask)
    return kl, 45 * mel_loss(target, mel_spectrogram(output.wave[:, 0], MEL))


def test_training_pass(training: tuple[TrainingOutput, dict[str, Tensor], Tensor]) -> None:
    output, stored, target = training
    assert torch.equal(output.start, stored["ids_slice"])
    assert output.prior.commitment == stored["commit"]
    assert torch.equal(output.mask, stored["y_mask"])
    names = {
        "z": output.z,
        "z_p": output.prior.z,
        "m_p": output.prior.mean,
        "logs_p": output.prior.log_deviation,
        "m_q": output.posterior_mean,
        "logs_q": output.posterior_log,
    }
    for name, value in names.items():
        assert_close(value[:, :16], stored[name])
    assert_close(output.wave[..., :4000], stored["y_hat"])
    assert_close(output.prior.quantized[:, :8], stored["quantized"])
    kl, mel = losses(output, target)
    assert_close(kl, stored["kl"])
    assert_close(mel, stored["mel_loss"])


def test_gradients(
    public_model: Synthesizer, version: str, training: tuple[TrainingOutput, dict[str, Tensor], Tensor]
) -> None:
    output, _, target = training
    public_model.zero_grad()
    sum(losses(output, target)).backward()
    expected: dict[str, float | None] = golden_json(f"s2_{version}_small_train_grads")
    parameters = dict(public_model.named_parameters())
    public = to_public({name: torch.tensor(0.0) for name in parameters})
    assert set(public) == set(expected)
    norms = {theirs: _norm(parameters[ours]) for theirs, ours in zip(public, parameters, strict=True)}
    largest = max(value for value in expected.values() if value is not None)
    for name, value in expected.items():
        # A gradient that is 0 but for rounding (a key bias under softmax) is compared to the largest. Processors with
        # AVX2 alone differ by 4e-4 from those with AVX-512.
        assert norms[name] == (None if value is None else pytest.approx(value, rel=1e-3, abs=1e-8 * largest)), name


def _norm(parameter: torch.nn.Parameter) -> float | None:
    return None if parameter.grad is None else parameter.grad.double().norm().item()


@pytest.mark.parametrize(
    "name",
    [
        "prior.fusion.attention.value.weight",
        "prior.text_encoder.layers.0.attention.distance_values",
        "flow.couplings.2.wavenet.gates.1.bias",
        "generator.head.conv.weight",
        "style.project.weight",
    ],
)
def test_a_changed_weight_shows(public_model: Synthesizer, decode_case: dict[str, Tensor], name: str) -> None:
    """The comparison is sharp enough to see one tensor that is off by five percent."""
    weight = public_model.get_parameter(name)
    kept = weight.detach().clone()
    with torch.no_grad():
        weight.mul_(1.05)
    try:
        with pytest.raises(AssertionError, match="differs by"):
            assert_close(speak(public_model, decode_case), decode_case["wav_ns0"])
    finally:
        weight.data.copy_(kept)
