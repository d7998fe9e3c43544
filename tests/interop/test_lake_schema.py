"""Tables that ask something of their writers: made, altered and written by us, then read and written by Spark and
delta-rs; and such tables of theirs, written by us."""

import datetime
import json
import os
import random

import deltalake
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from test_lake import Failed, Lake, actions

UTC = datetime.timezone.utc


@pytest.fixture
def lake(tmp_path):
    it = Lake(tmp_path / "lake")
    yield it
    it.close()


def make(lake, table, select="", **options):
    lake(f"make {table} | {select} | {json.dumps(options)}")


def alter(lake, table, kind, **what):
    (answer,) = lake(f"alter {table} | {json.dumps({'alter': kind, **what})}")
    return answer["version"]


def protocol(lake, table):
    found = None
    for path in sorted((lake.folder / table / "_delta_log").glob("*.json")):
        for line in path.read_text().splitlines():
            found = json.loads(line).get("protocol", found)
    return found


def metadata(lake, table):
    found = None
    for path in sorted((lake.folder / table / "_delta_log").glob("*.json")):
        for line in path.read_text().splitlines():
            found = json.loads(line).get("metaData", found)
    return found


def fields(lake, table):
    return {f["name"]: f for f in json.loads(metadata(lake, table)["schemaString"])["fields"]}


# --- with delta-rs --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "properties, want",
    [
        ({}, (1, 2)),
        ({"delta.appendOnly": "true"}, (1, 2)),
        ({"delta.enableChangeDataFeed": "true"}, (1, 4)),
        ({"delta.columnMapping.mode": "name"}, (2, 5)),
        ({"delta.enableDeletionVectors": "true"}, (3, 7)),
        ({"delta.feature.timestampNtz": "supported"}, (3, 7)),
        ({"delta.minWriterVersion": "3"}, (1, 3)),
    ],
)
def test_the_protocol_is_raised_just_as_far_as_needed(lake, properties, want):
    make(lake, "new", "SELECT 1 AS a", properties=properties)
    make(lake, "old", "SELECT 1 AS a")
    if properties:
        alter(lake, "old", "set", properties=properties)
    for table in ("new", "old"):
        p = protocol(lake, table)
        assert (p["minReaderVersion"], p["minWriterVersion"]) == want, table
        if want == (3, 7):
            assert {"appendOnly", "invariants"} < set(p["writerFeatures"]) and set(p["readerFeatures"]) <= set(p["writerFeatures"])
        lake(f"append {table} | | SELECT 7 AS a")
        rows = deltalake.DeltaTable(str(lake.folder / table))
        if "delta.enableChangeDataFeed" in properties or want == (1, 2):
            deltalake.write_deltalake(rows, pa.table({"a": pa.array([8], pa.int32())}), mode="append")
            assert sorted(r["a"] for r in lake(f"scan {table} | |")) == [7, 8]


def test_delta_rs_enforces_our_constraints_and_reads_our_columns(lake):
    make(lake, "t", columns=[
        {"name": "id", "type": "BIGINT", "not_null": True}, {"name": "at", "type": "TIMESTAMP"},
        {"name": "day", "type": "DATE", "generated": "CAST(at AS DATE)"}, {"name": "code", "type": "varchar(3)"},
    ], partition_by=["day"], comment="orders", properties={"team": "data"})
    lake("append t | | SELECT i AS id, TIMESTAMPTZ '2024-05-06 07:08:09+00' + to_days(i::INTEGER) AS at, 'c' || i AS code FROM range(3) t(i)")
    alter(lake, "t", "check", name="positive", text="id >= 0")
    table = deltalake.DeltaTable(str(lake.folder / "t"))
    assert table.metadata().description == "orders" and table.metadata().configuration["team"] == "data"
    rows = sorted(table.to_pyarrow_table().to_pylist(), key=lambda r: r["id"])
    assert [r["day"] for r in rows] == [datetime.date(2024, 5, 6 + i) for i in range(3)]
    assert protocol(lake, "t") == {"minReaderVersion": 1, "minWriterVersion": 4}
    more = {"at": [datetime.datetime(2024, 5, 9, tzinfo=UTC)], "day": [datetime.date(2024, 5, 9)], "code": ["x"]}
    with pytest.raises(Exception, match="validation check"):
        deltalake.write_deltalake(table, pa.table({"id": pa.array([-1], pa.int64()), **more}), mode="append")
    deltalake.write_deltalake(table, pa.table({"id": pa.array([3], pa.int64()), **more}), mode="append")
    assert len(lake("scan t | |")) == 4
    for select, rule in {
        "SELECT -1 AS id": r"the constraint positive \(id >= 0\)",
        "SELECT NULL::BIGINT AS id": "NOT NULL of the column id",
        "SELECT 1 AS id, 'long' AS code": r"the length of the column code, varchar\(3\)",
        "SELECT 1 AS id, DATE '2024-01-01' AS day, TIMESTAMPTZ '2024-01-02 00:00:00+00' AS at": r"the generated column day \(CAST\(at AS DATE\)\)",
    }.items():
        with pytest.raises(Failed, match=f'INVALID.*{rule}.* of the table t .*{{"id":'):
            lake(f"append t | | {select}")
    with pytest.raises(Failed, match="INVALID.*bad.*id > 2.*{\"id\":0"):
        alter(lake, "t", "check", name="bad", text="id > 2")
    with pytest.raises(Failed, match="UNSUPPORTED.*soundex"):
        alter(lake, "t", "check", name="odd", text="soundex(code) = 'x'")
    alter(lake, "t", "no check", name="POSITIVE")
    lake("append t | | SELECT -5 AS id")
    assert len(lake("scan t | |")) == 5


