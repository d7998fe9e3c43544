#include "broker/acl.h"

#include <strings.h>

#define BIT(op) (1u << ACL_##op)

/* What may be done to each type of resource. */
static const uint32_t operations_of[ACL_RESOURCES] = {
    [ACL_TOPIC] = BIT(READ) | BIT(WRITE) | BIT(CREATE) | BIT(DELETE) | BIT(ALTER) | BIT(DESCRIBE) |
                  BIT(DESCRIBE_CONFIGS) | BIT(ALTER_CONFIGS),
    [ACL_GROUP] = BIT(READ) | BIT(DELETE) | BIT(DESCRIBE) | BIT(DESCRIBE_CONFIGS) | BIT(ALTER_CONFIGS),
    [ACL_CLUSTER] = BIT(CREATE) | BIT(ALTER) | BIT(DESCRIBE) | BIT(CLUSTER_ACTION) | BIT(DESCRIBE_CONFIGS) |
                    BIT(ALTER_CONFIGS) | BIT(IDEMPOTENT_WRITE),
    [ACL_TRANSACTIONAL_ID] = BIT(DESCRIBE) | BIT(WRITE),
    [ACL_DELEGATION_TOKEN] = BIT(DESCRIBE),
    [ACL_USER] = BIT(CREATE_TOKENS) | BIT(DESCRIBE_TOKENS),
};

/* Rules that allow one of these allow the operation. */
static const uint32_t implied_by[ACL_OPERATIONS] = {
    [ACL_DESCRIBE] = BIT(READ) | BIT(WRITE) | BIT(DELETE) | BIT(ALTER),
    [ACL_DESCRIBE_CONFIGS] = BIT(ALTER_CONFIGS),
};

static const char *const operation_names[ACL_OPERATIONS] = {
    [ACL_OPERATION_ALL] = "All",
    [ACL_READ] = "Read",
    [ACL_WRITE] = "Write",
    [ACL_CREATE] = "Create",
    [ACL_DELETE] = "Delete",
    [ACL_ALTER] = "Alter",
    [ACL_DESCRIBE] = "Describe",
    [ACL_CLUSTER_ACTION] = "ClusterAction",
    [ACL_DESCRIBE_CONFIGS] = "DescribeConfigs",
    [ACL_ALTER_CONFIGS] = "AlterConfigs",
    [ACL_IDEMPOTENT_WRITE] = "IdempotentWrite",
    [ACL_CREATE_TOKENS] = "CreateTokens",
    [ACL_DESCRIBE_TOKENS] = "DescribeTokens",
};

/* Sorted by type, pattern, name; then whatever makes them different. */
struct acls {
    VEC(struct acl) rules;
    size_t begin[ACL_RESOURCES][ACL_PATTERNS], end[ACL_RESOURCES][ACL_PATTERNS];
};

struct acls *acls_new(void)
{
    return check_calloc(1, sizeof(struct acls));
}

static void acl_release(struct acl *a)
{
    free((void *)(uintptr_t)a->name.p);
    free((void *)(uintptr_t)a->principal.p);
    free((void *)(uintptr_t)a->host.p);
}

void acls_free(struct acls *as)
{
    if (!as)
        return;
    for (size_t i = 0; i < as->rules.n; i++)
        acl_release(&as->rules.p[i]);
    vec_free(&as->rules);
    free(as);
}

size_t acls_count(const struct acls *as)
{
    return as->rules.n;
}

const struct acl *acls_at(const struct acls *as, size_t i)
{
    return &as->rules.p[i];
}

uint32_t acl_operations_of(enum acl_resource type)
{
    return operations_of[type];
}

enum acl_operation acl_operation_named(struct str name)
{
    for (int i = 0; i < ACL_OPERATIONS; i++) {
        if (operation_names[i] && strlen(operation_names[i]) == name.n &&
            strncasecmp(operation_names[i], name.p, name.n) == 0)
            return (enum acl_operation)i;
    }
    return ACL_OPERATION_UNKNOWN;
}

/* --- the set of rules --------------------------------------------------------------------------------------------- */

static int acl_cmp(const struct acl *a, const struct acl *b)
{
    int c = (int)a->type - (int)b->type;

    if (!c)
        c = (int)a->pattern - (int)b->pattern;
    if (!c)
        c = str_cmp(a->name, b->name);
    if (!c)
        c = str_cmp(a->principal, b->principal);
    if (!c)
        c = str_cmp(a->host, b->host);
    if (!c)
        c = (int)a->operation - (int)b->operation;
    return c ? c : (int)a->permission - (int)b->permission;
}

