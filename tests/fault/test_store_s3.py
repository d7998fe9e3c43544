"""
Tables on a store that fails: each request of an append, a merge, a checkpoint and a scan in turn is refused, lost,
answered with an error though it was done, cut, or done twice; once, or from then on always. Once: the operation must
succeed. Always: it may fail, with an error that says so; the table then has all of the operation or nothing of it, and
exactly once.

A sample of the combinations is taken; INGOT_ALL_FAULTS=1 goes through all.
"""

import os

import deltalake
import pytest

from support.s3 import Lake

FAULTS = ["refuse", "unavailable", "lost", "error", "cut", "twice"]
SAMPLE = 6  # of each operation and way


class Table:
    """A table, what must be in it, and two ways to it: straight, and by way of the proxy."""

    def __init__(self, s3):
        self.s3 = s3
        self.proxy = s3.proxy()
        self.straight = Lake(s3.url(retries="3"))
        self.shaken = Lake(s3.url(endpoint=self.proxy.endpoint, retries="4", retry_time="10s", timeout="2s"))
        self.want = {i: "first" for i in range(10)}
        self.next_id = 100
        for line in (
            "create t | | SELECT 1::BIGINT AS id, 'x' AS v",
            "append t | | SELECT i AS id, 'first' AS v FROM range(10) t(i)",
        ):
            assert self.straight(line)[1] is None

    def content(self):
        rows, problem = self.straight("scan t | | SELECT id, v FROM t ORDER BY id")
        assert problem is None, problem
        found = {r["id"]: r["v"] for r in rows}
        assert len(found) == len(rows), "a row is there twice"
        return found

    def operation(self, kind, tag):
        """The line, and what the table holds behind it."""
        after = dict(self.want)
        if kind == "append":
            self.next_id += 1
            after[self.next_id] = tag
            return f"append t | | SELECT {self.next_id}::BIGINT AS id, '{tag}' AS v", after
        if kind == "merge":
            after.update({i: tag for i in range(5, 12)})
            return f"merge t | id | | SELECT i AS id, '{tag}' AS v FROM range(5, 12) t(i)", after
        if kind == "checkpoint":
            return "checkpoint t", after
        return "scan t | | SELECT id, v FROM t ORDER BY id", after

    def close(self):
        self.straight.close()
        self.shaken.close()


@pytest.fixture
def table(s3):
    it = Table(s3)
    yield it
    it.close()


def requests_of(table, kind):
    """How many requests the operation makes when nothing fails."""
    before = len(table.proxy.requests)
    line, after = table.operation(kind, "counted")
    assert table.shaken(line)[1] is None
    table.want = after
    return len(table.proxy.requests) - before


@pytest.mark.parametrize("always", [False, True], ids=["once", "always"])
@pytest.mark.parametrize("kind", ["append", "merge", "checkpoint", "scan"])
def test_each_request_fails_in_turn(table, kind, always, rng):
    requests_of(table, "append")  # the probe is behind us
    n = requests_of(table, kind)
    cases = [(i, fault) for i in range(n) for fault in FAULTS if not (always and fault == "twice")]
    if not os.environ.get("INGOT_ALL_FAULTS"):
        cases = rng.sample(cases, min(SAMPLE, len(cases)))
    for i, fault in cases:
        first = len(table.proxy.requests) + i
        table.proxy.fault = lambda r: fault if r.number == first or (always and r.number > first) else None
        line, after = table.operation(kind, f"{fault}{i}")
        rows, problem = table.shaken(line)
        table.proxy.fault = lambda r: None
        found = table.content()
        case = f"{kind}, request {i}: {fault} {'always' if always else 'once'}: {problem}"
        if problem is None:
            assert found == after, case
            if kind == "scan":
                assert {r["id"]: r["v"] for r in rows} == after, case
        else:
            assert always, case
            assert problem.split(":")[0] in ("UNAVAILABLE", "UNKNOWN_OUTCOME"), case
            assert found == (after if found == after and problem.startswith("UNKNOWN") else table.want), case
        table.want = found
    by_other = deltalake.DeltaTable(f"s3://{table.s3.bucket}/lake/t", storage_options=table.s3.storage_options())
    assert sorted(by_other.to_pyarrow_table()["id"].to_pylist()) == sorted(table.want)
    versions = [k for k in table.s3.keys("lake/t/_delta_log/") if k.endswith(".json")]
    assert len(versions) == by_other.version() + 1, "a gap in the log"
