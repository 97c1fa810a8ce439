# SPDX-License-Identifier: Apache-2.0
"""Bad inputs, rows HDF5 of the catalogue: objects, types, shapes, storage, links."""
import struct

import h5py
import numpy as np
from bad_case import Maker, put, remove, replace, retype

U = 20  # customers of the valid file
N = 30  # items


def attribute(name, value, path="/"):
    def change(file):
        del file[path].attrs[name]
        if value is not None:
            file[path].attrs[name] = value
    return change


def formats(maker):
    maker.edit("no-format", attribute("format", None), 3, "attribute 'format' is missing")
    maker.edit("other-format", attribute("format", np.bytes_("batchrank-catalogue")), 3,
               "format is 'batchrank-catalogue'; expected 'batchrank-customers'")
    maker.edit("text-format", attribute("format", "batchrank-customers"), 3,
               "'format' is variable-length string; expected S<n>")
    maker.edit("number-format", attribute("format", np.int64(5)), 3, "'format' is i64")
    maker.edit("long-format", attribute("format", np.bytes_("x" * 100)), 3, "100 bytes")
    maker.edit("no-version", attribute("version", None), 3, "attribute 'version' is missing")
    maker.edit("version-2", attribute("version", np.int64(2)), 3, "version 2", "reads version 1")
    maker.edit("version-0", attribute("version", np.int64(0)), 3, "version 0", "reads version 1")
    maker.edit("version-f64", attribute("version", 1.0), 3, "f64; expected one i64")
    maker.edit("version-i32", attribute("version", np.int32(1)), 3, "i32; expected one i64")
    maker.edit("version-twice", attribute("version", np.int64([1, 1])), 3, "2 of i64")
    maker.edit("catalogue-version", attribute("version", np.int64(7)), 3, "version 7",
               kind="catalogue")
    maker.edit("empty-attribute", attribute("version", h5py.Empty("i8")), 3, "'version'")


def objects(maker):
    maker.edit("no-key", remove("/customer/key"), 3, "/customer/key: missing")
    maker.edit("no-customer-group", remove("/customer"), 3, "/customer/key: missing")
    maker.edit("no-item-key", remove("/item/key"), 3, "/item/key: missing", kind="catalogue")
    maker.edit("no-offset", remove("/timeline/browse/offset"), 3,
               "/timeline/browse/offset: missing")
    maker.edit("no-item", remove("/timeline/browse/item"), 3, "/timeline/browse/item: missing")
    maker.edit("no-time", remove("/timeline/browse/time"), 3, "/timeline/browse/time: missing")
    maker.edit("no-static-key", remove("/static_key/age"), 3, "/static_key/age: missing")
    maker.edit("no-exclude-item", remove("/exclude/item"), 3, "/exclude/item: missing")
    maker.edit("no-contact-time", remove("/contact/time"), 3, "/contact/time: missing")
    maker.edit("misspelt-exclude", lambda f: f.move("/exclude", "/exclud"), 3,
               "/exclud: unknown group")
    maker.edit("unknown-dataset", replace("/customer/age", np.arange(U)), 3,
               "/customer/age: unknown dataset")
    maker.edit("unknown-item-column", replace("/item/colour", np.arange(N)), 3,
               "/item/colour: unknown dataset", kind="catalogue")
    maker.edit("own-data", replace("/extra/notes/x", np.arange(3)), 0)
    maker.edit("group-for-dataset", lambda f: (remove("/segment")(f), f.create_group("/segment")),
               3, "/segment: is a group; expected a dataset")
    for path in ("/timeline", "/static", "/consent", "/vocabulary/spare"):
        maker.edit("dataset-for-" + path.split("/")[-1], replace(path, np.arange(3)), 3,
                   path + ": is a dataset; expected a group")
    maker.edit("dataset-for-values", replace("/item/value", np.arange(3)), 3,
               "/item/value: is a dataset; expected a group", kind="catalogue")
    maker.edit("dataset-for-modality", replace("/timeline/extra", np.arange(3)), 3,
               "/timeline/extra: is a dataset; expected a group")
    maker.edit("no-vocabulary-attribute", attribute("vocabulary", None, "/timeline/browse"), 3,
               "/timeline/browse: attribute 'vocabulary' is missing")
    maker.edit("unknown-vocabulary",
               attribute("vocabulary", np.bytes_("shop"), "/timeline/browse"), 3,
               "attribute 'vocabulary' is 'shop'")
    maker.edit("vocabulary-path",
               attribute("vocabulary", np.bytes_("../customer"), "/timeline/browse"), 3,
               "attribute 'vocabulary' is '../customer'")
    maker.edit("no-vocabulary-key", remove("/vocabulary/campaign/key"), 3,
               "attribute 'vocabulary' is 'campaign'")
    maker.edit("no-aggregate-names", attribute("names", None, "/aggregate"), 3,
               "/aggregate: attribute 'names' is missing")
    maker.edit("too-few-names", attribute("names", np.bytes_(["a"]), "/aggregate"), 3,
               "'names' has 1 values; expected 2")
    maker.edit("same-names", attribute("names", np.bytes_(["a", "a"]), "/aggregate"), 3,
               "columns 0 and 1 are both named 'a'")
    maker.edit("empty-aggregate-name", attribute("names", np.bytes_(["a", ""]), "/aggregate"), 3,
               "name 1 has 0 bytes")
    maker.edit("long-modality-name", lambda f: f.move("/timeline/browse", "/timeline/" + "b" * 64),
               3, "name of 64 bytes; at most 63")
    maker.edit("name-no-utf8", lambda f: f.create_group(b"/item/value/\xff\xfe"), 3,
               "/item/value/: holds a name that is not UTF-8", kind="catalogue")


