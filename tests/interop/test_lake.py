"""Delta tables of the lake's own functions against delta-rs, Spark and pyarrow: what one writes, the others read."""

import contextlib
import datetime
import decimal
import json
import math
import os
import pathlib
import shutil
import subprocess
import threading

import deltalake
import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

SOURCE_DIR = pathlib.Path(__file__).resolve().parents[2]
UTC = datetime.timezone.utc


class Failed(Exception):
    pass


class Lake:
    """The lake's operations by lines of text: tests/unit/lake/test_script.c."""

    def __init__(self, folder):
        program = os.environ.get("INGOT_LAKE_SCRIPT", SOURCE_DIR / "build" / "tests" / "unit_lake_script")
        if not pathlib.Path(program).exists():
            pytest.skip(f"{program} is not built: make unit")
        self.folder = pathlib.Path(folder)
        self.process = subprocess.Popen(
            [program, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def __call__(self, line):
        self.process.stdin.write(" ".join(line.split("\n")) + "\n")
        self.process.stdin.flush()
        rows = []
        for answer in self.process.stdout:
            answer = answer.rstrip("\n")
            if answer == "ok":
                return rows
            if answer.startswith("{"):
                rows.append(json.loads(answer))
            else:
                raise Failed(answer)
        raise AssertionError(f"the program died at: {line}")

    def close(self):
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.wait(20)


@pytest.fixture
def lake(tmp_path):
    it = Lake(tmp_path / "lake")
    yield it
    it.close()


ALL_TYPES = """
SELECT CASE WHEN i % 7 = 3 THEN NULL ELSE i END::INTEGER AS i32, i::TINYINT AS i8, (i * 100)::SMALLINT AS i16,
       i * 10000000000 AS i64, (i / 3)::FLOAT AS f32, CASE WHEN i = 5 THEN 'nan'::DOUBLE ELSE i / 3 END AS f64,
       (i * 1.01)::DECIMAL(10,2) AS d10, (i * 100000000000000000)::DECIMAL(38,5) AS d38, i % 2 = 0 AS flag,
       CASE WHEN i = 4 THEN NULL ELSE 'text ' || i || ' ä"\\' || chr(39) END AS text, 'b'::BLOB AS bytes,
       DATE '2024-01-01' + i::INTEGER AS day, TIMESTAMPTZ '2024-01-01 00:00:00.123456+00' + to_seconds(i) AS moment,
       {'a': i, 'b': {'c': 'x' || i}} AS nested, [i, i + 1] AS list, MAP {'k' || i: i} AS dict,
       [{'sku': 's' || i, 'n': i::INTEGER}] AS items, i::UINTEGER AS u32, i::UBIGINT AS u64, i::HUGEINT AS huge
FROM range(10) t(i)
""".replace("\n", " ")


def test_every_type_is_read_by_delta_rs(lake):
    lake(f"create all | | {ALL_TYPES}")
    lake(f"append all | | {ALL_TYPES}")
    table = deltalake.DeltaTable(str(lake.folder / "all"))
    assert (table.protocol().min_reader_version, table.protocol().min_writer_version) == (1, 2)
    rows = sorted(table.to_pyarrow_table().to_pylist(), key=lambda r: r["i8"])
    want = duckdb.sql(ALL_TYPES)
    want = want.to_arrow_table().to_pylist()
    assert len(rows) == len(want) == 10
    for got, expected in zip(rows, want):
        for name, value in expected.items():
            if isinstance(value, float) and math.isnan(value):
                assert math.isnan(got[name])
            elif isinstance(value, float):
                assert got[name] == pytest.approx(value, rel=1e-6)
            else:
                assert got[name] == value, name
    schema = {f.name: f.type for f in table.schema().fields}
    assert str(schema["moment"]) == 'PrimitiveType("timestamp")'
    assert str(schema["u32"]) == 'PrimitiveType("long")' and str(schema["huge"]) == 'PrimitiveType("long")'
    assert str(schema["u64"]) == 'PrimitiveType("decimal(20,0)")'


def actions(lake, table, version, kind):
    path = lake.folder / table / "_delta_log" / f"{version:020d}.json"
    return [a[kind] for a in map(json.loads, path.read_text().splitlines()) if kind in a]


def flat(value, prefix=""):
    for key, item in value.items():
        if isinstance(item, dict):
            yield from flat(item, f"{prefix}{key}.")
        else:
            yield prefix + key, item


def test_statistics_bound_what_pyarrow_finds_in_the_file(lake):
    texts = ["short", "x" * 40, "ä" * 40, "z" * 31 + "\U0010ffff" * 3, "y" * 32 + "\x7f" + "q"]
    values = ", ".join(f"({i}, '{t}')" for i, t in enumerate(texts))
    lake(f"create stats | | {ALL_TYPES}")
    lake(f"append stats | | {ALL_TYPES}")
    lake(f"create texts | | SELECT * FROM (VALUES {values}) v(i, t)")
    lake(f"append texts | | SELECT * FROM (VALUES {values}) v(i, t)")
    for name in ("stats", "texts"):
        (add,) = actions(lake, name, 1, "add")
        stats = json.loads(add["stats"], parse_float=decimal.Decimal)
        data = pq.read_table(lake.folder / name / add["path"], partitioning=None)
        assert stats["numRecords"] == data.num_rows and add["size"] == os.path.getsize(lake.folder / name / add["path"])
        low, high, nulls = (dict(flat(stats[k])) for k in ("minValues", "maxValues", "nullCount"))
        assert low.keys() == high.keys() and low.keys() <= nulls.keys()
        for column, count in nulls.items():
            array = data.column(column.split(".")[0]).combine_chunks()
            for child in column.split(".")[1:]:
                array = pc.struct_field(array, child)
            assert count == array.null_count, column
            if column not in low:
                continue
            least, most = pc.min(array).as_py(), pc.max(array).as_py()
            assert parsed(low[column], least, array.type) <= least and most <= parsed(high[column], most, array.type), column
            if not isinstance(least, str) or len(least) <= 32:
                assert abs_difference(parsed(low[column], least, array.type), least) < 0.001, column
        assert set(nulls) & {"list", "dict", "items"} == set(), "no counts of what is inside lists"
        if name == "stats":
            assert "f64" not in low, "a NaN leaves no bounds"
            assert not {"flag", "bytes"} & set(low)
            assert {"i32", "d38", "day", "moment", "nested.a", "nested.b.c", "text"} <= set(low)
            assert low["moment"] == "2024-01-01T00:00:00.123Z" and high["moment"] == "2024-01-01T00:00:09.124Z"


def parsed(text, like, kind):
    if isinstance(like, datetime.datetime):
        return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    if isinstance(like, datetime.date):
        return datetime.date.fromisoformat(text)
    if isinstance(like, str):
        return text
    if pa.types.is_float32(kind):
        return pa.scalar(float(text), pa.float32()).as_py()
    return type(like)(text)


def abs_difference(a, b):
    if isinstance(a, str):
        return 0 if a == b else 1
    d = a - b
    return abs(d.total_seconds() if isinstance(d, datetime.timedelta) else float(d))


PARTITION_VALUES = ["plain", "with space", "a/b", "50%", "x=y", "ä", "__x", "a:b?c#d", "quote'\"", "{br}[ack]^", "NULL", "null", "%20", "+", "\\", "*", "w" * 300]


def partition_rows():
    texts = ", ".join("({}, '{}')".format(i, v.replace("'", "''")) for i, v in enumerate(PARTITION_VALUES))
    return f"SELECT i::INTEGER AS i, v AS p, DATE '2024-01-01' + i::INTEGER AS d FROM (VALUES {texts}, (99, NULL)) v(i, v)"


def test_special_partition_values(lake):
    # A folder's name cannot be longer than 255 bytes while DuckDB writes it: the longest value is left out here.
    rows = partition_rows().replace("w" * 300, "w" * 120)
    values = {i: v.replace("w" * 300, "w" * 120) for i, v in enumerate(PARTITION_VALUES)} | {99: None}
    lake(f"create special | p,d | {rows}")
    lake(f"append special | | {rows}")
    got = deltalake.DeltaTable(str(lake.folder / "special")).to_pyarrow_table().to_pylist()
    assert {r["i"]: r["p"] for r in got} == values
    assert {r["i"]: r["p"] for r in lake("scan special | |")} == values
    assert [r["i"] for r in lake("scan special | p=plain |")] == [0]
    assert [r["i"] for r in lake("scan special | p=\\N |")] == [99]
    assert [r["i"] for r in lake("scan special | d=2024-01-03 |")] == [2]


def test_partition_values_of_every_type_are_typed(lake):
    rows = """SELECT i::INTEGER AS i, (i * 100)::SMALLINT AS s, i % 2 = 0 AS b, (i / 4)::DOUBLE AS f, (i * 1.25)::DECIMAL(9,2) AS d,
              DATE '2024-02-28' + i::INTEGER AS day, TIMESTAMPTZ '2024-01-01 00:00:00.5+00' + to_hours(i) AS t FROM range(3) r(i)"""
    lake(f"create typed | s,b,f,d,day,t | {rows}")
    lake(f"append typed | | {rows}")
    got = sorted(deltalake.DeltaTable(str(lake.folder / "typed")).to_pyarrow_table().to_pylist(), key=lambda r: r["i"])
    assert got[2]["t"] == datetime.datetime(2024, 1, 1, 2, 0, 0, 500000, UTC)
    assert got[1] == got[1] | {"s": 100, "b": False, "f": 0.25, "d": decimal.Decimal("1.25"), "day": datetime.date(2024, 2, 29)}
    ours = lake("scan typed | | SELECT i, s, b, f, d, day, epoch_us(t) AS t FROM t ORDER BY i")
    assert [(r["s"], r["b"], r["f"], r["day"]) for r in ours] == [(r["s"], r["b"], r["f"], str(r["day"])) for r in got]
    assert ours[2]["t"] == int(got[2]["t"].timestamp() * 1000000)


def many_commits(lake, name, n):
    lake(f"create {name} | d | SELECT 1 AS id, 'x' AS v, DATE '2024-01-01' AS d")
    for k in range(n):
        lake(f"merge {name} | id | | SELECT i::INTEGER AS id, 'v{k}' AS v, DATE '2024-01-01' + (i % 3)::INTEGER AS d "
             f"FROM range({k}, {k + 5}) t(i)")
    want = {}
    for k in range(n):
        want.update({i: f"v{k}" for i in range(k, k + 5)})
    return want


def test_checkpoints_are_read_by_delta_rs_without_the_commits(lake):
    want = many_commits(lake, "many", 25)
    log = lake.folder / "many" / "_delta_log"
    hint = json.loads((log / "_last_checkpoint").read_text())
    assert hint["version"] == 20 and (log / f"{20:020d}.checkpoint.parquet").exists()
    for version in range(20):
        (log / f"{version:020d}.json").unlink()
    table = deltalake.DeltaTable(str(lake.folder / "many"))
    assert table.version() == 25
    assert {r["id"]: r["v"] for r in table.to_pyarrow_table().to_pylist()} == want
    assert {r["id"]: r["v"] for r in lake("scan many | |")} == want
    with pytest.raises(Failed, match="NOT_FOUND"):
        lake("scan many@5 | |")


def test_a_stale_or_broken_hint_or_checkpoint_is_got_around(lake):
    want = many_commits(lake, "many", 25)
    log = lake.folder / "many" / "_delta_log"
    (log / "_last_checkpoint").write_text('{"version": 7, "si')
    assert {r["id"]: r["v"] for r in lake("scan many | |")} == want
    whole = (log / f"{20:020d}.checkpoint.parquet").read_bytes()
    (log / f"{20:020d}.checkpoint.parquet").write_bytes(whole[: len(whole) // 2])
    assert {r["id"]: r["v"] for r in lake("scan many | |")} == want
    for version in range(10):
        (log / f"{version:020d}.json").unlink()
    assert {r["id"]: r["v"] for r in lake("scan many | |")} == want, "from the checkpoint of version 10"
    (log / f"{10:020d}.checkpoint.parquet").write_bytes(whole[:100])
    with pytest.raises(Failed, match="CORRUPT.*checkpoint"):
        lake("scan many | |")


def test_a_table_written_by_delta_rs_in_turn_with_us(lake):
    path = str(lake.folder / "turns")
    first = pa.table({"id": pa.array([1, 2, 3], pa.int64()), "d": ["a", "a", "b"], "at": pa.array([1, 2, 3], pa.timestamp("us", "UTC"))})
    deltalake.write_deltalake(path, first, partition_by=["d"])
    assert [r["id"] for r in lake("scan turns | |")] == [1, 2, 3]
    lake("merge turns | id | | SELECT 2 AS id, 'a' AS d, make_timestamptz(20) AS at UNION ALL SELECT 4, 'c', make_timestamptz(4)")
    table = deltalake.DeltaTable(path)
    assert sorted((r["id"], r["d"], r["at"].microsecond) for r in table.to_pyarrow_table().to_pylist()) == [(1, "a", 1), (2, "a", 20), (3, "b", 3), (4, "c", 4)]
    table.delete("id = 1")
    table.create_checkpoint()
    assert [r["id"] for r in lake("scan turns | |")] == [2, 3, 4]
    lake("replace turns | d=c | SELECT 9 AS id, 'c' AS d")
    more = pa.table({"id": pa.array([10], pa.int64()), "d": ["c"], "extra": [1.5]})
    deltalake.write_deltalake(path, more, mode="append", schema_mode="merge")
    got = lake("scan turns | | SELECT id, d, extra FROM t ORDER BY id")
    assert got == [{"id": 2, "d": "a", "extra": None}, {"id": 3, "d": "b", "extra": None}, {"id": 9, "d": "c", "extra": None}, {"id": 10, "d": "c", "extra": 1.5}]
    assert lake("scan turns@0 | | SELECT count(*) AS n FROM t") == [{"n": 3}]
    table = deltalake.DeltaTable(path)
    table.optimize.compact()
    table.vacuum(retention_hours=0, dry_run=False, enforce_retention_duration=False)
    assert [r["id"] for r in lake("scan turns | |")] == [2, 3, 9, 10]
    operations = {h["operation"] for h in deltalake.DeltaTable(path).history()}
    assert {"MERGE", "WRITE", "DELETE", "OPTIMIZE"} <= operations


def test_constraints_and_append_only_of_delta_rs_are_honoured(lake):
    path = str(lake.folder / "checked")
    deltalake.write_deltalake(path, pa.table({"id": pa.array([1], pa.int64())}))
    deltalake.DeltaTable(path).alter.add_constraint({"positive": "id > 0"})
    assert [r["id"] for r in lake("scan checked | |")] == [1]
    with pytest.raises(Failed, match=r'INVALID.*the constraint positive \(id > 0\) of the table checked.*{"id":-1}'):
        lake("append checked | | SELECT -1 AS id")
    path = str(lake.folder / "only")
    deltalake.write_deltalake(path, pa.table({"id": pa.array([1], pa.int64())}), configuration={"delta.appendOnly": "true"})
    lake("append only | | SELECT 2 AS id")
    with pytest.raises(Failed, match="INVALID.*appendOnly"):
        lake("replace only | | SELECT 3 AS id")
    assert [r["id"] for r in deltalake.DeltaTable(path).to_pyarrow_table().to_pylist()] in ([1, 2], [2, 1])


def test_delta_rs_and_we_write_one_table_at_the_same_time(lake):
    path = str(lake.folder / "shared")
    lake("create shared | | SELECT 1::BIGINT AS id, 'x' AS who")
    failures = []

    def append_much():
        for i in range(15):
            try:
                rows = pa.table({"id": pa.array([1000 + i], pa.int64()), "who": ["delta-rs"]})
                deltalake.write_deltalake(path, rows, mode="append")
            except Exception as e:  # what the other engine says of a conflict is its own
                failures.append(e)

    other = threading.Thread(target=append_much)
    other.start()
    for i in range(15):
        lake(f"append shared | | SELECT {i}::BIGINT AS id, 'ingot' AS who")
    other.join()
    assert failures == []
    table = deltalake.DeltaTable(path)
    assert table.version() == 30
    assert sorted(r["id"] for r in table.to_pyarrow_table().to_pylist()) == [*range(15), *range(1000, 1015)]
    assert sorted(r["id"] for r in lake("scan shared | |")) == [*range(15), *range(1000, 1015)]


# --- tables of other engines, with what is in them ----------------------------------------------------------------


def expected_files(shared, table):
    if table.name == "delta":
        for folder in (table.parent / "expected" / "latest" / "table_content", table.parent / "expected"):
            files = sorted(folder.rglob("*.parquet")) if folder.is_dir() else []
            if files:
                return files
    oracle = shared / "delta" / "oracle-rows" / table.relative_to(shared / "delta").with_suffix("")
    oracle = oracle.parent / (table.name + ".parquet")
    return [oracle] if oracle.exists() else []


REFUSED = {"columnMapping", "deletionVectors", "variant", "reader version 5"}
# Rows that depend on the writer's time zone (skipped upstream as well); times that overflow in the other reader.
OTHER_OPINION = {"golden/data-reader-partition-values/delta", "delta-rs-data/table_with_edge_timestamps"}


def test_tables_of_other_engines_have_the_rows_that_they_say(shared):
    lake = Lake(shared / "delta")
    tables = sorted(p.parent for p in (shared / "delta").rglob("_delta_log") if p.is_dir())
    same, refused, different = [], {}, {}
    for table in tables:
        name = str(table.relative_to(shared / "delta"))
        files = expected_files(shared, table)
        if not files or name in OTHER_OPINION:
            continue
        rows = "read_parquet([" + ", ".join(f"'{f}'" for f in files) + "])"
        columns = ", ".join(f'"{c["column_name"]}"' for c in lake(f"sql SELECT column_name FROM (DESCRIBE SELECT * FROM {rows})"))
        query = (f"SELECT (SELECT count(*) FROM (SELECT {columns} FROM t EXCEPT ALL SELECT {columns} FROM {rows})) AS more, "
                 f"(SELECT count(*) FROM (SELECT {columns} FROM {rows} EXCEPT ALL SELECT {columns} FROM t)) AS less")
        try:
            answer = lake(f"scan {name} | | {query}")
        except Failed as why:
            refused[name] = str(why)
            continue
        if answer == [{"more": 0, "less": 0}]:
            same.append(name)
        else:
            different[name] = answer
    lake.close()
    assert different == {}
    assert {n: w for n, w in refused.items() if not ("UNSUPPORTED" in w and any(f in w for f in REFUSED))} == {}
    assert len(same) >= 78


def test_what_is_no_table_is_an_error_that_names_the_place(shared):
    lake = Lake(shared / "delta")
    for name, message in {
        "golden/deltalog-state-reconstruction-without-metadata/delta": "CORRUPT.*metaData",
        "golden/deltalog-state-reconstruction-from-checkpoint-missing-metadata/delta": "CORRUPT.*meta",
        "golden/nothing-here": "NOT_FOUND",
    }.items():
        with pytest.raises(Failed, match=message):
            lake(f"scan {name} | |")
    lake.close()


# --- Spark ---------------------------------------------------------------------------------------------------------


def test_spark_reads_what_we_write(lake, spark):
    lake(f"create all | | {ALL_TYPES}")
    lake(f"append all | | {ALL_TYPES}")
    want = many_commits(lake, "many", 25)
    rows = partition_rows().replace("w" * 300, "w" * 120)
    lake(f"create special | p,d | {rows}")
    lake(f"append special | | {rows}")
    for version in range(20):
        (lake.folder / "many" / "_delta_log" / f"{version:020d}.json").unlink()

    def read(name):
        return spark.read.format("delta").load(str(lake.folder / name))

    got = {r["i8"]: r for r in read("all").collect()}
    assert len(got) == 10 and got[2]["nested"]["b"]["c"] == "x2" and got[2]["items"][0]["sku"] == "s2" and got[2]["dict"] == {"k2": 2}
    assert got[1]["moment"].replace(tzinfo=UTC) == datetime.datetime(2024, 1, 1, 0, 0, 1, 123456, UTC) or spark.conf.get("spark.sql.session.timeZone") == "UTC"
    assert got[9]["d38"] == decimal.Decimal("900000000000000000.00000") and got[3]["i32"] is None
    assert {r["id"]: r["v"] for r in read("many").collect()} == want
    assert {r["i"]: r["p"] for r in read("special").collect()} == {i: v.replace("w" * 300, "w" * 120) for i, v in enumerate(PARTITION_VALUES)} | {99: None}
    assert read("all").where("moment > timestamp'2024-01-01 00:00:08.2'").count() == 1, "our statistics do not hide a row"
    assert read("all").where("moment >= timestamp'2024-01-01 00:00:09.123456'").count() == 1
    assert read("all").where("text >= 'text 9'").count() == 1


def test_spark_reads_dates_of_long_ago(lake, spark):
    """Spark would refuse them without a word about the calendar in the file."""
    row = "SELECT DATE '0001-01-01' AS d, TIMESTAMPTZ '1500-02-03 04:05:06+00' AS t"
    lake(f"create old | | {row}")
    lake(f"append old | | {row}")
    rows = spark.read.format("delta").load(str(lake.folder / "old")).selectExpr("CAST(d AS string) d", "CAST(t AS string) t")
    assert [tuple(r) for r in rows.collect()] == [("0001-01-01", "1500-02-03 04:05:06")]


def test_spark_writes_in_turn_with_us(lake, spark):
    path = str(lake.folder / "turns")
    spark.sql(f"CREATE TABLE delta.`{path}` (id BIGINT, v STRING, d DATE, s STRUCT<a: INT, b: ARRAY<STRING>>) USING delta PARTITIONED BY (d)")
    spark.sql(f"INSERT INTO delta.`{path}` SELECT id, concat('v', id), date'2024-01-01' + cast(id % 2 AS int), named_struct('a', 1, 'b', array('x')) FROM range(10)")
    assert lake("scan turns | | SELECT count(*) AS n, sum(id) AS s FROM t") == [{"n": 10, "s": 45}]
    lake("merge turns | id | d=2024-01-02 delete | SELECT 1::BIGINT AS id, 'one' AS v, DATE '2024-01-02' AS d, {'a': 2, 'b': ['y']} AS s")
    got = {r["id"]: r for r in spark.read.format("delta").load(path).collect()}
    assert sorted(got) == [0, 1, 2, 4, 6, 8] and got[1]["v"] == "one" and got[1]["s"]["b"] == ["y"]
    spark.sql(f"UPDATE delta.`{path}` SET v = 'spark' WHERE id = 4")
    spark.sql(f"DELETE FROM delta.`{path}` WHERE id = 0")
    spark.sql(f"ALTER TABLE delta.`{path}` ADD COLUMNS (extra INT)")
    lake("append turns | | SELECT 100::BIGINT AS id, DATE '2024-01-05' AS d, 7 AS extra")
    assert lake("scan turns | | SELECT id, v, extra FROM t WHERE id >= 4 ORDER BY id") == [
        {"id": 4, "v": "spark", "extra": None}, {"id": 6, "v": "v6", "extra": None}, {"id": 8, "v": "v8", "extra": None}, {"id": 100, "v": None, "extra": 7}]
    history = [r["operation"] for r in spark.sql(f"DESCRIBE HISTORY delta.`{path}`").collect()]
    assert history[0] == "WRITE" and "MERGE" in history
    shutil.rmtree(path)
