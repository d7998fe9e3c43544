"""SQL over the project's tables and over any Delta table."""

import csv
import io
import json
import os
import pathlib
import signal
import subprocess
import time

import deltalake
import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from support import kafka, orders
from support.project import wait_for


@pytest.fixture
def table(tmp_path):
    """A Delta table of another writer, three versions."""
    path = tmp_path / "tables" / "a table's"
    deltalake.write_deltalake(str(path), pa.table({"id": [1], "name": ["one"]}))
    for i in (2, 3):
        deltalake.write_deltalake(str(path), pa.table({"id": [i], "name": [f"n{i}"]}), mode="append")
    return path


def quoted(path):
    return str(path).replace("'", "''")


def run(ingot, sql, *args, cwd, **kw):
    return ingot.run("--json", "query", *args, sql, cwd=cwd, **kw).rows()


# --- delta(...) anywhere -------------------------------------------------------------------------------------


def test_any_delta_table_outside_of_a_project(ingot, table, tmp_path):
    t = quoted(table)
    assert run(ingot, f"SELECT id, name FROM delta('{t}') ORDER BY id", cwd=tmp_path)[2] == {"id": 3, "name": "n3"}
    for place in (t, f"file://{t}", f"file:{t}", "tables/a table''s", "./tables/../tables/a table''s",
                  "file://" + t.replace(" ", "%20")):
        assert run(ingot, f"SELECT count(*) AS n FROM delta('{place}')", cwd=tmp_path) == [{"n": 3}], place


def test_any_version(ingot, table, tmp_path):
    t = quoted(table)
    for version in range(3):
        for form in ("version => {}", "version=>{}", "VERSION := {}", "version = {}", "{}"):
            found = run(ingot, f"SELECT count(*) AS n FROM Delta ( '{t}' , {form.format(version)} )", cwd=tmp_path)
            assert found == [{"n": version + 1}], form


def test_in_every_place_where_a_table_can_stand(ingot, table, tmp_path):
    t = f"delta('{quoted(table)}'"
    for sql, expected in (
        (f"SELECT count(*) AS n FROM {t}) a JOIN {t}, version => 0) b USING (id)", 1),
        (f"SELECT count(*) AS n FROM {t}), {t}, version => 1)", 6),
        (f"WITH q AS (FROM {t})) SELECT count(*) AS n FROM q WHERE id IN (SELECT id FROM {t}, version => 1))", 2),
        (f"SELECT (SELECT max(id) FROM {t}))::BIGINT AS n", 3),
        (f"SELECT count(*) AS n FROM (FROM {t}) UNION ALL FROM {t}))", 6),
        (f"SELECT n FROM (SELECT count(*) AS n FROM {t}) AS d WHERE d.id > 1)", 2),
        (f"WITH delta(n) AS (SELECT 7) SELECT n::BIGINT AS n FROM delta WHERE n IN (SELECT 7 FROM {t}))", 7),
        (f"SELECT count(*) AS n FROM/* delta('nope') */{t})--;", 3),
        (f"SELECT length('FROM delta(''nope'')')::BIGINT AS n FROM {t}) LIMIT 1", 18),
    ):
        assert run(ingot, sql, cwd=tmp_path) == [{"n": expected}], sql
    made = run(ingot, f"CREATE TABLE t AS FROM {t}); INSERT INTO t FROM {t}, version => 0); SELECT count(*) AS n FROM t",
               cwd=tmp_path)
    assert made == [{"n": 4}]


def test_copy_to_parquet(ingot, table, tmp_path):
    result = ingot.run("query", f"COPY (FROM delta('{quoted(table)}', version => 1)) TO 'out.parquet'", cwd=tmp_path)
    assert pq.read_table(tmp_path / "out.parquet").num_rows == 2
    assert result.out == "" and "2 rows" in result.err


