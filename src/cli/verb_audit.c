/*
 * ingot audit: the ledger of a partition, or of everything.
 */
#include "cli/cli.h"
#include "platform/platform.h"

#include <inttypes.h>
#include <stdlib.h>

struct audit_options {
    bool all, open_ok;
};

static const struct cli_option options[] = {
    {"all", 0, NULL, "every partition (as without arguments)", CLI_FLAG, offsetof(struct audit_options, all)},
    {"open-ok", 0, NULL, "succeed although records are still on the way, if nothing is missing", CLI_FLAG,
     offsetof(struct audit_options, open_ok)},
};

static const char *const verdict_words[] = {
    [STAGE_BALANCED] = "balanced",
    [STAGE_OPEN] = "open",
    [STAGE_DIFFERS] = "DIFFERS",
};

struct audit_run {
    struct cli_context *c;
    const struct audit_options *o;
    struct conf *conf;
    const struct conf_domain *only; /* NULL: all domains */
    int32_t date;                   /* DATE_NONE: all dates */
    struct platform *platform;
    struct cli_progress progress;
    struct cli_table table;
    struct buf findings; /* lines behind the table of many partitions */
    size_t n_verdicts[3];
};

/* --- one partition, in full ------------------------------------------------------------------------------------ */

static const struct fingerprint *count_of(const struct stage_audit *a, const char *hop)
{
    for (size_t i = 0; i < a->n_counts; i++)
        if (strcmp(a->counts[i].hop, hop) == 0)
            return &a->counts[i].f;
    return NULL;
}

/* silver + duplicates + quarantine: what must equal bronze, to the last bit. */
static bool sum_of_outcomes(const struct stage_audit *a, struct fingerprint *sum)
{
    static const char *const hops[] = {"silver", "duplicates", "quarantine"};

    *sum = (struct fingerprint){0};
    for (size_t i = 0; i < IG_COUNT(hops); i++) {
        const struct fingerprint *f = count_of(a, hops[i]);

        if (!f)
            return false;
        fingerprint_join(sum, f);
    }
    return true;
}

static void print_lines(struct cli_context *c, const char *title, const struct buf *lines)
{
    const char *p = buf_cstr(lines);

    if (lines->n == 0)
        return;
    fprintf(c->out, "\n%s\n", title);
    while (*p) {
        const size_t n = strcspn(p, "\n");

        fprintf(c->out, "  %.*s\n", (int)n, p);
        p += n + (p[n] == '\n');
    }
}

static void print_counts(struct cli_context *c, const struct stage_audit *a)
{
    static const struct cli_column columns[] = {{"hop", CLI_LEFT}, {"records", CLI_RIGHT}, {"fingerprint", CLI_LEFT}};
    struct cli_table t;
    struct fingerprint sum;
    char hex[33], count[32];

    cli_table_init(&t, columns, IG_COUNT(columns));
    for (size_t i = 0; i < a->n_counts; i++) {
        cli_table_cell(&t, "%s", a->counts[i].hop);
        cli_table_cell(&t, "%s", cli_format_count((int64_t)a->counts[i].f.count, count));
        cli_table_cell(&t, "%s", fingerprint_hex(&a->counts[i].f, hex));
    }
    if (sum_of_outcomes(a, &sum)) {
        cli_table_cell(&t, "silver + duplicates + quarantine");
        cli_table_cell(&t, "%s", cli_format_count((int64_t)sum.count, count));
        cli_table_cell(&t, "%s", fingerprint_hex(&sum, hex));
    }
    cli_table_print(c, &t);
}

static void print_gold(struct cli_context *c, const struct stage_audit *a, bool with_warehouse)
{
    static const struct cli_column columns[] = {{"gold table", CLI_LEFT},
                                                {"rows", CLI_RIGHT},
                                                {"as computed from silver", CLI_LEFT},
                                                {"warehouse rows", CLI_RIGHT},
                                                {"as in gold", CLI_LEFT}};
    struct cli_table t;

    if (a->n_gold == 0)
        return;
    fputc('\n', c->out);
    cli_table_init(&t, columns, with_warehouse ? 5 : 3);
    for (size_t i = 0; i < a->n_gold; i++) {
        const struct stage_gold_audit *g = &a->gold[i];

        cli_table_cell(&t, "%s", g->table);
        cli_table_cell(&t, "%" PRId64, g->rows);
        cli_table_cell(&t, "%s", g->matches_silver ? "yes" : "NO");
        if (with_warehouse) {
            cli_table_cell(&t, "%" PRId64, g->warehouse_rows);
            cli_table_cell(&t, "%s", g->matches_warehouse ? "yes" : "NO");
        }
    }
    cli_table_print(c, &t);
}

