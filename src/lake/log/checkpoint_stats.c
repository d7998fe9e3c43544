#include "lake/log/checkpoint_stats.h"

#include <stdlib.h>

void checkpoint_stats_init(struct checkpoint_stats *p, struct env *env, struct arena *arena)
{
    *p = (struct checkpoint_stats){.env = env};
    lake_intern_init(&p->intern, arena);
}

static void wait(struct checkpoint_stats *p)
{
    if (p->thread)
        env_join(p->env, p->thread);
    p->thread = NULL;
}

void checkpoint_stats_release(struct checkpoint_stats *p)
{
    wait(p);
    parquet_column_close(&p->column);
    lake_intern_release(&p->intern);
    free(p->batches[0]);
    free(p->batches[1]);
}

static int64_t batch_end(const struct checkpoint_stats *p, int64_t from)
{
    return p->n_rows - from < CHECKPOINT_STATS_BATCH ? p->n_rows : from + CHECKPOINT_STATS_BATCH;
}

static enum ig_code make(struct checkpoint_stats *p, int64_t from, int64_t to, struct error *err)
{
    for (int64_t row = from; row < to; row++) {
        struct lake_packed_stats *packed = &p->batches[1][row - from];
        struct parquet_value v;

        IG_TRY(parquet_next_value(&p->column, &v, err));
        *packed = (struct lake_packed_stats){.rows = -1};
        packed->there = v.def == p->column.node->def;
        if (packed->there)
            lake_stats_pack(&p->intern, v.text, packed);
    }
    return IG_OK;
}

static void work(void *arg)
{
    struct checkpoint_stats *p = arg;

    p->rc = make(p, p->made, batch_end(p, p->made), &p->err);
}

/* Makes the next batch, beside what the caller does. */
static void start(struct checkpoint_stats *p)
{
    p->rc = IG_OK;
    p->thread = NULL;
    if (p->made >= p->n_rows)
        return;
    /* a small group is not worth a thread */
    if (!p->env || p->n_rows <= CHECKPOINT_STATS_BATCH || env_spawn(p->env, "lake-stats", work, p, &p->thread, NULL)) {
        p->thread = NULL;
        work(p);
    }
}

enum ig_code checkpoint_stats_begin(struct checkpoint_stats *p, const struct parquet_file *f, size_t node, size_t group,
                                    struct error *err)
{
    for (size_t i = 0; i < IG_COUNT(p->batches); i++)
        if (!p->batches[i])
            p->batches[i] = check_calloc(CHECKPOINT_STATS_BATCH, sizeof(*p->batches[i]));
    IG_TRY(parquet_column_open(&p->column, f, node, group, err));
    p->n_rows = f->groups.p[group].n_rows;
    p->at = p->made = 0;
    p->started = true;
    start(p);
    return IG_OK;
}

/* The batch that is made becomes the one that is asked for. */
static enum ig_code turn(struct checkpoint_stats *p, struct error *err)
{
    struct lake_packed_stats *batch = p->batches[0];

    wait(p);
    if (p->rc)
        return error_set(err, p->rc, "%s", p->err.msg);
    p->batches[0] = p->batches[1];
    p->batches[1] = batch;
    p->at = p->made;
    p->made = batch_end(p, p->made);
    start(p);
    return IG_OK;
}

enum ig_code checkpoint_stats_of(struct checkpoint_stats *p, int64_t row, const struct lake_packed_stats **out,
                                 struct error *err)
{
    *out = NULL;
    while (row >= p->made)
        IG_TRY(turn(p, err));
    if (p->batches[0][row - p->at].there)
        *out = &p->batches[0][row - p->at];
    return IG_OK;
}

enum ig_code checkpoint_stats_end(struct checkpoint_stats *p, struct error *err)
{
    if (!p->started)
        return IG_OK;
    while (p->made < p->n_rows)
        IG_TRY(turn(p, err));
    wait(p);
    p->started = false;
    return parquet_column_end(&p->column, err);
}
