/*
 * Parquet footers: Thrift's compact protocol, as far as the fields go that we look at. Others are stepped over.
 */
#include "lake/read/footer.h"

#include <stdlib.h>

#define DEPTH_MAX 100
#define FOOTER_MAX_BYTES ((int64_t)256 << 20)
#define TAIL_BYTES 8 /* the footer's length, PAR1 */
/* Read at once from the end: most footers are in it. */
#define GUESS_BYTES ((int64_t)16 << 10)
/* An element of the schema takes so many bytes at least. */
#define ELEMENT_MIN_BYTES 3
#define REPEATED 2

enum wire { STOP, TRUE, FALSE, BYTE, I16, I32, I64, FLOATING, BINARY, LIST, SET, MAP, STRUCT };

struct in {
    const uint8_t *p, *end;
    bool bad;
};

static uint8_t get_byte(struct in *in)
{
    if (in->p < in->end)
        return *in->p++;
    in->bad = true;
    return 0;
}

static uint64_t get_varint(struct in *in)
{
    uint64_t value = 0;

    for (unsigned shift = 0; shift < 64; shift += 7) {
        const uint8_t b = get_byte(in);

        value |= (uint64_t)(b & 0x7f) << shift;
        if (!(b & 0x80))
            return value;
    }
    in->bad = true;
    return 0;
}

