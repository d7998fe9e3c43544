/* Section `broker:` in effect. Passwords are shown as the variables that they came through, or not at all. */
#include "conf/keys.h"

struct flow {
    const struct conf *conf;
    struct buf *out;
    const char *comma;
};

static void add_name(struct flow *f, const char *name)
{
    buf_puts(f->out, f->comma);
    keys_print_text(f->out, name);
    buf_puts(f->out, ": ");
    f->comma = ", ";
}

/* A text that was read by its own function. */
static void add_text(struct flow *f, const char *name, const void *at, const char *text)
{
    const char *written = conf_origin_of(f->conf, at);

    add_name(f, name);
    if (written)
        keys_print_written(f->out, written);
    else
        keys_print_text(f->out, text);
}

static void add_secret(struct flow *f, const char *name, const char *const *at)
{
    const char *written = conf_origin_of(f->conf, at);

    if (!*at)
        return;
    add_name(f, name);
    keys_print_written(f->out, written ? written : "***");
}

static void add_table(struct flow *f, struct key_table t, const void *from)
{
    struct buf value;

    buf_init(&value, 0);
    for (size_t i = 0; i < t.n; i++) {
        buf_clear(&value);
        if (!keys_print_value(f->conf, &t.keys[i], from, &value))
            continue;
        add_name(f, t.keys[i].name);
        buf_add_str(f->out, buf_str(&value));
    }
    buf_release(&value);
}

static void add_address(struct flow *f, const char *name, const char *const *host, int port)
{
    const bool v6 = strchr(*host, ':') != NULL;
    const char *written = conf_origin_of(f->conf, host);

    add_name(f, name);
    if (written) {
        keys_print_written(f->out, written);
        return;
    }
    buf_printf(f->out, "\"%s%s%s", v6 ? "[" : "", *host, v6 ? "]" : "");
    if (port > 0 || strcmp(name, "address") == 0)
        buf_printf(f->out, ":%d", port);
    buf_putc(f->out, '"');
}

static void print_listener(const struct conf *conf, const struct conf_listener *l, struct buf *out)
{
    struct flow f = {conf, out, ""};

    buf_puts(out, "    - {");
    add_address(&f, "address", &l->host, l->port);
    if (l->advertised_host)
        add_address(&f, "advertised", &l->advertised_host, l->advertised_port);
    add_table(&f, conf_listener_table, l);
    if (l->tls.certificate) {
        add_name(&f, "tls");
        f.comma = "{";
        add_table(&f, conf_tls_table, &l->tls);
        add_secret(&f, "key_password", &l->tls.key_password);
        buf_putc(out, '}');
    }
    buf_puts(out, "}\n");
}

static void print_users(const struct conf *conf, struct buf *out)
{
    const struct conf_broker *b = &conf->broker;

    if (b->n_users)
        buf_puts(out, "  users:\n");
    for (size_t i = 0; i < b->n_users; i++) {
        struct flow f = {conf, out, ""};

        buf_puts(out, "    ");
        keys_print_text(out, b->users[i].name);
        buf_puts(out, ": {");
        add_secret(&f, "password", &b->users[i].password);
        add_secret(&f, "scram_sha_256", &b->users[i].scram_sha_256);
        add_secret(&f, "scram_sha_512", &b->users[i].scram_sha_512);
        buf_puts(out, "}\n");
    }
}

static void print_acls(const struct conf *conf, struct buf *out)
{
    const struct conf_broker *b = &conf->broker;

    if (b->n_acls)
        buf_puts(out, "  acls:\n");
    for (size_t i = 0; i < b->n_acls; i++) {
        const struct conf_acl *a = &b->acls[i];
        const char *resource = conf_resources[a->type - 2];
        struct flow f = {conf, out, ""};

        buf_puts(out, "    - {");
        add_text(&f, "principal", &a->principal, a->principal);
        add_text(&f, "host", &a->host, a->host);
        add_text(&f, "operations", &a->operation, conf_operations[a->operation - 2]);
        if (strcmp(resource, "cluster") == 0)
            buf_puts(out, ", cluster: true");
        else
            add_text(&f, resource, &a->name, a->name);
        buf_printf(out, "%s%s}\n", a->prefixed ? ", prefixed: true" : "", a->deny ? ", deny: true" : "");
    }
}

static void print_quotas(const struct conf *conf, struct buf *out)
{
    const struct conf_broker *b = &conf->broker;

    if (b->n_quotas)
        buf_puts(out, "  quotas:\n");
    for (size_t i = 0; i < b->n_quotas; i++) {
        struct flow f = {conf, out, ""};
        const struct conf_quota *q = &b->quotas[i];
        struct buf value;

        buf_init(&value, 0);
        buf_puts(out, "    - {");
        for (size_t k = 0; k < conf_quota_table.n; k++) {
            const struct key *key = &conf_quota_table.keys[k];
            const bool none = (strcmp(key->name, "request_percentage") == 0 && q->request_percentage <= 0) ||
                              (strcmp(key->name, "connection_rate") == 0 && q->connection_creation_rate <= 0);

            buf_clear(&value);
            if (none || !keys_print_value(conf, key, q, &value))
                continue;
            if (key->kind == KEY_BYTES && value.n == 2 && value.p[0] == '0')
                continue;
            add_name(&f, key->name);
            buf_add_str(out, buf_str(&value));
        }
        buf_puts(out, "}\n");
        buf_release(&value);
    }
}

void print_broker(const struct conf *conf, struct buf *out)
{
    const struct conf_broker *b = &conf->broker;
    struct flow f = {conf, out, ""};

    if (!b->given)
        return;
    buf_puts(out, "broker:\n");
    if (b->n_listeners)
        buf_puts(out, "  listeners:\n");
    for (size_t i = 0; i < b->n_listeners; i++)
        print_listener(conf, &b->listeners[i], out);
    print_users(conf, out);
    print_acls(conf, out);
    print_quotas(conf, out);
    buf_puts(out, "  limits: {");
    add_table(&f, conf_limits_table, b);
    buf_puts(out, "}\n  ");
    f.comma = "";
    for (size_t i = 0; i < conf_broker_table.n; i++) {
        struct buf value;

        buf_init(&value, 0);
        if (keys_print_value(conf, &conf_broker_table.keys[i], b, &value)) {
            add_name(&f, conf_broker_table.keys[i].name);
            buf_add_str(out, buf_str(&value));
            f.comma = "\n  ";
        }
        buf_release(&value);
    }
    buf_putc(out, '\n');
}
