"""The store s3: against an S3 server (moto), also behind a proxy that loses, repeats, cuts and delays what it passes."""

import concurrent.futures
import contextlib
import datetime
import email.utils
import hashlib
import http.server
import json
import socket
import ssl
import subprocess
import threading
import time

import pytest

from support.s3 import KEYS, Script

ODD = "odd/ +%&=?#;:@$,!*'()[]{}|^`~ü€😀\\\"<>/a%2Fb"
BIG = 1_500_000  # times 16 bytes: 24 MB, three parts


@pytest.fixture
def proxy(s3):
    return s3.proxy()


def test_what_is_put_is_read_whole_in_ranges_and_by_a_local_copy(s3):
    st = s3.script()
    st.ok("put", "a", body="0123456789")
    assert st.ok("get", "a")["body"] == "0123456789"
    assert st.ok("range", "a", **{"from": 3, "n": 4})["body"] == "3456"
    assert st.ok("range", "a", **{"from": 8, "n": 100})["body"] == "89"
    assert st.ok("range", "a", **{"from": 10, "n": 1})["body"] == ""
    assert st.ok("local", "a")["body"] == "0123456789"
    stat = st.ok("stat", "a")
    assert stat["size"] == 10 and abs(stat["mtime_ms"] / 1000 - time.time()) < 60
    st.ok("put", "a", body="other")  # the copy is not believed
    assert st.ok("local", "a")["body"] == "other"
    st.ok("put", "none", body="")
    assert st.ok("get", "none")["size"] == st.ok("local", "none")["size"] == 0
    for op in ("get", "stat", "local", "range"):
        answer = st(op, "not there", n=3)
        assert answer["code"] == "NOT_FOUND" and "lake/not there" in answer["message"], answer
    assert s3.body("lake/a") == b"other"


def test_names_of_every_character_survive(s3):
    st = s3.script("pre fix/ü+%20")
    st.ok("put", ODD, body="x", if_absent=True)
    assert st.ok("get", ODD)["body"] == "x"
    assert st.ok("list")["names"] == [ODD]
    assert st.ok("list", prefix="odd/ +%&=")["names"] == [ODD]
    assert s3.keys() == ["pre fix/ü+%20/" + ODD]
    st.ok("remove_many", names="a b")
    st.ok("remove", ODD)
    assert s3.keys() == []


def test_put_if_absent_wins_once(s3):
    scripts = [s3.script() for _ in range(4)]

    def put(i):
        return [scripts[i]("put", f"log/{n}", body=f"{i}", if_absent=True)["code"] for n in range(25)]

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        codes = list(pool.map(put, range(4)))
    for n in range(25):
        assert sorted(c[n] for c in codes) == ["EXISTS", "EXISTS", "EXISTS", "OK"]
        winner = next(i for i in range(4) if codes[i][n] == "OK")
        assert s3.body(f"lake/log/{n}") == str(winner).encode()


def test_a_big_file_goes_in_parts_and_appears_at_once(s3, proxy):
    st = s3.script(endpoint=proxy.endpoint)
    st.ok("put_file", "big", body="0123456789abcdef", repeat=BIG, if_absent=True)
    parts = [r for r in proxy.requests if "partNumber" in r.query]
    assert [len(p.body) for p in sorted(parts, key=lambda r: int(r.query["partNumber"]))] == [1 << 23, 1 << 23, 7222784]
    want = hashlib.sha256(b"0123456789abcdef" * BIG).hexdigest()
    assert hashlib.sha256(s3.body("lake/big")).hexdigest() == want
    assert st.ok("get", "big")["sha256"] == st.ok("local", "big")["sha256"] == want
    ranges = [r.headers["Range"] for r in proxy.requests if "Range" in r.headers]
    assert len(ranges) >= 3
    assert st("put_file", "big", body="0123456789abcdeX", repeat=BIG, if_absent=True)["code"] == "EXISTS"
    assert hashlib.sha256(s3.body("lake/big")).hexdigest() == want
    assert s3.moto.uploads(s3.bucket) == []  # the loser's parts are gone


