"""Our GPU kernels of the selective scan, in Triton: one program walks through time for one row and a tile of channels.

The state (tile of channels, n) lives in registers, so the (b,e,l,n) tensors of the plain formulation never exist; what
leaves the chip is y and, for the backward, the state at every CHUNK-th step. The backward recomputes the states of one
chunk at a time into a scratch that fits the L2 cache, then runs the adjoint recurrence over it. Sums over channels (for
B and C) are left as one partial sum a tile and added up outside: deterministic, where atomics are not.

Memory: u, delta, z, y share the strides (sb, se, sl); B, C are (b,g,l,n) or, constant in time, (e,n); A, D, bias are
(e,n), (e), (e). Import this module only through `triton_adapter`: triton is not installed everywhere.
"""

import triton
import triton.language as tl

LOG2_E = tl.constexpr(1.4426950408889634)
LN_2 = tl.constexpr(0.6931471805599453)


@triton.jit
def _softplus(x):
    """log(1 + exp(x)), exact where exp(x) is tiny too: log(w) e / (w - 1) with w = 1 + e undoes the rounding of w."""
    e = tl.exp(tl.minimum(x, 20.0))
    w = 1.0 + e
    small = tl.where(w == 1.0, e, tl.log(w) * e / tl.where(w == 1.0, 1.0, w - 1.0))
    return tl.where(x > 20.0, x, small)


@triton.jit
def _row(pointer, offset, mask, like):
    """One time step of a sequence, a tile of channels, in the compute dtype."""
    return tl.load(pointer + offset, mask=mask, other=0.0).to(like.dtype)


@triton.jit
def _mixing(pointer, t, row, tile, tile_mask, L, N, n, n_mask, like, CONSTANT: tl.constexpr):
    """B or C at time t, broadcastable to (tile of channels, n)."""
    if CONSTANT:
        out = tl.load(pointer + tile, mask=tile_mask, other=0.0).to(like.dtype)
    else:
        out = tl.load(pointer + (row * L + t) * N + n, mask=n_mask, other=0.0).to(like.dtype)[None, :]
    return out


@triton.jit
def scan_forward(
    u,
    delta,
    A,
    B,
    C,
    D,
    z,
    bias,
    h0,
    y,
    last,
    borders,
    E,
    L,
    N,
    G,
    sb,
    se,
    sl,
    SOFTPLUS: tl.constexpr,
    B_CONSTANT: tl.constexpr,
    C_CONSTANT: tl.constexpr,
    CHUNK: tl.constexpr,
    TILE: tl.constexpr,
    NP: tl.constexpr,
):
    """y (b,e,l), the last state (b,e,n), and the state before every CHUNK-th step (b,chunks,e,n)."""
    i, b = tl.program_id(0), tl.program_id(1).to(tl.int64)
    e, n = i * TILE + tl.arange(0, TILE), tl.arange(0, NP)
    e_mask, n_mask = e < E, n < N
    tile, tile_mask = e[:, None] * N + n[None, :], e_mask[:, None] & n_mask[None, :]
    at, row = b * sb + e * se, b * G + (i * TILE) // (E // G)
    h = tl.load(h0 + b * E * N + tile, mask=tile_mask, other=0.0)
    A2 = tl.load(A + tile, mask=tile_mask, other=0.0) * LOG2_E
    chunks = tl.cdiv(L, CHUNK)
    for c in range(chunks):
        tl.store(borders + (b * chunks + c) * E * N + tile, h, mask=tile_mask)
        for t in range(c * CHUNK, tl.minimum(c * CHUNK + CHUNK, L)):
            u_t, dt = _row(u, at + t * sl, e_mask, h), _row(delta, at + t * sl, e_mask, h)
            if bias is not None:
                dt += tl.load(bias + e, mask=e_mask, other=0.0)
            if SOFTPLUS:
                dt = _softplus(dt)
            B_t = _mixing(B, t, row, tile, tile_mask, L, N, n, n_mask, h, B_CONSTANT)
            C_t = _mixing(C, t, row, tile, tile_mask, L, N, n, n_mask, h, C_CONSTANT)
            h = tl.exp2(dt[:, None] * A2) * h + (dt * u_t)[:, None] * B_t
            y_t = tl.sum(h * C_t, axis=1)
            if D is not None:
                y_t += u_t * tl.load(D + e, mask=e_mask, other=0.0)
            if z is not None:
                z_t = _row(z, at + t * sl, e_mask, h)
                y_t *= z_t * tl.sigmoid(z_t)
            tl.store(y + at + t * sl, y_t.to(y.dtype.element_ty), mask=e_mask)
    tl.store(last + b * E * N + tile, h, mask=tile_mask)


