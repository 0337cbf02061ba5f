"""The quantizer: exact nearest codes, learning through the library, one state."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from sovits.config import QuantizerConfig
from sovits.quantizer import SemanticQuantizer

CONFIG = QuantizerConfig(width=8, codes=16, frozen=False, kmeans_iterations=5)


@pytest.fixture
def quantizer() -> SemanticQuantizer:
    torch.manual_seed(0)
    model = SemanticQuantizer(CONFIG)
    model.codebook.copy_(torch.randn(16, 8))
    model.sums.copy_(model.codebook * 20)
    model.counts.fill_(20)
    model.ready.fill_(True)
    return model


def clusters(count: int = 400) -> torch.Tensor:
    """Vectors [1, 8, count] around 16 centres."""
    torch.manual_seed(1)
    centres = 4 * torch.randn(16, 8)
    return (centres[torch.arange(count) % 16] + 0.1 * torch.randn(count, 8)).T[None]


def test_a_code_vector_finds_itself(quantizer: SemanticQuantizer) -> None:
    codes = torch.arange(16)[None]
    assert torch.equal(quantizer.encode(quantizer.decode(codes)), codes)


def test_nearest_in_double_precision(quantizer: SemanticQuantizer) -> None:
    x = torch.randn(3, 8, 50)
    expected = torch.cdist(x.mT.double(), quantizer.codebook.double()).argmin(-1)
    assert torch.equal(quantizer.encode(x), expected)


def test_a_tie_takes_the_lowest_code(quantizer: SemanticQuantizer) -> None:
    quantizer.codebook[5] = quantizer.codebook[2]
    assert quantizer.encode(quantizer.decode(torch.tensor([[5]]))).item() == 2


def test_half_precision_weights_keep_their_codes(quantizer: SemanticQuantizer) -> None:
    quantizer.codebook.copy_(quantizer.codebook.half().float())
    x = torch.randn(1, 8, 50).half().float()
    expected = quantizer.encode(x)
    assert torch.equal(quantizer.half().encode(x.half()), expected)


def test_evaluation_changes_nothing(quantizer: SemanticQuantizer) -> None:
    before = {k: v.clone() for k, v in quantizer.state_dict().items()}
    quantized, codes, commitment = quantizer.eval()(clusters())
    assert commitment == 0
    assert torch.equal(quantized, quantizer.decode(codes))
    assert all(torch.equal(before[k], v) for k, v in quantizer.state_dict().items())


def test_training_starts_by_clustering_and_lowers_the_error() -> None:
    torch.manual_seed(0)
    quantizer = SemanticQuantizer(CONFIG).train()
    x = clusters()
    first = quantizer(x)[2].item()
    for _ in range(5):
        last = quantizer(x)[2].item()
    assert quantizer.ready
    assert last <= first
    assert len(set(quantizer.encode(x).flatten().tolist())) > 8


def test_one_step_is_the_moving_average(quantizer: SemanticQuantizer) -> None:
    x = torch.randn(1, 8, 300)
    codes = quantizer.encode(x)[0]
    hits = torch.nn.functional.one_hot(codes, 16).float()
    counts = 0.99 * quantizer.counts + 0.01 * hits.sum(0)
    sums = 0.99 * quantizer.sums + 0.01 * hits.T @ x[0].T
    quantizer.train()(x)
    torch.testing.assert_close(quantizer.counts, counts)
    torch.testing.assert_close(quantizer.sums, sums)


def test_gradient_passes_straight_through(quantizer: SemanticQuantizer) -> None:
    x = torch.randn(1, 8, 20, requires_grad=True)
    quantized, _, _ = quantizer.train()(x)
    (gradient,) = torch.autograd.grad(quantized.sum(), x)
    torch.testing.assert_close(gradient, torch.ones_like(gradient))


def test_a_reloaded_quantizer_continues_alike(quantizer: SemanticQuantizer) -> None:
    quantizer.train()(clusters())
    copy = SemanticQuantizer(CONFIG).train()
    copy.load_state_dict(quantizer.state_dict())
    x = torch.randn(1, 8, 300)
    torch.manual_seed(3)
    quantizer(x)
    torch.manual_seed(3)
    copy(x)
    assert all(torch.equal(v, copy.state_dict()[k]) for k, v in quantizer.state_dict().items())


def test_speaking_never_imports_the_library() -> None:
    code = (
        "import sys, torch; from sovits.quantizer import SemanticQuantizer; from sovits.config import QuantizerConfig;"
        "SemanticQuantizer(QuantizerConfig(width=4, codes=4)).eval()(torch.zeros(1, 4, 2));"
        "assert 'vector_quantize_pytorch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_garbled_vectors_are_those_of_random_codes_span_by_span() -> None:
    torch.manual_seed(0)
    quantizer = SemanticQuantizer(QuantizerConfig(width=4, codes=16))
    quantizer.codebook.normal_()
    x = torch.zeros(3, 4, 20)
    assert torch.equal(quantizer.garble(x, 0.0, 6), x)
    replaced = quantizer.garble(x, 1.0, 6)
    spans = [replaced[..., at : at + 6] for at in range(0, 20, 6)]
    assert all(torch.equal(span, span[..., :1].expand_as(span)) for span in spans)
    assert torch.equal(quantizer.decode(quantizer.encode(replaced)), replaced)
    some = (quantizer.garble(torch.zeros(50, 4, 600), 0.25, 6) != 0).any(1).float().mean()
    assert 0.2 < float(some) < 0.3
