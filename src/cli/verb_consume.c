/*
 * ingot consume: the records of topics, from any place, in any form. What is read and until when is here; how it looks
 * is in record_text.c.
 */
#include "cli/cli_log.h"
#include "cli/record_schema.h"
#include "cli/record_text.h"

#include <errno.h>
#include <regex.h>
#include <stdlib.h>
#include <unistd.h>

#define BATCH 10000
#define WAIT_MS 200
#define SILENCE_MS 30000
#define COMMIT_MS 1000
#define WARNINGS_SHOWN 10

struct consume_options {
    struct cli_log_options log;
    const char *from, *to, *which, *group, *format, *key_delimiter, *delimiter, *key, *value, *decode, *isolation,
        *registry;
    int64_t count;
    bool follow, headers, null;
};

/* One partition and what is wanted of it. */
struct stretch {
    const char *topic;
    int32_t partition;
    int64_t at, end; /* end INT64_MAX: none */
    bool open;
};

struct consuming {
    struct cli_context *c;
    const struct consume_options *o;
    struct cli_log *log;
    struct log_client *client;
    struct log_consumer *consumer;
    const struct record_format *format; /* NULL: JSON */
    struct record_schema *schema;
    enum record_decoding decoding;
    regex_t key, value;
    struct buf out;
    struct cli_progress progress;
    VEC(struct stretch) stretches; /* of a group: those that it has now */
    size_t last;                   /* the stretch of the last record */
    size_t n_open;
    int64_t printed, seen, limit, total, began_us, committed_ms, warnings;
    int write_errno; /* why the output could not be written */
    bool assigned, uncommitted, had_enough;
};

/* --- printing ------------------------------------------------------------------------------------------------ */

static bool matches(const regex_t *pattern, struct str s)
{
    regmatch_t span = {0, (regoff_t)s.n};

    return s.p && regexec(pattern, s.p, 1, &span, REG_STARTEND) == 0;
}

static void print_record(struct consuming *k, const struct log_record *r)
{
    struct record_decoded d = {0};
    struct error err = {0};
    const struct str none = {NULL, 0};

    if (k->o->key && !matches(&k->key, r->key))
        return;
    if (record_schema_decode(k->schema, k->decoding, r, &d, &err) != IG_OK) {
        if (k->warnings++ < WARNINGS_SHOWN)
            cli_errorf(k->c, "%s/%d/%lld: %s", r->topic, r->partition, (long long)r->offset, err.msg);
        d.value = none;
    }
    if (k->o->value && !matches(&k->value, d.value.p ? d.value : r->value))
        return;
    if (k->format)
        record_format_add(k->format, r, &d, k->o->null ? "NULL" : "", &k->out);
    else
        record_json_add(r, &d, &k->out);
    k->printed++;
}

/* False when nobody reads any more. */
static bool write_out(struct consuming *k)
{
    bool ok = true;

    if (k->out.n > 0)
        ok = fwrite(k->out.p, 1, k->out.n, k->c->out) == k->out.n && fflush(k->c->out) == 0;
    if (!ok)
        k->write_errno = errno;
    buf_clear(&k->out);
    return ok;
}

/* --- where we are ---------------------------------------------------------------------------------------------- */

static struct stretch *stretch_of(struct consuming *k, const char *topic, int32_t partition)
{
    for (size_t i = 0; i < k->stretches.n; i++) {
        const size_t at = (k->last + i) % k->stretches.n;
        struct stretch *s = &k->stretches.p[at];

        if (s->partition == partition && (s->topic == topic || strcmp(s->topic, topic) == 0)) {
            k->last = at;
            return s;
        }
    }
    return NULL;
}

static void advance(struct consuming *k, struct stretch *s, int64_t at)
{
    s->at = at;
    if (s->open && at >= s->end) {
        s->open = false;
        k->n_open--;
    }
}

