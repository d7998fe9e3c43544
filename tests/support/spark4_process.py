"""Spark SQL by lines of JSON: {"sql": ...} is answered by {"rows": [...]} or {"error": ...}. Runs in an environment of its
own, since Spark 4 cannot be in one process with Spark 3; spark4.py starts it."""

import json
import os
import pathlib
import sys

from pyspark.sql import SparkSession

jars, scratch = sorted(pathlib.Path(sys.argv[1]).glob("*.jar")), pathlib.Path(sys.argv[2])
answers = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)  # what the JVM prints is no answer
spark = (
    SparkSession.builder.master("local[2]")
    .appName("ingot-tests")
    .config("spark.jars", ",".join(map(str, jars)))
    .config("spark.driver.extraClassPath", ":".join(map(str, jars)))
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
spark.sparkContext.setLogLevel("ERROR")
print(json.dumps({"rows": [{"version": spark.version}]}), file=answers)
for line in sys.stdin:
    try:
        rows = [r.asDict(recursive=True) for r in spark.sql(json.loads(line)["sql"]).collect()]
        answer = {"rows": rows}
    except Exception as e:  # whatever Spark says is the answer
        answer = {"error": str(e)[:600]}
    print(json.dumps(answer, default=str), file=answers)
spark.stop()
