"""An S3 server for tests (moto, on loopback), a proxy in front of it that fails as told, and the store as a program."""

import contextlib
import dataclasses
import http.client
import http.server
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.parse

import boto3
import botocore.config

from .project import SOURCE_DIR, free_port, wait_for

KEYS = {
    "AWS_ACCESS_KEY_ID": "AKIAINGOTTEST",
    "AWS_SECRET_ACCESS_KEY": "not-a-secret/of+anybody",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_REGION": "us-east-1",
}


class Moto:
    """A moto server: S3, STS and IAM in one process, forgotten with it."""

    def __init__(self, log, **env):
        self.port = free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.log = open(log, "wb")
        self.process = subprocess.Popen(
            [sys.executable, str(pathlib.Path(__file__).with_name("moto_process.py")), str(self.port)],
            stdout=self.log,
            stderr=self.log,
            env={**os.environ, **env},
        )

        def answers():
            if self.process.poll() is not None:
                raise AssertionError(f"moto ended: {pathlib.Path(log).read_text()[-2000:]}")
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return True

        wait_for(answers, 60, every=0.05)
        self.client = boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
            config=botocore.config.Config(s3={"addressing_style": "path"}),
        )

    def bucket(self, name):
        self.client.create_bucket(Bucket=name)
        return name

    def keys(self, bucket, prefix=""):
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return [o["Key"] for page in pages for o in page.get("Contents", [])]

    def uploads(self, bucket):
        return self.client.list_multipart_uploads(Bucket=bucket).get("Uploads", [])

    def close(self):
        self.process.terminate()
        self.process.wait(20)
        self.log.close()


@dataclasses.dataclass
class Request:
    number: int  # from 0
    method: str
    path: str
    headers: dict
    body: bytes
    client: tuple

    @property
    def query(self):
        return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query, keep_blank_values=True))

    @property
    def key(self):
        """Without the bucket."""
        return urllib.parse.unquote(urllib.parse.urlsplit(self.path).path).lstrip("/").partition("/")[2]

    @property
    def writes(self):
        return self.method in ("PUT", "POST", "DELETE")

    def __str__(self):
        return f"#{self.number} {self.method} {self.path}"