def test_lists_go_on_over_pages_from_any_name(s3, proxy):
    def small_pages(request):
        if "list-type" in request.query:
            request.path += "&max-keys=7"

    names = [f"t/{i:05d}" for i in range(100)]
    proxy.fault = small_pages
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: s3.moto.client.put_object(Bucket=s3.bucket, Key="lake/" + n, Body=b"x"), names))
    s3.moto.client.put_object(Bucket=s3.bucket, Key="lake/t/folder/", Body=b"")  # as consoles make folders
    st = s3.script(endpoint=proxy.endpoint)
    assert st.ok("list")["names"] == names
    assert len(proxy.requests) == 15
    assert st.ok("list", prefix="t/", after="t/00012")["names"] == names[13:]
    assert st.ok("list", prefix="t/0009", after="t/00095")["names"] == names[96:]
    assert st.ok("list", prefix="u")["names"] == []
    st.ok("remove_many", names=" ".join(names))
    assert s3.keys() == ["lake/t/folder/"]


def test_the_probe_is_run_once_and_leaves_nothing(s3, proxy):
    st = s3.script(endpoint=proxy.endpoint)
    st.ok("probe")
    races = len(proxy.requests)
    assert races > 16
    st.ok("probe")
    assert len(proxy.requests) == races
    s3.script(endpoint=proxy.endpoint).ok("probe")  # another process believes the mark
    assert len(proxy.requests) == races
    assert s3.keys() == []


def test_a_store_that_ignores_the_condition_is_not_written(s3, proxy):
    def forget(request):
        request.headers.pop("If-None-Match", None)

    proxy.fault = forget
    answer = s3.script(endpoint=proxy.endpoint)("probe")
    assert answer["code"] == "UNSUPPORTED" and "8 of 8 puts of one name won" in answer["message"], answer
    assert s3.keys() == []


@pytest.mark.parametrize("fault", ["refuse", "unavailable", "lost", "error", "cut", "twice"])
@pytest.mark.parametrize("how", ["put", "put_file"])
def test_a_conditional_put_is_made_once_whatever_happens_to_its_answer(s3, proxy, fault, how):
    """Ours is never taken for somebody else's, and never written twice."""
    st = s3.script(endpoint=proxy.endpoint)
    failed = set()

    def once(request):  # each kind of request the first time that it is seen
        kind = (request.method, request.key, request.query.get("partNumber"), "uploads" in request.query)
        if request.writes and kind not in failed:
            failed.add(kind)
            return fault

    proxy.fault = once
    repeat = BIG if how == "put_file" else 1
    st.ok(how, "c", body="0123456789abcdef", repeat=repeat, if_absent=True)
    assert failed
    assert s3.body("lake/c") == b"0123456789abcdef" * repeat
    assert st("put", "c", body="x", if_absent=True)["code"] == "EXISTS"


@pytest.mark.parametrize("fault", ["lost", "error", "refuse"])
def test_a_put_that_nobody_answers_is_an_unknown_outcome(s3, proxy, fault):
    st = s3.script(endpoint=proxy.endpoint, retries="2", retry_time="3s")
    proxy.fault = lambda request: fault if request.writes or request.method == "HEAD" else None
    answer = st("put", "c", body="x", if_absent=True)
    assert answer["code"] == "UNKNOWN_OUTCOME", answer
    assert len([r for r in proxy.requests if r.method == "PUT"]) == 2
    proxy.fault = lambda request: None
    assert ("lake/c" in s3.keys()) == (fault != "refuse")


def test_nobody_listens(s3):
    st = s3.script(endpoint="http://127.0.0.1:9", retries="2", retry_time="2s")
    answer = st("put", "c", body="x", if_absent=True)
    assert answer["code"] == "UNAVAILABLE" and "127.0.0.1" in answer["message"], answer


def test_a_foreign_object_after_a_lost_answer_is_looked_at_by_the_caller(s3, proxy):
    """delta-rs leaves no id: after a lost answer nobody can say whose it is."""
    st = s3.script(endpoint=proxy.endpoint)

    def lose_and_overtake(request):
        if request.method == "PUT" and not s3.keys():
            s3.moto.client.put_object(Bucket=s3.bucket, Key="lake/c", Body=b"theirs")
            return "refuse"

    proxy.fault = lose_and_overtake
    assert st("put", "c", body="ours", if_absent=True)["code"] == "UNKNOWN_OUTCOME"
    assert st("put", "c", body="ours", if_absent=True)["code"] == "EXISTS"
    assert s3.body("lake/c") == b"theirs"


