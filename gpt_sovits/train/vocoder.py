"""A thin vocoder for a voice model that ends in a large one, taught by it: `gpt-sovits train vocoder`.

It is taught on log-mel frames of recordings and on what the model's stage 2 tells for the same utterances in other
voices, since that is what it is to speak from.
"""

from __future__ import annotations

import logging
import math
from pathlib import Path

import torch
from torch import Tensor, nn

from gpt_sovits.core.bundle import find_model
from gpt_sovits.core.config import Strict
from gpt_sovits.core.device import generator, multiplies_bfloat16, pick_device
from gpt_sovits.core.errors import ConfigError, DatasetError
from gpt_sovits.core.files import atomic_path
from gpt_sovits.train.bundle import install_part
from sovits import Synthesizer, load_sovits, save_sovits
from sovits.config import SpectralExit
from sovits.data import SynthesizerDataModule
from sovits.recipe import SynthesizerDataConfig
from sovits.survey import Needs
from sovits.thin import Thinning, groups, plain, thin_config, thinned, unnormed
from sovits.vocoder import MelVocoder
from sovits.weightnorm import normed_names, put_on

log = logging.getLogger(__name__)


class ThinConfig(Strict):
    """What the vocoder is to become, and how it is taught."""

    seed: int = 1234
    narrow: tuple[int, ...] = (2, 4, 4, 2)
    """So many times fewer channels within the pairs of convolutions, stage by stage."""
    exit: SpectralExit | None = None
    """What the last stages give way to; None: they stay."""
    steps: int = 700
    apart: float = 0.6
    """Share of the steps in which each stage is taught alone."""
    batch: int = 6
    """Pieces a step."""
    heard: int = 3
    """Of them, those whose samples are made."""
    fitted: int = 64
    """Pieces on which the first weights are solved for."""
    frames: int = 48
    """Of each piece."""
    pieces: int = 10000
    held_out: int = 48
    """Pieces that are only measured on."""
    learning_rate: float = 1e-4
    average: float = 0.99
    """Of the weights, from one step to the next."""
    bfloat16: bool = True
    """On a GPU, and where the processor multiplies in it."""
    save_every: int = 100
    data: SynthesizerDataConfig = SynthesizerDataConfig()


