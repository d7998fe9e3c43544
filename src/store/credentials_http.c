/* Credentials that a service hands out: STS for a role, the container's and the machine's metadata. */
#include "store/credentials_internal.h"
#include "store/sigv4.h"
#include "store/xml.h"

#include <stdio.h>
#include <stdlib.h>

#define TOKEN_MAX_BYTES ((size_t)64 << 10)

/* One request with headers that do not change from try to try. */
struct simple {
    const char *method, *url;
    const char *headers[8];
    size_t n_headers;
    struct str body;
};

static enum ig_code prepare_simple(void *ctx, unsigned try, struct http_request *request, struct error *err)
{
    const struct simple *q = ctx;

    (void)try;
    (void)err;
    *request = (struct http_request){
        .method = q->method, .url = q->url, .headers = q->headers, .n_headers = q->n_headers, .body = q->body};
    return IG_OK;
}

static enum ig_code run_simple(struct http_client *http, struct simple *q, struct http_response *response,
                               struct error *err)
{
    return http_run(http, &(struct http_job){prepare_simple, NULL, q}, response, err);
}

/* --- STS --------------------------------------------------------------------------------------------------------- */

static void add_parameter(struct buf *form, const char *name, struct str value)
{
    buf_printf(form, "%s%s=", form->n ? "&" : "", name);
    http_add_encoded(form, value, false);
}

static void add_sts_url(const struct credential_source *s, struct buf *url)
{
    const char *set = credentials_env("AWS_ENDPOINT_URL_STS");

    if (!set)
        set = credentials_env("AWS_ENDPOINT_URL");
    if (set)
        buf_printf(url, "%s%s", set, set[strlen(set) - 1] == '/' ? "" : "/");
    else
        buf_printf(url, "https://sts.%s.amazonaws.com%s/", s->region, strncmp(s->region, "cn-", 3) == 0 ? ".cn" : "");
}

static enum ig_code read_sts_answer(struct str answer, struct credential_set *out, struct error *err)
{
    struct buf value[4];
    static const char *const names[] = {"AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"};
    int64_t expires_us = 0;
    bool ok = true;

    for (size_t i = 0; i < IG_COUNT(names); i++) {
        buf_init(&value[i], TOKEN_MAX_BYTES);
        ok = ok && xml_find(answer, names[i], &value[i]) && value[i].n;
    }
    ok = ok && timestamp_parse(buf_str(&value[3]), &expires_us);
    if (ok)
        *out =
            (struct credential_set){buf_take(&value[0]), buf_take(&value[1]), buf_take(&value[2]), expires_us / 1000};
    for (size_t i = 0; i < IG_COUNT(names); i++)
        buf_release(&value[i]);
    return ok ? IG_OK : error_set(err, IG_CORRUPT, "STS answers something else than credentials");
}

static enum ig_code sts_refused(const struct http_response *r, const char *role_arn, struct error *err)
{
    struct buf code, message;
    enum ig_code rc;

    buf_init(&code, 0);
    buf_init(&message, 0);
    (void)xml_find(buf_str(&r->body), "Code", &code);
    (void)xml_find(buf_str(&r->body), "Message", &message);
    rc = error_set(err, r->status >= 500 || r->status == 429 ? IG_UNAVAILABLE : IG_INVALID,
                   "STS does not give the role %s: HTTP %d %s: %.300s", role_arn, r->status, buf_cstr(&code),
                   buf_cstr(&message));
    buf_release(&code);
    buf_release(&message);
    return rc;
}

/* What changes from try to try of a signed request: its time. */
struct signed_form {
    const struct credential_source *s;
    const struct credential_set *with;
    const char *url;
    struct str host, path, body;
    char hash[65];
    struct buf date, token, authorization;
    const char *headers[4];
};

static enum ig_code prepare_signed(void *ctx, unsigned try, struct http_request *request, struct error *err)
{
    struct signed_form *f = ctx;
    char time[17];
    struct sigv4_field headers[] = {{STR("content-type"), STR("application/x-www-form-urlencoded")},
                                    {STR("host"), f->host},
                                    {STR("x-amz-date"), {time, 16}},
                                    {STR("x-amz-security-token"), str_of(f->with->session_token)}};
    struct sigv4_request q = {
        .scheme = &sigv4_aws,
        .access_key = f->with->access_key,
        .secret_key = f->with->secret_key,
        .region = f->s->region,
        .service = "sts",
        .time_ms = env_now_ms(f->s->env),
        .method = "POST",
        .path = f->path,
        .headers = headers,
        .n_headers = f->with->session_token ? 4 : 3,
        .payload_hash = {f->hash, 64},
    };

