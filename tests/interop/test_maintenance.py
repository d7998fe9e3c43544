"""Maintenance of tables that Spark wrote, with all that it writes: Spark reads the same rows after each step, at the newest
version and at those that were kept; and Spark's maintenance of tables that ingot made."""

import json
import time

import deltalake
import pytest


@pytest.fixture
def place(tmp_path):
    return tmp_path / "t"


def one(ingot, *args):
    return ingot.run("table", "--json", *map(str, args), cwd="/").rows()[-1]


def spark_rows(spark, path, version=None):
    at = "" if version is None else f" VERSION AS OF {version}"
    return sorted(tuple(r) for r in spark.sql(f"SELECT id, k, v FROM delta.`{path}`{at}").collect())


def our_rows(ingot, path, version=None):
    at = "" if version is None else f", version => {version}"
    rows = ingot.run("--json", "query", f"SELECT id, k, v FROM delta('{path}'{at})", cwd="/").rows()
    return sorted((r["id"], r["k"], r["v"]) for r in rows)


def same(ingot, spark, path, version=None):
    rows = spark_rows(spark, path, version)
    assert our_rows(ingot, path, version) == rows
    return rows


@pytest.fixture(scope="module")
def changed(spark, tmp_path_factory):
    """A table with deletion vectors and change data: two inserts, a delete, an update."""
    place = tmp_path_factory.mktemp("changed") / "t"
    t = f"delta.`{place}`"
    spark.sql(
        f"CREATE TABLE {t} (id BIGINT, k STRING, v DOUBLE) USING delta PARTITIONED BY (k) TBLPROPERTIES "
        "('delta.enableDeletionVectors'='true', 'delta.enableChangeDataFeed'='true')"
    )
    for i in range(2):
        spark.sql(f"INSERT INTO {t} SELECT id + {i * 100}, IF(id % 2 = 0, 'a b', 'c'), id / 4 FROM range(100)")
    spark.sql(f"DELETE FROM {t} WHERE id % 10 = 3")
    spark.sql(f"UPDATE {t} SET v = v + 1 WHERE id % 10 = 4")
    return place


def test_details_agree(ingot, spark, changed):
    same(ingot, spark, changed)
    assert one(ingot, "check", changed, "--data")["problems"] == 0
    detail = spark.sql(f"DESCRIBE DETAIL delta.`{changed}`").collect()[0]
    shown = one(ingot, "show", changed)
    for name in ("id", "numFiles", "sizeInBytes", "partitionColumns", "minReaderVersion", "minWriterVersion"):
        assert shown[name] == detail[name], name
    assert set(shown["tableFeatures"]) == set(detail["tableFeatures"])


def test_deletion_vectors_and_change_data(ingot, spark, changed):
    t = f"delta.`{changed}`"
    want = our_rows(ingot, changed)
    assert one(ingot, "optimize", changed)["deletion_vectors_removed"] > 0
    assert same(ingot, spark, changed) == want
    spark.sql(f"DELETE FROM {t} WHERE id % 10 = 5")
    kept = our_rows(ingot, changed)
    version = one(ingot, "show", changed)["version"]
    assert one(ingot, "optimize", changed, "--purge")["deletion_vectors_removed"] == 1
    assert our_rows(ingot, changed) == kept and one(ingot, "show", changed)["numDeletionVectors"] == 0
    changes = spark.read.format("delta").option("readChangeFeed", "true").option("startingVersion", version + 1)
    assert changes.load(str(changed)).count() == 0, "the rows are the same"

    time.sleep(2.1)
    spark.sql(f"DELETE FROM {t} WHERE id % 10 = 6")
    newest = our_rows(ingot, changed)
    assert one(ingot, "vacuum", changed, "--retention", "2s", "--force")["files"] > 0
    assert same(ingot, spark, changed) == newest
    assert same(ingot, spark, changed, version + 1) == kept, "a version that was kept can be read"
    assert one(ingot, "check", changed, "--data")["problems"] == 0
    one(ingot, "restore", changed, "--to", version + 1)
    assert same(ingot, spark, changed) == kept
    last = spark.sql(f"DESCRIBE HISTORY {t} LIMIT 1").collect()[0]
    ours = ingot.run("table", "--json", "history", changed, "-n", "1", cwd="/").rows()[0]
    assert (last["version"], last["operation"], last["operationMetrics"]) == (ours["version"], "RESTORE", ours["operationMetrics"])