static void index_rules(struct acls *as)
{
    memset(as->begin, 0, sizeof(as->begin));
    memset(as->end, 0, sizeof(as->end));
    for (size_t i = 0; i < as->rules.n; i++) {
        const struct acl *a = &as->rules.p[i];

        if (as->end[a->type][a->pattern] == 0)
            as->begin[a->type][a->pattern] = i;
        as->end[a->type][a->pattern] = i + 1;
    }
}

const char *acl_problem(const struct acl *a)
{
    const char *colon = a->principal.n ? memchr(a->principal.p, ':', a->principal.n) : NULL;

    if (a->type <= ACL_RESOURCE_ANY || a->type >= ACL_RESOURCES)
        return "Invalid resource type";
    if (a->pattern != ACL_LITERAL && a->pattern != ACL_PREFIXED)
        return "Invalid resource pattern type";
    if (a->permission != ACL_ALLOW && a->permission != ACL_DENY)
        return "Invalid permission type";
    if (a->operation <= ACL_OPERATION_ANY || a->operation >= ACL_OPERATIONS)
        return "Invalid operation type";
    if (a->name.n == 0)
        return "Resource name should not be empty";
    if (a->type == ACL_CLUSTER && !str_is(a->name, ACL_CLUSTER_NAME))
        return "The only valid name for the CLUSTER resource is " ACL_CLUSTER_NAME;
    if (!colon || colon == a->principal.p || colon == a->principal.p + a->principal.n - 1)
        return "Could not parse principal: expected type and name, like User:alice";
    if (a->host.n == 0)
        return "The host is an address, or * for all";
    if (a->name.n > 32767 || a->principal.n > 32767 || a->host.n > 32767)
        return "Too long";
    return NULL;
}

static struct str copy(struct str s)
{
    char *p = check_calloc(1, s.n + 1);

    memcpy(p, s.p, s.n);
    return (struct str){p, s.n};
}

void acls_add(struct acls *as, const struct acl *a)
{
    size_t low = 0, high = as->rules.n;
    struct acl mine;

    while (low < high) {
        const size_t middle = (low + high) / 2;
        const int c = acl_cmp(&as->rules.p[middle], a);

        if (c == 0)
            return;
        if (c < 0)
            low = middle + 1;
        else
            high = middle;
    }
    mine = *a;
    mine.name = copy(a->name);
    mine.principal = copy(a->principal);
    mine.host = copy(a->host);
    vec_push(&as->rules, mine);
    memmove(&as->rules.p[low + 1], &as->rules.p[low], (as->rules.n - 1 - low) * sizeof(mine));
    as->rules.p[low] = mine;
    index_rules(as);
}

static bool is_prefix(struct str prefix, struct str s)
{
    return prefix.n <= s.n && memcmp(prefix.p, s.p, prefix.n) == 0;
}

static bool resource_matches(const struct acl *a, const struct acl *filter)
{
    if (filter->type != ACL_RESOURCE_ANY && filter->type != a->type)
        return false;
    if (filter->pattern != ACL_PATTERN_ANY && filter->pattern != ACL_PATTERN_MATCH && filter->pattern != a->pattern)
        return false;
    if (!filter->name.p)
        return true;
    if (filter->pattern != ACL_PATTERN_MATCH)
        return str_eq(filter->name, a->name);
    if (a->pattern == ACL_PREFIXED)
        return is_prefix(a->name, filter->name);
    return str_eq(filter->name, a->name) || str_is(a->name, "*");
}

bool acl_matches(const struct acl *a, const struct acl *filter)
{
    return resource_matches(a, filter) && (!filter->principal.p || str_eq(filter->principal, a->principal)) &&
           (!filter->host.p || str_eq(filter->host, a->host)) &&
           (filter->operation == ACL_OPERATION_ANY || filter->operation == a->operation) &&
           (filter->permission == ACL_PERMISSION_ANY || filter->permission == a->permission);
}

size_t acls_remove(struct acls *as, const struct acl *filter)
{
    size_t kept = 0, removed;

    for (size_t i = 0; i < as->rules.n; i++) {
        if (!as->rules.p[i].fixed && acl_matches(&as->rules.p[i], filter))
            acl_release(&as->rules.p[i]);
        else
            as->rules.p[kept++] = as->rules.p[i];
    }
    removed = as->rules.n - kept;
    as->rules.n = kept;
    index_rules(as);
    return removed;
}

