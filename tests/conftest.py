"""What all tests share. Everything runs from the outside: the built program, and foreign clients."""

import hashlib
import os
import pathlib
import random

import pytest

from support.project import SHARED_DIR, SOURCE_DIR, Ingot, Project, served_log


def pytest_configure(config):
    seed = os.environ.get("INGOT_SEED", "1")
    config.seed = random.SystemRandom().randrange(1 << 32) if seed == "fresh" else int(seed)


def pytest_report_header(config):
    return [f"INGOT_SEED={config.seed}", f"../shared: {'here' if SHARED_DIR.is_dir() else 'absent, what needs it is skipped'}"]


@pytest.fixture
def rng(request):
    """Random numbers from the seed that the header names (INGOT_SEED sets it; `fresh` draws one) and the test's name."""
    return random.Random(f"{request.config.seed}/{request.node.name}")


@pytest.fixture(scope="session")
def ingot():
    path = pathlib.Path(os.environ.get("INGOT", SOURCE_DIR / "build" / "ingot"))
    if not path.exists():
        pytest.exit(f"{path} is not there: run `make`", returncode=2)
    return Ingot(path)


@pytest.fixture
def project(ingot, tmp_path):
    """An empty project: project.domain(...) adds to it, project("run") works in it."""
    return Project(ingot, tmp_path / "project")


@pytest.fixture
def broker(ingot, tmp_path):
    """A running log alone; gives host:port."""
    with served_log(ingot, tmp_path / "log") as bootstrap:
        yield bootstrap


@pytest.fixture(scope="session")
def shared():
    """The folder of data beside the project; tests that need it are skipped where it is not."""
    if not SHARED_DIR.is_dir():
        pytest.skip("../shared is not here")
    return SHARED_DIR


@pytest.fixture(scope="session")
def spark(tmp_path_factory):
    """Apache Spark with Delta Lake, in this process' JVM."""
    from support.spark_session import spark_session

    session = spark_session(SOURCE_DIR / ".deps" / "spark-jars", tmp_path_factory.mktemp("spark"))
    yield session
    session.stop()


@pytest.fixture(scope="session")
def spark4(tmp_path_factory):
    """Spark 4 with Delta Lake 4: a function of a statement that gives its rows."""
    from support.spark4 import Spark4

    it = Spark4(SOURCE_DIR / ".deps", tmp_path_factory.mktemp("spark4"))
    yield it
    it.close()


@pytest.fixture(scope="session")
def moto(tmp_path_factory):
    """An S3 server on loopback."""
    from support.s3 import Moto

    it = Moto(tmp_path_factory.mktemp("moto") / "log")
    yield it
    it.close()


@pytest.fixture
def s3(moto, tmp_path, request):
    """A fresh bucket of it."""
    from support.s3 import S3

    name = "b-" + hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:20] + f"-{os.getpid()}"
    it = S3(moto, name, tmp_path / "cache")
    yield it
    it.close()


@pytest.fixture(scope="session")
def fake_gcs(tmp_path_factory):
    """Google Cloud Storage on loopback."""
    from support.gcs import FakeGcs

    it = FakeGcs(tmp_path_factory.mktemp("gcs") / "log")
    yield it
    it.close()


@pytest.fixture
def gcs(fake_gcs, tmp_path, request):
    """A fresh bucket of it."""
    from support.gcs import Gcs

    name = "b" + hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:20] + f"{os.getpid()}"
    it = Gcs(fake_gcs, name, tmp_path / "gcs-cache")
    yield it
    it.close()