def test_conflicts_and_throttling_are_waited_out(s3, proxy):
    st = s3.script(endpoint=proxy.endpoint)
    answers = [
        (409, "ConditionalRequestConflict", {}),
        (503, "SlowDown", {"Retry-After": "1"}),
        (429, "TooManyRequests", {}),
        (400, "RequestTimeout", {}),
        (400, "BadDigest", {}),
    ]

    def next_answer(request):
        if answers:
            status, code, headers = answers.pop(0)
            return "status", status, f"<Error><Code>{code}</Code></Error>".encode(), headers

    proxy.fault = next_answer
    began = time.monotonic()
    st.ok("put", "c", body="x", if_absent=True)
    assert time.monotonic() - began > 1
    assert len(proxy.requests) == 6


def test_a_conflict_while_completing_begins_the_upload_anew(s3, proxy):
    st = s3.script(endpoint=proxy.endpoint)
    refused = []

    def conflict(request):
        if request.method == "POST" and "uploadId" in request.query and not refused:
            refused.append(request)
            return "status", 409, b"<Error><Code>ConditionalRequestConflict</Code></Error>", {}

    proxy.fault = conflict
    st.ok("put_file", "c", body="0123456789abcdef", repeat=BIG, if_absent=True)
    assert len([r for r in proxy.requests if "uploads" in r.query]) == 2
    assert s3.moto.uploads(s3.bucket) == []
    assert len(s3.body("lake/c")) == 16 * BIG


def test_an_error_behind_the_good_status_of_complete_is_seen(s3, proxy):
    st = s3.script(endpoint=proxy.endpoint)
    seen = []

    def late_error(request):
        if request.method == "POST" and "uploadId" in request.query and len(seen) < 2:
            seen.append(request)
            return "status", 200, b"<?xml version='1.0'?>\n \n<Error><Code>InternalError</Code></Error>", {}

    proxy.fault = late_error
    st.ok("put_file", "c", body="0123456789abcdef", repeat=BIG, if_absent=True)
    assert len(seen) == 2 and len(s3.body("lake/c")) == 16 * BIG


def test_a_failed_upload_leaves_no_parts(s3, proxy):
    st = s3.script(endpoint=proxy.endpoint, retries="2", retry_time="3s")
    proxy.fault = lambda r: "unavailable" if r.query.get("partNumber") == "2" else None
    assert st("put_file", "c", body="0123456789abcdef", repeat=BIG)["code"] == "UNAVAILABLE"
    assert s3.moto.uploads(s3.bucket) == [] and s3.keys() == []


@pytest.mark.parametrize("fault", ["refuse", "unavailable", "cut", "error", ("stuck", 3)])
def test_reads_and_lists_survive_a_failing_connection(s3, proxy, fault):
    plain = s3.script()
    plain.ok("put_file", "big", body="0123456789abcdef", repeat=BIG)
    plain.ok("put", "a", body="x")
    st = s3.script(endpoint=proxy.endpoint, timeout="1s")
    seen = set()

    def once(request):
        kind = (request.method, request.path, request.headers.get("Range"))
        if kind not in seen and not (isinstance(fault, tuple) and len(seen) > 1):
            seen.add(kind)
            return fault

    proxy.fault = once
    want = hashlib.sha256(b"0123456789abcdef" * BIG).hexdigest()
    assert st.ok("get", "big")["sha256"] == want
    assert st.ok("local", "big")["sha256"] == want
    assert st.ok("list")["names"] == ["a", "big"]
    assert st.ok("many", names="a big a")["bodies"][2] == "x"
    st.ok("remove_many", names="a big")
    assert s3.keys() == []


def test_an_object_that_changes_while_it_is_read_is_not_mixed(s3, proxy):
    s3.script().ok("put_file", "big", body="0123456789abcdef", repeat=BIG)
    st = s3.script(endpoint=proxy.endpoint)
    changed = []

    def change(request):
        if "Range" in request.headers and not request.headers["Range"].startswith("bytes=0-") and not changed:
            changed.append(1)
            s3.script().ok("put_file", "big", body="fedcba9876543210", repeat=BIG)

    proxy.fault = change
    answer = st("local", "big")
    assert answer["code"] == "UNAVAILABLE", answer
    assert st.ok("local", "big")["sha256"] == hashlib.sha256(b"fedcba9876543210" * BIG).hexdigest()


def test_connections_are_reused(s3, proxy):
    st = s3.script(endpoint=proxy.endpoint)
    for i in range(50):
        st.ok("put", f"a{i}", body="x")
    assert proxy.connections() == 1
    st.ok("many", names=" ".join(f"a{i}" for i in range(50)))
    assert proxy.connections() <= 51


