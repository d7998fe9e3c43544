"""Google Cloud Storage for tests: fake-gcs-server on loopback, a token endpoint, and the store as a program."""

import contextlib
import dataclasses
import html
import http.server
import json
import pathlib
import re
import shutil
import socket
import subprocess
import threading
import urllib.error
import urllib.parse
import urllib.request

from .project import SOURCE_DIR, free_port, wait_for
from .s3 import Proxy, Script


class FakeGcs:
    """The emulator, its objects in memory."""

    def __init__(self, log):
        program = SOURCE_DIR / ".deps" / "fake-gcs" / "fake-gcs-server"
        assert program.exists(), f"{program} is not there: scripts/setup --tests builds it"
        self.port = free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.log = open(log, "wb")
        self.process = subprocess.Popen(
            [program, "-scheme", "http", "-host", "127.0.0.1", "-port", str(self.port), "-backend", "memory"]
            + ["-external-url", self.endpoint, "-public-host", f"127.0.0.1:{self.port}", "-log-level", "error"],
            stdout=self.log,
            stderr=self.log,
        )

        def answers():
            if self.process.poll() is not None:
                raise AssertionError(f"fake-gcs-server ended: {pathlib.Path(log).read_text()[-2000:]}")
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return True

        wait_for(answers, 60, every=0.05)

    def call(self, method, path, body=None, headers=None):
        request = urllib.request.Request(self.endpoint + path, data=body, method=method, headers=headers or {})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.read()

    def bucket(self, name):
        body = json.dumps({"name": name}).encode()
        self.call("POST", "/storage/v1/b?project=p", body, {"Content-Type": "application/json"})
        return name

    def close(self):
        self.process.terminate()
        self.process.wait(20)
        self.log.close()


class GcsProxy(Proxy):
    """
    The faulty proxy, for the emulator. It keeps the sessions of resumable uploads itself, as Google documents them: what
    is there already is not taken twice, who asks is told how far it is, a completed one goes on saying so. The emulator
    appends whatever comes, and takes the question for the end; it gets an object in one piece when all of it is here.
    """

    def __init__(self, upstream, latency=0.0):
        self.sessions = {}
        super().__init__(upstream, latency)

    def forward(self, request):
        query = request.query
        if request.path.startswith("/upload/") and query.get("uploadType") == "resumable" and request.method == "POST":
            return self.begin(request)
        if request.method == "PUT" and query.get("session") in self.sessions:
            return self.go_on(request, self.sessions[query["session"]])
        if request.method == "PUT" and "session" in query:
            return 404, [], b""
        return super().forward(request)

    def begin(self, request):
        name = str(len(self.sessions))
        self.sessions[name] = {
            "path": request.path.replace("uploadType=resumable", "uploadType=multipart"),
            "resource": request.body,
            "size": int(request.headers["X-Upload-Content-Length"]),
            "content": b"",
            "answer": None,
        }
        return 200, [("Location", f"{self.endpoint}/upload?session={name}")], b""

    def go_on(self, request, session):
        unit, _, place = request.headers["Content-Range"].partition(" ")
        span, _, total = place.partition("/")
        assert unit == "bytes" and int(total) == session["size"]
        if session["answer"]:
            return session["answer"]
        have = len(session["content"])
        if span != "*":
            first, last = map(int, span.split("-"))
            assert first <= have and len(request.body) == last - first + 1
            assert last + 1 == session["size"] or len(request.body) % (256 << 10) == 0
            session["content"] += request.body[have - first :]
        if len(session["content"]) < session["size"]:
            have = len(session["content"])
            return 308, [("Range", f"bytes=0-{have - 1}")] if have else [], b""
        edge = b"edge" * 5
        body = b"--%b\r\nContent-Type: application/json\r\n\r\n%b\r\n" % (edge, session["resource"])
        body += b"--%b\r\nContent-Type: application/octet-stream\r\n\r\n%b\r\n" % (edge, session["content"])
        body += b"--%b--\r\n" % edge
        headers = {
            "Host": request.headers["Host"],
            "Content-Type": f"multipart/related; boundary={edge.decode()}",
            "Content-Length": str(len(body)),
        }
        whole = dataclasses.replace(request, method="POST", path=session["path"], headers=headers, body=body)
        session["answer"] = super().forward(whole)
        return session["answer"]


