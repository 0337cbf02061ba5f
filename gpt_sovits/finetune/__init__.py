"""From recordings of one speaker to a voice: one call that checks, prepares, trains, chooses, speaks and reports."""

from __future__ import annotations

from gpt_sovits.finetune.run import Outcome, Settings, finetune

__all__ = ["Outcome", "Settings", "finetune"]
