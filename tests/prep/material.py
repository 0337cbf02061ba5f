"""Recordings, lists and small models that the preparation tests are run on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import soundfile
import torch
import yaml

from feature_extractor.eres2net import ERes2NetConfig
from feature_extractor.hubert import HubertSettings, new_hubert, save_hubert
from feature_extractor.speaker import SpeakerEncoder, save_speaker
from gpt_sovits.core.config import load_config
from sovits import Synthesizer, SynthesizerConfig, save_sovits

SENTENCES = (
    "The morning train was almost empty.",
    "She poured two cups of tea.",
    "Please close the door behind you.",
    "A cold wind came down from the hills.",
    "Nobody knew where the map had gone.",
    "I bought three apples and some bread.",
)
SPEAKER = ERes2NetConfig(channels=8, blocks=(1, 1, 1, 1))


def voice(seconds: float = 1.0, rate: int = 32000, seed: int = 0) -> np.ndarray:
    """A buzz with moving pitch and syllables, peak 0.6: enough like speech for every check."""
    random = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate)) / rate
    pitch = 110 + 10 * seed + 20 * np.sin(2 * np.pi * 0.7 * time)
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    tone = sum(np.sin(k * phase) / k for k in range(1, 12))
    wave = tone * (0.3 + np.abs(np.sin(2 * np.pi * 2.5 * time))) + 0.02 * random.standard_normal(len(time))
    return (wave / np.abs(wave).max() * 0.6).astype(np.float32)


def write_wav(path: Path, samples: np.ndarray, rate: int = 32000, subtype: str = "PCM_16") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate, format="WAV", subtype=subtype)
    return path


def make_list(folder: Path, count: int, name: str = "voice.list") -> Path:
    """A list of `count` good recordings beside it, of different lengths and rates."""
    lines = []
    for i in range(count):
        rate = (32000, 24000, 16000)[i % 3]
        write_wav(folder / "wav" / f"v{i}.wav", voice(0.7 + 0.1 * (i % 5), rate, i), rate)
        lines.append(f"wav/v{i}.wav|ann|en|{SENTENCES[i % len(SENTENCES)]}")
    path = folder / name
    path.write_text("\n".join(lines) + "\n", encoding="utf8")
    return path


def make_model(folder: Path, seed: int = 1, speaker: bool = False, bert: bool = False) -> Path:
    """An untrained model of the smallest sizes, in our own format."""
    folder.mkdir(parents=True)
    values = {"name": folder.name, "languages": ["zh", "en"], "hubert": "hubert.safetensors", "s2": "s2.safetensors"}
    overrides = [f"speaker={SPEAKER.embedding}"] if speaker else []
    config = load_config(SynthesizerConfig, "debug/s2", overrides)
    hubert = load_config(HubertSettings, "debug/hubert", [f"hidden_size={config.quantizer.width}"])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        save_hubert(folder / "hubert.safetensors", new_hubert(hubert))
        save_sovits(folder / "s2.safetensors", Synthesizer(config))
        if speaker:
            values["speaker"] = "speaker.safetensors"
            save_speaker(folder / "speaker.safetensors", SpeakerEncoder(SPEAKER))
        if bert:
            values["bert"] = "bert"
            make_bert(folder / "bert")
    (folder / "model.yaml").write_text(yaml.safe_dump(values))
    return folder


def make_bert(folder: Path) -> None:
    """A Hugging Face folder of a tiny BERT that knows a handful of characters."""
    from transformers import BertConfig, BertModel

    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *"，。今天气很好我们去公园"]
    config = BertConfig(
        vocab_size=len(tokens), hidden_size=16, num_hidden_layers=3, num_attention_heads=2, intermediate_size=32
    )
    BertModel(config).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(tokens) + "\n", encoding="utf8")


def snapshot(folder: Path) -> dict[str, bytes]:
    """Every file of a folder and its content, hidden ones too."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def times(folder: Path) -> dict[str, int]:
    """When each file was last written."""
    return {p.relative_to(folder).as_posix(): p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file()}


def reasons(out: Path) -> dict[str, str]:
    """Bad items of `prep_report.json` by name."""
    report = json.loads((out / "prep_report.json").read_text(encoding="utf8"))
    return {bad["name"]: bad["reason"] for bad in report["bad"]}
