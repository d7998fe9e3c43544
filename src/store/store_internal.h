/* What the implementations of a store share. */
#ifndef STORE_STORE_INTERNAL_H
#define STORE_STORE_INTERNAL_H

#include "store/store.h"

/* The folder of unfinished puts, at the store's root. Never listed. */
#define STORE_SCRATCH_DIR ".ingot-scratch"

/* `location` is what follows the scheme. */
enum ig_code store_file_open(struct env *env, const char *url, const char *location, struct store **out,
                             struct error *err);

#endif
