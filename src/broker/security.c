#include "broker/security.h"

#include <openssl/crypto.h>
#include <stdio.h>

#define FILE_MAX ((size_t)64 << 20)
#define VERSION 1

/* --- reading: {"version", "secret", "users": [...], "acls": [...], "quotas": [...]} ----------------------------------
 */

static bool text_member(struct str object, const char *name, struct buf *out)
{
    buf_clear(out);
    return json_member_string(object, name, out);
}

static bool read_user(struct security *s, struct str object, struct buf *text)
{
    struct scram_verifier v;
    struct user *u;
    enum scram_hash hash;

    if (!text_member(object, "mechanism", text))
        return false;
    hash = str_is(buf_str(text), scram_name(SCRAM_SHA_512)) ? SCRAM_SHA_512 : SCRAM_SHA_256;
    if (!str_is(buf_str(text), scram_name(hash)) || !text_member(object, "verifier", text) ||
        !scram_parse(hash, buf_str(text), &v) || !text_member(object, "name", text))
        return false;
    u = users_named(&s->users, buf_str(text));
    if (!u->configured) {
        u->scram[hash] = v;
        u->has[hash] = true;
    }
    return true;
}

static bool read_acl(struct security *s, struct str object, struct buf *text)
{
    struct arena a;
    struct str texts[3];
    static const char *const names[] = {"name", "principal", "host"};
    int64_t type = 0, pattern = 0, operation = 0, permission = 0;
    bool ok = json_member_int64(object, "type", &type) && json_member_int64(object, "pattern", &pattern) &&
              json_member_int64(object, "operation", &operation) &&
              json_member_int64(object, "permission", &permission) && type >= 0 && type < ACL_RESOURCES &&
              pattern >= 0 && pattern < ACL_PATTERNS && operation >= 0 && operation < ACL_OPERATIONS &&
              permission >= 0 && permission < ACL_PERMISSIONS;

    arena_init(&a);
    for (size_t i = 0; ok && i < IG_COUNT(names); i++) {
        ok = text_member(object, names[i], text);
        texts[i] = arena_str(&a, buf_str(text));
    }
    if (ok) {
        const struct acl acl = {.type = (enum acl_resource)type,
                                .pattern = (enum acl_pattern)pattern,
                                .operation = (enum acl_operation)operation,
                                .permission = (enum acl_permission)permission,
                                .name = texts[0],
                                .principal = texts[1],
                                .host = texts[2]};

        ok = acl_problem(&acl) == NULL;
        if (ok)
            acls_add(s->acls, &acl);
    }
    arena_release(&a);
    return ok;
}

static bool read_quota(struct security *s, struct str object, struct buf *text)
{
    struct quota_entity e = {0};
    struct json_value v;
    struct arena a;
    size_t any = 0;

    arena_init(&a);
    for (size_t i = 0; i < QUOTA_PARTS; i++) {
        if (!json_member(object, quota_part_names[i], &v))
            continue;
        e.is_default[i] = v.type == JSON_NULL;
        buf_clear(text);
        if (v.type == JSON_STRING)
            json_unescape(&v, text);
        e.part[i] = arena_str(&a, buf_str(text));
    }
    for (size_t k = 0; k < QUOTA_KINDS; k++) {
        double limit;

        if (!json_member(object, quota_names[k], &v) || v.type != JSON_NUMBER || !str_to_double(v.raw, &limit) ||
            quota_problem(&e, (enum quota_kind)k, limit))
            continue;
        quotas_set(s->quotas, &e, (enum quota_kind)k, limit, false);
        any++;
    }
    arena_release(&a);
    return any > 0;
}

typedef bool read_fn(struct security *s, struct str object, struct buf *text);

