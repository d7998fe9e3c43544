"""A project folder in a test, and the ingot program working in it."""

import contextlib
import dataclasses
import json
import os
import pathlib
import random
import signal
import socket
import subprocess
import time

import deltalake
import pyarrow as pa
import pyarrow.parquet as pq

SOURCE_DIR = pathlib.Path(__file__).resolve().parents[2]
SHARED_DIR = SOURCE_DIR.parent / "shared"


@dataclasses.dataclass
class Result:
    code: int
    out: str
    err: str

    def rows(self):
        """What --json printed: one object a line."""
        return [json.loads(line) for line in self.out.splitlines() if line.strip()]


class Ingot:
    """The program. Every call has a time limit: a hang is a failure, not a stuck run."""

    def __init__(self, path):
        self.path = str(path)

    def run(self, *args, cwd=None, code=0, timeout=120, env=None, stdin=None):
        """Runs a command line; `code` is the exit status expected, None for any."""
        done = subprocess.run(
            [self.path, *map(str, args)],
            cwd=cwd,
            input=stdin,
            capture_output=True,
            timeout=timeout,
            env={**os.environ, **(env or {})},
        )
        result = Result(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))
        if code is not None and result.code != code:
            raise AssertionError(
                f"ingot {' '.join(map(str, args))}: exit status {result.code}, expected {code}\n"
                f"--- stdout\n{result.out[-4000:]}\n--- stderr\n{result.err[-4000:]}"
            )
        return result


def free_port():
    """A port that nobody has. It is below those that the kernel gives out by itself, so that it stays free while what
    listens there is not up."""
    first_given_out = int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    for _ in range(1000):
        port = random.SystemRandom().randrange(10000, max(first_given_out, 20000))
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise AssertionError("no port is free")


def wait_for(what, seconds=60, every=0.02):
    """Calls `what` until it gives something true, and returns that."""
    until = time.monotonic() + seconds
    while True:
        found = what()
        if found:
            return found
        if time.monotonic() > until:
            raise AssertionError(f"waited {seconds} s for {what.__name__}")
        time.sleep(every)


