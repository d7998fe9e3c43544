"""INSERT, DELETE, UPDATE and MERGE of Delta tables: random ones done by us and, on a second copy, by Spark or delta-rs,
with the contents compared after each; and all three in turn on one table. INGOT_CHANGES is how many times longer than
in CI they run (1); INGOT_SEED=fresh draws other ones."""

import json
import math
import os
import subprocess

import deltalake
import pyarrow as pa
import pytest

LONGER = int(os.environ.get("INGOT_CHANGES", "1"))

COLUMNS = ["id", "k", "v", "x", "p"]
KINDS = {
    "plain": {},
    "partitioned": {"partition_by": "p"},
    "change data": {"properties": {"delta.enableChangeDataFeed": "true"}},
    "vectors": {"properties": {"delta.enableDeletionVectors": "true"}},
    "all": {"partition_by": "p", "properties": {"delta.enableChangeDataFeed": "true", "delta.enableDeletionVectors": "true"}},
}


class Failed(Exception):
    pass


class Ours:
    """Our own engine: the program, by SQL."""

    name = "ingot"

    def __init__(self, ingot, path):
        self.program, self.path = ingot.path, path

    def __call__(self, sql):
        got = subprocess.run(
            [self.program, "query", "--json", sql.replace("{t}", f"delta('{self.path}')")],
            capture_output=True, text=True, timeout=120, cwd=self.path.parent,
        )
        if got.returncode:
            raise Failed(got.stderr + got.stdout)
        return [json.loads(line) for line in got.stdout.splitlines()]


class Theirs:
    name = "spark"

    def __init__(self, spark, path):
        self.spark, self.path = spark, path

    def __call__(self, sql):
        try:
            return [r.asDict(True) for r in self.spark.sql(sql.replace("{t}", f"delta.`{self.path}`")).collect()]
        except Exception as e:
            raise Failed(str(e)) from e


def literal(value):
    if value is None:
        return "NULL"
    return f"'{value}'" if isinstance(value, str) else repr(value)


TYPES = {"id": "BIGINT", "k": "INT", "v": "STRING", "x": "DOUBLE", "p": "STRING"}


def rows_sql(rows):
    """A query of rows that both dialects read."""
    first = ", ".join(f"CAST({literal(rows[0][c])} AS {TYPES[c]}) AS {c}" for c in rows[0])
    others = [", ".join(f"CAST({literal(r[c])} AS {TYPES[c]})" for c in r) for r in rows[1:]]
    return " UNION ALL ".join(f"SELECT {r}" for r in [first, *others])


class Generator:
    """Random statements of a dialect that DuckDB and Spark share."""

    def __init__(self, rng):
        self.rng = rng

    def row(self, id):
        r = self.rng
        return {
            "id": id,
            "k": r.choice([None, r.randrange(5)]),
            "v": r.choice([None, "a", "b", "ä b", "100%"]),
            "x": r.choice([None, r.randrange(-8, 8) / 4]),
            "p": r.choice([None, "p1", "p2", "p/3 x"]),
        }

    def rows(self, low, high, n, repeat=False):
        ids = [self.rng.randrange(low, high) for _ in range(n)] if repeat else self.rng.sample(range(low, high), n)
        return [self.row(i) for i in ids]

    def condition(self, t=""):
        r = self.rng
        return r.choice([
            f"{t}id < {r.randrange(60)}", f"{t}id % 3 = {r.randrange(3)}", f"{t}k = {r.randrange(5)}", f"{t}v IS NULL", f"{t}v = 'a' OR {t}k > 2",
            f"{t}x > {r.randrange(-4, 4)} AND {t}id > {r.randrange(40)}", f"{t}p = 'p1'", f"{t}p IS NULL", f"{t}p <> 'p2'",
            f"NOT ({t}k = 1)", f"{t}id BETWEEN {r.randrange(30)} AND {r.randrange(30, 60)}", f"{t}k IN (1, 3)", f"{t}id = 1000", f"{t}p = 'p2' AND {t}k IS NOT NULL",
        ])

    def sets(self, t="", s=None):
        r = self.rng
        own = [f"v = concat(coalesce({t}v, '-'), '!')", f"x = {t}x + 1.5", f"k = {t}k + 1", f"k = {t}x", f"p = {literal(r.choice([None, 'p1', 'p9']))}", "v = NULL", f"x = {t}k"]
        theirs = [f"{c} = {s}.{c}" for c in COLUMNS[1:]] if s else []
        chosen = {}
        for one in r.sample(own + theirs, r.randrange(1, 4)):
            chosen.setdefault(one.split(" ")[0], one)
        return ", ".join(chosen.values())

    def insert(self):
        rows = self.rows(0, 80, self.rng.randrange(1, 12))
        return f"INSERT INTO {{t}} {rows_sql(rows)}"

    def delete(self):
        return f"DELETE FROM {{t}} WHERE {self.condition()}"

    def update(self):
        return f"UPDATE {{t}} SET {self.sets()} WHERE {self.condition()}"

    def merge(self):
        r = self.rng
        source = rows_sql(self.rows(0, 90, r.randrange(1, 25), repeat=r.random() < 0.1))
        on = r.choice(["t.id = s.id", "t.id = s.id", "t.id = s.id AND t.p = s.p", "s.id = t.id AND t.k > 1", "t.id = s.id AND s.x > 0", "t.id <=> s.id AND t.p <=> s.p"])
        clauses = []
        if r.random() < 0.8:
            for last in (False, True) if r.random() < 0.4 else (True,):
                action = r.choice(["UPDATE SET *", f"UPDATE SET {self.sets('t.', 's')}", "DELETE"])
                when = "" if last and r.random() < 0.6 else f" AND {self.condition(r.choice(['t.', 's.']))}"
                clauses.append(f"WHEN MATCHED{when} THEN {action}")
        if r.random() < 0.7 or not clauses:
            when = f" AND {self.condition('s.')}" if r.random() < 0.3 else ""
            clauses.append(f"WHEN NOT MATCHED{when} THEN {r.choice(['INSERT *', 'INSERT (id, v, p) VALUES (s.id, upper(s.v), s.p)'])}")
        if r.random() < 0.3:
            action = r.choice(["DELETE", f"UPDATE SET {self.sets('t.')}"])
            clauses.append(f"WHEN NOT MATCHED BY SOURCE AND {self.condition('t.')} THEN {action}")
        return f"MERGE INTO {{t}} AS t USING ({source}) AS s ON {on} {' '.join(clauses)}"

    def statement(self):
        return self.rng.choices([self.insert, self.delete, self.update, self.merge], [2, 2, 2, 5])[0]()


