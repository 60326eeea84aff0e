"""A Space of the sample's model that runs while a module's tests do."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import gradio as gr
import pytest

import hf_cf
from hf_cf.space.app import build
from hf_cf.space.service import Service
from hf_cf.space.serving import serve


@pytest.fixture(scope="session")
def service(trained: hf_cf.Recommender) -> Service:
    return Service(trained)


@pytest.fixture(scope="module")
def address(service: Service) -> Iterator[str]:
    """Where the Space is served, such as ``http://127.0.0.1:7860/``."""
    demo: gr.Blocks = build(service)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    _, url, _ = serve(demo, prevent_thread_lock=True, quiet=True, server_port=port)
    yield url
    demo.close(verbose=False)
