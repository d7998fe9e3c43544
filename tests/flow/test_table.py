"""ingot table: what it shows of tables of others and of its own, and its maintenance, read again by delta-rs."""

import datetime
import json
import os
import pathlib
import random
import shutil
import urllib.parse

import deltalake
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from support import orders

UTC = datetime.timezone.utc


def batch(start, n=100):
    return [{"id": i, "day": "ab c%"[i % 5], "v": i / 3, "text": f"text {i * 7919 % 1000:03d}"} for i in range(start, start + n)]


@pytest.fixture
def table(tmp_path):
    """Ten appends to a partitioned table of another writer."""
    path = tmp_path / "lake" / "a table's"
    for i in range(10):
        deltalake.write_deltalake(str(path), pa.Table.from_pylist(batch(i * 100)), partition_by=["day"], mode="append")
    return path


def rows_of(path, version=None):
    return sorted(deltalake.DeltaTable(str(path), version=version).to_pyarrow_table().to_pylist(), key=lambda r: r["id"])


def ours(ingot, path, version=None):
    at = "" if version is None else f", version => {version}"
    sql = f"SELECT id, day, v, text FROM delta('{str(path).replace(chr(39), chr(39) * 2)}'{at}) ORDER BY id"
    return ingot.run("--json", "query", sql, cwd=pathlib.Path(path).parent).rows()


def one(ingot, *args, cwd="/", **kw):
    """The one JSON object that it prints, the last line."""
    return ingot.run("table", "--json", *map(str, args), cwd=cwd, **kw).rows()[-1]


# --- looking -----------------------------------------------------------------------------------------------------


def test_show_and_history_and_files_agree_with_delta_rs(ingot, table, tmp_path):
    them = deltalake.DeltaTable(str(table))
    shown = one(ingot, "show", table)
    assert (shown["version"], shown["numFiles"], shown["numRows"]) == (9, 50, 1000)
    assert shown["id"] == str(them.metadata().id) and shown["partitionColumns"] == ["day"]
    assert shown["sizeInBytes"] == sum(them.get_add_actions().column("size_bytes").to_pylist())
    assert [(c["name"], c["type"]) for c in shown["columns"]] == [("id", "long"), ("day", "string"), ("v", "double"), ("text", "string")]
    history = ingot.run("table", "--json", "history", str(table), cwd=tmp_path).rows()
    assert [h["version"] for h in history] == list(range(9, -1, -1))
    assert [(h["operation"], h["operationParameters"]["mode"]) for h in history] == [("WRITE", "Append")] * 10
    files = ingot.run("table", "--json", "files", f"{table}@3", "--stats", cwd=tmp_path).rows()
    assert len(files) == 20 and sum(f["rows"] for f in files) == 400
    assert {f["partition"]["day"] for f in files} == set("ab c%")
    assert all(f["stats"]["numRecords"] == f["rows"] and (tmp_path / "lake" / "a table's" / f["path"]).exists() for f in files)
    assert one(ingot, "show", table, "--at", "4")["numRows"] == 500
    text = ingot.run("table", "show", str(table), cwd=tmp_path).out
    assert "partitioned by" in text and "1,000" in text
    listed = ingot.run("table", "--json", "ls", "lake", cwd=tmp_path).rows()
    assert [(t["table"], t["version"], t["rows"]) for t in listed] == [("a table's", 9, 1000)]


def test_what_is_no_table_is_said(ingot, table, tmp_path):
    for args, status, says in (
        (("show", "nowhere"), 1, "there is no such folder"),
        (("show", str(tmp_path)), 1, "there is no Delta table"),
        (("show", str(table), "--at", "77"), 1, "77"),
        (("show", str(table), "--at", "yesterday"), 1, "is no version"),
        (("show", f"{table}@1", "--at", "2"), 2, "once"),
        (("ls",), 2, "there is no project here"),
        (("vacuum", str(table), "--retention", "soon"), 2, "--retention is a time"),
        (("optimize", str(table), "--target", "big"), 2, "--target is a size"),
        (("optimize", str(table), "--where", "id = 1"), 1, "partition columns only"),
        (("optimize", str(table), "--zorder", "day"), 1, "is a partition column"),
        (("optimize", str(table), "--zorder", "nothing"), 1, "no column nothing"),
        (("restore", str(table)), 2, "--to"),
        (("restore", str(table), "--to", "77"), 1, "77"),
        (("create", str(tmp_path / "new")), 2, "needs columns"),
        (("create", str(tmp_path / "new"), "id BIGINT NOT"), 1, "column id"),
        (("alter", str(table)), 2, "needs to be told what"),
    ):
        done = ingot.run("table", *args, cwd=tmp_path, code=None)
        assert done.code == status and says in done.err, (args, done.err)


