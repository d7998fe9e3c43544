#include "base/hash.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

static uint32_t crc_table[256];
static pthread_once_t crc_once = PTHREAD_ONCE_INIT;

static void crc_fill(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;

        for (int bit = 0; bit < 8; bit++)
            c = c & 1 ? (c >> 1) ^ UINT32_C(0x82f63b78) : c >> 1;
        crc_table[i] = c;
    }
}

static uint32_t crc32c_table(uint32_t crc, const uint8_t *p, size_t n)
{
    pthread_once(&crc_once, crc_fill);
    while (n--)
        crc = crc_table[(crc ^ *p++) & 0xff] ^ (crc >> 8);
    return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t crc32c_sse(uint32_t crc, const uint8_t *p, size_t n)
{
    uint64_t c = crc;

    while (n >= 8) {
        uint64_t word;

        memcpy(&word, p, 8);
        c = _mm_crc32_u64(c, word);
        p += 8;
        n -= 8;
    }
    while (n--)
        c = _mm_crc32_u8((uint32_t)c, *p++);
    return (uint32_t)c;
}
#endif

uint32_t hash_crc32c(uint32_t crc, const void *p, size_t n)
{
    crc = ~crc;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2"))
        return ~crc32c_sse(crc, p, n);
#endif
    return ~crc32c_table(crc, p, n);
}

/* As org.apache.kafka.common.utils.Utils.murmur2. */
uint32_t hash_murmur2(const void *data, size_t n)
{
    const uint8_t *p = data;
    const uint32_t m = 0x5bd1e995;
    uint32_t h = UINT32_C(0x9747b28c) ^ (uint32_t)n;

    for (; n >= 4; n -= 4, p += 4) {
        uint32_t k = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;

        k *= m;
        k ^= k >> 24;
        k *= m;
        h *= m;
        h ^= k;
    }
    if (n >= 3)
        h ^= (uint32_t)p[2] << 16;
    if (n >= 2)
        h ^= (uint32_t)p[1] << 8;
    if (n >= 1) {
        h ^= p[0];
        h *= m;
    }
    h ^= h >> 13;
    h *= m;
    h ^= h >> 15;
    return h;
}

int32_t hash_partition_of_key(struct str key, int32_t partitions)
{
    IG_ASSERT(partitions > 0);
    return (int32_t)(hash_murmur2(key.p, key.n) & 0x7fffffff) % partitions;
}

uint64_t hash_fnv1a(const void *data, size_t n)
{
    const uint8_t *p = data;
    uint64_t h = UINT64_C(0xcbf29ce484222325);

    while (n--)
        h = (h ^ *p++) * UINT64_C(0x100000001b3);
    return h;
}

static void digest(const EVP_MD *md, const void *p, size_t n, uint8_t *out)
{
    if (EVP_Digest(p, n, out, NULL, md, NULL) != 1)
        IG_UNREACHABLE("OpenSSL refuses a digest");
}

static void to_hex(const uint8_t *p, size_t n, char *out)
{
    static const char hex[] = "0123456789abcdef";

    for (size_t i = 0; i < n; i++) {
        out[2 * i] = hex[p[i] >> 4];
        out[2 * i + 1] = hex[p[i] & 15];
    }
    out[2 * n] = 0;
}

void hash_md5(const void *p, size_t n, uint8_t out[16])
{
    digest(EVP_md5(), p, n, out);
}

void hash_md5_hex(const void *p, size_t n, char out[33])
{
    uint8_t raw[16];

    digest(EVP_md5(), p, n, raw);
    to_hex(raw, sizeof(raw), out);
}

void hash_sha256(const void *p, size_t n, uint8_t out[32])
{
    digest(EVP_sha256(), p, n, out);
}

void hash_sha256_hex(const void *p, size_t n, char out[65])
{
    uint8_t raw[32];

    hash_sha256(p, n, raw);
    to_hex(raw, sizeof(raw), out);
}

static uint64_t little_endian_64(const uint8_t *p)
{
    uint64_t v = 0;

    for (int i = 7; i >= 0; i--)
        v = v << 8 | p[i];
    return v;
}

void fingerprint_add(struct fingerprint *f, const void *p, size_t n)
{
    uint8_t raw[16];

    digest(EVP_md5(), p, n, raw);
    f->count++;
    f->low += little_endian_64(raw);
    f->high += little_endian_64(raw + 8);
}

void fingerprint_join(struct fingerprint *f, const struct fingerprint *other)
{
    f->count += other->count;
    f->low += other->low;
    f->high += other->high;
}

bool fingerprint_eq(const struct fingerprint *a, const struct fingerprint *b)
{
    return a->count == b->count && a->low == b->low && a->high == b->high;
}

char *fingerprint_hex(const struct fingerprint *f, char out[33])
{
    snprintf(out, 33, "%016llx%016llx", (unsigned long long)f->high, (unsigned long long)f->low);
    return out;
}
