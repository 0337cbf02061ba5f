"""Per-phone features of Chinese text from a BERT masked language model (Devlin et al. 2019)."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from gpt_sovits.core.checkpoint import load_weights
from gpt_sovits.core.errors import CheckpointError, TextError
from gpt_sovits.core.foreign import read_folder, read_folder_config

if TYPE_CHECKING:
    from feature_extractor.text import TextAnalysis

WIDTH = 1024
_UNREAD_LAYERS = 2
"""The third hidden state from the end is read, so the last two layers are neither loaded nor computed."""


class BertFeatures(nn.Module):
    """Text and the number of phones of each character to one feature vector per phone."""

    def __init__(self, config: dict[str, Any], vocabulary: dict[str, int]) -> None:
        """Build an untrained network from Hugging Face `BertConfig` values; `vocabulary` maps tokens to rows."""
        from transformers import BertConfig, BertModel

        super().__init__()
        missing = [token for token in ("[CLS]", "[SEP]", "[UNK]") if token not in vocabulary]
        if missing:
            raise CheckpointError(f"the BERT vocabulary lacks {', '.join(missing)}")
        values = {**config, "num_hidden_layers": int(config.get("num_hidden_layers", 12)) - _UNREAD_LAYERS}
        if values["num_hidden_layers"] < 1:
            raise CheckpointError("a BERT of two layers or fewer has no third hidden state from the end")
        self.config = BertConfig(**values)
        self.model = BertModel(self.config, add_pooling_layer=False)
        self.vocabulary = vocabulary

    @property
    def width(self) -> int:
        """Channels of the features."""
        return int(self.config.hidden_size)

    @torch.no_grad()
    def forward(self, text: str, word2ph: list[int]) -> Tensor:
        """Features of normalised Chinese text.

        Args:
            text: one token per character, which is how BERT reads Chinese characters and punctuation.
            word2ph: phones of each character.

        Returns:
            [c, n] with n = sum(word2ph), float32.

        Raises:
            TextError: `word2ph` does not belong to `text`, or the text is longer than the network reads at once.
        """
        return self.many([(text, word2ph)])[0]

    @torch.no_grad()
    def many(self, texts: Sequence[tuple[str, list[int]]], batch_tokens: int = 4096) -> list[Tensor]:
        """Features of several texts, each with its phone counts, in few calls of the network.

        Texts of like length share a call, shorter ones padded and the padding masked, `batch_tokens` tokens at most.
        A text gets the same features as alone but for the last bits (1e-5 of the largest value at most, in float32):
        matrix products of another size add their terms up in another order.

        Raises:
            TextError: as `forward`.
        """
        rows = [self._checked(text, word2ph) for text, word2ph in texts]
        found: dict[int, Tensor] = {}
        for batch in _batches([len(row) for row in rows], batch_tokens):
            width = max(len(rows[i]) for i in batch)
            tokens = torch.zeros(len(batch), width, dtype=torch.long)
            mask = torch.zeros(len(batch), width, dtype=torch.long)
            for place, i in enumerate(batch):
                tokens[place, : len(rows[i])] = torch.tensor(rows[i])
                mask[place, : len(rows[i])] = 1
            hidden = self.hidden(tokens, mask)
            for place, i in enumerate(batch):
                counts = torch.tensor(texts[i][1], dtype=torch.long, device=hidden.device)
                found[i] = hidden[place, 1 : len(rows[i]) - 1].repeat_interleave(counts, dim=0).T.float()
        return [found[i] for i in range(len(texts))]

    def _checked(self, text: str, word2ph: list[int]) -> list[int]:
        if len(word2ph) != len(text):
            raise TextError(f"{text!r} has {len(text)} characters, but phone counts are given for {len(word2ph)}")
        return self.tokens(text)

    def tokens(self, text: str) -> list[int]:
        """Vocabulary rows of `text`, one for each character, between the two marks every sentence has."""
        longest = int(self.config.max_position_embeddings) - 2
        if len(text) > longest:
            raise TextError(f"a sentence of {len(text)} characters is too long for BERT: split it below {longest}")
        unknown = self.vocabulary["[UNK]"]
        rows = [self.vocabulary.get(character.lower(), unknown) for character in text]
        return [self.vocabulary["[CLS]"], *rows, self.vocabulary["[SEP]"]]

    def hidden(self, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
        """Third hidden state from the end of the whole network: rows [b, n] to [b, n, c]; `mask` is 0 at padding."""
        device = next(self.parameters()).device
        mask = None if mask is None or bool(mask.all()) else mask.to(device)
        return self.model(tokens.to(device), attention_mask=mask).last_hidden_state


def phone_features(analysis: TextAnalysis, bert: BertFeatures | None, width: int = WIDTH) -> Tensor:
    """BERT features of every phone of an analysed text; zeros where there is no Chinese or no BERT.

    Returns:
        [width, n] float32.

    Raises:
        CheckpointError: the BERT gives features of another width.
    """
    return phone_features_of([analysis], bert, width)[0]


def phone_features_of(analyses: Sequence[TextAnalysis], bert: BertFeatures | None, width: int = WIDTH) -> list[Tensor]:
    """`phone_features` of several analysed texts; all their Chinese goes through the network together.

    Raises:
        CheckpointError: the BERT gives features of another width.
    """
    if bert is not None and bert.width != width:
        raise CheckpointError(f"the BERT gives {bert.width} features a phone, but the model reads {width}")
    features = [torch.zeros(width, len(analysis.ids)) for analysis in analyses]
    if bert is None:
        return features
    places = [
        (rows, segment, segment.word2ph)
        for rows, analysis in zip(features, analyses, strict=True)
        for segment in analysis.segments
        if segment.language == "zh" and segment.word2ph is not None
    ]
    found = bert.many([(segment.normalised, word2ph) for _, segment, word2ph in places])
    for (rows, segment, _), values in zip(places, found, strict=True):
        rows[:, segment.phones_start : segment.phones_end] = values.to(rows.device)
    return features


def check_length(analysis: TextAnalysis, bert: BertFeatures | None) -> None:
    """Refuse a text that the network cannot read at once, before it takes others down with it.

    Raises:
        TextError: a stretch of its Chinese is too long.
    """
    if bert is not None:
        for segment in analysis.segments:
            if segment.language == "zh":
                bert.tokens(segment.normalised)


def load_bert(folder: str | Path) -> BertFeatures:
    """A trained BERT in evaluation mode from a Hugging Face folder, with or without its language-model head.

    Raises:
        CheckpointError: a file is missing or damaged, or the weights do not fit the configuration.
    """
    folder = Path(folder)
    config = read_folder_config(folder, "bert")
    bert = BertFeatures(config, _read_vocabulary(folder))
    state = {_rename(name): tensor for name, tensor in read_folder(folder).items()}
    read = bert.config.num_hidden_layers
    layers = {int(found[1]) for name in state if (found := _LAYER.match(name))}
    if len(layers) != read + _UNREAD_LAYERS:
        raise CheckpointError(
            f"{folder}/config.json names {read + _UNREAD_LAYERS} layers, but the weights have {len(layers)}"
        )
    needed = {name: tensor for name, tensor in state.items() if _is_read(name, read)}
    load_weights(bert.model, needed, str(folder))
    return bert.eval()


_LAYER = re.compile(r"encoder\.layer\.(\d+)\.")


def _is_read(name: str, layers: int) -> bool:
    """Whether a parameter is used: neither a head, nor the pooler, nor one of the layers above the first `layers`."""
    layer = _LAYER.match(name)
    if layer:
        return int(layer[1]) < layers
    return not (name.startswith(("cls.", "pooler.")) or name.endswith("position_ids"))


def _batches(lengths: list[int], tokens: int) -> list[list[int]]:
    """Places of rows of like length, shortest first, so that no batch holds more than `tokens` with its padding."""
    batches: list[list[int]] = []
    for i in sorted(range(len(lengths)), key=lambda i: lengths[i]):
        if batches and (len(batches[-1]) + 1) * lengths[i] <= tokens:
            batches[-1].append(i)
        else:
            batches.append([i])
    return batches


def _rename(name: str) -> str:
    """Drop the prefix of a model with a head; translate the norm names of files converted from TensorFlow."""
    name = name.removeprefix("bert.")
    return name.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias")


def _read_vocabulary(folder: Path) -> dict[str, int]:
    """Tokens and their rows from `vocab.txt`, or from `tokenizer.json`."""
    plain, packed = folder / "vocab.txt", folder / "tokenizer.json"
    try:
        if plain.is_file():
            return {token: row for row, token in enumerate(plain.read_text(encoding="utf8").split("\n")) if token}
        return dict(json.loads(packed.read_text(encoding="utf8"))["model"]["vocab"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{folder} holds no readable BERT vocabulary: put vocab.txt there") from error