class Lesson:
    """A student, what it has been shown, and where it stands."""

    def __init__(self, thinning: Thinning, pieces: Tensor, config: ThinConfig) -> None:
        self.thinning, self.config = thinning, config
        self.held_out, self.pieces = pieces[: config.held_out], pieces[config.held_out :]
        self.optimizer = torch.optim.Adam(groups(thinning.student, config.learning_rate), betas=(0.8, 0.99))
        self.average = {name: value.clone() for name, value in thinning.student.state_dict().items()}
        self.step = 0

    def take_step(self) -> dict[str, Tensor]:
        """One step of the training; its losses."""
        done = self.step / self.config.steps
        rate = min(1.0, (self.step + 1) / 20) * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * done)))
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.learning_rate * rate * group["share"]
        random = generator(self.config.seed * 1_000_003 + self.step)
        chosen = torch.randint(len(self.pieces), (self.config.batch,), generator=random)
        losses = self.thinning(self._placed(self.pieces[chosen]), self.config.heard, done < self.config.apart)
        self.optimizer.zero_grad()
        torch.stack(list(losses.values())).sum().backward()
        nn.utils.clip_grad_norm_(self.thinning.student.parameters(), 5.0)
        self.optimizer.step()
        self.step += 1
        with torch.no_grad():
            for name, value in self.thinning.student.state_dict().items():
                self.average[name].lerp_(value, 1 - self.config.average)
        return losses

    def measure(self) -> dict[str, float]:
        """Distances on the held-out pieces."""
        found = self.thinning.distance(self._placed(self.held_out))
        return {name: round(value.item(), 4) for name, value in found.items()}

    def _placed(self, pieces: Tensor) -> Tensor:
        return pieces.to(self.thinning.student.entry.weight.device, torch.float32)

    def save(self, path: Path) -> None:
        state = {
            "student": self.thinning.student.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": self.average,
            "step": self.step,
            "settings": _settings(self.config),
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as temporary:
            torch.save(state, temporary)

    def restore(self, path: Path) -> None:
        """Go on from a checkpoint.

        Raises:
            ConfigError: it was begun with other settings.
        """
        state = torch.load(path, weights_only=True, map_location=self.thinning.student.entry.weight.device)
        if state["settings"] != _settings(self.config):
            raise ConfigError(f"{path} was begun with other settings: name another folder, or the same settings")
        self.thinning.student.load_state_dict(state["student"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.average, self.step = state["average"], int(state["step"])


def _settings(config: ThinConfig) -> str:
    return config.model_dump_json(exclude={"steps", "save_every", "bfloat16"})


def train_vocoder(
    experiment: Path, model: str | Path, out: Path, config: ThinConfig, export: str = "int8", device: str = "auto"
) -> Path:
    """Write a voice model whose vocoder is a thin one; the same call goes on where an earlier one stopped.

    Args:
        experiment: a prepared folder.
        model: the model whose vocoder is the teacher.
        export: number format of the weights.

    Returns:
        The file of stage 2.

    Raises:
        ConfigError: the model does not end in a vocoder, or in a thin one already.
        DatasetError: the folder is incomplete, or too small.
    """
    source = find_model(model)
    network = load_sovits(source.need("s2"), dtype="float32")
    head = network.generator.head
    if not isinstance(head, MelVocoder) or head.config.thin:
        what = "has a thin vocoder already" if isinstance(head, MelVocoder) else "does not end in a vocoder"
        raise ConfigError(f"{source.manifest.name} {what}: name a model whose stage 2 ends in a published HiFi-GAN")
    data = SynthesizerDataModule(experiment, config.data, Needs.of(network.config, source.manifest.symbols))
    data.setup("fit")
    work = out / "checkpoints"
    kept = work / "pieces.pt"
    if not kept.is_file():
        work.mkdir(parents=True, exist_ok=True)
        with atomic_path(kept) as temporary:
            torch.save(cut_pieces(network, head, data, config), temporary)
    pieces = torch.load(kept, weights_only=True)
    if len(pieces) < 2 * config.held_out:
        raise DatasetError(f"{experiment} gives {len(pieces)} pieces of {config.frames} frames: prepare more speech")
    teacher = plain(head.vocoder)
    shape, checkpoint = thin_config(head.config, config.narrow, config.exit), work / "vocoder.pt"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        begun = checkpoint.is_file()  # what is solved for in minutes would only be replaced
        student = unnormed(shape) if begun else thinned(teacher, shape, pieces[-config.fitted :].float())
    where = pick_device(device)
    half = config.bfloat16 and (where.type != "cpu" or multiplies_bfloat16())
    lesson = Lesson(Thinning(teacher, student, half).to(where), pieces, config)
    if begun:
        lesson.restore(checkpoint)
    while lesson.step < config.steps:
        losses = lesson.take_step()
        if lesson.step % 50 == 0:
            told = ", ".join(f"{name} {loss.item():.3f}" for name, loss in losses.items())
            log.info("step %d: %s", lesson.step, told)
        if lesson.step % config.save_every == 0:
            log.info("step %d, held out: %s", lesson.step, lesson.measure())
            lesson.save(checkpoint)
    student.load_state_dict(lesson.average)
    info = {"vocoder": {"steps": config.steps, **lesson.measure()}, "from": source.manifest.name}
    weights = out / "s2.safetensors"
    save_sovits(weights, with_vocoder(network, student.cpu()), info, getattr(torch, export))
    install_part(out, source, "s2")
    return weights


@torch.inference_mode()
def cut_pieces(network: Synthesizer, head: MelVocoder, data: SynthesizerDataModule, config: ThinConfig) -> Tensor:
    """Log-mel pieces [n, m, frames] in half precision and random order: of recordings, and of what is told of them."""
    random = generator(config.seed)
    found: list[Tensor] = []
    for batch in data.train_dataloader():
        rows = len(batch.names)
        output = network(
            batch.hubert, batch.spec, batch.spec_lengths, batch.phones, batch.phone_lengths, batch.speaker,
            pitch=batch.spec.new_zeros(rows, 2, batch.spec.shape[-1]), voices=torch.arange(rows).roll(1),
        )  # fmt: skip
        told = output.mel if output.spoken is None else output.spoken.mel
        rate = math.prod(network.config.generator.rates)
        for row, length in enumerate((batch.spec_lengths * rate).tolist()):
            for mel in (head.target(batch.wave[row]), told[row : row + 1]):
                first = int(torch.randint(config.frames, (1,), generator=random))
                for start in range(first, length - config.frames + 1, 2 * config.frames):
                    found.append(mel[0, :, start : start + config.frames].half().clone())
        if len(found) >= config.pieces:
            break
    if not found:
        raise DatasetError(f"no recording is as long as {2 * config.frames} frames: prepare longer ones")
    return torch.stack(found)[torch.randperm(len(found), generator=random)[: config.pieces]]


def with_vocoder(network: Synthesizer, student: nn.Module) -> Synthesizer:
    """The network with another vocoder, which has no weight norm, at its end."""
    head = student.config
    generated = network.config.generator.model_copy(update={"head": head})
    changed = Synthesizer(network.config.model_copy(update={"generator": generated}))
    own = changed.generator.head
    assert isinstance(own, MelVocoder)
    put_on(student, normed_names(own.vocoder))
    theirs = {f"generator.head.vocoder.{name}": value for name, value in student.state_dict().items()}
    mine = network.state_dict()
    kept = {name: value for name, value in mine.items() if not name.startswith("generator.head.vocoder.")}
    changed.load_state_dict(kept | theirs)
    return changed.eval()
