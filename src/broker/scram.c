#include "broker/scram.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>

#define SALT_MIN 1

/* --- base64 --------------------------------------------------------------------------------------------------- */

static int digit_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool base64_decode(struct str text, uint8_t *out, size_t max, size_t *n)
{
    size_t digits = text.n, padding = 0;

    *n = 0;
    while (padding < 2 && digits > 0 && text.p[digits - 1] == '=') {
        digits--;
        padding++;
    }
    if (text.n % 4 != 0 || (digits + padding) != text.n)
        return false;
    for (size_t i = 0; i < digits; i += 4) {
        const size_t have = digits - i < 4 ? digits - i : 4;
        uint32_t bits = 0;

        for (size_t k = 0; k < 4; k++) {
            const int d = k < have ? digit_of(text.p[i + k]) : 0;

            if (d < 0)
                return false;
            bits = bits << 6 | (uint32_t)d;
        }
        if (have < 2 || (have < 4 && bits & (have == 2 ? 0xffffu : 0xffu)) || *n + have - 1 > max)
            return false;
        for (size_t k = 0; k + 1 < have; k++)
            out[(*n)++] = (uint8_t)(bits >> (16 - 8 * k));
    }
    return true;
}

void base64_encode(const void *p, size_t n, struct buf *out)
{
    char *to = buf_reserve(out, (n + 2) / 3 * 4 + 1);

    if (to)
        out->n += (size_t)EVP_EncodeBlock((unsigned char *)to, p, (int)n);
}

/* --- keys ----------------------------------------------------------------------------------------------------- */

const char *scram_name(enum scram_hash hash)
{
    return hash == SCRAM_SHA_512 ? "SCRAM-SHA-512" : "SCRAM-SHA-256";
}

size_t scram_key_bytes(enum scram_hash hash)
{
    return hash == SCRAM_SHA_512 ? 64 : 32;
}

static const EVP_MD *digest_of(enum scram_hash hash)
{
    return hash == SCRAM_SHA_512 ? EVP_sha512() : EVP_sha256();
}

static void hmac(enum scram_hash hash, const uint8_t *key, struct str text, uint8_t out[SCRAM_KEY_MAX])
{
    unsigned n = 0;

    IG_ASSERT(HMAC(digest_of(hash), key, (int)scram_key_bytes(hash), (const uint8_t *)text.p, text.n, out, &n) != NULL);
}

static void digest(enum scram_hash hash, const uint8_t *p, uint8_t out[SCRAM_KEY_MAX])
{
    unsigned n = 0;

    IG_ASSERT(EVP_Digest(p, scram_key_bytes(hash), out, &n, digest_of(hash), NULL) == 1);
}

static void keys_of_salted(struct scram_verifier *v, const uint8_t *salted)
{
    uint8_t client_key[SCRAM_KEY_MAX];

    hmac(v->hash, salted, STR("Client Key"), client_key);
    digest(v->hash, client_key, v->stored_key);
    hmac(v->hash, salted, STR("Server Key"), v->server_key);
    OPENSSL_cleanse(client_key, sizeof(client_key));
}

void scram_derive(struct scram_verifier *v, struct str password)
{
    uint8_t salted[SCRAM_KEY_MAX];

    IG_ASSERT(PKCS5_PBKDF2_HMAC(password.n ? password.p : "", (int)password.n, v->salt, (int)v->salt_n, v->iterations,
                                digest_of(v->hash), (int)scram_key_bytes(v->hash), salted) == 1);
    keys_of_salted(v, salted);
    OPENSSL_cleanse(salted, sizeof(salted));
}

enum ig_code scram_derive_salted(struct scram_verifier *v, struct str salted, struct error *err)
{
    if (salted.n != scram_key_bytes(v->hash))
        return error_set(err, IG_INVALID, "a salted password of %s has %zu bytes, not %zu", scram_name(v->hash),
                         scram_key_bytes(v->hash), salted.n);
    keys_of_salted(v, (const uint8_t *)salted.p);
    return IG_OK;
}

