"""Tables of Spark 4 with Delta Lake 4, with what it can switch on: we read what it reads, at every version."""

import json

import pytest

from support.spark4 import Spark4Error

DV = "'delta.enableDeletionVectors' = 'true'"
MAPPED = "'delta.columnMapping.mode' = 'name'"

# What Spark is told, and the columns that are compared: the same words in both dialects.
TABLES = {
    "deletion vectors": (
        ["CREATE TABLE {t} (i BIGINT, s STRING) USING delta TBLPROPERTIES (%s)" % DV,
         "INSERT INTO {t} SELECT id, CAST(id AS STRING) FROM range(0, 5000, 1, 2)",
         "DELETE FROM {t} WHERE i % 7 = 3"],
        "i, s"),
    "column mapping, nested": (
        ["CREATE TABLE {t} (id INT, st STRUCT<a: INT, b: STRUCT<c: STRING, d: DATE>>, l ARRAY<STRUCT<x: INT, y: STRING>>,"
         " m MAP<STRING, STRUCT<v: BIGINT>>) USING delta TBLPROPERTIES (%s)" % MAPPED,
         "INSERT INTO {t} VALUES (1, struct(1, struct('c', DATE'2024-01-01')), array(struct(1, 'y'), struct(2, NULL)),"
         " map('k', struct(5L))), (2, NULL, array(), map()), (3, struct(NULL, NULL), NULL, NULL)",
         "ALTER TABLE {t} RENAME COLUMN st.a TO renamed",
         "ALTER TABLE {t} RENAME COLUMN l.element.x TO xx",
         "ALTER TABLE {t} RENAME COLUMN m.value.v TO w",
         "ALTER TABLE {t} DROP COLUMN st.b.c",
         "ALTER TABLE {t} ADD COLUMN st.b.e INT",
         "INSERT INTO {t} VALUES (4, struct(4, struct(DATE'2024-04-04', 44)), array(struct(7, 'z')), map('q', struct(6L)))"],
        "id, to_json(st) AS st, to_json(l) AS l, to_json(m) AS m"),
    "type widening": (
        ["CREATE TABLE {t} (a TINYINT, b INT, c FLOAT, d DECIMAL(5, 2), e STRUCT<x: SMALLINT>, f ARRAY<INT>, g INT) USING"
         " delta TBLPROPERTIES ('delta.enableTypeWidening' = 'true')",
         "INSERT INTO {t} VALUES (1, 100000, 1.5, 1.25, struct(3S), array(1, 2), 7)",
         "ALTER TABLE {t} CHANGE COLUMN a TYPE INT",
         "ALTER TABLE {t} CHANGE COLUMN b TYPE BIGINT",
         "ALTER TABLE {t} CHANGE COLUMN c TYPE DOUBLE",
         "ALTER TABLE {t} CHANGE COLUMN d TYPE DECIMAL(12, 4)",
         "ALTER TABLE {t} CHANGE COLUMN e.x TYPE BIGINT",
         "ALTER TABLE {t} CHANGE COLUMN f.element TYPE BIGINT",
         "ALTER TABLE {t} CHANGE COLUMN g TYPE DOUBLE",
         "INSERT INTO {t} VALUES (100000, 10000000000, 0.1, 12345678.1234, struct(10000000000L), array(10000000000L), 0.5)"],
        "a, b, c, CAST(d AS VARCHAR(40)) AS d, e.x AS x, to_json(f) AS f, g"),
    "variant": (
        ["CREATE TABLE {t} (i INT, v VARIANT) USING delta",
         """INSERT INTO {t} SELECT 1, parse_json('{"a": 1, "b": [true, null, "x"], "c": {"d": 1.5}}')""",
         "INSERT INTO {t} VALUES (2, NULL), (3, parse_json('\"text\"')), (4, parse_json('null')), (5, parse_json('123456789012'))"],
        "i, coalesce(to_json(v), 'null') AS v"),
    "row tracking, clustering, in-commit timestamps": (
        ["CREATE TABLE {t} (i BIGINT, k STRING) USING delta CLUSTER BY (k) TBLPROPERTIES ('delta.enableRowTracking' = 'true',"
         "'delta.enableInCommitTimestamps' = 'true', %s)" % DV,
         "INSERT INTO {t} SELECT id, CAST(id % 10 AS STRING) FROM range(100)",
         "UPDATE {t} SET k = 'u' WHERE i < 5",
         "OPTIMIZE {t}",
         "DELETE FROM {t} WHERE i > 90"],
        "i, k"),
    "V2 checkpoints": (
        ["CREATE TABLE {t} (i INT, p STRING) USING delta PARTITIONED BY (p) TBLPROPERTIES ('delta.checkpointPolicy' = 'v2',"
         "'delta.checkpointInterval' = '2', %s)" % DV,
         *(f"INSERT INTO {{t}} VALUES ({i}, 'p{i % 3}'), ({i + 100}, NULL)" for i in range(5)),
         "DELETE FROM {t} WHERE i = 101"],
        "i, p"),
}