def test_statistics_are_of_the_columns_that_the_table_asks_for(lake):
    columns = ", ".join(f"{i} AS c{i}" for i in range(40))
    select = f"SELECT {{'x': 1, 'y': {{'z': 'text'}}}} AS s, {columns}, 'p' AS p"
    for table, properties, want in [
        ("usual", {}, ["s.x", "s.y.z", *[f"c{i}" for i in range(30)]]),
        ("few", {"delta.dataSkippingNumIndexedCols": "3"}, ["s.x", "s.y.z", "c0"]),
        ("none", {"delta.dataSkippingNumIndexedCols": "0"}, []),
        ("all", {"delta.dataSkippingNumIndexedCols": "-1"}, ["s.x", "s.y.z", *[f"c{i}" for i in range(40)]]),
        ("named", {"delta.dataSkippingStatsColumns": "`c39`, S.y , c1"}, ["s.y.z", "c1", "c39"]),
    ]:
        make(lake, table, select, partition_by=["p"], properties=properties)
        lake(f"append {table} | | {select}")
        stats = json.loads(actions(lake, table, 1, "add")[0]["stats"])

        def leaves(value, prefix=""):
            for key, item in value.items():
                yield from leaves(item, f"{prefix}{key}.") if isinstance(item, dict) else [prefix + key]

        assert sorted(leaves(stats.get("minValues", {}))) == sorted(want), table
        assert sorted(leaves(stats.get("nullCount", {}))) == sorted(want), table
    make(lake, "clustered", select, cluster_by=["c38", "s.y.z"], properties={"delta.dataSkippingNumIndexedCols": "1"})
    lake(f"append clustered | | {select}")
    assert set(json.loads(actions(lake, "clustered", 1, "add")[0]["stats"])["minValues"]) == {"s", "c38"}
    make(lake, "short", "SELECT 'abcdef' AS t", properties={"delta.dataSkippingStringPrefixLength": "2"})
    lake("append short | | SELECT 'abcdef' AS t")
    stats = json.loads(actions(lake, "short", 1, "add")[0]["stats"])
    assert stats["minValues"]["t"] == "ab" and "abcdef" < stats["maxValues"]["t"] <= "ab\U0010ffff"


def test_files_are_written_as_the_properties_say(lake):
    rows = "SELECT i, concat(repeat(chr((65 + i % 50)::INTEGER), 50), hash(i)) AS t FROM range(400000) t(i)"
    make(lake, "zipped", rows, properties={"delta.parquet.compression.codec": "zstd", "delta.targetFileSize": "4mb",
                                           "delta.randomizeFilePrefixes": "true", "delta.randomPrefixLength": "5"})
    lake(f"append zipped | | {rows}")
    files = [a["path"] for a in actions(lake, "zipped", 1, "add")]
    assert len(files) > 1 and all(f.endswith(".zstd.parquet") and f.index("/") == 5 for f in files)
    meta = pq.ParquetFile(lake.folder / "zipped" / files[0]).metadata
    assert meta.row_group(0).column(0).compression == "ZSTD"
    assert deltalake.DeltaTable(str(lake.folder / "zipped")).to_pyarrow_table().num_rows == 400000


def test_partition_columns_stay_in_files_where_the_table_wants_them(lake):
    rows = "SELECT i, concat('p', i % 2) AS p FROM range(4) t(i)"
    for feature in ({}, {"delta.feature.materializePartitionColumns": "supported"}):
        name = "with" if feature else "without"
        make(lake, name, rows, partition_by=["p"], properties=feature)
        lake(f"append {name} | | {rows}")
        for add in actions(lake, name, 1, "add"):
            names = pq.ParquetFile(lake.folder / name / add["path"]).schema_arrow.names
            assert names == (["i", "p"] if feature else ["i"])
        assert [r["p"] for r in lake(f"scan {name} | | SELECT * FROM t ORDER BY i")] == ["p0", "p1", "p0", "p1"]


