/*
 * Keys of a mapping as a table: name, kind, default, range, and the struct member that the value goes to. One table
 * serves reading, defaults and printing.
 */
#ifndef CONF_KEYS_H
#define CONF_KEYS_H

#include "conf/load.h"

enum key_kind {
    KEY_ELSEWHERE, /* known here, read by its own function */
    KEY_TEXT,      /* const char * */
    KEY_TEXTS,     /* const char ** and, at at_n, size_t: one text or a list of them */
    KEY_BOOL,      /* bool */
    KEY_INT32,     /* int32_t */
    KEY_INT64,     /* int64_t */
    KEY_UINT64,    /* uint64_t */
    KEY_DOUBLE,    /* double */
    KEY_RATIO,     /* double 0..1: 1% or 0.01 */
    KEY_RATE,      /* double a second: 10/s, 600/min; max is 0 */
    KEY_DURATION,  /* int64_t milliseconds */
    KEY_BYTES,     /* int64_t */
    KEY_WORD,      /* an enum, counted as `words` */
    KEY_TIME,      /* const char *, an ISO 8601 time */
};

struct key {
    const char *name;
    enum key_kind kind;
    size_t at, at_n;
    const char *default_text; /* as it would be written; NULL: the member stays as it is */
    int64_t min, max;         /* numbers, durations, sizes; both 0: any */
    const char *const *words; /* KEY_WORD, ended by NULL */
};

/* Is `map` a mapping with known keys only? What it is called in messages: `what`. False (reported): not a mapping. */
bool keys_check_names(struct load *l, const struct node *map, const char *what, const struct key *keys, size_t n);
/* keys_check_names, then defaults and values into `into`. A NULL map or null gives the defaults. */
bool keys_read(struct load *l, const struct node *map, const char *what, const struct key *keys, size_t n, void *into);

/* One value by hand. False after reporting; null values too. */
bool keys_text(struct load *l, const char *name, const struct node *value, const char **out);
bool keys_texts(struct load *l, const char *name, const struct node *value, const char ***out, size_t *n);
bool keys_bool(struct load *l, const char *name, const struct node *value, bool *out);
bool keys_word(struct load *l, const char *name, const struct node *value, const char *const *words, int *out);
bool keys_value(struct load *l, const struct key *key, const struct node *value, void *into);

/* The nearest of `names` (ended by NULL) to a mistyped word, NULL if none is near. */
const char *keys_nearest(const char *word, const char *const *names);

/* Appends the value as it could be written. False if it is its kind's "nothing" (NULL, empty list). */
bool keys_print_value(const struct conf *conf, const struct key *key, const void *from, struct buf *out);
/* A scalar as YAML: bare where that is safe, otherwise quoted; secrets masked, $ signs kept from being variables. */
void keys_print_text(struct buf *out, const char *text);
void keys_print_list(const struct conf *conf, struct buf *out, const char *const *texts, size_t n);
/* The same for what was written, where ${VAR} stays a variable. */
void keys_print_written(struct buf *out, const char *written);

/* pattern.c: the length of a regular expression once its repetitions are written out, as regcomp does. */
double conf_pattern_length(const char *pattern);

#endif
