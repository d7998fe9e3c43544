/*
 * ingot groups reset: where a group would go, and sending it there.
 */
#include "cli/groups.h"

#define FILE_MAX ((size_t)64 << 20)

/* --- which partitions ---------------------------------------------------------------------------------------- */

static const struct log_position *committed_of(const struct log_position *offsets, size_t n, const char *topic,
                                               int32_t partition)
{
    for (size_t i = 0; i < n; i++)
        if (offsets[i].partition == partition && strcmp(offsets[i].topic, topic) == 0)
            return &offsets[i];
    return NULL;
}

/* TOPIC or TOPIC:0,2-4; topics have no colon in their names. */
static int add_topic(struct cli_context *c, struct log_client *client, const char *word,
                     const struct log_position *offsets, size_t n_offsets, struct log_position **out, size_t *n)
{
    const char *colon = strchr(word, ':');
    const char *topic = colon ? arena_strndup(&c->arena, word, (size_t)(colon - word)) : word;
    struct log_position *grown;
    struct error err = {0};
    int32_t *which = NULL, total;
    size_t n_which = 0;

    if (colon && !cli_parse_partitions(&c->arena, colon + 1, &which, &n_which))
        return cli_usage(c, "--topic is TOPIC or TOPIC:0,2-4, not '%s'", word);
    if (log_topic_partitions(client, topic, &total, &err) != IG_OK)
        return cli_error(c, &err);
    n_which = which ? n_which : (size_t)total;
    grown = ARENA_ARRAY(&c->arena, struct log_position, *n + n_which);
    if (*n)
        memcpy(grown, *out, *n * sizeof(*grown));
    for (size_t i = 0; i < n_which; i++) {
        const int32_t partition = which ? which[i] : (int32_t)i;
        const struct log_position *known = committed_of(offsets, n_offsets, topic, partition);

        if (partition >= total)
            return cli_errorf(c, "%s has %d partitions, there is no partition %d", topic, total, partition);
        grown[(*n)++] = (struct log_position){topic, partition, known ? known->offset : -1};
    }
    *out = grown;
    return CLI_OK;
}

int groups_scope(struct cli_context *c, struct log_client *client, const char *group, const struct groups_options *o,
                 struct log_position **out, size_t *n)
{
    struct log_position *offsets;
    struct error err = {0};
    size_t n_offsets;
    int status = CLI_OK;

    *out = NULL;
    *n = 0;
    if (log_group_offsets(client, &c->arena, group, &offsets, &n_offsets, &err) != IG_OK)
        return cli_error(c, &err);
    if (o->all_topics) {
        *out = offsets;
        *n = n_offsets;
        return n_offsets ? CLI_OK : cli_errorf(c, "group %s has committed nothing", group);
    }
    for (size_t i = 0; i < o->topics.n && status == CLI_OK; i++)
        status = add_topic(c, client, o->topics.p[i], offsets, n_offsets, out, n);
    return status;
}

int groups_refuse_active(struct cli_context *c, struct log_client *client, const char *group)
{
    struct log_groups groups;
    struct error err = {0};
    const char *who = "";
    int status = CLI_OK;

    if (log_groups_describe(client, &group, 1, &groups, &err) != IG_OK) {
        status = cli_error(c, &err);
    } else if (strcmp(groups.p[0].state, "Empty") != 0 && strcmp(groups.p[0].state, "Dead") != 0) {
        const struct log_group *g = &groups.p[0];

        for (size_t i = 0; i < g->n_members && i < 5; i++)
            who = arena_printf(&c->arena, "%s%s%s at %s", who, i ? ", " : "", g->members[i].client, g->members[i].host);
        status = cli_errorf(c,
                            "group %s is %s with %zu member%s (%s%s): stop %s first, or the offsets would be theirs "
                            "again",
                            group, g->state, g->n_members, g->n_members == 1 ? "" : "s", who,
                            g->n_members > 5 ? " ..." : "", g->n_members == 1 ? "it" : "them");
    }
    log_groups_free(&groups);
    return status;
}

/* --- where to ------------------------------------------------------------------------------------------------ */

int groups_check_reset(struct cli_context *c, const struct groups_options *o)
{
    const int ways = o->to_earliest + o->to_latest + o->to_current + !!o->to_offset + !!o->to_datetime +
                     !!o->by_duration + !!o->shift_by + !!o->from_file;

    if (ways != 1)
        return cli_usage(c, "'groups reset' needs one of --to-earliest, --to-latest, --to-current, --to-offset, "
                            "--to-datetime, --by-duration, --shift-by, --from-file");
    if (o->execute && o->dry_run)
        return cli_usage(c, "--dry-run and --execute exclude each other");
    if (o->all_topics && o->topics.n > 0)
        return cli_usage(c, "--topic and --all-topics exclude each other");
    if (!o->from_file && !o->all_topics && o->topics.n == 0)
        return cli_usage(c, "'groups reset' needs --topic TOPIC[:PARTITIONS], or --all-topics");
    if (o->from_file && (o->all_topics || o->topics.n > 0))
        return cli_usage(c, "--from-file names the topics itself");
    return CLI_OK;
}

