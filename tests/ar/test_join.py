"""Joined utterances of one speaker."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from statistics import median

import pytest
import torch

from ar import Batch, Text2SemanticDecoder
from ar.config import JoinConfig, Text2SemanticTrainingConfig
from ar.data import Collate, Text2SemanticDataset, Utterance
from ar.join import Joiner
from ar.loss import IGNORE, teacher_forced, training_loss
from ar.sampler import BucketSampler
from ar.task import Text2SemanticTask
from gpt_sovits.core.errors import ConfigError

UTTERANCES = [Utterance(f"{k}.wav", [k] * 5, [100 + k] * 20) for k in range(6)]


@pytest.fixture
def listing(tmp_path: Path) -> Path:
    path = tmp_path / "all.list"
    path.write_text("".join(f"wav/{k}.wav|speaker{k % 2}|en|text {k}\n" for k in range(5)), encoding="utf8")
    return path


def test_only_one_speaker_is_heard_in_a_joined_utterance(listing: Path) -> None:
    joiner = Joiner(UTTERANCES, JoinConfig(speakers=listing, chance=1.0), seed=1)
    joined = [joiner(index, epoch) for index in range(6) for epoch in range(8)]
    assert any(len(u.codes) == 40 for u in joined)
    for u in joined:
        assert len({phone % 2 for phone in u.phones}) == 1
        assert [100 + p for p in u.phones[::5]] == u.codes[::20]


def test_an_unlisted_recording_stays_alone(listing: Path) -> None:
    joiner = Joiner(UTTERANCES, JoinConfig(speakers=listing, chance=1.0), seed=1)
    assert all(joiner(5, epoch) is UTTERANCES[5] for epoch in range(8))


def test_joins_depend_on_seed_and_epoch_alone(listing: Path) -> None:
    config = JoinConfig(speakers=listing, chance=0.7)
    first, second = (Text2SemanticDataset(UTTERANCES, join=config, seed=3) for _ in range(2))
    second[4], second[2]  # draws made before must not matter
    epochs = []
    for epoch in range(4):
        first.set_epoch(epoch)
        second.set_epoch(epoch)
        epochs.append([u.codes for u in (first[i] for i in range(6))])
        assert epochs[-1] == [u.codes for u in (second[i] for i in range(6))]
    assert any(epoch != epochs[0] for epoch in epochs)


def test_nothing_longer_than_asked_is_made(listing: Path) -> None:
    joiner = Joiner(UTTERANCES, JoinConfig(speakers=listing, chance=1.0, longest=1.0), seed=1)
    assert all(len(joiner(i, e).codes) == 20 for i in range(6) for e in range(8))


def test_a_missing_list_is_said_in_words(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        Joiner(UTTERANCES, JoinConfig(speakers=tmp_path / "none.list"), seed=1)


def test_batches_hold_neighbours_in_joined_length(listing: Path) -> None:
    utterances = [Utterance(f"{k % 5}.wav", [1], [0] * (10 + 7 * k)) for k in range(60)]
    dataset = Text2SemanticDataset(utterances, join=JoinConfig(speakers=listing, chance=0.5), seed=3)
    single = [utterance.seconds for utterance in utterances]
    ours = [median_spread(BucketSampler(dataset.seconds, 4), dataset, epoch) for epoch in range(4)]
    theirs = [median_spread(BucketSampler(single, 4), dataset, epoch) for epoch in range(4)]
    assert sum(ours) < 0.7 * sum(theirs)


def median_spread(sampler: BucketSampler, dataset: Text2SemanticDataset, epoch: int) -> float:
    """Median over the batches of an epoch: seconds between the shortest and the longest item."""
    sampler.set_epoch(epoch)
    dataset.set_epoch(epoch)
    lengths = [dataset[index].seconds for index in sampler]
    batches = [lengths[k : k + 4] for k in range(0, len(lengths), 4)]
    return median(max(batch) - min(batch) for batch in batches)


def test_several_may_be_joined_and_strangers_among_them(listing: Path) -> None:
    joiner = Joiner(UTTERANCES, JoinConfig(speakers=listing, chance=1.0, most=3, strangers=1.0), seed=1)
    joined = [joiner(index, epoch) for index in range(5) for epoch in range(8)]
    assert max(len(u.codes) for u in joined) == 80
    assert any(len({phone % 2 for phone in u.phones}) == 2 for u in joined)
    for u in joined:
        assert [100 + p for p in u.phones[::5]] == u.codes[::20] and u.phones[-1] == int(u.name[0])


def test_the_models_own_prompt_stands_before_those_of_its_language(listing: Path) -> None:
    listing.write_text(listing.read_text(encoding="utf8").replace("4.wav|speaker0|en", "4.wav|speaker0|zh"))
    own = {"en": Utterance("en", [90, 91], [900, 901, 902])}
    config = JoinConfig(speakers=listing, chance=0.0, own=1.0)
    dataset = Text2SemanticDataset(UTTERANCES, join=config, prompts=own)
    for index in range(4):
        assert dataset[index] == Utterance(f"{index}.wav", [90, 91, *[index] * 5], [900, 901, 902, *[100 + index] * 20],
                                           given=3)  # fmt: skip
    assert dataset[4] is UTTERANCES[4] and dataset[5] is UTTERANCES[5]
    batch = Collate()([dataset[0], dataset[5]])
    assert batch.given is not None and batch.given.tolist() == [3, 0]
    assert Collate()([dataset[4], dataset[5]]).given is None
    with pytest.raises(ConfigError, match=r"data\.join\.own"):
        Joiner(UTTERANCES, config, seed=1)


def test_what_is_given_is_read_and_not_learned(model: Text2SemanticDecoder, batch: Batch) -> None:
    """The loss of the rest is what it is when all is learned."""
    given = replace(batch, given=torch.tensor([4] * len(batch.codes)))
    losses = []
    for each in (batch, given):
        _, logits, targets = teacher_forced(model, each)
        losses.append(torch.nn.functional.cross_entropy(logits.mT, targets, ignore_index=IGNORE, reduction="none"))
    assert torch.equal(losses[0][:, 4:], losses[1][:, 4:]) and losses[1][:, :4].eq(0).all() and losses[0].sum() > 0
    output = training_loss(model, given)
    assert int(output.count) == int(training_loss(model, batch).count) - 4 * len(batch.codes)
    whole = Text2SemanticTask(model, Text2SemanticTrainingConfig())._whole(given)
    assert whole.targets == int(output.count)
    assert given.part(slice(0, 1), whole).given.tolist() == [4]
