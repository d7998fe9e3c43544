/*
 * Contracts and the schema registry: registered before anything flows; checked against what was registered before
 * anything is deployed.
 *
 * data/contracts/SUBJECT.json holds the schemas that were registered from here, oldest first. With it a contract can be
 * checked while nothing runs, and a registry that is away for a moment stops nobody whose contract did not change.
 */
#include "platform/platform_internal.h"

#include <stdlib.h>

#define REGISTRY_LIMIT_MS 30000
#define COPY_MAX_BYTES ((size_t)64 << 20)

static bool is_inside(const struct conf *conf)
{
    return strcmp(conf->registry_url, "inside") == 0;
}

static void add_subject(const struct conf_domain *d, struct buf *out)
{
    buf_printf(out, "%s-value", d->topic.name);
}

/* --- the local copy --------------------------------------------------------------------------------------- */

static void add_copy_path(const struct conf *conf, const struct conf_domain *d, struct buf *out)
{
    buf_printf(out, "%s/contracts/", conf->data_dir);
    add_subject(d, out);
    buf_puts(out, ".json");
}

/* The texts, each followed by a NUL. IG_NOT_FOUND if nothing was registered from here. */
static enum ig_code read_copy(struct env *env, const struct conf *conf, const struct conf_domain *d, struct buf *texts,
                              struct error *err)
{
    struct json_reader r;
    struct json_value v, list;
    struct buf path, file;
    enum ig_code rc;

    buf_init(&path, 0);
    buf_init(&file, COPY_MAX_BYTES);
    add_copy_path(conf, d, &path);
    rc = env_read_file(env, buf_cstr(&path), &file, err);
    if (rc == IG_OK && (!json_member(buf_str(&file), "versions", &list) || list.type != JSON_ARRAY))
        rc = error_set(err, IG_CORRUPT, "%s is not what ingot writes", buf_cstr(&path));
    if (rc == IG_OK) {
        json_reader_init(&r, list.raw);
        json_begin(&r, &v);
        while (json_next_item(&r) && json_read(&r, &v)) {
            json_unescape(&v, texts);
            buf_putc(texts, '\0');
        }
    }
    buf_release(&file);
    buf_release(&path);
    return rc;
}

static enum ig_code write_copy(struct platform *p, const struct conf_domain *d, const struct buf *texts,
                               struct error *err)
{
    struct buf path, folder, text;
    enum ig_code rc;

    buf_init(&path, 0);
    buf_init(&folder, 0);
    buf_init(&text, 0);
    buf_printf(&folder, "%s/contracts", p->conf->data_dir);
    add_copy_path(p->conf, d, &path);
    buf_puts(&text, "{\"versions\": [");
    for (size_t at = 0; at < texts->n; at += strlen(texts->p + at) + 1) {
        buf_puts(&text, at ? ",\n" : "\n");
        json_add_string(&text, str_of(texts->p + at));
    }
    buf_puts(&text, "]}\n");
    rc = env_make_dirs(p->env, buf_cstr(&folder), err);
    if (rc == IG_OK)
        rc = env_replace_file(p->env, buf_cstr(&path), buf_str(&text), err);
    buf_release(&text);
    buf_release(&folder);
    buf_release(&path);
    return rc;
}

static const char *last_text(const struct buf *texts)
{
    const char *last = "";

    for (size_t at = 0; at < texts->n; at += strlen(texts->p + at) + 1)
        last = texts->p + at;
    return last;
}

/* --- comparing -------------------------------------------------------------------------------------------- */

/* The canonical text, as the registry has it. */
static enum ig_code contract_schema(const struct conf_domain *d, struct buf *text, struct schema **out,
                                    struct error *err)
{
    struct buf written;
    enum ig_code rc;

    buf_init(&written, 0);
    contract_add_json_schema(d, &written);
    rc = schema_parse(SCHEMA_JSON, buf_str(&written), NULL, 0, out, err);
    buf_release(&written);
    if (rc != IG_OK)
        return error_context(err, rc, "the contract of %s as a JSON Schema", d->name);
    schema_canonical(*out, text);
    return IG_OK;
}

typedef VEC(struct schema *) schema_list;

static enum ig_code parse_texts(const struct buf *texts, schema_list *out, struct error *err)
{
    for (size_t at = 0; at < texts->n; at += strlen(texts->p + at) + 1) {
        struct schema *schema;

        IG_TRY(schema_parse(SCHEMA_JSON, str_of(texts->p + at), NULL, 0, &schema, err));
        vec_push(out, schema);
    }
    return IG_OK;
}

