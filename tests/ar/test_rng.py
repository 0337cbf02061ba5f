"""Random numbers by counting."""

from __future__ import annotations

import pytest
import torch

from ar.rng import exponential, philox, uniform

# Known answers of the authors' Random123 library: counter, key, result.
KNOWN = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN)
def test_known_answers(counter: tuple[int, ...], key: tuple[int, ...], expected: tuple[int, ...]) -> None:
    c0, c1, c2, c3 = (torch.tensor([value]) for value in counter)
    k0, k1 = (torch.tensor([value]) for value in key)
    assert tuple(int(word) for word in philox((c0, c1, c2, c3), (k0, k1))) == expected


@pytest.mark.parametrize("first", [0, 1, 31, 1499])
def test_any_block_is_part_of_the_same_sequence(first: int) -> None:
    whole = exponential(7, 0, 1503, 65)
    assert torch.equal(exponential(7, first, 3, 65), whole[first : first + 3])


def test_seeds_steps_columns_and_streams_differ() -> None:
    draws = [uniform(3, 0, 4, 1025, 0, "cpu"), uniform(4, 0, 4, 1025, 0, "cpu"), uniform(3, 0, 4, 1025, 1, "cpu")]
    draws.append(uniform(3 + (1 << 40), 0, 4, 1025, 0, "cpu"))
    rows = torch.cat(draws)
    assert torch.corrcoef(rows).fill_diagonal_(0).abs().max() < 0.15
    assert (rows.unique().numel()) > 0.99 * rows.numel()


def test_the_distribution_is_exponential() -> None:
    draws = exponential(1, 0, 100, 1025).flatten().double()
    assert draws.min() > 0 and draws.isfinite().all()
    assert draws.mean().item() == pytest.approx(1, abs=0.01)
    for at in (0.1, 0.5, 1.0, 3.0):
        assert (draws < at).double().mean().item() == pytest.approx(1 - torch.tensor(-at).exp().item(), abs=0.005)
