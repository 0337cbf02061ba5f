"""The content encoder of a new model: a published Whisper encoder, and codes of it that tell phones.

Whisper stays as it is: it has heard more voices than any training here could show. What is learned is a projection of
its frames and a codebook, by recognising phones (CTC, Graves et al. 2006) from the codes alone, as the supervised
speech tokens of CosyVoice (Du et al. 2024) are; the voice, which does not help, is left behind. A second task, to tell
Whisper's own frames from the codes, keeps what is between the phones.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchmetrics.functional.text import word_error_rate

from ar.reader import CodeReader, save_reader
from feature_extractor.phone_reader import BLANK, PhoneReader
from feature_extractor.whisper import Whisper, load_whisper, save_whisper
from gpt_sovits.core.bundle import find_model
from gpt_sovits.core.config import Strict
from gpt_sovits.core.device import generator, multiplies_bfloat16
from gpt_sovits.core.errors import DatasetError
from gpt_sovits.core.files import atomic_path
from gpt_sovits.train.bundle import name_part
from gpt_sovits.train.lessons import Lessons, load_lessons, prepare_lessons
from sovits import Synthesizer, load_sovits, save_sovits
from sovits.quantizer import SemanticQuantizer

READER = "reader.safetensors"
log = logging.getLogger(__name__)


class ContentConfig(Strict):
    """How the projection and the codebook are trained."""

    seed: int = 1234
    steps: int = 1500
    batch: int = 32
    """Recordings a step."""
    learning_rate: float = 2e-3
    warmup: int = 50
    quantize_from: int = 500
    """Steps on plain features before the codebook is begun from them."""
    noise: float = 0.5
    """Noise on the features until then, in shares of their deviation: what codes will lose."""
    reconstruction: float = 1.0
    """Weight of telling Whisper's frames, against telling the phones."""
    held_out: int = 100
    """Recordings that are only measured on."""
    bfloat16: bool = True
    """Where the processor multiplies in it."""
    workers: int = 2
    """Processes that hear the recordings."""
    save_every: int = 250


class Reader(PhoneReader):
    """What the projection is taught by: phones and Whisper's frames from 25 features a second."""

    def __init__(self, width: int, phones: int, hidden: int) -> None:
        super().__init__(width, phones)
        self.frames = nn.Linear(width, hidden)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of the phones, 0 being none, and frames, of features [b, t, c]."""
        return self.read(x), self.frames(x)


class Trainee(nn.Module):
    """The projection, the codebook and the reader."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, hidden: int, phones: int, quantizer: SemanticQuantizer) -> None:
        super().__init__()
        width = quantizer.config.width
        self.register_buffer("mean", torch.zeros(hidden))
        self.register_buffer("deviation", torch.ones(hidden))
        self.project = nn.Linear(hidden, width)
        self.quantizer = quantizer
        self.reader = Reader(width, phones, hidden)

    def measure(self, features: Tensor) -> None:
        """Standardise by a sample of features [n, hidden]."""
        self.mean.copy_(features.mean(0))
        self.deviation.copy_(features.std(0) + 1e-3)

    def standard(self, features: Tensor) -> Tensor:
        return (features - self.mean) / self.deviation

    def install(self, whisper: Whisper) -> None:
        """Put the projection behind an encoder whose features are not standardised."""
        with torch.no_grad():
            weight = self.project.weight / self.deviation
            whisper.project.weight.copy_(weight)
            whisper.project.bias.copy_(self.project.bias - weight @ self.mean)


def train_content(listing: Path, model: Path, config: ContentConfig, work: Path) -> None:
    """Give a model a content encoder, its codebook, and a reader of its codes.

    Args:
        listing: `path|speaker|language|text` lines, paths relative to the list's folder.
        model: bundle with a Whisper encoder, whose projection and whose stage 2's codebook are replaced.
        work: folder for what was heard and for the checkpoint; the same command continues from them.

    Raises:
        DatasetError: too little speech.
    """
    bundle = find_model(model)
    whisper = load_whisper(bundle.need("hubert"))
    synthesizer = load_sovits(bundle.need("s2"), dtype="float32")
    kept = work / "lessons.pt"
    if not kept.is_file():
        symbols, half = bundle.manifest.symbols, config.bfloat16 and multiplies_bfloat16()
        prepare_lessons(listing, bundle.need("hubert"), symbols, half, config.workers).save(kept)
    lessons = load_lessons(kept)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        quantizer = SemanticQuantizer(synthesizer.config.quantizer)
        trainee = Trainee(whisper.config.width, synthesizer.config.phonemes, quantizer)
        error = fit(trainee, lessons, config, work / "content.pt")
    trainee.install(whisper)
    info = {"recipe": config.model_dump(mode="json"), "phone error": round(error, 4)}
    save_whisper(bundle.need("hubert"), whisper, info, torch.int8)
    adopt_codebook(synthesizer, trainee.quantizer)
    reader = CodeReader.of(trainee.reader, trainee.quantizer.codebook)
    if synthesizer.reader is None:
        save_reader(bundle.folder / READER, reader, info, torch.float16)
        name_part(bundle, "reader", READER)
    else:
        synthesizer.reader.load_state_dict(reader.state_dict(), strict=False)  # all but the codebook, which it has
    save_sovits(bundle.need("s2"), synthesizer, {"codebook": "learned with the content encoder"})


