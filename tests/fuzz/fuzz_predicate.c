// links: lake
/* A predicate, byte 0, and a file's statistics: any text is parsed, and says something of the file or nothing. What a
 * predicate and its NOT say of a file fit together. */
#include "fuzz.h"
#include "lake/read/predicate.h"

static const char schema[] =
    "{\"type\":\"struct\",\"fields\":[{\"name\":\"a\",\"type\":\"long\"},{\"name\":\"b\",\"type\":\"string\"},"
    "{\"name\":\"c\",\"type\":\"double\"},{\"name\":\"d\",\"type\":\"date\"},{\"name\":\"t\",\"type\":\"timestamp\"},"
    "{\"name\":\"n\",\"type\":\"decimal(10,2)\"},{\"name\":\"f\",\"type\":\"boolean\"},{\"name\":\"s\",\"type\":"
    "{\"type\":\"struct\",\"fields\":[{\"name\":\"x\",\"type\":\"integer\"}]}}]}";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *nul = size ? memchr(data, 0, size) : NULL;
    const size_t n = nul ? (size_t)(nul - data) : size;
    struct lake_snapshot s = {0};
    struct lake_entry e = {0};
    struct predicate negated = {.kind = PREDICATE_NOT};
    const struct predicate *p;
    struct buf stats;
    struct arena a;
    unsigned one, other;

    arena_init(&a);
    buf_init(&stats, 0);
    IG_ASSERT(!schema_of_json(&a, str_of(schema), &s.metadata.schema, NULL));
    p = predicate_parse(&a, &s, arena_strndup(&a, (const char *)data, n));
    IG_ASSERT(p != NULL);
    if (nul)
        buf_add(&stats, nul + 1, size - n - 1);
    one = predicate_outcomes_of_stats(p, &e, buf_str(&stats));
    negated.left = p;
    other = predicate_outcomes_of_stats(&negated, &e, buf_str(&stats));
    IG_ASSERT(!(one & PREDICATE_MAY_BE_TRUE) == !(other & PREDICATE_MAY_BE_FALSE));
    IG_ASSERT(!(one & PREDICATE_MAY_BE_FALSE) == !(other & PREDICATE_MAY_BE_TRUE));
    buf_release(&stats);
    arena_release(&a);
    return 0;
}
