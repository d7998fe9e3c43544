/*
 * The seven levels of compatibility: which earlier versions, and who must be able to read whom.
 */
#include "registry/store.h"

static const struct {
    bool backward, forward, all;
} RULES[] = {
    [LEVEL_NONE] = {false, false, false},
    [LEVEL_BACKWARD] = {true, false, false}, /* the new schema reads what was written with the last one */
    [LEVEL_BACKWARD_TRANSITIVE] = {true, false, true},
    [LEVEL_FORWARD] = {false, true, false}, /* the last one reads what is written with the new */
    [LEVEL_FORWARD_TRANSITIVE] = {false, true, true},
    [LEVEL_FULL] = {true, true, false},
    [LEVEL_FULL_TRANSITIVE] = {true, true, true},
    [LEVEL_UNSET] = {true, true, true},
};

static void tell_earlier(struct schema_problems *problems, const struct earlier *old)
{
    struct buf b;

    if (!problems)
        return;
    if (old->version > 0)
        schema_problem(problems, "{oldSchemaVersion: %d}", old->version);
    buf_init(&b, 0);
    buf_puts(&b, "{oldSchema: '");
    schema_canonical(old->schema, &b);
    buf_puts(&b, "'}");
    vec_push(&problems->list, buf_take(&b));
}

static bool check_one(enum level level, const struct schema *schema, const struct earlier *old,
                      struct schema_problems *problems)
{
    const bool same_type = schema_type(schema) == schema_type(old->schema);
    bool ok = true;

    if (!same_type) {
        schema_problem(problems, "Incompatible because of different schema type");
        ok = false;
    }
    if (same_type && RULES[level].backward) {
        if (problems)
            problems->reader = "new", problems->writer = "old";
        ok = schema_can_read(schema, old->schema, problems) && ok;
    }
    if (same_type && RULES[level].forward) {
        if (problems)
            problems->reader = "old", problems->writer = "new";
        ok = schema_can_read(old->schema, schema, problems) && ok;
    }
    if (!ok)
        tell_earlier(problems, old);
    return ok;
}

bool compatible(enum level level, const struct schema *schema, const struct earlier *earlier, size_t n,
                struct schema_problems *problems)
{
    if (level == LEVEL_NONE)
        return true;
    for (size_t i = n; i > 0 && (RULES[level].all || i == n); i--) {
        if (check_one(level, schema, &earlier[i - 1], problems))
            continue;
        if (problems)
            schema_problem(problems, "{validateFields: 'false', compatibility: '%s'}", level_name(level));
        return false;
    }
    return true;
}

bool registry_level_known(struct str level)
{
    return level_of(level) != LEVEL_UNSET;
}

bool registry_compatible(struct str level, bool lenient, const struct schema *schema,
                         const struct schema *const *earlier, size_t n, struct buf *reasons)
{
    struct schema_problems problems = {.lenient = lenient};
    VEC(struct earlier) list = {0};
    bool ok;

    for (size_t i = 0; i < n; i++) {
        const struct earlier e = {earlier[i], (int32_t)i + 1};

        vec_push(&list, e);
    }
    ok = compatible(level_of(level), schema, list.p, n, &problems);
    for (size_t i = 0; i < problems.list.n; i++) {
        buf_puts(reasons, problems.list.p[i]);
        buf_putc(reasons, '\n');
    }
    schema_problems_free(&problems);
    vec_free(&list);
    return ok;
}
