"""How the ways of cutting compare, `python -m benchmarks.cutting`.

The texts are the sentences of the rule tables of the tests, thirty to a paragraph: many numbers, abbreviations and
quotations. Faults are cuts inside a number, before a closing mark and behind an abbreviation.
"""

from __future__ import annotations

import re
import sys
from itertools import pairwise
from pathlib import Path
from statistics import mean, pstdev

from feature_extractor.text.cutting import syllables
from feature_extractor.text.split import METHODS, spoken_pieces

TABLES = Path(__file__).resolve().parents[1] / "tests" / "feature_extractor" / "tables"
JOINTS = {"zh": "。", "en": ". ", "ja": "。"}
_CLOSING = "”’」』）)】》"
_ABBREVIATION = re.compile(r"\b(?:Dr|Mr|Mrs|Ms|Prof|St|vs|e\.g|i\.e|No|Jan|Feb|Aug|Sept|Oct|Dec)\.\s*$")


def paragraphs(language: str) -> list[str]:
    """Texts of the table of a language, joined."""
    lines = (TABLES / f"{language}.tsv").read_text(encoding="utf8").splitlines()
    texts = [line.split("\t")[1].rstrip(" .。") for line in lines]
    return [JOINTS[language].join(texts[i : i + 30]) + JOINTS[language].strip() for i in range(0, len(texts), 30)]


def row(language: str, method: str) -> list[str]:
    """One line of the table: pieces, syllables of them, and faults."""
    lengths: list[float] = []
    faults = 0
    for text in paragraphs(language):
        pieces = spoken_pieces(text, language, method)
        lengths.extend(map(syllables, pieces))
        for before, after in pairwise(pieces):
            number = re.search(r"\d[.,:，：]$", before) is not None and after[:1].isdigit()
            faults += number or after[0] in _CLOSING or _ABBREVIATION.search(before) is not None
    numbers = (mean(lengths), pstdev(lengths), min(lengths), max(lengths))
    return [language, method, str(len(lengths)), *(f"{number:.0f}" for number in numbers), str(faults)]


def main() -> None:
    """Write the table."""
    names = ("text", "method", "pieces", "syllables", "spread", "shortest", "longest", "faults")
    lines = [f"| {' | '.join(names)} |", "|---" * len(names) + "|"]
    lines += [f"| {' | '.join(row(language, method))} |" for language in JOINTS for method in METHODS]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