class Proxy:
    """
    Stands before a server and does to each request what `fault(request)` says: None to pass it on, or one of

        "refuse"        closes the connection at once, nothing is passed on
        "unavailable"   answers 503, nothing is passed on (also ("status", N, body, headers))
        "lost"          passes it on, and closes the connection in place of the answer
        "error"         passes it on, and answers 500 in place of the answer
        "cut"           passes it on, and ends the answer in the middle
        "twice"         passes it on twice, and gives the second answer
        ("late", S)     waits S seconds before it passes it on
        ("after", S)    passes it on, and waits S seconds before it gives the answer
        ("stuck", S)    passes it on, sends half of the answer, and nothing more for S seconds
    """

    def __init__(self, upstream, latency=0.0):
        self.upstream = urllib.parse.urlsplit(upstream).netloc
        self.latency = latency
        self.fault = lambda request: None
        self.requests = []
        self.at_once = self.most_at_once = 0
        self.lock = threading.Lock()
        self.local = threading.local()
        proxy = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def serve(self):
                with proxy.lock:
                    proxy.at_once += 1
                    proxy.most_at_once = max(proxy.most_at_once, proxy.at_once)
                try:
                    proxy.serve(self)
                finally:
                    with proxy.lock:
                        proxy.at_once -= 1

            do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = serve

            def log_message(self, *args):
                pass

            def handle(self):
                with contextlib.suppress(ConnectionError, socket.timeout):
                    super().handle()

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 256

        self.server = Server(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()

    def forward(self, request):
        for attempt in (0, 1):
            upstream = getattr(self.local, "upstream", None)
            if upstream is None:
                upstream = self.local.upstream = http.client.HTTPConnection(self.upstream, timeout=60)
            try:
                upstream.putrequest(request.method, request.path, skip_host=True, skip_accept_encoding=True)
                for name, value in request.headers.items():
                    if name.lower() not in ("connection", "transfer-encoding"):
                        upstream.putheader(name, value)
                upstream.endheaders(request.body if request.writes else None)
                answer = upstream.getresponse()
                return answer.status, answer.getheaders(), answer.read()
            except (http.client.RemoteDisconnected, ConnectionError):
                upstream.close()
                self.local.upstream = None
                if attempt:
                    raise

    def serve(self, handler):
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        with self.lock:
            request = Request(
                len(self.requests), handler.command, handler.path, dict(handler.headers), body, handler.client_address
            )
            self.requests.append(request)
        fault = self.fault(request)
        kind, *rest = fault if isinstance(fault, tuple) else (fault,)
        time.sleep(self.latency)
        if kind == "refuse":
            handler.close_connection = True
            return
        if kind == "unavailable":
            kind, rest = "status", (503, b"<Error><Code>SlowDown</Code><Message>by the proxy</Message></Error>", {})
        if kind == "status":
            self.answer(handler, rest[0], list(rest[2].items()), rest[1])
            return
        if kind == "late":
            time.sleep(rest[0])
        status, headers, content = self.forward(request)
        if kind == "twice":
            status, headers, content = self.forward(request)
        if kind == "lost":
            handler.close_connection = True
            return
        if kind == "error":
            status, headers, content = 500, [], b"<Error><Code>InternalError</Code><Message>by the proxy</Message></Error>"
        if kind == "after":
            time.sleep(rest[0])
        if kind in ("cut", "stuck"):
            self.answer(handler, status, headers, content, cut=True)
            if kind == "stuck":
                time.sleep(rest[0])
            handler.close_connection = True
            return
        self.answer(handler, status, headers, content)

    def answer(self, handler, status, headers, content, cut=False):
        length = None
        handler.send_response_only(status)
        for name, value in headers:
            if name.lower() == "content-length":
                length = value
            elif name.lower() not in ("connection", "transfer-encoding", "keep-alive"):
                handler.send_header(name, value)
        whole = len(content) if handler.command != "HEAD" else int(length or 0)
        if cut and whole == 0:
            whole = 100  # an answer without a body is cut by promising one
        handler.send_header("Content-Length", str(whole))
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(content[: len(content) // 2] if cut else content)
        handler.wfile.flush()

    def connections(self):
        return len({r.client for r in self.requests})

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Script:
    """store_ functions by JSON lines: tests/unit/store/test_script.c."""

    def __init__(self, url, **env):
        program = os.environ.get("INGOT_STORE_SCRIPT", SOURCE_DIR / "build" / "tests" / "unit_store_script")
        assert pathlib.Path(program).exists(), f"{program} is not built"
        base = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
        self.process = subprocess.Popen(
            [program, url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            bufsize=1,
            env={**base, **(env or KEYS)},
        )

    def __call__(self, op, name=None, **more):
        """The answer of one operation, of any code."""
        line = {"op": op, **({"name": name} if name is not None else {}), **more}
        try:
            self.process.stdin.write(json.dumps(line, ensure_ascii=False) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass
        answer = self.process.stdout.readline()
        assert answer, f"the program died at {line}: {self.process.stderr.read()}"
        return json.loads(answer)

    def ok(self, op, name=None, **more):
        answer = self(op, name, **more)
        assert answer["code"] == "OK", answer
        return answer

    def close(self):
        """What it logged."""
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        log = self.process.stderr.read()
        self.process.wait(60)
        return log


class Lake:
    """The lake's operations by lines of text, on a URL: tests/unit/lake/test_script.c."""

    def __init__(self, url):
        program = os.environ.get("INGOT_LAKE_SCRIPT", SOURCE_DIR / "build" / "tests" / "unit_lake_script")
        assert pathlib.Path(program).exists(), f"{program} is not built"
        self.process = subprocess.Popen(
            [program, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1, env={**os.environ, **KEYS}
        )

    def __call__(self, line):
        """The rows of the answer, and the error or None."""
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        rows = []
        for answer in self.process.stdout:
            answer = answer.rstrip("\n")
            if answer.startswith("{"):
                rows.append(json.loads(answer))
            else:
                return rows, None if answer == "ok" else answer
        raise AssertionError(f"the program died at: {line}")

    def ok(self, line):
        rows, problem = self(line)
        assert problem is None, f"{line}: {problem}"
        return rows

    def close(self):
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.wait(20)


class S3:
    """A bucket of its own, with all ways into it."""

    def __init__(self, moto, bucket, cache):
        self.moto = moto
        self.bucket = moto.bucket(bucket)
        self.cache = cache
        self.open = []

    def url(self, prefix="lake", endpoint=None, **options):
        options = {"endpoint": endpoint or self.moto.endpoint, "cache": str(self.cache), **options}
        return f"s3://{self.bucket}/{prefix}?" + urllib.parse.urlencode(options)

    def script(self, prefix="lake", endpoint=None, env=None, **options):
        it = Script(self.url(prefix, endpoint, **options), **(env or {}))
        self.open.append(it)
        return it

    def proxy(self, latency=0.0):
        it = Proxy(self.moto.endpoint, latency)
        self.open.append(it)
        return it

    def storage_options(self, endpoint=None):
        """For delta-rs."""
        return {
            "AWS_ENDPOINT_URL": endpoint or self.moto.endpoint,
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": KEYS["AWS_ACCESS_KEY_ID"],
            "AWS_SECRET_ACCESS_KEY": KEYS["AWS_SECRET_ACCESS_KEY"],
            "aws_conditional_put": "etag",
        }

    def keys(self, prefix=""):
        return self.moto.keys(self.bucket, prefix)

    def put(self, key, body):
        self.moto.client.put_object(Bucket=self.bucket, Key=key, Body=body)

    def body(self, key):
        return self.moto.client.get_object(Bucket=self.bucket, Key=key)["Body"].read()

    def close(self):
        for it in self.open:
            with contextlib.suppress(Exception):
                it.close()
        shutil.rmtree(self.cache, ignore_errors=True)
