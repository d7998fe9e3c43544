/* Listing and removing objects of an S3 store. */
#include "base/percent.h"
#include "store/parallel.h"
#include "store/s3_internal.h"
#include "store/store_internal.h"
#include "store/xml.h"

#include <openssl/evp.h>
#include <stdlib.h>

#define BATCH 1000u /* keys of one DeleteObjects */
#define BATCHES_AT_ONCE 4u
#define REMOVERS 16u

static struct s3_store *s3_of(struct store *st)
{
    return (struct s3_store *)st;
}

/* --- listing ------------------------------------------------------------------------------------------------------ */

struct listing {
    struct s3_store *s;
    store_list_fn *each;
    void *ctx;
    bool encoded, truncated;
    struct buf token;
    struct buf last; /* the key before: names come in order, or it is not a store for Delta */
};

/* One <Contents>. */
struct found {
    struct buf key, size, modified;
};

static bool read_contents(struct xml_reader *x, struct found *f)
{
    buf_clear(&f->key);
    buf_clear(&f->size);
    buf_clear(&f->modified);
    for (;;) {
        const enum xml_event event = xml_next(x);
        bool ok = true;

        if (event == XML_END)
            return true;
        if (event == XML_TEXT)
            continue;
        if (event != XML_START)
            return false;
        if (str_is(x->name, "Key"))
            ok = xml_leaf(x, &f->key);
        else if (str_is(x->name, "Size"))
            ok = xml_leaf(x, &f->size);
        else if (str_is(x->name, "LastModified"))
            ok = xml_leaf(x, &f->modified);
        else
            ok = xml_skip(x);
        if (!ok)
            return false;
    }
}

/* As encoding-type=url has it: form encoding, a space is a '+'. */
static bool decode_key(struct buf *key)
{
    struct buf decoded;
    bool ok;

    for (size_t i = 0; i < key->n; i++) {
        if (key->p[i] == '+')
            key->p[i] = ' ';
    }
    buf_init(&decoded, 0);
    ok = percent_decode(&decoded, buf_str(key));
    buf_clear(key);
    buf_add_str(key, buf_str(&decoded));
    buf_release(&decoded);
    return ok;
}

static enum ig_code pass_on(struct listing *l, struct found *f, struct error *err)
{
    const char *url = l->s->remote.base.url;
    const size_t n_prefix = strlen(l->s->remote.url.prefix);
    struct store_object object = {0};
    int64_t modified_us = 0;

    if ((l->encoded && !decode_key(&f->key)) || !str_to_int64(buf_str(&f->size), 0, INT64_MAX, &object.size_bytes) ||
        !timestamp_parse(buf_str(&f->modified), &modified_us))
        return error_set(err, IG_CORRUPT, "listing %s: an object without a key, size or date", url);
    if (l->last.n && str_cmp(buf_str(&f->key), buf_str(&l->last)) <= 0)
        return error_set(err, IG_UNSUPPORTED, "listing %s: names do not come in order (\"%.200s\"), which Delta needs",
                         url, buf_cstr(&f->key));
    buf_clear(&l->last);
    buf_add_str(&l->last, buf_str(&f->key));
    if (f->key.n < n_prefix || memcmp(f->key.p, l->s->remote.url.prefix, n_prefix) != 0)
        return error_set(err, IG_CORRUPT, "listing %s: \"%.200s\" was not asked for", url, buf_cstr(&f->key));
    /* What no store of ours could have written, as the folders that consoles make ("a/"), is not there for us. */
    if (strlen(buf_cstr(&f->key)) != f->key.n || !store_name_ok(f->key.p + n_prefix))
        return IG_OK;
    object.name = (struct str){f->key.p + n_prefix, f->key.n - n_prefix};
    object.mtime_ms = modified_us / 1000;
    return l->each(l->ctx, &object, err);
}

static bool read_flag(struct xml_reader *x, bool *flag, const char *yes)
{
    struct buf text;
    bool ok;

    buf_init(&text, 0);
    ok = xml_leaf(x, &text);
    *flag = strcmp(buf_cstr(&text), yes) == 0;
    buf_release(&text);
    return ok;
}

/* Whether keys are encoded is said anywhere in the answer. */
static enum ig_code read_page(struct listing *l, struct str text, struct error *err)
{
    struct found f;
    struct buf encoding;
    struct xml_reader x;
    enum xml_event event;
    enum ig_code rc = IG_OK;
    bool ok = true;

