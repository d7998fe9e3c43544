// links: registry
/* Protobuf: no text, no descriptor and no bytes do harm; what is printed is read again as the same. */
#include "fuzz_schema.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_schema(SCHEMA_PROTOBUF, data, size, true);
    return 0;
}
