"""Tables that Spark made with Delta's features, read by us: each has exactly the rows that Spark sees. CI makes some of
them, INGOT_ALL_TABLES=1 all."""

import json
import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from interop.test_acceptance import compare
from interop.test_lake import Failed, Lake


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("scan")


@pytest.fixture(scope="module")
def lake(folder):
    it = Lake(folder)
    yield it
    it.close()


@pytest.fixture
def same(lake, spark, folder):
    """Asserts that we read the table as Spark does; `versions` of it too."""

    for name in ("int96RebaseModeInWrite", "datetimeRebaseModeInWrite", "int96RebaseModeInRead", "datetimeRebaseModeInRead"):
        spark.conf.set(f"spark.sql.parquet.{name}", "CORRECTED")

    def check(name, versions=()):
        for version in (None, *versions):
            reader = spark.read.format("delta")
            if version is not None:
                reader = reader.option("versionAsOf", version)
            rows = reader.load(str(folder / name))
            out = folder / "expected" / f"{name}-{version}"
            rows.write.mode("overwrite").parquet(str(out))
            difference = compare(lake, name, version, sorted(out.rglob("*.parquet")))
            assert not difference, f"{name} version {version}: {difference}"

    return check


def table(folder, name):
    return f"delta.`{folder / name}`"


MAPPED = "'delta.columnMapping.mode' = '{}', 'delta.minReaderVersion' = '2', 'delta.minWriterVersion' = '5'"


ALL = bool(os.environ.get("INGOT_ALL_TABLES"))
with_all = pytest.mark.skipif(not ALL, reason="takes Spark long: INGOT_ALL_TABLES=1")


@pytest.mark.parametrize("mode", ["name", pytest.param("id", marks=with_all)])
def test_mapped_columns_at_every_depth(spark, same, folder, lake, mode):
    name = f"mapped_{mode}"
    t = table(folder, name)
    spark.sql(
        f"CREATE TABLE {t} (id BIGINT, `a b` STRING, s STRUCT<x: INT, `y,z`: STRUCT<q: STRING, r: DATE>>, "
        f"l ARRAY<STRUCT<x: INT, y: STRING>>, m MAP<STRING, STRUCT<x: INT, y: DOUBLE>>, p STRING, `q=r` DATE) USING delta "
        f"PARTITIONED BY (p, `q=r`) TBLPROPERTIES ({MAPPED.format(mode)})"
    )
    row = (
        "SELECT id, concat('t', id), IF(id % 5 = 0, NULL, named_struct('x', int(id), 'y,z', IF(id % 3 = 0, NULL, named_struct('q', 'q', 'r', date'2024-01-01')))), "
        "IF(id % 4 = 0, NULL, array(named_struct('x', int(id), 'y', 'l'), NULL)), IF(id % 6 = 0, NULL, map('k', named_struct('x', int(id), 'y', id / 2), 'n', NULL)), "
        "IF(id % 7 = 0, NULL, concat('p/', id % 2, ' %20')), date'2024-01-01' + int(id % 2) FROM range({})"
    )
    spark.sql(f"INSERT INTO {t} {row.format(20)}")
    spark.sql(f"ALTER TABLE {t} RENAME COLUMN `a b` TO renamed")
    spark.sql(f"ALTER TABLE {t} RENAME COLUMN s.x TO swapped")
    spark.sql(f"ALTER TABLE {t} RENAME COLUMN s.`y,z`.q TO x")
    spark.sql(f"ALTER TABLE {t} RENAME COLUMN l.element.y TO other")
    spark.sql(f"ALTER TABLE {t} RENAME COLUMN m.value.y TO `v v`")
    spark.sql(f"ALTER TABLE {t} RENAME COLUMN p TO part")
    if mode == "name":  # by id Spark itself fails on the old files then
        spark.sql(f"ALTER TABLE {t} DROP COLUMN l.element.x")
    spark.sql(f"ALTER TABLE {t} ADD COLUMNS (s.x BIGINT, {'l.element.x STRING, ' if mode == 'name' else ''}`a b` INT)")
    spark.sql(f"INSERT INTO {t} (id, renamed, `a b`, part, s) SELECT 100, 'again', 5, 'p', named_struct('swapped', 1, 'y,z', NULL, 'x', 9)")
    same(name, versions=(1, 4) if ALL else ())
    got = lake(f"where {name} | renamed = 'again' | SELECT id, \"a b\", s.x AS x FROM t")
    assert got == [{"id": 100, "a b": 5, "x": 9}]
    assert lake(f"where {name} | s.swapped >= 19 | SELECT id FROM t") == [{"id": 19}]
    assert lake(f"where {name} | part IS NULL AND \"q=r\" = '2024-01-02' | SELECT id FROM t ORDER BY id") == [{"id": 7}]