static bool read_list(struct security *s, struct str text, const char *name, read_fn *read)
{
    struct json_value list, item;
    struct json_reader r;
    struct buf scratch;
    bool ok;

    if (!json_member(text, name, &list) || list.type != JSON_ARRAY)
        return false;
    buf_init(&scratch, 0);
    json_reader_init(&r, list.raw);
    ok = json_begin(&r, &item);
    while (ok && json_next_item(&r))
        ok = json_read(&r, &item) && item.type == JSON_OBJECT && read(s, item.raw, &scratch);
    buf_release(&scratch);
    return ok && !r.problem;
}

static enum ig_code read_all(struct security *s, struct str text, struct error *err)
{
    int64_t version = 0;

    if (!json_member_int64(text, "version", &version) || version != VERSION)
        return error_set(err, IG_CORRUPT, "%s: a version that is not known here", s->path);
    if (!read_list(s, text, "users", read_user) || !read_list(s, text, "acls", read_acl) ||
        !read_list(s, text, "quotas", read_quota))
        return error_set(err, IG_CORRUPT, "%s is not what ingot writes", s->path);
    return IG_OK;
}

static bool read_secret(struct str text, uint8_t secret[USERS_SECRET_BYTES])
{
    struct buf b;
    size_t n = 0;
    bool ok;

    buf_init(&b, 0);
    ok = json_member_string(text, "secret", &b) && base64_decode(buf_str(&b), secret, USERS_SECRET_BYTES, &n) &&
         n == USERS_SECRET_BYTES;
    buf_release(&b);
    return ok;
}

/* --- writing
 * ---------------------------------------------------------------------------------------------------------- */

static void write_users(const struct security *s, struct buf *out)
{
    const char *comma = "\n";

    for (size_t i = 0; i < s->users.list.n; i++) {
        const struct user *u = s->users.list.p[i];

        for (int h = SCRAM_SHA_256; h <= SCRAM_SHA_512 && !u->configured; h++) {
            if (!u->has[h])
                continue;
            buf_printf(out, "%s{\"name\": ", comma);
            json_add_string(out, str_of(u->name));
            buf_printf(out, ", \"mechanism\": \"%s\", \"verifier\": \"", scram_name((enum scram_hash)h));
            scram_format(&u->scram[h], out);
            buf_puts(out, "\"}");
            comma = ",\n";
        }
    }
}

static void write_acls(const struct security *s, struct buf *out)
{
    const char *comma = "\n";

    for (size_t i = 0; i < acls_count(s->acls); i++) {
        const struct acl *a = acls_at(s->acls, i);

        if (a->fixed)
            continue;
        buf_printf(out, "%s{\"type\": %d, \"pattern\": %d, \"operation\": %d, \"permission\": %d, \"name\": ", comma,
                   (int)a->type, (int)a->pattern, (int)a->operation, (int)a->permission);
        json_add_string(out, a->name);
        buf_puts(out, ", \"principal\": ");
        json_add_string(out, a->principal);
        buf_puts(out, ", \"host\": ");
        json_add_string(out, a->host);
        buf_putc(out, '}');
        comma = ",\n";
    }
}

static void write_quotas(const struct security *s, struct buf *out)
{
    const char *comma = "\n";

    for (size_t i = 0; i < quotas_count(s->quotas); i++) {
        const struct quota *q = quotas_at(s->quotas, i);
        const char *inner = "";

        if (q->fixed)
            continue;
        buf_printf(out, "%s{", comma);
        comma = ",\n";
        for (size_t k = 0; k < QUOTA_PARTS; k++) {
            if (!q->entity.part[k].p)
                continue;
            buf_printf(out, "%s\"%s\": ", inner, quota_part_names[k]);
            inner = ", ";
            if (q->entity.is_default[k])
                buf_puts(out, "null");
            else
                json_add_string(out, q->entity.part[k]);
        }
        for (size_t k = 0; k < QUOTA_KINDS; k++) {
            if (q->limit[k] > 0)
                buf_printf(out, ", \"%s\": %.17g", quota_names[k], q->limit[k]);
        }
        buf_putc(out, '}');
    }
}

