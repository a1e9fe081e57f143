"""Bringing articles into the folder, from a server of our own on this machine."""

import gzip
import json
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from typer.testing import CliRunner

from assistant.articles.reading import read_corpus, read_file
from assistant.cli import app
from assistant.fetching.fetch import End, Outcome, fetch
from assistant.fetching.getting import MAX_BYTES, Getter
from assistant.fetching.listing import MOST, listed

WORDS = "The ferry leaves at ten, and nobody in the town minds that it is late, since the river is calm."
TABLE = "<table><tr><th>Day</th><th>Boats</th></tr><tr><td>Monday</td><td>Seven</td></tr></table>"


def page(words: str = WORDS, head: str = "") -> bytes:
    """Return an article as a publisher serves it."""
    return (
        f"<html><head><title>A ferry</title>{head}<script>attack()</script></head><body><nav>Home</nav>"
        f"<article><h1>A ferry</h1><p>{words}</p><p>{WORDS}</p>{TABLE}</article></body></html>"
    ).encode()


def feed(*urls: str) -> bytes:
    """Return a feed that lists these."""
    items = "".join(f"<item><link>{url}</link><pubDate>Fri, 28 Mar 2025 10:00:00 GMT</pubDate></item>" for url in urls)
    return f'<?xml version="1.0"?><!-- a < b --><rss version="2.0"><channel>{items}</channel></rss>'.encode()


def sitemap(*urls: str, kind: str = "urlset") -> bytes:
    """Return a sitemap, or a list of sitemaps."""
    name = "url" if kind == "urlset" else "sitemap"
    items = "".join(f"<{name}><loc>{url}</loc></{name}>" for url in urls)
    return f'<{kind} xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{items}</{kind}>'.encode()


@dataclass
class Site:
    """What a publisher serves, by path, and what was asked for."""

    address: str = ""
    pages: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    asked: list[tuple[str, float]] = field(default_factory=list)

    def put(self, path: str, body: bytes, status: int = 200, **headers: str) -> str:
        """Serve something, and return its address."""
        self.pages[path] = status, {name.replace("_", "-"): value for name, value in headers.items()}, body
        return f"{self.address}{path}"


@pytest.fixture(scope="module")
def server() -> Iterator[Site]:
    """Serve a site on this machine."""
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.asked.append((self.path, time.monotonic()))
            status, headers, body = site.pages.get(self.path, (404, {}, b""))
            if headers.get("etag") and self.headers.get("if-none-match") == headers["etag"]:
                status, body = 304, b""
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            try:
                while "x-drips" in headers:
                    self.send_header("x-drop", "")
                    self.flush_headers()
                    time.sleep(0.1)
                self.end_headers()
                while "x-flows" in headers:
                    self.wfile.write(body)
                    time.sleep(0.1)
                self.wfile.write(body)
            except OSError:
                self.close_connection = True  # Nobody reads on.

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        threading.Thread(target=http.serve_forever).start()
        site.address = f"http://127.0.0.1:{http.server_port}"
        yield site
        http.shutdown()


@pytest.fixture
def site(server: Site) -> Site:
    """Return the site with nothing on it."""
    server.pages.clear()
    server.asked.clear()
    return server


def fetched(*urls: str, folder: Path, most: int = 100, delay: float = 0.0, seconds: float = 30.0) -> list[Outcome]:
    """Fetch, and return what became of each address."""
    with Getter(["127.0.0.1"], delay, seconds) as getter:
        return list(fetch(urls, folder, getter, most))


def ends(outcomes: list[Outcome]) -> list[End]:
    """Return how each ended."""
    return [outcome.end for outcome in outcomes]


def test_a_page_becomes_an_article(site: Site, tmp_path: Path) -> None:
    """Its words, with its tables, its address and its standing are read from the file; what runs is not in it."""
    url = site.put("/news/ferry.html", page(head='<meta name="author" content="Jane">'), content_type="text/html")
    (outcome,) = fetched(url, folder=tmp_path)
    assert outcome.end is End.SAVED
    article = read_file(tmp_path / outcome.detail)[0]
    assert WORDS in article.text
    assert "Monday | Seven" in article.text
    assert (article.title, article.url) == ("A ferry", url)
    assert b"attack" not in (tmp_path / outcome.detail).read_bytes()
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".partial")] == []


