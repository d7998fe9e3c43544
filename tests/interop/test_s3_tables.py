"""Tables on s3: (moto) by the lake's own functions, beside delta-rs; with no more than the documented permissions."""

import concurrent.futures
import fnmatch
import json
import re

import deltalake
import pyarrow as pa
import pytest

from support.project import SOURCE_DIR
from support.s3 import KEYS, Lake


@pytest.fixture
def lake(s3):
    it = Lake(s3.url())
    yield it
    it.close()


def test_a_table_is_written_in_turns_with_delta_rs(s3, lake):
    options, uri = s3.storage_options(), f"s3://{s3.bucket}/lake/sales/t"
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
    assert table.protocol().min_writer_version <= 2


def test_we_and_delta_rs_append_at_the_same_time(s3, lake):
    """Both by If-None-Match: no version is written twice, nothing is lost."""
    options, uri, each = s3.storage_options(), f"s3://{s3.bucket}/lake/shared", 10
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
        own = Lake(s3.url())
        for i in range(first, first + each):
            own.ok(f"append shared | | SELECT {i}::BIGINT AS id, 'ingot' AS who")
        own.close()

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(theirs, 0), pool.submit(theirs, 100), pool.submit(ours, 200), pool.submit(ours, 300)]
        for job in jobs:
            job.result()
    want = sorted(i for first in (0, 100, 200, 300) for i in range(first, first + each))
    assert [r["id"] for r in lake.ok("scan shared | | SELECT id FROM t ORDER BY id")] == want
    table = deltalake.DeltaTable(uri, storage_options=options)
    assert sorted(table.to_pyarrow_table()["id"].to_pylist()) == want
    assert table.version() == 4 * each


def test_a_long_log_takes_few_round_trips(s3, lake):
    lake.ok("create long | | SELECT 1::BIGINT AS id")
    for i in range(3):
        lake(f"append long | | SELECT {i}::BIGINT AS id")
    first = s3.body("lake/long/_delta_log/00000000000000000001.json").decode()
    first = "\n".join(line for line in first.split("\n") if line.startswith('{"add"'))
    for v in range(4, 151):
        s3.moto.client.put_object(
            Bucket=s3.bucket, Key=f"lake/long/_delta_log/{v:020d}.json", Body=first.replace("part-00000", f"part-{v:05d}")
        )
    proxy = s3.proxy(latency=0.05)
    slow = Lake(s3.url(endpoint=proxy.endpoint))
    assert len(slow.ok("files long")) == 150
    slow.close()
    assert proxy.most_at_once > 8
    assert len(proxy.requests) < 160


def needed(request):
    """The action that S3's manual wants for a request of this form."""
    query = request.query
    if request.method in ("GET", "HEAD") and request.key:
        return "s3:GetObject"
    if request.method == "GET" and query.get("list-type") == "2":
        return "s3:ListBucket"
    if request.method == "PUT" or (request.method == "POST" and ("uploads" in query or "uploadId" in query)):
        return "s3:PutObject"
    if request.method == "DELETE" and "uploadId" in query:
        return "s3:AbortMultipartUpload"
    if request.method == "DELETE" or (request.method == "POST" and "delete" in query):
        return "s3:DeleteObject"
    return str(request)


class Policy:
    """What docs/stores.md gives a role, enforced."""

    def __init__(self, role, bucket, prefix):
        text = (SOURCE_DIR / "docs" / "stores.md").read_text()
        text = text.split(f"<!-- policy: {role} -->")[1].split("```json")[1].split("```")[0]
        self.statements = json.loads(text.replace("BUCKET", bucket).replace("PREFIX", prefix))["Statement"]
        self.bucket = bucket

    def actions(self):
        actions = [s["Action"] for s in self.statements]
        return {a for some in actions for a in ([some] if isinstance(some, str) else some)}

    def allows(self, request):
        keys = re.findall(r"<Key>([^<]*)</Key>", request.body.decode()) if "delete" in request.query else [request.key]
        names = [f"arn:aws:s3:::{self.bucket}/{k}" if k else f"arn:aws:s3:::{self.bucket}" for k in keys]
        return all(
            any(needed(request) in s["Action"] and fnmatch.fnmatchcase(n, s["Resource"]) for s in self.statements) for n in names
        )


