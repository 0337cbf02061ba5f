"""Texts on their way to the networks: the user's say, what is left out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ar import Text2SemanticDecoder
from feature_extractor.bert import load_bert
from feature_extractor.text import symbol_table, user_dictionary
from gpt_sovits.core.errors import TextError
from gpt_sovits.pipeline import TTS
from gpt_sovits.pipeline.batch import request_digest
from gpt_sovits.pipeline.request import parse_request
from gpt_sovits.pipeline.text import read_sentence, read_text
from tests.prep.material import make_bert


def said(tts: TTS, text: str, language: str, dictionary: Path | None = None) -> str:
    words = None if dictionary is None else user_dictionary(dictionary)
    sentences, _ = read_text(tts.parts, text, language, "auto", dictionary=words)
    table = symbol_table(tts.parts.symbols)
    return " ".join(table[i] for sentence in sentences for i in sentence.phones.tolist())


def test_inline_marks_and_dictionary_reach_the_phones(tts: TTS, tmp_path: Path) -> None:
    path = tmp_path / "words.tsv"
    path.write_text("en\tgif\tJH IH1 F\n", encoding="utf8")
    assert "R EH1 D" in said(tts, "Now I {read|R EH1 D} it all.", "en")
    assert "JH IH1 F" in said(tts, "Now send a gif to me.", "en", path)
    assert "JH IH1 F" not in said(tts, "Now send a gif to me.", "en")


def test_what_nobody_can_say_is_a_warning(tts: TTS) -> None:
    _, warnings = read_text(tts.parts, "She waited \U0001f9ff long.\n\U0001f9ff\nThen it came.", "en", "auto")
    assert any("nothing to say" in warning for warning in warnings)
    assert any("nobody can say" in warning and "\U0001f9ff" in warning for warning in warnings)


def test_a_wrong_mark_stops_the_request_with_its_place(tts: TTS) -> None:
    with pytest.raises(TextError, match="at character 12 is malformed"):
        read_text(tts.parts, "All well.\n\n{read|R EH1 D", "en", "auto")


def test_a_changed_dictionary_is_another_request(tmp_path: Path, ben: Path) -> None:
    path = tmp_path / "words.tsv"
    request = parse_request({"text": "Hi.", "reference": ben, "dictionary": path})
    path.write_text("en\tgif\tJH IH1 F\n", encoding="utf8")
    before = request_digest(request, "tiny")
    path.write_text("en\tgif\tG IH1 F\n", encoding="utf8")
    assert request_digest(request, "tiny") != before


def test_all_sentences_go_through_bert_together(tts: TTS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_bert(tmp_path)
    bert, config = load_bert(tmp_path), tts.parts.text2semantic.config.model_copy(update={"bert_width": 16})
    parts = replace(tts.parts, bert=bert, text2semantic=Text2SemanticDecoder(config))
    lines = ["今天天气很好。", "我们去公园，公园很好，天天去。", "Yes, we do.", "1" * 600, "今天OK。"]
    calls: list[torch.Size] = []
    whole = bert.hidden
    monkeypatch.setattr(bert, "hidden", lambda tokens, mask=None: calls.append(tokens.shape) or whole(tokens, mask))
    sentences, warnings = read_text(parts, "\n".join(lines), "zh", "cut0")
    assert len(calls) == 1 and len(sentences) == 4
    assert "600 characters is too long for BERT" in warnings[0]
    for sentence in sentences:
        alone = read_sentence(parts, sentence.text, "zh")
        assert sentence.bert is not None and alone.bert is not None
        assert torch.equal(sentence.phones, alone.phones) and sentence.bert.shape == (16, len(alone.phones))
        assert (sentence.bert - alone.bert).abs().max() <= 1e-5 * max(float(alone.bert.abs().max()), 1e-9)
    assert sentences[0].bert.any() and not sentences[2].bert.any()
