"""Tables on gs: (fake-gcs-server) by the lake's own functions, beside delta-rs; with the documented permissions and costs."""

import concurrent.futures
import json
import re

import deltalake
import pyarrow as pa
import pytest

from support.project import SOURCE_DIR
from support.s3 import Lake


@pytest.fixture
def lake(gcs):
    it = Lake(gcs.url())
    yield it
    it.close()


def test_a_table_is_written_in_turns_with_delta_rs(gcs, lake):
    options, uri = gcs.storage_options(), f"gs://{gcs.bucket}/lake/sales/t"
    lake.ok("create sales/t | day | SELECT 1::BIGINT AS id, 'x' AS v, 'a b/ü%' AS day")
    lake.ok("append sales/t | | SELECT i AS id, 'ours' AS v, 'd ' || (i % 3) AS day FROM range(9) t(i)")
    theirs = pa.table({"id": pa.array([100, 101], pa.int64()), "v": ["theirs"] * 2, "day": ["d 1", "ü/%"]})
    deltalake.write_deltalake(uri, theirs, mode="append", storage_options=options)
    lake.ok("merge sales/t | id | | SELECT i AS id, 'merged' AS v, 'd 1' AS day FROM range(100, 102) t(i)")
    deltalake.DeltaTable(uri, storage_options=options).delete("id < 3")
    lake.ok("checkpoint sales/t")
    lake.ok("append sales/t | | SELECT 200::BIGINT AS id, 'last' AS v, NULL::VARCHAR AS day")
    want = {**{i: "ours" for i in range(3, 9)}, 100: "merged", 101: "merged", 200: "last"}
    assert {r["id"]: r["v"] for r in lake.ok("scan sales/t | | SELECT id, v FROM t")} == want
    table = deltalake.DeltaTable(uri, storage_options=options)
    rows = table.to_pyarrow_table()
    assert dict(zip(rows["id"].to_pylist(), rows["v"].to_pylist())) == want


def test_processes_and_delta_rs_append_at_the_same_time(gcs, lake):
    """Both by a generation of 0: no version is written twice, nothing is lost."""
    options, uri, each = gcs.storage_options(), f"gs://{gcs.bucket}/lake/shared", 10
    lake.ok("create shared | | SELECT 1::BIGINT AS id, 'x' AS who")

    def theirs(first):
        for i in range(first, first + each):
            rows = pa.table({"id": pa.array([i], pa.int64()), "who": ["delta-rs"]})
            for attempt in range(5):  # delta-rs gives up after 15 lost races, and pauses between none
                try:
                    deltalake.write_deltalake(uri, rows, mode="append", storage_options=options)
                    break
                except deltalake.exceptions.CommitFailedError:
                    assert attempt < 4

    def ours(first):
        own = Lake(gcs.url())
        for i in range(first, first + each):
            own.ok(f"append shared | | SELECT {i}::BIGINT AS id, 'ingot' AS who")
        own.close()

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(theirs, 0), pool.submit(ours, 100), pool.submit(ours, 200), pool.submit(ours, 300)]
        for job in jobs:
            job.result()
    want = sorted(i for first in (0, 100, 200, 300) for i in range(first, first + each))
    assert [r["id"] for r in lake.ok("scan shared | | SELECT id FROM t ORDER BY id")] == want
    versions = [k for k in gcs.keys("lake/shared/_delta_log/") if re.search(r"/\d{20}\.json$", k)]
    assert len(versions) == 4 * each + 1


def of_docs(mark):
    """What stands in docs/stores.md behind a comment: the code block's or table's lines."""
    text = (SOURCE_DIR / "docs" / "stores.md").read_text().split(f"<!-- {mark} -->")[1]
    return text.split("\n\n")[0].strip().splitlines()


def needed(gcs, request):
    """The permissions that Google's manual wants for a request of this form."""
    path = request.path.partition("?")[0]
    if path.startswith("/upload"):
        if "ifGenerationMatch" in request.query or "session" in request.query:
            return {"storage.objects.create"}
        return {"storage.objects.create", "storage.objects.delete"}  # it may be written over
    if request.method == "GET" and path.endswith("/o"):
        return {"storage.objects.list"}
    if request.method == "GET":
        return {"storage.objects.get"}
    if request.method == "DELETE":
        return {"storage.objects.delete"}
    return {str(request)}


def test_the_documented_permissions_are_enough(gcs):
    def only(role):
        allowed = {line.split("`")[1] for line in of_docs(f"gcs permissions: {role}")}
        proxy = gcs.proxy()

        def gate(request):
            missing = needed(gcs, request) - allowed
            if missing:
                text = {"error": {"code": 403, "message": f"it@p does not have {missing.pop()} access"}}
                return "status", 403, json.dumps(text).encode(), {}

        proxy.fault = gate
        return proxy.endpoint

    writer = Lake(gcs.url(endpoint=only("writer")))
    writer.ok("create t | | SELECT 1::BIGINT AS id")
    writer.ok("append t | | SELECT i AS id FROM range(100) t(i)")
    writer.ok("append t | | SELECT (hash(i) >> 1)::BIGINT AS id FROM range(2000000) t(i)")  # a session
    writer.ok("merge t | id | | SELECT i AS id FROM range(10) t(i)")
    writer.ok("checkpoint t")
    writer.ok("append t | | SELECT 7::BIGINT AS id")
    writer.ok("checkpoint t")
    writer.close()
    reader = Lake(gcs.url(endpoint=only("reader"), cache=str(gcs.cache) + "-reader"))
    assert reader.ok("scan t | | SELECT count(*) AS n FROM t") == [{"n": 2000101}]
    with pytest.raises(AssertionError, match="storage.objects.create"):
        reader.ok("append t | | SELECT 1::BIGINT AS id")
    reader.close()


def test_the_documented_requests_are_what_is_made(gcs):
    """The table in docs/stores.md: how many requests of each price class an operation makes."""
    proxy = gcs.proxy()
    lake = Lake(gcs.url(endpoint=proxy.endpoint))
    operations = {
        "create a table": "create t | | SELECT 1::BIGINT AS id",
        "append one file": "append t | | SELECT i AS id FROM range(100) t(i)",
        "merge that replaces one file": "merge t | id | | SELECT i AS id FROM range(50, 150) t(i)",
        "write a checkpoint": "checkpoint t",
    }
    lake.ok("create warm | | SELECT 1::BIGINT AS id")  # the probe
    counted = {}
    for name, line in operations.items():
        n = len(proxy.requests)
        lake.ok(line)
        counted[name] = classes(proxy.requests[n:])
    lake.close()
    fresh = Lake(gcs.url(endpoint=proxy.endpoint, cache=str(gcs.cache) + "-2"))
    for name in ("scan, one file, first time", "scan, again"):
        n = len(proxy.requests)
        fresh.ok("scan t | | SELECT count(*) AS n FROM t")
        counted[name] = classes(proxy.requests[n:])
    fresh.close()
    documented = {}
    for line in of_docs("gcs requests")[2:]:
        name, a, b = [cell.strip() for cell in line.strip("|").split("|")]
        documented[name] = (int(a), int(b))
    assert counted == documented


def classes(requests):
    """Google's prices: class A (list, insert), class B (get); deleting is free."""
    a = [r for r in requests if r.method in ("POST", "PUT") or r.path.partition("?")[0].endswith("/o")]
    b = [r for r in requests if r.method == "GET" and not r.path.partition("?")[0].endswith("/o")]
    return len(a), len(b)
