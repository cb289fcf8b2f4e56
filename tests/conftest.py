"""One thread for each test process: several of them share the cores."""

import os
import tempfile

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp(prefix="cache-")  # not the user's own