    buf_init(&f.key, 0);
    buf_init(&f.size, 0);
    buf_init(&f.modified, 0);
    buf_init(&encoding, 0);
    l->encoded = xml_find(text, "EncodingType", &encoding) && strcmp(buf_cstr(&encoding), "url") == 0;
    l->truncated = false;
    buf_clear(&l->token);
    xml_reader_init(&x, text);
    event = xml_next(&x);
    ok = event == XML_START && str_is(x.name, "ListBucketResult");
    while (ok && !rc && (event = xml_next(&x)) != XML_EOF) {
        if (event == XML_BAD) {
            ok = false;
        } else if (event == XML_START && str_is(x.name, "Contents")) {
            ok = read_contents(&x, &f);
            if (ok)
                rc = pass_on(l, &f, err);
        } else if (event == XML_START && str_is(x.name, "IsTruncated")) {
            ok = read_flag(&x, &l->truncated, "true");
        } else if (event == XML_START && str_is(x.name, "NextContinuationToken")) {
            ok = xml_leaf(&x, &l->token);
        } else if (event == XML_START) {
            ok = xml_skip(&x);
        }
    }
    if (!rc && (!ok || (l->truncated && l->token.n == 0)))
        rc = error_set(err, IG_CORRUPT, "listing %s: %s", l->s->remote.base.url,
                       x.problem ? x.problem : "the answer is not a list");
    buf_release(&f.key);
    buf_release(&f.size);
    buf_release(&f.modified);
    buf_release(&encoding);
    return rc;
}

static enum ig_code list_page(struct listing *l, struct str prefix, struct str after, struct error *err)
{
    struct http_response response;
    struct s3_call call;
    enum ig_code rc;

    http_response_init(&response);
    s3_call_init(&call, l->s, "GET", NULL, "s3:ListBucket");
    s3_add_param(&call, "list-type", STR("2"));
    s3_add_param(&call, "encoding-type", STR("url"));
    s3_add_param(&call, "prefix", prefix);
    if (l->token.n)
        s3_add_param(&call, "continuation-token", buf_str(&l->token));
    else if (after.n)
        s3_add_param(&call, "start-after", after);
    if (l->s->request_payer)
        s3_add_header(&call, "x-amz-request-payer", "requester");
    rc = s3_run(&call, &response, err);
    if (rc == IG_NOT_FOUND) /* a list of nothing is no 404: it is the bucket */
        rc = error_set(err, IG_INVALID, "listing %s: HTTP 404: is the bucket there?", l->s->remote.base.url);
    if (!rc)
        rc = read_page(l, buf_str(&response.body), err);
    s3_call_release(&call);
    http_response_release(&response);
    return rc;
}

enum ig_code s3_list_from(struct store *st, const char *prefix, const char *after, store_list_fn *each, void *ctx,
                          struct error *err)
{
    struct listing l = {.s = s3_of(st), .each = each, .ctx = ctx, .truncated = true};
    struct buf full, start;
    enum ig_code rc = IG_OK;

    buf_init(&l.token, 0);
    buf_init(&l.last, 0);
    buf_init(&full, 0);
    buf_init(&start, 0);
    s3_add_key(l.s, prefix, &full);
    if (*after)
        s3_add_key(l.s, after, &start);
    while (!rc && l.truncated)
        rc = list_page(&l, buf_str(&full), buf_str(&start), err);
    buf_release(&l.token);
    buf_release(&l.last);
    buf_release(&full);
    buf_release(&start);
    return rc;
}

enum ig_code s3_list(struct store *st, const char *prefix, store_list_fn *each, void *ctx, struct error *err)
{
    return s3_list_from(st, prefix, "", each, ctx, err);
}

/* --- removing ----------------------------------------------------------------------------------------------------- */

enum ig_code s3_remove(struct store *st, const char *name, struct error *err)
{
    struct s3_store *s = s3_of(st);
    struct http_response response;
    struct s3_call call;
    struct buf key;
    enum ig_code rc;

    buf_init(&key, 0);
    s3_add_key(s, name, &key);
    http_response_init(&response);
    s3_call_init(&call, s, "DELETE", buf_cstr(&key), "s3:DeleteObject");
    if (s->request_payer)
        s3_add_header(&call, "x-amz-request-payer", "requester");
    rc = s3_run(&call, &response, err);
    if (rc == IG_NOT_FOUND)
        rc = IG_OK;
    s3_call_release(&call);
    http_response_release(&response);
    buf_release(&key);
    return rc;
}

struct removal {
    struct store *st;
    const char *const *names;
    size_t n;
};

