"""Contracts and the schema registry: registered before anything flows, and refused where a change would break readers."""

import base64
import json
import signal
import ssl
import subprocess
import urllib.error
import urllib.request

import pytest

CONTRACT = """
contract:
  key: id
  event_time: at
{more}  fields:
    id: {{type: string, required: true}}
    at: {{type: timestamp, required: true}}
    amount: {{type: "decimal(10,2)", min: 0}}
    kind: {{type: string, enum: [a, b]}}
{fields}
"""


def contract(*fields, more=""):
    return CONTRACT.format(more=f"  {more}\n" if more else "", fields="\n".join(f"    {f}" for f in fields))


@pytest.fixture
def things(project):
    project.write("input/a.ndjson", '{"id":"1","at":"2024-01-15T01:00:00Z","amount":5,"kind":"a"}\n')

    def change(*fields, more="", **edits):
        text = contract(*fields, more=more)
        for old, new in edits.items():
            text = text.replace(old, new)
        project.domain("things", "source: {type: file, path: input/*.ndjson}\n" + text)

    project.change = change
    change()
    return project


def get(url, body=None, user=None, context=None):
    headers = {"Authorization": "Basic " + base64.b64encode(user.encode()).decode()} if user else {}
    request = urllib.request.Request(url, data=body and json.dumps(body).encode(), headers=headers)
    with urllib.request.urlopen(request, timeout=20, context=context) as answer:
        return json.load(answer)


def test_up_serves_the_contract_as_a_json_schema(things):
    with things.up():
        url = json.loads((things.root / "data/endpoint.json").read_text())["http"]
        assert get(url + "/subjects") == ["raw-things-value"]
        latest = get(url + "/subjects/raw-things-value/versions/latest")
        assert (latest["schemaType"], latest["version"]) == ("JSON", 1)
        schema = json.loads(latest["schema"])
        assert schema["required"] == ["id", "at"]
        assert schema["properties"]["kind"] == {"type": ["string", "null"], "enum": ["a", "b", None]}
        assert get(url + "/config/raw-things-value")["compatibilityLevel"] == "FULL_TRANSITIVE"
        with pytest.raises(urllib.error.HTTPError) as e:
            get(url + "/subjects/raw-things-value/versions", {"schemaType": "JSON", "schema": '{"type":"string"}'})
        assert e.value.code == 409


def test_a_field_that_is_not_required_may_come_and_go(things):
    things("run")
    things.change("note: string", "size: {type: int, min: 1}")
    things("check")
    things("run")
    things.change()
    things("check")
    things("run")
    kept = json.loads((things.root / "data/contracts/raw-things-value.json").read_text())["versions"]
    assert len(kept) == 2  # the third is the first


@pytest.mark.parametrize("fields, edits, at", [
    (["must: {type: string, required: true}"], {}, "#/properties/must"),
    ([], {"kind: {type: string, enum: [a, b]}": "kind: {type: int}"}, "#/properties/kind"),
    ([], {"enum: [a, b]": "enum: [a, b, c]"}, "#/properties/kind"),
    ([], {"min: 0": "min: 1"}, "#/properties/amount"),
    ([], {"kind: {type: string,": "kind: {type: string, required: true,"}, "#/required/kind"),
])
def test_a_change_that_breaks_readers_is_refused_before_it_is_deployed(things, fields, edits, at):
    things("check")  # nothing is deployed yet
    things("run")
    things.change(*fields, **edits)
    result = things("check", code=78)
    assert "domains/things/domain.yml: contract: not FULL_TRANSITIVE compatible" in result.err
    assert at in result.err
    before = things.query("SELECT count(*) AS n FROM silver_things")
    result = things("run", code=1)
    assert "not FULL_TRANSITIVE compatible" in result.err and at in result.err
    assert things.query("SELECT count(*) AS n FROM silver_things") == before
    things.change(*fields, more="compatibility: NONE", **edits)
    things("check")
    things("run")
    things("check")


def test_a_contract_that_breaks_readers_is_named_beside_the_other_mistakes(things):
    things("run")
    things.write("domains/things/tests/sums.sql", "SELECT amuont FROM silver WHERE false")
    things.change(**{"enum: [a, b]": "enum: [a, b, c]"})
    err = things("check", code=78).err
    assert "sums.sql" in err and "amuont" in err
    assert "not FULL_TRANSITIVE compatible" in err


def test_a_level_lets_one_direction_pass(things):
    things("run")
    wider = {"enum: [a, b]": "enum: [a, b, c]"}
    things.change(more="compatibility: FORWARD", **wider)
    things("check", code=78)
    things.change(more="compatibility: BACKWARD", **wider)
    things("check")
    things("run")


def test_a_registry_elsewhere_is_asked_and_not_needed_for_what_did_not_change(things, ingot, tmp_path):
    broker = subprocess.Popen([ingot.path, "--json", "broker", "--data", str(tmp_path / "other"), "--listen", "127.0.0.1:0",
                               "--registry", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True)
    try:
        url = f"http://127.0.0.1:{json.loads(broker.stdout.readline())['registry_port']}"
        things.write_settings(registry=url)
        things("run")
        assert get(url + "/subjects") == ["raw-things-value"]
        things.change("must: {type: string, required: true}")
        assert "the schema registry" in things("check", code=78).err
        things("run", code=1)
    finally:
        broker.send_signal(signal.SIGTERM)
        broker.wait(20)
    assert "data/contracts" in things("check", code=78).err
    things("run", code=1)
    things.change()
    things("run")


def test_who_has_no_password_stays_outside(things):
    things.write_settings(http={"listen": "127.0.0.1:0", "user": "me", "password": "canary-7"})
    assert "canary-7" not in things("check", "--print").out
    with things.up() as up:
        url = json.loads((things.root / "data/endpoint.json").read_text())["http"]
        for wrong in (None, "me:other", "you:canary-7", "me"):
            with pytest.raises(urllib.error.HTTPError) as e:
                get(url + "/subjects", user=wrong)
            assert e.value.code == 401
        assert get(url + "/subjects", user="me:canary-7") == ["raw-things-value"]
        assert "canary-7" not in up.tail(100_000)


def test_http_over_tls(things, tmp_path):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(things.root / "key.pem"),
                    "-out", str(things.root / "cert.pem")], check=True, capture_output=True)
    things.write_settings(http={"listen": "127.0.0.1:0", "certificate": "cert.pem", "key": "key.pem"})
    with things.up():
        url = json.loads((things.root / "data/endpoint.json").read_text())["http"]
        assert url.startswith("https://")
        context = ssl.create_default_context(cafile=str(things.root / "cert.pem"))
        assert get(url + "/subjects", context=context) == ["raw-things-value"]