static void print_partition(struct audit_run *r, const struct conf_domain *d, const struct stage_audit *a)
{
    char date[16];

    fprintf(r->c->out, "%s %s: %s\n\n", d->name, date_format(a->date, date), a->status);
    print_counts(r->c, a);
    print_gold(r->c, a, r->conf->warehouse_url && *r->conf->warehouse_url);
    print_lines(r->c, "What differs:", &a->differences);
    print_lines(r->c, "To know:", &a->notes);
    switch (a->verdict) {
    case STAGE_BALANCED:
        fprintf(r->c->out, "\nBalanced: every record of this date is accounted for at every hop, once.\n");
        break;
    case STAGE_OPEN:
        fprintf(r->c->out, "\nOpen: nothing is missing, but not everything has been processed yet; see `ingot run`.\n");
        break;
    case STAGE_DIFFERS:
        fprintf(r->c->out, "\nNOT BALANCED.\n");
        break;
    }
}

/* --- as JSON --------------------------------------------------------------------------------------------------- */

static void add_lines(struct buf *out, const char *name, const struct buf *lines)
{
    const char *p = buf_cstr(lines);
    bool first = true;

    buf_printf(out, ",\"%s\":[", name);
    while (*p) {
        const size_t n = strcspn(p, "\n");

        buf_puts(out, first ? "" : ",");
        json_add_string(out, (struct str){p, n});
        first = false;
        p += n + (p[n] == '\n');
    }
    buf_putc(out, ']');
}

static void print_json(struct audit_run *r, const struct conf_domain *d, const struct stage_audit *a)
{
    struct buf out;
    char text[40];

    buf_init(&out, 0);
    buf_puts(&out, "{\"domain\":");
    json_add_string(&out, str_of(d->name));
    if (a->date != DATE_NONE)
        buf_printf(&out, ",\"date\":\"%s\",\"status\":\"%s\"", date_format(a->date, text), a->status);
    else
        buf_puts(&out, ",\"date\":null");
    buf_printf(&out, ",\"verdict\":\"%s\",\"hops\":{",
               a->verdict == STAGE_DIFFERS ? "differs" : verdict_words[a->verdict]);
    for (size_t i = 0; i < a->n_counts; i++)
        buf_printf(&out, "%s\"%s\":{\"records\":%" PRIu64 ",\"fingerprint\":\"%s\"}", i ? "," : "", a->counts[i].hop,
                   a->counts[i].f.count, fingerprint_hex(&a->counts[i].f, text));
    buf_puts(&out, "},\"gold\":[");
    for (size_t i = 0; i < a->n_gold; i++) {
        const struct stage_gold_audit *g = &a->gold[i];

        buf_puts(&out, i ? ",{\"table\":" : "{\"table\":");
        json_add_string(&out, str_of(g->table));
        buf_printf(
            &out,
            ",\"rows\":%" PRId64 ",\"matches_silver\":%s,\"warehouse_rows\":%" PRId64 ",\"matches_warehouse\":%s}",
            g->rows, g->matches_silver ? "true" : "false", g->warehouse_rows, g->matches_warehouse ? "true" : "false");
    }
    buf_putc(&out, ']');
    add_lines(&out, "differences", &a->differences);
    add_lines(&out, "notes", &a->notes);
    buf_puts(&out, "}\n");
    fputs(buf_cstr(&out), r->c->out);
    buf_release(&out);
}

/* --- many partitions ------------------------------------------------------------------------------------------- */

static void add_count_cell(struct cli_table *t, const struct stage_audit *a, const char *hop)
{
    const struct fingerprint *f = count_of(a, hop);
    char text[32];

    cli_table_cell(t, "%s", f ? cli_format_count((int64_t)f->count, text) : "");
}

static const char *gold_word(const struct stage_audit *a)
{
    bool good = true;

    for (size_t i = 0; i < a->n_gold; i++)
        good = good && a->gold[i].matches_silver;
    return a->n_gold == 0 ? "" : good ? "equal" : "differs";
}

