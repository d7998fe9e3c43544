#include "lake/parquet/levels.h"

void parquet_levels_init(struct parquet_levels *l, const uint8_t *p, const uint8_t *end, unsigned width)
{
    *l = (struct parquet_levels){.p = p, .end = end, .width = width};
}

static bool head(struct parquet_levels *l, uint64_t *out)
{
    *out = 0;
    for (unsigned shift = 0; shift < 35 && l->p < l->end; shift += 7) {
        const uint8_t byte = *l->p++;

        *out |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return *out <= UINT32_MAX;
    }
    return false;
}

/* One value, in as many whole bytes as it takes. */
static bool fill_same(struct parquet_levels *l, uint64_t n)
{
    const size_t bytes = (l->width + 7) / 8;

    if ((size_t)(l->end - l->p) < bytes)
        return false;
    l->value = 0;
    for (size_t i = 0; i < bytes; i++)
        l->value |= (uint32_t)*l->p++ << (8 * i);
    if (l->width < 32 && l->value >> l->width)
        return false;
    l->same = true;
    l->left = (uint32_t)n;
    return true;
}

/* Groups of eight values. Some writers leave out the bytes of the last group that nobody needs. */
static bool fill_packed(struct parquet_levels *l, uint64_t n_groups)
{
    const uint64_t room = (uint64_t)(l->end - l->p), bytes = n_groups * l->width;
    uint64_t n = n_groups * 8;

    if (l->width && bytes > room)
        n = room * 8 / l->width;
    l->same = l->width == 0;
    l->value = 0;
    l->left = n > UINT32_MAX ? UINT32_MAX : (uint32_t)n;
    l->bits = l->p;
    l->bit = 0;
    l->p += bytes > room ? room : bytes;
    return true;
}

bool parquet_levels_fill(struct parquet_levels *l)
{
    while (l->left == 0) {
        uint64_t n;

        if (!head(l, &n) || !(n & 1 ? fill_packed(l, n >> 1) : fill_same(l, n >> 1))) {
            l->p = l->end;
            return false;
        }
    }
    return true;
}

uint32_t parquet_levels_packed(const struct parquet_levels *l)
{
    const uint8_t *at = l->bits + l->bit / 8;
    const size_t room = (size_t)(l->end - at);
    uint64_t word = 0;

    memcpy(&word, at, room < 8 ? room : 8); /* what is behind the value is cut off; little-endian, as the file is */
    return (uint32_t)((word >> (l->bit % 8)) & ((UINT64_C(1) << l->width) - 1));
}
