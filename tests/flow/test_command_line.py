"""The command line's promises: exit statuses, where mistakes are named, and that names can not leave the project."""

import json
import re

import pytest

from support import orders

VERBS = ["init", "up", "run", "status", "query", "trace", "audit", "check", "version", "help"]


@pytest.fixture
def small(project):
    project.write("input/a.ndjson", orders.ndjson([orders.order(i) for i in range(10)]))
    orders.add_to(project, source='source: {type: file, path: "input/*.ndjson"}')
    return project


def test_help_names_every_verb(ingot, tmp_path):
    text = ingot.run("help", cwd=tmp_path).out
    for verb in VERBS:
        assert re.search(rf"\b{verb}\b", text), verb
        assert ingot.run("help", verb, cwd=tmp_path).out.strip()
    assert ingot.run("--help", cwd=tmp_path).out == text
    assert re.match(r"ingot \d+\.\d+\.\d+", ingot.run("version", cwd=tmp_path).out)


@pytest.mark.parametrize("args", [
    [], ["no-such-verb"], ["run", "--no-such-option"], ["run", "--date"], ["run", "--date", "2024-13-01"],
    ["run", "--date", "2024-01-01", "--start", "2024-01-01"], ["trace"],
    ["run", "--select", "../orders"], ["run", "--select", "nobody"], ["audit", "orders", "yesterday"],
])
def test_a_wrong_command_line_is_2_and_says_how(small, args):
    result = small(*args, code=2)
    assert result.err.strip()


def test_a_mistyped_verb_is_guessed(small):
    assert "'status'" in small("statsu", code=2).err


def test_outside_of_a_project(ingot, tmp_path):
    result = ingot.run("run", cwd=tmp_path, code=78)
    assert "ingot.yml" in result.err and "init" in result.err


def test_a_query_that_is_wrong_is_1(small):
    assert "no_such_table" in small("query", "SELECT * FROM no_such_table", code=1).err


def test_init_makes_a_project_that_runs(ingot, tmp_path):
    ingot.run("init", cwd=tmp_path, code=None)
    made = [p.parent for p in tmp_path.glob("**/ingot.yml")]
    assert made, list(tmp_path.glob("*"))
    ingot.run("check", cwd=made[0])
    ingot.run("run", cwd=made[0])
    assert (made[0] / "data" / "lake").is_dir()


# What is changed in a good project, and what the message must have: the file, and what would be right.
MISTAKES = [
    ("domains/orders/domain.yml", "contract:", "contrct:", "contract"),
    ("domains/orders/domain.yml", "partition_by:", "partiton_by:", "partition_by"),
    ("domains/orders/domain.yml", "key: order_id\n  event_time", "key: no_such\n  event_time", "no_such"),
    ("domains/orders/domain.yml", "event_time: created_at", "event_time: amount", "amount"),
    ("domains/orders/domain.yml", "type: int", "type: itn", "int"),
    ("domains/orders/domain.yml", "decimal(10,2)", "decimal(99,2)", "decimal"),
    ("domains/orders/domain.yml", "flush_records: 200", "flush_records: many", "flush_records"),
    ("domains/orders/domain.yml", "flush_interval: 500ms", "flush_interval: 500", "flush_interval"),
    ("domains/orders/domain.yml", "partitions: 3", "partitions: 0", "partitions"),
    ("domains/orders/domain.yml", "topic: {", "topic: {name: ../raw, ", "../raw"),
    ("domains/orders/domain.yml", "partition_by: order_date", 'partition_by: "../order_date"', "../order_date"),
    ("domains/orders/domain.yml", "daily_revenue:", '"../daily_revenue":', "../daily_revenue"),
    ("domains/orders/domain.yml", "retries: 3", 'depends_on: ["../orders"]', "../orders"),
    ("domains/orders/domain.yml", "retries: 3", "depends_on: [orders]", "orders"),
    ("domains/orders/domain.yml", "retries: 3", "retries: 3\nretries: 4", "retries"),
    ("domains/orders/domain.yml", "retries: 3", "retries: [", "domain.yml"),
    ("ingot.yml", "name:", "naem:", "name"),
    ("ingot.yml", '"127.0.0.1:0"', '"127.0.0.1:99999"', "99999"),
    ("ingot.yml", "process:", "log: ftp://nowhere\nprocess:", "ftp"),
]


@pytest.mark.parametrize("file, old, new, says", MISTAKES, ids=[m[2].strip()[:30] for m in MISTAKES])
def test_a_mistake_in_the_configuration_is_78_with_its_place(small, file, old, new, says):
    path = small.root / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    for verb in ("check", "run"):
        result = small(verb, code=78)
        assert re.search(rf"^{re.escape(file)}:\d+:\d+: .", result.err + result.out, re.M), result.err + result.out
        assert says in result.err + result.out
    assert not (small.root / "data" / "lake").exists(), "a wrong project did something"


def test_all_mistakes_are_told_in_one_run(small):
    path = small.root / "domains/orders/domain.yml"
    path.write_text(path.read_text().replace("type: int", "type: itn").replace("retries: 3", "retires: 3"))
    ingot_yml = small.root / "ingot.yml"
    ingot_yml.write_text(ingot_yml.read_text() + "lisen: x\n")
    text = small("check", code=78)
    text = text.err + text.out
    assert "itn" in text and "retries" in text and "listen" in text


@pytest.mark.parametrize("name", ["..", ".hidden", "UPPER", "with space", "a-b", "x" * 64, "é"])
def test_a_folder_that_is_no_domain_name_is_refused(small, name):
    if name == "..":
        pytest.skip("no folder can have this name; --select ../orders is tested above")
    (small.root / "domains" / "orders").rename(small.root / "domains" / name)
    result = small("check", code=78 if name != ".hidden" else None)
    if name != ".hidden":
        assert name[:20] in result.err + result.out


def test_a_value_can_not_change_the_structure(small):
    path = small.root / "domains/orders/domain.yml"
    path.write_text(path.read_text().replace("Orders of a test", '"${TEXT:-x}"'))
    small("check", env={"TEXT": "a\ntopic: {partitions: 77}\n#"})
    small("run", env={"TEXT": 'x", "topic": {"partitions": 77}'})


def test_secrets_are_masked(small):
    path = small.root / "domains/orders/domain.yml"
    path.write_text(path.read_text().replace("Orders of a test", '"${SECRET_TEXT}"'))
    for args in (["check"], ["--json", "check"], ["-v", "check"]):
        result = small(*args, env={"SECRET_TEXT": "hunter2canary"}, code=None)
        assert "hunter2canary" not in result.out + result.err


def test_json_is_one_object_a_line(small):
    small("run")
    for args in (["status"], ["query", "SELECT 1 AS one, NULL AS nothing, 'ä\n' AS text"], ["audit", "orders", "2024-01-15"],
                 ["run"], ["version"]):
        out = small("--json", *args).out
        for line in out.splitlines():
            assert isinstance(json.loads(line), dict), line
    assert small.query("SELECT 1 AS one, NULL AS nothing, 'ä\n' AS text") == [{"one": 1, "nothing": None, "text": "ä\n"}]
