/*
 * Floating-point numbers as text: the shortest digits that read back as the same number, in the notation of Java's
 * Double.toString (1.0, 1.0E10, 1.0E-5), which schema texts and values written by Java clients have. Not finite: NaN,
 * Infinity, -Infinity, without quotes.
 */
#ifndef REGISTRY_NUMBER_H
#define REGISTRY_NUMBER_H

#include "base/base.h"

void number_add_double(struct buf *out, double d);
void number_add_float(struct buf *out, float f);
/* The same, NaN and its like in quotes, so that it is JSON. */
void number_add_json_double(struct buf *out, double d);
void number_add_json_float(struct buf *out, float f);

#endif
