"""Text to what the networks read: sentences, phones, character features."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from feature_extractor.bert import phone_features
from feature_extractor.text import UserDictionary, analyse
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
    unsaid: str = ""
    """The characters of the text that no front end could say."""


def read_text(
    parts: Parts, text: str, language: str, cut: str, compat: bool = False, dictionary: UserDictionary | None = None
) -> tuple[list[Sentence], list[str]]:
    """The sentences of a text, and a warning for each stretch or character that could not be said.

    Raises:
        TextError: the language is unknown, an inline mark is wrong, or there is nothing to say at all.
        MissingExtraError: part of the text is in a language whose packages are not installed.
    """
    parse_inline(text)
    sentences: list[Sentence] = []
    failures: list[TextError] = []
    for piece in spoken_pieces(text, language, cut):
        try:
            sentences.append(read_sentence(parts, piece, language, compat, dictionary))
        except MissingExtraError:
            raise
        except TextError as error:
            failures.append(error)
    if not sentences:
        raise failures[0] if failures else TextError(f"there is nothing to say in the text {text!r}: write some words")
    unsaid = "".join(dict.fromkeys("".join(sentence.unsaid for sentence in sentences)))
    warnings = [f"left out: {error}" for error in failures]
    return sentences, [*warnings, *([f"left out, as nobody can say them: {unsaid!r}"] if unsaid else [])]


@torch.inference_mode()
def read_sentence(
    parts: Parts, text: str, language: str, compat: bool = False, dictionary: UserDictionary | None = None
) -> Sentence:
    """Phones and character features of one sentence."""
    public = compat or parts.front_end == "public"
    analysis = analyse(text, language, symbols=parts.symbols, compat=public, dictionary=dictionary)
    width = parts.text2semantic.config.bert_width
    return Sentence(
        text=text,
        normalised=analysis.normalised,
        phones=torch.tensor(analysis.ids, device=parts.device),
        bert=None if width is None else phone_features(analysis, parts.bert, width).to(parts.device),
        unsaid="".join(unknown.character for unknown in analysis.unknown),
    )


def end_marked(text: str, language: str) -> str:
    """What the reference says, ended: without a mark the two sentences would run into each other."""
    stripped = text.strip()
    if not stripped or stripped[-1] in END_MARKS:
        return stripped
    return stripped + ("." if language == "en" else "。")
