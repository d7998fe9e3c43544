// links: broker
/* Record batches from outside, with the checksum put right so that what is behind it is reached. */
#include "broker/batch.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct batch_reader reader;
    struct batch_record record;
    struct batch b;
    struct error err;
    char *copy;

    if (size < BATCH_HEADER_BYTES)
        return 0;
    copy = check_malloc(size);
    memcpy(copy, data, size);
    wire_store(copy + 8, (int64_t)size - BATCH_PREFIX_BYTES, 4);
    wire_store(copy + 17, (int64_t)hash_crc32c(0, copy + 21, size - 21), 4);
    if (batch_check(copy, size, &b, &err) == IG_OK) {
        int32_t n = 0;

        if (batch_reader_open(&reader, copy, size, &err))
            check_panic(__FILE__, __LINE__, __func__, err.msg);
        while (batch_reader_next(&reader, &record))
            n++;
        IG_ASSERT(n == b.records && !reader.in.bad);
        batch_reader_close(&reader);
    }
    free(copy);
    return 0;
}
