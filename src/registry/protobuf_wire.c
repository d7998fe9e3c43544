#include "registry/protobuf_wire.h"

bool pb_read_varint(struct pb_reader *r, uint64_t *out)
{
    uint64_t v = 0;

    for (unsigned shift = 0; shift < 70 && r->p < r->end; shift += 7) {
        if (shift < 64)
            v |= (uint64_t)(*r->p & 0x7f) << shift;
        if (*r->p++ < 0x80) {
            *out = v;
            return true;
        }
    }
    return false;
}

static bool read_fixed(struct pb_reader *r, unsigned bytes, uint64_t *out)
{
    *out = 0;
    if ((size_t)(r->end - r->p) < bytes)
        return false;
    for (unsigned i = 0; i < bytes; i++)
        *out |= (uint64_t)r->p[i] << (8 * i);
    r->p += bytes;
    return true;
}

bool pb_read_packed(struct pb_reader *r, enum pb_wire wire, uint64_t *out)
{
    if (wire == PB_WIRE_VARINT)
        return pb_read_varint(r, out);
    return read_fixed(r, wire == PB_WIRE_FIXED64 ? 8 : 4, out);
}

/* Tag and value of a field that is no group. */
static bool read_flat(struct pb_reader *r, struct pb_item *out)
{
    uint64_t tag, n;

    if (!pb_read_varint(r, &tag) || tag >> 3 == 0 || tag >> 3 > PROTOBUF_TAG_MAX || (tag & 7) > PB_WIRE_FIXED32)
        return false;
    out->tag = (int64_t)(tag >> 3);
    out->wire = (enum pb_wire)(tag & 7);
    out->number = 0;
    out->bytes = (struct str){"", 0};
    switch (out->wire) {
    case PB_WIRE_VARINT:
    case PB_WIRE_FIXED64:
    case PB_WIRE_FIXED32:
        return pb_read_packed(r, out->wire, &out->number);
    case PB_WIRE_BYTES:
        if (!pb_read_varint(r, &n) || n > (uint64_t)(r->end - r->p))
            return false;
        out->bytes = (struct str){(const char *)r->p, (size_t)n};
        r->p += n;
        return true;
    case PB_WIRE_GROUP:
    case PB_WIRE_END:
        return true;
    }
    return false;
}

bool pb_read_item(struct pb_reader *r, struct pb_item *out, bool *bad)
{
    int64_t open[PROTOBUF_DEPTH_MAX];
    struct pb_item inner;
    size_t depth = 0;

    *bad = false;
    if (r->p == r->end)
        return false;
    *bad = !read_flat(r, out) || out->wire == PB_WIRE_END;
    if (*bad || out->wire != PB_WIRE_GROUP)
        return !*bad;
    out->bytes.p = (const char *)r->p;
    open[depth++] = out->tag;
    while (depth > 0) { /* to the end of the group */
        out->bytes.n = (size_t)((const char *)r->p - out->bytes.p);
        *bad = !read_flat(r, &inner) || (inner.wire == PB_WIRE_GROUP && depth == PROTOBUF_DEPTH_MAX) ||
               (inner.wire == PB_WIRE_END && inner.tag != open[depth - 1]);
        if (*bad)
            return false;
        if (inner.wire == PB_WIRE_GROUP)
            open[depth++] = inner.tag;
        else if (inner.wire == PB_WIRE_END)
            depth--;
    }
    return true;
}

void pb_add_varint(struct buf *out, uint64_t n)
{
    for (; n >= 0x80; n >>= 7)
        buf_putc(out, (char)(0x80 | (n & 0x7f)));
    buf_putc(out, (char)n);
}

void pb_add_fixed(struct buf *out, uint64_t n, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        buf_putc(out, (char)(n >> (8 * i) & 0xff));
}

void pb_add_tag(struct buf *out, int64_t tag, enum pb_wire wire)
{
    pb_add_varint(out, (uint64_t)tag << 3 | wire);
}

void pb_add_bytes(struct buf *out, int64_t tag, struct str bytes)
{
    pb_add_tag(out, tag, PB_WIRE_BYTES);
    pb_add_varint(out, bytes.n);
    buf_add_str(out, bytes);
}

void pb_add_number(struct buf *out, int64_t tag, uint64_t n)
{
    pb_add_tag(out, tag, PB_WIRE_VARINT);
    pb_add_varint(out, n);
}

enum pb_wire pb_wire_of(enum pb_kind kind)
{
    switch (kind) {
    case PB_DOUBLE:
    case PB_FIXED64:
    case PB_SFIXED64:
        return PB_WIRE_FIXED64;
    case PB_FLOAT:
    case PB_FIXED32:
    case PB_SFIXED32:
        return PB_WIRE_FIXED32;
    case PB_TEXT:
    case PB_BYTES:
    case PB_MESSAGE:
    case PB_KIND_MAP:
        return PB_WIRE_BYTES;
    case PB_GROUP:
        return PB_WIRE_GROUP;
    default:
        return PB_WIRE_VARINT;
    }
}

static const char *const OPTIMIZE[] = {"", "SPEED", "CODE_SIZE", "LITE_RUNTIME", NULL};
static const char *const CTYPE[] = {"STRING", "CORD", "STRING_PIECE", NULL};
static const char *const JSTYPE[] = {"JS_NORMAL", "JS_STRING", "JS_NUMBER", NULL};
static const char *const RETENTION[] = {"RETENTION_UNKNOWN", "RETENTION_RUNTIME", "RETENTION_SOURCE", NULL};
static const char *const IDEMPOTENCY[] = {"IDEMPOTENCY_UNKNOWN", "NO_SIDE_EFFECTS", "IDEMPOTENT", NULL};
static const char *const VERIFICATION[] = {"DECLARATION", "UNVERIFIED", NULL};

