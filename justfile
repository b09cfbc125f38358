# List the recipes
default:
    @just --list

# Build the binary
build:
    cargo build --locked

# Run every test (private database servers are started by the tests)
test *ARGS:
    cargo test --locked {{ARGS}}

# Check the format and the lints, as in CI
lint:
    cargo fmt --check
    cargo clippy --all-targets --locked -- -D warnings

# Format the code
fmt:
    cargo fmt

# Everything CI does, but for the advisories of the dependencies
ci:
    bash .ci/run

# Show the tool at work on a database of its own
demo:
    cargo run --locked -- demo

# Check licences, duplicates, sources and advisories of the dependencies
deny:
    cargo deny check

# Measure what the README claims about speed
bench *ARGS:
    cargo bench --locked {{ARGS}}

# The job that brings credits against deactivations, a thousand times on each engine
races COUNT="1000":
    LEDGER_TEST_RACES={{COUNT}} cargo test --locked the_job_and_a_deactivation

# Independent accounting programs check a long ledger on each engine
books ENTRIES="100000":
    LEDGER_TEST_EXPORT_ENTRIES={{ENTRIES}} cargo test --locked a_long_ledger_is_agreed_upon_too

# A Debian package with manual, completions and units (needs cargo-deb)
deb:
    cargo build --release --locked
    packaging/assets.sh target/release/ledger target/packaging
    cargo deb --no-build --locked

# The sources of the dependencies into ./vendor, for builds without a network
vendor:
    cargo vendor --locked --versioned-dirs vendor

# Fuzz a target of fuzz/ for so many minutes, from its committed corpus (needs cargo-fuzz and g++)
fuzz TARGET MINUTES="3":
    mkdir -p fuzz/target/corpus/{{TARGET}}
    cd fuzz && cargo fuzz run --sanitizer none {{TARGET}} target/corpus/{{TARGET}} corpus/{{TARGET}} -- \
        -dict=dictionaries/{{TARGET}}.dict -max_len=4096 -max_total_time=$(({{MINUTES}} * 60))

# Kill, cut, starve and flood the tool for so many minutes; SEED repeats a campaign, FAULTS chooses (see --list)
campaign MINUTES="30" SEED="1" *FAULTS="":
    cargo test --locked --test campaign -- --minutes {{MINUTES}} --seed {{SEED}} {{FAULTS}}
