"""Several processes write one table and are killed (-9) at any moment: on a disk, and on s3: (moto).

A row whose append was answered is there once; one whose writer died is there once or not; one of an application's
version, which is tried again until the answer is "ok" or "was done already", is there once.
"""

import collections
import json
import random
import re
import threading
import time

import deltalake

from support.s3 import Lake

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
