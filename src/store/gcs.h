/* Google Cloud Storage by its JSON API: what its files share. */
#ifndef STORE_GCS_H
#define STORE_GCS_H

#include "store/gcs_auth.h"
#include "store/http.h"
#include "store/remote.h"

struct gcs_store {
    struct remote_store remote;
    struct http_client *http;
    struct gcs_auth *auth;
    char *endpoint;     /* "https://storage.googleapis.com" */
    char *bucket;       /* percent-encoded */
    char *user_project; /* who pays for requests to a bucket of others; NULL: its owner */
};

/* One request. */
struct gcs_call {
    struct gcs_store *g;
    const char *name; /* the object's, for messages; NULL: the store */
    const char *method, *url;
    const char *headers[4];
    size_t n_headers;
    struct str body;
    bool once;
    struct buf *out; /* see http_request */
    struct env_file *file;
    int64_t file_at, file_max;
    /* Changes the request for a repeat (try > 0); NULL: the same again. */
    void (*again)(void *ctx, struct http_request *request);
    void *again_ctx;
    /* its own */
    struct buf authorization;
    const char *all_headers[8];
    bool refused;
};

/* Sends it, with a token, and repeats it as http_run() does. Any answer is IG_OK. */
IG_MUST_CHECK enum ig_code gcs_run(struct gcs_call *call, struct http_response *response, struct error *err);
/* The error that an answer, which is not the one hoped for, stands for. */
enum ig_code gcs_fail(const struct gcs_call *call, const struct http_response *response, struct error *err);

/* ENDPOINT + before + "b/BUCKET/o" */
void gcs_add_objects_url(const struct gcs_store *g, const char *before, struct buf *out);
/* ENDPOINT/storage/v1/b/BUCKET/o/KEY, and userProject if there is one; *separator is what begins the next parameter. */
void gcs_add_object_url(const struct gcs_store *g, const char *name, struct buf *out, const char **separator);

/* The metadata of an object as JSON: size, generation, crc32c, updated. IG_CORRUPT. */
IG_MUST_CHECK enum ig_code gcs_read_meta(struct str json, const char *name, struct remote_meta *out, struct error *err);
/* Reads the metadata; `put`, if not NULL, gets the mark of the put that made the object ("" without one). */
IG_MUST_CHECK enum ig_code gcs_head(struct gcs_store *g, const char *name, struct remote_meta *meta, struct buf *put,
                                    struct error *err);
/* Base64 of a big-endian CRC32C, and back. */
void gcs_add_crc32c(struct buf *out, uint32_t crc);
bool gcs_parse_crc32c(struct str text, uint32_t *crc);

/* Store operations (gcs_put.c). */
enum ig_code gcs_put(struct store *st, const char *name, struct str body, enum store_put_mode mode, struct error *err);
enum ig_code gcs_put_file(struct store *st, const char *name, const char *path, enum store_put_mode mode,
                          struct error *err);

#endif
