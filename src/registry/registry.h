/*
 * The schema registry: subjects, their versions, and schemas by id, as Confluent's Schema Registry has them. What it
 * knows is in the compacted topic `_schemas` of the log, in the record format of Confluent's own, so it is as durable
 * as the log, and several processes over one log agree.
 *
 * A struct registry is either such a one (registry_open) or a client of one elsewhere (registry_open_url); the
 * functions for clients work on both. Any thread.
 */
#ifndef REGISTRY_REGISTRY_H
#define REGISTRY_REGISTRY_H

#include "log/log.h"
#include "registry/schema.h"

#define REGISTRY_TOPIC "_schemas"
#define REGISTRY_CHANGES_TOPIC "schema-changes" /* says what changed, by subject; compacted */

struct registry;

/* Over the log: makes the topics if they are not there, and reads what there is. IG_UNAVAILABLE if the log does not
 * answer within `limit_ms`. The client must outlive it. */
IG_MUST_CHECK enum ig_code registry_open(struct env *env, struct log_client *log, int64_t limit_ms,
                                         struct registry **out, struct error *err);
/* http(s)://[USER:PASSWORD@]HOST:PORT[/PATH]. No connection is made yet. Messages never hold the password. */
IG_MUST_CHECK enum ig_code registry_open_url(struct env *env, const char *url, struct registry **out,
                                             struct error *err);
void registry_close(struct registry *r); /* NULL is fine */

/* --- for clients ------------------------------------------------------------------------------------- */

/* The schema of an id, with all that it refers to: parsed once, and there until registry_close. IG_NOT_FOUND. */
IG_MUST_CHECK enum ig_code registry_schema_by_id(struct registry *r, int32_t id, const struct schema **out,
                                                 struct error *err);

/* The same of a subject's version (-1: the latest one), and its id. */
IG_MUST_CHECK enum ig_code registry_schema_by_version(struct registry *r, const char *subject, int32_t version,
                                                      int32_t *id, const struct schema **out, struct error *err);

/* A schema to be registered under a subject. */
struct registry_candidate {
    const char *subject;
    enum schema_type type;
    struct str text;
    const char *compatibility; /* NULL: what the subject or the registry has; otherwise set for the subject first */
    bool lenient;              /* with it: compatibilityPolicy LENIENT */
};
/* Registers, if it is not there yet. IG_CONFLICT if it is incompatible with what is there: `reasons` (may be NULL) gets
 * a line for each; IG_INVALID if it is no schema. */
IG_MUST_CHECK enum ig_code registry_register(struct registry *r, const struct registry_candidate *c, int32_t *id,
                                             int32_t *version, struct buf *reasons, struct error *err);
/* Would it be registered? The same answers, and nothing changes. */
IG_MUST_CHECK enum ig_code registry_check(struct registry *r, const struct registry_candidate *c, struct buf *reasons,
                                          struct error *err);
/* The texts of a subject's versions, oldest first, each followed by a NUL. IG_NOT_FOUND if there is no such subject. */
IG_MUST_CHECK enum ig_code registry_versions(struct registry *r, const char *subject, struct buf *texts,
                                             struct error *err);

/* Is a new schema compatible with earlier ones (oldest first), at a level (NONE, BACKWARD, ... FULL_TRANSITIVE)? For
 * those who keep the earlier ones themselves. `reasons` gets a line for each reason why not. */
#define REGISTRY_DEFAULT_COMPATIBILITY "FULL_TRANSITIVE"
bool registry_level_known(struct str level);
bool registry_compatible(struct str level, bool lenient, const struct schema *schema,
                         const struct schema *const *earlier, size_t n, struct buf *reasons);

/* --- the REST API, for who serves it ----------------------------------------------------------------- */

struct registry_request {
    struct str method; /* "GET", ... */
    struct str target; /* path and query as they came, still percent-encoded */
    struct str body;
};
struct registry_response {
    int status;
    struct buf body; /* JSON; the caller inits and releases it */
};
#define REGISTRY_MEDIA_TYPE "application/vnd.schemaregistry.v1+json"

/* Answers a request. `r` is one over a log. */
void registry_serve(struct registry *r, const struct registry_request *request, struct registry_response *response);

#endif
