# SPDX-License-Identifier: Apache-2.0
"""lists.h5 and the parts, read by h5py from another folder: test_view.py PUBLISH_MANY."""
import os
import subprocess
import sys
import tempfile

try:
    import h5py
    import numpy
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

N_UNITS, UNIT_ROWS, K, N_ITEMS = 3, 200, 20, 1020


def names_of(file):
    found = []
    file.visititems(lambda name, thing: found.append(name) if hasattr(thing, "shape") else None)
    return found


def main():
    with tempfile.TemporaryDirectory() as folder:
        run = os.path.join(folder, "run")
        subprocess.run([sys.argv[1], run, str(N_UNITS)], check=True)
        os.chdir("/")
        parts = [h5py.File(f"{run}/parts/part-{unit:05d}.h5", "r") for unit in range(N_UNITS)]
        with h5py.File(f"{run}/lists.h5", "r") as view:
            assert view.attrs["format"] == b"batchrank-lists" and view.attrs["version"] == 1
            assert view["item/key"].shape == (N_ITEMS,) and view["item/key"][7] == b"i00007"
            assert view["list/item"].shape == (N_UNITS * UNIT_ROWS, K)
            assert view["customer/row"][-1] == N_UNITS * UNIT_ROWS - 1
            assert list(view["gate/gate"].attrs["names"]) == [b"purchase", b"mailing",
                                                              b"redemption"]
            names = [name for name in names_of(view) if name != "item/key"]
            assert len(names) == 20, names
            assert {name: int(node.attrs["period_s"]) for name, node in view["survival"].items()} \
                == {"a-year": 31536000, "lapse": 604800}
            assert view["survival/lapse"].shape == (N_UNITS * UNIT_ROWS, 3)
            for name in names:
                whole = numpy.concatenate([part[name][:] for part in parts])
                assert view[name].dtype == whole.dtype, name
                assert view[name][:].tobytes() == whole.tobytes(), name
                assert not any(os.path.isabs(source.file_name)
                               for source in view[name].virtual_sources()), name
                assert parts[0][name].fletcher32, name
        for part in parts:
            part.close()
        # a missing part shows as nothing, not as a list
        os.remove(f"{run}/parts/part-00001.h5")
        with h5py.File(f"{run}/lists.h5", "r") as view:
            assert (view["list/item"][UNIT_ROWS:2 * UNIT_ROWS] == -1).all()
            assert numpy.isnan(view["list/score"][UNIT_ROWS:2 * UNIT_ROWS]).all()
            assert (view["customer/n"][UNIT_ROWS:2 * UNIT_ROWS] == -1).all()
            assert numpy.isnan(view["survival/lapse"][UNIT_ROWS:2 * UNIT_ROWS]).all()


if __name__ == "__main__":
    main()