static enum ig_code remove_one(void *ctx, size_t i, struct error *err)
{
    const struct removal *r = ctx;

    return s3_remove(r->st, r->names[i], err);
}

static enum ig_code remove_singly(struct store *st, const char *const *names, size_t n, struct error *err)
{
    struct removal r = {st, names, n};

    return parallel_for(st->env, n, REMOVERS, remove_one, &r, err);
}

/* The first key that could not be removed. */
static enum ig_code read_removal(const struct s3_store *s, struct str text, struct error *err)
{
    struct buf key, code;
    struct xml_reader x;
    enum xml_event event;
    enum ig_code rc = IG_OK;

    buf_init(&key, 0);
    buf_init(&code, 0);
    xml_reader_init(&x, text);
    while (!rc && (event = xml_next(&x)) != XML_EOF) {
        if (event == XML_BAD) {
            rc = error_set(err, IG_UNAVAILABLE, "%s: removing objects: %s", s->remote.base.url, x.problem);
        } else if (event == XML_START && str_is(x.name, "Error")) {
            buf_clear(&key);
            buf_clear(&code);
        } else if (event == XML_START && str_is(x.name, "Key")) {
            (void)xml_leaf(&x, &key);
        } else if (event == XML_START && str_is(x.name, "Code")) {
            (void)xml_leaf(&x, &code);
        } else if (event == XML_END && str_is(x.name, "Error") && strcmp(buf_cstr(&code), "NoSuchKey") != 0) {
            rc = error_set(err, strcmp(buf_cstr(&code), "AccessDenied") == 0 ? IG_INVALID : IG_UNAVAILABLE,
                           "%s: %s is not removed: %s%s", s->remote.base.url, buf_cstr(&key), buf_cstr(&code),
                           strcmp(buf_cstr(&code), "AccessDenied") == 0 ? " (it needs s3:DeleteObject)" : "");
        }
    }
    buf_release(&key);
    buf_release(&code);
    return rc;
}

/* A name with a control character cannot be said in XML. */
static bool in_xml(const char *name)
{
    for (; *name; name++) {
        if ((unsigned char)*name < 32)
            return false;
    }
    return true;
}

static enum ig_code remove_batch(void *ctx, size_t i, struct error *err)
{
    const struct removal *r = ctx;
    struct s3_store *s = s3_of(r->st);
    const size_t from = i * BATCH, to = r->n < from + BATCH ? r->n : from + BATCH;
    struct http_response response;
    struct s3_call call;
    struct buf xml, key;
    uint8_t sum[16];
    char md5[32];
    enum ig_code rc = IG_OK;

    buf_init(&xml, 0);
    buf_init(&key, 0);
    http_response_init(&response);
    buf_puts(&xml, "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Quiet>true</Quiet>");
    for (size_t k = from; k < to && !rc; k++) {
        if (!in_xml(r->names[k])) {
            rc = s3_remove(r->st, r->names[k], err);
            continue;
        }
        buf_clear(&key);
        s3_add_key(s, r->names[k], &key);
        buf_puts(&xml, "<Object><Key>");
        xml_add_text(&xml, buf_str(&key));
        buf_puts(&xml, "</Key></Object>");
    }
    buf_puts(&xml, "</Delete>");
    hash_md5(xml.p, xml.n, sum);
    EVP_EncodeBlock((uint8_t *)md5, sum, 16);
    s3_call_init(&call, s, "POST", NULL, "s3:DeleteObject");
    s3_add_param(&call, "delete", STR(""));
    s3_add_header(&call, "Content-Type", "application/xml");
    s3_add_header(&call, "Content-MD5", md5);
    if (s->request_payer)
        s3_add_header(&call, "x-amz-request-payer", "requester");
    call.body = buf_str(&xml);
    if (!rc)
        rc = s3_run(&call, &response, err);
    if (!rc)
        rc = read_removal(s, buf_str(&response.body), err);
    s3_call_release(&call);
    http_response_release(&response);
    buf_release(&xml);
    buf_release(&key);
    return rc == IG_UNSUPPORTED ? remove_singly(r->st, r->names + from, to - from, err) : rc;
}

enum ig_code s3_remove_many(struct store *st, const char *const *names, size_t n, struct error *err)
{
    struct removal r = {st, names, n};

    if (n < 2 || !s3_of(st)->dialect->batch_delete)
        return n ? remove_singly(st, names, n, err) : IG_OK;
    return parallel_for(st->env, (n + BATCH - 1) / BATCH, BATCHES_AT_ONCE, remove_batch, &r, err);
}