def test_mistakes_about_tables_are_named(ingot, table, tmp_path):
    t = quoted(table)
    for sql, *words in (
        (f"FROM delta('{t}', version => 3)", "no version 3", "versions 0 to 2"),
        (f"FROM delta('{t}', version => -1)", "whole number", "line 1"),
        (f"SELECT 1;\n FROM delta('{t}', verison => 1)", "line 2", "version"),
        ("FROM delta()", "in quotes"),
        ("FROM delta(nope)", "in quotes"),
        ("FROM delta('no/such')", "no such folder"),
        (f"FROM delta('{quoted(tmp_path)}')", "no Delta table"),
        ("FROM delta('gs:///t')", "gs:///t", "gs://BUCKET/PREFIX"),
        ("FROM delta('https://host/t')", "https://host/t"),
        ("FROM delta('file://host/t')", "host"),
        (f"SELECT nope\nFROM delta('{t}')\nWHERE true", "LINE 1", "nope"),
        ("SELECT *\nFROM delta('tables/a table''s') WHERE nope", "FROM delta('tables/a table''s') WHERE", "LINE 2", "^"),
    ):
        err = ingot.run("query", sql, cwd=tmp_path, code=1).err
        for word in words:
            assert word in err, (sql, err)


def test_changes_that_fail_say_what_is_there_now(ingot, table, tmp_path):
    t = f"delta('{quoted(table)}')"
    err = ingot.run("query", f"BEGIN; DELETE FROM {t}; ROLLBACK", cwd=tmp_path, code=1).err
    assert "each statement is a commit" in err
    assert run(ingot, f"SELECT count(*) AS n FROM {t}", cwd=tmp_path) == [{"n": 3}]
    err = ingot.run("query", "CREATE TABLE delta('new') AS SELECT error('no') AS a", cwd=tmp_path, code=1).err
    assert "table new" in err and not (tmp_path / "new").exists()
    again = "CREATE TABLE delta('new') AS SELECT 1 AS a; FROM delta('new', version => 0)"
    assert run(ingot, again, cwd=tmp_path)[-1] == {"a": 1}
    failing = "CASE WHEN range = 300000 THEN error('no') ELSE range END AS b FROM range(300001)"
    ingot.run("query", f"CREATE OR REPLACE TABLE delta('new') AS SELECT {failing}", cwd=tmp_path, code=1)
    assert run(ingot, "FROM delta('new')", cwd=tmp_path) == [{"a": 1}]
    assert run(ingot, f"CREATE TABLE IF NOT EXISTS delta('new') AS SELECT {failing}", cwd=tmp_path)[0]["changed"] is False
    assert len(list((tmp_path / "new").glob("*.parquet"))) == 1


def test_a_table_made_of_a_query_is_there_as_a_whole_or_not_at_all(ingot, tmp_path, rng):
    sql = "CREATE OR REPLACE TABLE delta('t') AS SELECT range AS i, hash(range)::VARCHAR AS s FROM range({n})"
    rows = 0
    for n in (400000, 400001, 400002, 400003):
        process = subprocess.Popen([ingot.path, "query", sql.format(n=n)], cwd=tmp_path, stdout=subprocess.DEVNULL)
        time.sleep(rng.uniform(0, 1))
        process.kill()
        process.wait(20)
        counted = ingot.run("--json", "query", "SELECT count(*) AS n FROM delta('t')", cwd=tmp_path, code=None)
        if counted.code:
            assert rows == 0 and "NOT_FOUND" in counted.err
            continue
        assert counted.rows()[0]["n"] in (rows, n)
        rows = counted.rows()[0]["n"]
    assert run(ingot, sql.format(n=5), cwd=tmp_path)[0]["rows_inserted"] == 5
    assert run(ingot, "SELECT sum(i) AS s FROM delta('t')", cwd=tmp_path) == [{"s": 10}]


