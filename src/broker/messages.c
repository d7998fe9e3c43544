#include "broker/messages.h"

#define OFFSET(type, member) offsetof(struct wire_##type, member)
/* Kinds with an argument bring the table of their items along. */
#define WIRE_array_of(i) WIRE_array, .item = &wire_type_##i
#define WIRE_struct_of(i) WIRE_struct, .item = &wire_type_##i
#define WIRE_nstruct_of(i) WIRE_nstruct, .item = &wire_type_##i

#define ROW_FIELD(S, k, n, v_from, v_to, v_missing) \
    {.name = #n, .kind = WIRE_##k, .from = v_from, .to = v_to, .tag = -1, .missing = v_missing, .offset = OFFSET(S, n)},
#define ROW_ARRAY(S, i, n, v_from, v_to) \
    {.name = #n,                         \
     .kind = WIRE_array,                 \
     .from = v_from,                     \
     .to = v_to,                         \
     .tag = -1,                          \
     .offset = OFFSET(S, n),             \
     .item = &wire_type_##i},
#define ROW_TAGGED(S, t, k, n, v_from, v_to, v_missing) \
    {.name = #n, .kind = WIRE_##k, .from = v_from, .to = v_to, .tag = t, .missing = v_missing, .offset = OFFSET(S, n)},

#define TABLE(type)                                                                                                 \
    static const struct wire_field fields_of_##type[] = {WIRE_LIST_##type(type, ROW_FIELD, ROW_ARRAY, ROW_TAGGED)}; \
    const struct wire_type wire_type_##type = {#type, sizeof(struct wire_##type), fields_of_##type,                 \
                                               IG_COUNT(fields_of_##type)};

WIRE_TYPES(TABLE)
