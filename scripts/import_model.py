#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Turns a model trained elsewhere into a bundle that `batchrank run` takes (docs/MODELS.md, "Bring
a model"): model.json, weights.safetensors, vocabulary.h5, a catalogue.h5 of its items, and
golden.h5, 64 customers' vectors and 10 best items by the model's own framework where it is
installed, for `batchrank verify --golden OUT`. Needs NumPy and h5py; checkpoints are read without
PyTorch and without running anything that is in them. Exit code 2: something must be stated, or was
stated wrongly; 3: the file cannot be taken over; 4: it cannot be written.
"""
import argparse
import hashlib
import os
import shutil
import sys
from pathlib import Path

import h5py
import numpy as np

import bundle_writer
from importers import frameworks, golden, keys, sequence, vectors
from importers.refusal import Refusal, UsageRefusal

SEQUENCES = {"recbole-sasrec": sequence.recbole_sasrec, "recbole-gru4rec": sequence.recbole_gru4rec,
             "pmixer-sasrec": sequence.pmixer_sasrec}
VECTORS = {"implicit": vectors.implicit, "matrices": vectors.matrices}
EPILOG = """examples:
  import_model.py recbole-sasrec saved/SASRec-Nov-25.pth --item-keys items.txt -o sasrec
  import_model.py pmixer-sasrec SASRec.pth --variant c-post --heads 1 --golden-by model.py -o sasrec
  import_model.py implicit als.npz --item-keys items.txt --customer-keys users.txt -o als
  import_model.py matrices --items z.npy --customers x.npy -o two-tower
then: batchrank verify --golden OUT"""


def add_shared(parser):
    parser.add_argument("-o", "--out", required=True, type=Path, metavar="DIR",
                        help="the bundle; must not exist yet")
    parser.add_argument("--item-keys", metavar="FILE",
                        help="text, one key a line, one line per row of the item table (row "
                             "numbers); without a line for the padding row, or with an empty one")
    parser.add_argument("--name", help="of the model (the source format's)")
    parser.add_argument("--model-version", help="(the first 12 digits of the file's SHA-256)")
    parser.add_argument("--golden-by", default="auto", metavar="WHO",
                        help="whose forward pass goes into golden.h5. auto: the framework's where "
                             "it is installed, else numpy; framework; numpy: batchrank's own, "
                             "which cannot tell whether what you stated is true; FILE.npz: "
                             "recorded by you, item [U, T] (0: none) and vector [U, D]; for "
                             "pmixer also MODEL.py, the model's source, which is run")


def add_sequence(parser):
    add_shared(parser)
    parser.add_argument("checkpoint", help=".pth or .safetensors")
    parser.add_argument("--modality", default="event", metavar="NAME",
                        help="/timeline/NAME of customers.h5 (event)")
    parser.add_argument("--max-length", type=int, metavar="N",
                        help="events in the window; only where the file does not tell")


def build_parser():
    parser = argparse.ArgumentParser(prog="import_model.py", description=__doc__, epilog=EPILOG,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    formats = parser.add_subparsers(dest="format", required=True, metavar="FORMAT")

    one = formats.add_parser("recbole-sasrec", help="SASRec trained by RecBole")
    add_sequence(one)
    one.add_argument("--heads", type=int, help="only for a state_dict without its configuration")
    one.add_argument("--activation",
                     help="hidden_act, likewise: " + ", ".join(sequence.ACTIVATIONS))

    add_sequence(formats.add_parser("recbole-gru4rec", help="GRU4Rec trained by RecBole"))

    one = formats.add_parser("pmixer-sasrec", help="SASRec of github.com/pmixer/SASRec.pytorch")
    add_sequence(one)
    one.add_argument("--variant", choices=sorted(sequence.VARIANTS),
                     help="a: code until 2024-06-24; b: until 2025-05-20; c-post: later; c-pre: "
                          "later, trained with --norm_first. Required: tensors do not tell")
    one.add_argument("--heads", type=int, help="num_heads; only where neither args.txt nor the "
                                               "file's name tells")
    one.add_argument("--args", metavar="FILE", help="args.txt of the training (the one beside the "
                                                    "checkpoint)")

    one = formats.add_parser("implicit", help="ALS, BPR or LMF factors saved by implicit (.npz)")
    add_shared(one)
    one.add_argument("checkpoint", help="what model.save wrote")
    one.add_argument("--customer-keys", metavar="FILE", help="like --item-keys, per user")

    one = formats.add_parser("matrices", help="two matrices: items [N, D] and customers [U, D]")
    add_shared(one)
    one.add_argument("--items", required=True, metavar="Z", help="x.npy, x.npz:NAME or "
                                                                 "x.safetensors:NAME, [N, D]")
    one.add_argument("--customers", required=True, metavar="X", help="likewise, [U, D]")
    one.add_argument("--bias", metavar="B", help="likewise, [N], added to an item's every score")
    one.add_argument("--customer-keys", metavar="FILE", help="like --item-keys, per customer")
    return parser


def source_files(o):
    names = [o.items, o.customers, o.bias] if o.format == "matrices" else [o.checkpoint]
    return [Path(str(name).partition(":")[0] if o.format == "matrices" else name)
            for name in names if name]


def describe(o, dim, item, modalities):
    """model.json; where the weights came from is part of it."""
    digests = [(path.name, hashlib.sha256(path.read_bytes()).hexdigest())
               for path in source_files(o)]
    return {"format": "batchrank-model", "version": 1, "name": o.name or o.format,
            "model_version": o.model_version or digests[0][1][:12], "dim": int(dim),
            "item": {"vocabulary": "catalogue", **item}, "modalities": modalities,
            "fusion": {"type": "none"}, "heads": [],
            "training": {"lineage": f"import_model.py {o.format}",
                         "files": [{"name": n, "sha256": d} for n, d in digests]}}


def norm_first_of(o):
    """What args.txt says, for pmixer's code; without it, what the variant says."""
    stated = sequence.pmixer_arguments(o).get("norm_first")
    return (o.variant == "c-pre") if stated is None else stated == "True"