@with_all
def test_a_mapping_that_came_later(spark, same, folder):
    t = table(folder, "upgraded")
    spark.sql(f"CREATE TABLE {t} (id INT, s STRUCT<a: INT, b: INT>) USING delta")
    spark.sql(f"INSERT INTO {t} SELECT 1, named_struct('a', 1, 'b', 2)")
    spark.sql(f"ALTER TABLE {t} SET TBLPROPERTIES ({MAPPED.format('name')})")
    spark.sql(f"ALTER TABLE {t} RENAME COLUMN s.a TO c")
    spark.sql(f"ALTER TABLE {t} ADD COLUMNS (s.a INT)")
    spark.sql(f"INSERT INTO {t} SELECT 2, named_struct('c', 3, 'b', 4, 'a', 5)")
    spark.sql(f"ALTER TABLE {t} DROP COLUMN id")
    spark.sql(f"ALTER TABLE {t} ADD COLUMNS (id STRING)")
    same("upgraded", versions=(1, 2, 5))


def test_deletion_vectors_of_many_deletes(spark, same, folder, lake):
    t = table(folder, "deleted")
    spark.sql(f"CREATE TABLE {t} (id BIGINT, v STRING, p INT) USING delta PARTITIONED BY (p) TBLPROPERTIES ('delta.enableDeletionVectors' = 'true')")
    spark.range(150000).selectExpr("id", "concat('v', id) v", "int(id % 3) p").repartition(1).write.format("delta").mode("append").save(str(folder / "deleted"))
    for predicate in ("id % 10 = 3 OR id < 1000", "id BETWEEN 70000 AND 90000", "p = 1 AND id % 2 = 0", "id = 149999")[0 if ALL else 2 :]:
        spark.sql(f"DELETE FROM {t} WHERE {predicate}")
    spark.sql(f"UPDATE {t} SET v = 'new' WHERE id % 1000 = 1")
    spark.sql(f"INSERT INTO {t} VALUES (1, 'back', 9)")
    same("deleted", versions=(2, 3, 5) if ALL else ())
    assert lake("scan deleted | | SELECT count(*) AS n FROM t") == [{"n": spark.read.format("delta").load(str(folder / "deleted")).count()}]
    assert {"id": 1, "v": "back"} in lake("where deleted | id < 1000 | SELECT id, v FROM t")
    assert lake("where deleted | id = 149999 | SELECT id FROM t") == []
    if ALL:
        spark.sql(f"OPTIMIZE {t}")
        same("deleted")


@with_all
def test_a_broken_vector_is_no_row_too_many(spark, folder, lake):
    t = table(folder, "broken")
    spark.sql(f"CREATE TABLE {t} (id BIGINT) USING delta TBLPROPERTIES ('delta.enableDeletionVectors' = 'true')")
    spark.range(1000).repartition(1).write.format("delta").mode("append").save(str(folder / "broken"))
    spark.sql(f"DELETE FROM {t} WHERE id % 3 = 0")
    (vector,) = (folder / "broken").glob("deletion_vector_*.bin")
    good = vector.read_bytes()
    for at in range(0, len(good), 7):
        vector.write_bytes(good[:at] + bytes([good[at] ^ 0x40]) + good[at + 1 :])
        with pytest.raises(Failed, match=f"CORRUPT.*version 2.*{vector.name}|UNSUPPORTED.*{vector.name}"):
            lake("scan broken | | SELECT count(*) FROM t")
    vector.unlink()
    with pytest.raises(Failed, match=f"CORRUPT.*{vector.name}"):
        lake("scan broken | | SELECT count(*) FROM t")
    vector.write_bytes(good)
    assert lake("scan broken | | SELECT count(*) AS n FROM t") == [{"n": 666}]


