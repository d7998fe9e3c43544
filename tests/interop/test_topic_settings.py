"""What can be set for a topic has its effect, as clients that know nothing of ingot see it."""

import json
import subprocess
import time

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

from test_broker import Log


@pytest.fixture
def log(ingot, tmp_path):
    folder = tmp_path / "log"
    folder.mkdir()
    broker = Log(ingot, str(folder)).start()
    yield broker
    if broker.process.poll() is None:
        broker.kill()


def at(log):
    return f"127.0.0.1:{log.port}"


def make(log, name, partitions=1, **config):
    config = {key.replace("_", "."): value for key, value in config.items()}
    admin = AdminClient({"bootstrap.servers": at(log)})
    admin.create_topics([NewTopic(name, partitions, 1, config=config)])[name].result(30)


def send(log, topic, records, **settings):
    """Gives the errors, one for each record (None: it was taken)."""
    errors = [None] * len(records)
    producer = Producer({"bootstrap.servers": at(log), "linger.ms": 5, "message.send.max.retries": 0, **settings})
    for i, record in enumerate(records):
        producer.produce(topic, on_delivery=lambda e, m, i=i: errors.__setitem__(i, e), **record)
    producer.flush(30)
    return errors


def read(log, topic, **settings):
    consumer = Consumer(
        {"bootstrap.servers": at(log), "group.id": "nobody", "enable.partition.eof": True, "check.crcs": True, **settings}
    )
    consumer.assign([TopicPartition(topic, 0, 0)])
    found = []
    deadline = time.time() + 30
    while time.time() < deadline:
        message = consumer.poll(1)
        if message is None:
            continue
        if message.error():
            assert message.error().code() == KafkaError._PARTITION_EOF
            break
        found.append(message)
    consumer.close()
    return found


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_of_each_key_the_newest_record_stays_at_its_offset(log, rng, codec):
    make(log, "table", cleanup_policy="compact", segment_bytes="20000", min_cleanable_dirty_ratio="0.01")
    newest = {}
    for round in range(20):
        records = [{"key": f"key-{i % 50}", "value": f"{round}-{i}-{rng.randbytes(60).hex()}"} for i in range(200)]
        assert send(log, "table", records, **{"compression.type": codec, "batch.num.messages": 40}) == [None] * 200
        for i, record in enumerate(records):
            newest[record["key"]] = (round * 200 + i, record["value"])
    deadline = time.time() + 40
    while len(read(log, "table")) > 800 and time.time() < deadline:
        time.sleep(0.5)
    for life in ("as it is", "killed"):
        found = read(log, "table")
        assert 50 <= len(found) <= 800
        offsets = [m.offset() for m in found]
        assert offsets == sorted(set(offsets))
        last = {m.key().decode(): (m.offset(), m.value().decode()) for m in found}
        assert last == newest
        log.kill()
        log.start()
    by_kcat = subprocess.run(
        ["kcat", "-b", at(log), "-C", "-t", "table", "-o", "beginning", "-e", "-q", "-f", "%k %o\n"],
        capture_output=True,
        text=True,
        timeout=60,
    ).stdout.split("\n")[:-1]
    assert by_kcat == [f"{m.key().decode()} {m.offset()}" for m in found]
    assert send(log, "table", [{"key": "more", "value": "x"}]) == [None]
    assert read(log, "table")[-1].offset() == 4000


def test_a_record_without_a_key_is_no_record_of_a_compacted_topic(log):
    make(log, "table", cleanup_policy="compact")
    assert [e and e.code() for e in send(log, "table", [{"value": "x"}])] == [KafkaError.INVALID_RECORD]
    assert send(log, "table", [{"key": "k", "value": "x"}]) == [None]
    assert [m.key() for m in read(log, "table")] == [b"k"]


def test_the_time_of_arrival_is_set_where_it_is_asked_for(log):
    make(log, "arrivals", message_timestamp_type="LogAppendTime")
    before = int(time.time() * 1000)
    for codec in ("none", "zstd"):
        assert send(log, "arrivals", [{"value": "x", "timestamp": 1000}] * 3, **{"compression.type": codec}) == [None] * 3
    found = read(log, "arrivals")
    assert len(found) == 6
    for message in found:
        kind, ms = message.timestamp()
        assert kind == 2 and before <= ms <= int(time.time() * 1000)


