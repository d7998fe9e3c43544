/*
 * Big files, in parts side by side: each worker holds one part in memory. The object appears only when the upload is
 * completed, under the same condition and with the same id as a small one. An upload that fails is aborted; what a
 * crash leaves is invisible and costs until the bucket's lifecycle rule removes it (docs/stores.md).
 */
#include "store/parallel.h"
#include "store/s3_internal.h"
#include "store/store_internal.h"
#include "store/xml.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define PARTS_MAX 10000
#define PART_WRITERS 4u
#define UPLOADS_MAX 3 /* a conflict while completing asks for the upload to be begun anew */
#define TAG_MAX_BYTES 256
#define NEEDS_PARTS "s3:PutObject and s3:AbortMultipartUpload, and kms:GenerateDataKey and kms:Decrypt with aws:kms"

struct part {
    char tag[TAG_MAX_BYTES], checksum[32];
};

struct upload {
    const struct s3_put_state *put;
    const char *path;
    int64_t size, part_bytes;
    size_t n_parts;
    struct buf key, id;
    struct part *parts;
};

/* The smallest size of parts, of whole MiB, with which they are few enough. */
static int64_t size_of_parts(const struct s3_store *s, int64_t size)
{
    const int64_t mib = (int64_t)1 << 20, least = (size + PARTS_MAX - 1) / PARTS_MAX;
    const int64_t rounded = (least + mib - 1) / mib * mib;

    return rounded > s->part_bytes ? rounded : s->part_bytes;
}

static enum ig_code begin(struct upload *u, struct error *err)
{
    struct s3_store *s = u->put->s;
    struct http_response response;
    struct s3_call call;
    enum ig_code rc;

    http_response_init(&response);
    s3_call_init(&call, s, "POST", buf_cstr(&u->key), NEEDS_PARTS);
    s3_add_param(&call, "uploads", STR(""));
    s3_add_object_headers(&call, u->put);
    if (s->send_crc32c)
        s3_add_header(&call, "x-amz-checksum-algorithm", "CRC32C");
    rc = s3_run(&call, &response, err);
    buf_clear(&u->id);
    if (!rc && (!xml_find(buf_str(&response.body), "UploadId", &u->id) || u->id.n == 0))
        rc = error_set(err, IG_CORRUPT, "%s/%s: the store begins an upload without an id", s->remote.base.url,
                       u->put->name);
    s3_call_release(&call);
    http_response_release(&response);
    return rc;
}

static enum ig_code read_part(struct upload *u, int64_t at, size_t n, struct buf *body, struct error *err)
{
    struct env *env = u->put->s->remote.base.env;
    struct env_file *f = NULL;
    enum ig_code rc = env_open(env, u->path, ENV_OPEN_READ, &f, err);

    if (!rc && !buf_reserve(body, n))
        rc = buf_check(body, err, "a part");
    if (!rc)
        rc = env_read_full(env, f, at, body->p, n, err);
    if (!rc)
        body->n = n;
    env_close(env, f);
    return rc;
}

static enum ig_code send_part(void *ctx, size_t i, struct error *err)
{
    struct upload *u = ctx;
    const int64_t at = (int64_t)i * u->part_bytes, left = u->size - at;
    struct http_response response;
    struct s3_call call;
    char number[16];
    struct buf body;
    struct str tag;
    enum ig_code rc;

    buf_init(&body, (size_t)u->part_bytes);
    http_response_init(&response);
    snprintf(number, sizeof(number), "%zu", i + 1);
    s3_call_init(&call, u->put->s, "PUT", buf_cstr(&u->key), NEEDS_PARTS);
    s3_add_param(&call, "partNumber", str_of(number));
    s3_add_param(&call, "uploadId", buf_str(&u->id));
    rc = read_part(u, at, (size_t)(left < u->part_bytes ? left : u->part_bytes), &body, err);
    call.body = buf_str(&body);
    if (!rc) {
        s3_add_checksum(&call, u->parts[i].checksum);
        rc = s3_run(&call, &response, err);
    }
    tag = http_header(&response, "ETag");
    if (!rc && (tag.n == 0 || tag.n >= TAG_MAX_BYTES))
        rc = error_set(err, IG_CORRUPT, "%s/%s: a part was taken without an ETag", u->put->s->remote.base.url,
                       u->put->name);
    if (!rc) {
        memcpy(u->parts[i].tag, tag.p, tag.n);
        u->parts[i].tag[tag.n] = '\0';
    }
    s3_call_release(&call);
    http_response_release(&response);
    buf_release(&body);
    return rc;
}

