/*
 * Tracing's inside: which records an id means, and what is known of each at every hop. Private to stage/.
 */
#ifndef STAGE_TRACE_H
#define STAGE_TRACE_H

#include "stage/stage.h"
#include "stage/topic.h"

/* Where a record stands in a log. */
struct trace_place {
    const struct conf_domain *domain;
    const char *topic;
    int64_t partition, offset;
};

/* Something that is known of a record at a hop: a few fields, in order. */
struct trace_field {
    const char *name, *value;
    bool raw; /* the value is JSON already: a number, true, an object */
};
struct trace_hop {
    const char *name;
    VEC(struct trace_field) fields;
};

/* A dead letter: where it is, and about which record. */
struct trace_letter {
    const char *topic, *stage, *reason, *field, *detail;
    int64_t partition, offset; /* of the record */
    int32_t dlq_partition;
    int64_t dlq_offset, dlq_timestamp_ms;
};

struct trace {
    const struct stage_context *x;
    struct engine_conn *c;
    struct arena arena; /* all texts below */
    struct str id;
    VEC(struct trace_place) places;
    VEC(struct trace_hop) hops;       /* of the record that is being looked at */
    struct buf looked;                /* where we have looked, for who finds nothing */
    bool by_coordinates;              /* that is what the id was */
    VEC(struct trace_letter) letters; /* of the domain `letters_of` */
    const struct conf_domain *letters_of;
};

/* --- trace_find.c --- */

/* Fills t->places: at most TRACE_PLACES_MAX. */
#define TRACE_PLACES_MAX 50
IG_MUST_CHECK enum ig_code trace_find(struct trace *t, struct error *err);
/* The places of every record of the domain with this key: its text as in an id. */
IG_MUST_CHECK enum ig_code trace_find_key(struct trace *t, const struct conf_domain *d, struct str key,
                                          struct error *err);
/* "read_parquet([...], ...)" over bronze of the domain, nothing if there is no file. */
IG_MUST_CHECK enum ig_code trace_add_bronze(struct trace *t, const struct conf_domain *d, struct buf *sql, size_t *n,
                                            struct error *err);
/* Appends the SQL of a record's key as text, from columns with this prefix ("k."). */
void trace_add_key(const struct conf_contract *contract, const char *prefix, struct buf *sql);
/* Appends " WHERE _topic = ... AND _partition = ... AND _offset = ...". */
void trace_add_where(const struct trace_place *p, struct buf *sql);

/* --- trace_hops.c --- */

/* One record, and what the hops found out about it for those behind them. */
struct trace_looking {
    struct trace *t;
    const struct trace_place *p;
    struct buf sql;
    int32_t date;    /* DATE_NONE: not known */
    const char *key; /* NULL: none, or not readable */
    bool in_bronze, in_silver, rejected;
    char status[24]; /* of the partition */
};

/* Fills t->hops for one place. */
IG_MUST_CHECK enum ig_code trace_hops(struct trace *t, const struct trace_place *p, struct error *err);

/* A hop (valid until the next one is added), and its fields. A value {NULL, 0} adds nothing. */
struct trace_hop *trace_hop_add(struct trace_looking *k, const char *name);
void trace_text(struct trace_looking *k, struct trace_hop *hop, const char *name, struct str value);
void trace_raw(struct trace_looking *k, struct trace_hop *hop, const char *name, struct str json);
void trace_number(struct trace_looking *k, struct trace_hop *hop, const char *name, int64_t value);
void trace_time_us(struct trace_looking *k, struct trace_hop *hop, const char *name, int64_t us);

/* --- trace_log.c --- */

IG_MUST_CHECK enum ig_code trace_look_bronze(struct trace_looking *k, struct error *err); /* finds date and key */
IG_MUST_CHECK enum ig_code trace_look_log(struct trace_looking *k, struct error *err);
IG_MUST_CHECK enum ig_code trace_look_letters(struct trace_looking *k, struct error *err);

/* --- trace_lake.c --- */

IG_MUST_CHECK enum ig_code trace_look_quarantine(struct trace_looking *k, struct error *err);
IG_MUST_CHECK enum ig_code trace_look_silver(struct trace_looking *k, struct error *err);
IG_MUST_CHECK enum ig_code trace_look_partition(struct trace_looking *k, struct error *err);
IG_MUST_CHECK enum ig_code trace_look_gold(struct trace_looking *k, struct error *err);
/* What is wrong with the warehouse is said, and does not end the trace. */
void trace_look_warehouse(struct trace_looking *k);

#endif
