/*
 * Protobuf: the well-known types that JSON has other forms for: times as text, wrappers as what they wrap, Struct as
 * JSON itself, Any with the members of what it holds.
 */
#include "registry/number.h"
#include "registry/protobuf_json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define SECONDS_MIN (-62135596800LL) /* 0001-01-01 */
#define SECONDS_MAX 253402300799LL   /* 9999-12-31 */
#define DURATION_MAX 315576000000LL  /* 10,000 years */

enum form { NONE, TIMESTAMP, DURATION, FIELD_MASK, ANY, ONLY_MEMBER, VALUE };

static enum form form_of(const struct pb_type *m)
{
    static const struct {
        const char *name;
        enum form form;
    } FORMS[] = {
        {"Timestamp", TIMESTAMP},
        {"Duration", DURATION},
        {"FieldMask", FIELD_MASK},
        {"Any", ANY},
        {"Struct", ONLY_MEMBER},
        {"ListValue", ONLY_MEMBER},
        {"Value", VALUE},
        {"DoubleValue", ONLY_MEMBER},
        {"FloatValue", ONLY_MEMBER},
        {"Int64Value", ONLY_MEMBER},
        {"UInt64Value", ONLY_MEMBER},
        {"Int32Value", ONLY_MEMBER},
        {"UInt32Value", ONLY_MEMBER},
        {"BoolValue", ONLY_MEMBER},
        {"StringValue", ONLY_MEMBER},
        {"BytesValue", ONLY_MEMBER},
    };

    if (!str_has_prefix(m->full, "google.protobuf."))
        return NONE;
    for (size_t i = 0; i < IG_COUNT(FORMS); i++)
        if (m->full.n == 16 + strlen(FORMS[i].name) && memcmp(m->full.p + 16, FORMS[i].name, m->full.n - 16) == 0)
            return FORMS[i].form;
    return NONE;
}

bool pb_is_known(const struct pb_type *m)
{
    return form_of(m) != NONE;
}

/* --- reading ---------------------------------------------------------------------------------------------------------
 */

/* Seconds and nanoseconds, fields 1 and 2 of Timestamp and Duration. */
static bool read_time(struct str bytes, int64_t *seconds, int32_t *nanos)
{
    struct pb_reader r = pb_reader_of(bytes);
    struct pb_item item;
    bool bad;

    *seconds = 0;
    *nanos = 0;
    while (pb_read_item(&r, &item, &bad)) {
        if (item.tag == 1 && item.wire == PB_WIRE_VARINT)
            *seconds = (int64_t)item.number;
        else if (item.tag == 2 && item.wire == PB_WIRE_VARINT)
            *nanos = (int32_t)(uint32_t)item.number;
    }
    return !bad;
}

/* ".123", with three, six or nine digits. */
static void add_fraction(struct buf *out, int32_t nanos)
{
    if (nanos % 1000000 == 0 && nanos)
        buf_printf(out, ".%03d", nanos / 1000000);
    else if (nanos % 1000 == 0 && nanos)
        buf_printf(out, ".%06d", nanos / 1000);
    else if (nanos)
        buf_printf(out, ".%09d", nanos);
}

static enum ig_code decode_timestamp(struct pb_decoder *d, struct str bytes)
{
    int64_t seconds, days, rest;
    unsigned month, day;
    int year;
    int32_t nanos;

    if (!read_time(bytes, &seconds, &nanos) || seconds < SECONDS_MIN || seconds > SECONDS_MAX || nanos < 0 ||
        nanos > 999999999)
        return error_set(d->err, IG_INVALID,
                         "a google.protobuf.Timestamp is damaged, or not within the years 1 to 9999");
    days = (seconds - SECONDS_MIN) / 86400 + SECONDS_MIN / 86400;
    rest = seconds - days * 86400;
    date_to_civil((int32_t)days, &year, &month, &day);
    buf_printf(d->out, "\"%04d-%02u-%02uT%02d:%02d:%02d", year, month, day, (int)(rest / 3600), (int)(rest / 60 % 60),
               (int)(rest % 60));
    add_fraction(d->out, nanos);
    buf_puts(d->out, "Z\"");
    return IG_OK;
}

static enum ig_code decode_duration(struct pb_decoder *d, struct str bytes)
{
    int64_t seconds;
    int32_t nanos;

    if (!read_time(bytes, &seconds, &nanos) || seconds < -DURATION_MAX || seconds > DURATION_MAX ||
        nanos < -999999999 || nanos > 999999999 || (seconds < 0 && nanos > 0) || (seconds > 0 && nanos < 0))
        return error_set(d->err, IG_INVALID, "a google.protobuf.Duration is damaged, or longer than 10,000 years");
    buf_printf(d->out, "\"%s%lld", seconds < 0 || nanos < 0 ? "-" : "", (long long)llabs(seconds));
    add_fraction(d->out, abs(nanos));
    buf_puts(d->out, "s\"");
    return IG_OK;
}

