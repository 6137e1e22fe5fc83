"""The three views of a linear system agree to 1e-10, and each discretisation is what its name says."""

import math

import pytest
import torch

from mgmr_lib.ssm import linear

torch.manual_seed(0)
L = 40
SYSTEMS = {
    "legs": lambda: linear.hippo_legs(5),
    "dense": lambda: (
        torch.randn(4, 4, dtype=torch.float64) - 3 * torch.eye(4, dtype=torch.float64),
        torch.randn(4, dtype=torch.float64),
    ),
    "real": lambda: (linear.s4d_real(6), torch.ones(6, dtype=torch.float64)),
    "lin": lambda: (linear.s4d_lin(6), torch.ones(6, dtype=torch.complex128)),
    "one": lambda: (torch.tensor([-0.3], dtype=torch.float64), torch.tensor([2.0], dtype=torch.float64)),
}


@pytest.mark.parametrize("method", linear.METHODS)
@pytest.mark.parametrize("name", SYSTEMS)
def test_three_views_agree(name, method):
    A, B = SYSTEMS[name]()
    C = torch.randn(len(B), dtype=A.dtype)
    u = torch.randn(3, L, dtype=torch.float64)
    Ab, Bb = linear.discretise(A, B, 0.05, method)
    lists = [linear.recurrence_lists(Ab.tolist(), Bb.tolist(), C.tolist(), row, D=0.7) for row in u.tolist()]
    stepped = linear.recurrence(Ab, Bb, C, u, D=0.7)
    K = linear.kernel(Ab, Bb, C, L)
    for other in (
        torch.tensor(lists, dtype=A.dtype),
        linear.convolve(u, K, D=0.7),
        linear.convolve_directly(u, K, D=0.7),
    ):
        torch.testing.assert_close(other, stepped, rtol=1e-10, atol=1e-10)


def test_dense_and_diagonal_rules_are_the_same_rules():
    A, B = linear.s4d_real(5), torch.randn(5, dtype=torch.float64)
    for method in linear.METHODS:
        diagonal, dense = linear.discretise(A, B, 0.1, method), linear.discretise(torch.diag(A), B, 0.1, method)
        torch.testing.assert_close(torch.diag(diagonal[0]), dense[0], rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(diagonal[1], dense[1], rtol=1e-12, atol=1e-12)


def test_zero_order_hold_is_exact_for_a_constant_input():
    """h' = -2h + 3 from 0 has h(t) = 1.5 (1 - exp(-2t)), whatever the step."""
    A, B, C = torch.tensor([[-2.0]]).double(), torch.tensor([3.0]).double(), torch.ones(1).double()
    for steps in (1, 7):
        Ab, Bb = linear.discretise(A, B, 1.0 / steps, "zoh")
        y = linear.recurrence(Ab, Bb, C, torch.ones(steps).double())
        assert y[-1].item() == pytest.approx(1.5 * (1 - math.exp(-2)), abs=1e-12)


def test_zero_order_hold_where_A_has_no_inverse():
    """An integrator: h' = u, so Ab = 1 and Bb = dt."""
    for A in (torch.zeros(1, 1).double(), torch.zeros(1).double()):
        Ab, Bb = linear.discretise(A, torch.ones(1).double(), 0.25, "zoh")
        assert (Ab.item(), Bb.item()) == pytest.approx((1.0, 0.25), abs=1e-14)


@pytest.mark.parametrize(("method", "order"), [("euler", 1), ("mamba", 1), ("bilinear", 2)])
def test_error_shrinks_with_the_order_of_the_method(method, order):
    """Halving the step divides the error of the step response by 2^order (zoh itself has none: it is the truth
    here)."""
    A, B = linear.hippo_legs(3)
    C = torch.tensor([1.0, -0.5, 0.25]).double()

    def final(name, steps):
        Ab, Bb = linear.discretise(A, B, 1.0 / steps, name)
        return linear.recurrence(Ab, Bb, C, torch.ones(steps).double())[-1]

    truth = final("zoh", 1)
    coarse, fine = (abs(final(method, steps) - truth) for steps in (256, 512))
    assert coarse / fine == pytest.approx(2**order, rel=0.1)


def test_initialisations_hold_the_published_entries():
    A, B = linear.hippo_legs(3)
    expected = [[-1, 0, 0], [-math.sqrt(3), -2, 0], [-math.sqrt(5), -math.sqrt(15), -3]]
    torch.testing.assert_close(A, torch.tensor(expected, dtype=torch.float64))
    torch.testing.assert_close(B, torch.tensor([1, 3, 5], dtype=torch.float64).sqrt())
    assert linear.s4d_lin(3).tolist() == [complex(-0.5, math.pi * i) for i in range(3)]
    assert linear.s4d_real(3).tolist() == [-1, -2, -3]


def test_fft_convolution_does_not_wrap_around():
    """An impulse at the last step must not reach the first ones."""
    u = torch.zeros(8).double()
    u[-1] = 1.0
    y = linear.convolve(u, torch.ones(8).double())
    torch.testing.assert_close(y, u, rtol=0, atol=1e-12)


def test_gradients_flow_through_kernel_and_convolution():
    A = (-torch.rand(3).double()).requires_grad_()
    u = torch.randn(9).double()

    def loss(a):
        Ab, Bb = linear.discretise(a, torch.ones(3).double(), 0.1)
        return linear.convolve(u, linear.kernel(Ab, Bb, torch.ones(3).double(), 9))

    assert torch.autograd.gradcheck(loss, A)


@pytest.mark.parametrize(
    ("A", "B", "method", "says"),
    [
        (torch.eye(2), torch.ones(3), "zoh", "A must be"),
        (torch.ones(2, 3), torch.ones(2), "zoh", "A must be"),
        (torch.eye(2), torch.ones(2), "magic", "zoh, bilinear, euler, mamba"),
    ],
)
def test_bad_input_says_what_was_expected(A, B, method, says):
    with pytest.raises(ValueError, match=says):
        linear.discretise(A, B, 0.1, method)
