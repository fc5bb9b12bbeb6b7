/*
 * The ioctls of /dev/kvcpu0, each with its errors, as a program sees them.
 *
 *   cc -std=c99 -Wall -Wextra -Werror -static -I driver/uapi/include -o uapi tests/guest/uapi.c
 *   ./uapi [/dev/kvcpu0]
 *
 * One line a check, PASS or FAIL; exit code 1 if one failed. It may run on a device that has been used: counts are
 * compared with those at its start, steps go on from where they are. Nobody else may use the device meanwhile.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "kvcpu_uapi.h"

#define BLOCK 4096ull
#define BASE 0x7f0010000000ull
/* The null page is never mapped. */
#define NOWHERE ((void *)8)

static int failures;

/* A check that holds or not. */
static void holds(const char *what, int good)
{
    printf("%s %s\n", good ? "PASS" : "FAIL", what);
    failures += !good;
}

/* An ioctl that succeeds (expected 0) or fails with this errno. */
static void call(const char *what, int fd, unsigned long code, void *argument, int expected)
{
    int result, found;

    errno = 0;
    result = ioctl(fd, code, argument);
    found = result < 0 ? errno : 0;
    if (found == expected && result <= 0) {
        printf("PASS %s\n", what);
        return;
    }
    printf("FAIL %s: returned %d, errno %d (%s), expected %d\n", what, result, found, strerror(found), expected);
    failures++;
}

static struct kv_cpu_block_info blocks(unsigned long long number, unsigned long long count, unsigned long long target)
{
    struct kv_cpu_block_info range;

    range.va = BASE + number * BLOCK;
    range.len = count * BLOCK;
    range.target_step = target;
    return range;
}

static struct kv_cpu_telemetry_info telemetry(int fd)
{
    struct kv_cpu_telemetry_info told;

    memset(&told, 0xff, sizeof(told));
    call("GET_TELEMETRY", fd, KV_CPU_GET_TELEMETRY, &told, 0);
    return told;
}

static void sizes(void)
{
    holds("structures have the sizes of the interface",
          sizeof(struct kv_cpu_step_info) == 8 && sizeof(struct kv_cpu_block_info) == 24 &&
              sizeof(struct kv_cpu_weights_info) == 24 && sizeof(struct kv_cpu_telemetry_info) == 96);
}

/* Everything that succeeds, and what telemetry says of it. */
static void good(int fd)
{
    struct kv_cpu_telemetry_info before = telemetry(fd), after;
    struct kv_cpu_step_info step;
    struct kv_cpu_block_info range;
    struct kv_cpu_weights_info weights = { 3, 5, 7, 11, 1024, 40960 };

    step.step = before.current_step + 1;
    call("STEP_ADVANCE", fd, KV_CPU_STEP_ADVANCE, &step, 0);
    call("STEP_ADVANCE to the same step", fd, KV_CPU_STEP_ADVANCE, &step, 0);
    range = blocks(0, 1, 0);
    call("MARK_HOT", fd, KV_CPU_MARK_HOT, &range, 0);
    call("MARK_HOT of what is hot", fd, KV_CPU_MARK_HOT, &range, 0);
    call("EVICT of what is hot", fd, KV_CPU_EVICT, &range, 0);
    range = blocks(1, 2, 0);
    call("EVICT of what is new", fd, KV_CPU_EVICT, &range, 0);
    range = blocks(0, 3, step.step + 5);
    call("PREFETCH", fd, KV_CPU_PREFETCH, &range, 0);
    range = blocks(8, 4, 77);
    call("SHARE_PREFIX", fd, KV_CPU_SHARE_PREFIX, &range, 0);
    call("EVICT of what is shared is EBUSY", fd, KV_CPU_EVICT, &range, EBUSY);
    call("SET_WEIGHTS", fd, KV_CPU_SET_WEIGHTS, &weights, 0);

    after = telemetry(fd);
    holds("current_step is the step", after.current_step == step.step);
    holds("step_count counts", after.step_count == before.step_count + 2);
    holds("hot_count counts", after.hot_count == before.hot_count + 2);
    holds("evict_count counts what succeeded", after.evict_count == before.evict_count + 2);
    holds("prefetch_count counts", after.prefetch_count == before.prefetch_count + 1);
    holds("share_count counts", after.share_count == before.share_count + 1);
    holds("last_va and last_len are the last range's", after.last_va == range.va && after.last_len == range.len);
    holds("last_target_step is the last range's", after.last_target_step == range.target_step);
    holds("weights read back", after.w_r == 3 && after.w_f == 5 && after.w_s == 7 && after.w_d == 11);
    holds("thresholds read back", after.evict_thresh == 1024 && after.prefetch_thresh == 40960);

    weights.w_r = before.w_r;
    weights.w_f = before.w_f;
    weights.w_s = before.w_s;
    weights.w_d = before.w_d;
    weights.evict_thresh = before.evict_thresh;
    weights.prefetch_thresh = before.prefetch_thresh;
    call("SET_WEIGHTS back to what was", fd, KV_CPU_SET_WEIGHTS, &weights, 0);
}