/* The contract against earlier texts. */
static enum ig_code compare(const struct conf_domain *d, const struct buf *texts, struct buf *reasons,
                            struct error *err)
{
    const char *level = conf_compatibilities[d->contract.compatibility];
    struct schema *schema = NULL;
    schema_list earlier = {0};
    struct buf text;
    enum ig_code rc;

    buf_init(&text, 0);
    rc = contract_schema(d, &text, &schema, err);
    if (rc == IG_OK && texts->n > 0 && strcmp(last_text(texts), buf_cstr(&text)) != 0) {
        rc = parse_texts(texts, &earlier, err);
        if (rc == IG_OK && !registry_compatible(str_of(level), true, schema, (const struct schema *const *)earlier.p,
                                                earlier.n, reasons))
            rc = error_set(err, IG_CONFLICT, "domain %s: the contract is not %s compatible with what was registered",
                           d->name, level);
    }
    for (size_t i = 0; i < earlier.n; i++)
        schema_free(earlier.p[i]);
    vec_free(&earlier);
    schema_free(schema);
    buf_release(&text);
    return rc;
}

/* Of the lines that a registry says, those that tell what changed, in plain words. */
static void add_plain(const struct buf *lines, struct buf *out)
{
    struct str rest = buf_str(lines);

    while (rest.n > 0) {
        const char *end = memchr(rest.p, '\n', rest.n);
        const size_t n = end ? (size_t)(end - rest.p) : rest.n;
        const char *what = memmem(rest.p, n, "description:", 12);

        if (what && (size_t)(what - rest.p) + 15 < n) {
            size_t length = n - (size_t)(what - rest.p) - 13;

            what += 13; /* behind the quote; at the end stand a quote and a brace */
            buf_add(out, what, length > 2 ? length - 2 : length);
            buf_putc(out, '\n');
        }
        rest = (struct str){rest.p + n + (end ? 1 : 0), rest.n - n - (end ? 1 : 0)};
    }
}

static void check_one(struct env *env, const struct conf *conf, struct registry *remote, const struct conf_domain *d,
                      struct platform_contract *x)
{
    struct buf texts, lines, subject;
    enum ig_code rc = IG_NOT_FOUND;

    buf_init(&texts, 0);
    buf_init(&lines, 0);
    buf_init(&subject, 0);
    add_subject(d, &subject);
    if (remote) {
        rc = registry_versions(remote, buf_cstr(&subject), &texts, &x->error);
        x->source = rc == IG_OK ? "the schema registry" : NULL;
    }
    if (!remote || rc == IG_UNAVAILABLE) {
        struct error copy_error;
        const enum ig_code copy_rc = read_copy(env, conf, d, &texts, &copy_error);

        if (copy_rc == IG_OK)
            x->source = "data/contracts";
        if (copy_rc == IG_OK || !remote) {
            rc = copy_rc;
            x->error = copy_error;
        }
    }
    x->code = rc == IG_NOT_FOUND ? IG_OK : rc;
    if (x->code == IG_OK)
        x->code = compare(d, &texts, &lines, &x->error);
    add_plain(&lines, &x->reasons);
    buf_release(&subject);
    buf_release(&lines);
    buf_release(&texts);
}

void platform_check_contracts(struct env *env, const struct conf *conf, platform_contract_fn *each, void *ctx)
{
    struct registry *remote = NULL;
    struct error err;

    if (!is_inside(conf) && registry_open_url(env, conf->registry_url, &remote, &err) != IG_OK)
        log_warn(env, "registry", "%s", err.msg);
    for (size_t i = 0; i < conf->n_domains; i++) {
        const struct conf_domain *d = &conf->domains[i];
        struct platform_contract x = {.domain = d, .level = conf_compatibilities[d->contract.compatibility]};

        buf_init(&x.reasons, 0);
        check_one(env, conf, remote, d, &x);
        each(ctx, &x);
        buf_release(&x.reasons);
    }
    registry_close(remote);
}

/* --- registering --------------------------------------------------------------------------------------------- */

static enum ig_code say_incompatible(struct platform *p, const struct conf_domain *d, const struct buf *lines,
                                     struct error *err)
{
    struct buf plain;
    const char *end;

