/*
 * Bronze -> silver: the partition's records, each judged by the contract, each key once, in one commit.
 */
#include "stage/silver.h"

#include <stdio.h>
#include <stdlib.h>

#define COMPARE_TIMES 5 /* unique: table: another partition's commit makes us compare again */

/* The contract's functions, in the engine under names of the domain's own. */
static enum ig_code register_contract(struct silver_run *s, struct error *err)
{
    struct contract *k = NULL;
    enum ig_code rc;

    snprintf(s->read_name, sizeof(s->read_name), "ingot_read_%s", s->d->name);
    snprintf(s->whoami_name, sizeof(s->whoami_name), "ingot_identity_%s", s->d->name);
    rc = contract_new(s->d, &k, err);
    if (!rc)
        rc = contract_register(k, s->c, s->read_name, err);
    if (!rc)
        rc = contract_register_identity(k, s->c, s->whoami_name, err);
    contract_free(k);
    return rc;
}

/* One commit: this partition's rows, and what is left of those that lost rows to it. */
static enum ig_code commit(struct silver_run *s, const char *select, const struct lake_commit_options *options,
                           struct error *err)
{
    const size_t n = 1 + s->result->n_touched_dates;
    const char *partition_by[] = {s->d->bronze.date_column};
    struct lake_partition *where = check_calloc(n, sizeof(*where));
    char(*dates)[16] = check_calloc(n, sizeof(*dates));
    struct lake_result result = {0};
    struct lake_table *table = NULL;
    enum ig_code rc;

    where[0] = (struct lake_partition){partition_by[0], s->date_text};
    for (size_t i = 1; i < n; i++)
        where[i] = (struct lake_partition){partition_by[0], date_format(s->result->touched_dates[i - 1], dates[i])};
    rc = lake_open(s->x->store, s->c, buf_cstr(&s->path), &table, err);
    if (!rc && options->only_on_version == LAKE_LATEST)
        rc = lake_create(table, select, partition_by, 1, err);
    if (!rc)
        rc = lake_replace(table, select, where, n, 1, options, &result, err);
    if (!rc && n == 1 && result.rows_written != s->n_winners)
        rc = error_set(err, IG_CORRUPT, "%lld rows were written, and not %lld: its bronze files changed meanwhile",
                       (long long)result.rows_written, (long long)s->n_winners);
    s->result->silver_version = result.version;
    lake_close(table);
    free(where);
    free(dates);
    return rc;
}

static enum ig_code write_partition(struct silver_run *s, struct error *err)
{
    const struct lake_commit_options options = {.only_on_version = LAKE_LATEST};
    struct buf select;
    enum ig_code rc;

    buf_init(&select, 0);
    rc = silver_rows(s, &select, err);
    if (!rc)
        rc = commit(s, buf_cstr(&select), &options, err);
    buf_release(&select);
    return rc;
}

/* unique: table: compared with the table at a version, and committed only onto that version. */
static enum ig_code write_unique_once(struct silver_run *s, struct error *err)
{
    struct lake_commit_options options = {0};
    struct buf select;
    enum ig_code rc;

    buf_init(&select, 0);
    rc = silver_compare(s, &options.only_on_version, err);
    if (!rc)
        rc = silver_rows(s, &select, err);
    if (!rc)
        rc = silver_add_touched(s, options.only_on_version, &select, err);
    if (!rc)
        rc = buf_check(&select, err, "the query");
    if (!rc)
        rc = commit(s, buf_cstr(&select), &options, err);
    buf_release(&select);
    return rc;
}

static enum ig_code write_unique(struct silver_run *s, struct error *err)
{
    const struct stage_silver_result before = *s->result;
    const int64_t n_winners = s->n_winners;
    enum ig_code rc = engine_exec(s->c, err, "CREATE OR REPLACE TEMP TABLE ingot_out_before AS FROM ingot_out");

    for (int i = 0; i < COMPARE_TIMES && !rc; i++) {
        rc = write_unique_once(s, err);
        if (rc != IG_CONFLICT || i + 1 == COMPARE_TIMES)
            return rc;
        free(s->result->touched_dates);
        *s->result = before;
        s->n_winners = n_winners;
        rc = engine_exec(s->c, err, "CREATE OR REPLACE TEMP TABLE ingot_out AS FROM ingot_out_before");
    }
    return rc;
}

static enum ig_code build(struct silver_run *s, const char *const *files, size_t n_files, struct error *err)
{
    enum ig_code rc;

    /* small chunks would be joined to 2,048 rows before they go on, and with records of 1 MB that is 2 GB */
    IG_TRY(engine_exec(s->c, err, "SET enable_caching_operators = false"));
    IG_TRY(register_contract(s, err));
    IG_TRY(silver_bronze(s, files, n_files, err));
    rc = silver_judge(s, err);
    if (rc)
        return silver_blame(s, files, n_files, rc, err);
    IG_TRY(silver_quarantine(s, err));
    if (s->d->contract.unique == CONF_UNIQUE_TABLE && s->d->contract.n_key > 0)
        return write_unique(s, err);
    if (!s->d->silver.sql) /* nobody asks for it any more: its memory is for the writer */
        IG_TRY(engine_exec(s->c, err, "DROP TABLE ingot_seen; DROP TABLE ingot_rank"));
    return write_partition(s, err);
}

enum ig_code stage_silver(const struct stage_context *x, const struct conf_domain *d, int32_t date,
                          const char *const *files, size_t n_files, bool again, struct stage_silver_result *out,
                          struct error *err)
{
    struct silver_run s = {.x = x, .d = d, .date = date, .again = again, .result = out};
    const uint64_t hold = store_hold_begin(x->store);
    enum ig_code rc;

    *out = (struct stage_silver_result){0};
    date_format(date, s.date_text);
    buf_init(&s.bronze, 0);
    buf_init(&s.path, 0);
    stage_silver_path(d, &s.path);
    rc = engine_connect(x->engine, &s.c, err);
    if (!rc)
        rc = build(&s, files, n_files, err);
    if (rc) {
        rc = error_context(err, rc, "silver of %s %s", d->name, s.date_text);
        free(out->touched_dates);
        out->touched_dates = NULL;
        out->n_touched_dates = 0;
    }
    engine_disconnect(s.c);
    store_hold_end(x->store, hold);
    buf_release(&s.bronze);
    buf_release(&s.path);
    return rc;
}