@triton.jit
def scan_backward(
    u,
    delta,
    A,
    B,
    C,
    D,
    z,
    bias,
    borders,
    dy,
    dlast,
    scratch,
    du,
    ddelta,
    dA,
    dB,
    dC,
    dD,
    dz,
    dbias,
    dh0,
    E,
    L,
    N,
    G,
    sb,
    se,
    sl,
    SOFTPLUS: tl.constexpr,
    B_CONSTANT: tl.constexpr,
    C_CONSTANT: tl.constexpr,
    CHUNK: tl.constexpr,
    TILE: tl.constexpr,
    NP: tl.constexpr,
):
    """All gradients; those of A, D, bias as one part per row (b,...), those of B, C as one part per tile (tiles,b,l,n),
    or as one part per row (b,e,n) where B or C is constant in time."""
    i, b = tl.program_id(0), tl.program_id(1).to(tl.int64)
    rows = tl.num_programs(1)
    e, n = i * TILE + tl.arange(0, TILE), tl.arange(0, NP)
    e_mask, n_mask = e < E, n < N
    tile, tile_mask = e[:, None] * N + n[None, :], e_mask[:, None] & n_mask[None, :]
    at, row = b * sb + e * se, b * G + (i * TILE) // (E // G)
    carry = tl.load(dlast + b * E * N + tile, mask=tile_mask, other=0.0)
    A2 = tl.load(A + tile, mask=tile_mask, other=0.0) * LOG2_E
    dA_sum, dB_sum, dC_sum = carry * 0.0, carry * 0.0, carry * 0.0
    dD_sum, dbias_sum = tl.sum(dA_sum, axis=1), tl.sum(dA_sum, axis=1)
    slots = scratch + (b * tl.num_programs(0) + i) * CHUNK * TILE * NP
    slot = tl.arange(0, TILE)[:, None] * NP + n[None, :]
    chunks = tl.cdiv(L, CHUNK)
    for back in range(chunks):
        c = chunks - 1 - back
        start, stop = c * CHUNK, tl.minimum(c * CHUNK + CHUNK, L)
        h = tl.load(borders + (b * chunks + c) * E * N + tile, mask=tile_mask, other=0.0)
        for t in range(start, stop):
            tl.store(slots + (t - start) * TILE * NP + slot, h)
            u_t, dt = _row(u, at + t * sl, e_mask, h), _row(delta, at + t * sl, e_mask, h)
            if bias is not None:
                dt += tl.load(bias + e, mask=e_mask, other=0.0)
            if SOFTPLUS:
                dt = _softplus(dt)
            B_t = _mixing(B, t, row, tile, tile_mask, L, N, n, n_mask, h, B_CONSTANT)
            h = tl.exp2(dt[:, None] * A2) * h + (dt * u_t)[:, None] * B_t
        tl.debug_barrier()
        for later in range(stop - start):
            t = stop - 1 - later
            before = tl.load(slots + (t - start) * TILE * NP + slot)
            u_t, raw = _row(u, at + t * sl, e_mask, h), _row(delta, at + t * sl, e_mask, h)
            if bias is not None:
                raw += tl.load(bias + e, mask=e_mask, other=0.0)
            dt = raw
            if SOFTPLUS:
                dt = _softplus(raw)
            B_t = _mixing(B, t, row, tile, tile_mask, L, N, n, n_mask, h, B_CONSTANT)
            C_t = _mixing(C, t, row, tile, tile_mask, L, N, n, n_mask, h, C_CONSTANT)
            a = tl.exp2(dt[:, None] * A2)
            x = dt * u_t
            h_t = a * before + x[:, None] * B_t
            dy_t = _row(dy, at + t * sl, e_mask, h)
            if z is not None:
                z_t = _row(z, at + t * sl, e_mask, h)
                v = tl.sum(h_t * C_t, axis=1)
                if D is not None:
                    v += u_t * tl.load(D + e, mask=e_mask, other=0.0)
                s = tl.sigmoid(z_t)
                tl.store(
                    dz + at + t * sl, (dy_t * v * s * (1.0 + z_t * (1.0 - s))).to(dz.dtype.element_ty), mask=e_mask
                )
                dy_t *= z_t * s
            g = C_t * dy_t[:, None] + carry
            carry = a * g
            through = carry * before
            part = ((i * rows + b) * L + t) * N + n
            if C_CONSTANT:
                dC_sum += h_t * dy_t[:, None]
            else:
                tl.store(dC + part, tl.sum(h_t * dy_t[:, None], axis=0), mask=n_mask)
            if B_CONSTANT:
                dB_sum += g * x[:, None]
            else:
                tl.store(dB + part, tl.sum(g * x[:, None], axis=0), mask=n_mask)
            dA_sum += through * dt[:, None]
            dx = tl.sum(g * B_t, axis=1)
            ddt = tl.sum(through * A2, axis=1) * LN_2 + dx * u_t
            if SOFTPLUS:
                ddt *= tl.sigmoid(raw)
            du_t = dx * dt
            if D is not None:
                du_t += dy_t * tl.load(D + e, mask=e_mask, other=0.0)
                dD_sum += dy_t * u_t
            dbias_sum += ddt
            tl.store(du + at + t * sl, du_t.to(du.dtype.element_ty), mask=e_mask)
            tl.store(ddelta + at + t * sl, ddt.to(ddelta.dtype.element_ty), mask=e_mask)
        tl.debug_barrier()
    tl.store(dA + b * E * N + tile, dA_sum, mask=tile_mask)
    tl.store(dh0 + b * E * N + tile, carry, mask=tile_mask)
    if B_CONSTANT:
        tl.store(dB + b * E * N + tile, dB_sum, mask=tile_mask)
    if C_CONSTANT:
        tl.store(dC + b * E * N + tile, dC_sum, mask=tile_mask)
    if D is not None:
        tl.store(dD + b * E + e, dD_sum, mask=e_mask)
    if bias is not None:
        tl.store(dbias + b * E + e, dbias_sum, mask=e_mask)
