/*
 * Keys and values behind a magic byte and a schema's id, as Confluent's serializers write them: to JSON, and from it.
 * Schemas are read from the topic _schemas, in which the registry keeps them (ingot's, and Confluent's own), or asked
 * for at a registry's URL.
 */
#ifndef CLI_RECORD_SCHEMA_H
#define CLI_RECORD_SCHEMA_H

#include "cli/cli_log.h"
#include "cli/record_text.h"

struct record_schema_options {
    const char *key, *value; /* by which to encode: an id, or SUBJECT[:VERSION]; NULL: as it is */
    const char *registry;    /* http(s)://...; NULL: the topic _schemas */
};
enum record_decoding { RECORD_RAW, RECORD_AUTO, RECORD_AVRO, RECORD_JSON, RECORD_PROTOBUF };
bool record_decoding_of(const char *word, enum record_decoding *out);

struct record_schema;
/* To encode: finds the schemas; 0, or the exit status. */
int record_schema_open(struct cli_context *c, struct cli_log *log, const struct record_schema_options *o,
                       struct record_schema **out);
/* To decode: schemas are read when a record needs one. 0, or the exit status. */
int record_schema_new(struct cli_context *c, struct cli_log *log, const char *registry, struct record_schema **out);
void record_schema_close(struct record_schema *s); /* NULL is fine */

/* Puts the encoded key and value (owned by `s`, until the next call) into the record. `parsed`: what it came from;
 * NULL: text. */
IG_MUST_CHECK enum ig_code record_schema_encode(struct record_schema *s, struct log_record *r,
                                                const struct record_parsed *parsed, struct error *err);
/* What key and value are as JSON; not set where they are not encoded. Owned by `s`, until the next call. With another
 * decoding than AUTO a value that can not be decoded is an error. */
IG_MUST_CHECK enum ig_code record_schema_decode(struct record_schema *s, enum record_decoding how,
                                                const struct log_record *r, struct record_decoded *out,
                                                struct error *err);

#endif
