"""No difference where there is none, worse where it is worse; the page to listen to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gpt_sovits.core.errors import InputError
from gpt_sovits.evaluate.columns import BY_NAME
from gpt_sovits.evaluate.compare import differences, load_judged, write_comparison
from gpt_sovits.evaluate.item import Card, Item, Value
from gpt_sovits.evaluate.result import Result, SetCard, System, now, program, read_result, summarise, write_result
from gpt_sovits.evaluate.score import Row
from gpt_sovits.evaluate.statistics import compare_rows, sums
from tests.cli.conftest import Run


def system(seed: int, items: int = 60, errors: float = 0.06, similarity: float = 0.7) -> list[Row]:
    """Scores as a system would get them: errors by chance of each word, similarity around the item's own."""
    random = np.random.default_rng(seed)
    ease = np.random.default_rng(99).normal(0, 0.05, items)
    rows = []
    for i in range(items):
        units = 8 + i % 9
        edits = float(random.binomial(units, errors))
        values: dict[str, Value] = {
            "failed": 0.0, "units": float(units), "edits": edits, "error_rate": edits / units,
            "similarity": float(similarity + ease[i] + random.normal(0, 0.04)), "tempo": 1.0,
        }  # fmt: skip
        rows.append(Row(Item(id=f"i{i}", language="en", text="a"), values))
    return rows


def write(folder: Path, rows: list[Row], name: str, sha: str = "ab", set_hash: str = "h") -> Path:
    result = Result(
        created=now(),
        program=program(),
        system=System(name=name),
        set=SetCard(name="s", hash=set_hash, items=len(rows)),
        measures=(Card(measure="intelligibility", model="m", version="1", sha256=sha),),
        summary=summarise(rows),
    )
    write_result(folder, result, rows)
    return folder


@pytest.mark.parametrize("name", ["error_rate", "similarity"])
def test_the_same_system_with_other_seeds_is_no_different(name: str) -> None:
    verdicts = []
    for draw in range(100):
        found = compare_rows(system(2 * draw), system(2 * draw + 1), BY_NAME[name])
        assert found is not None
        verdicts.append(found.verdict)
    assert verdicts.count("no difference") >= 90


def test_a_worse_system_is_worse_and_its_contrary_better() -> None:
    for draw in range(20):
        good, bad = system(2 * draw), system(2 * draw + 1, errors=0.25, similarity=0.6)
        for name in ("error_rate", "similarity"):
            down, up = compare_rows(good, bad, BY_NAME[name]), compare_rows(bad, good, BY_NAME[name])
            assert down is not None and up is not None
            assert (down.verdict, up.verdict) == ("worse", "better")
            assert down.value == pytest.approx(-up.value)


def test_failures_count() -> None:
    good = system(1)
    failed = [
        Row(r.item, {"failed": 1.0, "units": r.values["units"], "edits": r.values["units"], "similarity": 0.0})
        if i % 3 == 0 else r for i, r in enumerate(good)
    ]  # fmt: skip
    for name in ("error_rate", "similarity", "failed"):
        found = compare_rows(good, failed, BY_NAME[name])
        assert found is not None and found.verdict == "worse" and found.items == 60
    assert summarise(failed)["en"].failed == 20


def test_a_total_divides_sums() -> None:
    rows = [
        Row(Item(id=str(i), language="en", text="a"), {"units": u, "edits": e})
        for i, (u, e) in enumerate([(1.0, 1.0), (99.0, 0.0)])
    ]
    found = sums(rows, BY_NAME["error_rate"])
    assert found is not None and float(found.total()) == pytest.approx(0.01)
    assert sums(rows, BY_NAME["similarity"]) is None


def test_folders_table_and_page(run: Run, tmp_path: Path) -> None:
    first = write(tmp_path / "a", system(1), "first")
    second = write(tmp_path / "b", system(2, errors=0.3), "second")
    done = run("evaluate", "compare", first, second, "--out", tmp_path / "compare.html")
    assert done.code == 0, done.err
    lines = {line[:23].strip(): line for line in done.out.splitlines()}
    assert lines["word / character errors"].rstrip().endswith("- worse")
    assert lines["speaker similarity"].rstrip().endswith("= no difference")
    page = (tmp_path / "compare.html").read_text("utf8")
    assert "Worst first" in page and page.count("<b>i") == 40
    judged = [load_judged(first), load_judged(second)]
    assert [d.figure.name for d in differences(*judged)] == ["error_rate", "similarity", "failed", "tempo"]
    assert write_comparison(tmp_path / "three.html", [*judged, judged[0]]).is_file()


def test_what_cannot_be_compared_is_refused(run: Run, tmp_path: Path) -> None:
    first = write(tmp_path / "a", system(1), "first")
    done = run("evaluate", "compare", first, write(tmp_path / "b", system(1), "x", set_hash="other"))
    assert done.code == 1 and "evaluate both on one set" in done.err
    done = run("evaluate", "compare", first, write(tmp_path / "c", system(1), "x", sha="cd"))
    assert done.code == 1 and "different models for intelligibility" in done.err
    assert run("evaluate", "compare", first).code == 2
    done = run("evaluate", "compare", first, tmp_path / "none")
    assert done.code == 1 and "holds no result.json" in done.err
    (tmp_path / "a" / "result.json").write_text('{"version": 2}', encoding="utf8")
    with pytest.raises(InputError, match="no result of version 1"):
        read_result(tmp_path / "a")
