"""Kafka Connect on ingot's broker: the file source and sink connectors, standalone and as a distributed worker, which
keeps its own state in three compacted topics."""

import contextlib
import json
import subprocess
import urllib.error
import urllib.request

import pytest

from support import java, kafka
from support.project import free_port, wait_for

STRINGS = "org.apache.kafka.connect.storage.StringConverter"
SOURCE = {"connector.class": "org.apache.kafka.connect.file.FileStreamSourceConnector", "tasks.max": "1", "topic": "lines"}
SINK = {"connector.class": "org.apache.kafka.connect.file.FileStreamSinkConnector", "tasks.max": "1", "topics": "lines"}


def properties(path, values):
    path.write_text("".join(f"{k}={v}\n" for k, v in values.items()))
    return str(path)


@contextlib.contextmanager
def worker(version, folder, name, broker, config, *files):
    """A Connect worker; gives its log and the port of its REST API."""
    port = free_port()
    base = {"bootstrap.servers": broker, "key.converter": STRINGS, "value.converter": STRINGS, "listeners": f"http://127.0.0.1:{port}",
            "offset.flush.interval.ms": "500", "plugin.discovery": "service_load", **config}
    command = [*java.JVM, java.quiet_logging(version, folder), "-cp", java.class_path(version),
               f"org.apache.kafka.connect.cli.Connect{name}", properties(folder / "worker.properties", base), *files]
    log = open(folder / "worker.log", "ab")
    process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
    try:
        yield process, port
    except BaseException:
        print((folder / "worker.log").read_text()[-3000:])
        raise
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        log.close()


def lines_of(path):
    return path.read_text().splitlines() if path.exists() else []


@pytest.mark.parametrize("version", ["kafka-3.7", "kafka-4"])
def test_standalone(broker, tmp_path, version):
    source, sink = tmp_path / "in.txt", tmp_path / "out.txt"
    source.write_text("".join(f"line {i}\n" for i in range(100)))
    files = [properties(tmp_path / "source.properties", {"name": "source", "file": source, **SOURCE}),
             properties(tmp_path / "sink.properties", {"name": "sink", "file": sink, **SINK})]
    config = {"offset.storage.file.filename": str(tmp_path / "offsets")}
    with worker(version, tmp_path, "Standalone", broker, config, *files) as (process, _):
        wait_for(lambda: process.poll() is not None or len(lines_of(sink)) >= 100, 60)
        with source.open("a") as f:
            f.write("one more\n")
        wait_for(lambda: process.poll() is not None or len(lines_of(sink)) >= 101, 30)
    assert lines_of(sink) == lines_of(source)
    assert [r.value.decode() for r in kafka.read_topic(broker, "lines")] == lines_of(source)


def call(port, method, path, body=None):
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", method=method,
                                     data=None if body is None else json.dumps(body).encode(),
                                     headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        text = answer.read()
        return json.loads(text) if text else None


def is_running(port, name):
    def running():
        try:
            status = call(port, "GET", f"/connectors/{name}/status")
        except (urllib.error.URLError, OSError):
            return False
        return status["connector"]["state"] == "RUNNING" and [t["state"] for t in status["tasks"]] == ["RUNNING"]

    return running


def test_distributed(broker, tmp_path):
    """Stopped and started again, the worker finds its connectors and where they were. Exactly-once for the source."""
    source, sink = tmp_path / "in.txt", tmp_path / "out.txt"
    source.write_text("".join(f"line {i}\n" for i in range(100)))
    config = {"group.id": "workers", "config.storage.topic": "connect-configs", "offset.storage.topic": "connect-offsets",
              "status.storage.topic": "connect-status", "exactly.once.source.support": "enabled",
              **{f"{kind}.storage.replication.factor": "1" for kind in ("config", "offset", "status")}}
    for round_ in range(2):
        with worker("kafka-3.7", tmp_path, "Distributed", broker, config) as (process, port):
            def answers():
                assert process.poll() is None
                try:
                    return call(port, "GET", "/")
                except (urllib.error.URLError, OSError):
                    return None

            wait_for(answers, 60, every=0.2)
            if round_ == 0:
                call(port, "PUT", "/connectors/source/config", {"file": str(source), **SOURCE})
                call(port, "PUT", "/connectors/sink/config", {"file": str(sink), **SINK})
            else:
                with source.open("a") as f:
                    f.write("after a restart\n")
            wait_for(is_running(port, "source"), 60, every=0.2)
            wait_for(is_running(port, "sink"), 60, every=0.2)
            want = lines_of(source)
            wait_for(lambda: len(lines_of(sink)) >= len(want), 60)
            # Let the positions be committed: what is not would be delivered to the sink once more.
            wait_for(lambda: committed(broker) == len(want), 30, every=0.2)
    assert lines_of(sink) == lines_of(source)
    found = [r.value.decode() for r in kafka.read_topic(broker, "lines")]
    assert [v for v in found if v] == lines_of(source)


def committed(broker):
    import confluent_kafka as ck

    c = ck.Consumer({"bootstrap.servers": broker, "group.id": "connect-sink", "log_level": 0})
    try:
        [at] = c.committed([ck.TopicPartition("lines", 0)], 10)
        [last] = kafka.read_topic(broker, "lines")[-1:]
        return sum(1 for r in kafka.read_topic(broker, "lines") if r.offset < at.offset) if last else 0
    finally:
        c.close()
