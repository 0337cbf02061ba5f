"""The steps of a fine-tuning, in order; each goes on where an earlier call stopped."""

from __future__ import annotations

import json
import logging
import re
import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from gpt_sovits.core.bundle import MANIFEST, PARTS, Bundle, PartName, find_model, import_place, read_model
from gpt_sovits.core.errors import ConfigError, DatasetError, StorageError
from gpt_sovits.core.files import write_text
from gpt_sovits.core.store import FeatureStore
from gpt_sovits.evaluate.measures import Tools
from gpt_sovits.evaluate.select import check_measurable
from gpt_sovits.finetune.material import Material, gather
from gpt_sovits.finetune.plan import LITTLE_BLEND, Plan, make_plan
from gpt_sovits.finetune.samples import Reference, Sample, choose_reference, speak_samples
from gpt_sovits.train.run import Trained
from prep.report import REPORT as PREP_REPORT

log = logging.getLogger(__name__)
NAME = re.compile(r"[\w][\w.-]{0,63}")
STATE = "finetune.json"
PATIENCE = 6
"""Validations without a better figure after which a stage's training ends before its time."""
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Settings:
    """What a creator may decide."""

    name: str
    base: str = "tiny"
    minutes: float | None = None
    language: str = "auto"
    recogniser: str | None = None
    device: str = "auto"
    work: Path | None = None
    """Folder of the run; None: `experiments/NAME`."""
    devices: int = 1
    """Processes that train together, each with a GPU of its own or all on the CPU."""
    overwrite: bool = False
    """Replace a voice of this name that another run made."""
    lora: bool = False
    """Make small adapters over the base, of a few megabytes, in place of whole weights."""
    s1_overrides: tuple[str, ...] = ()
    s2_overrides: tuple[str, ...] = ()
    select_by: str | None = None
    """A figure of the evaluation, such as error_rate, by which each trained stage is kept or the base's taken."""
    metrics: Path | None = None
    """Folder of the metric models for it."""

    @property
    def folder(self) -> Path:
        return self.work if self.work is not None else Path("experiments") / self.name


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it."""

    plan: Plan
    notes: list[str]
    """What was left out, and other things to know."""
    left_out: int = 0
    """Recordings that could not be used."""
    voice: Path | None = None
    """The voice in the model store; None: a dry run, or stopped before its end."""
    report: Path | None = None
    interrupted: bool = False
    trained: dict[str, Trained] = field(default_factory=dict)


def finetune(data: str | Path, settings: Settings, *, dry_run: bool = False, say: Say = log.info) -> Outcome:
    """Turn recordings of one speaker into a voice of the model store.

    The same call after a stop, also a killed one, goes on. A call after the end makes nothing new.

    Args:
        data: a `.list`, a folder of recordings, or a prepared folder.
        say: told in one line what happens.

    Raises:
        InputError: the data cannot be used, or the time does not suffice.
        ConfigError: the name is not usable or taken, or the folder of the run holds another one.
        DatasetError: no recording survived preparation.
    """
    if not NAME.fullmatch(settings.name):
        raise ConfigError(f"{settings.name!r} cannot name a voice: use letters, digits, '-', '_' and '.'")
    folder, base = settings.folder, find_model(settings.base)
    material = gather(Path(data), folder, settings.language, settings.recogniser)
    notes = [*material.notes, *_warnings(material, base)]
    plan = _plan(folder, material, base, settings, keep=not dry_run)
    notes += _shortage(plan)
    for line in plan.lines():
        say(line)
    if dry_run:
        return Outcome(plan, notes)
    target = import_place() / settings.name
    _refuse_strangers(target, folder, settings.overwrite)
    if settings.select_by is not None:
        if settings.lora:
            raise ConfigError("--select-by cannot go with --lora: an adapter changes both stages of its base or none")
        check_measurable(settings.select_by, Tools(models=settings.metrics))
    began = time.monotonic()
    prepared, dropped = _prepare(material, folder, settings, say)
    trained = _train(prepared, folder, settings, plan, say)
    dropped += _left_out(trained, dropped)
    notes += [f"stage {stage[1]}: {note}" for stage, result in trained.items() for note in result.notes]
    if any(result.interrupted for result in trained.values()):
        return Outcome(plan, [*notes, *dropped], len(dropped), interrupted=True, trained=trained)
    reference = choose_reference(FeatureStore(prepared), material)
    kept, told = _select(base, folder, reference, settings, say)
    notes += told
    voice = _publish(folder / "voice", target, settings.base, reference, kept)
    say("speaking three sentences with the base model and with the voice")
    samples = speak_samples(base, voice, reference, plan.languages, folder / "samples", settings.device)
    report = _report(folder, settings, plan, [*notes, *dropped], trained, samples, time.monotonic() - began)
    return Outcome(plan, [*notes, *dropped], len(dropped), voice.folder, report, trained=trained)


def _warnings(material: Material, base: Bundle) -> list[str]:
    notes = []
    if len(material.speakers) > 1:
        notes.append(f"the list names {len(material.speakers)} speakers; the voice will be a mixture of them")
    strange = sorted(set(material.languages) - set(base.manifest.languages))
    if strange:
        notes.append(f"the base model {base.manifest.name} was not trained on {', '.join(strange)}")
    if sum(material.seconds.values()) < 60:
        notes.append("less than a minute of recordings: expect the sound of the voice, hardly its manner")
    return notes


def _shortage(plan: Plan) -> list[str]:
    if plan.free_gib is None or plan.free_gib >= plan.memory_gib:
        return []
    return [
        f"{plan.free_gib:.1f} GiB of memory are free and about {plan.memory_gib:.1f} needed: close other programs, "
        "or make a small voice with --lora"
    ]


def _plan(folder: Path, material: Material, base: Bundle, settings: Settings, keep: bool) -> Plan:
    """The plan of an earlier call where there is one; a new limit of time makes a new plan."""
    path = folder / STATE
    identity = {name: getattr(settings, name) for name in ("base", "minutes", "device", "lora")}
    identity["train_s1"] = bool(settings.s1_overrides)
    if path.is_file():
        try:
            state = json.loads(path.read_text(encoding="utf8"))
            earlier, known = Plan.model_validate(state["plan"]), state["settings"]
        except (ValueError, KeyError, ValidationError) as error:
            raise ConfigError(f"{path} is damaged: delete {folder}, or give another --work") from error
        if known["base"] != settings.base:
            raise ConfigError(
                f"{folder} holds a run from the base {known['base']}, not {settings.base}: give another --work"
            )
        if known == identity and earlier.items == len(material.seconds):
            return earlier
    plan = make_plan(
        material, base, settings.minutes, settings.device, settings.lora, settings.devices, bool(settings.s1_overrides)
    )
    if keep:
        write_text(path, json.dumps({"settings": identity, "plan": plan.model_dump(mode="json")}, indent=1) + "\n")
    return plan


def _refuse_strangers(target: Path, folder: Path, overwrite: bool) -> None:
    if not target.exists() or overwrite:
        return
    if not (target / MANIFEST).is_file() or read_model(target).manifest.run != str(folder.resolve()):
        raise ConfigError(
            f"there is already a model {target.name} in {target.parent}: choose another name, or --overwrite"
        )


def _prepare(material: Material, folder: Path, settings: Settings, say: Say) -> tuple[Path, list[str]]:
    """The prepared folder, and what was left out."""
    if material.prepared is not None:
        return material.prepared, []
    from prep.run import prepare

    assert material.listing is not None
    say("preparing the recordings")
    out = folder / "prepared"
    report = prepare(material.listing, out, settings.base, device=settings.device)
    usable = report.ready.get("semantic", 0)
    if not usable:
        raise DatasetError(f"none of the {report.items} recordings can be used; {out / PREP_REPORT} says why of each")
    dropped = [f"{failure.name}: {failure.reason}" for failure in report.failures]
    say(f"{usable} of {report.items} recordings are ready" + (f", {len(dropped)} left out" if dropped else ""))
    return out, dropped


def _left_out(trained: dict[str, Trained], known: list[str]) -> list[str]:
    """What the stages would not train on, where preparation has not said so."""
    named = {line.split(": ")[0] for line in known}
    reasons: dict[str, list[str]] = {}
    for stage, result in trained.items():
        for name, reason in result.left_out.items():
            if name not in named:
                reasons.setdefault(name, []).append(
                    f"stage {stage[1]} leaves it out, {reason.removeprefix(name + ': ')}"
                )
    return [f"{name}: {'; '.join(told)}" for name, told in sorted(reasons.items())]


def _train(prepared: Path, folder: Path, settings: Settings, plan: Plan, say: Say) -> dict[str, Trained]:
    from gpt_sovits.train.s1 import train_s1
    from gpt_sovits.train.s2 import train_s2

    select = "best" if plan.held_back else "last"
    run = [f"run.precision={plan.precision}", f"run.select={select}", "run.progress=false", "run.checkpoint_minutes=1"]
    run += [f"run.devices={settings.devices}", f"run.patience={PATIENCE}"]
    # The guide of some recipes reads the plain projections, not their adapters.
    lora, guide = (["lora.rank=8"], ["alignment=null"]) if settings.lora else ([], [])
    stages: tuple[tuple[str, Any, str, float, Iterable[str]], ...] = (
        (
            "s2",
            train_s2,
            plan.s2_recipe,
            plan.s2_minutes,
            [
                "run.validate_every=40",
                "data.on_fault=drop",  # preparation has named them
                f"data.validation_items={plan.held_back}",
                f"task.pieces={plan.pieces}",
                *([f"blend={LITTLE_BLEND}"] if plan.little else []),
                *lora,
                *settings.s2_overrides,
            ],
        ),
        (
            "s1",
            train_s1,
            plan.s1_recipe,
            plan.s1_minutes,
            [
                "run.validate_every=20",
                f"data.hold_out={plan.held_back}",
                f"pieces={plan.pieces}",
                *lora,
                *guide,
                *settings.s1_overrides,
            ],
        ),
    )
    done: dict[str, Trained] = {}
    for stage, train, recipe, minutes, own in stages:
        if stage == "s1" and plan.keeps_s1:
            continue  # the voice has the base model's
        say(f"training stage {stage[1]}, at most {minutes:.1f} minutes")
        overrides = [*run, f"run.max_minutes={minutes}", *own]
        done[stage] = train(prepared, settings.base, folder / "voice", recipe, overrides, device=settings.device)
        say(str(done[stage]))
        if done[stage].interrupted:
            break
    return done


def _select(
    base: Bundle, folder: Path, reference: Reference, settings: Settings, say: Say
) -> tuple[Mapping[PartName, Path], list[str]]:
    """Parts of the base that speak better than the trained ones, and what was found."""
    if settings.select_by is None:
        return {}, []
    from gpt_sovits.finetune.choose import choose_stages

    say(f"choosing among trained and untrained stages by {settings.select_by}")
    choice = choose_stages(
        base, read_model(folder / "voice"), reference, reference.language, folder / "selection", settings.device,
        settings.select_by, settings.metrics,
    )  # fmt: skip
    for line in choice.lines:
        say(line)
    return choice.kept, [f"{settings.select_by}, trained: {line}" for line in choice.lines]


def _publish(trained: Path, target: Path, base: str, reference: Reference, kept: Mapping[PartName, Path]) -> Bundle:
    """Copy the voice's parts and its reference into the store, whole or not at all."""
    source = read_model(trained)
    aside = target.with_name(f".{target.name}.part")
    try:
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        names: dict[str, Any] = {}
        for part in PARTS:
            name = getattr(source.manifest, part)
            path = source.part(part)
            if path is None:
                continue
            if part in kept:
                names[part] = f"{part}.safetensors"
                shutil.copy2(kept[part], aside / names[part])
            elif path.parent != trained:  # a shared part, or one of another model: named as the base names it
                names[part] = name
            elif path.is_dir():
                shutil.copytree(path, aside / path.name)
            else:
                shutil.copy2(path, aside / path.name)
        clip = "reference.wav"  # prepared recordings keep the name of their source, but are wav files
        shutil.copy2(reference.path, aside / clip)
        manifest = source.manifest.model_copy(
            update={
                **names,
                "name": target.name,
                "source": f"fine-tuned from {base}",
                "run": str(trained.parent.resolve()),
                "reference": clip,
                "reference_text": reference.text,
                "reference_language": reference.language,
            }
        )
        values = manifest.model_dump(mode="json", exclude_none=True)
        write_text(aside / MANIFEST, yaml.safe_dump(values, sort_keys=False, allow_unicode=True))
        # Never half of a voice under its name: that one has no manifest, and would be taken for somebody else's.
        old = target.with_name(f".{target.name}.old")
        shutil.rmtree(old, ignore_errors=True)
        if target.exists():
            target.replace(old)
        aside.replace(target)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise StorageError(f"cannot write the voice to {target}: {error.strerror or error}") from error
    return read_model(target)


def _report(
    folder: Path,
    settings: Settings,
    plan: Plan,
    notes: list[str],
    trained: dict[str, Trained],
    samples: list[Sample],
    seconds: float,
) -> Path:
    from gpt_sovits.finetune.report import write_report

    given = {name: value for name, value in asdict(settings).items() if value}
    asked = {name: " ".join(value) if isinstance(value, tuple) else str(value) for name, value in given.items()}
    return write_report(folder, asked, plan, notes, trained, samples, seconds)
