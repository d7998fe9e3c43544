"""Several processes write one table and are killed (-9) at any moment: on a disk, and on s3: (moto).

A row whose append was answered is there once; one whose writer died is there once or not; one of an application's
version, which is tried again until the answer is "ok" or "was done already", is there once.

Others change rows with the program itself, each in a partition of its own, while files are optimized and delta-rs writes:
after each of their statements, killed or not, the partition has all of it or nothing.
"""

import collections
import contextlib
import json
import random
import re
import subprocess
import threading
import time

import deltalake
import deltalake.exceptions
import pyarrow as pa
import pytest

from support.s3 import KEYS, Lake

WRITERS, OPERATIONS = 4, 9


class Writer(threading.Thread):
    def __init__(self, url, number, rng):
        super().__init__(daemon=True)
        self.url, self.number, self.rng = url, number, rng
        self.answered, self.unknown, self.once, self.kills = set(), set(), set(), 0
        self.lake, self.problem, self.slowest = None, None, 0.3

    def operate(self, line):
        """None: the process was killed before it answered."""
        self.lake = self.lake or Lake(self.url)
        timer = None
        if self.rng.random() < 0.5:
            timer = threading.Timer(self.rng.uniform(0, self.slowest), self.lake.process.kill)
            timer.start()
        began = time.monotonic()
        try:
            _, problem = self.lake(line)
            self.slowest = min(2.0, max(self.slowest, time.monotonic() - began))
            answer = problem or "ok"
        except (AssertionError, BrokenPipeError):
            answer = None
        if timer:
            timer.cancel()
            timer.join()
        if self.lake.process.poll() is not None or answer is None:
            self.lake.process.wait(20)
            self.lake, self.kills = None, self.kills + 1
        return answer

    def append(self, i):
        row = self.number * 1000 + i
        answer = self.operate(f"append t | | SELECT {row}::BIGINT AS id, 'w{self.number}' AS w")
        assert answer in (None, "ok"), answer
        (self.answered if answer else self.unknown).add(row)

    def append_once(self, i):
        row = self.number * 1000 + 500 + i
        self.once.add(row)
        for _ in range(50):
            answer = self.operate(
                f"append t | app=w{self.number},version={i} | SELECT {row}::BIGINT AS id, 'w{self.number}' AS w"
            )
            if answer == "ok" or (answer or "").startswith("EXISTS"):
                return
            assert answer is None, answer
        raise AssertionError("50 times killed")

    def run(self):
        try:
            for i in range(OPERATIONS):
                (self.append_once if i % 3 == 0 else self.append)(i)
        except AssertionError as problem:
            self.problem = problem
        if self.lake:
            self.lake.close()


def torment(url, rng):
    table = Lake(url)
    table.ok("create t | w | SELECT 1::BIGINT AS id, 'x' AS w")
    writers = [Writer(url, n + 1, random.Random(rng.random())) for n in range(WRITERS)]
    for w in writers:
        w.start()
    for w in writers:
        w.join(120)
        assert not w.is_alive() and w.problem is None, w.problem
    rows = [r["id"] for r in table.ok("scan t | | SELECT id FROM t")]
    table.close()
    return writers, rows


def judge(writers, rows, theirs):
    count = collections.Counter(rows)
    assert sum(w.kills for w in writers) > 0, "nobody was killed"
    for w in writers:
        assert {r for r in w.answered | w.once if count[r] != 1} == set()
        assert {r for r in w.unknown if count[r] > 1} == set()
    assert set(rows) <= set().union(*(w.answered | w.unknown | w.once for w in writers))
    assert sorted(rows) == sorted(theirs.to_pyarrow_table()["id"].to_pylist())


def check_log(names):
    commits = sorted(int(m[1]) for m in (re.fullmatch(r"(\d{20})\.json", n) for n in names) if m)
    assert commits == list(range(len(commits)))


def test_killed_writers_on_a_disk(tmp_path, rng):
    writers, rows = torment(str(tmp_path / "lake"), rng)
    log = tmp_path / "lake" / "t" / "_delta_log"
    judge(writers, rows, deltalake.DeltaTable(str(log.parent)))
    check_log(f.name for f in log.iterdir())
    ids = [json.loads(f.read_text().splitlines()[0])["commitInfo"]["txnId"] for f in log.glob("*[0-9].json")]
    assert len(set(ids)) == len(ids)


def test_killed_writers_on_s3(s3, rng):
    writers, rows = torment(s3.url(), rng)
    judge(writers, rows, deltalake.DeltaTable(f"s3://{s3.bucket}/lake/t", storage_options=s3.storage_options()))
    check_log(name.rsplit("/", 1)[1] for name in s3.keys("lake/t/_delta_log/"))


# --- rows are changed ------------------------------------------------------------------------------------------------

STATEMENTS = 6


