/*
 * Writing objects to an S3 store.
 *
 * A put may be done though we do not hear of it: the connection breaks, a proxy answers 5xx for a server that did it, a
 * proxy sends it twice. So every object carries the id of its put, and whoever is not sure looks at the object: ours,
 * somebody else's, or not to be told (IG_UNKNOWN_OUTCOME).
 */
#include "store/parallel.h"
#include "store/s3_internal.h"
#include "store/store_internal.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#define ID_HEADER "x-amz-meta-ingot-put"
#define NEEDS_PUT "s3:PutObject, and kms:GenerateDataKey with aws:kms"

static struct s3_store *s3_of(struct store *st)
{
    return (struct s3_store *)st;
}

static bool is_google(const struct s3_store *s)
{
    return strcmp(s->dialect->headers, "x-goog-") == 0;
}

static void set_crc32c(struct s3_put_state *put, uint32_t crc)
{
    snprintf(put->crc32c, sizeof(put->crc32c), "%08x", crc);
}

void s3_add_object_headers(struct s3_call *c, const struct s3_put_state *put)
{
    const struct s3_store *s = put->s;

    s3_add_header(c, "Content-Type", "application/octet-stream");
    s3_add_header(c, is_google(s) ? "x-goog-meta-ingot-put" : ID_HEADER, put->id);
    s3_add_header(c, is_google(s) ? "x-goog-meta-ingot-crc32c" : "x-amz-meta-ingot-crc32c", put->crc32c);
    if (s->acl)
        s3_add_header(c, "x-amz-acl", s->acl);
    if (s->sse)
        s3_add_header(c, "x-amz-server-side-encryption", s->sse);
    if (s->sse_key)
        s3_add_header(c, "x-amz-server-side-encryption-aws-kms-key-id", s->sse_key);
    if (s->request_payer)
        s3_add_header(c, "x-amz-request-payer", "requester");
}

void s3_add_checksum(struct s3_call *c, char value[32])
{
    uint8_t sum[16];

    if (c->s->send_crc32c) {
        const uint32_t crc = hash_crc32c(0, c->body.p, c->body.n);

        for (int i = 0; i < 4; i++)
            sum[i] = (uint8_t)(crc >> (24 - 8 * i));
        EVP_EncodeBlock((uint8_t *)value, sum, 4);
        s3_add_header(c, "x-amz-checksum-crc32c", value);
    } else {
        hash_md5(c->body.p, c->body.n, sum);
        EVP_EncodeBlock((uint8_t *)value, sum, 16);
        s3_add_header(c, "Content-MD5", value);
    }
}

/* --- what came of it ---------------------------------------------------------------------------------------------- */

enum whose { OURS, THEIRS, NOBODYS, NOT_TOLD };

static enum whose whose_object(const struct s3_put_state *put, struct error *err)
{
    struct http_response response;
    enum whose whose = NOT_TOLD;
    struct s3_call call;
    struct buf key;
    enum ig_code rc;

    buf_init(&key, 0);
    s3_add_key(put->s, put->name, &key);
    http_response_init(&response);
    s3_call_init(&call, put->s, "HEAD", buf_cstr(&key), "s3:GetObject");
    rc = s3_run(&call, &response, err);
    if (rc == IG_NOT_FOUND) {
        whose = NOBODYS;
    } else if (!rc) {
        struct str id = http_header(&response, ID_HEADER);

        if (!id.p)
            id = http_header(&response, "x-goog-meta-ingot-put");
        if (id.p) /* who writes by other programs leaves none: their objects and ours look alike then */
            whose = str_is(id, put->id) ? OURS : THEIRS;
    }
    s3_call_release(&call);
    http_response_release(&response);
    buf_release(&key);
    return whose;
}

static enum ig_code taken(const struct s3_put_state *put, struct error *err)
{
    return error_set(err, IG_EXISTS, "%s/%s is there already", put->s->remote.base.url, put->name);
}

static enum ig_code unknown(const struct s3_put_state *put, const char *why, struct error *err)
{
    return error_set(err, IG_UNKNOWN_OUTCOME, "%s/%s may be there: %s", put->s->remote.base.url, put->name, why);
}

/* The name was there when the last try came. Was that an earlier try of ours? */
static enum ig_code lost_or_ours(const struct s3_put_state *put, const struct http_response *r, struct error *err)
{
    struct error looking = {0};

    switch (whose_object(put, &looking)) {
    case OURS:
        return IG_OK;
    case THEIRS:
        return taken(put, err);
    case NOBODYS: /* it was, and is removed */
        return r->maybe_applied ? unknown(put, "an answer was lost", err) : taken(put, err);
    case NOT_TOLD:
        break;
    }
    if (looking.code)
        return unknown(put, looking.msg, err);
    return r->maybe_applied ? unknown(put, "an answer was lost", err) : taken(put, err);
}

