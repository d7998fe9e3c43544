#include "broker/users.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>

void users_init(struct users *us, const uint8_t secret[USERS_SECRET_BYTES])
{
    *us = (struct users){0};
    memcpy(us->secret, secret, USERS_SECRET_BYTES);
}

static void user_free(struct user *u)
{
    free(u->name);
    OPENSSL_cleanse(u, sizeof(*u));
    free(u);
}

void users_release(struct users *us)
{
    for (size_t i = 0; i < us->list.n; i++)
        user_free(us->list.p[i]);
    vec_free(&us->list);
    OPENSSL_cleanse(us->secret, sizeof(us->secret));
}

/* Where the name is, or would be. */
static size_t place_of(const struct users *us, struct str name, bool *found)
{
    size_t low = 0, high = us->list.n;

    *found = false;
    while (low < high) {
        const size_t middle = (low + high) / 2;
        const int c = str_cmp(str_of(us->list.p[middle]->name), name);

        if (c == 0) {
            *found = true;
            return middle;
        }
        if (c < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct user *users_find(const struct users *us, struct str name)
{
    bool found;
    const size_t at = place_of(us, name, &found);

    return found ? us->list.p[at] : NULL;
}

struct user *users_named(struct users *us, struct str name)
{
    bool found;
    const size_t at = place_of(us, name, &found);
    struct user *u;

    if (found)
        return us->list.p[at];
    u = check_calloc(1, sizeof(*u));
    u->name = check_calloc(1, name.n + 1);
    memcpy(u->name, name.p, name.n);
    vec_push(&us->list, u);
    memmove(&us->list.p[at + 1], &us->list.p[at], (us->list.n - 1 - at) * sizeof(u));
    us->list.p[at] = u;
    return u;
}

static void mac(const struct users *us, const char *what, struct str text, uint8_t out[32])
{
    struct buf b;
    unsigned n = 0;

    buf_init(&b, 0);
    buf_puts(&b, what);
    buf_putc(&b, '\0');
    buf_add_str(&b, text);
    IG_ASSERT(HMAC(EVP_sha256(), us->secret, USERS_SECRET_BYTES, (const uint8_t *)b.p, b.n, out, &n) != NULL);
    OPENSSL_cleanse(b.p, b.n);
    buf_release(&b);
}

/* The same for a name each time, so that it does not tell whether there is such a user. */
static void salt_of(const struct users *us, enum scram_hash hash, struct str name, struct scram_verifier *out)
{
    uint8_t bytes[32];

    *out = (struct scram_verifier){.hash = hash, .iterations = SCRAM_ITERATIONS_MIN, .salt_n = SCRAM_SALT_BYTES};
    mac(us, scram_name(hash), name, bytes);
    memcpy(out->salt, bytes, SCRAM_SALT_BYTES);
}

void users_set_password(struct users *us, struct user *u, struct str password, bool scram)
{
    u->has_password = true;
    mac(us, "password", password, u->password_mac);
    for (int h = SCRAM_SHA_256; scram && h <= SCRAM_SHA_512; h++) {
        if (u->has[h])
            continue;
        salt_of(us, (enum scram_hash)h, str_of(u->name), &u->scram[h]);
        scram_derive(&u->scram[h], password);
        u->has[h] = true;
    }
}

bool users_password_ok(const struct users *us, struct str name, struct str password)
{
    static const uint8_t nothing[32];
    const struct user *u = users_find(us, name);
    const bool known = u && u->has_password;
    uint8_t given[32];
    bool same;

    mac(us, "password", password, given);
    same = CRYPTO_memcmp(given, known ? u->password_mac : nothing, sizeof(given)) == 0;
    return same && known;
}

static void remove_at(struct users *us, size_t at)
{
    user_free(us->list.p[at]);
    us->list.n--;
    memmove(&us->list.p[at], &us->list.p[at + 1], (us->list.n - at) * sizeof(us->list.p[0]));
}

void users_drop_scram(struct users *us, struct user *u, enum scram_hash hash)
{
    bool found;
    const size_t at = place_of(us, str_of(u->name), &found);

    OPENSSL_cleanse(&u->scram[hash], sizeof(u->scram[hash]));
    u->has[hash] = false;
    if (found && !u->has[SCRAM_SHA_256] && !u->has[SCRAM_SHA_512] && !u->has_password)
        remove_at(us, at);
}

void users_drop_stored(struct users *us)
{
    for (size_t i = us->list.n; i-- > 0;) {
        if (!us->list.p[i]->configured)
            remove_at(us, i);
    }
}

bool users_find_scram(void *ctx, struct str name, enum scram_hash hash, struct scram_verifier *out)
{
    const struct users *us = ctx;
    const struct user *u = users_find(us, name);

    salt_of(us, hash, name, out);
    mac(us, "nobody", name, out->stored_key);
    if (!u || !u->has[hash])
        return false;
    *out = u->scram[hash];
    return true;
}