class Changer(threading.Thread):
    """Statements about the rows of one partition, one behind the other; half of them are killed."""

    def __init__(self, ingot, url, options, number, rng):
        super().__init__(daemon=True)
        self.ingot, self.url, self.options, self.w, self.rng = ingot, url, options, number, rng
        self.rows, self.kills, self.problem, self.slowest = {}, 0, None, 0.5

    def statement(self, i):
        """SQL, and what the partition holds then."""
        table, kind = f"delta('{self.url}')", self.rng.choice(["insert", "update", "delete", "merge"])
        new = range(i * 10, i * 10 + 5)
        third = {k: v for k, v in self.rows.items() if k % 3 == 0}
        if kind == "insert" or not self.rows:
            return f"INSERT INTO {table} SELECT i, '{i}', {self.w} FROM range({new[0]}, {new[-1] + 1}) r(i)", {
                **self.rows,
                **{k: str(i) for k in new},
            }
        if kind == "update":
            return f"UPDATE {table} SET v = '{i}' WHERE w = {self.w} AND id % 3 = 0", {
                **self.rows,
                **{k: str(i) for k in third},
            }
        if kind == "delete":
            return f"DELETE FROM {table} WHERE w = {self.w} AND id % 3 = 0", {
                k: v for k, v in self.rows.items() if k not in third
            }
        source = f"SELECT i AS id, '{i}' AS v, {self.w} AS w FROM range({new[0] - 5}, {new[-1] + 1}) r(i)"
        return (
            f"MERGE INTO {table} AS t USING ({source}) AS s ON t.id = s.id AND t.w = s.w AND t.w = {self.w}"
            " WHEN MATCHED THEN UPDATE SET v = s.v WHEN NOT MATCHED THEN INSERT (id, v, w) VALUES (s.id, s.v, s.w)",
            {**self.rows, **{k: str(i) for k in range(new[0] - 5, new[-1] + 1)}},
        )

    def found(self):
        table = deltalake.DeltaTable(self.url.partition("?")[0], storage_options=self.options)
        rows = deltalake.QueryBuilder().register("t", table).execute(f"SELECT id, v FROM t WHERE w = {self.w}")
        rows = pa.table(rows.read_all()).to_pylist()
        assert len({r["id"] for r in rows}) == len(rows), "a row is there twice"
        return {r["id"]: r["v"] for r in rows}

    def one(self, i):
        sql, after = self.statement(i)
        began = time.monotonic()
        process = subprocess.Popen([self.ingot.path, "query", sql], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        try:
            said, _ = process.communicate(timeout=self.rng.uniform(0, self.slowest) if i and self.rng.random() < 0.6 else 100)
            self.slowest = min(5.0, max(self.slowest, time.monotonic() - began))
        except subprocess.TimeoutExpired:
            process.kill()
            said, _ = process.communicate()
        found = self.found()
        self.kills += process.returncode < 0
        if process.returncode == 0:
            assert found == after, (sql, said)
        assert process.returncode <= 0 or b"onflict" in said or b"Concurrent" in said, (sql, said)
        assert found in (self.rows, after), (sql, process.returncode, said)
        self.rows = found

    def run(self):
        try:
            for i in range(STATEMENTS):
                self.one(i)
        except AssertionError as problem:
            self.problem = problem


class Optimizer(Changer):
    """Of the whole table, killed as often; its partition is delta-rs's."""

    def one(self, i):
        process = subprocess.Popen(
            [self.ingot.path, "table", "optimize", self.url], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        rows = pa.table({"id": pa.array([i], pa.int64()), "v": ["theirs"], "w": pa.array([self.w], pa.int32())})
        with contextlib.suppress(deltalake.exceptions.CommitFailedError):  # it takes moved rows for changed ones
            deltalake.write_deltalake(self.url.partition("?")[0], rows, mode="append", storage_options=self.options)
            self.rows = {**self.rows, i: "theirs"}
        try:
            process.wait(self.rng.uniform(0, 1))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        assert self.found() == self.rows


@pytest.mark.parametrize(("where", "vectors"), [("disk", "false"), ("disk", "true"), ("s3", "false")])
def test_killed_changes_of_rows(ingot, tmp_path, rng, request, monkeypatch, where, vectors):
    for key, value in KEYS.items():
        monkeypatch.setenv(key, value)
    s3 = request.getfixturevalue("s3") if where == "s3" else None
    url = s3.url(prefix="lake/t") if s3 else str(tmp_path / "t")
    options = s3.storage_options() if s3 else None
    ingot.run("table", "create", url, "id BIGINT, v STRING, w INT", "--partition-by", "w", "-p",
              f"delta.enableDeletionVectors={vectors}")
    threads = [Changer(ingot, url, options, n, random.Random(rng.random())) for n in range(3)]
    # delta-rs does not write where deletion vectors are on
    threads += [Optimizer(ingot, url, options, 3, random.Random(rng.random()))] if vectors == "false" else []
    for t in threads:
        t.start()
    for t in threads:
        t.join(280)
        assert not t.is_alive() and t.problem is None, t.problem
    sql = f"SELECT id, v, w FROM delta('{url}')"
    ours = {(r["w"], r["id"]): r["v"] for r in ingot.run("--json", "query", sql).rows()}
    assert ours == {(t.w, k): v for t in threads for k, v in t.rows.items()}
    assert sum(t.kills for t in threads) > 0, "nobody was killed"
    ingot.run("table", "check", url)
