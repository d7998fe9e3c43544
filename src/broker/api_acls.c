/* DescribeAcls, CreateAcls, DeleteAcls. */
#include "broker/broker_internal.h"
#include "broker/security.h"

#include <stdlib.h>

static struct str kept(struct request *r, struct str s)
{
    return s.p ? arena_str(&r->arena, s) : s;
}

static struct acl filter_of(const struct wire_acl_filter *in)
{
    return (struct acl){.type = (enum acl_resource)in->resource_type,
                        .pattern = (enum acl_pattern)in->pattern_type,
                        .operation = (enum acl_operation)in->operation,
                        .permission = (enum acl_permission)in->permission_type,
                        .name = in->resource_name,
                        .principal = in->principal,
                        .host = in->host};
}

/* NULL, or what is wrong with a filter. */
static const char *filter_problem(const struct acl *f)
{
    if ((int)f->type <= ACL_RESOURCE_UNKNOWN || f->type >= ACL_RESOURCES)
        return "Unknown resource type";
    if ((int)f->pattern <= ACL_PATTERN_UNKNOWN || f->pattern >= ACL_PATTERNS)
        return "Unknown resource pattern type";
    if ((int)f->operation <= ACL_OPERATION_UNKNOWN || f->operation >= ACL_OPERATIONS)
        return "Unknown operation";
    if ((int)f->permission <= ACL_PERMISSION_UNKNOWN || f->permission >= ACL_PERMISSIONS)
        return "Unknown permission type";
    return NULL;
}

/* --- DescribeAcls ---------------------------------------------------------------------------------------------- */

static bool same_resource(const struct acl *a, const struct acl *b)
{
    return a->type == b->type && a->pattern == b->pattern && str_eq(a->name, b->name);
}

/* Rules are sorted by resource: those of one stand together. */
static void describe(struct request *r, const struct acls *as, const struct acl *filter,
                     struct wire_describe_acls_response *response)
{
    const struct acl **found = ARENA_ARRAY(&r->arena, const struct acl *, acls_count(as) + 1);
    size_t n = 0, n_resources = 0;

    for (size_t i = 0; i < acls_count(as); i++) {
        if (!acl_matches(acls_at(as, i), filter))
            continue;
        n_resources += n == 0 || !same_resource(found[n - 1], acls_at(as, i));
        found[n++] = acls_at(as, i);
    }
    RESPONSE_ITEMS(r, response->resources, acl_resource, n_resources);
    for (size_t i = 0, k = 0; i < n; k++) {
        struct wire_acl_resource *out = &response->resources.p[k];
        size_t end = i;

        while (end < n && same_resource(found[i], found[end]))
            end++;
        out->resource_type = (int8_t)found[i]->type;
        out->resource_name = kept(r, found[i]->name);
        out->pattern_type = (int8_t)found[i]->pattern;
        RESPONSE_ITEMS(r, out->acls, acl_description, end - i);
        for (size_t at = 0; i < end; i++, at++)
            out->acls.p[at] = (struct wire_acl_description){kept(r, found[i]->principal), kept(r, found[i]->host),
                                                            (int8_t)found[i]->operation, (int8_t)found[i]->permission};
    }
}

void api_describe_acls(struct request *r)
{
    const struct wire_describe_acls_request *in = r->body;
    struct wire_describe_acls_response *response = RESPONSE_NEW(r, describe_acls_response);
    const struct wire_acl_filter same = {in->resource_type, in->resource_name, in->pattern_type,   in->principal,
                                         in->host,          in->operation,     in->permission_type};
    const struct acl filter = filter_of(&same);
    const char *problem = filter_problem(&filter);

    if (!request_may_cluster(r, ACL_DESCRIBE)) {
        response->error_code = KAFKA_CLUSTER_AUTHORIZATION_FAILED;
    } else if (problem) {
        response->error_code = KAFKA_INVALID_REQUEST;
        response->error_message = str_of(problem);
    } else {
        describe(r, r->b->security->acls, &filter, response);
    }
    request_answer(r, response);
}

/* --- CreateAcls -------------------------------------------------------------------------------------------------- */

static struct acl rule_of(const struct wire_acl_creation *in)
{
    return (struct acl){.type = (enum acl_resource)in->resource_type,
                        .pattern = (enum acl_pattern)in->pattern_type,
                        .operation = (enum acl_operation)in->operation,
                        .permission = (enum acl_permission)in->permission_type,
                        .name = in->resource_name,
                        .principal = in->principal,
                        .host = in->host};
}

static void fail_creations(struct wire_create_acls_response *response, int16_t error, struct str why)
{
    for (int32_t i = 0; i < response->results.n; i++) {
        if (response->results.p[i].error_code == KAFKA_OK)
            response->results.p[i] = (struct wire_acl_creation_result){error, why};
    }
}