/* EINVAL and ENOSPC: numbers out of range. */
static void out_of_range(int fd)
{
    static const struct {
        const char *name;
        unsigned long code;
    } ranged[] = {
        { "MARK_HOT", KV_CPU_MARK_HOT },
        { "EVICT", KV_CPU_EVICT },
        { "PREFETCH", KV_CPU_PREFETCH },
        { "SHARE_PREFIX", KV_CPU_SHARE_PREFIX },
    };
    struct kv_cpu_telemetry_info told = telemetry(fd);
    struct kv_cpu_weights_info weights = { 256, 1, 1, 1, 1, 1 };
    struct kv_cpu_step_info step;
    struct kv_cpu_block_info range;
    char what[80];
    size_t at;

    for (at = 0; at < sizeof(ranged) / sizeof(ranged[0]); at++) {
        range = blocks(0, 0, 0);
        snprintf(what, sizeof(what), "%s of nothing is EINVAL", ranged[at].name);
        call(what, fd, ranged[at].code, &range, EINVAL);
        range.va = ~0ull;
        range.len = 2;
        snprintf(what, sizeof(what), "%s past the last address is EINVAL", ranged[at].name);
        call(what, fd, ranged[at].code, &range, EINVAL);
        range.va = 0;
        range.len = ~0ull;
        snprintf(what, sizeof(what), "%s of more than the device holds is ENOSPC", ranged[at].name);
        call(what, fd, ranged[at].code, &range, ENOSPC);
    }
    range = blocks(0, 1, 1ull << 32);
    call("PREFETCH for a step that never comes is EINVAL", fd, KV_CPU_PREFETCH, &range, EINVAL);
    step.step = told.current_step - 1;
    call("STEP_ADVANCE back is EINVAL", fd, KV_CPU_STEP_ADVANCE, &step, EINVAL);
    step.step = 1ull << 32;
    call("STEP_ADVANCE beyond 32 bits is EINVAL", fd, KV_CPU_STEP_ADVANCE, &step, EINVAL);
    call("SET_WEIGHTS of 256 is EINVAL", fd, KV_CPU_SET_WEIGHTS, &weights, EINVAL);
    weights.w_r = 1;
    weights.evict_thresh = 65536;
    call("SET_WEIGHTS with a threshold of 65536 is EINVAL", fd, KV_CPU_SET_WEIGHTS, &weights, EINVAL);
}