/* foo_bar as fooBar; the paths with commas between. */
static enum ig_code decode_mask(struct pb_decoder *d, struct str bytes)
{
    struct pb_reader r = pb_reader_of(bytes);
    struct pb_item item;
    struct buf text;
    bool bad;

    buf_init(&text, 0);
    while (pb_read_item(&r, &item, &bad)) {
        if (item.tag != 1 || item.wire != PB_WIRE_BYTES)
            continue;
        if (text.n)
            buf_putc(&text, ',');
        for (size_t i = 0; i < item.bytes.n; i++) {
            const bool up = item.bytes.p[i] == '_' && i + 1 < item.bytes.n && item.bytes.p[i + 1] >= 'a' &&
                            item.bytes.p[i + 1] <= 'z';

            buf_putc(&text, up ? (char)(item.bytes.p[++i] - 'a' + 'A') : item.bytes.p[i]);
        }
    }
    json_add_string(d->out, buf_str(&text));
    buf_release(&text);
    return bad ? error_set(d->err, IG_INVALID, "a google.protobuf.FieldMask is damaged") : IG_OK;
}

/* The value of the only member that is there, without its name; null if there is none. */
static enum ig_code decode_only_member(struct pb_decoder *d, const struct pb_type *m, struct str bytes)
{
    struct pb_decoder inner = *d;
    const char *colon;
    struct buf text;
    enum ig_code rc;

    buf_init(&text, 0);
    inner.out = &text;
    inner.begin = 0;
    rc = pb_decode_fields(&inner, m, bytes, false);
    colon = rc == IG_OK && text.n ? memchr(text.p, ':', text.n) : NULL;
    if (rc == IG_OK && text.overflow)
        rc = error_set(d->err, IG_LIMIT, "the message is too large as JSON");
    else if (rc == IG_OK && colon)
        buf_add(d->out, colon + 1, text.n - (size_t)(colon + 1 - text.p));
    else if (rc == IG_OK)
        buf_puts(d->out, "null");
    buf_release(&text);
    return rc;
}

/* The type of "type.googleapis.com/foo.Bar". */
static const struct pb_type *type_of_url(const struct pb_schema *s, struct str url)
{
    const struct pb_type *type;

    while (memchr(url.p, '/', url.n)) {
        const size_t at = (size_t)((const char *)memchr(url.p, '/', url.n) - url.p) + 1;

        url.p += at;
        url.n -= at;
    }
    type = pb_names_find(&s->types, url);
    return type && !type->is_enum ? type : NULL;
}

static enum ig_code decode_any(struct pb_decoder *d, struct str bytes)
{
    struct pb_reader r = pb_reader_of(bytes);
    struct str url = STR(""), value = STR("");
    const struct pb_type *type;
    struct pb_item item;
    enum ig_code rc = IG_OK;
    bool bad;

    while (pb_read_item(&r, &item, &bad)) {
        if (item.tag == 1 && item.wire == PB_WIRE_BYTES)
            url = item.bytes;
        else if (item.tag == 2 && item.wire == PB_WIRE_BYTES)
            value = item.bytes;
    }
    if (bad)
        return error_set(d->err, IG_INVALID, "a google.protobuf.Any is damaged");
    buf_putc(d->out, '{');
    if (url.n) {
        buf_puts(d->out, "\"@type\":");
        json_add_string(d->out, url);
        type = type_of_url(d->schema, url);
        if (type && !pb_is_known(type)) {
            rc = pb_decode_fields(d, type, value, true);
        } else {
            buf_puts(d->out, ",\"value\":");
            if (type) {
                rc = pb_decode_message(d, type, value);
            } else { /* nobody here knows the type */
                buf_putc(d->out, '"');
                pb_to_base64(value, d->out);
                buf_putc(d->out, '"');
            }
        }
    }
    buf_putc(d->out, '}');
    return rc;
}

enum ig_code pb_decode_known(struct pb_decoder *d, const struct pb_type *m, struct str bytes)
{
    enum ig_code rc = IG_NOT_FOUND;

    switch (form_of(m)) {
    case NONE:
        break;
    case TIMESTAMP:
        return decode_timestamp(d, bytes);
    case DURATION:
        return decode_duration(d, bytes);
    case FIELD_MASK:
        return decode_mask(d, bytes);
    case ONLY_MEMBER:
    case VALUE:
        return decode_only_member(d, m, bytes);
    case ANY:
        if (d->depth == PROTOBUF_DEPTH_MAX)
            return error_set(d->err, IG_INVALID, "the message nests too deep");
        d->depth++;
        rc = decode_any(d, bytes);
        d->depth--;
        break;
    }
    return rc;
}

