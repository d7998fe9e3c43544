/*
 * ingot produce: lines, files or JSON into a topic.
 */
#include "cli/cli_log.h"
#include "cli/record_input.h"
#include "cli/record_schema.h"
#include "cli/record_text.h"

#include <errno.h>
#include <unistd.h>

#define ERRORS_SHOWN 20
#define CREATE_LIMIT_MS 15000
#define LINE_BITS 40 /* of a record's tag; the file is above */

struct produce_options {
    struct cli_log_options log;
    struct record_schema_options schema;
    struct cli_list headers;
    const char *key_delimiter, *delimiter, *acks, *compression, *transaction, *key;
    int64_t partition;
    bool null, whole, wait;
};

struct producing {
    struct cli_context *c;
    const struct produce_options *o;
    const char *topic;
    const char *const *files; /* n 0: stdin */
    size_t n_files, file;
    struct log_producer *producer;
    struct record_schema *schema;
    struct str key_delimiter, delimiter;
    struct log_header *headers;
    struct record_parsed parsed;
    struct cli_progress progress;
    int64_t began_us, records, bytes, acknowledged, failed, errors;
    bool fatal; /* nothing more can be sent */
};

/* --- what went wrong, and where --------------------------------------------------------------------------------- */

static const char *file_name(const struct producing *p, size_t file)
{
    return p->n_files && strcmp(p->files[file], "-") != 0 ? p->files[file] : "stdin";
}

static void report(struct producing *p, size_t file, int64_t line, const char *message)
{
    cli_progress_end(&p->progress);
    if (p->errors++ < ERRORS_SHOWN)
        cli_errorf(p->c, "%s:%lld: %s", file_name(p, file), (long long)line, message);
}

static void *tag_of(size_t file, int64_t line)
{
    return (void *)(uintptr_t)((uint64_t)file << LINE_BITS | (uint64_t)line); // NOLINT(performance-no-int-to-ptr)
}

static void on_delivered(void *ctx, void *tag, int32_t partition, int64_t offset, const struct error *err)
{
    struct producing *p = ctx;
    const uint64_t bits = (uint64_t)(uintptr_t)tag;

    (void)partition;
    (void)offset;
    if (!err) {
        p->acknowledged++;
        return;
    }
    p->failed++;
    report(p, (size_t)(bits >> LINE_BITS), (int64_t)(bits & ((UINT64_C(1) << LINE_BITS) - 1)), err->msg);
}

static void refuse(struct producing *p, int64_t line, const char *message)
{
    p->failed++;
    report(p, p->file, line, message);
}

/* --- one record ------------------------------------------------------------------------------------------------- */

static bool send_record(struct producing *p, struct log_record *r, int64_t line)
{
    struct error err = {0};
    enum ig_code rc;

    r->topic = p->topic;
    rc = log_produce(p->producer, r, tag_of(p->file, line), &err);
    p->records++;
    p->bytes += (int64_t)(r->key.n + r->value.n);
    if (rc != IG_OK)
        refuse(p, line, err.msg);
    if (p->records % 1024 == 0) {
        log_producer_poll(p->producer, 0);
        cli_progress_hop(&p->progress, "produce", p->topic, p->acknowledged, -1,
                         env_monotonic_us(p->c->env) - p->began_us);
    }
    p->fatal = rc != IG_OK && rc != IG_LIMIT && rc != IG_NOT_FOUND;
    return !p->fatal;
}

static bool encode_and_send(struct producing *p, struct log_record *r, const struct record_parsed *parsed, int64_t line)
{
    struct error err = {0};

    if (record_schema_encode(p->schema, r, parsed, &err) != IG_OK) {
        p->records++;
        refuse(p, line, err.msg);
        return true;
    }
    return send_record(p, r, line);
}

static void empty_is_null(struct str *s)
{
    if (s->n == 0)
        s->p = NULL;
}

