/*
 * What the readers of statements share: a cursor over tokens, and pieces of SQL cut out of the text.
 */
#ifndef CLI_QUERY_PARSE_H
#define CLI_QUERY_PARSE_H

#include "cli/query_dml.h"
#include "cli/sql_tokens.h"

struct query_parser {
    const struct query_text *q;
    struct arena *arena;
    struct sql_scanner s; /* behind `t`; the text ends with the statement */
    struct sql_token t;   /* the one to look at */
    struct query_change *out;
};

void query_advance(struct query_parser *p);
/* IG_INVALID at the current token, or at a byte of the text. */
enum ig_code query_refuse(struct query_parser *p, struct error *err, const char *fmt, ...) IG_PRINTF(3, 4);
/* The same without saying what is there: `text` says what to do instead. */
enum ig_code query_advise(struct query_parser *p, struct error *err, const char *text);
/* Takes the word, or the words of a phrase "NOT MATCHED", if they are there. */
bool query_take(struct query_parser *p, const char *phrase);
bool query_is(const struct query_parser *p, const char *phrase);
IG_MUST_CHECK enum ig_code query_expect(struct query_parser *p, const char *phrase, struct error *err);
bool query_take_symbol(struct query_parser *p, char c);
IG_MUST_CHECK enum ig_code query_expect_symbol(struct query_parser *p, char c, struct error *err);
/* A word or a quoted name, in the arena. */
IG_MUST_CHECK enum ig_code query_name(struct query_parser *p, const char *what, const char **out, struct error *err);
/* a.b."c d": as the lake has paths, with backticks around a part that holds a dot. */
IG_MUST_CHECK enum ig_code query_path(struct query_parser *p, const char *what, const char **out, struct error *err);
/* 'text' */
IG_MUST_CHECK enum ig_code query_string(struct query_parser *p, const char *what, const char **out, struct error *err);
/* SQL up to one of the words (of which the last is NULL), or a comma if `comma`, or the end, outside of brackets and
 * CASE. Backticks become quotes, <=> is spelled out. Not empty. */
IG_MUST_CHECK enum ig_code query_piece(struct query_parser *p, const char *const *until, bool comma, const char *what,
                                       const char **out, struct error *err);
/* delta('PATH') */
IG_MUST_CHECK enum ig_code query_target(struct query_parser *p, struct error *err);
/* (a, b, c): names, or paths */
struct query_names {
    VEC(const char *) list;
};
IG_MUST_CHECK enum ig_code query_name_list(struct query_parser *p, const char *what, bool paths,
                                           struct query_names *out, struct error *err);
IG_MUST_CHECK enum ig_code query_number(struct query_parser *p, int64_t *out, struct error *err);
IG_MUST_CHECK enum ig_code query_end(struct query_parser *p, struct error *err);

/* query_upkeep.c: false if it is none of those. CLONE is read from where it stands on. */
bool query_read_upkeep(struct query_parser *p, enum ig_code *rc, struct error *err);
IG_MUST_CHECK enum ig_code query_read_clone(struct query_parser *p, struct error *err);
/* query_ddl.c */
IG_MUST_CHECK enum ig_code query_read_create(struct query_parser *p, struct error *err);
IG_MUST_CHECK enum ig_code query_read_alter(struct query_parser *p, struct error *err);

#endif
