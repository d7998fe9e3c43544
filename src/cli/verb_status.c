/*
 * ingot status: where every partition stands, and, while the platform is up, how far the sink is behind the log.
 */
#include "base/names.h"
#include "cli/cli.h"
#include "cli/select.h"
#include "platform/platform.h"

static void add_partition(struct cli_table *t, const struct lifecycle_row *row)
{
    char date[16], when[40] = "";
    cli_table_cell(t, "%s", row->domain);
    cli_table_cell(t, "%s", date_format(row->date, date));
    cli_table_cell(t, "%s", lifecycle_state_name(row->state));
    cli_table_cell(t, "%zu", row->n_source_files);
    cli_table_cell(t, "%lld", (long long)row->silver_records);
    cli_table_cell(t, "%lld", (long long)row->gold_records);
    cli_table_cell(t, "%d", row->retry_count);
    cli_table_cell(t, "%s", row->updated_us ? timestamp_format(row->updated_us / 1000000 * 1000000, when) : "");
    cli_table_cell(t, "%s", row->error_message ? row->error_message : "");
}

static int print_partitions(struct cli_context *c, struct platform *p, const struct cli_list *domains)
{
    static const struct cli_column columns[] = {
        {"domain", CLI_LEFT},     {"date", CLI_LEFT},      {"state", CLI_LEFT},
        {"files", CLI_NUMERIC},   {"silver", CLI_NUMERIC}, {"gold", CLI_NUMERIC},
        {"retries", CLI_NUMERIC}, {"updated", CLI_LEFT},   {"error", CLI_LEFT},
    };
    struct lifecycle_rows rows;
    struct error err = {0};
    struct cli_table t;
    size_t counts[LIFECYCLE_STATE_COUNT] = {0}, n = 0;
    if (lifecycle_read(platform_context(p), &rows, &err) != IG_OK)
        return cli_error(c, &err);
    cli_table_init(&t, columns, IG_COUNT(columns));
    for (size_t i = 0; i < rows.n; i++) {
        if (!names_choose(domains->p, domains->n, rows.p[i].domain))
            continue;
        add_partition(&t, &rows.p[i]);
        counts[rows.p[i].state]++;
        n++;
    }
    if (n == 0)
        cli_note(c, "no partition has been discovered yet: `ingot run` or `ingot up`");
    if (n > 0 || c->global.json)
        cli_table_print(c, &t);
    for (unsigned s = LIFECYCLE_NONE + 1; s < LIFECYCLE_STATE_COUNT; s++) {
        if (counts[s] > 0)
            cli_note(c, "%zu %s: %s", counts[s], lifecycle_state_name((enum lifecycle_state)s),
                     lifecycle_state_text((enum lifecycle_state)s));
    }
    lifecycle_rows_free(&rows);
    return CLI_OK;
}

/* Records of a topic, and how many of them the sink has not committed yet. */
static enum ig_code topic_lag(struct log_client *log, const struct conf_domain *d, int64_t *records, int64_t *behind,
                              struct error *err)
{
    int32_t partitions;
    IG_TRY(log_topic_partitions(log, d->topic.name, &partitions, err));
    for (int32_t i = 0; i < partitions; i++) {
        int64_t low, high, committed;
        IG_TRY(log_watermarks(log, d->topic.name, i, &low, &high, err));
        IG_TRY(log_committed(log, STAGE_SINK_GROUP, d->topic.name, i, &committed, err));
        *records += high - low;
        *behind += high - (committed > low ? committed : low);
    }
    return IG_OK;
}

static int print_log(struct cli_context *c, struct platform *p, const struct conf *conf, const struct cli_list *domains)
{
    struct error err = {0};
    for (size_t i = 0; i < conf->n_domains; i++) {
        const struct conf_domain *d = &conf->domains[i];
        int64_t records = 0, behind = 0;
        char n[32], lag[32];
        if (!names_choose(domains->p, domains->n, d->name))
            continue;
        if (topic_lag(platform_context(p)->log, d, &records, &behind, &err) != IG_OK)
            return cli_error(c, &err);
        cli_note(c, "%s: %s records in %s, %s of them not in bronze yet", d->name, cli_format_count(records, n),
                 d->topic.name, cli_format_count(behind, lag));
    }
    return CLI_OK;
}

static int show(struct cli_context *c, const struct conf *conf, const struct cli_list *domains)
{
    struct platform *p = NULL;
    struct platform_endpoint up;
    struct error err = {0};
    const bool serving = platform_endpoint(c->env, conf, &up, &err) == IG_OK && up.serving;
    if (platform_open(c->env, conf, serving ? PLATFORM_LOG : PLATFORM_LAKE, &p, &err) != IG_OK)
        return cli_error(c, &err);
    if (serving)
        cli_note(c, "%s is up: process %lld, the log is at %s", conf->name, (long long)up.pid, up.bootstrap);
    else
        cli_note(c, "%s is not up", conf->name);
    int status = serving && !c->global.json ? print_log(c, p, conf, domains) : CLI_OK;
    if (status == CLI_OK)
        status = print_partitions(c, p, domains);
    if (platform_close(p, &err) != IG_OK)
        return cli_error(c, &err);
    return status;
}

static int run(struct cli_context *c, const void *options)
{
    struct conf *conf = NULL;
    struct cli_list domains;
    const struct cli_list words = {c->args, c->n_args};
    (void)options;
    int status = cli_load_project(c, &conf);
    if (status)
        return status;
    status = cli_select_domains(c, conf, &words, &domains);
    if (status == CLI_OK)
        status = show(c, conf, &domains);
    conf_free(conf);
    return status;
}

const struct cli_verb cli_verb_status = {
    .name = "status",
    .summary = "Show where every partition stands",
    .args = "[DOMAIN...]",
    .max_args = SIZE_MAX,
    .details = "One line a (domain, date) from metadata/partition_meta; --json gives one object a line.",
    .run = run,
};
