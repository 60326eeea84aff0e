import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from invented import FILES, write_folder

from hf_cf.data.readers import load_ratings, parsing


@given(text=st.text("a:b\n").map(str.encode), size=st.integers(1, 7))
def test_a_separator_of_two_characters_is_found_wherever_a_part_ends(
    text: bytes, size: int
) -> None:
    stream = parsing._OneSeparator(io.BytesIO(text), b"::")
    parts = list(iter(lambda: stream.read(size), b""))
    assert b"".join(parts) == text.replace(b"::", b"\x1f")


@pytest.mark.parametrize(
    ("name", "file", "line"),
    [
        ("ml-100k", "u_data", "{}\t{}\t{}\t{}\n"),
        ("ml-10m", "ratings_dat", "{}::{}::{}::{}\n"),
        ("ml-25m", "ratings_csv", "{},{},{}.0,{}\n"),
    ],
)
def test_a_file_of_many_blocks_is_read_whole_and_in_order(
    name: str, file: str, line: str, tmp_path: Path
) -> None:
    rows = [(1 + n // 1000, 1 + n % 1000, 1 + n % 5, 880_000_000 + n) for n in range(60_000)]
    header = FILES[name].get("ratings.csv", b"").split(b"\n")[0] + b"\n"
    content = "".join(line.format(*row) for row in rows).encode()
    assert len(content) > 4 * parsing._SMALLEST_BLOCK
    content = header + content if name == "ml-25m" else content
    ratings = load_ratings(write_folder(tmp_path, name, **{file: content}))
    assert np.array_equal(ratings.to_frame().to_numpy(), rows)


def test_reading_a_large_file_shows_progress(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(parsing, "_SHOW_PROGRESS_FROM", 1)
    # A bar is shown only to a person; tests have no terminal.
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    load_ratings(write_folder(tmp_path, "ml-25m"))
    assert "ratings.csv: 100%" in capsys.readouterr().err
