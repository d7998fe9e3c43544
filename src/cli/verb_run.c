/*
 * ingot run: brings in what the sources have, then brings every partition that needs it to DONE.
 */
#include "cli/check_sql.h"
#include "cli/cli.h"
#include "cli/select.h"
#include "platform/platform.h"

struct run_options {
    struct cli_list select;
    int32_t date, start, end;
    bool dry_run;
};

static const struct cli_option options[] = {
    {"select", 's', "DOMAIN", "only these domains (+NAME: and what it depends on, NAME+: and what depends on it)",
     CLI_LIST, offsetof(struct run_options, select)},
    {"date", 'd', "DATE", "process this date again, even if it is done", CLI_DATE, offsetof(struct run_options, date)},
    {"start", 0, "DATE", "the same for a range: its first date", CLI_DATE, offsetof(struct run_options, start)},
    {"end", 0, "DATE", "and its last date", CLI_DATE, offsetof(struct run_options, end)},
    {"dry-run", 'n', NULL, "say what would be processed, and change nothing", CLI_FLAG,
     offsetof(struct run_options, dry_run)},
};

struct run {
    struct cli_context *c;
    const struct run_options *o;
    struct conf *conf;
    struct platform *p;
    struct cli_list domains;
    struct lifecycle_selection sel;
    struct cli_progress progress;
    struct platform_ingest in;
    struct lifecycle_outcome outcome;
    struct cli_table plan;
    int64_t began_us;
};

/* --- progress ------------------------------------------------------------------------------------------- */

static void on_step(void *ctx, const struct lifecycle_row *row, const char *step, size_t index, size_t total,
                    const char *note)
{
    struct run *r = ctx;
    char date[16], what[128];
    date_format(row->date, date);
    if (strcmp(step, "plan") == 0) {
        if (!r->o->dry_run)
            return;
        cli_table_cell(&r->plan, "%s", row->domain);
        cli_table_cell(&r->plan, "%s", date);
        cli_table_cell(&r->plan, "%s", lifecycle_state_name(row->state));
        cli_table_cell(&r->plan, "%zu", row->n_source_files);
        cli_table_cell(&r->plan, "%s", note ? note : "");
        return;
    }
    (void)snprintf(what, sizeof(what), "%s %s", row->domain, date);
    const bool dead = strcmp(step, "dead") == 0;
    if (dead || strcmp(step, "failed") == 0) {
        struct error err;
        cli_progress_end(&r->progress);
        (void)error_set(&err, IG_INVALID, "%s: %s", what,
                        dead ? "no retries are left; `ingot run --date` takes it up again" : row->error_message);
        cli_error(r->c, &err);
        return;
    }
    cli_progress_hop(&r->progress, step, what, (int64_t)index, (int64_t)total,
                     env_monotonic_us(r->c->env) - r->began_us);
}

/* --- the summary: a line a hop ------------------------------------------------------------------------------ */

static const struct cli_column hop_columns[] = {
    {"hop", CLI_LEFT},        {"domain", CLI_LEFT},        {"records", CLI_NUMERIC},
    {"seconds", CLI_NUMERIC}, {"per second", CLI_NUMERIC}, {"notes", CLI_LEFT},
};

static void add_hop(struct cli_table *t, const char *hop, const char *domain, int64_t records, int64_t elapsed_us,
                    const char *notes)
{
    cli_table_cell(t, "%s", hop);
    cli_table_cell(t, "%s", domain);
    cli_table_cell(t, "%lld", (long long)records);
    cli_table_cell(t, "%.3f", (double)elapsed_us / 1e6);
    cli_table_cell(t, "%.0f", elapsed_us > 0 ? (double)records * 1e6 / (double)elapsed_us : 0.0);
    cli_table_cell(t, "%s", notes);
}

