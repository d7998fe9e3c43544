"""Java programs of others, and our own small ones in tests/interop/java, on the jars in .deps."""

import functools
import hashlib
import json
import pathlib
import shutil
import struct
import subprocess
import tempfile
import threading

from support.project import SOURCE_DIR, Result

JVM = ["java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djava.awt.headless=true", "-Xmx256m"]
SOURCES = SOURCE_DIR / "tests" / "interop" / "java"
COMPILED = SOURCE_DIR / ".deps" / "java-tests"


def class_path(*names):
    """The jars of .deps/NAME, NAME..."""
    for name in names:
        assert any((SOURCE_DIR / ".deps" / name).glob("*.jar")), f"no jars in .deps/{name}: scripts/setup --tests fetches them"
    return ":".join(f"{SOURCE_DIR}/.deps/{name}/*" for name in names)


@functools.cache
def compiled(source, against):
    """The folder with tests/interop/java/SOURCE.java and what it uses, compiled against the jars of .deps/AGAINST, once."""
    sources = sorted(SOURCES.glob("*.java"))
    text = b"".join(path.read_bytes() for path in sources)
    folder = COMPILED / f"{source}-{against}-{hashlib.sha256(text).hexdigest()[:16]}"
    if not folder.exists():
        COMPILED.mkdir(parents=True, exist_ok=True)
        scratch = pathlib.Path(tempfile.mkdtemp(dir=COMPILED))
        done = subprocess.run(["javac", "-nowarn", "-Xlint:none", "-implicit:class", "-sourcepath", str(SOURCES),
                               "-cp", class_path(against), "-d", str(scratch), str(SOURCES / f"{source}.java")],
                              capture_output=True, text=True, timeout=240)
        assert done.returncode == 0, done.stderr
        try:
            scratch.rename(folder)  # whole, or not there: other test processes do the same at this time
        except OSError:
            assert folder.exists()
            shutil.rmtree(scratch)
    return folder


def run(source, against, *args, version=None, code=0, timeout=240):
    """Runs main of SOURCE.java, compiled against one version and run with the same or another one."""
    classes = f"{compiled(source, against)}:{class_path(version or against)}"
    done = subprocess.run([*JVM, "-cp", classes, source, *map(str, args)], capture_output=True, text=True, timeout=timeout)
    assert code is None or done.returncode == code, f"{source} on {version}: {done.returncode}\n{done.stdout[-6000:]}\n{done.stderr[-3000:]}"
    return Result(done.returncode, done.stdout, done.stderr)


def quiet_logging(version, folder):
    """The JVM's option that sends warnings to stderr: Kafka 3.x logs by reload4j, 4.x by log4j2."""
    folder = pathlib.Path(folder)
    if not version.startswith("kafka-4"):
        path = folder / "log4j.properties"
        path.write_text(
            "log4j.rootLogger=WARN, A\nlog4j.appender.A=org.apache.log4j.ConsoleAppender\n"
            "log4j.appender.A.Target=System.err\nlog4j.appender.A.layout=org.apache.log4j.PatternLayout\n"
            "log4j.appender.A.layout.ConversionPattern=[%d] %p %m (%c)%n\n")
        return f"-Dlog4j.configuration=file:{path}"
    path = folder / "log4j2.properties"
    path.write_text(
        "status=error\nrootLogger.level=WARN\nrootLogger.appenderRef.a.ref=A\nappender.a.type=Console\n"
        "appender.a.name=A\nappender.a.target=SYSTEM_ERR\nappender.a.layout.type=PatternLayout\n"
        "appender.a.layout.pattern=[%d] %p %m (%c)%n\n")
    return f"-Dlog4j2.configurationFile={path}"