def test_many_small_objects_come_side_by_side(s3):
    names = [f"log/{i:020d}.json" for i in range(200)]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: s3.moto.client.put_object(Bucket=s3.bucket, Key="lake/" + n, Body=n.encode()), names))
    proxy = s3.proxy(latency=0.05)
    st = s3.script(endpoint=proxy.endpoint)
    assert st.ok("many", names=" ".join(names))["bodies"] == names
    assert proxy.most_at_once > 8
    assert proxy.connections() <= 64


# --- who we are ---------------------------------------------------------------------------------------------------


def test_the_clock_may_be_wrong(s3, proxy):
    """The server's date is half an hour ahead: signatures follow it."""

    def skewed(request):
        signed = datetime.datetime.strptime(request.headers["x-amz-date"], "%Y%m%dT%H%M%SZ")
        now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None) + datetime.timedelta(minutes=30)
        if abs(now - signed) > datetime.timedelta(minutes=5):
            date = email.utils.format_datetime(now.replace(tzinfo=datetime.timezone.utc), usegmt=True)
            return "status", 403, b"<Error><Code>RequestTimeTooSkewed</Code></Error>", {"Date": date}

    proxy.fault = skewed
    st = s3.script(endpoint=proxy.endpoint)
    st.ok("put", "a", body="x", if_absent=True)
    assert len(proxy.requests) == 2
    st.ok("stat", "a")
    assert len(proxy.requests) == 3  # learnt
    assert "clock" in st.close()


def test_another_region_is_followed_and_remembered(s3, proxy):
    def only_eu(request):
        if "/eu-central-1/s3/" not in request.headers["Authorization"]:
            return "status", 301, b"<Error><Code>PermanentRedirect</Code></Error>", {"x-amz-bucket-region": "eu-central-1"}

    proxy.fault = only_eu
    st = s3.script(endpoint=proxy.endpoint, region="us-west-2")
    st.ok("put", "a", body="x")
    st.ok("get", "a")
    assert len(proxy.requests) == 3


def test_what_is_refused_says_what_is_missing(s3, proxy):
    st = s3.script(endpoint=proxy.endpoint)
    proxy.fault = lambda r: (
        "status",
        403,
        b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>",
        {"x-amz-request-id": "REQ17"},
    )
    for op, permission in [
        ("get", "s3:GetObject"),
        ("put", "s3:PutObject"),
        ("remove", "s3:DeleteObject"),
        ("list", "s3:ListBucket"),
    ]:
        answer = st(op, "a", body="x")
        assert answer["code"] == "INVALID", answer
        for part in (permission, "AccessDenied", "REQ17", s3.bucket):
            assert part in answer["message"], answer
    proxy.fault = lambda r: None
    answer = s3.script("x").close() or Script(f"s3://no-such-bucket?endpoint={s3.moto.endpoint}")("list")
    assert answer["code"] == "INVALID" and "NoSuchBucket" in answer["message"], answer


def test_secrets_are_never_said(s3, proxy):
    env = {**KEYS, "AWS_SESSION_TOKEN": "TOKEN-SECRET"}
    st = s3.script(endpoint=proxy.endpoint, env=env, retries="1")
    said = ""
    for fault in ("refuse", "error", ("status", 403, b"<Error><Code>SignatureDoesNotMatch</Code></Error>", {})):
        proxy.fault = lambda r, fault=fault: fault
        said += json.dumps([st("put", "a", body="x"), st("get", "a"), st("list")])
    said += st.close()
    assert proxy.requests[0].headers["x-amz-security-token"] == "TOKEN-SECRET"
    assert KEYS["AWS_SECRET_ACCESS_KEY"] not in said and "TOKEN-SECRET" not in said
    url = f"s3://AKIA:hidden-key@{s3.bucket}/x"
    bad = Script(url)
    out = bad.process.stdout.read() + bad.process.stderr.read()
    assert "INVALID" in out and "hidden-key" not in out, out