class XmlApi(Proxy):
    """For delta-rs, which writes by the XML API: the emulator reads and lists by it, and writes by the JSON API only."""

    def forward(self, request):
        path = urllib.parse.urlsplit(request.path).path
        bucket, _, key = path.lstrip("/").partition("/")
        if request.method not in ("PUT", "DELETE") or not key:
            others = {k: v for k, v in request.headers.items() if k.lower() != "host"}
            status, headers, content = super().forward(
                dataclasses.replace(request, headers={"Host": self.upstream, **others})
            )
            after = request.query.get("start-after", "").encode()  # which the emulator does not know
            if "list-type" in request.query and after:
                entry = re.compile(rb"<Contents><Key>(.*?)</Key>.*?</Contents>", re.DOTALL)
                content = entry.sub(lambda m: m.group(0) if html.unescape(m.group(1).decode()).encode() > after else b"", content)
                headers = [(k, v) for k, v in headers if k.lower() != "content-length"]
            return status, headers, content
        name = urllib.parse.quote(urllib.parse.unquote(key), safe="")
        headers = {"Host": self.upstream, "Content-Length": str(len(request.body))}
        if request.method == "DELETE":
            return super().forward(dataclasses.replace(request, path=f"/storage/v1/b/{bucket}/o/{name}", headers=headers))
        condition = {k.lower(): v for k, v in request.headers.items()}.get("x-goog-if-generation-match")
        to = f"/upload/storage/v1/b/{bucket}/o?uploadType=media&name={name}"
        to += f"&ifGenerationMatch={condition}" if condition else ""
        status, _, content = super().forward(dataclasses.replace(request, method="POST", path=to, headers=headers))
        if status != 200:
            return status, [], content
        made = json.loads(content)
        return 200, [("ETag", f'"{made["etag"]}"'), ("x-goog-generation", made["generation"])], b""


class Gcs:
    """A bucket of its own, with all ways into it."""

    def __init__(self, fake, bucket, cache):
        self.fake = fake
        self.bucket = fake.bucket(bucket)
        self.cache = cache
        self.open = []

    def url(self, prefix="lake", endpoint=None, **options):
        options = {"endpoint": endpoint or self.fake.endpoint, "credentials": "none", "cache": str(self.cache), **options}
        return f"gs://{self.bucket}/{prefix}?" + urllib.parse.urlencode({k: v for k, v in options.items() if v})

    def script(self, prefix="lake", endpoint=None, env=None, **options):
        it = Script(self.url(prefix, endpoint, **options), **(env or {"GOOGLE_APPLICATION_CREDENTIALS": ""}))
        self.open.append(it)
        return it

    def proxy(self, latency=0.0):
        it = GcsProxy(self.fake.endpoint, latency)
        self.open.append(it)
        return it

    def storage_options(self):
        """For delta-rs."""
        api = XmlApi(self.fake.endpoint)
        self.open.append(api)
        key = {"gcs_base_url": api.endpoint, "disable_oauth": True}
        key.update({"client_email": "", "private_key": "", "private_key_id": ""})
        return {"google_service_account_key": json.dumps(key), "allow_http": "true"}

    def keys(self, prefix=""):
        """Of all pages."""
        names, token = [], ""
        while True:
            query = urllib.parse.urlencode({"prefix": prefix, "pageToken": token})
            page = json.loads(self.fake.call("GET", f"/storage/v1/b/{self.bucket}/o?{query}"))
            names += [o["name"] for o in page.get("items", [])]
            token = page.get("nextPageToken", "")
            if not token:
                return names

    def body(self, key):
        return self.fake.call("GET", f"/storage/v1/b/{self.bucket}/o/{urllib.parse.quote(key, safe='')}?alt=media")

    def put(self, key, body):
        query = urllib.parse.urlencode({"uploadType": "media", "name": key})
        self.fake.call("POST", f"/upload/storage/v1/b/{self.bucket}/o?{query}", body)

    def close(self):
        for it in self.open:
            with contextlib.suppress(Exception):
                it.close()
        shutil.rmtree(self.cache, ignore_errors=True)


class TokenServer:
    """What gives tokens: `answer(method, path, headers, body)` gives a status and a JSON value."""

    def __init__(self, answer):
        self.requests = []
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def serve(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
                server.requests.append((self.command, self.path, dict(self.headers), body))
                status, value = answer(self.command, self.path, self.headers, body)
                content = value.encode() if isinstance(value, str) else json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = serve

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