def test_columns_are_renamed_and_dropped_once_they_are_mapped(lake):
    make(lake, "m", "SELECT 1 AS a, 'x' AS b, {'c': 1, 'd': [{'e': 2}]} AS s, 'p' AS p", partition_by=["p"])
    lake("append m | | SELECT 1 AS a, 'x' AS b, {'c': 1, 'd': [{'e': 2}]} AS s, 'p' AS p")
    for kind, what in (("rename", {"column": "a", "name": "z"}), ("drop", {"columns": [{"name": "a"}]})):
        with pytest.raises(Failed, match="UNSUPPORTED.*columnMapping"):
            alter(lake, "m", kind, **what)
    alter(lake, "m", "set", properties={"delta.columnMapping.mode": "name"})
    alter(lake, "m", "rename", column="a", name="number of it")
    alter(lake, "m", "rename", column="p", name="part")
    alter(lake, "m", "rename", column="s.d.element.e", name="f")
    alter(lake, "m", "drop", columns=[{"name": "b"}, {"name": "s.c"}])
    alter(lake, "m", "add", columns=[{"name": "b", "type": "INT", "after": ""}, {"name": "s.d.element.g", "type": "STRING"}])
    lake("append m | | SELECT 2 AS \"number of it\", 5 AS b, {'d': [{'f': 7, 'g': 'new'}]} AS s, 'q' AS part")
    rows = lake("scan m | | SELECT * FROM t ORDER BY \"number of it\"")
    assert rows == [{"b": None, "number of it": 1, "s": {"d": [{"f": 2, "g": None}]}, "part": "p"},
                    {"b": 5, "number of it": 2, "s": {"d": [{"f": 7, "g": "new"}]}, "part": "q"}]
    got = deltalake.DeltaTable(str(lake.folder / "m"))
    assert sorted(f.name for f in got.schema().fields) == ["b", "number of it", "part", "s"]
    for path, match in [("part", "partitioned by"), ("nothing", "no column nothing"), ("s.d", "only one")]:
        with pytest.raises(Failed, match=match):
            alter(lake, "m", "drop", columns=[{"name": path}])


BAD = [
    ("set", {"properties": {"delta.enableChangeDataFed": "true"}}, "did you mean delta.enableChangeDataFeed"),
    ("set", {"properties": {"delta.checkpointInterval": "0"}}, "whole number"),
    ("set", {"properties": {"delta.logRetentionDuration": "interval 2 months"}}, "interval"),
    ("set", {"properties": {"delta.isolationLevel": "Chaos"}}, "one of"),
    ("set", {"properties": {"delta.columnMapping.maxColumnId": "5"}}, "engines only"),
    ("set", {"properties": {"delta.columnMapping.mode": "id"}}, "cannot be changed"),
    ("set", {"properties": {"delta.constraints.x": "a > 0"}}, "ADD CONSTRAINT"),
    ("set", {"properties": {"delta.feature.warpDrive": "supported"}}, "not known"),
    ("set", {"properties": {"delta.enableIcebergCompatV2": "true"}}, "UNSUPPORTED"),
    ("set", {"properties": {"delta.dataSkippingStatsColumns": "a,nope"}}, "nope"),
    ("feature", {"name": "catalogManaged"}, "UNSUPPORTED.*catalogManaged"),
    ("unset", {"properties": {"nothing": ""}}, "no property"),
    ("add", {"columns": [{"name": "a", "type": "INT"}]}, "EXISTS"),
    ("add", {"columns": [{"name": "A", "type": "INT"}]}, "EXISTS"),
    ("add", {"columns": [{"name": "q", "type": "WARP"}]}, "no type"),
    ("add", {"columns": [{"name": "q r", "type": "INT"}]}, "name"),
    ("add", {"columns": [{"name": "_ingot_q", "type": "INT"}]}, "_ingot_"),
    ("add", {"columns": [{"name": "q", "type": "INT", "not_null": True}]}, "UNSUPPORTED"),
    ("add", {"columns": [{"name": "nope.q", "type": "INT"}]}, "no column"),
    ("add", {"columns": [{"name": "a.q", "type": "INT"}]}, "no column"),
    ("add", {"columns": [{"name": "q", "type": "INT", "after": "nope"}]}, "nope"),
    ("type", {"columns": [{"name": "a", "type": "BIGINT"}]}, "UNSUPPORTED.*typeWidening"),
    ("not null", {"column": "b"}, "NOT NULL of the column b.*null"),
    ("default", {"column": "a", "text": "'text'"}, "default"),
    ("default", {"column": "a", "text": "b"}, "no column b"),
    ("check", {"name": "c", "text": "a + 1"}, "no condition"),
    ("check", {"name": "c", "text": "a > (SELECT 1)"}, "INVALID|UNSUPPORTED"),
    ("check", {"name": "c", "text": "a >"}, "expression"),
    ("check", {"name": "c", "text": "a > 0 DROP TABLE t"}, "expression"),
    ("check", {"name": "c", "text": "nope > 0"}, "no column nope"),
    ("no check", {"name": "c"}, "no constraint"),
    ("cluster", {"columns": [{"name": "l"}]}, "bounds"),
    ("cluster", {"columns": [{"name": x} for x in "abcde"]}, "at most"),
    ("protocol", {"reader": 1, "writer": 1}, "lowered"),
    ("protocol", {"reader": 9, "writer": 9}, "no protocol"),
    ("sync", {"column": "a"}, "no identity"),
]


