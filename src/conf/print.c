/* The configuration in effect, for people; and the masking of secrets. */
#include "conf/keys.h"

#include <inttypes.h>
#include <stdlib.h>

/* --- secrets --------------------------------------------------------------------------------------------------------
 */

static bool names_secret(struct str name)
{
    static const char *const words[] = {"password", "passwd", "pwd", "secret", "token", "key", "credential", "jaas"};

    for (size_t w = 0; w < IG_COUNT(words); w++)
        for (size_t i = 0; i + strlen(words[w]) <= name.n; i++)
            if (strncasecmp(name.p + i, words[w], strlen(words[w])) == 0)
                return true;
    return false;
}

/* ?name=value&name=value */
static void add_properties(struct buf *out, struct str s)
{
    while (s.n > 0) {
        const char *end = memchr(s.p + 1, '&', s.n - 1);
        const size_t n = end ? (size_t)(end - s.p) : s.n;
        const char *equals = memchr(s.p, '=', n);

        if (equals && names_secret((struct str){s.p, (size_t)(equals - s.p)})) {
            buf_add(out, s.p, (size_t)(equals - s.p) + 1);
            buf_puts(out, "***");
        } else {
            buf_add(out, s.p, n);
        }
        s.p += n;
        s.n -= n;
    }
}

/* What follows "://", up to the next blank or quote. A password may hold any character, so all up to the last @ goes.
 */
static void add_authority(struct buf *out, struct str s)
{
    const char *at = s.n ? memrchr(s.p, '@', s.n) : NULL;
    const char *query;

    if (at) {
        buf_puts(out, "***");
        s.n -= (size_t)(at - s.p);
        s.p = at;
    }
    query = s.n ? memchr(s.p, '?', s.n) : NULL;
    if (!query && s.n)
        query = memchr(s.p, '&', s.n);
    if (!query) {
        buf_add_str(out, s);
        return;
    }
    buf_add(out, s.p, (size_t)(query - s.p));
    add_properties(out, (struct str){query, s.n - (size_t)(query - s.p)});
}

void conf_add_masked(struct buf *out, const char *text)
{
    const char *from = text;

    for (;;) {
        const char *found = strstr(from, "://");
        size_t n;

        if (!found) {
            buf_puts(out, from);
            return;
        }
        buf_add(out, from, (size_t)(found + 3 - from));
        found += 3;
        n = strcspn(found, " \t\r\n'\"");
        add_authority(out, (struct str){found, n});
        from = found + n;
    }
}

/* --- printing -------------------------------------------------------------------------------------------------------
 */

struct printer {
    const struct conf *conf;
    struct buf *out;
};

const char *conf_origin_of(const struct conf *conf, const void *at)
{
    for (size_t i = 0; i < conf->n_origins; i++)
        if (conf->origins[i].at == at)
            return conf->origins[i].text;
    return NULL;
}

static void print_key(struct buf *out, const char *name)
{
    keys_print_text(out, name);
    buf_puts(out, ": ");
}

/* Every key of a table that has a value, a line each; those read by their own functions are printed by theirs. */
static void print_table(const struct printer *p, const char *indent, struct key_table t, const void *from)
{
    struct buf value;

    buf_init(&value, 0);
    for (size_t i = 0; i < t.n; i++) {
        buf_clear(&value);
        if (!keys_print_value(p->conf, &t.keys[i], from, &value))
            continue;
        buf_puts(p->out, indent);
        print_key(p->out, t.keys[i].name);
        buf_add_str(p->out, buf_str(&value));
        buf_putc(p->out, '\n');
    }
    buf_release(&value);
}

static void print_written_or(const struct printer *p, const char *prefix, const void *at, const char *text)
{
    const char *written = conf_origin_of(p->conf, at);

    buf_puts(p->out, prefix);
    if (written)
        keys_print_written(p->out, written);
    else
        keys_print_text(p->out, text);
    buf_putc(p->out, '\n');
}

static void print_field(const struct printer *p, const struct conf_field *f, bool lenient_default);

static void print_fields(const struct printer *p, const struct conf_field *fields, size_t n, bool lenient_default)
{
    for (size_t i = 0; i < n; i++) {
        buf_puts(p->out, i ? ", " : "{");
        print_key(p->out, fields[i].name);
        print_field(p, &fields[i], lenient_default);
    }
    buf_putc(p->out, '}');
}

