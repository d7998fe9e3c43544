/*
 * Parquet footers, as far as the fields go that we look at. Others are stepped over.
 */
#include "lake/parquet/footer.h"

#include "lake/parquet/thrift.h"

#include <stdlib.h>

#define DEPTH_MAX 100
#define FOOTER_MAX_BYTES ((int64_t)256 << 20)
#define TAIL_BYTES 8 /* the footer's length, PAR1 */
/* Read at once from the end: most footers are in it. */
#define GUESS_BYTES ((int64_t)16 << 10)
/* An element of the schema takes so many bytes at least. */
#define ELEMENT_MIN_BYTES 3
#define REPEATED 2

/* --- the schema -------------------------------------------------------------------------------------------- */

/* Numbers of parquet.thrift. */
enum {
    ELEMENT_TYPE = 1,
    ELEMENT_REPETITION = 3,
    ELEMENT_NAME,
    ELEMENT_CHILDREN,
    ELEMENT_CONVERTED,
    ELEMENT_SCALE,
    ELEMENT_PRECISION,
    ELEMENT_ID,
    ELEMENT_LOGICAL
};
enum { FILE_SCHEMA = 2, FILE_ROWS, FILE_GROUPS, FILE_KEYS, FILE_WRITER };
enum {
    LOGICAL_STRING = 1,
    LOGICAL_ENUM = 4,
    LOGICAL_DECIMAL,
    LOGICAL_DATE,
    LOGICAL_TIME,
    LOGICAL_TIMESTAMP,
    LOGICAL_INTEGER = 10,
    LOGICAL_JSON = 12,
    LOGICAL_VARIANT = 16
};

static enum footer_meaning converted_meaning(int64_t converted)
{
    static const enum footer_meaning meanings[] = {
        FOOTER_TEXT,     FOOTER_PLAIN,    FOOTER_PLAIN,    FOOTER_PLAIN,     FOOTER_TEXT,      FOOTER_DECIMAL,
        FOOTER_DATE,     FOOTER_TIME,     FOOTER_TIME,     FOOTER_TIMESTAMP, FOOTER_TIMESTAMP, FOOTER_UNSIGNED,
        FOOTER_UNSIGNED, FOOTER_UNSIGNED, FOOTER_UNSIGNED, FOOTER_INTEGER,   FOOTER_INTEGER,   FOOTER_INTEGER,
        FOOTER_INTEGER,  FOOTER_TEXT,     FOOTER_PLAIN,    FOOTER_OTHER,
    };

    return converted >= 0 && converted < (int64_t)IG_COUNT(meanings) ? meanings[converted] : FOOTER_OTHER;
}

static enum footer_meaning logical_meaning(int number)
{
    switch (number) {
    case LOGICAL_STRING:
    case LOGICAL_ENUM:
    case LOGICAL_JSON:
        return FOOTER_TEXT;
    case LOGICAL_DECIMAL:
        return FOOTER_DECIMAL;
    case LOGICAL_DATE:
        return FOOTER_DATE;
    case LOGICAL_TIME:
        return FOOTER_TIME;
    case LOGICAL_TIMESTAMP:
        return FOOTER_TIMESTAMP;
    case LOGICAL_INTEGER:
        return FOOTER_INTEGER;
    case LOGICAL_VARIANT:
        return FOOTER_VARIANT;
    default: /* lists, maps, BSON, UUID, ... */
        return number == 2 || number == 3 || number == 13 ? FOOTER_PLAIN : FOOTER_OTHER;
    }
}

/* The struct behind a logical type: a decimal's scale and precision, a time's zone, an integer's sign. */
static void read_logical_details(struct thrift *in, struct footer_node *node)
{
    struct thrift_field f = {0};

    if (thrift_enter(in, THRIFT_STRUCT))
        while (thrift_next(in, &f)) {
            if (node->meaning == FOOTER_DECIMAL && f.type == THRIFT_I32 && f.number <= 2) {
                *(f.number == 1 ? &node->scale : &node->precision) = (int)thrift_integer(in, f.type);
                continue;
            }
            if (node->meaning == FOOTER_TIMESTAMP && f.number == 1 && f.type == THRIFT_TRUE)
                node->meaning = FOOTER_TIMESTAMP_UTC;
            if (node->meaning == FOOTER_INTEGER && f.number == 2 && f.type == THRIFT_FALSE)
                node->meaning = FOOTER_UNSIGNED;
            thrift_skip(in, f.type);
        }
    thrift_leave(in);
}

static void read_logical(struct thrift *in, struct footer_node *node)
{
    struct thrift_field f = {0};

    if (thrift_enter(in, THRIFT_STRUCT))
        while (thrift_next(in, &f)) {
            if (f.type != THRIFT_STRUCT) {
                thrift_skip(in, f.type);
                continue;
            }
            node->meaning = logical_meaning(f.number);
            read_logical_details(in, node);
        }
    thrift_leave(in);
}

static void set_number(struct footer_node *node, int field, int64_t v, bool logical)
{
    if (field == ELEMENT_TYPE)
        node->physical = v >= 0 && v < FOOTER_GROUP ? (enum footer_physical)v : FOOTER_GROUP;
    else if (field == ELEMENT_REPETITION)
        node->repeated = v == REPEATED;
    else if (field == ELEMENT_CHILDREN)
        node->n_children = (int32_t)v;
    else if (field == ELEMENT_CONVERTED && !logical)
        node->meaning = converted_meaning(v);
    else if (field == ELEMENT_SCALE && !logical)
        node->scale = (int)v;
    else if (field == ELEMENT_PRECISION && !logical)
        node->precision = (int)v;
    else if (field == ELEMENT_ID)
        node->id = v;
}

