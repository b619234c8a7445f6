"""Downloads against a server of our own: resumed, checked, kept, explained."""

import http.server
import re
import socket
import threading

import pytest

from workload.download import download
from workload.errors import ConfigError

CONTENT = bytes(range(256)) * 4000


class Server(http.server.ThreadingHTTPServer):
    """Serves CONTENT at /file. `ranges` are the Range headers it saw; after `cut` bytes it ends."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.ranges, self.cut, self.resumes = [], None, True
        self.url = f"http://127.0.0.1:{self.server_address[1]}/file"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        wanted = self.headers.get("Range")
        self.server.ranges.append(wanted)
        if self.path != "/file":
            self.send_error(404)
            return
        start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1]) if wanted else 0
        if not self.server.resumes:
            start = 0
        if start >= len(CONTENT):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        self.wfile.write(CONTENT[start:][: self.server.cut])

    def log_message(self, *_arguments):
        pass


@pytest.fixture
def server():
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def nothing(*_progress):
    pass


def test_file_and_progress(server, tmp_path):
    seen = []
    download(server.url, tmp_path / "file", lambda *progress: seen.append(progress))
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert seen[-1] == ("download file", len(CONTENT), len(CONTENT))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_broken_connection_is_resumed_where_it_broke(server, tmp_path):
    server.cut = 300_000
    with pytest.raises(ConfigError, match=r"cannot download http.*/file: .*--archive FILE"):
        download(server.url, tmp_path / "file", nothing)
    assert (tmp_path / "file.partial").read_bytes() == CONTENT[:300_000]
    server.cut = None
    download(server.url, tmp_path / "file", nothing)
    assert server.ranges == [None, "bytes=300000-"]
    assert (tmp_path / "file").read_bytes() == CONTENT


@pytest.mark.parametrize("resumes", [True, False])
def test_partial_that_is_not_the_beginning(server, tmp_path, resumes):
    """All bytes there and still refused, or a server that does not resume: from the start."""
    server.resumes = resumes
    (tmp_path / "file.partial").write_bytes(b"x" * len(CONTENT))
    download(server.url, tmp_path / "file", nothing)
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_refused(server, tmp_path):
    with pytest.raises(ConfigError, match=r"/no: the server answered 404 Not Found; .*--archive"):
        download(server.url.replace("file", "no"), tmp_path / "no", nothing)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]  # nobody listens there from here on
    with pytest.raises(ConfigError, match=r"refused; .*--archive FILE"):
        download(f"http://127.0.0.1:{port}/file", tmp_path / "file", nothing)
    assert not list(tmp_path.iterdir())