def test_tables_of_a_project_by_name(project):
    orders.add_to(project)
    sent = [orders.order(i, "2024-01-15") for i in range(30)]
    from support import kafka

    with project.up() as up:
        kafka.produce(up.bootstrap, "raw-orders", [orders.encode(o) for o in sent], lambda v: v[14:22])
    project("run")
    listed = {t["table"]: t for t in project("table", "--json", "ls").rows()}
    assert {"silver/orders", "gold/orders/daily_revenue", "metadata/partition_meta"} <= listed.keys()
    assert listed["silver/orders"]["rows"] == 30
    for name in ("silver/orders", "silver.orders", "orders", "silver/orders@1"):
        assert json.loads(project("table", "--json", "show", name).out)["numRows"] == 30, name
    for name in ("gold/orders/daily_revenue", "gold.daily_revenue", "daily_revenue", "gold/daily_revenue"):
        assert json.loads(project("table", "--json", "show", name).out)["numRows"] > 0, name
    assert project("table", "check", "silver/orders", "--data").out.endswith("all is well\n")


def test_a_run_compacts_where_many_small_files_are(project):
    from support import kafka

    def run_with(numbers):
        with project.up() as up:
            kafka.produce(up.bootstrap, "raw-orders", [orders.encode(orders.order(i, "2024-01-15")) for i in numbers], lambda v: v[14:22])
        project("run")

    orders.add_to(project)
    run_with(range(10))
    silver = project.root / "data" / "lake" / "silver" / "orders"
    rows = deltalake.DeltaTable(str(silver)).to_pyarrow_table()
    for i in range(60):  # another writer, row by row
        row = rows.slice(0, 1).to_pylist()[0] | {"order_id": f"x{i}", "order_date": datetime.date(2023, 1, 1)}
        deltalake.write_deltalake(str(silver), pa.Table.from_pylist([row], schema=rows.schema), mode="append")
    ids = sorted(deltalake.DeltaTable(str(silver)).to_pyarrow_table().column("order_id").to_pylist())
    run_with(range(10, 12))
    table = deltalake.DeltaTable(str(silver))
    compaction = [h for h in table.history(5) if h["operation"] == "OPTIMIZE"]
    assert len(compaction) == 1 and compaction[0]["operationParameters"]["auto"] == "true"
    assert set(ids) <= set(table.to_pyarrow_table().column("order_id").to_pylist()) and len(table.file_uris()) < 10
    for again in (1, 2):  # what was compacted goes together with what is small now, so that the number stays bounded
        for i in range(49):
            row = rows.slice(0, 1).to_pylist()[0] | {"order_id": f"y{again}-{i}", "order_date": datetime.date(2023, 1, 1)}
            deltalake.write_deltalake(str(silver), pa.Table.from_pylist([row], schema=rows.schema), mode="append")
        run_with(range(10 + 2 * again, 12 + 2 * again))
        table = deltalake.DeltaTable(str(silver))
        assert "OPTIMIZE" in [h["operation"] for h in table.history(3)] and len(table.file_uris()) < 10
    assert len(table.to_pyarrow_table()) == 10 + 60 + 2 + 98 + 4


# --- optimize ----------------------------------------------------------------------------------------------------