void pb_default_number(struct buf *out, enum pb_kind kind, struct str text)
{
    const bool wide =
        kind == PB_INT64 || kind == PB_UINT64 || kind == PB_SINT64 || kind == PB_FIXED64 || kind == PB_SFIXED64;
    char *end, copy[64];
    double d;

    if (text.n >= sizeof(copy))
        text.n = sizeof(copy) - 1;
    memcpy(copy, text.p, text.n);
    copy[text.n] = 0;
    if (kind == PB_DOUBLE || kind == PB_FLOAT) {
        d = strtod(copy, &end);
        if (kind == PB_FLOAT)
            number_add_json_float(out, (float)d);
        else
            number_add_json_double(out, d);
        return;
    }
    buf_puts(out, wide ? "\"" : "");
    if (copy[0] == '-')
        buf_printf(out, "%lld", strtoll(copy, &end, 0));
    else
        buf_printf(out, "%llu", strtoull(copy, &end, 0));
    buf_puts(out, wide ? "\"" : "");
}

/* --- writing ---------------------------------------------------------------------------------------------------------
 */

/* So many digits as a number; false if there are others. */
static bool digits(struct str *s, size_t n, int *out)
{
    *out = 0;
    if (s->n < n)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (s->p[i] < '0' || s->p[i] > '9')
            return false;
        *out = *out * 10 + (s->p[i] - '0');
    }
    s->p += n;
    s->n -= n;
    return true;
}

static bool expect(struct str *s, char c)
{
    if (!s->n || s->p[0] != c)
        return false;
    s->p++;
    s->n--;
    return true;
}

/* ".123456789", at most nine digits; nothing is 0. */
static bool fraction(struct str *s, int32_t *nanos)
{
    int n = 0, digit;

    *nanos = 0;
    if (!expect(s, '.'))
        return true;
    for (; n < 9 && digits(s, 1, &digit); n++)
        *nanos = *nanos * 10 + digit;
    for (int i = n; i < 9; i++)
        *nanos *= 10;
    return n > 0 && !(s->n && s->p[0] >= '0' && s->p[0] <= '9');
}

static bool zone(struct str *s, int64_t *offset)
{
    const bool behind = s->n && s->p[0] == '-';
    int hours, minutes;

    *offset = 0;
    if (expect(s, 'Z') || expect(s, 'z'))
        return true;
    if (!(expect(s, '+') || expect(s, '-')) || !digits(s, 2, &hours) || !expect(s, ':') || !digits(s, 2, &minutes) ||
        hours > 23 || minutes > 59)
        return false;
    *offset = (behind ? -1 : 1) * (hours * 3600LL + minutes * 60LL);
    return true;
}

static bool parse_timestamp(struct str s, int64_t *seconds, int32_t *nanos)
{
    int year, month, day, hour, minute, second;
    unsigned m, d;
    int32_t days;
    int y;
    int64_t offset;

    if (!digits(&s, 4, &year) || !expect(&s, '-') || !digits(&s, 2, &month) || !expect(&s, '-') ||
        !digits(&s, 2, &day) || !expect(&s, 'T') || !digits(&s, 2, &hour) || !expect(&s, ':') ||
        !digits(&s, 2, &minute) || !expect(&s, ':') || !digits(&s, 2, &second) || !fraction(&s, nanos) ||
        !zone(&s, &offset) || s.n)
        return false;
    if (year < 1 || month < 1 || month > 12 || day < 1 || hour > 23 || minute > 59 || second > 59)
        return false;
    days = date_of_civil(year, (unsigned)month, (unsigned)day);
    date_to_civil(days, &y, &m, &d);
    if (y != year || m != (unsigned)month || d != (unsigned)day)
        return false; /* February 30 */
    *seconds = days * INT64_C(86400) + hour * 3600LL + minute * 60LL + second - offset;
    return *seconds >= SECONDS_MIN && *seconds <= SECONDS_MAX;
}

static bool parse_duration(struct str s, int64_t *seconds, int32_t *nanos)
{
    const bool negative = expect(&s, '-');
    int digit, n = 0;

    *seconds = 0;
    for (; n < 13 && digits(&s, 1, &digit); n++)
        *seconds = *seconds * 10 + digit;
    if (n == 0 || !fraction(&s, nanos) || !expect(&s, 's') || s.n || *seconds > DURATION_MAX)
        return false;
    if (negative) {
        *seconds = -*seconds;
        *nanos = -*nanos;
    }
    return true;
}

