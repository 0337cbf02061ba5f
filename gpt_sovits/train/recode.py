"""Carry a trained model over to another content encoder, so that both stages keep what they know.

A new content encoder has other codes, and stages that were trained on the old ones would have to begin again. But the
old and the new codes of the same recordings tell what each new code used to be called: stage 1 gets for every new code
the mixture of the old ones' embeddings and outputs, stage 2 the linear map that takes new code vectors nearest to the
old ones. A short training then does the rest.
"""

from __future__ import annotations

import logging
import shutil
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from ar import Text2SemanticDecoder, load_text2semantic, save_text2semantic
from feature_extractor.audio import HUBERT_RATE, load_audio
from feature_extractor.content import ContentEncoder, load_content
from gpt_sovits.core.bundle import Bundle, find_model
from gpt_sovits.core.device import generator
from gpt_sovits.core.errors import AudioError, ConfigError, DatasetError
from gpt_sovits.train.bundle import install_part
from gpt_sovits.train.s2 import JUDGES
from sovits import Synthesizer, load_sovits, save_sovits

log = logging.getLogger(__name__)

TAIL = 80
"""Samples a HuBERT stack needs beyond its last hop to make one frame per 320 samples."""
RARE = 0.05
"""Weight, in frames, of the overall mixture: what a code is taken for that was never heard."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """How often each new code was heard where the old encoder heard each old code: [new, old] frames."""

    counts: Tensor

    @property
    def mixture(self) -> Tensor:
        """Share of each old code in every new one [new, old]; rows sum to 1."""
        overall = self.counts.sum(0) / self.counts.sum()
        mixed = self.counts + RARE * overall
        return mixed / mixed.sum(1, keepdim=True)


def recode(old: str | Path, new: str | Path, listing: Path, out: Path, sample: int = 900, seed: int = 1234) -> Bundle:
    """Write a model with the content encoder of `new` and both stages of `old`, taught the new codes.

    Args:
        old: a trained model.
        new: a model whose content encoder and codebook are trained; its other parts but the speaker encoder, which is
            kept, may be untrained, and its stage 2 may have a speaker branch that the old one lacks.
        listing: `path|speaker|language|text` lines of recordings to hear with both.
        out: folder of the new model.
        sample: recordings.

    Raises:
        ConfigError: the models do not fit each other.
        DatasetError: no recording can be heard.
    """
    source, target = find_model(old), find_model(new)
    before, after = (load_sovits(b.need("s2"), dtype="float32") for b in (source, target))
    encoders = load_content(source.need("hubert")), load_content(target.need("hubert"))
    pairs = compare_codes(listing, (encoders[0], before), (encoders[1], after), sample, seed)
    adopt_stage_2(before, after, pairs)
    text2semantic = load_text2semantic(source.need("s1"), dtype="float32")
    adopt_stage_1(text2semantic, pairs)
    info = {"recoded from": source.manifest.name}
    out.mkdir(parents=True, exist_ok=True)
    save_text2semantic(out / "s1.safetensors", text2semantic, info)
    save_sovits(out / "s2.safetensors", after, info)
    judges = source.need("s2").with_name(JUDGES)
    if judges.is_file():
        shutil.copy(judges, out / JUDGES)
    install_part(out, target, "s1")
    return install_part(out, target, "s2")


@torch.inference_mode()
def compare_codes(
    listing: Path,
    old: tuple[ContentEncoder, Synthesizer],
    new: tuple[ContentEncoder, Synthesizer],
    sample: int,
    seed: int,
) -> Pairs:
    """Hear some recordings of a list with both content encoders."""
    counts = torch.zeros(*(synthesizer.config.quantizer.codes for _, synthesizer in (new, old)))
    lines = [line for line in listing.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    for place in torch.randperm(len(lines), generator=generator(seed))[:sample].tolist():
        path = listing.parent / lines[place].split("|", 1)[0]
        try:
            wave = F.pad(load_audio(path, HUBERT_RATE), (0, TAIL))[None]
            ours, theirs = (synthesizer.encode(hubert(wave)) for hubert, synthesizer in (new, old))
        except AudioError as error:
            log.warning("left out: %s", error)
            continue
        t = min(len(ours), len(theirs))
        counts.index_put_((ours[:t], theirs[:t]), torch.ones(t), accumulate=True)
    if not counts.any():
        raise DatasetError(f"{listing} names no recording that can be heard: check its paths")
    return Pairs(counts)


@torch.no_grad()
def adopt_stage_1(model: Text2SemanticDecoder, pairs: Pairs) -> None:
    """Give every new code the mixture of the old codes' embeddings and outputs."""
    codes, mixture = len(pairs.counts), pairs.mixture
    if model.config.eos != codes or pairs.counts.shape[1] != codes:
        raise ConfigError(f"stage 1 has {model.config.eos} codes, the new content encoder {codes}: they must agree")
    for weight in (model.code_embedding.weight, model.head.weight):
        weight[:codes] = mixture @ weight[:codes]


@torch.no_grad()
def adopt_stage_2(old: Synthesizer, new: Synthesizer, pairs: Pairs) -> None:
    """Give `new` the weights of `old`, but for content projection and codebook; a fresh speaker branch is silent."""
    mine, theirs = new.state_dict(), old.state_dict()
    for name, value in mine.items():
        if name.startswith(("content.", "quantizer.", "speaker.")):
            continue
        if name not in theirs or theirs[name].shape != value.shape:
            raise ConfigError(f"stage 2 of the two models differs in {name}: only the speaker branch may be new")
        value.copy_(theirs[name])
    if new.speaker is not None and old.speaker is None:
        new.speaker.project.weight.mul_(0.1)
        new.speaker.project.bias.zero_()
        new.speaker.activation.weight.fill_(1.0)  # the identity
    elif new.speaker is not None and old.speaker is not None:
        new.speaker.load_state_dict(old.speaker.state_dict())
    linear, constant = _nearest_map(new.quantizer.codebook, old.quantizer.codebook, pairs)
    weight, bias = old.prior.content.weight[:, :, 0], old.prior.content.bias
    assert bias is not None and new.prior.content.bias is not None
    new.prior.content.weight.copy_((weight @ linear.T)[:, :, None])
    new.prior.content.bias.copy_(bias + weight @ constant)


def _nearest_map(inputs: Tensor, outputs: Tensor, pairs: Pairs) -> tuple[Tensor, Tensor]:
    """Least squares over all frames: `inputs @ linear + constant` for the old vectors; [c, c] and [c]."""
    ones = F.pad(inputs, (0, 1), value=1.0).double()
    weights = pairs.counts.double()
    gram = ones.T @ (weights.sum(1, keepdim=True) * ones) + 1e-3 * torch.eye(ones.shape[1], dtype=torch.float64)
    solved = torch.linalg.solve(gram, ones.T @ (weights @ outputs.double())).float()
    return solved[:-1], solved[-1]
