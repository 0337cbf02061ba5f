"""Names and layouts of the public GPT-SoVITS weights, translated both ways."""

from __future__ import annotations

import logging
import re
from typing import Any

import torch
from torch import Tensor

from gpt_sovits.core.errors import CheckpointError
from sovits.config import (
    DiscriminatorConfig,
    FlowConfig,
    GeneratorConfig,
    PriorConfig,
    QuantizerConfig,
    ResidualBlocks,
    StyleConfig,
    SynthesizerConfig,
    WaveNetConfig,
)
from sovits.published import family_of, model_of

log = logging.getLogger(__name__)

_ENCODERS = (("encoder_ssl", "content_encoder"), ("encoder_text", "text_encoder"), ("encoder2", "joint_encoder"))
_LAYER = (
    ("attn_layers.#.emb_rel_k", "layers.#.attention.distance_keys"),
    ("attn_layers.#.emb_rel_v", "layers.#.attention.distance_values"),
    ("attn_layers.#.conv_q.", "layers.#.attention.query."),
    ("attn_layers.#.conv_k.", "layers.#.attention.key."),
    ("attn_layers.#.conv_v.", "layers.#.attention.value."),
    ("attn_layers.#.conv_o.", "layers.#.attention.output."),
    ("norm_layers_1.#.gamma", "layers.#.attention_norm.weight"),
    ("norm_layers_1.#.beta", "layers.#.attention_norm.bias"),
    ("ffn_layers.#.conv_1.", "layers.#.feed.expand."),
    ("ffn_layers.#.conv_2.", "layers.#.feed.contract."),
    ("norm_layers_2.#.gamma", "layers.#.feed_norm.weight"),
    ("norm_layers_2.#.beta", "layers.#.feed_norm.bias"),
)
_WAVENET = (("cond_layer.", "condition."), ("in_layers.#.", "gates.#."), ("res_skip_layers.#.", "mixes.#."))
_CODEBOOK = "quantizer.vq.layers.0._codebook."

# Prefixes, public and ours; # stands for a number, and *2 for one that is doubled on the public side.
_GENERATOR_RULES = (
    *((f"enc_p.{a}.{x}", f"prior.{b}.{y}") for a, b in _ENCODERS for x, y in _LAYER),
    ("enc_p.ssl_proj.", "prior.content."),
    ("enc_p.text_embedding.", "prior.embedding."),
    ("enc_p.mrte.cross_attention.conv_q.", "prior.fusion.attention.query."),
    ("enc_p.mrte.cross_attention.conv_k.", "prior.fusion.attention.key."),
    ("enc_p.mrte.cross_attention.conv_v.", "prior.fusion.attention.value."),
    ("enc_p.mrte.cross_attention.conv_o.", "prior.fusion.attention.output."),
    ("enc_p.mrte.c_pre.", "prior.fusion.content."),
    ("enc_p.mrte.text_pre.", "prior.fusion.text."),
    ("enc_p.mrte.c_post.", "prior.fusion.exit."),
    ("enc_p.proj.", "prior.exit."),
    ("dec.conv_pre.", "generator.entry."),
    ("dec.conv_post.", "generator.head.conv."),
    ("dec.cond.", "generator.condition."),
    ("dec.ups.#.", "generator.upsamplers.#."),
    ("enc_q.pre.", "posterior.entry."),
    ("enc_q.proj.", "posterior.exit."),
    *((f"enc_q.enc.{a}", f"posterior.wavenet.{b}") for a, b in _WAVENET),
    ("flow.flows.*2.pre.", "flow.couplings.*2.entry."),
    ("flow.flows.*2.post.", "flow.couplings.*2.exit."),
    *((f"flow.flows.*2.enc.{a}", f"flow.couplings.*2.wavenet.{b}") for a, b in _WAVENET),
    ("ref_enc.spectral.0.fc.", "style.spectral_in."),
    ("ref_enc.spectral.3.fc.", "style.spectral_out."),
    ("ref_enc.temporal.#.conv1.conv.", "style.temporal.#.conv."),
    ("ref_enc.slf_attn.w_qs.", "style.attention.query."),
    ("ref_enc.slf_attn.w_ks.", "style.attention.key."),
    ("ref_enc.slf_attn.w_vs.", "style.attention.value."),
    ("ref_enc.slf_attn.fc.", "style.attention.output."),
    ("ref_enc.fc.fc.", "style.project."),
    ("ssl_proj.", "content."),
    ("sv_emb.", "speaker.project."),
    ("prelu.", "speaker.activation."),
    ("ge_to512.", "bridge."),
    (f"{_CODEBOOK}inited", "quantizer.ready"),
    (f"{_CODEBOOK}cluster_size", "quantizer.counts"),
    (f"{_CODEBOOK}embed_avg", "quantizer.sums"),
    (f"{_CODEBOOK}embed", "quantizer.codebook"),
)
_DISCRIMINATOR_RULES = (
    ("discriminators.#.convs.#.", "judges.#.convs.#."),
    ("discriminators.#.conv_post.", "judges.#.exit."),
)
_ROOTS = tuple({f"{rule[0].split('.')[0]}." for rule in _GENERATOR_RULES})
_NORM = (("weight_g", "parametrizations.weight.original0"), ("weight_v", "parametrizations.weight.original1"))


def from_public(state: dict[str, Tensor], kernels: int = 3) -> dict[str, Tensor]:
    """A public generator's state dict under our names; parts it lacks (`enc_q`) stay absent.

    Tensors that the network has no place for are left out, as the public loader does, but not silently.

    Args:
        kernels: residual blocks per upsampling stage, which the public files number through.
    """
    known = [name for name in state if name.startswith(_ROOTS)]
    extra = sorted(state.keys() - set(known))
    if not known:
        raise CheckpointError(f"the weights hold {extra[0]}, which no stage 2 network of this project has")
    if extra:
        log.warning("left out %d tensors that stage 2 has no place for: %s", len(extra), ", ".join(extra[:3]))
    return {_to_ours(name, kernels): _ready(name, state[name], torch.bool) for name in known}


