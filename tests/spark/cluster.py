"""Spark's own standalone cluster on loopback, of which single machines can be lost.

Each worker stands for a machine: it is a process group of its own, with its executor, and all of
that ends at once when it is lost.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyspark

_WAIT = 60.0  # seconds


class Cluster:
    """A master, and workers of one core and 1 GB each.

    Parameters
    ----------
    folder : Path
        For logs and working directories.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.master = f"spark://127.0.0.1:{port}"
        self._processes: list[subprocess.Popen[bytes]] = []
        self._start("master.Master", "--host", "127.0.0.1", "--port", str(port))
        _until(lambda: _listens(port))

    def add_worker(self) -> int:
        """Start a worker; its process id."""
        place = self._folder / f"worker-{len(self._processes)}"
        return self._start(
            "worker.Worker", "--host", "127.0.0.1", "--cores", "1", "--memory", "1g",
            "--work-dir", str(place), self.master,
        )  # fmt: skip

    def lose(self, worker: int) -> None:
        """Kill a worker, its executor, and what that has started."""
        os.killpg(worker, signal.SIGKILL)

    def stop(self) -> None:
        """Kill all that is left."""
        for process in self._processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _start(self, name: str, *arguments: str) -> int:
        home = Path(pyspark.__file__).parent
        # No web page may leave the loopback, and the memory is what a test needs.
        settings = {
            "SPARK_HOME": str(home), "SPARK_LOCAL_IP": "127.0.0.1", "SPARK_NO_DAEMONIZE": "1",
            "SPARK_DAEMON_MEMORY": "256m", "PYSPARK_PYTHON": sys.executable,
            "SPARK_DAEMON_JAVA_OPTS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
        }  # fmt: skip
        log = self._folder / f"{name}-{len(self._processes)}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [home / "bin" / "spark-class", f"org.apache.spark.deploy.{name}", *arguments,
                 "--webui-port", "0"],
                env=os.environ | settings, stdout=output, stderr=output, start_new_session=True,
            )  # fmt: skip
        self._processes.append(process)
        return process.pid


@contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """A cluster without workers, stopped afterwards."""
    made = Cluster(folder)
    try:
        yield made
    finally:
        made.stop()


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def _until(ready: object) -> None:
    end = time.monotonic() + _WAIT
    while not ready():  # type: ignore[operator]
        if time.monotonic() > end:
            raise TimeoutError("the master of the cluster did not start")
        time.sleep(0.1)
