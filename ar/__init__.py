"""Stage 1: text to semantic codes."""

from ar.config import Text2SemanticConfig
from ar.convert import load_text2semantic, save_text2semantic
from ar.decode import Item, generate, generate_batch, stream
from ar.loss import Batch, TrainingOutput, dpo_loss, training_loss
from ar.model import Text2SemanticDecoder
from ar.sampling import GenerateOptions

__all__ = [
    "Batch",
    "GenerateOptions",
    "Item",
    "Text2SemanticConfig",
    "Text2SemanticDecoder",
    "TrainingOutput",
    "dpo_loss",
    "generate",
    "generate_batch",
    "load_text2semantic",
    "save_text2semantic",
    "stream",
    "training_loss",
]
