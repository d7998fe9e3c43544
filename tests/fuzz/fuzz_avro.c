// links: registry
/* Avro: no text and no bytes do harm; what is printed is read again as the same. */
#include "fuzz_schema.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_schema(SCHEMA_AVRO, data, size, true);
    return 0;
}
