"""Adapters of both stages: nothing at the start, small on the disk, the same merged or switched on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ar.config import Text2SemanticConfig
from ar.convert import load_text2semantic, save_text2semantic
from ar.model import Prefix, Text2SemanticDecoder
from gpt_sovits.core.bundle import VARIABLE, Bundle, BundleManifest, find_model
from gpt_sovits.core.checkpoint import load_checkpoint
from gpt_sovits.core.errors import CheckpointError, ConfigError
from gpt_sovits.core.lora import Adapter, Switch, load_adapter, merge_adapter, save_adapter
from gpt_sovits.core.tuning import LoraConfig, Tuning
from gpt_sovits.exchange.exporting import public_image
from gpt_sovits.train import s1, s2
from gpt_sovits.train.lora import adapter_of, merged, tune
from sovits.checkpoint import load_sovits
from sovits.config import SynthesizerConfig
from sovits.model import Synthesizer
from tests.train.test_train import equal, run, weights

TARGETS = {"s1": s1.TARGETS, "s2": s2.TARGETS}
SMALL = {"s1": "lora={rank: 2}", "s2": "lora={rank: 2}"}


def network(stage: str, model: Bundle) -> nn.Module:
    path = model.need(stage)  # type: ignore[arg-type]
    return load_text2semantic(path) if stage == "s1" else load_sovits(path)


@torch.no_grad()
def output(network: nn.Module) -> Tensor:
    """Of a forward pass that goes through everything with an adapter."""
    source = torch.Generator().manual_seed(0)
    phones = torch.randint(1, 300, (1, 9), generator=source)
    network.eval()
    if isinstance(network, Text2SemanticDecoder):
        codes = torch.randint(0, 32, (1, 7), generator=source)
        return network.prefill(Prefix(phones, torch.tensor([9]), codes, torch.tensor([7])), 1)[0]
    assert isinstance(network, Synthesizer)
    spec = torch.rand(1, network.config.spectrogram.bins, 40, generator=source)
    hubert = torch.randn(1, network.config.quantizer.width, 40, generator=source)
    noise = torch.randn(1, network.config.inter, 40, generator=source)
    lengths = torch.tensor([40]), phones, torch.tensor([9])
    made = network(hubert, spec, *lengths, noise=noise, start=torch.zeros(1))
    return torch.cat((made.wave.flatten(), made.prior.z.flatten(), made.prior.mean.flatten()))


def adapted(stage: str, model: Bundle, learned: bool) -> nn.Module:
    """A network with adapters; `learned` ones are drawn at random."""
    made = network(stage, model)
    tune(made, Tuning(lora=LoraConfig(rank=2)), TARGETS[stage])
    source = torch.Generator().manual_seed(1)
    for name, parameter in made.named_parameters():
        assert parameter.requires_grad == (".lora_" in name)
        if learned and ".lora_B." in name:
            parameter.data = torch.randn(parameter.shape, generator=source) * 0.1
    return made


@pytest.mark.parametrize("stage", ["s1", "s2"])
def test_an_adapter_begins_as_the_plain_network(stage: str, model: Bundle) -> None:
    begun, plain = output(adapted(stage, model, learned=False)), output(network(stage, model))
    # Stage 2's layers with an adapter are without weight norm, which some processors round differently.
    torch.testing.assert_close(begun, plain, rtol=0, atol=0 if stage == "s1" else 1e-5)


@pytest.mark.parametrize("stage", ["s1", "s2"])
def test_merged_switched_and_beside_are_one(stage: Any, model: Bundle, tmp_path: Path) -> None:
    """Beside the weights as in training, merged by peft, merged from the file, switched on from the file."""
    plain = output(network(stage, model))
    beside = adapted(stage, model, learned=True)
    expected = output(beside)
    assert (expected - plain).abs().max() > 1e-2
    save_adapter(tmp_path / "a.safetensors", stage, adapter_of(beside, LoraConfig(rank=2)), {})
    names = load_checkpoint(tmp_path / "a.safetensors").tensors
    assert all(name.endswith((".lora_A.weight", ".lora_B.weight")) for name in names)
    read = load_adapter(tmp_path / "a.safetensors", stage)
    torch.testing.assert_close(output(merged(beside)), expected, rtol=1e-4, atol=1e-4)
    fused = network(stage, model)
    merge_adapter(fused, read)  # the file is in half precision
    torch.testing.assert_close(output(fused), expected, rtol=1e-2, atol=2e-3)
    loaded = network(stage, model)
    switch, heard = Switch(loaded), output(fused)
    switch.use(read)
    assert torch.equal(output(loaded), heard)
    switch.use(None)
    assert (output(loaded) - plain).abs().max() < 1e-6
    switch.use(read)
    torch.testing.assert_close(output(loaded), heard)


def test_an_adapter_of_another_model_changes_nothing(model: Bundle) -> None:
    loaded = network("s1", model)
    before = {name: value.clone() for name, value in loaded.state_dict().items()}
    good, bad = "layers.0.feed_in", "layers.1.feed_out"
    shapes = {name: loaded.get_submodule(name).weight.shape for name in (good, bad)}
    down = {name: torch.ones(2, shape[1]) for name, shape in shapes.items()}
    up = {good: torch.ones(shapes[good][0], 2), bad: torch.ones(3, 2)}
    for strange in (
        Adapter("X", LoraConfig(rank=2), down, up),
        Adapter("X", LoraConfig(rank=2), {"no.such": down[good]}, {"no.such": up[good]}),
    ):
        with pytest.raises(CheckpointError, match="X was made for another model"):
            Switch(loaded).use(strange)
        assert equal(before, dict(loaded.state_dict()))


@pytest.mark.parametrize("stage", ["s1", "s2"])
def test_training_makes_a_small_voice_over_the_base(
    stage: Any, experiment: Path, model: Bundle, tmp_path: Path
) -> None:
    """In two runs as in one; the base is referred to, not copied."""
    whole = run(stage, experiment, model.folder, tmp_path / "whole", SMALL[stage], max_steps=3)
    assert whole.weights.name == f"{stage}_adapter.safetensors"
    run(stage, experiment, model.folder, tmp_path / "parts", SMALL[stage], max_steps=1)
    run(stage, experiment, model.folder, tmp_path / "parts", SMALL[stage], max_steps=3)
    read = [load_adapter(tmp_path / kind / whole.weights.name, stage) for kind in ("whole", "parts")]
    assert read[0].up.keys() == read[1].up.keys() and len(read[0].up) > 3
    assert all(torch.equal(read[0].up[name], read[1].up[name]) for name in read[0].up)
    assert any(value.any() for value in read[0].up.values())
    voice = find_model(tmp_path / "whole")
    assert voice.need(stage).samefile(model.need(stage))
    assert not (tmp_path / "whole" / f"{stage}.safetensors").exists()
    assert voice.manifest.languages == model.manifest.languages


def test_a_merged_training_is_an_ordinary_voice(experiment: Path, model: Bundle, tmp_path: Path) -> None:
    small, large = tmp_path / "small", tmp_path / "large"
    for stage in ("s2", "s1"):
        run(stage, experiment, model.folder, small, "lora={rank: 2}", max_steps=2)
        run(stage, experiment, model.folder, large, "lora={rank: 2, merge: true}", max_steps=2)
    voice, plain = find_model(small), find_model(large)
    assert plain.manifest.s1_adapter is None and plain.manifest.s2_adapter is None
    for stage in ("s1", "s2"):
        beside = network(stage, model)
        merge_adapter(beside, load_adapter(voice.need(f"{stage}_adapter"), stage))  # type: ignore[arg-type]
        torch.testing.assert_close(output(network(stage, plain)), output(beside), rtol=1e-2, atol=1e-3)
        assert not torch.equal(output(beside), output(network(stage, model)))


def test_the_public_file_of_a_small_voice_holds_what_it_learned(model: Bundle, tmp_path: Path) -> None:
    """Over a base that reads BERT features, as the public networks do."""
    config = load_text2semantic(model.need("s1")).config.model_copy(update={"bert_width": 1024})
    plain, layer = Text2SemanticDecoder(config).eval(), "layers.0.feed_in"
    save_text2semantic(tmp_path / "s1.safetensors", plain, dtype=None)
    source = torch.Generator().manual_seed(0)
    down = torch.randn(2, config.width, generator=source)
    adapter = Adapter("X", LoraConfig(rank=2), {layer: down}, {layer: torch.ones(config.feed_forward, 2)})
    save_adapter(tmp_path / "s1_adapter.safetensors", "s1", adapter, {"steps": 7})
    manifest = BundleManifest(
        name="voice", languages=("en",), hubert="none", s1="s1.safetensors", s1_adapter="s1_adapter.safetensors"
    )
    (tmp_path / "voice.ckpt").write_bytes(public_image(Bundle(tmp_path, manifest), "s1"))
    heard = load_text2semantic(tmp_path / "voice.ckpt", dtype="float32")
    away = (output(plain) - output(heard)).abs().max()
    merge_adapter(plain, load_adapter(tmp_path / "s1_adapter.safetensors", "s1"))
    assert (output(plain) - output(heard)).abs().max() < away / 20


def test_training_on_from_a_voice_that_is_an_adapter(experiment: Path, model: Bundle, tmp_path: Path) -> None:
    voice = tmp_path / "voice"
    run("s1", experiment, model.folder, voice, SMALL["s1"], max_steps=2)
    with pytest.raises(ConfigError, match="an adapter itself"):
        run("s1", experiment, voice, tmp_path / "third", SMALL["s1"], max_steps=1)
    run("s2", experiment, voice, voice, max_steps=1)
    assert find_model(voice).manifest.s1_adapter == "s1_adapter.safetensors"
    rates = ["optimizer.lr=1e-12", "optimizer.final_lr=0"]
    run("s1", experiment, voice, tmp_path / "full", *rates, max_steps=1)
    full = find_model(tmp_path / "full")
    assert full.manifest.s1_adapter is None
    heard = network("s1", model)
    merge_adapter(heard, load_adapter(find_model(voice).need("s1_adapter"), "s1"))
    torch.testing.assert_close(output(network("s1", full)), output(heard))


def test_frozen_parts_and_rates(experiment: Path, model: Bundle, tmp_path: Path) -> None:
    run("s1", experiment, model.folder, tmp_path, "freeze=[layers.0, head]", "rates={code_embedding: 0.0}", max_steps=2)
    before, after = weights("s1", model.folder), weights("s1", tmp_path)
    still = ("layers.0.", "head.", "code_embedding.")
    for name, value in before.items():
        assert torch.equal(value, after[name]) == name.startswith(still), name
    run("s2", experiment, model.folder, tmp_path / "b", "freeze=[generator]", "task.average=null", max_steps=2)
    before, after = weights("s2", model.folder), weights("s2", tmp_path / "b")
    moved = {name for name, value in before.items() if not torch.equal(value, after[name])}
    assert moved and not any(name.startswith("generator.") for name in moved)


@pytest.mark.parametrize("stage", ["s1", "s2"])
def test_gradient_checkpointing_arrives_at_the_same_weights(
    stage: str, experiment: Path, model: Bundle, tmp_path: Path
) -> None:
    for kind in ("false", "true"):
        run(stage, experiment, model.folder, tmp_path / kind, f"recompute={kind}", max_steps=1)
    assert equal(weights(stage, tmp_path / "false"), weights(stage, tmp_path / "true"))


def test_an_average_of_stage_1_is_what_is_exported(experiment: Path, model: Bundle, tmp_path: Path) -> None:
    run("s1", experiment, model.folder, tmp_path / "last", max_steps=3)
    run("s1", experiment, model.folder, tmp_path / "mean", "average=0.9", max_steps=3)
    start, last, mean = (weights("s1", p)["head.weight"] for p in (model.folder, tmp_path / "last", tmp_path / "mean"))
    assert 0 < (mean - start).norm() < (last - start).norm()


def test_wrong_wishes_are_errors_in_words(experiment: Path, model: Bundle, tmp_path: Path) -> None:
    for override, told in (
        ("freeze=[heads]", "heads.*no part"),
        ("lora={targets: [nowhere]}", "nowhere.*no part"),
        ("lora={targets: [text_embedding]}", "no linear layer"),
        (
            "freeze=[text_embedding, text_position, code_embedding, code_position, layers, head, bert]",
            "no part|nothing",
        ),
        ("optimizer={kind: scaled_adam}", "nothing"),
    ):
        more = ["lora={rank: 2}"] if "scaled" in override else []
        with pytest.raises(ConfigError, match="ScaledAdam" if more else told):
            run("s1", experiment, model.folder, tmp_path / "out", override, *more, max_steps=1)


def test_a_voice_of_the_public_sizes_is_below_ten_megabytes(tmp_path: Path) -> None:
    size = 0
    with torch.device("meta"):
        networks = {"s1": Text2SemanticDecoder(Text2SemanticConfig()), "s2": Synthesizer(SynthesizerConfig())}
    for stage, made in networks.items():
        tune(made, Tuning(lora=LoraConfig()), TARGETS[stage])
        adapter = adapter_of(made, LoraConfig())
        size += 2 * sum(value.numel() for half in (adapter.down, adapter.up) for value in half.values())
    assert 3e6 < size < 9.5e6


def test_loaded_networks_change_their_voice(
    experiment: Path, model: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gpt_sovits import TTS

    monkeypatch.setenv(VARIABLE, str(model.folder.parent))
    for name, seed in (("one", 1), ("two", 2)):
        for stage in ("s2", "s1"):
            run(stage, experiment, model.folder, tmp_path / name, "lora={rank: 2, rate: 50}", max_steps=2, seed=seed)
    clip = next((Path(__file__).parents[1] / "data" / "clips").glob("ben_en_1.*"))

    def said(tts: TTS) -> Tensor:
        audio = tts.speak("Hello there.", reference=clip, language="en", seed=1, max_codes=20, retries=0)
        return torch.from_numpy(audio.samples)

    own = {name: said(TTS(tmp_path / name, device="cpu")) for name in ("one", "two")}
    tts = TTS(model.folder, device="cpu")
    base, networks = said(tts), (tts.parts.text2semantic, tts.parts.synthesizer)
    for name in ("one", "two", "one"):
        tts.switch(tmp_path / name)
        assert tts.parts.name == name and torch.equal(said(tts), own[name])
    assert not torch.equal(own["one"], own["two"]) and not torch.equal(own["one"], base)
    tts.switch(model.folder)
    assert torch.equal(said(tts), base)
    assert (tts.parts.text2semantic, tts.parts.synthesizer) == networks
    with pytest.raises(CheckpointError, match="is not over the weights"):
        tts.switch("tiny")
    assert torch.equal(said(tts), base)