def test_tables_are_looked_after_by_sql(ingot, tmp_path):
    def sql(text):
        return run(ingot, text, cwd=tmp_path)

    sql("CREATE TABLE delta('t') (id INT DEFAULT 7, k INT) PARTITIONED BY (k) TBLPROPERTIES ('delta.feature.allowColumnDefaults' ="
        " 'supported'); INSERT INTO delta('t') VALUES (1, 1); INSERT INTO delta('t') VALUES (2, 1); INSERT INTO delta('t') VALUES (3, 2)")
    sql("INSERT INTO delta('t') DEFAULT VALUES")
    assert sql("FROM delta('t') ORDER BY id")[-1] == {"id": 7, "k": None}
    (done,) = sql("OPTIMIZE delta('t') WHERE k = 1 ZORDER BY (id)")
    assert (done["files_removed"], done["files_added"], done["version"]) == (2, 1, 5)
    assert sql("REORG TABLE delta('t') APPLY (PURGE)")[0]["files_removed"] == 0
    history = sql("DESCRIBE HISTORY delta('t')")
    assert [h["version"] for h in history] == [5, 4, 3, 2, 1, 0] and history[0]["operation"] == "OPTIMIZE"
    assert len(sql("DESC HISTORY delta('t') LIMIT 2")) == 2
    (detail,) = sql("DESCRIBE DETAIL delta('t')")
    assert (detail["numFiles"], detail["partitionColumns"], detail["version"]) == (3, ["k"], 5)
    assert sql("CREATE TABLE delta('c') SHALLOW CLONE delta('t') VERSION AS OF 3")[0]["cloned_version"] == 3
    assert sql("SELECT sum(id) AS s FROM delta('c')") == [{"s": 6}]
    assert sql("CREATE TABLE IF NOT EXISTS delta('c') DEEP CLONE delta('t')") == []
    sql("RESTORE TABLE delta('t') TO VERSION AS OF 2")
    assert sql("SELECT sum(id) AS s FROM delta('t')") == [{"s": 3}]
    sql(f"RESTORE delta('t') TO TIMESTAMP AS OF '{history[1]['timestamp']}'")
    assert sql("SELECT sum(id) AS s FROM delta('t')") == [{"s": 13}]
    old = time.time() - 400 * 3600
    stray = tmp_path / "t" / "stray.parquet"
    stray.write_bytes(b"x")
    os.utime(stray, (old, old))
    assert [f["path"] for f in sql("VACUUM delta('t') RETAIN 200 HOURS DRY RUN")] == ["stray.parquet"] and stray.exists()
    assert sql("VACUUM delta('t')")[0]["files"] == 1 and not stray.exists()
    sql("WITH a AS (SELECT 8 AS id, 3 AS k) INSERT INTO delta('t') BY NAME FROM a")
    sql("WITH a AS (SELECT 8 AS id) MERGE INTO delta('t') t USING a ON t.id = a.id WHEN MATCHED THEN DELETE")
    assert sql("SELECT count(*) AS n FROM delta('t') WHERE id = 8") == [{"n": 0}]
    before = len(sql("DESCRIBE HISTORY delta('t')"))
    for wrong, says in (
        ("VACUUM delta('t') RETAIN 0 HOURS", "--force"), ("DROP TABLE delta('t')", "TRUNCATE"),
        ("UPDATE delta('t') SET k = x.k FROM x", "MERGE"), ("DELETE FROM delta('t') USING x", "MERGE"),
        ("OPTIMIZE delta('t') ZORDER BY id", "here comes '('"), ("RESTORE delta('t') TO VERSION AS OF 99", "99"),
        ("CREATE OR REPLACE TABLE delta('c') SHALLOW CLONE delta('t')", "OR REPLACE"), ("DESCRIBE HISTORY delta('no')", "no"),
        ("CREATE TABLE delta('c') SHALLOW CLONE delta('t')", "already"), ("OPTIMIZE delta('t') WHERE id = 1", "id"),
    ):
        assert says in ingot.run("query", wrong, cwd=tmp_path, code=1).err, wrong
    assert len(sql("DESCRIBE HISTORY delta('t')")) == before


