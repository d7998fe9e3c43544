"""
The power goes, or the program is killed (-9), at each step of each verb that changes a table on a disk: what was not
synced is lost or torn, be it written by us or by the engine. Then the table has all of the verb's work or nothing of
it, for us and for delta-rs; what was acknowledged is there; nothing is wrong but files that no version names; and the
verb can be done again.

One run of the verb is traced (support/disk.py), and the disk is made as it may be at each of its steps. A sample of
them is looked at; INGOT_ALL_FAULTS=1 looks at all.
"""

import dataclasses
import os
import pathlib
import shutil
from collections.abc import Callable

import deltalake
import pyarrow as pa
import pytest

from support.disk import Disk, build_tracer, put_down, traced
from support.s3 import Lake

ALL = bool(os.environ.get("INGOT_ALL_FAULTS"))
SAMPLE = 3  # states of the disk of each verb

T = "delta('{lake}/t')"
FIRST = {i: "old" for i in range(20)}
PLAIN, VECTORS, CHANGES = "", "delta.enableDeletionVectors=true", "delta.enableChangeDataFeed=true"
MERGE = (
    f"MERGE INTO {T} AS t USING (SELECT i AS id, 'm' AS v, i % 2 AS p FROM range(15, 25) r(i)) AS s ON t.id = s.id"
    " WHEN MATCHED THEN UPDATE SET v = s.v WHEN NOT MATCHED THEN INSERT (id, v, p) VALUES (s.id, s.v, s.p)"
)
MERGED = {**{i: "old" for i in range(15)}, **{i: "m" for i in range(15, 25)}}


@dataclasses.dataclass
class Verb:
    args: tuple  # of the program; {lake} is the folder
    after: Callable[[dict], dict] | None  # what the table holds then, by what it held
    properties: str = PLAIN
    table: str = "t"  # that it makes or changes
    made: bool = False  # is it not there before?
    repeats: bool = True  # is it fine to do it again when it was done?


def sql(text):
    return ("query", text)


def same(rows):
    return rows


VERBS = {
    "insert": Verb(
        sql(f"INSERT INTO {T} SELECT i AS id, 'i' AS v, i % 3 AS p FROM range(100, 103) r(i)"),
        lambda rows: {**rows, **{i: "i" for i in range(100, 103)}},
        repeats=False,
    ),
    "overwrite": Verb(sql(f"INSERT OVERWRITE {T} SELECT 7 AS id, 'o' AS v, 1 AS p"), lambda rows: {7: "o"}),
    "delete": Verb(sql(f"DELETE FROM {T} WHERE id < 5"), lambda rows: {i: v for i, v in rows.items() if i >= 5}),
    "delete by vectors": Verb(
        sql(f"DELETE FROM {T} WHERE id % 4 = 0"), lambda rows: {i: v for i, v in rows.items() if i % 4}, VECTORS
    ),
    "update": Verb(
        sql(f"UPDATE {T} SET v = 'new' WHERE id % 3 = 0"),
        lambda rows: {i: "new" if i % 3 == 0 else v for i, v in rows.items()},
    ),
    "update by vectors": Verb(
        sql(f"UPDATE {T} SET v = 'new' WHERE id % 3 = 0"),
        lambda rows: {i: "new" if i % 3 == 0 else v for i, v in rows.items()},
        VECTORS,
    ),
    "update with changes": Verb(
        sql(f"UPDATE {T} SET v = 'new' WHERE id % 3 = 0"),
        lambda rows: {i: "new" if i % 3 == 0 else v for i, v in rows.items()},
        CHANGES,
    ),
    "merge": Verb(sql(MERGE), lambda rows: MERGED),
    "merge by vectors": Verb(sql(MERGE), lambda rows: MERGED, VECTORS),
    "truncate": Verb(sql(f"TRUNCATE TABLE {T}"), lambda rows: {}),
    "optimize": Verb(("table", "optimize", "{lake}/t"), same),
    "restore": Verb(
        ("table", "restore", "{lake}/t", "--to", "1"), lambda rows: {i: v for i, v in FIRST.items() if i < 10}
    ),
    "vacuum": Verb(("table", "vacuum", "{lake}/t", "--retention", "0s", "--force"), same),
    "checkpoint": Verb(("table", "checkpoint", "{lake}/t"), same),
    "commit, checkpoint and clean-up of the log": Verb(
        sql(f"DELETE FROM {T} WHERE id < 5"),
        lambda rows: {i: v for i, v in rows.items() if i >= 5},
        "delta.checkpointInterval=1;delta.logRetentionDuration=interval 0 seconds",
    ),
    "alter": Verb(("table", "alter", "{lake}/t", "--add", "w INT"), same, repeats=False),
    "clone": Verb(("table", "clone", "{lake}/t", "{lake}/made"), lambda rows: FIRST, VECTORS, "made", True, False),
    "deep clone": Verb(
        ("table", "clone", "{lake}/t", "{lake}/made", "--deep"), lambda rows: FIRST, VECTORS, "made", True, False
    ),
    "convert": Verb(("table", "convert", "{lake}/made"), lambda rows: FIRST, PLAIN, "made", True, False),
}