def sequence_oracle(o, modality, tensors):
    """Histories and whose vectors of them go into golden.h5."""
    if o.golden_by.endswith(".npz"):
        return golden.read_recorded(o.golden_by, modality, tensors)
    histories = golden.random_histories(len(tensors[modality["item_table"]]),
                                        modality["encoder"]["max_length"])
    if o.golden_by == "numpy":
        return histories, golden.own_oracle(modality, tensors, histories)
    try:
        if o.format == "pmixer-sasrec" and o.golden_by.endswith(".py"):
            oracle = frameworks.pmixer(Path(o.golden_by), modality, tensors, histories,
                                       norm_first_of(o))
        elif o.format == "pmixer-sasrec":
            raise ImportError("pmixer's code is no package: give --golden-by MODEL.py")
        else:
            oracle = frameworks.recbole(modality, tensors, histories)
    except ImportError as error:
        if o.golden_by != "auto":
            raise UsageRefusal(f"--golden-by {o.golden_by}: {error}") from error
        print(f"note: {error}", file=sys.stderr)
        return histories, golden.own_oracle(modality, tensors, histories)
    return histories, oracle


def import_sequence(o, folder):
    modality, tensors = SEQUENCES[o.format](o)
    table_VD = tensors[modality["item_table"]]
    if len(table_VD) < 2:
        raise Refusal(f"{modality['item_table']}: found {len(table_VD)} rows, expected the padding "
                      "row and at least one item")
    item_keys = keys.padded(o.item_keys, len(table_VD))
    histories, oracle = sequence_oracle(o, modality, tensors)
    golden.check_oracle(modality, tensors, histories, oracle)
    description = describe(o, table_VD.shape[1], {"table": modality["item_table"]}, [modality])
    bundle_writer.write_bundle(folder, description, tensors, {"catalogue": item_keys})
    golden.write(folder / "golden.h5", histories, oracle)
    write_catalogue(folder / "catalogue.h5", item_keys[1:])
    return oracle.source


def vector_oracle(o, item_ND, bias_N, customer_UD):
    step = max(1, len(customer_UD) // golden.N_CUSTOMERS)
    rows = np.arange(0, len(customer_UD), step)[:golden.N_CUSTOMERS]
    if o.format == "implicit" and o.golden_by in ("auto", "framework"):
        try:
            return frameworks.implicit(o.checkpoint, rows)
        except ImportError as error:
            if o.golden_by != "auto":
                raise UsageRefusal(f"--golden-by framework: {error}") from error
            print(f"note: {error}", file=sys.stderr)
    elif o.golden_by not in ("auto", "numpy"):
        raise UsageRefusal(f"--golden-by: found '{o.golden_by}', expected auto or numpy")
    return golden.Oracle(customer_UD[rows],
                         *golden.best_products(customer_UD[rows], item_ND, 0, bias_N),
                         "products in float64 NumPy")


def import_vectors(o, folder):
    item_ND, bias_N, customer_UD = VECTORS[o.format](o)
    item_keys = keys.plain(o.item_keys, len(item_ND), "row of the items")
    customer_keys = keys.plain(o.customer_keys, len(customer_UD), "row of the customers")
    tensors = {"item.table": item_ND} | ({} if bias_N is None else {"item.bias": bias_N})
    item = {"table": "item.table"} | ({} if bias_N is None else {"bias": "item.bias"})
    oracle = vector_oracle(o, item_ND, bias_N, customer_UD)
    bundle_writer.write_bundle(folder, describe(o, item_ND.shape[1], item, []), tensors,
                               {"catalogue": item_keys})
    golden.write(folder / "golden.h5", None, oracle)
    write_catalogue(folder / "catalogue.h5", item_keys)
    with h5py.File(folder / "customers.h5", "w") as file:
        file.attrs["format"] = np.bytes_("batchrank-customers")
        file.attrs["version"] = np.int64(1)
        file["/customer/key"] = bundle_writer.key_array(customer_keys)
        file["/vector"] = customer_UD.astype(np.float32)
    return oracle.source


def write_catalogue(path, item_keys):
    with h5py.File(path, "w") as file:
        file.attrs["format"] = np.bytes_("batchrank-catalogue")
        file.attrs["version"] = np.int64(1)
        file["/item/key"] = bundle_writer.key_array(item_keys)


def import_model(o):
    """The whole bundle under a temporary name first: OUT is complete or absent."""
    if o.out.exists():
        raise UsageRefusal(f"{o.out}: exists already; expected a new folder")
    folder = o.out.with_name(f".{o.out.name}.tmp-{os.getpid()}")
    try:
        source = (import_sequence if o.format in SEQUENCES else import_vectors)(o, folder)
        os.rename(folder, o.out)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{o.out}: golden.h5 holds vectors and lists by {source}")
    if source.startswith(golden.OWN) and o.format == "pmixer-sasrec":
        print("warning: that proves the engine, not the variant you stated; --golden-by MODEL.py "
              "or FILE.npz does", file=sys.stderr)
    print(f"next: batchrank verify --golden {o.out}")


def main(arguments):
    o = build_parser().parse_args(arguments)
    try:
        import_model(o)
    except Refusal as error:
        print(f"import_model.py: {error}", file=sys.stderr)
        return error.code
    except OSError as error:
        print(f"import_model.py: {error}", file=sys.stderr)
        return 4
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
