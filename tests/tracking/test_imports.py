import subprocess
import sys


def test_importing_the_package_loads_neither_mlflow_nor_torch():
    script = (
        "import sys, supcon_ext.tracking\n"
        "from supcon_ext.progress import console\n"
        "from supcon_ext.tracking import run_info\n"
        "heavy = {'mlflow', 'torch', 'pandas', 'numpy', 'sqlalchemy'} & set(sys.modules)\n"
        "print(sorted(heavy))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")