def test_what_cannot_be_is_refused_and_nothing_is_committed(lake):
    make(lake, "t", "SELECT 1 AS a, 'x' AS b, [1] AS l")
    lake("append t | | SELECT 1 AS a, NULL AS b, [1] AS l")
    for kind, what, match in BAD:
        with pytest.raises(Failed, match=match):
            alter(lake, "t", kind, **what)
    assert len(list((lake.folder / "t" / "_delta_log").glob("*.json"))) == 2
    for options, match in [
        ({"partition_by": ["zz"]}, "zz"), ({"partition_by": ["l"]}, "nested"), ({"cluster_by": ["a"], "partition_by": ["b"]}, "partitioned"),
        ({"columns": [{"name": "q"}]}, "no type"), ({"columns": [{"name": "g", "type": "INT", "generated": "nope + 1"}]}, "nope"),
        ({"columns": [{"name": "g", "type": "DATE", "generated": "current_date()"}]}, "time"),
        ({"columns": [{"name": "g", "type": "INT", "generated": "a"}, {"name": "h", "type": "INT", "generated": "g + 1"}]}, "no column g"),
        ({"columns": [{"name": "i", "type": "STRING", "identity": True}]}, "BIGINT"),
    ]:
        with pytest.raises(Failed, match=match):
            make(lake, "u", "SELECT 1 AS a, 'x' AS b, [1] AS l", **options)
    assert not (lake.folder / "u" / "_delta_log").exists()
    with pytest.raises(Failed, match="EXISTS"):
        make(lake, "t", "SELECT 1 AS a")


# --- with Spark -----------------------------------------------------------------------------------------------------


def spark_rows(spark, lake, table, query="SELECT * FROM {}"):
    return [r.asDict(recursive=True) for r in spark.sql(query.format(f"delta.`{lake.folder / table}`")).collect()]


def test_spark_honours_what_we_ask_of_writers(lake, spark):
    make(lake, "t", columns=[
        {"name": "id", "type": "BIGINT", "not_null": True}, {"name": "at", "type": "TIMESTAMP"},
        {"name": "day", "type": "DATE", "generated": "CAST(at AS DATE)"},
        {"name": "hour", "type": "INT", "generated": "hour(at)"},
        {"name": "label", "type": "STRING", "generated": "concat(upper(code), '-', CAST(id AS STRING))"},
        {"name": "code", "type": "varchar(3)"}, {"name": "s", "type": "struct<a: int not null, b: array<string>>"},
    ], partition_by=["day"])
    alter(lake, "t", "check", name="Small", text="id < 100 AND length(code) > 0")
    alter(lake, "t", "set", properties={"delta.enableChangeDataFeed": "true", "delta.checkpointInterval": "3"})
    path = f"delta.`{lake.folder / 't'}`"
    lake("append t | | SELECT 1 AS id, TIMESTAMPTZ '2024-05-06 07:08:09+00' AS at, 'ab' AS code, {'a': 1, 'b': ['x']} AS s")
    spark.sql(f"INSERT INTO {path} (id, at, code, s) VALUES (2, timestamp'2024-05-07 08:09:10', 'cd', named_struct('a', 2, 'b', array('y')))")
    for row, match in [("(200, now(), 'x', {})", "small|CHECK"), ("(NULL, now(), 'x', {})", "NOT NULL.*id|small"), ("(3, now(), 'long', {})", "varchar|length"), ("(3, now(), 'x', NULL)", "NOT NULL.*s.a")]:
        row = row.format("named_struct('a', 1, 'b', NULL)")
        with pytest.raises(Exception, match=match):
            spark.sql(f"INSERT INTO {path} (id, at, code, s) VALUES {row}")
    with pytest.raises(Failed, match="INVALID.*NOT NULL within the column s"):
        lake("append t | | SELECT 3 AS id, now() AS at, 'x' AS code")
    spark.sql(f"UPDATE {path} SET at = timestamp'2024-06-01 10:00:00' WHERE id = 2")
    lake("merge t | id | | SELECT 1 AS id, TIMESTAMPTZ '2024-07-01 23:00:00+00' AS at, 'zz' AS code, {'a': 5} AS s")
    want = [{"id": 1, "day": "2024-07-01", "hour": 23, "label": "ZZ-1"}, {"id": 2, "day": "2024-06-01", "hour": 10, "label": "CD-2"}]
    ask = "SELECT id, CAST(day AS STRING) AS day, hour, label FROM {} ORDER BY id"
    assert spark_rows(spark, lake, "t", ask) == want
    assert lake("scan t | | SELECT id, day, hour, label FROM t ORDER BY id") == want