def canonical(rows):
    """Rows in one order; what is JSON within them as values, with the members that are null left out."""

    def value(v):
        if isinstance(v, str) and v[:1] in "{[":
            v = json.loads(v)
        if isinstance(v, dict):
            return {k: value(x) for k, x in sorted(v.items()) if x is not None}
        return [value(x) for x in v] if isinstance(v, list) else v

    return sorted((json.dumps({k: value(v) for k, v in r.items()}, sort_keys=True, default=str) for r in rows))


@pytest.mark.parametrize("name", TABLES)
def test_we_read_what_spark_4_reads(spark4, ingot, tmp_path, name):
    statements, columns = TABLES[name]
    path = tmp_path / "t"
    for s in statements:
        spark4(s.replace("{t}", f"delta.`{path}`"))
    latest = max(int(f.name[:20]) for f in (path / "_delta_log").glob("0*.json") if len(f.name) == 25)
    assert latest >= 2
    for version in {latest, latest // 2}:
        theirs = spark4(f"SELECT {columns} FROM delta.`{path}` VERSION AS OF {version}")
        ours_columns = columns.replace("to_json(v)", "v::JSON")  # DuckDB's to_json prints a variant first; it has one null
        sql = f"SELECT {ours_columns} FROM delta('{path}', version => {version})"
        ours = ingot.run("--json", "query", sql).rows()
        assert canonical(ours) == canonical(theirs), version
    assert spark4(f"SELECT count(*) AS n FROM delta.`{path}`")[0]["n"] > 0, "the test sees rows"


def test_what_spark_4_refuses_is_said(spark4, tmp_path):
    with pytest.raises(Spark4Error, match="(?i)not.*found|doesn't exist|not exist|PATH_NOT_FOUND|is not a Delta table"):
        spark4(f"SELECT * FROM delta.`{tmp_path}/nothing`")


def test_row_ids_stay_through_our_changes_and_theirs(spark4, ingot, tmp_path):
    """One row after the other is followed by its id, by both engines; ours turns it on in a table that has files."""
    path = tmp_path / "t"
    table = f"delta('{path}')"

    def ours(sql):
        return ingot.run("--json", "query", sql).rows()

    def ids():
        mine = ours(f"SELECT i, _row_id AS id, _row_commit_version AS v FROM delta('{path}', row_ids => true) ORDER BY i")
        theirs = spark4(f"SELECT i, _metadata.row_id AS id, _metadata.row_commit_version AS v FROM delta.`{path}` ORDER BY i")
        assert mine == theirs
        return {r["i"]: (r["id"], r["v"]) for r in mine}

    ours(f"CREATE TABLE {table} (i BIGINT, s STRING, p INT) PARTITIONED BY (p);"
         f"INSERT INTO {table} SELECT range, 'a', range % 2 FROM range(8);"
         f"ALTER TABLE {table} SET TBLPROPERTIES ('delta.enableRowTracking' = 'true')")
    first = ids()
    assert sorted(first.values()) == [(i, 2) for i in range(8)]
    ours(f"UPDATE {table} SET s = 'u' WHERE i = 2; UPDATE {table} SET p = 1 WHERE i = 4; DELETE FROM {table} WHERE i = 0;"
         f"MERGE INTO {table} t USING (SELECT 3 AS i UNION ALL SELECT 99) s ON t.i = s.i"
         " WHEN MATCHED THEN UPDATE SET s = 'm' WHEN NOT MATCHED THEN INSERT (i, p) VALUES (s.i, 0)")
    ours(f"ALTER TABLE {table} SET TBLPROPERTIES ('delta.enableDeletionVectors' = 'true'); UPDATE {table} SET s = 'dv' WHERE i = 5")
    changed = {2: 3, 4: 4, 3: 6, 5: 8}
    want = {i: (first[i][0], changed.get(i, 2)) for i in range(1, 8)}
    now = ids()
    assert now.pop(99)[0] > 7 and now == want
    spark4(f"UPDATE delta.`{path}` SET s = 'spark' WHERE i = 1")
    spark4(f"OPTIMIZE delta.`{path}`")
    ingot.run("table", "optimize", path, "--purge")
    ours(f"UPDATE {table} SET s = 'v' WHERE i = 6")
    now = ids()
    assert {i: v[0] for i, v in now.items() if i < 99} == {i: v[0] for i, v in want.items()}
    assert now[1][1] == 9 and now[7] == want[7] and now[6][1] > 9
