"""The store gs: against fake-gcs-server, also behind a proxy that loses, repeats, cuts and delays what it passes."""

import base64
import concurrent.futures
import hashlib
import json
import subprocess
import time
import urllib.parse

import pytest

from support.gcs import TokenServer
from support.s3 import Script

ODD = "odd/ +%&=?#;:@$,!*'()[]{}|^`~ü€😀\\\"<>/a%2Fb"
BIG = 1_500_000  # times 16 bytes: 24 MB, two chunks of a session


@pytest.fixture
def proxy(gcs):
    return gcs.proxy()


def test_what_is_put_is_read_whole_in_ranges_and_by_a_local_copy(gcs):
    st = gcs.script()
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
    assert gcs.body("lake/a") == b"other"


def test_names_of_every_character_survive(gcs):
    st = gcs.script("pre fix/ü+%20")
    st.ok("put", ODD, body="x", if_absent=True)
    assert st.ok("get", ODD)["body"] == "x"
    assert st.ok("list")["names"] == [ODD]
    assert st.ok("list", prefix="odd/ +%&=")["names"] == [ODD]
    assert gcs.keys() == ["pre fix/ü+%20/" + ODD]
    st.ok("remove", ODD)
    assert gcs.keys() == []


def test_put_if_absent_wins_once(gcs):
    scripts = [gcs.script() for _ in range(4)]

    def put(i):
        return [scripts[i]("put", f"log/{n}", body=f"{i}", if_absent=True)["code"] for n in range(25)]

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        codes = list(pool.map(put, range(4)))
    for n in range(25):
        assert sorted(c[n] for c in codes) == ["EXISTS", "EXISTS", "EXISTS", "OK"]
        winner = next(i for i in range(4) if codes[i][n] == "OK")
        assert gcs.body(f"lake/log/{n}") == str(winner).encode()


def test_a_big_file_goes_in_a_session_and_appears_at_once(gcs, proxy):
    st = gcs.script(endpoint=proxy.endpoint)
    seen = []

    def look(request):
        if request.method == "PUT":
            seen.append(gcs.keys())

    proxy.fault = look
    st.ok("put_file", "big", body="0123456789abcdef", repeat=BIG, if_absent=True)
    chunks = [r for r in proxy.requests if r.method == "PUT"]
    assert [len(c.body) for c in chunks] == [1 << 24, 16 * BIG - (1 << 24)]
    assert seen == [[], []]
    want = hashlib.sha256(b"0123456789abcdef" * BIG).hexdigest()
    assert hashlib.sha256(gcs.body("lake/big")).hexdigest() == want
    assert st.ok("get", "big")["sha256"] == st.ok("local", "big")["sha256"] == want
    assert len([r for r in proxy.requests if "Range" in r.headers]) == 3  # 8 MiB each
    assert st("put_file", "big", body="0123456789abcdeX", repeat=BIG, if_absent=True)["code"] == "EXISTS"
    assert hashlib.sha256(gcs.body("lake/big")).hexdigest() == want


def test_lists_go_on_over_pages_from_any_name(gcs, proxy):
    def small_pages(request):
        if request.method == "GET" and "fields" in request.query and request.path.partition("?")[0].endswith("/o"):
            request.path += "&maxResults=7"

    names = [f"t/{i:05d}" for i in range(100)]
    proxy.fault = small_pages
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: gcs.put("lake/" + n, b"x"), names))
    gcs.put("lake/t/folder/", b"")  # as consoles make folders
    st = gcs.script(endpoint=proxy.endpoint)
    assert st.ok("list")["names"] == names
    assert len(proxy.requests) == 15
    assert st.ok("list", prefix="t/", after="t/00012")["names"] == names[13:]
    assert st.ok("list", prefix="t/0009", after="t/00095")["names"] == names[96:]
    assert st.ok("list", prefix="u")["names"] == []
    st.ok("remove_many", names=" ".join(names))
    assert gcs.keys() == ["lake/t/folder/"]


