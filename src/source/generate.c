/*
 * The generator: records of a model (model.h), with times, and, on request, late ones, duplicates and malformed ones.
 * The record at an ordinal is a function of the configuration, the ordinal and (without `start`) the clock.
 */
#include "source/model.h"
#include "source/reader.h"

#include <stdlib.h>

#define USERS_MAX 1000000 /* each is in memory */
#define RECENT 64         /* records a duplicate can be of */
#define BATCH_BYTES (1 << 20)
#define DEFAULT_RATE 10.0 /* of a stream that has a start but no rate: how far apart events are */
#define LATE_MIN_US (INT64_C(3600) * 1000000)
#define LATE_SPREAD_S (35 * 3600)

static const struct model *const models[] = {&model_clickstream, &model_orders, &model_restaurants, &model_users};

struct generator {
    struct source_reader reader;
    struct env *env;
    const struct conf_source *source;
    const struct model *model;
    struct model_setup setup;
    struct source_part *part;
    int64_t next; /* ordinal */
    int64_t base_us;
    bool live;      /* no `start`: an event's time is the moment it is made */
    bool stop_here; /* `run` without a count: there is no end to run to */
    int64_t last_us;
    int64_t batch, batch_row; /* models with a period: where `next` is */
    /* the epoch's state */
    void *state;
    bool begun;
    struct chance chance;
    struct {
        char text[MODEL_RECORD_MAX];
        size_t n;
    } recent[RECENT];
    size_t n_recent;
    char *room; /* the batch's text */
    struct source_item *items;
    size_t cap_items;
};

/* How many records of a day fall into each hour, per mille: lunch and dinner. */
static const uint16_t of_hour[24] = {12, 6,  4,  3,  3,  5,  12, 22,  30, 32, 40, 68,
                                     90, 72, 44, 34, 36, 56, 92, 110, 94, 64, 44, 27};

/* Bends a time within its day so that hours get their share; 0 stays 0 and a day stays a day. */
static int64_t bend(int64_t us)
{
    const int64_t day = us / US_PER_DAY, hour_us = US_PER_DAY / 24;
    int64_t at = us % US_PER_DAY, before = 0, sum = 0;
    int64_t share;

    for (unsigned h = 0; h < 24; h++)
        sum += of_hour[h];
    for (unsigned h = 0; h < 24; h++) {
        share = US_PER_DAY / sum * of_hour[h];
        if (at < before + share || h == 23) {
            int64_t within = (int64_t)((double)(at - before) / (double)share * (double)hour_us);

            if (within >= hour_us)
                within = hour_us - 1;
            return day * US_PER_DAY + h * hour_us + within;
        }
        before += share;
    }
    IG_UNREACHABLE("a day has 24 hours");
}

static int64_t stream_time(struct generator *g, int64_t i)
{
    const struct conf_source *c = g->source;

    if (g->live) {
        const int64_t now = env_now_us(g->env);

        g->last_us = now > g->last_us ? now : g->last_us;
        return g->last_us;
    }
    if (c->span_ms > 0 && c->count > 0)
        return g->base_us + bend((int64_t)((double)i / (double)c->count * (double)c->span_ms * 1000.0));
    return g->base_us + (int64_t)((double)i * 1e6 / (c->rate_per_s > 0 ? c->rate_per_s : DEFAULT_RATE));
}

/* --- where we are -------------------------------------------------------------------------------------------- */

static void restart_epoch(struct generator *g)
{
    const uint64_t epoch = (uint64_t)(g->next / MODEL_EPOCH);

    if (g->begun)
        g->model->end(g->state);
    memset(g->state, 0, g->model->state_bytes ? g->model->state_bytes : 1);
    g->chance = chance_of(g->setup.seed, epoch + 1);
    g->model->begin(g->state, &g->setup, &g->chance);
    g->begun = true;
    g->n_recent = 0;
}

static void place_in_batches(struct generator *g)
{
    int64_t left = g->next;

    g->batch = 0;
    if (g->model->period_us == 0)
        return;
    /* The first batch may differ; from the second on they are equal. */
    if (left >= g->model->batch_rows(&g->setup, 0)) {
        const int64_t rows = g->model->batch_rows(&g->setup, 1);

        left -= g->model->batch_rows(&g->setup, 0);
        g->batch = 1 + left / rows;
        left %= rows;
    }
    g->batch_row = left;
}

static void step_in_batches(struct generator *g)
{
    if (g->model->period_us && ++g->batch_row == g->model->batch_rows(&g->setup, g->batch)) {
        g->batch++;
        g->batch_row = 0;
    }
}

