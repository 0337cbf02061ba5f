"""`report.html`: what a fine-tuning did, in one page that carries everything with it."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ar.alignment import text_attention, watch_attention
from ar.attention import SelfAttention
from ar.convert import load_text2semantic
from ar.data import Collate, Utterance
from ar.loss import Batch, training_loss
from feature_extractor.text import symbol_table
from gpt_sovits.core.bundle import read_model
from gpt_sovits.core.files import write_text
from gpt_sovits.core.lora import load_adapter, merge_adapter
from gpt_sovits.core.store import FeatureStore
from gpt_sovits.evaluate.pictures import player, png
from gpt_sovits.evaluate.report import html_table, page
from gpt_sovits.finetune.plan import Plan
from gpt_sovits.finetune.samples import Sample
from gpt_sovits.train.run import Trained

REPORT = "report.html"
FIGURES = {"s2": "stage 2: distance of mel spectrograms", "s1": "stage 1: loss per code"}


def write_report(
    folder: Path,
    asked: Mapping[str, str],
    plan: Plan,
    notes: Sequence[str],
    trained: Mapping[str, Trained],
    samples: Sequence[Sample],
    seconds: float,
) -> Path:
    """Write the page into the folder of the run."""
    title = f"Voice {asked['name']}"
    body = [f"<h1>{escape(title)}</h1>", _lines(plan.lines()), _verdict(trained)]
    body += ["<h2>Before and after</h2>", _samples(samples)]
    body += ["<h2>Validation</h2>", *(curve(FIGURES[s], t.validation, t.best_step) for s, t in trained.items())]
    body += ["<h2>Alignment of stage 1</h2>", _alignment(folder)]
    body += [f"<h2>Left out, and other notes ({len(notes)})</h2>", _lines(notes) if notes else "<p>nothing</p>"]
    settings = {
        **asked,
        "time of this call": f"{seconds / 60:.1f} min",
        "disk used": f"{_bytes(folder) / 2**20:.0f} MiB",
    }
    body += ["<h2>Settings</h2>", html_table(["", ""], [[escape(k), escape(v)] for k, v in settings.items()])]
    path = folder / REPORT
    write_text(path, page(title, "\n".join(body)))
    return path


def curve(title: str, figures: Mapping[int, float], best: int | None) -> str:
    """A figure by step as SVG, the best step marked; lower is better."""
    points = sorted((step, value) for step, value in figures.items() if np.isfinite(value))
    if not points:
        return f"<p>{escape(title)}: nothing was held back to judge by; the last weights were taken.</p>"
    width, height, left, base = 460, 170, 50, 135
    steps, values = [s for s, _ in points], [v for _, v in points]
    last, low, high = max(steps[-1], 1), min(values), max(values)
    spread = (high - low) or 1.0
    places = [(left + s / last * (width - left - 15), base - (v - low) / spread * 100) for s, v in points]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    parts = [f'<text x="5" y="14" class="title">{escape(title)}</text>']
    parts.append(f'<polyline points="{line}" fill="none" stroke="#2563a8" stroke-width="1.5"/>')
    for (step, value), (x, y) in zip(points, places, strict=True):
        mark = ' stroke="#1c7a35" stroke-width="4"' if step == best else ""
        told = f"<title>{step}: {value:.4f}</title>"
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="#2563a8"{mark}>{told}</circle>')
    parts.append(f'<line x1="{left}" x2="{width - 15}" y1="{base}" y2="{base}" class="axis"/>')
    parts.append(f'<text x="5" y="{base}">{low:.3g}</text><text x="5" y="{base - 96}">{high:.3g}</text>')
    parts.append(
        f'<text x="{left}" y="155">0</text><text x="{width - 15}" y="155" text-anchor="end">{last} steps</text>'
    )
    return f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}">{"".join(parts)}</svg>'


def _verdict(trained: Mapping[str, Trained]) -> str:
    lines = []
    for stage, result in trained.items():
        name = f"stage {stage[1]}"
        if result.best_step is None:
            lines.append(f"{name}: {result.steps} steps in {result.minutes:.1f} minutes, the last weights")
        elif result.best_step == 0:
            lines.append(
                f"{name}: {result.steps} steps made nothing better on the held-back recordings; "
                "the base model's weights stay"
            )
        else:
            first, best = result.validation[0], result.validation[result.best_step]
            lines.append(
                f"{name}: the weights after {result.best_step} of {result.steps} steps ({result.minutes:.1f} minutes) "
                f"were best on the held-back recordings: {first:.3f} before, {best:.3f} after"
            )
    return _lines(lines)


def _samples(samples: Sequence[Sample]) -> str:
    rows = [[escape(sample.text), player(sample.before), player(sample.after)] for sample in samples]
    problems = sorted({problem for sample in samples for problem in sample.problems})
    return html_table(["", "base model", "this voice"], rows) + (_lines(problems) if problems else "")


def _alignment(folder: Path) -> str:
    """Where stage 1 reads while it speaks a recording: text upwards, time to the right."""
    prepared, voice = folder / "prepared", read_model(folder / "voice")
    store = FeatureStore(prepared)
    if not store.semantic_path.is_file():
        return "<p>no picture: the folder was prepared elsewhere</p>"
    ids = {symbol: index for index, symbol in enumerate(symbol_table(voice.manifest.symbols))}
    texts, codes = store.read_text(), store.read_semantic()
    name = min(codes, key=lambda n: (abs(len(codes[n]) - 150), n))
    model = load_text2semantic(voice.need("s1")).eval()
    adapter = voice.part("s1_adapter")
    if adapter is not None:
        merge_adapter(model, load_adapter(adapter, "s1"))
    item = Utterance(name, [ids[phone] for phone in texts[name].phones], codes[name], store.bert_path(name))
    batch = Collate(None)([item])
    with torch.inference_mode(), watch_attention(model, range(len(model.layers))) as seen:
        training_loss(model, batch)
        picture = base64.b64encode(png(_shade(sharpest(seen, batch)))).decode()
    return f'<img alt="alignment" width="460" src="data:image/png;base64,{picture}"><p class="dim">{escape(name)}</p>'


def sharpest(seen: Sequence[tuple[SelfAttention, Tensor]], batch: Batch) -> Tensor:
    """How the codes look at the phones [t, n], by the head that looks most clearly at one phone at a time."""
    looks = [text_attention(a, x, batch, head)[0].exp() for a, x in seen for head in range(a.heads)]
    return max(looks, key=lambda look: float(look.amax(-1).mean()))


def _shade(weights: Tensor) -> NDArray[np.uint8]:
    shown = (weights / weights.amax(-1, keepdim=True).clamp(min=1e-9)).T.flip(0).float().numpy()
    pixels = ((1 - shown) * 255).astype(np.uint8)
    return np.asarray(pixels.repeat(3, 0).repeat(3, 1), np.uint8)


def _lines(lines: Sequence[str]) -> str:
    return "<ul>" + "".join(f"<li>{escape(line)}</li>" for line in lines) + "</ul>"


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