def test_the_probe_is_run_once_and_leaves_nothing(gcs, proxy):
    st = gcs.script(endpoint=proxy.endpoint)
    st.ok("probe")
    races = len(proxy.requests)
    assert races > 16
    st.ok("probe")
    gcs.script(endpoint=proxy.endpoint).ok("probe")  # another process believes the mark
    assert len(proxy.requests) == races
    assert gcs.keys() == []


def test_a_store_that_ignores_the_condition_is_not_written(gcs, proxy):
    def forget(request):
        request.path = request.path.replace("&ifGenerationMatch=0", "")

    proxy.fault = forget
    answer = gcs.script(endpoint=proxy.endpoint)("probe")
    assert answer["code"] == "UNSUPPORTED" and "8 of 8 puts of one name won" in answer["message"], answer
    assert gcs.keys() == []


@pytest.mark.parametrize("fault", ["refuse", "unavailable", "lost", "error", "cut", "twice"])
@pytest.mark.parametrize("how", ["put", "put_file"])
def test_a_conditional_put_is_made_once_whatever_happens_to_its_answer(gcs, proxy, fault, how):
    """Ours is never taken for somebody else's, and never written twice."""
    st = gcs.script(endpoint=proxy.endpoint)
    failed = set()

    def once(request):  # each kind of request the first time that it is seen
        kind = (request.method, request.headers.get("Content-Range"))
        if request.writes and kind not in failed:
            failed.add(kind)
            return fault

    proxy.fault = once
    repeat = BIG if how == "put_file" else 1
    st.ok(how, "c", body="0123456789abcdef", repeat=repeat, if_absent=True)
    assert failed
    assert gcs.body("lake/c") == b"0123456789abcdef" * repeat
    assert st("put", "c", body="x", if_absent=True)["code"] == "EXISTS"


@pytest.mark.parametrize("fault", ["lost", "error", "refuse"])
def test_a_put_that_nobody_answers_is_an_unknown_outcome(gcs, proxy, fault):
    st = gcs.script(endpoint=proxy.endpoint, retries="2", retry_time="3s")
    proxy.fault = lambda request: fault
    answer = st("put", "c", body="x", if_absent=True)
    assert answer["code"] == "UNKNOWN_OUTCOME" and "lake/c" in answer["message"], answer
    proxy.fault = lambda request: None
    assert ("lake/c" in gcs.keys()) == (fault != "refuse")


def test_nobody_listens(gcs):
    st = gcs.script(endpoint="http://127.0.0.1:9", retries="2", retry_time="2s")
    answer = st("put", "c", body="x", if_absent=True)
    assert answer["code"] == "UNAVAILABLE" and "127.0.0.1" in answer["message"], answer


def test_a_foreign_object_after_a_lost_answer_is_somebody_elses(gcs, proxy):
    st = gcs.script(endpoint=proxy.endpoint)

    def lose_and_overtake(request):
        if request.method == "POST" and not gcs.keys():
            gcs.put("lake/c", b"theirs")
            return "refuse"

    proxy.fault = lose_and_overtake
    assert st("put", "c", body="ours", if_absent=True)["code"] == "EXISTS"
    assert gcs.body("lake/c") == b"theirs"


def test_throttling_is_waited_out(gcs, proxy):
    st = gcs.script(endpoint=proxy.endpoint)
    answers = [(429, {}), (503, {"Retry-After": "1"}), (408, {})]

    def next_answer(request):
        if answers:
            status, headers = answers.pop(0)
            return "status", status, b'{"error": {"code": 0, "message": "rate"}}', headers

    proxy.fault = next_answer
    began = time.monotonic()
    st.ok("put", "c", body="x", if_absent=True)
    assert time.monotonic() - began > 1


