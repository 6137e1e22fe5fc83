"""What once passed in chapters 15 to 19."""

import math

import torch
import torch.nn.functional as F

from mgmr_lib.chapters.ch15_mgmr_net import build_it as mgmr
from mgmr_lib.chapters.ch15_mgmr_net.exercises import gradient_size, task_loss
from mgmr_lib.chapters.ch18_micro_fusion.exercises import masked_norm
from mgmr_lib.chapters.ch19_mfmb_net import build_it as mfmb
from mgmr_lib.chapters.ch19_mfmb_net.exercises import joint


def found_gradients(loss, parameters):
    found = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
    return [g for g in found if g is not None]


def stacked(loss, parameters):
    found = found_gradients(loss, parameters)
    return float(torch.stack(found).norm()) if found else 0.0


def zero_if_any_is_missing(loss, parameters):
    return gradient_size(loss, parameters) if len(found_gradients(loss, parameters)) == len(parameters) else 0.0


def filled(value):
    return lambda scores, valid: scores.masked_fill(~valid[:, None], value).softmax(-1)


def still(unmoved):
    """What stood still, where unmoved(after, before) says so of one tensor."""

    def names(model, step):
        before = {n: v.clone() for n, v in model.state_dict().items()}
        step(model)
        return sorted(n for n, v in model.state_dict().items() if unmoved(v, before[n]))

    return names


def idle_not_cleared(net, x):
    net(x).sum().backward()
    return sum(p.numel() for p in net.parameters() if p.grad is None)


def idle_zeroed(net, x):
    net.zero_grad(set_to_none=False)
    return idle_not_cleared(net, x)


def idle_children(net, x):
    net(x).sum().backward()
    return sum(p.numel() for c in net.children() if c.weight.grad is None for p in c.parameters())


def rebuilt_in_turn(align, macro, micro, rebuild, head, x):
    h = align(x)
    rebuilt = {m: f(v) for (m, f), v in zip(rebuild.items(), h.values(), strict=True)}
    return head(torch.cat([macro(h), micro(h)], dim=-1)), rebuilt


def weighed_in_turn(prediction, labels, parts, alpha):
    terms = zip(alpha.values(), parts.values(), strict=True)
    given = (w * F.smooth_l1_loss(v[lost], x[lost]) for w, (v, x, lost) in terms if lost.any())
    return (prediction - labels).abs().mean() + sum(given)


def returned_early(prediction, labels, parts, alpha):
    total = (prediction - labels).abs().mean()
    for m, (value, target, lost) in parts.items():
        if not lost.any():
            return total
        total = total + alpha[m] * F.smooth_l1_loss(value[lost], target[lost])
    return total


def all_or_none(prediction, labels, parts, alpha):
    all_lose = all(lost.any() for _, _, lost in parts.values())
    return joint(prediction, labels, parts if all_lose else {}, alpha)


def without_vision(prediction, labels, parts, alpha):
    return joint(prediction, labels, {m: part for m, part in parts.items() if m != "vision"}, alpha)


def zero_frames_left_out(prediction, labels, parts, alpha):
    seen = {m: (v, x, lost & x.any(-1)) for m, (v, x, lost) in parts.items()}
    return joint(prediction, labels, seen, alpha)


def hits_left_out(prediction, labels, parts, alpha):
    total = (prediction - labels).abs().mean()
    for m, (v, x, lost) in parts.items():
        e = F.smooth_l1_loss(v, x, reduction="none") * lost[..., None]
        total = total + alpha[m] * (e[e > 0].mean() if (e > 0).any() else 0.0)
    return total


def company(rows, column=slice(None)):
    """The largest deviation among these rows of so many, and in these columns alone."""

    def largest(net, x):
        apart = [(net(x)[i : i + 1] - net(x[i : i + 1])).abs()[:, column] for i in rows(len(x))]
        return max(d.max().item() for d in apart)

    return largest


def with_loss(forward, change):
    def answer(net, s, labels):
        right = forward(net, s, labels)
        return right | {"loss": change(right["loss"])}

    return answer


LOSSES = {"a number": lambda loss: loss.item(), "detached": lambda loss: loss.detach()}
WRONG = {
    "15.2": {
        "weights in turn": lambda task, rec, alpha: (
            task + sum(a * r for a, r in zip(alpha.values(), rec.values(), strict=False))
        )
    },
    "15.3": {"stacked": stacked, "zero if any is missing": zero_if_any_is_missing},
    "15.4": {
        "detached": lambda prediction, labels: task_loss(prediction.detach(), labels),
        "a number": lambda prediction, labels: task_loss(prediction, labels).item(),
    },
    "15.5": {name: with_loss(mgmr.forward, change) for name, change in LOSSES.items()},
    "16.2": {"a low score added": lambda scores, valid: (scores + 30.0 * (valid[:, None].double() - 1)).softmax(-1)},
    "17.4": {
        "first entry": still(lambda a, b: bool(a.flatten()[0] == b.flatten()[0])),
        "both ends": still(lambda a, b: torch.equal(a[[0, -1]], b[[0, -1]])),
        "last entry": still(lambda a, b: bool(a.flatten()[-1] == b.flatten()[-1])),
    },
    "18.3": {"eps fixed": lambda x, valid, eps=1e-5: masked_norm(x, valid)},
    "18.5": {"not cleared": idle_not_cleared, "zeros left": idle_zeroed, "children alone": idle_children},
    "19.2": {"rebuilt in turn": rebuilt_in_turn},
    "19.3": {
        "weighed in turn": weighed_in_turn,
        "returned early": returned_early,
        "all or none": all_or_none,
        "without vision": without_vision,
        "zero frames left out": zero_frames_left_out,
        "hits left out": hits_left_out,
    },
    "19.5": {
        "both ends": company(lambda n: (0, n - 1)),
        "first three": company(lambda n: range(3)),
        "first two": company(lambda n: range(2)),
        "first column": company(range, 0),
        "last column": company(range, -1),
    },
    "19.6": {name: with_loss(mfmb.forward, change) for name, change in LOSSES.items()},
}


def shares_of_the_valid(scores, valid):
    shares = scores.softmax(-1) * valid[:, None]
    return shares / shares.sum(-1, keepdim=True)


RIGHT = {
    "15.3": {
        "hypot": lambda loss, parameters: math.hypot(*(float(g.norm()) for g in found_gradients(loss, parameters)))
    },
    "16.2": {"renormalised": shares_of_the_valid, "filled with -1e9": filled(-1e9)},
}