static const char *warehouse_word(const struct stage_audit *a, bool with_warehouse)
{
    bool good = true;

    for (size_t i = 0; i < a->n_gold; i++)
        good = good && a->gold[i].matches_warehouse;
    return a->n_gold == 0 || !with_warehouse ? "" : good ? "equal" : "differs";
}

static void add_findings(struct audit_run *r, const char *domain, const char *date, const struct buf *lines)
{
    const char *p = buf_cstr(lines);

    while (*p) {
        const size_t n = strcspn(p, "\n");

        buf_printf(&r->findings, "%s %s: %.*s\n", domain, date, (int)n, p);
        p += n + (p[n] == '\n');
    }
}

static void add_row(struct audit_run *r, const struct conf_domain *d, const struct stage_audit *a)
{
    const bool dated = a->date != DATE_NONE;
    char date[16];
    const char *when = dated ? date_format(a->date, date) : "undated";
    const struct fingerprint *dlq = count_of(a, dated ? "quarantine" : "dlq");
    char text[32];

    cli_table_cell(&r->table, "%s", d->name);
    cli_table_cell(&r->table, "%s", dated ? when : "(whole topic)");
    cli_table_cell(&r->table, "%s", dated ? a->status : "");
    add_count_cell(&r->table, a, "log");
    add_count_cell(&r->table, a, "bronze");
    add_count_cell(&r->table, a, "silver");
    add_count_cell(&r->table, a, "duplicates");
    cli_table_cell(&r->table, "%s", dlq ? cli_format_count((int64_t)dlq->count, text) : "");
    cli_table_cell(&r->table, "%s", gold_word(a));
    cli_table_cell(&r->table, "%s", warehouse_word(a, r->conf->warehouse_url && *r->conf->warehouse_url));
    cli_table_cell(&r->table, "%s", verdict_words[a->verdict]);
    add_findings(r, d->name, dated ? when : "topic", &a->differences);
    if (a->verdict == STAGE_OPEN)
        add_findings(r, d->name, dated ? when : "topic", &a->notes);
}

static void show(struct audit_run *r, const struct conf_domain *d, const struct stage_audit *a)
{
    r->n_verdicts[a->verdict]++;
    cli_progress_end(&r->progress);
    if (r->c->global.json)
        print_json(r, d, a);
    else if (r->date != DATE_NONE)
        print_partition(r, d, a);
    else
        add_row(r, d, a);
}

/* --- running --------------------------------------------------------------------------------------------------- */

static enum ig_code audit_date(struct audit_run *r, struct stage_ledger *l, const struct conf_domain *d, int32_t date,
                               struct error *err)
{
    struct stage_audit a = {0};
    enum ig_code rc = stage_ledger_partition(l, date, &a, err);

    if (!rc)
        show(r, d, &a);
    stage_audit_free(&a);
    return rc;
}

static enum ig_code audit_all_dates(struct audit_run *r, struct stage_ledger *l, const struct conf_domain *d,
                                    struct error *err)
{
    struct stage_audit whole = {0};
    int32_t *dates = NULL;
    size_t n = 0;
    enum ig_code rc = stage_ledger_dates(l, &dates, &n, err);

    for (size_t i = 0; i < n && !rc; i++) {
        if (*r->c->stop)
            rc = error_set(err, IG_CANCELLED, "interrupted");
        else
            rc = audit_date(r, l, d, dates[i], err);
        cli_progress_hop(&r->progress, "audit", d->name, (int64_t)i + 1, (int64_t)n, 0);
    }
    if (!rc)
        rc = stage_ledger_topic(l, &whole, err);
    if (!rc)
        show(r, d, &whole);
    stage_audit_free(&whole);
    free(dates);
    return rc;
}

static enum ig_code audit_domain(struct audit_run *r, const struct conf_domain *d, struct error *err)
{
    const struct stage_ledger_options ledger = {
        .only_date = r->date, .stop = r->c->stop, .progress = cli_progress_hop, .ctx = &r->progress};
    struct stage_ledger *l = NULL;
    enum ig_code rc = stage_ledger_open(platform_context(r->platform), d, &ledger, &l, err);

    if (!rc && r->date != DATE_NONE)
        rc = audit_date(r, l, d, r->date, err);
    else if (!rc)
        rc = audit_all_dates(r, l, d, err);
    stage_ledger_close(l);
    return rc;
}

