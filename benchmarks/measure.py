"""One function per number. Each warms up, repeats, and reports the median: the machine is rarely alone."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
import yaml

from ar import GenerateOptions, Text2SemanticDecoder, generate
from feature_extractor.text import analyse
from gpt_sovits import TTS
from gpt_sovits.core.resources import resource
from gpt_sovits.pipeline.parts import Parts
from sovits.model import Synthesizer

SENTENCES = {
    "en": (
        "The morning train was almost empty today.",
        "She poured two cups of tea and sat by the window.",
        "On the 3rd of May, 1998, we paid $12.50 for three old books.",
        "Nobody knew where the old map had gone, and nobody asked.",
    ),
    "zh": (
        "今天的天气非常好,我们去公园走走吧。",
        "他在2023年5月1日买了三本书,一共花了128元。",
        "请把窗户打开,房间里有点热。",
        "银行行长说,这条街一共有二十三家商店。",
    ),
}


@dataclass(frozen=True, slots=True)
class Result:
    """One row of the table."""

    what: str
    value: float
    unit: str
    how: str


def seconds(work: Callable[[], object], repeats: int) -> float:
    """Median wall time of `work`, once run before."""
    work()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def front_end(language: str, symbols: str, repeats: int) -> Result:
    """Milliseconds from a sentence to phones, dictionaries already loaded."""
    texts = SENTENCES[language]
    elapsed = seconds(lambda: [analyse(text, language, symbols) for text in texts], repeats)
    return Result(
        f"text front end, {language}", 1000 * elapsed / len(texts), "ms/sentence", f"{len(texts)} sentences, warm"
    )


def stage_1(model: Text2SemanticDecoder, tokens: int, repeats: int) -> Result:
    """Codes per second of the plain decode loop: 60 phones, a prompt of 100 codes, one item."""
    phones = torch.arange(60) % model.config.phones
    prompt = torch.arange(100) % model.config.eos
    options = GenerateOptions(seed=0, max_new_tokens=tokens, eos_free_steps=tokens)
    elapsed = seconds(lambda: generate(model, phones, None, prompt, options), repeats)
    return Result(
        "stage 1", tokens / elapsed, "codes/s", f"plain loop, {tokens} codes after a prompt of 100; 25 make 1 s"
    )


@torch.inference_mode()
def stage_2(model: Synthesizer, tokens: int, repeats: int) -> Result:
    """Real-time factor of the decoder: seconds of work per second of sound."""
    config = model.config
    codes, phones = (torch.arange(tokens) % config.quantizer.codes)[None], (torch.arange(60) % config.phonemes)[None]
    reference = torch.rand(1, config.spectrogram.bins, 200)
    speakers = None if config.speaker is None else [torch.zeros(1, config.speaker)]
    source = torch.Generator().manual_seed(0)

    def work() -> torch.Tensor:
        return model.decode_batch(codes, phones, [reference], speakers, generator=source)

    length = work().shape[-1] / config.spectrogram.rate
    return Result("stage 2", seconds(work, repeats) / length, "rtf", f"{tokens} codes to {length:.1f} s of sound")


def end_to_end(parts: Parts, repeats: int) -> Result:
    """Real-time factor of the whole pipeline on the demo's request; the voice is kept from the first run."""
    demo = resource("res", "demo")
    request = yaml.safe_load((demo / "demo.yaml").read_text(encoding="utf8"))
    request["reference"] = demo / request["reference"]
    tts = TTS(parts)
    spoken = [tts.speak(**request, retries=0, max_codes=250) for _ in range(repeats + 1)][1:]
    how = f"the demo sentences, {spoken[0].seconds:.1f} s of sound, voice already heard"
    return Result("whole pipeline", statistics.median(audio.rtf for audio in spoken), "rtf", how)
