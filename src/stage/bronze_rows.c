/*
 * Buffered rows of a bronze file, column by column.
 */
#include "stage/bronze_parquet.h"

#include <openssl/evp.h>
#include <stdlib.h>

#define PAGE_BYTES ((size_t)1 << 20)

/* --- little-endian, as Parquet has it ------------------------------------------------------------------------ */

static void add_u32(struct buf *b, uint32_t v)
{
    const uint8_t bytes[4] = {(uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16), (uint8_t)(v >> 24)};

    buf_add(b, bytes, sizeof(bytes));
}

static void add_u64(struct buf *b, uint64_t v)
{
    add_u32(b, (uint32_t)v);
    add_u32(b, (uint32_t)(v >> 32));
}

static void texts_add(struct bronze_texts *t, size_t n_rows, struct str s)
{
    const size_t begun = t->pages.n ? t->pages.p[t->pages.n - 1].n_bytes : 0;

    if (t->bytes.n - begun >= PAGE_BYTES) {
        const struct bronze_page page = {n_rows, t->bytes.n};

        vec_push(&t->pages, page);
    }
    add_u32(&t->bytes, (uint32_t)s.n);
    buf_add(&t->bytes, s.p, s.n);
}

static void texts_release(struct bronze_texts *t)
{
    buf_release(&t->bytes);
    vec_free(&t->pages);
}

/* --- keys and headers as text -------------------------------------------------------------------------------- */

