from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from torch.nn import functional

from supcon_ext.evaluation import linear_probe
from supcon_ext.evaluation.linear_probe import L2_GRID, LinearProbe
from supcon_ext.evaluation.ni_erm import NoiseIgnorant
from supcon_ext.evaluation.sgd_probe import fit_sgd_probe
from supcon_ext.logistic_regression import LinearModel, Rotated, fit_logistic_regression
from tests.evaluation.toy import blob_input, blobs, embedded


@pytest.mark.parametrize("l2", [1.0, 0.01, 1e-4])
def test_lbfgs_equals_sklearn(l2):
    x, label = blobs(150, classes=4, features=6, spread=2.0)
    query, _ = blobs(50, classes=4, features=6, spread=2.0, seed=1)
    theirs = LogisticRegression(C=1 / (l2 * 150), tol=1e-10, max_iter=10_000).fit(x, label)
    ours = fit_logistic_regression(
        torch.tensor(x), torch.tensor(label), 4, l2, tolerance=1e-9
    ).probabilities(torch.tensor(query))
    assert np.abs(ours.numpy() - theirs.predict_proba(query)).max() < 1e-5


@pytest.mark.parametrize("count", [150, 5])
def test_features_rotated_once_give_each_penaltys_model(count):
    """Also with fewer samples than features, of which some directions do not vary."""
    x, label = (torch.tensor(part) for part in blobs(count, classes=3, features=9, spread=2.0))
    x[:, 4] = 3.0
    rotated, warm = Rotated.of(x), None
    for l2 in (1.0, 0.1, 1e-3):
        alone = fit_logistic_regression(x, label, 3, l2, tolerance=1e-9)
        warm = fit_logistic_regression(rotated, label, 3, l2, warm, tolerance=1e-9)
        torch.testing.assert_close(warm.logits(x), alone.logits(x), rtol=0, atol=1e-3)
        assert warm.weight[:, 4].abs().max() < 1e-6


def test_evaluator_equals_sklearn_on_standardised_features():
    data = blob_input(spread=1.5)
    data.train.features[:, 0] = 7.0  # a feature that never changes in training
    data.test.features[:, 1] *= 1000
    report = LinearProbe(l2=0.05).evaluate(data, "test")
    scaler = StandardScaler().fit(data.train.features.double().numpy())
    theirs = LogisticRegression(C=1 / (0.05 * 120), tol=1e-10, max_iter=10_000).fit(
        scaler.transform(data.train.features.double().numpy()), data.train.label.numpy()
    )
    expected = theirs.predict_proba(scaler.transform(data.test.features.double().numpy()))
    found = report.predictions["test"].probabilities.numpy()
    assert np.abs(found - expected).max() < 1e-3


def long_tailed_input():
    """Classes of 120, 30 and 8, much overlapping; a test set of as many each."""
    parts = []
    for seed, sizes in enumerate(((120, 30, 8), (30, 10, 5), (40, 40, 40))):
        x, label = blobs(2000, spread=2.0, seed=seed)
        rows = np.concatenate([np.flatnonzero(label == c)[:n] for c, n in enumerate(sizes)])
        parts.append(embedded(x[rows], label[rows]))
    return replace(blob_input(), train=parts[0], validation=parts[1], test=parts[2])


