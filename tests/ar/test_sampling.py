"""Probabilities against the public sampler, and the draw itself."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from ar import GenerateOptions
from ar.sampling import keep_top_k, keep_top_p, penalize_repeats, probabilities, sample
from tests.golden_data import assert_close, golden

# top_k, top_p, temperature, repetition_penalty
CASES = [
    (5, 1.0, 1.0, 1.0),
    (15, 1.0, 1.0, 1.35),
    (50, 0.8, 0.7, 1.35),
    (1025, 0.5, 1.3, 1.2),
    (3, 0.95, 0.0, 1.0),
    (None, 1.0, 1.0, 2.0),
]


@pytest.fixture(scope="module")
def case() -> dict[str, Tensor]:
    return {key: torch.from_numpy(value) for key, value in golden("s1_sampling").items()}


def _probabilities(case: dict[str, Tensor], index: int) -> Tensor:
    top_k, top_p, temperature, penalty = CASES[index]
    seen = torch.zeros_like(case["logits"], dtype=torch.bool).scatter_(1, case["prev"], True)
    options = GenerateOptions(top_k=top_k, top_p=top_p, temperature=temperature, repetition_penalty=penalty)
    return probabilities(penalize_repeats(case["logits"], seen, penalty), options)


@pytest.mark.parametrize("index", range(len(CASES)))
def test_probabilities_equal_the_public_ones(case: dict[str, Tensor], index: int) -> None:
    actual, expected = _probabilities(case, index), case[f"probs{index}"]
    assert_close(actual, expected)
    assert torch.equal(actual > 0, expected > 0)


def test_a_perturbed_logit_is_noticed(case: dict[str, Tensor]) -> None:
    changed = {**case, "logits": case["logits"] * 1.01}
    with pytest.raises(AssertionError):
        assert_close(_probabilities(changed, 1), case["probs1"])


def test_top_p_drops_the_crossing_code_but_never_the_first() -> None:
    logits = torch.tensor([[0.6, 0.3, 0.1], [0.1, 0.3, 0.6]]).log()
    assert keep_top_p(logits, 0.7).isfinite().tolist() == [[True, False, False], [False, False, True]]
    assert keep_top_p(logits, 0.5).isfinite().sum() == 2
    assert keep_top_p(logits, 1.0) is logits


def test_top_k_keeps_ties() -> None:
    kept = keep_top_k(torch.tensor([[1.0, 2.0, 2.0, 3.0]]), 2)
    assert kept.isfinite().tolist() == [[False, True, True, True]]


def test_draws_follow_the_distribution() -> None:
    source = torch.Generator().manual_seed(0)
    logits = torch.tensor([0.5, 0.3, 0.15, 0.05]).log().expand(20000, 4)
    noise = torch.empty(20000, 4).exponential_(generator=source)
    options = GenerateOptions(top_k=3, repetition_penalty=1.0)
    drawn = sample(logits, torch.zeros(20000, 4, dtype=torch.bool), options, noise)
    shares = torch.bincount(drawn, minlength=4) / 20000
    torch.testing.assert_close(shares, torch.tensor([0.5, 0.3, 0.15, 0]) / 0.95, atol=0.015, rtol=0)


def test_inputs_are_left_alone(case: dict[str, Tensor]) -> None:
    before = case["logits"].clone()
    _probabilities(case, 2)
    assert torch.equal(case["logits"], before)


def test_greedy_without_noise() -> None:
    logits, seen = torch.tensor([[3.0, 2.9, 1.0]]), torch.tensor([[True, False, False]])
    assert sample(logits, seen, GenerateOptions(), None).tolist() == [1]