static void add_manifest(const struct upload *u, struct buf *xml)
{
    buf_puts(xml, "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
    for (size_t i = 0; i < u->n_parts; i++) {
        buf_printf(xml, "<Part><PartNumber>%zu</PartNumber><ETag>", i + 1);
        xml_add_text(xml, str_of(u->parts[i].tag));
        buf_puts(xml, "</ETag>");
        if (u->put->s->send_crc32c)
            buf_printf(xml, "<ChecksumCRC32C>%s</ChecksumCRC32C>", u->parts[i].checksum);
        buf_puts(xml, "</Part>");
    }
    buf_puts(xml, "</CompleteMultipartUpload>");
}

/* *again: somebody else was at the name at the same moment, and the upload has to be begun anew. */
static enum ig_code complete(struct upload *u, bool *again, struct error *err)
{
    const struct s3_put_state *put = u->put;
    struct http_response response;
    struct s3_call call;
    struct buf xml;
    enum ig_code rc;

    buf_init(&xml, 0);
    http_response_init(&response);
    add_manifest(u, &xml);
    s3_call_init(&call, put->s, "POST", buf_cstr(&u->key), NEEDS_PARTS);
    s3_add_param(&call, "uploadId", buf_str(&u->id));
    if (put->mode == STORE_IF_ABSENT && put->s->dialect->conditional_parts)
        s3_add_header(&call, put->s->dialect->if_absent[0], put->s->dialect->if_absent[1]);
    s3_add_header(&call, "Content-Type", "application/xml");
    call.body = buf_str(&xml);
    call.once = true;
    call.error_in_200 = true;
    rc = s3_send(&call, &response, err);
    *again = !rc && response.status == 409 && !response.maybe_applied;
    /* An upload that is gone was completed by an earlier try, perhaps. */
    if (!rc && response.status == 404 && response.maybe_applied)
        response.status = 504;
    /* The good status with an error, at every try: nobody knows. */
    if (!rc && response.status == 200 && !xml_find(buf_str(&response.body), "ETag", &xml))
        response.status = 500;
    rc = s3_put_outcome(put, &call, &response, rc, err);
    s3_call_release(&call);
    http_response_release(&response);
    buf_release(&xml);
    return rc;
}

/* Frees what was sent. Also behind an unknown outcome: of a completed upload it takes nothing away. */
static void abort_upload(struct upload *u)
{
    struct s3_store *s = u->put->s;
    struct http_response response;
    struct error problem = {0};
    struct s3_call call;

    http_response_init(&response);
    s3_call_init(&call, s, "DELETE", buf_cstr(&u->key), NEEDS_PARTS);
    s3_add_param(&call, "uploadId", buf_str(&u->id));
    if (s3_run(&call, &response, &problem) && problem.code != IG_NOT_FOUND)
        log_warn(s->remote.base.env, "store", "%s/%s: the parts of a failed upload stay: %s", s->remote.base.url,
                 u->put->name, problem.msg);
    s3_call_release(&call);
    http_response_release(&response);
}

static enum ig_code upload_once(struct upload *u, bool *again, struct error *err)
{
    struct env *env = u->put->s->remote.base.env;
    enum ig_code rc;

    *again = false;
    IG_TRY(begin(u, err));
    rc = parallel_for(env, u->n_parts, PART_WRITERS, send_part, u, err);
    if (!rc)
        rc = complete(u, again, err);
    else if (rc == IG_NOT_FOUND) /* the upload: somebody aborted it */
        rc = error_context(err, IG_UNAVAILABLE, "the upload is gone");
    if (rc)
        abort_upload(u);
    return rc;
}

enum ig_code s3_put_parts(const struct s3_put_state *put, const char *path, int64_t size, struct error *err)
{
    struct upload u = {.put = put, .path = path, .size = size, .part_bytes = size_of_parts(put->s, size)};
    bool again = true;
    enum ig_code rc = IG_OK;

    u.n_parts = (size_t)((size + u.part_bytes - 1) / u.part_bytes);
    u.parts = check_calloc(u.n_parts, sizeof(*u.parts));
    buf_init(&u.key, 0);
    buf_init(&u.id, 0);
    s3_add_key(put->s, put->name, &u.key);
    for (int i = 0; i < UPLOADS_MAX && again; i++)
        rc = upload_once(&u, &again, err);
    buf_release(&u.id);
    buf_release(&u.key);
    free(u.parts);
    return rc;
}