def test_types_that_were_widened(spark, same, folder, lake):
    t = table(folder, "widened")
    spark.sql(
        f"CREATE TABLE {t} (b BYTE, s SHORT, i INT, f FLOAT, d DATE, n DECIMAL(5,2), nested STRUCT<i: INT, l: ARRAY<SHORT>, m: MAP<STRING, INT>>, p SHORT) "
        "USING delta PARTITIONED BY (p) TBLPROPERTIES ('delta.enableTypeWidening' = 'true')"
    )
    row = "SELECT tinyint(id), smallint(id * 100), int(id * 100000), float(id / 3), date'2024-01-01' + int(id), cast(id / 7 AS DECIMAL(5,2)), named_struct('i', int(id), 'l', array(smallint(id), NULL), 'm', map('k', int(id))), smallint(id % 2) FROM range(10)"
    spark.sql(f"INSERT INTO {t} {row}")
    changes = ["b TYPE SHORT", "s TYPE INT", "nested.i TYPE BIGINT", "nested.l.element TYPE INT", "nested.m.value TYPE BIGINT", "i TYPE BIGINT", "f TYPE DOUBLE", "n TYPE DECIMAL(12,4)", "d TYPE TIMESTAMP_NTZ", "p TYPE INT", "b TYPE DOUBLE", "s TYPE DECIMAL(12,1)"]
    done = []
    for change in changes if ALL else changes[1:4]:
        try:
            spark.sql(f"ALTER TABLE {t} ALTER COLUMN {change}")
            done.append(change)
        except Exception as why:  # what this version of Delta Lake does not widen to
            assert "not supported" in str(why) or "CHANGE" in str(why), why
    assert "s TYPE INT" in done
    spark.sql(f"INSERT INTO {t} (i, s, nested) SELECT 100, 70000, named_struct('i', 5000000000, 'l', array(100000), 'm', map('z', 5000000000))" if "nested.i TYPE BIGINT" in done else f"INSERT INTO {t} (i, s) SELECT 100, 70000")
    same("widened", versions=(1,) if ALL else ())
    assert lake("where widened | s = 900 | SELECT count(*) AS n FROM t") == [{"n": 1}]
    assert lake("where widened | s > 69999 | SELECT count(*) AS n FROM t") == [{"n": 1}]


@with_all
def test_times_as_any_writer_writes_them(spark, same, folder, lake):
    t = table(folder, "times")
    spark.sql(f"CREATE TABLE {t} (how STRING, t TIMESTAMP, n TIMESTAMP_NTZ, d DATE, l ARRAY<TIMESTAMP>) USING delta")
    times = ["0001-01-01 00:00:00", "1582-10-14 12:00:00", "1582-10-15 00:00:00", "1899-12-31 23:59:59.999999", "1969-12-31 23:59:59.999999", "1970-01-01 00:00:00", "2024-02-29 12:34:56.123456", "9999-12-31 23:59:59.999999"]
    for how in ("INT96", "TIMESTAMP_MICROS", "TIMESTAMP_MILLIS"):
        spark.conf.set("spark.sql.parquet.outputTimestampType", how)
        values = ", ".join(f"('{how}', timestamp'{x}', timestamp_ntz'{x}', date'{x[:10]}', array(timestamp'{x}', NULL))" for x in times)
        spark.sql(f"INSERT INTO {t} VALUES {values}, ('{how}', NULL, NULL, NULL, NULL)")
    spark.conf.set("spark.sql.parquet.outputTimestampType", "TIMESTAMP_MICROS")
    same("times")
    for x in times:
        got = lake(f"where times | t >= TIMESTAMPTZ '{x}+00' AND t <= TIMESTAMPTZ '{x}+00' | SELECT count(*) AS n FROM t")
        assert got == [{"n": 2 if "999999" in x or "123456" in x else 3}], x  # MILLIS cuts
        assert lake(f"where times | n = '{x}' | SELECT count(*) AS n FROM t") == [{"n": 3}], x