static void print_type(const struct printer *p, const struct conf_field *f)
{
    const char *written = conf_origin_of(p->conf, &f->type);

    buf_puts(p->out, "{type: ");
    if (written)
        keys_print_written(p->out, written);
    else if (f->type == CONF_DECIMAL)
        buf_printf(p->out, "\"decimal(%d,%d)\"", f->precision, f->scale);
    else
        buf_puts(p->out, conf_field_types[f->type]);
}

static void print_field(const struct printer *p, const struct conf_field *f, bool lenient_default)
{
    struct buf value;

    print_type(p, f);
    buf_init(&value, 0);
    for (size_t i = 0; i < conf_field_table.n; i++) {
        const struct key *key = &conf_field_table.keys[i];
        const bool skip = (strcmp(key->name, "min") == 0 && !f->has_min) ||
                          (strcmp(key->name, "max") == 0 && !f->has_max) ||
                          (strcmp(key->name, "required") == 0 && !f->required) ||
                          (strcmp(key->name, "lenient") == 0 && f->lenient == lenient_default) ||
                          (strcmp(key->name, "path") == 0 && (!f->path || strcmp(f->path, f->name) == 0));

        buf_clear(&value);
        if (skip || !keys_print_value(p->conf, key, f, &value))
            continue;
        buf_puts(p->out, ", ");
        print_key(p->out, key->name);
        buf_add_str(p->out, buf_str(&value));
    }
    buf_release(&value);
    if (f->time_unit != CONF_TIME_TEXT)
        buf_printf(p->out, ", unit: %s", conf_time_units[f->time_unit - 1]);
    if (f->when_field) {
        buf_puts(p->out, ", required_when: {");
        print_key(p->out, f->when_field);
        keys_print_list(p->conf, p->out, f->when_values, f->n_when_values);
        buf_putc(p->out, '}');
    }
    if (f->type == CONF_LIST && !conf_origin_of(p->conf, &f->type)) {
        buf_puts(p->out, ", items: ");
        print_field(p, &f->fields[0], f->lenient);
    } else if (f->type == CONF_STRUCT) {
        buf_puts(p->out, ", fields: ");
        print_fields(p, f->fields, f->n_fields, f->lenient);
    }
    buf_putc(p->out, '}');
}

static void print_contract(const struct printer *p, const struct conf_domain *d)
{
    const struct conf_contract *k = &d->contract;
    char date[16];

    buf_puts(p->out, "contract:\n");
    print_table(p, "  ", conf_contract_table, k);
    if (k->has_not_before)
        print_written_or(p, "  not_before: ", &k->not_before_days, date_format(k->not_before_days, date));
    buf_puts(p->out, "  fields:\n");
    for (size_t i = 0; i < k->n_fields; i++) {
        buf_puts(p->out, "    ");
        print_key(p->out, k->fields[i].name);
        print_field(p, &k->fields[i], load_lenient_default(&d->source));
        buf_putc(p->out, '\n');
    }
}

static void print_source(const struct printer *p, const struct conf_source *s)
{
    buf_printf(p->out, "source:\n  type: %s\n", conf_source_types[s->type]);
    if (s->type == CONF_SOURCE_GENERATE) {
        print_written_or(p, "  generator: ", &s->generator, s->generator);
        print_table(p, "  ", conf_generate_table, s);
    } else if (s->type == CONF_SOURCE_FILE) {
        print_table(p, "  ", conf_file_table, s);
        if (s->sql)
            print_written_or(p, "  sql: ", &s->sql, "");
    }
}

/* Paths are kept from the project's folder, and written from the domain's. */
static void print_sql_path(const struct printer *p, const struct conf_domain *d, const char *const *path)
{
    const size_t n = strlen("domains/") + strlen(d->name) + 1;
    const char *written = conf_origin_of(p->conf, path);

    if (written)
        keys_print_written(p->out, written);
    else
        keys_print_text(p->out, *path + n);
}

static void print_gold(const struct printer *p, const struct conf_domain *d)
{
    if (d->n_gold)
        buf_puts(p->out, "gold:\n");
    for (size_t i = 0; i < d->n_gold; i++) {
        const struct conf_gold *g = &d->gold[i];
        const char *scope = conf_origin_of(p->conf, &g->whole_table);

        buf_printf(p->out, "  %s: {sql: ", g->name);
        print_sql_path(p, d, &g->sql_path);
        buf_puts(p->out, ", key: ");
        keys_print_list(p->conf, p->out, g->key, g->n_key);
        buf_puts(p->out, ", scope: ");
        if (scope)
            keys_print_written(p->out, scope);
        else
            buf_puts(p->out, g->whole_table ? "table" : "partition");
        buf_puts(p->out, "}\n");
    }
}

