"""`gpt-sovits text`: how a text is read, step by step."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gpt_sovits.cli import options as o

if TYPE_CHECKING:
    from feature_extractor.text import Segment, TextAnalysis


def text(
    words: Annotated[str | None, typer.Argument(metavar="TEXT", help="the text", show_default=False)] = None,
    text_file: Annotated[Path | None, typer.Option("--text-file", help="a UTF-8 file with the text")] = None,
    language: Annotated[str, typer.Option("--lang", help="zh, en, ja, ko, yue, all_zh …, auto, auto_yue")] = "auto",
    symbols: Annotated[str, typer.Option("--symbols", help="symbol table of the model: v1 or v2")] = "v2",
    compat: Annotated[bool, typer.Option("--compat", help="read as the public GPT-SoVITS does")] = False,
    cut: Annotated[str, typer.Option("--cut", help="how to cut: auto, cut0 to cut5")] = "auto",
    cut_length: o.CutLength = None,
    dictionary: o.Dictionary = None,
    as_json: Annotated[bool, typer.Option("--json", help="everything, as JSON")] = False,
) -> None:
    """Show how a text is read: its pieces, languages, normalised words, phones, and what decided each of them."""
    from feature_extractor.text import analyse, user_dictionary
    from feature_extractor.text.cutting import COMFORTABLE
    from feature_extractor.text.split import spoken_pieces
    from gpt_sovits.cli.speak import read_text_file

    if (words is None) == (text_file is None):
        raise typer.BadParameter("give either a text or --text-file")
    written = words if words is not None else read_text_file(text_file or Path())
    own = None if dictionary is None else user_dictionary(dictionary)
    analysis = analyse(written, language, symbols, compat, pad_short=False, dictionary=own)
    pieces = spoken_pieces(written, language, cut, cut_length or COMFORTABLE)
    if as_json:
        report = _report(written, analysis, pieces, {"language": language, "symbols": symbols, "compat": compat})
        typer.echo(json.dumps(report, ensure_ascii=False, indent=1).encode("utf8", "backslashreplace").decode())
    else:
        _show(written, analysis, pieces)


def _report(written: str, analysis: TextAnalysis, pieces: list[str], asked: dict[str, Any]) -> dict[str, Any]:
    from feature_extractor.text import trace

    segments = [
        {
            "language": segment.language,
            "start": segment.start,
            "end": segment.end,
            "text": written[segment.start : segment.end],
            "normalised": segment.normalised,
            "phones": analysis.phones[segment.phones_start : segment.phones_end],
            "phones_start": segment.phones_start,
            "phones_end": segment.phones_end,
            "word2ph": segment.word2ph,
            "sources": [{"text": text, "phones": phones, "by": by} for text, phones, by in groups(analysis, segment)],
        }
        for segment in analysis.segments
    ]
    return {
        "text": written,
        **asked,
        "pieces": pieces,
        "normalised": analysis.normalised,
        "segments": segments,
        "phones": analysis.phones,
        "ids": analysis.ids,
        "trace": [asdict(unit) for unit in trace(written, analysis)],
        "unknown": [asdict(unknown) for unknown in analysis.unknown],
    }


def groups(analysis: TextAnalysis, segment: Segment) -> list[tuple[str, list[str], str]]:
    """Phones of a segment by what they say: as its front end tells, else character by character, else all in one."""
    phones = analysis.phones[segment.phones_start : segment.phones_end]
    if segment.sources:
        parts = [(source.text, source.phones, source.by) for source in segment.sources]
    elif segment.word2ph is not None:
        parts = [(c, n, "") for c, n in zip(segment.normalised, segment.word2ph, strict=True)]
    else:
        parts = [(segment.normalised, len(phones), "")]
    result = []
    start = 0
    for text, count, by in parts:
        result.append((text, phones[start : start + count], by))
        start += count
    return result


def _show(written: str, analysis: TextAnalysis, pieces: list[str]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 140
    for number, piece in enumerate(pieces, 1):
        console.print(Text(_shown(f"{number:3}  {piece}")))
    table = Table("characters", "language", "said", "phones", "ids", "by", title=None, show_lines=False)
    for segment in analysis.segments:
        place = f"{segment.start}-{segment.end} {written[segment.start : segment.end]!r}"
        at = segment.phones_start
        for text, phones, by in groups(analysis, segment):
            ids = " ".join(map(str, analysis.ids[at : at + len(phones)]))
            row = (place, segment.language if place else "", text, " ".join(phones), ids, by)
            table.add_row(*(Text(_shown(cell)) for cell in row))
            at += len(phones)
            place = ""
    console.print(table)
    for unknown in analysis.unknown:
        name = f"{unknown.character!r} (U+{ord(unknown.character):04X})"
        console.print(Text(f"unsaid: {name} at character {unknown.position + 1}, in {unknown.language}"))


def _shown(text: str) -> str:
    return text.encode("utf8", "backslashreplace").decode("utf8")