@pytest.mark.parametrize("fault", ["refuse", "unavailable", "cut", "error", ("stuck", 3)])
def test_reads_and_lists_survive_a_failing_connection(gcs, proxy, fault):
    plain = gcs.script()
    plain.ok("put_file", "big", body="0123456789abcdef", repeat=BIG)
    plain.ok("put", "a", body="x")
    st = gcs.script(endpoint=proxy.endpoint, timeout="1s")
    seen = set()

    def once(request):
        kind = (request.method, request.path, request.headers.get("Range"))
        if kind not in seen:
            seen.add(kind)
            return fault

    proxy.fault = once
    want = hashlib.sha256(b"0123456789abcdef" * BIG).hexdigest()
    assert st.ok("get", "big")["sha256"] == want
    assert st.ok("local", "big")["sha256"] == want
    assert st.ok("list")["names"] == ["a", "big"]
    assert st.ok("many", names="a big a")["bodies"][2] == "x"
    st.ok("remove_many", names="a big")
    assert gcs.keys() == []


def test_an_object_that_changes_while_it_is_read_is_not_mixed(gcs, proxy):
    gcs.script().ok("put_file", "big", body="0123456789abcdef", repeat=BIG)
    st = gcs.script(endpoint=proxy.endpoint)
    changed = []

    def change(request):
        if "Range" in request.headers and not request.headers["Range"].startswith("bytes=0-") and not changed:
            changed.append(1)
            gcs.script().ok("put_file", "big", body="fedcba9876543210", repeat=BIG)

    proxy.fault = change
    answer = st("local", "big")
    assert answer["code"] == "UNAVAILABLE", answer
    assert st.ok("local", "big")["sha256"] == hashlib.sha256(b"fedcba9876543210" * BIG).hexdigest()


def test_bytes_that_changed_on_the_way_are_seen(gcs, proxy):
    st = gcs.script()
    uuid = "0f0bf1a4-52ee-4b9a-a4b7-d5cd01d2fc7f"
    st.ok("put", f"{uuid}.parquet", body="0123456789")
    wrong = gcs.script(endpoint=proxy.endpoint)
    headers = {"x-goog-hash": "crc32c=AAAAAA==", "x-goog-generation": "1", "Content-Range": "bytes 0-9/10"}
    proxy.fault = lambda r: ("status", 206 if "Range" in r.headers else 200, b"0123456780", headers)
    for op in ("get", "local"):
        answer = wrong(op, f"{uuid}.parquet")
        assert answer["code"] == "CORRUPT" and uuid in answer["message"], answer


# --- the cache --------------------------------------------------------------------------------------------------------


def test_data_files_are_fetched_once_by_all_processes(gcs, proxy):
    name = "t/part-0-0f0bf1a4-52ee-4b9a-a4b7-d5cd01d2fc7f.parquet"
    gcs.script().ok("put", name, body="x" * 100)
    proxy.fault = lambda r: ("late", 0.3)
    scripts = [gcs.script(endpoint=proxy.endpoint) for _ in range(4)]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        bodies = list(pool.map(lambda st: st.ok("local", name)["body"], scripts))
    assert bodies == ["x" * 100] * 4
    assert len(proxy.requests) == 1
    scripts[0].ok("local", name)
    assert len(proxy.requests) == 1
    written = "t/part-1-0f0bf1a4-52ee-4b9a-a4b7-d5cd01d2fc7f.parquet"  # what one writes it need not fetch
    scripts[0].ok("put_file", written, body="y", if_absent=True)
    n = len(proxy.requests)
    assert scripts[1].ok("local", written)["body"] == "y"
    assert len(proxy.requests) == n


