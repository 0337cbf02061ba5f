"""Teacher-forced passes against the public model, and what the right mask changes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from ar import Batch, Text2SemanticConfig, Text2SemanticDecoder, dpo_loss, load_text2semantic, save_text2semantic
from ar.attention import SelfAttention
from ar.convert import from_public, to_public
from ar.loss import IGNORE, damage, garble, teacher_forced, training_loss
from gpt_sovits.core.config import load_config
from gpt_sovits.core.device import generator
from gpt_sovits.core.errors import CheckpointError, InputError
from tests.ar.conftest import small_model
from tests.golden_data import ROOT, assert_close, golden_json, keys, weights


@pytest.fixture(scope="module")
def public() -> Text2SemanticDecoder:
    return small_model("public")


def test_forward_equals_the_public_one(public: Text2SemanticDecoder, batch: Batch, forward: dict[str, Any]) -> None:
    with torch.no_grad():
        hidden, logits, _ = teacher_forced(public, batch)
        output = training_loss(public, batch)
    assert_close(hidden, forward["hidden"])
    assert_close(logits, forward["logits"])
    assert_close(output.loss, forward["loss_old"])
    assert_close(output.accuracy, forward["acc_old"])


def test_preference_loss_equals_the_public_one(
    public: Text2SemanticDecoder, batch: Batch, forward: dict[str, Any]
) -> None:
    rejected = batch.with_codes(forward["reject_y"], forward["reject_lens"])
    with torch.no_grad():
        output = dpo_loss(public, batch, rejected)
    assert_close(output.loss, forward["loss_dpo"])
    assert_close(output.accuracy, forward["acc_dpo"])


def test_gradients_equal_the_public_ones(batch: Batch) -> None:
    model = small_model("public")
    training_loss(model, batch).loss.backward()
    norms = {name: p.grad.norm() for name, p in to_public(dict(model.named_parameters())).items()}
    expected = golden_json("s1_small_grads")
    assert norms.keys() == {f"model.{name}" for name in expected}
    for name, value in expected.items():
        assert norms[f"model.{name}"].item() == pytest.approx(value, rel=1e-4), name


@pytest.mark.parametrize("name", ["layers.1.feed_out.weight", "code_position.alpha", "head.weight", "bert.bias"])
def test_a_perturbed_weight_is_noticed(name: str, batch: Batch, forward: dict[str, Any]) -> None:
    model = small_model("public")
    with torch.no_grad():
        model.get_parameter(name).mul_(1.01)
        logits = teacher_forced(model, batch)[1]
    with pytest.raises(AssertionError):
        assert_close(logits, forward["logits"])


def test_right_mask_makes_padding_invisible(model: Text2SemanticDecoder, batch: Batch) -> None:
    with torch.no_grad():
        _, together, targets = teacher_forced(model, batch)
        total = training_loss(model, batch)
        alone = [training_loss(model, _row(batch, row)) for row in range(2)]
    for row, output in enumerate(alone):
        n = int(batch.code_lengths[row]) + 1
        torch.testing.assert_close(together[row, :n], output.logits[0], rtol=1e-4, atol=1e-4)
        assert targets[row, n - 1] == model.config.eos
        assert (targets[row, n:] == IGNORE).all()
    torch.testing.assert_close(total.loss, alone[0].loss + alone[1].loss)
    assert total.count == batch.code_lengths.sum() + 2


def test_public_mask_lets_padding_be_read(public: Text2SemanticDecoder, batch: Batch) -> None:
    with torch.no_grad():
        together, alone = teacher_forced(public, batch)[1], training_loss(public, _row(batch, 1)).logits
    assert (together[1, : alone.shape[1]] - alone[0]).abs().max() > 0.01


def test_an_unpadded_batch_is_the_same_under_both_masks(
    model: Text2SemanticDecoder, public: Text2SemanticDecoder, batch: Batch
) -> None:
    one = _row(batch, 1)
    with torch.no_grad():
        torch.testing.assert_close(training_loss(model, one).loss, training_loss(public, one).loss)


def test_absent_features_are_features_of_zeros(model: Text2SemanticDecoder, batch: Batch) -> None:
    assert batch.bert is not None
    zeros = Batch(batch.phones, batch.phone_lengths, batch.codes, batch.code_lengths, torch.zeros_like(batch.bert))
    none = Batch(batch.phones, batch.phone_lengths, batch.codes, batch.code_lengths)
    with torch.no_grad():
        torch.testing.assert_close(training_loss(model, zeros).loss, training_loss(model, none).loss)


def test_damage_repeats_or_drops_one_span(batch: Batch) -> None:
    source, kinds = generator(3), set()
    for _ in range(20):
        rejected = damage(batch, source)
        for row in range(2):
            before = batch.codes[row, : batch.code_lengths[row]].tolist()
            after = rejected.codes[row, : rejected.code_lengths[row]].tolist()
            kinds.add((len(after) > len(before)) - (len(after) < len(before)))
            assert set(after) <= set(before)
    assert kinds == {-1, 0, 1} or kinds == {-1, 1}


def test_names_travel_both_ways_in_the_public_order(model: Text2SemanticDecoder) -> None:
    table = json.loads((ROOT / "keys" / "s1_small.json").read_text())
    assert list(to_public(dict(model.named_parameters()))) == table["parameter_order"]
    assert to_public(dict(model.state_dict())).keys() == keys("s1_small").keys()
    round_trip = to_public(from_public(weights("s1_small")))
    assert all(torch.equal(value, round_trip[name]) for name, value in weights("s1_small").items())
    with pytest.raises(CheckpointError, match="another model"):
        from_public({"enc_p.proj.weight": torch.zeros(1)})


def test_save_and_load(model: Text2SemanticDecoder, batch: Batch, tmp_path: Path) -> None:
    save_text2semantic(tmp_path / "s1.safetensors", model, {"epoch": 3}, torch.float32)
    loaded = load_text2semantic(tmp_path / "s1.safetensors")
    assert loaded.config == model.config and not loaded.training
    with torch.no_grad():
        assert torch.equal(training_loss(loaded, batch).logits, training_loss(model, batch).logits)


def test_too_long_a_sequence_is_refused_in_words(tiny: Text2SemanticDecoder) -> None:
    with pytest.raises(InputError, match="4001 is longer than the model's 4000"):
        tiny.embed_codes(torch.zeros(1, 4001, dtype=torch.long))


@pytest.mark.parametrize(("name", "phones"), [("model/s1_v1", 512), ("model/s1_v2", 732)])
def test_public_presets(name: str, phones: int) -> None:
    config = load_config(Text2SemanticConfig, name)
    with torch.device("meta"):
        model = Text2SemanticDecoder(config)
    assert model.text_embedding.weight.shape == (phones, 512)
    # 24 layers of 512, as in the released files
    assert len(to_public(dict(model.named_parameters()))) == 295


def test_width_must_divide_by_heads() -> None:
    with pytest.raises(ValueError, match="must be even and divide by heads 3"):
        Text2SemanticConfig(width=16, heads=3)


def _row(batch: Batch, row: int) -> Batch:
    n, t = int(batch.phone_lengths[row]), int(batch.code_lengths[row])
    assert batch.bert is not None
    return Batch(
        batch.phones[row : row + 1, :n],
        batch.phone_lengths[row : row + 1],
        batch.codes[row : row + 1, :t],
        batch.code_lengths[row : row + 1],
        batch.bert[row : row + 1, :, :n],
    )


def test_attention_of_training_equals_that_of_inference(batch: Batch) -> None:
    """On a CPU the two are computed by different means; values and gradients agree."""
    model = small_model()
    expected = training_loss(model, batch)
    expected.loss.backward()
    gradients = [p.grad.clone() for p in model.parameters() if p.grad is not None]
    model.zero_grad()
    for module in model.modules():
        if isinstance(module, SelfAttention):
            module.train()
            module.dropout = 0.0
    actual = training_loss(model, batch)
    actual.loss.backward()
    torch.testing.assert_close(actual.logits, expected.logits)
    for one, other in zip((p.grad for p in model.parameters() if p.grad is not None), gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


def test_garbled_codes_are_read_but_not_to_be_said(batch: Batch) -> None:
    model = small_model()
    torch.manual_seed(0)
    heard = garble(batch.codes, 0.5, model.config.eos)
    share = (heard != batch.codes).float().mean().item()
    assert 0.3 < share < 0.6 and int(heard.min()) >= 0 and int(heard.max()) <= model.config.eos
    with torch.no_grad():
        _, clean, targets = teacher_forced(model, batch)
        _, garbled, same = teacher_forced(model, batch, heard)
    assert torch.equal(targets, same) and not torch.allclose(clean, garbled)
    assert torch.equal(garble(batch.codes, 0.0, model.config.eos), batch.codes)
