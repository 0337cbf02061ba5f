"""The text front ends: what the first call costs in a fresh process, memory, characters per second.

    python -m benchmarks text [--out benchmarks/results/text.md] [--characters 20000]

English is this project's own documentation, Chinese and Cantonese are dictionary words drawn by frequency, Japanese and
Korean a few sentences over and over. A third of the text warms up, the rest, which is other text, is timed sentence by
sentence. Processor time is given beside wall time, since the machine is rarely alone.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import re
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.machine import processor
from feature_extractor.text import analyse
from gpt_sovits import __version__
from gpt_sovits.core.errors import GPTSoVITSError
from gpt_sovits.core.files import write_text
from gpt_sovits.core.resources import resource

FIRST = {
    "en": "On May 3rd, 1998, she read the record of a zorbling for $12.50.",
    "zh": "银行行长说,2023年5月1日这里重新开张,一共来了128人。",
    "ja": "今日は2023年5月1日です。天気がいいから、公園まで歩いていきましょう。",
    "ko": "오늘은 날씨가 좋아서 공원까지 같이 걸어가려고 합니다.",
    "yue": "今日天氣好好,我哋一齊去公園行下啦。",
}
CHILD = """
import json, sys, time
from benchmarks.text import memory
start, work = time.perf_counter(), time.process_time()
from feature_extractor.text import analyse
for language, text in json.loads(sys.argv[1]):
    analyse(text, language)
print(json.dumps([time.perf_counter() - start, time.process_time() - work, *memory(), "torch" in sys.modules]))
"""


def memory() -> tuple[float, float]:
    """Resident memory now and at its highest, in MB; zeros where the system does not tell."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0.0, 0.0
    values = {line.partition(":")[0]: line.split()[1] for line in lines if line.startswith("Vm")}
    return int(values["VmRSS"]) / 1024, int(values["VmHWM"]) / 1024


def first_call(languages: list[str]) -> tuple[float, float, float, float, bool]:
    """Wall and processor seconds of import and first sentences in a fresh process, memory after, torch loaded."""
    texts = json.dumps([(language, FIRST[language]) for language in languages])
    done = subprocess.run([sys.executable, "-c", CHILD, texts], capture_output=True, text=True, check=True)
    wall, work, resident, peak, torch = json.loads(done.stdout.splitlines()[-1])
    return wall, work, resident, peak, torch


def english(characters: int) -> list[str]:
    """Sentences of the documentation, as many as make up so many characters."""
    root = resource("docs").parent
    pages = [root / "README.md", root / "CONTRIBUTING.md", *sorted((root / "docs").glob("*.md"))]
    prose = "\n".join(page.read_text(encoding="utf8") for page in pages)
    prose = re.sub(r"```.*?```|`[^`]*`|[|#*\[\]()<>_]", " ", prose, flags=re.S)
    sentences = [" ".join(part.split()) for part in re.split(r"(?<=[.:;])\s+|\n\s*\n", prose)]
    return _enough([s for s in sentences if len(re.findall("[A-Za-z]", s)) > 20], characters)


def chinese(characters: int) -> list[str]:
    """Sentences of words drawn by their frequency."""
    lines = resource("res", "text", "zh", "words.tsv").read_text(encoding="utf8").splitlines()
    words: dict[str, int] = {}
    for start, _, value in (line.partition("\t") for line in lines):
        fields = value.split(" ")
        for rest, count in zip(fields[::3], fields[1::3], strict=True):
            words[start + ("" if rest == "-" else rest)] = int(count)
    source = random.Random(0)
    drawn = source.choices(list(words), list(words.values()), k=characters)
    sentences = [
        "".join(drawn[i : i + 6]) + "，" + "".join(drawn[i + 6 : i + 11]) + "。" for i in range(0, len(drawn), 11)
    ]
    return _enough(sentences, characters)


def _enough(sentences: list[str], characters: int) -> list[str]:
    chosen: list[str] = []
    size = 0
    while size < characters:
        chosen.append(sentences[len(chosen) % len(sentences)])
        size += len(chosen[-1])
    return chosen


def rate(language: str, characters: int) -> tuple[float, float, int]:
    """Characters per second of wall and of processor time, and how many were timed."""
    texts = {"en": english, "zh": chinese, "yue": chinese}.get(language, lambda n: _enough([FIRST[language]], n))(
        characters
    )
    cut = len(texts) // 3
    for text in texts[:cut]:
        analyse(text, language)
    timed = sum(map(len, texts[cut:]))
    start, work = time.perf_counter(), time.process_time()
    for text in texts[cut:]:
        analyse(text, language)
    return timed / (time.perf_counter() - start), timed / (time.process_time() - work), timed


def table(characters: int) -> str:
    """Both tables, as Markdown."""
    rows = []
    for languages in (["en"], ["zh"], ["en", "zh"], ["ja"], ["ko"], ["yue"]):
        try:
            analyse(FIRST[languages[0]], languages[0])
            wall, work, resident, peak, torch = first_call(languages)
        except GPTSoVITSError:
            continue  # An extra that is not installed.
        name = " + ".join(languages)
        rows.append(f"| {name} | {wall:.2f} | {work:.2f} | {resident:.0f} | {peak:.0f} | {'yes' if torch else 'no'} |")
    speeds = []
    for language in FIRST:
        try:
            wall, work, timed = rate(language, characters)
        except GPTSoVITSError:
            continue
        speeds.append(f"| {language} | {wall:,.0f} | {work:,.0f} | {timed:,} |")
    return (
        f"# Text front ends, version {__version__}\n\n"
        f"{processor()}, {os.cpu_count()} cores, one used; Python {platform.python_version()}\n\n"
        "First call in a fresh process, imports included:\n\n"
        "| language | wall s | processor s | memory MB | at most MB | torch loaded |\n|---|---:|---:|---:|---:|---|\n"
        + "\n".join(rows)
        + "\n\nAfter warm-up, `analyse` sentence by sentence:\n\n"
        "| language | characters/s, wall | characters/s, processor | characters timed |\n|---|---:|---:|---:|\n"
        + "\n".join(speeds)
        + "\n"
    )


def main(arguments: list[str]) -> None:
    """Measure, print, write the table."""
    p = argparse.ArgumentParser(prog="python -m benchmarks text", description=__doc__)
    p.add_argument("--out", type=Path, default=Path("benchmarks") / "results" / "text.md")
    p.add_argument("--characters", type=int, default=20000)
    a = p.parse_args(arguments)
    text = table(a.characters)
    write_text(a.out, text)
    print(text)
    print(f"written to {a.out}")
