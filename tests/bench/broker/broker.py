"""ingot's broker and Apache Kafka 3.7 side by side: same client, same settings, same disk, one run.

ingot acknowledges what is synced to the disk; Kafka, as it comes, does not sync. `kafka, synced` has flush.messages=1.
Processor time is the broker's own, from /proc/PID/stat; latencies are those of the client.
"""

import argparse
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests"))

from confluent_kafka.admin import AdminClient, NewTopic  # noqa: E402

from support.real_kafka import RealKafka, logging_of, jars  # noqa: E402

TICKS = os.sysconf("SC_CLK_TCK")
SYNCED = {"flush.messages": "1"}
PRODUCER = ["acks=all", "linger.ms=5"]


def cpu_seconds(pid):
    """User and system time of a process and all its threads."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def resident_mb(pid, what="VmRSS"):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(what + ":"):
            return int(line.split()[1]) / 1024
    raise KeyError(what)


def fill_page_cache(folder):
    """Memory that a virtual machine's guest never used, or gave back, costs seconds a gigabyte when it is used first; a
    broker that has run for a day has none of it. So the page cache is filled, with the holes of a file."""
    free_kb = int(re.search(r"MemFree:\s+(\d+)", pathlib.Path("/proc/meminfo").read_text())[1])
    path = folder / "holes"
    size = max(0, free_kb * 1024 - (1 << 30))
    with open(path, "wb") as f:
        f.truncate(size)
    buffer = bytearray(1 << 20)
    with open(path, "rb", buffering=0) as f:
        while f.readinto(buffer):
            pass
    return path


class Ingot:
    name = "ingot"

    def __init__(self, program, folder, *more):
        self.program, self.folder, self.more = program, folder, more
        self.port = 0

    def start(self):
        began = time.monotonic()
        self.process = subprocess.Popen(
            [self.program, "broker", "--data", str(self.folder / "ingot"), "--listen", f"127.0.0.1:{self.port}", *self.more],
            stdout=subprocess.PIPE, stderr=open(self.folder / "ingot.log", "ab"), text=True)
        ready = re.match(r"ready: 127\.0\.0\.1:(\d+)", self.process.stdout.readline())
        assert ready, (self.folder / "ingot.log").read_text()[-2000:]
        self.port = int(ready[1])
        self.address = f"127.0.0.1:{self.port}"
        return time.monotonic() - began

    def stop(self, with_signal=signal.SIGTERM):
        self.process.send_signal(with_signal)
        self.process.wait(120)
        self.process.stdout.close()


class Kafka(RealKafka):
    """With the JVM settings of Kafka's own start script, and its own defaults for threads."""

    name = "kafka"

    def __init__(self, folder):
        super().__init__("3.7", folder / "kafka", heap="1g", num_network_threads=3, num_io_threads=8, background_threads=10)

    def java(self, *args, level="ERROR", heap="128m"):
        if args[0] != "kafka.Kafka":
            return super().java(*args, level=level, heap=heap)
        flags = ["-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:InitiatingHeapOccupancyPercent=35",
                 "-XX:+ExplicitGCInvokesConcurrent", "-Djava.awt.headless=true"]
        return ["java", f"-Xmx{heap}", f"-Xms{heap}", *flags, logging_of(self.version, self.folder, "WARN"), "-cp",
                jars(self.version), *args]

    def start(self):
        """Its log is at WARN, so that it costs nothing: it is there when it answers."""
        began = time.monotonic()
        properties = self.properties()
        if not (self.folder / "data" / "meta.properties").exists():
            done = subprocess.run(self.java("kafka.tools.StorageTool", "format", "-t", "aW5nb3QtYmVuY2gtMDAwMQ", "-c", properties),
                                  capture_output=True, text=True)
            assert done.returncode == 0, done.stdout + done.stderr
            began = time.monotonic()
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(self.java("kafka.Kafka", str(properties), heap=self.heap),
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        while True:
            assert self.process.poll() is None, self.log_path.read_text()[-2000:]
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.plain_port), 1):
                break
            time.sleep(0.01)
        self.address = self.plain
        return time.monotonic() - began

    def stop(self, with_signal=signal.SIGTERM):
        self.process.send_signal(with_signal)
        self.process.wait(120)