def fit(trainee: Trainee, lessons: Lessons, config: ContentConfig, checkpoint: Path) -> float:
    """Train; continues from `checkpoint` when it is there. The phone error on the held-out recordings."""
    count = len(lessons.lengths)
    held = min(config.held_out, count // 5)
    order = torch.randperm(count, generator=generator(config.seed)).tolist()
    held_out, used = order[:held], order[held:]
    fits = [i for i in used if len(lessons.phones[i]) <= int(lessons.lengths[i])]
    if int(lessons.lengths[fits].sum()) < trainee.quantizer.config.codes:
        raise DatasetError(f"{len(fits)} recordings hold too few frames for {trainee.quantizer.config.codes} codes")
    starts = F.pad(lessons.lengths.cumsum(0), (1, 0))[:-1]
    trainee.measure(torch.cat([_features(lessons, starts, i) for i in fits[:1000]]))
    optimizer = torch.optim.AdamW([p for p in trainee.parameters() if p.requires_grad], config.learning_rate)
    first = _restore(checkpoint, trainee, optimizer)
    for step in range(first, config.steps):
        rate = min(1.0, (step + 1) / config.warmup) * max(0.02, 0.5 * (1 + math.cos(math.pi * step / config.steps)))
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate * rate
        torch.manual_seed(config.seed + step)
        chosen = [fits[i] for i in torch.randint(len(fits), (config.batch,)).tolist()]
        batch = [_features(lessons, starts, i) for i in chosen]
        losses = step_losses(trainee, batch, [lessons.phones[i] for i in chosen], config, step >= config.quantize_from)
        optimizer.zero_grad()
        torch.stack(list(losses.values())).sum().backward()
        nn.utils.clip_grad_norm_(trainee.parameters(), 1.0)
        optimizer.step()
        if (step + 1) % 50 == 0:
            log.info("step %d: %s", step + 1, ", ".join(f"{name} {loss.item():.3f}" for name, loss in losses.items()))
        if (step + 1) % config.save_every == 0:
            _save(checkpoint, trainee, optimizer, step + 1)
    trainee.eval()
    error, share = phone_error(trainee, lessons, starts, held_out)
    log.info("of the phones of %d held-out recordings %.1f %% are misread; %.0f %% of the codes were heard", held,
             100 * error, 100 * share)  # fmt: skip
    return error


def step_losses(
    trainee: Trainee, batch: Sequence[Tensor], phones: Sequence[Tensor], config: ContentConfig, quantize: bool
) -> dict[str, Tensor]:
    """Weighted losses by name.

    Args:
        batch: features [t, hidden] of each recording.
        phones: ids of each.
        quantize: read the codes; else the plain features under noise.
    """
    trainee.train()
    lengths = torch.tensor([len(each) for each in batch])
    frames = trainee.standard(nn.utils.rnn.pad_sequence(list(batch), batch_first=True))
    mask = torch.arange(frames.shape[1]) < lengths[:, None]
    projected = trainee.project(frames)
    losses = {}
    if quantize:
        quantized, _, losses["commitment"] = trainee.quantizer(projected[mask].mT[None])
        read = torch.zeros_like(projected).masked_scatter(mask[..., None], quantized[0].mT.to(projected))
    else:
        spread = config.noise * projected[mask].std(0).detach()
        read = (projected + spread * torch.randn_like(projected)) * mask[..., None]
    with torch.autocast("cpu", torch.bfloat16, enabled=config.bfloat16 and multiplies_bfloat16()):
        logits, rebuilt = trainee.reader(read)
    scores = logits.float().log_softmax(-1).transpose(0, 1)
    counts = torch.tensor([len(each) for each in phones])
    losses["phones"] = F.ctc_loss(scores, torch.cat(list(phones)) + 1, lengths, counts, BLANK, zero_infinity=True)
    losses["frames"] = config.reconstruction * F.mse_loss(rebuilt.float()[mask], frames[mask])
    return losses


@torch.inference_mode()
def phone_error(trainee: Trainee, lessons: Lessons, starts: Tensor, recordings: Sequence[int]) -> tuple[float, float]:
    """Share of phones misread from the codes of some recordings, and share of the codes that occur in them."""
    read, wanted = [], []
    seen: set[int] = set()
    for i in recordings:
        features = _features(lessons, starts, i)[None]
        quantized, codes, _ = trainee.quantizer(trainee.project(trainee.standard(features)).mT)
        best = torch.unique_consecutive(trainee.reader(quantized.mT)[0][0].argmax(-1))
        read.append(" ".join(str(phone) for phone in best.tolist() if phone != BLANK))
        wanted.append(" ".join(str(phone) for phone in (lessons.phones[i] + 1).tolist()))
        seen.update(codes.flatten().tolist())
    return float(word_error_rate(read, wanted)), len(seen) / trainee.quantizer.config.codes


def adopt_codebook(synthesizer: Synthesizer, quantizer: SemanticQuantizer) -> None:
    """Make a stage 2 model hear these codes: its content projection averages pairs of frames."""
    width = quantizer.config.width
    with torch.no_grad():
        synthesizer.content.weight.copy_(torch.eye(width)[:, :, None].expand(-1, -1, 2) / 2)
        if synthesizer.content.bias is not None:
            synthesizer.content.bias.zero_()
    synthesizer.quantizer.load_state_dict(quantizer.state_dict())


def _features(lessons: Lessons, starts: Tensor, index: int) -> Tensor:
    start = int(starts[index])
    return lessons.features[start : start + int(lessons.lengths[index])].float()


def _save(path: Path, trainee: Trainee, optimizer: torch.optim.Optimizer, step: int) -> None:
    with atomic_path(path) as temporary:
        torch.save({"trainee": trainee.state_dict(), "optimizer": optimizer.state_dict(), "step": step}, temporary)


def _restore(path: Path, trainee: Trainee, optimizer: torch.optim.Optimizer) -> int:
    if not path.is_file():
        return 0
    state = torch.load(path, weights_only=True)
    trainee.load_state_dict(state["trainee"])
    optimizer.load_state_dict(state["optimizer"])
    return int(state["step"])