/* ENOTTY: codes of nobody's. EFAULT: memory of nobody's. */
static void wrong_calls(int fd)
{
    struct kv_cpu_telemetry_info before, after;
    unsigned char memory[4096] = { 0 };

    before = telemetry(fd);
    call("number 0 is ENOTTY", fd, _IOW(KV_CPU_MAGIC, 0x00, struct kv_cpu_block_info), memory, ENOTTY);
    call("number 8 is ENOTTY", fd, _IOR(KV_CPU_MAGIC, 0x08, struct kv_cpu_block_info), memory, ENOTTY);
    call("another letter is ENOTTY", fd, _IOW('k', 0x02, struct kv_cpu_block_info), memory, ENOTTY);
    call("another size is ENOTTY", fd, _IOW(KV_CPU_MAGIC, 0x02, __u32), memory, ENOTTY);
    call("the other direction is ENOTTY", fd, _IOR(KV_CPU_MAGIC, 0x02, struct kv_cpu_block_info), memory, ENOTTY);
    call("no size is ENOTTY", fd, _IO(KV_CPU_MAGIC, 0x01), NULL, ENOTTY);
    call("STEP_ADVANCE from nowhere is EFAULT", fd, KV_CPU_STEP_ADVANCE, NOWHERE, EFAULT);
    call("MARK_HOT from nowhere is EFAULT", fd, KV_CPU_MARK_HOT, NOWHERE, EFAULT);
    call("EVICT from nowhere is EFAULT", fd, KV_CPU_EVICT, NOWHERE, EFAULT);
    call("PREFETCH from nowhere is EFAULT", fd, KV_CPU_PREFETCH, NOWHERE, EFAULT);
    call("SHARE_PREFIX from nowhere is EFAULT", fd, KV_CPU_SHARE_PREFIX, NOWHERE, EFAULT);
    call("SET_WEIGHTS from nowhere is EFAULT", fd, KV_CPU_SET_WEIGHTS, NOWHERE, EFAULT);
    call("GET_TELEMETRY to nowhere is EFAULT", fd, KV_CPU_GET_TELEMETRY, NOWHERE, EFAULT);
    after = telemetry(fd);
    holds("what failed changed nothing", memcmp(&before, &after, sizeof(before)) == 0);
}

/* Another open file is another caller; what a caller leaves is released. */
static void callers(const char *path, int fd, int rounds)
{
    struct kv_cpu_block_info range = blocks(64, 1, 0);
    struct kv_cpu_telemetry_info mine, other;
    int again, round, opened = 1;

    again = open(path, O_RDWR);
    holds("the device opens twice", again >= 0);
    if (again < 0)
        return;
    call("SHARE_PREFIX by the second caller", again, KV_CPU_SHARE_PREFIX, &range, 0);
    call("EVICT of the same address by the first", fd, KV_CPU_EVICT, &range, 0);
    call("EVICT of its own by the second is EBUSY", again, KV_CPU_EVICT, &range, EBUSY);
    mine = telemetry(fd);
    other = telemetry(again);
    holds("both read the same counts", memcmp(&mine, &other, sizeof(mine)) == 0);
    holds("it closes", close(again) == 0);
    /* More shared blocks, one caller after another, than the device holds: they are released each time. */
    for (round = 0; round < rounds && opened; round++) {
        range = blocks(0, 16, 0);
        again = open(path, O_RDWR);
        opened = again >= 0 && ioctl(again, KV_CPU_SHARE_PREFIX, &range) == 0 && close(again) == 0;
    }
    holds("what a caller leaves is released", opened);
}

int main(int argc, char **argv)
{
    const char *path = argc > 1 ? argv[1] : "/dev/kvcpu0";
    int rounds = argc > 2 ? atoi(argv[2]) : 128;
    int fd = open(path, O_RDWR);

    if (fd < 0) {
        printf("FAIL open %s: %s\n", path, strerror(errno));
        return 1;
    }
    printf("PASS open %s\n", path);
    sizes();
    good(fd);
    out_of_range(fd);
    wrong_calls(fd);
    callers(path, fd, rounds);
    holds("close", close(fd) == 0);
    printf("%s: %d failed\n", failures ? "FAIL" : "PASS", failures);
    return failures != 0;
}
