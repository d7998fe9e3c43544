/*
 * SQL text as tokens, told apart as DuckDB does: words, "quoted" and `quoted` names, strings of every kind, numbers,
 * single symbols. Comments are skipped. An open quote or comment ends with the text: that is DuckDB's to complain
 * about.
 */
#ifndef CLI_SQL_TOKENS_H
#define CLI_SQL_TOKENS_H

#include "base/base.h"

enum sql_token_type { SQL_END, SQL_WORD, SQL_NAME, SQL_STRING, SQL_NUMBER, SQL_SYMBOL };

struct sql_token {
    enum sql_token_type type;
    size_t from, to;    /* all of it */
    struct str content; /* without quotes, doubled ones as they are */
};

struct sql_scanner {
    struct str text;
    size_t at;
};

struct sql_token sql_next(struct sql_scanner *s);
/* The one behind it, which stays. */
struct sql_token sql_peek(const struct sql_scanner *s);
bool sql_is_word(const struct sql_token *t, const char *word); /* in any case */
bool sql_is_symbol(const struct sql_token *t, char c);
bool sql_word_part(char c);

#endif
