/*
 * Making protocol and metaData actions: from what a table has, with something changed.
 */
#ifndef LAKE_METADATA_H
#define LAKE_METADATA_H

#include "lake/table/features.h"

/* A JSON object's text with one member set to `raw` (JSON), or, for NULL, without it. In the arena. */
const char *lake_object_set(struct arena *a, const char *object, const char *key, const char *raw);
const char *lake_object_set_text(struct arena *a, const char *object, const char *key, const char *text);
const char *lake_object_set_int64(struct arena *a, const char *object, const char *key, int64_t value);

/* What a table's metadata shall be. Made from a snapshot (or from nothing), changed, written. */
struct lake_draft {
    struct arena *arena;
    const struct lake_snapshot *base; /* NULL: a new table */
    const struct schema_type *schema;
    VEC(struct lake_property) properties; /* by no order */
    const char **partition_columns;
    size_t n_partition_columns;
    const char *description;    /* NULL: none */
    VEC(const char *) features; /* that must be in the protocol */
    int reader, writer;         /* at least; 0: whatever the features need */
    VEC(const char *) domains;  /* domainMetadata objects to go along */
    const char *metadata;       /* after lake_draft_finish: the action's object, NULL if unchanged */
    const char *protocol;
};
void lake_draft_init(struct lake_draft *d, struct arena *a, const struct lake_snapshot *base);
void lake_draft_release(struct lake_draft *d);
const char *lake_draft_property(const struct lake_draft *d, const char *key); /* NULL: not set */
bool lake_draft_is_on(const struct lake_draft *d, const char *key);
void lake_draft_set(struct lake_draft *d, const char *key, const char *value); /* NULL: unset */
void lake_draft_need(struct lake_draft *d, const char *feature);
/* Adds the features that the schema and the properties ask for, gives columns that have none their ids and physical
 * names (with column mapping), and writes both actions. `now_ms`: for a new table. */
IG_MUST_CHECK enum ig_code lake_draft_finish(struct lake_draft *d, struct env *env, struct error *err);
/* The metaData's object as the draft is now, of a table that is there. */
const char *lake_draft_metadata(struct lake_draft *d);
/* The snapshot as it would be with them; entries are shared. */
IG_MUST_CHECK enum ig_code lake_draft_snapshot(const struct lake_draft *d, struct lake_snapshot **out,
                                               struct error *err);

/* Is a column mapping on (mode name or id)? */
bool lake_draft_is_mapped(const struct lake_draft *d);
/* Checks a property that a user sets (IG_INVALID: an unknown one named delta.*, a bad value, one that only engines set)
 * and sets it; one of the kind delta.feature.X or delta.minWriterVersion raises the protocol instead. */
IG_MUST_CHECK enum ig_code lake_draft_user_property(struct lake_draft *d, const struct lake_property *p,
                                                    struct error *err);

/* "128mb", "134217728"; false if it is no size. */
bool lake_parse_size(const char *text, int64_t *bytes);

/* The protocol with the features added; NULL if it has them all. IG_UNSUPPORTED: one that we do not know. */
IG_MUST_CHECK enum ig_code lake_raise_protocol(struct arena *a, const struct lake_protocol *now,
                                               const char *const *features, size_t n, int reader, int writer,
                                               const char **out, struct error *err);

#endif