static bool take_text(struct producing *p, struct str text, int64_t line)
{
    struct log_record r = {.partition = p->o->partition == CLI_NUMBER_NONE ? -1 : (int32_t)p->o->partition,
                           .headers = p->headers,
                           .n_headers = p->o->headers.n,
                           .value = text};

    if (p->o->key)
        r.key = str_of(p->o->key);
    if (p->key_delimiter.n > 0) {
        const char *at = memmem(text.p, text.n, p->key_delimiter.p, p->key_delimiter.n);

        if (at) {
            const size_t n = (size_t)(at - text.p);

            r.key = (struct str){text.p, n};
            r.value = (struct str){at + p->key_delimiter.n, text.n - n - p->key_delimiter.n};
        }
    }
    if (p->o->null) {
        empty_is_null(&r.value);
        empty_is_null(&r.key);
    }
    return encode_and_send(p, &r, NULL, line);
}

static bool is_blank(struct str text)
{
    for (size_t i = 0; i < text.n; i++)
        if (!strchr(" \t\r\n", text.p[i]))
            return false;
    return true;
}

static bool take_json(struct producing *p, struct str text, int64_t line)
{
    const char *problem;
    struct log_record *r = &p->parsed.record;

    if (is_blank(text))
        return true;
    if (!record_json_read(text, &p->parsed, &problem)) {
        p->records++;
        refuse(p, line, problem);
        return true;
    }
    if (p->o->partition != CLI_NUMBER_NONE)
        r->partition = (int32_t)p->o->partition;
    if (r->n_headers == 0) {
        r->headers = p->headers;
        r->n_headers = p->o->headers.n;
    }
    return encode_and_send(p, r, &p->parsed, line);
}

static bool on_record(void *ctx, struct str text, int64_t line)
{
    struct producing *p = ctx;

    return !*p->c->stop && (p->c->global.json ? take_json(p, text, line) : take_text(p, text, line));
}

/* While a terminal or a pipe gives nothing, failures are told and stop requests seen. */
static bool on_idle(void *ctx)
{
    struct producing *p = ctx;

    log_producer_poll(p->producer, 0);
    return !*p->c->stop;
}

/* --- all of them ------------------------------------------------------------------------------------------------ */

static int read_file(struct producing *p)
{
    const char *path = p->n_files ? p->files[p->file] : "-";
    const struct record_input in = {
        .delimiter = p->delimiter, .whole = p->o->whole, .on_record = on_record, .on_idle = on_idle, .ctx = p};
    struct error err = {0};

    return record_input_read(&in, path, &err) == IG_OK ? CLI_OK : cli_error(p->c, &err);
}

static int finish(struct producing *p, int status)
{
    struct error err = {0};

    if (p->o->transaction && (status != CLI_OK || p->failed || *p->c->stop)) {
        if (log_transaction_abort(p->producer, &err) != IG_OK)
            cli_error(p->c, &err);
        return cli_errorf(p->c, "the transaction was given up: none of its records is there for readers of committed "
                                "records");
    }
    if (p->o->transaction) {
        if (log_transaction_commit(p->producer, &err) != IG_OK)
            return cli_error(p->c, &err);
        return status;
    }
    while (log_producer_flush(p->producer, 100, &err) == IG_UNAVAILABLE && p->acknowledged + p->failed < p->records)
        cli_progress_hop(&p->progress, "produce", p->topic, p->acknowledged, p->records,
                         env_monotonic_us(p->c->env) - p->began_us);
    return status;
}

static void summary(struct producing *p)
{
    const int64_t us = env_monotonic_us(p->c->env) - p->began_us;
    char records[32], bytes[32], time[32], rate[32];

    cli_progress_end(&p->progress);
    if (p->errors > ERRORS_SHOWN)
        cli_errorf(p->c, "%lld more records failed", (long long)(p->errors - ERRORS_SHOWN));
    if (p->c->global.json)
        fprintf(p->c->out, "{\"records\":%lld,\"acknowledged\":%lld,\"failed\":%lld,\"bytes\":%lld,\"seconds\":%.3f}\n",
                (long long)p->records, (long long)p->acknowledged, (long long)p->failed, (long long)p->bytes,
                (double)us / 1e6);
    cli_note(p->c, "%s records, %s in %s, %s/s%s", cli_format_count(p->acknowledged, records),
             cli_format_bytes(p->bytes, bytes), cli_format_duration(us, time),
             cli_format_count(us > 0 ? (int64_t)((double)p->acknowledged * 1e6 / (double)us) : 0, rate),
             p->failed ? "" : ", all acknowledged");
}

