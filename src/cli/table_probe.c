#include "cli/table_probe.h"

#include "cli/table_open.h"
#include "store/store.h"

#include <inttypes.h>

struct probe {
    struct cli_lake l;
    int64_t list_us, race_us;
    bool any; /* something is there */
};

static enum ig_code see_one(void *ctx, const struct store_object *object, struct error *err)
{
    struct probe *p = ctx;

    (void)object;
    p->any = true;
    return error_set(err, IG_CANCELLED, "one is enough");
}

static enum ig_code look(struct probe *p, struct error *err)
{
    struct env *env = p->l.c->env;
    int64_t start_us = env_monotonic_us(env);
    enum ig_code rc = store_list(p->l.store, "", see_one, p, err);

    p->list_us = env_monotonic_us(env) - start_us;
    if (rc && rc != IG_CANCELLED)
        return rc;
    start_us = env_monotonic_us(env);
    rc = store_probe_now(p->l.store, err);
    p->race_us = env_monotonic_us(env) - start_us;
    return rc;
}

static void print(const struct probe *p)
{
    FILE *out = p->l.c->out;
    const char *url = p->l.store->url;

    if (p->l.c->global.json) {
        struct buf line;

        buf_init(&line, 0);
        buf_puts(&line, "{\"store\":");
        json_add_string(&line, str_of(url));
        buf_printf(&line, ",\"empty\":%s,\"list_us\":%" PRId64 ",\"race_us\":%" PRId64 ",\"put_if_absent\":true}",
                   p->any ? "false" : "true", p->list_us, p->race_us);
        fprintf(out, "%s\n", buf_cstr(&line));
        buf_release(&line);
        return;
    }
    fprintf(out, "store          %s\n", url);
    fprintf(out, "read           yes (%s; a list took %.1f ms)\n", p->any ? "something is there" : "empty",
            (double)p->list_us / 1000);
    fprintf(out, "write          yes (a scratch object was put, refused, looked at and removed, twice, in %.0f ms)\n",
            (double)p->race_us / 1000);
    fprintf(out, "put-if-absent  kept: of eight writers at once one won\n");
}

int table_probe(struct cli_context *c, const char *url)
{
    struct probe p = {.l = {.c = c}};
    struct error err = {0};
    int status;

    if (url)
        status = store_open(c->env, url, &p.l.store, &err) ? cli_error(c, &err) : CLI_OK;
    else
        status = cli_lake_open_project(&p.l);
    if (!status && !p.l.store)
        status = cli_usage(c, "there is no project here: name a store, as s3://BUCKET/PREFIX");
    if (!status && look(&p, &err))
        status = cli_error(c, &err);
    if (!status)
        print(&p);
    return cli_lake_close(&p.l, status);
}