const struct pb_standard_option PB_STANDARD_OPTIONS[] = {
    {PB_OF_FILE, 1, "java_package", PB_STRING, NULL},
    {PB_OF_FILE, 8, "java_outer_classname", PB_STRING, NULL},
    {PB_OF_FILE, 10, "java_multiple_files", PB_BOOLEAN, NULL},
    {PB_OF_FILE, 20, "java_generate_equals_and_hash", PB_BOOLEAN, NULL},
    {PB_OF_FILE, 27, "java_string_check_utf8", PB_BOOLEAN, NULL},
    {PB_OF_FILE, 9, "optimize_for", PB_ENUM, OPTIMIZE},
    {PB_OF_FILE, 11, "go_package", PB_STRING, NULL},
    {PB_OF_FILE, 16, "cc_generic_services", PB_BOOLEAN, NULL},
    {PB_OF_FILE, 17, "java_generic_services", PB_BOOLEAN, NULL},
    {PB_OF_FILE, 18, "py_generic_services", PB_BOOLEAN, NULL},
    {PB_OF_FILE, 23, "deprecated", PB_BOOLEAN, NULL},
    {PB_OF_FILE, 31, "cc_enable_arenas", PB_BOOLEAN, NULL},
    {PB_OF_FILE, 36, "objc_class_prefix", PB_STRING, NULL},
    {PB_OF_FILE, 37, "csharp_namespace", PB_STRING, NULL},
    {PB_OF_FILE, 39, "swift_prefix", PB_STRING, NULL},
    {PB_OF_FILE, 40, "php_class_prefix", PB_STRING, NULL},
    {PB_OF_FILE, 41, "php_namespace", PB_STRING, NULL},
    {PB_OF_FILE, 44, "php_metadata_namespace", PB_STRING, NULL},
    {PB_OF_FILE, 45, "ruby_package", PB_STRING, NULL},
    {PB_OF_MESSAGE, 2, "no_standard_descriptor_accessor", PB_BOOLEAN, NULL},
    {PB_OF_MESSAGE, 3, "deprecated", PB_BOOLEAN, NULL},
    {PB_OF_MESSAGE, 7, "map_entry", PB_BOOLEAN, NULL},
    {PB_OF_FIELD, 1, "ctype", PB_ENUM, CTYPE},
    {PB_OF_FIELD, 2, "packed", PB_BOOLEAN, NULL},
    {PB_OF_FIELD, 6, "jstype", PB_ENUM, JSTYPE},
    {PB_OF_FIELD, 3, "deprecated", PB_BOOLEAN, NULL},
    {PB_OF_FIELD, 16, "debug_redact", PB_BOOLEAN, NULL},
    {PB_OF_FIELD, 17, "retention", PB_ENUM, RETENTION},
    {PB_OF_ENUM, 2, "allow_alias", PB_BOOLEAN, NULL},
    {PB_OF_ENUM, 3, "deprecated", PB_BOOLEAN, NULL},
    {PB_OF_CONSTANT, 1, "deprecated", PB_BOOLEAN, NULL},
    {PB_OF_CONSTANT, 3, "debug_redact", PB_BOOLEAN, NULL},
    {PB_OF_SERVICE, 33, "deprecated", PB_BOOLEAN, NULL},
    {PB_OF_METHOD, 33, "deprecated", PB_BOOLEAN, NULL},
    {PB_OF_METHOD, 34, "idempotency_level", PB_ENUM, IDEMPOTENCY},
    {PB_OF_RANGE, 3, "verification", PB_ENUM, VERIFICATION},
};
const size_t PB_N_STANDARD_OPTIONS = IG_COUNT(PB_STANDARD_OPTIONS);

const char *pb_meta_name(enum pb_option_owner owner)
{
    static const char *const NAMES[] = {
        [PB_OF_FILE] = "confluent.file_meta",           [PB_OF_MESSAGE] = "confluent.message_meta",
        [PB_OF_FIELD] = "confluent.field_meta",         [PB_OF_ENUM] = "confluent.enum_meta",
        [PB_OF_CONSTANT] = "confluent.enum_value_meta",
    };

    return owner <= PB_OF_CONSTANT ? NAMES[owner] : NULL;
}

/* --- base64 ----------------------------------------------------------------------------------------------------------
 */

void pb_to_base64(struct str bytes, struct buf *out)
{
    static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t i = 0; i < bytes.n; i += 3) {
        const size_t n = bytes.n - i < 3 ? bytes.n - i : 3;
        uint32_t v = 0;

        for (size_t k = 0; k < 3; k++)
            v = v << 8 | (k < n ? (unsigned char)bytes.p[i + k] : 0);
        for (size_t k = 0; k < 4; k++)
            buf_putc(out, k <= n ? DIGITS[v >> (18 - 6 * k) & 63] : '=');
    }
}

static int digit_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' || c == '-' ? 62 : c == '/' || c == '_' ? 63 : -1;
}

/* The alphabet of URLs is taken, too, and padding may be missing. */
enum ig_code pb_from_base64(struct str text, struct buf *out)
{
    uint32_t v = 0;
    unsigned bits = 0;

    while (text.n > 0 && (text.p[text.n - 1] == '=' || text.p[text.n - 1] == '\n'))
        text.n--;
    if (text.n % 4 == 1)
        return IG_INVALID;
    for (size_t i = 0; i < text.n; i++) {
        const int digit = digit_of(text.p[i]);

        if (digit < 0)
            return IG_INVALID;
        v = v << 6 | (uint32_t)digit;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            buf_putc(out, (char)(v >> bits & 0xff));
        }
    }
    return IG_OK;
}