static int run_producer(struct producing *p)
{
    struct error err = {0};
    int status = CLI_OK;

    if (log_producer_await_topic(p->producer, p->topic, CREATE_LIMIT_MS, &err) != IG_OK)
        return cli_error(p->c, &err);
    if (p->o->transaction &&
        (log_transactions_init(p->producer, &err) != IG_OK || log_transaction_begin(p->producer, &err) != IG_OK))
        return cli_error(p->c, &err);
    p->began_us = env_monotonic_us(p->c->env);
    cli_progress_begin(p->c, &p->progress);
    do
        status = read_file(p);
    while (!*p->c->stop && !p->fatal && status == CLI_OK && ++p->file < p->n_files);
    status = finish(p, status);
    summary(p);
    if (status == CLI_OK && (p->failed || p->acknowledged < p->records || p->fatal))
        status = CLI_FAILED;
    return status;
}

static int start(struct producing *p, struct cli_log *log)
{
    const struct log_producer_options options = {
        .acks = p->o->acks, .compression = p->o->compression, .transactional_id = p->o->transaction};
    struct error err = {0};
    int status = record_schema_open(p->c, log, &p->o->schema, &p->schema);

    if (status == CLI_OK && log_producer_open(log->client, &options, on_delivered, p, &p->producer, &err) != IG_OK)
        status = err.code == IG_INVALID ? cli_usage(p->c, "%s", err.msg) : cli_error(p->c, &err);
    if (status == CLI_OK)
        status = run_producer(p);
    log_producer_free(p->producer);
    record_schema_close(p->schema);
    return status;
}

/* --- the command line ------------------------------------------------------------------------------------------- */

static int read_headers(struct producing *p)
{
    const struct cli_list *words = &p->o->headers;

    p->headers = ARENA_ARRAY(&p->c->arena, struct log_header, words->n + 1);
    for (size_t i = 0; i < words->n; i++) {
        const char *equals = strchr(words->p[i], '=');

        if (equals == words->p[i])
            return cli_usage(p->c, "-H is NAME=VALUE, or NAME alone for one without a value");
        p->headers[i] =
            equals ? (struct log_header){arena_strndup(&p->c->arena, words->p[i], (size_t)(equals - words->p[i])),
                                         str_of(equals + 1)}
                   : (struct log_header){words->p[i], {NULL, 0}};
    }
    return CLI_OK;
}

static int check_options(struct producing *p)
{
    static const char *const acks[] = {"all", "-1", "0", "1"}, *const codecs[] = {"none", "gzip", "snappy", "lz4",
                                                                                  "zstd"};
    const struct produce_options *o = p->o;
    bool ok = !o->acks;

    for (size_t i = 0; i < IG_COUNT(acks); i++)
        ok |= o->acks && strcmp(o->acks, acks[i]) == 0;
    if (!ok)
        return cli_usage(p->c, "--acks is all, 1 or 0, not '%s'", o->acks);
    ok = !o->compression;
    for (size_t i = 0; i < IG_COUNT(codecs); i++)
        ok |= o->compression && strcmp(o->compression, codecs[i]) == 0;
    if (!ok)
        return cli_usage(p->c, "--compression is none, gzip, snappy, lz4 or zstd, not '%s'", o->compression);
    if (o->partition > INT32_MAX)
        return cli_usage(p->c, "there is no partition %lld", (long long)o->partition);
    if (o->transaction && o->acks && (strcmp(o->acks, "0") == 0 || strcmp(o->acks, "1") == 0))
        return cli_usage(p->c, "a transaction needs --acks all");
    if (o->key && o->key_delimiter)
        return cli_usage(p->c, "-k and -K exclude each other");
    if (o->key_delimiter &&
        (!cli_unescape(&p->c->arena, o->key_delimiter, &p->key_delimiter) || p->key_delimiter.n == 0))
        return cli_usage(p->c, "-K needs the text that ends a key, as : or \\t");
    p->delimiter = STR("\n");
    if (o->delimiter && (!cli_unescape(&p->c->arena, o->delimiter, &p->delimiter) || p->delimiter.n == 0))
        return cli_usage(p->c, "-D needs the text that ends a record, as \\n or \\0");
    return read_headers(p);
}