def test_nothing_is_signed_anonymously(s3, proxy):
    s3.script().ok("put", "a", body="x")
    s3.moto.client.put_object_acl(Bucket=s3.bucket, Key="lake/a", ACL="public-read")
    st = s3.script(endpoint=proxy.endpoint, env={"AWS_EC2_METADATA_DISABLED": "true"}, anonymous="true")
    assert st.ok("get", "a")["body"] == "x"
    assert "Authorization" not in proxy.requests[0].headers
    answer = s3.script(env={"AWS_EC2_METADATA_DISABLED": "true", "HOME": "/nonexistent"})("get", "a")
    assert answer["code"] == "INVALID" and "anonymous=true" in answer["message"], answer


class Metadata(threading.Thread):
    """Hands out credentials as the metadata of a machine or a container does."""

    def __init__(self, v2=True):
        super().__init__(daemon=True)
        seen = self.seen = []
        self.lifetime_s = 3600
        meta = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def send(self, status, text):
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            def do_PUT(self):
                seen.append(f"PUT {self.path}")
                good = v2 and self.path == "/latest/api/token"
                self.send(200 if good else 403, "TOKEN" if good else "")

            def do_GET(self):
                seen.append(f"GET {self.path}")
                until = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=meta.lifetime_s)
                keys = {
                    "Code": "Success",
                    "AccessKeyId": f"AKIA{len(seen)}",
                    "SecretAccessKey": "s",
                    "Token": "session",
                    "Expiration": until.strftime("%Y-%m-%dT%H:%M:%SZ"),
                }
                if self.path == "/container":
                    self.send(200 if self.headers["Authorization"] == "let me in" else 401, json.dumps(keys))
                elif v2 and self.headers["X-aws-ec2-metadata-token"] != "TOKEN":
                    self.send(401, "")
                elif self.path == "/latest/meta-data/iam/security-credentials/":
                    self.send(200, "the-role\n")
                elif self.path == "/latest/meta-data/iam/security-credentials/the-role":
                    self.send(200, json.dumps(keys))
                else:
                    self.send(404, "")

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.start()

    def run(self):
        self.server.serve_forever(0.05)


def test_instance_metadata_gives_keys_until_they_expire(s3, proxy):
    meta = Metadata()
    env = {"AWS_EC2_METADATA_SERVICE_ENDPOINT": meta.url, "HOME": "/nonexistent"}
    st = s3.script(endpoint=proxy.endpoint, env=env)
    st.ok("put", "a", body="x")
    st.ok("get", "a")
    assert len(meta.seen) == 3 and proxy.requests[1].headers["x-amz-security-token"] == "session"
    meta.lifetime_s = 60  # less than the five minutes before: fetched anew at each use
    short = s3.script(endpoint=proxy.endpoint, env=env)
    short.ok("get", "a")
    short.ok("get", "a")
    assert len(meta.seen) == 9
    meta.lifetime_s = 3600
    refused = []

    def expired(request):
        if not refused:
            refused.append(request)
            return "status", 400, b"<Error><Code>ExpiredToken</Code></Error>", {}

    proxy.fault = expired
    st.ok("get", "a")
    assert len(meta.seen) == 12


def test_version_1_of_instance_metadata_is_off(s3):
    meta = Metadata(v2=False)
    env = {"AWS_EC2_METADATA_SERVICE_ENDPOINT": meta.url, "HOME": "/nonexistent"}
    assert s3.script(env=env)("list")["code"] == "INVALID"
    s3.script(env={**env, "AWS_EC2_METADATA_V1_DISABLED": "false"}).ok("list")


def test_a_container_gives_keys(s3, tmp_path):
    meta = Metadata()
    env = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": meta.url + "/container", "HOME": "/nonexistent"}
    token = tmp_path / "token"
    token.write_text("let me in\n")
    s3.script(env={**env, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(token)}).ok("list")
    s3.script(env={**env, "AWS_CONTAINER_AUTHORIZATION_TOKEN": "let me in"}).ok("list")
    assert s3.script(env={**env, "AWS_CONTAINER_AUTHORIZATION_TOKEN": "wrong"})("list")["code"] == "INVALID"
    far = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://example.com/container", "HOME": "/nonexistent"}
    answer = s3.script(env=far)("list")
    assert answer["code"] == "INVALID" and "plain HTTP" in answer["message"]


def test_web_identity_is_exchanged_at_sts(s3, proxy, tmp_path):
    token = tmp_path / "token"
    token.write_text("eyJhbGciOi.JIUzI1NiJ9.sig\n")
    env = {
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(token),
        "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/lake",
        "AWS_ENDPOINT_URL_STS": proxy.endpoint,
        "HOME": "/nonexistent",
    }
    st = s3.script(env=env, endpoint=proxy.endpoint)
    st.ok("put", "a", body="x")
    st.ok("get", "a")
    assert [r.method for r in proxy.requests] == ["POST", "PUT", "GET"]
    assert b"WebIdentityToken=eyJ" in proxy.requests[0].body and "Authorization" not in proxy.requests[0].headers
    assert proxy.requests[1].headers["x-amz-security-token"]