def test_partitions_of_every_type(spark, same, folder, lake):
    t = table(folder, "parts")
    columns = "b BOOLEAN, y BYTE, s SHORT, i INT, g BIGINT, f FLOAT, d DOUBLE, n DECIMAL(20,5), dt DATE, t TIMESTAMP, z TIMESTAMP_NTZ, x STRING, bin BINARY"
    spark.sql(f"CREATE TABLE {t} (id INT, {columns}) USING delta PARTITIONED BY ({', '.join(c.split()[0] for c in columns.split(', '))})")
    spark.sql(
        f"INSERT INTO {t} SELECT int(id), id % 2 = 0, tinyint(-id), smallint(id), int(id * 7), bigint(id) * 5000000000, float(id / 3), CASE id WHEN 1 THEN double('NaN') WHEN 2 THEN double('-Infinity') ELSE id / 3 END, "
        "cast(id / 7 AS DECIMAL(20,5)), date'1500-01-01' + int(id), timestamp'1899-12-31 23:59:59.123456' + make_interval(0, 0, 0, 0, 0, id), timestamp_ntz'2024-01-01 00:00:00.5', "
        "element_at(array('a/b', 'x y', 'p%20q', 'äöü', 'q=\"r\"', '{[*?]}', 'l\\nn'), 1 + int(id % 7)), cast('bytes' AS BINARY) FROM range(8)"
    )
    spark.sql(f"INSERT INTO {t} (id) VALUES (100)")
    spark.sql(f"INSERT INTO {t} (id, x) VALUES (101, '')")
    same("parts")
    assert lake("where parts | x = 'a/b' | SELECT id FROM t ORDER BY id") == [{"id": 0}, {"id": 7}]
    assert lake("where parts | x IS NULL | SELECT id FROM t ORDER BY id") == [{"id": 100}, {"id": 101}]
    assert lake("where parts | t = TIMESTAMPTZ '1900-01-01 00:00:59.123456+00' | SELECT id FROM t ORDER BY id") == [{"id": 1}]
    assert lake("where parts | d > 1000 | SELECT id FROM t") == [{"id": 1}]
    assert lake("where parts | n < 0.15 AND i = 7 | SELECT id FROM t") == [{"id": 1}]


def test_a_clone_has_absolute_paths(spark, same, folder, lake):
    t = table(folder, "source folder")
    spark.sql(f"CREATE TABLE {t} (id BIGINT, p STRING) USING delta PARTITIONED BY (p) TBLPROPERTIES ('delta.enableDeletionVectors' = 'true')")
    spark.sql(f"INSERT INTO {t} SELECT id, concat('ä %', id % 2) FROM range(100)")
    spark.sql(f"DELETE FROM {t} WHERE id % 3 = 0")
    spark.sql(f"CREATE TABLE {table(folder, 'clone')} SHALLOW CLONE {t}")
    spark.sql(f"DELETE FROM {table(folder, 'clone')} WHERE id > 90")
    same("clone", versions=(0,) if ALL else ())


@with_all
def test_schemas_that_grew(spark, same, folder, lake):
    path = str(folder / "grown")
    spark.sql("SELECT 1L id, named_struct('a', 1) s, array(named_struct('a', 1)) l, map('k', named_struct('a', 1)) m").write.format("delta").save(path)
    spark.sql("SELECT 2L ID, named_struct('b', 'x', 'a', 2) s, array(named_struct('b', 'x', 'a', 2), NULL) l, map('k', named_struct('b', named_struct('c', 1), 'a', 2)) m, 'new' added").write.format("delta").mode("append").option("mergeSchema", "true").save(path)
    spark.sql(f"ALTER TABLE delta.`{path}` ALTER COLUMN added FIRST")
    spark.sql("SELECT 3L id, cast(NULL AS STRUCT<a: INT>) s, cast(array() AS ARRAY<STRUCT<a: INT>>) l").write.format("delta").mode("append").option("mergeSchema", "true").save(path)
    same("grown", versions=(0, 1))


