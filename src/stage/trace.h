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

/* Fills t->hops for one place. */
IG_MUST_CHECK enum ig_code trace_hops(struct trace *t, const struct trace_place *p, struct error *err);

#endif