static int run(struct cli_context *c, const void *parsed)
{
    struct producing p = {.c = c, .o = parsed, .topic = c->args[0], .files = c->args + 1, .n_files = c->n_args - 1};
    struct cli_log log;
    int status = check_options(&p);

    for (size_t i = 0; status == CLI_OK && i < p.n_files; i++)
        if (strcmp(p.files[i], "-") != 0 && access(p.files[i], R_OK) != 0)
            status = cli_errorf(c, "%s: %s", p.files[i], strerror(errno));
    if (status == CLI_OK)
        status = cli_log_open(c, &p.o->log, &log);
    if (status)
        return status;
    cli_catch_signals(c);
    record_parsed_init(&p.parsed);
    status = start(&p, &log);
    record_parsed_release(&p.parsed);
    return cli_log_close(c, &log, status);
}

#define OPTION(member) offsetof(struct produce_options, member)
static const struct cli_option options[] = {
    {"key-delimiter", 'K', "TEXT", "what is in front of TEXT in a line is the key", CLI_TEXT, OPTION(key_delimiter)},
    {"key", 'k', "KEY", "the key of every record", CLI_TEXT, OPTION(key)},
    {"header", 'H', "NAME=VALUE", "a header of every record; may be repeated", CLI_WORDS, OPTION(headers)},
    {"partition", 'p', "N", "the partition (default: by the key as Kafka's clients, in turn without one)", CLI_NUMBER,
     OPTION(partition)},
    {"null", 'Z', NULL, "an empty value or key is none: an empty value is a tombstone", CLI_FLAG, OPTION(null)},
    {"delimiter", 'D', "TEXT", "what ends a record (default \\n; \\0, \\x1e ... too)", CLI_TEXT, OPTION(delimiter)},
    {"whole", 'w', NULL, "each file (or all of stdin) is one record", CLI_FLAG, OPTION(whole)},
    {"schema", 's', "ID|SUBJECT", "encode values (JSON) by this schema of the registry", CLI_TEXT,
     OPTION(schema.value)},
    {"key-schema", 0, "ID|SUBJECT", "encode keys by this one", CLI_TEXT, OPTION(schema.key)},
    {"registry", 0, "URL", "where schemas are (default: as ingot.yml says, or the log's topic _schemas)", CLI_TEXT,
     OPTION(schema.registry)},
    {"acks", 0, "all|1|0", "what counts as acknowledged (all: on disk, no record twice)", CLI_TEXT, OPTION(acks)},
    {"compression", 'z', "CODEC", "gzip, snappy, lz4, zstd or none", CLI_TEXT, OPTION(compression)},
    {"transaction", 0, "ID", "all records in one transaction with this transactional id, or none", CLI_TEXT,
     OPTION(transaction)},
    CLI_LOG_OPTIONS(struct produce_options),
};

const struct cli_verb cli_verb_produce = {
    .name = "produce",
    .summary = "Write lines, files or JSON records to a topic",
    .args = "TOPIC [FILE...]",
    .min_args = 1,
    .max_args = SIZE_MAX,
    .details =
        "Reads stdin, or the files, a record a line. With --json a line is {\"key\", \"value\", \"headers\", "
        "\"timestamp\",\n\"partition\"}, of which only value must be there: what `ingot consume --json` prints. A "
        "value "
        "that is no\nstring is sent as its JSON; bytes go in as value_base64, key_base64.\n\n"
        "Exit status 1 if a record was not acknowledged; file and line of each are named. The others are there.\n\n"
        "  ingot produce clicks < clicks.ndjson\n"
        "  ingot produce users -K: -z zstd users.txt\n"
        "  ingot consume clicks --json | ingot produce clicks-2 --json\n"
        "  ingot produce orders --schema orders-value < orders.ndjson",
    .options = options,
    .n_options = IG_COUNT(options),
    .options_size = sizeof(struct produce_options),
    .run = run,
};
