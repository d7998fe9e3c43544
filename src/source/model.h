/*
 * Models: the made-up companies' domains, one record at a time. A model's state starts afresh every MODEL_EPOCH
 * records, from the seed and the epoch's number alone, so a generator can go on from any ordinal in no time.
 */
#ifndef SOURCE_MODEL_H
#define SOURCE_MODEL_H

#include "base/base.h"

#define MODEL_EPOCH 65536
#define MODEL_RECORD_MAX 8192 /* bytes; a model's longest record is below */

/* --- chance: splitmix64 -------------------------------------------------------------------------------- */

struct chance {
    uint64_t state;
};

static inline uint64_t chance_next(struct chance *c)
{
    uint64_t z = c->state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* A stream of its own for each pair. */
static inline struct chance chance_of(uint64_t seed, uint64_t stream)
{
    struct chance c = {seed ^ (stream * UINT64_C(0xd1342543de82ef95))};

    c.state = chance_next(&c);
    return c;
}

/* 0 .. n-1 */
static inline uint32_t chance_below(struct chance *c, uint32_t n)
{
    return (uint32_t)(((chance_next(c) >> 32) * n) >> 32);
}

/* 0 <= x < 1 */
static inline double chance_ratio(struct chance *c)
{
    return (double)(chance_next(c) >> 11) * 0x1p-53;
}

/* --- the text of a record -------------------------------------------------------------------------------- */

struct text {
    char *p, *end;
};

static inline void text_add(struct text *t, const char *p, size_t n)
{
    IG_ASSERT((size_t)(t->end - t->p) >= n);
    memcpy(t->p, p, n);
    t->p += n;
}
#define text_lit(t, literal) text_add((t), "" literal, sizeof(literal) - 1)
static inline void text_puts(struct text *t, const char *s)
{
    text_add(t, s, strlen(s));
}
void text_int(struct text *t, int64_t v);
void text_padded(struct text *t, uint32_t v, unsigned digits); /* with zeros in front */
void text_cents(struct text *t, int64_t cents);                /* 1250 -> 12.50 */
void text_time(struct text *t, int64_t us);                    /* 2024-01-15T06:00:00.123Z, in quotes */
void text_uuid(struct text *t, struct chance *c);              /* version 4 */

/* --- models ---------------------------------------------------------------------------------------------- */

/* What is wrong with a record on purpose. The model makes the ones that need to know it, the generator the rest. */
enum flaw {
    FLAW_NONE,
    FLAW_NO_ID,
    FLAW_WRONG_TYPE,
    FLAW_UNKNOWN_VALUE,
    FLAW_BAD_TIME,
    FLAW_OLD_TIME, /* 2009 */
    FLAW_CUT,      /* by the generator: broken JSON */
    FLAW_NOT_UTF8, /* by the generator */
    FLAW_COUNT
};

struct model_setup {
    uint64_t seed;
    int64_t users;
};

struct model_step {
    int64_t left;      /* records until the state starts afresh, this one included */
    int64_t time_us;   /* the record's moment */
    int64_t first_us;  /* of the whole sequence; nothing is dated before it */
    int64_t late_us;   /* > 0: it is reported that much too late */
    int64_t batch;     /* models with a period: which one, */
    int64_t batch_row; /* and which record of it */
    struct chance *chance;
    enum flaw flaw;
    struct text *out;
};

struct model {
    const char *name;
    /* Models that report everything, or all changes, once a period: its length, and how many records a period has.
     * period_us 0: a stream, as many records as the rate says. */
    int64_t period_us;
    int64_t (*batch_rows)(const struct model_setup *setup, int64_t batch);
    size_t state_bytes; /* zeroed at the start of an epoch */
    void (*begin)(void *state, const struct model_setup *setup, struct chance *chance);
    void (*end)(void *state);
    void (*record)(void *state, const struct model_setup *setup, struct model_step *step);
};

extern const struct model model_clickstream, model_orders, model_restaurants, model_users;

/* What time the record claims: late or flawed. */
int64_t model_time(const struct model_step *step);
/* The event time as a JSON value, flaw included. */
void model_put_time(const struct model_step *step, int64_t us);

/* --- the catalogue that the domains share -------------------------------------------------------------------- */

#define CATALOGUE_RESTAURANTS 40
#define CATALOGUE_MENU_MIN 6
#define CATALOGUE_MENU_MAX 12

struct catalogue_item {
    const char *name, *category;
    int64_t cents;
};
const char *catalogue_city(uint32_t i); /* any i */
const char *catalogue_restaurant_city(uint32_t restaurant);
const char *catalogue_cuisine(uint32_t restaurant);
void catalogue_put_restaurant_name(struct text *t, uint32_t restaurant);
uint32_t catalogue_menu_size(uint32_t restaurant);
struct catalogue_item catalogue_item(uint32_t restaurant, uint32_t item);
void catalogue_put_restaurant_id(struct text *t, uint32_t restaurant);          /* "rest_007" */
void catalogue_put_item_id(struct text *t, uint32_t restaurant, uint32_t item); /* "item_007_03" */
void catalogue_put_user_id(struct text *t, uint32_t user);                      /* "user_00042" */
const char *catalogue_user_city(uint32_t user);

#endif