def to_public(state: dict[str, Tensor], kernels: int = 3) -> dict[str, Tensor]:
    """The inverse of `from_public`; `state` must still carry its weight norm."""
    named = {_to_theirs(name, kernels): value for name, value in state.items()}
    return {name: _ready(name, value, torch.float32) for name, value in named.items()}


def discriminator_from_public(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A public discriminator's state dict under our names."""
    return {_rename(name, _DISCRIMINATOR_RULES, 0): value for name, value in state.items()}


def discriminator_to_public(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The inverse of `discriminator_from_public`."""
    return {_rename(name, _DISCRIMINATOR_RULES, 1): value for name, value in state.items()}


def config_from_public(model: dict[str, Any], state: dict[str, Tensor], frozen: bool = True) -> SynthesizerConfig:
    """Our configuration for public weights.

    Args:
        model: the `model` section of the configuration beside them; what it lacks is as in the published networks.
        state: the weights; what they hold decides about the parts.

    Raises:
        CheckpointError: a size or a tensor is missing, or they contradict each other.
    """
    try:
        return _config({**model_of(family_of(state)), **model}, state, frozen)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise CheckpointError(f"the configuration or the weights of stage 2 are not complete: {error}") from error


def _config(model: dict[str, Any], state: dict[str, Tensor], frozen: bool) -> SynthesizerConfig:
    hidden = int(model["hidden_channels"])
    bins = state["ref_enc.spectral.0.fc.weight"].shape[1]
    speaker = state["sv_emb.weight"].shape[1] if "sv_emb.weight" in state else None
    codes, width = state[f"{_CODEBOOK}embed"].shape
    layers = int(model["n_layers"])
    return SynthesizerConfig(
        phonemes=state["enc_p.text_embedding.weight"].shape[0],
        quantizer=QuantizerConfig(width=width, codes=codes, frozen=frozen),
        inter=model["inter_channels"],
        hidden=hidden,
        prior=PriorConfig(
            filter=model["filter_channels"],
            heads=model["n_heads"],
            kernel=model["kernel_size"],
            content_layers=layers // 2,
            text_layers=layers,
            joint_layers=layers // 2,
            dropout=model["p_dropout"],
        ),
        posterior=WaveNetConfig(layers=16),
        flow=FlowConfig(),
        style=StyleConfig(
            bins=bins, width=model["gin_channels"], prior_width=state["enc_p.mrte.c_pre.weight"].shape[0]
        ),
        speaker=speaker,
        generator=GeneratorConfig(
            channels=model["upsample_initial_channel"],
            rates=model["upsample_rates"],
            kernels=model["upsample_kernel_sizes"],
            blocks=ResidualBlocks(kernels=model["resblock_kernel_sizes"], dilations=model["resblock_dilation_sizes"]),
        ),
    )


def discriminator_config_from_public(periods: list[int]) -> DiscriminatorConfig:
    """Our configuration of a public discriminator with these periods."""
    return DiscriminatorConfig(periods=tuple(periods))


def _to_ours(name: str, kernels: int) -> str:
    block = re.fullmatch(r"dec\.resblocks\.(\d+)\.convs([12])\.(.+)", name)
    if block is None:
        return _rename(name, _GENERATOR_RULES, 0)
    stage, index = divmod(int(block[1]), kernels)
    part = "dilated" if block[2] == "1" else "plain"
    return _rename(f"generator.stages.{stage}.blocks.{index}.{part}.{block[3]}", (), 0)


def _to_theirs(name: str, kernels: int) -> str:
    block = re.fullmatch(r"generator\.stages\.(\d+)\.blocks\.(\d+)\.(dilated|plain)\.(.+)", name)
    if block is None:
        return _rename(name, _GENERATOR_RULES, 1)
    number = int(block[1]) * kernels + int(block[2])
    return _rename(f"dec.resblocks.{number}.convs{1 if block[3] == 'dilated' else 2}.{block[4]}", (), 1)


def _rename(name: str, rules: tuple[tuple[str, str], ...], side: int) -> str:
    """Rewrite the prefix of `name` from `side` of the rules to the other, and the weight norm suffix."""
    for pair in _NORM:
        if name.endswith(f".{pair[side]}"):
            name = name.removesuffix(pair[side]) + pair[1 - side]
    if not rules:
        return name
    for rule in rules:
        pattern = re.escape(rule[side]).replace(r"\#", r"(\d+)").replace(r"\*2", r"(\d+)")
        match = re.match(pattern, name)
        if match is not None:
            return _fill(rule[1 - side], match, side) + name[match.end() :]
    raise CheckpointError(f"the weights hold {name}, which no stage 2 network of this project has")


def _fill(template: str, match: re.Match[str], side: int) -> str:
    """Put the numbers that `match` found into the other side's pattern."""
    for number in map(int, match.groups()):
        before, hole, after = re.split(r"(#|\*2)", template, maxsplit=1)
        if hole == "*2":
            number = 2 * number if side == 1 else number // 2
        template = f"{before}{number}{after}"
    return template


def _ready(name: str, value: Tensor, kind: torch.dtype) -> Tensor:
    """The codebook's flag: a float of shape [1] in public, a single bool here."""
    if not name.endswith("_codebook.inited"):
        return value
    return value.reshape(()).bool() if kind == torch.bool else value.reshape(1).float()
