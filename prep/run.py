"""Preparing a dataset: plan, work in one or several processes, tables, report."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from gpt_sovits.core.bundle import Bundle, find_model
from gpt_sovits.core.checkpoint import load_checkpoint
from gpt_sovits.core.config import load_config
from gpt_sovits.core.device import pick_device
from gpt_sovits.core.errors import ConfigError, StorageError
from gpt_sovits.core.store import TSV_HEADER, FeatureStore, TextEntry
from prep.config import PrepConfig
from prep.index import FOLDER, Index
from prep.job import STEPS, Outcome, Recipe
from prep.manifest import Manifest, read_manifest
from prep.plan import Plan, leftovers, make_plan
from prep.pool import work
from prep.report import Report, write_changed

Progress = Callable[[int, int], None]
"""Called with items finished and items to do."""


def prepare(
    list_path: str | Path,
    out: str | Path,
    model: str | Path,
    *,
    steps: Sequence[str] | None = None,
    audio_root: str | Path | None = None,
    workers: int | None = None,
    device: str = "auto",
    half: bool = False,
    config: PrepConfig | None = None,
    progress: Progress | None = None,
) -> Report:
    """Turn a list of recordings and texts into a folder to train on.

    What is up to date is left alone, so a stopped run continues and a second run does nothing. Bad items are reported
    and the others go on.

    Args:
        list_path: lines `path|speaker|language|text`.
        out: the prepared folder, in the layout of `gpt_sovits.core.store`.
        model: folder or name of the model whose encoders are used.
        steps: some of text, bert, hubert, semantic, speaker; None: all that the model has parts for.
        audio_root: where relative paths of the list start; None: at the list.
        workers: processes; None: as the configuration says.
        device: auto, cpu, cuda, cuda:N or mps.
        half: store features in half precision (and compute so on a GPU).

    Raises:
        ManifestError: the list cannot be used at all.
        CheckpointError: the model or one of its parts cannot be used.
        StorageError: the folder cannot be written; finished items are kept.
    """
    started = time.monotonic()
    config = load_config(PrepConfig, "prep") if config is None else config
    bundle = find_model(model)
    manifest = read_manifest(Path(list_path), None if audio_root is None else Path(audio_root))
    chosen = choose_steps(bundle, steps)
    recipe = make_recipe(Path(out), bundle, chosen, str(pick_device(device)), half, config)
    with exclusive(recipe.out):
        index = Index(recipe.out)
        for path in leftovers(FeatureStore(recipe.out)):
            path.unlink(missing_ok=True)
        plan = make_plan(manifest.utterances, chosen, recipe, index)
        index.discard(plan.stale)
        outcomes = _work(plan, recipe, index, workers or config.workers, progress)
        _write_tables(manifest, plan, index, recipe.out)
        index.compact(utterance.name for utterance in manifest.utterances)
        report = _report(bundle, manifest, plan, index, outcomes, time.monotonic() - started)
        report.save(recipe.out)
    return report


def choose_steps(bundle: Bundle, steps: Sequence[str] | None) -> list[str]:
    """Steps that the model has parts for; asking for another by name is an error."""
    unknown = sorted(set(steps or ()) - set(STEPS))
    if unknown:
        raise ConfigError(f"{', '.join(unknown)} is no preparation step; the steps are {', '.join(STEPS)}")
    chosen = [step for step in STEPS if steps is None or step in steps]
    if bundle.manifest.bert is None and "bert" in chosen:
        chosen.remove("bert")  # such a model reads phonemes only: zeros at training, as for other languages
    if "speaker" in chosen and not has_speaker_branch(bundle):
        if steps is not None:
            raise ConfigError(f"the model {bundle.manifest.name} has no speaker branch: it needs no speaker embeddings")
        chosen.remove("speaker")
    return chosen


def has_speaker_branch(bundle: Bundle) -> bool:
    """Whether the decoder reads speaker embeddings."""
    return load_checkpoint(bundle.need("s2"), "s2").config.get("speaker") is not None


def make_recipe(out: Path, bundle: Bundle, steps: Sequence[str], device: str, half: bool, config: PrepConfig) -> Recipe:
    """Find the model parts that the steps need; one that is missing is an error before anything is written."""
    content = {"hubert", "semantic"} & set(steps)
    return Recipe(
        out=out,
        symbols=bundle.manifest.symbols,
        compat=bundle.manifest.front_end == "public",
        hubert=bundle.need("hubert") if content else None,
        bert=bundle.need("bert") if "bert" in steps else None,
        s2=bundle.need("s2") if "semantic" in steps else None,
        speaker=bundle.need("speaker") if "speaker" in steps else None,
        device=device,
        half=half,
        batch=config.batch if device.startswith("cuda") else 1,
        limits=config.limits,
    )


@contextmanager
def exclusive(out: Path) -> Iterator[None]:
    """Keep a second run out of the folder; the system releases the lock of a killed process."""
    try:
        (out / FOLDER).mkdir(parents=True, exist_ok=True)
        file = (out / FOLDER / "lock").open("a")
    except OSError as error:
        raise StorageError(f"cannot write {out}: {error.strerror or error}") from error
    with file:
        if sys.platform != "win32":
            import fcntl

            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise StorageError(
                    f"another run is preparing {out}: wait for it, or write to another folder"
                ) from error
        yield


def _work(plan: Plan, recipe: Recipe, index: Index, workers: int | None, progress: Progress | None) -> list[Outcome]:
    """Do the jobs, noting each as it is finished."""
    finished: list[Outcome] = []
    if not plan.jobs:
        return finished
    if workers is None:
        workers = min(os.cpu_count() or 1, 8) if len(plan.jobs) >= 64 else 1
    with index.appending(), closing(work(plan.jobs, recipe, workers)) as results:
        for outcomes in results:
            index.append(record for outcome in outcomes for record in outcome.records)
            finished.extend(outcomes)
            if progress is not None:
                progress(len(finished), len(plan.jobs))
    return finished


def _write_tables(manifest: Manifest, plan: Plan, index: Index, out: Path) -> None:
    """Write the two tables in list order from what is up to date."""
    store = FeatureStore(out)
    lines: list[str] = []
    rows: list[str] = []
    for utterance in manifest.utterances:
        name = utterance.name
        text = index.current(name, "text", plan.keys.get((name, "text")))
        if text is not None:
            lines.append(TextEntry(name, **text.value).line())
        semantic = index.current(name, "semantic", plan.keys.get((name, "semantic")))
        if semantic is not None:
            rows.append(f"{name}\t{' '.join(map(str, semantic.value['codes']))}")
    if lines:
        write_changed(store.text_path, "\n".join(lines) + "\n")
    if rows:
        write_changed(store.semantic_path, "\n".join((TSV_HEADER, *rows)) + "\n")


def _report(
    bundle: Bundle, manifest: Manifest, plan: Plan, index: Index, outcomes: list[Outcome], seconds: float
) -> Report:
    ready: dict[str, int] = {}
    for (name, step), key in plan.keys.items():
        ready[step] = ready.get(step, 0) + (index.current(name, step, key) is not None)
    order = {step: position for position, step in enumerate(("list", *STEPS))}
    failures = [failure for outcome in outcomes for failure in outcome.failures]
    bad = sorted([*manifest.failures, *failures], key=lambda f: (f.line, order[f.step]))
    return Report(
        model=bundle.manifest.name,
        items=manifest.items,
        ready={step: ready[step] for step in STEPS if step in ready},
        failures=bad,
        computed=sum(1 for outcome in outcomes if outcome.records),
        unchanged=len(manifest.utterances) - len(plan.jobs),
        seconds=seconds,
    )
