// links: broker
/* Clients that authenticate: the first byte chooses the mechanism, the rest are messages, each behind its length in one
 * byte. Nobody who does not know the password gets in. */
#include "broker/sasl.h"

#include "fuzz.h"

static const uint8_t zeroes[USERS_SECRET_BYTES];

static struct users make_users(void)
{
    struct users us;
    struct user *u;

    users_init(&us, zeroes);
    u = users_named(&us, STR("alice"));
    for (int h = SCRAM_SHA_256; h <= SCRAM_SHA_512; h++) {
        u->scram[h] = (struct scram_verifier){.hash = (enum scram_hash)h, .iterations = 4096, .salt_n = 16};
        u->scram[h].stored_key[0] = 1; /* nobody knows what has this hash */
        u->has[h] = true;
    }
    u->has_password = true;
    u->password_mac[0] = 1;
    return us;
}

static void fuzz_exchange(const uint8_t *data, size_t size, const struct users *us)
{
    struct sasl s;

    sasl_init(&s, (enum sasl_mechanism)(data[0] % SASL_MECHANISMS), us, zeroes);
    for (size_t at = 1; at < size;) {
        const size_t left = size - at - 1, n = data[at] < left ? data[at] : left;
        struct error err;
        struct buf out;
        enum ig_code rc;

        buf_init(&out, 0);
        rc = sasl_step(&s, (struct str){(const char *)data + at + 1, n}, &out, &err);
        buf_release(&out);
        if (rc)
            break;
        at += n + 1;
    }
    IG_ASSERT(!s.done);
    sasl_release(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct users us;
    struct scram_verifier v;
    uint8_t bytes[64];
    size_t n;

    if (size < 1)
        return 0;
    us = make_users();
    fuzz_exchange(data, size, &us);
    if (base64_decode((struct str){(const char *)data, size}, bytes, sizeof(bytes), &n)) {
        struct buf again;

        buf_init(&again, 0);
        base64_encode(bytes, n, &again);
        IG_ASSERT(str_eq(buf_str(&again), (struct str){(const char *)data, size}));
        buf_release(&again);
    }
    (void)scram_parse(SCRAM_SHA_256, (struct str){(const char *)data, size}, &v);
    users_release(&us);
    return 0;
}
