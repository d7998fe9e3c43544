/* DescribeClientQuotas, AlterClientQuotas. */
#include "broker/broker_internal.h"
#include "broker/security.h"

enum match { MATCH_EXACT, MATCH_DEFAULT, MATCH_SPECIFIED };

static int part_named(struct str name)
{
    for (int i = 0; i < QUOTA_PARTS; i++) {
        if (str_is(name, quota_part_names[i]))
            return i;
    }
    return -1;
}

static int kind_named(struct str name)
{
    for (int i = 0; i < QUOTA_KINDS; i++) {
        if (str_is(name, quota_names[i]))
            return i;
    }
    return -1;
}

/* --- describe
 * ---------------------------------------------------------------------------------------------------------- */

/* What is asked of each part of an entity. */
struct wanted {
    const struct wire_quota_component *part[QUOTA_PARTS];
    bool strict;
};

static const char *read_wanted(const struct wire_describe_quotas_request *in, struct wanted *out)
{
    *out = (struct wanted){.strict = in->strict};
    for (int32_t i = 0; i < in->components.n; i++) {
        const struct wire_quota_component *c = &in->components.p[i];
        const int part = part_named(c->entity_type);

        if (c->entity_type.n == 0)
            return "Unexpected empty entity type";
        if (part < 0)
            return NULL; /* an entity that nobody has */
        if (out->part[part])
            return "Duplicate filter component of one entity type";
        if (c->match_type < MATCH_EXACT || c->match_type > MATCH_SPECIFIED)
            return "Unexpected match type";
        if (c->match_type == MATCH_EXACT && !c->match.p)
            return "Request specified MATCH_TYPE_EXACT, but set match string to null";
        if (c->match_type != MATCH_EXACT && c->match.p)
            return "Request specified a match type that takes no name, but gave one";
        out->part[part] = c;
    }
    if (out->part[QUOTA_ADDRESS] && (out->part[QUOTA_USER] || out->part[QUOTA_CLIENT]))
        return "Invalid entity filter component combination, IP filter component should not be used with user or "
               "clientId filter component.";
    return NULL;
}

static bool is_wanted(const struct wanted *w, const struct quota_entity *e)
{
    for (size_t i = 0; i < QUOTA_PARTS; i++) {
        const struct wire_quota_component *c = w->part[i];

        if (!c) {
            if (w->strict && e->part[i].p)
                return false;
            continue;
        }
        if (!e->part[i].p || (c->match_type == MATCH_DEFAULT && !e->is_default[i]) ||
            (c->match_type == MATCH_EXACT && (e->is_default[i] || !str_eq(e->part[i], c->match))))
            return false;
    }
    return true;
}

static int64_t bits_of(double v)
{
    int64_t bits;

    memcpy(&bits, &v, sizeof(bits));
    return bits;
}

static void describe_quota(struct request *r, const struct quota *q, struct wire_quota_entry *out)
{
    RESPONSE_ITEMS(r, out->entity, quota_entity, QUOTA_PARTS);
    out->entity.n = 0;
    for (size_t i = 0; i < QUOTA_PARTS; i++) {
        if (!q->entity.part[i].p)
            continue;
        out->entity.p[out->entity.n++] = (struct wire_quota_entity){
            str_of(quota_part_names[i]),
            q->entity.is_default[i] ? (struct str){NULL, 0} : arena_str(&r->arena, q->entity.part[i])};
    }
    RESPONSE_ITEMS(r, out->values, quota_value, QUOTA_KINDS);
    out->values.n = 0;
    for (size_t k = 0; k < QUOTA_KINDS; k++) {
        if (q->limit[k] > 0)
            out->values.p[out->values.n++] = (struct wire_quota_value){str_of(quota_names[k]), bits_of(q->limit[k])};
    }
}

