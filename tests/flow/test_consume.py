"""ingot produce and consume: what goes in comes out, byte for byte, also through confluent-kafka and kcat."""

import base64
import json
import os
import shutil
import signal
import subprocess
import time

import confluent_kafka as ck
import pytest

from support import kafka
from support.project import wait_for

DAY = 1_700_000_000_000


@pytest.fixture
def cli(ingot, broker):
    return lambda *args, **kw: ingot.run(*args, "--broker", broker, **kw)


@pytest.fixture
def raw(ingot, broker):
    """Bytes in, bytes out."""

    def run(*args, stdin=b"", code=0):
        done = subprocess.run([ingot.path, *map(str, args), "--broker", broker], input=stdin, capture_output=True, timeout=120)
        assert done.returncode == code, (done.returncode, done.stdout[-500:], done.stderr[-1500:])
        return done.stdout

    return run


@pytest.fixture
def timed(cli, broker):
    """c-timed: two partitions, record i of each at DAY + i minutes."""
    cli("topic", "create", "c-timed", "--partitions", 2)
    p = kafka.producer(broker)
    for i in range(60):
        for partition in (0, 1):
            p.produce("c-timed", value=f"{partition}/{i}", key=f"k{i % 7}", partition=partition, timestamp=DAY + i * 60_000)
    assert p.flush(20) == 0
    return "c-timed"


def lines(out):
    return out.splitlines()


# --- produce ---------------------------------------------------------------------------------------------------


def test_lines_come_out_as_they_went_in(cli, broker):
    values = [f"line {i} äöü\t{'x' * (i % 300)}" for i in range(20_000)]
    cli("topic", "create", "c-lines", "-p", 4)
    cli("produce", "c-lines", stdin="\n".join(values).encode())
    assert sorted(r.value.decode() for r in kafka.read_topic(broker, "c-lines")) == sorted(values)
    assert sorted(lines(cli("consume", "c-lines").out)) == sorted(values)


def test_files_and_delimiters_and_any_bytes(raw, cli, broker, tmp_path, rng):
    cli("topic", "create", "c-bytes", "-p", 1)
    records = [bytes(rng.randrange(256) for _ in range(rng.randrange(1, 200))).replace(b"\x1e\x1f", b"") for _ in range(300)]
    records = [r for r in records if not r.endswith(b"\x1e")]
    (tmp_path / "a").write_bytes(b"\x1e\x1f".join(records[:150]) + b"\x1e\x1f")
    (tmp_path / "b").write_bytes(b"\x1e\x1f".join(records[150:]))
    raw("produce", "c-bytes", tmp_path / "a", tmp_path / "b", "-D", "\\x1e\\x1f")
    assert [r.value for r in kafka.read_topic(broker, "c-bytes")] == records
    assert raw("consume", "c-bytes", "-D", "\\x1e\\x1f") == b"".join(r + b"\x1e\x1f" for r in records)
    framed, at, found = raw("consume", "c-bytes", "-f", "%R%s"), 0, []
    while at < len(framed):
        n = int.from_bytes(framed[at : at + 4], "big")
        found.append(framed[at + 4 : at + 4 + n])
        at += 4 + n
    assert found == records
    raw("produce", "c-bytes", tmp_path / "a", "--whole")
    assert kafka.read_topic(broker, "c-bytes")[-1].value == (tmp_path / "a").read_bytes()


def test_keys_headers_partitions_and_nulls(cli, broker):
    cli("topic", "create", "c-keys", "-p", 3)
    cli("produce", "c-keys", "-K:", "-H", "a=1", "-H", "b=", "-H", "none", "-Z", stdin=b"k1:v1\nk2:\n:v3\nno key\n")
    records = {r.key: r for r in kafka.read_topic(broker, "c-keys")}
    c = ck.Consumer({"bootstrap.servers": broker, "group.id": "x", "auto.offset.reset": "earliest"})
    c.close()
    assert records[b"k1"].value == b"v1" and records[b"k2"].value == b""
    assert records[b"k1"].headers == (("a", b"1"), ("b", b""), ("none", None))
    shown = [json.loads(line) for line in lines(cli("consume", "c-keys", "--json").out)]
    assert {(r["key"], r["value"]) for r in shown} == {("k1", "v1"), ("k2", None), (None, "v3"), (None, "no key")}
    cli("produce", "c-keys", "-p", 2, "-k", "fixed", stdin=b"there\n")
    assert [(r.partition, r.key) for r in kafka.read_topic(broker, "c-keys") if r.value == b"there"] == [(2, b"fixed")]


