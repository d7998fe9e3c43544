/*
 * Where is this record? Everything that is known of it, as text for people and as JSON.
 */
#include "stage/trace.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static void hops_clear(struct trace *t)
{
    for (size_t i = 0; i < t->hops.n; i++)
        vec_free(&t->hops.p[i].fields);
    t->hops.n = 0;
}

/* --- printing -------------------------------------------------------------------------------------------------- */

static void add_spaced(const char *name, struct buf *out)
{
    for (; *name; name++)
        buf_putc(out, *name == '_' ? ' ' : *name);
}

static void print_text(const struct trace *t, const struct trace_place *p, struct buf *out)
{
    buf_printf(out, "%s %s/%" PRId64 "/%" PRId64 "\n", p->domain->name, p->topic, p->partition, p->offset);
    for (size_t i = 0; i < t->hops.n; i++) {
        const struct trace_hop *hop = &t->hops.p[i];

        buf_printf(out, "  %-11s", hop->name);
        for (size_t k = 0; k < hop->fields.n; k++) {
            const struct trace_field *f = &hop->fields.p[k];
            const bool long_one = strlen(f->value) > 80;

            if (k)
                buf_puts(out, long_one ? ",\n             " : ", ");
            add_spaced(f->name, out);
            buf_printf(out, " %s", f->value);
        }
        buf_putc(out, '\n');
    }
}

static void print_json(const struct trace *t, const struct trace_place *p, struct buf *out)
{
    buf_puts(out, "{\"id\":");
    json_add_string(out, t->id);
    buf_puts(out, ",\"domain\":");
    json_add_string(out, str_of(p->domain->name));
    buf_puts(out, ",\"topic\":");
    json_add_string(out, str_of(p->topic));
    buf_printf(out, ",\"partition\":%" PRId64 ",\"offset\":%" PRId64 ",\"hops\":[", p->partition, p->offset);
    for (size_t i = 0; i < t->hops.n; i++) {
        const struct trace_hop *hop = &t->hops.p[i];

        buf_puts(out, i ? ",{\"hop\":" : "{\"hop\":");
        json_add_string(out, str_of(hop->name));
        for (size_t k = 0; k < hop->fields.n; k++) {
            buf_putc(out, ',');
            json_add_string(out, str_of(hop->fields.p[k].name));
            buf_putc(out, ':');
            if (hop->fields.p[k].raw)
                buf_puts(out, hop->fields.p[k].value);
            else
                json_add_string(out, str_of(hop->fields.p[k].value));
        }
        buf_putc(out, '}');
    }
    buf_puts(out, "]}\n");
}

/* --- running --------------------------------------------------------------------------------------------------- */

static enum ig_code register_contracts(struct trace *t, struct error *err)
{
    for (size_t i = 0; i < t->x->conf->n_domains; i++) {
        const struct conf_domain *d = &t->x->conf->domains[i];
        struct contract *k = NULL;
        char name[96];
        enum ig_code rc;

        snprintf(name, sizeof(name), "ingot_trace_%s", d->name);
        rc = contract_new(d, &k, err);
        if (!rc)
            rc = contract_register_identity(k, t->c, name, err);
        contract_free(k);
        IG_TRY(rc);
    }
    return IG_OK;
}

/* A place that was named but where nothing is: no hop but the log's, which says so. */
static bool found_something(const struct trace *t)
{
    for (size_t i = 0; i < t->hops.n; i++)
        if (strcmp(t->hops.p[i].name, "log") != 0)
            return true;
    return false;
}

static enum ig_code run(struct trace *t, bool json, struct buf *out, struct error *err)
{
    size_t n_found = 0;

    IG_TRY(engine_connect(t->x->engine, &t->c, err));
    IG_TRY(register_contracts(t, err));
    IG_TRY(trace_find(t, err));
    for (size_t i = 0; i < t->places.n; i++) {
        hops_clear(t);
        IG_TRY(trace_hops(t, &t->places.p[i], err));
        if (!found_something(t))
            continue;
        if (json)
            print_json(t, &t->places.p[i], out);
        else
            print_text(t, &t->places.p[i], out);
        n_found++;
    }
    if (n_found == 0 && t->by_coordinates)
        return error_set(err, IG_NOT_FOUND,
                         "nothing is at " STR_FMT ": neither in bronze nor in the log nor in the DLQ", STR_ARG(t->id));
    if (n_found == 0)
        return error_set(err, IG_NOT_FOUND, "no record has the key '" STR_FMT "'; looked in %s", STR_ARG(t->id),
                         buf_cstr(&t->looked));
    return buf_check(out, err, "the trace");
}

enum ig_code stage_trace(const struct stage_context *x, struct str id, bool json, struct buf *out, struct error *err)
{
    struct trace t = {.x = x, .id = id};
    enum ig_code rc;

    if (id.n == 0 || id.n > 4096 || !str_is_utf8(id))
        return error_set(err, IG_INVALID, "an id is a text of 1 to 4096 bytes");
    arena_init(&t.arena);
    buf_init(&t.looked, 0);
    rc = run(&t, json, out, err);
    hops_clear(&t);
    vec_free(&t.hops);
    vec_free(&t.places);
    vec_free(&t.letters);
    buf_release(&t.looked);
    arena_release(&t.arena);
    engine_disconnect(t.c);
    return rc;
}
