/*
 * What is known of one record, hop by hop.
 */
#include "stage/trace.h"

#include <inttypes.h>
#include <stdio.h>

/* --- hops and fields ------------------------------------------------------------------------------------------- */

struct trace_hop *trace_hop_add(struct trace_looking *k, const char *name)
{
    const struct trace_hop hop = {.name = name};

    vec_push(&k->t->hops, hop);
    return &k->t->hops.p[k->t->hops.n - 1];
}

void trace_text(struct trace_looking *k, struct trace_hop *hop, const char *name, struct str value)
{
    const struct trace_field field = {name, arena_strndup(&k->t->arena, value.p ? value.p : "", value.n), false};

    if (value.p)
        vec_push(&hop->fields, field);
}

void trace_raw(struct trace_looking *k, struct trace_hop *hop, const char *name, struct str json)
{
    const struct trace_field field = {name, arena_strndup(&k->t->arena, json.p ? json.p : "null", json.p ? json.n : 4),
                                      true};

    vec_push(&hop->fields, field);
}

void trace_number(struct trace_looking *k, struct trace_hop *hop, const char *name, int64_t value)
{
    char text[24];

    snprintf(text, sizeof(text), "%" PRId64, value);
    trace_raw(k, hop, name, str_of(text));
}

void trace_time_us(struct trace_looking *k, struct trace_hop *hop, const char *name, int64_t us)
{
    char text[40];

    trace_text(k, hop, name, str_of(timestamp_format(us, text)));
}

/* --- all ------------------------------------------------------------------------------------------------------- */

/* The order of a record's way, which is not the order of looking. */
static int rank_of(const char *hop)
{
    static const char *const order[] = {"source",     "record", "log",       "bronze", "dlq",
                                        "quarantine", "silver", "partition", "gold",   "warehouse"};
    int i = 0;

    while (i < (int)IG_COUNT(order) && strcmp(order[i], hop) != 0)
        i++;
    return i;
}

static void sort_hops(struct trace *t)
{
    for (size_t i = 1; i < t->hops.n; i++) {
        const struct trace_hop hop = t->hops.p[i];
        size_t k = i;

        for (; k > 0 && rank_of(t->hops.p[k - 1].name) > rank_of(hop.name); k--)
            t->hops.p[k] = t->hops.p[k - 1];
        t->hops.p[k] = hop;
    }
}

static enum ig_code look(struct trace_looking *k, struct error *err)
{
    IG_TRY(trace_look_bronze(k, err));
    IG_TRY(trace_look_log(k, err));
    IG_TRY(trace_look_letters(k, err));
    if (!k->in_bronze)
        return IG_OK;
    IG_TRY(trace_look_quarantine(k, err));
    IG_TRY(trace_look_silver(k, err));
    if (k->date == DATE_NONE)
        return IG_OK;
    IG_TRY(trace_look_partition(k, err));
    if (!k->in_silver)
        return IG_OK;
    IG_TRY(trace_look_gold(k, err));
    trace_look_warehouse(k);
    return IG_OK;
}

enum ig_code trace_hops(struct trace *t, const struct trace_place *p, struct error *err)
{
    struct trace_looking k = {.t = t, .p = p, .date = DATE_NONE};
    enum ig_code rc;

    buf_init(&k.sql, 0);
    rc = look(&k, err);
    sort_hops(t);
    buf_release(&k.sql);
    return rc;
}