def test_a_feature_that_nothing_uses_is_dropped(ingot, tmp_path):
    run(ingot, "CREATE TABLE delta('t') (i INT) TBLPROPERTIES ('delta.feature.vacuumProtocolCheck' = 'supported');"
               "INSERT INTO delta('t') VALUES (1); ALTER TABLE delta('t') ADD CONSTRAINT small CHECK (i < 10)", cwd=tmp_path)
    err = ingot.run("query", "ALTER TABLE delta('t') DROP FEATURE checkConstraints", cwd=tmp_path, code=1).err
    assert "in use" in err
    run(ingot, "ALTER TABLE delta('t') DROP CONSTRAINT small; ALTER TABLE delta('t') DROP FEATURE checkConstraints", cwd=tmp_path)
    ingot.run("table", "alter", "t", "--drop-feature", "vacuumProtocolCheck", cwd=tmp_path)
    protocol = deltalake.DeltaTable(str(tmp_path / "t")).protocol()
    assert (protocol.min_reader_version, protocol.min_writer_version) == (1, 2)
    deltalake.write_deltalake(str(tmp_path / "t"), pa.table({"i": pa.array([50], pa.int32())}), mode="append")
    assert run(ingot, "SELECT sum(i) AS s FROM delta('t')", cwd=tmp_path) == [{"s": 51}]
    for feature in ("deletionVectors", "columnMapping", "rowTracking"):
        run(ingot, f"CREATE TABLE delta('{feature}') (i INT) TBLPROPERTIES ('delta.feature.{feature}' = 'supported',"
                   " 'delta.feature.appendOnly' = 'supported')", cwd=tmp_path)
        err = ingot.run("query", f"ALTER TABLE delta('{feature}') DROP FEATURE {feature}", cwd=tmp_path, code=1).err
        assert f"the feature {feature}" in err


@pytest.mark.parametrize("value", ["DATE 'infinity'", "TIMESTAMP '-infinity'", "{{'d': DATE '-infinity'}}", "[DATE 'infinity']"])
def test_no_day_without_end_is_stored(ingot, tmp_path, value):
    value = value.replace("{{", "{").replace("}}", "}")
    run(ingot, f"CREATE TABLE delta('t') AS SELECT {value.replace('-', '').replace('infinity', '2024-01-01')} AS d", cwd=tmp_path)
    err = ingot.run("query", f"INSERT INTO delta('t') VALUES ({value})", cwd=tmp_path, code=1).err
    assert "column d" in err and "infinity" in err
    ingot.run("query", f"CREATE TABLE delta('u') AS SELECT {value} AS d", cwd=tmp_path, code=1)
    assert not (tmp_path / "u" / "_delta_log").exists()


