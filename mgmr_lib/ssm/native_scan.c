/* The selective scan in C, forward and backward: what the "native" backend compiles where a C compiler is at hand.
 *
 * 16 neighbouring channels are the lanes of one vector, and their n states stay in the nearest cache while time goes by, so that no
 * (b,e,l,n) tensor ever exists. The forward keeps the states at every `chunk`-th step; the backward, last chunk first,
 * computes a chunk's states again and runs the adjoint recurrence over them (the equations are those of chunked_backward.py).
 * Vector types are a GNU C extension that gcc and clang have; they lower to whatever the processor offers.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define W 16
typedef float vec __attribute__((vector_size(4 * W)));
typedef int32_t ivec __attribute__((vector_size(4 * W)));

typedef struct { float *p; int64_t row, channel, time; } seq; /* (b,e,l) by strides in elements; p is NULL if absent */

typedef struct {
    int64_t e, l, n, g, chunk;         /* sizes; g groups of e/g channels */
    int32_t softplus, const_B, const_C; /* B, C: (b,g,l,n), or (e,n) where constant in time */
    seq u, delta, z, y, dy, du, ddelta, dz;
    const float *A, *B, *C, *D, *bias, *h0, *dlast; /* A (e,n); D, bias (e) or NULL; h0, dlast (b,e,n) */
    float *last, *dh0;                              /* (b,e,n) */
    vec *borders;                                   /* (b, chunks, tiles, n), or NULL where no backward follows */
    float *dA, *dB, *dC, *dD, *dbias;               /* dA, dD, dbias, and constant dB, dC, are added to */
} problem;

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

/* A group of e/g channels has this many tiles; tile k has that many channels. No tile crosses a group's border. */
static inline int64_t tiles_of(const problem *q) { return (q->e / q->g + W - 1) / W; }
static inline int lanes_of(const problem *q, int64_t k) {
    int64_t rest = q->e / q->g - k * W;
    return rest < W ? (int)rest : W;
}
static inline int64_t channel_of(const problem *q, int64_t tile) { /* tiles counted through all groups */
    return tile / tiles_of(q) * (q->e / q->g) + tile % tiles_of(q) * W;
}

/* One step of the states: a h + x B. B is a row of n numbers, or n vectors where it is constant. */
#define STEP(a, before, i) ((a) * (before) + x * (q->const_B ? Bc[i] : splat(B[i])))

int scan_forward(const problem *q, int64_t first, int64_t stop) {
    const int64_t n = q->n, tiles = tiles_of(q), chunk = q->chunk, chunks = (q->l + chunk - 1) / chunk;
    vec *room = aligned_alloc(sizeof(vec), (4 * n + 4 * chunk) * sizeof(vec));
    if (!room) return 1;
    vec *h = room, *A = h + n, *Bc = A + n, *Cc = Bc + n, *u = Cc + n, *dt = u + chunk, *z = dt + chunk, *y = z + chunk;
    for (int64_t b = first; b < stop; b++)
    for (int64_t group = 0; group < q->g; group++)
    for (int64_t k = 0; k < tiles; k++) {
        const int lanes = lanes_of(q, k);
        const int64_t c = group * (q->e / q->g) + k * W;
        take_matrix(q->h0 + b * q->e * n, c, n, lanes, h);
        take_matrix(q->A, c, n, lanes, A);
        if (q->const_B) take_matrix(q->B, c, n, lanes, Bc);
        if (q->const_C) take_matrix(q->C, c, n, lanes, Cc);
        const vec D = take_vector(q->D, c, lanes), bias = take_vector(q->bias, c, lanes);
        for (int64_t piece = 0; piece < chunks; piece++) {
            const int64_t start = piece * chunk, steps = q->l - start < chunk ? q->l - start : chunk;
            if (q->borders) memcpy(q->borders + (((b * chunks + piece) * q->g + group) * tiles + k) * n, h, n * sizeof(vec));
            fetch(&q->u, b, c, start, steps, lanes, u);
            fetch(&q->delta, b, c, start, steps, lanes, dt);
            fetch(&q->z, b, c, start, steps, lanes, z);
            for (int64_t j = 0; j < steps; j++) {
                const int64_t at = ((b * q->g + group) * q->l + start + j) * n;
                const float *B = q->B + (q->const_B ? 0 : at), *C = q->C + (q->const_C ? 0 : at);
                const vec d = q->softplus ? softplus(dt[j] + bias) : dt[j] + bias, d2 = d * 1.44269504f, x = d * u[j];
                vec sum = D * u[j];
                for (int64_t i = 0; i < n; i++) {
                    h[i] = STEP(exp2v(d2 * A[i]), h[i], i);
                    sum += h[i] * (q->const_C ? Cc[i] : splat(C[i]));
                }
                y[j] = q->z.p ? sum * z[j] * sigmoid(z[j]) : sum;
            }
            flush(&q->y, b, c, start, steps, lanes, y);
        }
        memset(q->last + (b * q->e + c) * n, 0, lanes * n * sizeof(float));
        add_matrix(q->last + b * q->e * n, c, n, lanes, h);
    }
    free(room);
    return 0;
}

