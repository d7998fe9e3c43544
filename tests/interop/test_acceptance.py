"""Every Delta table in ../shared/delta, written by other engines, is read as they say, or refused as they say.

The expectations are upstream's: rows in Parquet beside the tables of DAT and of the golden tables (also of older
versions), tables that no reader may take, and, for tables without either, what delta-rs returned. `python
tests/interop/test_acceptance.py` prints the table of docs/acceptance.md.
"""

import json
import pathlib
import re
import sys
import tempfile

import deltalake
import pyarrow.parquet as pq

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from interop.test_lake import Failed, Lake
from support.project import SHARED_DIR

# Tables that have to be refused, and what the message says.
REJECTED = {
    "golden/deltalog-state-reconstruction-from-checkpoint-missing-metadata/delta": "CORRUPT.*metaData",
    "golden/deltalog-state-reconstruction-without-metadata/delta": "CORRUPT.*metaData",
    "golden/data-reader-absolute-paths-escaped-chars/delta": "CORRUPT.*protocol|CORRUPT.*metaData",
    "golden/update-deleted-directory/delta": "CORRUPT.*protocol|CORRUPT.*metaData",
    "delta-rs-data/simple_table_features": "UNSUPPORTED.*reader version 5",
}
# Rows that are right although the other reader has other ones.
OTHER_OPINION = {
    "golden/data-reader-partition-values/delta": "partition values of a time depend on the writer's time zone (skipped upstream as well)",
    "delta-rs-data/spark-variant-checkpoint": "delta-rs gives the two binaries of a variant, ingot the variant",
    "delta-rs-data/table_with_edge_timestamps": "delta-rs lets times beyond the range of nanoseconds overflow",
}
# The log alone is there: no rows to read.
LOG_ONLY = "there is no data file"


class Outcome:
    def __init__(self, name, version, expectation, verdict, text=""):
        self.name, self.version, self.expectation, self.verdict, self.text = name, version, expectation, verdict, text


def tables(shared):
    return sorted(p.parent for p in (shared / "delta").rglob("_delta_log") if p.is_dir())


def parquet_below(folder):
    return sorted(folder.rglob("*.parquet")) if folder.is_dir() else []


def expectations(shared, table):
    """(version or None, files, whose) for each version of which somebody says what is in it."""
    found = []
    if table.name == "delta":
        expected = table.parent / "expected"
        for folder in sorted(expected.glob("v[0-9]*")):
            found.append((int(folder.name[1:]), parquet_below(folder / "table_content"), "upstream"))
        latest = parquet_below(expected / "latest" / "table_content") or parquet_below(expected)
        if latest:
            found.append((None, latest, "upstream"))
    if not found:
        name = table.relative_to(shared / "delta")
        oracle = shared / "delta" / "oracle-rows" / name.parent / (name.name + ".parquet")
        if oracle.exists():
            found.append((None, [oracle], "delta-rs"))
    return [e for e in found if e[1]]


def compare(lake, name, version, files):
    rows = "read_parquet([" + ", ".join(f"'{f}'" for f in files) + "])"
    names = [c["column_name"] for c in lake(f"sql SELECT column_name FROM (DESCRIBE SELECT * FROM {rows})")]
    columns = ", ".join(f'"{c}"' for c in names)
    ours = lake(f"scan {name}{'' if version is None else f'@{version}'} | | SELECT column_name FROM (DESCRIBE SELECT * FROM t)")
    ours = [c["column_name"] for c in ours]
    if sorted(c.lower() for c in ours) != sorted(c.lower() for c in names):
        return f"columns {ours}, not {names}"
    answer = lake(
        f"scan {name}{'' if version is None else f'@{version}'} | | "
        f"SELECT (SELECT count(*) FROM (SELECT {columns} FROM t EXCEPT ALL SELECT {columns} FROM {rows})) AS more, "
        f"(SELECT count(*) FROM (SELECT {columns} FROM {rows} EXCEPT ALL SELECT {columns} FROM t)) AS less"
    )[0]
    return "" if answer == {"more": 0, "less": 0} else f"{answer['more']} rows too many, {answer['less']} too few"