def test_the_same_keys_go_to_the_partitions_of_kafkas_own_clients(cli, broker):
    cli("topic", "create", "c-ours", "-p", 7)
    cli("topic", "create", "c-theirs", "-p", 7)
    values = [f"key-{i}:v" for i in range(500)]
    cli("produce", "c-ours", "-K:", stdin="\n".join(values).encode())
    kafka.produce(broker, "c-theirs", [v.encode() for v in values], key=lambda v: v.split(b":")[0])
    ours = {r.key: r.partition for r in kafka.read_topic(broker, "c-ours")}
    assert ours == {r.key: r.partition for r in kafka.read_topic(broker, "c-theirs")}


def test_json_goes_round(cli, broker):
    rows = [
        {"key": "a", "value": "text \" \u0000 ü", "headers": {"h": "1", "n": None}, "timestamp": DAY, "partition": 1},
        {"key": None, "value": None, "timestamp": "2024-01-15T06:00:00Z"},
        {"value": {"n": 1.50, "list": [1, 2]}, "headers": [{"key": "x", "value": "1"}, {"key": "x", "base64": "AP8="}]},
        {"key_base64": base64.b64encode(b"\xff\x00k").decode(), "value_base64": base64.b64encode(bytes(range(256))).decode()},
    ]
    cli("topic", "create", "c-json", "-p", 2)
    summary = json.loads(cli("produce", "c-json", "--json", stdin="\n".join(map(json.dumps, rows)).encode()).out)
    assert (summary["records"], summary["acknowledged"], summary["failed"]) == (4, 4, 0)
    found = {r.value: r for r in kafka.read_topic(broker, "c-json")}
    first = found["text \" \u0000 ü".encode()]
    assert (first.key, first.partition, first.timestamp_ms, first.headers) == (b"a", 1, DAY, (("h", b"1"), ("n", None)))
    assert found[b""].timestamp_ms == 1_705_298_400_000
    assert found[b'{"n": 1.5, "list": [1, 2]}'].headers == (("x", b"1"), ("x", b"\x00\xff"))
    assert found[bytes(range(256))].key == b"\xff\x00k"
    cli("topic", "create", "c-json-2", "-p", 2)
    cli("produce", "c-json-2", "--json", stdin=cli("consume", "c-json", "--json").out.encode())
    again = kafka.read_topic(broker, "c-json-2")
    assert {(r.key, r.value, r.headers, r.timestamp_ms, r.partition) for r in again} == \
        {(r.key, r.value, r.headers, r.timestamp_ms, r.partition) for r in found.values()}


def test_lines_that_are_wrong_are_named_and_the_others_are_there(cli, broker, tmp_path):
    cli("topic", "create", "c-wrong", "-p", 1)
    path = tmp_path / "in.json"
    path.write_text('{"value": "1"}\n{"value": \n\n{"key": "no value"}\n{"value": "2", "partition": 77}\n{"value":"3"}\n[1]\n')
    done = cli("produce", "c-wrong", path, "--json", code=1)
    for line in (2, 4, 5, 7):
        assert f"in.json:{line}: " in done.err, done.err
    summary = json.loads(done.out)
    assert (summary["acknowledged"], summary["failed"]) == (2, 4)
    assert [r.value for r in kafka.read_topic(broker, "c-wrong")] == [b"1", b"3"]
    done = cli("produce", "c-wrong", "-p", 9, stdin=b"x\ny\n", code=1)
    assert "stdin:1: " in done.err and "stdin:2: " in done.err
    big = tmp_path / "big"
    big.write_bytes(b"small\n" + b"x" * 40_000_000 + b"\nsmall too\n")
    done = cli("produce", "c-wrong", big, code=1)
    assert "big:2: " in done.err and "big:1: " not in done.err and "big:3: " not in done.err
    assert "nowhere" in cli("produce", "c-wrong", tmp_path / "nowhere", code=1).err


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd", "none"])
def test_every_compression(cli, broker, codec):
    cli("topic", "create", f"c-{codec}", "-p", 1)
    values = [b"the same again and again %d" % i for i in range(2000)]
    cli("produce", f"c-{codec}", "-z", codec, stdin=b"\n".join(values))
    assert [r.value for r in kafka.read_topic(broker, f"c-{codec}")] == values
    assert cli("consume", f"c-{codec}").out.encode() == b"".join(v + b"\n" for v in values)


def test_acks_and_wrong_options(cli, broker):
    cli("topic", "create", "c-acks", "-p", 1)
    for acks in ("all", "1", "0"):
        cli("produce", "c-acks", "--acks", acks, stdin=acks.encode())
    wait_for(lambda: len(kafka.read_topic(broker, "c-acks")) == 3)
    for wrong in (["--acks", "2"], ["-z", "rar"], ["-K", ""], ["-D", "\\q"], ["-H", "=x"], ["--transaction", "t", "--acks", "1"]):
        cli("produce", "c-acks", *wrong, code=2)