def test_optimize_joins_files_and_delta_rs_reads_the_same(ingot, table):
    before = rows_of(table)
    assert one(ingot, "optimize", table, "--dry-run")["files_removed"] == 50
    done = one(ingot, "optimize", table, "--where", "day = 'a'")
    assert (done["files_removed"], done["files_added"], done["version"]) == (10, 1, 10)
    assert one(ingot, "optimize", table)["files_added"] == 4
    assert one(ingot, "optimize", table)["files_removed"] == 0
    assert rows_of(table) == before == ours(ingot, table)
    assert rows_of(table, 5) == before[:600]
    for uri in deltalake.DeltaTable(str(table)).get_add_actions().column("path").to_pylist():
        ids = pq.read_table(table / urllib.parse.unquote(uri), columns=["id"], partitioning=None).column("id").to_pylist()
        assert ids == sorted(ids), "rows stay in order"
    newest = deltalake.DeltaTable(str(table)).history(1)[0]
    assert newest["operation"] == "OPTIMIZE" and newest["operationMetrics"]["numRemovedFiles"] == "40"


def test_zorder_orders_what_is_new(ingot, table):
    before = rows_of(table)
    assert one(ingot, "optimize", table, "--zorder", "text,id")["files_removed"] == 50
    assert one(ingot, "optimize", table, "--zorder", "text,id")["files_removed"] == 0
    deltalake.write_deltalake(str(table), pa.Table.from_pylist([batch(1000)[0]]), partition_by=["day"], mode="append")
    assert one(ingot, "optimize", table, "--zorder", "text,id")["files_removed"] == 2, "one partition has a new file"
    assert one(ingot, "optimize", table, "--zorder", "text,id", "--full")["files_removed"] == 5
    assert rows_of(table) == before + [batch(1000)[0]]


def test_ordered_files_do_not_overlap(ingot, tmp_path, rng):
    place = tmp_path / "t"
    for _ in range(4):
        rows = {"a": [rng.randrange(10**9) for _ in range(20000)], "s": [rng.randbytes(8).hex() for _ in range(20000)]}
        deltalake.write_deltalake(str(place), pa.table(rows), mode="append")
    before = deltalake.DeltaTable(str(place)).to_pyarrow_table().sort_by([("a", "ascending"), ("s", "ascending")]).to_pylist()
    assert one(ingot, "optimize", place, "--zorder", "a", "--target", "400KB")["files_added"] >= 4
    table = deltalake.DeltaTable(str(place))
    files = [pq.read_table(place / uri.rsplit("/", 1)[1], columns=["a"]).column("a").to_pylist() for uri in table.file_uris()]
    assert sum(sorted(files), []) == [r["a"] for r in before], "in order, within files and from file to file"
    assert table.to_pyarrow_table().sort_by([("a", "ascending"), ("s", "ascending")]).to_pylist() == before


# --- vacuum and restore --------------------------------------------------------------------------------------------


def test_vacuum_keeps_what_kept_versions_need(ingot, table, tmp_path):
    before = rows_of(table)
    one(ingot, "optimize", table)
    (table / "stray.parquet").write_bytes(b"x")
    assert one(ingot, "vacuum", table)["files"] == 0
    assert one(ingot, "vacuum", table)["young_files"] == 1, "what the log still lists is not counted"
    refused = ingot.run("table", "vacuum", str(table), "--retention", "1h", cwd=tmp_path, code=None)
    assert refused.code == 1 and "--force" in refused.err
    dry = ingot.run("table", "vacuum", str(table), "--retention", "0s", "--force", "--dry-run", cwd=tmp_path)
    assert len(dry.out.splitlines()) == 51 and "stray.parquet" in dry.out
    assert (table / "stray.parquet").exists()
    deltalake.write_deltalake(str(table), pa.Table.from_pylist(batch(1000)), partition_by=["day"], mode="append")
    assert one(ingot, "vacuum", table, "--retention", "0s", "--force")["files"] == 51
    assert rows_of(table) == before + batch(1000) == ours(ingot, table)
    assert rows_of(table, 10) == before, "the version before has its files"
    operations = [h["operation"] for h in deltalake.DeltaTable(str(table)).history(2)]
    assert operations == ["VACUUM END", "VACUUM START"]
    assert one(ingot, "check", table, "--data")["problems"] == 0
    gone = ingot.run("table", "restore", str(table), "--to", "3", cwd=tmp_path, code=None)
    assert gone.code == 1 and "20 of the 20 files" in gone.err and "are gone" in gone.err and "--ignore-missing" in gone.err
    for args in (("query", f"FROM delta('{str(table).replace(chr(39), chr(39) * 2)}', version => 3)"), ("table", "clone", f"{table}@3", "c")):
        gone = ingot.run(*args, cwd=tmp_path, code=1)
        assert "20 of the 20 files" in gone.err and "are gone" in gone.err, gone.err
    assert not (tmp_path / "c" / "_delta_log").exists()
    assert "version 3 cannot be read any more" in ingot.run("table", "check", f"{table}@3", cwd=tmp_path, code=1).err