def types(maker):
    for name, path, dtype, says in (
            ("item-i64", "/timeline/browse/item", "<i8", "i64; expected i32"),
            ("item-u32", "/timeline/browse/item", "<u4", "u32; expected i32"),
            ("item-big-endian", "/timeline/browse/item", ">i4", "big-endian i32; expected i32"),
            ("item-f32", "/timeline/browse/item", "<f4", "f32; expected i32"),
            ("time-f64", "/timeline/browse/time", "<f8", "f64; expected i64"),
            ("time-i32", "/timeline/browse/time", "<i4", "i32; expected i64"),
            ("offset-i64", "/timeline/browse/offset", "<i8", "i64; expected u64"),
            ("weight-f64", "/timeline/browse/weight", "<f8", "f64; expected f32"),
            ("type-i8", "/timeline/browse/type", "i1", "i8; expected u8"),
            ("consent-bool", "/consent/email", "?", "enum (or bool); expected u8"),
            ("segment-i64", "/segment", "<i8", "i64; expected u64"),
            ("vector-f16", "/vector", "<f2", "f16; expected f32"),
            ("aggregate-big-endian", "/aggregate", ">f4", "big-endian f32; expected f32")):
        maker.edit(name, retype(path, dtype), 3, path, "type is " + says)
    maker.edit("key-i64", replace("/customer/key", np.arange(U)), 3, "type is i64; expected S<n>")
    maker.edit("key-text", replace("/customer/key", [f"c{u}" for u in range(U)],
                                   dtype=h5py.string_dtype()), 3,
               "type is variable-length string; expected S<n>")
    maker.edit("key-compound", replace("/customer/key", np.zeros(U, [("a", "<i4")])), 3,
               "type is compound")
    maker.edit("key-reference", bomb("/customer/key", (U,), h5py.ref_dtype), 3,
               "type is reference")
    maker.edit("key-opaque", replace("/customer/key", np.zeros(U, "V8")), 3, "type is opaque")
    maker.edit("item-vlen", bomb("/timeline/browse/item", (3,), h5py.vlen_dtype("<i4")), 3,
               "type is variable-length")
    maker.edit("key-too-wide", replace("/customer/key", np.asarray([b"x"] * U, "S256")), 3,
               "256 bytes per value; expected 1 to 255")
    maker.edit("item-name-number", replace("/item/name", np.arange(N)), 3,
               "/item/name: type is i64; expected S<n>", kind="catalogue")
    maker.edit("price-f64", retype("/item/value/price", "<f8"), 3, "f64; expected f32",
               kind="catalogue")