def second_opinion(lake, name, table):
    """What delta-rs reads now, if it reads the table."""
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "rows.parquet"
        try:
            pq.write_table(deltalake.DeltaTable(str(table)).to_pyarrow_table(), file)
        except Exception:  # it refuses many a table, by errors of several kinds
            return None
        difference = compare(lake, name, None, [file])
    if difference and name in OTHER_OPINION:
        return Outcome(name, None, "delta-rs", "other opinion", OTHER_OPINION[name])
    return Outcome(name, None, "delta-rs", "wrong" if difference else "same", difference)


def judge(lake, shared, table):
    name = str(table.relative_to(shared / "delta"))
    if name in REJECTED:
        try:
            lake(f"scan {name} | | SELECT count(*) FROM t")
            return [Outcome(name, None, "to be refused", "wrong", "it was read")]
        except Failed as why:
            good = re.search(REJECTED[name], str(why))
            return [Outcome(name, None, "to be refused", "refused" if good else "wrong", str(why))]
    outcomes = []
    for version, files, whose in expectations(shared, table):
        try:
            difference = compare(lake, name, version, files)
        except Failed as why:
            difference = str(why)
        verdict = "wrong" if difference else "same"
        if difference and name in OTHER_OPINION:
            verdict, difference = "other opinion", OTHER_OPINION[name]
        outcomes.append(Outcome(name, version, whose, verdict, difference))
    if not outcomes:
        try:
            n = lake(f"scan {name} | | SELECT count(*) AS n FROM t")[0]["n"]
            outcomes.append(second_opinion(lake, name, table) or Outcome(name, None, "none", "read", f"{n} rows"))
        except Failed as why:
            gone = re.search("No files found|No such file|Cannot open file|not there", str(why))
            outcomes.append(Outcome(name, None, "none", "log only" if gone else "wrong", LOG_ONLY if gone else str(why)))
    return outcomes


def judge_all(shared):
    lake = Lake(shared / "delta")
    outcomes = [o for table in tables(shared) for o in judge(lake, shared, table)]
    lake.close()
    return outcomes


def test_every_table_of_other_engines_is_read_as_they_say_or_refused(shared):
    outcomes = judge_all(shared)
    assert {(o.name, o.version): o.text for o in outcomes if o.verdict == "wrong"} == {}
    dat = {o.name for o in outcomes if o.name.startswith("dat-") and o.verdict == "same"}
    golden = {o.name for o in outcomes if o.name.startswith("golden/") and o.expectation == "upstream" and o.verdict != "wrong"}
    assert len(dat) == 19
    assert len(golden) >= 34
    assert sum(o.verdict == "same" for o in outcomes) >= 112


def test_variants_are_variants(shared):
    lake = Lake(shared / "delta")
    for name in ("spark-variant-checkpoint", "spark-shredded-variant-preview-delta"):
        rows = lake(
            f"scan delta-rs-data/{name} | | SELECT count(*) AS n, count(*) FILTER (v.key::BIGINT = id) AS v, "
            "count(*) FILTER (array_of_variants[1].key::BIGINT = id AND array_of_variants[2] IS NULL) AS a, "
            "count(*) FILTER (struct_of_variants.v::VARCHAR = '{''key'': ' || id || '}') AS s, "
            "count(*) FILTER (map_of_variants[id::VARCHAR].key::BIGINT = id AND map_of_variants['nullKey'] IS NULL) AS m FROM t"
        )
        assert rows == [{"n": 102, "v": 102, "a": 102, "s": 102, "m": 102}], name
    lake.close()


def main():
    outcomes = judge_all(SHARED_DIR)
    print("| table | version | expected by | outcome |\n|---|---|---|---|")
    for o in outcomes:
        note = o.text.splitlines()[0] if o.text else ""
        print(f"| {o.name} | {'latest' if o.version is None else o.version} | {o.expectation} | {o.verdict}{': ' + note if note else ''} |")
    total = {}
    for o in outcomes:
        total[o.verdict] = total.get(o.verdict, 0) + 1
    print("\n" + json.dumps(total), file=sys.stderr)


if __name__ == "__main__":
    main()
