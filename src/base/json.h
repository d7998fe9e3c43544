/*
 * JSON at the byte level: a validating pull reader that goes once over the text and copies nothing, and a few
 * writers. It takes exactly RFC 8259 in UTF-8: no comments, no NaN, no lone surrogates, no control characters in
 * strings, nesting up to JSON_DEPTH_MAX.
 *
 *     struct json_reader r;
 *     struct json_value key, value;
 *     json_reader_init(&r, text);
 *     json_begin(&r, &value);                     value.type says what it is
 *     while (json_next_key(&r, &key)) {           inside an object
 *         json_read(&r, &value);                  a whole value, nested ones skipped and validated
 *     }
 *     ok = json_end(&r);                          nothing but white space follows
 *
 * The first mistake sticks: later calls return false, and r.problem and r.at say what and where.
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include "base/arena.h"

#define JSON_DEPTH_MAX 256

enum json_type { JSON_NONE, JSON_NULL, JSON_FALSE, JSON_TRUE, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json_value {
    enum json_type type;
    struct str raw; /* the value's text; a string's without its quotes, escapes as they are */
    bool escaped;   /* a string with backslashes: json_unescape() it before use */
    bool integer;   /* a number without fraction and exponent */
};

struct json_reader {
    const char *start, *p, *end;
    const char *problem; /* NULL while all is well */
    size_t at;           /* byte offset of the problem */
    unsigned depth;
    bool fresh; /* directly behind an opening bracket */
};

void json_reader_init(struct json_reader *r, struct str text);

/* Reads one value whole: nested content is validated, and raw spans it. */
bool json_read(struct json_reader *r, struct json_value *v);
/* Reads a scalar whole, or only the opening bracket of an object or array (raw is then empty), to be gone through with
 * json_next_key or json_next_item. */
bool json_begin(struct json_reader *r, struct json_value *v);
/* In an object: the next key, with its colon; false behind the last one (the bracket is then read) or on a mistake. */
bool json_next_key(struct json_reader *r, struct json_value *key);
/* In an array: is there another item? False behind the last one, or on a mistake. */
bool json_next_item(struct json_reader *r);
/* True if only white space is left and nothing was wrong. */
bool json_end(struct json_reader *r);

/* Is the key equal to `name` once unescaped? */
bool json_key_is(const struct json_value *key, struct str name);
/* Appends a string value's text with its escapes resolved. */
void json_unescape(const struct json_value *v, struct buf *out);
/* The member `name` of an object's text, whole; the last one if there are several; false if none or not an object. */
bool json_member(struct str object, const char *name, struct json_value *out);
/* A number or string member as such; false if missing, null or of another type. */
bool json_member_int64(struct str object, const char *name, int64_t *out);
/* Appends the member's unescaped text to `out`. */
bool json_member_string(struct str object, const char *name, struct buf *out);
/* The same, with a NUL, in the arena; NULL. */
const char *json_member_text(struct arena *a, struct str object, const char *name);

/* Appends "s" with quotes and escapes. Bytes that are not UTF-8 become U+FFFD. */
void json_add_string(struct buf *b, struct str s);

#endif