def create(rng, path, kind):
    """Three files, so that there is something to leave alone."""
    g = Generator(rng)
    options = KINDS[kind]
    for i in range(3):
        rows = [g.row(n) for n in range(i * 20, i * 20 + 20)]
        types = {"id": pa.int64(), "k": pa.int32(), "v": pa.string(), "x": pa.float64(), "p": pa.string()}
        data = pa.table({c: pa.array([r[c] for r in rows], types[c]) for c in COLUMNS})
        deltalake.write_deltalake(path, data, mode="append", partition_by=options.get("partition_by"))


def enable(spark, path, kind):
    properties = KINDS[kind].get("properties", {})
    if properties:
        said = ", ".join(f"'{k}' = '{v}'" for k, v in properties.items())
        Theirs(spark, path)(f"ALTER TABLE {{t}} SET TBLPROPERTIES ({said})")


def bag(rows):
    def plain(value):
        return "NaN" if isinstance(value, float) and math.isnan(value) else value

    return sorted((tuple((k, plain(v)) for k, v in sorted(r.items())) for r in rows), key=repr)


SELECT = "SELECT id, k, v, x, p FROM {t}"


def latest(path):
    return max(int(f.name[:20]) for f in (path / "_delta_log").glob("*.json") if f.name[:20].isdigit())


@pytest.mark.parametrize("kind", KINDS if LONGER > 1 else ["plain", "all"])
def test_what_we_change_is_what_spark_changes(ingot, spark, tmp_path, rng, kind):
    for _ in range(LONGER):
        one, other = tmp_path / "ours", tmp_path / "theirs"
        ours, theirs = Ours(ingot, one), Theirs(spark, other)
        create(rng, one, kind)
        enable(spark, one, kind)
        subprocess.run(["rm", "-rf", str(other)], check=True)
        subprocess.run(["cp", "-r", str(one), str(other)], check=True)
        g = Generator(rng)
        before = bag(ours(SELECT))
        for step in range(4 if LONGER == 1 else 10):
            sql = g.statement()
            versions = latest(one), latest(other)
            results = []
            for engine in (ours, theirs):
                try:
                    engine(sql)
                    results.append(None)
                except Failed as e:
                    results.append(str(e))
            assert (results[0] is None) == (results[1] is None), f"step {step}: {sql}\n{results}"
            want, got = bag(theirs(SELECT)), bag(ours(SELECT))
            assert got == want, f"step {step}: {sql}"
            # Spark also commits where it wrote files anew with nothing changed in them.
            made, wanted = latest(one) - versions[0], latest(other) - versions[1]
            assert made == wanted or (made < wanted and got == before), f"as many commits, step {step}: {sql}"
            before = got
        assert bag(Theirs(spark, one)(SELECT)) == want, f"Spark reads ours, step {step}: {sql}"
        if "delta.enableChangeDataFeed" in KINDS[kind].get("properties", {}):
            columns = [*COLUMNS, "_change_type", "_commit_version"]
            feed = spark.read.format("delta").option("readChangeFeed", "true").option("startingVersion", 3)
            changes = [[r.asDict() for r in feed.load(str(p)).select(*columns).collect()] for p in (one, other)]
            for rows in changes:
                numbers = sorted({r["_commit_version"] for r in rows})
                for r in rows:
                    r["_commit_version"] = numbers.index(r["_commit_version"])
            assert bag(changes[0]) == bag(changes[1])
        subprocess.run(["rm", "-rf", str(one), str(other)], check=True)