    (void)try;
    sigv4_time(q.time_ms, time);
    buf_clear(&f->date);
    buf_printf(&f->date, "x-amz-date: %s", time);
    buf_clear(&f->authorization);
    buf_puts(&f->authorization, "Authorization: ");
    sigv4_add_authorization(&q, &f->authorization);
    f->headers[0] = "Content-Type: application/x-www-form-urlencoded";
    f->headers[1] = buf_cstr(&f->date);
    f->headers[2] = buf_cstr(&f->authorization);
    f->headers[3] = buf_cstr(&f->token);
    *request = (struct http_request){.method = "POST",
                                     .url = f->url,
                                     .headers = f->headers,
                                     .n_headers = f->with->session_token ? 4 : 3,
                                     .body = f->body};
    return buf_check(&f->authorization, err, "a signature");
}

static enum ig_code send_signed(const struct credential_source *s, const struct credential_set *with, const char *url,
                                struct str body, struct http_response *response, struct error *err)
{
    struct signed_form f = {.s = s, .with = with, .url = url, .body = body};
    const char *host = strstr(url, "://");
    enum ig_code rc;

    host = host ? host + 3 : url;
    f.host = (struct str){host, strcspn(host, "/")};
    f.path = str_of(f.host.p[f.host.n] ? f.host.p + f.host.n : "/");
    hash_sha256_hex(body.p, body.n, f.hash);
    buf_init(&f.date, 0);
    buf_init(&f.token, 0);
    buf_init(&f.authorization, 0);
    buf_printf(&f.token, "x-amz-security-token: %s", with->session_token ? with->session_token : "");
    rc = http_run(s->http, &(struct http_job){prepare_signed, NULL, &f}, response, err);
    buf_release(&f.date);
    buf_release(&f.token);
    buf_release(&f.authorization);
    return rc;
}

enum ig_code credentials_assume_role(const struct credential_source *s, const struct sts_role *role,
                                     const struct credential_set *with, struct credential_set *out, struct error *err)
{
    struct http_response response;
    struct buf form, url;
    enum ig_code rc;

    buf_init(&form, 0);
    buf_init(&url, 0);
    http_response_init(&response);
    add_sts_url(s, &url);
    add_parameter(&form, "Action", str_of(with ? "AssumeRole" : "AssumeRoleWithWebIdentity"));
    add_parameter(&form, "Version", STR("2011-06-15"));
    add_parameter(&form, "RoleArn", str_of(role->role_arn));
    add_parameter(&form, "RoleSessionName", str_of(role->session_name ? role->session_name : "ingot"));
    if (role->external_id)
        add_parameter(&form, "ExternalId", str_of(role->external_id));
    if (with) {
        rc = send_signed(s, with, buf_cstr(&url), buf_str(&form), &response, err);
    } else {
        struct simple q = {"POST", buf_cstr(&url), {"Content-Type: application/x-www-form-urlencoded"}, 1, {0}};

        add_parameter(&form, "WebIdentityToken", role->token);
        q.body = buf_str(&form);
        rc = run_simple(s->http, &q, &response, err);
    }
    if (!rc)
        rc = response.status == 200 ? read_sts_answer(buf_str(&response.body), out, err)
                                    : sts_refused(&response, role->role_arn, err);
    http_response_release(&response);
    buf_release(&form);
    buf_release(&url);
    return rc;
}

enum ig_code credentials_assume_role_by_file(const struct credential_source *s, const char *role_arn,
                                             const char *session_name, const char *token_file,
                                             struct credential_set *out, struct error *err)
{
    struct sts_role role = {role_arn, session_name, NULL, {0}};
    struct buf token;
    enum ig_code rc;

    buf_init(&token, TOKEN_MAX_BYTES);
    rc = env_read_file(s->env, token_file, &token, err);
    if (rc == IG_NOT_FOUND)
        rc = error_set(err, IG_INVALID, "the web identity token %s is not there", token_file);
    while (token.n && strchr(" \r\n", token.p[token.n - 1]))
        token.n--;
    role.token = buf_str(&token);
    if (!rc)
        rc = credentials_assume_role(s, &role, NULL, out, err);
    buf_release(&token);
    return rc;
}

