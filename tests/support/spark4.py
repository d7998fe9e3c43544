"""Spark 4 with Delta Lake 4, in a process of its own."""

import json
import pathlib
import subprocess


class Spark4Error(Exception):
    pass


class Spark4:
    def __init__(self, deps, scratch):
        python = deps / "spark-4" / "bin" / "python"
        assert python.exists(), f"{python} is not there: scripts/setup --tests makes it"
        program = pathlib.Path(__file__).with_name("spark4_process.py")
        self.log = open(scratch / "spark4.err", "w")
        self.process = subprocess.Popen(
            [python, program, deps / "spark-4-jars", scratch],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True, bufsize=1,
        )
        self.version = self._answer()[0]["version"]

    def _answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError(f"Spark 4 has died: {pathlib.Path(self.log.name).read_text()[-2000:]}")
        answer = json.loads(line)
        if "error" in answer:
            raise Spark4Error(answer["error"])
        return answer["rows"]

    def __call__(self, sql):
        self.process.stdin.write(json.dumps({"sql": sql}) + "\n")
        return self._answer()

    def close(self):
        self.process.stdin.close()
        self.process.wait(60)
        self.log.close()
