/*
 * Runs the schema formats from standard input, for the tests that compare them with foreign libraries
 * (tests/interop/test_schema_formats.py). A line is {"op": "canonical" | "normalize" | "serialized" | "can_read" |
 * "decode" | "encode", "type": "AVRO", "schema": "...", "refs": [{"name": ..., "schema": ...}, ...] (each may refer to
 * those before it), "writer": "...", "bytes": hex, "json": "..."}; an answer {"ok": ..., "problems": [...]} or
 * {"error": "..."}. Without an argument it does nothing.
 */
#include "registry/json_tree.h"
#include "registry/schema.h"

#include <stdio.h>
#include <stdlib.h>

#define REFS_MAX 16

struct request {
    const struct json_node *node;
    enum schema_type type;
    struct schema_reference refs[REFS_MAX];
    struct schema *owned[REFS_MAX];
    size_t n_refs;
};

static void add_hex(struct buf *out, struct str bytes)
{
    for (size_t i = 0; i < bytes.n; i++)
        buf_printf(out, "%02x", (unsigned char)bytes.p[i]);
}

static void from_hex(struct str hex, struct buf *out)
{
    for (size_t i = 0; i + 1 < hex.n; i += 2) {
        char digits[3] = {hex.p[i], hex.p[i + 1], 0};

        buf_putc(out, (char)strtol(digits, NULL, 16));
    }
}

static enum ig_code open_references(struct request *q, struct error *err)
{
    json_tree_each(ref, json_tree_member(q->node, "refs"))
    {
        struct schema **s = &q->owned[q->n_refs];

        IG_ASSERT(q->n_refs < REFS_MAX);
        IG_TRY(schema_parse(q->type, json_tree_string(ref, "schema"), q->refs, q->n_refs, s, err));
        q->refs[q->n_refs].schema = *s;
        q->refs[q->n_refs++].name = json_tree_string(ref, "name").p;
    }
    return IG_OK;
}

static enum ig_code can_read(struct request *q, const struct schema *reader, struct buf *out, struct error *err)
{
    struct schema_problems problems = {0};
    struct schema *writer;
    bool ok;

    IG_TRY(schema_parse(q->type, json_tree_string(q->node, "writer"), q->refs, q->n_refs, &writer, err));
    ok = schema_can_read(reader, writer, &problems);
    buf_printf(out, "{\"ok\":%s,\"problems\":[", ok ? "true" : "false");
    for (size_t i = 0; i < problems.list.n; i++) {
        buf_puts(out, i ? "," : "");
        json_add_string(out, str_of(problems.list.p[i]));
    }
    buf_puts(out, "]}");
    schema_problems_free(&problems);
    schema_free(writer);
    return IG_OK;
}

static enum ig_code run_operation(struct request *q, const struct schema *s, struct buf *out, struct error *err)
{
    const struct str op = json_tree_string(q->node, "op");
    struct buf text, bytes;
    enum ig_code rc = IG_OK;

    buf_init(&text, 0);
    buf_init(&bytes, 0);
    from_hex(json_tree_string(q->node, "bytes"), &bytes);
    if (str_is(op, "can_read"))
        rc = can_read(q, s, out, err);
    else if (str_is(op, "canonical"))
        schema_canonical(s, &text);
    else if (str_is(op, "normalize"))
        schema_normalize(s, &text);
    else if (str_is(op, "serialized"))
        rc = schema_formatted(s, STR("serialized"), &text, err);
    else if (str_is(op, "decode"))
        rc = schema_decode(s, buf_str(&bytes), &text, err);
    else if (str_is(op, "encode")) {
        buf_clear(&bytes);
        rc = schema_encode(s, json_tree_string(q->node, "json"), &bytes, err);
        add_hex(&text, buf_str(&bytes));
    }
    if (rc == IG_OK && out->n == 0) {
        buf_puts(out, "{\"ok\":");
        json_add_string(out, buf_str(&text));
        buf_putc(out, '}');
    }
    buf_release(&bytes);
    buf_release(&text);
    return rc;
}

static enum ig_code run(struct arena *arena, struct str line, struct buf *out, struct error *err)
{
    struct request q = {0};
    struct schema *s = NULL;
    struct json_node *node;
    enum ig_code rc;

    IG_TRY(json_tree_parse(arena, line, &node, err));
    q.node = node;
    if (!schema_type_of(json_tree_string(node, "type"), &q.type))
        return error_set(err, IG_INVALID, "no such type");
    rc = open_references(&q, err);
    if (rc == IG_OK)
        rc = schema_parse(q.type, json_tree_string(node, "schema"), q.refs, q.n_refs, &s, err);
    if (rc == IG_OK)
        rc = run_operation(&q, s, out, err);
    schema_free(s);
    while (q.n_refs-- > 0)
        schema_free(q.owned[q.n_refs]);
    return rc;
}

int main(int argc, char **argv)
{
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;

    (void)argv;
    while (argc > 1 && (n = getline(&line, &cap, stdin)) > 0) {
        struct error err = {0};
        struct arena arena;
        struct buf out;

        arena_init(&arena);
        buf_init(&out, 0);
        if (run(&arena, (struct str){line, (size_t)n}, &out, &err)) {
            buf_clear(&out);
            buf_puts(&out, "{\"error\":");
            json_add_string(&out, str_of(err.msg));
            buf_putc(&out, '}');
        }
        puts(buf_cstr(&out));
        fflush(stdout);
        buf_release(&out);
        arena_release(&arena);
    }
    free(line);
    return 0;
}