/* --- metadata ---------------------------------------------------------------------------------------------------- */

/* {"AccessKeyId": ..., "SecretAccessKey": ..., "Token": ..., "Expiration": ...} */
static enum ig_code read_metadata(struct str answer, const char *who, struct credential_set *out, struct error *err)
{
    struct buf value[4];
    static const char *const names[] = {"AccessKeyId", "SecretAccessKey", "Token", "Expiration"};
    int64_t expires_us = 0;
    bool ok = true;

    for (size_t i = 0; i < IG_COUNT(names); i++) {
        buf_init(&value[i], TOKEN_MAX_BYTES);
        ok = json_member_string(answer, names[i], &value[i]) && ok;
    }
    ok = ok && timestamp_parse(buf_str(&value[3]), &expires_us);
    if (ok)
        *out =
            (struct credential_set){buf_take(&value[0]), buf_take(&value[1]), buf_take(&value[2]), expires_us / 1000};
    for (size_t i = 0; i < IG_COUNT(names); i++)
        buf_release(&value[i]);
    return ok ? IG_OK : error_set(err, IG_INVALID, "%s answers something else than credentials", who);
}

static bool is_host(const char *url, const char *host)
{
    const size_t n = strlen(host);

    return strncmp(url, host, n) == 0 && (url[n] == '\0' || url[n] == '/' || url[n] == ':');
}

/* Plain HTTP only where it does not leave the machine: a token goes along. */
static bool may_ask(const char *url)
{
    static const char *const hosts[] = {"127.0.0.1",     "localhost",      "[::1]",
                                        "169.254.170.2", "169.254.170.23", "[fd00:ec2::23]"};

    if (strncmp(url, "https://", 8) == 0)
        return true;
    for (size_t i = 0; i < IG_COUNT(hosts); i++) {
        if (strncmp(url, "http://", 7) == 0 && is_host(url + 7, hosts[i]))
            return true;
    }
    return false;
}

/* "Authorization: ..." for the container's endpoint, or nothing. */
static enum ig_code add_container_token(const struct credential_source *s, struct buf *header, struct error *err)
{
    const char *file = credentials_env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    const char *token = credentials_env("AWS_CONTAINER_AUTHORIZATION_TOKEN");

    if (!file && !token)
        return IG_OK;
    buf_puts(header, "Authorization: ");
    if (file)
        IG_TRY(env_read_file(s->env, file, header, err));
    else
        buf_puts(header, token);
    while (header->n && strchr("\r\n ", header->p[header->n - 1]))
        header->n--;
    header->p[header->n] = '\0';
    if (strpbrk(header->p, "\r\n"))
        return error_set(err, IG_INVALID, "the container's authorization token has more than one line");
    return IG_OK;
}

