/*
 * Contracts: is this record what its domain says it is, and what are its typed columns?
 *
 * One reader (one pass over the JSON text, no tree) serves both users: the bronze sink asks for a record's event time,
 * the silver stage runs it as an SQL function over whole columns.
 */
#ifndef QUALITY_QUALITY_H
#define QUALITY_QUALITY_H

#include "base/base.h"
#include "conf/conf.h"
#include "engine/engine.h"

/* A contract made ready for reading. Immutable; any thread. The domain it came from must outlive it. A function that
 * was registered holds on to it: freeing it while the engine is open is fine. */
struct contract;
IG_MUST_CHECK enum ig_code contract_new(const struct conf_domain *domain, struct contract **out, struct error *err);
void contract_free(struct contract *k);

/* Why a record is refused. */
struct contract_reject {
    const char *reason; /* a word for counting: malformed_json, invalid_utf8, too_deep, missing_field, duplicate_field,
                           wrong_type, not_in_enum, out_of_range, bad_timestamp, no_match, too_early, too_late */
    char field[128];    /* the column's path, "" if it is about the whole record */
    char detail[256];   /* for people: what was found, what was expected */
};

/*
 * Is the value well-formed JSON (an object, UTF-8), and what is its event time? On true *event_us is set: from the
 * contract's event_time field, or timestamp_ms where it names none. On false *why says why it can not be dated: such a
 * record has no partition and goes to the DLQ. Nothing else is checked here; now_ms is not looked at, so that a replay
 * decides as the first run did.
 */
bool contract_event_time(const struct contract *k, struct str value, int64_t timestamp_ms, int64_t now_ms,
                         int64_t *event_us, struct contract_reject *why);

/* The whole contract: would silver take the record? *event_us as above. */
bool contract_accepts(const struct contract *k, struct str value, int64_t timestamp_ms, int64_t *event_us,
                      struct contract_reject *why);

/*
 * Registers the SQL scalar function `name(value VARCHAR, timestamp TIMESTAMPTZ)` in the engine. It gives a
 * STRUCT with one member a contract column, named and typed as conf.h says, and three more: `_reject` VARCHAR (the
 * reason, NULL if the record is good), `_reject_field` and `_reject_detail` VARCHAR; and `record_hash` VARCHAR, the
 * SHA-256 of the value's bytes in lower-case hex. Columns of a rejected record are NULL where they could not be read.
 * A name that is there already is replaced.
 */
IG_MUST_CHECK enum ig_code contract_register(const struct contract *k, struct engine_conn *c, const char *name,
                                             struct error *err);
/* The same checks, but of the columns only the key's and order_by, and no record_hash: who is it, and is it good? */
IG_MUST_CHECK enum ig_code contract_register_identity(const struct contract *k, struct engine_conn *c, const char *name,
                                                      struct error *err);

/* Appends the contract as a JSON Schema (draft 7): what the schema registry has for the domain's topic. */
void contract_add_json_schema(const struct conf_domain *domain, struct buf *out);

/* Appends the SQL type of a field ("DECIMAL(10,2)", "STRUCT(a BIGINT, ...)[]"). */
void contract_add_sql_type(const struct conf_field *field, struct buf *sql);

#endif