static bool wanted(const struct generator *g)
{
    if (g->stop_here)
        return false;
    return g->source->count == 0 || g->next < g->source->count;
}

/* --- one record ------------------------------------------------------------------------------------------- */

static enum flaw pick_flaw(struct generator *g)
{
    if (chance_ratio(&g->chance) >= g->source->malformed_ratio)
        return FLAW_NONE;
    return FLAW_NONE + 1 + (enum flaw)chance_below(&g->chance, FLAW_COUNT - 1);
}

static int64_t pick_late(struct generator *g)
{
    if (chance_ratio(&g->chance) >= g->source->late_ratio)
        return 0;
    return LATE_MIN_US + (int64_t)chance_below(&g->chance, LATE_SPREAD_S) * 1000000;
}

static size_t spoil(struct generator *g, enum flaw flaw, char *text, size_t n)
{
    if (flaw == FLAW_CUT)
        return n * 3 / 5;
    if (flaw == FLAW_NOT_UTF8)
        text[n / 2 + chance_below(&g->chance, (uint32_t)(n / 4))] = (char)0xff;
    return n;
}

/* Writes the record at g->next to `p` and moves on; returns its length. */
static size_t make_record(struct generator *g, char *p, int64_t *due_us)
{
    struct text text = {p, p + MODEL_RECORD_MAX};
    struct model_step step = {.chance = &g->chance, .out = &text};
    size_t n;

    if (g->next % MODEL_EPOCH == 0 || !g->begun)
        restart_epoch(g);
    if (chance_ratio(&g->chance) < g->source->duplicate_ratio && g->n_recent > 0) {
        const size_t have = g->n_recent < RECENT ? g->n_recent : RECENT;
        const size_t which = chance_below(&g->chance, (uint32_t)have);

        n = g->recent[which].n;
        memcpy(p, g->recent[which].text, n);
        *due_us = g->model->period_us ? g->base_us + g->batch * g->model->period_us : 0;
        g->next++;
        return n;
    }
    step.left = MODEL_EPOCH - g->next % MODEL_EPOCH;
    step.batch = g->batch;
    step.batch_row = g->batch_row;
    step.first_us = g->live ? INT64_MIN : g->base_us;
    step.time_us = g->model->period_us ? g->base_us + g->batch * g->model->period_us : stream_time(g, g->next);
    step.flaw = pick_flaw(g);
    step.late_us = pick_late(g);
    g->model->record(g->state, &g->setup, &step);
    n = spoil(g, step.flaw, p, (size_t)(text.p - p));
    if (g->source->duplicate_ratio > 0 && step.flaw == FLAW_NONE) {
        memcpy(g->recent[g->n_recent % RECENT].text, p, n);
        g->recent[g->n_recent % RECENT].n = n;
        g->n_recent++;
    }
    *due_us = g->model->period_us ? step.time_us : 0;
    g->next++;
    step_in_batches(g);
    return n;
}

/* --- reader --------------------------------------------------------------------------------------------- */

/* The model's state at an ordinal is that of its epoch's records so far. Batches are counted from the beginning: a
 * duplicate has an ordinal but no row in one. */
static void go_to(struct generator *g, int64_t ordinal)
{
    int64_t due_us;

    g->next = g->model->period_us ? 0 : ordinal - ordinal % MODEL_EPOCH;
    place_in_batches(g);
    while (g->next < ordinal)
        make_record(g, g->room, &due_us);
}

static enum ig_code generate_next(struct source_reader *r, size_t max, struct source_batch *out, struct error *err)
{
    struct generator *g = (struct generator *)r;
    char *p = g->room;

    (void)err;
    if (max > g->cap_items) {
        g->items = check_realloc(g->items, max * sizeof(*g->items));
        g->cap_items = max;
    }
    *out = (struct source_batch){.part = g->part, .items = g->items};
    while (out->n < max && wanted(g) && g->room + BATCH_BYTES - p >= MODEL_RECORD_MAX) {
        struct source_item *item = &g->items[out->n];

        *item = (struct source_item){.ordinal = g->next, .value.p = p};
        item->value.n = make_record(g, p, &item->due_us);
        p += item->value.n;
        out->n++;
        /* What is not due yet has no time yet: one record a call, or the clock of the last would be that of the first.
         */
        if (g->live && !g->model->period_us && g->source->rate_per_s > 0)
            break;
    }
    out->end = out->n == 0;
    return IG_OK;
}

