"""Spark SQL by lines of JSON: {"sql": ...} is answered by {"rows": [...]} or {"error": ...}. Runs in an environment of its
own, since Spark 4 cannot be in one process with Spark 3; spark4.py starts it."""

import json
import os
import sys

from spark_session import spark_session

answers = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)  # what the JVM prints is no answer
spark = spark_session(sys.argv[1], sys.argv[2])
print(json.dumps({"rows": [{"version": spark.version}]}), file=answers)
for line in sys.stdin:
    try:
        rows = [r.asDict(recursive=True) for r in spark.sql(json.loads(line)["sql"]).collect()]
        answer = {"rows": rows}
    except Exception as e:  # whatever Spark says is the answer
        answer = {"error": str(e)[:600]}
    print(json.dumps(answer, default=str), file=answers)
spark.stop()
