/*
 * Delta's table features: which there are, when a table has one, when it uses it, and what we do then. This table is
 * the only place that decides whether a table is read or written.
 *
 * A table has a feature if its protocol lists it, or if its protocol's version comes with it (reader 1 and 2, writer 1
 * to 6). Some features bind nobody until they are in use: an allowed column mapping of mode "none", say. A feature that
 * is not in the table is unknown to us: a table that lists it is refused.
 */
#ifndef LAKE_FEATURES_H
#define LAKE_FEATURES_H

#include "lake/lake_internal.h"

/* Who is there already may stay: a table that has it without using it is taken. */
enum lake_support { LAKE_NO, LAKE_IF_UNUSED, LAKE_YES };

struct lake_feature {
    const char *name;
    int reader; /* the reader version that has it unlisted; 3: only listed; 0: of no matter to readers */
    int writer; /* the same for writers; 7: only listed */
    enum lake_support read, write;
    bool (*in_use)(const struct lake_snapshot *s); /* NULL: whenever it is there */
    const char *property;                          /* that turns it on by "true"; NULL: none does */
    const char *needs;                             /* a feature that must be there too; NULL: none */
};

/* All of them; *n is their number. */
const struct lake_feature *lake_features(size_t *n);
const struct lake_feature *lake_feature_find(struct str name); /* NULL if unknown */

/* Does the protocol have the feature? */
bool lake_has(const struct lake_protocol *p, const struct lake_feature *f);
/* Has the table the feature of this name, and is it in use? The name must be one of the table above. */
bool lake_uses(const struct lake_snapshot *s, const char *name);
/* Is a property "true"? */
bool lake_is_on(const struct lake_snapshot *s, const char *property);

/* Of the protocol alone: do we know all that a reader must? IG_UNSUPPORTED names the feature. */
IG_MUST_CHECK enum ig_code lake_check_protocol(const struct lake_protocol *p, struct error *err);
/* And of what the table uses. */
IG_MUST_CHECK enum ig_code lake_check_readable(const struct lake_snapshot *s, struct error *err);
/* Does the table take writes from us? `removes`: also such as remove rows (IG_INVALID if it is append-only). */
IG_MUST_CHECK enum ig_code lake_check_writable(const struct lake_snapshot *s, bool removes, struct error *err);
/* May files be removed that the table does not name? So also where rows are written in a way that is not ours
 * (variants, Iceberg's, collations): what keeps files is known. */
IG_MUST_CHECK enum ig_code lake_check_cleanable(const struct lake_snapshot *s, struct error *err);
/* IG_UNSUPPORTED, naming the feature, if it is in use: for an operation that would not honour it. */
IG_MUST_CHECK enum ig_code lake_refuse_use(const struct lake_snapshot *s, const char *name, const char *what,
                                           struct error *err);

#endif
