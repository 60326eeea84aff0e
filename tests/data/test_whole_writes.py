"""One save at a time, whole or not there, in words; on Windows too, where open files stay."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
import time
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hostile import answers, small_model

from hf_cf import Recommender
from hf_cf.data import whole_writes
from hf_cf.data.whole_writes import replacing, replacing_together, temporary_folder
from hf_cf.errors import SaveError
from hf_cf.storage.model_folder import FILES


def test_a_full_disk_is_said_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from safetensors import SafetensorError

    def full(*_: object, **__: object) -> None:
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr("hf_cf.storage.model_folder.save_file", full)
    with pytest.raises(SaveError, match=r"No space left on device\. What was there is.*Free some"):
        small_model().save_pretrained(tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_temporary_folders_of_dead_processes_are_removed_and_of_living_ones_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    code = "import os; from hf_cf.data.whole_writes import temporary_folder\n"
    code += "with temporary_folder() as folder: (folder / 'large').touch(); os._exit(1)"
    for _ in range(2):
        subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "TMPDIR": str(tmp_path)}, check=False
        )
    assert len(list(tmp_path.rglob("large"))) == 1
    with temporary_folder() as first, temporary_folder() as second:
        assert first.is_dir() and second.is_dir()
        assert not list(tmp_path.rglob("large"))
    assert not list(tmp_path.iterdir())


def test_what_goes_wrong_in_a_temporary_folder_keeps_its_own_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "file"))
    with pytest.raises(SaveError, match="could not be written"), temporary_folder():
        pass
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(ConnectionError, match="their own"), temporary_folder():
        raise ConnectionError("their own")


def test_a_folder_that_may_not_be_written_to_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SaveError, match="file could not be written") as caught:
        small_model().save_pretrained(tmp_path / "file")
    assert caught.value.errno == errno.EEXIST


def test_the_second_of_two_writers_waits_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(whole_writes, "SECONDS_BEFORE_WORDS", 0.05)
    entered, done = threading.Event(), threading.Event()

    def first() -> None:
        with replacing_together(tmp_path, "model") as place:
            entered.set()
            time.sleep(0.5)
            (place / "config.json").write_text("first")
        done.set()

    thread = threading.Thread(target=first)
    thread.start()
    entered.wait()
    with (
        pytest.warns(UserWarning, match="another process is writing to"),
        replacing_together(tmp_path, "model") as place,
    ):
        assert (tmp_path / "config.json").read_text() == "first"
        (place / "config.json").write_text("second")
    thread.join()
    assert done.is_set()
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"config.json": "second"}


def test_who_waits_too_long_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whole_writes, "SECONDS_BEFORE_WORDS", 0.01)
    monkeypatch.setattr(whole_writes, "LONGEST_WAIT", 0.05)
    release, entered = threading.Event(), threading.Event()

    def first() -> None:
        with replacing(tmp_path / "out"):
            entered.set()
            release.wait()
            (tmp_path / ".out.writing" / "out").touch()

    thread = threading.Thread(target=first)
    thread.start()
    entered.wait()
    with (
        pytest.warns(UserWarning, match="waiting"),
        pytest.raises(SaveError, match="another process has been writing"),
        replacing(tmp_path / "out"),
    ):
        pass
    release.set()
    thread.join()


def test_a_file_that_another_program_has_open_does_not_cost_the_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = small_model(), small_model(seed=1)
    old.save_pretrained(tmp_path)
    rename = Path.replace

    def as_on_windows(path: Path, target: Path) -> Path:
        if Path(target).name == "model.safetensors":
            raise PermissionError(errno.EACCES, "The process cannot access the file", str(target))
        return rename(path, target)

    monkeypatch.setattr(whole_writes, "WAITS", (0.0,))
    with monkeypatch.context() as patch, pytest.warns(UserWarning, match="is whole and will be"):
        patch.setattr(Path, "replace", as_on_windows)
        new.save_pretrained(tmp_path)
    assert answers(Recommender.from_pretrained(tmp_path)) == answers(new)
    old.save_pretrained(tmp_path)
    assert answers(Recommender.from_pretrained(tmp_path)) == answers(old)
    assert {path.name for path in tmp_path.iterdir()} <= set(FILES)


def test_orphans_of_earlier_versions_are_removed(tmp_path: Path) -> None:
    (tmp_path / ".model.safetensors.3985.tmp").touch()
    small_model().save_pretrained(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} <= set(FILES)


def test_a_folder_that_cannot_be_listed_is_not_taken_for_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = small_model(), small_model(seed=1)
    old.save_pretrained(tmp_path)
    listed, calls = os.walk, 0
    for failing in range(1, 6):

        def walk(top: Path, failing: int = failing, **how: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == failing:
                error = OSError(errno.EIO, "Input/output error")
                if (onerror := how.get("onerror")) is not None:
                    onerror(error)
                return iter(())  # as os.walk does
            return listed(top, **how)

        calls = 0
        with monkeypatch.context() as patch, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            patch.setattr(os, "walk", walk)
            with suppress(SaveError):
                new.save_pretrained(tmp_path)
        known = {answers(old), answers(new)}
        assert answers(Recommender.from_pretrained(tmp_path)) in known
        old.save_pretrained(tmp_path)
