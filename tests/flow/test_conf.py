"""The configuration as a user meets it: .env, secrets, what is printed, SQL that does not fit."""

import json
import os
import re
import subprocess

import pytest

from support.project import SOURCE_DIR

CONTRACT = """
contract:
  key: id
  event_time: at
  not_before: 2020-01-01
  fields:
    id: {type: string, required: true}
    at: {type: timestamp, required: true}
    n: int
"""
SOURCE = 'source: {type: file, path: "${INPUT:-input}/*.ndjson"}\n'
GOLD = "gold: {per_day: {key: event_date}}\n"
PER_DAY = "SELECT event_date, count(*) AS n FROM silver GROUP BY event_date"


@pytest.fixture
def small(project):
    project.write("input/a.ndjson", '{"id":"1","at":"2024-01-15T01:00:00Z","n":1}\n{"id":"2","at":"2024-01-15T02:00:00Z"}\n')
    project.domain("things", SOURCE + CONTRACT + GOLD, gold_per_day=PER_DAY)
    return project


def documents(printed):
    """What `check --print` gives, by file."""
    found = {}
    for text in printed.split("\n---\n"):
        found[re.match(r"(?:---\n)?# (\S+)\n", text).group(1)] = text + "\n"
    return found


def test_dotenv_is_read_and_the_environment_wins(small):
    small.write("other/b.ndjson", '{"id":"3","at":"2024-01-15T03:00:00Z"}\n')
    small.write(".env", "# where the files are\nINPUT='other'\n")
    small("run")
    assert small.query("SELECT n FROM per_day") == [{"n": 1}]
    small("run", env={"INPUT": "input"})
    assert small.query("SELECT n FROM per_day") == [{"n": 3}]


def test_what_is_printed_is_the_same_project(small, ingot, tmp_path):
    printed = small("check", "--print").out
    again = tmp_path / "again"
    for name, text in documents(printed).items():
        path = again / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (again / "domains/things/gold").mkdir()
    (again / "domains/things/gold/per_day.sql").write_text(PER_DAY)
    assert ingot.run("check", "--print", cwd=again).out == printed


def test_secrets_do_not_get_out(small):
    small.write_settings(log="kafka://127.0.0.1:1?sasl.password=${PASSWORD}&client.id=x")
    secret = "hunter2-canary"
    for args in (["check"], ["check", "--print"], ["--json", "check"], ["-v", "check"], ["help"]):
        result = small(*args, env={"PASSWORD": secret}, code=0)
        assert secret not in result.out + result.err
    small.write_settings(log="kafka://me:" + secret + "@127.0.0.1:1")
    for args in (["check"], ["--json", "check"]):
        result = small(*args, code=78)
        assert secret not in result.out + result.err
        assert "sasl.password" in result.err


def test_an_unset_variable_is_a_mistake_at_its_place(small):
    small.write("domains/things/domain.yml", "retries: ${NOT_SET_HERE}\n" + SOURCE + CONTRACT + GOLD)
    result = small("check", code=78)
    assert "domains/things/domain.yml:1:10: the variable NOT_SET_HERE is not set" in result.err


def test_mistakes_as_json_have_their_place(small):
    small.write("domains/things/domain.yml", "retires: 3\n" + SOURCE + CONTRACT + GOLD)
    small.write_settings(listen="nowhere")
    lines = [json.loads(line) for line in small("--json", "check", code=78).err.splitlines()]
    assert [(m["file"], m["line"]) for m in lines] == [("domains/things/domain.yml", 1), ("ingot.yml", 2)]
    assert all(m["column"] >= 1 and m["error"] for m in lines)


@pytest.mark.parametrize("sql, place, says", [
    ("SELECT event_date,\n  coutn(*) AS n\nFROM silver", "2:3", "coutn"),
    ("SELECT event_date, missing FROM silver", "1:20", "missing"),
    ("SELECT event_date FROM silver WHERE", "1:1", "syntax error"),
    ("SELECT 1 AS n FROM silver", "1:1", "event_date"),
    ("SELECT event_date FROM silver; DROP TABLE x", "1:32", "second statement"),
    ("-- nothing\n", "1:1", "no statement"),
    ("SELECT event_date FROM silver_nobody", "1:24", "silver_nobody"),
])
def test_sql_that_does_not_fit_is_found_before_it_runs(small, sql, place, says):
    small.write("domains/things/gold/per_day.sql", sql)
    result = small("check", code=78)
    found = re.search(r"^domains/things/gold/per_day\.sql:(\d+:\d+): (.*)", result.err, re.M)
    assert found and says in found.group(2), result.err
    if "end of input" not in found.group(2):
        assert found.group(1) == place, result.err