class Bench:
    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        self.client = options.client
        self.sides = [Ingot(options.ingot, folder), Kafka(folder)]
        self.rows = []
        self.made = []  # dropped late: memory that is given back to a virtual machine's host is slow when it is needed again

    def topic(self, side, name, partitions, config=None):
        admin = AdminClient({"bootstrap.servers": side.address, "log_level": 0})
        [f] = admin.create_topics([NewTopic(name, partitions, 1, config=config or {})]).values()
        f.result(60)
        while len(admin.list_topics(name, timeout=30).topics[name].partitions) != partitions:
            time.sleep(0.05)

    def drop(self, side, name):
        admin = AdminClient({"bootstrap.servers": side.address, "log_level": 0})
        [f] = admin.delete_topics([name], operation_timeout=60).values()
        f.result(60)

    def load(self, side, *words):
        cpu = cpu_seconds(side.process.pid)
        done = subprocess.run([self.client, words[0], side.address, *map(str, words[1:])], capture_output=True, text=True,
                              timeout=900)
        assert done.returncode == 0, done.stderr + done.stdout
        found = json.loads(done.stdout)
        time.sleep(0.3)  # what the broker still does for it counts
        found["cpu"] = cpu_seconds(side.process.pid) - cpu
        found["cpu_per_million"] = found["cpu"] / found["records"] * 1e6
        return found

    def note(self, case, side, runs, keys):
        row = {"case": case, "side": side}
        for key, better in keys.items():
            values = [r[key] for r in runs]
            row[key] = better(values)
            row[key + "_median"] = statistics.median(values)
        self.rows.append(row)
        print(f"  {case:34} {side:14} " + "  ".join(f"{k} {row[k]:,.2f}" for k in keys), file=sys.stderr, flush=True)

    def produce(self, case, count, size, producers, partitions, synced=False, rate=0, properties=PRODUCER, keys=None):
        keys = keys or {"per_second": max, "mb_per_second": max, "cpu_per_million": min}
        sides = [(s, s.name, None) for s in self.sides]
        if synced:
            sides.append((self.sides[1], "kafka, synced", SYNCED))
        runs = {name: [] for _, name, _ in sides}
        for i in range(self.options.rounds):
            for side, name, config in sides:
                topic = f"{re.sub('[^a-z0-9]+', '-', case.lower())}-{name.replace(', ', '-')}-{i}"
                self.topic(side, topic, partitions, config)
                runs[name].append(self.load(side, "produce", topic, count, size, producers, rate, *properties))
                self.made.append((side, topic))
        for name, found in runs.items():
            self.note(case, name, found, keys)

    def consume(self, count):
        """Topics that were just written, so that they are in the page cache."""
        for side in self.sides:
            self.topic(side, "consume", 4)
            self.load(side, "produce", "consume", count, 1024, 1, 0, *PRODUCER)
        runs = {side.name: [] for side in self.sides}
        for _ in range(self.options.rounds + 1):
            for side in self.sides:
                runs[side.name].append(self.load(side, "consume", "consume", count, "fetch.message.max.bytes=4194304",
                                                 "queued.max.messages.kbytes=1048576", "fetch.wait.max.ms=50"))
        for name, found in runs.items():
            self.note("consume, cached, 1 KB", name, found,
                      {"per_second": max, "mb_per_second": max, "cpu_per_million": min})
        for side in self.sides:
            self.drop(side, "consume")

    def memory(self, case):
        for side in self.sides:
            self.note(case, side.name, [{"resident_mb": resident_mb(side.process.pid),
                                         "peak_mb": resident_mb(side.process.pid, "VmHWM")}],
                      {"resident_mb": min, "peak_mb": min})

    def start_times(self, gigabytes):
        """Stopped and started, killed and started, with 1,000 partitions and so many gigabytes of segments."""
        count = int(gigabytes * 1e9 / 10240)
        for side in self.sides:
            self.topic(side, "big", 1000)
            self.load(side, "produce", "big", count, 10240, 1, 0, "acks=all", "linger.ms=200", "sticky.partitioning.linger.ms=0")
            for case, how in (("start, after a stop", signal.SIGTERM), ("start, after kill -9", signal.SIGKILL)):
                runs = []
                for _ in range(self.options.rounds):
                    side.stop(how)
                    took = side.start()
                    began = time.monotonic()
                    self.load(side, "produce", "big", 1000, 100, 1, 0, "acks=all")  # to each partition's leader
                    runs.append({"seconds": took, "answers_after": took + time.monotonic() - began - 0.3})
                self.note(case, side.name, runs, {"seconds": min, "answers_after": min})
            self.note("resident with them", side.name, [{"resident_mb": resident_mb(side.process.pid)}], {"resident_mb": min})
            self.drop(side, "big")

    def run(self):
        scale = self.options.scale
        million = int(1_000_000 * scale)
        print("warming up", file=sys.stderr)
        if not self.options.cold_memory:
            fill_page_cache(self.folder)
        for side in self.sides:
            side.start()
        for side in self.sides:
            self.topic(side, "warm", 4)
            self.load(side, "produce", "warm", 2 * million, 1024, 1, 0, *PRODUCER)
            self.drop(side, "warm")
        only = self.options.only
        cases = {
            "one": lambda: self.produce("produce 1 KB, 1 producer", 2 * million, 1024, 1, 4, synced=True),
            "eight": lambda: self.produce("produce 1 KB, 8 producers", 2 * million, 1024, 8, 8, synced=True),
            "small": lambda: self.produce("produce 100 B, 1 producer", 5 * million, 100, 1, 4, synced=True),
            "many": lambda: self.produce("produce 1 KB, 1000 partitions", million, 1024, 1, 1000),
            "latency": lambda: self.produce(
                "20,000 records/s", int(300_000 * scale), 1024, 1, 4, synced=True, rate=20000,
                properties=["acks=all", f"linger.ms={self.options.linger}"],
                keys={"p50_ms": min, "p99_ms": min, "p999_ms": min, "cpu_per_million": min}),
            "consume": lambda: self.consume(2 * million),
            "memory": lambda: self.memory("memory after all that"),
            "start": lambda: self.start_times(self.options.start_gb),
        }
        for name, case in cases.items():
            if not only or name in only:
                case()
            if name in ("many", "latency"):
                while self.made:
                    self.drop(*self.made.pop())
        for side in self.sides:
            side.stop()
        return self.rows


