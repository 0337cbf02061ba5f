"""Hearing the difference: the same sentences by the base model and by the new voice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gpt_sovits.core.bundle import Bundle
from gpt_sovits.core.errors import DatasetError, GPTSoVITSError
from gpt_sovits.core.store import FeatureStore
from gpt_sovits.finetune.material import Material, guess_language

SENTENCES = {
    "en": (
        "The morning train was late again, so we walked along the river instead.",
        "Could you tell me where the old library used to be?",
        "Nothing is as quiet as a street after the first snow.",
    ),
    "zh": (
        "早上的火车又晚点了，我们就沿着河边走了过去。",
        "请问，以前的图书馆在什么地方？",
        "没有什么比初雪后的街道更安静。",
    ),
    "ja": (
        "朝の電車がまた遅れたので、川沿いを歩いて行きました。",
        "昔の図書館はどこにあったのですか。",
        "初雪の後の通りほど静かなものはない。",
    ),
    "ko": (
        "아침 기차가 또 늦어서 우리는 강을 따라 걸었습니다.",
        "예전 도서관이 어디에 있었는지 아세요?",
        "첫눈이 내린 뒤의 거리만큼 조용한 것은 없다.",
    ),
    "yue": ("朝早嘅火車又遲到，我哋就沿住河邊行過去。", "請問以前嘅圖書館喺邊度呀？", "冇嘢靜得過落完初雪嘅街道。"),
}
SHORTEST, LONGEST, IDEAL = 3.0, 10.0, 6.0


@dataclass(frozen=True, slots=True)
class Reference:
    """A recording to speak from."""

    path: Path
    text: str
    language: str


@dataclass(frozen=True, slots=True)
class Sample:
    """One sentence, spoken by both; None where one could not, with the reason."""

    text: str
    before: Path | None
    after: Path | None
    problems: tuple[str, ...] = ()


def choose_reference(store: FeatureStore, material: Material) -> Reference:
    """The recording nearest to six seconds; of equals the first by name.

    Raises:
        DatasetError: none lasts 3 to 10 seconds.
    """
    texts = store.read_text()
    usable = [n for n in texts if SHORTEST <= material.seconds.get(n, 0.0) <= LONGEST and store.wave_path(n).is_file()]
    if not usable:
        raise DatasetError(
            f"no prepared recording lasts {SHORTEST:g} to {LONGEST:g} seconds, as a reference must: cut or add one"
        )
    name = min(usable, key=lambda n: (abs(material.seconds[n] - IDEAL), n))
    text = texts[name].text
    return Reference(store.wave_path(name), text, guess_language(text))


def speak_samples(
    base: Bundle, voice: Bundle, reference: Reference, languages: Sequence[str], out: Path, device: str
) -> list[Sample]:
    """Speak the three sentences of the recordings' first language with both models, from one reference and seed."""
    from gpt_sovits.pipeline import TTS

    language = next((known for known in (reference.language, *languages) if known in SENTENCES), "en")
    out.mkdir(parents=True, exist_ok=True)
    spoken: dict[str, list[Path | None]] = {}
    problems: list[str] = []
    for side, bundle in (("before", base), ("after", voice)):
        tts, spoken[side] = TTS(bundle.folder, device=device), []
        for number, text in enumerate(SENTENCES[language], 1):
            try:
                audio = tts.speak(
                    text,
                    language=language,
                    reference=reference.path,
                    reference_text=reference.text,
                    reference_language=reference.language,
                    seed=1,
                    max_codes=50 + 6 * len(text.encode()),
                    retries=1,
                )
                spoken[side].append(audio.save(out / f"{number}_{side}.wav"))
            except GPTSoVITSError as error:
                spoken[side].append(None)
                problems.append(f"{side}: {error}")
    rows = zip(SENTENCES[language], spoken["before"], spoken["after"], strict=True)
    return [Sample(text, before, after, tuple(problems)) for text, before, after in rows]