static void take_batch(struct consuming *k, const struct log_batch *batch)
{
    for (size_t i = 0; i < batch->n && !k->had_enough; i++) {
        const struct log_record *r = &batch->records[i];
        struct stretch *s = stretch_of(k, r->topic, r->partition);

        if (!s || r->offset < s->at || r->offset >= s->end)
            continue;
        print_record(k, r);
        k->seen++;
        k->uncommitted = true;
        advance(k, s, r->offset + 1);
        k->had_enough = k->limit >= 0 && k->printed >= k->limit;
        if (k->out.n > (4 << 20) && !write_out(k))
            k->had_enough = true;
    }
    for (size_t i = 0; i < batch->n_ends && !k->had_enough; i++) {
        struct stretch *s = stretch_of(k, batch->ends[i].topic, batch->ends[i].partition);

        /* markers and records of open transactions may be between the last record and the end */
        if (s && s->open && !k->o->follow) {
            s->open = false;
            k->n_open--;
        }
        if (s && batch->ends[i].offset > s->at)
            s->at = batch->ends[i].offset;
    }
}

/* --- groups ---------------------------------------------------------------------------------------------------- */

static enum ig_code commit(struct consuming *k, struct error *err)
{
    struct log_position *positions = check_calloc(k->stretches.n + 1, sizeof(*positions));
    size_t n = 0;
    enum ig_code rc;

    for (size_t i = 0; i < k->stretches.n; i++)
        if (k->stretches.p[i].at >= 0)
            positions[n++] =
                (struct log_position){k->stretches.p[i].topic, k->stretches.p[i].partition, k->stretches.p[i].at};
    rc = log_consumer_commit(k->consumer, positions, n, err);
    k->committed_ms = env_monotonic_ms(k->c->env);
    k->uncommitted = false;
    free(positions);
    return rc;
}

static void on_rebalance(void *ctx, bool assigned, const struct log_position *partitions, size_t n)
{
    struct consuming *k = ctx;
    struct error err = {0};

    if (!assigned && k->uncommitted && write_out(k) && commit(k, &err) != IG_OK)
        cli_note(k->c, "%s: its records come again at another member", err.msg);
    k->stretches.n = k->n_open = k->last = 0;
    k->assigned = assigned;
    for (size_t i = 0; assigned && i < n; i++) {
        const struct stretch s = {arena_strdup(&k->c->arena, partitions[i].topic), partitions[i].partition, -1,
                                  INT64_MAX, true};

        vec_push(&k->stretches, s);
        k->n_open++;
    }
}

static enum ig_code join_group(struct consuming *k, struct error *err)
{
    log_consumer_on_rebalance(k->consumer, on_rebalance, k);
    return log_consumer_subscribe(k->consumer, k->c->args, k->c->n_args, err);
}

/* --- without a group --------------------------------------------------------------------------------------------- */

static enum ig_code add_topic(struct consuming *k, const char *topic, const int32_t *which, size_t n_which,
                              struct error *err)
{
    int32_t n;

    IG_TRY(log_topic_partitions(k->client, topic, &n, err));
    for (size_t i = 0; i < n_which; i++)
        if (which[i] >= n)
            return error_set(err, IG_NOT_FOUND, "%s has %d partitions, there is no partition %d", topic, n, which[i]);
    for (size_t i = 0; i < (which ? n_which : (size_t)n); i++) {
        const struct stretch s = {topic, which ? which[i] : (int32_t)i, 0, INT64_MAX, true};

        vec_push(&k->stretches, s);
    }
    return IG_OK;
}

static enum ig_code find_bounds(struct consuming *k, const struct cli_when *from, const struct cli_when *to,
                                struct error *err)
{
    const size_t n = k->stretches.n;
    struct log_position *begin = ARENA_ARRAY(&k->c->arena, struct log_position, n + 1);
    struct log_position *end = ARENA_ARRAY(&k->c->arena, struct log_position, n + 1);

    for (size_t i = 0; i < n; i++)
        begin[i] = end[i] = (struct log_position){k->stretches.p[i].topic, k->stretches.p[i].partition, 0};
    IG_TRY(cli_find_offsets(k->client, from, begin, n, NULL, NULL, err));
    IG_TRY(cli_find_offsets(k->client, to, end, n, NULL, NULL, err));
    k->n_open = 0;
    for (size_t i = 0; i < n; i++) {
        struct stretch *s = &k->stretches.p[i];

        s->at = begin[i].offset;
        s->end = k->o->follow ? INT64_MAX : end[i].offset;
        s->open = s->at < s->end;
        k->n_open += s->open;
        k->total += s->open && !k->o->follow ? s->end - s->at : 0;
        if (s->open)
            IG_TRY(log_consumer_assign(k->consumer, s->topic, s->partition, s->at, err));
    }
    return IG_OK;
}

