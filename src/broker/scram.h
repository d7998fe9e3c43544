/*
 * SCRAM (RFC 5802, RFC 7677) as a server: what is kept of a password, and the exchange of four messages that proves
 * that a client knows it. Pure computation: users come through a function, randomness from the caller.
 *
 * Names and passwords are taken as the bytes they are, as Kafka's clients send them; channel binding is not offered.
 */
#ifndef BROKER_SCRAM_H
#define BROKER_SCRAM_H

#include "base/base.h"

/* With the numbers that Kafka's protocol gives them. */
enum scram_hash { SCRAM_SHA_256 = 1, SCRAM_SHA_512 = 2 };

#define SCRAM_HASHES 3
#define SCRAM_KEY_MAX 64
#define SCRAM_SALT_MAX 256
#define SCRAM_SALT_BYTES 16
#define SCRAM_ITERATIONS_MIN 4096
#define SCRAM_ITERATIONS_MAX 16384
#define SCRAM_MESSAGE_MAX 8192
#define SCRAM_NONCE_BYTES 18

/* All that is kept of a password: enough to check it, too little to use it elsewhere. */
struct scram_verifier {
    enum scram_hash hash;
    int32_t iterations;
    size_t salt_n;
    uint8_t salt[SCRAM_SALT_MAX];
    uint8_t stored_key[SCRAM_KEY_MAX], server_key[SCRAM_KEY_MAX];
};

const char *scram_name(enum scram_hash hash); /* SCRAM-SHA-256 */
size_t scram_key_bytes(enum scram_hash hash);
/* Fills the keys; hash, salt and iterations are given. */
void scram_derive(struct scram_verifier *v, struct str password);
/* The same from the salted password, as administrators' clients send it: IG_INVALID if its length is not the hash's. */
IG_MUST_CHECK enum ig_code scram_derive_salted(struct scram_verifier *v, struct str salted, struct error *err);
/* "salt=...,stored_key=...,server_key=...,iterations=4096", base64, the form in which Kafka keeps it. */
bool scram_parse(enum scram_hash hash, struct str text, struct scram_verifier *out);
void scram_format(const struct scram_verifier *v, struct buf *out);

/* Always fills *out; false if there is no such user, and then *out is one that no password fits: both take the same
 * way and the same time, so that nobody learns who has an account. */
typedef bool scram_find_fn(void *ctx, struct str user, enum scram_hash hash, struct scram_verifier *out);

enum scram_step { SCRAM_FIRST, SCRAM_FINAL, SCRAM_DONE, SCRAM_FAILED };
struct scram_server {
    enum scram_hash hash;
    enum scram_step step;
    scram_find_fn *find;
    void *ctx;
    uint8_t random[SCRAM_NONCE_BYTES]; /* the server's part of the nonce */
    size_t client_nonce_n;             /* of `nonce` */
    bool known;
    struct scram_verifier verifier;
    struct buf user, header, auth, nonce; /* auth: the text that both sides sign */
};

void scram_server_init(struct scram_server *s, enum scram_hash hash, const uint8_t random[SCRAM_NONCE_BYTES],
                       scram_find_fn *find, void *ctx);
void scram_server_release(struct scram_server *s);
/* One message of the client in, one of the server out. IG_INVALID: it failed, for good; `err` says why, in words that a
 * stranger may read. s->step tells whether the user is proven (SCRAM_DONE), s->user who that is. */
IG_MUST_CHECK enum ig_code scram_server_step(struct scram_server *s, struct str message, struct buf *out,
                                             struct error *err);

/* Strict base64. False if it is not that, or longer than max. */
bool base64_decode(struct str text, uint8_t *out, size_t max, size_t *n);
void base64_encode(const void *p, size_t n, struct buf *out);

#endif
