"""The fused kernels against the plain formula and the tiles.

Without a GPU they run in Triton's interpreter, which has to be chosen before Triton is imported:
one test runs this file again in a process of its own. With a GPU the same cases run on it.
"""

import logging
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from supcon_ext.losses import PairTile, Rows, WeightPlan, fused
from supcon_ext.losses.factors import Factors, targets_of
from supcon_ext.losses.fused import fused_anchor_losses, fused_available
from supcon_ext.losses.reference import reference_anchor_losses
from supcon_ext.losses.tiled import tiled_anchor_losses

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
GPU = torch.cuda.is_available() and fused_available("cuda")
DEVICE = "cpu" if INTERPRETED else "cuda"


@dataclass(frozen=True)
class Case:
    """A problem both ways: as factors, and as views with a rule that reads the factors."""

    anchors: Rows
    contrasts: Rows
    left: Factors
    right: Factors
    plan: WeightPlan
    temperature: float = 0.1

    def targets(self, pairs: PairTile) -> Tensor:
        rows, columns = pairs.anchors.uid.clone(), pairs.contrasts.columns["place"]
        place = {int(u): p for p, u in enumerate(self.anchors.uid)}
        at = torch.tensor([place[int(u)] for u in rows], device=rows.device)
        return targets_of(self.left.rows(at), self.right.rows(columns), pairs.similarity_AK)

    def fused(self, form: str, z: Tensor, k: Tensor, products: str = "float32"):
        plan = self.plan
        return fused_anchor_losses(
            z,
            k,
            self.left,
            self.right,
            self.anchors.uid,
            self.contrasts.uid,
            label_A=self.anchors.label,
            label_K=self.contrasts.label,
            log_column=plan.log_column,
            log_same=plan.log_same,
            temperature=self.temperature if plan.temperature is None else plan.temperature,
            form=form,
            products=products,
        )

    def leaves(self) -> tuple[Tensor, Tensor]:
        z, k = (v.z.detach().clone().requires_grad_() for v in (self.anchors, self.contrasts))
        return z, k

    def check(self, form: str, products: str = "float32", atol: float = 2e-5) -> Tensor:
        """Losses, totals and gradients are the plain formula's, and the tiles'."""
        z, k = self.leaves()
        pull = torch.linspace(0.5, 2.0, len(z), device=z.device)
        losses, total = self.fused(form, z, k, products)
        grads = torch.autograd.grad((losses * pull).sum(), (z, k))
        assert losses.isfinite().all()
        for other in (reference_anchor_losses, tiled_anchor_losses):
            a, b = self.leaves()
            wanted, wanted_total = other(
                self.anchors.with_z(a),
                self.contrasts.with_z(b),
                self,
                self.plan,
                self.temperature,
                form,
            )
            wanted_grads = torch.autograd.grad((wanted * pull).sum(), (a, b))
            torch.testing.assert_close(total, wanted_total.to(total.dtype), rtol=1e-5, atol=1e-6)
            torch.testing.assert_close(losses, wanted, rtol=1e-5, atol=atol)
            for mine, theirs in zip(grads, wanted_grads, strict=True):
                torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=atol)
        return total


def unit(generator: torch.Generator, *shape: int) -> Tensor:
    z = torch.randn(*shape, generator=generator)
    return functional.normalize(z, dim=1).to(DEVICE)


def case(
    A: int, K: int, D: int, *, with_: str = "", seed: int = 0, classes: int = 4, extra: int = 0
) -> Case:
    """K contrasts, of which the last ``extra`` are no rows of the batch; A of them are anchors.

    ``with_`` names the optional vectors to give.
    """
    g = torch.Generator().manual_seed(seed)
    z = unit(g, K, D)
    label = torch.randint(-1, classes, (K,), generator=g).to(DEVICE)
    uid = torch.randperm(K, generator=g).to(DEVICE) + (1 << 40)
    uid[K - extra :] = -1 - torch.arange(extra, device=DEVICE)
    place = torch.arange(K, device=DEVICE)
    contrasts = Rows.of(z, label, uid=uid, columns={"place": place})
    pick = torch.randperm(K - extra, generator=g)[:A].to(DEVICE)
    anchors = contrasts.rows(pick)

    def numbers(count: int, low: float, high: float) -> Tensor:
        return (low + (high - low) * torch.rand(count, generator=g)).to(DEVICE)

    given = with_.split()
    weight = numbers(K, 0.1, 2.0) if "weight" in given else None
    if weight is not None:
        weight[::5] = 0.0
    trusted = numbers(K, 0, 1) > 0.4 if "trusted" in given else None
    threshold = numbers(K, -0.2, 0.4) if "threshold" in given else None
    factors = Factors(label + (1 << 45), weight, trusted, threshold)
    log_column = numbers(K, -2, 1) if "log_column" in given else None
    if log_column is not None:
        log_column[::7] = -torch.inf
    plan = WeightPlan(
        None,
        log_column,
        numbers(A, -1, 1) if "log_same" in given else None,
        numbers(A, 0.05, 0.5) if "temperature" in given else None,
    )
    return Case(anchors, contrasts, factors.rows(pick), factors, plan)