static void add_ingest_hops(struct run *r, struct cli_table *t)
{
    const struct stage_sink_progress *s = &r->in.sink;
    char notes[200], bytes[32];
    for (size_t i = 0; i < r->in.n_sources; i++) {
        const struct platform_source_hop *h = &r->in.sources[i];
        if (h->records == 0 && h->refused == 0 && !h->failed)
            continue;
        cli_format_bytes(h->bytes, bytes);
        (void)snprintf(notes, sizeof(notes), "%s%s", bytes, h->failed ? ", failed: see above" : "");
        if (h->refused > 0)
            (void)snprintf(notes, sizeof(notes), "%s, %lld refused, in the DLQ", bytes, (long long)h->refused);
        add_hop(t, "source -> log", h->domain, h->records, h->elapsed_us, notes);
    }
    if (s->records == 0 && s->dead_letters == 0)
        return;
    (void)snprintf(notes, sizeof(notes), "%lld files, %lld in the DLQ", (long long)s->files,
                   (long long)s->dead_letters);
    add_hop(t, "log -> bronze", "(all)", s->records, r->in.sink_us, notes);
}

static void add_work_hops(struct run *r, struct cli_table *t)
{
    char notes[200];
    for (size_t i = 0; i < r->outcome.n_work; i++) {
        const struct lifecycle_work *w = &r->outcome.work[i];
        const struct conf_domain *d = &r->conf->domains[i];
        if (w->partitions == 0)
            continue;
        (void)snprintf(notes, sizeof(notes), "%lld rows of %lld dates; %lld duplicates, %lld in quarantine and DLQ",
                       (long long)w->silver_rows, (long long)w->partitions, (long long)w->duplicates,
                       (long long)w->quarantined);
        if (w->silver_us > 0)
            add_hop(t, "bronze -> silver", d->name, w->bronze_rows, w->silver_us, notes);
        if (d->n_gold == 0)
            continue;
        (void)snprintf(notes, sizeof(notes), "%lld rows in %zu tables%s", (long long)w->gold_rows, d->n_gold,
                       w->checks ? ", checks passed" : "");
        add_hop(t, "silver -> gold", d->name, w->gold_input_rows, w->gold_us, notes);
        if (r->conf->warehouse_url && *r->conf->warehouse_url)
            add_hop(t, "gold -> warehouse", d->name, w->load_rows, w->load_us, "");
    }
}

static void print_summary(struct run *r)
{
    struct cli_table t;
    char took[32];
    const struct lifecycle_outcome *o = &r->outcome;
    cli_table_init(&t, hop_columns, IG_COUNT(hop_columns));
    add_ingest_hops(r, &t);
    add_work_hops(r, &t);
    if (t.cells.n > 0 || r->c->global.json)
        cli_table_print(r->c, &t);
    cli_format_duration(env_monotonic_us(r->c->env) - r->began_us, took);
    cli_note(r->c, "%lld partitions processed (%lld new, %lld late), %lld failed, %lld unchanged, in %s",
             (long long)o->processed, (long long)o->discovered, (long long)o->late, (long long)o->failed,
             (long long)o->unchanged, took);
    if (o->dead > 0)
        cli_note(r->c, "%lld partitions are DEAD: see `ingot status`; `ingot run --date DATE` takes one up again",
                 (long long)o->dead);
}

/* --- the steps ------------------------------------------------------------------------------------------ */

/* Sources that failed: each said once. */
static bool report_sources(struct run *r)
{
    bool failed = false;
    for (size_t i = 0; i < r->in.n_sources; i++) {
        struct platform_source_hop *h = &r->in.sources[i];
        if (!h->failed)
            continue;
        failed = true;
        (void)error_context(&h->error, h->error.code, "source %s", h->domain);
        cli_error(r->c, &h->error);
    }
    return failed;
}

static int ingest(struct run *r, struct error *err)
{
    if (!platform_owns_log(r->p)) {
        cli_note(r->c, "ingot is up here and brings records in; this run processes what is in bronze");
        return CLI_OK;
    }
    cli_progress_begin(r->c, &r->progress);
    const enum ig_code rc =
        platform_ingest(r->p, r->domains.p, r->domains.n, cli_progress_hop, &r->progress, r->c->stop, &r->in, err);
    cli_progress_end(&r->progress);
    if (rc != IG_OK)
        return cli_error(r->c, err);
    return report_sources(r) ? CLI_FAILED : CLI_OK;
}

static int process(struct run *r, struct error *err)
{
    cli_progress_begin(r->c, &r->progress);
    const enum ig_code rc = platform_process(r->p, &r->sel, on_step, r, r->c->stop, &r->outcome, err);
    cli_progress_end(&r->progress);
    if (rc != IG_OK)
        return cli_error(r->c, err);
    if (r->outcome.left)
        cli_note(r->c, "stopped; %lld partitions are left to the next run", (long long)r->outcome.left);
    return r->outcome.failed || r->outcome.dead || r->outcome.left ? CLI_FAILED : CLI_OK;
}

