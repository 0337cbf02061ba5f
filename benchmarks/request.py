"""The whole pipeline: the demo's request through one model, with the plain and the compiled decode step."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import yaml

from benchmarks.sides import Row, compare
from gpt_sovits import TTS
from gpt_sovits.core.resources import resource


def measure(name: str, device: str, rounds: int, times: int = 1, at_once: int = 1) -> list[Row]:
    """Requests per second; the note says where the time of the last one went.

    Args:
        times: how often the demo's text is said in one request.
        at_once: requests in as many threads, each with a seed of its own, through one TTS.
    """
    demo = resource("res", "demo")
    request = yaml.safe_load((demo / "demo.yaml").read_text(encoding="utf8"))
    request["reference"] = demo / request["reference"]
    request["text"] = " ".join([request["text"]] * times)
    first = request.pop("seed")
    seeds = range(first, first + at_once)
    plain = TTS(name, device)
    plain.parts.text2semantic.fast = None
    voices = {"plain step": plain, "as loaded": TTS(name, device)}
    if plain.parts.device.type == "cpu":
        voices["int8 and bfloat16"] = TTS(name, device, precision="int8")
    notes: dict[str, str] = {}

    def side(what: str, tts: TTS) -> Callable[[], object]:
        def speak(seed: int) -> None:
            audio = tts.speak(**request, seed=seed, retries=0, max_codes=250)
            shares = ", ".join(f"{stage} {1000 * t:.0f} ms" for stage, t in audio.timings.items())
            notes[what] = f"{audio.seconds:.1f} s of sound: {shares}, rtf {audio.rtf:.3f}"

        def work() -> None:
            with ThreadPoolExecutor(at_once) as pool:
                list(pool.map(speak, seeds))

        return work

    rows = compare({what: side(what, tts) for what, tts in voices.items()}, at_once, "requests/s", rounds)
    return [row.with_note(notes[row.what]) for row in rows]
