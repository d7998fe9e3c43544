"""ingot dlq: letters are counted, shown, replayed once and discarded, and the ledger stays balanced."""

import collections
import json
import re
import signal
import subprocess
import time

import pytest

from support import kafka, orders
from support.project import wait_for

BROKEN = [orders.encode(orders.order(90 + i, status="teleported")) for i in range(5)]
NEGATIVE = orders.encode(orders.order(95, amount=-1))
UNDATED = orders.encode(orders.order(97, created_at="yesterday"))
CUT = b'{"order_id": "o-0000'
BINARY = b'{"order_id": "\xff\xfe"}'


def send(bootstrap, records):
    """(key, value, headers, timestamp)"""
    p = kafka.producer(bootstrap)
    for key, value, headers, timestamp in records:
        p.produce("raw-orders", key=key, value=value, headers=headers, timestamp=timestamp)
    assert p.flush(20) == 0


@pytest.fixture
def refused(project):
    """20 good orders and nine that are refused, each with a key, a header and a time of its own."""
    orders.add_to(project)
    values = [orders.encode(orders.order(i)) for i in range(20)] + BROKEN + [NEGATIVE, UNDATED, CUT, BINARY]
    with project.up() as up:
        send(up.bootstrap, [(b"key-%d" % i, v, [("trace", b"t%d" % i), ("ingot-source", b"x")], 1_705_300_000_000 + i)
                            for i, v in enumerate(values)])
    project("run")
    return project


def letters(project, *args):
    return project.rows("dlq", "show", "orders", "-n", 0, *args)


def topic(project, name):
    with project.log() as bootstrap:
        return kafka.read_topic(bootstrap, name)


def balanced(project):
    found = project.rows("audit")
    assert {r["verdict"] for r in found} == {"balanced"}, found


def counts(project):
    return {(r["stage"], r["reason"]): (r["letters"], r["open"], r["replayed"], r["discarded"])
            for r in project.rows("dlq", "ls")}


def test_ls_counts_by_reason(refused):
    assert counts(refused) == {
        ("silver", "not_in_enum"): (5, 5, 0, 0), ("silver", "out_of_range"): (1, 1, 0, 0),
        ("bronze", "bad_timestamp"): (1, 1, 0, 0), ("bronze", "malformed_json"): (1, 1, 0, 0),
        ("bronze", "invalid_utf8"): (1, 1, 0, 0)}
    assert refused.rows("dlq", "ls", "orders") == refused.rows("dlq", "ls")
    refused("dlq", "ls", "nobody", code=2)
    assert "status" in refused("dlq", "ls").out


def test_show_gives_the_records_own_bytes(refused):
    found = {r["letter"]: r for r in letters(refused)}
    assert len(found) == 9
    log = {f"{r.topic}/{r.partition}/{r.offset}": r for r in topic(refused, "raw-orders")}
    for r in found.values():
        original = log[r["record"]]
        assert r.get("value", "").encode() == original.value or r["value_base64"]
        assert r["key"].encode() == original.key and r["record_timestamp"] == original.timestamp_ms
        assert {"name": "trace", "value": dict(original.headers)["trace"].decode()} in r["headers"]
        assert r["state"] == "open" and r["mark"] is None
    assert [r["reason"] for r in letters(refused, "--reason", "out_of_range")] == ["out_of_range"]
    assert len(letters(refused, "--stage", "bronze")) == 3 and len(letters(refused, "--field", "status")) == 5
    assert len(letters(refused, "--letter", "0/3,0/4")) == 2
    assert letters(refused, "--to", "2001-01-01") == [] and len(letters(refused, "--from", "-1h")) == 9
    assert len(refused.rows("dlq", "show", "orders", "-n", 4)) == 4
    text = refused("dlq", "show", "orders", "--reason", "out_of_range").out
    assert NEGATIVE.decode() in text and "amount" in text
    refused("dlq", "show", "nobody", code=1)