@pytest.mark.parametrize("tau", [0.0, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("l2", [0.05, 1e-3])
def test_the_adjusted_head_equals_sklearn_post_hoc(tau, l2):
    data = long_tailed_input()
    x, query = data.train.features.double().numpy(), data.test.features.double().numpy()
    scaler = StandardScaler().fit(x)
    theirs = LogisticRegression(C=1 / (l2 * 158), tol=1e-10, max_iter=10_000)
    theirs.fit(scaler.transform(x), data.train.label.numpy())
    logits = theirs.decision_function(scaler.transform(query))
    logits -= tau * np.log(np.array([120, 30, 8]) / 158)
    expected = torch.tensor(logits).softmax(1)
    report = LinearProbe(l2=l2, logit_adjustment=tau).evaluate(data, "test")
    found = report.predictions["test"].probabilities
    assert (found - expected).abs().max() < 1e-3
    if tau == 0:
        plain = LinearProbe(l2=l2).evaluate(data, "test").predictions["test"].probabilities
        assert torch.equal(found, plain)


@pytest.mark.parametrize("tau", [0.5, 1.0, 2.0])
def test_the_adjusted_loss_of_training_has_the_same_minimum(tau):
    """Menon et al.'s eq. 10 on logits to which tau log prior is added: its gradient is zero."""
    x, label = (torch.tensor(value) for value in blobs(400, spread=2.0))
    keep = torch.cat([(label == c).nonzero()[:n, 0] for c, n in enumerate((100, 30, 6))])
    x, label = x[keep], label[keep]
    adjustment = tau * (label.bincount().double() / len(label)).log()
    model = fit_logistic_regression(x, label, 3, 0.01).less(adjustment)
    weight, bias = model.weight.clone().requires_grad_(), model.bias.clone().requires_grad_()
    logits = x @ weight.T + bias + adjustment
    loss = torch.nn.functional.cross_entropy(logits, label) + 0.005 * weight.square().sum()
    loss.backward()
    assert max(weight.grad.abs().max(), bias.grad.abs().max()) <= 5e-6


@pytest.mark.parametrize("solver", [{}, {"solver": "sgd", "lr": 0.1, "epochs": 100}])
def test_adjustment_finds_the_rare_classes(solver):
    plain, adjusted = (
        LinearProbe(**solver, logit_adjustment=tau).evaluate(long_tailed_input(), "test").metrics
        for tau in (0.0, 1.0)
    )
    assert adjusted["balanced_accuracy"] > plain["balanced_accuracy"] + 0.05
    assert adjusted["worst_class"] > plain["worst_class"]


@pytest.mark.parametrize("tau", [0.0, 1.0])
def test_ni_erm_is_the_penalty_chosen_on_noisy_labels(tau):
    data = noisy_input()
    found = NoiseIgnorant(tau).evaluate(data, "test").predictions["test"].probabilities
    probe = LinearProbe(l2="validation", logit_adjustment=tau).evaluate(data, "test")
    assert torch.equal(found, probe.predictions["test"].probabilities)
    with pytest.raises(ValueError, match="validation split"):
        NoiseIgnorant().evaluate(replace(data, validation=None), "test")


def test_the_penalty_is_sklearns_of_the_same_grid():
    data = noisy_input()
    scaler = StandardScaler().fit(data.train.features.double().numpy())
    x, held_out, query = (
        scaler.transform(part.features.double().numpy())
        for part in (data.train, data.validation, data.test)
    )
    fits = [
        LogisticRegression(C=1 / (l2 * 100), tol=1e-9, max_iter=10_000).fit(x, data.train.label)
        for l2 in L2_GRID
    ]
    scored = [fit.score(held_out, data.validation.label) for fit in fits]
    expected = fits[int(np.argmax(scored))].predict_proba(query)
    found = NoiseIgnorant().evaluate(data, "test").predictions["test"].probabilities.numpy()
    assert np.abs(found - expected).max() < 1e-3


@pytest.mark.parametrize("l2", [1.0, 0.01, 1e-4])
@pytest.mark.parametrize("classes", [2, 3, 5])
@pytest.mark.parametrize("warm", [False, True])
def test_gradient_is_zero_at_the_fit(classes, l2, warm):
    """The objective is convex: where its gradient is zero is its one minimum."""
    x, label = (torch.tensor(value) for value in blobs(100, classes=classes, spread=2.0))
    start = fit_logistic_regression(x, label, classes, 10 * l2) if warm else None
    model = fit_logistic_regression(x, label, classes, l2, start)
    weight, bias = model.weight.clone().requires_grad_(), model.bias.clone().requires_grad_()
    loss = torch.nn.functional.cross_entropy(x @ weight.T + bias, label)
    (loss + l2 / 2 * weight.square().sum()).backward()
    assert max(weight.grad.abs().max(), bias.grad.abs().max()) <= 5e-6


def test_more_features_than_samples_and_features_that_repeat_each_other():
    x, label = blobs(40, classes=4, features=30, spread=2.0)
    x = np.concatenate([x, 1000 * x, x[:, :1] * 0 + 3], axis=1)
    theirs = LogisticRegression(C=1 / (0.1 * 40), tol=1e-10, max_iter=100_000).fit(x, label)
    ours = fit_logistic_regression(torch.tensor(x), torch.tensor(label), 4, 0.1)
    assert (
        np.abs(ours.probabilities(torch.tensor(x)).numpy() - theirs.predict_proba(x)).max() < 1e-4
    )


@pytest.mark.parametrize("l2", [1e-2, 1e-4])
def test_unlike_directions_cost_few_steps(monkeypatch, l2):
    """Features as encoders have them: a few strong directions, and a long tail of weak ones.

    A search in the features' own coordinates takes 94 passes, and 319 where the penalty is weak.
    """
    drawn = np.random.default_rng(0)
    label = drawn.integers(0, 4, 600)
    x = drawn.normal(size=(600, 60)) * np.arange(1, 61) ** -0.7
    x[:, :8] += drawn.normal(size=(4, 8))[label]
    x = x @ np.linalg.qr(drawn.normal(size=(60, 60)))[0]
    x = torch.tensor((x - x.mean(0)) / x.std(0))
    label = np.where(drawn.random(600) < 0.2, drawn.integers(0, 4, 600), label)
    passes = []
    entropy = torch.nn.functional.cross_entropy
    monkeypatch.setattr(
        torch.nn.functional, "cross_entropy", lambda *a: passes.append(1) or entropy(*a)
    )
    fit_logistic_regression(x, torch.tensor(label), 4, l2)
    assert len(passes) < 60


def test_start_does_not_change_the_fit():
    x, label = (torch.tensor(value) for value in blobs(100, spread=2.0))
    cold = fit_logistic_regression(x, label, 3, 0.01)
    warm = fit_logistic_regression(
        x, label, 3, 0.01, start=fit_logistic_regression(x, label, 3, 10.0)
    )
    assert torch.allclose(cold.weight, warm.weight, atol=1e-3)


def test_a_class_without_training_samples_is_not_predicted():
    x, label = (torch.tensor(value) for value in blobs(100))
    found = fit_logistic_regression(x, label, 5, 0.01).probabilities(x)
    assert found.shape == (100, 5)
    assert float(found[:, 3:].max()) < 1e-3


def test_missing_convergence_is_logged(caplog):
    x, label = (torch.tensor(value) for value in blobs(100, spread=2.0))
    fit_logistic_regression(x, label, 3, 0.01, max_iterations=2)
    assert "has not converged" in caplog.text
    caplog.clear()
    fit_logistic_regression(x, label, 3, 0.01)
    assert not caplog.text


def test_fits_inside_no_grad_and_inference_mode():
    with torch.inference_mode():
        data = blob_input()
    with torch.no_grad():
        for probe in (LinearProbe(), LinearProbe(solver="sgd", epochs=30, lr=0.5)):
            assert probe.evaluate(data, "test").metrics["accuracy"] > 0.9


def noisy_input():
    """Half of the training and validation labels are random; most features say nothing."""
    rng = np.random.default_rng(5)
    parts = []
    for seed, count in enumerate((100, 400, 300)):
        x, label = blobs(count, spread=0.5, seed=seed)
        x = np.concatenate([x, rng.normal(size=(count, 60))], 1)
        if seed < 2:
            label = np.where(rng.random(count) < 0.5, rng.integers(0, 3, count), label)
        parts.append(embedded(x, label))
    base = blob_input()
    return replace(base, train=parts[0], validation=parts[1], test=parts[2])


def test_l2_is_chosen_on_validation_samples():
    data = noisy_input()
    accuracy = {
        l2: LinearProbe(l2=l2).evaluate(data, "validation").metrics["accuracy"] for l2 in L2_GRID
    }
    chosen = LinearProbe(l2="validation").evaluate(data, "validation").metrics["accuracy"]
    assert chosen == pytest.approx(max(accuracy.values()), abs=0.01)
    assert chosen > min(accuracy.values()) + 0.05
    with pytest.raises(ValueError, match="validation split"):
        LinearProbe(l2="validation").evaluate(replace(data, validation=None), "test")


@given(st.lists(st.integers(0, 4), min_size=13, max_size=13))
@example([1] * 6 + [4] + [1] * 6)  # strong penalties that all say the commonest class
@example([4, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4, 4, 4])
def test_weaker_penalties_are_tried_until_three_in_a_row_are_worse_than_the_best(hits):
    """Of four validation samples so many are hit under each penalty."""
    tried = []

    def fitted(_, __, classes, l2, start):
        assert l2 == L2_GRID[len(tried)] and (start is None) == (not tried)
        right = torch.arange(4) < hits[len(tried)]
        tried.append(l2)
        label = torch.where(right, 0, 1)
        return SimpleNamespace(
            probabilities=lambda _: functional.one_hot(label, classes).float(),
            less=lambda _: LinearModel(torch.full((classes, 2), l2), torch.zeros(classes)),
        )

    data = blob_input()
    held_out = embedded(data.train.features[:4], torch.zeros(4, dtype=torch.int64))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(linear_probe, "fit_logistic_regression", fitted)
        model = LinearProbe(l2="validation").fit(replace(data, validation=held_out))
    best = [max(hits[: n + 1]) for n in range(13)]
    ends = [n for n in range(2, 13) if max(hits[n - 2 : n + 1]) < best[n]]
    assert len(tried) == ((ends[0] if ends else 12) + 1)
    assert float(model.weight[0, 0]) == pytest.approx(L2_GRID[hits.index(best[len(tried) - 1])])


def test_l2_is_not_chosen_on_test_samples():
    data = noisy_input()
    shuffled = embedded(data.test.features, data.test.label.roll(1))
    before = LinearProbe(l2="validation").evaluate(data, "test")
    after = LinearProbe(l2="validation").evaluate(replace(data, test=shuffled), "test")
    assert torch.equal(
        before.predictions["test"].probabilities, after.predictions["test"].probabilities
    )


def test_sgd_learns_separable_classes():
    report = LinearProbe(solver="sgd", lr=0.5, epochs=30).evaluate(blob_input(), "test")
    assert report.metrics["accuracy"] > 0.95


def test_sgd_follows_its_seed():
    def found(seed):
        probe = LinearProbe(solver="sgd", lr=0.1, epochs=3, batch_size=32)
        return probe.evaluate(blob_input(seed=seed), "test").predictions["test"].probabilities

    state = torch.get_rng_state()
    first = found(1)
    torch.rand(3)  # the global generator has no say
    assert torch.equal(first, found(1))
    assert not torch.equal(first, found(2))
    torch.set_rng_state(state)
    found(1)
    assert torch.equal(torch.get_rng_state(), state)


def test_sgd_takes_its_steps_by_hand():
    """Ten epochs of one batch: rate times 0.2 after epochs 6, 8 (7.5 rounded) and 9."""
    x, label = blobs(40)
    x, label = torch.tensor(x, dtype=torch.float32), torch.tensor(label)
    generator = torch.Generator().manual_seed(3)
    weight = torch.empty(3, 5).uniform_(-(5**-0.5), 5**-0.5, generator=generator)
    bias = torch.empty(3).uniform_(-(5**-0.5), 5**-0.5, generator=generator)
    speed_w, speed_b = torch.zeros(3, 5), torch.zeros(3)
    for rate in [0.1] * 6 + [0.02] * 2 + [0.004] + [0.0008]:
        residual = ((x @ weight.T + bias).softmax(1) - torch.eye(3)[label]) / 40
        speed_w, speed_b = 0.9 * speed_w + residual.T @ x, 0.9 * speed_b + residual.sum(0)
        weight, bias = weight - rate * speed_w, bias - rate * speed_b
    model = fit_sgd_probe(lambda epoch: x, label, 3, seed=3, epochs=10, batch_size=64, lr=0.1)
    assert torch.allclose(model.weight, weight, atol=1e-5)
    assert torch.allclose(model.bias, bias, atol=1e-5)


def test_sgd_asks_for_augmented_features_once_an_epoch():
    asked = []
    plain = blob_input().train.features

    def augmented(epoch):
        asked.append(epoch)
        return plain + 0.01 * epoch

    probe = LinearProbe(solver="sgd", epochs=4, lr=0.1)
    report = probe.evaluate(blob_input(augmented=augmented), "test")
    assert asked == [0, 1, 2, 3]
    without = probe.evaluate(blob_input(), "test")
    assert not torch.equal(
        report.predictions["test"].probabilities, without.predictions["test"].probabilities
    )
    with pytest.raises(ValueError, match="training samples"):
        probe.evaluate(blob_input(augmented=lambda epoch: plain[:5]), "test")


def test_divergence_of_sgd_is_logged(caplog):
    x, label = blobs(60)
    x = 1000 * torch.tensor(x, dtype=torch.float32)
    label = torch.tensor(label).roll(1)
    fit_sgd_probe(lambda epoch: x, label, 3, seed=0, epochs=2, lr=5.0)
    assert "has not converged" in caplog.text


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"solver": "sgd", "l2": 0.5}, "`l2` only with solver 'lbfgs'"),
        ({"lr": 1.0}, "`lr` only with solver 'sgd'"),
        ({"epochs": 10}, "`epochs` only with solver 'sgd'"),
        ({"solver": "adam"}, "`solver`"),
    ],
)
def test_parameters_of_the_other_solver_are_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        LinearProbe(**parameters)


def test_l2_must_be_positive():
    with pytest.raises(ValueError, match="`l2`"):
        fit_logistic_regression(torch.eye(2), torch.tensor([0, 1]), 2, 0.0)
