"""The compiled step: its arithmetic, what it keeps apart, and when it is not used."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ar import Item, Text2SemanticConfig, Text2SemanticDecoder
from ar.cache import KeyValueCache
from ar.fast import prepare
from ar.items import collate
from ar.kernels import native
from ar.kernels.half import halved
from ar.kernels.native import SOURCE, NativeStep, Precision, quantise
from gpt_sovits.core import compiled
from gpt_sovits.core.compiled import library

SIZES = {"layers": 2, "phones": 20, "codes": 1025, "eos": 1024}
# widths of heads: a multiple of 32, of 16, and neither
SHAPES = [(128, 4, 256), (64, 4, 100), (24, 2, 52)]
TOLERANCE: dict[Precision, float] = {"float32": 1e-5, "bfloat16": 2e-2, "int8": 8e-2}


def _model(width: int, heads: int, feed_forward: int) -> Text2SemanticDecoder:
    torch.manual_seed(2)
    config = Text2SemanticConfig(width=width, heads=heads, feed_forward=feed_forward, bert_width=None, **SIZES)
    model = Text2SemanticDecoder(config).eval()
    for layer in model.layers:
        for linear in layer.modules():
            if isinstance(linear, torch.nn.Linear):
                torch.nn.init.normal_(linear.bias, std=0.1)
    return model


def _cache(model: Text2SemanticDecoder, lengths: list[int], dtype: torch.dtype, poison: float) -> KeyValueCache:
    cache = KeyValueCache(model.config, len(lengths), 128, dtype)
    for row, n in enumerate(lengths):
        item = Item(torch.arange(n) % 20, None, torch.arange(3) + row)
        cache.put(row, model.prefill(collate(model, [item]), 0)[1])
        cache.keys[:, row, :, n + 3 :] = cache.values[:, row, :, n + 3 :] = poison
    return cache


@pytest.fixture(params=["own", "4", "8", "16"])
def lanes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The step as it is built for this processor, and for those with other registers."""
    if request.param != "own":
        panels = "4" if request.param == "16" else "2"
        monkeypatch.setattr(compiled, "FLAGS", (*compiled.FLAGS, f"-DL={request.param}", f"-DPANELS={panels}"))
        built = library(SOURCE)
        assert built is not None and built.lanes() == int(request.param)
    return str(request.param)


@pytest.mark.parametrize("precision", list(TOLERANCE))
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.usefixtures("lanes")
@torch.inference_mode()
def test_it_computes_the_plain_step(shape: tuple[int, int, int], precision: Precision) -> None:
    """On a cache whose empty slots are NaN, for rows of different lengths and numbers of rows up to nine."""
    model = _model(*shape)
    step = NativeStep(model, precision, threads=1)
    lengths = [1, 12, 13, 14, 29, 30, 60, 99, 7]
    ours = _cache(model, lengths, step.cache_dtype, float("nan"))
    plain = _cache(model, lengths, torch.float32, 0.0)
    plain.open(max(lengths) + 3 + 2)
    for t in range(2):
        tokens = torch.arange(9) * 7 + t
        expected = model.step(tokens, plain)
        actual = step(tokens, range(9), ours, [n + 3 + t for n in lengths])
        ours.position += 1
        assert (actual - expected).abs().max() < TOLERANCE[precision] * expected.abs().max()


@pytest.mark.parametrize("precision", list(TOLERANCE))
@pytest.mark.parametrize("threads", [1, 2])
@torch.inference_mode()
def test_company_and_threads_change_no_bit(precision: Precision, threads: int) -> None:
    model = _model(128, 4, 256)
    lengths = [5, 40, 17, 33, 80, 2, 64]
    alone, together = (NativeStep(model, precision, count) for count in (1, threads))
    caches = [_cache(model, lengths, alone.cache_dtype, 1e4) for _ in range(2)]
    tokens = torch.arange(7)
    filled = [n + 3 for n in lengths]
    singly = [alone(tokens[r : r + 1], [r], caches[0], filled[r : r + 1]) for r in range(7)]
    assert torch.equal(torch.cat(singly), together(tokens, range(7), caches[1], filled))
    order = [4, 0, 6, 2]
    some = together(tokens[order], order, caches[1], [filled[r] for r in order])
    assert torch.equal(some, torch.cat([singly[r] for r in order]))


def test_eight_bits_are_rounded_to_the_nearest() -> None:
    weight = torch.randn(7, 64)
    whole, scale = quantise(weight)
    assert whole.abs().max() == 127
    assert ((whole * scale[:, None] - weight).abs() <= scale[:, None] / 2 + 1e-6).all()