def test_the_documented_permissions_are_enough(s3):
    denied = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
    used = {}

    def only(role):
        proxy = s3.proxy()
        policy = Policy(role, s3.bucket, "lake")
        used[role] = proxy
        proxy.fault = lambda r: None if policy.allows(r) else ("status", 403, denied, {})
        return proxy.endpoint

    writer = Lake(s3.url(endpoint=only("writer")))
    writer.ok("create t | | SELECT 1::BIGINT AS id")
    writer.ok("append t | | SELECT i AS id FROM range(100) t(i)")
    writer.ok("append t | | SELECT (hash(i) >> 1)::BIGINT AS id FROM range(2000000) t(i)")  # more than a part
    writer.ok("merge t | id | | SELECT i AS id FROM range(10) t(i)")
    writer.ok("checkpoint t")
    writer.close()
    assert any("partNumber" in r.query for r in used["writer"].requests)
    reader = Lake(s3.url(endpoint=only("reader"), cache=str(s3.cache) + "-reader"))
    assert reader.ok("scan t | | SELECT count(*) AS n FROM t") == [{"n": 2000100}]
    with pytest.raises(AssertionError, match="s3:PutObject"):
        reader.ok("append t | | SELECT 1::BIGINT AS id")
    reader.close()
    maintainer = s3.script(endpoint=only("maintenance"))
    names = [k.removeprefix("lake/") for k in s3.keys("lake/t/part-")]
    maintainer.ok("remove_many", names=" ".join(names))
    maintainer.ok("remove", "t/none")
    assert not [k for k in s3.keys() if "probe" in k]
    assert Policy("reader", "b", "p").actions() == {"s3:GetObject", "s3:ListBucket"}


def test_the_command_line_takes_urls(s3, ingot, tmp_path):
    """No project, no configuration but the environment's; the bucket's root as well as a prefix."""
    env = {**KEYS, "XDG_CACHE_HOME": str(tmp_path), "AWS_ENDPOINT_URL": s3.moto.endpoint}

    def run(*args, **more):
        return ingot.run(*args, env=env, cwd=tmp_path, **more)

    table = f"s3://{s3.bucket}/t"
    run("table", "create", table, "id BIGINT, v VARCHAR")
    run("query", f"INSERT INTO delta('{table}') SELECT i AS id, 'v' AS v FROM range(10) t(i)")
    run("query", f"DELETE FROM delta('{table}') WHERE id < 3")
    rows = run("query", "--json", f"SELECT count(*) AS n, sum(id) AS s FROM delta('{table}')").rows()
    assert rows == [{"n": 7, "s": 42}]
    by_option = f"{table}?endpoint={s3.moto.endpoint}"
    assert run("query", "--json", f"SELECT count(*) AS n FROM delta('{by_option}', version => 1)").rows() == [{"n": 10}]
    assert [r["version"] for r in run("table", "history", "--json", table).rows()] == [2, 1, 0]
    assert "put-if-absent  kept" in run("table", "probe", f"s3://{s3.bucket}").out
    assert sorted(k for k in s3.keys() if not k.startswith("t/")) == []
    theirs = deltalake.DeltaTable(table, storage_options=s3.storage_options())
    assert sorted(theirs.to_pyarrow_table()["id"].to_pylist()) == list(range(3, 10))


def test_the_probe_says_which_store_is_not_safe(s3, ingot, tmp_path):
    proxy = s3.proxy()
    proxy.fault = lambda request: request.headers.pop("If-None-Match", None) and None
    env = {**KEYS, "XDG_CACHE_HOME": str(tmp_path), "AWS_ENDPOINT_URL": proxy.endpoint}
    done = ingot.run("table", "probe", f"s3://{s3.bucket}/lake", env=env, cwd=tmp_path, code=None)
    assert done.code != 0 and "8 of 8 puts of one name won" in done.err, done
    done = ingot.run("table", "create", f"s3://{s3.bucket}/lake/t", "id BIGINT", env=env, cwd=tmp_path, code=None)
    assert done.code != 0 and "docs/stores.md" in done.err, done
    assert s3.keys() == []