static void add_hex(struct buf *out, struct str s)
{
    static const char DIGITS[] = "0123456789abcdef";

    buf_puts(out, "\\x");
    for (size_t i = 0; i < s.n; i++) {
        buf_putc(out, DIGITS[(uint8_t)s.p[i] >> 4]);
        buf_putc(out, DIGITS[(uint8_t)s.p[i] & 15]);
    }
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

struct str bronze_key_bytes(struct str text, struct buf *scratch)
{
    const size_t at = scratch->n;

    if (!str_has_prefix(text, "\\x") || text.n % 2 != 0)
        return text;
    for (size_t i = 2; i < text.n; i += 2) {
        const int high = hex_digit(text.p[i]), low = hex_digit(text.p[i + 1]);

        if (high < 0 || low < 0) { /* not written by us */
            scratch->n = at;
            return text;
        }
        buf_putc(scratch, (char)(uint8_t)(high * 16 + low));
    }
    return (struct str){buf_str(scratch).p + at, scratch->n - at};
}

static void add_base64(struct buf *out, struct str s)
{
    const size_t n = (s.n + 2) / 3 * 4;
    unsigned char *to = buf_reserve(out, n + 1); /* EVP_EncodeBlock adds a NUL */

    if (to)
        out->n += (size_t)EVP_EncodeBlock(to, (const unsigned char *)s.p, (int)s.n);
}

static void add_headers(struct buf *out, const struct log_record *r)
{
    for (size_t i = 0; i < r->n_headers; i++) {
        const struct log_header *h = &r->headers[i];

        buf_puts(out, i ? ", {\"key\": " : "[{\"key\": ");
        json_add_string(out, str_of(h->name));
        if (!h->value.p) {
            buf_puts(out, ", \"value\": null}");
        } else if (str_is_utf8(h->value)) {
            buf_puts(out, ", \"value\": ");
            json_add_string(out, h->value);
            buf_putc(out, '}');
        } else {
            buf_puts(out, ", \"base64\": \"");
            add_base64(out, h->value);
            buf_puts(out, "\"}");
        }
    }
    buf_putc(out, ']');
}

static void add_from_base64(struct buf *out, struct str text)
{
    unsigned char *to = buf_reserve(out, text.n / 4 * 3 + 1);
    const int n = to && text.n % 4 == 0 ? EVP_DecodeBlock(to, (const unsigned char *)text.p, (int)text.n) : -1;

    if (n <= 0)
        return;
    out->n += (size_t)n;
    for (size_t i = text.n; i > 0 && text.p[i - 1] == '='; i--)
        out->n--;
}

static void take_header(struct str object, struct bronze_headers *h)
{
    struct json_value name, value;
    struct log_header header = {0};
    const bool base64 = json_member(object, "base64", &value);
    size_t at;

    if (!json_member(object, "key", &name) || name.type != JSON_STRING ||
        (!base64 && !json_member(object, "value", &value)))
        return;
    header.name = h->bytes.p + h->bytes.n;
    json_unescape(&name, &h->bytes);
    buf_putc(&h->bytes, '\0');
    at = h->bytes.n;
    if (base64)
        add_from_base64(&h->bytes, value.raw);
    else if (value.type == JSON_STRING)
        json_unescape(&value, &h->bytes);
    if (value.type == JSON_STRING)
        header.value = (struct str){h->bytes.p + at, h->bytes.n - at};
    vec_push(&h->list, header);
}

void bronze_headers_read(struct str text, struct bronze_headers *out)
{
    struct json_reader r;
    struct json_value list, item;

    *out = (struct bronze_headers){0};
    buf_init(&out->bytes, 0);
    if (text.n == 0 || !buf_reserve(&out->bytes, 2 * text.n + 16)) /* so that nothing moves: what is read is shorter */
        return;
    json_reader_init(&r, text);
    if (json_begin(&r, &list) && list.type == JSON_ARRAY)
        while (json_next_item(&r) && json_read(&r, &item))
            take_header(item.raw, out);
}

void bronze_headers_release(struct bronze_headers *h)
{
    vec_free(&h->list);
    buf_release(&h->bytes);
}

/* --- rows ---------------------------------------------------------------------------------------------------- */

void bronze_rows_init(struct bronze_rows *rows, const char *topic)
{
    struct buf *const all[] = {&rows->values.bytes, &rows->keys.bytes, &rows->headers.bytes, &rows->key_set,
                               &rows->headers_set,  &rows->partitions, &rows->offsets,       &rows->timestamps};

    *rows = (struct bronze_rows){.topic = topic};
    for (size_t i = 0; i < IG_COUNT(all); i++)
        buf_init(all[i], 2 * BRONZE_ROWS_MAX_BYTES);
}

void bronze_rows_release(struct bronze_rows *rows)
{
    texts_release(&rows->values);
    texts_release(&rows->keys);
    texts_release(&rows->headers);
    buf_release(&rows->key_set);
    buf_release(&rows->headers_set);
    buf_release(&rows->partitions);
    buf_release(&rows->offsets);
    buf_release(&rows->timestamps);
    *rows = (struct bronze_rows){0};
}

static void note_range(struct bronze_rows *rows, const struct log_record *r, int64_t us)
{
    const bool first = rows->n == 0;

    if (first || r->partition < rows->min_partition)
        rows->min_partition = r->partition;
    if (first || r->partition > rows->max_partition)
        rows->max_partition = r->partition;
    if (first || r->offset < rows->min_offset)
        rows->min_offset = r->offset;
    if (first || r->offset > rows->max_offset)
        rows->max_offset = r->offset;
    if (first || us < rows->min_timestamp)
        rows->min_timestamp = us;
    if (first || us > rows->max_timestamp)
        rows->max_timestamp = us;
}

static void add_optional(struct bronze_texts *texts, struct buf *set, size_t n_rows, struct str text, bool present)
{
    buf_putc(set, present ? 1 : 0);
    if (present)
        texts_add(texts, n_rows, text);
}

void bronze_rows_add(struct bronze_rows *rows, const struct log_record *r)
{
    const int64_t us = r->timestamp_ms * 1000;
    struct buf text;

    buf_init(&text, 0);
    note_range(rows, r, us);
    texts_add(&rows->values, rows->n, r->value);
    if (r->key.p && (!str_is_utf8(r->key) || str_has_prefix(r->key, "\\x"))) {
        add_hex(&text, r->key);
        add_optional(&rows->keys, &rows->key_set, rows->n, buf_str(&text), true);
    } else {
        add_optional(&rows->keys, &rows->key_set, rows->n, r->key, r->key.p != NULL);
    }
    buf_clear(&text);
    if (r->n_headers > 0)
        add_headers(&text, r);
    add_optional(&rows->headers, &rows->headers_set, rows->n, buf_str(&text), r->n_headers > 0);
    add_u32(&rows->partitions, (uint32_t)r->partition);
    add_u64(&rows->offsets, (uint64_t)r->offset);
    add_u64(&rows->timestamps, (uint64_t)us);
    rows->n++;
    rows->n_bytes += r->value.n + r->key.n + text.n + 64;
    buf_release(&text);
}
