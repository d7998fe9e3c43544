/*
 * Runs of small numbers, in Parquet's hybrid of repeated and bit-packed ones: levels, and indexes into a dictionary.
 */
#ifndef LAKE_LEVELS_H
#define LAKE_LEVELS_H

#include "lake/parquet/parquet.h"

/* `width` in bits, up to 32. */
void parquet_levels_init(struct parquet_levels *l, const uint8_t *p, const uint8_t *end, unsigned width);
/* Reads the head of the next run. False if there is none. */
bool parquet_levels_fill(struct parquet_levels *l);
uint32_t parquet_levels_packed(const struct parquet_levels *l);

/* The next number, left in place. False if there is none. */
static inline bool parquet_levels_peek(struct parquet_levels *l, uint32_t *out)
{
    if (l->left == 0 && !parquet_levels_fill(l))
        return false;
    *out = l->same ? l->value : parquet_levels_packed(l);
    return true;
}
static inline bool parquet_levels_next(struct parquet_levels *l, uint32_t *out)
{
    if (!parquet_levels_peek(l, out))
        return false;
    l->left--;
    l->bit += l->width;
    return true;
}

#endif
