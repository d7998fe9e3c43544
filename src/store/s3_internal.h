/* What the sources of the S3 store share. */
#ifndef STORE_S3_INTERNAL_H
#define STORE_S3_INTERNAL_H

#include "store/s3.h"

#define S3_HEADERS_MAX 16
#define S3_PARAMS_MAX 8

/* One request to S3, signed anew at each try. */
struct s3_call {
    struct s3_store *s;
    const char *method;
    const char *key;   /* the full key; NULL: the bucket */
    const char *needs; /* the permission, for messages: "s3:GetObject" */
    struct {
        const char *name;
        struct str value; /* not encoded */
    } params[S3_PARAMS_MAX];
    size_t n_params;
    struct sigv4_field headers[S3_HEADERS_MAX];
    size_t n_headers;
    struct str body;
    bool once;         /* see struct http_request */
    bool error_in_200; /* the answer 200 comes first, and then perhaps an error in the body */
    struct buf *out;
    struct env_file *file;
    int64_t file_at, file_max;

    /* --- its own --- */
    struct credential_set keys;
    char hash[65], time[17], region[64];
    int64_t time_ms;
    struct buf url, path, names; /* `names`: the encoded parameters, NUL behind each */
    VEC(char *) lines;
    bool put_right[3]; /* the clock, the region, the keys: each once */
};

void s3_call_init(struct s3_call *c, struct s3_store *s, const char *method, const char *key, const char *needs);
void s3_call_release(struct s3_call *c);
void s3_add_param(struct s3_call *c, const char *name, struct str value);
/* `name` and `value` live as long as the call. */
void s3_add_header(struct s3_call *c, const char *name, const char *value);

/* Sends it, repeated as needed: http_run()'s result. A status that is no success is for s3_refused(). */
IG_MUST_CHECK enum ig_code s3_send(struct s3_call *c, struct http_response *response, struct error *err);
/* Sends it; what is not 2xx is an error. */
IG_MUST_CHECK enum ig_code s3_run(struct s3_call *c, struct http_response *response, struct error *err);
/* The error that an answer means: names the object, S3's code and message, the request, and what to do. */
enum ig_code s3_refused(const struct s3_call *c, const struct http_response *response, struct error *err);
/* Appends S3's error code ("NoSuchKey"), if the answer has one. */
void s3_add_error_code(const struct http_response *response, struct buf *out);
bool s3_has_error_code(const struct http_response *response, const char *code);

/* Appends the full key of an object. */
static inline void s3_add_key(const struct s3_store *s, const char *name, struct buf *out)
{
    remote_add_key(&s->remote, name, out);
}

/* --- objects --- */
enum ig_code s3_head(struct store *st, const char *name, struct remote_meta *meta, struct error *err);
enum ig_code s3_read(struct store *st, const char *name, struct remote_meta *meta, int64_t from, size_t n,
                     struct buf *out, struct env_file *file, struct error *err);
enum ig_code s3_get(struct store *st, const char *name, struct buf *out, struct error *err);
enum ig_code s3_get_range(struct store *st, const char *name, int64_t from, size_t n, struct buf *out,
                          struct error *err);
enum ig_code s3_stat(struct store *st, const char *name, struct store_object *out, struct error *err);

/* --- writing --- */
enum ig_code s3_put(struct store *st, const char *name, struct str body, enum store_put_mode mode, struct error *err);
enum ig_code s3_put_file(struct store *st, const char *name, const char *path, enum store_put_mode mode,
                         struct error *err);
/* One put, or the end of a multipart upload, as far as it is known. */
struct s3_put_state {
    struct s3_store *s;
    const char *name;
    enum store_put_mode mode;
    char id[37];
    char crc32c[9]; /* of the whole object, in hex: comes back with it from any store */
};
/* The headers that every new object gets: its id and checksum, encryption. They are the call's. */
void s3_add_object_headers(struct s3_call *c, const struct s3_put_state *put);
/* Content-MD5 or a CRC32C of the call's body, as the store wants it; `value` holds it. */
void s3_add_checksum(struct s3_call *c, char value[32]);
/* What came of it: by the answer, and if that does not tell, by looking at the object. `sent` is http_run's result. */
enum ig_code s3_put_outcome(const struct s3_put_state *put, const struct s3_call *c, const struct http_response *r,
                            enum ig_code sent, struct error *err);
/* A file that is too big for one put. */
enum ig_code s3_put_parts(const struct s3_put_state *put, const char *path, int64_t size, struct error *err);

/* --- lists, removing --- */
enum ig_code s3_list(struct store *st, const char *prefix, store_list_fn *each, void *ctx, struct error *err);
enum ig_code s3_list_from(struct store *st, const char *prefix, const char *after, store_list_fn *each, void *ctx,
                          struct error *err);
enum ig_code s3_remove(struct store *st, const char *name, struct error *err);
enum ig_code s3_remove_many(struct store *st, const char *const *names, size_t n, struct error *err);

#endif