@torch.inference_mode()
def test_prefill_in_bfloat16_is_close_and_shares_what_it_does_not_round() -> None:
    model = _model(64, 4, 100)
    twin = halved(model)
    prefix = collate(model, [Item(torch.arange(30) % 20, None, torch.arange(9))])
    expected, plain = model.prefill(prefix)
    actual, rounded = twin.prefill(prefix)
    assert 0 < (actual - expected).abs().max() < TOLERANCE["bfloat16"] * expected.abs().max()
    assert 0 < (rounded.keys - plain.keys).abs().max() < TOLERANCE["bfloat16"] * plain.keys.abs().max()
    assert twin.code_embedding.weight.data_ptr() == model.code_embedding.weight.data_ptr()
    assert twin.head.weight.data_ptr() == model.head.weight.data_ptr()


@pytest.mark.parametrize(
    ("can", "precision", "half"), [(True, "int8", True), (True, "float32", False), (False, "int8", False)]
)
def test_who_prefills(monkeypatch: pytest.MonkeyPatch, can: bool, precision: Precision, half: bool) -> None:
    """float32 is exact everywhere; rounded weights are rounded in the prefill where that is faster."""
    monkeypatch.setattr(native, "multiplies_bfloat16", lambda: can)
    model = _model(64, 4, 100)
    step = NativeStep(model, precision, 1)
    prefix = collate(model, [Item(torch.arange(30) % 20, None, torch.arange(9))])
    assert torch.equal(step.prefill(prefix)[0], (halved(model) if half else model).prefill(prefix)[0])


@pytest.mark.parametrize("precision", list(TOLERANCE))
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.usefixtures("lanes")
@torch.inference_mode()
def test_rows_that_begin_alike_are_read_in_one_place(shape: tuple[int, int, int], precision: Precision) -> None:
    """Bit for bit as if each were read in its own, also when the place they are read in is given to another."""
    model = _model(*shape)
    step = NativeStep(model, precision, threads=1)
    lengths, own = [50, 50, 20, 50], KeyValueCache(model.config, 4, 128, step.cache_dtype)
    shared = KeyValueCache(model.config, 1, 128, step.cache_dtype)
    ready = {n: model.prefill(collate(model, [Item(torch.arange(n) % 20, None, torch.arange(3))]))[1] for n in (50, 20)}
    marks = {n: object() for n in ready}
    for row, n in enumerate(lengths):
        own.put(row, ready[n])
        shared.put(row, ready[n], mark=marks[n])
    assert own.twin == [0, 1, 2, 3] and shared.twin == [0, 0, 2, 0] and shared.alike == [53, 53, 23, 53]
    shared.keys[:, [1, 3], :, :48] = shared.values[:, [1, 3], :, :48] = float("nan")

    def both(rows: list[int], tokens: list[int], filled: list[int]) -> None:
        expected, actual = (step(torch.tensor(tokens), rows, cache, filled) for cache in (own, shared))
        assert torch.equal(expected, actual)
        for cache in (own, shared):
            cache.end[rows] += 1
            cache.position[rows] += 1

    both([0, 1, 2, 3], [5, 6, 7, 8], [53, 53, 23, 53])
    both([1, 3], [1, 2], [54, 54])
    shared.keys[:, 1, :, :48], shared.values[:, 1, :, :48] = own.keys[:, 1, :, :48], own.values[:, 1, :, :48]
    for cache in (own, shared):
        cache.put(0, ready[20], mark=marks[20])
    assert shared.twin == [2, 1, 2, 1]
    both([0, 1, 2, 3], [5, 6, 7, 8], [23, 55, 24, 55])


def test_changed_weights_are_noticed() -> None:
    model = _model(64, 4, 100)
    step = NativeStep(model, "float32", 1)
    assert step.current(model)
    with torch.no_grad():
        model.head.weight[3] += 1
    assert not step.current(model)
    assert prepare(model) and model.fast is not None
    model.train()
    assert model.fast is None


def test_without_a_compiler_the_plain_step_stays(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    model = _model(64, 4, 100)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not prepare(model) and model.fast is None


def test_a_source_that_does_not_compile_leaves_the_plain_step(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broken = tmp_path / "step.c"
    broken.write_text("this is no C")
    monkeypatch.setattr(native, "SOURCE", broken)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert not prepare(_model(64, 4, 100))
    assert "cannot be compiled" in caplog.text
    assert not list(tmp_path.rglob("*.so"))


def test_sizes_it_does_not_know_keep_the_plain_step() -> None:
    assert not prepare(_model(30, 2, 50))
