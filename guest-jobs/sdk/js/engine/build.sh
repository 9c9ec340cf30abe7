#!/bin/sh
# Builds the engine: `sh build.sh OUT.wasm`. Takes Rust with wasm32-unknown-unknown, zig as the C compiler (`ZIG` says where, if
# it is not on the search path), and npm, which fetches wasm-opt; without that, and other than what ships, with QUICK set. The same
# tools make the same bytes wherever they lie.
set -eu
case $1 in
  /*) out=$1 ;;
  *) out=$PWD/$1 ;;
esac
cd "$(dirname "$0")"
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
zig=${ZIG:-zig}
# The `cc` crate asks for the target by another name than zig's.
cat >"$tools/cc" <<EOF
#!/bin/sh
for argument; do
  shift
  case \$argument in
    --target=*) set -- "\$@" --target=wasm32-freestanding ;;
    *) set -- "\$@" "\$argument" ;;
  esac
done
exec $zig cc "\$@"
EOF
printf '#!/bin/sh\nexec %s ar "$@"\n' "$zig" >"$tools/ar"
chmod +x "$tools/cc" "$tools/ar"
cargo fetch --locked
# Folders of this machine are named neutrally wherever they get into the module.
flags="-Ctarget-feature=+simd128 --remap-path-prefix=$(cd ../../.. && pwd)=. --remap-path-prefix=$(rustc --print sysroot)=/rust"
for registry in "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*; do flags="$flags --remap-path-prefix=$registry=/cargo"; done
target=${CARGO_TARGET_DIR:-target}/js
CC_wasm32_unknown_unknown=$tools/cc AR_wasm32_unknown_unknown=$tools/ar \
  CFLAGS_wasm32_unknown_unknown="-mbulk-memory -msimd128 -fno-sanitize=undefined" RUSTFLAGS="$flags" \
  CARGO_TARGET_DIR=$target cargo build --locked --release --package pelton-js --target wasm32-unknown-unknown
if [ -n "${QUICK:-}" ]; then
  cp "$target/wasm32-unknown-unknown/release/pelton_js.wasm" "$out"
  exit
fi
npm install --silent --no-audit --no-fund --prefix "$tools" binaryen@132.0.0
"$tools/node_modules/.bin/wasm-opt" -O4 --enable-bulk-memory --enable-simd --enable-nontrapping-float-to-int \
  --enable-sign-ext --enable-mutable-globals --enable-reference-types --enable-multivalue \
  "$target/wasm32-unknown-unknown/release/pelton_js.wasm" -o "$tools/engine.wasm"
mv "$tools/engine.wasm" "$out"
