"""Look for inputs that nobody thought of: coverage-guided, with atheris, or damaged folders.

``PYTHONPATH=tests:tests/storage python benchmarks/fuzzing.py --minutes 5`` fuzzes each of `TARGETS`
for that long, two at a time, and ``--folders 20000`` loads so many damaged and forged folders. Both
add to ``benchmarks/results/fuzzing.md``. An outcome is expected where it is an answer or an error
in hf_cf's own words; any other is kept with its input under ``--keep``.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import importlib.util
import json
import logging
import os
import struct
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
OUT = HERE / "results" / "fuzzing.md"
SEEDS = HERE.parent / "tests" / "data" / "cases"
Target = tuple[Callable[[bytes], object], list[bytes]]


def _folder() -> tuple[Path, dict[str, bytes]]:
    from hostile import NAMES, files_in, small_model

    shared = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    folder = Path(tempfile.mkdtemp(dir=shared))
    small_model().save_pretrained(folder)
    return folder, {name: raw for name, raw in files_in(folder).items() if name in NAMES}


def _loading(change: Callable[[dict[str, bytes], bytes], dict[str, bytes]]) -> Any:
    """Load a folder in which something is what the fuzzer gives."""
    from hostile import sealed, write

    from hf_cf import ModelFormatError, Recommender

    folder, files = _folder()

    def load(raw: bytes) -> None:
        write(folder, sealed(change(files, raw)))
        try:
            Recommender.from_pretrained(folder)
        except ModelFormatError:
            return

    return load, files


def config() -> Target:
    """``config.json``, sealed again where it is JSON."""
    load, files = _loading(lambda files, raw: files | {"config.json": raw})
    return load, [files["config.json"]]


def weights_header() -> Target:
    """The header of ``model.safetensors``."""

    def changed(files: dict[str, bytes], header: bytes) -> dict[str, bytes]:
        raw = files["model.safetensors"]
        (length,) = struct.unpack("<Q", raw[:8])
        whole = struct.pack("<Q", len(header)) + header + raw[8 + length :]
        return files | {"model.safetensors": whole}

    load, files = _loading(changed)
    raw = files["model.safetensors"]
    return load, [raw[8 : 8 + struct.unpack("<Q", raw[:8])[0]]]


def parquet_footer() -> Target:
    """The footer of ``items.parquet``."""

    def changed(files: dict[str, bytes], footer: bytes) -> dict[str, bytes]:
        raw = files["items.parquet"]
        length = int.from_bytes(raw[-8:-4], "little")
        whole = raw[: -8 - length] + footer + struct.pack("<I", len(footer)) + b"PAR1"
        return files | {"items.parquet": whole}

    load, files = _loading(changed)
    raw = files["items.parquet"]
    return load, [raw[-8 - int.from_bytes(raw[-8:-4], "little") : -8]]


def ratings_readers() -> Target:
    """A file of ratings; the first byte says of what kind."""
    from hf_cf import load_ratings
    from hf_cf.errors import DataFormatError

    folder = Path(tempfile.mkdtemp())
    endings = [".csv", ".tsv", ".dat", ".jsonl", ".csv.gz", ".json", ".inter", ".zip"]

    def read(raw: bytes) -> None:
        path = folder / f"ratings{endings[(raw[:1] or b'a')[0] % len(endings)]}"
        path.write_bytes(raw[1:])
        try:
            load_ratings(path)
        except DataFormatError:
            return
        finally:
            path.unlink()

    seeds = [
        bytes([endings.index("".join(path.suffixes))]) + path.read_bytes()
        for path in sorted(SEEDS.iterdir())
        if "".join(path.suffixes) in endings and path.stat().st_size < 20_000
    ]
    return read, seeds


def list_import() -> Target:
    """A list that a visitor of a Space brings, as text."""
    from hostile import small_model

    from hf_cf.data.scale import RatingScale
    from hf_cf.errors import InvalidArgument
    from hf_cf.space.lists import ListReader

    catalogue = small_model().catalogue
    films = [
        (item, title, None if year is None else int(year))
        for item, title, year in zip(
            catalogue["id"], catalogue["title"], catalogue["year"].astype(object).where(
                catalogue["year"].notna(), None
            ), strict=True,
        )
    ]  # fmt: skip
    reader = ListReader(films, RatingScale(1, 5, 1))

    def read(raw: bytes) -> None:
        try:
            reader.read(raw.decode("utf-8", "surrogatepass" if raw[:1] == b"\xed" else "replace"))
        except (InvalidArgument, UnicodeDecodeError):
            return

    return read, [
        b"Date,Name,Year,Letterboxd URI,Rating\n2020-01-01,Film 3 (1993),1993,https://a,4.5\n",
        b"Const,Your Rating,Date Rated,Title,Year\ntt1,8,2020-01-01,Film 4,1994\n",
        b"item,rating\n3,5\n4,1\n", b"Title,Rating\nFilm 5 (1995),3\n",
    ]  # fmt: skip


def http_bodies() -> Target:
    """The body of a request to a Space; the first byte says to which endpoint."""
    from hostile import small_model

    from hf_cf.space.service import Service
    from hf_cf.space.serving import space

    app = space(Service(small_model()))
    names = [
        "api/recommend", "api/recommend_for_user", "api/predict", "api/similar", "api/search",
        "api/next_questions", "api/explain", "api/read_list", "api/portrait", "api/unknown_items",
        "gradio_api/call/recommend", "gradio_api/call/v2/search",
    ]  # fmt: skip
    loop = asyncio.new_event_loop()

    async def ask(path: str, body: bytes) -> tuple[int, bytes]:
        answers: list[Any] = []
        messages = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> Any:
            return messages.pop() if messages else await asyncio.Future()

        async def send(message: Any) -> None:
            answers.append(message)

        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST",
            "path": f"/{path}", "raw_path": f"/{path}".encode(), "root_path": "", "scheme": "http",
            "query_string": b"", "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2),
            "headers": [(b"content-type", b"application/json"), (b"host", b"localhost")],
        }  # fmt: skip
        await app(scope, receive, send)
        return answers[0]["status"], b"".join(part.get("body", b"") for part in answers[1:])

    def post(raw: bytes) -> None:
        path = names[(raw[:1] or b"a")[0] % len(names)]
        status, said = loop.run_until_complete(ask(path, raw[1:]))
        # Gradio's queue is full after a while, because nobody fetches these answers.
        if (
            status in (500, 501, 502)
            or b"Traceback" in said
            or b".py" in said.replace(raw[1:], b"")
        ):
            raise RuntimeError(f"{status}: {said[:300]!r}")

    ratings = {"Film 3 (1993)": 5, "Film 4 (1994)": 2}
    bodies: list[dict[str, Any]] = [
        {"ratings": ratings, "n": 5, "genres": ["Drama"], "years": [1990, 2000], "novelty": 0.5},
        {"user": 3, "exclude": [1, "Film 5 (1995)"], "explain": True, "min_ratings": 2},
        {"items": ["Film 3 (1993)", 4], "ratings": ratings}, {"item": 3, "n": 2},
        {"text": "film", "n": 3}, {"ratings": [{"item": 3, "rating": 4}], "exclude": []},
        {"item": 3, "user": 4, "n": 1}, {"text": "item,rating\n3,5\n"}, {"ratings": ratings},
        {"items": [1, "x", 99]}, {"data": [ratings]}, {"text": "film"},
    ]  # fmt: skip
    return post, [bytes([at]) + json.dumps(body).encode() for at, body in enumerate(bodies)]


TARGETS: dict[str, Callable[[], Target]] = {
    each.__name__: each
    for each in (
        config, weights_header, parquet_footer, ratings_readers, list_import, http_bodies
    )
}  # fmt: skip


@dataclass
class Record:
    """What came of a target, kept in a file as it goes: the fuzzer ends the process itself."""

    path: Path
    runs: int = 0
    found: dict[str, int] = field(default_factory=dict)

    def count(self, raw: bytes, target: Callable[[bytes], object]) -> None:
        """Give an input to the target; what is no expected outcome is kept."""
        self.runs += 1
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                target(raw)
        except Exception as error:
            ours = [f for f in traceback.extract_tb(error.__traceback__) if "hf_cf/" in f.filename]
            where = f"{Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else "?"
            name = f"{type(error).__name__} at {where}"
            if name not in self.found:
                label = name.replace(" ", "_").replace(":", "_")
                (self.path.parent / f"{self.path.stem}-{label}.input").write_bytes(raw)
                self.path.with_suffix(f".{label}.txt").write_text(traceback.format_exc())
            self.found[name] = self.found.get(name, 0) + 1
            self.save()
        if self.runs % 200 == 0:
            self.save()

    def save(self) -> None:
        """Write what came of it until now."""
        self.path.write_text(json.dumps({"runs": self.runs, "found": self.found}))


def fuzz(name: str, minutes: float, keep: Path) -> None:
    """Fuzz one target in this process, which ends with it."""
    import atheris

    logging.disable()
    with atheris.instrument_imports(include=["hf_cf"]):
        for part in ("data.readers", "space.lists", "space.serving", "storage.model_folder"):
            importlib.import_module(f"hf_cf.{part}")
    target, seeds = TARGETS[name]()
    corpus = keep / f"corpus-{name}"
    corpus.mkdir(parents=True, exist_ok=True)
    for at, seed in enumerate(seeds):
        (corpus / f"seed{at}").write_bytes(seed)
    record = Record(keep / f"{name}.json")
    record.save()
    arguments = [f"-max_total_time={int(minutes * 60)}", "-timeout=30", "-rss_limit_mb=4096"]
    arguments += [f"-artifact_prefix={keep}/{name}-", "-max_len=20000", "-print_final_stats=1"]
    atheris.Setup(["fuzzing", *arguments, str(corpus)], lambda raw: record.count(raw, target))
    atheris.Fuzz()


def fuzz_all(names: list[str], minutes: float, keep: Path) -> str:
    """Fuzz targets, two at a time, each in a process of its own; tell what came of it."""

    def run(name: str) -> str:
        command = [sys.executable, __file__, "--target", name, "--minutes", str(minutes)]
        began = time.monotonic()
        done = subprocess.run(
            [*command, "--keep", str(keep)], capture_output=True, text=True, check=False
        )
        (keep / f"{name}.log").write_text(done.stdout + done.stderr)
        took = (time.monotonic() - began) / 60
        record = json.loads((keep / f"{name}.json").read_text())
        ended = "" if done.returncode == 0 else f"; the process ended with {done.returncode}"
        return f"| {name} | {took:.1f} | {record['runs']:,} | {len(record['found'])}{ended} |"

    with ThreadPoolExecutor(2) as pool:
        rows = list(pool.map(run, names))
    return "\n".join(["| target | minutes | inputs | kinds of unexpected outcomes |",
                      "|---|--:|--:|--:|", *rows])  # fmt: skip


def folders(n: int) -> str:
    """Load damaged and forged folders; anything but a model or a refusal in words ends this."""
    import test_damaged_folders as damaged
    from hypothesis import given, seed, settings

    folder, files = _folder()
    began, rows = time.monotonic(), []
    examples = n // len(damaged.CHECKS)

    def load_damaged(check: Callable[..., Any], damages: Any) -> None:
        @seed(int(time.time()))
        @settings(max_examples=examples, **damaged.COMMON)
        @given(damages)
        def run(drawn: Any) -> None:
            check(folder, files, *drawn)

        run()

    for kind, (check, damages) in damaged.CHECKS.items():
        load_damaged(check, damages)
        rows.append(f"| {kind} | {examples:,} | 0 |")
    head = ["| damage | folders | unexpected outcomes |", "|---|--:|--:|"]
    minutes = (time.monotonic() - began) / 60
    return "\n".join([*head, *rows, "", f"{n:,} folders in {minutes:.0f} minutes."])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", choices=list(TARGETS), help="only this one, in this process")
    parser.add_argument("--targets", nargs="+", choices=list(TARGETS), default=list(TARGETS))
    parser.add_argument("--minutes", type=float, default=10.0, help="for each target")
    parser.add_argument("--folders", type=int, help="load so many damaged folders instead")
    parser.add_argument("--keep", type=Path, default=Path("fuzzing"), help="for what is found")
    arguments = parser.parse_args()
    arguments.keep.mkdir(parents=True, exist_ok=True)
    if arguments.target:
        fuzz(arguments.target, arguments.minutes, arguments.keep)
        return
    if arguments.folders:
        title, found = "Damaged folders", folders(arguments.folders)
    else:
        if importlib.util.find_spec("atheris") is None:
            sys.exit("fuzzing is done with atheris: pip install atheris")
        title = "Coverage-guided fuzzing"
        found = fuzz_all(arguments.targets, arguments.minutes, arguments.keep)
    print(found)
    old = OUT.read_text("utf-8") if OUT.exists() else "# Inputs that nobody thought of\n"
    parts = [part for part in old.split("\n## ") if not part.startswith(title)]
    text = "\n## ".join([*(part.rstrip() + "\n" for part in parts), f"{title}\n\n{found}\n"])
    OUT.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
