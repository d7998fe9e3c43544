"""
The program's own verbs on a store that fails: each request of each verb in turn is refused, lost, answered with an error
though it was done, or cut; once, or the store is gone from then on, or the program is killed (-9) there. Once: the verb
must succeed. Gone: it may fail, and says which table and what of it. Gone or killed, the table then has all of the
operation or nothing of it, and the same verb again brings it to its end.

A sample of the combinations is taken; INGOT_ALL_FAULTS=1 goes through all.
"""

import os
import re
import shutil
import subprocess
import time

import pytest

from support.s3 import KEYS, Lake

FAULTS = ["refuse", "unavailable", "lost", "error", "cut", ("stuck", 3)]
SAMPLE = 2  # of each verb and way

KINDS = {
    "delete": ("query", "DELETE FROM delta('{url}') WHERE id < 5"),
    "update": ("query", "UPDATE delta('{url}') SET v = 'new' WHERE id % 3 = 0"),
    "merge": (
        "query",
        "MERGE INTO delta('{url}') AS t USING (SELECT i AS id, 'm' AS v FROM range(15, 25) r(i)) AS s ON t.id = s.id"
        " WHEN MATCHED THEN UPDATE SET v = s.v WHEN NOT MATCHED THEN INSERT (id, v) VALUES (s.id, s.v)",
    ),
    "insert": ("query", "INSERT INTO delta('{url}') SELECT i AS id, 'i' AS v FROM range(100, 103) r(i)"),
    "overwrite": ("query", "INSERT OVERWRITE delta('{url}') SELECT 7 AS id, 'o' AS v"),
    "create": ("query", "CREATE TABLE delta('{new}') AS SELECT i AS id, 'c' AS v FROM range(5) r(i)"),
    "clone": ("table", "clone", "{url}", "{new}"),
    "deep clone": ("table", "clone", "{url}", "{new}", "--deep"),
    "convert": ("table", "convert", "{new}"),
    "restore": ("table", "restore", "{url}", "--to", "1"),
    "alter": ("table", "alter", "{url}", "--set", "a.b=c"),
    "checkpoint": ("table", "checkpoint", "{url}"),
    "optimize": ("table", "optimize", "{url}"),
    "vacuum": ("table", "vacuum", "{url}", "--retention", "0s", "--force"),
    "read": ("--json", "query", "SELECT id, v FROM delta('{url}') ORDER BY id"),
}
BEFORE = {i: "old" for i in range(20)}
AFTER = {
    "delete": {i: v for i, v in BEFORE.items() if i >= 5},
    "update": {i: "new" if i % 3 == 0 else v for i, v in BEFORE.items()},
    "merge": {**{i: v for i, v in BEFORE.items() if i < 15}, **{i: "m" for i in range(15, 25)}},
    "insert": {**BEFORE, **{i: "i" for i in range(100, 103)}},
    "overwrite": {7: "o"},
    "create": {i: "c" for i in range(5)},
    "convert": {i: "c" for i in range(5)},
    "restore": {i: v for i, v in BEFORE.items() if i < 10},
}
MAKERS = ("create", "clone", "deep clone", "convert")  # of a new table


ALL = bool(os.environ.get("INGOT_ALL_FAULTS"))


@pytest.fixture(params=["s3", "gcs"] if ALL else ["one"])
def remote(request, rng, monkeypatch):
    """Both stores; in the sample one of them by chance."""
    for key, value in KEYS.items():
        monkeypatch.setenv(key, value)
    return request.getfixturevalue(request.param if ALL else rng.choice(["s3", "gcs"]))


