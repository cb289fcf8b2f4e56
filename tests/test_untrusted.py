"""Nothing that a stranger wrote is run: no pickle, no YAML tags, no evaluated text."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted([*ROOT.glob("supcon_ext/**/*.py"), *ROOT.glob("data_tools/**/*.py")])

MODULES = {"cPickle", "dill", "cloudpickle", "shelve", "marshal", "jsonpickle"}
UNSAFE = {
    "eval",
    "exec",
    "compile",
    "__import__",
    "yaml.load",
    "yaml.load_all",
    "yaml.unsafe_load",
    "yaml.full_load",
    "pandas.read_pickle",
    "pd.read_pickle",
    "joblib.load",
    "os.system",
    "os.popen",
}
RENAMED = {"pickle", "yaml", "torch", "joblib"}  # the names below are looked for as they are
PICKLE = {"pickle.load", "pickle.loads", "pickle.Unpickler"}
SAFE_WHEN = {
    "np.load": ("allow_pickle", False),
    "numpy.load": ("allow_pickle", False),
    "torch.load": ("weights_only", True),
}


def named(node: ast.expr) -> str:
    """``a.b`` of an expression that is a name or an attribute of names, else nothing."""
    if isinstance(node, ast.Attribute) and (left := named(node.value)):
        return f"{left}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def constant(call: ast.Call, keyword: str) -> object:
    for given in call.keywords:
        if given.arg == keyword and isinstance(given.value, ast.Constant):
            return given.value.value
    return None


def sent_through_memory(call: ast.Call) -> bool:
    """Whether ``pickle.loads`` takes what ``pickle.dumps`` has just made of an own object."""
    given = call.args[0] if len(call.args) == 1 else None
    return isinstance(given, ast.Call) and named(given.func) == "pickle.dumps"


def dangers(text: str) -> list[str]:
    """What a program does that could run what a file says."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found += [a.name for a in node.names if a.name.split(".")[0] in MODULES]
            found += [
                f"{a.name} as {a.asname}" for a in node.names if a.name in RENAMED and a.asname
            ]
        if isinstance(node, ast.ImportFrom):
            if (node.module or "").split(".")[0] in MODULES:
                found.append(str(node.module))
            loads = {f"{node.module}.{a.name}" for a in node.names}
            found += sorted(loads & (UNSAFE | PICKLE | set(SAFE_WHEN)))
        if not isinstance(node, ast.Call):
            continue
        name = named(node.func)
        if name in UNSAFE or (name in PICKLE and not sent_through_memory(node)):
            found.append(name)
        if name in SAFE_WHEN:
            keyword, value = SAFE_WHEN[name]
            if constant(node, keyword) is not value:
                found.append(f"{name} without {keyword}={value}")
        if constant(node, "shell") is True or constant(node, "allow_pickle") is True:
            found.append("shell or allow_pickle")
        if constant(node, "weights_only") is False:
            found.append("weights_only=False")
    return found


@pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(ROOT)) for path in FILES])
def test_no_file_of_the_package_runs_what_it_reads(path: Path) -> None:
    assert not dangers(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "text",
    [
        "import pickle\npickle.load(file)",
        "pickle.loads(path.read_bytes())",
        "pickle.Unpickler(file).load()",
        "from pickle import loads",
        "import pickle as p\np.loads(x)",
        "from joblib import load",
        "import numpy as np\nnp.load(path)",
        "np.load(path, allow_pickle=True)",
        "np.load(path, allow_pickle=flag)",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "from torch import load",
        "yaml.load(text)",
        "yaml.load(text, Loader=yaml.SafeLoader)",
        "from yaml import unsafe_load",
        "eval(text)",
        "exec(text)",
        "subprocess.run(text, shell=True)",
        "torch.hub.load_state_dict_from_url(url, weights_only=False)",
    ],
)
def test_each_danger_is_seen(text: str) -> None:
    assert dangers(text)


@pytest.mark.parametrize(
    "text",
    [
        "network.eval()",
        "re.compile(pattern)",
        "np.load(path, allow_pickle=False)",
        "torch.load(path, weights_only=True, map_location='cpu')",
        "yaml.safe_load(text)",
        "json.load(file)",
        "pickle.loads(pickle.dumps(view))",
    ],
)
def test_what_is_safe_passes(text: str) -> None:
    assert not dangers(text)
