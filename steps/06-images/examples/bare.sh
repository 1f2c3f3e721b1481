#!/bin/sh
# bare.sh IMAGE COMMAND...: runs a command in an image, which is a directory in the form of an OCI layout.
set -eu
image=$1
shift
root=$(mktemp -d)
trap 'rm -r "$root"' EXIT

# Prints the file of the blob with this digest, or fails if the bytes in the file have another digest.
blob() {
    file=$image/blobs/sha256/${1#sha256:}
    echo "${1#sha256:}  $file" | sha256sum --check --status || { echo "digest mismatch: $1" >&2; exit 1; }
    echo "$file"
}

# The index names the manifest. The manifest names the config, and then the layers from the lowest up.
manifest=$(blob "$(grep -o 'sha256:[0-9a-f]*' "$image/index.json" | head -n 1)")
for layer in $(grep -o 'sha256:[0-9a-f]*' "$manifest" | tail -n +2); do
    file=$(blob "$layer")
    tar -C "$root" -xf "$file"
    # A file .wh.NAME in a layer says: delete NAME, which a lower layer has.
    find "$root" -name '.wh.*' | while read -r mark; do
        rm -rf "${mark%/*}/${mark##*/.wh.}" "$mark"
    done
done
unshare --map-root-user chroot "$root" "$@"