static void read_element(struct thrift *in, struct arena *a, struct footer_node *node)
{
    struct thrift_field f = {0};
    bool logical = false;

    *node = (struct footer_node){.name = "", .id = FOOTER_NO_ID, .physical = FOOTER_GROUP};
    if (thrift_enter(in, THRIFT_STRUCT))
        while (thrift_next(in, &f)) {
            if (f.number == ELEMENT_NAME && f.type == THRIFT_BINARY) {
                const struct str name = thrift_binary(in, f.type);

                node->name = arena_strndup(a, name.p, name.n);
                in->bad = in->bad || strlen(node->name) != name.n;
            } else if (f.number == ELEMENT_LOGICAL && f.type == THRIFT_STRUCT) {
                read_logical(in, node);
                logical = true;
            } else if (f.type == THRIFT_I32) {
                set_number(node, f.number, thrift_integer(in, f.type), logical);
            } else {
                thrift_skip(in, f.type);
            }
        }
    thrift_leave(in);
    if (node->n_children > 0)
        node->physical = FOOTER_GROUP;
    in->bad = in->bad || node->n_children < 0;
}

/* Gives a node and those below it their places; false if the counts do not fit. */
static bool link_nodes(struct footer_node *nodes, size_t n, size_t *at, int depth)
{
    struct footer_node *node = &nodes[*at];

    if (depth > DEPTH_MAX)
        return false;
    node->children = nodes + ++*at;
    for (int32_t i = 0; i < node->n_children; i++)
        if (*at >= n || !link_nodes(nodes, n, at, depth + 1))
            return false;
    node->end = nodes + *at;
    return true;
}

static void read_schema(struct thrift *in, int type, struct arena *a, struct footer *out)
{
    int item;
    size_t at = 0;

    out->n_nodes = thrift_list(in, type, &item);
    if (item != THRIFT_STRUCT || out->n_nodes == 0 || out->n_nodes > (size_t)(in->end - in->p) / ELEMENT_MIN_BYTES) {
        in->bad = true;
        return;
    }
    out->root = ARENA_ARRAY(a, struct footer_node, out->n_nodes);
    for (size_t i = 0; i < out->n_nodes && !in->bad; i++)
        read_element(in, a, &out->root[i]);
    if (!in->bad)
        in->bad = !link_nodes(out->root, out->n_nodes, &at, 0) || at != out->n_nodes;
}

/* --- the footer -------------------------------------------------------------------------------------------- */

enum ig_code lake_footer_parse(struct str text, struct arena *a, struct footer *out, struct error *err)
{
    struct thrift_field f = {0};
    struct thrift in;

    *out = (struct footer){.n_rows = -1, .writer = ""};
    thrift_init(&in, text);
    while (thrift_next(&in, &f)) {
        if (f.number == FILE_SCHEMA && f.type == THRIFT_LIST && !out->root) {
            read_schema(&in, f.type, a, out);
        } else if (f.number == FILE_ROWS && f.type == THRIFT_I64) {
            out->n_rows = thrift_integer(&in, f.type);
        } else if (f.number == FILE_WRITER && f.type == THRIFT_BINARY) {
            const struct str writer = thrift_binary(&in, f.type);

            out->writer = arena_strndup(a, writer.p, writer.n);
        } else {
            thrift_skip(&in, f.type);
        }
    }
    if (in.bad || !out->root || out->n_rows < 0)
        return error_set(err, IG_CORRUPT, "its footer is damaged");
    return IG_OK;
}

static enum ig_code no_parquet(struct error *err)
{
    return error_set(err, IG_CORRUPT, "it is no Parquet file");
}

static enum ig_code read_open(struct env *env, struct env_file *f, struct arena *a, struct footer *out,
                              struct error *err)
{
    int64_t size = 0, have, length;
    const uint8_t *tail;
    enum ig_code rc;
    char *text;

    IG_TRY(env_size(env, f, &size, err));
    if (size < TAIL_BYTES + 4)
        return no_parquet(err);
    have = size < GUESS_BYTES ? size : GUESS_BYTES;
    text = check_malloc((size_t)have);
    rc = env_read_full(env, f, size - have, text, (size_t)have, err);
    tail = (const uint8_t *)text + have - TAIL_BYTES;
    length = rc ? 0 : (int64_t)(tail[0] | (uint32_t)tail[1] << 8 | (uint32_t)tail[2] << 16 | (uint32_t)tail[3] << 24);
    if (!rc && memcmp(tail + 4, "PARE", 4) == 0)
        rc = error_set(err, IG_UNSUPPORTED, "it is encrypted");
    else if (!rc && (memcmp(tail + 4, "PAR1", 4) != 0 || length > size - TAIL_BYTES - 4 || length > FOOTER_MAX_BYTES))
        rc = no_parquet(err);
    if (!rc && length + TAIL_BYTES > have) {
        free(text);
        have = length + TAIL_BYTES;
        text = check_malloc((size_t)have);
        rc = env_read_full(env, f, size - have, text, (size_t)have, err);
    }
    if (!rc)
        rc = lake_footer_parse((struct str){text + have - TAIL_BYTES - length, (size_t)length}, a, out, err);
    free(text);
    return rc;
}

enum ig_code lake_footer_read(struct env *env, const char *path, struct arena *a, struct footer *out, struct error *err)
{
    struct env_file *f = NULL;
    enum ig_code rc;

    IG_TRY(env_open(env, path, ENV_OPEN_READ, &f, err));
    rc = read_open(env, f, a, out, err);
    env_close(env, f);
    return rc;
}
