#include "cli/record_text.h"

#include <inttypes.h>
#include <stdlib.h>

/* --- the format ---------------------------------------------------------------------------------------------- */

struct token {
    char letter; /* 0: text */
    struct str text;
};
struct record_format {
    struct token *tokens;
    size_t n;
};

static bool add_escape(const char **at, struct buf *text)
{
    static const char letters[] = "ntr0\\", values[] = "\n\t\r\0\\";
    const char c = **at, *letter = c ? strchr(letters, c) : NULL;
    char hex[3] = "", *end;

    if (letter) {
        buf_putc(text, values[letter - letters]);
        ++*at;
        return true;
    }
    if (c != 'x' || !(*at)[1] || !(*at)[2])
        return false;
    memcpy(hex, *at + 1, 2);
    buf_putc(text, (char)strtoul(hex, &end, 16));
    *at += 3;
    return *end == 0;
}

const struct record_format *record_format_parse(struct arena *a, const char *text, const char **problem)
{
    struct record_format *f = ARENA_NEW(a, struct record_format);
    struct buf literal;

    buf_init(&literal, 0);
    f->tokens = ARENA_ARRAY(a, struct token, 2 * strlen(text) + 1);
    *problem = NULL;
    while (*text && !*problem) {
        const char *at = text;

        buf_clear(&literal);
        while (*at && !*problem) {
            if (*at == '\\') {
                at++;
                if (!add_escape(&at, &literal))
                    *problem = "behind \\ comes n, t, r, 0, \\ or xHH";
            } else if (*at == '%' && at[1] == '%') {
                buf_putc(&literal, '%');
                at += 2;
            } else if (*at == '%') {
                break;
            } else {
                buf_putc(&literal, *at++);
            }
        }
        if (literal.n > 0)
            f->tokens[f->n++].text = arena_str(a, buf_str(&literal));
        if (*at == '%' && !*problem) {
            if (!at[1] || !strchr("sSRkKTtpohH", at[1]))
                *problem = "behind % comes one of s S R k K T t p o h H %";
            else
                f->tokens[f->n++].letter = at[1];
            at += 2;
        }
        text = *problem ? "" : at;
    }
    buf_release(&literal);
    return *problem ? NULL : f;
}

static void add_bytes(struct str s, const char *null_text, struct buf *out)
{
    if (s.p)
        buf_add_str(out, s);
    else
        buf_puts(out, null_text);
}

static void add_headers(const struct log_record *r, struct buf *out)
{
    for (size_t i = 0; i < r->n_headers; i++) {
        buf_puts(out, i ? "," : "");
        buf_puts(out, r->headers[i].name);
        buf_putc(out, '=');
        add_bytes(r->headers[i].value, "NULL", out);
    }
}

static void add_length(struct str s, struct buf *out)
{
    buf_printf(out, "%" PRId64, s.p ? (int64_t)s.n : INT64_C(-1));
}

void record_format_add(const struct record_format *f, const struct log_record *r, const struct record_decoded *d,
                       const char *null_text, struct buf *out)
{
    const struct str key = d && d->key.p ? d->key : r->key, value = d && d->value.p ? d->value : r->value;
    const uint32_t size = value.p ? (uint32_t)value.n : UINT32_MAX;

    for (size_t i = 0; i < f->n; i++) {
        switch (f->tokens[i].letter) {
        case 0:
            buf_add_str(out, f->tokens[i].text);
            break;
        case 's':
            add_bytes(value, null_text, out);
            break;
        case 'S':
            add_length(value, out);
            break;
        case 'R': /* 4 bytes, big endian */
            for (int shift = 24; shift >= 0; shift -= 8)
                buf_putc(out, (char)(size >> shift));
            break;
        case 'k':
            add_bytes(key, null_text, out);
            break;
        case 'K':
            add_length(key, out);
            break;
        case 'T':
            buf_printf(out, "%" PRId64, r->timestamp_ms);
            break;
        case 't':
            buf_puts(out, r->topic);
            break;
        case 'p':
            buf_printf(out, "%" PRId32, r->partition);
            break;
        case 'o':
            buf_printf(out, "%" PRId64, r->offset);
            break;
        case 'H':
            buf_printf(out, "%zu", r->n_headers);
            break;
        default:
            add_headers(r, out);
            break;
        }
    }
}

/* --- JSON out ------------------------------------------------------------------------------------------------ */

void record_add_base64(struct buf *out, struct str bytes)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *p = (const unsigned char *)bytes.p;

    for (size_t i = 0; i < bytes.n; i += 3) {
        const size_t left = bytes.n - i;
        const uint32_t v = (uint32_t)p[i] << 16 | (left > 1 ? (uint32_t)p[i + 1] << 8 : 0) | (left > 2 ? p[i + 2] : 0);

        buf_putc(out, digits[v >> 18]);
        buf_putc(out, digits[v >> 12 & 63]);
        buf_putc(out, left > 1 ? digits[v >> 6 & 63] : '=');
        buf_putc(out, left > 2 ? digits[v & 63] : '=');
    }
}

