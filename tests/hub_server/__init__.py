"""A small Hub on loopback for tests, talked to by the real ``huggingface_hub`` client.

Two origins: the Hub itself, and the file storage that large files are sent to and redirected to, so
that a test can see that a token never leaves the Hub. Repositories are real and on disk. Every
request is logged, and the next ones can be told to fail, to break off or to be slow.

In a test, ask for the fixture::

    def test_a_model_is_published(hub):
        HfApi(token=hub.token).create_repo("user/movies")
        assert hub.requests[-1].status == 200

The answers were written from what the client sends and reads, and from the documentation of the
Hub; where the two leave something open, the real Hub may answer in other words.
"""

from .cards import card_findings
from .client import environment, hub, point_client_at
from .server import Fault, HubServer, LoggedRequest

__all__ = [
    "Fault",
    "HubServer",
    "LoggedRequest",
    "card_findings",
    "environment",
    "hub",
    "point_client_at",
]
