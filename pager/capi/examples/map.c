/* Opens a sealed file, finds a region, reads it through memory and by kvp_read, and prints its checksum and the counters.
 *
 *     map FILE REGION [SECRET [BUDGET_BYTES]]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "kvcpu_pager.h"

/* FNV-1a, 64 bits. */
static uint64_t checksum(uint64_t sum, const unsigned char *bytes, size_t count)
{
    for (size_t n = 0; n < count; n++)
        sum = (sum ^ bytes[n]) * UINT64_C(0x100000001b3);
    return sum;
}

#define FIRST UINT64_C(0xcbf29ce484222325)

static void check(int status, const char *doing)
{
    if (status != KVP_STATUS_OK) {
        fprintf(stderr, "%s: %s (%d)\n", doing, kvp_last_error(), status);
        exit(1);
    }
}

int main(int count, char **arguments)
{
    if (count < 3 || count > 5) {
        fprintf(stderr, "usage: %s FILE REGION [SECRET [BUDGET_BYTES]]\n", arguments[0]);
        return 2;
    }
    kvp_options options = { .size = sizeof options, .policy = KVP_POLICY_HEPC };
    if (count > 4)
        options.budget_bytes = strtoull(arguments[4], NULL, 10);

    kvp_arena *arena;
    uint64_t offset, bytes;
    const void *address;
    check(kvp_open(arguments[1], count > 3 ? arguments[3] : NULL, &options, &arena), "opening");
    check(kvp_region(arena, arguments[2], &offset, &bytes), "looking for the region");
    check(kvp_address(arena, &address), "asking for the address");

    /* Each page is filled as it is touched. */
    uint64_t touched = checksum(FIRST, (const unsigned char *)address + offset, bytes);

    /* The same without faults. */
    static unsigned char buffer[1 << 16];
    uint64_t copied = FIRST;
    for (uint64_t done = 0; done < bytes;) {
        size_t now = bytes - done < sizeof buffer ? (size_t)(bytes - done) : sizeof buffer;
        check(kvp_read(arena, offset + done, buffer, now), "reading");
        copied = checksum(copied, buffer, now);
        done += now;
    }

    kvp_counters counters;
    check(kvp_read_counters(arena, &counters, sizeof counters), "counting");
    printf("region %s: %" PRIu64 " bytes at %" PRIu64 "\n", arguments[2], bytes, offset);
    printf("checksum %016" PRIx64 "\n", touched);
    printf("faults %" PRIu64 ", fills %" PRIu64 ", evicted %" PRIu64 ", unmapped %" PRIu64 " in %" PRIu64 " calls\n",
           counters.faults, counters.fills, counters.evicted, counters.unmapped, counters.batches);
    check(kvp_close(arena), "closing");
    if (touched != copied) {
        fprintf(stderr, "the copy's checksum is %016" PRIx64 "\n", copied);
        return 1;
    }
    return 0;
}
