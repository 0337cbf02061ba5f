"""Options per row against the pure functions, one row at a time."""

from __future__ import annotations

import random

import torch

from ar import GenerateOptions
from ar.rng import exponential
from ar.rows import Rows
from ar.sampling import RowOptions, penalize_repeats, sample, sample_rows

CODES, EOS = 65, 64


def _options(source: random.Random) -> GenerateOptions:
    return GenerateOptions(
        top_k=source.choice([None, 1, 3, 15, 100]),
        top_p=source.choice([1.0, 0.9, 0.3]),
        temperature=source.choice([0.0, 0.5, 1.0, 1.3]),
        repetition_penalty=source.choice([1.0, 1.35, 2.0]),
        eos_free_steps=source.choice([0, 11]),
    )


def test_rows_with_different_options_equal_one_by_one() -> None:
    source = random.Random(0)
    for _ in range(30):
        options = [_options(source) for _ in range(8)]
        logits, noise = torch.randn(8, CODES) * 3, torch.empty(1, 8, CODES).exponential_()
        seen, age = torch.rand(8, CODES) < 0.2, torch.randint(20, (8,))
        recent = torch.zeros(8, 64, dtype=torch.long)
        drawn = sample_rows(logits, seen, recent, age, RowOptions.of(options, CODES, "cpu"), noise, EOS)
        for row, one in enumerate(options):
            own = logits[row : row + 1].clone()
            if age[row] < one.eos_free_steps:
                own[:, EOS] = -torch.inf
            mine = seen[row : row + 1]
            token = sample(own, mine, one, None if one.greedy else noise[0, row : row + 1])
            likeliest = penalize_repeats(own, mine, one.repetition_penalty).argmax(-1)
            assert drawn.tokens[row] == token
            assert drawn.ended[row] == (token == EOS or likeliest == EOS)


def test_what_was_said_too_often_is_drawn_again_from_everything() -> None:
    """The window is ten codes; more than a tenth of it, so the second repeat, is too often."""
    options = GenerateOptions(top_k=2, repetition_penalty=1.0, repeat_window=10)
    rows = RowOptions.of([options] * 4, CODES, "cpu")
    logits = torch.full((4, CODES), 0.0)
    logits[:, 7] = 9
    noise = torch.ones(2, 4, CODES)
    noise[1, :, 33] = 1e-9  # the draw from everything takes 33
    recent = torch.zeros(4, 64, dtype=torch.long)
    recent[1, 19] = 7
    recent[2, 17:20] = 7
    recent[3, 6:10] = 7  # too long ago
    drawn = sample_rows(logits, torch.zeros(4, CODES).bool(), recent, torch.full((4,), 20), rows, noise, EOS)
    assert drawn.tokens.tolist() == [7, 7, 33, 7]
    young = sample_rows(logits, torch.zeros(4, CODES).bool(), recent, torch.full((4,), 1), rows, noise, EOS)
    assert young.tokens.tolist() == [7, 7, 7, 7]


def test_noise_is_that_of_the_seed_and_the_step() -> None:
    """Whatever row a request lies in and however often blocks were made before."""
    rows = Rows(3, CODES, EOS, torch.device("cpu"))
    options = GenerateOptions(repeat_window=10)
    rows.start(2, options, 77, torch.tensor([1]), torch.zeros(CODES))
    for age in range(64):
        rows.need_noise(2, age)
    assert torch.equal(rows.noise[0, 2], exponential(77, 32, 32, CODES))
    assert torch.equal(rows.noise[1, 2], exponential(77, 32, 32, CODES, stream=1))


def test_a_row_forgets_who_was_there() -> None:
    rows = Rows(2, CODES, EOS, torch.device("cpu"))
    rows.start(0, GenerateOptions(), 1, torch.tensor([5, 6]), torch.ones(CODES))
    rows.need_noise(0, 0)
    rows.draw()
    rows.stop(0)
    rows.start(0, GenerateOptions(), 2, torch.tensor([9]), torch.zeros(CODES))
    assert rows.seen[0].nonzero().flatten().tolist() == [9] and rows.age[0] == 0