static int assign(struct consuming *k)
{
    struct cli_when from = {CLI_WHEN_FIRST, 0}, to = {CLI_WHEN_END, 0};
    const int64_t now_ms = env_now_ms(k->c->env);
    struct error err = {0};
    int32_t *which = NULL;
    size_t n_which = 0;
    enum ig_code rc = IG_OK;

    if (k->o->from && !cli_parse_when(k->o->from, now_ms, &from))
        return cli_usage(k->c, "--from '%s' is not: " CLI_WHEN_WORDS, k->o->from);
    if (k->o->to && !cli_parse_when(k->o->to, now_ms, &to))
        return cli_usage(k->c, "--to '%s' is not: " CLI_WHEN_WORDS, k->o->to);
    if (k->o->which && !cli_parse_partitions(&k->c->arena, k->o->which, &which, &n_which))
        return cli_usage(k->c, "--partition is like 0,2-4, not '%s'", k->o->which);
    for (size_t i = 0; i < k->c->n_args && rc == IG_OK; i++)
        rc = add_topic(k, k->c->args[i], which, n_which, &err);
    if (rc == IG_OK)
        rc = find_bounds(k, &from, &to, &err);
    k->assigned = true;
    return rc == IG_OK ? CLI_OK : cli_error(k->c, &err);
}

/* --- all of it --------------------------------------------------------------------------------------------------- */

static bool is_done(const struct consuming *k)
{
    return k->had_enough || *k->c->stop || (!k->o->follow && k->assigned && k->n_open == 0);
}

static enum ig_code consume(struct consuming *k, struct error *err)
{
    int64_t heard_ms = env_monotonic_ms(k->c->env);

    while (!is_done(k)) {
        struct log_batch batch;

        IG_TRY(log_consume(k->consumer, BATCH, WAIT_MS, &batch, err));
        if (batch.n || batch.n_ends)
            heard_ms = env_monotonic_ms(k->c->env);
        take_batch(k, &batch);
        log_batch_free(&batch);
        if (!write_out(k))
            k->had_enough = true;
        else if (k->o->group && k->uncommitted && env_monotonic_ms(k->c->env) - k->committed_ms > COMMIT_MS)
            IG_TRY(commit(k, err));
        cli_progress_hop(&k->progress, "consume", k->c->args[0], k->seen, k->total ? k->total : -1,
                         env_monotonic_us(k->c->env) - k->began_us);
        if (!k->o->follow && env_monotonic_ms(k->c->env) - heard_ms > SILENCE_MS)
            return error_set(err, IG_UNAVAILABLE,
                             "the log gave nothing for %d s, and %zu partitions are not at their "
                             "end",
                             SILENCE_MS / 1000, k->n_open);
    }
    return k->o->group && k->uncommitted && !ferror(k->c->out) ? commit(k, err) : IG_OK;
}

static int read_topics(struct consuming *k)
{
    const struct log_consumer_options options = {
        .group = k->o->group,
        .uncommitted = k->o->isolation && strcmp(k->o->isolation, "uncommitted") == 0,
        .from_end = k->o->group && k->o->from && strcmp(k->o->from, "end") == 0,
    };
    struct error err = {0};
    int status = CLI_OK;

    if (log_consumer_open(k->client, &options, &k->consumer, &err) != IG_OK)
        return cli_error(k->c, &err);
    status = record_schema_new(k->c, k->log, k->o->registry, &k->schema);
    if (!k->o->group && status == CLI_OK)
        status = assign(k);
    for (size_t i = 0; k->o->group && status == CLI_OK && i < k->c->n_args; i++) {
        int32_t n;

        if (log_topic_partitions(k->client, k->c->args[i], &n, &err) != IG_OK)
            status = cli_error(k->c, &err);
    }
    if (k->o->group && status == CLI_OK && join_group(k, &err) != IG_OK)
        status = cli_error(k->c, &err);
    cli_catch_signals(k->c);
    k->began_us = env_monotonic_us(k->c->env);
    if (!isatty(fileno(k->c->out)))
        cli_progress_begin(k->c, &k->progress);
    if (status == CLI_OK && k->limit != 0 && consume(k, &err) != IG_OK) {
        cli_progress_end(&k->progress);
        status = cli_error(k->c, &err);
    }
    cli_progress_end(&k->progress);
    log_consumer_free(k->consumer);
    record_schema_close(k->schema);
    if (k->warnings > WARNINGS_SHOWN)
        cli_errorf(k->c, "%lld more records can not be decoded", (long long)(k->warnings - WARNINGS_SHOWN));
    if (status == CLI_OK && k->write_errno && k->write_errno != EPIPE) /* `head` may have had enough */
        status = cli_errorf(k->c, "cannot write the output: %s", strerror(k->write_errno));
    return status ? status : k->warnings ? CLI_FAILED : CLI_OK;
}