/* --- messages: attributes with commas between them -------------------------------------------------------------- */

/* Cuts "x=value" off the front. False if the next attribute is not `name`. */
static bool take_attribute(struct str *rest, char name, struct str *value)
{
    const char *comma;

    if (rest->n < 2 || rest->p[0] != name || rest->p[1] != '=')
        return false;
    comma = memchr(rest->p, ',', rest->n);
    *value = (struct str){rest->p + 2, (comma ? (size_t)(comma - rest->p) : rest->n) - 2};
    *rest = comma ? (struct str){comma + 1, rest->n - value->n - 3} : (struct str){rest->p + rest->n, 0};
    return true;
}

/* A comma is =2C in a name, an equals sign =3D. */
static bool unescape_name(struct str s, struct buf *out)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\0')
            return false;
        if (s.p[i] != '=') {
            buf_putc(out, s.p[i]);
            continue;
        }
        if (i + 2 >= s.n || (memcmp(s.p + i, "=2C", 3) != 0 && memcmp(s.p + i, "=3D", 3) != 0))
            return false;
        buf_putc(out, s.p[i + 1] == '2' ? ',' : '=');
        i += 2;
    }
    return out->n > 0;
}

static bool is_nonce(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < 0x21 || s.p[i] > 0x7e)
            return false;
    }
    return s.n > 0;
}

bool scram_parse(enum scram_hash hash, struct str text, struct scram_verifier *out)
{
    static const char *const names[] = {"salt=", "stored_key=", "server_key=", "iterations="};
    size_t n[3] = {0};
    int64_t iterations = 0;
    unsigned seen = 0;

    *out = (struct scram_verifier){.hash = hash};
    while (text.n > 0) {
        const char *comma = memchr(text.p, ',', text.n);
        const struct str part = {text.p, comma ? (size_t)(comma - text.p) : text.n};
        size_t k = 0;

        while (k < IG_COUNT(names) && !str_has_prefix(part, names[k]))
            k++;
        if (k == IG_COUNT(names) || seen & 1u << k)
            return false;
        seen |= 1u << k;
        const struct str value = {part.p + strlen(names[k]), part.n - strlen(names[k])};
        uint8_t *const to[] = {out->salt, out->stored_key, out->server_key};

        if (k == 3 ? !str_to_int64(value, 1, INT32_MAX, &iterations)
                   : !base64_decode(value, to[k], k == 0 ? SCRAM_SALT_MAX : SCRAM_KEY_MAX, &n[k]))
            return false;
        text = comma ? (struct str){comma + 1, text.n - part.n - 1} : (struct str){text.p, 0};
    }
    out->salt_n = n[0];
    out->iterations = (int32_t)iterations;
    return seen == 15 && n[0] >= SALT_MIN && n[1] == scram_key_bytes(hash) && n[2] == scram_key_bytes(hash) &&
           iterations >= SCRAM_ITERATIONS_MIN && iterations <= 1000000;
}

void scram_format(const struct scram_verifier *v, struct buf *out)
{
    buf_puts(out, "salt=");
    base64_encode(v->salt, v->salt_n, out);
    buf_puts(out, ",stored_key=");
    base64_encode(v->stored_key, scram_key_bytes(v->hash), out);
    buf_puts(out, ",server_key=");
    base64_encode(v->server_key, scram_key_bytes(v->hash), out);
    buf_printf(out, ",iterations=%d", (int)v->iterations);
}

/* --- the exchange ------------------------------------------------------------------------------------------------ */

void scram_server_init(struct scram_server *s, enum scram_hash hash, const uint8_t random[SCRAM_NONCE_BYTES],
                       scram_find_fn *find, void *ctx)
{
    *s = (struct scram_server){.hash = hash, .step = SCRAM_FIRST, .find = find, .ctx = ctx};
    memcpy(s->random, random, SCRAM_NONCE_BYTES);
    buf_init(&s->user, SCRAM_MESSAGE_MAX);
    buf_init(&s->header, SCRAM_MESSAGE_MAX);
    buf_init(&s->auth, (size_t)4 * SCRAM_MESSAGE_MAX);
    buf_init(&s->nonce, (size_t)2 * SCRAM_MESSAGE_MAX);
}