class Up:
    """A running `ingot up`."""

    def __init__(self, project, args=()):
        self.project = project
        self.log_path = project.root / "up.log"
        self.log = open(self.log_path, "ab")
        self.began = time.monotonic()
        self.process = subprocess.Popen(
            [project.ingot.path, *args, "up"], cwd=project.root, stdout=self.log, stderr=self.log
        )
        self.bootstrap = None
        self.seconds_to_ready = None

    def wait_ready(self, seconds=60):
        endpoint = self.project.root / "data" / "endpoint.json"

        def ready():
            if self.process.poll() is not None:
                raise AssertionError(f"ingot up ended with {self.process.returncode}:\n{self.tail()}")
            try:
                found = json.loads(endpoint.read_text())
            except (OSError, ValueError):
                return None
            if found.get("pid") != self.process.pid:
                return None  # left behind by one that was killed
            host, port = found["bootstrap"].rsplit(":", 1)
            try:
                socket.create_connection((host, int(port)), timeout=1).close()
            except OSError:
                return None
            return self.project.seen_from_outside(found["bootstrap"])

        self.bootstrap = wait_for(ready, seconds, every=0.005)
        self.seconds_to_ready = time.monotonic() - self.began
        return self

    def tail(self, n=4000):
        return self.log_path.read_text(errors="replace")[-n:]

    def resident_bytes(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmRSS:"))

    def processor_seconds(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.log.close()

    def stop(self, seconds=60):
        """SIGTERM; gives the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"ingot up did not end within {seconds} s of SIGTERM:\n{self.tail()}")
        finally:
            self.log.close()
        return code


@contextlib.contextmanager
def served_log(ingot, folder):
    """`ingot broker` on a folder; gives host:port."""
    process = subprocess.Popen(
        [ingot.path, "--json", "broker", "--data", str(folder), "--listen", "127.0.0.1:0"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )
    try:
        line = process.stdout.readline()
        if not line:
            raise AssertionError(f"ingot broker did not start: {process.stderr.read().decode()[-2000:]}")
        ready = json.loads(line)
        yield f"{ready['host']}:{ready['port']}"
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)


class Project:
    """Writes a project folder and works in it."""

    def __init__(self, ingot, root, **settings):
        self.ingot = ingot
        self.root = pathlib.Path(root)
        self.root.mkdir(parents=True, exist_ok=True)
        self.settings = {"name": "test", "listen": "127.0.0.1:0", "http": "127.0.0.1:0", "process": {"every": "0s"}, **settings}
        self.write_settings()

    @classmethod
    def at(cls, ingot, root):
        """A project that is there already."""
        self = cls.__new__(cls)
        self.ingot, self.root = ingot, pathlib.Path(root)
        return self

    def write_settings(self, **changes):
        self.settings.update(changes)
        # JSON is YAML.
        self.write("ingot.yml", "\n".join(f"{k}: {json.dumps(v)}" for k, v in self.settings.items()) + "\n")

    def write(self, name, content):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def domain(self, name, yml, **sql):
        """`sql`: silver="...", gold_NAME="...", test_NAME="..."."""
        self.write(f"domains/{name}/domain.yml", yml)
        for key, text in sql.items():
            kind, _, rest = key.partition("_")
            file = {"silver": "silver.sql", "gold": f"gold/{rest}.sql", "test": f"tests/{rest}.sql"}[kind]
            self.write(f"domains/{name}/{file}", text)

    def __call__(self, *args, **kw):
        return self.ingot.run(*args, cwd=self.root, **kw)

    def rows(self, *args, **kw):
        return self("--json", *args, **kw).rows()

    def query(self, sql, **kw):
        return self.rows("query", sql, **kw)

    @contextlib.contextmanager
    def up(self, *args, stop_code=0):
        running = Up(self, args)
        try:
            running.wait_ready()
            yield running
        except BaseException:
            if running.process.poll() is None:
                running.kill()
            raise
        if running.process.poll() is None:
            code = running.stop()
            assert code == stop_code, f"ingot up ended with {code}:\n{running.tail()}"

    def seen_from_outside(self, bootstrap):
        """Where foreign clients find the log whose address ingot says."""
        return bootstrap

    @contextlib.contextmanager
    def log(self):
        """The project's log alone, while nothing else is up: no source, no sink; gives host:port."""
        with served_log(self.ingot, self.root / "data" / "log") as bootstrap:
            yield bootstrap

    # --- what is in the lake, seen by foreign programs -------------------------------------------------

    @property
    def lake(self):
        return self.root / "data" / "lake"

    def delta(self, path, version=None):
        return deltalake.DeltaTable(str(self.lake / path), version=version)

    def table(self, path, version=None):
        """A Delta table's rows, as a list of dicts; none if there is no table."""
        if not (self.lake / path / "_delta_log").exists():
            return []
        return pa.table(self.delta(path, version).to_pyarrow_table()).to_pylist()

    def silver(self, domain):
        return self.table(f"silver/{domain}")

    def gold(self, domain, table):
        return self.table(f"gold/{domain}/{table}")

    def quarantine(self, domain):
        return self.table(f"quarantine/{domain}")

    def partition_meta(self, version=None):
        return {(r["domain"], str(r["partition_date"])): r for r in self.table("metadata/partition_meta", version)}

    def states(self):
        return {key: row["status"] for key, row in self.partition_meta().items()}

    def bronze(self, domain):
        rows = []
        for path in sorted((self.lake / "bronze" / domain).glob("*/*.parquet")):
            rows += pq.ParquetFile(path).read().to_pylist()
        return rows

    def versions(self):
        """Every Delta table's version, by path."""
        found = {}
        for log in sorted(self.lake.glob("**/_delta_log")):
            path = str(log.parent.relative_to(self.lake))
            found[path] = self.delta(path).version()
        return found

    def files(self):
        """Every file of the project's data folder that is not the log's or a lock, with its content's size."""
        return {
            str(p.relative_to(self.root)): p.stat().st_size
            for p in sorted((self.root / "data").glob("**/*"))
            if p.is_file()
        }


def no_time(row):
    """A row without the columns that say when and by which run it was made."""
    return {k: v for k, v in row.items() if k not in ("run_id", "updated_at", "processed_at", "created_at")}
