"""Whether `evaluate compare` is right where the answer is known.

    python -m benchmarks verdicts --model tiny --set smoke --seeds 7 --out FOLDER
    python -m benchmarks verdicts --recordings LIST --items 12 --draws 5 --out FOLDER

With a model: it says the set once with every seed, and each pair of seeds is compared; one system is no better than
itself. With recordings: each is compared with itself under white noise, drawn anew every time; it is worse. What was
spoken and scored is kept in FOLDER, so that more seeds or draws cost only themselves.
"""

from __future__ import annotations

import argparse
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import torch

from feature_extractor.audio import save_audio
from gpt_sovits.core.errors import GPTSoVITSError
from gpt_sovits.evaluate.columns import BY_NAME
from gpt_sovits.evaluate.compare import Judged, differences, load_judged
from gpt_sovits.evaluate.item import Item, read_sound
from gpt_sovits.evaluate.locate import VARIABLE
from gpt_sovits.evaluate.measures import Tools
from gpt_sovits.evaluate.result import System
from gpt_sovits.evaluate.run import Work, evaluate_model, evaluate_recordings
from gpt_sovits.evaluate.sets import EvaluationSet, load_set
from gpt_sovits.evaluate.tables import align_columns
from gpt_sovits.pipeline import TTS

FIGURES = ("error_rate", "similarity", "dnsmos", "dnsmos_background", "faulty")
MEASURES = ("intelligibility", "similarity", "quality", "stability")


def speak(model: str, chosen: EvaluationSet, seeds: Iterable[int], out: Path, work: Work) -> list[Judged]:
    """The set as the model says it with each seed."""
    judged = []
    for seed in seeds:
        evaluate_model(TTS(model, "cpu"), chosen, out / f"seed-{seed}", work, {}, seed)
        judged.append(load_judged(out / f"seed-{seed}"))
    return judged


def add_noise(item: Item, decibels: float, draw: int, out: Path) -> Item:
    """The recording under white noise so many dB below it."""
    assert item.wav is not None
    path = out / f"{item.id}.wav"
    if not path.is_file():
        sound = read_sound(item.wav)
        level = float(sound.wave.square().mean().sqrt()) * 10 ** (-decibels / 20)
        noise = np.random.default_rng([draw, *item.id.encode()]).normal(0, level, sound.wave.shape[-1])
        noisy = sound.wave + torch.from_numpy(noise).float()
        save_audio(path, noisy / max(1.0, float(noisy.abs().max())), sound.rate)
    return item.model_copy(update={"wav": path})


def bury(chosen: EvaluationSet, draws: int, decibels: float, out: Path, work: Work) -> list[Judged]:
    """The recordings as they are, then under each draw of noise."""
    sets = {"clean": chosen}
    for draw in range(1, draws + 1):
        items = tuple(add_noise(item, decibels, draw, out / f"noise-{draw}" / "wavs") for item in chosen.items)
        sets[f"noise-{draw}"] = replace(chosen, items=items)
    for name, made in sets.items():
        evaluate_recordings(made, out / name, System(name=name), work)
    return [load_judged(out / name) for name in sets]


def count(pairs: Iterable[tuple[Judged, Judged]]) -> dict[str, Counter[str]]:
    """Verdicts on the second of each pair, by figure."""
    found: dict[str, Counter[str]] = {}
    for first, second in pairs:
        for difference in differences(first, second):
            if difference.figure.name in FIGURES:
                found.setdefault(difference.figure.name, Counter())[difference.verdict] += 1
    return found


def table(found: dict[str, Counter[str]]) -> str:
    kinds = ("no difference", "better", "worse")
    rows = [(BY_NAME[name].label, *(str(said[kind]) for kind in kinds)) for name, said in found.items()]
    return align_columns([("", *kinds), *rows])


def main(arguments: Sequence[str]) -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = p.add_mutually_exclusive_group(required=True)
    what.add_argument("--model", help="a name under pretrained_models/ or a folder")
    what.add_argument("--recordings", help="a list or table of real recordings with their texts")
    p.add_argument("--set", default="smoke", help="what the model says")
    p.add_argument("--items", type=int, help="at most so many of the set or of the recordings")
    p.add_argument("--seeds", type=int, default=7, help="7 make 21 pairs")
    p.add_argument("--draws", type=int, default=5)
    p.add_argument("--decibels", type=float, default=5.0, help="of the speech over the noise")
    p.add_argument("--measure", action="append", choices=MEASURES, help="take only these; may be repeated")
    p.add_argument("--jobs", type=int, default=1)
    p.add_argument("--out", type=Path, required=True)
    a = p.parse_args(arguments)
    place = os.environ.get(VARIABLE)
    tools = Tools(measures=tuple(a.measure or MEASURES), models=Path(place) if place else None)
    work = Work(tools, a.jobs, cache=a.out / "scores.jsonl")
    torch.set_num_threads(1)
    try:
        chosen = load_set(a.recordings or a.set).first(a.items)
        if a.model:
            judged = speak(a.model, chosen, range(1, a.seeds + 1), a.out, work)
            pairs = list(combinations(judged, 2))
        else:
            clean, *noisy = bury(chosen, a.draws, a.decibels, a.out, work)
            pairs = [(clean, other) for other in noisy]
    except GPTSoVITSError as error:
        raise SystemExit(str(error)) from error
    print(f"{len(pairs)} pairs, {len(chosen.items)} items\n{table(count(pairs))}")
