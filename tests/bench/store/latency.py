"""
Opens a Delta table of many commits on an S3 store with latency: ingot beside delta-rs, same server, in one run.

    .venv/bin/python tests/bench/store/latency.py [COMMITS [LATENCY_MS [BIG_MIB]]]

The server is a few lines of asyncio that know GET, HEAD and lists, and wait before each answer; objects are in memory.
Each program is run three times, the best counts; the ratio is what to look at. INGOT names another program.
"""

import asyncio
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import xml.sax.saxutils

SOURCE_DIR = pathlib.Path(__file__).resolve().parents[3]


class Server(threading.Thread):
    def __init__(self, objects, latency_s):
        super().__init__(daemon=True)
        self.objects, self.latency_s, self.requests, self.ready = objects, latency_s, 0, threading.Event()
        self.connections = 0
        self.start()
        self.ready.wait()

    def run(self):
        asyncio.run(self.main())

    async def main(self):
        server = await asyncio.start_server(self.client, "127.0.0.1", 0, backlog=512)
        self.endpoint = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self.ready.set()
        await server.serve_forever()

    async def client(self, reader, writer):
        self.connections += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                method, target, _ = head[0].split(" ")
                headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in head[1:] if line)}
                await asyncio.sleep(self.latency_s)
                self.requests += 1
                status, more, body = self.answer(method, target, headers)
                lines = [f"HTTP/1.1 {status} x", f"Content-Length: {len(body)}", *more, "", ""]
                writer.write("\r\n".join(lines).encode() + (b"" if method == "HEAD" else body))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def answer(self, method, target, headers):
        url = urllib.parse.urlsplit(target)
        query = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
        key = urllib.parse.unquote(url.path).lstrip("/").partition("/")[2]
        if not key:
            return 200, ["Content-Type: application/xml"], self.list(query)
        body = self.objects.get(key)
        if body is None:
            return 404, [], b"<Error><Code>NoSuchKey</Code></Error>"
        more = [f'ETag: "{len(body)}"', "Last-Modified: Thu, 01 Jan 2026 00:00:00 GMT", "Accept-Ranges: bytes"]
        if "range" in headers:
            first, _, last = headers["range"].removeprefix("bytes=").partition("-")
            start = int(first) if first else max(0, len(body) - int(last))
            end = min(int(last) if first and last else len(body) - 1, len(body) - 1)
            return 206, [*more, f"Content-Range: bytes {start}-{end}/{len(body)}"], body[start : end + 1]
        return 200, more, body

    def list(self, query):
        after = query.get("continuation-token") or query.get("start-after", "")
        keys = [k for k in sorted(self.objects) if k.startswith(query.get("prefix", "")) and k > after]
        page, more = keys[:1000], len(keys) > 1000
        items = "".join(
            f"<Contents><Key>{xml.sax.saxutils.escape(k)}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
            f'<ETag>"{len(self.objects[k])}"</ETag><Size>{len(self.objects[k])}</Size></Contents>'
            for k in page
        )
        token = f"<NextContinuationToken>{page[-1]}</NextContinuationToken>" if more else ""
        return f"<ListBucketResult><IsTruncated>{str(more).lower()}</IsTruncated>{token}{items}</ListBucketResult>".encode()


def log_of(commits):
    schema = json.dumps({"type": "struct", "fields": [{"name": "id", "type": "long", "nullable": True, "metadata": {}}]})
    first = [
        {"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}},
        {
            "metaData": {
                "id": "a",
                "format": {"provider": "parquet", "options": {}},
                "schemaString": schema,
                "partitionColumns": [],
                "configuration": {},
            }
        },
    ]
    objects = {}
    for v in range(commits):
        add = {
            "path": f"part-{v:05d}-c000.snappy.parquet",
            "partitionValues": {},
            "size": 1000,
            "modificationTime": 1767225600000 + v,
            "dataChange": True,
            "stats": '{"numRecords":10}',
        }
        actions = (first if v == 0 else []) + [{"add": add}]
        objects[f"t/_delta_log/{v:020d}.json"] = "\n".join(json.dumps(a) for a in actions).encode()
    return objects


ENV = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_REGION": "us-east-1"}


def best(server, what, env):
    times = []
    for _ in range(3):
        before, connections = server.requests, server.connections
        began = time.monotonic()
        subprocess.run(what, check=True, capture_output=True, env={**os.environ, **ENV, **env})
        times.append(time.monotonic() - began)
    return min(times), server.requests - before, server.connections - connections


def main():
    commits, latency_ms, big_mib = (int(a) for a in (sys.argv[1:] + ["1000", "20", "256"][len(sys.argv) - 1 :]))
    cache = tempfile.mkdtemp()
    server = Server({**log_of(commits), "big": os.urandom(1 << 20) * big_mib}, latency_ms / 1000)
    ingot = os.environ.get("INGOT", str(SOURCE_DIR / "build" / "ingot"))
    script = os.environ.get("INGOT_STORE_SCRIPT", str(SOURCE_DIR / "build" / "tests" / "unit_store_script"))
    ours = [ingot, "table", "show", "s3://lake/t"]
    theirs = [sys.executable, "-c", "import deltalake; print(len(deltalake.DeltaTable('s3://lake/t').file_uris()))"]
    base = [sys.executable, "-c", "import deltalake"]
    a = best(server, ours, {"AWS_ENDPOINT_URL": server.endpoint, "XDG_CACHE_HOME": cache})
    b = best(server, theirs, {"AWS_ENDPOINT_URL": server.endpoint, "AWS_ALLOW_HTTP": "true"})
    start = best(server, base, {})[0]
    print(f"{commits} commits, {latency_ms} ms a request: ingot {a[0]:.2f} s ({a[1]} requests, {a[2]} connections), "
          f"delta-rs {b[0] - start:.2f} s without Python's start ({b[1]} requests): {(b[0] - start) / a[0]:.1f} times")
    url = f"s3://lake/?endpoint={server.endpoint}&cache={cache}"
    began = time.monotonic()
    done = subprocess.run([script, url], input='{"op":"local","name":"big"}\n', text=True, capture_output=True, env={**os.environ, **ENV})
    assert '"code":"OK"' in done.stdout, done.stdout
    took = json.loads(done.stdout)["us"] / 1e6
    print(f"{big_mib} MiB in ranges side by side to a local copy: {took:.2f} s, {big_mib / took:.0f} MiB/s")
    shutil.rmtree(cache)


if __name__ == "__main__":
    main()