def test_clones_of_either(ingot, spark, changed, tmp_path):
    spark.sql(f"DELETE FROM delta.`{changed}` WHERE id = 11")
    rows = our_rows(ingot, changed)
    one(ingot, "clone", changed, tmp_path / "ours")
    spark.sql(f"CREATE TABLE delta.`{tmp_path}/theirs` SHALLOW CLONE delta.`{changed}`")
    for clone in ("ours", "theirs"):
        assert same(ingot, spark, tmp_path / clone) == rows
        assert one(ingot, "check", tmp_path / clone, "--data")["problems"] == 0
    one(ingot, "clone", tmp_path / "theirs", tmp_path / "deep", "--deep")
    spark.sql(f"DELETE FROM delta.`{tmp_path}/ours` WHERE id < 50")
    assert one(ingot, "optimize", tmp_path / "ours")["files_added"] == 2
    assert same(ingot, spark, tmp_path / "ours") == [r for r in rows if r[0] >= 50]
    assert same(ingot, spark, tmp_path / "deep") == rows == our_rows(ingot, changed)


def test_clustered_table(ingot, spark, place):
    t = f"delta.`{place}`"
    spark.sql(f"CREATE TABLE {t} (id BIGINT, k STRING, v DOUBLE) USING delta CLUSTER BY (id, k)")
    for i in range(3):
        spark.sql(f"INSERT INTO {t} SELECT (id * 7919) % 1000 + {i}, CAST(id % 7 AS STRING), id / 4 FROM range(300)")
    want = same(ingot, spark, place)
    assert one(ingot, "show", place)["clusteringColumns"] == ["id", "k"]
    done = one(ingot, "optimize", place)
    assert done["files_removed"] >= 3 and same(ingot, spark, place) == want
    adds = [json.loads(line)["add"] for line in (place / "_delta_log" / f"{done['version']:020d}.json").read_text().splitlines() if '"add"' in line]
    assert adds and all(a["clusteringProvider"] == "liquid" for a in adds)
    assert one(ingot, "optimize", place)["files_removed"] == 0
    spark.sql(f"INSERT INTO {t} VALUES (5, 'x', 1.5)")
    assert one(ingot, "optimize", place)["files_removed"] == 2
    spark.sql(f"OPTIMIZE {t}")
    assert same(ingot, spark, place) == sorted([*want, (5, "x", 1.5)])


def test_column_mapping(ingot, spark, place):
    t = f"delta.`{place}`"
    spark.sql(
        f"CREATE TABLE {t} (id BIGINT, old STRING, gone INT, v DOUBLE, part INT) USING delta PARTITIONED BY (part) "
        "TBLPROPERTIES ('delta.columnMapping.mode'='name')"
    )
    spark.sql(f"INSERT INTO {t} SELECT id, concat('n', id), 1, id / 4, CAST(id % 2 AS INT) FROM range(10)")
    spark.sql(f"ALTER TABLE {t} RENAME COLUMN old TO k")
    spark.sql(f"ALTER TABLE {t} DROP COLUMN gone")
    spark.sql(f"INSERT INTO {t} VALUES (5000000000, 'long', 0.5, 1), (11, null, null, 0)")
    want = our_rows(ingot, place)
    assert one(ingot, "optimize", place, "--where", "part = 1")["files_added"] == 1
    assert one(ingot, "optimize", place, "--zorder", "id,k")["files_added"] == 2
    assert same(ingot, spark, place) == want
    assert one(ingot, "check", place, "--data")["problems"] == 0
    one(ingot, "restore", place, "--to", "1")
    assert spark.sql(f"SELECT count(DISTINCT old), sum(gone) FROM {t}").collect()[0] == (10, 10)
    one(ingot, "restore", place, "--to", "4")
    assert our_rows(ingot, place) == want


def test_spark_maintains_what_was_converted(ingot, spark, place):
    spark.sql(f"SELECT id, CAST(id % 3 AS STRING) AS v, CAST(id % 2 AS INT) AS k FROM range(50)").write.partitionBy("k").parquet(str(place))
    assert one(ingot, "convert", place)["rows"] == 50
    want = same(ingot, spark, place)
    spark.sql(f"OPTIMIZE delta.`{place}`")
    spark.sql(f"DELETE FROM delta.`{place}` WHERE id = 7")
    assert same(ingot, spark, place) == [r for r in want if r[0] != 7]
    assert len(deltalake.DeltaTable(str(place)).to_pyarrow_table()) == 49
