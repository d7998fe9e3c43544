"""Bronze files, which ingot writes with a Parquet writer of its own, read by pyarrow, DuckDB and Spark; and what is in
them against what confluent-kafka reads from the log, also after SIGTERM and kill -9."""

import base64
import datetime
import json

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from support import kafka, orders
from support.project import Project, Up, wait_for

UTC = datetime.timezone.utc
SCHEMA = pa.schema(
    [
        pa.field("_value", pa.string(), nullable=False),
        pa.field("_key", pa.string()),
        pa.field("_topic", pa.string(), nullable=False),
        pa.field("_partition", pa.int32(), nullable=False),
        pa.field("_offset", pa.int64(), nullable=False),
        pa.field("_timestamp", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("_ingested_at", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("_headers", pa.string()),
    ]
)


def files(project):
    return sorted((project.root / "data" / "lake" / "bronze").rglob("*.parquet"))


def read(path):
    """One file, without the columns that readers make of folder names."""
    return pq.ParquetFile(path).read()


def bronze_rows(project):
    return [row for path in files(project) for row in read(path).to_pylist()]


def letters(bootstrap, topic="dlq-raw-orders"):
    return [
        (r.header("ingot-topic"), int(r.header("ingot-partition")), int(r.header("ingot-offset")))
        for r in kafka.read_topic(bootstrap, topic)
        if r.header("ingot-stage") == "bronze"
    ]


@pytest.fixture(scope="module")
def written(ingot, tmp_path_factory):
    """2,000 orders of two days, some of them undatable, with keys and headers of all kinds."""
    p = Project(ingot, tmp_path_factory.mktemp("bronze") / "project")
    orders.add_to(p, flush_records=300)
    with p.up() as up:
        producer = kafka.producer(up.bootstrap)
        for i in range(2000):
            value = orders.encode(orders.order(i, f"2024-01-{15 + i % 2}"))
            if i % 100 == 7:
                value = b'{"order_id": ' + bytes([0xFF, i % 256])
            key = (None, b"", f"ключ {i}".encode(), bytes([0xC3, 0x28, i % 256]))[i % 4]
            headers = ([], [("a", b"1"), ("a", b"2")], [("quote", b'"\\\n'), ("bytes", b"\xff\xfe")], [("none", None)])[i % 4]
            producer.produce("raw-orders", value=value, key=key, headers=headers)
            producer.poll(0)
        assert producer.flush(30) == 0
        wait_for(lambda: sum(pq.ParquetFile(f).metadata.num_rows for f in files(p)) >= 1980)
        p.log = {r.at: r for r in kafka.read_topic(up.bootstrap, "raw-orders")}
        p.letters = letters(up.bootstrap)
    return p


def key_text(key):
    if key is None:
        return None
    try:
        return key.decode()
    except UnicodeDecodeError:
        return "\\x" + key.hex()


def header_pairs(text):
    if text is None:
        return []
    return [(h["key"], base64.b64decode(h["base64"]) if "base64" in h
             else None if h["value"] is None else h["value"].encode()) for h in json.loads(text)]


def test_every_record_is_a_row_or_a_letter(written):
    rows = {(r["_topic"], r["_partition"], r["_offset"]): r for r in bronze_rows(written)}
    assert len(rows) == len(bronze_rows(written)) == 1980
    assert len(written.letters) == len(set(written.letters)) == 20
    assert set(rows) | set(written.letters) == set(written.log)
    for at, row in rows.items():
        record = written.log[at]
        assert row["_value"].encode() == record.value
        assert row["_key"] == key_text(record.key)
        assert row["_timestamp"] == datetime.datetime.fromtimestamp(record.timestamp_ms / 1000, UTC)
        assert header_pairs(row["_headers"]) == list(record.headers)


def test_a_file_holds_what_its_folder_says_and_the_flush_allows(written):
    for path in files(written):
        table = read(path)
        assert 0 < table.num_rows <= 300
        assert {json.loads(v)["created_at"][:10] for v in table["_value"].to_pylist()} == {
            path.parent.name.removeprefix("order_date=")
        }


def test_pyarrow_sees_the_schema_and_the_statistics(written):
    for path in files(written):
        f = pq.ParquetFile(path)
        assert f.schema_arrow.equals(SCHEMA)
        table, group = f.read(), f.metadata.row_group(0)
        assert f.metadata.num_row_groups == 1 and group.num_rows == table.num_rows
        for i, name in enumerate(SCHEMA.names):
            column = group.column(i)
            assert column.compression == "SNAPPY"
            assert column.statistics.null_count == table[name].null_count
            if name in ("_partition", "_offset", "_timestamp", "_ingested_at", "_topic"):
                values = table[name].to_pylist()
                assert (column.statistics.min, column.statistics.max) == (min(values), max(values))


def test_duckdb_reads_the_same_rows(written):
    pattern = str(written.root / "data" / "lake" / "bronze" / "*" / "*" / "*.parquet")
    columns = ", ".join(SCHEMA.names)
    got = duckdb.connect().execute(
        f"SELECT _partition, _offset, _value, _key, _headers, epoch_us(_timestamp) FROM "
        f"(SELECT {columns} FROM read_parquet(?)) ORDER BY ALL", [pattern]
    ).fetchall()
    want = [(r["_partition"], r["_offset"], r["_value"], r["_key"], r["_headers"],
             round(r["_timestamp"].timestamp() * 1e6)) for r in bronze_rows(written)]
    assert sorted(got, key=lambda r: r[:2]) == sorted(want, key=lambda r: r[:2])


def test_spark_reads_the_same_rows(written, spark):
    frame = spark.read.parquet(*[str(f) for f in files(written)])
    got = {(r["_partition"], r["_offset"]): (r["_value"], r["_key"], r["_topic"], r["_headers"])
           for r in frame.collect()}
    assert got == {(r["_partition"], r["_offset"]): (r["_value"], r["_key"], r["_topic"], r["_headers"])
                   for r in bronze_rows(written)}
    low = min(r["_offset"] for r in bronze_rows(written) if r["_partition"] == 1)
    assert frame.where(f"_partition = 1 AND _offset <= {low}").count() == 1  # by the statistics


def test_sigterm_flushes(project):
    orders.add_to(project, flush_records=1000000, flush_interval="1h")
    with project.up() as up:
        kafka.produce(up.bootstrap, "raw-orders", [orders.encode(orders.order(i)) for i in range(100)])
        wait_for(lambda: "raw-orders" in kafka.topics(up.bootstrap))
    assert len(bronze_rows(project)) == 100


def test_kill_9_repeats_rows_at_most(project, rng):
    orders.add_to(project, flush_records=50, flush_interval="200ms")
    made = 0
    for _ in range(6):
        up = Up(project).wait_ready()
        values = []
        for _ in range(400):
            values.append(orders.encode(orders.order(made)) if made % 40 else b"not JSON %d" % made)
            made += 1
        kafka.produce(up.bootstrap, "raw-orders", values)
        before = len(files(project))
        if rng.random() < 0.7:
            wait_for(lambda: len(files(project)) > before)
        up.kill()
    with project.up() as up:
        log = {r.at: r.value for r in kafka.read_topic(up.bootstrap, "raw-orders")}
        wait_for(lambda: len({(r["_partition"], r["_offset"]) for r in bronze_rows(project)}) >= made - made // 40)
        sent = letters(up.bootstrap)
    rows = {}
    for r in bronze_rows(project):
        at = (r["_topic"], r["_partition"], r["_offset"])
        assert rows.setdefault(at, r["_value"]) == r["_value"]
    assert len(log) == made
    assert set(rows) | set(sent) == set(log)
    assert not set(rows) & set(sent)
    assert len(sent) == len(set(sent)) == made // 40
    assert all(log[at] == value.encode() for at, value in rows.items())