def test_a_dry_run_says_what_and_changes_nothing(refused):
    before = topic(refused, "raw-orders")
    rows = refused.rows("dlq", "replay", "orders", "--dry-run", "--set", "status=placed", code=1)
    outcome = collections.Counter((r["outcome"], r["reason"]) for r in rows)
    assert outcome == {("replayed", "not_in_enum"): 5, ("refused", "out_of_range"): 1, ("refused", "bad_timestamp"): 1,
                       ("failed", "malformed_json"): 1, ("failed", "invalid_utf8"): 1}
    refused("dlq", "discard", "orders", "--all", "--why", "try", "--dry-run")
    assert topic(refused, "raw-orders") == before and all(c[1] == c[0] for c in counts(refused).values())
    assert "would be" in refused("dlq", "replay", "orders", "--dry-run", "--set", "status=placed", code=1).out


def test_a_repaired_record_arrives_once(refused):
    refused("dlq", "replay", "orders", "--reason", "not_in_enum", "--set", "status=placed", "--why", "typo in the app",
            "--by", "ana")
    again = refused("dlq", "replay", "orders", "--reason", "not_in_enum", "--set", "status=placed")
    assert "0 letters" in again.err
    sent = [r for r in topic(refused, "raw-orders") if r.header("ingot-replay-letter")]
    assert len(sent) == 5
    shown = {r["letter"]: r for r in letters(refused, "--all")}
    log = {f"{r.topic}/{r.partition}/{r.offset}": r for r in topic(refused, "raw-orders")}
    for r in sent:
        letter = shown[r.header("ingot-replay-letter")]
        original = log[r.header("ingot-replay-of")]
        assert letter["state"] == "replayed" and letter["record"] == r.header("ingot-replay-of")
        assert {k: letter["mark"][k] for k in ("action", "by", "why", "edited")} == \
            {"action": "replayed", "by": "ana", "why": "typo in the app", "edited": True}
        assert r.key == original.key and r.timestamp_ms == original.timestamp_ms
        assert r.value == original.value.replace(b"teleported", b"placed")
        names = [n for n, _ in r.headers]
        assert dict(r.headers)["trace"] == dict(original.headers)["trace"]
        assert not {"ingot-reason", "ingot-stage", "ingot-offset"} & set(names)
    refused("run")
    assert {f"o-00009{i}" for i in range(5)} <= {r["order_id"] for r in refused.silver("orders")}
    assert len(refused.silver("orders")) == 25
    balanced(refused)
    assert counts(refused)[("silver", "not_in_enum")] == (5, 0, 5, 0)


def test_what_would_be_refused_again_is_sent_only_by_force(refused):
    assert "refused" in refused("dlq", "replay", "orders", "--letter", "0/0", code=1).out
    refused("dlq", "replay", "orders", "--force")
    refused("run")
    balanced(refused)
    found = counts(refused)
    assert found[("silver", "not_in_enum")] == (10, 5, 5, 0) and found[("bronze", "malformed_json")] == (2, 1, 1, 0)
    assert len(refused.silver("orders")) == 20
    # the new letters are about the new records, and can be replayed in their turn, with the headers that they began with
    refused("dlq", "replay", "orders", "--reason", "not_in_enum", "--set", "status=paid")
    last = [r for r in topic(refused, "raw-orders") if r.header("ingot-replay-letter")][-1]
    assert [n for n, _ in last.headers].count("ingot-replay-letter") == 1 and dict(last.headers)["trace"]
    refused("run")
    balanced(refused)


def test_a_corrected_contract_takes_the_same_bytes(refused):
    yml = (refused.root / "domains/orders/domain.yml").read_text()
    yml = yml.replace("contract:", "contract:\n  compatibility: NONE")  # one more value breaks those who read the old ones
    refused.write("domains/orders/domain.yml", yml.replace("[placed,", "[teleported, placed,"))
    refused("dlq", "replay", "orders", "--field", "status")
    refused("run")
    balanced(refused)
    # the record itself and the replayed one are of one key: one row
    assert len([r for r in refused.silver("orders") if r["status"] == "teleported"]) == 5


