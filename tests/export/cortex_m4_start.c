/* A Cortex-M4 program under qemu-arm's Linux: start, output and memory by system calls. */
#include <stddef.h>

int main(void);
void _start(void);
void _exit(int code);
int _write(int file, const char *text, int size);
void *_sbrk(ptrdiff_t size);

static int call(int number, int a, const void *b, int c)
{
    register int r7 __asm__("r7") = number;
    register int r0 __asm__("r0") = a;
    register const void *r1 __asm__("r1") = b;
    register int r2 __asm__("r2") = c;
    __asm__ volatile("svc 0" : "+r"(r0) : "r"(r7), "r"(r1), "r"(r2) : "memory");
    return r0;
}

int _write(int file, const char *text, int size)
{
    return call(4, file, text, size);
}

void _exit(int code)
{
    for (;;)
        call(1, code, NULL, 0);
}

void *_sbrk(ptrdiff_t size)
{
    static char heap[65536];
    static ptrdiff_t used;
    void *at = heap + used;
    used += size;
    return at;
}

void _start(void)
{
    _exit(main());
}
