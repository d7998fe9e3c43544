/*
 * Inside the REST API: one request on its way. Handlers are in rest_*.c, the table of routes in rest.c.
 */
#ifndef REGISTRY_REST_H
#define REGISTRY_REST_H

#include "registry/store.h"

#define REST_PARTS_MAX 3

struct rest {
    struct registry *r;
    struct arena *arena;              /* of the request */
    struct str parts[REST_PARTS_MAX]; /* what stood where the route has {} */
    struct str query;
    const struct json_node *body; /* NULL if there is none */
    struct buf *out;
    int status;           /* of a success; 200 unless set */
    int32_t formatted_id; /* of the schema whose text the query wants in another format ... */
    struct str formatted; /* ... and that text; p NULL: none */
    struct refusal why;
};

typedef int rest_fn(struct rest *x); /* 0, or the code of the refusal in x->why */

/* Of the query: decoded; p NULL if it is not there. */
struct str rest_param(struct rest *x, const char *name);
bool rest_flag(struct rest *x, const char *name);
/* offset and limit of a list: is item number `at` in it? */
struct rest_page {
    int64_t offset, limit; /* limit < 0: no end */
    int64_t at;
};
struct rest_page rest_page(struct rest *x);
bool rest_page_has(struct rest_page *page);
/* If the query has a format, makes that text of the schema, for rest_add_content and rest_text. Without `lock`. */
void rest_format(struct rest *x, int32_t id);
struct str rest_text(const struct rest *x, const struct entry *e);
void rest_add_content(struct rest *x, const struct entry *e);
/* The subject of the path: ":.:name" is "name". */
struct str rest_subject(struct rest *x, int part);
/* "latest" is -1. */
int rest_version(struct rest *x, struct str text, int32_t *out);
int rest_not_found(struct rest *x, struct str subject, int32_t version, bool subject_there);

/* The body as a registration under a subject. */
int rest_registration(struct rest *x, struct str subject, struct registration *out);
/* {"subject":..,"version":..,"id":..,"guid":..,...,"schema":...} of a version. */
void rest_add_version(struct rest *x, const struct subject *s, const struct version *v);

rest_fn rest_subjects, rest_lookup, rest_delete_subject, rest_versions, rest_register, rest_get_version,
    rest_get_version_schema, rest_delete_version, rest_referenced_by, rest_metadata;
rest_fn rest_schemas, rest_schema_by_id, rest_schema_text_by_id, rest_subjects_by_id, rest_versions_by_id,
    rest_schema_by_guid, rest_ids_by_guid, rest_types;
rest_fn rest_compatibility, rest_compatibility_version;
rest_fn rest_get_config, rest_put_config, rest_delete_config, rest_get_mode, rest_put_mode, rest_delete_mode;
rest_fn rest_root, rest_contexts, rest_cluster_id, rest_server_version;

#endif
