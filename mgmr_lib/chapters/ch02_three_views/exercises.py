"""Exercises of 02 three views: discretise, alias, kernel, FFT, HiPPO."""

import math

import torch

from mgmr_lib.chapters.shared.drawing import quarters, telling
from mgmr_lib.course.registry import Case, Exercise, Wrong
from mgmr_lib.ssm import linear


def hold(A, B, dt):
    """(Ab, Bb) of one number A < 0 whose input is held for dt seconds."""
    Ab = math.exp(dt * A)
    return Ab, (Ab - 1) / A * B


def seen_turns(turns, dt):
    """Turns a second that frames every dt seconds show, in [-1/(2 dt), 1/(2 dt))."""
    rate = 1 / dt
    return (turns + rate / 2) % rate - rate / 2


def kernel(Ab, Bb, C, length):
    """K_j = sum over entries of C Ab^j Bb, for a diagonal Ab (n)."""
    return torch.stack([(C * Ab**j * Bb).sum() for j in range(length)])


def fft_convolve(u, K):
    """Causal convolution of u and K, both (l)."""
    return linear.convolve(u, K)


def hippo(n):
    """A (n,n) and B (n) of HiPPO-LegS."""
    return linear.hippo_legs(n)


def _hold_cases(rng):
    made = [Case((-1.0, 1.0, 0.5), "a rate of one a second, two frames a second")]
    inputs = rng.sample([-2.5, -1.5, 0.5, 3.0, 4.0], 5)
    return made + [(-rng.randint(1, 20) / 4, B, rng.choice([0.1, 0.25, 0.5, 0.75])) for B in inputs]