def test_a_transaction_is_all_or_nothing(cli, broker):
    cli("topic", "create", "c-txn", "-p", 1)
    cli("produce", "c-txn", "--transaction", "t1", stdin=b"a\nb\n")
    done = cli("produce", "c-txn", "--json", "--transaction", "t1", stdin=b'{"value": "c"}\nnot json\n', code=1)
    assert "given up" in done.err
    assert lines(cli("consume", "c-txn").out) == ["a", "b"]
    assert lines(cli("consume", "c-txn", "--isolation", "uncommitted").out) in (["a", "b"], ["a", "b", "c"])
    assert [r.value for r in kafka.read_topic(broker, "c-txn")] == [b"a", b"b"]


# --- consume ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options, expected", [
    (["-p", "0"], ["0/%d" % i for i in range(60)]),
    (["-p", "0", "--from", "57"], ["0/57", "0/58", "0/59"]),
    (["-p", "1", "--from", "10", "--to", "13"], ["1/10", "1/11", "1/12"]),
    (["-p", "1", "--from", "-2"], ["1/58", "1/59"]),
    (["-p", "0", "--from", "2023-11-14T22:20:20Z", "--to", "2023-11-14T22:22:20Z"], ["0/7", "0/8"]),
    (["-p", "0", "--from", "2023-11-14T22:20:20.001Z", "--to", f"@{DAY + 9 * 60000}"], ["0/8"]),
    (["-p", "0", "--from", "-1h"], []),
    (["-p", "0", "--from", "end"], []),
    (["-p", "0", "--from", "2030-01-01"], []),
    (["-p", "0", "--from", "999999"], []),
    (["-p", "0", "--to", "beginning"], []),
    (["-p", "0,1", "--from", "58", "-n", "0"], []),
])
def test_any_stretch(cli, timed, options, expected):
    assert lines(cli("consume", timed, *options).out) == expected


def test_all_partitions_count_and_filters(cli, timed):
    assert len(lines(cli("consume", timed).out)) == 120
    assert len(lines(cli("consume", timed, "-n", 7).out)) == 7
    assert sorted(lines(cli("consume", timed, "--from", "-1").out)) == ["0/59", "1/59"]
    assert sorted(lines(cli("consume", timed, "--key", "^k3$", "-p", 0).out)) == sorted(f"0/{i}" for i in range(3, 60, 7))
    assert lines(cli("consume", timed, "--grep", "^1/4.$", "-n", 3).out) == ["1/40", "1/41", "1/42"]
    assert "twice" in cli("consume", timed, timed, code=2).err


def test_formats(cli, timed, broker):
    out = cli("consume", timed, "-p", 1, "--from", 5, "--to", 6, "-f", "%t|%p|%o|%T|%k|%K|%s|%S|%h|%H|%%|\\t\\x41\\n").out
    assert out == f"{timed}|1|5|{DAY + 300_000}|k5|2|1/5|3||0|%|\tA\n"
    assert cli("consume", timed, "-p", 1, "-K", "=>", "-n", 1).out == "k0=>1/0\n"
    p = kafka.producer(broker)
    p.produce(timed, value=None, key=None, partition=0, headers=[("a", b"1"), ("b", None)])
    assert p.flush(20) == 0
    assert cli("consume", timed, "-p", 0, "--from", -1, "-f", "%k[%K] %s[%S] %h %H\\n", "-Z").out == "NULL[-1] NULL[-1] a=1,b=NULL 2\n"
    assert cli("consume", timed, "-p", 0, "--from", -1, "-H").out == "a=1,b=NULL\t\n"


def test_kcat_prints_the_same(cli, timed, broker):
    kcat = shutil.which("kcat")
    if not kcat:
        pytest.skip("kcat is not installed")
    form = "%t %p %o %T %k %K %s %S %h|\n"
    theirs = subprocess.run([kcat, "-b", broker, "-C", "-q", "-e", "-t", timed, "-p", "0", "-o", "beginning", "-f", form],
                            capture_output=True, text=True, timeout=60)
    assert theirs.returncode == 0, theirs.stderr
    assert cli("consume", timed, "-p", 0, "-f", form).out == theirs.stdout
    subprocess.run([kcat, "-b", broker, "-P", "-t", timed, "-p", "1", "-K", ":"], input=b"kk:from kcat\n", check=True, timeout=60)
    assert cli("consume", timed, "-p", 1, "--from", -1, "-K", ":").out == "kk:from kcat\n"