# --- by hand, without Spark ----------------------------------------------------------------------------------------


def field(name, type, physical=None, id=None):
    metadata = {}
    if physical:
        metadata["delta.columnMapping.physicalName"] = physical
    if id is not None:
        metadata["delta.columnMapping.id"] = id
    return {"name": name, "type": type, "nullable": True, "metadata": metadata}


def by_hand(folder, name, fields, files, configuration=None, partitions=(), protocol=None, values=None):
    """A table of one commit over Parquet tables."""
    path = folder / name
    (path / "_delta_log").mkdir(parents=True)
    actions = [
        {"protocol": protocol or {"minReaderVersion": 2, "minWriterVersion": 5}},
        {"metaData": {"id": name, "format": {"provider": "parquet", "options": {}}, "schemaString": json.dumps({"type": "struct", "fields": fields}),
                      "partitionColumns": list(partitions), "configuration": configuration or {}}},
    ]
    for i, rows in enumerate(files):
        pq.write_table(rows, path / f"{i}.parquet")
        actions.append({"add": {"path": f"{i}.parquet", "partitionValues": values or {}, "size": (path / f"{i}.parquet").stat().st_size, "modificationTime": 0, "dataChange": True}})
    (path / "_delta_log" / f"{0:020d}.json").write_text("".join(json.dumps(a) + "\n" for a in actions))


def with_id(name, type, id=None):
    return pa.field(name, type, metadata={"PARQUET:field_id": str(id)} if id is not None else None)


BY_ID = {"delta.columnMapping.mode": "id"}
BY_NAME = {"delta.columnMapping.mode": "name"}


def test_by_id_a_column_is_where_its_id_is(lake, folder):
    inner = {"type": "struct", "fields": [field("p", "integer", "i1", 4), field("q", "integer", "i2", 5)]}
    fields = [field("a", "integer", "c1", 1), field("b", "integer", "c2", 2), field("s", inner, "c3", 3), field("l", {"type": "array", "elementType": inner, "containsNull": True}, "c6", 6)]

    def rows(names, ids, inner_names, inner_ids):
        struct = pa.struct([with_id(n, pa.int32(), i) for n, i in zip(inner_names, inner_ids)])
        value = dict(zip(inner_names, (10, 20)))
        schema = pa.schema([with_id(names[0], pa.int32(), ids[0]), with_id(names[1], pa.int32(), ids[1]), with_id(names[2], struct, ids[2]), with_id(names[3], pa.list_(with_id("element", struct)), ids[3])])
        return pa.Table.from_pylist([{names[0]: 1, names[1]: 2, names[2]: value, names[3]: [value]}], schema=schema)

    straight = rows(("c1", "c2", "c3", "c6"), (1, 2, 3, 6), ("i1", "i2"), (4, 5))
    swapped = rows(("c2", "c1", "c3", "c6"), (1, 2, 3, 6), ("i2", "i1"), (4, 5))
    missing = rows(("c1", "c2", "c3", "c6"), (1, 99, 3, 6), ("i1", "i2"), (98, 4))
    renamed = rows(("w", "x", "y", "z"), (1, 2, 3, 6), ("u", "v"), (4, 5))
    for i, (table, want) in enumerate([
        (straight, {"a": 1, "b": 2, "s": {"p": 10, "q": 20}, "l": [{"p": 10, "q": 20}]}),
        (swapped, {"a": 1, "b": 2, "s": {"p": 10, "q": 20}, "l": [{"p": 10, "q": 20}]}),
        (missing, {"a": 1, "b": None, "s": {"p": 20, "q": None}, "l": [{"p": 20, "q": None}]}),
        (renamed, {"a": 1, "b": 2, "s": {"p": 10, "q": 20}, "l": [{"p": 10, "q": 20}]}),
    ]):
        by_hand(folder, f"id{i}", fields, [straight, table], BY_ID)
        got = lake(f"scan id{i} | | SELECT a, b, to_json(s) AS s, to_json(l) AS l FROM t")
        rows_got = [dict(r, s=json.loads(r["s"]), l=json.loads(r["l"])) for r in got]
        assert want in rows_got and {"a": 1, "b": 2, "s": {"p": 10, "q": 20}, "l": [{"p": 10, "q": 20}]} in rows_got and len(rows_got) == 2, i


