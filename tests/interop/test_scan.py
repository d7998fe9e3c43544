"""Tables that Spark made with Delta's features, read by us: each has exactly the rows that Spark sees."""

import pathlib
import shutil

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


@pytest.mark.parametrize("mode", ["name", "id"])
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
    same(name, versions=(1, 2, 4))
    got = lake(f"where {name} | renamed = 'again' | SELECT id, \"a b\", s.x AS x FROM t")
    assert got == [{"id": 100, "a b": 5, "x": 9}]
    assert lake(f"where {name} | s.swapped >= 19 | SELECT id FROM t") == [{"id": 19}]
    assert lake(f"where {name} | part IS NULL AND \"q=r\" = '2024-01-02' | SELECT id FROM t ORDER BY id") == [{"id": 7}]


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
    for predicate in ("id % 10 = 3", "id < 1000", "id BETWEEN 70000 AND 90000", "p = 1 AND id % 2 = 0", "id = 149999"):
        spark.sql(f"DELETE FROM {t} WHERE {predicate}")
    spark.sql(f"UPDATE {t} SET v = 'new' WHERE id % 1000 = 1")
    spark.sql(f"INSERT INTO {t} VALUES (1, 'back', 9)")
    same("deleted", versions=(2, 3, 5))
    assert lake("scan deleted | | SELECT count(*) AS n FROM t") == [{"n": spark.read.format("delta").load(str(folder / "deleted")).count()}]
    assert lake("where deleted | id < 1000 | SELECT id, v FROM t") == [{"id": 1, "v": "back"}]
    assert lake("where deleted | id = 149999 | SELECT id FROM t") == []
    spark.sql(f"OPTIMIZE {t}")
    same("deleted")


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
    for change in changes:
        try:
            spark.sql(f"ALTER TABLE {t} ALTER COLUMN {change}")
            done.append(change)
        except Exception as why:  # what this version of Delta Lake does not widen to
            assert "not supported" in str(why) or "CHANGE" in str(why), why
    assert "s TYPE INT" in done
    spark.sql(f"INSERT INTO {t} (i, s, nested) SELECT 100, 70000, named_struct('i', 5000000000, 'l', array(100000), 'm', map('z', 5000000000))" if "nested.i TYPE BIGINT" in done else f"INSERT INTO {t} (i, s) SELECT 100, 70000")
    same("widened", versions=(1,))
    assert lake("where widened | s = 900 | SELECT count(*) AS n FROM t") == [{"n": 1}]
    assert lake("where widened | s > 69999 | SELECT count(*) AS n FROM t") == [{"n": 1}]


def test_times_as_any_writer_writes_them(spark, same, folder, lake):
    t = table(folder, "times")
    spark.sql(f"CREATE TABLE {t} (how STRING, t TIMESTAMP, n TIMESTAMP_NTZ, d DATE, l ARRAY<TIMESTAMP>) USING delta")
    times = ["0001-01-01 00:00:00", "1582-10-14 12:00:00", "1582-10-15 00:00:00", "1899-12-31 23:59:59.999999", "1969-12-31 23:59:59.999999", "1970-01-01 00:00:00", "2024-02-29 12:34:56.123456", "9999-12-31 23:59:59.999999"]
    for how in ("INT96", "TIMESTAMP_MICROS", "TIMESTAMP_MILLIS"):
        spark.conf.set("spark.sql.parquet.outputTimestampType", how)
        values = ", ".join(f"('{how}', timestamp'{x}', timestamp_ntz'{x}', date'{x[:10]}', array(timestamp'{x}', NULL))" for x in times)
        spark.sql(f"INSERT INTO {t} VALUES {values}, ('{how}', NULL, NULL, NULL, NULL)")
    spark.conf.set("spark.sql.parquet.outputTimestampType", "TIMESTAMP_MICROS")
    same("times", versions=(1,))
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
    assert lake("where parts | t = TIMESTAMPTZ '1900-01-01 00:00:00.123456+00' | SELECT id FROM t ORDER BY id") == [{"id": 1}]
    assert lake("where parts | d > 1000 | SELECT id FROM t") == [{"id": 1}]
    assert lake("where parts | n < 0.15 AND i = 7 | SELECT id FROM t") == [{"id": 1}]


def test_a_clone_has_absolute_paths(spark, same, folder, lake):
    t = table(folder, "source folder")
    spark.sql(f"CREATE TABLE {t} (id BIGINT, p STRING) USING delta PARTITIONED BY (p) TBLPROPERTIES ('delta.enableDeletionVectors' = 'true')")
    spark.sql(f"INSERT INTO {t} SELECT id, concat('ä %', id % 2) FROM range(100)")
    spark.sql(f"DELETE FROM {t} WHERE id % 3 = 0")
    spark.sql(f"CREATE TABLE {table(folder, 'clone')} SHALLOW CLONE {t}")
    spark.sql(f"DELETE FROM {table(folder, 'clone')} WHERE id > 90")
    same("clone", versions=(0,))


def test_schemas_that_grew(spark, same, folder, lake):
    path = str(folder / "grown")
    spark.sql("SELECT 1L id, named_struct('a', 1) s, array(named_struct('a', 1)) l, map('k', named_struct('a', 1)) m").write.format("delta").save(path)
    spark.sql("SELECT 2L ID, named_struct('b', 'x', 'a', 2) s, array(named_struct('b', 'x', 'a', 2), NULL) l, map('k', named_struct('b', named_struct('c', 1), 'a', 2)) m, 'new' added").write.format("delta").mode("append").option("mergeSchema", "true").save(path)
    spark.sql(f"ALTER TABLE delta.`{path}` ALTER COLUMN added FIRST")
    spark.sql("SELECT 3L id, cast(NULL AS STRUCT<a: INT>) s, cast(array() AS ARRAY<STRUCT<a: INT>>) l").write.format("delta").mode("append").option("mergeSchema", "true").save(path)
    same("grown", versions=(0, 1))