EVERYTHING = "weight trusted threshold log_column log_same temperature"
ALONE = [each for each in EVERYTHING.split() if each != "threshold"]  # which needs `trusted`


class TestKernels:
    __test__ = INTERPRETED or GPU

    @pytest.mark.parametrize("form", ["out", "in"])
    @pytest.mark.parametrize(
        "given",
        [
            "",
            "trusted threshold",
            EVERYTHING,
            *(pytest.param(each, marks=pytest.mark.long) for each in ALONE),
        ],
    )
    def test_optional_vectors(self, form: str, given: str) -> None:
        total = case(37, 71, 5, with_=given, extra=9).check(form)
        assert (total > 0).any()

    @pytest.mark.parametrize("form", ["out", "in"])
    @pytest.mark.parametrize("size", [(1, 2), (64, 64), (65, 97), (3, 131)])
    def test_ragged_sizes(self, form: str, size: tuple[int, int]) -> None:
        case(*size, 5, with_="weight log_column", classes=2).check(form)

    @pytest.mark.parametrize("form", ["out", "in"])
    @pytest.mark.parametrize(
        "dim", [130, *(pytest.param(dim, marks=pytest.mark.long) for dim in (64, 128, 300))]
    )
    def test_embedding_sizes(self, form: str, dim: int) -> None:
        case(33, 50, dim, with_=EVERYTHING, extra=5, seed=dim).check(form)

    @pytest.mark.parametrize("programs", [1, 2, 256])
    def test_segments_change_nothing(self, programs: int, monkeypatch: pytest.MonkeyPatch) -> None:
        from supcon_ext.losses import fused_kernels

        monkeypatch.setattr(fused_kernels, "PROGRAMS", programs)
        case(40, 150, 6, with_=EVERYTHING).check("in")

    @pytest.mark.parametrize("form", ["out", "in"])
    def test_lonely_anchors(self, form: str) -> None:
        problem = case(20, 20, 8)
        code = torch.arange(20, device=DEVICE)
        code[1] = 0
        problem = replace(problem, right=Factors(code))
        place = problem.anchors.columns["place"]
        problem = replace(problem, left=problem.right.rows(place))
        total = problem.check(form)
        assert int((total > 0).sum()) == 2
        z, k = problem.leaves()
        losses, _ = problem.fused(form, z, k)
        assert torch.count_nonzero(losses) == 2

    @pytest.mark.parametrize("form", ["out", "in"])
    def test_no_contrast_is_admitted(self, form: str) -> None:
        problem = case(6, 9, 8, classes=1)
        nothing = torch.full((9,), -torch.inf, device=DEVICE)
        problem = replace(problem, plan=WeightPlan(log_column=nothing))
        z, k = problem.leaves()
        losses, total = problem.fused(form, z, k)
        grads = torch.autograd.grad(losses.sum(), (z, k))
        for part in (losses, total, *grads):
            assert torch.count_nonzero(part) == 0

    @pytest.mark.parametrize("form", ["out", "in"])
    def test_opposite_vectors_at_a_small_temperature(self, form: str) -> None:
        z = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]], device=DEVICE)
        label = torch.tensor([0, 0, 1, 1], device=DEVICE)
        views = Rows.of(z, label, columns={"place": torch.arange(4, device=DEVICE)})
        problem = Case(views, views, Factors(label), Factors(label), WeightPlan(), 0.01)
        a, b = problem.leaves()
        losses, _ = problem.fused(form, a, b)
        grads = torch.autograd.grad(losses.sum(), (a, b))
        torch.testing.assert_close(losses, torch.full_like(losses, 200.0))
        assert all(grad.isfinite().all() for grad in grads)

    @pytest.mark.parametrize("form", ["out", "in"])
    def test_same_rows_make_each_product_once(
        self, form: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from supcon_ext.losses import fused_kernels

        problem = case(70, 70, 12, with_=EVERYTHING)
        place = problem.anchors.columns["place"]
        plan = problem.plan
        problem = replace(
            problem,
            contrasts=problem.anchors,
            right=problem.left,
            plan=plan._replace(log_column=plan.log_column[place]),
        )
        z, k = problem.leaves()
        losses, _ = problem.fused(form, z, k)
        apart = sum(torch.autograd.grad(losses.square().sum(), (z, k)))
        roles = []
        inner = fused_kernels.gradient

        def recorded(*args, role: str):
            roles.append(role)
            return inner(*args, role=role)

        monkeypatch.setattr(fused_kernels, "gradient", recorded)
        once, _ = problem.fused(form, z, z)
        together = torch.autograd.grad(once.square().sum(), z)[0]
        assert roles == ["both"]
        torch.testing.assert_close(together, apart, rtol=1e-4, atol=2e-5)

    def test_only_the_wanted_side_is_computed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from supcon_ext.losses import fused_kernels

        roles = []
        inner = fused_kernels.gradient

        def recorded(*args, role: str):
            roles.append(role)
            return inner(*args, role=role)

        monkeypatch.setattr(fused_kernels, "gradient", recorded)
        problem = case(9, 12, 5)
        z, k = problem.leaves()
        losses, _ = problem.fused("out", z, k.detach())
        losses.sum().backward()
        assert roles == ["anchor"]
        assert z.grad is not None

    @pytest.mark.parametrize("form", ["out", "in"])
    def test_half_products(self, form: str) -> None:
        problem = case(40, 60, 64)
        a, b = problem.leaves()
        exact, _ = problem.fused(form, a, b)
        z, k = problem.leaves()
        losses, _ = problem.fused(form, z, k, "half")
        error = (losses - exact).abs().max()
        assert 0 < error < 2 * 2**-8 / problem.temperature
        wanted = torch.autograd.grad(exact.sum(), (a, b))
        for mine, theirs in zip(torch.autograd.grad(losses.sum(), (z, k)), wanted, strict=True):
            assert (mine - theirs).norm() < 0.01 * theirs.norm()

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
    def test_half_inputs_are_computed_in_float32(self, dtype: torch.dtype) -> None:
        problem = case(9, 12, 5)
        z, k = (leaf.detach().to(dtype).requires_grad_() for leaf in problem.leaves())
        losses, total = problem.fused("out", z, k)
        exact, _ = problem.fused("out", z.detach().float(), k.detach().float())
        assert losses.dtype == total.dtype == torch.float32
        torch.testing.assert_close(losses, exact, rtol=0, atol=0)
        losses.sum().backward()
        assert z.grad is not None and z.grad.dtype == dtype

    def test_repeats_bit_for_bit(self) -> None:
        problem = case(70, 90, 16, with_=EVERYTHING)
        found = []
        for _ in range(2):
            z, k = problem.leaves()
            losses, total = problem.fused("in", z, k)
            found.append((losses, total, *torch.autograd.grad(losses.sum(), (z, k))))
        assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))

    def test_totals_carry_no_gradient(self) -> None:
        problem = case(9, 12, 5)
        losses, total = problem.fused("out", *problem.leaves())
        assert losses.requires_grad
        assert not total.requires_grad

    @pytest.mark.parametrize("same_rows", [False, True])
    def test_second_derivatives_are_an_error(self, same_rows: bool) -> None:
        problem = case(12, 12, 5)
        problem = replace(problem, contrasts=problem.anchors, right=problem.left)
        z, k = problem.leaves()
        losses, _ = problem.fused("out", z, z if same_rows else k)
        grad = torch.autograd.grad(losses.sum(), z, create_graph=True)[0]
        with pytest.raises(RuntimeError, match="first derivatives"):
            (losses.sum() + grad.square().sum()).backward()

    @pytest.mark.parametrize("given", ["", EVERYTHING])
    def test_compiles_into_one_graph(self, given: str) -> None:
        problem = case(12, 17, 5, with_=given)
        z, k = problem.leaves()

        def loss(z: Tensor, k: Tensor) -> Tensor:
            return problem.fused("out", z, k)[0].sum()

        compiled = torch.compile(loss, backend="aot_eager", fullgraph=True)
        made = torch.autograd.grad(compiled(z, k), (z, k))
        plain = torch.autograd.grad(loss(z, k), (z, k))
        for mine, theirs in zip(made, plain, strict=True):
            torch.testing.assert_close(mine, theirs, rtol=0, atol=0)

    def test_operators_keep_their_promises(self) -> None:
        problem = case(5, 6, 3, with_="weight")
        z, k = problem.leaves()
        ones = torch.ones(5, device=DEVICE)
        vectors = [
            problem.anchors.uid, problem.left.code, None, None, ones, None, None,
            problem.contrasts.uid, problem.right.code, None, problem.right.weight, None, None,
        ]  # fmt: skip
        torch.library.opcheck(
            fused._statistics,
            (z, k, vectors, "out", "float32", False),
            test_utils=("test_schema", "test_faketensor", "test_autograd_registration"),
        )

    @pytest.mark.parametrize("sizes", [(0, 5), (5, 0)])
    def test_nothing_to_compute(self, sizes: tuple[int, int]) -> None:
        problem = case(5, 5, 4)
        empty = [slice(0, size) for size in sizes]
        problem = Case(
            problem.anchors.rows(empty[0]),
            problem.contrasts.rows(empty[1]),
            problem.left.rows(empty[0]),
            problem.right.rows(empty[1]),
            WeightPlan(),
        )
        z, k = problem.leaves()
        losses, total = problem.fused("in", z, k)
        grads = torch.autograd.grad(losses.sum(), (z, k))
        assert losses.shape == total.shape == (sizes[0],)
        assert not any(torch.count_nonzero(part) for part in (losses, total, *grads))

    def test_says_what_does_not_fit(self) -> None:
        problem = case(5, 6, 3)
        z, k = problem.leaves()
        with pytest.raises(ValueError, match="`z_AD` of float32"):
            problem.fused("out", z.double(), k)
        with pytest.raises(ValueError, match="shapes"):
            problem.fused("out", z, k[:, :2])
        with pytest.raises(ValueError, match="`form`"):
            problem.fused("both", z, k)
        with pytest.raises(ValueError, match="`products`"):
            problem.fused("out", z, k, "tf32")
        with pytest.raises(ValueError, match="`temperature`"):
            replace(problem, temperature=0.0).fused("out", z, k)
        with pytest.raises(ValueError, match=r"`contrasts\.code` of shape"):
            replace(problem, right=problem.right.rows(slice(0, 5))).fused("out", z, k)