def test_what_may_change_is_asked_for(gcs, proxy):
    st = gcs.script(endpoint=proxy.endpoint)
    st.ok("put", "_last_checkpoint", body="1")
    assert st.ok("local", "_last_checkpoint")["body"] == "1"
    gcs.put("lake/_last_checkpoint", b"2")
    assert st.ok("local", "_last_checkpoint")["body"] == "2"
    n = len(proxy.requests)
    assert st.ok("local", "_last_checkpoint")["body"] == "2"
    assert [r.query.get("alt") for r in proxy.requests[n:]] == [None]  # one question, no bytes


# --- who we are -------------------------------------------------------------------------------------------------------

TOKEN = {"access_token": "tok-1", "expires_in": 3600, "token_type": "Bearer"}


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    path = tmp_path_factory.mktemp("key") / "key.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", path], check=True)
    return path


def write(path, value):
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return str(path)


def decoded(part):
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def uses(gcs, proxy, credentials, env=None):
    """One put with these credentials; the authorization that it went with."""
    n = len(proxy.requests)
    st = gcs.script(endpoint=proxy.endpoint, env=env or {"HOME": "/nowhere"}, credentials=credentials)
    st.ok("put", "a", body="x")
    st.ok("get", "a")
    assert len(proxy.requests) == n + 2
    assert proxy.requests[n].headers.get("Authorization") == proxy.requests[n + 1].headers.get("Authorization")
    return proxy.requests[n].headers.get("Authorization")


def test_a_service_account_signs_for_its_token(gcs, proxy, key, tmp_path):
    server = TokenServer(lambda method, path, headers, body: (200, TOKEN))
    gcs.open.append(server)
    file = write(
        tmp_path / "sa.json",
        {
            "type": "service_account",
            "client_email": "it@p.iam.gserviceaccount.com",
            "private_key_id": "k1",
            "private_key": key.read_text(),
            "token_uri": server.url + "/token",
        },
    )
    assert uses(gcs, proxy, file) == "Bearer tok-1"
    assert uses(gcs, proxy, None, {"GOOGLE_APPLICATION_CREDENTIALS": file}) == "Bearer tok-1"
    assert len(server.requests) == 2  # a process asks once
    form = dict(urllib.parse.parse_qsl(server.requests[0][3]))
    assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    head, claims, signature = form["assertion"].split(".")
    assert json.loads(decoded(head)) == {"alg": "RS256", "typ": "JWT", "kid": "k1"}
    claims_read = json.loads(decoded(claims))
    assert claims_read["iss"] == "it@p.iam.gserviceaccount.com" and claims_read["aud"] == server.url + "/token"
    assert claims_read["scope"] == "https://www.googleapis.com/auth/devstorage.read_write"
    assert abs(claims_read["iat"] - time.time()) < 60 and claims_read["exp"] - claims_read["iat"] == 3600
    (tmp_path / "signature").write_bytes(decoded(signature))
    (tmp_path / "signed").write_text(f"{head}.{claims}")
    subprocess.run(["openssl", "pkey", "-in", key, "-pubout", "-out", tmp_path / "public"], check=True)
    subprocess.run(
        ["openssl", "dgst", "-sha256", "-verify", tmp_path / "public", "-signature", tmp_path / "signature"]
        + [tmp_path / "signed"],
        check=True,
    )


def test_a_user_and_gclouds_folder(gcs, proxy, tmp_path):
    server = TokenServer(lambda method, path, headers, body: (200, TOKEN))
    gcs.open.append(server)
    user = {
        "type": "authorized_user",
        "client_id": "id",
        "client_secret": "s&cret",
        "refresh_token": "r+1",
        "token_uri": server.url + "/token",
    }
    write(tmp_path / "application_default_credentials.json", user)
    assert uses(gcs, proxy, None, {"CLOUDSDK_CONFIG": str(tmp_path)}) == "Bearer tok-1"
    form = dict(urllib.parse.parse_qsl(server.requests[0][3]))
    assert form == {
        "grant_type": "refresh_token",
        "client_id": "id",
        "client_secret": "s&cret",
        "refresh_token": "r+1",
    }