void scram_server_release(struct scram_server *s)
{
    OPENSSL_cleanse(&s->verifier, sizeof(s->verifier));
    buf_release(&s->user);
    buf_release(&s->header);
    buf_release(&s->auth);
    buf_release(&s->nonce);
}

/* "n,,", "y,,", "n,a=NAME,": what the client says of channel binding, and for whom it acts. */
static enum ig_code read_header(struct scram_server *s, struct str *rest, struct str *authzid, struct error *err)
{
    const char *begin = rest->p;
    const char flag = rest->n > 1 ? rest->p[0] : 0;
    struct str r;

    if (flag == 'p')
        return error_set(err, IG_INVALID, "channel binding is not supported");
    if ((flag != 'n' && flag != 'y') || rest->p[1] != ',')
        return error_set(err, IG_INVALID, "Invalid SCRAM client first message format");
    r = (struct str){rest->p + 2, rest->n - 2};
    *authzid = (struct str){NULL, 0};
    if (r.n > 0 && r.p[0] == ',')
        r = (struct str){r.p + 1, r.n - 1};
    else if (!take_attribute(&r, 'a', authzid))
        return error_set(err, IG_INVALID, "Invalid SCRAM client first message format");
    buf_add(&s->header, begin, (size_t)(r.p - begin));
    *rest = r;
    return IG_OK;
}

static enum ig_code read_first(struct scram_server *s, struct str message, struct buf *out, struct error *err)
{
    struct str rest = message, authzid, name, nonce;

    IG_TRY(read_header(s, &rest, &authzid, err));
    buf_add_str(&s->auth, rest);
    buf_putc(&s->auth, ',');
    if (rest.n > 1 && rest.p[0] == 'm')
        return error_set(err, IG_INVALID, "a mandatory extension is not supported");
    if (!take_attribute(&rest, 'n', &name) || !take_attribute(&rest, 'r', &nonce) || !is_nonce(nonce) ||
        !unescape_name(name, &s->user))
        return error_set(err, IG_INVALID, "Invalid SCRAM client first message format");
    if (authzid.n > 0 && !str_eq(authzid, name))
        return error_set(err, IG_INVALID,
                         "Authentication failed: Client requested an authorization id that is different from username");
    while (rest.n > 0) {
        const char *comma = memchr(rest.p, ',', rest.n);
        const struct str one = {rest.p, comma ? (size_t)(comma - rest.p) : rest.n};

        if (str_is(one, "tokenauth=true"))
            return error_set(err, IG_INVALID, "delegation tokens are not supported");
        rest = comma ? (struct str){comma + 1, rest.n - one.n - 1} : (struct str){rest.p, 0};
    }
    s->known = s->find(s->ctx, buf_str(&s->user), s->hash, &s->verifier);
    buf_add_str(&s->nonce, nonce);
    s->client_nonce_n = nonce.n;
    base64_encode(s->random, sizeof(s->random), &s->nonce);

    const size_t at = out->n;

    buf_printf(out, "r=%s,s=", buf_cstr(&s->nonce));
    base64_encode(s->verifier.salt, s->verifier.salt_n, out);
    buf_printf(out, ",i=%d", (int)s->verifier.iterations);
    buf_add(&s->auth, buf_cstr(out) + at, out->n - at);
    buf_putc(&s->auth, ',');
    s->step = SCRAM_FINAL;
    return IG_OK;
}

/* The header of the first message, in base64: nobody may have changed it on its way. */
static bool is_header(const struct scram_server *s, struct str text)
{
    uint8_t bytes[SCRAM_MESSAGE_MAX];
    size_t n;

    return base64_decode(text, bytes, sizeof(bytes), &n) && str_eq(buf_str(&s->header), (struct str){(char *)bytes, n});
}

