/* Hex digits, and texts with "%XX" in them. */
#ifndef BASE_PERCENT_H
#define BASE_PERCENT_H

#include "base/str.h"

/* 0 to 15, of either case; -1 if it is none. */
int hex_value(char c);

/* Adds the text with each "%XX" as its byte ('+' stays); false if a '%' is not followed by two hex digits. */
bool percent_decode(struct buf *out, struct str s);

#endif
