/* Messages that are well formed and mean nothing. */
#ifndef UNIT_BROKER_NONSENSE_H
#define UNIT_BROKER_NONSENSE_H

#include "broker/broker_internal.h"
#include "test.h"

/* What texts and numbers mostly are, so that some of it hits something that is there. */
struct nonsense_words {
    const char *const *texts;
    size_t n_texts;
    const int64_t *numbers;
    size_t n_numbers;
};

/* Fills a message with whatever its table allows, at a version; words NULL: with anything. */
void nonsense_fill(struct test_random *r, struct arena *a, const struct wire_type *type, int16_t version,
                   const struct nonsense_words *words, void *message);

#endif
