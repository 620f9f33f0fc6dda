#!/usr/bin/env bash
# Runs the fuzz targets: fuzz/run.sh [TIME] [TARGET...]
#
# TIME is a number of minutes, or of seconds with an s behind it (default: 20 minutes); TARGET is one or more of those in
# fuzz/fuzz_targets (default: all). As many run at once as there are processors, or as JOBS says. Ends with 1 at the first
# find, and says how to run it again.
#
#   fuzz/run.sh                      20 minutes each
#   fuzz/run.sh 5 frames repair      5 minutes for these two
#   fuzz/run.sh 20s                  the corpora, and 20 seconds each: what CI does
#   fuzz/run.sh --again frames FILE  an input again, such as a find
#   fuzz/run.sh --minimise frames    the corpus again with all that was found since, as few inputs as reach the same code
set -euo pipefail
cd "$(dirname "$0")"

# libFuzzer and the address sanitizer are a nightly compiler's; a stable one has both where it is told to act like one.
toolchain=()
if command -v rustup >/dev/null && rustup run nightly rustc --version >/dev/null 2>&1; then
    toolchain=(rustup run nightly)
else
    echo 'no nightly toolchain: the stable one takes its place (RUSTC_BOOTSTRAP=1)' >&2
    export RUSTC_BOOTSTRAP=1
fi
host=$("${toolchain[@]}" rustc -vV | sed -n 's/^host: //p')
built=target/$host/release
mapfile -t all < <(cd fuzz_targets && ls ./*.rs | sed 's|^\./||; s|\.rs$||')

build() {
    # What cargo-fuzz passes; without it, nothing has to be installed.
    local flags='--cfg fuzzing -Cpasses=sancov-module' option
    for option in level=4 inline-8bit-counters pc-table trace-compares; do
        flags+=" -Cllvm-args=-sanitizer-coverage-$option"
    done
    flags+=' -Cllvm-args=-simplifycfg-branch-fold-threshold=0 -Zsanitizer=address -Cdebug-assertions -Ccodegen-units=16'
    RUSTFLAGS=$flags "${toolchain[@]}" cargo build --quiet --locked --release --target "$host" "$@"
}

# Leak detection needs ptrace, which containers refuse.
export ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1:${ASAN_OPTIONS:-}

# A target with its limits: bytes of an input, seconds and MiB for each.
target() {
    local name=$1 length=65536
    shift
    case $name in
        example | spec | sources | beside) length=4096 ;;
        frames | repair) length=2048 ;;
    esac
    local options=(-max_len=$length -timeout=20 -rss_limit_mb=2048 -malloc_limit_mb=512 -detect_leaks=0 -verbosity=1)
    [ ! -f "dictionaries/$name" ] || options+=("-dict=dictionaries/$name")
    "$built/$name" "${options[@]}" "$@"
}

# One target for some seconds, in a log; 255 at a find, for which xargs stops.
one() {
    local name=$1 seconds=$2 seed=$3 log=target/logs/$1
    mkdir -p "target/grown/$name" "artifacts/$name" target/logs
    local status=0
    target "$name" "-max_total_time=$seconds" "-seed=$seed" "-artifact_prefix=artifacts/$name/" -print_final_stats=1 "target/grown/$name" "corpus/$name" >"$log" 2>&1 || status=$?
    if [ $status != 0 ]; then
        tail -n 60 "$log"
        local find
        find=$(sed -n 's/.*Test unit written to //p' "$log" | tail -n 1)
        printf '\n== %s: a find. To run it again:\n   fuzz/run.sh --again %s fuzz/%s\n' "$name" "$name" "$find"
        exit 255
    fi
    local executions coverage
    executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    coverage=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -n 1)
    printf '%-12s %5d s %10d executions, %d edges, no find\n' "$name" "$seconds" "$executions" "$coverage"
}

case ${1:-} in
    --one)
        one "$2" "$3" "$4"
        exit
        ;;
    --again)
        build --bin "$2"
        file=$(cd .. && realpath "$3")
        target "$2" "$file"
        exit
        ;;
    --minimise)
        build --bin "$2"
        rm -rf target/merged && mkdir -p target/merged "target/grown/$2"
        target "$2" -merge=1 target/merged "corpus/$2" "target/grown/$2"
        rm -rf "corpus/$2" && mv target/merged "corpus/$2"
        exit
        ;;
esac

time=${1:-20}
shift || true
# A short run draws the same inputs each time, so that what it says of a change is the change's doing; 0 is another seed each time.
case $time in
    *s) seconds=${time%s} seed=1 ;;
    *) seconds=$((time * 60)) seed=0 ;;
esac
targets=("$@")
[ $# -gt 0 ] || targets=("${all[@]}")
build
printf '%s\n' "${targets[@]}" | xargs -P "${JOBS:-$(nproc)}" -I{} ./run.sh --one {} "$seconds" "$seed" || exit 1