@pytest.mark.skipif(INTERPRETED, reason="this is that run")
@pytest.mark.parametrize("which", ["not long", pytest.param("long", marks=pytest.mark.long)])
def test_kernels_in_the_interpreter(which: str) -> None:
    pytest.importorskip("triton")
    environment = {**os.environ, "TRITON_INTERPRET": "1", "CUDA_VISIBLE_DEVICES": ""}
    for name in [name for name in environment if name.startswith("PYTEST_")]:
        del environment[name]
    run = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            str(Path(__file__)),
            "-k",
            "TestKernels",
            "-m",
            which,
        ],
        env=environment,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-6000:] + run.stderr[-2000:]
    assert " passed" in run.stdout


@pytest.mark.skipif(INTERPRETED, reason="needs the real compiler")
@pytest.mark.parametrize(
    ("dtype", "dim"),
    [
        pytest.param(torch.float32, 128, marks=pytest.mark.long),
        (torch.float32, 256),
        pytest.param(torch.bfloat16, 128, marks=pytest.mark.long),
        (torch.bfloat16, 256),
    ],
)
@pytest.mark.parametrize("kernel", ["forward", "backward"])
def test_kernels_compile_for_a_gpu(
    kernel: str, dtype: torch.dtype, dim: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No GPU is needed to compile; the interpreter accepts what the compiler would not."""
    triton = pytest.importorskip("triton")
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from supcon_ext.losses import fused_kernels

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    launch = fused_kernels.launch_of(kernel, dim, dtype)
    function = getattr(fused_kernels, f"_{kernel}")
    block, chunks = fused_kernels.dims_of(dim, dtype)
    constants = {
        "OUT": False, "BLOCK_D": block, "CHUNKS": chunks, "PRECISION": "tf32x3",
        "BLOCK_A": launch.own, "BLOCK_K": launch.other,
        "BLOCK_OWN": launch.own, "BLOCK_OTHER": launch.other,
        "AS_ANCHOR": True, "AS_CONTRAST": True,
    }  # fmt: skip
    floats = {"z_A", "z_K", "z_own", "z_other"}
    types = {"uid": "*i64", "code": "*i64", "label": "*i64", "trusted": "*i8"}
    sizes = ("A", "K", "D", "segment", "own_count", "other_count")
    signature, values = {}, {}
    for place, name in enumerate(function.arg_names):
        if name in constants:
            signature[name], values[(place,)] = "constexpr", constants[name]
        elif name in sizes:
            signature[name] = "i32"
        elif name in floats:
            signature[name] = "*fp32" if dtype == torch.float32 else "*bf16"
        else:
            signature[name] = types.get(name.rsplit("_", 1)[0], "*fp32")
    made = triton.compile(
        ASTSource(fn=function, signature=signature, constexprs=values),
        target=GPUTarget("cuda", 86, 32),
        options={"num_warps": launch.num_warps, "num_stages": launch.num_stages},
    )
    assert made.metadata.shared <= 99 * 1024


@pytest.mark.skipif(not GPU, reason="needs an NVIDIA GPU")
@pytest.mark.parametrize("form", ["out", "in"])
@pytest.mark.parametrize("products", ["float32", "half"])
def test_large_batch_on_a_gpu(form: str, products: str) -> None:
    problem = case(4096, 4096 + 512, 128, with_=EVERYTHING, extra=512, classes=100)
    if products == "half":  # a rounded similarity may cross the threshold: another problem
        right = replace(problem.right, threshold=None)
        left = right.rows(problem.anchors.columns["place"])
        problem = replace(problem, left=left, right=right)
    z, k = problem.leaves()
    losses, total = problem.fused(form, z, k, products)
    grads = torch.autograd.grad(losses.sum(), (z, k))
    a, b = problem.leaves()
    wanted, wanted_total = tiled_anchor_losses(
        problem.anchors.with_z(a), problem.contrasts.with_z(b), problem, problem.plan, 0.1, form
    )
    wanted_grads = torch.autograd.grad(wanted.sum(), (a, b))
    tolerance = 1e-4 if products == "float32" else 0.05
    torch.testing.assert_close(total, wanted_total, rtol=1e-4, atol=1e-2)
    torch.testing.assert_close(losses, wanted, rtol=tolerance, atol=tolerance)
    for mine, theirs in zip(grads, wanted_grads, strict=True):
        assert (mine - theirs).norm() < (1e-4 if products == "float32" else 0.01) * theirs.norm()


def test_missing_triton_is_logged_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
    fused._triton_found.cache_clear()
    try:
        with caplog.at_level(logging.WARNING, logger="supcon_ext.losses.fused"):
            assert not fused_available("cuda")
            assert not fused_available(torch.device("cuda", 0))
    finally:
        fused._triton_found.cache_clear()
    assert [record.message for record in caplog.records] == [
        "Package `triton` is missing: the loss is computed in tiles, more slowly"
    ]


def test_old_gpus_and_plain_cpus_use_the_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (7, 5))
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    assert not fused_available("cuda")
    assert not fused_available("cpu")
    z = torch.eye(2)
    same = Factors(torch.zeros(2, dtype=torch.long))
    with pytest.raises(ValueError, match="fused_available"):
        fused_anchor_losses(
            z, z, same, same, torch.arange(2), torch.arange(2),
            label_A=same.code, label_K=same.code, log_column=None, log_same=None,
            temperature=0.1, form="out",
        )  # fmt: skip


def test_importing_it_does_not_import_triton() -> None:
    program = "import sys, supcon_ext.losses.fused; sys.exit('triton' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
