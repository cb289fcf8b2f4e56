"""A copy of the encoder trained with a head: by a plain loop's numbers, and never the original."""

import math
from dataclasses import replace

import pytest
import torch
from timm.layers import BatchNormAct2d, convert_sync_batchnorm
from torch import nn
from torch.nn import functional as F

from supcon_ext.evaluation.fine_tune import FineTune
from supcon_ext.evaluation.linear_probe import LinearProbe
from supcon_ext.seeding import seeded_generator
from tests.evaluation.toy import blob_input, with_encoder
from tests.several import in_processes


def trunk():
    generator = torch.Generator().manual_seed(3)
    made = nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.ReLU())
    with torch.no_grad():
        made[0].weight.normal_(generator=generator)
        made[0].bias.normal_(generator=generator)
    return made


def test_the_numbers_of_a_plain_loop():
    data = with_encoder(blob_input(seed=4, spread=1.0), trunk())
    part = FineTune(epochs=3, batch_size=32, lr=0.003, head_lr=0.02, weight_decay=0.1)
    found = part.evaluate(data, "test").predictions["test"].probabilities
    net, head = trunk(), nn.Linear(8, 3)
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    groups = [
        {"params": net.parameters(), "lr": 0.003},
        {"params": head.parameters(), "lr": 0.02},
    ]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.1)
    steps, step = 3 * 4, 0  # of 120 samples in batches of 32
    for epoch in range(3):
        order = torch.randperm(120, generator=seeded_generator(4, epoch, 0))
        for rows in order.split(32):
            factor = (1 + math.cos(math.pi * step / steps)) / 2
            for group, lr in zip(optimizer.param_groups, (0.003, 0.02), strict=True):
                group["lr"] = lr * factor
            loss = F.cross_entropy(head(net(data.train.features[rows])), data.train.label[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
    with torch.no_grad():
        expected = F.softmax(head(net.eval()(data.test.features)), dim=1)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-3)


def with_norms(exchange):
    """A trunk with torch's batch norm and timm's, for one process or for several."""
    net = nn.Sequential(trunk(), nn.Unflatten(1, (8, 1, 1)), BatchNormAct2d(8), nn.Flatten())
    return convert_sync_batchnorm(net) if exchange else net


def tuned(rank, exchange):
    data = with_encoder(blob_input(seed=4, spread=1.0), with_norms(exchange))
    fitted = FineTune(epochs=2, batch_size=50).fit(data)
    return fitted(data.test), list(fitted.backbone.state_dict().values())


def test_several_processes_train_to_the_bits_of_one(tmp_path):
    expected, weights = tuned(0, False)
    for exchange in (False, True):
        (tmp_path / str(exchange)).mkdir()
        for found, theirs in in_processes(tuned, 2, tmp_path / str(exchange), exchange):
            assert torch.equal(found, expected)
            assert all(torch.equal(a, b) for a, b in zip(theirs, weights, strict=True))


@pytest.mark.parametrize("frozen", [False, True])
def test_the_encoder_stays_as_it_is_and_all_of_the_copy_learns(frozen):
    original = trunk().eval().requires_grad_(not frozen)
    data = with_encoder(blob_input(), original)
    data.encoder.backbone.still = ("1",) if frozen else ()
    data.encoder.backbone.eval()
    before = [value.clone() for value in original.state_dict().values()]
    draws = torch.get_rng_state()
    fitted = FineTune(epochs=2).fit(data)
    assert torch.equal(torch.get_rng_state(), draws)
    after = list(original.state_dict().values())
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert all(p.requires_grad is not frozen and p.grad is None for p in original.parameters())
    assert not original.training and data.encoder.backbone.still == (("1",) if frozen else ())
    copied = list(fitted.backbone.trunk.state_dict().values())
    assert not any(torch.equal(a, b) for a, b in zip(before, copied, strict=True))


def test_it_learns_where_a_probe_cannot():
    """Features that hold one of two things that classes are made of, inputs that hold both."""
    draw = torch.Generator().manual_seed(0)
    sign = torch.randint(0, 2, (200, 2), generator=draw) * 2.0 - 1
    x = torch.cat([sign + 0.1 * torch.randn(200, 2, generator=draw), torch.zeros(200, 3)], 1)
    label = (sign[:, 0] * sign[:, 1] > 0).long()
    net = nn.Sequential(nn.Linear(5, 32), nn.ReLU())
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        net[0].weight.normal_(generator=generator)
        net[0].weight[:, 1:] = 0  # the second is not looked at
        net[0].bias.normal_(generator=generator)
        features = net(x)

    def part(rows):
        from tests.evaluation.toy import embedded

        return embedded(features[rows], label[rows])

    data = replace(blob_input(), train=part(slice(0, 150)), test=part(slice(150, 200)))
    data = replace(data, validation=None, classes=("no", "yes", "never"))
    raw = with_encoder(replace(data, train=replace(data.train, features=x[:150]),
                               test=replace(data.test, features=x[150:])), net)  # fmt: skip
    tuned = FineTune(epochs=40, batch_size=16, lr=0.01).evaluate(raw, "test").metrics
    probed = LinearProbe().evaluate(data, "test").metrics
    assert probed["accuracy"] < 0.7 and tuned["accuracy"] > 0.95


def test_features_alone_and_divergence_are_refused():
    data = blob_input()
    with pytest.raises(ValueError, match="the encoder itself"):
        FineTune().evaluate(data, "test")
    whole = with_encoder(data, trunk())
    with pytest.raises(ValueError, match="the samples themselves"):
        FineTune(epochs=1).evaluate(replace(whole, test=data.test), "test")
    broken = with_encoder(data, nn.Linear(5, 3))
    nn.init.constant_(broken.encoder.backbone.trunk.weight, 3e38)
    with pytest.raises(ValueError, match="finite loss"):
        FineTune(epochs=1).evaluate(broken, "test")
