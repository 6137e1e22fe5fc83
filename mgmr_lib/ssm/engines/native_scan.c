/* The selective scan in C, forward and backward: what the "native" backend compiles where a C compiler is at hand.
 *
 * The n states of 16 neighbouring channels stay in the nearest cache while time goes by, so that no (b,e,l,n) tensor ever
 * exists. The forward keeps the states at every `chunk`-th step; the backward, last chunk first, computes a chunk's states
 * again and runs the adjoint recurrence over them (the equations are those of chunked_backward.py).
 */
#include "native_lanes.h"

typedef struct {
    int64_t e, l, n, g, chunk;         /* sizes; g groups of e/g channels */
    int32_t softplus, const_B, const_C; /* B, C: (b,g,l,n), or (e,n) where constant in time */
    seq u, delta, z, y, dy, du, ddelta, dz;
    const float *A, *B, *C, *D, *bias, *h0, *dlast; /* A (e,n); D, bias (e) or NULL; h0, dlast (b,e,n) */
    float *last, *dh0;                              /* (b,e,n) */
    vec *borders;                                   /* (b, chunks, tiles, n), or NULL where no backward follows */
    float *dA, *dB, *dC, *dD, *dbias;               /* dA, dD, dbias, and constant dB, dC, are added to */
} problem;

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

/* 0 where the vector arithmetic works on this processor: softplus(0) = log 2 and exp2(-3) = 1/8, in every lane. */
int native_check(void) {
    volatile float zero = 0.f, minus_three = -3.f;
    const vec a = softplus(splat(zero)), b = exp2v(splat(minus_three));
    for (int j = 0; j < W; j++)
        if (a[j] < 0.693147f || a[j] > 0.693148f || b[j] != 0.125f) return 1;
    return 0;
}
