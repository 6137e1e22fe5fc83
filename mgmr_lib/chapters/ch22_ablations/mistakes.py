"""Plausible mistakes of exercise 22.5: the experiment with one thing done otherwise."""

FEW = ("not enough seeds", float("nan"), float("nan"), float("nan"))


def changed_experiment(
    p_adjust=None, unpaired=False, normal=False, turned=False, twice=False, zeros=False, few=False, falsy=False
):
    """The experiment with one thing done otherwise."""
    import numpy as np
    from scipy import stats

    def experiment(train, whole, variants, seeds):
        errors = {name: [train(name, seed) for seed in seeds] for name in (whole, *variants)}
        results, p = {}, {}
        for name in variants:
            base = [train(whole, seed) for seed in seeds] if twice else errors[whole]
            pairs = [
                (0.0 if a is None else a, 0.0 if b is None else b)
                for a, b in zip(base, errors[name], strict=True)
                if zeros or ((a and b) if falsy else (a is not None and b is not None))
            ]
            if len(pairs) < 2:
                results[name] = FEW
                if few:
                    p[name] = 1.0
                continue
            changes = np.array([(a - b) if turned else (b - a) for a, b in pairs])
            mean, n = changes.mean(), len(changes)
            error = changes.std(ddof=1) / np.sqrt(n)
            if unpaired:
                error = np.sqrt(sum(np.var(side, ddof=1) for side in zip(*pairs, strict=True)) / n)
            factor = 1.96 if normal else stats.t.ppf(0.975, n - 1)
            p[name] = 2 * stats.t.sf(abs(mean) / error, n - 1)
            results[name] = (float(mean), float(mean - factor * error), float(mean + factor * error))
        told = (p_adjust or _holm)(p)
        return {
            n: r if len(r) == 4 else (("worse" if r[0] > 0 else "better") if told[n] else "not told apart", *r)
            for n, r in results.items()
        }

    return experiment


def _holm(p):
    told, order = dict.fromkeys(p, False), sorted(p, key=p.__getitem__)
    for rank, name in enumerate(order):
        if p[name] > 0.05 / (len(p) - rank):
            break
        told[name] = True
    return told