/* What the option says as a place; 0, or CLI_USAGE. */
static int read_when(struct cli_context *c, const struct groups_options *o, struct cli_when *when)
{
    const int64_t now_ms = env_now_ms(c->env);
    int64_t n;

    *when = (struct cli_when){o->to_latest ? CLI_WHEN_END : CLI_WHEN_FIRST, 0};
    if (o->to_offset) {
        when->kind = CLI_WHEN_OFFSET;
        if (!str_to_int64(str_of(o->to_offset), 0, INT64_MAX, &when->value))
            return cli_usage(c, "--to-offset is a whole number, not '%s'", o->to_offset);
    }
    if (o->to_datetime && (!cli_parse_when(o->to_datetime, now_ms, when) || when->kind != CLI_WHEN_TIME))
        return cli_usage(c, "--to-datetime is a time like 2024-01-15T06:00:00Z, or -2h, not '%s'", o->to_datetime);
    if (o->by_duration) {
        if (!cli_parse_duration_ms(o->by_duration, &n))
            return cli_usage(c, "--by-duration is like PT1H30M or 90m, not '%s'", o->by_duration);
        *when = (struct cli_when){CLI_WHEN_TIME, n < now_ms ? now_ms - n : 0};
    }
    return CLI_OK;
}

/* Line: TOPIC,PARTITION,OFFSET */
static int read_line(struct cli_context *c, const char *file, int number, struct str line, struct log_position *out)
{
    const char *first = memchr(line.p, ',', line.n), *second = NULL;
    int64_t partition;

    if (first)
        second = memchr(first + 1, ',', line.n - (size_t)(first + 1 - line.p));
    if (!second || first == line.p ||
        !str_to_int64((struct str){first + 1, (size_t)(second - first - 1)}, 0, INT32_MAX, &partition) ||
        !str_to_int64((struct str){second + 1, line.n - (size_t)(second + 1 - line.p)}, 0, INT64_MAX, &out->offset))
        return cli_usage(c, "%s:%d: a line is TOPIC,PARTITION,OFFSET", file, number);
    out->topic = arena_strndup(&c->arena, line.p, (size_t)(first - line.p));
    out->partition = (int32_t)partition;
    return CLI_OK;
}

static int read_file(struct cli_context *c, const char *file, struct log_position **out, size_t *n)
{
    VEC(struct log_position) found = {0};
    struct error err = {0};
    struct buf text;
    int status = CLI_OK, number = 0;

    buf_init(&text, FILE_MAX);
    if (env_read_file(c->env, file, &text, &err) != IG_OK)
        status = cli_error(c, &err);
    for (const char *p = buf_cstr(&text); status == CLI_OK && *p;) {
        const size_t length = strcspn(p, "\n");
        const struct str line = {p, length && p[length - 1] == '\r' ? length - 1 : length};
        struct log_position position;

        number++;
        if (line.n > 0 && *p != '#') {
            status = read_line(c, file, number, line, &position);
            if (status == CLI_OK)
                vec_push(&found, position);
        }
        p += length + (p[length] == '\n');
    }
    *n = found.n;
    *out = ARENA_ARRAY(&c->arena, struct log_position, found.n + 1);
    if (found.n)
        memcpy(*out, found.p, found.n * sizeof(**out));
    vec_free(&found);
    buf_release(&text);
    return status;
}

/* Clips wanted offsets to what the partitions have. */
static enum ig_code clip(struct log_client *client, struct log_position *wanted, size_t n, struct arena *a,
                         struct error *err)
{
    struct log_position *bounds = ARENA_ARRAY(a, struct log_position, n + 1);
    int64_t *first = ARENA_ARRAY(a, int64_t, n + 1), *end = ARENA_ARRAY(a, int64_t, n + 1);
    const struct cli_when anywhere = {CLI_WHEN_FIRST, 0};

    for (size_t i = 0; i < n; i++)
        bounds[i] = wanted[i];
    IG_TRY(cli_find_offsets(client, &anywhere, bounds, n, first, end, err));
    for (size_t i = 0; i < n; i++) {
        if (wanted[i].offset < first[i])
            wanted[i].offset = first[i];
        if (wanted[i].offset > end[i])
            wanted[i].offset = end[i];
    }
    return IG_OK;
}