/* ,"key":... or ,"key_base64":... */
static void add_member(struct buf *out, const char *name, const char *base64_name, struct str bytes)
{
    if (!bytes.p) {
        buf_printf(out, "\"%s\":null", name);
    } else if (str_is_utf8(bytes)) {
        buf_printf(out, "\"%s\":", name);
        json_add_string(out, bytes);
    } else {
        buf_printf(out, "\"%s\":\"", base64_name);
        record_add_base64(out, bytes);
        buf_putc(out, '"');
    }
}

void record_json_add(const struct log_record *r, const struct record_decoded *d, struct buf *out)
{
    buf_puts(out, "{\"topic\":");
    json_add_string(out, str_of(r->topic));
    buf_printf(out, ",\"partition\":%" PRId32 ",\"offset\":%" PRId64 ",\"timestamp\":%" PRId64 ",", r->partition,
               r->offset, r->timestamp_ms);
    if (d && d->key.p) {
        buf_puts(out, "\"key\":");
        buf_add_str(out, d->key);
    } else {
        add_member(out, "key", "key_base64", r->key);
    }
    buf_putc(out, ',');
    if (d && d->value.p) {
        buf_puts(out, "\"value\":");
        buf_add_str(out, d->value);
    } else {
        add_member(out, "value", "value_base64", r->value);
    }
    buf_puts(out, ",\"headers\":[");
    for (size_t i = 0; i < r->n_headers; i++) {
        buf_puts(out, i ? ",{\"key\":" : "{\"key\":");
        json_add_string(out, str_of(r->headers[i].name));
        buf_putc(out, ',');
        add_member(out, "value", "base64", r->headers[i].value);
        buf_putc(out, '}');
    }
    buf_puts(out, "]}\n");
}

/* --- JSON in ------------------------------------------------------------------------------------------------- */

void record_parsed_init(struct record_parsed *p)
{
    *p = (struct record_parsed){0};
    buf_init(&p->bytes, 0);
}

void record_parsed_release(struct record_parsed *p)
{
    buf_release(&p->bytes);
    vec_free(&p->headers);
}

static int base64_digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static bool add_from_base64(struct str text, struct buf *out)
{
    uint32_t v = 0;
    size_t n = 0, pad = 0;

    for (size_t i = 0; i < text.n; i++) {
        const int digit = base64_digit(text.p[i]);

        if (text.p[i] == '=' && ++pad <= 2)
            continue;
        if (digit < 0 || pad > 0)
            return false;
        v = v << 6 | (uint32_t)digit;
        if (++n % 4 != 1)
            buf_putc(out, (char)(v >> (6 - (n + 3) % 4 * 2)));
    }
    return n % 4 != 1;
}

/* Where a text is in p->bytes, which may still move. */
struct place {
    size_t at, n;
    bool there;
};

static bool add_value(struct record_parsed *p, const struct json_value *v, bool base64, struct place *out,
                      bool *is_json)
{
    struct buf *b = &p->bytes;
    bool ok = true;

    *out = (struct place){.at = b->n, .there = v->type != JSON_NULL};
    if (base64)
        ok = v->type == JSON_STRING ? add_from_base64(v->raw, b) : v->type == JSON_NULL;
    else if (v->type == JSON_STRING)
        json_unescape(v, b);
    else if (v->type != JSON_NULL)
        buf_add_str(b, v->raw);
    if (is_json)
        *is_json = !base64 && v->type != JSON_STRING && v->type != JSON_NULL;
    out->n = b->n - out->at;
    return ok;
}

/* The same, with a NUL behind it. */
static bool add_name(struct record_parsed *p, const struct json_value *v, struct place *out)
{
    struct json_value text = *v;

    text.type = JSON_STRING;
    if (!add_value(p, &text, false, out, NULL))
        return false;
    buf_putc(&p->bytes, '\0');
    return true;
}

struct header_place {
    struct place name, value;
};
typedef VEC(struct header_place) header_places;

/* [{"key": K, "value": V}, ...] */
static bool read_header_list(struct record_parsed *p, struct str text, header_places *headers)
{
    struct json_reader r;
    struct json_value list, item;

    json_reader_init(&r, text);
    if (!json_begin(&r, &list))
        return false;
    while (json_next_item(&r)) {
        struct header_place h = {0};
        struct json_value v;

        if (!json_read(&r, &item) || item.type != JSON_OBJECT || !json_member(item.raw, "key", &v) ||
            v.type != JSON_STRING || !add_name(p, &v, &h.name))
            return false;
        if (json_member(item.raw, "base64", &v)
                ? !add_value(p, &v, true, &h.value, NULL)
                : json_member(item.raw, "value", &v) && !add_value(p, &v, false, &h.value, NULL))
            return false;
        vec_push(headers, h);
    }
    return !r.problem;
}