/* What the backward keeps of one chunk of one tile, and sums over time, tiles or rows. */
typedef struct {
    vec *H, *a;       /* (chunk + 1, n): states before each step and after the last; (chunk, n): decays */
    vec *dB, *dC;     /* (chunk, n): summed over the tiles of a group; one row where B or C is constant */
    vec *carry, *dA;  /* (g tiles, n): a_{t+1} g_{t+1} from the later chunk; summed over everything */
    vec *A, *Bc, *Cc; /* (n) */
    vec *u, *raw, *dt, *x, *dy, *z, *du, *ddelta, *dz; /* (chunk) */
} scratch;

/* The states of the chunk again, from the one that the forward kept. */
static void recompute(const problem *q, const scratch *s, int64_t row, int64_t start, int64_t steps, vec bias) {
    const int64_t n = q->n;
    const vec *Bc = s->Bc;
    for (int64_t j = 0; j < steps; j++) {
        s->raw[j] += bias;
        const vec dt = s->dt[j] = q->softplus ? softplus(s->raw[j]) : s->raw[j];
        const vec x = s->x[j] = dt * s->u[j], d2 = dt * 1.44269504f;
        const float *B = q->B + (q->const_B ? 0 : (row * q->l + start + j) * n);
        for (int64_t i = 0; i < n; i++) {
            s->a[j * n + i] = exp2v(d2 * s->A[i]);
            s->H[(j + 1) * n + i] = STEP(s->a[j * n + i], s->H[j * n + i], i);
        }
    }
}

/* One step of the adjoint recurrence at step j of the chunk; C, B are the rows of that time step. */
static void adjoint(const problem *q, const scratch *s, int64_t j, const float *B, const float *C, vec *carry, vec *dA, vec D) {
    const int64_t n = q->n;
    const vec u = s->u[j], dt = s->dt[j], x = s->x[j], *H = s->H + j * n, *after = H + n, *a = s->a + j * n;
    vec dy = s->dy[j], dx = {0}, ddt = {0}, *dB = s->dB + (q->const_B ? 0 : j * n), *dC = s->dC + (q->const_C ? 0 : j * n);
    if (q->z.p) { /* the output is v silu(z) */
        const vec z = s->z[j], sig = sigmoid(z);
        vec v = D * u;
        for (int64_t i = 0; i < n; i++) v += after[i] * (q->const_C ? s->Cc[i] : splat(C[i]));
        s->dz[j] = dy * v * sig * (1.f + z * (1.f - sig));
        s->dy[j] = dy = dy * z * sig;
    }
    for (int64_t i = 0; i < n; i++) {
        const vec g = dy * (q->const_C ? s->Cc[i] : splat(C[i])) + carry[i];
        dC[i] += dy * after[i];
        dB[i] += g * x;
        dx += g * (q->const_B ? s->Bc[i] : splat(B[i]));
        carry[i] = g * a[i];
        const vec through = carry[i] * H[i];
        dA[i] += through * dt;
        ddt += through * s->A[i];
    }
    ddt += dx * u;
    s->ddelta[j] = q->softplus ? ddt * sigmoid(s->raw[j]) : ddt;
    s->du[j] = dx * dt + dy * D;
}

