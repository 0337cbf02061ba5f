"""The optimisers' arithmetic and rates against the public ones."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ar.config import AdamWConfig, ScaledAdamConfig
from ar.optim import ScaledAdam, build_optimizer, learning_rate
from tests.golden_data import assert_close, float32, golden, golden_json, unit


def _train(
    period: int, beta: float = 0.9, resume_at: int | None = None, clip_update: bool = False
) -> dict[str, torch.Tensor]:
    start = {key[5:]: value for key, value in golden(f"scaledadam_clip{period}").items() if key.startswith("init_")}
    params = {name: nn.Parameter(float32(value)) for name, value in start.items()}
    optimizer = ScaledAdam(params.values(), betas=(beta, 0.95), clipping_update_period=period, clip_update=clip_update)
    found: dict[str, torch.Tensor] = {}
    for step in range(12):
        if step == resume_at:
            state = optimizer.state_dict()
            optimizer = ScaledAdam(params.values(), clipping_update_period=period)
            optimizer.load_state_dict(state)
        for name, p in params.items():
            grad = float32(unit(f"sa/g/{name}/{step}", tuple(p.shape)))
            p.grad = grad * (8 if step == 9 else 1)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(ScaledAdamConfig(), step)
        optimizer.step()
        found.update({f"step{step}_{name}": p.detach().clone() for name, p in params.items()})
    return found


@pytest.mark.parametrize("period", [5, 1000])
def test_scaled_adam_equals_the_public_one(period: int) -> None:
    found = _train(period)
    expected = {key: value for key, value in golden(f"scaledadam_clip{period}").items() if key.startswith("step")}
    assert len(expected) == 42
    for name, value in expected.items():
        assert_close(found[name], value, 1e-5)


def test_clipping_of_the_update_is_a_choice() -> None:
    """Nothing changes before the first gradient that is limited: the tenth, eight times as large as the others."""
    public, limited = _train(5), _train(5, clip_update=True)
    assert all(torch.equal(limited[key], public[key]) for key in public if int(key[4 : key.index("_")]) < 9)
    moved = [
        (run[f"step9_{name}"] - run[f"step8_{name}"]).norm()
        for name in ("w1", "w2", "emb")
        for run in (limited, public)
    ]
    assert all(less < more for less, more in zip(moved[::2], moved[1::2], strict=True))


def test_a_perturbed_optimizer_is_noticed() -> None:
    found, expected = _train(5, beta=0.91), golden("scaledadam_clip5")
    with pytest.raises(AssertionError):
        assert_close(found["step11_w1"], expected["step11_w1"])


@pytest.mark.parametrize("step", [3, 6])
def test_a_resumed_optimizer_goes_on_as_before(step: int) -> None:
    straight, resumed = _train(5), _train(5, resume_at=step)
    assert all(torch.equal(value, resumed[name]) for name, value in straight.items())


def test_public_rates() -> None:
    for row in golden_json("s1_lr_schedule"):
        assert learning_rate(ScaledAdamConfig(), row["i"]) == row["opt_lr"]
        assert learning_rate(ScaledAdamConfig(), row["i"] + 1) == row["ret"]


def test_perturbed_rates_are_noticed() -> None:
    other = ScaledAdamConfig(lr=0.0021)
    rows = golden_json("s1_lr_schedule")
    assert any(learning_rate(other, row["i"]) != row["opt_lr"] for row in rows)
    assert any(learning_rate(ScaledAdamConfig(), row["i"] + 1) != row["opt_lr"] for row in rows)


def test_warm_up_and_cosine() -> None:
    config = AdamWConfig(lr=1.0, final_lr=0.1, warmup_steps=10, decay_steps=110)
    rates = [learning_rate(config, step) for step in range(200)]
    assert rates[0] == pytest.approx(0.1) and rates[9] == pytest.approx(1) and rates[10] == pytest.approx(1)
    assert rates[60] == pytest.approx(0.55)
    assert rates[110] == rates[199] == pytest.approx(0.1)
    assert rates[10:] == sorted(rates[10:], reverse=True)


def test_adamw_decays_matrices_only() -> None:
    optimizer = build_optimizer(nn.Linear(3, 2), AdamWConfig(weight_decay=0.5))
    assert [(len(group["params"]), group["weight_decay"]) for group in optimizer.param_groups] == [(1, 0.5), (1, 0)]


def test_scaled_adam_skips_parameters_without_gradients() -> None:
    used, idle = nn.Parameter(torch.ones(2, 2)), nn.Parameter(torch.ones(2, 2))
    used.grad = torch.ones(2, 2)
    ScaledAdam([idle, used]).step()
    assert torch.equal(idle, torch.ones(2, 2)) and not torch.equal(used, torch.ones(2, 2))
