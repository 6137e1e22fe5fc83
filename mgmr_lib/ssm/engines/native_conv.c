/* silu of a causal depthwise convolution over time, forward and backward: the short convolution of a Mamba block.
 *
 * out_t = silu(bias + sum_i w_i x_{t-k+1+i}), with zeros before the start. The backward computes the sum before silu again.
 */
#include "native_lanes.h"

#define STEPS 64

typedef struct {
    int64_t e, l, k;                /* k taps, at most STEPS */
    seq x, out, dout, dx;
    const float *weight, *bias;     /* (e,k); (e) or NULL */
    float *dweight, *dbias;         /* added to */
} convolution;

typedef struct { /* the last k-1 steps of the chunk before, and then this chunk */
    vec x[2 * STEPS], d[2 * STEPS], w[STEPS], dw[STEPS], y[STEPS];
} window;

static inline vec before_silu(const window *s, int64_t j, int64_t k, vec bias) {
    for (int64_t i = 0; i < k; i++) bias += s->w[i] * s->x[j + i];
    return bias;
}

static inline int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

/* The next chunk of x at its place behind what is left of the one before; zeros behind the end. */
static void advance(const convolution *q, window *s, int64_t b, int64_t c, int64_t start, int lanes) {
    const int64_t kept = q->k - 1, there = least(STEPS, q->l - start);
    memmove(s->x, s->x + STEPS, kept * sizeof(vec));
    if (there < STEPS) memset(s->x + kept, 0, STEPS * sizeof(vec));
    if (there > 0) fetch(&q->x, b, c, start, there, lanes, s->x + kept);
}

int conv_forward(const convolution *q, int64_t first, int64_t stop) {
    window *s = aligned_alloc(sizeof(vec), sizeof(window));
    if (!s) return 1;
    for (int64_t b = first; b < stop; b++)
    for (int64_t c = 0; c < q->e; c += W) {
        const int lanes = (int)least(W, q->e - c);
        const vec bias = take_vector(q->bias, c, lanes);
        take_matrix(q->weight, c, q->k, lanes, s->w);
        memset(s->x, 0, sizeof s->x);
        for (int64_t start = 0; start < q->l; start += STEPS) {
            const int64_t steps = least(STEPS, q->l - start);
            advance(q, s, b, c, start, lanes);
            for (int64_t j = 0; j < steps; j++) {
                const vec v = before_silu(s, j, q->k, bias);
                s->y[j] = v * sigmoid(v);
            }
            flush(&q->out, b, c, start, steps, lanes, s->y);
        }
    }
    free(s);
    return 0;
}

/* One chunk of the gradients. d holds dL/d(sum before silu); dx_{t-k+1} = sum_i w_i d_{t-i} is complete once d_t is there. */
static vec gradients(const convolution *q, window *s, int64_t steps, vec bias) {
    const int64_t k = q->k;
    vec dbias = {0};
    for (int64_t j = 0; j < STEPS; j++) {
        vec d = {0}, dx = {0};
        if (j < steps) {
            const vec v = before_silu(s, j, k, bias), sig = sigmoid(v);
            d = s->y[j] * sig * (1.f + v * (1.f - sig));
        }
        s->d[k - 1 + j] = d;
        for (int64_t i = 0; i < k; i++) {
            s->dw[i] += d * s->x[j + i];
            dx += s->w[i] * s->d[k - 1 + j - i];
        }
        s->y[j] = dx;
        dbias += d;
    }
    return dbias;
}

int conv_backward(const convolution *q, int64_t first, int64_t stop) {
    window *s = aligned_alloc(sizeof(vec), sizeof(window));
    if (!s) return 1;
    const int64_t late = q->k - 1; /* steps by which dx lags behind */
    for (int64_t b = first; b < stop; b++)
    for (int64_t c = 0; c < q->e; c += W) {
        const int lanes = (int)least(W, q->e - c);
        const vec bias = take_vector(q->bias, c, lanes);
        take_matrix(q->weight, c, q->k, lanes, s->w);
        memset(s->x, 0, sizeof s->x);
        memset(s->d, 0, sizeof s->d);
        memset(s->dw, 0, sizeof s->dw);
        for (int64_t start = 0; start < q->l + late; start += STEPS) {
            const int64_t steps = least(STEPS, q->l - start);
            advance(q, s, b, c, start, lanes);
            memmove(s->d, s->d + STEPS, late * sizeof(vec));
            if (steps > 0) fetch(&q->dout, b, c, start, steps, lanes, s->y);
            add_vector(q->dbias, c, lanes, gradients(q, s, steps, bias));
            const int64_t from = start < late ? late - start : 0, to = least(STEPS, q->l + late - start);
            if (to > from) flush(&q->dx, b, c, start + from - late, to - from, lanes, s->y + from);
        }
        add_matrix(q->dweight, c, q->k, lanes, s->dw);
    }
    free(s);
    return 0;
}
