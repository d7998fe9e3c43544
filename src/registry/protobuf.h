/*
 * A .proto file in memory. Two layers in one structure: what was written (names, options, order), for printing it as
 * Confluent's registry does, and what it means (resolved types), for reading and writing values.
 */
#ifndef REGISTRY_PROTOBUF_H
#define REGISTRY_PROTOBUF_H

#include "registry/json_tree.h"
#include "registry/schema_internal.h"

#define PROTOBUF_NEST_MAX 64   /* of messages in messages, of options in options, in a text */
#define PROTOBUF_DEPTH_MAX 100 /* of a value: what Google's libraries allow */
#define PROTOBUF_TAG_MAX 536870911

enum pb_value_kind { PB_STRING, PB_BOOLEAN, PB_NUMBER, PB_ENUM, PB_MAP, PB_LIST, PB_OPTION };

struct pb_option;

/* The value of an option. */
struct pb_value {
    enum pb_value_kind kind;
    struct str text;                 /* of the first four */
    struct pb_entry *entries, *last; /* of a map; of a list, without keys */
    struct pb_option *sub;           /* (foo).bar = 1: bar = 1 */
};
struct pb_entry {
    struct pb_entry *next;
    struct str key;
    struct pb_value *value;
};
struct pb_option {
    struct pb_option *next;
    struct str name;
    bool custom; /* in parentheses */
    struct pb_value *value;
};

/* A number, a range or a name that is reserved; also extensions. */
struct pb_range {
    struct pb_range *next;
    struct str name; /* {NULL, 0}: a number or range */
    int32_t first, last;
    bool is_range;
};
/* One "reserved ...;" or "extensions ...;". */
struct pb_ranges {
    struct pb_ranges *next;
    struct pb_range *list;
    struct pb_option *options;
};

enum pb_label { PB_NO_LABEL, PB_OPTIONAL, PB_REQUIRED, PB_REPEATED };

/* The scalar types in the order of descriptor.proto's numbers. */
enum pb_kind {
    PB_DOUBLE = 1,
    PB_FLOAT,
    PB_INT64,
    PB_UINT64,
    PB_INT32,
    PB_FIXED64,
    PB_FIXED32,
    PB_BOOL,
    PB_TEXT, /* string */
    PB_GROUP,
    PB_MESSAGE,
    PB_BYTES,
    PB_UINT32,
    PB_ENUM_TYPE,
    PB_SFIXED32,
    PB_SFIXED64,
    PB_SINT32,
    PB_SINT64,
    PB_KIND_MAP,
};

struct pb_oneof;
struct pb_type;

struct pb_field {
    struct pb_field *next;
    enum pb_label label;
    struct str type, name;
    struct str key_type, value_type; /* map<key, value>; {NULL, 0}: no map */
    struct str default_value;        /* {NULL, 0}: none */
    struct str json_name;            /* as written; {NULL, 0}: not written */
    int32_t tag;
    struct pb_option *options;
    struct pb_field *group; /* of a group: its fields; type is "group" */
    bool is_group;
    /* linked */
    enum pb_kind kind, key_kind, value_kind; /* the last two of a map */
    const struct pb_type *of;                /* of a message, enum or group; of a map's value */
    const struct pb_oneof *oneof;
    struct str json; /* the name in JSON */
    bool packed, presence;
};

struct pb_oneof {
    struct pb_oneof *next;
    size_t index; /* its place in the message */
    struct str name;
    struct pb_option *options;
    struct pb_field *fields, *groups;
};

struct pb_extend {
    struct pb_extend *next;
    struct str name;
    struct pb_field *fields;
};

struct pb_constant {
    struct pb_constant *next;
    struct str name;
    int32_t number;
    struct pb_option *options;
};

/* A message or an enum. */
struct pb_type {
    struct pb_type *next;
    bool is_enum;
    struct str name, full; /* full: with package and enclosing messages, without a dot before */
    struct pb_option *options;
    struct pb_ranges *reserved;
    const struct pb_type *parent;
    const struct pb_file *file;
    /* enum */
    struct pb_constant *constants;
    /* message */
    struct pb_type *types;
    struct pb_field *fields, *groups;
    struct pb_oneof *oneofs;
    struct pb_ranges *extensions;
    struct pb_extend *extends;
    bool is_map_entry;
    struct pb_field **by_tag;   /* all, with those of oneofs and groups, by number */
    struct pb_field **in_order; /* the same as written */
    size_t n, n_oneofs;
};