/* --- the command line ------------------------------------------------------------------------------------------- */

/* -K, -D and -H are short for a format. */
static const char *make_format(struct consuming *k)
{
    const char *end = k->o->delimiter ? k->o->delimiter : "\\n";

    if (k->o->format)
        return k->o->format;
    return arena_printf(&k->c->arena, "%s%s%s%%s%s", k->o->headers ? "%h\\t" : "", k->o->key_delimiter ? "%k" : "",
                        k->o->key_delimiter ? k->o->key_delimiter : "", end);
}

static int compile(struct consuming *k, const char *option, const char *pattern, regex_t *out)
{
    char problem[200];
    int e;

    if (!pattern)
        return CLI_OK;
    e = regcomp(out, pattern, REG_EXTENDED | REG_NEWLINE);
    if (!e)
        return CLI_OK;
    regerror(e, out, problem, sizeof(problem));
    memset(out, 0, sizeof(*out));
    return cli_usage(k->c, "%s '%s': %s", option, pattern, problem);
}

static int check_group(struct consuming *k)
{
    const struct consume_options *o = k->o;

    if (!o->group)
        return CLI_OK;
    if (o->to || o->which)
        return cli_usage(k->c, "--group takes what it is given: --to and --partition do not go with it");
    if (o->from && strcmp(o->from, "beginning") != 0 && strcmp(o->from, "end") != 0)
        return cli_usage(k->c, "with --group, --from is beginning or end (for partitions of which nothing is "
                               "committed); `ingot groups reset` moves a group");
    return CLI_OK;
}

static int check_options(struct consuming *k)
{
    const struct consume_options *o = k->o;
    const char *problem = NULL;

    k->limit = o->count; /* CLI_NUMBER_NONE: -1 */
    for (size_t i = 0; i < k->c->n_args; i++)
        for (size_t other = 0; other < i; other++)
            if (strcmp(k->c->args[i], k->c->args[other]) == 0)
                return cli_usage(k->c, "%s is named twice", k->c->args[i]);
    if (o->follow && o->to)
        return cli_usage(k->c, "--follow and --to exclude each other");
    if (o->isolation && strcmp(o->isolation, "committed") != 0 && strcmp(o->isolation, "uncommitted") != 0)
        return cli_usage(k->c, "--isolation is committed or uncommitted, not '%s'", o->isolation);
    if (k->c->global.json && (o->format || o->key_delimiter || o->delimiter || o->headers))
        return cli_usage(k->c, "--json has its own form: -f, -K, -D and -H do not go with it");
    if (o->format && (o->key_delimiter || o->delimiter || o->headers))
        return cli_usage(k->c, "-f says it all: -K, -D and -H do not go with it");
    k->decoding = k->c->global.json || isatty(fileno(k->c->out)) ? RECORD_AUTO : RECORD_RAW;
    if (o->decode && !record_decoding_of(o->decode, &k->decoding))
        return cli_usage(k->c, "--decode is auto, avro, json, protobuf or none, not '%s'", o->decode);
    if (!k->c->global.json) {
        k->format = record_format_parse(&k->c->arena, make_format(k), &problem);
        if (!k->format)
            return cli_usage(k->c, "the format '%s': %s", make_format(k), problem);
    }
    return check_group(k);
}

