"""measure.py LOG PROGRAM ARGS...: runs a program, its output into LOG, behind it a line MEASURED with the wall time,
processor time and peak memory of the whole process."""

import json
import resource
import subprocess
import sys
import time

with open(sys.argv[1], "w") as log:
    begin = time.monotonic()
    code = subprocess.call(sys.argv[2:], stdout=log)
    wall = time.monotonic() - begin
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    measured = {
        "wall": round(wall, 2),
        "cpu": round(used.ru_utime + used.ru_stime, 2),
        "peak_mb": used.ru_maxrss // 1024,
    }
    log.write("\nMEASURED %s\n" % json.dumps(measured))
sys.exit(code)