def test_spark_reads_and_writes_our_mapped_columns(lake, spark):
    for mode in ("name", "id"):
        name = f"m_{mode}"
        make(lake, name, "SELECT 1::BIGINT AS \"an id\", 'x' AS b, {'c d': 1, 'l': [{'e': 2}]} AS s, MAP {'k': {'v': 1}} AS m, 'p' AS \"p, q\"",
             partition_by=["p, q"], properties={"delta.columnMapping.mode": mode})
        lake(f"append {name} | | SELECT 1::BIGINT AS \"an id\", 'x' AS b, {{'c d': 1, 'l': [{{'e': 2}}]}} AS s, MAP {{'k': {{'v': 1}}}} AS m, 'part' AS \"p, q\"")
        path = f"delta.`{lake.folder / name}`"
        assert spark_rows(spark, lake, name) == [{"an id": 1, "b": "x", "s": {"c d": 1, "l": [{"e": 2}]}, "m": {"k": {"v": 1}}, "p, q": "part"}]
        alter(lake, name, "rename", column="b", name="bee")
        alter(lake, name, "rename", column="s.l.element.e", name="ee")
        nested = mode == "name"  # by id Spark 3.5 cannot read a struct of which a file lacks a member
        w = ", 'w', 3" if nested else ""
        alter(lake, name, "add", columns=[{"name": "b", "type": "DOUBLE"}, *([{"name": "m.value.w", "type": "INT"}] if nested else [])])
        spark.sql(f"ALTER TABLE {path} RENAME COLUMN `p, q` TO part")
        spark.sql(f"INSERT INTO {path} SELECT 2, 'y', named_struct('c d', 3, 'l', array(named_struct('ee', 4))), map('k', named_struct('v', 2{w})), 'q', 1.5")
        lake(f"append {name} | | SELECT 3::BIGINT AS \"an id\", 'z' AS bee, {{'c d': 5, 'l': [{{'ee': 6}}]}} AS s, MAP {{'k': {{'v': 4{w}}}}} AS m, 'r' AS part".replace("'w',", "'w':"))
        ask = "SELECT * FROM (SELECT `an id` AS i, bee, s, m, part, b FROM {}) ORDER BY i"
        want = [{"i": i, "bee": x, "s": {"c d": c, "l": [{"ee": c + 1}]}, "m": {"k": {"v": v} | ({"w": w} if nested else {})}, "part": p, "b": b} for i, x, c, v, w, p, b in
                [(1, "x", 1, 1, None, "part", None), (2, "y", 3, 2, 3, "q", 1.5), (3, "z", 5, 4, 3, "r", None)]]
        assert spark_rows(spark, lake, name, ask) == want
        ours = lake(f"scan {name} | | SELECT \"an id\" AS i, bee, s, m, part, b FROM t ORDER BY i")
        assert ours == want
        assert spark_rows(spark, lake, name, "SELECT count(*) AS n FROM {} WHERE `an id` >= 3 AND bee > 'y'") == [{"n": 1}], "our statistics"
        (add,) = actions(lake, name, 1, "add")
        data = pq.ParquetFile(lake.folder / name / add["path"]).schema_arrow
        ids = {f["metadata"]["delta.columnMapping.physicalName"]: f["metadata"]["delta.columnMapping.id"] for f in fields(lake, name).values()}
        found = [f.name for f in data]
        assert set(found) <= set(ids) and all(int(f.metadata[b"PARQUET:field_id"]) == ids[f.name] for f in data)


def test_spark_goes_on_with_our_identities_defaults_and_wider_types(lake, spark):
    make(lake, "t", columns=[{"name": "id", "type": "BIGINT", "identity": True, "start": 10, "step": 5}, {"name": "v", "type": "STRING", "default": "'dflt'"},
                             {"name": "n", "type": "SMALLINT"}], properties={"delta.enableTypeWidening": "true"})
    path = f"delta.`{lake.folder / 't'}`"
    lake("append t | | SELECT 'a' AS v, 1::SMALLINT AS n FROM range(3)")
    spark.sql(f"INSERT INTO {path} (n) VALUES (2), (3)")
    lake("append t | | SELECT 4::SMALLINT AS n")
    alter(lake, "t", "type", columns=[{"name": "n", "type": "INT"}])
    lake("append t | merge | SELECT 70000 AS n, 'w' AS v")
    spark.sql(f"INSERT INTO {path} (n) VALUES (80000)")
    ids = [r["id"] for r in spark_rows(spark, lake, "t", "SELECT id FROM {} ORDER BY id")]
    assert len(set(ids)) == len(ids) == 8 and all(i % 5 == 0 and i >= 10 for i in ids) and ids[:3] == [10, 15, 20]
    rows = lake("scan t | | SELECT n, v FROM t WHERE n > 1 ORDER BY n")
    assert rows == [{"n": 2, "v": "dflt"}, {"n": 3, "v": "dflt"}, {"n": 4, "v": "dflt"}, {"n": 70000, "v": "w"}, {"n": 80000, "v": "dflt"}]
    assert sum(r["n"] for r in spark_rows(spark, lake, "t", "SELECT n FROM {}")) == 3 + 9 + 150000
    with pytest.raises(Failed, match="identity"):
        lake("append t | | SELECT 1::BIGINT AS id")