def test_times_out_of_range_are_refused(log):
    make(log, "now", **{"message_timestamp_before_max_ms": "60000", "message_timestamp_after_max_ms": "60000"})
    now = int(time.time() * 1000)
    for timestamp, code in ((now - 600000, KafkaError.INVALID_TIMESTAMP), (now + 600000, KafkaError.INVALID_TIMESTAMP), (now, None)):
        (error,) = send(log, "now", [{"value": "x", "timestamp": timestamp}])
        assert (error and error.code()) == code
    assert len(read(log, "now")) == 1


@pytest.mark.parametrize("stored", ["uncompressed", "gzip", "snappy", "lz4", "zstd"])
def test_batches_are_stored_with_the_codec_of_the_topic(log, stored):
    make(log, "packed", compression_type=stored)
    for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
        records = [{"key": str(i), "value": codec * 300} for i in range(100)]
        assert send(log, "packed", records, **{"compression.type": codec}) == [None] * 100
    found = read(log, "packed")
    assert [m.value().decode()[:4] for m in found[::100]] == ["none", "gzip", "snap", "lz4l", "zstd"]
    assert [m.offset() for m in found] == list(range(500))


def test_more_replicas_than_there_are_cannot_acknowledge(log):
    make(log, "safe", min_insync_replicas="2")
    (error,) = send(log, "safe", [{"value": "x"}], **{"acks": "all"})
    assert error.code() == KafkaError.NOT_ENOUGH_REPLICAS
    assert send(log, "safe", [{"value": "x"}], **{"acks": "1"}) == [None]


def test_a_segment_ends_by_age(log):
    make(log, "aging", segment_ms="300", retention_ms="1000")
    assert send(log, "aging", [{"value": "old"}]) == [None]
    deadline = time.time() + 40
    consumer = Consumer({"bootstrap.servers": at(log), "group.id": "nobody"})
    while consumer.get_watermark_offsets(TopicPartition("aging", 0), timeout=10)[0] == 0:
        assert time.time() < deadline
        time.sleep(0.5)
    consumer.close()
    assert read(log, "aging") == []


def test_settings_are_refused_as_kafka_refuses_them(log):
    for setting, value in (
        ("cleanup.policy", "shred"),
        ("min.cleanable.dirty.ratio", "1.5"),
        ("min.cleanable.dirty.ratio", "x"),
        ("segment.ms", "0"),
        ("message.timestamp.type", "Whenever"),
        ("compression.type", "rar"),
        ("no.such.setting", "1"),
    ):
        with pytest.raises(KafkaException) as refused:
            make(log, "never", **{setting: value})
        assert refused.value.args[0].code() == KafkaError.INVALID_CONFIG
    make(log, "good", min_cleanable_dirty_ratio="0.25")
    resource = ConfigResource(ResourceType.TOPIC, "good")
    admin = AdminClient({"bootstrap.servers": at(log)})
    found = admin.describe_configs([resource])[resource].result(30)
    assert found["min.cleanable.dirty.ratio"].value == "0.25"
    assert found["cleanup.policy"].value == "delete"


@pytest.mark.parametrize("mode", ["interval", "os"])
def test_what_is_acknowledged_before_it_is_synced_outlives_a_kill(ingot, tmp_path, mode):
    config = tmp_path / "broker.yml"
    config.write_text(json.dumps({"fsync": mode, "fsync_interval": "200ms"}))
    (tmp_path / "log").mkdir()
    log = Log(ingot, str(tmp_path / "log"), "--config", str(config)).start()
    try:
        make(log, "quick", segment_bytes="100000")
        for life in range(3):
            assert send(log, "quick", [{"value": f"{life}-{i}" + "x" * 500} for i in range(1000)]) == [None] * 1000
            log.kill() if life < 2 else log.stop()
            log.start()
            assert [m.offset() for m in read(log, "quick")] == list(range(1000 * (life + 1)))
    finally:
        log.kill()