/* {"NAME": "VALUE", ...} */
static bool read_header_object(struct record_parsed *p, struct str text, header_places *headers)
{
    struct json_reader r;
    struct json_value object, key, v;

    json_reader_init(&r, text);
    if (!json_begin(&r, &object))
        return false;
    while (json_next_key(&r, &key)) {
        struct header_place h = {0};

        if (!add_name(p, &key, &h.name) || !json_read(&r, &v) || !add_value(p, &v, false, &h.value, NULL))
            return false;
        vec_push(headers, h);
    }
    return !r.problem;
}

static bool read_timestamp(const struct json_value *v, int64_t *ms)
{
    int64_t us;

    if (v->type == JSON_NULL)
        return true;
    if (v->type == JSON_NUMBER)
        return str_to_int64(v->raw, 1, INT64_MAX, ms);
    if (v->type != JSON_STRING || !timestamp_parse(v->raw, &us) || us <= 0)
        return false;
    *ms = us / 1000;
    return true;
}

static struct str text_at(const struct record_parsed *p, const struct place *place)
{
    return place->there ? (struct str){buf_cstr(&p->bytes) + place->at, place->n} : (struct str){NULL, 0};
}

struct members {
    struct place key, value;
    header_places headers;
    bool has_value;
};

/* One member of the record; NULL, or what is wrong. */
static const char *take_member(struct record_parsed *p, struct members *m, const struct json_value *key,
                               const struct json_value *v)
{
    int64_t n;

    if (json_key_is(key, STR("key")) || json_key_is(key, STR("key_base64")))
        return add_value(p, v, json_key_is(key, STR("key_base64")), &m->key, &p->key_is_json)
                   ? NULL
                   : "key_base64 is not base64";
    if (json_key_is(key, STR("value")) || json_key_is(key, STR("value_base64"))) {
        m->has_value = true;
        return add_value(p, v, json_key_is(key, STR("value_base64")), &m->value, &p->value_is_json)
                   ? NULL
                   : "value_base64 is not base64";
    }
    if (json_key_is(key, STR("headers"))) {
        const bool ok = v->type == JSON_OBJECT  ? read_header_object(p, v->raw, &m->headers)
                        : v->type == JSON_ARRAY ? read_header_list(p, v->raw, &m->headers)
                                                : v->type == JSON_NULL;

        return ok ? NULL : "headers is an object, or a list of {\"key\", \"value\"}";
    }
    if (json_key_is(key, STR("timestamp")))
        return read_timestamp(v, &p->record.timestamp_ms) ? NULL : "timestamp is in milliseconds, or ISO 8601";
    if (json_key_is(key, STR("partition")) && v->type != JSON_NULL) {
        if (v->type != JSON_NUMBER || !str_to_int64(v->raw, -1, INT32_MAX, &n))
            return "partition is a number";
        p->record.partition = (int32_t)n;
    }
    return NULL;
}

bool record_json_read(struct str text, struct record_parsed *p, const char **problem)
{
    struct json_reader r;
    struct json_value object, key, v;
    struct members m = {0};

    buf_clear(&p->bytes);
    p->headers.n = 0;
    p->key_is_json = p->value_is_json = false;
    p->record = (struct log_record){.partition = -1};
    *problem = NULL;
    json_reader_init(&r, text);
    if (!json_begin(&r, &object) || object.type != JSON_OBJECT)
        *problem = r.problem ? r.problem : "not a JSON object";
    while (!*problem && json_next_key(&r, &key))
        *problem = json_read(&r, &v) ? take_member(p, &m, &key, &v) : r.problem;
    if (!*problem && !json_end(&r))
        *problem = r.problem ? r.problem : "text behind the object";
    if (!*problem && !m.has_value)
        *problem = "no member \"value\" (null makes a tombstone)";
    if (!*problem) {
        p->record.key = text_at(p, &m.key);
        p->record.value = text_at(p, &m.value);
        for (size_t i = 0; i < m.headers.n; i++) {
            const struct log_header h = {buf_cstr(&p->bytes) + m.headers.p[i].name.at,
                                         text_at(p, &m.headers.p[i].value)};

            vec_push(&p->headers, h);
        }
        p->record.headers = p->headers.p;
        p->record.n_headers = p->headers.n;
    }
    vec_free(&m.headers);
    return !*problem;
}