/* No try was answered well, and at least one may have been done. */
static enum ig_code done_or_not(const struct s3_put_state *put, struct error *err)
{
    struct error looking = {0};
    char why[sizeof(err->msg)];

    snprintf(why, sizeof(why), "%s", err ? err->msg : "no answer");
    switch (whose_object(put, &looking)) {
    case OURS:
        return IG_OK;
    case THEIRS:
        if (put->mode == STORE_IF_ABSENT)
            return taken(put, err);
        break;
    case NOBODYS: /* not yet: what was sent may still arrive */
    case NOT_TOLD:
        break;
    }
    return unknown(put, why, err);
}

enum ig_code s3_put_outcome(const struct s3_put_state *put, const struct s3_call *c, const struct http_response *r,
                            enum ig_code sent, struct error *err)
{
    struct error own = {0};
    enum ig_code rc = sent;

    if (!err)
        err = &own;
    if (!sent && r->status >= 200 && r->status < 300)
        return IG_OK;
    /* Some servers say 304 where 412 is meant. */
    if (!sent && put->mode == STORE_IF_ABSENT && (r->status == 412 || r->status == 304))
        return lost_or_ours(put, r, err);
    if (!sent)
        rc = s3_refused(c, r, err);
    if (rc == IG_NOT_FOUND) /* of a put: the bucket */
        rc = error_set(err, IG_INVALID, "%s/%s: HTTP 404: is the bucket there?", put->s->remote.base.url, put->name);
    if (r->maybe_applied || (sent && r->sent == HTTP_LOST) || (!sent && r->status >= 500 && r->status != 501))
        return done_or_not(put, err);
    return rc;
}

/* --- whole objects ------------------------------------------------------------------------------------------------ */

static enum ig_code put_whole(const struct s3_put_state *put, struct str body, struct error *err)
{
    struct http_response response;
    struct s3_call call;
    char checksum[32];
    struct buf key;
    enum ig_code rc;

    buf_init(&key, 0);
    s3_add_key(put->s, put->name, &key);
    http_response_init(&response);
    s3_call_init(&call, put->s, "PUT", buf_cstr(&key), NEEDS_PUT);
    call.body = body;
    call.once = put->mode == STORE_IF_ABSENT;
    s3_add_object_headers(&call, put);
    s3_add_checksum(&call, checksum);
    if (put->mode == STORE_IF_ABSENT)
        s3_add_header(&call, put->s->dialect->if_absent[0], put->s->dialect->if_absent[1]);
    rc = s3_send(&call, &response, err);
    rc = s3_put_outcome(put, &call, &response, rc, err);
    s3_call_release(&call);
    http_response_release(&response);
    buf_release(&key);
    return rc;
}

enum ig_code s3_put(struct store *st, const char *name, struct str body, enum store_put_mode mode, struct error *err)
{
    struct s3_put_state put = {.s = s3_of(st), .name = name, .mode = mode};

    env_uuid(st->env, put.id);
    set_crc32c(&put, hash_crc32c(0, body.p, body.n));
    return put_whole(&put, body, err);
}

/* Can this object be put in parts? Where completing them can not be conditional, only under a name that its writer made
 * up and nobody else has; such a name is looked for first, and then is not taken while we write. */
static bool may_split(const struct s3_put_state *put)
{
    return put->mode == STORE_REPLACE || put->s->dialect->conditional_parts || cache_name_is_final(put->name);
}

static enum ig_code put_split(const struct s3_put_state *put, const char *path, int64_t size, struct error *err)
{
    if (put->mode == STORE_IF_ABSENT && !put->s->dialect->conditional_parts) {
        struct store_object found;
        struct error absent = {0};
        const enum ig_code rc = store_stat(&put->s->remote.base, put->name, &found, &absent);

        if (rc == IG_OK)
            return taken(put, err);
        if (rc != IG_NOT_FOUND)
            return error_set(err, rc, "%s", absent.msg);
    }
    return s3_put_parts(put, path, size, err);
}

enum ig_code s3_put_file(struct store *st, const char *name, const char *path, enum store_put_mode mode,
                         struct error *err)
{
    struct s3_put_state put = {.s = s3_of(st), .name = name, .mode = mode};
    struct buf body;
    uint32_t crc;
    int64_t size;
    enum ig_code rc;

    IG_TRY(remote_file_crc32c(st->env, path, &crc, &size, err));
    env_uuid(st->env, put.id);
    set_crc32c(&put, crc);
    if (size > put.s->part_bytes && may_split(&put)) {
        rc = put_split(&put, path, size, err);
    } else {
        buf_init(&body, 0);
        rc = env_read_file(st->env, path, &body, err);
        if (!rc)
            rc = put_whole(&put, buf_str(&body), err);
        buf_release(&body);
    }
    if (!rc)
        remote_keep_or_remove(st, name, path);
    return rc;
}