static void print_domain(const struct printer *p, const struct conf_domain *d)
{
    buf_printf(p->out, "---\n# domains/%s/domain.yml\n", d->name);
    print_table(p, "", conf_domain_table, d);
    print_source(p, &d->source);
    buf_puts(p->out, "topic:\n");
    print_table(p, "  ", conf_topic_table, d);
    print_contract(p, d);
    buf_puts(p->out, "bronze:\n");
    print_table(p, "  ", conf_bronze_table, d);
    if (d->silver.sql_path) {
        buf_puts(p->out, "silver:\n  sql: ");
        print_sql_path(p, d, &d->silver.sql_path);
        buf_putc(p->out, '\n');
    }
    print_gold(p, d);
}

static void print_http_text(const struct printer *p, const char *prefix, const char *const *text)
{
    buf_puts(p->out, prefix);
    keys_print_text(p->out, *text);
    buf_putc(p->out, '\n');
}

static void print_http(const struct printer *p)
{
    const struct conf *conf = p->conf;
    const bool v6 = conf->http_host && strchr(conf->http_host, ':') != NULL;

    const bool more = conf->http.user || conf->http.certificate;

    buf_puts(p->out, more ? "http:\n  listen: " : "http: ");
    if (conf_origin_of(conf, &conf->http_host))
        print_written_or(p, "", &conf->http_host, "");
    else if (!conf->http_host)
        buf_puts(p->out, "none\n");
    else
        buf_printf(p->out, "\"%s%s%s:%d\"\n", v6 ? "[" : "", conf->http_host, v6 ? "]" : "", conf->http_port);
    if (conf->http.user) {
        print_http_text(p, "  user: ", &conf->http.user);
        print_written_or(p, "  password: ", &conf->http.password, "\"***\"");
    }
    if (conf->http.certificate) {
        print_http_text(p, "  certificate: ", &conf->http.certificate);
        print_http_text(p, "  key: ", &conf->http.key);
    }
}

static void print_topics(const struct printer *p)
{
    if (p->conf->n_topics)
        buf_puts(p->out, "topics:\n");
    for (size_t i = 0; i < p->conf->n_topics; i++) {
        const struct conf_topic *t = &p->conf->topics[i];

        buf_puts(p->out, "  ");
        print_key(p->out, t->name);
        buf_puts(p->out, ":\n");
        print_table(p, "    ", conf_topics_table, t);
        if (t->retention_ms < 0)
            print_written_or(p, "    retention: ", &t->retention_ms, "forever");
        else
            print_table(p, "    ", conf_retention_table, t);
    }
}

void conf_print(const struct conf *conf, struct buf *out)
{
    const struct printer p = {conf, out};
    const bool v6 = strchr(conf->listen_host, ':') != NULL;
    const char *listen = conf_origin_of(conf, &conf->listen_host), *logging = conf_origin_of(conf, &conf->log_json);

    buf_puts(out, "# ingot.yml\n");
    print_table(&p, "", conf_project_table, conf);
    buf_puts(out, "engine: \"duckdb:\"\n");
    if (conf->broker.n_listeners > 0)
        ; /* the addresses stand there */
    else if (listen)
        print_written_or(&p, "listen: ", &conf->listen_host, "");
    else
        buf_printf(out, "listen: \"%s%s%s:%d\"\n", v6 ? "[" : "", conf->listen_host, v6 ? "]" : "", conf->listen_port);
    print_http(&p);
    print_broker(conf, out);
    print_topics(&p);
    buf_puts(out, "resources:\n");
    print_table(&p, "  ", conf_resources_table, conf);
    buf_puts(out, "process:\n");
    print_table(&p, "  ", conf_process_table, conf);
    buf_puts(out, "logging: ");
    if (logging)
        keys_print_written(out, logging);
    else
        buf_puts(out, conf->log_json ? "json" : "text");
    buf_putc(out, '\n');
    for (size_t i = 0; i < conf->n_domains; i++)
        print_domain(&p, &conf->domains[i]);
}
