"""What commits leave in the log, as Spark and delta-rs take it: checkpoints of all kinds, row ids, in-commit timestamps."""

import json
import os
import re
import time

import deltalake
import pytest

from support.s3 import Lake

COLUMNS = [
    {"name": "id", "type": "BIGINT"},
    {"name": "at", "type": "TIMESTAMP WITH TIME ZONE"},
    {"name": "s", "type": "VARCHAR"},
    {"name": "n", "type": "STRUCT(a INTEGER, b DATE)"},
    {"name": "price", "type": "DECIMAL(10,2)"},
    {"name": "d", "type": "DATE"},
]
ROWS = (
    "SELECT i AS id, TIMESTAMPTZ '2024-01-01 00:00:00+00' + INTERVAL (i) HOUR AS at, 's' || i AS s,"
    " {{a: i::INTEGER, b: DATE '2024-02-01'}} AS n, (i * 1.25)::DECIMAL(10,2) AS price,"
    " DATE '2024-01-01' + (i % 3)::INTEGER AS d FROM range({}, {}) t(i)"
)
V2 = {"delta.checkpointPolicy": "v2"}
STRUCTS = {"delta.checkpoint.writeStatsAsStruct": "true"}
KINDS = {
    "classic": ({}, r"^\d{20}\.checkpoint\.parquet$"),
    "classic_with_columns": ({**STRUCTS, "delta.checkpoint.writeStatsAsJson": "false"}, r"^\d{20}\.checkpoint\.parquet$"),
    "v2_in_one_file": (V2, r"^\d{20}\.checkpoint\.[0-9a-f-]{36}\.json$"),
    "v2_with_sidecars": ({**V2, **STRUCTS}, r"^\d{20}\.checkpoint\.[0-9a-f-]{36}\.json$"),
}


@pytest.fixture
def lake(tmp_path):
    it = Lake(str(tmp_path / "lake"))
    yield it
    it.close()


def make(lake, table, **properties):
    options = {"columns": COLUMNS, "partition_by": ["d"], "properties": {"delta.checkpointInterval": "3", **properties}}
    lake.ok(f"make {table} | | {json.dumps(options)}")


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_checkpoint_is_read_by_spark(lake, tmp_path, spark, kind):
    """The commits before it are taken away, so that nothing else says what the table is."""
    properties, name = KINDS[kind]
    make(lake, kind, **properties)
    for i in range(4):
        lake.ok(f"append {kind} | app=a,version={i} | " + ROWS.format(i * 30, i * 30 + 30))
    log = tmp_path / "lake" / kind / "_delta_log"
    assert [f.name for f in log.iterdir() if re.match(name, f.name)], kind
    assert (log / "_sidecars").is_dir() == (kind == "v2_with_sidecars")
    for v in range(3):
        (log / f"{v:020}.json").unlink()
        (log / f"{v:020}.crc").unlink()
    table = spark.read.format("delta").load(str(log.parent))
    want = "n.a BETWEEN 40 AND 49 AND at >= '2024-01-01' AND price >= 50 AND d < '2024-01-03'"
    if "delta.checkpoint.writeStatsAsStruct" in properties:
        table = table.where(want)
        assert sorted(r.id for r in table.collect()) == [i for i in range(40, 50) if i % 3 < 2], kind
    else:
        assert sorted(r.id for r in table.select("id").collect()) == list(range(120)), kind
    assert [r["n"] for r in lake.ok(f"scan {kind} | | SELECT count(*) AS n FROM t")] == [120]
    assert lake(f"append {kind} | app=a,version=3 | " + ROWS.format(0, 1))[1].startswith("EXISTS")
    if kind.startswith("classic"):
        table = deltalake.DeltaTable(str(log.parent))
        assert sorted(table.to_pyarrow_table()["id"].to_pylist()) == list(range(120))


def actions(log, version, kind):
    lines = (log / f"{version:020}.json").read_text().splitlines()
    return [a[kind] for a in map(json.loads, lines) if kind in a]


def test_row_ids_and_timestamps_go_on_from_spark_to_us_and_back(lake, tmp_path, spark):
    path = tmp_path / "lake" / "t"
    log = path / "_delta_log"
    spark.sql(
        f"CREATE TABLE delta.`{path}` (id BIGINT) USING delta TBLPROPERTIES ('delta.enableInCommitTimestamps' = 'true',"
        " 'delta.feature.rowTracking' = 'supported')"
    )
    for i in range(4):
        if i % 2:
            spark.sql(f"INSERT INTO delta.`{path}` SELECT id FROM range({i * 10}, {i * 10 + 10})")
        else:
            lake.ok(f"append t | | SELECT i AS id FROM range({i * 10}, {i * 10 + 10}) t(i)")
    taken = []
    for v in range(1, 5):
        for add in actions(log, v, "add"):
            rows = json.loads(add["stats"])["numRecords"]
            taken += range(add["baseRowId"], add["baseRowId"] + rows)
            assert add["defaultRowCommitVersion"] == v
        (domain,) = [d for d in actions(log, v, "domainMetadata") if d["domain"] == "delta.rowTracking"]
        assert json.loads(domain["configuration"])["rowIdHighWaterMark"] == max(taken)
    assert sorted(taken) == list(range(40))
    times = [actions(log, v, "commitInfo")[0]["inCommitTimestamp"] for v in range(5)]
    assert times == sorted(set(times))
    assert spark.sql(f"SELECT count(*) AS n FROM delta.`{path}`").collect()[0].n == 40
    history = spark.sql(f"DESCRIBE HISTORY delta.`{path}`").collect()
    assert [int(h.timestamp.timestamp() * 1000) for h in history] == times[::-1]


def test_the_log_is_cleaned_up_and_spark_reads_on(lake, tmp_path, spark):
    """Retention is counted in days, by the files' own times."""
    make(lake, "t")
    for i in range(8):
        lake.ok("append t | | " + ROWS.format(i * 3, i * 3 + 3))
    log = tmp_path / "lake" / "t" / "_delta_log"
    old = time.time() - 40 * 86400
    for f in log.iterdir():
        if f.name[:20].isdigit() and int(f.name[:20]) <= 7:
            os.utime(f, (old, old))
    lake.ok("append t | | " + ROWS.format(24, 27))  # version 9 writes a checkpoint
    versions = sorted({int(f.name[:20]) for f in log.iterdir() if f.name[:20].isdigit()})
    assert versions == [6, 7, 8, 9]
    assert sorted(f.name[20:] for f in log.iterdir() if f.name.startswith(f"{6:020}")) == [".checkpoint.parquet", ".crc", ".json"]
    assert spark.read.format("delta").load(str(log.parent)).count() == 27
    assert spark.read.format("delta").option("versionAsOf", 7).load(str(log.parent)).count() == 21
    assert deltalake.DeltaTable(str(log.parent), version=6).to_pyarrow_table().num_rows == 18
    rows, problem = lake("scan t@5 | | SELECT count(*) AS n FROM t")
    assert problem.startswith("NOT_FOUND")