/* --- doing it ------------------------------------------------------------------------------------------------ */

struct plan {
    struct log_position *now, *then;
    size_t n;
};

static int make_plan(struct cli_context *c, struct log_client *client, const char *group,
                     const struct groups_options *o, struct plan *p)
{
    struct cli_when when;
    struct error err = {0};
    int64_t shift = 0;
    int status = read_when(c, o, &when);

    if (status == CLI_OK && o->shift_by && !str_to_int64(str_of(o->shift_by), INT64_MIN / 2, INT64_MAX / 2, &shift))
        status = cli_usage(c, "--shift-by is a whole number, not '%s'", o->shift_by);
    if (status == CLI_OK && !o->from_file)
        status = groups_scope(c, client, group, o, &p->now, &p->n);
    if (status || o->from_file)
        return status;
    p->then = ARENA_ARRAY(&c->arena, struct log_position, p->n + 1);
    for (size_t i = 0; i < p->n; i++) {
        p->then[i] = p->now[i];
        if ((o->shift_by || o->to_current) && p->now[i].offset < 0)
            return cli_errorf(c, "group %s has committed nothing for %s/%d", group, p->now[i].topic,
                              p->now[i].partition);
        p->then[i].offset += shift;
    }
    if ((o->shift_by || o->to_current ? clip(client, p->then, p->n, &c->arena, &err)
                                      : cli_find_offsets(client, &when, p->then, p->n, NULL, NULL, &err)) != IG_OK)
        return cli_error(c, &err);
    return CLI_OK;
}

/* The plan that a file is. */
static int plan_of_file(struct cli_context *c, struct log_client *client, const char *group, const char *file,
                        struct plan *p)
{
    struct log_position *offsets;
    struct error err = {0};
    size_t n_offsets;
    int status = read_file(c, file, &p->then, &p->n);

    if (status)
        return status;
    if (p->n == 0)
        return cli_errorf(c, "%s says nothing", file);
    if (log_group_offsets(client, &c->arena, group, &offsets, &n_offsets, &err) != IG_OK ||
        clip(client, p->then, p->n, &c->arena, &err) != IG_OK)
        return cli_error(c, &err);
    p->now = ARENA_ARRAY(&c->arena, struct log_position, p->n);
    for (size_t i = 0; i < p->n; i++) {
        const struct log_position *known = committed_of(offsets, n_offsets, p->then[i].topic, p->then[i].partition);

        p->now[i] = p->then[i];
        p->now[i].offset = known ? known->offset : -1;
    }
    return CLI_OK;
}

static void show_plan(struct cli_context *c, const char *group, const struct plan *p)
{
    static const struct cli_column columns[] = {{"group", CLI_LEFT},
                                                {"topic", CLI_LEFT},
                                                {"partition", CLI_NUMERIC},
                                                {"committed", CLI_NUMERIC},
                                                {"new", CLI_NUMERIC}};
    struct cli_table t;

    cli_table_init(&t, columns, IG_COUNT(columns));
    for (size_t i = 0; i < p->n; i++) {
        cli_table_cell(&t, "%s", group);
        cli_table_cell(&t, "%s", p->then[i].topic);
        cli_table_cell(&t, "%d", p->then[i].partition);
        if (p->now[i].offset < 0)
            cli_table_cell(&t, "%s", "");
        else
            cli_table_cell(&t, "%lld", (long long)p->now[i].offset);
        cli_table_cell(&t, "%lld", (long long)p->then[i].offset);
    }
    cli_table_print(c, &t);
}

int groups_reset(struct cli_context *c, struct cli_log *log, const struct groups_options *o)
{
    const char *group = c->args[0];
    struct plan p = {0};
    struct error err = {0};
    int status =
        o->from_file ? plan_of_file(c, log->client, group, o->from_file, &p) : make_plan(c, log->client, group, o, &p);

    if (status)
        return status;
    if (o->execute) {
        status = groups_refuse_active(c, log->client, group);
        if (status == CLI_OK && log_group_offsets_set(log->client, group, p.then, p.n, &err) != IG_OK)
            status = cli_error(c, &err);
        if (status)
            return status;
    }
    if (o->export) {
        for (size_t i = 0; i < p.n; i++)
            fprintf(c->out, "%s,%d,%lld\n", p.then[i].topic, p.then[i].partition, (long long)p.then[i].offset);
    } else {
        show_plan(c, group, &p);
    }
    if (!o->execute && !o->export)
        cli_note(c, "nothing was changed: --execute does it");
    return CLI_OK;
}
