"""Staged checks of a whole forward pass: every mistake shows on every draw, and stages come one by one."""

import random

import pytest
import torch

from mgmr_lib.chapters.ch15_mgmr_net import build_it as build_ch15
from mgmr_lib.chapters.ch19_mfmb_net import build_it as build_ch19
from mgmr_lib.chapters.shared.forward_pass import clips, copied
from mgmr_lib.data.batch import Batch, ModalityBatch
from mgmr_lib.data.corpus import MODALITIES
from mgmr_lib.training.losses import LossWeights, joint_loss

BOTH = pytest.mark.parametrize("module", [build_ch15, build_ch19], ids=["mgmr", "mfmb"])


@BOTH
@pytest.mark.parametrize("seed", [1, 2])
def test_the_reference_is_the_librarys_network_and_loss(module, seed):
    net, s, labels = module._draw(random.Random(seed))
    whole = Batch(("a", "b", "c"), labels, *(ModalityBatch(p.x, p.target, p.valid, p.keep) for p in s.values()))
    net.inputs.forward = lambda batch: s  # the door has let them through
    with torch.no_grad():
        found, library = module.forward(net, s, labels), net(whole)
        torch.testing.assert_close(found["prediction"], library.prediction)
        torch.testing.assert_close(found["loss"], joint_loss(library, labels, LossWeights())["total"])


@BOTH
def test_an_answer_that_grows_meets_one_stage_after_the_other(module):
    spec, names = module.BUILD_IT, [stage.name for stage in module.STAGES]
    keys = list(dict.fromkeys(stage.key for stage in module.STAGES))
    for done in range(len(keys)):
        said = spec.test(lambda *args, n=done: {k: module.forward(*args)[k] for k in keys[:n]}, random.Random(done))
        assert f'Now {names[done]}: there is no "{keys[done]}"' in said
        assert said.startswith(f"{done} of {len(names)} stages hold")
    assert spec.test(module.forward, random.Random(5)) is None


@BOTH
def test_nothing_that_an_answer_does_to_its_copy_reaches_the_original(module):
    given = module._draw(random.Random(3))
    before, right = {k: v.clone() for k, v in given[0].state_dict().items()}, module.forward(*given)
    net, s, labels = copied(given)
    torch.testing.assert_close(module.forward(net, s, labels), right)
    owned = {
        id(v) for m in given[0].modules() for v in (m, *vars(m).values()) if isinstance(v, (dict, torch.nn.Module))
    }
    assert not owned & {id(v) for m in net.modules() for v in (m, *vars(m).values())}
    with torch.no_grad():
        for p in net.parameters():
            p.zero_()
    for m in net.modules():
        m.train()
        m.register_forward_hook(lambda *_: 1 / 0)
    s["text"].x.fill_(7)
    labels.zero_()
    assert all(torch.equal(v, before[k]) for k, v in given[0].state_dict().items())
    torch.testing.assert_close(module.forward(*given), right)


@pytest.mark.parametrize("seed", range(5))
def test_clips_differ_in_length_and_have_gaps_in_every_modality(seed):
    s, labels = clips(random.Random(seed))
    assert labels.shape == (3,)
    for m in MODALITIES:
        lengths = s[m].valid.sum(1).tolist()
        assert len(set(lengths)) == 3 and min(lengths) == 1 and s[m].missing.any() and s[m].keep[:, 0].all()
        assert (s[m].x[~s[m].keep] == 0).all() and (s[m].target[~s[m].valid] == 0).all()
