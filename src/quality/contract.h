/*
 * A contract as its reader wants it: fields compiled to columns with a place (slot) in a reading, and a tree of the
 * object keys that lead to them. Private to quality/.
 */
#ifndef QUALITY_CONTRACT_H
#define QUALITY_CONTRACT_H

#include "quality/quality.h"

#include <regex.h>

struct column;
struct node;

/* One column's demand on others of the same object: "price is required when I am 'purchase'". */
struct demand {
    const struct column *of;
    const char **values;
    size_t n_values;
};

/* What an object is made of: the record itself, or a struct field. */
struct shape {
    struct node *root;
    struct column *columns;
    size_t n;
};

struct column {
    const struct conf_field *field;
    uint32_t slot;
    const char *label; /* for messages: "items[].sku" */
    bool required;
    bool event_time;      /* the record is dated by it */
    struct shape members; /* CONF_STRUCT */
    struct node *item;    /* CONF_LIST: a node whose one column is the item */
    struct str *one_of;
    bool has_pattern;
    regex_t pattern;
    struct demand *demands;
    size_t n_demands;
};

/* An object key (of one level), the columns that are there and the keys below it. */
struct node {
    struct str key;
    uint32_t id;
    struct node **children;
    size_t n_children;
    const struct column **columns;
    size_t n_columns;
    const char *label;
};

struct contract {
    struct arena arena;
    const struct conf_contract *conf;
    int references; /* atomic */
    struct shape record;
    struct shape dating; /* the event time alone: what the sink reads; slots and nodes are counted from 0 again */
    uint32_t n_slots, n_nodes;
    int64_t not_before_us;
};

#define DATING_NODES_MAX 32

struct contract *contract_hold(const struct contract *k);

/* --- casts: text of a JSON scalar to a typed value ---------------------------------------------------- */

enum cast {
    CAST_OK,
    CAST_NOT_ONE, /* not a number, a time, ... at all */
    CAST_INEXACT, /* it has more fractional digits than the type */
    CAST_TOO_BIG,
};

/* A decimal number's text (sign, digits, point, exponent) to an integer of `scale` fractional digits that has at most
 * `precision` digits in all. More fractional digits: rounded half away from zero if `round`, else CAST_INEXACT unless
 * they are zeros. */
enum cast cast_decimal(struct str text, int precision, int scale, bool round, __int128 *out);
enum cast cast_int64(struct str text, int64_t *out);
enum cast cast_double(struct str text, double *out);
enum cast cast_time(struct str text, enum conf_time_unit unit, int64_t *us);
enum cast cast_bool(struct str text, bool *out); /* true false t f yes no y n 1 0, any case */
bool cast_time_in_range(int64_t us);             /* years 1 to 9999 */

/* --- reading ------------------------------------------------------------------------------------------ */

/* Where a column's values go: an output vector of the engine. `vector` NULL: it is checked, and not kept. */
struct outlet {
    duckdb_vector vector;
    void *data;
    uint64_t *validity; /* NULL while all are valid */
    idx_t size, room;   /* of a list's item: how many there are, how many fit */
};

/* The state of one thread's reading, used for record after record. */
struct reading {
    const struct contract *contract;
    const struct shape *shape;
    struct json_reader json;
    struct outlet *outlets; /* by slot */
    /* Per object instance, which has a number of its own (epoch): which keys and columns were there. */
    uint64_t *node_seen, *present, *demanded;
    uint64_t epoch;
    struct buf text; /* a string without its escapes */
    int64_t timestamp_us, event_us;
    bool dated;    /* event_us is set */
    bool rejected; /* why is set */
    struct contract_reject why;
};

void reading_init(struct reading *x, const struct contract *k);
void reading_release(struct reading *x);
/* Sends a column (and what is inside it) to an output vector, from its first row on. */
void reading_bind(struct reading *x, const struct column *c, duckdb_vector vector);
/* Reads one record into row `row` of the bound vectors. False: it is rejected, x->why says why. */
bool reading_record(struct reading *x, struct str value, int64_t timestamp_us, idx_t row);
/* Sets the sizes of list vectors once all rows are read. */
void reading_finish(struct reading *x, const struct column *c);

/* --- take.c: scalars -------------------------------------------------------------------------------------- */

/* A whole value (or, raw spanning it, a container that was gone through) for one column of the object `epoch`: written
 * to row `row` of its vector, or refused. */
void reading_take(struct reading *x, const struct column *c, const struct json_value *v, idx_t row, uint64_t epoch);
/* NULL for a column and what is inside it. */
void reading_null(struct reading *x, const struct column *c, idx_t row);
/* The record is rejected. False if it was already: the first problem is the one that is told; otherwise the caller adds
 * the detail. */
bool reading_problem(struct reading *x, const char *reason, const char *label);

#endif