static enum ig_code encode_time(struct pb_encoder *e, const struct json_node *v, bool timestamp, struct buf *out)
{
    int64_t seconds;
    int32_t nanos;

    if (v->type != JSON_STRING || !(timestamp ? parse_timestamp : parse_duration)(v->text, &seconds, &nanos))
        return pb_refuse(e, timestamp ? "a Timestamp is text like \"2024-05-31T12:00:00.5Z\""
                                      : "a Duration is text like \"1.5s\"");
    if (seconds)
        pb_add_number(out, 1, (uint64_t)seconds);
    if (nanos)
        pb_add_number(out, 2, (uint64_t)(int64_t)nanos);
    return IG_OK;
}

static enum ig_code encode_mask(struct pb_encoder *e, const struct json_node *v, struct buf *out)
{
    struct buf path;

    if (v->type != JSON_STRING)
        return pb_refuse(e, "a FieldMask is text: paths with commas between");
    buf_init(&path, 0);
    for (size_t i = 0; i <= v->text.n; i++) {
        const char c = i < v->text.n ? v->text.p[i] : ',';

        if (c == ',') {
            if (path.n)
                pb_add_bytes(out, 1, buf_str(&path));
            buf_clear(&path);
        } else if (c >= 'A' && c <= 'Z') {
            buf_printf(&path, "_%c", c - 'A' + 'a');
        } else {
            buf_putc(&path, c);
        }
    }
    buf_release(&path);
    return IG_OK;
}

/* As if {"name": value} were written. */
static enum ig_code encode_as_member(struct pb_encoder *e, const struct pb_type *m, struct str name,
                                     const struct json_node *v, struct buf *out)
{
    struct json_node member = *v, object = {.type = JSON_OBJECT, .n = 1};

    member.key = name;
    member.next = NULL;
    object.first = object.last = &member;
    return pb_encode_fields(e, m, &object, out);
}

static enum ig_code encode_only_member(struct pb_encoder *e, const struct pb_type *m, const struct json_node *v,
                                       struct buf *out)
{
    if (m->n != 1)
        return pb_refuse(e, "the schema has another type of that name");
    if (v->type == JSON_NULL)
        return pb_refuse(e, "null is no value here");
    return encode_as_member(e, m, m->in_order[0]->json, v, out);
}

static enum ig_code encode_any_value(struct pb_encoder *e, const struct pb_type *m, const struct json_node *v,
                                     struct buf *out)
{
    static const char *const MEMBERS[] = {
        [JSON_NULL] = "nullValue",     [JSON_TRUE] = "boolValue",     [JSON_FALSE] = "boolValue",
        [JSON_NUMBER] = "numberValue", [JSON_STRING] = "stringValue", [JSON_ARRAY] = "listValue",
        [JSON_OBJECT] = "structValue",
    };

    return encode_as_member(e, m, str_of(MEMBERS[v->type]), v, out);
}

static enum ig_code encode_any(struct pb_encoder *e, const struct json_node *v, struct buf *out)
{
    const struct str url = json_tree_string(v, "@type");
    const struct json_node *value = json_tree_member(v, "value");
    const struct pb_type *type;
    enum ig_code rc;
    struct buf inner;

    if (v->type != JSON_OBJECT)
        return pb_refuse(e, "an Any is an object with \"@type\"");
    if (v->n == 0)
        return IG_OK;
    type = url.p ? type_of_url(e->schema, url) : NULL;
    if (!type)
        return pb_refuse(e, "the \"@type\" of an Any is no type that the schema knows");
    buf_init(&inner, 0);
    if (!pb_is_known(type))
        rc = pb_encode_fields(e, type, v, &inner);
    else
        rc = value ? pb_encode_message(e, type, value, &inner) : pb_refuse(e, "the \"value\" of an Any is missing");
    if (rc == IG_OK) {
        pb_add_bytes(out, 1, url);
        if (inner.n)
            pb_add_bytes(out, 2, buf_str(&inner));
    }
    buf_release(&inner);
    return rc;
}

enum ig_code pb_encode_known(struct pb_encoder *e, const struct pb_type *m, const struct json_node *v, struct buf *out)
{
    switch (form_of(m)) {
    case NONE:
        break;
    case TIMESTAMP:
    case DURATION:
        return encode_time(e, v, form_of(m) == TIMESTAMP, out);
    case FIELD_MASK:
        return encode_mask(e, v, out);
    case ONLY_MEMBER:
        return encode_only_member(e, m, v, out);
    case VALUE:
        return encode_any_value(e, m, v, out);
    case ANY:
        return encode_any(e, v, out);
    }
    return IG_NOT_FOUND;
}