def test_tables_of_spark_that_ask_something_are_written_by_us(lake, spark):
    path = f"delta.`{lake.folder / 's'}`"
    java = spark._jvm.io.delta.tables.DeltaTable  # Spark's own SQL has no words for these columns
    builder = java.create(spark._jsparkSession).location(str(lake.folder / "s"))

    def column(name, kind):
        return java.columnBuilder(spark._jsparkSession, name).dataType(kind)

    for built in (column("id", "BIGINT").generatedByDefaultAsIdentity(1, 1), column("at", "TIMESTAMP").nullable(False), column("ntz", "TIMESTAMP_NTZ"),
                  column("month", "DATE").generatedAlwaysAs("CAST(date_trunc('MONTH', at) AS DATE)"), column("text", "STRING"),
                  column("key", "STRING").generatedAlwaysAs("substring(text, 1, 2)"), column("n", "INT")):
        builder = builder.addColumn(built.build())
    parts = spark._sc._gateway.new_array(spark._jvm.java.lang.String, 1)
    parts[0] = "month"
    builder = builder.partitionedBy(parts)
    for key, value in {"columnMapping.mode": "name", "feature.allowColumnDefaults": "supported", "enableChangeDataFeed": "true"}.items():
        builder = builder.property(f"delta.{key}", value)
    builder.execute()
    spark.sql(f"ALTER TABLE {path} ADD COLUMN c CHAR(4)")
    spark.sql(f"ALTER TABLE {path} ALTER COLUMN n SET DEFAULT 42")
    spark.sql(f"ALTER TABLE {path} ADD CONSTRAINT lower CHECK (text = lower(text) OR text IS NULL)")
    spark.sql(f"INSERT INTO {path} (at, ntz, text, c) VALUES (timestamp'2024-01-15 10:00:00', timestamp_ntz'2024-01-15 10:00:00', 'hello', 'ab')")
    lake("append s | | SELECT TIMESTAMPTZ '2024-02-20 01:02:03+00' AS at, TIMESTAMP '2024-02-20 01:02:03' AS ntz, 'world' AS text, 'c' AS c")
    lake("merge s | id | | SELECT 1::BIGINT AS id, TIMESTAMPTZ '2024-03-03 00:00:00+00' AS at, 'again' AS text")
    for select, match in {"SELECT now() AS at, 'UP' AS text": "lower", "SELECT 'x' AS text": "NOT NULL of the column at", "SELECT now() AS at, 'toolong' AS c": "length"}.items():
        with pytest.raises(Failed, match=f"INVALID.*{match}"):
            lake(f"append s | | {select}")
    ask = "SELECT id, CAST(month AS STRING) AS month, key, c, n, CAST(ntz AS STRING) AS ntz FROM {} ORDER BY id"
    got = spark_rows(spark, lake, "s", ask)
    assert len({r["id"] for r in got}) == 2
    assert [{k: v for k, v in r.items() if k != "id"} for r in got] == [
        {"month": "2024-03-01", "key": "ag", "c": "ab  ", "n": 42, "ntz": "2024-01-15 10:00:00"},
        {"month": "2024-02-01", "key": "wo", "c": "c   ", "n": 42, "ntz": "2024-02-20 01:02:03"}]
    spark.sql(f"INSERT INTO {path} (at, text) VALUES (timestamp'2024-04-15 10:00:00', 'more')")
    assert [r["key"] for r in lake("scan s | | SELECT key FROM t ORDER BY \"at\"")] == ["wo", "ag", "mo"]


def test_our_clustered_tables_are_clustered_for_spark(lake, spark):
    make(lake, "c", "SELECT 1 AS a, 'x' AS b, 1.5 AS d", cluster_by=["a", "b"])
    lake("append c | | SELECT i::INTEGER AS a, 'x' || i AS b, 1.5 AS d FROM range(100) t(i)")
    (detail,) = spark_rows(spark, lake, "c", "DESCRIBE DETAIL {}")
    assert detail["clusteringColumns"] == ["a", "b"]
    alter(lake, "c", "cluster", columns=[{"name": "d"}])
    spark.sql(f"INSERT INTO delta.`{lake.folder / 'c'}` VALUES (5000, 'y', 2.5)")
    spark.sql(f"OPTIMIZE delta.`{lake.folder / 'c'}`")
    assert lake("scan c | | SELECT count(*) AS n, max(a) AS m FROM t") == [{"n": 101, "m": 5000}]
    (detail,) = spark_rows(spark, lake, "c", "DESCRIBE DETAIL {}")
    assert detail["clusteringColumns"] == ["d"]


