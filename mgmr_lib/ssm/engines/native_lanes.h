/* 16 neighbouring channels as the lanes of one vector: arithmetic, and the way to and from memory.
 *
 * Vector types are a GNU C extension that gcc and clang have; they lower to whatever the processor offers.
 */
#pragma once
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define W 16
typedef float vec __attribute__((vector_size(4 * W)));
typedef int32_t ivec __attribute__((vector_size(4 * W)));

typedef struct { float *p; int64_t row, channel, time; } seq; /* (b,e,l) by strides in elements; p is NULL if absent */

static inline vec splat(float x) { return x - (vec){0}; }
static inline vec pick(ivec mask, vec yes, vec no) { return (vec)((mask & (ivec)yes) | (~mask & (ivec)no)); }

static inline vec exp2v(vec x) { /* 2^i 2^f with f in [-1/2, 1/2]; 0 below 2^-126, infinity from 2^128, NaN of NaN */
    x = pick(x < splat(-127.f), splat(-127.f), x); /* i = -127 gives the exponent bits of zero */
    x = pick(x > splat(128.f), splat(128.f), x);
    const vec magic = splat(12582912.f); /* 1.5 * 2^23: adding it rounds to the nearest integer */
    vec shifted = x + magic, f = x - (shifted - magic), p = splat(1.53533614e-4f);
    ivec i = (ivec)shifted - (ivec)magic;
    p = p * f + 1.33988746e-3f;
    p = p * f + 9.61843736e-3f;
    p = p * f + 5.55033247e-2f;
    p = p * f + 2.40226479e-1f;
    p = p * f + 6.93147203e-1f;
    p = p * f + 1.f;
    return p * (vec)((i + 127) << 23);
}

static inline vec expv(vec x) { return exp2v(x * 1.44269504f); }
static inline vec sigmoid(vec x) { return 1.f / (1.f + expv(-x)); }

static inline vec softplus(vec x) { /* max(x, 0) + log(1 + y) with y = exp(-|x|); log(1 + y) = 2 atanh(y / (2 + y)) */
    ivec positive = x > splat(0.f);
    vec y = expv(pick(positive, -x, x)), s = y / (2.f + y), q = s * s, p = splat(1.f / 15);
    p = p * q + 1.f / 13;
    p = p * q + 1.f / 11;
    p = p * q + 1.f / 9;
    p = p * q + 1.f / 7;
    p = p * q + 1.f / 5;
    p = p * q + 1.f / 3;
    p = p * q + 1.f;
    return pick(positive, x, splat(0.f)) + 2.f * s * p;
}

/* `steps` time steps of 16 channels, as one vector a step; lanes beyond the last channel are zero */
static void fetch(const seq *s, int64_t b, int64_t c, int64_t start, int64_t steps, int lanes, vec *out) {
    if (!s->p) return;
    const float *p = s->p + b * s->row + c * s->channel + start * s->time;
    if (s->channel == 1 && lanes == W) {
        for (int64_t j = 0; j < steps; j++) memcpy(out + j, p + j * s->time, sizeof(vec));
        return;
    }
    memset(out, 0, steps * sizeof(vec));
    for (int lane = 0; lane < lanes; lane++)
        for (int64_t j = 0; j < steps; j++) ((float *)out)[j * W + lane] = p[lane * s->channel + j * s->time];
}

static void flush(const seq *s, int64_t b, int64_t c, int64_t start, int64_t steps, int lanes, const vec *in) {
    if (!s->p) return;
    float *p = s->p + b * s->row + c * s->channel + start * s->time;
    if (s->channel == 1 && lanes == W) {
        for (int64_t j = 0; j < steps; j++) memcpy(p + j * s->time, in + j, sizeof(vec));
        return;
    }
    for (int lane = 0; lane < lanes; lane++)
        for (int64_t j = 0; j < steps; j++) p[lane * s->channel + j * s->time] = ((const float *)in)[j * W + lane];
}

/* n vectors from, or added to, rows c, c+1, ... of an (e,n) matrix */
static void take_matrix(const float *m, int64_t c, int64_t n, int lanes, vec *out) {
    for (int64_t i = 0; i < n; i++) {
        out[i] = splat(0.f);
        for (int j = 0; j < lanes; j++) out[i][j] = m[(c + j) * n + i];
    }
}

static void add_matrix(float *m, int64_t c, int64_t n, int lanes, const vec *v) {
    for (int64_t i = 0; i < n; i++)
        for (int j = 0; j < lanes; j++) m[(c + j) * n + i] += v[i][j];
}

static inline vec take_vector(const float *p, int64_t c, int lanes) {
    vec v = {0};
    if (p) for (int j = 0; j < lanes; j++) v[j] = p[c + j];
    return v;
}

static inline void add_vector(float *p, int64_t c, int lanes, vec v) {
    if (p) for (int j = 0; j < lanes; j++) p[c + j] += v[j];
}

static inline float total(vec v) {
    float part[W];
    memcpy(part, &v, sizeof v);
    for (int width = W / 2; width; width /= 2)
        for (int j = 0; j < width; j++) part[j] += part[j + width];
    return part[0];
}