def test_profiles_give_keys_roles_and_regions(s3, proxy, tmp_path):
    credentials, config = tmp_path / "credentials", tmp_path / "config"
    credentials.write_text(
        "# keys\n[default]\naws_access_key_id = AKIADEFAULT\naws_secret_access_key=s\n"
        "[other]\naws_access_key_id=AKIAOTHER\naws_secret_access_key=s\naws_session_token = T\n"
    )
    config.write_text(
        "[default]\nregion = eu-west-1\ns3 =\n  addressing_style = path\n[profile other]\nregion=ap-south-1\n"
        "[profile role]\nrole_arn = arn:aws:iam::123456789012:role/lake\nsource_profile = default\nregion = eu-west-3\n"
        "[profile circle]\nrole_arn=r\nsource_profile=circle2\n[profile circle2]\nrole_arn=r\nsource_profile=circle\n"
        "[profile sso]\nsso_session = x\n"
    )
    env = {
        "AWS_SHARED_CREDENTIALS_FILE": str(credentials),
        "AWS_CONFIG_FILE": str(config),
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL_STS": proxy.endpoint,
    }

    def credential(**more):
        options = more.pop("options", {})
        before = len(proxy.requests)
        s3.script(endpoint=proxy.endpoint, env={**env, **more}, **options).ok("list")
        return [r.headers["Authorization"].split("Credential=")[1].split(",")[0] for r in proxy.requests[before:]]

    assert [c.split("/")[0] + c.split("/")[2] for c in credential()] == ["AKIADEFAULTeu-west-1"]
    assert [c.split("/")[0] + c.split("/")[2] for c in credential(AWS_PROFILE="other")] == ["AKIAOTHERap-south-1"]
    by_url = credential(options={"profile": "other", "region": "us-east-2"}, AWS_ACCESS_KEY_ID="A", AWS_SECRET_ACCESS_KEY="b")
    assert [c.split("/")[0] + c.split("/")[2] for c in by_url] == ["AKIAOTHERus-east-2"]
    role = credential(AWS_PROFILE="role")
    assert role[0].startswith("AKIADEFAULT/") and "/eu-west-3/sts/" in role[0]
    assert not role[1].startswith("AKIADEFAULT/") and "/eu-west-3/s3/" in role[1]
    for profile, says in [("circle", "circle"), ("sso", "SSO"), ("none", "not there")]:
        answer = s3.script(endpoint=proxy.endpoint, env={**env, "AWS_PROFILE": profile})("list")
        assert answer["code"] == "INVALID" and says in answer["message"], answer


def test_options_are_checked(s3):
    for options, says in [
        ({"path_style": "maybe"}, "path_style"),
        ({"sse": "rot13"}, "sse"),
        ({"sse_kms_key_id": "k"}, "sse=aws:kms"),
        ({"part_size": "1MiB"}, "5MiB"),
        ({"retries": "0"}, "retries"),
        ({"timeout": "soon"}, "timeout"),
        ({"endpoint": "ftp://x"}, "http"),
        ({"secret": "x"}, "secret"),
    ]:
        it = Script(s3.url(**{"endpoint": None, **options}) if "endpoint" in options else s3.url(**options))
        out = it.process.stdout.read()
        assert "INVALID" in out and says in out, (options, out)


def test_encryption_is_asked_for(s3, proxy):
    st = s3.script(endpoint=proxy.endpoint, sse="aws:kms", sse_kms_key_id="alias/lake")
    st.ok("put", "a", body="x")
    st.ok("put_file", "b", body="0123456789abcdef", repeat=BIG)
    new = [r for r in proxy.requests if r.method == "PUT" and "partNumber" not in r.query or "uploads" in r.query]
    assert len(new) == 2
    for request in new:
        assert request.headers["x-amz-server-side-encryption"] == "aws:kms"
        assert request.headers["x-amz-server-side-encryption-aws-kms-key-id"] == "alias/lake"
    assert s3.moto.client.head_object(Bucket=s3.bucket, Key="lake/a")["ServerSideEncryption"] == "aws:kms"