static int dry_run(struct run *r, struct error *err)
{
    static const struct cli_column columns[] = {
        {"domain", CLI_LEFT}, {"date", CLI_LEFT}, {"state", CLI_LEFT}, {"files", CLI_NUMERIC}, {"why", CLI_LEFT},
    };
    cli_table_init(&r->plan, columns, IG_COUNT(columns));
    const enum ig_code rc = lifecycle_run(platform_context(r->p), &r->sel, on_step, r, NULL, &r->outcome, err);
    if (rc != IG_OK)
        return cli_error(r->c, err);
    const size_t n = r->plan.cells.n / IG_COUNT(columns);
    if (n > 0 || r->c->global.json)
        cli_table_print(r->c, &r->plan);
    cli_note(r->c, "%zu partitions would be processed, %lld are up to date; what sources would bring is not looked at",
             n, (long long)r->outcome.unchanged);
    return CLI_OK;
}

static int run_steps(struct run *r, struct error *err)
{
    const unsigned parts = r->o->dry_run ? PLATFORM_LAKE : PLATFORM_LOG | PLATFORM_SINK;
    if (platform_open(r->c->env, r->conf, parts, &r->p, err) != IG_OK)
        return cli_error(r->c, err);
    int status;
    if (r->o->dry_run) {
        status = dry_run(r, err);
    } else {
        const int ingested = ingest(r, err);
        const bool stopped = r->c->stop && *r->c->stop;
        status = stopped ? CLI_FAILED : process(r, err);
        if (!stopped)
            print_summary(r);
        status = status ? status : ingested;
    }
    if (platform_close(r->p, err) != IG_OK)
        status = cli_error(r->c, err);
    return status;
}

static int choose(struct run *r)
{
    const struct run_options *o = r->o;
    if (o->date != DATE_NONE && (o->start != DATE_NONE || o->end != DATE_NONE))
        return cli_usage(r->c, "--date names one date; --start and --end name a range: give one or the other");
    if (o->start != DATE_NONE && o->end != DATE_NONE && o->start > o->end)
        return cli_usage(r->c, "--start is behind --end");
    r->sel = (struct lifecycle_selection){
        .first_date = o->date != DATE_NONE ? o->date : o->start,
        .last_date = o->date != DATE_NONE ? o->date : o->end,
        .dry_run = o->dry_run,
        .requeue = o->date != DATE_NONE || o->start != DATE_NONE || o->end != DATE_NONE,
    };
    const int status = cli_select_domains(r->c, r->conf, &o->select, &r->domains);
    r->sel.domains = r->domains.p;
    r->sel.n_domains = r->domains.n;
    return status;
}

static int run(struct cli_context *c, const void *parsed)
{
    struct run r = {.c = c, .o = parsed, .began_us = env_monotonic_us(c->env)};
    struct error err = {0};
    int status = cli_load_project(c, &r.conf);
    if (status)
        return status;
    cli_catch_signals(c);
    status = choose(&r);
    if (status == CLI_OK)
        status = check_sql_or_say(c, r.conf);
    if (status == CLI_OK)
        status = run_steps(&r, &err);
    platform_ingest_free(&r.in);
    lifecycle_outcome_free(&r.outcome);
    conf_free(r.conf);
    return status;
}

const struct cli_verb cli_verb_run = {
    .name = "run",
    .summary = "Bring in what the sources have, and process every partition that needs it",
    .details = "Sources are read to their end, everything in the log is written to bronze, and then each new, late or\n"
               "failed partition goes to silver, gold and the warehouse. Running it again changes nothing.\n"
               "With --date, or --start and --end, those partitions are processed again (a backfill).\n\n"
               "  ingot run                                everything that needs it\n"
               "  ingot run --select orders+               orders, and the domains that depend on it\n"
               "  ingot run --start 2024-01-10 --end 2024-01-15 --dry-run",
    .options = options,
    .n_options = IG_COUNT(options),
    .options_size = sizeof(struct run_options),
    .run = run,
};
