/*
 * ingot groups: consumer groups, where they are, and moving them. The moving is in groups_reset.c.
 */
#include "cli/groups.h"

static int with_log(struct cli_context *c, const struct groups_options *o,
                    int (*act)(struct cli_context *c, struct cli_log *log, const struct groups_options *o))
{
    struct cli_log log;
    int status = cli_log_open(c, &o->log, &log);

    return status ? status : cli_log_close(c, &log, act(c, &log, o));
}

/* --- ls -------------------------------------------------------------------------------------------------------- */

static int list(struct cli_context *c, struct cli_log *log, const struct groups_options *o)
{
    static const struct cli_column columns[] = {{"group", CLI_LEFT},
                                                {"state", CLI_LEFT},
                                                {"members", CLI_NUMERIC},
                                                {"assignor", CLI_LEFT},
                                                {"coordinator", CLI_NUMERIC}};
    struct log_groups groups;
    struct error err = {0};
    struct cli_table t;
    size_t shown = 0;
    const enum ig_code rc = log_groups_list(log->client, &groups, &err);

    cli_table_init(&t, columns, IG_COUNT(columns));
    for (size_t i = 0; rc == IG_OK && i < groups.n; i++) {
        const struct log_group *g = &groups.p[i];

        if (o->state && strcasecmp(o->state, g->state) != 0)
            continue;
        shown++;
        cli_table_cell(&t, "%s", g->name);
        cli_table_cell(&t, "%s", g->error.code ? g->error.msg : g->state);
        cli_table_cell(&t, "%zu", g->n_members);
        cli_table_cell(&t, "%s", g->assignor);
        cli_table_cell(&t, "%d", g->coordinator);
    }
    if (rc == IG_OK && shown == 0)
        cli_note(c, "there are no%s%s groups at %s", o->state ? " " : "", o->state ? o->state : "",
                 log_client_bootstrap(log->client));
    if (rc == IG_OK && (shown > 0 || c->global.json))
        cli_table_print(c, &t);
    else
        vec_free(&t.cells);
    log_groups_free(&groups);
    return rc == IG_OK ? CLI_OK : cli_error(c, &err);
}

static int run_ls(struct cli_context *c, const void *options)
{
    return with_log(c, options, list);
}

/* --- describe -------------------------------------------------------------------------------------------------- */

int groups_read(struct cli_context *c, struct log_client *client, const char *name, struct log_groups *out,
                struct log_position **offsets, size_t *n)
{
    struct error err = {0};
    enum ig_code rc = log_groups_describe(client, &name, 1, out, &err);

    if (rc == IG_OK && out->p[0].error.code)
        rc = error_set(&err, out->p[0].error.code, "%s", out->p[0].error.msg);
    if (rc == IG_OK)
        rc = log_group_offsets(client, &c->arena, name, offsets, n, &err);
    if (rc == IG_OK && *n == 0 && out->p[0].n_members == 0 && strcmp(out->p[0].state, "Empty") != 0)
        rc = error_set(&err, IG_NOT_FOUND, "there is no group %s at %s", name, log_client_bootstrap(client));
    return rc == IG_OK ? CLI_OK : cli_error(c, &err);
}

static const char *partitions_text(struct cli_context *c, const struct log_member *m)
{
    const char *text = "";

    for (size_t i = 0; i < m->n; i++) {
        const bool same = i > 0 && strcmp(m->partitions[i].topic, m->partitions[i - 1].topic) == 0;

        text = same ? arena_printf(&c->arena, "%s,%d", text, m->partitions[i].partition)
                    : arena_printf(&c->arena, "%s%s%s:%d", text, i ? " " : "", m->partitions[i].topic,
                                   m->partitions[i].partition);
    }
    return text;
}

static void describe_text(struct cli_context *c, const struct log_group *g)
{
    static const struct cli_column columns[] = {{"member", CLI_LEFT},
                                                {"instance", CLI_LEFT},
                                                {"client", CLI_LEFT},
                                                {"host", CLI_LEFT},
                                                {"partitions", CLI_LEFT}};
    struct cli_table t;

    fprintf(c->out, "%s: %s, %zu member%s%s%s, coordinator %d (%s:%d)\n", g->name, g->state, g->n_members,
            g->n_members == 1 ? "" : "s", *g->assignor ? ", assignor " : "", g->assignor, g->coordinator,
            g->coordinator_host, g->coordinator_port);
    if (g->n_members == 0)
        return;
    fputc('\n', c->out);
    cli_table_init(&t, columns, IG_COUNT(columns));
    for (size_t i = 0; i < g->n_members; i++) {
        cli_table_cell(&t, "%s", g->members[i].id);
        cli_table_cell(&t, "%s", g->members[i].instance);
        cli_table_cell(&t, "%s", g->members[i].client);
        cli_table_cell(&t, "%s", g->members[i].host);
        cli_table_cell(&t, "%s", partitions_text(c, &g->members[i]));
    }
    cli_table_print(c, &t);
}