# --- one meaning of an expression -----------------------------------------------------------------------------------

EXPRESSIONS = """
year(t) ; month(d) ; day(t) ; dayofmonth(d) ; hour(t) ; minute(t) ; second(t) ; quarter(d) ; weekofyear(d) ; dayofweek(d) ; weekday(d) ; dayofyear(d) ; last_day(d)
date_format(t, 'yyyy-MM-dd') ; date_format(t, "yyyy/MM/dd HH:mm:ss") ; date_format(d, 'yyyyMM') ; date_format(t, 'MMM d, yyyy') ; date_format(t, "EEEE 'at' HH'h'")
CAST(t AS DATE) ; CAST(d AS TIMESTAMP) ; date(t) ; to_date('2024-03-04') ; date_trunc('MONTH', t) ; date_trunc('week', t) ; date_trunc('HOUR', t) ; trunc(d, 'YEAR') ; trunc(d, 'MM')
date_add(d, 3) ; date_sub(d, 40) ; datediff(d, DATE '2020-01-01') ; add_months(d, 1) ; unix_timestamp(t) ; CAST(t AS BIGINT) ; from_unixtime(1700000000) ; timestamp_seconds(i)
substring(s, 1, 2) ; substr(s, 0, 3) ; substring(s, 3) ; left(s, 2) ; concat(s, '-', i) ; concat(s, NULL) ; concat_ws(',', s, NULL, 'z') ; s || '/' || i ; upper(s) ; lower(s) ; length(s)
trim(s) ; ltrim(s) ; rtrim(s) ; replace(s, 'a', 'b') ; lpad(s, 8, '*') ; rpad(s, 2, '*') ; reverse(s) ; repeat(s, 2) ; instr(s, 'b') ; locate('b', s) ; md5(s) ; sha2(s, 256) ; ascii(s)
s LIKE 'a%' ; s LIKE '%\\_%' ; s RLIKE '^[a-c]+$' ; s IN ('abc', 'x') ; i BETWEEN 0 AND 10 ; NOT i > 3 ; i <=> NULL ; s IS NULL ; i IS NOT NULL ; !(i = 1) ; i == 1 OR s <> 'q' ; startswith(s, 'a') ; contains(s, 'b')
i + 1 ; i - 2 * 3 ; i / 4 ; i % 3 ; -i % 3 ; i DIV 2 ; -i DIV 2 ; pmod(-i, 3) ; abs(-i) ; i & 3 ; i ^ 5 ; ceil(f) ; floor(f) ; round(f) ; round(c, 1) ; sqrt(4) ; power(2, 3) ; sign(-f) ; greatest(i, 3) ; least(i, NULL)
CAST(f AS INT) ; CAST(-f AS BIGINT) ; CAST(c AS INT) ; CAST('12' AS INT) ; CAST(' 12.7 ' AS INT) ; CAST('x' AS INT) ; CAST(i AS STRING) ; CAST(d AS STRING) ; CAST(t AS STRING) ; CAST(c AS STRING) ; CAST(b AS STRING) ; CAST(i AS DECIMAL(10,2)) ; CAST(b AS INT) ; CAST(i AS DOUBLE)
CASE WHEN i > 1 THEN 'big' ELSE 'small' END ; CASE i WHEN 1 THEN 'one' END ; if(b, 1, 2) ; nvl(s, 'none') ; coalesce(NULL, i) ; nullif(i, 1) ; isnull(s) ; n.x + n.y.z ; n.l[0] ; size(n.l) ; array_contains(n.l, 2) ; `odd name` + 1 ; 'it\\'s' ; "dq" ; 1L ; 1.5 ; 2e3 ; 'a\\nb'
""".strip().replace("\n", " ; ").split(" ; ")