/* The nonce must be all that we sent. librdkafka before 2.6.1 puts its own part in front of it once more: that, and
 * nothing else, is let pass, as the whole nonce is still there and the proof is over what was sent. */
static bool is_nonce_again(const struct scram_server *s, struct str nonce)
{
    const struct str whole = buf_str(&s->nonce);
    const size_t n = s->client_nonce_n;

    if (str_eq(nonce, whole))
        return true;
    return nonce.n == n + whole.n && memcmp(nonce.p, whole.p, n) == 0 &&
           str_eq((struct str){nonce.p + n, nonce.n - n}, whole);
}

/* Is it the proof of one who knows the password? All of it is computed whatever the answer. */
static bool is_proof(const struct scram_server *s, const uint8_t *proof)
{
    const size_t n = scram_key_bytes(s->hash);
    uint8_t key[SCRAM_KEY_MAX], hash[SCRAM_KEY_MAX];
    bool same;

    hmac(s->hash, s->verifier.stored_key, buf_str(&s->auth), key);
    for (size_t i = 0; i < n; i++)
        key[i] ^= proof[i];
    digest(s->hash, key, hash);
    same = CRYPTO_memcmp(hash, s->verifier.stored_key, n) == 0;
    OPENSSL_cleanse(key, sizeof(key));
    return same && s->known;
}

static enum ig_code read_final(struct scram_server *s, struct str message, struct buf *out, struct error *err)
{
    static const char malformed[] = "Invalid SCRAM client final message format";
    const char *at = NULL;
    struct str rest = message, header, nonce, proof;
    uint8_t bytes[SCRAM_KEY_MAX];
    size_t n;

    for (size_t i = 0; i + 3 <= message.n; i++) {
        if (memcmp(message.p + i, ",p=", 3) == 0)
            at = message.p + i;
    }
    if (!at || !take_attribute(&rest, 'c', &header) || !take_attribute(&rest, 'r', &nonce))
        return error_set(err, IG_INVALID, malformed);
    proof = (struct str){at + 3, (size_t)(message.p + message.n - at) - 3};
    if (!is_header(s, header))
        return error_set(err, IG_INVALID, "Invalid SCRAM channel binding in client final message");
    if (!is_nonce_again(s, nonce))
        return error_set(err, IG_INVALID, "Invalid client nonce in the final client message.");
    if (!base64_decode(proof, bytes, sizeof(bytes), &n) || n != scram_key_bytes(s->hash))
        return error_set(err, IG_INVALID, malformed);
    buf_add(&s->auth, message.p, (size_t)(at - message.p));
    if (s->auth.overflow || s->nonce.overflow)
        return error_set(err, IG_INVALID, malformed);
    if (!is_proof(s, bytes))
        return error_set(err, IG_INVALID,
                         "Authentication failed during authentication due to invalid credentials with SASL mechanism "
                         "%s",
                         scram_name(s->hash));
    hmac(s->hash, s->verifier.server_key, buf_str(&s->auth), bytes);
    buf_puts(out, "v=");
    base64_encode(bytes, n, out);
    s->step = SCRAM_DONE;
    return IG_OK;
}

enum ig_code scram_server_step(struct scram_server *s, struct str message, struct buf *out, struct error *err)
{
    enum ig_code rc;

    if (message.n > SCRAM_MESSAGE_MAX)
        rc = error_set(err, IG_INVALID, "a SCRAM message of %zu bytes", message.n);
    else if (s->step == SCRAM_FIRST)
        rc = read_first(s, message, out, err);
    else if (s->step == SCRAM_FINAL)
        rc = read_final(s, message, out, err);
    else
        rc = error_set(err, IG_INVALID, "the exchange is over");
    if (rc)
        s->step = SCRAM_FAILED;
    return rc;
}
