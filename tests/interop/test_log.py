"""The log as it is read: change data beside delta-rs, and damage: whatever byte of a table is changed or missing, the
rows are the same, or an error names the file.

INGOT_FLIPS=all changes every byte (minutes); otherwise a sample of them.
"""

import json
import os
import pathlib
import random

import deltalake
import duckdb
import pyarrow as pa
import pytest

from interop.test_lake import Failed, Lake

CHANGE_TABLES = [
    ("delta-rs-data/cdf-table", 0),
    ("delta-rs-data/cdf-table-non-partitioned", 0),
    ("delta-rs-data/cdf-table-with-cdc-and-dvs", 0),
    ("delta-rs-data/checkpoint-cdf-table", 3),
    ("delta-rs-data/simple_table_with_cdc", 0),
    ("delta-rs-data/cdc_ict_table", 0),
    ("dat-0.0.3/cdf/delta", 0),
]


def bag(rows):
    return sorted(json.dumps({k: str(v) for k, v in row.items() if v is not None}, sort_keys=True) for row in rows)


def changes_of_delta_rs(table, first):
    changes = pa.table(deltalake.DeltaTable(str(table)).load_cdf(starting_version=first))  # noqa: F841 (DuckDB sees it)
    rows = duckdb.connect().sql("SELECT to_json(x)::VARCHAR FROM (SELECT * EXCLUDE (_commit_timestamp) FROM changes) AS x")
    return [json.loads(row[0]) for row in rows.fetchall()]


@pytest.mark.parametrize("name,first", CHANGE_TABLES)
def test_change_data_is_what_delta_rs_reads(shared, name, first):
    table = shared / "delta" / name
    if not table.exists():
        pytest.skip(f"{name} is not there")
    lake = Lake(shared / "delta")
    ours = lake(f"changes {name} | {first} | SELECT * EXCLUDE (_commit_timestamp) FROM t")
    assert ours
    assert bag(ours) == bag(changes_of_delta_rs(table, first))
    lake.close()


def test_changes_follow_a_table_that_delta_rs_writes(tmp_path):
    """Appends, deletes and updates by delta-rs, with the feed on; each range read by both."""
    folder = tmp_path / "t"
    rows = pa.table({"id": list(range(20)), "p": [f"p{i % 3}" for i in range(20)]})
    deltalake.write_deltalake(
        str(folder), rows, partition_by=["p"], configuration={"delta.enableChangeDataFeed": "true"}
    )
    deltalake.DeltaTable(str(folder)).delete("id = 4")
    deltalake.DeltaTable(str(folder)).update(updates={"id": "id + 100"}, predicate="id > 15")
    deltalake.write_deltalake(str(folder), pa.table({"id": [7], "p": ["p9"]}), mode="append")
    lake = Lake(tmp_path)
    for first in range(4):
        ours = lake(f"changes t | {first} | SELECT * EXCLUDE (_commit_timestamp) FROM t")
        assert bag(ours) == bag(changes_of_delta_rs(folder, first)), first
    kinds = lake("changes t | 0 | SELECT _change_type AS k, count(*) AS n FROM t GROUP BY k ORDER BY k")
    assert {k["k"]: k["n"] for k in kinds} == {"delete": 1, "insert": 21, "update_postimage": 4, "update_preimage": 4}
    with pytest.raises(Failed, match="newest is 3"):
        lake("changes t | 0,9 |")
    lake.close()


# --- damage ---------------------------------------------------------------------------------------------------------


def ours_with_commits(lake):
    lake("create t | p | SELECT 1::BIGINT AS a, 'x' AS s, 'v' AS p")
    for i in range(2):
        lake(f"append t | | SELECT i AS a, 'text ' || i AS s, 'p' || (i % 2) AS p FROM range({i * 5}, {i * 5 + 5}) r(i)")
    lake("merge t | a | | SELECT 3::BIGINT AS a, 'changed' AS s, 'p1' AS p")


def ours_with_a_checkpoint(lake):
    ours_with_commits(lake)
    lake("checkpoint t@2 | |")
    for version in range(2):
        (lake.folder / "t" / "_delta_log" / f"{version:020}.json").unlink()


