/* Preloaded into a machine's kernel (User Mode Linux) on processors with AMX.
 *
 * It restores its processes' registers with PTRACE_SETREGSET, NT_X86_XSTATE, and 2,696 bytes (HOST_FP_SIZE of Linux 6.1,
 * arch/x86/um/user-offsets.c). The host takes the whole extended state or nothing (xstateregs_set() in
 * arch/x86/kernel/fpu/regset.c), and with AMX that is 11,008 bytes: EFAULT, and the machine's first process is killed. Here
 * the rest is added, as it is when nothing is in the tiles: the header says that they are not in use.
 *
 * Without any header, so that the smallest compiler will do.
 */

enum { SYS_PTRACE = 101, PEEKTEXT = 1, PEEKUSER = 3, GETREGSET = 0x4204, SETREGSET = 0x4205, XSTATE = 0x202 };

struct iovec { char *base; unsigned long length; };

extern long syscall(long number, ...);
extern int *__errno_location(void);

static char whole[65536];
static unsigned long size; /* of the host's extended state, once it is known */

static long restore(long pid, struct iovec *given)
{
    struct iovec all = { whole, sizeof whole };
    unsigned long at;

    if (!size) {
        if (syscall(SYS_PTRACE, (long)GETREGSET, pid, (long)XSTATE, &all))
            return -1;
        size = all.length;
    }
    if (size <= given->length)
        return syscall(SYS_PTRACE, (long)SETREGSET, pid, (long)XSTATE, given);
    for (at = 0; at < given->length; at++)
        whole[at] = given->base[at];
    for (; at < size; at++)
        whole[at] = 0;
    all.length = size;
    return syscall(SYS_PTRACE, (long)SETREGSET, pid, (long)XSTATE, &all);
}

long ptrace(long request, long pid, void *address, void *data)
{
    long word;

    if ((int)request == SETREGSET && (long)address == XSTATE)
        return restore((int)pid, data);
    if ((int)request < PEEKTEXT || (int)request > PEEKUSER)
        return syscall(SYS_PTRACE, (long)(int)request, (long)(int)pid, address, data);
    if (syscall(SYS_PTRACE, (long)(int)request, (long)(int)pid, address, &word)) /* ptrace(2), NOTES: not so in the C library */
        return -1;
    *__errno_location() = 0;
    return word;
}
