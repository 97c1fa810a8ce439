#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fits `implicit` ALS on a timeline of customers.h5 and imports it, as the baseline beside a
trained model. Needs implicit, SciPy and h5py (scripts/requirements-peers.txt).

  scripts/fit_als.py --customers split/customers.h5 --catalogue data/catalogue.h5 -o als
Then `batchrank run` ranks with als/customers.h5, als/catalogue.h5 and the bundle als. Seeded, one
thread. Exit code 0, 2 (usage, package missing) or 3 (a file is not what it should be)."""
import argparse
import subprocess
import sys
import tempfile
from pathlib import Path


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=Path, required=True)
    parser.add_argument("--catalogue", type=Path, required=True)
    parser.add_argument("--modality", default="purchase")
    parser.add_argument("--factors", type=int, default=128)
    parser.add_argument("--regularization", type=float, default=10.0)
    parser.add_argument("--alpha", type=float, default=10.0)
    parser.add_argument("--iterations", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("-o", "--out", type=Path, required=True)
    return parser.parse_args()


def read_counts(args):
    """Customer keys, item keys, CSR of event counts."""
    import h5py
    import numpy as np
    import scipy.sparse

    with h5py.File(args.catalogue, "r") as file:
        items = file["/item/key"][:]
    with h5py.File(args.customers, "r") as file:
        customers, group = file["/customer/key"][:], file[f"/timeline/{args.modality}"]
        offset, item = group["offset"][:].astype(np.int64), group["item"][:]
    row = np.repeat(np.arange(len(customers)), np.diff(offset))
    counts = scipy.sparse.csr_matrix((np.ones(len(item), np.float32), (row, item)),
                                     shape=(len(customers), len(items)))
    return customers, items, counts


def text(key):
    return key.decode() if isinstance(key, bytes) else str(key)


def main():
    args = parse_arguments()
    try:
        import implicit
        from threadpoolctl import threadpool_limits
    except ImportError as error:
        print(f"fit_als: {error}: pip install -r scripts/requirements-peers.txt", file=sys.stderr)
        return 2
    try:
        customers, items, counts = read_counts(args)
    except (OSError, KeyError) as error:
        print(f"fit_als: {args.customers}, {args.catalogue}: {error}", file=sys.stderr)
        return 3
    with threadpool_limits(1, "blas"):
        model = implicit.als.AlternatingLeastSquares(
            factors=args.factors, regularization=args.regularization, alpha=args.alpha,
            iterations=args.iterations, random_state=args.seed, num_threads=1)
        model.fit(counts, show_progress=sys.stderr.isatty())
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        model.save(str(folder / "als.npz"))
        (folder / "items.txt").write_text("".join(text(k) + "\n" for k in items))
        (folder / "customers.txt").write_text("".join(text(k) + "\n" for k in customers))
        return subprocess.run([
            sys.executable, str(Path(__file__).with_name("import_model.py")), "implicit",
            str(folder / "als.npz"), "--item-keys", str(folder / "items.txt"),
            "--customer-keys", str(folder / "customers.txt"), "-o", str(args.out)]).returncode


if __name__ == "__main__":
    sys.exit(main())