def test_what_a_feed_or_sitemap_lists_is_fetched(site: Site, tmp_path: Path) -> None:
    """Feeds, sitemaps, packed ones and sitemaps of sitemaps, also in a circle; each page once, with the feed's date."""
    urls = [site.put(f"/{number}.html", page(f"Boat {number}. {WORDS}")) for number in range(4)]
    one = site.put("/feed.xml", feed(*urls[:2], urls[0]))
    packed = site.put("/more.xml.gz", gzip.compress(sitemap(*urls[1:]), mtime=0))
    index = site.put("/index.xml", sitemap(f"{site.address}/index.xml", packed, kind="sitemapindex"))
    outcomes = fetched(one, index, folder=tmp_path)
    assert ends(outcomes).count(End.LISTED) == 3
    assert [outcome.url for outcome in outcomes if outcome.end is End.SAVED] == urls
    corpus = read_corpus(tmp_path)
    assert len(corpus.articles) == 4
    assert sorted(str(article.date) for article in corpus.articles) == ["2025-03-28", "2025-03-28", "None", "None"]


def test_a_second_round_brings_what_has_changed(site: Site, tmp_path: Path) -> None:
    """What has not changed is not sent again; what left the feed is looked at; what was taken down is deleted."""
    same = site.put("/same.html", page(), etag='"1"')
    changed, gone = site.put("/changed.html", page()), site.put("/gone.html", page())
    source = site.put("/feed.xml", feed(same, changed, gone))
    fetched(source, folder=tmp_path)
    site.put("/same.html", page(f"Not to be sent. {WORDS}"), etag='"1"')
    site.put("/changed.html", page(f"Corrected. {WORDS}"))
    site.put("/gone.html", b"", status=410)
    site.put("/feed.xml", feed())
    found = {outcome.url: outcome.end for outcome in fetched(source, folder=tmp_path)}
    assert found == {source: End.LISTED, same: End.UNCHANGED, changed: End.CHANGED, gone: End.DELETED}
    assert len(read_corpus(tmp_path).articles) == 2


def test_what_an_editor_did_stands(site: Site, tmp_path: Path) -> None:
    """A file that was taken away or changed here is not brought again, nor written over, nor deleted."""
    urls = [site.put(f"/{number}.html", page()) for number in range(3)]
    files = [tmp_path / outcome.detail for outcome in fetched(*urls, folder=tmp_path)]
    files[0].unlink()
    for file in files[1:]:
        file.write_text("<p>Ours.</p>")
    site.put("/1.html", page(f"Corrected. {WORDS}"))
    site.put("/2.html", b"", status=404)
    assert ends(fetched(*urls, folder=tmp_path)) == [End.TAKEN_AWAY, End.EDITED, End.EDITED]
    assert not files[0].exists()
    assert {file.read_text() for file in files[1:]} == {"<p>Ours.</p>"}


def test_robots_are_asked(site: Site, tmp_path: Path) -> None:
    """What robots.txt forbids is not asked for, after a redirect either; its delay is kept."""
    site.put("/robots.txt", b"User-agent: *\nDisallow: /private\nCrawl-delay: 0.3")
    private, led = site.put("/private/a.html", page()), site.put("/led", b"", status=302, location="/private/a.html")
    free = site.put("/free.html", page())
    outcomes = fetched(private, led, free, folder=tmp_path)
    assert ends(outcomes) == [End.FAILED, End.FAILED, End.SAVED]
    assert [path for path, _ in site.asked] == ["/robots.txt", "/led", "/free.html"]
    assert site.asked[2][1] - site.asked[1][1] >= 0.29


def test_a_site_whose_robots_cannot_be_had_is_left_alone(site: Site, tmp_path: Path) -> None:
    """A fault of the server allows nothing."""
    site.put("/robots.txt", b"", status=503)
    assert ends(fetched(site.put("/a.html", page()), folder=tmp_path)) == [End.FAILED]


