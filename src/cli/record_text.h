/*
 * Records as text: in a format of the user's, as JSON, and JSON back to a record.
 */
#ifndef CLI_RECORD_TEXT_H
#define CLI_RECORD_TEXT_H

#include "cli/cli.h"
#include "log/log.h"

/* What a value or a key became when it was decoded; p NULL: it is as it came. */
struct record_decoded {
    struct str key, value; /* JSON */
};

/* --- a format: %s value, %k key, ... as kcat has them ------------------------------------------------------------ */

struct record_format;
/* NULL after filling `problem` with what is wrong. Lives in the arena. */
const struct record_format *record_format_parse(struct arena *a, const char *text, const char **problem);
/* `null_text`: what stands for a missing key or value, usually "". */
void record_format_add(const struct record_format *f, const struct log_record *r, const struct record_decoded *d,
                       const char *null_text, struct buf *out);

/* --- JSON ---------------------------------------------------------------------------------------------------- */

/* {"topic", "partition", "offset", "timestamp", "key", "value", "headers"}, and a newline. Bytes that are not UTF-8 are
 * "key_base64", "value_base64"; headers are [{"key", "value" or "base64"}]. */
void record_json_add(const struct log_record *r, const struct record_decoded *d, struct buf *out);
void record_add_base64(struct buf *out, struct str bytes);

/* What record_json_read fills; reused from line to line. */
struct record_parsed {
    struct log_record record;
    struct buf bytes;
    VEC(struct log_header) headers;
    bool key_is_json, value_is_json; /* given as JSON other than a string: its text */
};
void record_parsed_init(struct record_parsed *p);
void record_parsed_release(struct record_parsed *p);
/* False after filling `problem`. `partition` is -1 and `timestamp_ms` 0 where the text has none. */
bool record_json_read(struct str text, struct record_parsed *p, const char **problem);

#endif