    buf_init(&plain, 0);
    add_plain(lines, &plain);
    for (size_t at = 0; at < plain.n; at += (size_t)(end - (plain.p + at)) + 1) {
        end = strchr(plain.p + at, '\n');
        log_error(p->env, "registry", "contract of %s: %.*s", d->name, (int)(end - (plain.p + at)), plain.p + at);
    }
    end = plain.n ? strchr(plain.p, '\n') : NULL;
    error_set(err, IG_CONFLICT,
              "domain %s: the contract is not %s compatible with what is registered as %s-value: %.*s "
              "(contract.compatibility in its domain.yml says what may change)",
              d->name, conf_compatibilities[d->contract.compatibility], d->topic.name, end ? (int)(end - plain.p) : 0,
              buf_cstr(&plain));
    buf_release(&plain);
    return IG_CONFLICT;
}

/* Is this contract the one that was registered last? */
static bool is_unchanged(struct platform *p, const struct conf_domain *d, const struct buf *text)
{
    struct buf texts;
    bool same;

    buf_init(&texts, 0);
    same = read_copy(p->env, p->conf, d, &texts, NULL) == IG_OK && strcmp(last_text(&texts), buf_cstr(text)) == 0;
    buf_release(&texts);
    return same;
}

static enum ig_code register_text(struct platform *p, const struct conf_domain *d, const struct buf *text,
                                  struct buf *lines, struct error *err)
{
    struct registry_candidate candidate = {.type = SCHEMA_JSON, .text = buf_str(text), .lenient = true};
    struct buf subject, texts;
    int32_t id, version;
    enum ig_code rc;

    buf_init(&subject, 0);
    buf_init(&texts, 0);
    add_subject(d, &subject);
    candidate.subject = buf_cstr(&subject);
    candidate.compatibility = conf_compatibilities[d->contract.compatibility];
    rc = registry_register(p->registry, &candidate, &id, &version, lines, err);
    if (rc == IG_OK) {
        log_debug(p->env, "registry", "%s is version %d, schema %d", buf_cstr(&subject), version, id);
        rc = registry_versions(p->registry, buf_cstr(&subject), &texts, err);
    }
    if (rc == IG_OK)
        rc = write_copy(p, d, &texts, err);
    buf_release(&texts);
    buf_release(&subject);
    return rc;
}

static enum ig_code register_contract(struct platform *p, const struct conf_domain *d, struct error *err)
{
    struct schema *schema = NULL;
    struct buf text, lines;
    enum ig_code rc;

    buf_init(&text, 0);
    buf_init(&lines, 0);
    rc = contract_schema(d, &text, &schema, err);
    if (rc == IG_OK)
        rc = register_text(p, d, &text, &lines, err);
    if (rc == IG_CONFLICT) {
        rc = say_incompatible(p, d, &lines, err);
    } else if (rc == IG_UNAVAILABLE && is_unchanged(p, d, &text)) {
        log_warn(p->env, "registry", "%s; the contract of %s is what was registered last, so we go on", err->msg,
                 d->name);
        rc = IG_OK;
    }
    schema_free(schema);
    buf_release(&lines);
    buf_release(&text);
    return rc;
}

static enum ig_code start_serving(struct platform *p, struct error *err)
{
    const struct serve_options options = {
        .host = p->conf->http_host,
        .port = p->conf->http_port,
        .user = p->conf->http.user,
        .password = p->conf->http.password,
        .certificate = p->conf->http.certificate,
        .key = p->conf->http.key,
    };

    if (!(p->parts & PLATFORM_SERVING) || !p->conf->http_host || !is_inside(p->conf))
        return IG_OK;
    return serve_start(p->env, &options, p->registry, &p->serve, err);
}

enum ig_code platform_open_registry(struct platform *p, struct error *err)
{
    if (is_inside(p->conf))
        IG_TRY(registry_open(p->env, p->log, REGISTRY_LIMIT_MS, &p->registry, err));
    else
        IG_TRY(registry_open_url(p->env, p->conf->registry_url, &p->registry, err));
    for (size_t i = 0; i < p->conf->n_domains; i++)
        IG_TRY(register_contract(p, &p->conf->domains[i], err));
    return start_serving(p, err);
}

void platform_close_registry(struct platform *p)
{
    serve_stop(p->serve);
    registry_close(p->registry);
    p->serve = NULL;
    p->registry = NULL;
}