static int64_t get_int(struct in *in)
{
    const uint64_t v = get_varint(in);

    return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

static struct str get_binary(struct in *in)
{
    const uint64_t n = get_varint(in);
    struct str text = {(const char *)in->p, 0};

    if (in->bad || n > (uint64_t)(in->end - in->p)) {
        in->bad = true;
        return text;
    }
    text.n = (size_t)n;
    in->p += n;
    return text;
}

/* The next field of a struct; false behind the last. */
static bool next_field(struct in *in, int *number, enum wire *type)
{
    const uint8_t b = get_byte(in);

    *type = (enum wire)(b & 0x0f);
    if (in->bad || *type == STOP)
        return false;
    *number = b >> 4 ? *number + (b >> 4) : (int)get_int(in);
    return !in->bad;
}

static size_t list_header(struct in *in, enum wire *type)
{
    const uint8_t b = get_byte(in);
    const uint64_t n = b >> 4 == 15 ? get_varint(in) : b >> 4;

    *type = (enum wire)(b & 0x0f);
    /* Each item takes a byte at least. */
    if (in->bad || n > (uint64_t)(in->end - in->p)) {
        in->bad = true;
        return 0;
    }
    return (size_t)n;
}

static void skip(struct in *in, enum wire type, bool in_list, int depth);

static void skip_struct(struct in *in, int depth)
{
    enum wire type;
    int number = 0;

    while (next_field(in, &number, &type))
        skip(in, type, false, depth + 1);
}

static void skip_map(struct in *in, int depth)
{
    const uint64_t n = get_varint(in);
    uint8_t types;

    if (n == 0 || in->bad)
        return;
    types = get_byte(in);
    for (uint64_t i = 0; i < n && !in->bad; i++) {
        skip(in, (enum wire)(types >> 4), true, depth + 1);
        skip(in, (enum wire)(types & 0x0f), true, depth + 1);
    }
}

static void skip(struct in *in, enum wire type, bool in_list, int depth)
{
    enum wire items;
    size_t n;

    if (depth > DEPTH_MAX) {
        in->bad = true;
        return;
    }
    switch (type) {
    case TRUE:
    case FALSE:
        if (in_list) /* a field's value is in its type */
            get_byte(in);
        break;
    case BYTE:
        get_byte(in);
        break;
    case I16:
    case I32:
    case I64:
        get_varint(in);
        break;
    case FLOATING:
        for (int i = 0; i < 8; i++)
            get_byte(in);
        break;
    case BINARY:
        get_binary(in);
        break;
    case LIST:
    case SET:
        n = list_header(in, &items);
        for (size_t i = 0; i < n && !in->bad; i++)
            skip(in, items, true, depth + 1);
        break;
    case MAP:
        skip_map(in, depth);
        break;
    case STRUCT:
        skip_struct(in, depth);
        break;
    default:
        in->bad = true;
        break;
    }
}

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
static void read_logical_details(struct in *in, struct footer_node *node)
{
    enum wire type;
    int number = 0;

    while (next_field(in, &number, &type)) {
        if (node->meaning == FOOTER_DECIMAL && type == I32 && number <= 2) {
            *(number == 1 ? &node->scale : &node->precision) = (int)get_int(in);
            continue;
        }
        if (node->meaning == FOOTER_TIMESTAMP && number == 1 && type == TRUE)
            node->meaning = FOOTER_TIMESTAMP_UTC;
        if (node->meaning == FOOTER_INTEGER && number == 2 && type == FALSE)
            node->meaning = FOOTER_UNSIGNED;
        skip(in, type, false, 0);
    }
}

static void read_logical(struct in *in, struct footer_node *node)
{
    enum wire type;
    int number = 0;

    while (next_field(in, &number, &type)) {
        if (type != STRUCT) {
            skip(in, type, false, 0);
            continue;
        }
        node->meaning = logical_meaning(number);
        read_logical_details(in, node);
    }
}

static void read_element(struct in *in, struct arena *a, struct footer_node *node)
{
    bool logical = false;
    int number = 0;
    enum wire type;
    int64_t v;

    *node = (struct footer_node){.name = "", .id = FOOTER_NO_ID, .physical = FOOTER_GROUP};
    while (next_field(in, &number, &type)) {
        if (number == ELEMENT_NAME && type == BINARY) {
            const struct str name = get_binary(in);

            node->name = arena_strndup(a, name.p, name.n);
            in->bad = in->bad || strlen(node->name) != name.n;
        } else if (number == ELEMENT_LOGICAL && type == STRUCT) {
            read_logical(in, node);
            logical = true;
        } else if (type == I32) {
            v = get_int(in);
            if (number == ELEMENT_TYPE)
                node->physical = v >= 0 && v < FOOTER_GROUP ? (enum footer_physical)v : FOOTER_GROUP;
            else if (number == ELEMENT_REPETITION)
                node->repeated = v == REPEATED;
            else if (number == ELEMENT_CHILDREN)
                node->n_children = (int32_t)v;
            else if (number == ELEMENT_CONVERTED && !logical)
                node->meaning = converted_meaning(v);
            else if (number == ELEMENT_SCALE && !logical)
                node->scale = (int)v;
            else if (number == ELEMENT_PRECISION && !logical)
                node->precision = (int)v;
            else if (number == ELEMENT_ID)
                node->id = v;
        } else {
            skip(in, type, false, 0);
        }
    }
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

static void read_schema(struct in *in, struct arena *a, struct footer *out)
{
    enum wire type;
    size_t at = 0;

    out->n_nodes = list_header(in, &type);
    if (type != STRUCT || out->n_nodes == 0 || out->n_nodes > (size_t)(in->end - in->p) / ELEMENT_MIN_BYTES) {
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
    struct in in = {(const uint8_t *)text.p, (const uint8_t *)text.p + text.n, false};
    enum wire type;
    int number = 0;

    *out = (struct footer){.n_rows = -1, .writer = ""};
    while (next_field(&in, &number, &type)) {
        if (number == FILE_SCHEMA && type == LIST && !out->root) {
            read_schema(&in, a, out);
        } else if (number == FILE_ROWS && type == I64) {
            out->n_rows = get_int(&in);
        } else if (number == FILE_WRITER && type == BINARY) {
            const struct str writer = get_binary(&in);

            out->writer = arena_strndup(a, writer.p, writer.n);
        } else {
            skip(&in, type, false, 0);
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
