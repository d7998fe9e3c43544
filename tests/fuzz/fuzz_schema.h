/* What must hold for any schema of a binary format, and any value. The input is the schema's text, a NUL, and bytes. */
#ifndef FUZZ_FUZZ_SCHEMA_H
#define FUZZ_FUZZ_SCHEMA_H

#include "fuzz.h"
#include "registry/schema.h"

#include <stdio.h>
#include <stdlib.h>

/* A text that came out of a schema is a schema, and comes out of that again. */
static void print_again(enum schema_type type, const struct schema *s, bool normal)
{
    struct buf first, second;
    struct schema *again;
    struct error err;

    buf_init(&first, 0);
    buf_init(&second, 0);
    (normal ? schema_normalize : schema_canonical)(s, &first);
    if (!first.overflow && first.n < 1000000) {
        if (schema_parse(type, buf_str(&first), NULL, 0, &again, &err)) {
            fprintf(stderr, "%s\n%s\n", err.msg, buf_cstr(&first));
            abort();
        }
        (normal ? schema_normalize : schema_canonical)(again, &second);
        IG_ASSERT(str_eq(buf_str(&first), buf_str(&second)));
        schema_free(again);
    }
    buf_release(&first);
    buf_release(&second);
}

/* A value that could be read can be written, and is then read as the same. */
static void read_again(const struct schema *s, struct str bytes, bool exact)
{
    struct buf json, again, binary, once_more;
    struct error err;

    buf_init(&json, 4 << 20);
    buf_init(&again, 4 << 20);
    buf_init(&once_more, 4 << 20);
    buf_init(&binary, 4 << 20);
    if (schema_decode(s, bytes, &json, &err) == IG_OK && schema_encode(s, buf_str(&json), &binary, &err) == IG_OK &&
        schema_decode(s, buf_str(&binary), &again, &err) == IG_OK && exact &&
        schema_encode(s, buf_str(&again), &once_more, &err) == IG_OK)
        IG_ASSERT(str_eq(buf_str(&binary), buf_str(&once_more))); /* the first may have had a key of a map twice */
    buf_clear(&binary);
    (void)!schema_encode(s, bytes, &binary, &err);
    buf_release(&json);
    buf_release(&again);
    buf_release(&once_more);
    buf_release(&binary);
}

static void fuzz_schema(enum schema_type type, const uint8_t *data, size_t size, bool exact)
{
    const uint8_t *nul = size ? memchr(data, 0, size) : NULL;
    const struct str text = {(const char *)data, nul ? (size_t)(nul - data) : size};
    struct str value = {"", 0};
    struct schema *s;
    struct error err;

    if (nul)
        value = (struct str){(const char *)nul + 1, size - text.n - 1};
    if (schema_parse(type, text, NULL, 0, &s, &err)) {
        IG_ASSERT(!s);
        return;
    }
    print_again(type, s, false);
    print_again(type, s, true);
    (void)schema_can_read(s, s, NULL);
    read_again(s, value, exact);
    schema_free(s);
}

#endif