static int run(struct cli_context *c, const void *parsed)
{
    struct consuming k = {.c = c, .o = parsed};
    struct cli_log log;
    int status = check_options(&k);

    if (status == CLI_OK)
        status = compile(&k, "--key", k.o->key, &k.key);
    if (status == CLI_OK)
        status = compile(&k, "--grep", k.o->value, &k.value);
    if (status == CLI_OK)
        status = cli_log_open(c, &k.o->log, &log);
    if (status)
        return status;
    buf_init(&k.out, 0);
    k.log = &log;
    k.client = log.client;
    status = read_topics(&k);
    buf_release(&k.out);
    vec_free(&k.stretches);
    if (k.o->key)
        regfree(&k.key);
    if (k.o->value)
        regfree(&k.value);
    return cli_log_close(c, &log, status);
}

#define OPTION(member) offsetof(struct consume_options, member)
static const struct cli_option options[] = {
    {"from", 'o', "WHEN", CLI_WHEN_WORDS " (default beginning)", CLI_TEXT, OPTION(from)},
    {"to", 0, "WHEN", "stop in front of that; as --from (default: the end of now)", CLI_TEXT, OPTION(to)},
    {"count", 'n', "N", "stop after N records", CLI_NUMBER, OPTION(count)},
    {"follow", 0, NULL, "go on at the end, with what comes", CLI_FLAG, OPTION(follow)},
    {"partition", 'p', "N[,N...]", "only these, as 0,2-4", CLI_TEXT, OPTION(which)},
    {"group", 'G', "NAME", "as a member of this group: begin where it is, and commit what was printed", CLI_TEXT,
     OPTION(group)},
    {"format", 'f', "FORMAT", "%s value, %k key, %t topic, %p partition, %o offset, %T time, %h headers ...", CLI_TEXT,
     OPTION(format)},
    {"key-delimiter", 'K', "TEXT", "print the key and TEXT in front of the value", CLI_TEXT, OPTION(key_delimiter)},
    {"delimiter", 'D', "TEXT", "print TEXT behind each record (default \\n)", CLI_TEXT, OPTION(delimiter)},
    {"headers", 'H', NULL, "print headers and a tab in front", CLI_FLAG, OPTION(headers)},
    {"null", 'Z', NULL, "print NULL for a value or key that is none", CLI_FLAG, OPTION(null)},
    {"key", 0, "REGEX", "only records whose key matches", CLI_TEXT, OPTION(key)},
    {"grep", 0, "REGEX", "only records whose value (decoded, if it is) matches", CLI_TEXT, OPTION(value)},
    {"decode", 0, "HOW", "auto, avro, json, protobuf or none (default: auto on a terminal and with --json)", CLI_TEXT,
     OPTION(decode)},
    {"registry", 0, "URL", "where schemas are (default: as ingot.yml says, or the log's topic _schemas)", CLI_TEXT,
     OPTION(registry)},
    {"isolation", 0, "LEVEL", "committed (default), or uncommitted: also what is in open and aborted transactions",
     CLI_TEXT, OPTION(isolation)},
    CLI_LOG_OPTIONS(struct consume_options),
};

const struct cli_verb cli_verb_consume = {
    .name = "consume",
    .summary = "Print the records of topics",
    .args = "TOPIC...",
    .min_args = 1,
    .max_args = SIZE_MAX,
    .details =
        "From the beginning to the end as it is now; --from, --to, -n and --follow say otherwise. Bytes are printed "
        "as\n"
        "they are. Formats are those of kcat: %s %S value and its length, %R length in 4 bytes, %k %K key and its\n"
        "length, %T time in ms, %t topic, %p partition, %o offset, %h headers, %H their number, %%, \\n \\t \\0 "
        "\\xHH.\n"
        "--json prints an object a line, which `ingot produce --json` takes.\n\n"
        "  ingot consume clicks -n 5\n"
        "  ingot consume clicks --from -1h --follow --grep checkout\n"
        "  ingot consume orders -p 0 --from 1000 --to 1010 -f '%o %T %k: %s\\n'\n"
        "  ingot consume orders --from 2024-01-15 --to 2024-01-16 --json | jq .value\n"
        "  ingot consume clicks --group triage -n 100",
    .options = options,
    .n_options = IG_COUNT(options),
    .options_size = sizeof(struct consume_options),
    .run = run,
};
