/* QEMU plugin: counts the instructions of each thread of an emulated program.

   -plugin count_instructions.so,counts=FILE

   FILE must exist and have the size of struct counts, all zeros. Each thread claims a slot and counts in it, so that
   another process can read the counts at any time. An instruction is one of the emulated processor's, executed by
   the program itself; the kernel executes the system calls, which are not counted. A block of instructions counts
   as a whole when it begins, even if an exception ends it early. */

#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Version 1 of QEMU's plugin interface. Debian 12 has no package with qemu-plugin.h. */
#define QEMU_EXPORT __attribute__((visibility("default")))
enum qemu_plugin_cb_flags { QEMU_PLUGIN_CB_NO_REGS };
typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id,
                                           void (*translated)(qemu_plugin_id_t, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *block, void (*executed)(unsigned, void *),
                                          enum qemu_plugin_cb_flags flags, void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);

#define SLOTS 1024

/* tests/pi/counter.py reads this layout. */
struct slot {
    uint64_t thread; /* its id in the kernel; 0 in a free slot */
    uint64_t instructions;
};
struct counts {
    uint64_t claimed, reserved;
    struct slot slots[SLOTS];
};

QEMU_EXPORT int qemu_plugin_version = 1;

static struct counts *counts;
static __thread struct slot *own;

static void claim(void)
{
    uint64_t number = __atomic_fetch_add(&counts->claimed, 1, __ATOMIC_RELAXED);

    if (number >= SLOTS) {
        fprintf(stderr, "count_instructions: more than %d threads\n", SLOTS);
        abort();
    }
    own = &counts->slots[number];
    __atomic_store_n(&own->thread, (uint64_t)syscall(SYS_gettid), __ATOMIC_RELEASE);
}

/* A forked child would count in its parent's slot. */
static void leave_slot(void)
{
    own = NULL;
}

static void executed(unsigned processor, void *instructions)
{
    (void)processor;
    if (!own)
        claim();
    own->instructions += (uintptr_t)instructions;
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *block)
{
    (void)id;
    qemu_plugin_register_vcpu_tb_exec_cb(block, executed, QEMU_PLUGIN_CB_NO_REGS,
                                         (void *)(uintptr_t)qemu_plugin_tb_n_insns(block));
}

QEMU_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int count, char **arguments)
{
    static const char key[] = "counts=";
    int file;

    (void)info;
    if (count != 1 || strncmp(arguments[0], key, sizeof key - 1)) {
        fprintf(stderr, "count_instructions: give counts=FILE\n");
        return -1;
    }
    file = open(arguments[0] + sizeof key - 1, O_RDWR | O_CLOEXEC);
    counts = file < 0 ? MAP_FAILED : mmap(NULL, sizeof *counts, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (counts == MAP_FAILED) {
        perror("count_instructions");
        return -1;
    }
    close(file);
    pthread_atfork(NULL, NULL, leave_slot);
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    return 0;
}
