"""The Space's own page, in the document that gradio serves at the Space's address.

Gradio builds what it shows in the browser, from half a megabyte of scripts. What people come for
stands in the document itself, so that a slow network shows it at once and a frame in which gradio
cannot start shows it at all. Gradio's own part, with the page about the API, follows below.
"""

from __future__ import annotations

import gzip
import json
import re
from dataclasses import asdict
from html import escape

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hf_cf.data.words import ItemWords
from hf_cf.space import components

PREVIEW = "preview.png"
"""The picture that a link to the Space is shown with, relative to the Space's address."""

_SUMMARIES = re.compile(
    r"""<meta\s+(?:property|name)="(?:og|twitter):[^>]*>\s*|<title>.*?</title>\s*""", re.S
)

# Relative addresses, of gradio's files too, count from a Space's address with its slash.
_WITH_SLASH = (
    'location.pathname.endsWith("/") || history.replaceState(history.state, "",'
    ' location.pathname + "/" + location.search + location.hash);'
)

# The head of the page as it stays, so that nothing moves under a finger when the script has run.
_HEAD = (
    '<div><header class="masthead"><div><h1>{title}</h1><p class="masthead-facts">{facts}</p></div>'
    '<div class="masthead-side"></div></header>{banner}</div>'
)

_SYNTHETIC = (
    '<p class="banner" role="note"><strong>Synthetic {rating}s.</strong> This model was trained on'
    " generated {rating}s of {plural}, for trying things out. Its recommendations say nothing about"
    " anybody&rsquo;s taste.</p>"
)

# Gradio serves the font. A visit does without it, in both weights, if it is not there when the
# page is first laid out: text that is set anew moves what a visitor is about to touch.
_FONT_LINKS = "".join(
    '<link rel="preload" as="font" type="font/woff2" crossorigin'
    f' href="static/fonts/IBMPlexSans/IBMPlexSans-{name}.woff2" />\n'
    for name in ("Regular", "Bold")
)
_FONT = (
    "(() => { const faces = [...document.querySelectorAll('link[as=font]')].map((link, i) =>"
    " new FontFace('Plex', `url(${link.href})`, { weight: i ? '700' : '400' }));"
    " faces.forEach((face) => face.load().catch(() => {}));"
    " const choose = () => { if (!document.getElementById('hf-cf')) requestAnimationFrame(choose);"
    " else if (faces.every((face) => face.status === 'loaded'))"
    " faces.forEach((face) => document.fonts.add(face)); };"
    " requestAnimationFrame(choose); })();"
)

_IN_THE_DARK = (
    "(() => { let chosen; try { chosen = localStorage.getItem('hf_cf.theme'); } catch {}"
    " chosen ??= new URLSearchParams(location.search).get('__theme');"
    " const isDark = matchMedia('(prefers-color-scheme: dark)').matches;"
    " document.body.classList.toggle('dark', chosen ? chosen === 'dark' : isDark); })();"
)

_STYLESHEET = re.compile(r'<link rel="stylesheet"(?=[^>]*\bhref="\./assets/)')


class FrontPage:
    """Adds the Space's own page to the document at its address.

    Parameters
    ----------
    app : ASGIApp
        What serves gradio's document.
    title, description : str
        What a link to the Space is shown with.
    name : str
        Of the model's data; a browser keeps a visitor's list under it.
    words : ItemWords
        What the pages call the items.
    facts : str
        What stands below the title: of what the model was made.
    likes : bool
        Whether people like items rather than rate them.
    synthetic : bool
        Whether the model was trained on generated ratings; the page says so.
    failure : str, optional
        Why there is no model.
    """

    def __init__(
        self,
        app: ASGIApp,
        title: str,
        description: str,
        name: str,
        words: ItemWords,
        facts: str = "",
        likes: bool = False,
        synthetic: bool = False,
        failure: str | None = None,
    ) -> None:
        self.app = app
        self._title, self._description = escape(title), escape(description)
        said = {**asdict(words), "withArticle": words.with_article}
        if likes:
            said |= {"rate": "like", "rated": "liked", "rating": "like"}
        start = json.dumps({"name": name, "failure": failure, "words": said}).replace(
            "<", "\\u003c"
        )
        self._head = (
            f"<title>{self._title}</title>\n"
            f'<meta name="description" content="{self._description}" />\n'
            f"<script>{_WITH_SLASH}</script>\n{_FONT_LINKS}<script>{_FONT}</script>\n"
            f"<style>{components.stylesheet()}</style>\n"
        )
        # What can be read stands before the script, which is most of the document.
        banner = _SYNTHETIC.format(rating=said.get("rating", "rating"), plural=escape(words.plural))
        head = _HEAD.format(
            title=self._title, facts=escape(facts), banner=banner if synthetic else ""
        )
        first = "" if failure else head
        self._body = (
            f'<script>{_IN_THE_DARK}</script><main id="hf-cf" class="hfcf">{first}</main>\n'
            f"<script>{components.script()}</script><script>hfcf.start({start});</script>"
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; what comes back as the document at the Space's address is changed."""
        path = scope.get("path", "").removeprefix(scope.get("root_path", ""))
        if scope["type"] != "http" or scope["method"] != "GET" or path not in ("", "/"):
            await self.app(scope, receive, send)
            return
        takes_gzip = "gzip" in Headers(scope=scope).get("accept-encoding", "")
        plain = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
        start: Message = {}
        parts: list[bytes] = []

        async def changed(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                start = message
                return
            parts.append(message.get("body", b""))
            if message.get("more_body"):
                return
            headers = MutableHeaders(raw=start["headers"])
            body = b"".join(parts)
            if headers.get("content-type", "").startswith("text/html"):
                body = self._with_own(body.decode(), Request(scope)).encode()
                headers["vary"] = "accept-encoding"
                if takes_gzip:
                    body = gzip.compress(body, 6)
                    headers["content-encoding"] = "gzip"
            headers["content-length"] = str(len(body))
            await send(start)
            await send({"type": "http.response.body", "body": body})

        await self.app({**scope, "headers": plain}, receive, changed)

    def _with_own(self, document: str, request: Request) -> str:
        """The document with the Space's page, and with what links to it are shown with."""
        document = _SUMMARIES.sub("", document)
        # Gradio's styles are for its own part, and the page need not wait for them.
        document = _STYLESHEET.sub(
            """<link rel="stylesheet" media="print" onload="this.media='all'\"""", document
        )
        document = document.replace("</head>", f"{self._summary(request)}</head>", 1)
        # The charset is to stand among a document's first bytes.
        head = f'<head>\n<meta charset="utf-8" />\n{self._head}'
        document = re.sub(r"<head>", lambda _: head, document, count=1)
        return re.sub(r"<body\b[^>]*>", lambda tag: tag[0] + self._body, document, count=1)

    def _summary(self, request: Request) -> str:
        address = escape(f"{str(request.base_url).rstrip('/')}/")
        pairs = {
            "og:type": "website", "og:title": self._title, "og:description": self._description,
            "og:url": address, "og:image": address + PREVIEW, "twitter:card": "summary_large_image",
        }  # fmt: skip
        return "".join(f'<meta property="{name}" content="{pairs[name]}" />\n' for name in pairs)