static void add_text(struct buf *b, const char *name, const char *value)
{
    buf_printf(b, ",\"%s\":", name);
    json_add_string(b, str_of(value));
}

static void describe_json(struct cli_context *c, const struct log_group *g)
{
    struct buf b;

    buf_init(&b, 0);
    buf_puts(&b, "{\"group\":");
    json_add_string(&b, str_of(g->name));
    add_text(&b, "state", g->state);
    add_text(&b, "assignor", g->assignor);
    buf_printf(&b, ",\"coordinator\":%d,\"members\":[", g->coordinator);
    for (size_t i = 0; i < g->n_members; i++) {
        const struct log_member *m = &g->members[i];

        buf_puts(&b, i ? ",{\"member\":" : "{\"member\":");
        json_add_string(&b, str_of(m->id));
        add_text(&b, "instance", m->instance);
        add_text(&b, "client", m->client);
        add_text(&b, "host", m->host);
        buf_puts(&b, ",\"partitions\":[");
        for (size_t k = 0; k < m->n; k++) {
            buf_puts(&b, k ? ",{\"topic\":" : "{\"topic\":");
            json_add_string(&b, str_of(m->partitions[k].topic));
            buf_printf(&b, ",\"partition\":%d}", m->partitions[k].partition);
        }
        buf_puts(&b, "]}");
    }
    buf_puts(&b, "]}\n");
    fputs(buf_cstr(&b), c->out);
    buf_release(&b);
}

static int describe(struct cli_context *c, struct cli_log *log, const struct groups_options *o)
{
    int status = CLI_OK;

    (void)o;
    for (size_t i = 0; i < c->n_args; i++) {
        struct log_position *offsets;
        struct log_groups groups;
        size_t n;
        const int one = groups_read(c, log->client, c->args[i], &groups, &offsets, &n);

        if (one == CLI_OK)
            (c->global.json ? describe_json : describe_text)(c, &groups.p[0]);
        log_groups_free(&groups);
        status = status ? status : one;
    }
    return status;
}

static int run_describe(struct cli_context *c, const void *options)
{
    return with_log(c, options, describe);
}

/* --- lag --------------------------------------------------------------------------------------------------------- */

static const struct log_member *owner_of(const struct log_group *g, const char *topic, int32_t partition)
{
    for (size_t i = 0; i < g->n_members; i++)
        for (size_t k = 0; k < g->members[i].n; k++)
            if (g->members[i].partitions[k].partition == partition &&
                strcmp(g->members[i].partitions[k].topic, topic) == 0)
                return &g->members[i];
    return NULL;
}

static int by_position(const void *a, const void *b)
{
    const struct log_position *x = a, *y = b;
    const int order = strcmp(x->topic, y->topic);

    return order ? order : (x->partition > y->partition) - (x->partition < y->partition);
}

/* What is committed, and what members have of which nothing is committed (-1). */
static struct log_position *all_partitions(struct cli_context *c, const struct log_group *g,
                                           const struct log_position *offsets, size_t n_offsets, size_t *n)
{
    struct log_position *all;
    size_t room = n_offsets;

    for (size_t i = 0; i < g->n_members; i++)
        room += g->members[i].n;
    all = ARENA_ARRAY(&c->arena, struct log_position, room + 1);
    *n = n_offsets;
    if (n_offsets)
        memcpy(all, offsets, n_offsets * sizeof(*all));
    for (size_t i = 0; i < g->n_members; i++) {
        for (size_t k = 0; k < g->members[i].n; k++) {
            const struct log_position p = g->members[i].partitions[k];

            if (!n_offsets || !bsearch(&p, offsets, n_offsets, sizeof(p), by_position))
                all[(*n)++] = p;
        }
    }
    if (*n)
        qsort(all, *n, sizeof(*all), by_position);
    return all;
}

