"""Per-phone BERT features against the hidden states of the public implementation."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from feature_extractor.bert import BertFeatures, load_bert, phone_features, phone_features_of
from feature_extractor.text import analyse
from gpt_sovits.core.errors import CheckpointError, TextError
from tests.golden_data import assert_close, golden, golden_json, weights

SENTENCE = "一丁七万，丈三。"
TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "，", "。", *(chr(0x4E00 + i) for i in range(293))]
CONFIG = {
    "model_type": "bert",
    "vocab_size": 300,
    "hidden_size": 64,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "intermediate_size": 128,
    "max_position_embeddings": 64,
    "layer_norm_eps": 1e-12,
}


def write_folder(folder: Path, state: dict[str, Tensor]) -> Path:
    (folder / "config.json").write_text(json.dumps(CONFIG))
    (folder / "vocab.txt").write_text("\n".join(TOKENS) + "\n", encoding="utf8")
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, folder / "model.safetensors")
    return folder


@pytest.fixture
def bert(tmp_path: Path) -> BertFeatures:
    return load_bert(write_folder(tmp_path, weights("bert_small_raw")))


@torch.no_grad()
def test_third_state_from_the_end_equals_the_public_one(bert: BertFeatures) -> None:
    case = golden("bert_small")
    assert_close(bert.hidden(torch.from_numpy(case["ids"])), case["h2"])


@torch.no_grad()
@pytest.mark.parametrize("other", ["h1", "h3", "h4"])
def test_another_layer_is_noticed(bert: BertFeatures, other: str) -> None:
    case = golden("bert_small")
    with pytest.raises(AssertionError):
        assert_close(bert.hidden(torch.from_numpy(case["ids"])), case[other])


@torch.no_grad()
def test_a_changed_weight_is_noticed(tmp_path: Path) -> None:
    state = weights("bert_small_raw")
    state["bert.encoder.layer.1.output.dense.bias"] *= 1.5
    case = golden("bert_small")
    with pytest.raises(AssertionError):
        assert_close(load_bert(write_folder(tmp_path, state)).hidden(torch.from_numpy(case["ids"])), case["h2"])


@torch.no_grad()
def test_names_of_older_files_and_headless_files_are_read(tmp_path: Path) -> None:
    state = {
        name.removeprefix("bert.")
        .replace("LayerNorm.weight", "LayerNorm.gamma")
        .replace("LayerNorm.bias", "LayerNorm.beta"): t
        for name, t in weights("bert_small_raw").items()
        if not name.startswith("cls.")
    }
    state["embeddings.position_ids"] = torch.arange(64)[None]
    state["pooler.dense.weight"] = torch.zeros(64, 64)
    case = golden("bert_small")
    assert_close(load_bert(write_folder(tmp_path, state)).hidden(torch.from_numpy(case["ids"])), case["h2"])


def test_every_character_is_repeated_over_its_phones(bert: BertFeatures) -> None:
    counts = [2, 2, 2, 2, 1, 2, 2, 1]
    once, spread = bert(SENTENCE, [1] * 8), bert(SENTENCE, counts)
    assert spread.shape == (64, 14)
    torch.testing.assert_close(spread, once.repeat_interleave(torch.tensor(counts), dim=1))


def test_tokens_are_those_of_the_usual_tokenizer(bert: BertFeatures, tmp_path: Path) -> None:
    from transformers import BertTokenizerFast

    tokenizer = BertTokenizerFast.from_pretrained(tmp_path)
    assert bert.tokens(SENTENCE) == tokenizer(SENTENCE)["input_ids"]
    normalised = {case["norm_text"] for case in golden_json("text_clean_v2") if case["lang"] == "zh"}
    assert normalised
    for text in normalised:
        assert bert.tokens(text[:60]) == tokenizer(text[:60])["input_ids"]


def test_phone_counts_must_belong_to_the_text(bert: BertFeatures) -> None:
    with pytest.raises(TextError, match="8 characters, but phone counts are given for 7"):
        bert(SENTENCE, [1] * 7)


def test_too_long_a_sentence_is_refused(bert: BertFeatures) -> None:
    with pytest.raises(TextError, match="63 characters is too long"):
        bert("一" * 63, [1] * 63)


@dataclass(frozen=True)
class Piece:
    language: str
    phones_start: int
    phones_end: int
    normalised: str
    word2ph: list[int] | None = None


@dataclass(frozen=True)
class Analysed:
    segments: list[Piece]
    ids: list[int] = field(default_factory=lambda: [0] * 9)


MIXED = Analysed([Piece("en", 0, 3, "hi"), Piece("zh", 3, 8, "一丁，", [2, 2, 1]), Piece("yue", 8, 9, "一", [1])])


def test_only_chinese_gets_features(bert: BertFeatures) -> None:
    features = phone_features(MIXED, bert, 64)
    assert features.shape == (64, 9) and features.dtype == torch.float32
    assert features[:, :3].eq(0).all() and features[:, 8:].eq(0).all()
    torch.testing.assert_close(features[:, 3:8], bert("一丁，", [2, 2, 1]))


def test_the_front_end_and_bert_fit_together(bert: BertFeatures) -> None:
    analysis = analyse("你好，世界。 Hello!", "zh")
    features = phone_features(analysis, bert, 64)
    assert features.shape == (64, len(analysis.ids))
    chinese = [segment for segment in analysis.segments if segment.language == "zh"]
    assert chinese and all(features[:, s.phones_start : s.phones_end].any(0).all() for s in chinese)


def test_without_a_bert_there_are_zeros() -> None:
    features = phone_features(MIXED, None)
    assert features.shape == (1024, 9) and not features.any()


def test_a_bert_of_another_width_is_refused(bert: BertFeatures) -> None:
    with pytest.raises(CheckpointError, match="64 features a phone, but the model reads 1024"):
        phone_features(MIXED, bert)


MANY = [
    ("一丁七万，丈三。", [2, 2, 2, 2, 1, 2, 2, 1]),
    ("丁", [2]),
    ("", []),
    ("一" * 50, [1] * 50),
    ("七万丁。", [2, 2, 2, 1]),
]


def close_enough(actual: Tensor, expected: Tensor) -> bool:
    """Within 1e-5 of the largest value."""
    if actual.shape != expected.shape:
        return False
    return actual.numel() == 0 or bool((actual - expected).abs().max() <= 1e-5 * expected.abs().max())


@pytest.mark.parametrize("batch_tokens", [1, 60, 120, 4096])
def test_a_text_gets_the_same_features_alone_and_among_others(bert: BertFeatures, batch_tokens: int) -> None:
    for (text, counts), found in zip(MANY, bert.many(MANY, batch_tokens), strict=True):
        assert close_enough(found, bert(text, counts)), text
        assert found.shape == (64, sum(counts)) and found.dtype == torch.float32


def test_unmasked_padding_is_noticed(bert: BertFeatures, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = bert.hidden
    monkeypatch.setattr(bert, "hidden", lambda tokens, mask=None: whole(tokens))
    together = bert.many(MANY)
    assert not close_enough(together[0], bert(*MANY[0]))


def test_texts_of_like_length_share_a_call(bert: BertFeatures, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    whole = bert.hidden
    monkeypatch.setattr(bert, "hidden", lambda tokens, mask: calls.append(tokens.shape) or whole(tokens, mask))
    bert.many(MANY)
    assert len(calls) == 1 and calls[0] == (5, 52)
    calls.clear()
    bert.many(MANY, 60)
    assert sum(rows for rows, _ in calls) == 5 and all(rows * width <= 60 for rows, width in calls)


def test_many_analyses_at_once(bert: BertFeatures) -> None:
    analyses = [analyse("你好，世界。", "zh"), analyse("Hello there!", "en"), MIXED]
    together = phone_features_of(analyses, bert, 64)
    assert all(
        close_enough(found, phone_features(analysis, bert, 64))
        if found.any()
        else not phone_features(analysis, bert, 64).any()
        for analysis, found in zip(analyses, together, strict=True)
    )
    assert not together[1].any() and phone_features_of([], bert, 64) == []


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda f: (f / "vocab.txt").unlink(), "no readable BERT vocabulary"),
        (lambda f: (f / "vocab.txt").write_text("a\nb\n"), r"lacks \[CLS\], \[SEP\], \[UNK\]"),
        (lambda f: (f / "model.safetensors").unlink(), "holds no weights"),
        (
            lambda f: (f / "config.json").write_text(json.dumps({**CONFIG, "num_hidden_layers": 6})),
            "names 6 layers, but the weights have 4",
        ),
        (lambda f: (f / "config.json").write_text(json.dumps({**CONFIG, "num_hidden_layers": 2})), "two layers"),
        (lambda f: (f / "config.json").write_text("[]"), "type None"),
    ],
)
def test_bad_folders_are_refused_in_words(tmp_path: Path, damage, words: str) -> None:
    damage(write_folder(tmp_path, weights("bert_small_raw")))
    with pytest.raises(CheckpointError, match=words):
        load_bert(tmp_path)