def test_a_federated_workload(gcs, proxy, tmp_path):
    def answer(method, path, headers, body):
        if path == "/subject":
            return (200, {"id_token": "sub-2"}) if headers.get("X-Own") == "yes" else (403, "no")
        if path == "/token":
            return 200, {"access_token": "sts-1", "expires_in": 3600}
        assert headers["Authorization"] == "Bearer sts-1"
        until = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
        return 200, {"accessToken": "sa-1", "expireTime": until}

    server = TokenServer(answer)
    gcs.open.append(server)
    base = {
        "type": "external_account",
        "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": server.url + "/token",
    }
    by_file = {**base, "credential_source": {"file": write(tmp_path / "subject", "sub-1\n")}}
    assert uses(gcs, proxy, write(tmp_path / "a.json", by_file)) == "Bearer sts-1"
    form = dict(urllib.parse.parse_qsl(server.requests[-1][3]))
    assert form["subject_token"] == "sub-1" and form["audience"] == base["audience"]
    by_url = {
        **base,
        "service_account_impersonation_url": server.url + "/sa:generateAccessToken",
        "credential_source": {
            "url": server.url + "/subject",
            "headers": {"X-Own": "yes"},
            "format": {"type": "json", "subject_token_field_name": "id_token"},
        },
    }
    assert uses(gcs, proxy, write(tmp_path / "b.json", by_url)) == "Bearer sa-1"
    assert dict(urllib.parse.parse_qsl(server.requests[-2][3]))["subject_token"] == "sub-2"
    assert json.loads(server.requests[-1][3])["lifetime"] == "3600s"


def test_the_metadata_server(gcs, proxy):
    def answer(method, path, headers, body):
        assert headers["Metadata-Flavor"] == "Google"
        assert path == "/computeMetadata/v1/instance/service-accounts/default/token"
        return 200, TOKEN

    server = TokenServer(answer)
    gcs.open.append(server)
    env = {"HOME": "/nowhere", "GCE_METADATA_HOST": server.url.removeprefix("http://")}
    assert uses(gcs, proxy, None, env) == "Bearer tok-1"


def test_tokens_are_renewed_and_shared(gcs, proxy):
    given = []

    def answer(method, path, headers, body):
        given.append(f"tok-{len(given)}")
        return 200, {"access_token": given[-1], "expires_in": 3600 if len(given) > 1 else 10}

    server = TokenServer(answer)
    gcs.open.append(server)
    env = {"HOME": "/nowhere", "GCE_METADATA_HOST": server.url.removeprefix("http://")}
    revoked = set()

    def judge(request):
        token = request.headers["Authorization"].removeprefix("Bearer ")
        if token in revoked:
            return "status", 401, b'{"error": {"message": "Invalid Credentials"}}', {}

    proxy.fault = judge
    st = gcs.script(endpoint=proxy.endpoint, env=env, credentials=None)
    st.ok("put", "a", body="x")
    st.ok("get", "a")
    assert given == ["tok-0", "tok-1"]  # the first one was good for too short
    revoked.add("tok-1")
    st.ok("many", names=" ".join(["a"] * 50))  # side by side, and one new token for all
    assert given == ["tok-0", "tok-1", "tok-2"]
    revoked.add("tok-2")
    revoked.add("tok-3")
    answer = st("get", "a")
    assert answer["code"] == "INVALID" and "Invalid Credentials" in answer["message"], answer


