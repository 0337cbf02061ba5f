"""What a training says of itself."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from gpt_sovits.core.bundle import Bundle
from gpt_sovits.train.callbacks import Progress
from gpt_sovits.train.config import RunConfig
from gpt_sovits.train.watch import Watch
from tests.train.test_train import run


def a_watch(epochs: int = 4, **limits: float) -> Watch:
    config = RunConfig.model_validate(limits)
    return Watch("stage 2", "train/mel_distance", config, epochs, Progress(Path("unused"), config), None)


def follow(watch: Watch, values: list[float]) -> None:
    for value in values:
        watch.progress.steps += 1
        watch.follow(value)


def test_a_figure_that_falls_or_shakes_is_fine() -> None:
    watch = a_watch()
    follow(watch, [3 - 0.02 * step + (0.8 if step % 2 else -0.8) for step in range(100)])
    assert watch.said == {}


def test_a_figure_that_runs_away_is_said_once() -> None:
    watch = a_watch()
    follow(watch, [1.0] * 40 + [1.0 + 0.1 * step for step in range(40)])
    assert list(watch.said) == ["diverges"]
    assert watch.said["diverges"].startswith("stage 2 diverges: its figure was 1 and is 1.5")


def test_learning_by_heart_is_said_after_three_worse_validations() -> None:
    watch = a_watch()
    watch.compare({0: 2.0, 10: 1.0, 20: 1.1, 30: 1.2})
    assert watch.said == {}
    watch.compare({0: 2.0, 10: 1.0, 20: 1.1, 30: 1.01, 40: 1.2})
    assert watch.said == {}
    watch.compare({0: 2.0, 10: 1.0, 20: 1.1, 30: 1.2, 40: 1.15})
    assert "was best after 10 steps (1) and has been worse since (1.15)" in watch.said["rises"]
    other = a_watch()
    other.load_state_dict(watch.state_dict())
    assert other.said == watch.said


@pytest.mark.parametrize(
    ("limits", "left"),
    [({"max_steps": 40}, "3.0 min left"), ({"max_minutes": 1.5}, "0.5 min left"), ({}, "7.0 min left")],
)
def test_the_time_left_follows_from_the_limit(limits: dict[str, float], left: str) -> None:
    watch = a_watch(**limits)
    watch.progress.steps, watch.progress.seconds = 10, 60.0
    watch.follow(0.5)
    assert watch.line(0.5) == f"stage 2: step 10, mel distance 0.500, 1.0 min so far, about {left}"


def test_a_training_tells_how_far_it_is(
    experiment: Path, model: Bundle, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        trained = run("s1", experiment, model.folder, tmp_path, "run.tell_seconds=1e-6", max_steps=2)
    told = [record.message for record in caplog.records if record.message.startswith("stage 1: step")]
    assert len(told) == 2 and "loss" in told[0] and told[1].endswith("about 0.0 min left")
    assert trained.notes == () and trained.left_out == {}
