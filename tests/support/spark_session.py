"""Apache Spark with Delta Lake as tests use it: small, local, no downloads. For Spark 3 in the tests' own process and for
Spark 4 in another (spark4_process.py), each with the pyspark of its environment."""

import pathlib

from pyspark.sql import SparkSession

# What the tests do is short: the optimizing compiler and parallel collectors cost more processor than they save.
JVM = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"


def spark_session(jars, scratch):
    """A session with the jars of the folder `jars`; what it writes aside is in the folder `scratch`."""
    jars, scratch = sorted(map(str, pathlib.Path(jars).glob("*.jar"))), pathlib.Path(scratch)
    assert jars, "no jars in .deps: scripts/setup --tests fetches them"
    session = (
        SparkSession.builder.master("local[2]")
        .appName("ingot-tests")
        .config("spark.jars", ",".join(jars))
        .config("spark.driver.extraClassPath", ":".join(jars))
        .config("spark.driver.extraJavaOptions", JVM)
        .config("spark.sql.extensions", "io.delta.sql.DeltaSparkSessionExtension")
        .config("spark.sql.catalog.spark_catalog", "org.apache.spark.sql.delta.catalog.DeltaCatalog")
        .config("spark.driver.memory", "1g")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.default.parallelism", "2")
        .config("spark.databricks.delta.snapshotPartitions", "2")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.warehouse.dir", str(scratch / "warehouse"))
        .config("spark.local.dir", str(scratch / "local"))
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("ERROR")
    return session