void api_describe_quotas(struct request *r)
{
    const struct wire_describe_quotas_request *in = r->body;
    struct wire_describe_quotas_response *response = RESPONSE_NEW(r, describe_quotas_response);
    const struct quotas *qs = r->b->security->quotas;
    bool foreign = false;
    struct wanted wanted;
    const char *problem = read_wanted(in, &wanted);

    for (int32_t i = 0; i < in->components.n; i++)
        foreign |= part_named(in->components.p[i].entity_type) < 0;
    if (!request_may_cluster(r, ACL_DESCRIBE_CONFIGS)) {
        response->error_code = KAFKA_CLUSTER_AUTHORIZATION_FAILED;
        response->entries.n = -1;
    } else if (problem || foreign) {
        response->error_code = (int16_t)(problem ? KAFKA_INVALID_REQUEST : KAFKA_UNSUPPORTED_VERSION);
        response->error_message = str_of(problem ? problem : "Custom entity types are not supported");
        response->entries.n = -1;
    } else {
        RESPONSE_ITEMS(r, response->entries, quota_entry, quotas_count(qs));
        response->entries.n = 0;
        for (size_t i = 0; i < quotas_count(qs); i++) {
            if (is_wanted(&wanted, &quotas_at(qs, i)->entity))
                describe_quota(r, quotas_at(qs, i), &response->entries.p[response->entries.n++]);
        }
    }
    request_answer(r, response);
}

/* --- alter
 * --------------------------------------------------------------------------------------------------------------- */

static const char *read_entity(const struct wire_quota_alteration *in, struct quota_entity *e)
{
    *e = (struct quota_entity){0};
    for (int32_t i = 0; i < in->entity.n; i++) {
        const int part = part_named(in->entity.p[i].entity_type);
        const struct str name = in->entity.p[i].entity_name;

        if (part < 0)
            return "Unhandled client quota entity type";
        if (e->part[part].p)
            return "Duplicate entity type";
        if (name.p && name.n == 0)
            return "Empty entity name is not supported";
        e->is_default[part] = !name.p;
        e->part[part] = name.p ? name : STR("");
    }
    return NULL;
}

static double value_of(const struct wire_quota_operation *op)
{
    double v;

    memcpy(&v, &op->value_bits, sizeof(v));
    return v;
}

static const char *check_entry(const struct quotas *qs, const struct wire_quota_alteration *in, struct quota_entity *e)
{
    const char *problem = read_entity(in, e);
    const struct quota *q;

    if (problem)
        return problem;
    q = quotas_find(qs, e);
    if (q && q->fixed)
        return "This quota stands in the broker's configuration, and is changed there";
    for (int32_t i = 0; i < in->ops.n; i++) {
        const int kind = kind_named(in->ops.p[i].key);

        if (kind < 0)
            return "Invalid configuration key";
        problem = quota_problem(e, (enum quota_kind)kind, in->ops.p[i].remove ? 1 : value_of(&in->ops.p[i]));
        if (problem)
            return problem;
    }
    return NULL;
}

static void alter(struct request *r, const struct wire_alter_quotas_request *in,
                  struct wire_alter_quotas_response *response)
{
    struct security *s = r->b->security;
    struct quota_entity e;
    struct error err;
    size_t n = 0;

    for (int32_t i = 0; i < in->entries.n; i++) {
        const struct wire_quota_alteration *entry = &in->entries.p[i];
        const char *problem = check_entry(s->quotas, entry, &e);

        if (problem) {
            response->entries.p[i].error_code = KAFKA_INVALID_REQUEST;
            response->entries.p[i].error_message = str_of(problem);
            continue;
        }
        for (int32_t k = 0; !in->validate_only && k < entry->ops.n; k++) {
            const struct wire_quota_operation *op = &entry->ops.p[k];

            quotas_set(s->quotas, &e, (enum quota_kind)kind_named(op->key), op->remove ? 0 : value_of(op), false);
            n++;
        }
    }
    if (n == 0 || security_save(s, &err) == IG_OK)
        return;
    log_error(r->b->env, "broker", "quotas: %s", err.msg);
    for (int32_t i = 0; i < response->entries.n; i++) {
        if (!response->entries.p[i].error_code)
            response->entries.p[i].error_code = KAFKA_STORAGE_ERROR;
    }
}

void api_alter_quotas(struct request *r)
{
    const struct wire_alter_quotas_request *in = r->body;
    struct wire_alter_quotas_response *response = RESPONSE_NEW(r, alter_quotas_response);
    const bool may = request_may_cluster(r, ACL_ALTER_CONFIGS);

    RESPONSE_ITEMS(r, response->entries, alter_quotas_result, in->entries.n > 0 ? in->entries.n : 0);
    for (int32_t i = 0; i < in->entries.n; i++) {
        response->entries.p[i].entity.p = in->entries.p[i].entity.p;
        response->entries.p[i].entity.n = in->entries.p[i].entity.n;
        if (!may)
            response->entries.p[i].error_code = KAFKA_CLUSTER_AUTHORIZATION_FAILED;
    }
    if (may)
        alter(r, in, response);
    request_answer(r, response);
}
