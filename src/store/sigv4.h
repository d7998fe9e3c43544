/*
 * AWS Signature Version 4: the Authorization header of a request. Google's variant for HMAC keys differs by four
 * words (GOOG4-HMAC-SHA256, GOOG4, goog4_request, and the "x-goog-" of its headers).
 */
#ifndef STORE_SIGV4_H
#define STORE_SIGV4_H

#include "base/base.h"

struct sigv4_scheme {
    const char *algorithm, *key_prefix, *terminator;
};
extern const struct sigv4_scheme sigv4_aws, sigv4_goog;

/* A header (name in any case) or a query parameter (both percent-encoded as they are sent). */
struct sigv4_field {
    struct str name, value;
};

#define SIGV4_FIELDS_MAX 64

struct sigv4_request {
    const struct sigv4_scheme *scheme;
    const char *access_key, *secret_key, *region, *service;
    int64_t time_ms; /* that of the x-amz-date header, by the server's clock */
    const char *method;
    struct str path;                           /* percent-encoded as it is sent; S3 does not normalise it */
    const struct sigv4_field *query, *headers; /* in any order, at most SIGV4_FIELDS_MAX of each */
    size_t n_query, n_headers;
    struct str payload_hash; /* lower-case hex of the body's SHA-256, or UNSIGNED-PAYLOAD */
};

/* "20150830T123600Z" and a NUL. */
void sigv4_time(int64_t time_ms, char out[17]);

void sigv4_add_canonical_request(const struct sigv4_request *request, struct buf *out);
/* The value of the Authorization header. */
void sigv4_add_authorization(const struct sigv4_request *request, struct buf *out);

#endif
