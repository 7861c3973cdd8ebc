/* partial.h -- primitives for which the 16-byte instruction sets have no instruction. */

NNC_INLINE vf v_load_u8(const uint8_t *p) {
    vi a = {p[0], p[1], p[2], p[3]};
    return __builtin_convertvector(a, vf);
}

NNC_INLINE bool v_is_zero(vi a) {
    return (a[0] | a[1] | a[2] | a[3]) == 0;
}

NNC_INLINE vf v_load_n(const float *p, size_t n) {
    if (n == VL) return v_load(p);
    vf a = {0};
    for (size_t i = 0; i < n; i++) a[i] = p[i];
    return a;
}

NNC_INLINE void v_store_n(float *p, size_t n, vf a) {
    if (n == VL) {
        v_store(p, a);
        return;
    }
    for (size_t i = 0; i < n; i++) p[i] = a[i];
}
