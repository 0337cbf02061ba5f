"""Configurations that public files carry, for files that lost theirs and for models that were made here."""

from __future__ import annotations

from typing import Any

from ar.config import Text2SemanticConfig
from gpt_sovits.core.errors import CheckpointError
from sovits.config import SynthesizerConfig
from sovits.published import public_model


def s1_model(config: Text2SemanticConfig) -> dict[str, Any]:
    """The `model` section of a public stage 1 file.

    Raises:
        CheckpointError: the public network has no such form.
    """
    if config.bert_width is None:
        raise CheckpointError("its stage 1 reads no BERT features, which the public network does")
    return {
        "vocab_size": config.codes,
        "phoneme_vocab_size": config.phones,
        "embedding_dim": config.width,
        "hidden_dim": config.width,
        "head": config.heads,
        "linear_units": config.feed_forward,
        "n_layer": config.layers,
        "dropout": config.embedding_dropout,
        "EOS": config.eos,
        "random_bert": 0,
    }


def s1_config(config: Text2SemanticConfig) -> dict[str, Any]:
    """A whole public stage 1 configuration."""
    return {
        "train": {
            "seed": 1234,
            "epochs": 20,
            "batch_size": 8,
            "save_every_n_epoch": 1,
            "precision": "16-mixed",
            "gradient_clip": 1.0,
        },
        "optimizer": {"lr": 0.01, "lr_init": 1e-05, "lr_end": 0.0001, "warmup_steps": 2000, "decay_steps": 40000},
        "data": {"max_eval_sample": 8, "max_sec": 54, "num_workers": 4, "pad_val": config.eos},
        "model": s1_model(config),
        "inference": {"top_k": 15},
    }


def s2_config(config: SynthesizerConfig, family: str) -> dict[str, Any]:
    """A whole public stage 2 configuration."""
    spectrogram = config.spectrogram
    return {
        "train": {
            "log_interval": 100,
            "eval_interval": 500,
            "seed": 1234,
            "epochs": 100,
            "learning_rate": 0.0001,
            "betas": [0.8, 0.99],
            "eps": 1e-09,
            "batch_size": 32,
            "fp16_run": True,
            "lr_decay": 0.999875,
            "segment_size": config.segment * spectrogram.hop,
            "init_lr_ratio": 1,
            "warmup_epochs": 0,
            "c_mel": 45,
            "c_kl": 1.0,
            "text_low_lr_rate": 0.4,
            "grad_ckpt": False,
        },
        "data": {
            "max_wav_value": 32768.0,
            "sampling_rate": spectrogram.rate,
            "filter_length": spectrogram.n_fft,
            "hop_length": spectrogram.hop,
            "win_length": spectrogram.window,
            "n_mel_channels": 128,
            "mel_fmin": 0.0,
            "mel_fmax": None,
            "add_blank": True,
            "n_speakers": 300,
            "cleaned_text": True,
        },
        "model": public_model(config, family),
        "content_module": "cnhubert",
        "version": family,
    }