def ours_with_sidecars(lake):
    lake('make t | | {"columns": [{"name": "a", "type": "long"}], "properties": {"delta.checkpointPolicy": "v2"}}')
    for i in range(2):
        lake(f"append t | | SELECT i AS a FROM range({i * 5}, {i * 5 + 5}) r(i)")
    lake("checkpoint t@2 | |")
    for version in range(2):
        (lake.folder / "t" / "_delta_log" / f"{version:020}.json").unlink()


def damaged(data, how, at, dice):
    if how == "cut":
        return data[:at]
    changed = bytearray(data)
    changed[at] ^= 1 << dice.randrange(8)
    return bytes(changed)


@pytest.mark.parametrize("make", [ours_with_commits, ours_with_a_checkpoint, ours_with_sidecars])
def test_no_damaged_byte_gives_other_rows(make, tmp_path, rng):
    lake = Lake(tmp_path)
    make(lake)
    want = lake("scan t | |")
    files = [f for f in sorted((tmp_path / "t").rglob("*")) if f.is_file()]
    wrong, checked = [], 0
    for file in files:
        data = file.read_bytes()
        places = range(len(data))
        if os.environ.get("INGOT_FLIPS") != "all":
            places = sorted(rng.sample(places, min(len(data), 9)))
        for at in places:
            for how in ("flip", "cut"):
                broken = damaged(data, how, at, rng)
                file.write_bytes(broken)
                try:
                    if lake("scan t | |") != want:
                        wrong.append((file.name, how, at, "other rows"))
                except Failed as why:
                    if file.name not in str(why):
                        wrong.append((file.name, how, at, str(why)))
                checked += 1
        file.write_bytes(data)
    assert lake("scan t | |") == want
    assert checked > 100
    assert wrong == []
    lake.close()


def test_an_empty_checkpoint_is_named(tmp_path):
    lake = Lake(tmp_path)
    ours_with_a_checkpoint(lake)
    file = tmp_path / "t" / "_delta_log" / f"{2:020}.checkpoint.parquet"
    file.write_bytes(b"")
    with pytest.raises(Failed, match=f"CORRUPT: table t: .*{file.name} is empty"):
        lake("scan t | |")
    lake.close()


def test_damage_to_a_log_of_delta_rs(tmp_path, rng):
    """Its commits carry no checksum: what a changed value means nobody can tell. Lines that are missing, names that are
    misspelt, paths and sizes are seen."""
    folder = tmp_path / "t"
    for i in range(3):
        rows = pa.table({"a": list(range(i * 5, i * 5 + 5)), "p": [f"p{k % 2}" for k in range(5)]})
        deltalake.write_deltalake(str(folder), rows, mode="append", partition_by=["p"])
    deltalake.DeltaTable(str(folder)).delete("a = 3")
    lake = Lake(tmp_path)
    want = lake("scan t | |")
    seen = 0
    for file in sorted((folder / "_delta_log").glob("*.json")):
        data = file.read_bytes()
        damages = [(b'"path"', b'"pbth"'), (b'"add"', b'"bdd"'), (b".parquet", b".parqueu")]
        if file.name.endswith("2.json"):  # all of its files are live
            damages.append((b'"size":', b'"size":1'))
        for old, new in damages:
            at = data.find(old)
            if at < 0:
                continue
            file.write_bytes(data[:at] + new + data[at + len(old) :])
            with pytest.raises(Failed, match="CORRUPT"):
                lake("scan t | |")
            seen += 1
        file.write_bytes(data)
    assert seen >= 12
    assert lake("scan t | |") == want
    lake.close()


def test_what_may_not_be_read_is_an_error(tmp_path):
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    deltalake.write_deltalake(str(tmp_path / "t"), pa.table({"a": [1]}))
    commit = tmp_path / "t" / "_delta_log" / f"{0:020}.json"
    commit.chmod(0)
    lake = Lake(tmp_path)
    with pytest.raises(Failed, match=commit.name):
        lake("scan t | |")
    commit.chmod(0o600)
    lake.close()