def test_what_is_wrong_with_credentials_is_said_without_them(gcs, tmp_path, key):
    server = TokenServer(lambda *request: (400, {"error": "invalid_grant", "error_description": "Token has expired"}))
    gcs.open.append(server)
    user = {"type": "authorized_user", "client_id": "id", "client_secret": "hunter2", "refresh_token": "hunter3"}
    account = {"type": "service_account", "client_email": "a@b", "private_key": "hunter2"}
    cases = [
        (str(tmp_path / "none.json"), "none.json"),
        (write(tmp_path / "1.json", "{"), "no type"),
        (write(tmp_path / "2.json", {"type": "gdch_service_account"}), "gdch_service_account"),
        (write(tmp_path / "3.json", account), "private_key is not a usable RSA key"),
        (write(tmp_path / "4.json", {**user, "token_uri": server.url}), "invalid_grant: Token has expired"),
        (write(tmp_path / "5.json", {**account, "client_email": ""}), "no client_email"),
        (
            write(
                tmp_path / "6.json",
                {
                    "type": "external_account",
                    "audience": "a",
                    "subject_token_type": "t",
                    "token_url": server.url,
                    "credential_source": {"environment_id": "aws1", "url": "http://hunter2"},
                },
            ),
            "aws1",
        ),
    ]
    for file, word in cases:
        answer = gcs.script(credentials=file, retries="1")("get", "a")
        assert answer["code"] != "OK" and word in answer["message"], answer
        assert "hunter" not in answer["message"]


def test_unknown_options_are_refused_without_their_values(gcs):
    url = gcs.url() + "&secret_key=hunter2"
    it = Script(url, HOME="/nowhere")
    assert it.process.wait(20) == 1
    said = it.process.stdout.read()
    assert "secret_key" in said and "hunter2" not in said


# --- HMAC keys: the XML API, which the sources of s3: speak -----------------------------------------------------------


def test_hmac_keys(gcs, s3):
    """moto stands in for the XML API: the proxy says in S3's words what Google's headers mean."""
    proxy = s3.proxy()
    seen = []

    def translate(request):
        assert request.headers["Authorization"].startswith("GOOG4-HMAC-SHA256 Credential=GOOGKEY/"), request.headers
        assert not any(h.lower().startswith("x-amz-") for h in request.headers), request.headers
        seen.append(dict(request.headers))
        if "uploadId" in request.query and "partNumber" not in request.query:
            assert "x-goog-if-generation-match" not in request.headers  # the real one refuses it there
        if request.headers.pop("x-goog-if-generation-match", None) == "0":
            request.headers["If-None-Match"] = "*"
        for name in [h for h in request.headers if h.lower().startswith("x-goog-")]:
            request.headers["x-amz-" + name[7:]] = request.headers.pop(name)
        request.headers["Authorization"] = request.headers["Authorization"].replace("GOOG4-HMAC", "AWS4-HMAC")

    real_forward = proxy.forward

    def forward(request):
        status, headers, content = real_forward(request)
        return status, [(k.replace("x-amz-meta-", "x-goog-meta-"), v) for k, v in headers], content

    proxy.forward = forward
    proxy.fault = translate
    env = {"GS_ACCESS_KEY_ID": "GOOGKEY", "GS_SECRET_ACCESS_KEY": "not-a-secret"}
    url = f"gs://{s3.bucket}/lake?" + urllib.parse.urlencode({"endpoint": proxy.endpoint, "cache": str(s3.cache)})
    st = Script(url, **env)
    gcs.open.append(st)
    st.ok("put", "a", body="x", if_absent=True)
    answer = st("put", "a", body="y", if_absent=True)
    assert answer["code"] == "EXISTS", answer
    assert st.ok("get", "a")["body"] == "x"
    name = "part-0-0f0bf1a4-52ee-4b9a-a4b7-d5cd01d2fc7f.parquet"
    st.ok("put_file", name, body="0123456789abcdef", repeat=BIG, if_absent=True)
    assert st("put_file", name, body="0123456789abcdef", repeat=BIG, if_absent=True)["code"] == "EXISTS"
    assert hashlib.sha256(s3.body("lake/" + name)).digest() == hashlib.sha256(b"0123456789abcdef" * BIG).digest()
    assert st.ok("list")["names"] == ["a", name]
    st.ok("remove_many", names="a " + name)
    assert s3.keys() == []