static void create(struct request *r, const struct wire_create_acls_request *in,
                   struct wire_create_acls_response *response)
{
    struct security *s = r->b->security;
    struct error err;
    size_t n = 0;

    for (int32_t i = 0; i < in->creations.n; i++) {
        const struct acl rule = rule_of(&in->creations.p[i]);
        const char *problem = acl_problem(&rule);

        if (problem) {
            response->results.p[i] = (struct wire_acl_creation_result){KAFKA_INVALID_REQUEST, str_of(problem)};
            continue;
        }
        acls_add(s->acls, &rule);
        n++;
    }
    if (n > 0 && security_save(s, &err)) {
        log_error(r->b->env, "broker", "access rules: %s", err.msg);
        fail_creations(response, KAFKA_STORAGE_ERROR, STR("the rules could not be written to the disk"));
    }
}

void api_create_acls(struct request *r)
{
    const struct wire_create_acls_request *in = r->body;
    struct wire_create_acls_response *response = RESPONSE_NEW(r, create_acls_response);

    RESPONSE_ITEMS(r, response->results, acl_creation_result, in->creations.n > 0 ? in->creations.n : 0);
    if (request_may_cluster(r, ACL_ALTER))
        create(r, in, response);
    else
        fail_creations(response, KAFKA_CLUSTER_AUTHORIZATION_FAILED, (struct str){NULL, 0});
    request_answer(r, response);
}

/* --- DeleteAcls ----------------------------------------------------------------------------------------------------
 */

static void list_deleted(struct request *r, const struct acls *as, const struct acl *filter,
                         struct wire_delete_acls_result *out)
{
    RESPONSE_ITEMS(r, out->matching_acls, deleted_acl, acls_count(as));
    out->matching_acls.n = 0;
    for (size_t i = 0; i < acls_count(as); i++) {
        const struct acl *a = acls_at(as, i);
        struct wire_deleted_acl *d = &out->matching_acls.p[out->matching_acls.n];

        if (!acl_matches(a, filter))
            continue;
        out->matching_acls.n++;
        d->resource_type = (int8_t)a->type;
        d->resource_name = kept(r, a->name);
        d->pattern_type = (int8_t)a->pattern;
        d->principal = kept(r, a->principal);
        d->host = kept(r, a->host);
        d->operation = (int8_t)a->operation;
        d->permission_type = (int8_t)a->permission;
        if (a->fixed) {
            d->error_code = KAFKA_INVALID_REQUEST;
            d->error_message = STR("this rule stands in the broker's configuration, and is removed there");
        }
    }
}

static void fail_deletions(struct wire_delete_acls_response *response, int16_t error, struct str why)
{
    for (int32_t i = 0; i < response->filter_results.n; i++) {
        response->filter_results.p[i].error_code = error;
        response->filter_results.p[i].error_message = why;
        response->filter_results.p[i].matching_acls.n = 0;
    }
}

static void delete_rules(struct request *r, const struct wire_delete_acls_request *in,
                         struct wire_delete_acls_response *response)
{
    struct security *s = r->b->security;
    struct error err;
    size_t n = 0;

    for (int32_t i = 0; i < in->filters.n; i++) {
        const struct acl filter = filter_of(&in->filters.p[i]);
        struct wire_delete_acls_result *out = &response->filter_results.p[i];
        const char *problem = filter_problem(&filter);

        if (problem) {
            out->error_code = KAFKA_INVALID_REQUEST;
            out->error_message = str_of(problem);
            continue;
        }
        list_deleted(r, s->acls, &filter, out);
    }
    for (int32_t i = 0; i < in->filters.n; i++) {
        const struct acl filter = filter_of(&in->filters.p[i]);

        if (!filter_problem(&filter))
            n += acls_remove(s->acls, &filter);
    }
    if (n > 0 && security_save(s, &err)) {
        log_error(r->b->env, "broker", "access rules: %s", err.msg);
        fail_deletions(response, KAFKA_STORAGE_ERROR, STR("the rules could not be written to the disk"));
    }
}

void api_delete_acls(struct request *r)
{
    const struct wire_delete_acls_request *in = r->body;
    struct wire_delete_acls_response *response = RESPONSE_NEW(r, delete_acls_response);

    RESPONSE_ITEMS(r, response->filter_results, delete_acls_result, in->filters.n > 0 ? in->filters.n : 0);
    if (request_may_cluster(r, ACL_ALTER))
        delete_rules(r, in, response);
    else
        fail_deletions(response, KAFKA_CLUSTER_AUTHORIZATION_FAILED, (struct str){NULL, 0});
    request_answer(r, response);
}