def shapes(maker):
    maker.edit("key-2d", replace("/customer/key", np.zeros((U, 1), "<u8")), 3,
               "2 dimensions; expected 1")
    maker.edit("key-scalar", replace("/customer/key", np.uint64(5)), 3, "0 dimensions; expected 1")
    maker.edit("key-null", replace("/customer/key", h5py.Empty("<u8")), 3, "has no shape")
    maker.edit("aggregate-1d", replace("/aggregate", np.zeros(U, "<f4")), 3,
               "1 dimensions; expected 2")
    maker.edit("aggregate-3d", replace("/aggregate", np.zeros((U, 1, 1), "<f4")), 3,
               "3 dimensions; expected 2")
    maker.edit("no-customers", replace("/customer/key", np.zeros(0, "<u8")), 3, "0 rows")
    maker.edit("no-items", replace("/item/key", np.zeros(0, "<u8")), 3, "0 rows",
               kind="catalogue")
    maker.edit("short-offset", replace("/timeline/browse/offset", np.zeros(U, "<u8")), 3,
               "20 rows; expected 21, one per row of /customer/key and the end")
    maker.edit("short-time", replace("/timeline/browse/time", np.zeros(3, "<i8")), 3,
               "/timeline/browse/time: 3 rows", "one per row of the group's item")
    maker.edit("short-weight", replace("/timeline/browse/weight", np.zeros(3, "<f4")), 3,
               "/timeline/browse/weight: 3 rows")
    maker.edit("short-type", replace("/timeline/browse/type", np.zeros(3, "u1")), 3,
               "/timeline/browse/type: 3 rows")
    maker.edit("short-consent", replace("/consent/email", np.zeros(U - 1, "u1")), 3,
               "/consent/email: 19 rows; expected 20, one per row of /customer/key")
    maker.edit("long-segment", replace("/segment", np.zeros(U + 1, "<u8")), 3,
               "/segment: 21 rows; expected 20")
    maker.edit("short-static", replace("/static/age", np.zeros(U - 1, "<i4")), 3, "19 rows")
    maker.edit("short-vector", replace("/vector", np.zeros((1, 4), "<f4")), 3, "/vector: 1 rows")
    maker.edit("no-columns", replace("/vector", np.zeros((U, 0), "<f4")), 3,
               "/vector: 0 columns; expected 1 to 1024")
    maker.edit("wide-vector", replace("/vector", np.zeros((U, 1025), "<f4")), 3,
               "1025 columns; expected 1 to 1024")
    maker.edit("short-valid", replace("/item/valid", np.zeros((3, 2), "<i8")), 3, "3 rows",
               kind="catalogue")
    maker.edit("valid-3-columns", replace("/item/valid", np.zeros((N, 3), "<i8")), 3,
               "3 columns; expected 2", kind="catalogue")
    maker.edit("short-bias", replace("/item/bias", np.zeros(1, "<f4")), 3, "/item/bias: 1 rows",
               kind="catalogue")
    maker.edit("short-group", replace("/item/group/brand", np.zeros(1, "<i4")), 3, "1 rows",
               kind="catalogue")


def bomb(path, shape, dtype, **options):
    """A change: a dataset that is declared and never written."""
    def change(file):
        if path in file:
            del file[path]
        file.create_dataset(path, shape=shape, dtype=dtype, **options)
    return change


def drop_chunk(file):
    del file["/segment"]
    made = file.create_dataset("/segment", shape=(U,), dtype="<u8", chunks=(5,))
    made[:10] = 1


def huge_dim(data):
    """The offset dataset's first dimension becomes 2^63 (an old-format file has no checksums)."""
    at = data.find(struct.pack("<QQ", U + 1, U + 1))
    at = at if at >= 0 else data.find(struct.pack("<Q", U + 1))
    data[at:at + 8] = struct.pack("<Q", 1 << 63)
    return data


def storage(maker):
    maker.edit("bomb-contiguous", bomb("/item/key", (10_000_000,), "<u8"), 3,
               "stores 0 of the 80000000 bytes", kind="catalogue")
    maker.edit("bomb-chunked", bomb("/item/key", (10_000_000,), "<u8", chunks=(1000,)), 3,
               "declares 10000000 rows but stores nothing", kind="catalogue")
    maker.edit("bomb-8-tib", bomb("/customer/key", (1 << 40,), "<u8"), 3, "stores 0 of the")
    maker.edit("bomb-2-to-62", bomb("/customer/key", (1 << 60,), "u1"), 3, "type is u8")
    maker.edit("too-many-rows", bomb("/customer/key", (1 << 50,), "<u8", chunks=(1000,)), 3,
               "1125899906842624 rows; at most")
    maker.edit("too-many-items", bomb("/item/key", (10_000_001,), "<u8"), 3,
               "10000001 rows; at most 10000000", kind="catalogue")
    maker.edit("unlimited-empty", bomb("/segment", (U,), "<u8", maxshape=(None,)), 3,
               "stores nothing")
    maker.edit("missing-chunk", drop_chunk, 3, "/segment: only 2 of 4 chunks are stored")
    maker.edit("huge-chunks", bomb("/segment", (U,), "<u8", chunks=(20_000_000,),
                                   maxshape=(None,)), 3, "chunks of more than")
    maker.edit("deflate-bomb", replace("/vocabulary/campaign/key", np.zeros(4 << 20, "<u8"),
                                       chunks=(1 << 20,), compression="gzip"), 3,
               "more than 200 : 1")
    maker.edit("scale-offset", replace("/segment", np.zeros(U, "<u8"), scaleoffset=0), 3,
               "/segment: filter 6", "expected only shuffle, deflate, Fletcher32")
    maker.edit("lzf", replace("/segment", np.zeros(U, "<u8"), chunks=(5,), compression="lzf"), 3,
               "/segment: filter 32000")
    maker.edit("all-allowed-filters", replace("/segment", np.arange(U, dtype="<u8"), chunks=(5,),
                                              compression="gzip", shuffle=True, fletcher32=True),
               0)
    maker.edit("chunk-beyond-shape", replace("/segment", np.zeros(U, "<u8"), chunks=(64,),
                                             maxshape=(None,)), 0)
    flip = bytes(np.full(U, 0x5a5a5a5a5a5a5a5a, "<u8"))

    def spoil(data):
        at = data.find(flip)
        data[at + 9] ^= 1
        return data

    path = maker.case("fletcher32", 3, "/segment: damaged in rows 0 to 6")
    with h5py.File(path, "r+", libver=("v110", "v110")) as file:
        replace("/segment", np.frombuffer(flip, "<u8"), chunks=(U,), fletcher32=True)(file)
    path.write_bytes(spoil(bytearray(path.read_bytes())))


