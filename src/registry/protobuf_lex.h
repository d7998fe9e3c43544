/*
 * The tokens of a .proto text. The first mistake sticks: what is read from then on is empty, and `failed` says so.
 */
#ifndef REGISTRY_PROTOBUF_LEX_H
#define REGISTRY_PROTOBUF_LEX_H

#include "registry/protobuf.h"

struct pb_lexer {
    struct arena *arena;
    const char *start, *p, *end;
    bool failed;
    struct error *err;
    unsigned depth;
};

/* Always false, so that it can be returned. */
bool pb_fail(struct pb_lexer *x, const char *fmt, ...) IG_PRINTF(2, 3);
/* The next character that is no white space and in no comment; 0 at the end. */
char pb_peek(struct pb_lexer *x);
/* Reads the character if it is the next one. */
bool pb_accept(struct pb_lexer *x, char c);
bool pb_expect(struct pb_lexer *x, char c);
/* Letters, digits, "_", "-" and (with `dots`) ".". */
bool pb_word(struct pb_lexer *x, bool dots, struct str *out);
/* A name of something that is declared. */
bool pb_identifier(struct pb_lexer *x, struct str *out);
/* "..." or '...', several in a row are one; escapes resolved. */
bool pb_quoted(struct pb_lexer *x, struct str *out);
/* Decimal or hexadecimal. */
bool pb_integer(struct pb_lexer *x, int32_t *out);

/* [a = 1, b = 2], if it is there. */
bool pb_read_options(struct pb_lexer *x, struct pb_option **out);
/* name = value, behind the word "option". */
struct pb_option *pb_read_option(struct pb_lexer *x, char separator);

#endif