@pytest.mark.parametrize(
    ("status", "headers", "body", "end", "reason"),
    [
        (200, {}, b"<html><body><nav>Home</nav></body></html>", End.NO_ARTICLE, ""),
        (200, {}, b"", End.NO_ARTICLE, ""),
        (200, {}, bytes(range(256)) * 40, End.NO_ARTICLE, ""),
        (200, {}, b"x" * (MAX_BYTES + 1), End.FAILED, "larger than"),
        (200, {"content-encoding": "gzip"}, gzip.compress(b"x" * 50_000_000, mtime=0), End.FAILED, "unpacks to"),
        (200, {}, gzip.compress(b"x" * 50_000_000, mtime=0), End.FAILED, "unpacks to"),
        (200, {"content-encoding": "gzip"}, gzip.compress(b"x" * 1000, mtime=0)[:20], End.FAILED, "unpacks to"),
        (200, {"content-encoding": "br"}, b"x", End.FAILED, "packed as 'br'"),
        (200, {}, b"<rss><channel>" + b"<item>" * 1000, End.LISTED, ""),
        (200, {}, b'<!DOCTYPE x [<!ENTITY a "b">]><urlset>&a;</urlset>', End.LISTED, ""),
        (302, {"location": "/strange"}, b"", End.FAILED, "leads on more than"),
        (302, {"location": "http://localhost:1/"}, b"", End.FAILED, "not public"),
        (302, {"location": "file:///etc/passwd"}, b"", End.FAILED, "no address of the web"),
        (404, {}, b"", End.FAILED, "nothing at this address"),
        (500, {}, b"", End.FAILED, "replies with 500"),
        (301, {}, b"", End.FAILED, "replies with 301"),
    ],
)
def test_what_is_no_article_is_named_and_not_saved(  # noqa: PLR0913, PLR0917 - what the server replies
    site: Site,
    tmp_path: Path,
    status: int,
    headers: dict[str, str],
    body: bytes,
    end: End,
    reason: str,
) -> None:
    """A page without an article, a bomb, a circle, a private host: each ends in a word, and nothing is written."""
    site.pages["/strange"] = status, headers, body
    (outcome,) = fetched(f"{site.address}/strange", folder=tmp_path)
    assert outcome.end is end
    assert outcome.detail
    assert reason in outcome.detail
    assert read_corpus(tmp_path).articles == ()


@pytest.mark.parametrize("how", ["x_drips", "x_flows"])
def test_a_reply_without_end_is_given_up(site: Site, tmp_path: Path, how: str) -> None:
    """Neither its head nor its body may take longer than a request may."""
    url = site.put("/endless.xml", b"<item>", 200, **{how: "yes"})
    begun = time.monotonic()
    assert ends(fetched(url, folder=tmp_path, seconds=1.0)) == [End.FAILED]
    assert time.monotonic() - begun < 20.0


def test_a_list_without_end_is_cut(site: Site, tmp_path: Path) -> None:
    """Of a list only its beginning is taken, and of that only as many pages as are wanted."""
    body = feed(*(f"{site.address}/{number}.html" for number in range(MOST + 500)))
    assert len(listed(body, site.address, {}) or ()) == MOST
    url = site.put("/feed.xml", body)
    assert len(fetched(url, folder=tmp_path, most=3)) == 4


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "utf-16"])
def test_the_encoding_of_the_server_counts(site: Site, tmp_path: Path, encoding: str) -> None:
    """Words are what they were, whatever the page says of itself."""
    body = page(f"Café à l’eau {WORDS}".replace("’", "'"), '<meta charset="ascii">').decode().encode(encoding)
    (outcome,) = fetched(site.put("/a.html", body, content_type=f"text/html; charset={encoding}"), folder=tmp_path)
    assert "Café à l'eau" in read_file(tmp_path / outcome.detail)[0].text


def test_the_command_says_what_became_of_each(site: Site, tmp_path: Path) -> None:
    """A line for each address; the exit code says that one could not be had; `soon` is no time."""
    os.environ["ASSISTANT_ARTICLES"] = str(tmp_path)
    options = ["--private-host", "127.0.0.1", "--delay", "0"]
    good, bad = site.put("/good.html", page()), f"{site.address}/bad.html"
    run = CliRunner().invoke(app, ["fetch", good, *options, "--json"])
    assert run.exit_code == 0
    assert json.loads(run.stdout)["end"] == "saved"
    run = CliRunner().invoke(app, ["fetch", good, bad, *options])
    assert run.exit_code == 1
    assert f"{bad}: failed (there is nothing at this address)" in run.stdout
    assert CliRunner().invoke(app, ["fetch", good, "--every", "soon"]).exit_code == 2