def test_vacuum_removes_folders_that_got_empty(ingot, table):
    (table / "day=nobody's").mkdir()
    deltalake.DeltaTable(str(table)).delete("day = 'a' OR day = '%'")
    assert one(ingot, "vacuum", table)["folders"] == 0 and (table / "day=a").is_dir(), "its files are younger"
    assert one(ingot, "vacuum", table, "--retention", "0s", "--force", "--dry-run", code=0)["path"]
    assert (table / "day=a").is_dir()
    assert one(ingot, "vacuum", table, "--retention", "0s", "--force")["folders"] == 2
    left = {p.name for p in table.iterdir() if p.name.startswith("day=")}
    assert left == {"day=b", "day=c", "day=%20", "day=nobody's"}, "what it has not emptied is not its business"
    assert json.loads(ingot.run("table", "--json", "history", str(table), "-n", "1", cwd="/").out)["operationMetrics"]["numVacuumedDirectories"] == "2"
    deltalake.write_deltalake(str(table), pa.Table.from_pylist(batch(1000)), partition_by=["day"], mode="append")
    assert len(rows_of(table)) == 700 and one(ingot, "check", table, "--data")["problems"] == 0


def test_old_versions_are_not_maintained(ingot, table, tmp_path):
    for action in (("optimize",), ("vacuum",), ("restore", "--to", "3"), ("alter", "--comment", "x"), ("clean-log",), ("history",)):
        said = ingot.run("table", action[0], f"{table}@3", *action[1:], cwd=tmp_path, code=2).err
        assert "works on the newest version: leave @3 away" in said, action
    assert deltalake.DeltaTable(str(table)).version() == 9


def test_the_log_is_cleaned_only_behind_a_whole_checkpoint(ingot, table, tmp_path):
    log = table / "_delta_log"

    def names():
        return sorted(p.name for p in log.iterdir() if p.name[:20].isdigit())

    def clean(*args):
        return ingot.run("table", "clean-log", str(table), *args, cwd=tmp_path).out

    assert "no commit is older than delta.logRetentionDuration (30 days)" in clean()
    long_ago = datetime.datetime.now().timestamp() - 40 * 86400
    for i in range(8):
        os.utime(log / f"{i:020d}.json", (long_ago + i, long_ago + i))
    before = names()
    assert "versions up to 7 are older" in clean() and f"ingot table checkpoint {table}@7" in clean() and names() == before
    one(ingot, "checkpoint", f"{table}@5")
    whole = (log / f"{5:020d}.checkpoint.parquet").read_bytes()
    (log / f"{5:020d}.checkpoint.parquet").write_bytes(whole[:-100])
    assert "no whole checkpoint" in clean() and len(names()) == len(before) + 1
    (log / f"{5:020d}.checkpoint.parquet").write_bytes(whole)
    assert "would remove 5 commits" in clean("--dry-run") and len(names()) == len(before) + 1
    done = one(ingot, "clean-log", table)
    assert (done["first_version"], done["commits"], done["retention_ms"]) == (5, 5, 30 * 86400000)
    assert names()[0].startswith(f"{5:020d}") and len(rows_of(table)) == 1000 and len(ours(ingot, table, 6)) == 700
    gone = ingot.run("table", "show", f"{table}@4", cwd=tmp_path, code=1).err
    assert "version 4" in gone and "5" in gone
    assert one(ingot, "clean-log", table)["commits"] == 0 and one(ingot, "check", table, "--data")["problems"] == 0
    one(ingot, "alter", table, "--set", "delta.logRetentionDuration=interval 100 days")
    os.utime(log / f"{8:020d}.json", (long_ago, long_ago))
    assert "older than delta.logRetentionDuration (100 days)" in clean()