static void generate_free(struct source_reader *r)
{
    struct generator *g = (struct generator *)r;

    if (g->begun)
        g->model->end(g->state);
    free(g->state);
    free(g->room);
    free(g->items);
    free(g);
}

static const struct source_reader_ops generate_ops = {generate_next, generate_free};

/* Everything that changes what the record at an ordinal is, in eight digits. */
static void add_identity(const struct generator *g, struct buf *out)
{
    const struct conf_source *c = g->source;
    struct buf text;
    uint64_t hash;

    buf_init(&text, 0);
    buf_printf(&text, "%s/%llu/%lld/%s/%.9g/%.9g/%.9g", c->generator, (unsigned long long)c->seed, (long long)c->users,
               c->start ? c->start : "", c->late_ratio, c->duplicate_ratio, c->malformed_ratio);
    if (c->span_ms > 0)
        buf_printf(&text, "/%lld/%lld", (long long)c->span_ms, (long long)c->count);
    else if (c->start && !g->model->period_us)
        buf_printf(&text, "/%.9g", c->rate_per_s);
    hash = hash_fnv1a(text.p, text.n);
    buf_release(&text);
    buf_printf(out, "%08llx.", (unsigned long long)(hash & 0xffffffff));
}

/* A sequence without `start` begins now; with a period, at the period's beginning, and a `run` of so many records ends
 * now. */
static int64_t first_time(struct generator *g, bool to_end)
{
    const int64_t period = g->model->period_us, now = env_now_us(g->env);

    if (!period)
        return now / 1000 * 1000;
    if (to_end && g->source->count > 0) {
        g->next = g->source->count - 1;
        place_in_batches(g);
        return now / period * period - g->batch * period;
    }
    return now / period * period;
}

/* Goes on with the sequence that this configuration began before, or begins one. */
static enum ig_code find_part(struct generator *g, struct source_state *state, bool to_end, struct error *err)
{
    struct buf name;
    enum ig_code rc = IG_OK;

    buf_init(&name, 256);
    add_identity(g, &name);
    g->part = state_last_part(state, buf_cstr(&name));
    if (g->part) {
        const struct str base = str_of(g->part->name + name.n);
        int64_t ms;

        if (!str_to_int64(base, INT64_MIN / 1000, INT64_MAX / 1000, &ms))
            rc = error_set(err, IG_CORRUPT, "the stored position has no time: %s", g->part->name);
        else
            g->base_us = ms * 1000;
    } else {
        if (g->live)
            g->base_us = first_time(g, to_end);
        buf_printf(&name, "%lld", (long long)(g->base_us / 1000));
        rc = state_add_part(state, buf_str(&name), 0, 0, &g->part, err);
    }
    buf_release(&name);
    return rc;
}

static const struct model *model_named(const char *name)
{
    for (size_t i = 0; i < IG_COUNT(models); i++)
        if (name && strcmp(models[i]->name, name) == 0)
            return models[i];
    return NULL;
}

enum ig_code generate_reader_new(const struct source_options *options, struct source_state *state,
                                 struct source_reader **out, struct error *err)
{
    const struct conf_source *c = &options->domain->source;
    const struct model *model = model_named(c->generator);
    struct generator *g;
    enum ig_code rc = IG_OK;

    if (!model)
        return error_set(err, IG_INVALID, "there is no generator %s", c->generator ? c->generator : "without a name");
    g = check_calloc(1, sizeof(*g));
    g->reader.ops = &generate_ops;
    g->reader.total = c->count > 0 ? c->count : -1;
    g->env = options->env;
    g->source = c;
    g->setup = (struct model_setup){c->seed, c->users > 0 ? c->users : 50};
    g->live = !c->start;
    g->stop_here = options->to_end && c->count == 0;
    g->model = model;
    g->state = check_calloc(1, model->state_bytes ? model->state_bytes : 1);
    g->room = check_malloc(BATCH_BYTES);
    if (g->setup.users > USERS_MAX)
        rc = error_set(err, IG_INVALID, "%lld users are too many: at most %d", (long long)g->setup.users, USERS_MAX);
    else if (c->start && !timestamp_parse(str_of(c->start), &g->base_us))
        rc = error_set(err, IG_INVALID, "start is no time: %s", c->start);
    if (rc)
        goto out;
    rc = find_part(g, state, options->to_end, err);
    if (rc)
        goto out;
    go_to(g, g->part->next);
out:
    if (rc)
        generate_free(&g->reader);
    else
        *out = &g->reader;
    return rc;
}