/* Ends of those topics that are still there; -1 for the others. */
static enum ig_code find_ends(struct cli_context *c, struct log_client *client, const struct log_position *all,
                              size_t n, int64_t *first, int64_t *end, struct error *err)
{
    struct log_position *asked = ARENA_ARRAY(&c->arena, struct log_position, n + 1);
    size_t *index = ARENA_ARRAY(&c->arena, size_t, n + 1), n_asked = 0;
    struct log_cluster cluster;
    enum ig_code rc = log_cluster_read(client, &cluster, err);

    for (size_t i = 0; i < n && rc == IG_OK; i++) {
        const struct log_topic *t = log_cluster_topic(&cluster, all[i].topic);

        first[i] = end[i] = -1;
        if (!t || all[i].partition >= (int32_t)t->n)
            continue;
        asked[n_asked] = all[i];
        asked[n_asked].offset = LOG_FIND_END;
        index[n_asked++] = i;
    }
    if (rc == IG_OK)
        rc = log_offsets_find(client, asked, n_asked, err);
    for (size_t i = 0; i < n_asked && rc == IG_OK; i++) {
        end[index[i]] = asked[i].offset;
        asked[i].offset = LOG_FIND_FIRST;
    }
    if (rc == IG_OK)
        rc = log_offsets_find(client, asked, n_asked, err);
    for (size_t i = 0; i < n_asked && rc == IG_OK; i++)
        first[index[i]] = asked[i].offset;
    log_cluster_free(&cluster);
    return rc;
}

static void number_cell(struct cli_table *t, int64_t n)
{
    if (n < 0)
        cli_table_cell(t, "%s", "");
    else
        cli_table_cell(t, "%lld", (long long)n);
}

static void add_lag_row(struct cli_table *t, const struct log_group *g, const struct log_position *p, int64_t end,
                        int64_t lag)
{
    const struct log_member *m = owner_of(g, p->topic, p->partition);

    cli_table_cell(t, "%s", g->name);
    cli_table_cell(t, "%s", p->topic);
    cli_table_cell(t, "%d", p->partition);
    number_cell(t, p->offset);
    number_cell(t, end);
    number_cell(t, lag);
    cli_table_cell(t, "%s", m ? m->id : "");
    cli_table_cell(t, "%s", m ? m->host : "");
    cli_table_cell(t, "%s", m ? m->client : "");
}

static int lag_of(struct cli_context *c, struct cli_log *log, const char *name, struct cli_table *t, int64_t *total)
{
    struct log_position *offsets, *all;
    struct log_groups groups;
    struct error err = {0};
    int64_t *first, *end;
    size_t n;
    int status = groups_read(c, log->client, name, &groups, &offsets, &n);

    if (status == CLI_OK) {
        all = all_partitions(c, &groups.p[0], offsets, n, &n);
        first = ARENA_ARRAY(&c->arena, int64_t, n + 1);
        end = ARENA_ARRAY(&c->arena, int64_t, n + 1);
        if (find_ends(c, log->client, all, n, first, end, &err) != IG_OK)
            status = cli_error(c, &err);
        for (size_t i = 0; i < n && status == CLI_OK; i++) {
            /* nothing committed: everything that is there */
            const int64_t at = all[i].offset >= 0 ? all[i].offset : first[i];
            const int64_t lag = end[i] < 0 ? -1 : end[i] > at ? end[i] - at : 0;

            *total += lag > 0 ? lag : 0;
            add_lag_row(t, &groups.p[0], &all[i], end[i], lag);
        }
    }
    log_groups_free(&groups);
    return status;
}

