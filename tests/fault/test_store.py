"""
The program's own verbs on a store that fails: each request of a DELETE, an UPDATE, a MERGE, an optimize, a vacuum and a
query in turn is refused, lost, answered with an error though it was done, or cut; once, or the store is gone from then
on. Once: the verb must succeed. Gone: it may fail, and says which table and what of it; the table then has all of the
operation or nothing of it, and the same verb again brings it to its end.

A sample of the combinations is taken; INGOT_ALL_FAULTS=1 goes through all.
"""

import os
import re
import shutil
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
}


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

    def make(self):
        self.n += 1
        name = f"t{self.n}"
        self.straight.ok(f"create {name} | | SELECT 1::BIGINT AS id, 'x' AS v")
        for first in (0, 10):
            self.straight.ok(f"append {name} | | SELECT i + {first} AS id, 'old' AS v FROM range(10) r(i)")
        return name

    def run(self, kind, name, shaken=True):
        """Through the proxy, with a cache of its own: what was written here must be fetched."""
        endpoint = self.proxy.endpoint if shaken else None
        cache = self.folder / f"cache-{self.n}"
        url = self.remote.url(
            prefix=f"lake/{name}", endpoint=endpoint, retries="3", retry_time="4s", timeout="1s", cache=str(cache)
        )
        args = [a.format(url=url) for a in KINDS[kind]]
        result = self.ingot.run(*args, cwd=self.folder, code=None, timeout=100)
        shutil.rmtree(cache, ignore_errors=True)
        return result

    def content(self, name):
        rows = self.straight.ok(f"scan {name} | | SELECT id, v FROM t")
        found = {r["id"]: r["v"] for r in rows}
        assert len(found) == len(rows), "a row is there twice"
        return found


@pytest.fixture
def tables(ingot, remote, tmp_path):
    it = Tables(ingot, remote, tmp_path)
    yield it
    it.straight.close()


@pytest.mark.parametrize("gone", [False, True], ids=["once", "gone"])
@pytest.mark.parametrize("kind", KINDS)
def test_each_request_of_a_verb_fails_in_turn(tables, kind, gone, rng):
    name = tables.make()
    first = tables.run(kind, name)
    assert first.code == 0, first.err  # the probe is behind us
    name = tables.make()
    before = len(tables.proxy.requests)
    assert tables.run(kind, name).code == 0
    n = len(tables.proxy.requests) - before
    want = AFTER.get(kind, BEFORE)
    assert tables.content(name) == want
    cases = [(i, fault) for i in range(n) for fault in (["refuse"] if gone else FAULTS)]
    if not ALL:
        cases = rng.sample(cases, min(1 if gone else SAMPLE, len(cases)))
    for i, fault in cases:
        name = tables.make()
        at = len(tables.proxy.requests) + i
        tables.proxy.fault = lambda r: fault if r.number == at or (gone and r.number > at) else None
        result = tables.run(kind, name)
        tables.proxy.fault = lambda r: None
        found = tables.content(name)
        case = f"{kind}, request {i} of {n}: {fault} {'and gone' if gone else 'once'}: {result.code} {result.err}"
        if result.code == 0:
            assert found == want, case
            if kind == "read":
                assert {r["id"]: r["v"] for r in result.rows()} == want, case
            continue
        assert gone, case
        assert found in (BEFORE, want), case
        assert re.search(rf"lake/{name}\b", result.err), case  # which table, and what of it
        assert not result.out.strip() or kind != "read", case
        if found == BEFORE:
            again = tables.run(kind, name)
            assert again.code == 0 and tables.content(name) == want, f"{case}; then: {again.err}"


def test_a_store_that_is_gone_is_said_soon(tables):
    """A query does not wait for ever, and says where it got stuck."""
    name = tables.make()
    tables.proxy.fault = lambda r: "refuse"
    began = time.monotonic()
    result = tables.run("read", name)
    assert result.code == 1 and f"lake/{name}" in result.err and "given up after" in result.err, result
    assert time.monotonic() - began < 30
