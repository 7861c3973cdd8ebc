/* pages.h -- memory by pages, which can be made inaccessible, on every operating system. */
#ifndef NNC_TEST_PAGES_H
#define NNC_TEST_PAGES_H

#include <stdbool.h>
#include <stddef.h>

#ifdef _WIN32

#define WIN32_LEAN_AND_MEAN
#include <windows.h>

static inline size_t page_size(void) {
    SYSTEM_INFO info;
    GetSystemInfo(&info);
    return info.dwPageSize;
}

static inline char *map_pages(size_t bytes) {
    return VirtualAlloc(NULL, bytes, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
}

static inline bool forbid_pages(char *pages, size_t bytes) {
    DWORD before;
    return VirtualProtect(pages, bytes, PAGE_NOACCESS, &before);
}

static inline void unmap_pages(char *pages, size_t bytes) {
    (void)bytes;
    VirtualFree(pages, 0, MEM_RELEASE);
}

#else

#include <sys/mman.h>
#include <unistd.h>

static inline size_t page_size(void) {
    return (size_t)sysconf(_SC_PAGESIZE);
}

static inline char *map_pages(size_t bytes) {
    char *pages = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return pages == MAP_FAILED ? NULL : pages;
}

static inline bool forbid_pages(char *pages, size_t bytes) {
    return mprotect(pages, bytes, PROT_NONE) == 0;
}

static inline void unmap_pages(char *pages, size_t bytes) {
    munmap(pages, bytes);
}

#endif

#endif