static void backward_tile(const problem *q, const scratch *s, int64_t b, int64_t group, int64_t k, int64_t start, int64_t steps) {
    const int lanes = lanes_of(q, k);
    const int64_t n = q->n, c = group * (q->e / q->g) + k * W, tile = group * tiles_of(q) + k, row = b * q->g + group;
    const int64_t border = (b * ((q->l + q->chunk - 1) / q->chunk) + start / q->chunk) * q->g * tiles_of(q) + tile;
    take_matrix(q->A, c, n, lanes, s->A);
    if (q->const_B) take_matrix(q->B, c, n, lanes, s->Bc);
    if (q->const_C) take_matrix(q->C, c, n, lanes, s->Cc);
    const vec D = take_vector(q->D, c, lanes);
    fetch(&q->u, b, c, start, steps, lanes, s->u);
    fetch(&q->delta, b, c, start, steps, lanes, s->raw);
    fetch(&q->dy, b, c, start, steps, lanes, s->dy);
    fetch(&q->z, b, c, start, steps, lanes, s->z);
    memcpy(s->H, q->borders + border * n, n * sizeof(vec));
    recompute(q, s, row, start, steps, take_vector(q->bias, c, lanes));
    vec dD = {0}, dbias = {0};
    for (int64_t j = steps - 1; j >= 0; j--) {
        const int64_t at = (row * q->l + start + j) * n;
        adjoint(q, s, j, q->B + (q->const_B ? 0 : at), q->C + (q->const_C ? 0 : at), s->carry + tile * n, s->dA + tile * n, D);
        dD += s->dy[j] * s->u[j];
        dbias += s->ddelta[j];
    }
    flush(&q->du, b, c, start, steps, lanes, s->du);
    flush(&q->ddelta, b, c, start, steps, lanes, s->ddelta);
    flush(&q->dz, b, c, start, steps, lanes, s->dz);
    add_vector(q->dD, c, lanes, dD);
    add_vector(q->dbias, c, lanes, dbias);
    if (q->const_B) add_matrix(q->dB, c, n, lanes, s->dB);
    if (q->const_C) add_matrix(q->dC, c, n, lanes, s->dC);
}

/* One chunk of one group: all its tiles, then the sums over lanes that B and C's gradients are. */
static void backward_group(const problem *q, const scratch *s, int64_t b, int64_t group, int64_t start, int64_t steps) {
    const int64_t n = q->n, at = ((b * q->g + group) * q->l + start) * n;
    for (int64_t k = 0; k < tiles_of(q); k++) {
        if (k == 0 || q->const_B) memset(s->dB, 0, (q->const_B ? 1 : steps) * n * sizeof(vec));
        if (k == 0 || q->const_C) memset(s->dC, 0, (q->const_C ? 1 : steps) * n * sizeof(vec));
        backward_tile(q, s, b, group, k, start, steps);
    }
    for (int64_t i = 0; i < steps * n; i++) {
        if (!q->const_B) q->dB[at + i] = total(s->dB[i]);
        if (!q->const_C) q->dC[at + i] = total(s->dC[i]);
    }
}

int scan_backward(const problem *q, int64_t first, int64_t stop) {
    const int64_t n = q->n, tiles = tiles_of(q), chunk = q->chunk, chunks = (q->l + chunk - 1) / chunk;
    scratch s;
    vec **part[] = {&s.H, &s.a, &s.dB, &s.dC, &s.carry, &s.dA, &s.A, &s.Bc, &s.Cc,
                    &s.u, &s.raw, &s.dt, &s.x, &s.dy, &s.z, &s.du, &s.ddelta, &s.dz};
    const int64_t size[] = {(chunk + 1) * n, chunk * n, chunk * n, chunk * n, q->g * tiles * n, q->g * tiles * n, n, n, n,
                            chunk, chunk, chunk, chunk, chunk, chunk, chunk, chunk, chunk};
    int64_t count = 0;
    for (int i = 0; i < 18; i++) count += size[i];
    vec *room = aligned_alloc(sizeof(vec), count * sizeof(vec)), *next = room;
    if (!room) return 1;
    memset(room, 0, count * sizeof(vec));
    for (int i = 0; i < 18; i++) { *part[i] = next; next += size[i]; }
    for (int64_t b = first; b < stop; b++) {
        for (int64_t tile = 0; tile < q->g * tiles; tile++)
            take_matrix(q->dlast + b * q->e * n, channel_of(q, tile), n, lanes_of(q, tile % tiles), s.carry + tile * n);
        for (int64_t start = (chunks - 1) * chunk; start >= 0; start -= chunk)
            for (int64_t group = 0; group < q->g; group++)
                backward_group(q, &s, b, group, start, q->l - start < chunk ? q->l - start : chunk);
        memset(q->dh0 + b * q->e * n, 0, q->e * n * sizeof(float));
        for (int64_t tile = 0; tile < q->g * tiles; tile++)
            add_matrix(q->dh0 + b * q->e * n, channel_of(q, tile), n, lanes_of(q, tile % tiles), s.carry + tile * n);
    }
    for (int64_t tile = 0; tile < q->g * tiles; tile++)
        add_matrix(q->dA, channel_of(q, tile), n, lanes_of(q, tile % tiles), s.dA + tile * n);
    free(room);
    return 0;
}