def test_the_examples_of_the_reference_are_right(project):
    page = (SOURCE_DIR / "docs" / "configuration.md").read_text()
    blocks = re.findall(r"```yaml\n(.*?)```", page, re.S)
    assert len(blocks) >= 5
    secrets = {"ADMIN_PASSWORD": "a", "KAFKA_PASSWORD": "k"}
    (project.root / "certs").mkdir()
    project.write("secrets/shop", "geheim\n")
    subprocess.run("openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=x -keyout server.key -out server.pem".split(),
                   cwd=project.root / "certs", check=True, capture_output=True)
    for block in blocks:
        if block.startswith(("name:", "log:", "broker:", "topics:")):
            project.write("ingot.yml", block)
            project("check", env=secrets)
            continue
        project.write("domains/things/domain.yml", block + ("" if "contract:" in block else CONTRACT))
        project.write("domains/things/source.sql", "SELECT * FROM input")
        gold = project.root / "domains/things/gold"
        if "gold:" in block:
            project.write("domains/things/gold/daily_revenue.sql",
                          "SELECT event_date, event_date AS order_date, 'x' AS city FROM silver")
            project.write("domains/things/gold/customers.sql", "SELECT id AS customer_id FROM silver")
        project("check", env=secrets)
        for path in gold.glob("*.sql"):
            path.unlink()


def test_files_that_are_no_yaml(small):
    for content in (b"\xff\xfe\x00", b"\x00", b"a: [", b"a: 'b", b"%YAML 9.9\n---\n", b"\xc3\x28", b"? [a]\n: b\n", b"&a [*a]",
                    b"[" * 10000, b"a: &a [x,x]\nb: !!python/object:os.system {}\n", b"{" * 5000 + b"}" * 5000):
        small.write("domains/things/domain.yml", content)
        result = small("check", code=78, timeout=20)
        assert re.search(r"^domains/things/domain\.yml:\d+:\d+: .", result.err, re.M), (content[:20], result.err)


def test_a_billion_laughs_are_refused_at_once(small):
    levels = "".join(f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 9)}]\n" for i in range(1, 10))
    small.write("domains/things/domain.yml", "l0: &l0 [ha, ha]\n" + levels + CONTRACT)
    result = small("check", code=78, timeout=20)
    assert "too large" in result.err


def test_hostile_yaml_of_others_never_crashes(small, shared):
    files = sorted(p for p in (shared / "data" / "hard-formats").glob("**/*") if p.is_file() and p.stat().st_size < 1 << 20)
    if not files:
        pytest.skip("no files in ../shared/data/hard-formats")
    for path in files[:60]:
        small.write("domains/things/domain.yml", path.read_bytes())
        assert small("check", code=None, timeout=20).code == 78, path


def test_a_project_is_found_from_below_and_by_name(small, ingot, tmp_path):
    assert ingot.run("check", cwd=small.root / "domains" / "things").code == 0
    assert ingot.run("-C", small.root, "check", cwd=tmp_path).code == 0
    assert ingot.run("check", f"--project={small.root}", cwd=tmp_path).code == 0
    assert "nowhere" in ingot.run("-C", tmp_path / "nowhere", "check", cwd=tmp_path, code=78).err


def test_check_touches_nothing(small):
    before = {p: p.stat().st_mtime_ns for p in small.root.rglob("*")}
    small("check")
    small("check", "--print")
    assert {p: p.stat().st_mtime_ns for p in small.root.rglob("*")} == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_can_not_be_read_is_named(small):
    (small.root / "domains/things/domain.yml").chmod(0)
    assert "domains/things/domain.yml:1:1: " in small("check", code=78).err