UNITS = {"per_second": "records/s", "mb_per_second": "MB/s", "cpu_per_million": "CPU s/million", "p50_ms": "p50 ms",
         "p99_ms": "p99 ms", "p999_ms": "p99.9 ms", "resident_mb": "MB", "peak_mb": "peak MB", "seconds": "s",
         "answers_after": "s to answers"}


def table(rows):
    """Markdown: a line a case and figure, and the ratio of ingot to Kafka as it comes."""
    out = ["| case | figure | ingot | Kafka | Kafka, synced | ingot/Kafka |", "| --- | --- | --- | --- | --- | --- |"]
    for case in dict.fromkeys(r["case"] for r in rows):
        of = {r["side"]: r for r in rows if r["case"] == case}
        for key, unit in UNITS.items():
            if key not in of.get("ingot", {}):
                continue

            def cell(side):
                v = of.get(side, {}).get(key)
                return "" if v is None else f"{v:,.0f}" if v >= 100 else f"{v:.2f}"

            kafka = of.get("kafka", {}).get(key)
            ratio = f"{of['ingot'][key] / kafka:.2f}" if kafka else ""
            out.append(f"| {case} | {unit} | {cell('ingot')} | {cell('kafka')} | {cell('kafka, synced')} | {ratio} |")
    return "\n".join(out)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ingot", default=str(ROOT / "build" / "ingot"))
    parser.add_argument("--client", default=str(ROOT / "build" / "bench_broker"))
    parser.add_argument("--rounds", type=int, default=3, help="each case runs so often on each side, by turns; the best counts")
    parser.add_argument("--scale", type=float, default=1, help="of the number of records")
    parser.add_argument("--linger", default="1", help="linger.ms of the latency test")
    parser.add_argument("--start-gb", type=float, default=10)
    parser.add_argument("--folder", help="on the disk to measure (default: a temporary one)")
    parser.add_argument("--only", nargs="*", help="one eight small many latency consume memory start")
    parser.add_argument("--cold-memory", action="store_true", help="do not fill the page cache before")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="ingot-bench-broker-", dir=options.folder))
    bench = Bench(options, folder)
    before = os.getloadavg()[0]
    try:
        rows = bench.run()
    finally:
        for side in bench.sides:
            if getattr(side, "process", None) and side.process.poll() is None:
                side.process.kill()
                side.process.wait()
        shutil.rmtree(folder, ignore_errors=True)
    if options.json:
        print(json.dumps({"rows": rows, "load_before": before, "cpus": os.cpu_count()}, indent=1))
    else:
        print(table(rows))
        print(f"\n{os.cpu_count()} processors, load {before:.1f} before; best of {options.rounds} rounds.")


if __name__ == "__main__":
    main()
