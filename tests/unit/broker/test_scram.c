/* SCRAM: the exchange of RFC 7677, and what a server must not let pass. */
#include "broker/sasl.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "test.h"

static const uint8_t RANDOM[SCRAM_NONCE_BYTES] = "eighteen bytes....";

struct book {
    struct scram_verifier verifier;
    size_t asked;
};

static bool find(void *ctx, struct str user, enum scram_hash hash, struct scram_verifier *out)
{
    struct book *b = ctx;

    b->asked++;
    *out = b->verifier;
    out->hash = hash;
    return str_is(user, "user");
}

static struct book pencil(enum scram_hash hash)
{
    struct book b = {.verifier = {.hash = hash, .iterations = 4096}};

    assert_true(
        base64_decode(STR("W22ZaJ0SNY7soEsUEjb6gQ=="), b.verifier.salt, sizeof(b.verifier.salt), &b.verifier.salt_n));
    scram_derive(&b.verifier, STR("pencil"));
    return b;
}

/* One message; NULL if it is refused. */
static const char *step(struct scram_server *s, const char *message, struct buf *out)
{
    struct error err = {0};

    buf_clear(out);
    if (scram_server_step(s, str_of(message), out, &err)) {
        assert_true(err.msg[0]);
        return NULL;
    }
    return buf_cstr(out);
}

static void base64_is_strict(void **state)
{
    static const struct {
        const char *text, *bytes;
    } good[] = {{"", ""},        {"Zg==", "f"},          {"Zm8=", "fo"},
                {"Zm9v", "foo"}, {"Zm9vYmFy", "foobar"}, {"+/+/", "\xfb\xff\xbf"}};
    static const char *const bad[] = {
        "Z", "Zg", "Zg=", "Zh==", "Zm9=", "Zm9v=", "Zm9v====", "Z===", "Zm 9", "Zm9v\n", "====", "Zm-_"};
    uint8_t out[16];
    struct buf b;
    size_t n;

    (void)state;
    for (size_t i = 0; i < IG_COUNT(good); i++) {
        assert_true(base64_decode(str_of(good[i].text), out, sizeof(out), &n));
        assert_int_equal(n, strlen(good[i].bytes));
        assert_memory_equal(out, good[i].bytes, n);
        buf_init(&b, 0);
        base64_encode(out, n, &b);
        assert_string_equal(buf_cstr(&b), good[i].text);
        buf_release(&b);
    }
    for (size_t i = 0; i < IG_COUNT(bad); i++) {
        if (base64_decode(str_of(bad[i]), out, sizeof(out), &n))
            fail_msg("'%s' was taken", bad[i]);
    }
    assert_false(base64_decode(STR("Zm9vYmFy"), out, 5, &n));
}