def test_without_a_key_a_record_that_is_taken_where_it_is_is_not_sent_twice(project):
    project.domain("clicks", """
topic: {partitions: 1}
contract:
  event_time: at
  fields:
    at: {type: timestamp, required: true}
    kind: {type: string, enum: [a, b]}
bronze: {partition_by: click_date}
""")
    with project.up() as up:
        kafka.produce(up.bootstrap, "raw-clicks", [b'{"at": "2024-01-15T00:00:00Z", "kind": "%s"}' % k for k in (b"a", b"c")])
    project("run")
    yml = (project.root / "domains/clicks/domain.yml").read_text()
    yml = yml.replace("contract:", "contract:\n  compatibility: NONE")
    project.write("domains/clicks/domain.yml", yml.replace("[a, b]", "[a, b, c]"))
    [row] = project.rows("dlq", "replay", "clicks", code=1)
    assert row["outcome"] == "in place" and "ingot run -s clicks -d 2024-01-15" in row["why"]
    project("run", "-s", "clicks", "-d", "2024-01-15")
    assert sorted(r["kind"] for r in project.silver("clicks")) == ["a", "c"]
    balanced(project)


def test_editing_by_a_command(refused):
    refused("dlq", "replay", "orders", "--reason", "out_of_range", "--edit", "sed 's/-1/12.5/'")
    [sent] = [r for r in topic(refused, "raw-orders") if r.header("ingot-replay-letter")]
    assert json.loads(sent.value)["amount"] == 12.5
    rows = refused.rows("dlq", "replay", "orders", "--stage", "bronze", "--edit", "exit 3", code=1)
    assert {(r["outcome"], "3" in r["why"]) for r in rows} == {("failed", True)}
    rows = refused.rows("dlq", "replay", "orders", "--stage", "bronze", "--edit", "cat >/dev/null", code=1)
    assert {r["outcome"] for r in rows} == {"failed"}
    refused("dlq", "replay", "orders", "--reason", "bad_timestamp", "--edit", "head -c 0; yes | head -1", code=1)
    good = orders.encode(orders.order(98)).decode()
    refused("dlq", "replay", "orders", "--reason", "malformed_json", "--edit", f"cat >/dev/null; printf '%s\\n' '{good}'")
    assert topic(refused, "raw-orders")[-1].value.decode() == good or \
        good in [r.value.decode(errors="replace") for r in topic(refused, "raw-orders")]
    refused("run")
    balanced(refused)


def test_setting_fields_leaves_the_rest_as_it_was(project):
    project.domain("things", """
topic: {partitions: 1}
contract:
  key: id
  fields:
    id: {type: string, required: true}
    n: {type: int, required: true, max: 10}
    inner: {type: json}
bronze: {partition_by: thing_date}
""")
    odd = b'{ "id":"a" ,"n": 11,  "inner" : {"deep": {"x": 1.10, "y":"z"}}, "big": 12345678901234567890.000 }'
    with project.up() as up:
        kafka.produce(up.bootstrap, "raw-things", [odd])
    project("run")
    project("dlq", "replay", "things", "--set", "n=7", "--set", "inner.deep.x=null", "--set", "inner.deep.y=it's \"q\"",
            "--set", "inner.new=[1]", "--set", "added=true")
    [_, sent] = topic(project, "raw-things")
    assert sent.value == (b'{"added":true, "id":"a" ,"n": 7,  "inner" : {"new":[1],"deep": {"x": null, "y":"it\'s \\"q\\""}}, '
                          b'"big": 12345678901234567890.000 }')
    project("dlq", "replay", "things", "--set", "novalue", code=2)
    project("run")
    balanced(project)