@pytest.fixture(scope="module")
def tracer(tmp_path_factory):
    return build_tracer(tmp_path_factory.mktemp("tracer"))


class Bench:
    """A folder with a table of some versions, and ways to look at one."""

    def __init__(self, ingot, tracer, folder):
        self.ingot, self.tracer, self.folder = ingot, tracer, folder
        self.lake = folder / "lake"
        self.reader = Lake(str(self.lake))

    def begin(self, verb):
        arg = [a for p in verb.properties.split(";") if p for a in ("-p", p)]
        self.run("table", "create", "{lake}/t", "id BIGINT, v STRING, p INT", "--partition-by", "p", *arg)
        for first in (0, 10):
            self.run("query", f"INSERT INTO {T} SELECT i + {first}, 'old', i % 2 FROM range(10) r(i)")
        if "vacuum" in verb.args:
            self.run("query", f"UPDATE {T} SET v = 'gone' WHERE id < 15")
            self.run("query", f"UPDATE {T} SET v = 'old' WHERE id < 15")
        if "convert" in verb.args:
            source = deltalake.DeltaTable(str(self.lake / "t"))
            for i, file in enumerate(source.file_uris()):
                to = self.lake / "made" / pathlib.Path(file).parent.name / f"{i}.parquet"
                to.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(file, to)

    def run(self, *args, env=None, code=0, lake=None):
        args = [str(a).replace("{lake}", str(lake or self.lake)) for a in args]
        return self.ingot.run(*args, cwd=self.folder, env=env, code=code)


def as_dict(rows):
    found = {r["id"]: r["v"] for r in rows}
    assert len(found) == len(rows), "a row is there twice"
    return found


def by_delta_rs(path):
    """By its query engine, which knows deletion vectors."""
    query = deltalake.QueryBuilder().register("t", deltalake.DeltaTable(str(path)))
    return as_dict(pa.table(query.execute("SELECT id, v FROM t").read_all()).to_pylist())


def states(disk, rng):
    """Each state that the disk may be left in once: (steps that were done, how, files)."""
    seen = set()
    for n in range(len(disk.steps) + 1):
        if n:
            disk.take(disk.steps[n - 1])
        for how in ("kept", "lost", "torn", "torn"):
            files = disk.left(how, rng)
            key = hash(tuple(files.items()))
            if key not in seen:
                seen.add(key)
                yield n, how, files


def log_has_a_version(lake, table):
    log = lake / table / "_delta_log"
    return log.is_dir() and any(p.name[:20].isdigit() and p.suffix == ".json" for p in log.iterdir())


def look(bench, verb, case, done):
    """The table is as before or as after; which it is."""
    if verb.made and not log_has_a_version(bench.lake, verb.table):
        assert not done, case
        return False
    want = verb.after(FIRST)
    found = by_delta_rs(bench.lake / verb.table)
    assert found == as_dict(bench.reader.ok(f"scan {verb.table} | | SELECT id, v FROM t")), case
    assert found in ([want] if done or verb.made else [FIRST, want]), case
    return found == want


def check(bench, verb, case):
    """Nothing is wrong with it but files that no version names."""
    checked = bench.run("--json", "table", "check", f"{{lake}}/{verb.table}", code=None)
    assert checked.code == 0, f"{case}: {checked.out} {checked.err}"


@pytest.mark.timeout(3600 if ALL else 300)
@pytest.mark.parametrize("name", VERBS)
def test_the_power_goes_at_each_step_of_a_verb(ingot, tracer, tmp_path, rng, name):
    verb = VERBS[name]
    bench = Bench(ingot, tracer, tmp_path)
    bench.begin(verb)
    disk = Disk(bench.lake)
    bench.run(*verb.args, env=traced(tracer, bench.lake, tmp_path / "trace"))
    n = disk.load(tmp_path / "trace")
    found = list(states(disk, rng))
    assert len(found) > 6, "the program was not traced"
    chosen = found if ALL else rng.sample(found, SAMPLE)
    for i, (done, how, files) in enumerate([*chosen, (n, "lost", disk.left("lost"))]):
        # an absolute name of a clone means this very folder, so the disk that is left takes its place
        put_down(files, bench.lake)
        case = f"{name}, {how} behind {done} of {n} steps: {disk.steps[done - 1][0] if done else 'nothing'}"
        after = look(bench, verb, case, done == n)
        if i % 4 if ALL else i:
            continue
        if not verb.made or after:
            check(bench, verb, case)
        if not after or verb.repeats:
            again = bench.run(*verb.args, code=None)
            assert again.code == 0, f"{case}; again: {again.err}"
            assert look(bench, verb, f"{case}; again", True)
    bench.reader.close()
