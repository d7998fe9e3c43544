/*
 * SASL as a server: mechanisms by name, and one exchange from its first message to the user who is proven by it.
 */
#ifndef BROKER_SASL_H
#define BROKER_SASL_H

#include "broker/users.h"

enum sasl_mechanism { SASL_PLAIN, SASL_SCRAM_SHA_256, SASL_SCRAM_SHA_512, SASL_MECHANISMS };
extern const char *const sasl_names[SASL_MECHANISMS + 1]; /* ended by NULL */

/* False if there is no such mechanism. */
bool sasl_mechanism_named(struct str name, enum sasl_mechanism *out);

struct sasl {
    enum sasl_mechanism mechanism;
    const struct users *users;
    struct scram_server scram;
    struct buf user; /* who it is, once it is done */
    bool done, failed;
};

void sasl_init(struct sasl *s, enum sasl_mechanism mechanism, const struct users *users,
               const uint8_t random[SCRAM_NONCE_BYTES]);
void sasl_release(struct sasl *s);
/* One message of the client in, one of the server out; s->done when the user is proven. IG_INVALID: it failed, for
 * good; the sentence may be shown to the client. */
IG_MUST_CHECK enum ig_code sasl_step(struct sasl *s, struct str message, struct buf *out, struct error *err);

#endif
