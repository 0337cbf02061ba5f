"""Training a small content encoder from nothing but speech: distillation of a Whisper encoder.

The student is a HuBERT-shaped network. It learns the teacher's frames without the speaker (see `targets`), and their
codes; its codebook goes into the stage 2 model of the same bundle, so that `prep` and inference hear those codes.
"""

from __future__ import annotations

import logging
import math
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from feature_extractor.hubert import Hubert, load_hubert, save_hubert
from gpt_sovits.core.bundle import find_model
from gpt_sovits.core.config import Strict
from gpt_sovits.core.errors import DatasetError
from gpt_sovits.core.files import atomic_path
from gpt_sovits.train.lessons import HOP, Lessons, load_lessons, prepare_lessons
from sovits import Synthesizer, load_sovits, save_sovits

log = logging.getLogger(__name__)

TAIL = 80
"""Samples a HuBERT stack needs beyond its last hop to make one frame per 320 samples."""


class ContentConfig(Strict):
    """How a content encoder is trained."""

    seed: int = 1234
    minutes: float = 60.0
    batch_frames: int = 800
    """Frames a step, at 50 a second."""
    crops: tuple[int, ...] = (100, 150, 200)
    """Frames of a crop; each step draws one of these."""
    learning_rate: float = 1e-3
    warmup: int = 150
    regression: float = 10.0
    """Weight of the cosine distance to the teacher's frames, against the cross-entropy of the codes."""
    sharpness: float = 12.0
    speaker_prior_frames: int = 500
    sample: int = 3000
    """Utterances the projection and the codes are fitted on."""
    noise_chance: float = 0.3
    bfloat16: bool = True
    workers: int = 2
    """Processes that hear the recordings with the teacher."""
    save_every: int = 500


def train_content(listing: Path, teacher: Path, model: Path, config: ContentConfig, work: Path) -> None:
    """Train the content encoder of a bundle and write it, with its codebook, into the bundle.

    Args:
        listing: `path|speaker|language|text` lines, paths relative to the list's folder; the text is not used.
        teacher: folder of a Whisper encoder.
        model: bundle whose hubert and s2 parts are replaced.
        work: folder for the checkpoint; the same command continues from it.
    """
    bundle = find_model(model)
    student = load_hubert(bundle.need("hubert"))
    codes = load_sovits(bundle.need("s2")).config.quantizer.codes
    lessons = _lessons(listing, teacher, student.width, codes, config, work / "lessons.pt")
    fit(student, lessons, config, work / "content.pt")
    save_hubert(bundle.need("hubert"), student, {"recipe": config.model_dump(mode="json")}, torch.float16)
    synthesizer = load_sovits(bundle.need("s2"), dtype="float32")
    adopt_codebook(synthesizer, lessons.centres)
    save_sovits(bundle.need("s2"), synthesizer, {"codebook": "k-means of the content encoder's teacher"})


def _lessons(listing: Path, teacher: Path, width: int, codes: int, config: ContentConfig, kept: Path) -> Lessons:
    """Those of an earlier run of the same command, or new ones, which are kept for the next."""
    if kept.is_file():
        return load_lessons(kept)
    lessons = prepare_lessons(
        listing,
        teacher,
        width,
        codes,
        seed=config.seed,
        sample=config.sample,
        prior_frames=config.speaker_prior_frames,
        half=config.bfloat16,
        workers=config.workers,
    )
    lessons.save(kept)
    return lessons


def fit(student: Hubert, lessons: Lessons, config: ContentConfig, checkpoint: Path) -> None:
    """Train until `minutes` are used up; continues from `checkpoint` when it is there."""
    torch.manual_seed(config.seed)
    rng = np.random.default_rng(config.seed)
    optimizer = torch.optim.AdamW(student.parameters(), config.learning_rate, (0.9, 0.98), weight_decay=0.01)
    step, used = _restore(checkpoint, student, optimizer)
    starts = F.pad(lessons.lengths.cumsum(0), (1, 0))[:-1]
    student.train()
    started = time.monotonic()
    while (share := (used + time.monotonic() - started) / (60 * config.minutes)) < 1:
        rate = min(1.0, (step + 1) / config.warmup) * max(0.02, 0.5 * (1 + math.cos(math.pi * share)))
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate * rate
        wave, frames, codes = draw(lessons, starts, config, rng)
        with torch.autocast("cpu", torch.bfloat16, enabled=config.bfloat16):
            heard = student(wave)
        distance, entropy, agreement = losses(heard.mT.float(), frames, codes, lessons.centres, config.sharpness)
        optimizer.zero_grad()
        (config.regression * distance + entropy).backward()
        torch.nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        optimizer.step()
        step += 1
        if step % 50 == 0:
            log.info("step %d: distance %.3f, entropy %.3f, agreement %.3f", step, distance, entropy, agreement)
        if step % config.save_every == 0:
            _save(checkpoint, student, optimizer, step, used + time.monotonic() - started)
    _save(checkpoint, student, optimizer, step, used + time.monotonic() - started)
    student.eval()


