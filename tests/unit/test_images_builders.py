"""Images of every builder are imported, unpacked and found again; what is none is refused."""

from __future__ import annotations

import bz2
import json
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cramjam
import pytest

from reprun.digests import sha256_bytes
from reprun.errors import IntegrityError, ReprunError, SpecificationError
from reprun.images.catalogue.catalogue import Catalogue
from reprun.images.model import Image
from reprun.images.prune import prune
from reprun.images.rootfs.sealed import walk
from reprun.images.rootfs.unpack import unpacked_root
from reprun.images.transfer import export_file, import_file
from reprun.progress import Silent
from reprun.store.store import Store
from tests.foreign_images import (
    APP,
    BASE,
    BUILDERS,
    CONTENTS,
    OCI,
    Layout,
    as_tar,
    catalogue_with,
    config_of,
    crane,
    docker_archive,
    hex_of,
    named,
    new_docker_save,
    old_docker_save,
    packed,
    skopeo_oci_archive,
    unpack,
)
from tests.images_support import layered, member, tar_bytes
from tests.real_data import shared_case

pytestmark = pytest.mark.slow


class Said(Silent):
    """Progress that keeps what was said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, message: str) -> None:
        self.lines.append(message)


def imported(
    directory: Path, archive: bytes | Path, progress: Silent | None = None
) -> tuple[Image, Store]:
    """Import an archive under the name `foreign`."""
    directory.mkdir(exist_ok=True)
    path = archive if isinstance(archive, Path) else directory / "image.tar"
    if isinstance(archive, bytes):
        path.write_bytes(archive)
    store = Store(directory / "store")
    catalogue = Catalogue(catalogue_with(directory))
    image = import_file("foreign", path, catalogue, store, progress or Silent())
    assert catalogue.locked("foreign") == image
    return image, store


def refused(
    directory: Path, archive: bytes | Path, kind: type[ReprunError], message: str
) -> ReprunError:
    """Import what must be refused; nothing may be left of it."""
    with pytest.raises(kind, match=message) as caught:
        imported(directory, archive)
    assert not (directory / "images/foreign/external.lock").exists()
    store = Store(directory / "store")
    left = [path for path in store.root.rglob("*") if path.is_file() and path.name != "lock"]
    assert left == []
    assert caught.value.place
    assert len(caught.value.message) < 500
    return caught.value


def found(image: Image, store: Store) -> dict[str, str]:
    root = unpacked_root(image, store)
    return {
        path: f"-> {Path(entry.path).readlink()}"
        if entry.is_symlink()
        else Path(entry.path).read_text(errors="replace")
        for path, entry in walk(root)
        if not entry.is_dir(follow_symlinks=False)
    }


# -- builders ----------------------------------------------------------------------------------


@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize("builder", BUILDERS)
def test_an_image_of_every_builder_is_imported(tmp_path: Path, builder: str, content: str) -> None:
    layers = [tar_bytes(members, "w") for members in CONTENTS[content]()]
    image, store = imported(tmp_path, BUILDERS[builder](layers))
    assert image.image_id == sha256_bytes(config_of(layers))
    assert [layer.digest for layer in image.layers] == [sha256_bytes(each) for each in layers]
    assert found(image, store) == found(*layered(tmp_path / "same", *layers))
    assert dict(image.environment) == {"PATH": "/usr/bin"}
    assert not list(store.directory("incoming").iterdir())


@pytest.mark.parametrize("builder", BUILDERS)
def test_an_image_of_every_builder_is_imported_from_a_directory(
    tmp_path: Path, builder: str
) -> None:
    layers = [tar_bytes(BASE, "w"), tar_bytes(APP, "w"), tar_bytes(BASE, "w")]
    place = unpack(BUILDERS[builder](layers), tmp_path / "unpacked")
    image, store = imported(tmp_path, place)
    assert found(image, store) == {"etc/base": "base\n", "app/run": "#!/bin/sh\n"}


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": packed,
    "gzip in members": lambda data: packed(data[:700]) + packed(data[700:]),
    "gzip, padded": lambda data: packed(data) + bytes(512),
    "xz": lzma.compress,
    "xz in streams": lambda data: lzma.compress(data[:700]) + bytes(8) + lzma.compress(data[700:]),
    "bzip2": bz2.compress,
    "zstd": lambda data: bytes(cramjam.zstd.compress(data)),
}


@pytest.mark.parametrize("outer", PACKERS)
@pytest.mark.parametrize("inner", PACKERS)
def test_layers_and_archives_may_be_compressed(tmp_path: Path, inner: str, outer: str) -> None:
    layer = tar_bytes(BASE, "w")
    made = Layout()
    made.manifests = [made.image([layer], pack=PACKERS[inner])]
    image, store = imported(tmp_path, PACKERS[outer](made.archive()))
    assert found(image, store) == {"etc/base": "base\n"}
    assert image.layers[0].digest == sha256_bytes(layer)


def test_what_was_imported_is_exported_and_imported_again(tmp_path: Path) -> None:
    image, store = imported(tmp_path, crane([tar_bytes(BASE, "w"), tar_bytes(APP, "w")]))
    export_file(image, store, tmp_path / "out.tar")
    again, _ = imported(tmp_path / "again", tmp_path / "out.tar")
    assert again == image


# -- shared cases ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ("image-crane-config-name", None),
        ("image-no-config-key", None),
        ("image-oci-two-tags", None),
        ("image-oci-xz", None),
        ("image-distroless-absolute", "usr/bin/python"),
        ("image-kaniko-absolute-hardlink", "usr/bin/awk"),
        ("image-fifo", None),
    ],
)
def test_a_shared_case_is_imported(tmp_path: Path, case: str, expected: str | None) -> None:
    said = Said()
    image, store = imported(tmp_path, shared_case(case) / "image.tar", said)
    files = found(image, store)
    assert files
    assert expected is None or expected in files
    assert len(said.lines) == (case == "image-fifo")
    assert all("1 named pipe left out" in line for line in said.lines)


def test_the_shared_case_of_an_opaque_root_hides_all_below(tmp_path: Path) -> None:
    image, store = imported(tmp_path, shared_case("image-opaque-root") / "image.tar")
    assert set(found(image, store)) == {"new"}


# -- which image -------------------------------------------------------------------------------

ONE = [tar_bytes(BASE, "w")]
TWO = [tar_bytes(APP, "w")]
AMD64 = {"architecture": "amd64", "os": "linux"}


def variant(version: str) -> dict[str, str]:
    return {**AMD64, "variant": version}


def sbom(made: Layout, subject: dict[str, Any], how: str) -> dict[str, Any]:
    """Add something that is not an image; `how` says by what it can be known."""
    empty = made.blob(b"{}", "application/vnd.oci.empty.v1+json")
    bill = made.blob(b'{"spdx": 1}', "application/spdx+json")
    manifest: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": f"{OCI}.manifest.v1+json",
        "config": empty,
        "layers": [bill],
    }
    more: dict[str, Any] = {}
    match how:
        case "artifactType in the index":
            more["artifactType"] = "application/spdx+json"
        case "artifactType in the manifest":
            manifest |= {"artifactType": "application/spdx+json", "subject": subject}
        case "a config that is none":
            pass
        case "a config of its own type":
            manifest["config"] = made.blob(b"{}", "application/vnd.syft.config.v1+json")
        case "cosign":
            manifest["config"] = made.blob(config_of([]), f"{OCI}.config.v1+json")
            manifest["layers"] = [
                made.blob(b"{}", "application/vnd.dev.cosign.simplesigning.v1+json")
            ]
        case "an unknown media type":
            return made.document(manifest, "application/vnd.example.thing+json")
        case "attestation":
            more["annotations"] = {"vnd.docker.reference.type": "attestation-manifest"}
        case "unknown platform":
            more["platform"] = {"architecture": "unknown", "os": "unknown"}
    return made.document(manifest, f"{OCI}.manifest.v1+json", **more)


ARTIFACTS = [
    "artifactType in the index",
    "artifactType in the manifest",
    "a config that is none",
    "a config of its own type",
    "cosign",
    "an unknown media type",
    "attestation",
    "unknown platform",
]


@pytest.mark.parametrize("how", ARTIFACTS)
@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("nested", [True, False])
def test_what_is_beside_an_image_is_passed_over(
    tmp_path: Path, how: str, first: bool, nested: bool
) -> None:
    made = Layout()
    image = made.image(ONE)
    both = [sbom(made, image, how), image][:: 1 if first else -1]
    made.manifests = [made.index(both)] if nested else both
    assert imported(tmp_path, made.archive())[0].image_id == sha256_bytes(config_of(ONE))


@pytest.mark.parametrize("how", ARTIFACTS)
def test_an_artifact_alone_is_no_image(tmp_path: Path, how: str) -> None:
    made = Layout()
    made.manifests = [sbom(made, {}, how)]
    refused(tmp_path, made.archive(), SpecificationError, "holds 0 images for linux/amd64")


def test_two_tags_of_one_image_are_one_image(tmp_path: Path) -> None:
    made = Layout()
    made.manifests = [made.image(ONE, **named(tag)) for tag in ("a", "b", "c")]
    made.manifests.append(made.image(ONE, pack=bytes, **named("plain")))  # another manifest
    made.manifests.append(made.index(made.manifests[:2]))
    assert imported(tmp_path, made.archive())[0].image_id == sha256_bytes(config_of(ONE))


def test_two_entries_of_one_image_are_one_image(tmp_path: Path) -> None:
    files = docker_archive([("l.tar", ONE[0])], "config.json", config_of(ONE))
    entry = json.loads(files["manifest.json"])[0]
    files["manifest.json"] = json.dumps([entry, {**entry, "RepoTags": ["y:1"]}]).encode()
    assert imported(tmp_path, as_tar(files))[0].image_id == sha256_bytes(config_of(ONE))


@pytest.mark.parametrize(
    ("platforms", "taken"),
    [
        ([AMD64, variant("v2"), variant("v3")], 0),
        ([variant("v3"), variant("v2"), AMD64], 2),
        ([variant("v3"), variant("v2")], 1),
        ([variant("v2"), variant("v1")], 1),
        ([variant("v4"), variant("v3"), {"architecture": "arm64", "os": "linux"}], 1),
        ([variant("v3")], 0),
        ([variant("v9"), variant("v3")], 1),
        ([{"architecture": "arm64", "os": "linux", "variant": "v8"}, AMD64], 1),
        ([{"architecture": "amd64", "os": "windows"}, AMD64], 1),
        ([{"architecture": "amd64", "os": "freebsd"}, variant("v2")], 1),
        ([None, {"architecture": "arm64", "os": "linux"}], 0),
    ],
)
def test_the_lowest_variant_is_taken_on_every_machine(
    tmp_path: Path, platforms: list[dict[str, str] | None], taken: int
) -> None:
    made = Layout()
    configs = [config_of(ONE, created=f"{n}") for n in range(len(platforms))]
    made.manifests = [
        {**made.image(ONE, config=config), **({"platform": each} if each else {})}
        for each, config in zip(platforms, configs, strict=True)
    ]
    assert imported(tmp_path, made.archive())[0].image_id == sha256_bytes(configs[taken])


def test_the_variant_may_be_in_the_config_alone(tmp_path: Path) -> None:
    made = Layout()
    low, high = config_of(ONE), config_of(ONE, variant="v3")
    made.manifests = [made.image(ONE, config=high), made.image(ONE, config=low)]
    assert imported(tmp_path, made.archive())[0].image_id == sha256_bytes(low)


@pytest.mark.parametrize(
    ("platform", "message"),
    [
        ({"architecture": "arm64", "os": "linux"}, "only for linux/arm64"),
        ({"architecture": "amd64", "os": "windows"}, "only for windows/amd64"),
        ({"architecture": "arm", "os": "linux", "variant": "v7"}, "only for linux/arm/v7"),
    ],
)
def test_an_image_for_another_platform_is_refused(
    tmp_path: Path, platform: dict[str, str], message: str
) -> None:
    made = Layout()
    made.manifests = [made.image(ONE, platform=platform)]
    error = refused(tmp_path, made.archive(), SpecificationError, message)
    assert error.hint
    made.manifests = [made.image(ONE, config=config_of(ONE, **platform))]
    refused(tmp_path, made.archive(), SpecificationError, message)
    files = docker_archive([("l.tar", ONE[0])], "c.json", config_of(ONE, **platform))
    other = message.removeprefix("only ")
    refused(tmp_path, as_tar(files), SpecificationError, f"image 'foreign' is {other}")


def test_two_images_are_refused_by_their_names_unless_one_is_locked(tmp_path: Path) -> None:
    made = Layout()
    made.manifests = [made.image(ONE, **named("one")), made.image(TWO, **named("two"))]
    error = refused(
        tmp_path,
        made.archive(),
        SpecificationError,
        "holds 2 images for linux/amd64, not one: one, two",
    )
    assert (error.hint or "").startswith("docker save ONE_IMAGE")
    imported(tmp_path, skopeo_oci_archive(TWO))
    assert imported(tmp_path, made.archive())[0].image_id == sha256_bytes(config_of(TWO))


def test_two_images_of_a_docker_archive_likewise(tmp_path: Path) -> None:
    files: dict[str, bytes] = {}
    entries: list[Any] = []
    for tag, layers in (("one:1", ONE), ("two:2", TWO)):
        part = docker_archive(
            [(f"{tag}.tar", layers[0])], f"{tag}.json", config_of(layers), tags=[tag]
        )
        entries += json.loads(part.pop("manifest.json"))
        files |= part
    archive = as_tar({**files, "manifest.json": json.dumps(entries).encode()})
    refused(tmp_path, archive, SpecificationError, "not hold exactly one image: one:1, two:2")
    imported(tmp_path, skopeo_oci_archive(TWO))
    assert imported(tmp_path, archive)[0].image_id == sha256_bytes(config_of(TWO))


def test_what_an_index_lists_but_lacks_may_be_for_other_platforms(tmp_path: Path) -> None:
    """`docker save` of one platform keeps the whole index."""
    made = Layout()
    image = made.image(ONE, platform=AMD64)
    gone = {**image, "digest": "sha256:" + "1" * 64, "platform": variant("v3")}
    made.manifests = [made.index([gone, image])]
    imported(tmp_path, made.archive())
    made.manifests = [made.index([gone])]
    refused(tmp_path / "b", made.archive(), IntegrityError, "it lacks blobs/sha256/1111")


# -- configs -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "more",
    [
        {"config": ""},
        {"config": None},
        {"config": {}},
        {"config": {"Env": None}},
        {"config": {"Env": []}},
        {"architecture": ""},
        {"os": ""},
        {"os": None, "architecture": None, "variant": None},
        {"history": None, "created": None, "author": None},
        {"moby.buildkit.buildinfo.v1": "x", "container_config": {"Cmd": None}},
    ],
)
def test_optional_parts_of_a_config_may_be_absent_or_null(
    tmp_path: Path, more: dict[str, Any]
) -> None:
    made = Layout()
    made.manifests = [made.image(ONE, config=config_of(ONE, **more))]
    imported(tmp_path, made.archive())


@pytest.mark.parametrize(
    "name",
    ["config.json", "{}.json", "sha256:{}", "blobs/sha256/{}", "sha256:{}.json", "{}", "./{}.json",
     "a/b/c"],
)  # fmt: skip
def test_a_config_may_have_any_name_that_fits(tmp_path: Path, name: str) -> None:
    config = config_of(ONE)
    name = name.format(hex_of(config))
    imported(tmp_path, as_tar(docker_archive([("l.tar", ONE[0])], name, config)))
    if hex_of(config) in name:
        wrong = docker_archive([("l.tar", ONE[0])], name, config_of(ONE, author="another"))
        refused(tmp_path / "b", as_tar(wrong), IntegrityError, "not the one it is named for")


def with_env(*pairs: str) -> bytes:
    made = Layout()
    made.manifests = [made.image(ONE, config=config_of(ONE, config={"Env": pairs}))]
    return made.archive()


@pytest.mark.parametrize(
    "value",
    ["ä", "😀", "\x7f", "\x1b[31m", "a=b=c", "", '"\\', "\n", "\t", "\u2028", "\u202e", "'''",
     "x" * 9999],
)  # fmt: skip
def test_a_variable_comes_back_as_it_was(tmp_path: Path, value: str) -> None:
    image, _ = imported(tmp_path, with_env(f"NAME={value}", "=nameless", "EMPTY", f"{value}.=1"))
    assert image.environment["NAME"] == value
    assert image.environment["EMPTY"] == ""


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        (["A=\ud800"], "a variable that is not a string of Unicode: A"),
        (["A=\0"], "a variable with a NUL: A"),
        (["A\0B=1"], "a variable with a NUL"),
        (["A=" + "x" * 140_000], r"a variable A of more than 131\.1 kB"),
        ([f"A{n}=" + "x" * 100_000 for n in range(12)], r"an environment of more than 1\.0 MB"),
    ],
)
def test_a_variable_no_program_starts_with_is_refused(
    tmp_path: Path, pairs: list[str], message: str
) -> None:
    refused(tmp_path, with_env(*pairs), IntegrityError, message)


# -- what is refused, and leaves nothing -------------------------------------------------------


def with_manifest(change: Callable[[dict[str, Any]], object]) -> bytes:
    made = Layout()
    image = made.image(ONE)
    document = json.loads(made.blobs[f"blobs/sha256/{image['digest'][7:]}"])
    change(document)
    made.manifests = [made.document(document, image["mediaType"])]
    return made.archive()


def with_config(config: Any) -> bytes:
    made = Layout()
    data = config if isinstance(config, bytes) else json.dumps(config).encode()
    made.manifests = [made.image(ONE, config=data)]
    return made.archive()


def with_index(index: Any) -> bytes:
    made = Layout()
    made.image(ONE)
    data = index if isinstance(index, bytes) else json.dumps(index).encode()
    return as_tar({**made.files(), "index.json": data})


def with_docker_manifest(document: Any) -> bytes:
    data = document if isinstance(document, bytes) else json.dumps(document).encode()
    return as_tar({"manifest.json": data, "c.json": config_of(ONE), "l.tar": ONE[0]})


DEEP = b"[" * 100 + b"]" * 100
VERY_DEEP = b'{"a":' * 400_000
MANY = "sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("archive", "message"),
    [
        (with_index([]), "index.json is not a JSON object"),
        (with_index(b"{"), "index.json is not JSON"),
        (with_index(b"\xff\xfe\x00"), "index.json is not JSON"),
        (with_index(b'{"manifests":' + DEEP + b"}"), "nested more than 64 deep"),
        (with_index(VERY_DEEP), "nested more than 64 deep"),
        (with_index(b" " * (5 << 20)), r"index.json is larger than 4\.2 MB"),
        (with_index({"manifests": [1]}), "index.json is malformed: manifests"),
        (with_index({"manifests": [{}]}), "index.json is malformed: manifests"),
        (with_index({"manifests": [{"digest": "x"}]}), "'x' is not a digest sha256:"),
        (with_index({"manifests": [{"digest": "sha256:../../etc/passwd"}]}), "is not a digest"),
        (with_index({"manifests": [{"digest": MANY, "size": -1}]}), "malformed"),
        (with_index({"manifests": [{"digest": MANY}]}), "it lacks blobs/sha256/0000"),
        (with_index(b'{"manifests": [{"digest": "' + b"9" * 5000 + b'"}]}'), "is not a digest"),
        (with_index(b'{"manifests": [{"size": ' + b"9" * 5000 + b"}]}"), "is not JSON"),
        (with_manifest(lambda d: d.pop("config")), "malformed: .*config"),
        (with_manifest(lambda d: d.update(layers="x")), "malformed: layers"),
        (with_manifest(lambda d: d["config"].update(digest=3)), "malformed"),
        (with_manifest(lambda d: d["layers"].clear()), "has 0 layers, but its config lists 1"),
        (with_manifest(lambda d: d["layers"].extend(d["layers"])), "has 2 layers, but its config"),
        (with_manifest(lambda d: d.update(layers=d["layers"] * 1001)), "1,001 layers, more than"),
        (with_manifest(lambda d: d["layers"][0].update(digest=MANY)), "it lacks blobs/sha256/00"),
        (with_config([]), "the config of .* is not a JSON object"),
        (with_config(b"{"), "the config of .* is not JSON"),
        (with_config(DEEP), "nested more than 64 deep"),
        (with_config(VERY_DEEP), "nested more than 64 deep"),
        (with_config(b" " * (5 << 20)), r"a document of more than 4\.2 MB"),
        (with_config({}), "the config of .* is malformed: .*rootfs"),
        (with_config({"rootfs": {"type": "squash"}}), "a root of type 'squash'"),
        (with_config({"rootfs": {"diff_ids": ["x"]}}), "'x' is not a digest"),
        (with_config({"rootfs": {"diff_ids": [MANY] * 1001}}), "1,001 layers, more than 1,000"),
        (with_config({"rootfs": {"diff_ids": [MANY]}}), "does not have the digest in the image's"),
        (with_config({"rootfs": {"diff_ids": [3]}}), "malformed"),
        (with_config({"config": {"Env": "x"}, "rootfs": {}}), "malformed: config.Env"),
        (with_docker_manifest(b"{"), "manifest.json is not JSON"),
        (with_docker_manifest("x"), "is not a list of images"),
        (with_docker_manifest([3]), "is not a JSON object"),
        (with_docker_manifest([{}]), "malformed: .*Config"),
        (with_docker_manifest([{"Config": "none"}]), "it lacks none"),
        (with_docker_manifest([{"Config": "c.json", "Layers": ["none"]}]), "it lacks none"),
        (with_docker_manifest([{"Config": "c.json", "Layers": "x"}]), "malformed: Layers"),
        (with_docker_manifest([{"Config": "../c.json", "Layers": []}]), "has 0 layers"),
        (with_docker_manifest([{"Config": "l.tar", "Layers": []}]), "is not JSON"),
        (with_docker_manifest(VERY_DEEP), "nested more than 64 deep"),
        (as_tar({"index.json": b"{}"})[:1024] + b"x" * 600, "the archive cannot be read"),
    ],
)
def test_a_malformed_document_is_refused_and_leaves_nothing(
    tmp_path: Path, archive: bytes, message: str
) -> None:
    refused(tmp_path, archive, IntegrityError, message)


@pytest.mark.parametrize(
    ("archive", "message"),
    [
        (b"text", "this is not a tar archive"),
        (b"", "neither an OCI layout"),
        (bytes(1024), "neither an OCI layout"),
        (as_tar({"etc/passwd": b""}), "neither an OCI layout"),
        (as_tar({"repositories": b"{}", "x/layer.tar": b""}), "the format of Docker before 1.10"),
        (with_index({"manifests": []}), "holds 0 images for linux/amd64"),
        (with_index({"manifests": None}), "holds 0 images for linux/amd64"),
        (with_index({"schemaVersion": 1, "fsLayers": []}), "of schema 1"),
        (with_index({"manifests": [{"digest": "sha512:" + "0" * 128}]}), "only sha256 is read"),
        (with_docker_manifest([]), "does not hold exactly one image"),
        (with_docker_manifest({"layers": []}), "that of skopeo's form dir:"),
        (with_manifest(
            lambda d: d["layers"][0].update(mediaType=f"{OCI}.layer.v1.tar+gzip+encrypted")),
         "is encrypted"),
    ],
)  # fmt: skip
def test_what_is_no_image_is_refused_with_the_next_command(
    tmp_path: Path, archive: bytes, message: str
) -> None:
    error = refused(tmp_path, archive, SpecificationError, message)
    assert error.hint or "sha256" in message


def test_many_indexes_are_refused(tmp_path: Path) -> None:
    made = Layout()
    last = made.image(ONE)
    for _ in range(150):
        last = made.index([last])
    made.manifests = [last]
    refused(tmp_path, made.archive(), SpecificationError, "more than 100 indexes")


def test_a_name_in_a_manifest_reaches_no_file_outside(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(config_of([]))
    for name in (str(secret), "../secret", "a/../../secret", "../../../../etc/passwd"):
        place = tmp_path / f"layout{len(name)}"
        place.mkdir()
        entry = [{"Config": name, "Layers": []}]
        (place / "manifest.json").write_text(json.dumps(entry))
        refused(tmp_path, place, IntegrityError, "it lacks")


def test_a_device_or_pipe_is_no_archive(tmp_path: Path) -> None:
    refused(tmp_path, Path("/dev/zero"), SpecificationError, "neither a file nor a directory")


BAD_LAYERS = {
    "not a tar": (b"x" * 5000, "is not a tar archive"),
    "deep": (tar_bytes([member("a/" * 2500 + "f", b"")], "w"), "directories deep"),
    "leaves": (tar_bytes([member("../f", b"")], "w"), "leaves the tree"),
    "link": (tar_bytes([member("l", b"", type=b"1", linkname="n")], "w"), "a hard link to no file"),
    "type": (tar_bytes([member("l", b"", type=b"V")], "w"), "of the tar type 'V'"),
    "cut": (tar_bytes([member("l", b"x" * 2000)], "w")[:1024], "is truncated"),
}


@pytest.mark.parametrize("bad", BAD_LAYERS)
@pytest.mark.parametrize("builder", ["crane", "docker save 24", "skopeo oci-archive"])
def test_what_cannot_be_unpacked_is_not_imported_and_leaves_nothing(
    tmp_path: Path, bad: str, builder: str
) -> None:
    data, message = BAD_LAYERS[bad]
    layers = [tar_bytes(BASE, "w"), data, tar_bytes(APP, "w")]
    error = refused(tmp_path, BUILDERS[builder](layers), IntegrityError, message)
    assert error.hint
    assert error.place == str(tmp_path / "image.tar")


def test_a_refused_image_takes_nothing_of_another_one(tmp_path: Path) -> None:
    good, store = imported(tmp_path, crane([tar_bytes(BASE, "w"), tar_bytes(APP, "w")]))
    before = {path for path in store.root.rglob("*") if path.is_file()}
    bad = [tar_bytes(BASE, "w"), tar_bytes([member("new", b"")], "w"), BAD_LAYERS["link"][0]]
    path = tmp_path / "bad.tar"
    path.write_bytes(crane(bad))
    other = Catalogue(catalogue_with(tmp_path, "other"))
    with pytest.raises(IntegrityError, match="a hard link to no file"):
        import_file("other", path, other, store, Silent())
    assert {path for path in store.root.rglob("*") if path.is_file()} == before
    assert found(good, store) == {"etc/base": "base\n", "app/run": "#!/bin/sh\n"}
    assert prune(Catalogue(tmp_path / "images"), store, Silent(), dry_run=True).removed == ()


def test_a_wrong_image_is_refused_before_its_layers_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    imported(tmp_path, crane(ONE))
    monkeypatch.setattr("reprun.images.oci.importer.write_plain", None)
    with pytest.raises(IntegrityError, match="this is not image 'foreign': its image ID is"):
        imported(tmp_path, old_docker_save(TWO))


def test_an_interrupted_import_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("reprun.images.oci.importer.unpacked_root", interrupted)
    with pytest.raises(KeyboardInterrupt):
        imported(tmp_path, new_docker_save(ONE))
    assert not [p for p in (tmp_path / "store").rglob("*") if p.is_file() and p.name != "lock"]


@pytest.mark.parametrize(
    ("magic", "name"), [(b"\x04\x22\x4d\x18", "lz4"), (b"LZIP", "lzip"), (b"\x5d\x00\x00", "lzma")]
)
def test_another_compression_is_named(tmp_path: Path, magic: bytes, name: str) -> None:
    made = Layout()
    made.manifests = [made.image(ONE, pack=lambda data: magic + data)]
    error = refused(
        tmp_path, made.archive(), SpecificationError, f"layer 1 .* is compressed as {name}, which"
    )
    assert error.hint
