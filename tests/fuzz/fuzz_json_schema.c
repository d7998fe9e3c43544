// links: registry
/* JSON Schemas: two of them and a value, with a NUL between. What is taken as a schema is taken again in its canonical
 * and its normal form; each can read itself; comparing and validating come to an end. */
#include "fuzz.h"
#include "registry/registry.h"

static struct str next(struct str *rest)
{
    const char *end = rest->n ? memchr(rest->p, '\0', rest->n) : NULL;
    const struct str part = {rest->p, end ? (size_t)(end - rest->p) : rest->n};

    *rest = (struct str){part.p + part.n + (end ? 1 : 0), rest->n - part.n - (end ? 1 : 0)};
    return part;
}

static struct schema *parse(struct str text)
{
    struct schema *s = NULL;
    struct error err = {0};

    if (schema_parse(SCHEMA_JSON, text, NULL, 0, &s, &err) != IG_OK)
        IG_ASSERT(!s && err.msg[0]);
    return s;
}

static void check_forms(const struct schema *s)
{
    struct schema *again;
    struct buf first, second;

    buf_init(&first, 0);
    buf_init(&second, 0);
    schema_canonical(s, &first);
    again = parse(buf_str(&first));
    IG_ASSERT(again);
    schema_canonical(again, &second);
    IG_ASSERT(str_eq(buf_str(&first), buf_str(&second)));
    schema_free(again);
    buf_clear(&first);
    schema_normalize(s, &first);
    again = parse(buf_str(&first));
    IG_ASSERT(again);
    schema_free(again);
    buf_release(&first);
    buf_release(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str rest = {(const char *)data, size};
    struct schema *a = parse(next(&rest)), *b = parse(next(&rest));
    struct schema_problems problems = {0};
    struct buf out;

    buf_init(&out, 0);
    if (a) {
        check_forms(a);
        (void)!schema_encode(a, rest, &out, NULL);
    }
    if (a && b) {
        const bool ok = schema_can_read(a, b, &problems);

        IG_ASSERT(ok == (problems.list.n == 0));
        IG_ASSERT(ok == schema_can_read(a, b, NULL));
    }
    schema_problems_free(&problems);
    buf_release(&out);
    schema_free(a);
    schema_free(b);
    return 0;
}