static void write_all(const struct security *s, struct buf *out)
{
    buf_printf(out, "{\"version\": %d, \"secret\": \"", VERSION);
    base64_encode(s->users.secret, USERS_SECRET_BYTES, out);
    buf_puts(out, "\",\n\"users\": [");
    write_users(s, out);
    buf_puts(out, "],\n\"acls\": [");
    write_acls(s, out);
    buf_puts(out, "],\n\"quotas\": [");
    write_quotas(s, out);
    buf_puts(out, "]}\n");
}

/* What the disk has, again. */
static void go_back(struct security *s)
{
    struct error err = {0};
    struct buf text;
    enum ig_code rc;

    users_drop_stored(&s->users);
    acls_remove_all(s->acls);
    quotas_remove_all(s->quotas);
    buf_init(&text, FILE_MAX);
    rc = env_read_file(s->env, s->path, &text, &err);
    if (!rc)
        rc = read_all(s, buf_str(&text), &err);
    if (rc && rc != IG_NOT_FOUND)
        log_error(s->env, "broker", "users and access rules: %s", err.msg);
    buf_release(&text);
}

enum ig_code security_save(struct security *s, struct error *err)
{
    struct buf text;
    enum ig_code rc;

    buf_init(&text, FILE_MAX);
    write_all(s, &text);
    rc = buf_check(&text, err, "users and access rules");
    if (!rc)
        rc = env_replace_private_file(s->env, s->path, buf_str(&text), err);
    if (text.p)
        OPENSSL_cleanse(text.p, text.n);
    buf_release(&text);
    if (rc)
        go_back(s);
    return rc;
}

/* --- opening
 * ------------------------------------------------------------------------------------------------------------ */

static enum ig_code add_users(struct security *s, bool scram, struct error *err)
{
    for (size_t i = 0; i < s->conf->n_users; i++) {
        const struct conf_user *c = &s->conf->users[i];
        const char *const verifiers[SCRAM_HASHES] = {NULL, c->scram_sha_256, c->scram_sha_512};
        struct user *u = users_named(&s->users, str_of(c->name));

        u->configured = true;
        for (int h = SCRAM_SHA_256; h <= SCRAM_SHA_512; h++) {
            if (!verifiers[h])
                continue;
            if (!scram_parse((enum scram_hash)h, str_of(verifiers[h]), &u->scram[h]))
                return error_set(err, IG_INVALID, "user %s: this is no verifier of %s", c->name,
                                 scram_name((enum scram_hash)h));
            u->has[h] = true;
        }
        if (c->password)
            users_set_password(&s->users, u, str_of(c->password), scram);
    }
    return IG_OK;
}

static void add_quota(struct security *s, const struct conf_quota *c)
{
    const char *const names[QUOTA_PARTS] = {c->user, c->client_id, c->address};
    const double limits[QUOTA_KINDS] = {(double)c->producer_byte_rate, (double)c->consumer_byte_rate,
                                        c->request_percentage, 0, c->connection_creation_rate};
    struct quota_entity e = {0};

    for (size_t i = 0; i < QUOTA_PARTS; i++) {
        e.is_default[i] = names[i] && strcmp(names[i], "<default>") == 0;
        e.part[i] = e.is_default[i] ? STR("") : str_of(names[i]);
    }
    for (size_t k = 0; k < QUOTA_KINDS; k++) {
        if (limits[k] > 0 && !quota_problem(&e, (enum quota_kind)k, limits[k]))
            quotas_set(s->quotas, &e, (enum quota_kind)k, limits[k], true);
    }
}