def test_wrong_questions(cli, timed):
    for wrong in (["--from", "yesterday"], ["--to", "?"], ["-p", "x"], ["-f", "%q"], ["-f", "\\q"], ["--key", "["],
                  ["--follow", "--to", "end"], ["--isolation", "some"], ["--decode", "xml"], ["--json", "-K", ":"],
                  ["--group", "g", "-p", "0"], ["--group", "g", "--from", "5"], ["-f", "%s", "-K", ":"], ["-n", "-1"]):
        cli("consume", timed, *wrong, code=2)
    cli("consume", timed, "-p", 9, code=1)
    assert "not in the log" in cli("consume", "c-nowhere", code=1).err


def test_a_reader_that_has_had_enough_ends_it_quietly(ingot, broker, cli):
    cli("topic", "create", "c-long", "-p", 2)
    cli("produce", "c-long", stdin=b"x" * 100 + b"\n" + b"\n".join(b"%d" % i for i in range(300_000)))
    done = subprocess.run(["bash", "-c", f"{ingot.path} consume c-long --broker {broker} | head -2; echo ${{PIPESTATUS[0]}}"],
                          capture_output=True, text=True, timeout=60)
    assert done.stderr == "" and done.stdout.splitlines()[-1] == "0"
    with open("/dev/full", "wb") as full:  # a disk that is full is not a reader that has had enough
        done = subprocess.run([ingot.path, "consume", "c-long", "--broker", broker], stdout=full, stderr=subprocess.PIPE, timeout=60)
    assert done.returncode == 1 and b"cannot write" in done.stderr


def test_follow_goes_on_with_what_comes(ingot, broker, cli):
    cli("topic", "create", "c-followed", "-p", 1)
    cli("produce", "c-followed", stdin=b"before\n")
    p = subprocess.Popen([ingot.path, "consume", "c-followed", "--follow", "--from", "end", "--broker", broker],
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        found = []
        os.set_blocking(p.stdout.fileno(), False)

        def came():
            cli("produce", "c-followed", stdin=b"after\n")
            found.append(p.stdout.read() or b"")
            return b"after" in b"".join(found)

        wait_for(came, 30)
        assert b"before" not in b"".join(found)
    finally:
        p.send_signal(signal.SIGINT)
        assert p.wait(20) == 0
        p.stdout.close(), p.stderr.close()


def test_a_group_goes_on_where_it_was(cli, timed, broker):
    first = lines(cli("consume", timed, "--group", "c-group", "-n", 50).out)
    second = lines(cli("consume", timed, "--group", "c-group").out)
    assert len(first) == 50 and len(second) == 70 and len(set(first + second)) == 120
    assert cli("consume", timed, "--group", "c-group").out == ""
    kafka.produce(broker, timed, [b"new"])
    assert lines(cli("consume", timed, "--group", "c-group").out) == ["new"]
    assert cli("consume", timed, "--group", "c-group-2", "--from", "end").out == ""


def test_two_members_share_the_partitions(ingot, broker, cli):
    cli("topic", "create", "c-shared", "-p", 4)
    readers = [subprocess.Popen([ingot.path, "consume", "c-shared", "--group", "c-pair", "--follow", "--broker", broker],
                                stdout=subprocess.PIPE) for _ in range(2)]
    try:
        def both():
            done = cli("groups", "describe", "c-pair", "--json", code=None)
            members = done.rows()[0]["members"] if done.code == 0 else []
            return len(members) == 2 and all(len(m["partitions"]) == 2 for m in members)

        wait_for(both, 40)
        cli("produce", "c-shared", "-K:", stdin=b"\n".join(b"%d:%d" % (i, i) for i in range(1000)))
        wait_for(lambda: sum(r["lag"] or 0 for r in cli("groups", "lag", "c-pair", "--json").rows()) == 0, 40)
        # what is committed is printed: nothing is lost, whoever ends first
        time.sleep(0.1)
    finally:
        for r in readers:
            r.send_signal(signal.SIGTERM)
        outs = [r.communicate(timeout=20)[0].split() for r in readers]
    assert sorted(outs[0] + outs[1]) == sorted(b"%d" % i for i in range(1000)) and outs[0] and outs[1]


def test_a_project_that_is_not_up_and_one_that_is(project):
    from support import orders

    orders.add_to(project)
    project("produce", "raw-orders", "-K", "|", stdin=b"k|" + orders.encode(orders.order(1)))
    assert json.loads(project("consume", "raw-orders").out)["order_id"] == "o-000001"
    with project.up():
        project("produce", "raw-orders", stdin=orders.encode(orders.order(2)))
        assert len(lines(project("consume", "raw-orders").out)) == 2
    project("run")
    assert {r["order_id"] for r in project.silver("orders")} == {"o-000001", "o-000002"}


def test_a_new_topic_is_made_by_use(cli, broker):
    cli("produce", "c-by-use", stdin=b"first\n")
    assert [r.value for r in kafka.read_topic(broker, "c-by-use")] == [b"first"]
