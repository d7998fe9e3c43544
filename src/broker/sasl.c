#include "broker/sasl.h"

const char *const sasl_names[SASL_MECHANISMS + 1] = {
    [SASL_PLAIN] = "PLAIN",
    [SASL_SCRAM_SHA_256] = "SCRAM-SHA-256",
    [SASL_SCRAM_SHA_512] = "SCRAM-SHA-512",
};

bool sasl_mechanism_named(struct str name, enum sasl_mechanism *out)
{
    for (int i = 0; i < SASL_MECHANISMS; i++) {
        if (str_is(name, sasl_names[i])) {
            *out = (enum sasl_mechanism)i;
            return true;
        }
    }
    return false;
}

void sasl_init(struct sasl *s, enum sasl_mechanism mechanism, const struct users *users,
               const uint8_t random[SCRAM_NONCE_BYTES])
{
    const enum scram_hash hash = mechanism == SASL_SCRAM_SHA_512 ? SCRAM_SHA_512 : SCRAM_SHA_256;

    *s = (struct sasl){.mechanism = mechanism, .users = users};
    buf_init(&s->user, SCRAM_MESSAGE_MAX);
    scram_server_init(&s->scram, hash, random, users_find_scram, (void *)(uintptr_t)users);
}

void sasl_release(struct sasl *s)
{
    scram_server_release(&s->scram);
    buf_release(&s->user);
}

/* [authzid] NUL user NUL password */
static enum ig_code step_plain(struct sasl *s, struct str message, struct error *err)
{
    struct str parts[3] = {{"", 0}};
    size_t n = 1;

    parts[0].p = message.p;
    for (size_t i = 0; i < message.n; i++) {
        if (message.p[i] != '\0')
            parts[n - 1].n++;
        else if (n < 3)
            parts[n++] = (struct str){message.p + i + 1, 0};
        else
            n = 4;
        if (n == 4)
            break;
    }
    if (n != 3)
        return error_set(err, IG_INVALID, "Invalid SASL/PLAIN response: expected 3 tokens, got %zu", n);
    if (parts[1].n == 0)
        return error_set(err, IG_INVALID, "Authentication failed: username not specified");
    if (parts[2].n == 0)
        return error_set(err, IG_INVALID, "Authentication failed: password not specified");
    if (!users_password_ok(s->users, parts[1], parts[2]))
        return error_set(err, IG_INVALID, "Authentication failed: Invalid username or password");
    if (parts[0].n > 0 && !str_eq(parts[0], parts[1]))
        return error_set(err, IG_INVALID,
                         "Authentication failed: Client requested an authorization id that is different from username");
    buf_add_str(&s->user, parts[1]);
    s->done = true;
    return IG_OK;
}

enum ig_code sasl_step(struct sasl *s, struct str message, struct buf *out, struct error *err)
{
    enum ig_code rc;

    if (s->done || s->failed || message.n > SCRAM_MESSAGE_MAX)
        rc = error_set(err, IG_INVALID, "Authentication failed: unexpected message");
    else if (s->mechanism == SASL_PLAIN)
        rc = step_plain(s, message, err);
    else
        rc = scram_server_step(&s->scram, message, out, err);
    if (!rc && s->scram.step == SCRAM_DONE) {
        buf_add_str(&s->user, buf_str(&s->scram.user));
        s->done = true;
    }
    s->failed = rc != IG_OK;
    return rc;
}