class Tables:
    """Fresh tables of the same content, and two ways to them: straight, and by way of the proxy."""

    def __init__(self, ingot, remote, folder):
        self.ingot, self.remote, self.folder = ingot, remote, folder
        self.proxy = remote.proxy()
        self.straight = Lake(remote.url())
        self.n = 0

    def make(self, kind):
        """What the verb works on; the name of the table that it makes or changes."""
        self.n += 1
        name = f"t{self.n}"
        if kind not in ("create", "convert"):
            self.straight.ok(f"create {name} | | SELECT 1::BIGINT AS id, 'x' AS v")
            for first in (0, 10):
                self.straight.ok(f"append {name} | | SELECT i + {first} AS id, 'old' AS v FROM range(10) r(i)")
        if kind == "convert":
            part = self.folder / f"{name}.parquet"
            self.ingot.run("query", f"COPY (SELECT i AS id, 'c' AS v FROM range(5) r(i)) TO '{part}'", cwd=self.folder)
            self.remote.put(f"lake/{name}-new/part.parquet", part.read_bytes())
        return name

    def arguments(self, kind, name, shaken=True):
        """Through the proxy, with a cache of its own: what was written here must be fetched."""
        endpoint = self.proxy.endpoint if shaken else None
        options = {"retries": "3", "retry_time": "4s", "timeout": "1s", "cache": str(self.folder / f"cache-{self.n}")}
        url = self.remote.url(prefix=f"lake/{name}", endpoint=endpoint, **options)
        new = self.remote.url(prefix=f"lake/{name}-new", endpoint=endpoint, **options)
        return [a.format(url=url, new=new) for a in KINDS[kind]]

    def run(self, kind, name, shaken=True):
        result = self.ingot.run(*self.arguments(kind, name, shaken), cwd=self.folder, code=None, timeout=100)
        shutil.rmtree(self.folder / f"cache-{self.n}", ignore_errors=True)
        return result

    def run_and_kill(self, kind, name, number, fault):
        """Killed when it sends the request of that number, which then happens or does not. Was it alive till then?"""
        process = subprocess.Popen(
            [self.ingot.path, *self.arguments(kind, name)],
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

        def kill(request):
            if request.number >= number:
                process.kill()
            return fault if request.number == number else "refuse" if request.number > number else None

        self.proxy.fault = kill
        code = process.wait(100)
        time.sleep(0.05)  # the request may still be on its way behind the proxy
        self.proxy.fault = lambda r: None
        shutil.rmtree(self.folder / f"cache-{self.n}", ignore_errors=True)
        return code < 0

    def content(self, kind, name):
        """None: there is no table."""
        table = f"{name}-new" if kind in MAKERS else name
        rows, problem = self.straight(f"scan {table} | | SELECT id, v FROM t")
        if kind in MAKERS and problem and "there is no table" in problem:
            return None
        assert problem is None, problem
        found = {r["id"]: r["v"] for r in rows}
        assert len(found) == len(rows), "a row is there twice"
        return found


@pytest.fixture
def tables(ingot, remote, tmp_path):
    it = Tables(ingot, remote, tmp_path)
    yield it
    it.straight.close()


def requests_of(tables, kind):
    """How many requests the verb makes when nothing fails."""
    name = tables.make(kind)
    first = tables.run(kind, name)
    assert first.code == 0, first.err  # the probe is behind us
    name = tables.make(kind)
    before = len(tables.proxy.requests)
    assert tables.run(kind, name).code == 0
    assert tables.content(kind, name) == AFTER.get(kind, BEFORE)
    return len(tables.proxy.requests) - before


def try_again(tables, kind, name, case):
    again = tables.run(kind, name)
    assert again.code == 0 and tables.content(kind, name) == AFTER.get(kind, BEFORE), f"{case}; then: {again.err}"


@pytest.mark.timeout(7200 if ALL else 300)
@pytest.mark.parametrize("gone", [False, True], ids=["once", "gone"])
@pytest.mark.parametrize("kind", KINDS)
def test_each_request_of_a_verb_fails_in_turn(tables, kind, gone, rng):
    n = requests_of(tables, kind)
    want, start = AFTER.get(kind, BEFORE), None if kind in MAKERS else BEFORE
    cases = [(i, fault) for i in range(n) for fault in (["refuse"] if gone else FAULTS)]
    if not ALL:
        cases = rng.sample(cases, min(1 if gone else SAMPLE, len(cases)))
    for i, fault in cases:
        name = tables.make(kind)
        at = len(tables.proxy.requests) + i
        tables.proxy.fault = lambda r: fault if r.number == at or (gone and r.number > at) else None
        result = tables.run(kind, name)
        tables.proxy.fault = lambda r: None
        found = tables.content(kind, name)
        case = f"{kind}, request {i} of {n}: {fault} {'and gone' if gone else 'once'}: {result.code} {result.err}"
        if result.code == 0:
            assert found == want, case
            if kind == "read":
                assert {r["id"]: r["v"] for r in result.rows()} == want, case
            continue
        assert gone, case
        assert found in (start, want), case
        assert re.search(rf"lake/{name}\b", result.err), case  # which table, and what of it
        assert not result.out.strip() or kind != "read", case
        if found == start:
            try_again(tables, kind, name, case)


@pytest.mark.timeout(7200 if ALL else 300)
@pytest.mark.parametrize("kind", [k for k in KINDS if k != "read"])
def test_a_verb_is_killed_at_each_of_its_requests(tables, kind, rng):
    n = requests_of(tables, kind)
    want, start = AFTER.get(kind, BEFORE), None if kind in MAKERS else BEFORE
    cases = [(i, fault) for i in range(n) for fault in ("refuse", "lost")]
    for i, fault in cases if ALL else rng.sample(cases, 1):
        name = tables.make(kind)
        tables.run_and_kill(kind, name, len(tables.proxy.requests) + i, fault)
        found = tables.content(kind, name)
        case = f"{kind}, killed at request {i} of {n}, which was {'passed on' if fault == 'lost' else 'lost'}"
        assert found in (start, want), case
        if found == start:
            try_again(tables, kind, name, case)


def test_a_store_that_is_gone_is_said_soon(tables):
    """A query does not wait for ever, and says where it got stuck."""
    name = tables.make("read")
    tables.proxy.fault = lambda r: "refuse"
    began = time.monotonic()
    result = tables.run("read", name)
    assert result.code == 1 and f"lake/{name}" in result.err and "given up after" in result.err, result
    assert time.monotonic() - began < 30