static int lag(struct cli_context *c, struct cli_log *log, const struct groups_options *o)
{
    static const struct cli_column columns[] = {
        {"group", CLI_LEFT},        {"topic", CLI_LEFT},  {"partition", CLI_NUMERIC},
        {"committed", CLI_NUMERIC}, {"end", CLI_NUMERIC}, {"lag", CLI_NUMERIC},
        {"member", CLI_LEFT},       {"host", CLI_LEFT},   {"client", CLI_LEFT}};
    const char **names = c->args;
    size_t n = c->n_args;
    struct log_groups groups = {0};
    struct error err = {0};
    struct cli_table t;
    int64_t total = 0;
    char text[32];
    int status = CLI_OK;

    (void)o;
    cli_table_init(&t, columns, IG_COUNT(columns));
    if (n == 0) {
        if (log_groups_list(log->client, &groups, &err) != IG_OK)
            status = cli_error(c, &err);
        n = status == CLI_OK ? groups.n : 0;
        names = ARENA_ARRAY(&c->arena, const char *, n + 1);
        for (size_t i = 0; i < n; i++)
            names[i] = arena_strdup(&c->arena, groups.p[i].name);
    }
    for (size_t i = 0; i < n; i++) {
        const int one = lag_of(c, log, names[i], &t, &total);

        status = status ? status : one;
    }
    if (t.cells.n > 0 || c->global.json)
        cli_table_print(c, &t);
    if (status == CLI_OK && !c->global.json)
        fprintf(c->out, "%stotal lag %s\n", t.cells.n ? "\n" : "", cli_format_count(total, text));
    log_groups_free(&groups);
    return status;
}

static int run_lag(struct cli_context *c, const void *options)
{
    return with_log(c, options, lag);
}

/* --- delete, delete-offsets ----------------------------------------------------------------------------------------
 */

static int delete_groups(struct cli_context *c, struct cli_log *log, const struct groups_options *o)
{
    int status = CLI_OK;

    (void)o;
    for (size_t i = 0; i < c->n_args; i++) {
        struct error err = {0};

        if (log_group_delete(log->client, c->args[i], &err) == IG_OK) {
            cli_note(c, "deleted group %s", c->args[i]);
            continue;
        }
        status = err.code == IG_CONFLICT ? groups_refuse_active(c, log->client, c->args[i]) : CLI_OK;
        if (status == CLI_OK)
            status = cli_error(c, &err);
    }
    return status;
}

static int run_delete(struct cli_context *c, const void *options)
{
    return with_log(c, options, delete_groups);
}

static int delete_offsets(struct cli_context *c, struct cli_log *log, const struct groups_options *o)
{
    struct log_position *positions;
    struct error err = {0};
    size_t n;
    int status;

    if (o->topics.n == 0)
        return cli_usage(c, "'groups delete-offsets' needs --topic TOPIC[:PARTITIONS]");
    status = groups_scope(c, log->client, c->args[0], o, &positions, &n);
    if (status)
        return status;
    if (log_group_offsets_delete(log->client, c->args[0], positions, n, &err) != IG_OK)
        return cli_error(c, &err);
    cli_note(c, "deleted the offsets of %zu partitions", n);
    return CLI_OK;
}

static int run_delete_offsets(struct cli_context *c, const void *options)
{
    return with_log(c, options, delete_offsets);
}

static int run_reset(struct cli_context *c, const void *options)
{
    const int status = groups_check_reset(c, options);

    return status ? status : with_log(c, options, groups_reset);
}

/* --- the verb ------------------------------------------------------------------------------------------------ */

#define OPTION(member) offsetof(struct groups_options, member)
#define LOG_OPTIONS CLI_LOG_OPTIONS(struct groups_options)

static const struct cli_option plain_options[] = {LOG_OPTIONS};
static const struct cli_option ls_options[] = {
    {"state", 0, "STATE", "only groups in this state: Stable, Empty ...", CLI_TEXT, OPTION(state)},
    LOG_OPTIONS,
};
static const struct cli_verb ls = {
    .name = "groups ls",
    .summary = "List consumer groups",
    .options = ls_options,
    .n_options = IG_COUNT(ls_options),
    .options_size = sizeof(struct groups_options),
    .run = run_ls,
};
static const struct cli_verb describe_verb = {
    .name = "groups describe",
    .summary = "Show a group's state and members",
    .args = "GROUP...",
    .min_args = 1,
    .max_args = SIZE_MAX,
    .details = "  ingot groups describe s3-sink-consumer",
    .options = plain_options,
    .n_options = IG_COUNT(plain_options),
    .options_size = sizeof(struct groups_options),
    .run = run_describe,
};
static const struct cli_verb lag_verb = {
    .name = "groups lag",
    .summary = "Show how far groups are behind, partition by partition and in all",
    .args = "[GROUP...]",
    .max_args = SIZE_MAX,
    .details = "Lag is the end offset less the committed one; where nothing is committed, all that is there.\n\n"
               "  ingot groups lag\n"
               "  ingot groups lag s3-sink-consumer --json | jq -s 'map(.lag) | add'",
    .options = plain_options,
    .n_options = IG_COUNT(plain_options),
    .options_size = sizeof(struct groups_options),
    .run = run_lag,
};