TOOLS = {  # where they are in Kafka 3.7, and where in 4 if that is elsewhere
    "acls": ("kafka.admin.AclCommand", "org.apache.kafka.tools.AclCommand"),
    "broker-api-versions": ("kafka.admin.BrokerApiVersionsCommand", "org.apache.kafka.tools.BrokerApiVersionsCommand"),
    "cluster": ("org.apache.kafka.tools.ClusterTool",),
    "configs": ("kafka.admin.ConfigCommand",),
    "console-consumer": ("kafka.tools.ConsoleConsumer", "org.apache.kafka.tools.consumer.ConsoleConsumer"),
    "console-producer": ("kafka.tools.ConsoleProducer", "org.apache.kafka.tools.ConsoleProducer"),
    "consumer-groups": ("kafka.admin.ConsumerGroupCommand", "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"),
    "consumer-perf-test": ("org.apache.kafka.tools.ConsumerPerformance",),
    "delete-records": ("org.apache.kafka.tools.DeleteRecordsCommand",),
    "features": ("org.apache.kafka.tools.FeatureCommand",),
    "get-offsets": ("org.apache.kafka.tools.GetOffsetShell",),
    "groups": (None, "org.apache.kafka.tools.GroupsCommand"),
    "leader-election": ("org.apache.kafka.tools.LeaderElectionCommand",),
    "log-dirs": ("org.apache.kafka.tools.LogDirsCommand",),
    "metadata-quorum": ("org.apache.kafka.tools.MetadataQuorumCommand",),
    "producer-perf-test": ("org.apache.kafka.tools.ProducerPerformance",),
    "reassign-partitions": ("org.apache.kafka.tools.reassign.ReassignPartitionsCommand",),
    "topics": ("org.apache.kafka.tools.TopicCommand",),
    "transactions": ("org.apache.kafka.tools.TransactionsCommand",),
    "verifiable-consumer": ("org.apache.kafka.tools.VerifiableConsumer",),
    "verifiable-producer": ("org.apache.kafka.tools.VerifiableProducer",),
}


class Tools:
    """Kafka's command line tools: tools("topics", "--list", bootstrap=...) runs kafka-topics in a JVM that is kept."""

    def __init__(self, version, folder):
        self.version, self.folder = version, folder
        self.process = None

    def __enter__(self):
        classes = f"{compiled('Tools', 'kafka-3.7')}:{class_path(self.version)}"
        self.process = subprocess.Popen([*JVM, quiet_logging(self.version, self.folder), "-cp", classes, "Tools"],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()

    def class_of(self, tool):
        names = TOOLS[tool]
        return names[-1] if self.version.startswith("kafka-4") else names[0]

    def _read(self, n):
        data = self.process.stdout.read(n)
        if len(data) != n:
            raise AssertionError("the JVM of the tools is gone, or had to be ended")
        return data

    def run(self, tool, *args, stdin=b"", code=0, timeout=60):
        if self.process is None or self.process.poll() is not None:
            self.__enter__()
        words = [self.class_of(tool), *map(str, args)]
        request = struct.pack(">i", len(words))
        for word in words:
            data = word.encode()
            request += struct.pack(">H", len(data)) + data
        watch = threading.Timer(timeout, self.process.kill)
        watch.start()
        try:
            self.process.stdin.write(request + struct.pack(">i", len(stdin)) + stdin)
            self.process.stdin.flush()
            status = struct.unpack(">i", self._read(4))[0]
            out = self._read(struct.unpack(">i", self._read(4))[0]).decode(errors="replace")
            err = self._read(struct.unpack(">i", self._read(4))[0]).decode(errors="replace")
        except AssertionError as e:
            raise AssertionError(f"{tool} {' '.join(words[1:])}: no end within {timeout} s") from e
        finally:
            watch.cancel()
        result = Result(status, out, err)
        assert code is None or status == code, f"{tool} {' '.join(words[1:])}: {status}\n{out}\n{err}"
        return result


def tool(tools, name, *args, timeout=60):
    """A tool that ends with its JVM, and prints JSON objects, one a line: those."""
    command = [*JVM, quiet_logging(tools.version, tools.folder), "-cp", class_path(tools.version), tools.class_of(name)]
    done = subprocess.run([*command, *map(str, args)], capture_output=True, text=True, timeout=timeout)
    assert done.returncode == 0, f"{name}: {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