@pytest.mark.parametrize("checksum", ["md5", "crc32c"])
def test_checksums_go_along(s3, proxy, checksum):
    st = s3.script(endpoint=proxy.endpoint, checksum=checksum)
    st.ok("put", "a", body="123456789")
    st.ok("put_file", "b", body="0123456789abcdef", repeat=BIG)
    header = {"md5": "Content-MD5", "crc32c": "x-amz-checksum-crc32c"}[checksum]
    assert proxy.requests[0].headers[header] == {"md5": "JfnnlDI7RTiF9RgfG2JNCw==", "crc32c": "4waSgw=="}[checksum]
    assert all(header in r.headers for r in proxy.requests if "partNumber" in r.query)
    assert st.ok("get", "a")["body"] == "123456789"
    assert len(s3.body("lake/b")) == 16 * BIG


def test_damage_is_found_on_any_store(s3, proxy):
    """The length is right, a byte is not."""
    st = s3.script(endpoint=proxy.endpoint)
    st.ok("put", "a", body="123456789")
    st.ok("put_file", "b", body="0123456789abcdef", repeat=BIG)
    for key in ("lake/a", "lake/b"):
        found = s3.moto.client.get_object(Bucket=s3.bucket, Key=key)
        body = bytearray(found["Body"].read())
        body[5] ^= 1
        s3.moto.client.put_object(Bucket=s3.bucket, Key=key, Body=bytes(body), Metadata=found["Metadata"])
    for op, name in [("get", "a"), ("local", "a"), ("get", "b"), ("local", "b")]:
        answer = st(op, name)
        assert answer["code"] == "CORRUPT" and f"lake/{name}" in answer["message"], answer
    assert st.ok("range", "a", **{"from": 0, "n": 4})["body"] == "1234"


def test_a_server_that_drips_is_given_up(s3):
    """Each byte comes before the silence is too long; all of them never do."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def drip():
            with contextlib.suppress(OSError):
                while True:
                    client = listening.accept()[0]
                    client.recv(65536)
                    client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
                    while True:
                        client.sendall(b"x")
                        time.sleep(0.05)

        threading.Thread(target=drip, daemon=True).start()
        endpoint = f"http://127.0.0.1:{listening.getsockname()[1]}"
        st = s3.script(endpoint=endpoint, timeout="100ms", connect_timeout="1s", retries="1")
        began = time.monotonic()
        assert st("get", "a")["code"] == "UNAVAILABLE"
        assert time.monotonic() - began < 20


def test_a_name_that_nobody_knows_is_said_soon(s3):
    began = time.monotonic()
    answer = s3.script(endpoint="http://no-such-host.invalid")("list")
    assert answer["code"] == "UNAVAILABLE" and "no-such-host.invalid" in answer["message"], answer
    assert time.monotonic() - began < 20


def test_virtual_hosts_and_ipv6(s3, proxy):
    """The bucket in the host's name; and an address in brackets."""
    st = s3.script(endpoint=proxy.endpoint.replace("127.0.0.1", "localhost"), path_style="false")
    st.ok("list")
    assert proxy.requests[0].headers["Host"].startswith(s3.bucket + ".localhost:")
    assert proxy.requests[0].path.startswith("/?")
    answer = Script(s3.url(endpoint="http://[::1]:9", path_style="false")).process.stdout.read()
    assert "path_style=true" in answer
    answer = Script(s3.url(endpoint="http://[::1]:9", retries="1"))("list")
    assert answer["code"] == "UNAVAILABLE" and "[::1]:9" in answer["message"], answer


def test_tls_is_verified(s3, tmp_path):
    """A certificate that nobody signed is refused, and taken when it is named."""
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-days", "2"]
        + ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
        check=True,
        capture_output=True,
    )
    proxy = s3.proxy()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    proxy.server.socket = context.wrap_socket(proxy.server.socket, server_side=True)
    endpoint = proxy.endpoint.replace("http://", "https://")
    answer = s3.script(endpoint=endpoint, retries="1")("list")
    assert answer["code"] == "INVALID" and "certificate" in answer["message"], answer
    assert proxy.requests == []
    st = s3.script(endpoint=endpoint, ca_file=str(cert))
    st.ok("put", "a", body="x", if_absent=True)
    assert st.ok("get", "a")["body"] == "x"
    st.ok("many", names="a a a a a a a a")