static enum ig_code add_configured(struct security *s, bool scram, struct error *err)
{
    if (!s->conf)
        return IG_OK;
    s->allow_without_acl = s->conf->allow_without_acl;
    IG_TRY(add_users(s, scram, err));
    for (size_t i = 0; i < s->conf->n_acls; i++) {
        const struct conf_acl *c = &s->conf->acls[i];
        const struct acl a = {.type = (enum acl_resource)c->type,
                              .pattern = c->prefixed ? ACL_PREFIXED : ACL_LITERAL,
                              .operation = (enum acl_operation)c->operation,
                              .permission = c->deny ? ACL_DENY : ACL_ALLOW,
                              .name = str_of(c->name),
                              .principal = str_of(c->principal),
                              .host = str_of(c->host),
                              .fixed = true};
        const char *problem = acl_problem(&a);

        if (problem)
            return error_set(err, IG_INVALID, "acls: %s: %s", c->name, problem);
        acls_add(s->acls, &a);
    }
    for (size_t i = 0; i < s->conf->n_quotas; i++)
        add_quota(s, &s->conf->quotas[i]);
    return IG_OK;
}

static enum ig_code open_file(struct security *s, bool scram, struct error *err)
{
    uint8_t secret[USERS_SECRET_BYTES];
    struct buf text;
    enum ig_code rc;
    bool fresh;

    buf_init(&text, FILE_MAX);
    rc = env_read_file(s->env, s->path, &text, err);
    fresh = rc == IG_NOT_FOUND;
    if (fresh) {
        env_random(s->env, secret, sizeof(secret));
        rc = IG_OK;
    } else if (!rc && !read_secret(buf_str(&text), secret)) {
        rc = error_set(err, IG_CORRUPT, "%s is not what ingot writes", s->path);
    }
    if (!rc) {
        users_init(&s->users, secret);
        rc = add_configured(s, scram, err);
    }
    if (!rc && !fresh)
        rc = read_all(s, buf_str(&text), err);
    else if (!rc && scram)
        rc = security_save(s, err);
    if (text.p)
        OPENSSL_cleanse(text.p, text.n);
    OPENSSL_cleanse(secret, sizeof(secret));
    buf_release(&text);
    return rc;
}

enum ig_code security_open(struct env *env, const char *dir, const struct conf_broker *conf, bool scram,
                           struct security **out, struct error *err)
{
    struct security *s = check_calloc(1, sizeof(*s));
    struct buf path;
    enum ig_code rc;

    buf_init(&path, 0);
    buf_printf(&path, "%s/security.json", dir);
    s->env = env;
    s->conf = conf;
    s->path = buf_take(&path);
    s->acls = acls_new();
    s->quotas = quotas_new();
    s->allow_without_acl = true;
    rc = open_file(s, scram, err);
    if (rc) {
        security_close(s);
        return rc;
    }
    *out = s;
    return IG_OK;
}

void security_close(struct security *s)
{
    if (!s)
        return;
    users_release(&s->users);
    acls_free(s->acls);
    quotas_free(s->quotas);
    free(s->path);
    free(s);
}

/* --- decisions
 * ------------------------------------------------------------------------------------------------------------ */

bool security_is_super(const struct security *s, struct str principal)
{
    for (size_t i = 0; s->conf && i < s->conf->n_super_users; i++) {
        if (str_is(principal, s->conf->super_users[i]))
            return true;
    }
    return false;
}

bool security_may(const struct security *s, const struct acl_subject *who, enum acl_operation op,
                  enum acl_resource type, struct str name)
{
    const enum acl_verdict v = acls_decide(s->acls, who, op, type, name);

    if (v == ACL_ALLOWED || (v == ACL_NO_RULE && s->allow_without_acl))
        return true;
    return security_is_super(s, who->principal);
}

bool security_may_any(const struct security *s, const struct acl_subject *who, enum acl_operation op,
                      enum acl_resource type)
{
    const enum acl_verdict v = acls_decide_any(s->acls, who, op, type);

    if (v == ACL_ALLOWED || (v == ACL_NO_RULE && s->allow_without_acl))
        return true;
    return security_is_super(s, who->principal);
}