enum ig_code credentials_of_container(const struct credential_source *s, struct credential_set *out, struct error *err)
{
    const char *relative = credentials_env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    const char *full = credentials_env("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    struct http_response response;
    struct buf url, token;
    enum ig_code rc;

    if (!relative && !full)
        return error_set(err, IG_NOT_FOUND, "AWS_CONTAINER_CREDENTIALS_*_URI is not set");
    buf_init(&url, 0);
    buf_init(&token, TOKEN_MAX_BYTES);
    http_response_init(&response);
    buf_printf(&url, "%s%s", relative ? "http://169.254.170.2" : "", relative ? relative : full);
    rc = may_ask(buf_cstr(&url))
             ? add_container_token(s, &token, err)
             : error_set(err, IG_INVALID, "AWS_CONTAINER_CREDENTIALS_FULL_URI: plain HTTP only to this machine");
    if (!rc) {
        struct simple q = {"GET", buf_cstr(&url), {buf_cstr(&token)}, token.n ? 1 : 0, {0}};

        rc = run_simple(s->link_local, &q, &response, err);
    }
    if (!rc && response.status != 200)
        rc = error_set(err, response.status >= 500 ? IG_UNAVAILABLE : IG_INVALID, "the container's endpoint: HTTP %d",
                       response.status);
    if (!rc)
        rc = read_metadata(buf_str(&response.body), "the container's endpoint", out, err);
    http_response_release(&response);
    buf_release(&url);
    buf_release(&token);
    return rc;
}

static const char *metadata_host(void)
{
    const char *set = credentials_env("AWS_EC2_METADATA_SERVICE_ENDPOINT");
    const char *mode = credentials_env("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE");

    if (set)
        return set;
    return mode && (mode[0] == 'I' || mode[0] == 'i') && strstr(mode, "6") ? "http://[fd00:ec2::254]"
                                                                           : "http://169.254.169.254";
}

static bool is_true(const char *value)
{
    return value && (strcmp(value, "true") == 0 || strcmp(value, "True") == 0 || strcmp(value, "1") == 0);
}

static void add_metadata_url(struct buf *url, const char *path)
{
    const char *host = metadata_host();

    buf_clear(url);
    buf_printf(url, "%s%s%s", host, host[strlen(host) - 1] == '/' ? "" : "/", path);
}

/* "X-aws-ec2-metadata-token: ..." into `header`; nothing in it for version 1, where that is allowed. */
static enum ig_code session_token(const struct credential_source *s, struct http_response *response, struct buf *header,
                                  struct error *err)
{
    const char *v1 = credentials_env("AWS_EC2_METADATA_V1_DISABLED");
    struct simple q = {"PUT", NULL, {"X-aws-ec2-metadata-token-ttl-seconds: 21600"}, 1, {0}};
    struct buf url;
    enum ig_code rc;

    buf_init(&url, 0);
    add_metadata_url(&url, "latest/api/token");
    q.url = buf_cstr(&url);
    rc = run_simple(s->link_local, &q, response, err);
    buf_release(&url);
    if (rc)
        return error_set(err, IG_NOT_FOUND, "no answer (not a machine of EC2?)");
    if (response->status == 200) {
        buf_puts(header, "X-aws-ec2-metadata-token: ");
        buf_add_str(header, buf_str(&response->body));
        return buf_check(header, err, "a metadata token");
    }
    if (v1 && strcmp(v1, "false") == 0)
        return IG_OK;
    return error_set(err, IG_NOT_FOUND, "version 2 is refused with HTTP %d", response->status);
}

static enum ig_code get_metadata(const struct credential_source *s, const char *path, const char *token,
                                 struct http_response *response, struct error *err)
{
    struct simple q = {"GET", NULL, {token}, *token ? 1 : 0, {0}};
    struct buf url;
    enum ig_code rc;

    buf_init(&url, 0);
    add_metadata_url(&url, path);
    q.url = buf_cstr(&url);
    rc = run_simple(s->link_local, &q, response, err);
    buf_release(&url);
    if (!rc && response->status != 200)
        rc = error_set(err, response->status == 404 ? IG_NOT_FOUND : IG_UNAVAILABLE, "%s: HTTP %d", path,
                       response->status);
    return rc;
}

enum ig_code credentials_of_instance(const struct credential_source *s, struct credential_set *out, struct error *err)
{
    static const char base[] = "latest/meta-data/iam/security-credentials/";
    struct http_response response;
    struct buf token, path;
    enum ig_code rc;

    if (is_true(credentials_env("AWS_EC2_METADATA_DISABLED")))
        return error_set(err, IG_NOT_FOUND, "AWS_EC2_METADATA_DISABLED is set");
    buf_init(&token, TOKEN_MAX_BYTES);
    buf_init(&path, TOKEN_MAX_BYTES);
    http_response_init(&response);
    rc = session_token(s, &response, &token, err);
    if (!rc)
        rc = get_metadata(s, base, buf_cstr(&token), &response, err);
    if (rc == IG_NOT_FOUND && token.n)
        error_set(err, rc, "this machine has no role");
    if (!rc) {
        const struct str roles = buf_str(&response.body);

        buf_puts(&path, base);
        http_add_encoded(&path, (struct str){roles.p, strcspn(roles.p, "\r\n")}, false);
        rc = get_metadata(s, buf_cstr(&path), buf_cstr(&token), &response, err);
    }
    if (!rc)
        rc = read_metadata(buf_str(&response.body), "instance metadata", out, err);
    http_response_release(&response);
    buf_release(&token);
    buf_release(&path);
    return rc;
}