def test_the_log_behind_a_v2_checkpoint_is_cleaned(ingot, tmp_path):
    place, log = tmp_path / "t", tmp_path / "t" / "_delta_log"
    one(ingot, "create", place, "id BIGINT", "-p", "delta.checkpointPolicy=v2", "-p", "delta.feature.v2Checkpoint=supported")
    for i in range(4):
        ingot.run("query", f"INSERT INTO delta('{place}') VALUES ({i})", cwd=tmp_path)
    one(ingot, "checkpoint", f"{place}@2")
    assert len([p for p in log.iterdir() if ".checkpoint." in p.name and len(p.name) > 60]) == 1, "named by a UUID"
    for i in range(4):
        os.utime(log / f"{i:020d}.json", (1600000000 + i, 1600000000 + i))
    assert one(ingot, "clean-log", place) | {"others": 0} == {"first_version": 2, "commits": 2, "checkpoints": 0, "sidecars": 0, "others": 0, "retention_ms": 30 * 86400000}
    assert not (log / f"{1:020d}.json").exists() and one(ingot, "check", place, "--data")["problems"] == 0
    assert ingot.run("--json", "query", f"SELECT count(*) AS n FROM delta('{place}', version => 2)", cwd=tmp_path).rows() == [{"n": 2}]


def test_tables_that_are_not_written_are_cleaned(ingot, shared, tmp_path):
    table = tmp_path / "t"
    shutil.copytree(shared / "delta" / "delta-rs-data" / "spark-variant-checkpoint", table)
    (table / "stray.parquet").write_bytes(b"x")
    os.utime(table / "stray.parquet", (1600000000, 1600000000))
    assert one(ingot, "vacuum", table)["files"] == 1 and not (table / "stray.parquet").exists()
    assert one(ingot, "clean-log", table)["commits"] == 0
    assert "variantType" in ingot.run("table", "optimize", str(table), cwd=tmp_path, code=1).err


