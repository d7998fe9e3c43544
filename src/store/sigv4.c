#include "store/sigv4.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

const struct sigv4_scheme sigv4_aws = {"AWS4-HMAC-SHA256", "AWS4", "aws4_request"};
const struct sigv4_scheme sigv4_goog = {"GOOG4-HMAC-SHA256", "GOOG4", "goog4_request"};

#define KEY_BYTES 32

void sigv4_time(int64_t time_ms, char out[17])
{
    const int64_t s = time_ms / 1000;
    const int64_t of_day = s % 86400;
    unsigned month, day;
    char text[64];
    int year;

    date_to_civil((int32_t)(s / 86400), &year, &month, &day);
    snprintf(text, sizeof(text), "%04d%02u%02uT%02d%02d%02dZ", year, month, day, (int)(of_day / 3600),
             (int)(of_day / 60 % 60), (int)(of_day % 60));
    memcpy(out, text, 16);
    out[16] = '\0';
}

static int compare_query(const void *a, const void *b)
{
    const struct sigv4_field *x = a, *y = b;
    const int by_name = str_cmp(x->name, y->name);

    return by_name ? by_name : str_cmp(x->value, y->value);
}

/* By name in any case; equal names stay in their order, which the addresses of the values do not give: the sort is an
 * insertion. */
static int compare_names(struct str a, struct str b)
{
    const size_t n = a.n < b.n ? a.n : b.n;
    const int c = strncasecmp(a.p, b.p, n);

    return c ? c : (a.n > b.n) - (a.n < b.n);
}

static size_t sorted_headers(const struct sigv4_request *q, struct sigv4_field *out)
{
    size_t n = 0;

    IG_ASSERT(q->n_headers <= SIGV4_FIELDS_MAX);
    for (size_t i = 0; i < q->n_headers; i++) {
        size_t at = n++;

        for (; at > 0 && compare_names(out[at - 1].name, q->headers[i].name) > 0; at--)
            out[at] = out[at - 1];
        out[at] = q->headers[i];
    }
    return n;
}

static void add_lower(struct buf *out, struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        buf_putc(out, s.p[i] >= 'A' && s.p[i] <= 'Z' ? (char)(s.p[i] + 32) : s.p[i]);
}

/* Without white space around it, and with single spaces inside. */
static void add_trimmed(struct buf *out, struct str s)
{
    bool space = false, any = false;

    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == ' ' || s.p[i] == '\t') {
            space = any;
            continue;
        }
        if (space)
            buf_putc(out, ' ');
        buf_putc(out, s.p[i]);
        any = true;
        space = false;
    }
}

static void add_signed_names(const struct sigv4_field *headers, size_t n, struct buf *out)
{
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && compare_names(headers[i].name, headers[i - 1].name) == 0)
            continue;
        if (i > 0)
            buf_putc(out, ';');
        add_lower(out, headers[i].name);
    }
}

static void add_query(const struct sigv4_request *q, struct buf *out)
{
    struct sigv4_field sorted[SIGV4_FIELDS_MAX];

    IG_ASSERT(q->n_query <= SIGV4_FIELDS_MAX);
    if (q->n_query) {
        memcpy(sorted, q->query, q->n_query * sizeof(*sorted));
        qsort(sorted, q->n_query, sizeof(*sorted), compare_query);
    }
    for (size_t i = 0; i < q->n_query; i++) {
        if (i > 0)
            buf_putc(out, '&');
        buf_add_str(out, sorted[i].name);
        buf_putc(out, '=');
        buf_add_str(out, sorted[i].value);
    }
}

void sigv4_add_canonical_request(const struct sigv4_request *q, struct buf *out)
{
    struct sigv4_field headers[SIGV4_FIELDS_MAX];
    const size_t n = sorted_headers(q, headers);

    buf_puts(out, q->method);
    buf_putc(out, '\n');
    buf_add_str(out, q->path);
    buf_putc(out, '\n');
    add_query(q, out);
    buf_putc(out, '\n');
    for (size_t i = 0; i < n; i++) {
        const bool again = i > 0 && compare_names(headers[i].name, headers[i - 1].name) == 0;

        if (again) {
            out->n--; /* the line end: the value goes behind the one before */
            buf_putc(out, ',');
        } else {
            add_lower(out, headers[i].name);
            buf_putc(out, ':');
        }
        add_trimmed(out, headers[i].value);
        buf_putc(out, '\n');
    }
    buf_putc(out, '\n');
    add_signed_names(headers, n, out);
    buf_putc(out, '\n');
    buf_add_str(out, q->payload_hash);
}

static void hmac_sha256(const uint8_t *key, size_t n_key, struct str text, uint8_t out[KEY_BYTES])
{
    unsigned n = KEY_BYTES;
    const uint8_t *made = HMAC(EVP_sha256(), key, (int)n_key, (const uint8_t *)text.p, text.n, out, &n);

    IG_ASSERT(made && n == KEY_BYTES);
}

static void signing_key(const struct sigv4_request *q, const char *date, uint8_t key[KEY_BYTES])
{
    struct buf first;

    buf_init(&first, 0);
    buf_puts(&first, q->scheme->key_prefix);
    buf_puts(&first, q->secret_key);
    hmac_sha256((const uint8_t *)first.p, first.n, (struct str){date, 8}, key);
    hmac_sha256(key, KEY_BYTES, str_of(q->region), key);
    hmac_sha256(key, KEY_BYTES, str_of(q->service), key);
    hmac_sha256(key, KEY_BYTES, str_of(q->scheme->terminator), key);
    OPENSSL_cleanse(first.p, first.n);
    buf_release(&first);
}

void sigv4_add_authorization(const struct sigv4_request *q, struct buf *out)
{
    struct sigv4_field headers[SIGV4_FIELDS_MAX];
    const size_t n = sorted_headers(q, headers);
    uint8_t key[KEY_BYTES], signature[KEY_BYTES];
    char time[17], hash[65];
    struct buf text, scope;

    buf_init(&text, 0);
    buf_init(&scope, 0);
    sigv4_time(q->time_ms, time);
    buf_printf(&scope, "%.8s/%s/%s/%s", time, q->region, q->service, q->scheme->terminator);
    sigv4_add_canonical_request(q, &text);
    hash_sha256_hex(text.p, text.n, hash);
    buf_clear(&text);
    buf_printf(&text, "%s\n%s\n%s\n%s", q->scheme->algorithm, time, buf_cstr(&scope), hash);
    signing_key(q, time, key);
    hmac_sha256(key, KEY_BYTES, buf_str(&text), signature);
    buf_printf(out, "%s Credential=%s/%s, SignedHeaders=", q->scheme->algorithm, q->access_key, buf_cstr(&scope));
    add_signed_names(headers, n, out);
    buf_puts(out, ", Signature=");
    for (size_t i = 0; i < KEY_BYTES; i++)
        buf_printf(out, "%02x", signature[i]);
    OPENSSL_cleanse(key, sizeof(key));
    buf_release(&scope);
    buf_release(&text);
}
