"""Per-phone features of Chinese text from a BERT masked language model (Devlin et al. 2019)."""

from __future__ import annotations

import json
import re
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
        if len(word2ph) != len(text):
            raise TextError(f"{text!r} has {len(text)} characters, but phone counts are given for {len(word2ph)}")
        hidden = self.hidden(torch.tensor([self.tokens(text)]))[0, 1:-1]
        counts = torch.tensor(word2ph, device=hidden.device)
        return hidden.repeat_interleave(counts, dim=0).T.float()

    def tokens(self, text: str) -> list[int]:
        """Vocabulary rows of `text`, one for each character, between the two marks every sentence has."""
        longest = int(self.config.max_position_embeddings) - 2
        if len(text) > longest:
            raise TextError(f"a sentence of {len(text)} characters is too long for BERT: split it below {longest}")
        unknown = self.vocabulary["[UNK]"]
        rows = [self.vocabulary.get(character.lower(), unknown) for character in text]
        return [self.vocabulary["[CLS]"], *rows, self.vocabulary["[SEP]"]]

    def hidden(self, tokens: Tensor) -> Tensor:
        """Third hidden state from the end of the whole network: rows [b, n] to [b, n, c]."""
        rows = tokens.to(next(self.parameters()).device)
        return self.model(rows).last_hidden_state


def phone_features(analysis: TextAnalysis, bert: BertFeatures | None, width: int = WIDTH) -> Tensor:
    """BERT features of every phone of an analysed text; zeros where there is no Chinese or no BERT.

    Returns:
        [width, n] float32.

    Raises:
        CheckpointError: the BERT gives features of another width.
    """
    if bert is not None and bert.width != width:
        raise CheckpointError(f"the BERT gives {bert.width} features a phone, but the model reads {width}")
    features = torch.zeros(width, len(analysis.ids))
    if bert is None:
        return features
    for segment in analysis.segments:
        if segment.language == "zh" and segment.word2ph is not None:
            found = bert(segment.normalised, segment.word2ph)
            features[:, segment.phones_start : segment.phones_end] = found.to(features.device)
    return features


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