struct pb_rpc {
    struct pb_rpc *next;
    struct str name, request, response;
    bool request_stream, response_stream;
    struct pb_option *options;
};

struct pb_service {
    struct pb_service *next;
    struct str name;
    struct pb_option *options;
    struct pb_rpc *rpcs;
};

struct pb_import {
    struct pb_import *next;
    struct str name;
};

enum pb_syntax { PB_NO_SYNTAX, PB_PROTO2, PB_PROTO3 };

struct pb_file {
    enum pb_syntax syntax;
    struct str package; /* {NULL, 0}: none */
    struct pb_import *imports, *public_imports, *weak_imports;
    struct pb_option *options;
    struct pb_type *types;
    struct pb_extend *extends;
    struct pb_service *services;
};

/* Full names to types or extension fields; open addressing. */
struct pb_names {
    struct pb_name {
        struct str full;
        void *what;
    } *places;
    size_t n, mask;
};

struct pb_schema {
    struct schema schema;
    struct arena arena;
    struct pb_file *file;
    struct pb_names types, extensions; /* ours, those of references, and the well-known ones that were needed */
    VEC(const struct pb_schema *) references;
    VEC(char *) reference_names;
    VEC(const char *) known; /* well-known files that were loaded */
};

static inline const struct pb_schema *pb_of(const struct schema *s)
{
    return (const struct pb_schema *)s;
}

/* Appends to a list that `tail` runs along. */
#define pb_append(tail, item)   \
    do {                        \
        *(tail) = (item);       \
        (tail) = &(item)->next; \
    } while (0)

/* --- protobuf_parse.c, protobuf_option.c --- */
enum ig_code pb_parse_text(struct arena *arena, struct str text, struct pb_file **out, struct error *err);

/* --- protobuf_link.c --- */
void *pb_names_find(const struct pb_names *names, struct str full);
/* The scope of a name: the package, then the names of the messages around it. */
struct pb_scope {
    const struct pb_schema *schema;
    struct str path; /* "package.Message.Nested" */
};
const struct pb_type *pb_find_type(const struct pb_schema *s, struct str scope, struct str name);
/* The full name of an extension field as seen from the scope, in `full`; NULL: none. */
const struct pb_field *pb_find_extension(const struct pb_schema *s, struct str scope, struct str name,
                                         struct str *full);
bool pb_scalar_of(struct str name, enum pb_kind *out);
const char *pb_scalar_name(enum pb_kind kind);
const struct pb_field *pb_field_by_tag(const struct pb_type *type, int64_t tag);
struct str pb_option_text(const struct pb_option *options, const char *name);
bool pb_is_word(struct str s);
/* May it stand between quotes as it is? Names of files and of what is reserved are printed so. */
bool pb_is_plain(struct str s);

/* --- protobuf_known.c --- */
/* The text of a well-known file; NULL if it is none. */
const char *pb_known_text(struct str name);
/* The name of the i-th; NULL behind the last. */
const char *pb_known_name(size_t i);

/* --- protobuf_descriptor.c --- */
/* A FileDescriptorProto as a file; IG_NOT_FOUND: the bytes are none. */
enum ig_code pb_parse_descriptor(struct arena *arena, struct str bytes, struct pb_file **out, struct error *err);
/* --- protobuf_serialize.c --- */
void pb_serialize(const struct pb_schema *s, struct buf *out);
enum ig_code pb_from_base64(struct str text, struct buf *out);
void pb_to_base64(struct str bytes, struct buf *out);

/* --- protobuf_print.c --- */
void protobuf_canonical(const struct schema *s, struct buf *out);
void protobuf_normalize(const struct schema *s, struct buf *out);
enum ig_code protobuf_formatted(const struct schema *s, struct str format, struct buf *out, struct error *err);
/* --- protobuf_option.c: options as they are printed when normalized --- */
struct pb_option *pb_normal_options(struct arena *arena, const struct pb_schema *s, struct str scope,
                                    const struct pb_option *options);

bool protobuf_can_read(const struct schema *reader, const struct schema *writer, struct schema_problems *problems);
enum ig_code protobuf_decode(const struct schema *s, struct str bytes, struct buf *json, struct error *err);
enum ig_code protobuf_encode(const struct schema *s, struct str json, struct buf *bytes, struct error *err);

#endif
