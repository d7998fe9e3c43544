/*
 * What the verbs that work with a log share: finding it, times and offsets as people write them.
 *
 * A log is that of the project (of a running `ingot up`; started for this command if nothing is up; or the kafka:// one
 * that ingot.yml names), or with --broker any cluster, for which no project is needed.
 */
#ifndef CLI_CLI_LOG_H
#define CLI_CLI_LOG_H

#include "cli/cli.h"
#include "log/log.h"
#include "platform/platform.h"

struct cli_log_options {
    const char *broker, *config;
    struct cli_list properties;
};
/* The options' lines in a verb's table, whose struct has the member `log`. */
#define CLI_LOG_OPTIONS(type)                                                                                    \
    {"broker",    'b',                                                                                           \
     "HOST:PORT", "the cluster to ask (default: the project's log)",                                             \
     CLI_TEXT,    offsetof(type, log.broker)},                                                                   \
        {"property",   'X',                                                                                      \
         "NAME=VALUE", "a property of librdkafka, as security.protocol=SASL_SSL",                                \
         CLI_WORDS,    offsetof(type, log.properties)},                                                          \
    {                                                                                                            \
        "client-config", 'F', "FILE", "a file of such lines: keeps passwords out of the command line", CLI_TEXT, \
            offsetof(type, log.config)                                                                           \
    }

struct cli_log {
    struct log_client *client;
    struct conf *conf;         /* NULL with --broker */
    struct platform *platform; /* NULL: the log is somebody else's */
    struct log_client *own;
};
/* 0, or the exit status after saying why. */
int cli_log_open(struct cli_context *c, const struct cli_log_options *o, struct cli_log *out);
/* Gives `status`, or CLI_FAILED if something did not close. */
int cli_log_close(struct cli_context *c, struct cli_log *log, int status);

/* --- when ------------------------------------------------------------------------------------------------ */

enum cli_when_kind { CLI_WHEN_FIRST, CLI_WHEN_END, CLI_WHEN_OFFSET, CLI_WHEN_LAST, CLI_WHEN_TIME };
struct cli_when {
    enum cli_when_kind kind;
    int64_t value; /* an offset, so many before the end, or a time in ms */
};
/* What --from takes, for messages. */
#define CLI_WHEN_WORDS "beginning, end, an offset, -N (the last N), a time like 2024-01-15T06:00:00Z, or -1h"
/* beginning, end, OFFSET, -N, ISO time or date, @MILLISECONDS, -1h (so long before now_ms). */
bool cli_parse_when(const char *text, int64_t now_ms, struct cli_when *out);
/* Sets positions[i].offset, of which topic and partition are given, to what `when` means there; with `clip` within
 * [first, end] of the partition. first and end may be NULL; otherwise they are filled. */
IG_MUST_CHECK enum ig_code cli_find_offsets(struct log_client *client, const struct cli_when *when,
                                            struct log_position *positions, size_t n, int64_t *first, int64_t *end,
                                            struct error *err);
/* "PT1H30M", "P2D" as Kafka's tools take it, or "90m". */
bool cli_parse_duration_ms(const char *text, int64_t *ms);

/* "2024-01-15T06:00:00Z"; "" below 0. Returns `out`. */
char *cli_format_ms(int64_t ms, char out[40]);

/* "a,b", "3", "1-4,7" of partitions to numbers; false if it is not that. */
bool cli_parse_partitions(struct arena *a, const char *text, int32_t **out, size_t *n);

/* \n \t \r \0 \\ \xHH and all else as it is. False if an escape is broken. */
bool cli_unescape(struct arena *a, const char *text, struct str *out);

/* Asks on the terminal; true for "y". Without a terminal: false. */
bool cli_ask(struct cli_context *c, const char *fmt, ...) IG_PRINTF(2, 3);

#endif