def arrow(rows):
    types = {"id": pa.int64(), "k": pa.int32(), "v": pa.string(), "x": pa.float64(), "p": pa.string()}
    return pa.table({c: pa.array([r[c] for r in rows], types[c]) for c in COLUMNS})


class DeltaRs:
    """The same changes by delta-rs' functions."""

    def __init__(self, path):
        self.path = str(path)

    def delete(self, where):
        deltalake.DeltaTable(self.path).delete(where)

    def update(self, column, value, where):
        deltalake.DeltaTable(self.path).update(updates={column: value}, predicate=where)

    def merge(self, rows, matched, inserted, unmatched):
        merge = deltalake.DeltaTable(self.path).merge(arrow(rows), "t.id = s.id", source_alias="s", target_alias="t")
        if matched == "update":
            merge = merge.when_matched_update_all()
        elif matched == "delete":
            merge = merge.when_matched_delete(predicate="t.k IS NOT NULL")
        if inserted:
            merge = merge.when_not_matched_insert_all()
        if unmatched:
            merge = merge.when_not_matched_by_source_delete(predicate=unmatched)
        merge.execute()

    def append(self, rows):
        deltalake.write_deltalake(self.path, arrow(rows), mode="append")

    def rows(self):
        return pa.table(deltalake.DeltaTable(self.path).to_pyarrow_table()).select(COLUMNS).to_pylist()


class OursLikeDeltaRs:
    def __init__(self, ours):
        self.run = ours

    def delete(self, where):
        self.run(f"DELETE FROM {{t}} WHERE {where}")

    def update(self, column, value, where):
        self.run(f"UPDATE {{t}} SET {column} = {value} WHERE {where}")

    def merge(self, rows, matched, inserted, unmatched):
        clauses = {"update": " WHEN MATCHED THEN UPDATE SET *", "delete": " WHEN MATCHED AND t.k IS NOT NULL THEN DELETE", None: ""}[matched]
        clauses += " WHEN NOT MATCHED THEN INSERT *" if inserted else ""
        clauses += f" WHEN NOT MATCHED BY SOURCE AND {unmatched} THEN DELETE" if unmatched else ""
        self.run(f"MERGE INTO {{t}} t USING ({rows_sql(rows)}) s ON t.id = s.id{clauses}")

    def append(self, rows):
        self.run(f"INSERT INTO {{t}} {rows_sql(rows)}")

    def rows(self):
        return self.run(SELECT)


def random_call(rng):
    g = Generator(rng)
    what = rng.choice(["delete", "update", "merge", "merge", "append"])
    if what == "delete":
        return what, (g.condition(),)
    if what == "update":
        column, value = rng.choice([("v", "'changed'"), ("x", "x + 1.5"), ("k", "k + 1"), ("p", "'p7'")])
        return what, (column, value, g.condition())
    if what == "append":
        return what, (g.rows(0, 80, rng.randrange(1, 9)),)
    matched, inserted = rng.choice(["update", "delete", None]), rng.random() < 0.7
    unmatched = g.condition("t.") if rng.random() < 0.3 or (not matched and not inserted) else None
    return what, (g.rows(0, 90, rng.randrange(1, 25)), matched, inserted, unmatched)


@pytest.mark.parametrize("kind", ["plain", "partitioned"])
def test_what_we_change_is_what_delta_rs_changes(ingot, tmp_path, rng, kind):
    for _ in range(LONGER):
        one, other = tmp_path / "ours", tmp_path / "theirs"
        create(rng, one, kind)
        subprocess.run(["cp", "-r", str(one), str(other)], check=True)
        ours, theirs = OursLikeDeltaRs(Ours(ingot, one)), DeltaRs(other)
        for step in range(15):
            what, arguments = random_call(rng)
            getattr(theirs, what)(*arguments)
            getattr(ours, what)(*arguments)
            want = bag(theirs.rows())
            assert bag(ours.rows()) == want, f"step {step}: {what} {arguments}"
            assert bag(DeltaRs(one).rows()) == want, f"delta-rs reads ours, step {step}: {what} {arguments}"
        subprocess.run(["rm", "-rf", str(one), str(other)], check=True)


def test_three_engines_change_one_table_in_turn(ingot, spark, tmp_path, rng):
    """The same calls on a copy that delta-rs has to itself say what must come out."""
    for _ in range(LONGER):
        one, model = tmp_path / "table", tmp_path / "model"
        create(rng, one, "partitioned")
        subprocess.run(["cp", "-r", str(one), str(model)], check=True)
        engines = [OursLikeDeltaRs(Ours(ingot, one)), DeltaRs(one), OursLikeDeltaRs(Theirs(spark, one))]
        for step in range(6 if LONGER == 1 else 15):
            what, arguments = random_call(rng)
            turn = engines[step % 3]
            getattr(DeltaRs(model), what)(*arguments)
            getattr(turn, what)(*arguments)
            want = bag(DeltaRs(model).rows())
            for reader in engines:
                assert bag(reader.rows()) == want, f"step {step}: {what} {arguments} by {type(turn).__name__}"
        subprocess.run(["rm", "-rf", str(one), str(model)], check=True)
