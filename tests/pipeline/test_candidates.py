"""Several draws of a sentence, of which the best reading is kept."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest
import torch

from ar.reader import CodeReader, CodeReaderConfig
from ar.reading import reading_costs
from gpt_sovits.core.config import load_config
from gpt_sovits.pipeline import TTS
from gpt_sovits.pipeline.parts import load_parts
from gpt_sovits.pipeline.prompt import Prompt, read_voice
from gpt_sovits.pipeline.synthesis import stage_1_item
from gpt_sovits.pipeline.text import read_text
from sovits import Synthesizer, SynthesizerConfig
from sovits.checkpoint import save_sovits

QUICK = {"language": "en", "cut": "cut0", "max_codes": 60, "retries": 0, "seed": 7}
TEXT, SAID = "It was late.", "A cold wind came down from the northern hills"


@pytest.fixture
def reader(model_folder: Path) -> TTS:
    """A voice model whose first head is taken for one that reads."""
    parts = load_parts(model_folder, "cpu")
    parts.text2semantic.config = parts.text2semantic.config.model_copy(update={"reading_layers": (0,)})
    with torch.no_grad():  # an end mark that comes now and then, so that some draws end
        parts.text2semantic.head.weight[parts.text2semantic.config.eos] *= 3
    return TTS(parts)


def test_the_draw_that_reads_best_is_kept(reader: TTS, ben: Path) -> None:
    asked = {**QUICK, "reference": ben, "reference_text": SAID, "reference_language": "en"}
    one = reader.speak(TEXT, **asked)
    six = reader.speak(TEXT, candidates=6, **asked)
    parts = reader.parts
    said, text = (read_text(parts, words, "en", "cut0")[0][0] for words in (SAID, TEXT))
    prompt = Prompt(read_voice(parts, ben), said)
    items = [stage_1_item(prompt, text, 0)] * 2
    codes = [torch.tensor(audio.codes[0]) for audio in (one, six)]
    first, best = reading_costs(parts.text2semantic, items, codes, [len(said.phones)] * 2)
    assert best <= first
    assert six.codes == reader.speak(TEXT, candidates=6, **asked).codes
    fewer = {reader.speak(TEXT, candidates=n, **asked).codes[0] for n in (1, 2, 4)}
    assert len(fewer | {six.codes[0]}) > 1, "this seed shows nothing: all choices fall on the same draw"


def test_a_model_that_cannot_tell_keeps_the_first(tts: TTS, ben: Path) -> None:
    one, three = (tts.speak(TEXT, reference=ben, candidates=n, **QUICK) for n in (1, 3))
    assert one.codes == three.codes


def test_a_reader_of_codes_has_the_say(reader: TTS, ben: Path) -> None:
    """It overrules stage 1's own reading, and keeps the draw in which it hears the text best."""
    torch.manual_seed(3)
    sizes = CodeReaderConfig(codes=reader.parts.synthesizer.config.quantizer.codes, width=8)
    judge = CodeReader(sizes).eval()
    heard = TTS(dataclasses.replace(reader.parts, reader=judge))
    asked = {**QUICK, "reference": ben, "reference_text": SAID, "reference_language": "en"}
    text = read_text(reader.parts, TEXT, "en", "cut0")[0][0]
    draws = [torch.tensor(heard.speak(TEXT, candidates=n, **asked).codes[0]) for n in (1, 2, 4, 6)]
    costs = judge.costs(draws, text.phones)
    assert costs == sorted(costs, reverse=True) and costs[-1] < costs[0]


def test_the_reader_of_stage_2_serves_where_there_is_no_other(model_folder: Path, tmp_path: Path) -> None:
    """By the same numbers: the one by which stage 2 follows the text, over its own codebook."""
    folder = tmp_path / "follows"
    shutil.copytree(model_folder, folder)
    config = load_config(SynthesizerConfig, "debug/s2", ["follow_text=true", "quantizer.width=16"])
    torch.manual_seed(0)
    follower = Synthesizer(config)
    save_sovits(folder / "s2.safetensors", follower)
    judge = load_parts(folder, "cpu").reader
    assert judge is not None and torch.equal(judge.book.weight, follower.quantizer.codebook)
    codes = torch.tensor([[3, 800, 31]])
    logits = follower.reader.read(follower.quantizer.decode(codes).mT)
    assert torch.equal(judge.read(judge.book(codes)), logits)