static void print_summary(struct audit_run *r, bool complete)
{
    const size_t open = r->n_verdicts[STAGE_OPEN], differs = r->n_verdicts[STAGE_DIFFERS];

    if (r->c->global.json || r->date != DATE_NONE)
        return;
    cli_table_print(r->c, &r->table);
    print_lines(r->c, "Findings:", &r->findings);
    if (!complete)
        fprintf(r->c->out, "\nNot complete.\n");
    else if (differs)
        fprintf(r->c->out, "\nNOT BALANCED: %zu of the lines above differ.\n", differs);
    else if (open)
        fprintf(r->c->out,
                "\nOpen: nothing is missing, but %zu of the lines above are not processed yet; see `ingot "
                "run`.\n",
                open);
    else
        fprintf(r->c->out, "\nBalanced: every record is accounted for at every hop, once.\n");
}

static int audit(struct audit_run *r)
{
    static const struct cli_column columns[] = {
        {"domain", CLI_LEFT},  {"date", CLI_LEFT},      {"status", CLI_LEFT},      {"log", CLI_RIGHT},
        {"bronze", CLI_RIGHT}, {"silver", CLI_RIGHT},   {"duplicates", CLI_RIGHT}, {"rejected", CLI_RIGHT},
        {"gold", CLI_LEFT},    {"warehouse", CLI_LEFT}, {"verdict", CLI_LEFT}};
    struct error err = {0};
    enum ig_code rc;

    cli_catch_signals(r->c);
    rc = platform_open(r->c->env, r->conf, PLATFORM_LOG, &r->platform, &err);
    cli_progress_begin(r->c, &r->progress);
    cli_table_init(&r->table, columns, IG_COUNT(columns));
    for (size_t i = 0; i < r->conf->n_domains && !rc; i++)
        if (!r->only || r->only == &r->conf->domains[i])
            rc = audit_domain(r, &r->conf->domains[i], &err);
    cli_progress_end(&r->progress);
    if (rc)
        cli_error(r->c, &err);
    print_summary(r, rc == IG_OK);
    if (platform_close(r->platform, &err) && !rc) {
        cli_error(r->c, &err);
        rc = err.code;
    }
    return rc ? CLI_FAILED : CLI_OK;
}

static int run(struct cli_context *c, const void *parsed)
{
    struct audit_run r = {.c = c, .o = parsed, .date = DATE_NONE};
    int status;

    if (c->n_args == 2 && !date_parse(str_of(c->args[1]), &r.date))
        return cli_usage(c, "'%s' is no date; dates are written 2024-01-15", c->args[1]);
    if (r.o->all && c->n_args > 0)
        return cli_usage(c, "--all and a DOMAIN exclude each other");
    status = cli_load_project(c, &r.conf);
    if (status)
        return status;
    buf_init(&r.findings, 0);
    if (c->n_args > 0)
        r.only = conf_domain(r.conf, str_of(c->args[0]));
    if (c->n_args > 0 && !r.only)
        status = cli_errorf(c, "there is no domain '%s' in this project", c->args[0]);
    else
        status = audit(&r);
    if (!status && (r.n_verdicts[STAGE_DIFFERS] || (r.n_verdicts[STAGE_OPEN] && !r.o->open_ok)))
        status = CLI_FAILED;
    buf_release(&r.findings);
    conf_free(r.conf);
    return status;
}

const struct cli_verb cli_verb_audit = {
    .name = "audit",
    .summary = "Prove by counting that no record was lost and none was counted twice",
    .args = "[DOMAIN [DATE]]",
    .max_args = 2,
    .details =
        "Counts the records of a date at every hop and adds up a 128-bit fingerprint that does not depend on their\n"
        "order: log = bronze = silver + duplicates + rejected; every gold table equals a fresh computation from\n"
        "silver, and the warehouse equals gold. What differs is named. Without a date, every date is looked at.\n\n"
        "Each line ends in one of three verdicts:\n"
        "  balanced   everything is where it should be\n"
        "  open       nothing is missing, but some records were not processed yet: `ingot run` brings them in\n"
        "  DIFFERS    something is lost, too much, or not what it should be\n"
        "The exit status is 0 if all is balanced, otherwise 1 (with --open-ok: 1 only if something differs).\n\n"
        "  ingot audit orders 2024-01-15\n"
        "  ingot audit --json | jq -r 'select(.verdict != \"balanced\")'",
    .options = options,
    .n_options = IG_COUNT(options),
    .options_size = sizeof(struct audit_options),
    .run = run,
};
