"""`ingot broker` alone, used by clients that know nothing of it: kcat, confluent-kafka (librdkafka) and kafka-python."""

import contextlib
import os
import re
import signal
import socket
import struct
import subprocess
import threading
import time

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]


# A librdkafka that has lost its only broker starts from its bootstrap servers again, and a request that waits for a
# coordinator then waits for a connection that was given up (librdkafka issue 5511).
KEEP_BROKER = {"metadata.recovery.strategy": "none"}


class Log:
    """A broker that can be stopped, killed and started again on the same folder and port."""

    def __init__(self, ingot, folder, *more):
        self.program, self.folder, self.more = str(ingot.path), folder, more
        self.port = 0
        self.process = self.kept = None

    def start(self):
        self.process = subprocess.Popen(
            [self.program, "broker", "--data", self.folder, "--listen", f"127.0.0.1:{self.port}", *self.more],
            stdout=subprocess.PIPE,
            stderr=open(f"{self.folder}.err", "ab"),
            text=True,
        )
        line = self.process.stdout.readline()
        found = re.fullmatch(r"ready: 127\.0\.0\.1:(\d+)\n", line)
        assert found, f"{line!r}, {open(f'{self.folder}.err').read()}"
        self.port = int(found[1])
        return self

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(20) == 0
        self.process.stdout.close()

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def admin(self):
        if self.kept is None:  # its length is that of its queue, 0; its futures fail when it is collected
            self.kept = AdminClient({"bootstrap.servers": self.address, **KEEP_BROKER})
        return self.kept

    def create(self, topic, partitions=1, **config):
        new = NewTopic(topic, partitions, 1, config={k.replace("_", "."): str(v) for k, v in config.items()})
        return self.admin().create_topics([new])[topic].result(10)

    def producer(self, **config):
        more = {k.replace("_", "."): v for k, v in config.items()}
        return Producer({"bootstrap.servers": self.address, **KEEP_BROKER, **more})

    def consumer(self, group, **config):
        return Consumer(
            {
                "bootstrap.servers": self.address,
                **KEEP_BROKER,
                "group.id": group,
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                **{k.replace("_", "."): v for k, v in config.items()},
            }
        )

    def read_all(self, topic):
        """{(partition, offset): value} of everything from the first to the last record."""
        c, out = self.consumer("nobody"), {}
        try:
            parts = c.list_topics(topic, 10).topics[topic].partitions
            ends = {p: c.get_watermark_offsets(TopicPartition(topic, p), 10) for p in parts}
            c.assign([TopicPartition(topic, p, low) for p, (low, _) in ends.items()])
            want = sum(high - low for low, high in ends.values())
            deadline = time.monotonic() + 30
            while len(out) < want and time.monotonic() < deadline:
                for m in c.consume(10000, 0.2):
                    assert not m.error(), m.error()
                    assert (m.partition(), m.offset()) not in out
                    out[m.partition(), m.offset()] = m.value()
            assert len(out) >= want  # more may have come meanwhile
            return out
        finally:
            c.close()


@pytest.fixture
def log(ingot, tmp_path):
    one = Log(ingot, str(tmp_path / "log")).start()
    yield one
    if one.process.poll() is None:
        one.stop()


def flush(producer):
    assert producer.flush(30) == 0