def test_expressions_mean_what_they_mean_to_spark(lake, spark):
    rows = [
        "(1, 2.5D, 12.345BD, 'abc', DATE'2024-02-29', TIMESTAMP'2024-02-29 13:14:15.5', true, named_struct('x', 1, 'y', named_struct('z', 2), 'l', array(1, 2)), 7)",
        "(-7, -0.5D, -0.055BD, ' a_b ', DATE'1999-12-31', TIMESTAMP'1969-12-31 23:59:59.25', false, named_struct('x', NULL, 'y', named_struct('z', 5), 'l', array()), -1)",
        "(NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)",
        "(100, 99.99D, 999.995BD, 'äÖx', DATE'2023-01-01', TIMESTAMP'2023-01-01 00:00:00', true, named_struct('x', 3, 'y', NULL, 'l', NULL), 0)",
    ]
    path = f"delta.`{lake.folder / 'e'}`"
    spark.sql(f"CREATE TABLE {path} (i INT, f DOUBLE, c DECIMAL(9,3), s STRING, d DATE, t TIMESTAMP, b BOOLEAN, n STRUCT<x: INT, y: STRUCT<z: INT>, l: ARRAY<INT>>, `odd name` INT) "
              "USING delta TBLPROPERTIES ('delta.columnMapping.mode' = 'name')")
    spark.sql(f"INSERT INTO {path} VALUES {', '.join(rows)}")
    # What Spark computes is put into a table beside the rows; a constraint for each expression says that we do as well.
    frame = spark.sql("SELECT *, " + ", ".join(f"{e} AS e{k}" for k, e in enumerate(EXPRESSIONS)) + f" FROM {path}")
    types = [kind for _, kind in frame.dtypes][-len(EXPRESSIONS):]
    frame.coalesce(1).write.format("delta").option("delta.columnMapping.mode", "name").save(str(lake.folder / "computed"))
    same = [f"(e{k} <=> CAST({e} AS {types[k]}))" for k, e in enumerate(EXPRESSIONS)]
    wrong = {}
    for first in range(0, len(same), 20):
        try:
            alter(lake, "computed", "check", name=f"c{first}", text=" AND ".join(same[first : first + 20]))
        except Failed:
            for k in range(first, min(first + 20, len(same))):
                try:
                    alter(lake, "computed", "check", name=f"one{k}", text=same[k])
                except Failed as why:
                    wrong[EXPRESSIONS[k]] = str(why)[:300]
    assert wrong == {}, wrong


def test_random_alterations_and_writes_in_turn_with_spark(lake, spark):
    seed = random.randrange(2**32)
    dice = random.Random(seed)
    print("seed", seed)
    make(lake, "r", "SELECT 1::BIGINT AS id, 'x' AS c0, {'m': 1} AS s", properties={"delta.columnMapping.mode": "name"})
    path = f"delta.`{lake.folder / 'r'}`"
    columns, fresh, rows, next_id = ["c0"], 1, {}, 0
    for _ in range(int(os.environ.get("INGOT_LAKE_ROUNDS", "10"))):
        what = dice.choice(["append", "append", "add", "rename", "drop", "spark append", "spark rename", "spark add"])
        if what.endswith("append"):
            text = {c: dice.choice([None, f"v{dice.randrange(9)}"]) for c in columns}
            member, next_id = dice.randrange(100), next_id + 1
            value = lambda v: "CAST(NULL AS STRING)" if v is None else f"'{v}'"
            if what == "append":
                listed = ", ".join(f'{value(v).replace("STRING", "VARCHAR")} AS "{c}"' for c, v in text.items())
                lake(f"append r | | SELECT {next_id}::BIGINT AS id, {{'m': {member}}} AS s{', ' + listed if listed else ''}")
            else:
                names = ", ".join(["id", "s", *[f"`{c}`" for c in text]])
                spark.sql(f"INSERT INTO {path} ({names}) SELECT {', '.join([f'{next_id}', f'named_struct({chr(39)}m{chr(39)}, {member})', *[value(v) for v in text.values()]])}")
            rows[next_id] = {"m": member, **text}
        elif what.endswith("add"):
            name, fresh = f"c{fresh}", fresh + 1
            if what == "add":
                alter(lake, "r", "add", columns=[{"name": name, "type": "STRING", "after": dice.choice(["", "id", "s"])}])
            else:
                spark.sql(f"ALTER TABLE {path} ADD COLUMN `{name}` STRING")
            columns.append(name)
        elif what.endswith("rename") and columns:
            at, name, fresh = dice.randrange(len(columns)), f"r{fresh} x", fresh + 1
            if what == "rename":
                alter(lake, "r", "rename", column=f"`{columns[at]}`", name=name)
            else:
                spark.sql(f"ALTER TABLE {path} RENAME COLUMN `{columns[at]}` TO `{name}`")
            for r in rows.values():
                if columns[at] in r:
                    r[name] = r.pop(columns[at])
            columns[at] = name
        elif what == "drop" and columns:
            name = columns.pop(dice.randrange(len(columns)))
            alter(lake, "r", "drop", columns=[{"name": f"`{name}`"}])
            for r in rows.values():
                r.pop(name, None)
    want = {i: {"m": r["m"], **{c: r.get(c) for c in columns}} for i, r in rows.items()}
    for found in (lake("scan r | |"), spark_rows(spark, lake, "r")):
        assert {r["id"]: {"m": r["s"]["m"], **{c: r[c] for c in columns}} for r in found} == want, f"seed {seed}"
        assert all(set(r) == {"id", "s", *columns} for r in found), f"seed {seed}"