def test_a_file_that_may_not_grow_is_an_error_and_no_death(ingot, table, tmp_path):
    sql = f"INSERT INTO delta('{quoted(table)}') SELECT range, hash(range)::VARCHAR FROM range(50000)"
    limit = f'ulimit -f 8; exec "$0" query "{sql}"'
    done = subprocess.run(["bash", "-c", limit, ingot.path], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "File too large" in done.stderr
    assert run(ingot, f"SELECT count(*) AS n FROM delta('{quoted(table)}')", cwd=tmp_path) == [{"n": 3}]


@pytest.mark.parametrize("value", ["DATE '10000-01-01'", "DATE 'infinity'", "DATE '0044-03-15 (BC)'"])
@pytest.mark.parametrize("kind", ["DATE", "TIMESTAMP"])
def test_no_partition_that_other_engines_cannot_read(ingot, tmp_path, kind, value):
    run(ingot, f"CREATE TABLE delta('t') (a INT, d {kind}) PARTITIONED BY (d)", cwd=tmp_path)
    run(ingot, "INSERT INTO delta('t') VALUES (1, DATE '0001-01-01'), (2, DATE '9999-12-31'), (3, NULL)", cwd=tmp_path)
    err = ingot.run("query", f"INSERT INTO delta('t') VALUES (4, {value})", cwd=tmp_path, code=1).err
    assert "partition column d" in err and "9999" in err
    assert sorted(deltalake.DeltaTable(str(tmp_path / "t")).to_pyarrow_table(columns=["a"])["a"].to_pylist()) == [1, 2, 3]


def test_only_the_table_s_own_folder_is_written_to(ingot, table, tmp_path):
    run(ingot, f"DELETE FROM delta('{quoted(table)}') WHERE id = 1", cwd=tmp_path)
    assert [p.name for p in table.parent.iterdir()] == [table.name]
    err = ingot.run("query", f"DELETE FROM delta('{quoted(table)}') WHERE error('no')", cwd=tmp_path, code=1).err
    assert f"delete from file:{table}" in err


def test_an_identity_is_not_assigned(ingot, tmp_path):
    run(ingot, "CREATE TABLE delta('t') (id BIGINT GENERATED ALWAYS AS IDENTITY, v INT)", cwd=tmp_path)
    run(ingot, "INSERT INTO delta('t') (v) VALUES (1), (2)", cwd=tmp_path)
    err = ingot.run("query", "UPDATE delta('t') SET id = 7", cwd=tmp_path, code=1).err
    assert "identity column id" in err
    run(ingot, "UPDATE delta('t') SET v = 3", cwd=tmp_path)
    assert run(ingot, "FROM delta('t') ORDER BY id", cwd=tmp_path) == [{"id": 1, "v": 3}, {"id": 2, "v": 3}]


def test_tables_of_others_are_read_as_they_are(ingot, shared, tmp_path):
    """Deletion vectors, column mapping, checkpoints in parts: counts by deltalake or the oracle's rows."""
    folder = shared / "delta" / "golden" / "basic-with-inserts-merge" / "delta"
    assert run(ingot, f"SELECT count(*) AS n FROM delta('{folder}')", cwd=tmp_path) == [
        {"n": deltalake.DeltaTable(str(folder)).to_pyarrow_table().num_rows}]


# --- the project's tables ------------------------------------------------------------------------------------


@pytest.fixture
def worked(project):
    orders.add_to(project)
    values = [orders.encode(orders.order(i)) for i in range(40)] + [orders.encode(orders.order(99, status="teleported"))]
    with project.up() as up:
        kafka.produce(up.bootstrap, "raw-orders", values, orders.key_of)
    project("run")
    return project


def test_every_layer_by_its_name(worked):
    for sql, n in (("silver.orders", 40), ("orders", 40), ("silver_orders", 40), ("gold.daily_revenue", 4),
                   ("daily_revenue", 4), ("warehouse.gold.daily_revenue", 4), ("bronze.orders", 41),
                   ("quarantine.orders", 1), ("partition_meta", 1), ("metadata.partition_meta", 1), ('"SILVER"."Orders"', 40)):
        assert worked.query(f"SELECT count(*) AS n FROM {sql}") == [{"n": n}], sql
    names = {row["name"] for row in worked.query("SHOW ALL TABLES")}
    assert {"orders", "daily_revenue", "partition_meta"} <= names


def test_names_of_the_project_do_not_stand_in_the_way_of_a_user_s_own(worked):
    assert worked.query("CREATE TABLE orders AS SELECT 7 AS x; SELECT x FROM orders") == [{"x": 7}]


def test_a_table_that_was_not_written_yet_says_so(project):
    orders.add_to(project)
    err = project("query", "SELECT * FROM silver.orders", code=1).err
    assert "silver.orders has no data yet" in err and "ingot run" in err
    assert "warehouse" in project("query", "FROM warehouse.gold.x", code=1).err


def test_it_works_while_the_platform_is_up(worked):
    with worked.up() as up:
        kafka.produce(up.bootstrap, "raw-orders", [orders.encode(orders.order(1000))], orders.key_of)
        assert worked.query("SELECT count(*) AS n FROM silver.orders") == [{"n": 40}]
        worked("run")
        assert worked.query("SELECT count(*) AS n FROM warehouse.gold.daily_revenue") == [{"n": 4}]


def test_a_warehouse_that_is_open_elsewhere_matters_only_to_who_asks_for_it(worked):
    with duckdb.connect(str(worked.root / "data/warehouse.duckdb")):
        assert worked.query("SELECT count(*) AS n FROM silver.orders") == [{"n": 40}]
        err = worked("query", "FROM warehouse.gold.daily_revenue", code=1).err
        assert "warehouse" in err and "lock" in err


def test_a_broken_project_is_78_and_outside_a_project_is_not(ingot, tmp_path):
    (tmp_path / "ingot.yml").write_text("nam: x\n")
    assert "name" in ingot.run("query", "SELECT 1", cwd=tmp_path, code=78).err
    ingot.run("-C", str(tmp_path / "nowhere"), "query", "SELECT 1", cwd="/", code=78)


# --- forms -----------------------------------------------------------------------------------------------------


def test_json_csv_and_table(ingot, tmp_path):
    sql = "SELECT * FROM (VALUES (1, 'a,\"b\"', NULL), (2, 'ü\n', 2.50)) t(n, s, d)"
    assert run(ingot, sql, cwd=tmp_path) == [{"n": 1, "s": 'a,"b"', "d": None}, {"n": 2, "s": "ü\n", "d": 2.5}]
    text = ingot.run("query", "--csv", sql, cwd=tmp_path).out
    assert list(csv.reader(io.StringIO(text, newline=""))) == [["n", "s", "d"], ["1", 'a,"b"', ""], ["2", "ü\n", "2.50"]]
    assert ingot.run("query", sql, cwd=tmp_path).out.endswith("2 rows\n")
    ingot.run("--json", "query", "--csv", sql, cwd=tmp_path, code=2)


def test_long_tables_are_cut_and_counted(ingot, tmp_path):
    out = ingot.run("query", "FROM range(1000)", cwd=tmp_path).out
    assert "1,000 rows" in out and "900 more" in out and "│    99 │" in out and "│   100 │" not in out
    assert "│   999 │" in ingot.run("query", "--rows", "0", "FROM range(1000)", cwd=tmp_path).out
    assert "more" not in ingot.run("query", "FROM range(100)", cwd=tmp_path).out


def test_sql_from_standard_input_and_files(ingot, tmp_path):
    (tmp_path / "q.sql").write_text("-- two statements; one is a comment\nSELECT 1 AS a;\n\nSELECT ';' AS b;\n")
    for args, stdin in ((["--file", "q.sql"], None), (["-"], (tmp_path / "q.sql").read_bytes())):
        rows = ingot.run("--json", "query", *args, cwd=tmp_path, stdin=stdin).rows()
        assert rows == [{"a": 1}, {"b": ";"}]
    ingot.run("query", "--file", "none.sql", cwd=tmp_path, code=1)
    for args in ([], ["SELECT 1", "SELECT 2"], ["--file", "q.sql", "SELECT 1"], ["-- nothing"], [";;"]):
        ingot.run("query", *args, cwd=tmp_path, code=2)


def test_a_mistake_is_shown_where_it_is(ingot, tmp_path):
    result = ingot.run("query", "SELECT 1 AS ok;\n\n  SELEC 2", cwd=tmp_path, code=1)
    assert "LINE 3" in result.err and "SELEC" in result.err and "│ ok │" in result.out
    assert "division" not in ingot.run("query", "SELECT 'x'::INT", cwd=tmp_path, code=1).out
    error = json.loads(ingot.run("--json", "query", "SELEC", cwd=tmp_path, code=1).err)
    assert "SELEC" in error["error"]


def test_a_failure_in_the_middle_of_a_result_is_a_failure(ingot, tmp_path):
    ingot.run("query", "--csv", "SELECT CASE WHEN i < 500000 THEN i ELSE error('late') END FROM range(1000000) t(i)",
              cwd=tmp_path, code=1)


# --- size, time, interruption -------------------------------------------------------------------------------------


def peak_kb(pid):
    """The most memory a process had so far, or None if it has ended."""
    try:
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")), None)


def test_a_large_result_needs_no_memory(ingot, tmp_path):
    sql = "SELECT i, md5(i::VARCHAR) AS h FROM range(3000000) t(i)"
    peak = 0
    with open(tmp_path / "out.csv", "wb") as out:
        process = subprocess.Popen([ingot.path, "query", "--csv", sql], cwd=tmp_path, stdout=out)
        while process.poll() is None:
            peak = max(peak, peak_kb(process.pid) or 0)
            time.sleep(0.005)
    assert process.returncode == 0
    assert (tmp_path / "out.csv").stat().st_size > 100_000_000
    assert 10_000 < peak < 150_000, f"{peak} kB"


def test_ctrl_c_ends_a_query(ingot, tmp_path):
    process = subprocess.Popen([ingot.path, "query", "SELECT count(*) FROM range(10000000000) a, range(1000) b"],
                               cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def is_at_work():  # the thread that looks for signals is there
        return any(p.read_text().strip() == "watch" for p in pathlib.Path(f"/proc/{process.pid}/task").glob("*/comm"))

    wait_for(is_at_work)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1 and b"interrupted" in err


def test_a_reader_that_goes_away_ends_a_query(ingot, tmp_path):
    process = subprocess.Popen([ingot.path, "query", "--csv", "FROM range(100000000)"], cwd=tmp_path,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.readline()
    process.stdout.close()
    assert wait_for(lambda: process.poll() is not None, 60)
    assert process.wait() == 1