def test_discarded_letters_are_dealt_with(refused):
    refused("dlq", "discard", "orders", "--all", code=2)
    refused("dlq", "discard", "orders", "--why", "x", code=2)
    refused("dlq", "discard", "orders", "--stage", "bronze", "--why", "a load test", "--by", "ben")
    assert {r["state"] for r in letters(refused)} == {"open"} and len(letters(refused)) == 6
    marks = [r["mark"] for r in letters(refused, "--all") if r["state"] == "discarded"]
    assert len(marks) == 3 and {(m["by"], m["why"]) for m in marks} == {("ben", "a load test")} and all(m["at"] for m in marks)
    assert "0 letters" in refused("dlq", "replay", "orders", "--stage", "bronze", "--force").err
    assert "0 letters" in refused("dlq", "discard", "orders", "--stage", "bronze", "--why", "again").err
    balanced(refused)


def test_a_replay_while_the_platform_is_up(refused):
    with refused.up():
        refused("dlq", "replay", "orders", "--reason", "not_in_enum", "--set", "status=placed")
        wait_for(lambda: len({(r["_topic"], r["_partition"], r["_offset"]) for r in refused.bronze("orders")}) == 31)
    refused("run")
    balanced(refused)
    assert len(refused.silver("orders")) == 25


def test_killed_at_any_moment_each_letter_is_replayed_once(project, rng):
    orders.add_to(project)
    n = 3000
    with project.up() as up:
        kafka.produce(up.bootstrap, "raw-orders", [orders.encode(orders.order(i, status="teleported")) for i in range(n)],
                      orders.key_of)
        wait_for(lambda: len(project.bronze("orders")) >= n, 60)
    project("run")
    command = [project.ingot.path, "dlq", "replay", "orders", "--set", "status=placed"]
    with project.up() as up:
        for _ in range(6):
            p = subprocess.Popen(command, cwd=project.root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(rng.uniform(0.02, 0.25))
            p.send_signal(signal.SIGKILL)
            p.wait()
        project(*command[1:], timeout=120)
        sent = collections.Counter(r.header("ingot-replay-letter") for r in kafka.read_topic(up.bootstrap, "raw-orders")
                                   if r.header("ingot-replay-letter"))
        assert len(sent) == n and set(sent.values()) == {1}
    project("run")
    assert len(project.silver("orders")) == n
    balanced(project)


def test_two_replays_at_once_do_not_double(project):
    orders.add_to(project)
    n = 4000
    with project.up() as up:
        kafka.produce(up.bootstrap, "raw-orders", [orders.encode(orders.order(i, status="teleported")) for i in range(n)],
                      orders.key_of)
        wait_for(lambda: len(project.bronze("orders")) >= n, 60)
    project("run")
    with project.up() as up:
        command = [project.ingot.path, "dlq", "replay", "orders", "--set", "status=placed"]
        both = [subprocess.Popen(command, cwd=project.root, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) for _ in range(2)]
        errors = [p.communicate(timeout=100)[1] for p in both]
        project(*command[1:])
        sent = collections.Counter(r.header("ingot-replay-letter") for r in kafka.read_topic(up.bootstrap, "raw-orders")
                                   if r.header("ingot-replay-letter"))
        assert set(sent.values()) == {1} and len(sent) == n, errors


def test_lines_of_a_source_that_never_came_into_the_log(project):
    orders.add_to(project, source="source: {type: file, path: ./in/*.ndjson}")
    project.write("in/a.ndjson", orders.encode(orders.order(1)) + b"\nnot json\n")
    project("run")
    [letter] = letters(project, "--stage", "bronze") + letters(project, "--stage", "source")
    good = orders.encode(orders.order(2)).decode()
    project("dlq", "replay", "orders", "--edit", f"cat >/dev/null; printf %s '{good}'")
    project("run")
    assert {r["order_id"] for r in project.silver("orders")} == {"o-000001", "o-000002"}
    balanced(project)
    assert re.match(r"dlq-raw-orders/\d+/\d+", letter["letter"])
