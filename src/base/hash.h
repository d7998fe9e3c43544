/*
 * Checksums and hashes, each the one that some format names.
 */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include "base/str.h"

/* CRC-32C (Castagnoli), as record batches carry it. Pass 0 to begin, the last result to go on. */
uint32_t hash_crc32c(uint32_t crc, const void *p, size_t n);

/* murmur2 with Kafka's seed, and the partition that Kafka's default partitioner gives a key:
 * (murmur2(key) & 0x7fffffff) % partitions. */
uint32_t hash_murmur2(const void *p, size_t n);
int32_t hash_partition_of_key(struct str key, int32_t partitions);

/* FNV-1a, 64 bit: for hash tables of our own. */
uint64_t hash_fnv1a(const void *p, size_t n);

void hash_md5(const void *p, size_t n, uint8_t out[16]);
/* Lower-case hex with a NUL. */
void hash_md5_hex(const void *p, size_t n, char out[33]);
void hash_sha256_hex(const void *p, size_t n, char out[65]);
void hash_sha256(const void *p, size_t n, uint8_t out[32]);

/*
 * The fingerprint of a multiset of records: the count, and the sum modulo 2^128 of each member's MD5 taken as two
 * little-endian 64-bit halves, each summed modulo 2^64. The order of adding does not matter; adding a member twice
 * is seen.
 */
struct fingerprint {
    uint64_t count, low, high;
};
void fingerprint_add(struct fingerprint *f, const void *p, size_t n);
void fingerprint_join(struct fingerprint *f, const struct fingerprint *other);
bool fingerprint_eq(const struct fingerprint *a, const struct fingerprint *b);
/* 32 hex digits, high half first, and a NUL; returns `out`. */
char *fingerprint_hex(const struct fingerprint *f, char out[33]);

#endif