static const struct cli_option reset_options[] = {
    {"topic", 't', "TOPIC[:P,...]", "this topic, or these partitions of it; may be repeated", CLI_WORDS,
     OPTION(topics)},
    {"all-topics", 0, NULL, "every topic that the group has committed for", CLI_FLAG, OPTION(all_topics)},
    {"to-earliest", 0, NULL, "to the first record that is there", CLI_FLAG, OPTION(to_earliest)},
    {"to-latest", 0, NULL, "to the end", CLI_FLAG, OPTION(to_latest)},
    {"to-current", 0, NULL, "to where it is (with --export: to keep it)", CLI_FLAG, OPTION(to_current)},
    {"to-offset", 0, "N", "to this offset", CLI_TEXT, OPTION(to_offset)},
    {"to-datetime", 0, "TIME", "to the first record of this time or later: 2024-01-15T06:00:00Z, -2h", CLI_TEXT,
     OPTION(to_datetime)},
    {"by-duration", 0, "DURATION", "to so long before now: PT1H30M, 90m", CLI_TEXT, OPTION(by_duration)},
    {"shift-by", 0, "N", "forwards, or back by -N", CLI_TEXT, OPTION(shift_by)},
    {"from-file", 0, "FILE", "to what a file says: TOPIC,PARTITION,OFFSET a line, as --export prints", CLI_TEXT,
     OPTION(from_file)},
    {"dry-run", 'n', NULL, "say what would be done (the default)", CLI_FLAG, OPTION(dry_run)},
    {"execute", 0, NULL, "do it", CLI_FLAG, OPTION(execute)},
    {"export", 0, NULL, "print TOPIC,PARTITION,OFFSET lines for --from-file", CLI_FLAG, OPTION(export)},
    LOG_OPTIONS,
};
static const struct cli_verb reset_verb = {
    .name = "groups reset",
    .summary = "Move a group: to a time, an offset, the beginning, the end",
    .args = "GROUP",
    .min_args = 1,
    .max_args = 1,
    .details = "Says what it would do; does it with --execute. Refused while the group has members. What lies outside "
               "of\nwhat a partition has becomes its first or its end offset.\n\n"
               "  ingot groups reset triage --topic clicks --to-datetime 2024-01-15T06:00:00Z\n"
               "  ingot groups reset triage --topic clicks:0,1 --shift-by -100 --execute\n"
               "  ingot groups reset triage --all-topics --to-current --export > where.csv\n"
               "  ingot groups reset triage --from-file where.csv --execute",
    .options = reset_options,
    .n_options = IG_COUNT(reset_options),
    .options_size = sizeof(struct groups_options),
    .run = run_reset,
};
static const struct cli_verb delete_verb = {
    .name = "groups delete",
    .summary = "Delete groups with what they have committed",
    .args = "GROUP...",
    .min_args = 1,
    .max_args = SIZE_MAX,
    .details = "Refused while a group has members.",
    .options = plain_options,
    .n_options = IG_COUNT(plain_options),
    .options_size = sizeof(struct groups_options),
    .run = run_delete,
};
static const struct cli_option delete_offsets_options[] = {
    {"topic", 't', "TOPIC[:P,...]", "this topic, or these partitions of it; may be repeated", CLI_WORDS,
     OPTION(topics)},
    LOG_OPTIONS,
};
static const struct cli_verb delete_offsets_verb = {
    .name = "groups delete-offsets",
    .summary = "Delete what a group has committed for a topic",
    .args = "GROUP",
    .min_args = 1,
    .max_args = 1,
    .details = "Refused while the group has members that read the topic.\n\n"
               "  ingot groups delete-offsets triage --topic clicks",
    .options = delete_offsets_options,
    .n_options = IG_COUNT(delete_offsets_options),
    .options_size = sizeof(struct groups_options),
    .run = run_delete_offsets,
};

static const struct cli_verb *const actions[] = {&ls,         &describe_verb, &lag_verb,
                                                 &reset_verb, &delete_verb,   &delete_offsets_verb};

const struct cli_verb cli_verb_groups = {
    .name = "groups",
    .summary = "Show consumer groups and how far behind they are, move and delete them",
    .details = "The sink of ingot is the group s3-sink-consumer.",
    .actions = actions,
    .n_actions = IG_COUNT(actions),
};
