/*
 * Stores that speak S3's protocol: AWS, and those that speak like it. What this file shows is for the sources s3*.c,
 * and for gs: with HMAC keys, whose XML API is the same protocol in other words (struct s3_dialect).
 *
 * Each put carries an id of its own as the object's metadata (x-amz-meta-ingot-put). Where an answer was lost, or a
 * conditional put finds its name taken, the object's id says whether the put was ours: nobody has to guess.
 */
#ifndef STORE_S3_H
#define STORE_S3_H

#include "store/credentials.h"
#include "store/http.h"
#include "store/remote.h"
#include "store/sigv4.h"

struct s3_dialect {
    const char *scheme; /* of URLs: "s3" */
    const char *name;   /* for messages: "S3" */
    const struct sigv4_scheme *signing;
    const char *headers;      /* prefix of its headers: "x-amz-" */
    const char *if_absent[2]; /* name and value of the header that makes a put conditional */
    bool conditional_parts;   /* also where a put in parts is completed */
    bool batch_delete;        /* knows POST ?delete */
    bool checksums;           /* knows x-amz-checksum-*: where the endpoint is its own */
};
extern const struct s3_dialect s3_dialect_aws;

struct s3_store {
    struct remote_store remote; /* first: it begins with the struct store */
    const struct s3_dialect *dialect;
    struct http_client *http;
    struct credentials *credentials; /* NULL: anonymous, or fixed keys */
    struct credential_set keys;      /* fixed keys, if given */
    char *scheme_and_base;           /* "https://" of the endpoint */
    char *host, *base_path;          /* "s3.eu-west-1.amazonaws.com" with its port; "" or "/minio" */
    bool path_style, own_endpoint, anonymous, request_payer;
    bool send_crc32c; /* else Content-MD5 */
    char *sse, *sse_key, *acl;
    int64_t part_bytes;
    pthread_mutex_t lock; /* guards what follows: learnt from answers */
    char region[64];
    int64_t clock_ahead_ms; /* the server's clock before ours */
};

/* How to open one of a dialect other than AWS's. */
struct s3_opening {
    const struct s3_dialect *dialect;
    const char *endpoint; /* if the URL says nothing else */
    const char *region;
    const char *access_key, *secret_key; /* fixed keys */
};
/* Takes the parsed URL over. */
IG_MUST_CHECK enum ig_code s3_open(struct env *env, struct remote_url *url, const struct s3_opening *opening,
                                   struct store **out, struct error *err);
/* The options of URLs that s3_open understands, for remote_url_parse. */
extern const char *const s3_url_options[];

#endif