def test_mappings_that_can_not_be_right_are_refused(lake, folder):
    plain = pa.table({"c1": pa.array([1], pa.int32())})
    by_hand(folder, "no ids", [field("a", "integer", "c1", 1)], [plain], BY_ID)
    by_hand(folder, "no name", [field("a", "integer", None, 1)], [plain], BY_NAME)
    by_hand(folder, "no id", [field("a", "integer", "c1")], [plain], BY_NAME)
    by_hand(folder, "twice", [field("a", "integer", "c1", 1), field("b", "integer", "C1", 2)], [plain], BY_NAME)
    by_hand(folder, "same id", [field("a", "integer", "c1", 1), field("b", "integer", "c2", 1)], [plain], BY_NAME)
    for name, message in {"no ids": "CORRUPT.*columnMapping.*no field ids", "no name": "CORRUPT.*columnMapping.*no physical name", "no id": "CORRUPT.*columnMapping.*no id",
                          "twice": "CORRUPT.*same physical name", "same id": "CORRUPT.*same id"}.items():
        with pytest.raises(Failed, match=message):
            lake(f"scan {name} | |")
    by_hand(folder, "not on", [field("a", "integer", "other", 1)], [pa.table({"a": pa.array([7], pa.int32())})], BY_NAME, protocol={"minReaderVersion": 1, "minWriterVersion": 2})
    assert lake("scan not on | |") == [{"a": 7}], "a protocol without the feature does not know the property"


def test_names_of_the_engine_and_columns_without_data(lake, folder):
    rows = pa.table({"file_index": [5], "file_row_number": ["x"], "filename": [1.5], "A": [1]})
    fields = [field("file_index", "long"), field("file_row_number", "string"), field("filename", "double"), field("a", "long"), field("nothing", "void"), field("part", "date")]
    by_hand(folder, "names", fields, [rows, rows], partitions=("part",), values={"part": "2024-01-01"}, protocol={"minReaderVersion": 1, "minWriterVersion": 2})
    want = {"file_index": 5, "file_row_number": "x", "filename": 1.5, "a": 1, "nothing": None, "part": "2024-01-01"}
    assert lake("scan names | |") == [want, want]
    assert lake("where names | file_index = 5 AND part = '2024-01-01' | SELECT count(*) AS n, count(DISTINCT _ingot_file) AS f FROM t") == [{"n": 2, "f": 2}]
    by_hand(folder, "only parts", [field("p", "integer")], [rows], partitions=("p",), values={"p": "3"}, protocol={"minReaderVersion": 1, "minWriterVersion": 2})
    assert lake("scan only parts | |") == [{"p": 3}]


def test_text_that_is_not_marked_as_text(lake, folder):
    rows = pa.table({"t": pa.array(["ä\\x41"]).cast(pa.binary())})
    by_hand(folder, "unmarked", [field("t", "string")], [rows], protocol={"minReaderVersion": 1, "minWriterVersion": 2})
    assert lake("scan unmarked | |") == [{"t": "ä\\x41"}]


def test_a_file_that_is_gone_or_cut_is_named(lake, folder):
    by_hand(folder, "gone", [field("a", "long")], [pa.table({"a": [1]}), pa.table({"a": [2]})], protocol={"minReaderVersion": 1, "minWriterVersion": 2})
    second = folder / "gone" / "1.parquet"
    second.write_bytes(second.read_bytes()[:-10])
    with pytest.raises(Failed, match="1.parquet"):
        lake("scan gone | |")
    second.unlink()
    with pytest.raises(Failed, match="CORRUPT: table gone, version 0: .*the file .*1.parquet.* is not there"):
        lake("scan gone | |")
