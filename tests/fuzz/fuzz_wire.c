// links: broker
/* Kafka messages from outside: decoding never leaves the text; what was decoded is written and read again as the same
 * bytes. The first two bytes choose message and version. */
#include "broker/messages.h"
#include "fuzz.h"

#define ADDRESS(type) &wire_type_##type,
static const struct wire_type *const types[] = {WIRE_TYPES(ADDRESS)};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wire_out first = {0}, second = {0};
    const struct wire_type *type;
    struct arena arena;
    struct error err;
    int16_t version;
    bool flexible;
    void *message;

    if (size < 2)
        return 0;
    type = types[data[0] % IG_COUNT(types)];
    version = data[1] % 20;
    flexible = data[1] & 0x80;
    arena_init(&arena);
    if (wire_decode(type, version, flexible, (struct str){(const char *)data + 2, size - 2}, &arena, &message, &err) ==
        IG_OK) {
        wire_encode(type, version, flexible, message, &first);
        if (wire_decode(type, version, flexible, buf_str(&first.buf), &arena, &message, &err))
            check_panic(__FILE__, __LINE__, __func__, err.msg);
        wire_encode(type, version, flexible, message, &second);
        IG_ASSERT(str_eq(buf_str(&first.buf), buf_str(&second.buf)));
    }
    buf_release(&first.buf);
    buf_release(&second.buf);
    vec_free(&first.slices);
    vec_free(&second.slices);
    arena_release(&arena);
    return 0;
}