void acls_remove_all(struct acls *as)
{
    const struct acl all = {.type = ACL_RESOURCE_ANY,
                            .pattern = ACL_PATTERN_ANY,
                            .operation = ACL_OPERATION_ANY,
                            .permission = ACL_PERMISSION_ANY};

    (void)acls_remove(as, &all);
}

/* --- decisions ------------------------------------------------------------------------------------------------------
 */

struct question {
    const struct acls *as;
    const struct acl_subject *who;
    enum acl_operation op;
    bool any, allowed, denied; /* rules that were found: of the resource at all; for us */
};

static bool is_for(const struct acl *a, const struct acl_subject *who)
{
    return (str_eq(a->principal, who->principal) || str_is(a->principal, ACL_ANYBODY)) &&
           (str_is(a->host, "*") || str_eq(a->host, who->host));
}

static bool covers(const struct acl *a, enum acl_operation op)
{
    if (a->operation == ACL_OPERATION_ALL || a->operation == op)
        return true;
    return a->permission == ACL_ALLOW && implied_by[op] & 1u << a->operation;
}

static void ask(struct question *q, const struct acl *a)
{
    q->any = true;
    if (!is_for(a, q->who) || !covers(a, q->op))
        return;
    if (a->permission == ACL_DENY)
        q->denied = true;
    else
        q->allowed = true;
}

/* All rules of one type, pattern and name. */
static void ask_about(struct question *q, enum acl_resource type, enum acl_pattern pattern, struct str name)
{
    const struct acl *rules = q->as->rules.p;
    size_t low = q->as->begin[type][pattern], high = q->as->end[type][pattern];
    const size_t end = high;

    while (low < high) {
        const size_t middle = (low + high) / 2;

        if (str_cmp(rules[middle].name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < end && str_eq(rules[low].name, name); low++)
        ask(q, &rules[low]);
}

static void ask_all(struct question *q, enum acl_resource type, struct str name)
{
    ask_about(q, type, ACL_LITERAL, name);
    if (!str_is(name, "*"))
        ask_about(q, type, ACL_LITERAL, STR("*"));
    if (q->as->end[type][ACL_PREFIXED] == 0)
        return;
    for (size_t n = 1; n <= name.n; n++)
        ask_about(q, type, ACL_PREFIXED, (struct str){name.p, n});
}

enum acl_verdict acls_decide(const struct acls *as, const struct acl_subject *who, enum acl_operation op,
                             enum acl_resource type, struct str name)
{
    struct question q = {.as = as, .who = who, .op = op};

    if (as->rules.n == 0)
        return ACL_NO_RULE;
    ask_all(&q, type, name);
    if (!q.any)
        return ACL_NO_RULE;
    return q.allowed && !q.denied ? ACL_ALLOWED : ACL_REFUSED;
}

/* Is everything that `a` allows denied by another rule? */
static bool is_overruled(const struct acls *as, const struct acl *a, const struct acl_subject *who,
                         enum acl_operation op)
{
    for (size_t i = 0; i < as->rules.n; i++) {
        const struct acl *d = &as->rules.p[i];

        if (d->permission != ACL_DENY || d->type != a->type || !is_for(d, who) || !covers(d, op))
            continue;
        if (d->pattern == ACL_LITERAL &&
            (str_is(d->name, "*") || (a->pattern == ACL_LITERAL && str_eq(d->name, a->name))))
            return true;
        if (d->pattern == ACL_PREFIXED && !(a->pattern == ACL_LITERAL && str_is(a->name, "*")) &&
            is_prefix(d->name, a->name))
            return true;
    }
    return false;
}

enum acl_verdict acls_decide_any(const struct acls *as, const struct acl_subject *who, enum acl_operation op,
                                 enum acl_resource type)
{
    const struct acl everything = {.type = type, .pattern = ACL_LITERAL, .name = {"*", 1}};

    for (size_t i = 0; i < as->rules.n; i++) {
        const struct acl *a = &as->rules.p[i];

        if (a->type == type && a->permission == ACL_ALLOW && is_for(a, who) && covers(a, op) &&
            !is_overruled(as, a, who, op))
            return ACL_ALLOWED;
    }
    return is_overruled(as, &everything, who, op) ? ACL_REFUSED : ACL_NO_RULE;
}
