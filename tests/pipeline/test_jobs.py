"""Jobs files: three kinds, one meaning; a bad line is a job with an error."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gpt_sovits.core.errors import ManifestError
from gpt_sovits.pipeline.jobs import read_jobs

ROWS = [
    {"name": "one", "reference": "a.wav", "text": "Hello, you.", "language": "en", "seed": 3},
    {"reference": "/b.wav", "text": "你好。", "language": "zh", "aux_references": ["c.wav", "d.wav"]},
]


def table(path: Path, delimiter: str) -> Path:
    columns = ["name", "reference", "text", "language", "seed", "aux_references"]
    lines = [delimiter.join(columns)]
    for row in ROWS:
        cells = [";".join(v) if isinstance(v := row.get(c, ""), list) else str(v) for c in columns]
        lines.append(delimiter.join(f'"{cell}"' if "," in cell and delimiter == "," else cell for cell in cells))
    path.write_text("\n".join(lines) + "\n", encoding="utf8")
    return path


@pytest.fixture(params=["tsv", "csv", "jsonl"])
def jobs_file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / f"jobs.{request.param}"
    if request.param == "jsonl":
        path.write_text("\n".join(["", *(json.dumps(row, ensure_ascii=False) for row in ROWS)]), encoding="utf8")
        return path
    return table(path, "\t" if request.param == "tsv" else ",")


def test_three_kinds_say_the_same(jobs_file: Path) -> None:
    first, second = read_jobs(jobs_file, {"speed": 1.5})
    assert (first.name, first.line, first.error) == ("one", 2, None)
    assert (second.name, second.line, second.error) == ("0003", 3, None)
    assert first.request is not None and second.request is not None
    assert (first.request.text, first.request.seed, first.request.speed) == ("Hello, you.", 3, 1.5)
    assert first.request.reference == jobs_file.parent / "a.wav"
    assert (second.request.text, second.request.seed, second.request.reference) == ("你好。", -1, Path("/b.wav"))
    assert second.request.aux_references == (jobs_file.parent / "c.wav", jobs_file.parent / "d.wav")


def test_a_default_reference_is_not_moved(tmp_path: Path) -> None:
    path = tmp_path / "jobs.jsonl"
    path.write_text('{"text": "Hello."}\n', encoding="utf8")
    (job,) = read_jobs(path, {"reference": "voice.wav"})
    assert job.request is not None and job.request.reference == Path("voice.wav")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "line 1 is not JSON"),
        ("[1]", "line 1 is not a JSON object"),
        ('{"reference": "a.wav"}', "text is missing"),
        ('{"reference": "a.wav", "text": "Hi.", "txt": 1}', "there is no field txt"),
        ('{"reference": "a.wav", "text": "Hi.", "name": "../up"}', "not a plain file name"),
        ('{"reference": "a.wav", "text": "Hi.", "name": ".hidden"}', "not a plain file name"),
        ('{"reference": "a.wav", "text": "Hi.", "speed": "fast"}', "speed"),
    ],
)
def test_a_bad_line_does_not_hide_the_others(tmp_path: Path, line: str, words: str) -> None:
    path = tmp_path / "jobs.jsonl"
    path.write_text(line + '\n{"reference": "a.wav", "text": "Hi."}\n', encoding="utf8")
    bad, good = read_jobs(path, {})
    assert bad.request is None and words in str(bad.error)
    assert good.request is not None and good.error is None


def test_a_name_is_used_once(tmp_path: Path) -> None:
    path = tmp_path / "jobs.tsv"
    path.write_text("name\treference\ttext\nx\ta.wav\tone\nx\ta.wav\ttwo\n", encoding="utf8")
    first, second = read_jobs(path, {})
    assert first.error is None
    assert second.error == "line 3: the name x is taken by an earlier line"


def test_a_short_row_is_named(tmp_path: Path) -> None:
    path = tmp_path / "jobs.tsv"
    path.write_text('reference\ttext\na.wav\ta.wav\tSay "hi".\n\nb.wav\tSay "hi".\n', encoding="utf8")
    bad, good = read_jobs(path, {})
    assert bad.error == "line 2 has 3 columns, the first line names 2"
    assert good.request is not None and good.request.text == 'Say "hi".'


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("jobs.tsv", "", "must name its columns"),
        ("jobs.tsv", "a.wav\tHello.\n", "there is no field 'Hello.', 'a.wav'"),
        ("jobs.csv", "reference,text\n", "holds no jobs"),
        ("jobs.txt", "x", "must end in .tsv, .csv or .jsonl"),
        ("jobs.jsonl", "\n", "holds no jobs"),
    ],
)
def test_useless_files(tmp_path: Path, name: str, content: str, words: str) -> None:
    (tmp_path / name).write_text(content, encoding="utf8")
    with pytest.raises(ManifestError) as caught:
        read_jobs(tmp_path / name, {})
    assert words in str(caught.value)


def test_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="cannot be read: No such file"):
        read_jobs(tmp_path / "none.tsv", {})
    (tmp_path / "latin.tsv").write_bytes(b"text\n\xe9\xff\n")
    with pytest.raises(ManifestError, match="not UTF-8"):
        read_jobs(tmp_path / "latin.tsv", {})
