/*
 * base: what C lacks. The one header that other folders include; the parts can be read on their own.
 */
#ifndef BASE_BASE_H
#define BASE_BASE_H

#include "base/arena.h"
#include "base/check.h"
#include "base/env.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/str.h"
#include "base/timestamp.h"
#include "base/vec.h"

#endif
