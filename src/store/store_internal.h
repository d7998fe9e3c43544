/* What the implementations of a store share. */
#ifndef STORE_STORE_INTERNAL_H
#define STORE_STORE_INTERNAL_H

#include "store/store.h"

/* The folder of unfinished puts, at the store's root. Never listed. */
#define STORE_SCRATCH_DIR ".ingot-scratch"

/* Where put-if-absent is tried. */
#define STORE_PROBE_DIR ".ingot-probe"

/* The race itself, with nothing remembered: for the implementations' probe. */
IG_MUST_CHECK enum ig_code store_race(struct store *st, struct error *err);

/* `location` is what follows the scheme. */
enum ig_code store_file_open(struct env *env, const char *url, const char *location, struct store **out,
                             struct error *err);
/* The whole URL. */
enum ig_code store_s3_open(struct env *env, const char *url, struct store **out, struct error *err);

enum ig_code store_gcs_open(struct env *env, const char *url, struct store **out, struct error *err);

#endif