def test_restore_to_a_version_and_a_time(ingot, table):
    time = (table / "_delta_log" / f"{2:020d}.json").stat().st_mtime_ns // 1000000 / 1000
    done = one(ingot, "restore", table, "--to", "4")
    assert (done["files_removed"], done["files_restored"], done["version"]) == (25, 0, 10)
    assert rows_of(table) == [r for i in range(5) for r in batch(i * 100)]
    at = datetime.datetime.fromtimestamp(time, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assert one(ingot, "restore", table, "--to", at)["restored_version"] == 2
    assert len(rows_of(table)) == 300
    assert one(ingot, "restore", table, "--to", "9")["files_restored"] == 35
    assert len(rows_of(table)) == 1000
    assert one(ingot, "restore", table, "--to", "9")["version"] == 12, "there is nothing to do"


# --- clone, convert, check, diff -------------------------------------------------------------------------------------


def test_clones(ingot, table, tmp_path):
    before = rows_of(table)
    assert one(ingot, "clone", table, tmp_path / "shallow")["copied_files"] == 0
    assert one(ingot, "clone", f"{table}@4", tmp_path / "deep", "--deep")["copied_files"] == 25
    assert one(ingot, "clone", tmp_path / "shallow", tmp_path / "deep2", "--deep")["copied_files"] == 50
    again = ingot.run("table", "clone", str(table), str(tmp_path / "deep"), cwd=tmp_path, code=None)
    assert again.code == 1 and "there is a Delta table already" in again.err
    assert rows_of(tmp_path / "deep") == before[:500]
    assert rows_of(tmp_path / "deep2") == before == ours(ingot, tmp_path / "shallow")
    assert one(ingot, "check", tmp_path / "shallow", "--data")["problems"] == 0
    one(ingot, "optimize", tmp_path / "shallow")
    assert one(ingot, "vacuum", tmp_path / "shallow", "--retention", "0s", "--force")["files"] == 0
    assert rows_of(tmp_path / "shallow") == before, "delta-rs reads it now: its files are its own"
    assert rows_of(table) == before
    shutil.rmtree(table)
    assert rows_of(tmp_path / "deep2") == before


def test_a_clone_lies_beside_its_table(ingot, table, tmp_path):
    for new in (table / "inner", table.parent):
        refused = ingot.run("table", "clone", str(table), str(new), cwd=tmp_path, code=1)
        assert "within the other" in refused.err and not (new / "_delta_log").exists()


def test_convert_a_folder_of_parquet_files(ingot, tmp_path):
    folder = tmp_path / "clicks"
    moment = datetime.datetime(2024, 1, 1, 1, 2, 3, 456789, UTC)
    for i, day in enumerate(("2024-01-01", "2024-01-02")):
        for kind in ("a b", "__HIVE_DEFAULT_PARTITION__"):
            path = folder / f"day={day}" / f"kind={kind}" / "part.parquet"
            path.parent.mkdir(parents=True)
            columns = {"id": [i * 10, i * 10 + 1], "at": pa.array([moment] * 2, pa.timestamp("us", "UTC")),
                       "s": [{"x": 1, "y": "q"}, None], "v": [1.5, float("nan")], "text": ["ä" * 40, "b"]}
            if i:
                columns["extra"] = [1, None]
            pq.write_table(pa.table(columns), path)
    (folder / "_SUCCESS").write_text("")
    before = sorted(p.name for p in folder.rglob("*.parquet"))
    assert one(ingot, "convert", folder, "--dry-run")["files"] == 4 and not (folder / "_delta_log").exists()
    assert one(ingot, "convert", folder) == {"version": 0, "files": 4, "bytes": sum(p.stat().st_size for p in folder.rglob("*.parquet")), "rows": 8}
    assert sorted(p.name for p in folder.rglob("*.parquet")) == before
    table = deltalake.DeltaTable(str(folder))
    assert (table.protocol().min_reader_version, table.protocol().min_writer_version) == (1, 2)
    rows = table.to_pyarrow_table().to_pylist()
    assert len(rows) == 8 and {r["kind"] for r in rows} == {"a b", None}
    assert {(r["day"], r["extra"]) for r in rows if r["id"] == 10} == {(datetime.date(2024, 1, 2), 1)}
    assert all(r["at"] == moment for r in rows)
    assert one(ingot, "check", folder, "--data")["problems"] == 0
    stats = ingot.run("table", "files", str(folder), "--stats", cwd=tmp_path).rows()[0]["stats"]
    assert stats["minValues"]["s"] == {"x": 1, "y": "q"} and "v" not in stats["maxValues"], "a footer hides NaN"
    deltalake.write_deltalake(str(folder), table.to_pyarrow_table().slice(0, 1), mode="append", partition_by=["day", "kind"])
    assert one(ingot, "optimize", folder)["files_removed"] == 2
    assert len(deltalake.DeltaTable(str(folder)).to_pyarrow_table()) == 9


def test_what_can_not_be_converted(ingot, tmp_path):
    def refused(files, *args):
        folder = tmp_path / f"x{len(list(tmp_path.iterdir()))}"
        for name, columns in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if columns is None:
                path.write_bytes(b"no parquet file at all")
            else:
                pq.write_table(pa.table(columns), path)
        folder.mkdir(exist_ok=True)
        done = ingot.run("table", "convert", str(folder), *args, cwd=tmp_path, code=None)
        assert done.code == 1 and not (folder / "_delta_log").exists()
        return done.err

    assert "there are no Parquet files" in refused({})
    assert "f.parquet" in refused({"f.parquet": None})
    assert "g.parquet: column id is INTEGER" in refused({"f.parquet": {"id": [1]}, "g.parquet": {"id": pa.array([1], pa.int32())}})
    assert "column t has a type" in refused({"f.parquet": {"id": [1], "t": [datetime.time(1)]}})
    assert '"a b"' in refused({"f.parquet": {"a b": [1]}})
    assert "not in the same partitions" in refused({"d=1/f.parquet": {"id": [1]}, "f.parquet": {"id": [1]}})
    assert "x is no DATE" in refused({"d=x/f.parquet": {"id": [1]}}, "--partition-by", "d DATE")


def test_times_without_a_zone(ingot, tmp_path):
    for name, args, protocol in (("ntz", (), 3), ("utc", ("--utc",), 1)):
        (tmp_path / name).mkdir()
        pq.write_table(pa.table({"id": [1], "t": pa.array([datetime.datetime(2024, 1, 1)], pa.timestamp("us"))}), tmp_path / name / "f.parquet")
        one(ingot, "convert", tmp_path / name, *args)
        table = deltalake.DeltaTable(str(tmp_path / name))
        assert table.protocol().min_reader_version == protocol
        assert table.to_pyarrow_table().column("t").to_pylist()[0].replace(tzinfo=None) == datetime.datetime(2024, 1, 1)


def test_check_finds_what_is_missing_and_repairs_only_when_asked(ingot, table, tmp_path):
    assert one(ingot, "check", table, "--data")["problems"] == 0
    lost = table / urllib.parse.unquote(deltalake.DeltaTable(str(table)).get_add_actions().column("path").to_pylist()[0])
    lost.rename(tmp_path / "lost")
    found = ingot.run("table", "--json", "check", str(table), cwd=tmp_path, code=None)
    assert found.code == 1 and found.rows()[0]["problem"] == "missing"
    assert found.rows()[0]["file"] == str(lost.relative_to(table))
    assert one(ingot, "check", table, "--repair", "--dry-run", code=None)["repaired"] == 0
    assert one(ingot, "check", table, "--repair")["repaired"] == 1
    assert len(rows_of(table)) == 980 and one(ingot, "check", table)["problems"] == 0


def test_diff_by_files_and_by_rows(ingot, table, tmp_path):
    shown = one(ingot, "diff", table, "7")
    assert (shown["files_added"], shown["files_removed"], shown["files_kept"]) == (10, 0, 40)
    one(ingot, "optimize", table)
    rows = ingot.run("table", "--json", "diff", str(table), "9", "10", "--rows", cwd=tmp_path)
    assert rows.out == "", "rows that were only rewritten do not differ"
    deltalake.DeltaTable(str(table)).update({"v": "-1.0"}, predicate="id = 17")
    deltalake.DeltaTable(str(table)).delete("id = 18")
    rows = ingot.run("table", "--json", "diff", str(table), "9", "--rows", cwd=tmp_path).rows()
    assert sorted((r["_change"], r["id"], r["v"]) for r in rows) == [("+", 17, -1.0), ("-", 17, 17 / 3), ("-", 18, 6.0)]
    one(ingot, "alter", table, "--set", "a=b", "--add", "extra INT")
    text = ingot.run("table", "diff", str(table), "9", cwd=tmp_path).out
    assert "+ column extra integer" in text and "+ property a b" in text


# --- create and alter --------------------------------------------------------------------------------------------------


def test_create_and_alter(ingot, tmp_path):
    place = tmp_path / "new"
    one(ingot, "create", place, "id BIGINT NOT NULL COMMENT 'it''s', name STRING, d DATE, s struct<a: int, b: array<string>>",
        "--partition-by", "d", "-p", "delta.appendOnly=true", "--comment", "hello")
    table = deltalake.DeltaTable(str(place))
    assert table.metadata().partition_columns == ["d"] and table.metadata().description == "hello"
    assert [f.name for f in table.schema().fields] == ["id", "name", "d", "s"] and not table.schema().fields[0].nullable
    assert ingot.run("table", "create", str(place), "id INT", cwd=tmp_path, code=None).code == 1
    ingot.run("table", "create", str(place), "id INT", "--if-not-exists", cwd=tmp_path)
    assert one(ingot, "alter", place, "--add", "z INT, y STRING", "--set", "a=b", "--unset", "delta.appendOnly")["version"] == 3
    shown = one(ingot, "show", place)
    assert [c["name"] for c in shown["columns"]] == ["id", "name", "d", "s", "z", "y"] and shown["properties"] == {"a": "b"}
    one(ingot, "create", tmp_path / "made", "--as", "SELECT range AS id, range % 3 AS k FROM range(100)", "--partition-by", "k")
    assert len(deltalake.DeltaTable(str(tmp_path / "made")).to_pyarrow_table()) == 100


# --- on an object store ----------------------------------------------------------------------------------------------


def test_maintenance_on_s3(ingot, s3, tmp_path):
    from support.s3 import KEYS

    path = f"s3://{s3.bucket}/lake/t"
    options = s3.storage_options()
    for i in range(4):
        deltalake.write_deltalake(path, pa.Table.from_pylist(batch(i * 100)), partition_by=["day"], mode="append", storage_options=options)
    before = sorted(deltalake.DeltaTable(path, storage_options=options).to_pyarrow_table().to_pylist(), key=lambda r: r["id"])

    def theirs(name="t"):
        table = deltalake.DeltaTable(f"s3://{s3.bucket}/lake/{name}", storage_options=options)
        return sorted(table.to_pyarrow_table().to_pylist(), key=lambda r: r["id"])

    def act(*args, **kw):
        return one(ingot, *args, env=KEYS, **kw)

    t = s3.url("lake/t")
    listed = ingot.run("table", "--json", "ls", s3.url(), cwd=tmp_path, env=KEYS).rows()
    assert [(x["table"], x["rows"]) for x in listed] == [("t", 400)]
    assert act("show", t)["numFiles"] == 20
    assert act("optimize", t, "--where", "day <> 'a'")["files_added"] == 4 and theirs() == before
    assert act("check", t, "--data")["problems"] == 0
    assert act("clone", t, s3.url("lake/shallow"))["copied_files"] == 0
    assert act("clone", t, s3.url("lake/deep"), "--deep")["copied_files"] == 8 and theirs("deep") == before
    assert act("clone", t, tmp_path / "here", "--deep")["copied_files"] == 8 and rows_of(tmp_path / "here") == before
    assert act("check", s3.url("lake/shallow"), "--data")["problems"] == 0
    assert act("vacuum", t, "--retention", "0s", "--force")["files"] == 16 and theirs() == before
    assert len([k for k in s3.keys("lake/t/") if k.endswith(".parquet") and "_delta_log" not in k]) == 8
    gone = ingot.run("table", "restore", t, "--to", "1", cwd=tmp_path, env=KEYS, code=1)
    assert "15 of the 15 files" not in gone.err and "are gone" in gone.err
    assert act("optimize", s3.url("lake/shallow"))["files_removed"] == 4 and theirs("t") == before


def test_convert_on_s3_reads_footers_alone(ingot, s3, tmp_path):
    from support.s3 import KEYS

    rng = random.Random(7)
    columns = {"id": range(30000), "text": [rng.randbytes(20).hex() for _ in range(30000)]}
    for i in range(3):
        path = tmp_path / f"{i}.parquet"  # the last footer is larger than what is asked for at first
        pq.write_table(pa.table(columns), path, row_group_size=30000 if i < 2 else 40, compression="none")
        s3.moto.client.put_object(Bucket=s3.bucket, Key=f"lake/c/d={i}/{i}.parquet", Body=path.read_bytes())
    proxy = s3.proxy()
    env = {**KEYS, "XDG_CACHE_HOME": str(tmp_path / "cache"), "AWS_ENDPOINT_URL": proxy.endpoint}
    done = one(ingot, "convert", f"s3://{s3.bucket}/lake/c", env=env)
    assert (done["files"], done["rows"]) == (3, 90000) and done["bytes"] > 4_000_000
    reads = [r for r in proxy.requests if r.method == "GET" and r.key.endswith(".parquet")]
    ranges = [[int(x) for x in r.headers["Range"].removeprefix("bytes=").split("-")] for r in reads]
    assert len(reads) == 4 and [b - a + 1 for a, b in ranges].count(65536) == 3
    assert not [p for p in (tmp_path / "cache").rglob("*") if p.name.endswith("parquet")]
    theirs = deltalake.DeltaTable(f"s3://{s3.bucket}/lake/c", storage_options=s3.storage_options())
    assert len(theirs.to_pyarrow_table()) == 90000
    stats = ingot.run("table", "files", f"s3://{s3.bucket}/lake/c", "--stats", cwd=tmp_path, env=env).rows()[2]["stats"]
    assert (stats["numRecords"], stats["minValues"]["id"], stats["maxValues"]["id"]) == (30000, 0, 29999)
    s3.moto.client.put_object(Bucket=s3.bucket, Key="lake/bad/x.parquet", Body=b"no parquet file at all")
    refused = ingot.run("table", "convert", f"s3://{s3.bucket}/lake/bad", cwd=tmp_path, env=env, code=1)
    assert "/lake/bad: x.parquet is no Parquet file" in refused.err