/* RFC 7677, section 3: its nonce is put in place of ours. */
static void the_exchange_of_the_rfc(void **state)
{
    static const char first[] =
        "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
    struct book book = pencil(SCRAM_SHA_256);
    struct scram_server s;
    struct buf out;

    (void)state;
    buf_init(&out, 0);
    scram_server_init(&s, SCRAM_SHA_256, RANDOM, find, &book);
    assert_non_null(step(&s, "n,,n=user,r=rOprNGfwEbeRWgbNEkqO", &out));
    assert_true(str_has_prefix(buf_str(&out), "r=rOprNGfwEbeRWgbNEkqO"));
    assert_true(str_has_suffix(buf_str(&out), ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"));
    buf_clear(&s.nonce);
    buf_puts(&s.nonce, "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0");
    buf_clear(&s.auth);
    buf_printf(&s.auth, "n=user,r=rOprNGfwEbeRWgbNEkqO,%s,", first);
    assert_string_equal(
        step(&s,
             "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfM"
             "Hgsqmmiz7AndVQ=",
             &out),
        "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    assert_int_equal(s.step, SCRAM_DONE);
    assert_string_equal(buf_cstr(&s.user), "user");
    assert_null(step(&s, "c=biws", &out));
    scram_server_release(&s);
    buf_release(&out);
}

/* From another implementation: PBKDF2 over "pencil", the salt 00 to 0f, 4096 rounds. */
static void verifiers_of_both_hashes(void **state)
{
    static const char *const texts[SCRAM_HASHES] = {
        NULL,
        "salt=AAECAwQFBgcICQoLDA0ODw==,stored_key=zHCdol2044/ZyWzPLi7oxApCkamKw9Z+E4U/QApd/5Y=,"
        "server_key=dd5peBOitVnLNFu7VmwP+HiDaaw4OUCv396eVCWhYiE=,iterations=4096",
        "salt=AAECAwQFBgcICQoLDA0ODw==,stored_key=DBrOiJLJVkZeM/lYBjyn8Hk/LQ2RrM3V/"
        "Yg5Hd19QfaCFV/oaPeQAMJkwtvBdi4XgARejU3ucE9eDagBMHJ+Vw==,server_key=2vDce8mhwQs1RvSfuxS4bDFFONxrAOi/"
        "yeePIaiwig2xiC16lQeN+wHOzONm/18VM49JFg9XoAyQ7oHFPavA3g==,iterations=4096",
    };
    static const char *const bad[] = {
        "",
        "salt=AAEC",
        "salt=,stored_key=,server_key=,iterations=4096",
        "salt=AAECAwQFBgcICQoLDA0ODw==,stored_key=AAAA,server_key=AAAA,iterations=4096",
        "salt=AAECAwQFBgcICQoLDA0ODw==,stored_key=zHCdol2044/ZyWzPLi7oxApCkamKw9Z+E4U/QApd/5Y=,"
        "server_key=dd5peBOitVnLNFu7VmwP+HiDaaw4OUCv396eVCWhYiE=,iterations=1",
    };

    (void)state;
    for (int h = SCRAM_SHA_256; h <= SCRAM_SHA_512; h++) {
        struct scram_verifier v = {.hash = (enum scram_hash)h, .iterations = 4096, .salt_n = 16}, parsed;
        struct buf b;

        for (uint8_t i = 0; i < 16; i++)
            v.salt[i] = i;
        scram_derive(&v, STR("pencil"));
        buf_init(&b, 0);
        scram_format(&v, &b);
        assert_string_equal(buf_cstr(&b), texts[h]);
        assert_true(scram_parse((enum scram_hash)h, buf_str(&b), &parsed));
        assert_memory_equal(&parsed, &v, sizeof(v));
        buf_release(&b);
    }
    for (size_t i = 0; i < IG_COUNT(bad); i++) {
        struct scram_verifier v;

        assert_false(scram_parse(SCRAM_SHA_256, str_of(bad[i]), &v));
    }
}

static void first_messages(void **state)
{
    static const char *const good[] = {"n,,n=user,r=abc",   "y,,n=user,r=abc",      "n,a=user,n=user,r=abc",
                                       "n,,n=nobody,r=abc", "n,,n=a=2Cb=3Dc,r=abc", "n,,n=user,r=abc,x=1"};
    static const char *const bad[] = {"",
                                      "n",
                                      "n,",
                                      "n,,",
                                      "p=tls-unique,,n=user,r=abc",
                                      "n,,n=,r=abc",
                                      "n,,n=user",
                                      "n,,n=user,r=",
                                      "x,,n=user,r=abc",
                                      "n,,m=1,n=user,r=abc",
                                      "n,a=other,n=user,r=abc",
                                      "n,,n=us=er,r=abc",
                                      "n,,n=us=2,r=abc",
                                      "n,,r=abc,n=user",
                                      "n,,n=user,r=a\x01",
                                      "n,,n=user,r=abc,tokenauth=true",
                                      "c=biws,r=abc,p=AAAA"};
    struct book book = pencil(SCRAM_SHA_256);
    struct buf out;

    (void)state;
    buf_init(&out, 0);
    for (size_t i = 0; i < IG_COUNT(good) + IG_COUNT(bad); i++) {
        const bool wanted = i < IG_COUNT(good);
        const char *message = wanted ? good[i] : bad[i - IG_COUNT(good)];
        struct scram_server s;

        scram_server_init(&s, SCRAM_SHA_256, RANDOM, find, &book);
        if ((step(&s, message, &out) != NULL) != wanted)
            fail_msg("'%s' was %s", message, wanted ? "refused" : "taken");
        assert_int_equal(s.step, wanted ? SCRAM_FINAL : SCRAM_FAILED);
        if (wanted) /* nobody learns who has an account */
            assert_true(strstr(buf_cstr(&out), ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096") != NULL);
        scram_server_release(&s);
    }
    buf_release(&out);
}

static void last_messages_that_are_refused(void **state)
{
    static const char *const finals[] = {
        "c=biws,r=%s,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", /* the proof of another exchange */
        "c=biws,r=%s,p=AAAA",
        "c=biws,r=%s,p=",
        "c=biws,r=%s",
        "c=eSws,r=%s,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", /* "y,,": not what came first */
        "c=biws,r=%sx,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
        "c=biws,r=abc,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=%.0s",
        "r=%s,c=biws,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
        ",p=%.0s",
    };
    struct book book = pencil(SCRAM_SHA_256);
    struct buf out, final;

    (void)state;
    buf_init(&out, 0);
    buf_init(&final, 0);
    for (size_t i = 0; i < IG_COUNT(finals); i++) {
        const char *percent = strstr(finals[i], "%s");
        struct scram_server s;

        scram_server_init(&s, SCRAM_SHA_256, RANDOM, find, &book);
        assert_non_null(step(&s, "n,,n=user,r=abc", &out));
        buf_clear(&final);
        if (percent) {
            buf_add(&final, finals[i], (size_t)(percent - finals[i]));
            buf_add_str(&final, buf_str(&s.nonce));
            buf_puts(&final, percent + 2);
        } else {
            buf_add(&final, finals[i], strcspn(finals[i], "%"));
        }
        if (step(&s, buf_cstr(&final), &out))
            fail_msg("'%s' was taken", buf_cstr(&final));
        assert_int_equal(s.step, SCRAM_FAILED);
        scram_server_release(&s);
    }
    buf_release(&final);
    buf_release(&out);
}

/* What a client sends that knows the password, with a nonce of its choice. */
static bool final_with(const char *format)
{
    struct book book = pencil(SCRAM_SHA_256);
    uint8_t salted[32], client_key[32], signature[32];
    struct buf out, final;
    struct scram_server s;
    const char *percent;
    unsigned n;
    bool done;

    buf_init(&out, 0);
    buf_init(&final, 0);
    scram_server_init(&s, SCRAM_SHA_256, RANDOM, find, &book);
    assert_non_null(step(&s, "n,,n=user,r=abc", &out));
    percent = strstr(format, "%s");
    buf_puts(&final, "c=biws,r=");
    buf_add(&final, format, percent ? (size_t)(percent - format) : strlen(format));
    if (percent) {
        buf_add_str(&final, buf_str(&s.nonce));
        buf_puts(&final, percent + 2);
    }
    PKCS5_PBKDF2_HMAC("pencil", 6, book.verifier.salt, (int)book.verifier.salt_n, 4096, EVP_sha256(), 32, salted);
    HMAC(EVP_sha256(), salted, 32, (const uint8_t *)"Client Key", 10, client_key, &n);
    buf_add_str(&s.auth, buf_str(&final));
    HMAC(EVP_sha256(), book.verifier.stored_key, 32, (const uint8_t *)s.auth.p, s.auth.n, signature, &n);
    s.auth.n -= final.n;
    for (size_t i = 0; i < 32; i++)
        client_key[i] ^= signature[i];
    buf_puts(&final, ",p=");
    base64_encode(client_key, 32, &final);
    done = step(&s, buf_cstr(&final), &out) != NULL;
    scram_server_release(&s);
    buf_release(&final);
    buf_release(&out);
    return done;
}

static void the_nonce_is_ours(void **state)
{
    (void)state;
    assert_true(final_with("%s"));
    assert_true(final_with("abc%s")); /* librdkafka before 2.6.1 */
    assert_false(final_with("abc"));
    assert_false(final_with(""));
    assert_false(final_with("xyz%s"));
    assert_false(final_with("ab%s"));
    assert_false(final_with("abcabc%s"));
    assert_false(final_with("%sx"));
    assert_false(final_with("abcZWlnaHRlZW4gYnl0ZXMuLi4"));
}

static void plain(void **state)
{
    static const uint8_t secret[USERS_SECRET_BYTES] = {1};
    static const struct {
        struct str message;
        bool ok;
    } cases[] = {
        {STR("\0alice\0geheim"), true},     {STR("alice\0alice\0geheim"), true},
        {STR("bob\0alice\0geheim"), false}, {STR("\0alice\0falsch"), false},
        {STR("\0bob\0geheim"), false},      {STR("\0alice\0"), false},
        {STR("\0\0geheim"), false},         {STR(""), false},
        {STR("alice\0geheim"), false},      {STR("\0alice\0geheim\0x"), false},
        {STR("\0alice\0geheimx"), false},   {STR("\0carol\0"), false},
    };
    struct users users;

    (void)state;
    users_init(&users, secret);
    users_set_password(&users, users_named(&users, STR("alice")), STR("geheim"), false);
    (void)users_named(&users, STR("carol")); /* has no password at all */
    for (size_t i = 0; i < IG_COUNT(cases); i++) {
        struct error err = {0};
        struct buf out;
        struct sasl s;

        buf_init(&out, 0);
        sasl_init(&s, SASL_PLAIN, &users, RANDOM);
        assert_int_equal(sasl_step(&s, cases[i].message, &out, &err) == IG_OK, cases[i].ok);
        assert_int_equal(s.done, cases[i].ok);
        if (cases[i].ok)
            assert_string_equal(buf_cstr(&s.user), "alice");
        else
            assert_null(strstr(err.msg, "geheim"));
        assert_int_not_equal(sasl_step(&s, cases[i].message, &out, &err), IG_OK); /* there is no second try */
        sasl_release(&s);
        buf_release(&out);
    }
    users_release(&users);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base64_is_strict),
        cmocka_unit_test(the_exchange_of_the_rfc),
        cmocka_unit_test(verifiers_of_both_hashes),
        cmocka_unit_test(first_messages),
        cmocka_unit_test(last_messages_that_are_refused),
        cmocka_unit_test(the_nonce_is_ours),
        cmocka_unit_test(plain),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