def _turn_cases(rng):
    """Slow, fast, backwards; never exactly half a turn per frame, where both directions look the same."""
    rate = rng.choice([20, 24, 30, 40])
    made = [Case((20.0, 1 / 25), "25 frames a second"), Case((float(rng.randint(1, 9)), 1 / rate), "slow enough")]
    made += [
        Case((rate + float(rng.randint(1, 9)), 1 / rate), "a little over one turn a frame"),
        Case((rate - float(rng.randint(1, 9)), 1 / rate), "a little under one turn a frame"),
        Case((-float(rng.randint(1, 9)), 1 / rate), "slowly backwards"),
        Case((3 * rate + float(rng.randint(1, 9)), 1 / rate), "several turns a frame"),
        Case((-rate - float(rng.randint(1, 9)), 1 / rate), "backwards, a little over one turn a frame"),
        Case((-3 * rate - float(rng.randint(1, 9)), 1 / rate), "backwards, several turns a frame"),
        Case((rng.choice([-35.5, 12.5, 36.5]), 1001 / 24000), "a film of 24000/1001 frames a second"),
        Case((rng.randint(rate // 4 + 1, rate // 2 - 2) + 0.5, 1 / rate), "more than a quarter turn a frame"),
        Case((rng.randint(-rate // 2 + 1, -rate // 4 - 2) + 0.5, 1 / rate), "the same backwards"),
    ]
    return made


def _kernel_cases(rng):
    def five(rng):
        made = []
        for length in (*rng.sample(range(3, 7), 4), rng.randint(3, 6)):
            n = rng.randint(2, 4)
            Ab = torch.tensor(rng.sample([0.9, 0.75, 0.5, 0.25, -0.5], n), dtype=torch.float64)
            made.append((Ab, quarters(rng, n, low=2), quarters(rng, n, low=2), length))
        return made

    def below_zero(made):
        """One factor at least, and one result."""
        return min(args[0].min() for args in made) < 0 and min(kernel(*args).min() for args in made) < -0.1

    return telling(rng, five, below_zero)


def _convolve_cases(rng):
    click = torch.zeros(6, dtype=torch.float64)
    click[4] = 1.0
    made = [Case((click, quarters(rng, 6)), "a click near the end")]
    for _ in range(4):
        length = rng.randint(3, 9)
        made.append((quarters(rng, length), quarters(rng, length)))
    return made


def _spectra(u, K, size):
    return torch.fft.irfft(torch.fft.rfft(u, size) * torch.fft.rfft(K, size), size)


def _hippo(n, below=-1.0, diagonal=lambda i: -(i + 1.0), flip=False, b=lambda i: math.sqrt(2 * i + 1), root=math.sqrt):
    A = torch.zeros(n, n, dtype=torch.float64)
    for i in range(n):
        A[i, i] = diagonal(i)
        for j in range(i):
            A[i, j] = below * root((2 * i + 1) * (2 * j + 1))
    return (A.T.contiguous() if flip else A), torch.tensor([b(i) for i in range(n)], dtype=torch.float64)


def _in_double(make):
    """A test for right numbers in torch's default type, with which later cells of the notebook would stop, or in a
    complex one."""

    def test(fn, rng):
        out = fn(*make(rng))
        kinds = {getattr(t, "dtype", None) for t in (out if isinstance(out, (tuple, list)) else (out,))}
        if kinds & {torch.complex64, torch.complex128}:
            return "The numbers are right, but complex, with imaginary parts of nothing: keep the real parts."
        if torch.float32 not in kinds:
            return None
        return "The numbers are right, but in float32, torch's default: make new tensors with dtype=torch.float64."

    return test


def _in_float32(fn):
    """`fn` with its results in torch's default type."""

    def single(*args):
        out = fn(*args)
        return tuple(t.float() for t in out) if isinstance(out, tuple) else out.float()

    return single


EXERCISES = [
    Exercise(
        id="02.1",
        title="discretise with a held input",
        difficulty=2,
        minutes=8,
        reference=hold,
        cases=_hold_cases,
        hints=(
            "The state fades by exp(dt A) within the step; the input enters at every moment of it and fades from then "
            "on.",
            "A, B and dt are numbers; return a pair of numbers, exp(dt A) and (exp(dt A) - 1) / A times B.",
        ),
        after="Halve dt and the factor becomes its own square root: the memory in seconds stays.",
        wrong=(
            Wrong(
                "Euler",
                lambda A, B, dt: (1 + dt * A, dt * B),
                "Euler's rule",
                "This is Euler's rule: it follows the slope of the step's start. The exact factor is an exponential.",
            ),
            Wrong(
                "Mamba's input",
                lambda A, B, dt: (math.exp(dt * A), dt * B),
                "does not fade",
                "The factor is right, but your input does not fade within its step: that is Mamba's shortcut, right "
                "for small dt.",
            ),
            Wrong(
                "dt forgotten",
                lambda A, B, dt: hold(A, B, 1.0),
                "one second",
                "This is right for a step of one second: where does dt enter?",
            ),
            Wrong(
                "sign of A",
                lambda A, B, dt: (math.exp(-dt * A), (math.exp(-dt * A) - 1) / -A * B),
                "grows",
                "Your state grows: A is negative already, so the factor is exp(dt A) without another minus.",
            ),
            Wrong(
                "B undiscretised",
                lambda A, B, dt: (math.exp(dt * A), B),
                "whatever its length",
                "Your input enters with the same weight in a step, whatever its length: twice the frames would shout "
                "twice as loud.",
            ),
            Wrong(
                "not divided by A",
                lambda A, B, dt: (math.exp(dt * A), (math.exp(dt * A) - 1) * B),
                "divided by A",
                "The factor is right, but the input's weight is not yet divided by A: the integral of exp(A t) is "
                "exp(A t) / A.",
            ),
        ),
    ),
    Exercise(
        id="02.2",
        title="what the frames show",
        difficulty=2,
        minutes=8,
        reference=seen_turns,
        cases=_turn_cases,
        hints=(
            "Whole turns between two frames leave no trace: add or take away whole turns until at most half a turn is "
            "left.",
            "Two numbers in, one out: with rate = 1 / dt, shift by rate / 2, take the rest modulo rate, shift back.",
        ),
        after="Only what lies below half the frame rate is what it seems.",
        wrong=(
            Wrong(
                "never backwards",
                lambda f, dt: f % (1 / dt),
                "one quarter back",
                "Your wheel never turns backwards: three quarters of a turn a frame look like one quarter back.",
            ),
            Wrong(
                "clipped",
                lambda f, dt: max(-0.5 / dt, min(f, 0.5 / dt)),
                "as a limit",
                "You treat half the frame rate as a limit; a faster wheel does not look stuck there, it looks slower "
                "or reversed.",
            ),
            Wrong(
                "sign lost",
                lambda f, dt: abs(seen_turns(f, dt)),
                "direction",
                "The size is right, the direction is lost: a negative number means backwards.",
            ),
            Wrong(
                "turns a frame",
                lambda f, dt: seen_turns(f, dt) * dt,
                "a frame, not a second",
                "These are turns a frame, not a second: multiply by the frame rate.",
            ),
            Wrong(
                "no alias",
                lambda f, dt: f,
                "as it is",
                "This reports the wheel as it is; the frames do not see the whole turns between them.",
            ),
        ),
    ),
    Exercise(
        id="02.3",
        title="the convolution kernel",
        difficulty=2,
        minutes=8,
        reference=kernel,
        cases=_kernel_cases,
        test=_in_double(lambda rng: _kernel_cases(rng)[-1]),
        hints=(
            "How does an input of j steps ago reach the output? It enters by Bb, fades j times by Ab, and is read by "
            "C.",
            "Ab, Bb and C are tensors of n numbers; for each j take the product C Ab**j Bb and sum over n: K has "
            "`length` numbers.",
        ),
        after="The kernel is the impulse response of notebook 01, and holds everything about the system but its state.",
        wrong=(
            Wrong(
                "one power too many",
                lambda A, B, C, m: kernel(A, A * B, C, m),
                "this very step",
                "Every entry has one Ab too many: the input of this very step has not faded yet, so K starts with C "
                "Bb.",
            ),
            Wrong(
                "B left out",
                lambda A, B, C, m: kernel(A, torch.ones_like(B), C, m),
                "Bb is missing",
                "Bb is missing: the input enters each state entry with its own weight.",
            ),
            Wrong(
                "C left out",
                lambda A, B, C, m: kernel(A, B, torch.ones_like(C), m),
                "C is missing",
                "C is missing: the output weighs the state entries before it sums them.",
            ),
            Wrong(
                "turned round",
                lambda A, B, C, m: kernel(A, B, C, m).flip(0),
                "oldest first",
                "Your kernel has the oldest first: K at j = 0 belongs to the present input.",
            ),
            Wrong(
                "not summed",
                lambda A, B, C, m: torch.stack([C * A**j * B for j in range(m)]),
                "a whole vector",
                "Each of your K_j is a whole vector: sum over the n state entries, the output is one number.",
            ),
            Wrong(
                "power times",
                lambda A, B, C, m: torch.stack([(C * (A * j) * B).sum() for j in range(m)]),
                "j times Ab",
                "This has j times Ab; j steps of fading are Ab to the power j.",
            ),
            Wrong("single precision", _in_float32(kernel), "torch's default"),
        ),
    ),
    Exercise(
        id="02.4",
        title="find the bug in the FFT",
        difficulty=2,
        minutes=10,
        reference=fft_convolve,
        cases=_convolve_cases,
        test=_in_double(lambda rng: _convolve_cases(rng)[-1]),
        hints=(
            "The FFT believes that the signal starts over after its last step. Give it silence to run into.",
            "u and K have l numbers; rfft(., n=2 l), multiply, irfft(., n=2 l), and keep the first l numbers.",
        ),
        after="Twice the length is enough: the tail of a kernel of l steps ends before the copy begins.",
        wrong=(
            Wrong(
                "circular",
                lambda u, K: _spectra(u, K, len(u)),
                "starts over",
                "The end still leaks into the start: the FFT takes the signal for a loop that starts over. Pad with "
                "zeros.",
            ),
            Wrong(
                "not cut",
                lambda u, K: _spectra(u, K, 2 * len(u)),
                "the tail",
                "You return the padding too: keep the first l numbers, behind them comes the tail that rings on in "
                "silence.",
            ),
            Wrong(
                "padded too little",
                lambda u, K: _spectra(u, K, len(u) + 1)[: len(u)],
                "only one zero",
                "There is only one zero of silence: a kernel of l steps needs l - 1 of them.",
            ),
            Wrong(
                "half as many zeros",
                lambda u, K: _spectra(u, K, len(u) * 3 // 2)[: len(u)],
                "half as long",
                "The silence is half as long as the signal: a kernel of l steps needs l - 1 zeros.",
            ),
            Wrong(
                "one zero too few",
                lambda u, K: _spectra(u, K, 2 * len(u) - 2)[: len(u)],
                "lacks one zero",
                "The silence lacks one zero: the last product still reaches step 0. The two signals make 2 l - 1 "
                "numbers.",
            ),
            Wrong(
                "second half",
                lambda u, K: _spectra(u, K, 2 * len(u))[len(u) :],
                "second half",
                "This is the second half, what rings on after the input has ended: the first l numbers are the answer.",
            ),
            Wrong(
                "correlation",
                lambda u, K: torch.fft.irfft(
                    torch.fft.rfft(u, 2 * len(u)) * torch.fft.rfft(K, 2 * len(u)).conj(), 2 * len(u)
                )[: len(u)],
                "looks ahead",
                "The conjugate turns time round: this sum looks ahead instead of back.",
            ),
            Wrong("single precision", _in_float32(fft_convolve), "torch's default"),
            Wrong("complex", lambda u, K: fft_convolve(u, K).to(torch.complex128), "the real parts"),
        ),
    ),
    Exercise(
        id="02.5",
        title="the HiPPO matrix",
        difficulty=2,
        minutes=8,
        reference=hippo,
        cases=lambda rng: [(n,) for n in rng.sample(range(3, 9), 3)],
        test=_in_double(lambda rng: (rng.randint(3, 8),)),
        hints=(
            "Fill the diagonal, then the entries below it; above it stay zeros. Rows and columns count from 0.",
            "A is a tensor (n, n), B a tensor (n), both torch.float64; return the pair A, B.",
        ),
        after="Each row reads only rows above it: the slow polynomials feed the quick ones.",
        wrong=(
            Wrong(
                "positive",
                lambda n: _hippo(n, 1.0, lambda i: i + 1.0),
                "explodes",
                "The signs are turned round: with positive rates the state explodes.",
            ),
            Wrong(
                "upper triangle",
                lambda n: _hippo(n, flip=True),
                "above the diagonal",
                "Your entries lie above the diagonal; row i may read only columns j below i.",
            ),
            Wrong(
                "counted from 1",
                lambda n: _hippo(n, diagonal=lambda i: -float(i)),
                "at -1",
                "The diagonal starts at 0, where nothing would ever fade: it starts at -1, since i counts from 0.",
            ),
            Wrong(
                "no roots",
                lambda n: _hippo(n, root=float),
                "square root",
                "Below the diagonal the square root is missing.",
            ),
            Wrong(
                "B of ones",
                lambda n: _hippo(n, b=lambda i: 1.0),
                "B is not all ones",
                "A is right, but B is not all ones: it holds the roots of 2i + 1.",
            ),
            Wrong("single precision", _in_float32(hippo), "torch's default"),
        ),
    ),
]
