"""Text to what the networks read: sentences, phones, character features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from feature_extractor.bert import check_length, phone_features_of
from feature_extractor.text import TextAnalysis, UserDictionary, analyse
from feature_extractor.text.cutting import COMFORTABLE
from feature_extractor.text.inline import parse_inline
from feature_extractor.text.split import spoken_pieces
from gpt_sovits.core.errors import MissingExtraError, TextError
from gpt_sovits.pipeline.parts import Parts

END_MARKS = frozenset("，。？！,.?!~:：—…")


@dataclass(frozen=True, slots=True)
class Sentence:
    """A stretch of text that is spoken in one go."""

    text: str
    normalised: str
    phones: Tensor
    """[n]"""
    bert: Tensor | None
    """[1024, n]; None: stage 1 reads phones only."""
    language: str
    """In which most of it is said."""
    unsaid: str = ""
    """The characters of the text that no front end could say."""


def read_text(
    parts: Parts,
    text: str,
    language: str,
    cut: str,
    compat: bool = False,
    dictionary: UserDictionary | None = None,
    comfortable: float = COMFORTABLE,
) -> tuple[list[Sentence], list[str]]:
    """The sentences of a text, and a warning for each stretch or character that could not be said.

    Args:
        comfortable: see `cut_auto`.

    Raises:
        TextError: the language is unknown, an inline mark is wrong, or there is nothing to say at all.
        MissingExtraError: part of the text is in a language whose packages are not installed.
    """
    parse_inline(text)
    analyses: list[tuple[str, TextAnalysis]] = []
    failures: list[TextError] = []
    for piece in spoken_pieces(text, language, cut, comfortable):
        try:
            analyses.append((piece, _analysed(parts, piece, language, compat, dictionary)))
        except MissingExtraError:
            raise
        except TextError as error:
            failures.append(error)
    sentences = _sentences(parts, analyses)
    if not sentences:
        raise failures[0] if failures else TextError(f"there is nothing to say in the text {text!r}: write some words")
    unsaid = "".join(dict.fromkeys("".join(sentence.unsaid for sentence in sentences)))
    warnings = [f"left out: {error}" for error in failures]
    return sentences, [*warnings, *([f"left out, as nobody can say them: {unsaid!r}"] if unsaid else [])]


def read_sentence(
    parts: Parts, text: str, language: str, compat: bool = False, dictionary: UserDictionary | None = None
) -> Sentence:
    """Phones and character features of one sentence."""
    return _sentences(parts, [(text, _analysed(parts, text, language, compat, dictionary))])[0]


def _analysed(parts: Parts, text: str, language: str, compat: bool, dictionary: UserDictionary | None) -> TextAnalysis:
    public = compat or parts.front_end == "public"
    analysis = analyse(text, language, symbols=parts.symbols, compat=public, dictionary=dictionary)
    if parts.text2semantic.config.bert_width is not None:
        check_length(analysis, parts.bert)
    return analysis


@torch.inference_mode()
def _sentences(parts: Parts, analyses: Sequence[tuple[str, TextAnalysis]]) -> list[Sentence]:
    """Tensors of analysed texts; the characters of all of them go through BERT together."""
    width = parts.text2semantic.config.bert_width
    features: Sequence[Tensor | None] = [None] * len(analyses)
    if width is not None:
        features = phone_features_of([analysis for _, analysis in analyses], parts.bert, width)
    return [
        Sentence(
            text=text,
            normalised=analysis.normalised,
            phones=torch.tensor(analysis.ids, device=parts.device),
            bert=None if bert is None else bert.to(parts.device),
            language=_language(analysis),
            unsaid="".join(unknown.character for unknown in analysis.unknown),
        )
        for (text, analysis), bert in zip(analyses, features, strict=True)
    ]


def _language(analysis: TextAnalysis) -> str:
    phones: dict[str, int] = {}
    for segment in analysis.segments:
        phones[segment.language] = phones.get(segment.language, 0) + segment.phones_end - segment.phones_start
    return max(phones, key=phones.__getitem__)


def end_marked(text: str, language: str) -> str:
    """What the reference says, ended: without a mark the two sentences would run into each other."""
    stripped = text.strip()
    if not stripped or stripped[-1] in END_MARKS:
        return stripped
    return stripped + ("." if language == "en" else "。")
