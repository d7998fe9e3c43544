/*
 * What every unit test needs: cmocka, a seeded random generator whose seed is printed and can be set (INGOT_SEED=...,
 * `fresh`), and a scratch folder.
 */
#ifndef UNIT_TEST_H
#define UNIT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

/* splitmix64: small, and good enough to mutate bytes with. */
struct test_random {
    uint64_t state;
};

static inline uint64_t test_random_next(struct test_random *r)
{
    uint64_t z = (r->state += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* 0 <= result < n */
static inline size_t test_random_below(struct test_random *r, size_t n)
{
    return (size_t)(test_random_next(r) % n);
}

static inline struct test_random test_random_new(void)
{
    const char *set = getenv("INGOT_SEED");
    const bool fresh = set && strcmp(set, "fresh") == 0;
    const uint64_t seed =
        fresh ? (uint64_t)time(NULL) * 1000003 + (uint64_t)getpid() : strtoull(set ? set : "1", NULL, 10);

    printf("seed: INGOT_SEED=%llu\n", (unsigned long long)seed);
    return (struct test_random){seed};
}

/* A fresh folder under TMPDIR, its path in `out`. */
static inline void test_scratch_dir(char *out, size_t n)
{
    const char *tmp = getenv("TMPDIR");

    snprintf(out, n, "%s/ingot-unit-XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(out));
}

#endif