def kcat(log, *args, stdin=None):
    done = subprocess.run(["kcat", "-b", log.address, *args], input=stdin, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


# --- produce and consume


@pytest.mark.parametrize("codec", CODECS)
def test_kcat_writes_lists_and_reads(log, codec):
    lines = b"".join(b"%d,some text that compresses well well well\n" % i for i in range(3000))
    kcat(log, "-P", "-t", "words", "-z", codec, "-X", "enable.idempotence=true", stdin=lines)
    assert b'topic "words" with 1 partitions' in kcat(log, "-L")
    assert kcat(log, "-C", "-t", "words", "-e", "-q") == lines
    assert kcat(log, "-Q", "-t", "words:0:-1").split()[-1] == b"3000"


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("acks", ["all", "1", "0"])
def test_librdkafka_writes_with_every_codec_and_acks(log, codec, acks):
    log.create("t", 3)
    p = log.producer(acks=acks, compression_type=codec, linger_ms=5)
    sent = [os.urandom(10).hex().encode() * 20 for _ in range(2000)]
    for i, value in enumerate(sent):
        p.produce("t", value, key=b"k%d" % i, headers={"n": b"%d" % i})
    flush(p)
    deadline = time.monotonic() + 5
    while len(got := log.read_all("t")) < len(sent) and acks == "0" and time.monotonic() < deadline:
        time.sleep(0.05)
    assert sorted(got.values()) == sorted(sent)


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
def test_what_is_stored_is_what_was_sent(log, tmp_path, codec):
    """Batches are kept as they came: the segment is as small as the producer made them."""
    log.create("t")
    p = log.producer(compression_type=codec, linger_ms=200, batch_size=1000000)
    for _ in range(5000):
        p.produce("t", b"the same again and again " * 10)
    flush(p)
    assert sum(f.stat().st_size for f in tmp_path.glob("log/topics/t/0/*.log")) < 5000 * 250 / 8


def test_kafka_python_writes_and_reads_as_a_group(log):
    kafka = pytest.importorskip("kafka")
    p = kafka.KafkaProducer(bootstrap_servers=log.address, acks="all", compression_type="gzip")
    done = [p.send("py", b"v%d" % i, key=b"k%d" % i) for i in range(500)]
    p.flush(20)
    assert sorted(f.get(10).offset for f in done) == list(range(500))
    p.close()
    c = kafka.KafkaConsumer(
        "py", bootstrap_servers=log.address, group_id="pg", auto_offset_reset="earliest", consumer_timeout_ms=4000,
        enable_auto_commit=False,
    )
    got = []
    for m in c:
        got.append(m.value)
        if len(got) == 500:
            break
    assert got == [b"v%d" % i for i in range(500)]
    c.commit()
    assert c.committed(kafka.TopicPartition("py", 0)) == 500
    c.close()


def test_big_records_pass_and_too_big_ones_are_refused(log):
    log.create("big", 1, max_message_bytes=20000000)
    p = log.producer(message_max_bytes=30000000)
    outcome = {}
    p.produce("big", b"x" * 10_000_000, on_delivery=lambda e, m: outcome.update(ten=e))
    flush(p)
    p.produce("big", b"y" * 25_000_000, on_delivery=lambda e, m: outcome.update(more=e))
    flush(p)
    assert outcome["ten"] is None
    assert outcome["more"].code() == KafkaError.MSG_SIZE_TOO_LARGE
    assert [len(v) for v in log.read_all("big").values()] == [10_000_000]


def test_a_consumer_waits_for_records_and_gets_them_at_once(log):
    log.create("wait")
    c = log.consumer("nobody", fetch_wait_max_ms=10000, fetch_min_bytes=1)
    c.assign([TopicPartition("wait", 0, 0)])
    assert c.poll(0.5) is None
    p = log.producer(linger_ms=0)
    p.produce("wait", b"now")
    began = time.monotonic()
    flush(p)
    m = c.poll(5)
    assert m and m.value() == b"now"
    assert time.monotonic() - began < 3, "the poll's wait (10 s) was not cut short"
    c.close()


def test_an_offset_outside_is_told_and_resets(log):
    log.create("t")
    p = log.producer()
    p.produce("t", b"only")
    flush(p)
    c = log.consumer("nobody", auto_offset_reset="error")
    c.assign([TopicPartition("t", 0, 77)])
    m = c.poll(10)
    assert m.error().code() == KafkaError._AUTO_OFFSET_RESET
    c.close()
    c = log.consumer("nobody", auto_offset_reset="earliest")
    c.assign([TopicPartition("t", 0, 77)])
    assert c.poll(10).value() == b"only"
    c.close()


def test_offsets_by_time(log):
    log.create("t")
    p = log.producer()
    for i in range(100):
        p.produce("t", b"%d" % i, timestamp=1_700_000_000_000 + i * 1000)
        flush(p) if i % 10 == 9 else None
    flush(p)
    c = log.consumer("nobody")

    def at(ms):
        return c.offsets_for_times([TopicPartition("t", 0, ms)], 10)[0].offset

    assert at(1_700_000_000_000) == 0
    assert at(1_700_000_034_001) == 35
    assert at(1_700_000_099_000) == 99
    assert at(1_700_000_099_001) == -1
    c.close()
    tp = TopicPartition("t", 0)
    assert log.admin().list_offsets({tp: OffsetSpec.max_timestamp()})[tp].result(10).offset == 99


# --- groups


def assigned(c):
    return {(tp.topic, tp.partition) for tp in c.assignment()}


@pytest.mark.parametrize("strategy", ["range", "cooperative-sticky"])
def test_two_members_share_and_take_over(log, strategy):
    log.create("shared", 6)
    members = [log.consumer("g", partition_assignment_strategy=strategy, session_timeout_ms=6000) for _ in range(2)]
    every = {("shared", i) for i in range(6)}

    def until(condition, seconds=30):
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, [assigned(m) for m in members]
            for m in members:
                m.poll(0.1)

    members[0].subscribe(["shared"])
    until(lambda: assigned(members[0]) == every)
    members[1].subscribe(["shared"])
    until(lambda: len(assigned(members[0])) == 3 and len(assigned(members[1])) == 3)
    assert assigned(members[0]) | assigned(members[1]) == every
    gone = members.pop()
    gone.close()
    until(lambda: assigned(members[0]) == every)
    members[0].close()


def test_members_that_start_together_are_one_generation(log):
    log.create("together", 4)
    shares, revoked = {}, []
    members = [log.consumer("together") for _ in range(2)]
    for i, c in enumerate(members):
        c.subscribe(["together"], on_assign=lambda _, got, i=i: shares.update({i: len(got)}),
                    on_revoke=lambda _, lost: revoked.append(lost))
    end = time.monotonic() + 10
    while len(shares) < 2 and time.monotonic() < end:
        for c in members:
            c.poll(0.05)
    assert shares == {0: 2, 1: 2}
    assert not revoked
    for c in members:
        c.close()


def test_a_member_that_dies_is_missed(log, ingot):
    log.create("t", 2)
    victim = subprocess.Popen(
        ["kcat", "-b", log.address, "-G", "g", "-X", "session.timeout.ms=6000", "-X", "heartbeat.interval.ms=300", "t"],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )
    while b"assigned" not in (line := victim.stderr.readline()):
        assert line
    victim.kill()
    victim.wait()
    victim.stderr.close()
    c = log.consumer("g")
    c.subscribe(["t"])
    deadline = time.monotonic() + 20
    while len(assigned(c)) < 2:
        assert time.monotonic() < deadline
        c.poll(0.1)
    c.close()


def test_static_member_comes_back_without_a_rebalance(log):
    log.create("t", 2)
    counts = []

    def join(instance):
        c = log.consumer("g", group_instance_id=instance)
        c.subscribe(["t"], on_assign=lambda c, p: counts.append(instance))
        deadline = time.monotonic() + 20
        while not c.assignment():
            assert time.monotonic() < deadline
            c.poll(0.1)
        return c

    a = join("a")
    described = log.admin().describe_consumer_groups(["g"])["g"].result(10)
    first = described.members[0].member_id
    assert described.members[0].group_instance_id == "a"
    a.close()  # a static member does not leave
    a = join("a")
    described = log.admin().describe_consumer_groups(["g"])["g"].result(10)
    assert len(described.members) == 1 and described.members[0].member_id != first
    a.close()


def test_members_go_on_after_a_kill_of_the_broker(log):
    log.create("t", 2)
    p, changes = log.producer(), []
    c = log.consumer("g", session_timeout_ms=20000)
    c.subscribe(["t"], on_assign=lambda c, p: changes.append("assigned"), on_revoke=lambda c, p: changes.append("revoked"))
    p.produce("t", b"one", partition=0)
    flush(p)
    assert len(c.consume(1, 20)) == 1
    time.sleep(0.5)  # the members' record is on the disk a moment after they have their shares
    log.kill()
    log.start()
    p.produce("t", b"two", partition=1)
    flush(p)
    messages = [m for m in c.consume(1, 20) if not m.error()]
    assert [m.value() for m in messages] == [b"two"]
    c.commit(asynchronous=False)
    assert changes == ["assigned"]
    c.close()


def test_the_broker_shares_out_partitions(log):
    """The consumer group protocol of KIP-848."""
    log.create("t", 6)
    settings = {"group_protocol": "consumer"}

    def until(consumers, condition):
        deadline = time.monotonic() + 40
        while not condition():
            assert time.monotonic() < deadline, [assigned(c) for c in consumers]
            for c in consumers:
                c.poll(0.05)

    a, b = log.consumer("g", **settings), log.consumer("g", **settings)
    a.subscribe(["t"])
    until([a], lambda: len(assigned(a)) == 6)
    b.subscribe(["t"])
    until([a, b], lambda: len(assigned(a)) == len(assigned(b)) == 3)
    assert not set(assigned(a)) & set(assigned(b))
    described = log.admin().describe_consumer_groups(["g"])["g"].result(10)
    assert len(described.members) == 2 and described.type.name == "CONSUMER"
    b.close()
    until([a], lambda: len(assigned(a)) == 6)
    p = log.producer()
    p.produce("t", b"x", partition=3)
    flush(p)
    assert a.consume(1, 20)[0].value() == b"x"
    a.commit(asynchronous=False)
    a.close()


def test_committed_offsets_outlive_kills_and_old_generations_are_refused(log):
    log.create("t", 2)
    p = log.producer()
    for i in range(100):
        p.produce("t", b"%d" % i, partition=i % 2)
    flush(p)
    c = log.consumer("g")
    c.subscribe(["t"])
    n = 0
    while n < 100:
        n += len(c.consume(100, 1))
    c.commit(asynchronous=False)
    log.kill()
    log.start()
    other = log.consumer("g")
    where = other.committed([TopicPartition("t", i) for i in range(2)], 20)
    assert [tp.offset for tp in where] == [50, 50]
    other.close()
    c.close()


def test_groups_are_listed_described_and_deleted(log):
    log.create("t")
    c = log.consumer("seen")
    c.subscribe(["t"])
    while not c.assignment():
        c.poll(0.1)
    admin = log.admin()
    assert [g.group_id for g in admin.list_consumer_groups().result(10).valid] == ["seen"]
    with pytest.raises(KafkaException) as e:
        admin.delete_consumer_groups(["seen"])["seen"].result(10)
    assert e.value.args[0].code() == KafkaError.NON_EMPTY_GROUP
    c.commit(offsets=[TopicPartition("t", 0, 0)], asynchronous=False)
    c.close()
    admin.delete_consumer_groups(["seen"])["seen"].result(10)
    assert admin.list_consumer_groups().result(10).valid == []


# --- administration


def test_topics_are_made_grown_configured_and_removed(log):
    admin = log.admin()
    log.create("t", 2, retention_ms=1234567)
    with pytest.raises(KafkaException) as e:
        log.create("t")
    assert e.value.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS
    for bad, code in [("a/b", KafkaError.TOPIC_EXCEPTION), ("..", KafkaError.TOPIC_EXCEPTION)]:
        with pytest.raises(KafkaException) as e:
            log.create(bad)
        assert e.value.args[0].code() == code
    admin.create_partitions([NewPartitions("t", 5)])["t"].result(10)
    assert len(admin.list_topics("t", 10).topics["t"].partitions) == 5
    where = ConfigResource(ResourceType.TOPIC, "t")
    change = ConfigEntry("segment.bytes", "1000000", incremental_operation=AlterConfigOpType.SET)
    admin.incremental_alter_configs([ConfigResource(ResourceType.TOPIC, "t", incremental_configs=[change])])[where].result(10)
    log.stop()
    log.start()
    admin = log.admin()
    found = admin.describe_configs([where])[where].result(10)
    assert found["retention.ms"].value == "1234567" and found["segment.bytes"].value == "1000000"
    assert len(admin.list_topics("t", 10).topics["t"].partitions) == 5
    wrong = ConfigEntry("retention.ms", "soon", incremental_operation=AlterConfigOpType.SET)
    with pytest.raises(KafkaException) as e:
        admin.incremental_alter_configs([ConfigResource(ResourceType.TOPIC, "t", incremental_configs=[wrong])])[where].result(10)
    assert e.value.args[0].code() == KafkaError.INVALID_CONFIG
    admin.delete_topics(["t"])["t"].result(10)
    assert "t" not in admin.list_topics(timeout=10).topics


def test_the_broker_tells_its_configuration(log):
    where = ConfigResource(ResourceType.BROKER, "1")
    found = log.admin().describe_configs([where])[where].result(10)
    assert found["advertised.listeners"].value == f"PLAINTEXT://{log.address}"
    assert found["group.initial.rebalance.delay.ms"].value == "100"
    assert found["connections.max.reauth.ms"].value == "0"


def test_records_are_deleted_from_the_front(log):
    log.create("t")
    p = log.producer()
    for i in range(100):
        p.produce("t", b"%d" % i)
    flush(p)
    log.admin().delete_records([TopicPartition("t", 0, 60)])[TopicPartition("t", 0)].result(10)
    assert min(log.read_all("t")) == (0, 60)
    log.kill()
    log.start()
    assert min(log.read_all("t")) == (0, 60)


def test_topics_are_not_made_by_use_where_that_is_off(ingot, tmp_path):
    one = Log(ingot, str(tmp_path / "log"), "--partitions", "0").start()
    p = one.producer(message_timeout_ms=3000)
    errors = []
    p.produce("nowhere", b"x", on_delivery=lambda e, m: errors.append(e.code()))
    p.flush(10)
    assert errors == [KafkaError.UNKNOWN_TOPIC_OR_PART] or errors == [KafkaError._UNKNOWN_TOPIC] or errors == [KafkaError._MSG_TIMED_OUT]
    one.stop()


# --- crashes


def test_a_second_broker_on_the_folder_is_refused(log, ingot):
    done = subprocess.run([str(ingot.path), "broker", "--data", log.folder, "--listen", "127.0.0.1:0"],
                          capture_output=True, text=True, timeout=20)
    assert done.returncode == 1
    assert "locked" in done.stderr


def test_kill_while_producing_loses_and_repeats_nothing(log, rng):
    """An idempotent producer goes on through kills: at the end every record that it was promised is there once."""
    log.create("t", 4)
    p = log.producer(enable_idempotence=True, linger_ms=2, compression_type="lz4", retry_backoff_ms=50,
                     reconnect_backoff_max_ms=200, message_timeout_ms=60000)
    acked, stop = {}, threading.Event()

    def delivered(e, m):
        assert e is None, e
        acked[m.partition(), m.offset()] = m.value()

    def produce():
        i = 0
        while not stop.is_set():
            for _ in range(50):
                p.produce("t", b"%d" % i, key=b"%d" % i, on_delivery=delivered)
                i += 1
            p.poll(0.005)
        produced.append(i)

    produced = []
    worker = threading.Thread(target=produce)
    worker.start()
    for _ in range(4):
        time.sleep(rng.uniform(0.2, 0.7))
        log.kill()
        log.start()
    time.sleep(0.5)
    stop.set()
    worker.join()
    flush(p)
    got = log.read_all("t")
    assert len(acked) == produced[0]
    assert got == acked, "exactly what was promised, where it was promised"
    assert sorted(map(int, got.values())) == list(range(produced[0]))


def test_damage_is_told_and_kept(log, tmp_path):
    log.create("t")
    p = log.producer()
    for i in range(1000):
        p.produce("t", b"record %d" % i)
        flush(p) if i % 100 == 99 else None
    flush(p)
    log.stop()
    segment = tmp_path / "log/topics/t/0/00000000000000000000.log"
    before = bytearray(segment.read_bytes())
    before[len(before) // 2] ^= 1
    segment.write_bytes(before)
    log.start()
    said = open(f"{log.folder}.err").read()
    assert "damaged record batch at byte" in said and str(segment) in said
    assert segment.read_bytes() == before, "nothing was cut"
    errors = []
    p = log.producer(message_timeout_ms=2000)
    p.produce("t", b"more", on_delivery=lambda e, m: errors.append(e))
    p.flush(10)
    assert errors[0] is not None


# --- nonsense on the wire


def test_nonsense_closes_the_connection_and_nothing_else(log, rng):
    log.create("t")
    header = struct.pack(">hhi", 3, 1, 7)
    for data in [
        struct.pack(">i", -1),
        struct.pack(">i", 0x7FFFFFFF),
        struct.pack(">i", 4) + b"abcd",
        struct.pack(">i", 20) + struct.pack(">hhih", 999, 0, 1, -1) + b"0123456789",
        struct.pack(">i", 14) + header + struct.pack(">h", -1) + struct.pack(">i", 1000000),
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        bytes(rng.randrange(256) for _ in range(1000)),
    ]:
        with socket.create_connection(("127.0.0.1", log.port), 5) as s:
            s.sendall(data)
            if not data.startswith(bytes(3)) or len(data) < 18:
                s.shutdown(socket.SHUT_WR)
            s.settimeout(10)
            with contextlib.suppress(ConnectionResetError):
                assert s.recv(1) == b""
    half_open = socket.create_connection(("127.0.0.1", log.port), 5)
    half_open.sendall(struct.pack(">i", 100) + b"only a part")
    p = log.producer()
    p.produce("t", b"fine")
    flush(p)
    half_open.close()
    assert list(log.read_all("t").values()) == [b"fine"]


def api_versions(log, version, body=b""):
    with socket.create_connection(("127.0.0.1", log.port), 5) as s:
        frame = struct.pack(">hhih", 18, version, 42, -1) + body
        s.sendall(struct.pack(">i", len(frame)) + frame)
        size = struct.unpack(">i", s.recv(4, socket.MSG_WAITALL))[0]
        return s.recv(size, socket.MSG_WAITALL)


def test_an_unknown_version_of_api_versions_is_answered_in_version_0(log):
    answer = api_versions(log, 99, b"\x00whatever")
    correlation, error, n = struct.unpack_from(">ihi", answer)
    assert (correlation, error) == (42, 35)
    keys = {struct.unpack_from(">hhh", answer, 10 + 6 * i)[0] for i in range(n)}
    assert {0, 1, 2, 3, 8, 9, 10, 11, 12, 13, 14, 18, 19} <= keys
    known = api_versions(log, 0)
    assert struct.unpack_from(">ih", known) == (42, 0)
    assert known[6:] == answer[6:]
