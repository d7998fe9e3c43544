"""A real Apache Kafka (one KRaft node, from the Maven jars in .deps) as the log that ingot works on."""

import contextlib
import pathlib
import subprocess
import time

from confluent_kafka import KafkaError
from confluent_kafka.admin import AdminClient

from support.project import SOURCE_DIR, Project, free_port

CLUSTER_ID = "aW5nb3QtanVkZ2UtMDAwMQ"
USER, PASSWORD = "alice", "alice-secret"
PLAIN_MODULE = "org.apache.kafka.common.security.plain.PlainLoginModule"
SCRAM_MODULE = "org.apache.kafka.common.security.scram.ScramLoginModule"
SCRAM = ["SCRAM-SHA-256", "SCRAM-SHA-512"]
JVM = ["java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-Djava.awt.headless=true"]


def jars(version):
    """The class path of .deps/kafka-VERSION."""
    folder = SOURCE_DIR / ".deps" / f"kafka-{version}"
    assert any(folder.glob("kafka_*.jar")), f"no jars in {folder}: scripts/setup --tests fetches them"
    return f"{folder}/*"


def logging_of(version, folder, level):
    """The JVM's option that makes Kafka log to stderr: 3.x by reload4j, 4.x by log4j2."""
    if version.startswith("3"):
        path = folder / f"log4j-{level}.properties"
        path.write_text(
            f"log4j.rootLogger={level}, A\nlog4j.appender.A=org.apache.log4j.ConsoleAppender\n"
            "log4j.appender.A.Target=System.err\nlog4j.appender.A.layout=org.apache.log4j.PatternLayout\n"
            "log4j.appender.A.layout.ConversionPattern=[%d] %p %m (%c)%n\n")
        return f"-Dlog4j.configuration=file:{path}"
    path = folder / f"log4j2-{level}.properties"
    path.write_text(
        f"status=error\nrootLogger.level={level}\nrootLogger.appenderRef.a.ref=A\nappender.a.type=Console\n"
        "appender.a.name=A\nappender.a.target=SYSTEM_ERR\nappender.a.layout.type=PatternLayout\n"
        "appender.a.layout.pattern=[%d] %p %m (%c)%n\n")
    return f"-Dlog4j2.configurationFile={path}"


def is_gone(error):
    """A group that only had offsets goes with the topics."""
    return error.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND


class RealKafka:
    """start() and stop(); `sasl` and `plain` are its addresses, `url` is what a project writes as its log."""

    def __init__(self, version, folder, heap="384m", **settings):
        self.version, self.folder, self.heap, self.settings = version, pathlib.Path(folder), heap, settings
        self.folder.mkdir(parents=True, exist_ok=True)
        self.sasl_port, self.plain_port, self.controller_port = free_port(), free_port(), free_port()
        self.process = None
        self.log_path = self.folder / "kafka.log"

    @property
    def sasl(self):
        return f"127.0.0.1:{self.sasl_port}"

    @property
    def plain(self):
        return f"127.0.0.1:{self.plain_port}"

    def url(self, mechanism="PLAIN", user=USER, password=PASSWORD):
        return (f"kafka://{self.sasl}?security.protocol=SASL_PLAINTEXT&sasl.mechanism={mechanism}"
                f"&sasl.username={user}&sasl.password={password}")

    def properties(self):
        listener = "listener.name.sasl_plaintext"
        found = {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@127.0.0.1:{self.controller_port}",
            "listeners": f"SASL_PLAINTEXT://{self.sasl},PLAINTEXT://{self.plain},"
                         f"CONTROLLER://127.0.0.1:{self.controller_port}",
            "advertised.listeners": f"SASL_PLAINTEXT://{self.sasl},PLAINTEXT://{self.plain}",
            "listener.security.protocol.map":
                "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT",
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "PLAINTEXT",
            "sasl.enabled.mechanisms": ",".join(["PLAIN", *SCRAM]),
            f"{listener}.plain.sasl.jaas.config":
                f'{PLAIN_MODULE} required username="admin" password="admin-secret" user_admin="admin-secret" '
                f'user_{USER}="{PASSWORD}";',
            **{f"{listener}.{m.lower()}.sasl.jaas.config": f"{SCRAM_MODULE} required;" for m in SCRAM},
            "log.dirs": str(self.folder / "data"),
            "num.network.threads": "2",
            "num.io.threads": "2",
            "background.threads": "2",
            "num.recovery.threads.per.data.dir": "1",
            "offsets.topic.num.partitions": "4",
            "offsets.topic.replication.factor": "1",
            "transaction.state.log.num.partitions": "4",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
            "group.initial.rebalance.delay.ms": "0",
            "log.cleaner.dedupe.buffer.size": "16777216",
            # Records of tests have times of long ago: what is old goes when this comes round.
            "log.retention.check.interval.ms": "86400000",
            **{key.replace("_", "."): str(value) for key, value in self.settings.items()},
        }
        path = self.folder / "server.properties"
        path.write_text("".join(f"{k}={v}\n" for k, v in found.items()))
        return path

    def java(self, *args, level="ERROR", heap="128m"):
        return [*JVM, f"-Xmx{heap}", logging_of(self.version, self.folder, level), "-cp", jars(self.version), *args]

    def start(self):
        properties = self.properties()
        if not (self.folder / "data" / "meta.properties").exists():
            scram = [arg for m in SCRAM for arg in ("--add-scram", f"{m}=[name={USER},password={PASSWORD}]")]
            done = subprocess.run(self.java("kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", properties, *scram),
                                  capture_output=True, text=True, timeout=120)
            assert done.returncode == 0, done.stdout + done.stderr
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(self.java("kafka.Kafka", str(properties), level="INFO", heap=self.heap),
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until = time.monotonic() + 120
        while "Kafka Server started" not in (text := self.log_path.read_text(errors="replace")):
            assert self.process.poll() is None, f"Apache Kafka did not start:\n{text[-3000:]}"
            assert time.monotonic() < until, f"Apache Kafka does not come up:\n{text[-3000:]}"
            time.sleep(0.1)
        return self

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def empty(self):
        """Removes all topics and groups: the next test finds a new log."""
        admin = AdminClient({"bootstrap.servers": self.plain, "log_level": 0})
        groups = [g.group_id for g in admin.list_consumer_groups().result(20).valid]
        topics = [t for t in admin.list_topics(timeout=20).topics if not t.startswith("__")]
        for f in admin.delete_topics(topics).values() if topics else ():
            f.result(20)
        until = time.monotonic() + 60
        while groups:  # of a test that failed, a member may live until its session ends
            results = admin.delete_consumer_groups(groups)
            groups = [g for g, f in results.items() if f.exception(20) and not is_gone(f.exception())]
            assert not groups or time.monotonic() < until, f"groups are not deleted: {groups}"
            time.sleep(0.5 if groups else 0)
        while any(not t.startswith("__") for t in admin.list_topics(timeout=20).topics):
            assert time.monotonic() < until, "topics are not deleted"
            time.sleep(0.05)


class KafkaProject(Project):
    """A project whose log is an Apache Kafka. ingot speaks SASL with it; what looks in from outside needs no password."""

    def __init__(self, ingot, root, kafka, **settings):
        self.kafka = kafka
        super().__init__(ingot, root, **{"log": kafka.url(), **settings})

    def seen_from_outside(self, bootstrap):
        return self.kafka.plain

    def log(self):
        """The log is there whether the platform is up or not."""
        return contextlib.nullcontext(self.kafka.plain)