def external_storage(maker):
    secret = maker.folder / "secret.txt"
    secret.write_bytes(b"root:x:0:0:" * 100)

    def change(file):
        del file["/segment"]
        file.create_dataset("/segment", shape=(U,), dtype="<u8",
                            external=[(str(secret), 0, 8 * U)])
    maker.edit("external-storage", change, 3, "/segment: stored in another file")


def virtual(maker):
    with h5py.File(maker.folder / "source.h5", "w") as file:
        file["x"] = np.arange(U, dtype="<u8")

    def change(file):
        layout = h5py.VirtualLayout(shape=(U,), dtype="<u8")
        layout[:] = h5py.VirtualSource(str(maker.folder / "source.h5"), "x", shape=(U,))
        del file["/segment"]
        file.create_virtual_dataset("/segment", layout)
    maker.edit("virtual-layout", change, 3, "/segment: a view over other files")


def links(maker):
    def relink(path, link):
        def change(file):
            if path in file:
                del file[path]
            file[path] = link
        return change

    maker.edit("soft-link", relink("/segment", h5py.SoftLink("/customer/key")), 3,
               "/segment: is a soft link")
    maker.edit("dangling-soft-link", relink("/segment", h5py.SoftLink("/nowhere")), 3,
               "/segment: is a soft link")
    maker.edit("external-link", relink("/segment", h5py.ExternalLink("source.h5", "/x")), 3,
               "/segment: is an external link")
    maker.edit("group-link", relink("/timeline/browse", h5py.SoftLink("/timeline/mailing")), 3,
               "/timeline/browse: is a soft link")
    maker.edit("deep-link", relink("/extra/a/b/c", h5py.ExternalLink("x.h5", "/")), 3,
               "/extra/a/b/c: is an external link")
    maker.edit("catalogue-link", relink("/item/bias", h5py.SoftLink("/item/value/price")), 3,
               "/item/bias: is a soft link", kind="catalogue")
    maker.edit("cycle", lambda f: relink("/timeline/browse/again", f["/timeline"])(f), 3,
               "second name")
    maker.edit("root-cycle", lambda f: relink("/again", f["/"])(f), 3, "second name")
    maker.edit("named-type", lambda f: relink("/named", np.dtype("<i4"))(f), 3,
               "/named: is a named type")
    maker.edit("deep-groups", lambda f: f.create_group("/extra" + "/d" * 9), 3,
               "nested deeper than 8")
    maker.edit("many-attributes", lambda f: [f["/segment"].attrs.create(f"a{i}", i)
                                             for i in range(65)], 3,
               "/segment: 65 attributes; at most 64")
    maker.edit("many-objects", lambda f: [f.create_group(f"/extra/g{i}") for i in range(8200)], 3,
               "/extra: 8200 links; at most 8192")
    maker.edit("long-path", lambda f: f.create_group("/extra/" + "n" * 300), 3,
               "name of 300 bytes")
    maker.edit("shared-dataset", lambda f: relink("/extra/same", f["/segment"])(f), 0)


def old_format(maker):
    import make_files
    path = maker.case("old-format", 0)
    make_files.example_customers(path, libver="earliest")
    data = bytearray(path.read_bytes())
    path = maker.case("rows-2-to-63", 3)
    path.write_bytes(huge_dim(data))


def make_cases(folder):
    maker = Maker(folder)
    for table in (formats, objects, types, shapes, storage, external_storage, virtual, links,
                  old_format):
        table(maker)
    maker.edit("offset-put-back", put("/timeline/browse/offset", 0, 0), 0)
    return maker.cases
