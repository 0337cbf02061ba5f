"""Requests of several threads through one object: each must be what it is alone."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ar.decoder import BusyError, Ticket
from gpt_sovits.core.graph import Graphed
from gpt_sovits.pipeline import TTS, Request
from gpt_sovits.pipeline import tts as room
from gpt_sovits.pipeline.kept import Kept
from gpt_sovits.pipeline.request import parse_request
from sovits.together import Together
from tests.sovits.test_together import Tape

TEXT = "The train was late. She waited, and read. Then it came."


def request(reference: Path, seed: int = 7, **options: Any) -> Request:
    plain = {"language": "en", "cut": "cut5", "max_codes": 20, "retries": 0, "seed": seed}
    return parse_request({"text": TEXT, "reference": reference, **plain, **options})


def at_once(works: list[Callable[[], object]]) -> None:
    """Run in as many threads, and fail where one fails."""
    failures: list[BaseException] = []
    start = threading.Barrier(len(works))

    def run(work: Callable[[], object]) -> None:
        try:
            start.wait(60)
            work()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not failures and not any(thread.is_alive() for thread in threads)


def test_requests_of_different_voices_and_options_at_once(model_folder: Path, ada: Path, ben: Path) -> None:
    """Codes and samples, whole, in fragments and as a stream; rows are fewer than sentences."""
    asked = [
        request(ada),
        request(ben, 8, top_k=3, reference_text="A cold wind came down."),
        request(ben, 9, temperature=0.7, top_p=0.8, batch_size=1),
        request(ada, 10, aux_references=[ben], speed=1.2),
    ]
    alone = TTS(model_folder, "cpu")
    runs = [alone.run(one) for one in asked]
    pieces = np.concatenate(list(alone.stream(asked[0])))
    whole = np.concatenate(list(alone.fragments(asked[1])))
    shared = TTS(model_folder, "cpu", rows=3)
    together = shared._decoder
    most = 0
    step = together._step

    def watched() -> None:
        nonlocal most
        most = max(most, len({id(ticket.group) for ticket in together._running if ticket is not None}))
        step()

    together._step = watched  # type: ignore[method-assign]
    got: dict[str, Any] = {}
    works: list[Callable[[], object]] = [
        lambda place=place, one=one: got.update({str(place): shared.run(one)})  # type: ignore[misc]
        for place, one in enumerate(asked)
    ]
    works.append(lambda: got.update(stream=np.concatenate(list(shared.stream(asked[0])))))
    works.append(lambda: got.update(fragments=np.concatenate(list(shared.fragments(asked[1])))))
    at_once(works)
    for place, expected in enumerate(runs):
        assert got[str(place)].codes == expected.codes
        np.testing.assert_array_equal(got[str(place)].samples, expected.samples)
    np.testing.assert_array_equal(got["stream"], pieces)
    np.testing.assert_array_equal(got["fragments"], whole)
    assert most > 1, "the requests did not overlap"
    assert not together.busy and together.cache.keys.shape[1] == 1


def test_a_row_belongs_to_one_voice(tts: TTS, ada: Path, ben: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What stage 1 is given for a sentence names one reference only, and stage 2 gets the style of the same."""
    voices = {path: tts._voice(path, ()) for path in (ada, ben)}
    seen: dict[int, set[Path]] = {}
    submit = tts._decoder.submit

    def noted(item: Any, *rest: Any, **named: Any) -> Ticket:
        owner = [path for path, voice in voices.items() if np.array_equal(voice.codes, item.prompt)]
        assert len(owner) == 1
        seen.setdefault(id(named["group"]), set()).add(owner[0])
        return submit(item, *rest, **named)

    sounded: list[tuple[int, int]] = []
    speak = room.speak_waves

    def heard(parts: Any, voice: Any, items: Any, options: Any, seed: int, together: Any) -> Any:
        sounded.append((seed, [id(v) for v in voices.values()].index(id(voice))))
        return speak(parts, voice, items, options, seed, together)

    monkeypatch.setattr(tts._decoder, "submit", noted)
    monkeypatch.setattr(room, "speak_waves", heard)
    said = {"reference_text": "A cold wind came down."}
    at_once([lambda p=path, s=seed: tts.run(request(p, s, **said)) for seed, path in enumerate((ada, ben) * 2)])  # type: ignore[misc]
    assert all(len(owners) == 1 for owners in seen.values()) and len(seen) == 4
    assert set(sounded) == {(0, 0), (1, 1), (2, 0), (3, 1)}


def test_a_closed_stream_frees_its_row(tts: TTS, ben: Path) -> None:
    pieces = tts.stream(request(ben, max_codes=60), 10, at_silence=False)
    next(pieces)
    assert tts._decoder.free == len(tts._decoder._running) - 1
    pieces.close()
    assert not tts._decoder.busy
    assert tts.run(request(ben)).seconds > 0


def test_too_many_requests_are_refused(model_folder: Path, ben: Path) -> None:
    tts = TTS(model_folder, "cpu", queue=1)
    pieces = tts.stream(request(ben, max_codes=60), 10, at_silence=False)
    next(pieces)
    with pytest.raises(BusyError, match="1 requests are waiting already: try again later"):
        tts.run(request(ben))
    pieces.close()
    assert tts.run(request(ben)).seconds > 0


def test_a_request_that_fails_leaves_its_place(tts: TTS, ben: Path) -> None:
    for _ in range(3):
        with pytest.raises(Exception, match="nothing to say"):
            tts.run(request(ben, text="?!"))
    assert tts._under_way == 0


def test_what_two_threads_want_is_made_once() -> None:
    kept: Kept[int] = Kept(100)
    made: list[int] = []
    inside, leave = threading.Event(), threading.Event()

    def make() -> int:
        made.append(1)
        inside.set()
        assert leave.wait(60)
        return 5

    results: list[int] = []
    first = threading.Thread(target=lambda: results.append(kept.get("a", make)))
    first.start()
    assert inside.wait(60)
    second = threading.Thread(target=lambda: results.append(kept.get("a", make)))
    second.start()
    leave.set()
    for thread in (first, second):
        thread.join(60)
    assert results == [5, 5] and made == [1]


def test_a_failure_is_not_kept() -> None:
    kept: Kept[int] = Kept(100)

    def fail() -> int:
        raise ValueError("no")

    for _ in range(2):
        with pytest.raises(ValueError, match="no"):
            kept.get("a", fail)
    assert kept.get("a", lambda: 3) == 3


@pytest.mark.parametrize("recorder", [None, Tape])
def test_sentences_decoded_in_one_call_sound_as_one_by_one(tts: TTS, ben: Path, recorder: Any) -> None:
    """What a GPU does."""
    wanted = tts.run(request(ben))
    tts._together = Together(tts.parts.synthesizer, recorder)
    assert recorder is None or isinstance(tts._together._graph, Graphed)
    for _ in range(2):
        got = tts.run(request(ben))
        assert got.codes == wanted.codes
        np.testing.assert_allclose(got.samples, wanted.samples, atol=1e-5)


def test_the_style_is_kept_with_the_voice(tts: TTS, ben: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = tts.run(request(ben))
    monkeypatch.setattr(tts.parts.synthesizer.style, "forward", lambda *_: pytest.fail("the style was made again"))
    assert np.array_equal(tts.run(request(ben)).samples, first.samples)