def losses(
    heard: Tensor, frames: Tensor, codes: Tensor, centres: Tensor, sharpness: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Cosine distance to the frames, cross-entropy of the codes, share of right codes.

    Args:
        heard: student features [b, t, d]; their length is sqrt(d) through the network's last layer norm.
        frames: unit targets [b, t, d]; codes: [b, t // 2]; centres: [v, d].
    """
    unit = heard / math.sqrt(heard.shape[-1])
    distance = 1 - F.cosine_similarity(unit, frames, dim=-1).mean()
    pairs = unit.unflatten(1, (-1, 2)).mean(2)
    logits = sharpness * (2 * pairs @ centres.T - centres.square().sum(1))
    entropy = F.cross_entropy(logits.flatten(0, 1), codes.flatten(), label_smoothing=0.05)
    return distance, entropy, (logits.argmax(-1) == codes).float().mean()


def draw(
    lessons: Lessons, starts: Tensor, config: ContentConfig, rng: np.random.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """One batch of crops of one length: wave [b, w], targets [b, t, d], codes [b, t // 2].

    Args:
        starts: first frame of each recording among all.
    """
    length = int(rng.choice(config.crops))
    usable = torch.nonzero(lessons.lengths >= length)[:, 0].numpy()
    if not len(usable):
        raise DatasetError(f"no utterance is {length / 50:.1f} s long: lower `crops`")
    waves, frames, codes = [], [], []
    for index in rng.choice(usable, config.batch_frames // length):
        room = (int(lessons.lengths[index]) - length) // 2 + 1
        start = int(starts[index]) + int(rng.integers(0, room)) * 2
        wave = lessons.waves[start * HOP : (start + length) * HOP].float() / 32767 * rng.uniform(0.3, 1.2)
        if rng.random() < config.noise_chance:
            level = float(wave.std()) * 10 ** (-rng.uniform(12, 35) / 20)
            wave = wave + level * torch.from_numpy(rng.standard_normal(len(wave), dtype=np.float32))
        waves.append(F.pad(wave, (0, TAIL)))
        frames.append(lessons.frames[start : start + length].float())
        codes.append(lessons.codes[start // 2 : (start + length) // 2].long())
    return torch.stack(waves), torch.stack(frames), torch.stack(codes)


def adopt_codebook(synthesizer: Synthesizer, centres: Tensor) -> None:
    """Make a stage 2 model hear these codes: its content projection averages pairs of frames."""
    width = centres.shape[1]
    with torch.no_grad():
        synthesizer.content.weight.copy_(torch.eye(width)[:, :, None].expand(-1, -1, 2) / 2)
        if synthesizer.content.bias is not None:
            synthesizer.content.bias.zero_()
        quantizer = synthesizer.quantizer
        quantizer.codebook.copy_(centres * math.sqrt(width))
        quantizer.counts.fill_(1.0)
        quantizer.sums.copy_(quantizer.codebook)
        quantizer.ready.fill_(True)


def _save(path: Path, student: Hubert, optimizer: torch.optim.Optimizer, step: int, used: float) -> None:
    with atomic_path(path) as temporary:
        state = {"student": student.state_dict(), "optimizer": optimizer.state_dict(), "step": step, "used": used}
        torch.save(state, temporary)


def _restore(path: Path, student: Hubert, optimizer: torch.optim.Optimizer) -> tuple[int, float]:
    if not path.is_file():
        return 0, 0.0
    state = torch.load(path, weights_only=True)
    student.load_state_dict(state["student"])
    optimizer.load_state_dict(state["optimizer"])
    return int(state["step"]), float(state["used"])
