"""compare.py EVENTS DIR MANIFEST: reads the logs of both sides; their results must be equal, and those of the manifest.
Prints the quicker run of each side and the ratios."""

import glob
import json
import sys

events, folder, manifest_path = sys.argv[1:4]


def read(side):
    """The runs of one side as {CHECK, TIMES, MEASURED}, the quickest first."""
    runs = []
    for path in glob.glob("%s/%s-%s-*.log" % (folder, side, events)):
        run = {}
        for line in open(path):
            word, _, rest = line.partition(" ")
            if word in ("CHECK", "TIMES", "MEASURED"):
                run[word] = json.loads(rest)
        runs.append(run)
    return sorted(runs, key=lambda r: r["MEASURED"]["wall"])


def rounded(check):
    """Without what only the peer prints, and conversions to ten digits: both sides divide in double."""
    funnel = [row[:5] + ["%.10f" % float(row[5])] for row in check["funnel"]]
    return {**{k: check[k] for k in ("silver", "quarantine", "hourly", "revenue")}, "funnel": funnel}


peer, ingot = read("peer"), read("ingot")
manifest = json.load(open(manifest_path))
for run in peer + ingot:
    if rounded(run["CHECK"]) != rounded(ingot[0]["CHECK"]):
        sys.exit("W1: the results differ:\n%s\n%s" % (run["CHECK"], ingot[0]["CHECK"]))
check = ingot[0]["CHECK"]
expected = (manifest["valid_distinct"], manifest["malformed"], manifest["revenue"])
found = (int(check["silver"][0][0]), int(check["quarantine"][0][0]), check["revenue"][0][0])
if expected != found:
    sys.exit("W1: expected %s, found %s" % (expected, found))

print("W1, %s events: results equal, and as the generator counted" % events)
for name, run in (("DuckDB + delta-rs", peer[0]), ("ingot", ingot[0])):
    stages = ", ".join(
        "%s %.2f" % (k, v) for k, v in run["TIMES"].items() if k in ("bronze", "silver", "quarantine", "gold", "gold_remerge")
    )
    m = run["MEASURED"]
    print("  %-18s %6.2f s  (cpu %6.2f s)  peak %5d MB  [%s]" % (name, m["wall"], m["cpu"], m["peak_mb"], stages))
print(
    "  ratio: time %.2f, processor %.2f, memory %.2f"
    % tuple(ingot[0]["MEASURED"][k] / peer[0]["MEASURED"][k] for k in ("wall", "cpu", "peak_mb"))
)
